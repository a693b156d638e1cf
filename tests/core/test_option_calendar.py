"""What becomes of options: expiration, exercise, assignment, and early assignment around dividends."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.margin import OptionPosition, Right, payoff
from puna.core.option_calendar import Dividend, Outcome, assignment_warnings, expiries
from puna.core.sessions import at

MARCH, NOW = date(2026, 3, 20), at(date(2026, 3, 2), time(12))
D = Decimal


def option(right: str, strike: int, quantity: int, expiry: date = MARCH) -> OptionPosition:
    return OptionPosition("SPY", expiry, Right(right), D(strike), quantity)


@pytest.mark.parametrize(
    ("position", "spot", "outcome", "shares", "cash"),
    [
        (option("call", 500, 2), "500.01", Outcome.EXERCISED, 200, -100_000),
        (option("call", 500, 2), "500.00", Outcome.WORTHLESS, 0, 0),
        (option("call", 500, -1), "510", Outcome.ASSIGNED, -100, 50_000),
        (option("put", 500, -3), "490", Outcome.ASSIGNED, 300, -150_000),
        (option("put", 500, 1), "490", Outcome.EXERCISED, -100, 50_000),
        (option("put", 500, 1), "510", Outcome.WORTHLESS, 0, 0),
    ],
)
def test_what_is_in_the_money_by_a_cent_moves_shares(
    position: OptionPosition, spot: str, outcome: Outcome, shares: int, cash: int
) -> None:
    """Longs are exercised and shorts assigned from 0.01 in the money on; the rest ends worthless (OPT, NTA)."""
    (found,) = expiries([position], {"SPY": D(spot)}, NOW)
    assert (found.outcome, found.shares, int(found.cash)) == (outcome, shares, cash)
    assert found.days_left == 18


@given(st.sampled_from(["call", "put"]), st.integers(1, 40), st.integers(-5, 5).filter(bool), st.integers(1, 4000))
def test_what_moves_is_worth_the_payoff(right: str, strike: int, quantity: int, cents: int) -> None:
    """Shares at the spot price and the cash for them are together what the option pays."""
    position, spot = option(right, strike, quantity), D(cents) / 100
    (found,) = expiries([position], {"SPY": spot}, NOW)
    assert found.shares * spot + found.cash == payoff([position], spot)


def test_the_next_end_comes_first_and_an_unknown_price_says_nothing() -> None:
    """Sorted by time; without a spot price the outcome is unknown; flat positions are left out."""
    rows = [option("call", 1, 1, date(2026, 6, 18)), option("put", 1, 1), option("put", 2, 0)]
    found = expiries(rows, {}, NOW)
    assert [each.position.expiry for each in found] == [MARCH, date(2026, 6, 18)]
    assert {each.outcome for each in found} == {Outcome.UNKNOWN}


def test_half_days_and_holidays_end_earlier() -> None:
    """The day after Thanksgiving trades until 13:00; a Good Friday expiration until the close of the day before."""
    half, friday = option("call", 1, 1, date(2026, 11, 27)), option("call", 1, 1, date(2026, 4, 3))
    found = {each.position.expiry: each for each in expiries([half, friday], {}, NOW)}
    assert found[date(2026, 11, 27)].closes == at(date(2026, 11, 27), time(13))
    assert found[date(2026, 4, 3)].closes == at(date(2026, 4, 2), time(16))
    assert found[date(2026, 11, 27)].sold_out_from == at(date(2026, 11, 27), time(12))


def test_a_dividend_above_the_time_value_calls_for_assignment_the_evening_before() -> None:
    """Only shorts, only in the money, only dividends before the end and still to come."""
    short, price = option("call", 500, -1), {option("call", 500, -1).series: D("20.30")}
    paid = {
        "SPY": [
            Dividend(date(2026, 3, 9), D("1.75")),
            Dividend(date(2026, 3, 2), D(9)),
            Dividend(date(2026, 4, 1), D(9)),
        ]
    }
    (found,) = assignment_warnings([short], {"SPY": D(520)}, price, NOW, paid)
    assert (found.by, found.gain, found.time_value) == (date(2026, 3, 6), D("1.75"), D("0.30"))
    assert assignment_warnings([option("call", 500, 1)], {"SPY": D(520)}, price, NOW, paid) == []
    assert assignment_warnings([short], {"SPY": D(490)}, price, NOW, paid) == []
    assert assignment_warnings([short], {"SPY": D(520)}, {short.series: D("22")}, NOW, paid) == []
    assert assignment_warnings([short], {"SPY": D(520)}, {}, NOW, paid) == []


def test_interest_above_the_time_value_calls_for_assignment_of_puts() -> None:
    """500 at 4 % for 18 days are 99 cents: more than 50 cents of time value, less than 2 dollars."""
    short = option("put", 500, -1)
    (found,) = assignment_warnings([short], {"SPY": D(400)}, {short.series: D("100.50")}, NOW, rate=D("0.04"))
    assert (found.by, found.gain) == (date(2026, 3, 2), D("0.99"))
    assert assignment_warnings([short], {"SPY": D(400)}, {short.series: D(102)}, NOW, rate=D("0.04")) == []
