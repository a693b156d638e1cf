"""Which option contracts are listed: their expirations, their strikes, and how they are called.

Weeklies expire on the Fridays of the next eight weeks, monthlies on third Fridays for nine months, long ones in the
Januaries of the next two years; where a Friday is a holiday, on the trading day before. Strikes stand on a grid that
depends on the strike alone, so a contract that was listed once stays one.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from puna.core import sessions
from puna.core.symbols import Option

__all__ = ["YEARS", "expirations", "is_listed", "name_of", "steps", "strikes", "tick"]

_WEEKS = timedelta(weeks=8)
_MONTHS = timedelta(days=275)
YEARS = timedelta(days=800)
"""No contract lives longer."""
_FRIDAY = 4
_WEEK = timedelta(days=7)
_REACH = (70, 130)
"""Strikes from 70 to 130 % of the last close."""

_GRID = ((50_000, 500), (200_000, 2_500), (1_000_000, 5_000))
_COARSE = 10_000


@lru_cache(maxsize=256)
def expirations(on: date) -> tuple[date, ...]:
    """The days on which something expires that is listed on that day, itself included."""
    last = min(on + YEARS, sessions.LAST_DATE)
    friday = on + timedelta(days=(_FRIDAY - on.weekday()) % 7)
    found = set()
    while friday <= last:
        if _has_expiry(on, friday) and (expiry := _traded(friday)) >= on:
            found.add(expiry)
        friday += _WEEK
    return tuple(sorted(found))


def strikes(close: int) -> Iterator[int]:
    """The strikes around a last close (cents), in thousandths of a dollar."""
    low, high = (close * 10 * percent // 100 for percent in _REACH)
    strike = -(-low // steps(low)) * steps(low)
    while strike <= high:
        yield strike
        strike += steps(strike)


def steps(strike: int) -> int:
    """From a strike to the next one, thousandths of a dollar."""
    return next((step for below, step in _GRID if strike < below), _COARSE)


def is_listed(option: Option, on: date, close: int) -> bool:
    """Whether there is such a contract on that day: a day on which contracts expire, a strike of the grid in reach."""
    strike = int(option.strike * 1000)
    standard = not option.root[-1].isdigit()
    near = close * 10 // 4 <= strike <= close * 40
    last = min(on + YEARS, sessions.LAST_DATE)
    return standard and near and strike % steps(strike) == 0 and on <= option.expiration <= last and _expires(option)


def name_of(option: Option) -> str:
    """As Alpaca calls it: "AAPL Jun 20 2025 100 Call"."""
    strike = f"{option.strike.normalize():f}"
    right = "Call" if option.right == "C" else "Put"
    return f"{option.root} {option.expiration:%b %d %Y} {strike} {right}"


def tick(price: Decimal | float, *, penny: bool) -> Decimal:
    """Penny programme: 0.01 below 3, 0.05 from there on; others 0.05 and 0.10."""
    if penny:
        return Decimal("0.01") if price < 3 else Decimal("0.05")
    return Decimal("0.05") if price < 3 else Decimal("0.10")


def _expires(option: Option) -> bool:
    friday = option.expiration + timedelta(days=(_FRIDAY - option.expiration.weekday()) % 7)
    return friday <= sessions.LAST_DATE and _traded(friday) == option.expiration


def _has_expiry(on: date, friday: date) -> bool:
    third = 15 <= friday.day <= 21
    return friday <= on + _WEEKS or (third and (friday <= on + _MONTHS or friday.month == 1))


def _traded(friday: date) -> date:
    return friday if sessions.day(friday) else sessions.previous_trading_day(friday).date
