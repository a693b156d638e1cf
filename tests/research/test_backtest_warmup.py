"""Warm-up in backtests: on each day a strategy sees the longer bars that a process started on that day would see."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time

import numpy as np

from puna.core.sessions import at, date_of
from puna.core.types import Bar
from puna.engine.past import is_complete, reach
from puna.engine.strategy import Strategy
from puna.exchange.data import Split
from puna.research.backtest.data import bundled_days, bundled_minutes
from puna.research.backtest.market import BarMarket
from puna.research.backtest.run import run_backtest

FIRST, DAYS, COUNT = date(2012, 7, 2), 6, 3


class Looking(Strategy):
    """Notes on each bar which days it sees before it."""

    symbols: Sequence[str] = ("AAPL", "MSFT")
    timeframe = "30Min"
    warmup = {"1Day": COUNT, "30Min": 4}  # noqa: RUF012 - never changed
    trades = False

    def on_start(self) -> None:
        self.found: dict[tuple[str, date], list[tuple[Bar, ...]]] = {}
        self.own: list[int] = []

    def on_bar(self, bar: Bar) -> None:
        self.found.setdefault((bar.symbol, date_of(bar.ts_event)), []).append(self.history(bar.symbol, "1Day"))
        self.own.append(len(self.history(bar.symbol)))
        if self.trades and not self.position(bar.symbol):
            self.buy(bar.symbol, 1)


class Trading(Looking):
    trades = True


def _days(symbol: str) -> dict[date, float]:
    columns = bundled_days([symbol], date(2012, 6, 1), date(2012, 7, 31)).columns[symbol]
    return {date_of(int(t)): float(c) for t, c in zip(columns.begin, columns.close, strict=True)}


def test_each_day_sees_the_days_before_it_and_nothing_of_its_own() -> None:
    """Whether it trades, and stops at each bar, or not: the last three days that are over, and its own bars go on."""
    history = bundled_minutes(["AAPL", "MSFT"], FIRST, DAYS)
    closes = {symbol: _days(symbol) for symbol in history.symbols}
    for strategy in (Looking(), Trading()):
        run_backtest([strategy], history)
        assert len(strategy.found) == DAYS * 2
        for (symbol, today), seen in strategy.found.items():
            over = [day for day in closes[symbol] if day < today][-COUNT:]
            for bars in seen:
                assert [date_of(each.ts_event) for each in bars] == over
                np.testing.assert_allclose([each.close for each in bars], [closes[symbol][day] for day in over])
        assert max(strategy.own) > 4 + 13  # half hours of more than a day: its own bars do not begin anew


def test_a_run_of_several_days_sees_what_a_run_from_each_day_sees() -> None:
    """As live, where each day is a process of its own."""
    history = bundled_minutes(["AAPL", "MSFT"], FIRST, DAYS)
    whole = Looking()
    run_backtest([whole], history)
    for symbol, today in list(whole.found):
        alone = Looking()
        run_backtest([alone], bundled_minutes(["AAPL", "MSFT"], today, 1))
        (ours, *_), (theirs, *_) = whole.found[symbol, today], alone.found[symbol, today]
        assert [each.ts_event for each in ours] == [each.ts_event for each in theirs]
        for name in ("open", "high", "low", "close"):
            np.testing.assert_allclose([getattr(a, name) for a in ours], [getattr(b, name) for b in theirs])


def test_days_before_a_split_are_told_in_the_shares_of_today() -> None:
    """From the day of the split on, not before."""
    split = Split("AAPL", date(2012, 7, 6), old_rate=1, new_rate=2)
    history = replace(bundled_minutes(["AAPL", "MSFT"], FIRST, DAYS), splits=(split,))
    closes = _days("AAPL")
    strategy = Looking()
    run_backtest([strategy], history)
    for (symbol, today), (bars, *_) in strategy.found.items():
        if symbol == "AAPL":
            days = [date_of(each.ts_event) for each in bars]
            shares = [2 if day < split.ex_date <= today else 1 for day in days]
            np.testing.assert_allclose(
                [each.close * part for each, part in zip(bars, shares, strict=True)], [closes[day] for day in days]
            )


def test_days_from_before_the_minutes_are_told_in_the_shares_of_today_too() -> None:
    """AAPL's two for one of 2005-02-28: a warm-up that reaches back beyond the minutes holds no jump to half."""
    for first, days in ((date(2005, 2, 24), 4), (date(2005, 3, 1), 1)):
        strategy = Looking()
        strategy.symbols, strategy.warmup = ("AAPL",), {"1Day": 12}
        run_backtest([strategy], bundled_minutes(["AAPL"], first, days))
        seen = strategy.found["AAPL", date(2005, 3, 1)][0]
        raw = bundled_days(["AAPL"], date(2005, 2, 1), date(2005, 3, 1)).columns["AAPL"]
        closes = {date_of(int(t)): float(c) for t, c in zip(raw.begin, raw.close, strict=True)}
        over = [date_of(each.ts_event) for each in seen]
        assert len(over) == 12
        shares = [2 if day < date(2005, 2, 28) else 1 for day in over]
        ours = [closes[day] / part for day, part in zip(over, shares, strict=True)]
        np.testing.assert_allclose([each.close for each in seen], ours, rtol=1e-4)


class Remembering(Strategy):
    """Asks for longer bars of all kinds, on each third bar."""

    symbols: Sequence[str] = ("AAPL",)
    warmup = {"1Day": 4, "1Hour": 9, "1Week": 2}  # noqa: RUF012 - never changed

    def on_start(self) -> None:
        self.heard = 0
        self.found: dict[tuple[str, date], list[tuple[int, float, float]]] = {}

    def on_bar(self, bar: Bar) -> None:
        self.heard += 1
        if self.heard % 3 == 0:
            for frame in self.warmup:
                bars = self.history("AAPL", frame)
                self.found[frame, date_of(bar.ts_event)] = [(each.ts_event, each.close, each.volume) for each in bars]


def test_what_is_made_day_by_day_is_what_all_bars_would_give() -> None:
    """Days, hours and weeks, over a split: the last so many that are over, of everything that was known by then."""
    split = Split("AAPL", date(2012, 7, 6), old_rate=1, new_rate=2)
    history = replace(bundled_minutes(["AAPL"], FIRST, DAYS), splits=(split,))
    strategy = Remembering()
    run_backtest([strategy], history)
    for (frame, today), seen in strategy.found.items():
        midnight, count = at(today, time()), strategy.warmup[frame]
        known = BarMarket(history).bars("AAPL", frame, midnight - reach(frame, count), None, midnight, "split")
        over = [(int(each.t), each.c, each.v) for each in known if is_complete(each.t, frame, midnight)]
        if today > FIRST:  # the first day is warmed up by what the broker tells
            assert seen == over[-count:]
