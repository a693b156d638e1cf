"""History through the adapter into the framework's Parquet catalog, without a node, by the same parsing as live."""

import asyncio

import pandas as pd
from nautilus_trader.common.component import LiveClock
from nautilus_trader.model.data import BarType
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from puna.errors import DataError
from puna.nautilus import history
from puna.nautilus.config import AlpacaDataClientConfig
from puna.nautilus.connection import Pool
from puna.nautilus.instruments import symbol_of
from puna.nautilus.parsing import bar_of
from puna.nautilus.providers import AlpacaInstrumentProvider

__all__ = ["bars_into"]


async def bars_into(
    catalog: ParquetDataCatalog,
    config: AlpacaDataClientConfig,
    bar_type: BarType,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    adjustment: str = "raw",
) -> int:
    """Writes an instrument and its bars, and gives the number of bars.

    Parameters
    ----------
    catalog : ParquetDataCatalog
        Where to.
    config : AlpacaDataClientConfig
        Keys, places and feed.
    bar_type : BarType
        Of EXTERNAL bars that Alpaca has.
    start, end : pd.Timestamp
        Inclusive.
    adjustment : str, default ``raw``
        ``raw``, ``split``, ``dividend`` or ``all``.

    Raises:
    ------
    DataError
        No such instrument, no such bars, or none in that time; then nothing was written.

    """
    clock = LiveClock()
    connection = Pool().get(config, config.base_url_data, asyncio.get_running_loop())
    connection.use()
    try:
        provider = AlpacaInstrumentProvider(connection.alpaca, clock, config.instrument_provider)
        await provider.load_async(bar_type.instrument_id)
        instrument = provider.find(bar_type.instrument_id)
        if instrument is None:
            raise DataError(f"Alpaca knows no {bar_type.instrument_id}.", remedy="Check the symbol.", code="E630")
        source = history.bars(
            connection.alpaca,
            symbol_of(bar_type.instrument_id),
            bar_type.spec,
            config,
            int(start.value),
            int(end.value),
            adjustment=adjustment,
        )
        now, on_close = clock.timestamp_ns(), config.bars_timestamp_on_close
        parsed = [bar_of(bar, bar_type, instrument, now, on_close=on_close) async for bar in source]
    finally:
        await connection.release()
    bars = [bar for bar in parsed if bar is not None]
    if not bars:
        raise DataError(f"There are no bars of {bar_type} from {start} to {end}.", code="E610")
    catalog.write_data([instrument])
    catalog.write_data(bars)
    return len(bars)
