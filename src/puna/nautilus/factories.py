"""What a `TradingNode` makes the clients with."""

import asyncio
from weakref import WeakKeyDictionary

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory

from puna.nautilus.config import (
    AlpacaDataClientConfig,
    AlpacaExecClientConfig,
    AlpacaInstrumentProviderConfig,
)
from puna.nautilus.connection import Connection, Pool
from puna.nautilus.data import AlpacaDataClient
from puna.nautilus.execution import AlpacaExecutionClient
from puna.nautilus.providers import AlpacaInstrumentProvider

__all__ = ["AlpacaLiveDataClientFactory", "AlpacaLiveExecClientFactory"]

_POOL = Pool()
_PROVIDERS: WeakKeyDictionary[Connection, dict[AlpacaInstrumentProviderConfig, AlpacaInstrumentProvider]] = (
    WeakKeyDictionary()
)


class AlpacaLiveDataClientFactory(LiveDataClientFactory):
    """Makes data clients."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: AlpacaDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> AlpacaDataClient:
        """A data client named `name`."""
        connection = _POOL.get(config, config.base_url_data, loop)
        provider = _provider(connection, clock, config.instrument_provider)
        return AlpacaDataClient(loop, connection, msgbus, cache, clock, provider, config, name)


class AlpacaLiveExecClientFactory(LiveExecClientFactory):
    """Makes execution clients."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: AlpacaExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> AlpacaExecutionClient:
        """An execution client named `name`."""
        connection = _POOL.get(config, None, loop)
        provider = _provider(connection, clock, config.instrument_provider)
        return AlpacaExecutionClient(loop, connection, msgbus, cache, clock, provider, config, name)


def _provider(
    connection: Connection, clock: LiveClock, config: AlpacaInstrumentProviderConfig
) -> AlpacaInstrumentProvider:
    """One for each connection and configuration: both clients of a node load instruments once."""
    known = _PROVIDERS.setdefault(connection, {})
    if config not in known:
        known[config] = AlpacaInstrumentProvider(connection.alpaca, clock, config)
    return known[config]
