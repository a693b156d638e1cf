"""What will happen to options that are held: expiration, exercise, assignment, and when an early assignment is near.

At expiration what is in the money by 0.01 or more is exercised by itself, the rest ends worthless; where the means for
it are missing Alpaca sells a long out within the last hour (fact sheet section 5.5, OPT and NTA). A short call must
expect its assignment on the day before the ex-date when the dividend exceeds its time value, a short put when the
interest on its strike does. Assignments are not streamed: they arrive as activities, on paper on the next day.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from puna.core.options import DAYS_A_YEAR
from puna.core.sessions import date_of, day, previous_trading_day
from puna.core.spread_rule import OptionPosition, Right
from puna.core.types import ZERO

__all__ = ["Dividend", "EarlyAssignment", "Expiry", "Outcome", "assignment_warnings", "expiries"]

_CENT = Decimal("0.01")
_HOUR = 3_600_000_000_000


class Outcome(StrEnum):
    """What becomes of a position at its expiration, as things stand."""

    EXERCISED = "exercised"
    ASSIGNED = "assigned"
    WORTHLESS = "worthless"
    UNKNOWN = "unknown"


class Dividend(NamedTuple):
    """Cash a share, for those who hold it before `ex_date`."""

    ex_date: date
    amount: Decimal


class Expiry(NamedTuple):
    """One position's end.

    Attributes:
        position: what is held.
        closes: the last moment of trading, ns.
        days_left: calendar days from now to the expiration's date; negative when it is past.
        outcome: at the spot price as it is now; unknown without one.
        shares: what comes (negative: goes) when it is exercised or assigned.
        cash: what is received (negative: paid) for them.
        sold_out_from: from then on Alpaca may sell a long in the money whose exercise the account cannot afford, ns.
    """

    position: OptionPosition
    closes: int
    days_left: int
    outcome: Outcome
    shares: int
    cash: Decimal
    sold_out_from: int


class EarlyAssignment(NamedTuple):
    """A short position whose holder gains by exercising now.

    Attributes:
        position: the short.
        by: the evening on which it is to be expected.
        gain: what he gains a share, dollars: dividend or interest.
        time_value: what he gives up for it, a share.
        why: in words.
    """

    position: OptionPosition
    by: date
    gain: Decimal
    time_value: Decimal
    why: str


def expiries(positions: Iterable[OptionPosition], spots: Mapping[str, Decimal], now: int) -> list[Expiry]:
    """The ends of all positions, the next one first.

    Args:
        positions: what is held, in contracts.
        spots: prices of underlyings, dollars.
        now: market time, ns.
    """
    found = [_expiry(p, spots.get(p.underlying), now) for p in positions if p.quantity]
    return sorted(found, key=lambda each: (each.closes, each.position.series))


def _expiry(position: OptionPosition, spot: Decimal | None, now: int) -> Expiry:
    trading = day(position.expiry)
    # An expiration that is no trading day is traded for the last time on the one before it.
    closes = (trading or previous_trading_day(position.expiry)).close
    outcome = _outcome(position, spot)
    moves = outcome in (Outcome.EXERCISED, Outcome.ASSIGNED)
    sign = 1 if position.right is Right.CALL else -1
    shares = sign * position.quantity * position.multiplier if moves else 0
    left = (position.expiry - date_of(now)).days
    return Expiry(position, closes, left, outcome, shares, -shares * position.strike, closes - _HOUR)


def _outcome(position: OptionPosition, spot: Decimal | None) -> Outcome:
    if spot is None:
        return Outcome.UNKNOWN
    if _intrinsic(position, spot) < _CENT:
        return Outcome.WORTHLESS
    return Outcome.EXERCISED if position.quantity > 0 else Outcome.ASSIGNED


def assignment_warnings(
    positions: Iterable[OptionPosition],
    spots: Mapping[str, Decimal],
    prices: Mapping[tuple[str, date, Right, Decimal], Decimal],
    now: int,
    dividends: Mapping[str, Iterable[Dividend]] | None = None,
    rate: Decimal = ZERO,
) -> list[EarlyAssignment]:
    """Short positions that may be assigned before they expire, the soonest first.

    Args:
        positions: what is held, in contracts.
        spots: prices of underlyings, dollars.
        prices: of options a share, by `OptionPosition.series`; without one nothing is said about a position.
        now: market time, ns.
        dividends: by underlying, known or expected.
        rate: interest a year, as a fraction.
    """
    found: list[EarlyAssignment] = []
    for position in positions:
        spot, price = spots.get(position.underlying), prices.get(position.series)
        if position.quantity >= 0 or spot is None or price is None or _intrinsic(position, spot) <= 0:
            continue
        time_value = max(ZERO, price - _intrinsic(position, spot))
        if position.right is Right.CALL:
            found += _by_dividend(position, time_value, now, (dividends or {}).get(position.underlying, ()))
        else:
            found += _by_interest(position, time_value, now, rate)
    return sorted(found, key=lambda each: (each.by, each.position.series))


def _by_dividend(
    position: OptionPosition, time_value: Decimal, now: int, dividends: Iterable[Dividend]
) -> list[EarlyAssignment]:
    return [
        EarlyAssignment(
            position, last, each.amount, time_value,
            f"the dividend of {each.amount} on {each.ex_date} is more than the time value of {time_value:.2f}",
        )
        for each in dividends
        if each.amount > time_value and each.ex_date <= position.expiry
        if (last := previous_trading_day(each.ex_date).date) >= date_of(now)
    ]  # fmt: skip


def _by_interest(position: OptionPosition, time_value: Decimal, now: int, rate: Decimal) -> list[EarlyAssignment]:
    years = max((position.expiry - date_of(now)).days, 0) / DAYS_A_YEAR
    interest = (position.strike * Decimal(1 - math.exp(-float(rate) * years))).quantize(_CENT)
    if interest <= time_value:
        return []
    why = f"the interest of {interest} on its strike is more than the time value of {time_value:.2f}"
    return [EarlyAssignment(position, date_of(now), interest, time_value, why)]


def _intrinsic(position: OptionPosition, spot: Decimal) -> Decimal:
    return max(ZERO, spot - position.strike if position.right is Right.CALL else position.strike - spot)
