"""Bars from Alpaca into NautilusTrader's Parquet catalog, then the strategy of equity_ema_cross.py in its backtest.

    puna exchange --port 8900 --speed 600 &
    python examples/nautilus/backtest_ema_cross.py --url http://127.0.0.1:8900 --start 2012-09-12 --end 2012-09-19

The bars are downloaded through the adapter, with the client and the parsing that serve them live.
"""

import argparse
import asyncio
import importlib.util
import tempfile
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from puna.nautilus import (
    ALPACA,
    ALPACA_VENUE,
    AlpacaDataClientConfig,
)
from puna.nautilus.download import bars_into


def live_strategy() -> ModuleType:
    """The module beside this one, whose strategy trades live."""
    path = Path(__file__).with_name("equity_ema_cross.py")
    spec = importlib.util.spec_from_file_location("equity_ema_cross", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def backtest(catalog: ParquetDataCatalog, bar_type: BarType) -> BacktestEngine:
    """The strategy over the catalog's bars."""
    strategy = live_strategy()
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR")))
    engine.add_venue(
        venue=ALPACA_VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(100_000, USD)],
    )
    for instrument in catalog.instruments(instrument_ids=[str(bar_type.instrument_id)]):
        engine.add_instrument(instrument)
    engine.add_data(catalog.bars([str(bar_type)]))
    engine.add_strategy(strategy.EmaCross(strategy.EmaCrossConfig(bar_type=bar_type, quantity=Decimal(10))))
    engine.run()
    return engine


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Download bars from Alpaca, and backtest a strategy on them.")
    parser.add_argument("--url", help="an exchange on loopback; default: Alpaca's data API")
    parser.add_argument("--symbol", default="AAPL")
    parser.add_argument("--start", required=True, help="first day, as 2012-09-12")
    parser.add_argument("--end", required=True, help="last day")
    parser.add_argument("--catalog", help="where to keep the Parquet files; default: a folder that is thrown away")
    words = parser.parse_args()
    keys = {"api_key": "key", "api_secret": "secret"} if words.url else {}
    config = AlpacaDataClientConfig(base_url_http=words.url, **keys)
    bar_type = BarType.from_str(f"{words.symbol}.{ALPACA}-1-MINUTE-LAST-EXTERNAL")
    with tempfile.TemporaryDirectory() as scratch:
        catalog = ParquetDataCatalog(words.catalog or scratch)
        start, end = (pd.Timestamp(day, tz="America/New_York") for day in (words.start, words.end))
        count = asyncio.run(bars_into(catalog, config, bar_type, start, end + pd.Timedelta(days=1)))
        engine = backtest(catalog, bar_type)
    print(f"{count} bars of {bar_type}")
    print(
        engine.trader.generate_positions_report().to_string(columns=["side", "quantity", "avg_px_open", "realized_pnl"])
    )


if __name__ == "__main__":
    main()
