"""Protections: what sets off which lock, until when, against plain references."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.protections import Flow, armed, flow_locks, forgiven, looked, standing, streaks, traded
from puna.core.risk import RiskLimits, Tally
from puna.core.sessions import at, new_york

D = Decimal
WEDNESDAY = at(date(2013, 3, 6), time(12))
MINUTE = 60_000_000_000
looks = st.lists(st.tuples(st.integers(0, 60 * 24 * 12), st.integers(1, 10**6)), min_size=1, max_size=12)


@given(looks)
def test_a_day_and_a_week_begin_with_their_first_look(rows: list[tuple[int, int]]) -> None:
    """Whatever looks there are, also none for days: the bases are the first look of the latest day and week."""
    seen = sorted((WEDNESDAY + minutes * MINUTE, D(equity)) for minutes, equity in rows)
    tally = None
    for ts, equity in seen:
        tally = looked(tally, equity, ts)
    days = {new_york(ts).date() for ts, _ in seen}
    weeks = {on.isocalendar()[:2] for on in days}
    first_of_day = next(equity for ts, equity in seen if new_york(ts).date() == max(days))
    first_of_week = next(equity for ts, equity in seen if new_york(ts).date().isocalendar()[:2] == max(weeks))
    assert tally is not None
    assert (tally.day, tally.day_equity, tally.week_equity) == (max(days).isoformat(), first_of_day, first_of_week)
    assert tally.peak == max(equity for _, equity in seen)


amounts = st.integers(0, 200_000).map(D)
maybe = st.none() | st.integers(0, 20).map(D)


@given(amounts, amounts, amounts, amounts, maybe, maybe, maybe, st.none() | st.integers(0, 30_000).map(D))
def test_locks_stand_exactly_when_a_plain_reference_says_so(
    day: Decimal, week: Decimal, top: Decimal, equity: Decimal,
    daily: Decimal | None, weekly: Decimal | None, fall: Decimal | None, money: Decimal | None,
) -> None:  # fmt: skip
    """Daily and weekly loss in money or percent, the smaller of both; drawdown from the peak."""
    peak = max(day, week, top, equity)
    tally = Tally(day="2013-03-06", day_equity=day, week="2013-03-04", week_equity=week, peak=peak)
    limits = RiskLimits(
        max_daily_loss_percent=daily,
        max_weekly_loss_percent=weekly,
        max_drawdown_percent=fall,
        max_daily_loss_value=money,
    )
    wanted = set()
    if (daily is not None and (day - equity) * 100 > daily * day) or (money is not None and day - equity > money):
        wanted.add("daily_loss")
    if weekly is not None and (week - equity) * 100 > weekly * week:
        wanted.add("weekly_loss")
    if fall is not None and (peak - equity) * 100 > fall * peak:
        wanted.add("drawdown")
    found = standing(tally, equity, limits, WEDNESDAY)
    assert {each.cause for each in found} == wanted
    ends = {each.cause: each.until for each in found}
    assert ends.get("daily_loss", at(date(2013, 3, 7), time(4))) == at(date(2013, 3, 7), time(4))
    assert ends.get("weekly_loss", at(date(2013, 3, 11), time(4))) == at(date(2013, 3, 11), time(4))
    assert ends.get("drawdown", 0) == 0
    assert armed(limits) == any(each is not None for each in (daily, weekly, fall, money))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-2, 2)), max_size=20), st.integers(1, 4))
def test_losses_in_a_row_are_counted_by_strategy(rows: list[tuple[str, int]], most: int) -> None:
    """A profit ends the row, an even trade changes nothing; from `most` on the strategy is locked for the cooldown."""
    tally = Tally(day="", day_equity=D(1), week="", week_equity=D(1), peak=D(1))
    for name, profit in rows:
        tally = traded(tally, name, D(profit))
    limits = RiskLimits(max_losses_in_a_row=most, cooldown_seconds=60)
    locked = {each.scope: each.until for each in streaks(tally, limits, WEDNESDAY)}
    for name in "ab":
        results = [profit for each, profit in rows if each == name and profit]
        row = 0
        while row < len(results) and results[-1 - row] < 0:
            row += 1
        assert (f"strategy:{name}" in locked) == (row >= most)
    assert set(locked.values()) <= {WEDNESDAY + 60 * 10**9}
    assert streaks(forgiven(tally), limits, WEDNESDAY) == []


@pytest.mark.parametrize(
    ("flow", "causes"),
    [
        (Flow(refused=3), []), (Flow(refused=4), ["refusals"]),
        (Flow(cost=D(10), notional=D(10_000)), []), (Flow(cost=D("10.01"), notional=D(10_000)), ["slippage"]),
        (Flow(cost=D(-10), notional=D(10_000)), []),
        (Flow(refused=9, cost=D(99), notional=D(1)), ["refusals", "slippage"]),
    ],
)  # fmt: skip
def test_refusals_and_slippage(flow: Flow, causes: list[str]) -> None:
    """More refusals than allowed, and fills dearer than so many basis points beyond the middle (rows 7 and 28)."""
    limits = RiskLimits(max_refusals=3, max_slippage_bp=D(10))
    found = flow_locks({"s": flow}, limits, WEDNESDAY)
    assert [each.cause for each in found] == causes
    assert {each.scope for each in found} <= {"strategy:s"}
    assert flow_locks({"s": flow}, RiskLimits(), WEDNESDAY) == []


def test_a_week_ends_over_a_holiday() -> None:
    """On the Thursday before Good Friday both the day and the week end with Monday's pre-market."""
    thursday = at(date(2013, 3, 28), time(12))
    tally = Tally(day="2013-03-28", day_equity=D(100), week="2013-03-25", week_equity=D(100), peak=D(100))
    limits = RiskLimits(max_daily_loss_percent=D(1), max_weekly_loss_percent=D(1))
    assert {each.until for each in standing(tally, D(90), limits, thursday)} == {at(date(2013, 4, 1), time(4))}
