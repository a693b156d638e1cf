"""NYSE trading days and sessions, 2000 to 2030: half days, closures, settlement, and New York wall time <-> ns.

Sessions of a trading day D, New York time (facts.md 5.2): overnight from 20:00 of the evening before to 04:00, pre to
09:30, core to 16:00, post to 20:00. On a half day core ends at 13:00 and post at 17:00. An evening before a day without
trading has no overnight session, so there is none from Friday to Sunday 20:00. Every interval is half open: the opening
instant is inside, the closing instant is not.

The table of closures and half days is generated (`tools/generate_sessions.py`); exchange_calendars is the oracle of the
tests. A date outside the table is a DataError, never a guess.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from puna.core.session_table import TABLE
from puna.errors import DataError

__all__ = [
    "FIRST_DATE",
    "LAST_DATE",
    "NEW_YORK",
    "Session",
    "TradingDay",
    "at",
    "date_of",
    "day",
    "new_york",
    "next_close",
    "next_open",
    "next_trading_day",
    "previous_trading_day",
    "session_at",
    "settlement_date",
    "trading_days",
]

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DATE, LAST_DATE = date(2000, 1, 1), date(2030, 12, 31)

_NANOS = 1_000_000_000
_HOUR = 3600 * _NANOS
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRE, _OPEN, _CLOSE, _POST = time(4), time(9, 30), time(16), time(20)
_HALF_CLOSE, _HALF_POST = time(13), time(17)
_EVENING = time(20)


class Session(StrEnum):
    """Which part of the trading day a moment falls in."""

    OVERNIGHT = "overnight"
    PRE = "pre"
    CORE = "core"
    POST = "post"
    CLOSED = "closed"


class TradingDay(NamedTuple):
    """One trading day; all but the date in ns: pre-market begins, core opens, core closes, after-hours ends."""

    date: date
    pre_open: int
    open: int
    close: int
    post_close: int

    @property
    def half(self) -> bool:
        """True when core closes at 13:00."""
        return new_york(self.close).time() == _HALF_CLOSE


def at(on: date, wall: time) -> int:
    """A New York wall time as ns.

    The hour that autumn repeats means its first pass; the hour that spring skips counts on from before the jump.
    """
    moment = datetime.combine(on, wall, NEW_YORK)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def new_york(ts: int) -> datetime:
    """The New York wall time of `ts`, cut to the microsecond."""
    seconds, nanos = divmod(ts, _NANOS)
    return datetime.fromtimestamp(seconds, NEW_YORK).replace(microsecond=nanos // 1000)


def date_of(ts: int) -> date:
    """The date in New York at `ts`."""
    return _date_in(ts // _HOUR) if ts >= 0 else datetime.fromtimestamp(ts // _NANOS, NEW_YORK).date()


@lru_cache(maxsize=256)
def _date_in(hour: int) -> date:
    """The date of an hour since 1970: New York is whole hours away from UTC since 1883, so its dates change on one."""
    return datetime.fromtimestamp(hour * _HOUR // _NANOS, NEW_YORK).date()


@cache
def day(on: date) -> TradingDay | None:
    """The trading day of that date, or None when the NYSE does not open.

    Raises:
        DataError: outside 2000 to 2030.
    """
    if not FIRST_DATE <= on <= LAST_DATE:
        raise DataError(
            f"No trading calendar for {on}.",
            why=f"the table holds {FIRST_DATE} to {LAST_DATE}",
            remedy="choose a date inside it",
            code="E620",
        )
    closed, half = _table()
    if on.weekday() >= 5 or on in closed:
        return None
    close, post = (_HALF_CLOSE, _HALF_POST) if on in half else (_CLOSE, _POST)
    return TradingDay(on, at(on, _PRE), at(on, _OPEN), at(on, close), at(on, post))


@lru_cache(maxsize=256)  # several ask of the same moment
def session_at(ts: int) -> Session:
    """Which session runs at `ts`."""
    on = date_of(ts)
    if ts >= _evening(on):
        return Session.OVERNIGHT if day(on + _DAY) else Session.CLOSED
    today = day(on)
    if today is None or ts >= today.post_close:
        return Session.CLOSED
    if ts < today.pre_open:
        return Session.OVERNIGHT
    if ts < today.open:
        return Session.PRE
    return Session.CORE if ts < today.close else Session.POST


@cache
def _evening(on: date) -> int:
    """When the overnight session of the next day would begin, ns."""
    return at(on, _EVENING)


def next_open(ts: int) -> int:
    """The first opening of the core session after `ts`."""
    today = date_of(ts)
    here = day(today)
    return here.open if here and here.open > ts else next_trading_day(today).open


def next_close(ts: int) -> int:
    """The first close of the core session after `ts`."""
    today = date_of(ts)
    here = day(today)
    return here.close if here and here.close > ts else next_trading_day(today).close


@cache
def next_trading_day(after: date) -> TradingDay:
    """The first trading day after that date."""
    return _walk(after, _DAY)


@cache
def previous_trading_day(before: date) -> TradingDay:
    """The last trading day before that date."""
    return _walk(before, -_DAY)


def trading_days(start: date, end: date) -> list[TradingDay]:
    """Every trading day from `start` to `end`, both included."""
    span = range(start.toordinal(), end.toordinal() + 1)
    return [found for number in span if (found := day(date.fromordinal(number)))]


@cache
def settlement_date(trade_date: date) -> date:
    """When a stock trade of that trading day settles: T+3, T+2 since 2017-09-05, T+1 since 2024-05-28 (SEC 15c6-1).

    Columbus Day and Veterans Day are trading days on which banks are closed, so nothing settles.
    """
    if day(trade_date) is None:
        raise DataError(f"{trade_date} is not a trading day, so nothing settles from it.", code="E620")
    settles = trade_date
    for _ in range(1 if trade_date >= date(2024, 5, 28) else 2 if trade_date >= date(2017, 9, 5) else 3):
        settles = _next_settlement_day(settles)
    return settles


def _next_settlement_day(after: date) -> date:
    found = next_trading_day(after).date
    return _next_settlement_day(found) if _bank_holiday(found) else found


def _bank_holiday(on: date) -> bool:
    """Federal Reserve holidays on which the NYSE trades; one that falls on a Sunday is kept on Monday."""
    columbus = on.month == 10 and on.weekday() == 0 and 8 <= on.day <= 14
    veterans = on.month == 11 and (on.day == 11 or (on.day == 12 and on.weekday() == 0))
    return columbus or veterans


def _walk(start: date, step: timedelta) -> TradingDay:
    found = None
    while found is None:
        start += step
        found = day(start)
    return found


@cache
def _table() -> tuple[frozenset[date], frozenset[date]]:
    """Weekday closures and half days."""
    closed: set[date] = set()
    half: set[date] = set()
    for line in TABLE.splitlines():
        year, rest = int(line[:4]), line[4:]
        for kind, days in zip((closed, half), rest.split("/"), strict=True):
            kind.update(date(year, int(text[:2]), int(text[2:])) for text in days.split())
    return frozenset(closed), frozenset(half)
