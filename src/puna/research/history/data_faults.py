"""What is wrong with the prices of a run, seen from the prices themselves: holes, and jumps like unadjusted splits."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

import msgspec

from puna.core import sessions
from puna.core.symbols import asset_class, is_symbol
from puna.core.types import AssetClass
from puna.engine.record import PricePoint, RunRecord
from puna.errors import DataError
from puna.research.history.verify import near_split

__all__ = ["Gap", "Jump", "gaps", "jumps"]

_MINUTE = 60_000_000_000
_DAY = 1440 * _MINUTE
_LONG_HOLE = 60 * _MINUTE  # within a session; thin stocks go a while without a trade


class Gap(msgspec.Struct, frozen=True):
    """Prices of a symbol that are not there: after `start`, before `end`, ns; `days` trading days have none at all."""

    symbol: str
    start: int
    end: int
    days: int


class Jump(msgspec.Struct, frozen=True):
    """Two prices in a row, of different days, that a split would explain; no action of the record does."""

    symbol: str
    ts: int
    before: float
    after: float
    split: str


def jumps(record: RunRecord) -> list[Jump]:
    """Every jump of a stock from one day to the next that looks like a split and is not accounted for."""
    return [
        jump
        for symbol, points in sorted(record.prices.items())
        if _class(symbol) is AssetClass.US_EQUITY
        for jump in _jumps(record, symbol, points)
    ]


def _jumps(record: RunRecord, symbol: str, points: Sequence[PricePoint]) -> Iterator[Jump]:
    if len(points) < 3 or _usual_step(points) > 4 * _DAY:  # prices of other weeks tell nothing of a split
        return
    known = sorted(action.ts for action in record.actions if action.symbol == symbol and action.factor != 1)
    for before, after in pairwise(points):
        if before.close <= 0 or after.close <= 0 or 0.7 < after.close / before.close < 1.4:
            continue
        if bisect_left(known, before.ts - _DAY) < bisect_right(known, after.ts + _DAY):
            continue
        words = near_split(before.close / after.close)
        if words and sessions.date_of(before.ts) != sessions.date_of(after.ts):
            yield Jump(symbol, after.ts, before.close, after.close, words)


def gaps(record: RunRecord) -> list[Gap]:
    """Trading days without any price between two that have some, and holes of an hour or more within a session."""
    return [gap for symbol, points in sorted(record.prices.items()) for gap in _gaps(symbol, points)]


def _gaps(symbol: str, points: Sequence[PricePoint]) -> Iterator[Gap]:
    kind = _class(symbol)
    if kind is AssetClass.US_OPTION or len(points) < 3:
        return
    usual = _usual_step(points)
    for before, after in pairwise(points):
        apart = after.ts - before.ts
        if apart <= max(_LONG_HOLE, 2 * usual):
            continue
        days = _between(before.ts, after.ts, around_the_clock=kind is AssetClass.CRYPTO) if usual <= 4 * _DAY else 0
        if days or (usual < _LONG_HOLE and _within_a_session(before.ts, after.ts, kind)):
            yield Gap(symbol, before.ts, after.ts, days)


def _usual_step(points: Sequence[PricePoint]) -> int:
    """The median distance of two prices."""
    steps = sorted(after.ts - before.ts for before, after in pairwise(points))
    return steps[len(steps) // 2]


def _between(first: int, last: int, *, around_the_clock: bool) -> int:
    """Trading days that lie wholly between two prices."""
    began, ended = sessions.date_of(first), sessions.date_of(last)
    if around_the_clock:
        return max(0, (ended - began).days - 1)
    if (ended - began).days < 2:
        return 0
    try:
        return len(sessions.trading_days(began + timedelta(days=1), _before(ended)))
    except DataError:  # beyond the table of sessions nothing is known
        return 0


def _before(on: date) -> date:
    return on - timedelta(days=1)


def _within_a_session(first: int, last: int, kind: AssetClass | None) -> bool:
    """Whether an hour of the core session, or of a coin's day, lies between."""
    if kind is AssetClass.CRYPTO:
        return True
    try:
        day = sessions.day(sessions.date_of(first))
    except DataError:
        return False
    return day is not None and min(last, day.close) - max(first, day.open) > _LONG_HOLE


def _class(symbol: str) -> AssetClass | None:
    return asset_class(symbol) if is_symbol(symbol) else None
