"""Backtests of one EMA cross on the same bars: Puna's full order path, backtesting.py, NautilusTrader, a bare loop."""

import gc
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np

from benchmarks.table import Goal, Row, interleaved
from puna.core import sessions
from puna.core.types import Bar
from puna.engine.strategy import Strategy
from puna.research.backtest.data import History, history_of
from puna.research.backtest.run import run_backtest

__all__ = ["BARS", "QUICK", "Cross", "rows", "seeded_minutes", "timed"]

BARS, QUICK = 200_000, 40_000
FEW, MANY = 1_000, 100_000
FAST, SLOW = 2 / 13, 2 / 49
MINUTE = 60_000_000_000
LOTS = 100


class Idle(Strategy):
    """Two averages, and nothing done about them."""

    symbols: Sequence[str] = ("AAPL",)
    name = "cross"

    def on_start(self) -> None:
        self.fast = self.slow = 0.0
        self.above = False

    def on_bar(self, bar: Bar) -> None:
        close = bar.close
        if not self.fast:
            self.fast = self.slow = close
            return
        self.fast += (close - self.fast) * FAST
        self.slow += (close - self.slow) * SLOW
        if (above := self.fast > self.slow) is not self.above:
            self.above = above
            self.crossed(above=above)

    def crossed(self, *, above: bool) -> None:
        """Nothing."""


class Flip(Strategy):
    """In and out, an order with every bar."""

    symbols: Sequence[str] = ("AAPL",)
    name = "flip"

    def on_start(self) -> None:
        self.held = False

    def on_bar(self, bar: Bar) -> None:
        (self.sell if self.held else self.buy)(bar.symbol, LOTS // 10)
        self.held = not self.held


class Cross(Idle):
    """Long while the fast one is above the slow one."""

    def crossed(self, *, above: bool) -> None:
        """A market order each time."""
        (self.buy if above else self.sell)("AAPL", LOTS)


def rows(*, quick: bool = False) -> list[Row]:
    """With orders and without, a bar; then a bar by the number of symbols, an order by the number of orders."""
    count = QUICK if quick else BARS
    prices = seeded_minutes(count)
    history = history_of("1Min", {"AAPL": prices})
    nautilus = _Nautilus(seeded_minutes(QUICK))  # a bar costs it the same however many there are
    trading: dict[str, Callable[[], list[int]]] = {
        "puna": lambda: timed(count, lambda: run_backtest([Cross()], history)),
        "backtesting.py": _backtesting(prices),
        "nautilus_trader": lambda: nautilus.timed(trades=True),
    }
    idle: dict[str, Callable[[], list[int]]] = {
        "puna": lambda: timed(count, lambda: run_backtest([Idle()], history)),
        "bare loop": lambda: _bare(prices),
        "nautilus_trader": lambda: nautilus.timed(trades=False),
    }
    rounds, many = (1, MANY // 10) if quick else (2, MANY)
    return [
        Row(f"backtest, {count:,} bars, EMA cross with orders, a bar", interleaved(rounds, trading),
            (Goal("backtesting.py", 1 / 1.4), Goal("nautilus_trader", 1 / 15))),
        Row(f"backtest, {count:,} bars without orders, a bar", interleaved(rounds, idle),
            (Goal("bare loop", 1 / 0.3), Goal("nautilus_trader", 1 / 15))),
        Row("backtest, a bar of 1,000 symbols", interleaved(rounds, {
            "1,000 symbols": lambda: _of_symbols(1000, count), "one symbol": lambda: _of_symbols(1, count),
        }), (Goal("one symbol", 1.2),)),
        Row(f"backtest, an order of {many:,}", interleaved(1, {
            "so many": lambda: _an_order(many), "1,000": lambda: _an_order(FEW),
        }), (Goal("1,000", 1.2),)),
    ]  # fmt: skip


def seeded_minutes(count: int, seed: int = 1) -> dict[str, Any]:
    """Seeded minutes of core sessions; about one cross in 38 bars."""
    rng = np.random.default_rng(seed)
    days = sessions.trading_days(date(2018, 1, 2), date(2022, 12, 30))
    times = np.concatenate([np.arange(day.open, day.close, MINUTE) for day in days])[:count]
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.0004, count))), 2)
    open_ = np.round(np.r_[100.0, close[:-1]] * (1 + rng.normal(0, 0.0001, count)), 2)
    high = np.round(np.maximum(open_, close) + rng.random(count) * 0.05, 2)
    low = np.round(np.minimum(open_, close) - rng.random(count) * 0.05, 2)
    volume = rng.integers(50_000, 500_000, count).astype(float)
    return {"time": times, "open": open_, "high": high, "low": low, "close": close, "volume": volume}


def timed(count: int, work: Callable[[], object]) -> list[int]:
    """CPU time of the process, a bar: other work counts less; what the run before has left is freed first."""
    gc.collect()
    began = time.process_time_ns()
    kept = work()
    spent = time.process_time_ns() - began
    del kept
    return [max(1, spent // count)]


def _bare(prices: dict[str, Any]) -> list[int]:
    columns = [prices[name].tolist() for name in ("open", "high", "low", "close", "volume", "time")]
    bars = [Bar("AAPL", o, h, low, c, v, t, t + MINUTE) for o, h, low, c, v, t in zip(*columns, strict=True)]
    strategy = Idle()
    strategy.on_start()

    def loop() -> None:
        for bar in bars:
            strategy.on_bar(bar)

    return timed(len(bars), loop)


def _of_symbols(symbols: int, count: int) -> list[int]:
    """The same number of bars, of so many symbols; what there is to do before the first bar is taken off."""
    each = count // symbols
    names = [f"{chr(65 + at // 676)}{chr(65 + at // 26 % 26)}{chr(65 + at % 26)}" for at in range(symbols)]
    prices = seeded_minutes(each)
    first = {name: column[:1] for name, column in prices.items()}
    return [max(1, _whole(names, prices) - _whole(names, first) * symbols // count)]


def _whole(names: list[str], prices: dict[str, Any]) -> int:
    class Many(Idle):
        symbols = names

        def on_start(self) -> None:
            self.averages: dict[str, float] = {}

        def on_bar(self, bar: Bar) -> None:
            before = self.averages.get(bar.symbol, bar.close)
            self.averages[bar.symbol] = before + (bar.close - before) * FAST

    history = history_of("1Min", dict.fromkeys(names, prices))
    return timed(history.rows, lambda: run_backtest([Many()], history))[0]


def _an_order(count: int) -> list[int]:
    """What a run with as many orders as bars takes more than one without, an order."""
    history: History = history_of("1Min", {"AAPL": seeded_minutes(count)})
    alone = timed(1, lambda: run_backtest([Idle()], history))[0]
    sent = 0

    def trade() -> None:
        nonlocal sent
        sent = len(run_backtest([Flip()], history).intents)

    spent = timed(1, trade)[0]
    return [(spent - alone) // sent]


def _backtesting(prices: dict[str, Any]) -> Callable[[], list[int]]:
    warnings.simplefilter("ignore")
    import pandas as pd  # noqa: PLC0415 - an anchor's own
    from backtesting import Backtest  # type: ignore[import-untyped]  # noqa: PLC0415
    from backtesting import Strategy as Theirs  # noqa: PLC0415

    columns = {name.capitalize(): prices[name] for name in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.to_datetime(prices["time"]))

    def average(values: Any, part: float) -> Any:
        out = np.empty(len(values))
        now = values[0]
        for at, value in enumerate(values):
            now += (value - now) * part
            out[at] = now
        return out

    class Crossing(Theirs):  # type: ignore[misc]  # backtesting.py is not typed
        def init(self) -> None:
            self.fast = self.I(average, self.data.Close, FAST)
            self.slow = self.I(average, self.data.Close, SLOW)
            self.above = False

        def next(self) -> None:
            above = bool(self.fast[-1] > self.slow[-1])
            if above is not self.above:
                self.above = above
                if above:
                    self.buy(size=LOTS)
                else:
                    self.position.close()

    runner = Backtest(frame, Crossing, cash=100_000)
    return lambda: timed(len(frame), runner.run)


class _Nautilus:
    """NautilusTrader's backtest with its default settings: bar execution on, logging off."""

    def __init__(self, prices: dict[str, Any]) -> None:
        from nautilus_trader.model.data import Bar as Theirs  # noqa: PLC0415 - an anchor's own
        from nautilus_trader.model.data import BarType  # noqa: PLC0415
        from nautilus_trader.model.objects import Price, Quantity  # noqa: PLC0415
        from nautilus_trader.test_kit.providers import TestInstrumentProvider  # noqa: PLC0415

        self.instrument = TestInstrumentProvider.equity(symbol="AAPL", venue="XNAS")
        self.type = BarType.from_str("AAPL.XNAS-1-MINUTE-LAST-EXTERNAL")
        names = ("open", "high", "low", "close", "volume", "time")
        self.bars = [
            Theirs(self.type, Price(o, 2), Price(h, 2), Price(low, 2), Price(c, 2), Quantity.from_int(int(v)),
                   t + MINUTE, t + MINUTE)
            for o, h, low, c, v, t in zip(*(prices[name].tolist() for name in names), strict=True)
        ]  # fmt: skip

    def timed(self, *, trades: bool) -> list[int]:
        """CPU time a bar, of the run alone."""
        from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig  # noqa: PLC0415
        from nautilus_trader.config import LoggingConfig  # noqa: PLC0415
        from nautilus_trader.model.currencies import USD  # noqa: PLC0415
        from nautilus_trader.model.enums import AccountType, OmsType, OrderSide  # noqa: PLC0415
        from nautilus_trader.model.identifiers import Venue  # noqa: PLC0415
        from nautilus_trader.model.objects import Money, Quantity  # noqa: PLC0415
        from nautilus_trader.trading.strategy import Strategy as Theirs  # noqa: PLC0415

        instrument, bar_type, lots = self.instrument, self.type, Quantity.from_int(LOTS)

        class Crossing(Theirs):  # type: ignore[misc]  # nautilus_trader is compiled, and not typed
            def on_start(self) -> None:
                self.fast = self.slow = 0.0
                self.above = False
                self.subscribe_bars(bar_type)

            def on_bar(self, bar: Any) -> None:
                close = float(bar.close)
                if not self.fast:
                    self.fast = self.slow = close
                    return
                self.fast += (close - self.fast) * FAST
                self.slow += (close - self.slow) * SLOW
                if (above := self.fast > self.slow) is not self.above:
                    self.above = above
                    if trades:
                        side = OrderSide.BUY if above else OrderSide.SELL
                        self.submit_order(self.order_factory.market(instrument.id, side, lots))

        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
        engine.add_venue(
            Venue("XNAS"), OmsType.NETTING, AccountType.MARGIN, base_currency=USD,
            starting_balances=[Money(100_000, USD)],
        )  # fmt: skip
        engine.add_instrument(instrument)
        engine.add_data(self.bars)
        engine.add_strategy(Crossing())
        try:
            return timed(len(self.bars), engine.run)
        finally:
            engine.dispose()
