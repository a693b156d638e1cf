"""An unofficial NautilusTrader adapter for Alpaca (extra `puna[nautilus]`): data, execution, instruments, factories.

It is a rim: what goes over the wire comes from `puna.wire` and `puna.alpaca`, and nothing outside this package imports
the framework. See docs/nautilus.md.
"""

from puna.nautilus.config import (
    AlpacaAssetClass,
    AlpacaDataClientConfig,
    AlpacaDataFeed,
    AlpacaExecClientConfig,
    AlpacaInstrumentProviderConfig,
    exec_engine_config,
)
from puna.nautilus.constants import ALPACA, ALPACA_CLIENT_ID, ALPACA_VENUE
from puna.nautilus.data import AlpacaDataClient
from puna.nautilus.execution import AlpacaExecutionClient
from puna.nautilus.factories import AlpacaLiveDataClientFactory, AlpacaLiveExecClientFactory
from puna.nautilus.providers import AlpacaInstrumentProvider

__all__ = [
    "ALPACA",
    "ALPACA_CLIENT_ID",
    "ALPACA_VENUE",
    "AlpacaAssetClass",
    "AlpacaDataClient",
    "AlpacaDataClientConfig",
    "AlpacaDataFeed",
    "AlpacaExecClientConfig",
    "AlpacaExecutionClient",
    "AlpacaInstrumentProvider",
    "AlpacaInstrumentProviderConfig",
    "AlpacaLiveDataClientFactory",
    "AlpacaLiveExecClientFactory",
    "exec_engine_config",
]
