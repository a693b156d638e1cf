"""Backtests against others' reckoning: pandas by hand, backtesting.py, NautilusTrader; to the cent."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from puna.core.risk import RiskLimits
from puna.core.types import Bar
from puna.engine.strategy import Strategy
from puna.research.backtest.data import History, bundled_days, history_of
from puna.research.backtest.run import BacktestResult, run_backtest

CASH = 100_000
SHARES = 100
_MUCH = Decimal(10_000_000)
WIDE = RiskLimits(
    max_order_value=_MUCH, max_order_percent=_MUCH, max_position_value=_MUCH, max_position_percent=_MUCH,
    max_gross_value=_MUCH, max_gross_percent=_MUCH, max_net_value=_MUCH, max_net_percent=_MUCH,
    max_open_value=_MUCH, max_open_percent=_MUCH, buying_power_buffer=Decimal(0),
)  # fmt: skip
SPAN = date(2009, 1, 2), date(2012, 12, 31)


class Daily(Strategy):
    """Holds so many shares, or none, as `wanted` says at each close."""

    symbols: Sequence[str] = ("AAPL",)
    timeframe = "1Day"
    name = "daily"

    def __init__(self, symbol: str) -> None:
        self.symbols = (symbol,)
        self.closes: list[float] = []
        self.highs: list[float] = []
        self.lows: list[float] = []
        self.long = False

    def on_bar(self, bar: Bar) -> None:
        self.closes.append(bar.close)
        self.highs.append(bar.high)
        self.lows.append(bar.low)
        wanted = self.wanted()
        if wanted is not None and wanted is not self.long:
            self.long = wanted
            (self.buy if wanted else self.sell)(bar.symbol, SHARES)

    def wanted(self) -> bool | None:
        """Long, flat, or as before."""
        raise NotImplementedError


class Hold(Daily):
    """Buys once, at its second close: backtesting.py asks nobody at the first."""

    def wanted(self) -> bool | None:
        return True if len(self.closes) > 1 else None


class Averages(Daily):
    """The mean of ten closes above that of thirty."""

    def wanted(self) -> bool | None:
        if len(self.closes) < 30:
            return None
        return sum(self.closes[-10:]) / 10 > sum(self.closes[-30:]) / 30


class Reversion(Daily):
    """Long below the mean of 20 closes by one deviation, flat above it."""

    def wanted(self) -> bool | None:
        if len(self.closes) < 20:
            return None
        last = np.array(self.closes[-20:])
        close, mean, deviation = last[-1], last.mean(), last.std(ddof=1)
        return True if close < mean - deviation else False if close > mean else None


class Breakout(Daily):
    """Long at a close above the highs of the 20 days before, flat below the lows of the ten before."""

    def wanted(self) -> bool | None:
        if len(self.closes) < 21:
            return None
        close = self.closes[-1]
        return True if close > max(self.highs[-21:-1]) else False if close < min(self.lows[-11:-1]) else None


def signals(kind: str, frame: pd.DataFrame) -> pd.Series:
    """The same rules, reckoned over whole columns: 1 long, 0 flat, at each close."""
    close = frame["Close"]
    if kind == "Hold":
        return pd.Series(1.0, index=frame.index).where(frame.index != frame.index[0], 0.0)
    if kind == "Averages":
        fast, slow = close.rolling(10).mean(), close.rolling(30).mean()
        return (fast > slow).astype(float).where(slow.notna()).ffill().fillna(0.0)
    if kind == "Reversion":
        mean, deviation = close.rolling(20).mean(), close.rolling(20).std()
        found = pd.Series(np.nan, index=frame.index)
        found[close > mean] = 0.0
        found[close < mean - deviation] = 1.0
    else:
        found = pd.Series(np.nan, index=frame.index)
        found[close < frame["Low"].shift(1).rolling(10).min()] = 0.0
        found[close > frame["High"].shift(1).rolling(20).max()] = 1.0
        found.iloc[:20] = np.nan
    return found.ffill().fillna(0.0)


@contextmanager
def theirs_alone() -> Iterator[None]:
    """What another library's code warns of is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def frame_of(history: History, symbol: str) -> pd.DataFrame:
    columns = history.columns[symbol]
    named = {name: getattr(columns, name.lower()) for name in ("Open", "High", "Low", "Close", "Volume")}
    return pd.DataFrame(named, index=pd.to_datetime(columns.begin))


def played(kind: type[Daily], symbol: str) -> tuple[BacktestResult, pd.DataFrame]:
    history = bundled_days([symbol], *SPAN)
    result = run_backtest([kind(symbol)], history, cash=CASH, fills="optimistic", fees=None, limits=WIDE)
    return result, frame_of(history, symbol)


CASES = [(kind, symbol) for kind in (Hold, Averages, Reversion, Breakout) for symbol in ("AAPL", "IBM")]


@pytest.mark.parametrize(("kind", "symbol"), CASES)
def test_pandas_reckons_the_same_equity_on_every_day(kind: type[Daily], symbol: str) -> None:
    """Signals over whole columns, shares from the next open on, cash less what was paid: equal at every close."""
    result, frame = played(kind, symbol)
    held = signals(kind.__name__, frame).shift(1, fill_value=0.0) * SHARES
    traded = held.diff().fillna(held)
    equity = CASH - (traded * frame["Open"]).cumsum() + held * frame["Close"]
    assert int((traded != 0).sum()) == len(result.record.fills) >= 1
    assert np.abs(equity.to_numpy() - result.equity[1:]).max() < 0.005


@pytest.mark.parametrize(("kind", "symbol"), CASES)
def test_backtesting_py_reckons_the_same(kind: type[Daily], symbol: str) -> None:
    """Its rules for market orders are ours without spread: the next open. The equity of every day is the same."""
    backtesting = pytest.importorskip("backtesting")
    result, frame = played(kind, symbol)
    wanted = signals(kind.__name__, frame).to_numpy()

    class Theirs(backtesting.Strategy):  # type: ignore[misc, name-defined]  # not typed
        def init(self) -> None:
            """Signals are made already."""

        def next(self) -> None:
            long = wanted[len(self.data) - 1] > 0
            if long and not self.position:
                self.buy(size=SHARES)
            elif not long and self.position:
                self.position.close()

    with theirs_alone():
        run = backtesting.Backtest(frame, Theirs, cash=CASH, finalize_trades=False).run()
    theirs = run["_equity_curve"]["Equity"].to_numpy()
    assert np.abs(theirs[2:] - result.equity[3:]).max() < 0.005


def test_a_split_in_between_changes_nothing() -> None:
    """Held through AAPL's 2:1 split of 2005, raw prices give what prices adjusted by hand give."""
    days = date(2005, 1, 3), date(2005, 6, 30)
    history = bundled_days(["AAPL"], *days)
    result = run_backtest([Hold("AAPL")], history, cash=CASH, fills="optimistic", fees=None, limits=WIDE)
    frame = frame_of(history, "AAPL")
    factor = np.where(frame.index < pd.Timestamp(2005, 2, 28), 0.5, 1.0)
    bought, shares = frame["Open"].iloc[2] * 0.5, SHARES * 2
    equity = CASH + shares * (frame["Close"] * factor - bought)
    assert np.abs(equity.to_numpy()[2:] - result.equity[3:]).max() < 0.005


def gapless(symbol: str) -> History:
    """Real closes, each bar opening where the last one closed."""
    columns = bundled_days([symbol], *SPAN).columns[symbol]
    open_ = np.r_[columns.open[0], columns.close[:-1]]
    named: dict[str, Any] = {
        "time": columns.begin,
        "open": open_,
        "high": np.maximum(columns.high, open_),
        "low": np.minimum(columns.low, open_),
        "close": columns.close,
        "volume": columns.volume,
    }
    return history_of("1Day", {symbol: named})


def test_nautilus_decides_fills_and_earns_the_same() -> None:
    """The averages on real closes, without latency and fees, bars executed: the same orders, prices and profit.

    What cannot be made alike: NautilusTrader fills a market order at the close that caused it, Puna at the next open.
    So each bar opens here where the one before closed.
    """
    pytest.importorskip("nautilus_trader", reason="the extra nautilus needs Python 3.12 or newer")
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig  # noqa: PLC0415 - an extra
    from nautilus_trader.config import LoggingConfig  # noqa: PLC0415
    from nautilus_trader.model.currencies import USD  # noqa: PLC0415
    from nautilus_trader.model.data import Bar as Theirs  # noqa: PLC0415
    from nautilus_trader.model.data import BarType  # noqa: PLC0415
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide  # noqa: PLC0415
    from nautilus_trader.model.identifiers import Venue  # noqa: PLC0415
    from nautilus_trader.model.objects import Money, Price, Quantity  # noqa: PLC0415
    from nautilus_trader.test_kit.providers import TestInstrumentProvider  # noqa: PLC0415
    from nautilus_trader.trading.strategy import Strategy as TheirStrategy  # noqa: PLC0415

    history = gapless("AAPL")
    ours = run_backtest([Averages("AAPL")], history, cash=CASH, fills="optimistic", fees=None, limits=WIDE)
    instrument = TestInstrumentProvider.equity(symbol="AAPL", venue="XNAS")
    kind = BarType.from_str("AAPL.XNAS-1-DAY-LAST-EXTERNAL")
    columns = history.columns["AAPL"]
    bars = [
        Theirs(kind, *(Price(float(each), 2) for each in prices), Quantity.from_int(int(volume)), int(ts), int(ts))
        for *prices, volume, ts in zip(*columns[4:9], columns.known, strict=True)
    ]
    fills: list[tuple[str, float, float]] = []
    rule = Averages("AAPL")

    class Same(TheirStrategy):  # type: ignore[misc]  # compiled, not typed
        def on_start(self) -> None:
            self.subscribe_bars(kind)

        def on_bar(self, bar: Any) -> None:
            rule.closes.append(float(bar.close))
            wanted = rule.wanted()
            if wanted is not None and wanted is not rule.long:
                rule.long = wanted
                side = OrderSide.BUY if wanted else OrderSide.SELL
                self.submit_order(self.order_factory.market(instrument.id, side, Quantity.from_int(SHARES)))

        def on_order_filled(self, event: Any) -> None:
            side = "buy" if event.order_side == OrderSide.BUY else "sell"
            fills.append((side, float(event.last_qty), float(event.last_px)))

    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        Venue("XNAS"), OmsType.NETTING, AccountType.CASH, base_currency=USD, starting_balances=[Money(CASH, USD)],
        bar_execution=True,
    )  # fmt: skip
    engine.add_instrument(instrument)
    engine.add_data(bars)
    engine.add_strategy(Same())
    with theirs_alone():
        engine.run()
    cash = float(engine.portfolio.account(Venue("XNAS")).balance_total(USD))
    engine.dispose()
    mine = [(row.side, float(row.qty), float(row.price)) for row in ours.record.fills]
    assert mine == fills
    assert len(mine) > 20
    assert cash == pytest.approx(float(ours.record.cash), abs=0.005)
