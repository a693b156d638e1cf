"""Halts, borrowing, half days, and coins around the clock, in backtests on bars."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, time
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core import sessions
from puna.core.risk import RiskLimits
from puna.core.types import Bar, OrderIntent
from puna.engine.strategy import Strategy
from puna.exchange.fees import FeeSchedule
from puna.research.backtest.data import History, history_of
from puna.research.backtest.run import BacktestResult, run_backtest
from puna.research.history.tables import HaltRow

DAY = date(2024, 3, 5)
OPEN = sessions.trading_days(DAY, DAY)[0].open
SECOND, MINUTE, HOUR = 1_000_000_000, 60_000_000_000, 3_600_000_000_000
FREE: dict[str, Any] = {"fees": None, "limits": RiskLimits(allow_short=True), "fills": "optimistic"}
FEES = FeeSchedule()
FOUR = ("open", "high", "low", "close")


def history_at(
    times: Sequence[int], rows: Sequence[Sequence[float]], timeframe: str = "1Min", symbol: str = "GME"
) -> History:
    columns = dict(zip(FOUR, zip(*rows, strict=True), strict=True))
    return history_of(timeframe, {symbol: {"time": times, "volume": [1e6] * len(times), **columns}})


def flat(price: float = 100.0) -> tuple[float, float, float, float]:
    return price, price, price, price


class Script(Strategy):
    """Does something at given bars: number -> what."""

    name = "script"

    def __init__(self, deeds: Mapping[int, Callable[["Script"], Any]], symbol: str, timeframe: str) -> None:
        self.symbols, self.timeframe = (symbol,), timeframe
        self.deeds = deeds
        self.bars = 0
        self.refused: list[tuple[str, str]] = []

    def on_bar(self, bar: Bar) -> None:
        self.bars += 1
        if deed := self.deeds.get(self.bars - 1):
            deed(self)

    def on_refused(self, intent: OrderIntent, code: str, reason: str) -> None:
        self.refused.append((code, reason))


def play(
    history: History, deeds: Mapping[int, Callable[[Script], Any]], **wanted: Any
) -> tuple[Script, BacktestResult]:
    script = Script(deeds, history.symbols[0], history.timeframe)
    return script, run_backtest([script], history, **{**FREE, **wanted})


def paid(result: BacktestResult) -> list[tuple[float, float]]:
    return [(float(row.qty), float(row.price)) for row in result.record.fills]


# Halts.


def halted(history: History, *spans: tuple[int, int]) -> History:
    return replace(history, halts=tuple(HaltRow("GME", start, end, "T1") for start, end in spans))


def test_an_order_from_before_a_halt_waits_for_its_end() -> None:
    """A limit of 99 that a bar inside of the halt goes through is filled at the first open after it, at 97.50."""
    rows = [flat(), flat(), (100.0, 100.0, 98.0, 98.0), flat(97.5), flat(97.5)]
    history = history_at([OPEN + at * MINUTE for at in range(5)], rows)
    deeds = {0: lambda s: s.buy("GME", 10, limit="99")}
    _, free = play(history, deeds)
    _, result = play(halted(history, (OPEN + 2 * MINUTE, OPEN + 3 * MINUTE)), deeds)
    assert paid(free) == [(10, 99.0)]
    assert paid(result) == [(10, 97.5)]


def test_a_bar_that_begins_inside_of_a_halt_opens_at_its_end() -> None:
    """From 10:45 to 11:50 by two notes that touch: the bar of 11:00 opens at 97 when trading goes on, not before."""
    times = [OPEN - 30 * MINUTE + at * HOUR for at in range(4)]
    history = history_at(times, [flat(), flat(), (97.0, 105.0, 96.0, 100.0), flat()], "1Hour")
    begins, resumes = OPEN + 75 * MINUTE, OPEN + 140 * MINUTE
    noted = halted(history, (begins, resumes - HOUR), (begins + 1, resumes))
    _, result = play(noted, {0: lambda s: s.buy("GME", 10, limit="98")})
    assert paid(result) == [(10, 97.0)]
    assert resumes <= result.record.fills[0].ts < resumes + SECOND


def test_nothing_new_is_ordered_while_a_stock_is_halted() -> None:
    """The halt is known when it begins: risk refuses (R102), and lets orders go when it is over."""
    history = history_at([OPEN + at * MINUTE for at in range(6)], [flat()] * 6)
    script, result = play(
        halted(history, (OPEN + 2 * MINUTE, OPEN + 4 * MINUTE)),
        {1: lambda s: s.buy("GME", 1), 2: lambda s: s.buy("GME", 2), 3: lambda s: s.buy("GME", 3)},
    )
    assert [code for code, _ in script.refused] == ["R102", "R102"]
    assert all("is halted" in reason for _, reason in script.refused)
    assert paid(result) == [(3, 100.0)]


@settings(max_examples=25, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 10 * 60), st.integers(1, 200)), min_size=1, max_size=3),
    wishes=st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["market", "limit", "stop"])), min_size=1, max_size=6),
)
def test_nothing_fills_while_a_stock_is_halted(spans: list[tuple[int, int]], wishes: list[tuple[int, str]]) -> None:
    """Whatever bars say: no fill lies inside of a halt."""
    rows = [(100.0, 103.0, 97.0, 101.0), (101.0, 102.0, 96.0, 98.0)] * 5
    history = history_at([OPEN + at * MINUTE for at in range(10)], rows)
    noted = [(OPEN + start * SECOND, OPEN + (start + length) * SECOND) for start, length in spans]
    ways: dict[str, Callable[[Script], Any]] = {
        "market": lambda s: s.buy("GME", 1),
        "limit": lambda s: s.buy("GME", 1, limit="98"),
        "stop": lambda s: s.buy("GME", 1, stop="102"),
    }
    _, result = play(halted(history, *noted), {at: ways[way] for at, way in wishes})
    assert [row for row in result.record.fills for start, end in noted if start <= row.ts < end] == []


# Borrowing.


def days_at(prices: Sequence[float], first: date = date(2024, 3, 4)) -> History:
    days = sessions.trading_days(first, date(2024, 4, 30))[: len(prices)]
    return history_at([sessions.at(day.date, time()) for day in days], [flat(each) for each in prices], "1Day")


def test_a_short_of_what_is_hard_to_borrow_costs_every_night() -> None:
    """A 360th part of 3 % of its worth at the last close for each night, after Friday three times, rounded up."""
    prices = [100.0, 101.0, 99.5, 103.0, 102.0, 98.0, 97.0]  # Monday 4th to Tuesday 12th
    history = replace(days_at(prices), borrow={"GME": "hard"})
    _, result = play(history, {}, fees=FEES, holding={"GME": (Decimal(-100), Decimal(100))}, cash=100_000)
    charged = [-row.cash for row in result.record.actions if row.kind == "borrow"] or [result.record.fees]
    nights = [(100.0, 1), (101.0, 1), (99.5, 1), (103.0, 1), (102.0, 3), (98.0, 1), (97.0, 1)]
    owed = [
        (100 * Decimal(repr(close)) * Decimal("0.03") / 360 * count).quantize(Decimal("0.01"), ROUND_CEILING)
        for close, count in nights
    ]
    assert sum(charged) == sum(owed)
    _, easy = play(days_at(prices), {}, fees=FEES, holding={"GME": (Decimal(-100), Decimal(100))}, cash=100_000)
    assert easy.record.equity_end - result.record.equity_end == sum(owed)


@pytest.mark.parametrize("how", ["hard", "none"])
def test_what_cannot_be_borrowed_is_not_sold_short(how: Any) -> None:
    """Risk refuses a short (R117), and lets a purchase and its sale pass."""
    history = replace(history_at([OPEN + at * MINUTE for at in range(6)], [flat()] * 6), borrow={"GME": how})
    deeds = {0: lambda s: s.sell("GME", 5), 1: lambda s: s.buy("GME", 5), 3: lambda s: s.sell("GME", 5)}
    script, result = play(history, deeds)
    assert [code for code, _ in script.refused] == ["R117"]
    assert [qty for qty, _ in paid(result)] == [5, 5]
    assert any("cannot simply be borrowed" in each for each in result.differences)


# Half days.

HALF = date(2023, 11, 24)  # the day after Thanksgiving: to 13:00


def test_a_day_order_ends_with_a_half_day() -> None:
    """It expires at 13:00; bars of the afternoon, which are after-hours then, fill nothing."""
    open_ = sessions.trading_days(HALF, HALF)[0].open
    times = [open_ + at * MINUTE for at in (0, 1, 209, 215, 230)]
    history = history_at(times, [flat(), flat(), flat(), flat(90.0), flat(90.0)])
    _, result = play(history, {0: lambda s: s.buy("GME", 1, limit="95")})
    assert paid(result) == []
    order = result.record.orders[0]
    assert order.status == "expired"
    assert order.ts_final == sessions.at(HALF, time(13))


def test_a_half_day_is_known_at_its_close() -> None:
    """The bar of a half day is told at 13:00, and what follows from it meets Monday's open."""
    days = [sessions.at(on, time()) for on in (HALF, date(2023, 11, 27))]
    history = history_at(days, [flat(), flat(101.0)], "1Day")
    _, result = play(history, {0: lambda s: s.buy("GME", 1)})
    assert result.record.orders[0].ts_decision == sessions.at(HALF, time(13))
    assert paid(result) == [(1, 101.0)]
    assert result.record.fills[0].ts >= sessions.at(date(2023, 11, 27), time(9, 30))


# Coins.


def test_a_coin_s_days_go_through_the_weekend() -> None:
    """A coin's day ends at midnight UTC: what Friday's bar decides is bought at Saturday's open, and sold on Sunday."""
    friday = 1_709_251_200_000_000_000  # 2024-03-01
    times = [friday + at * 24 * HOUR for at in range(5)]
    history = history_at(times, [flat(50_000.0 + 1000 * at) for at in range(5)], "1Day", "BTC/USD")
    deeds = {0: lambda s: s.buy("BTC/USD", "0.1", tif="gtc"), 1: lambda s: s.sell("BTC/USD", "0.1", tif="gtc")}
    _, result = play(history, deeds)
    assert paid(result) == [(0.1, 51_000.0), (0.1, 52_000.0)]
    assert [row.ts // (24 * HOUR) - friday // (24 * HOUR) for row in result.record.fills] == [1, 2]
    assert result.record.cash == 100_000 + 100


def test_the_equity_of_coins_is_less_by_their_fees_from_the_trade_on() -> None:
    """Bought and half of it sold on two days: after every bar it is what the venue's own ledger is worth, to the cent.

    A purchase of 0.1 at 50,000 costs 25 basis points of the coin, a sale of 0.05 at 52,000 as much in dollars.
    """
    times = [OPEN + at * 12 * HOUR for at in range(7)]
    prices = [50_000.0, 50_000.0, 51_000.0, 52_000.0, 52_000.0, 53_000.0, 53_000.0]
    history = history_at(times, [flat(each) for each in prices], "12Hour", "BTC/USD")
    deeds = {0: lambda s: s.buy("BTC/USD", "0.1", tif="gtc"), 2: lambda s: s.sell("BTC/USD", "0.05", tif="gtc")}
    _, result = play(history, deeds, fees=FEES)
    coins, cash = 0.1 * 0.9975, 100_000 - 5_000.0
    after = cash + 0.05 * 52_000 * 0.9975
    left = coins - 0.05
    wanted = [
        100_000,
        100_000,
        cash + coins * 50_000,
        cash + coins * 51_000,
        *(after + left * each for each in prices[3:]),
    ]
    assert result.equity.tolist() == pytest.approx(wanted, abs=0.005)
    assert float(result.record.equity_end) == pytest.approx(wanted[-1], abs=0.01)
