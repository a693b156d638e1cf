"""A run as a series of days: equity at each day's end, its returns, and what holding would have made of the same days.

Days are New York's; of a run in coins alone they are UTC's. The first day's return is measured from the start equity.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puna.core import sessions
from puna.core.symbols import asset_class, is_symbol
from puna.core.types import AssetClass
from puna.engine.record import PricePoint, RunRecord
from puna.research.statistics.metrics import holdable

__all__ = ["Drawdown", "Month", "Track", "day_ends", "deepest", "held", "is_around_the_clock", "months", "track"]

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
_NANOS = 1_000_000_000
_YEAR = 365.25
_SPARSE = 0.6  # fewer days with a value than this part of all: not one value a day, but one a week or month


class Track:
    """Equity by day.

    Attributes:
        days: in order.
        times: of each day's last value, ns.
        equity: at each day's end, USD.
        start: equity before the first day, USD.
        holding: what the benchmark made of `start` by each day's end; None without prices.
        year: days with a value in a year: 252 for stocks, 365 for coins, fewer for weekly bars.
    """

    def __init__(
        self, days: Sequence[date], times: Times, equity: Floats, start: float, holding: Floats | None, year: float
    ) -> None:
        self.days, self.times, self.equity, self.start = days, times, equity, start
        self.holding, self.year = holding, year

    @cached_property
    def returns(self) -> Floats:
        """Simple return of each day; 0 where equity was not positive."""
        return _returns(self.equity, self.start)

    @cached_property
    def holding_returns(self) -> Floats | None:
        """Simple return of the benchmark on each day."""
        return None if self.holding is None else _returns(self.holding, self.start)

    @cached_property
    def falls(self) -> Floats:
        """Equity below its highest point so far at each day's end, as a negative fraction."""
        tops = np.maximum.accumulate(np.concatenate(([self.start], self.equity)))[1:]
        return np.where(tops > 0, self.equity / np.where(tops > 0, tops, 1.0) - 1, 0.0)


class Month(NamedTuple):
    """The return of a calendar month, and of the benchmark in it."""

    year: int
    month: int
    value: float


class Drawdown(NamedTuple):
    """One fall from a high: `depth` is a negative fraction; days are the places in the track.

    `top` is -1 for the start; `back` is None while equity has not come back to the high.
    """

    depth: float
    top: int
    bottom: int
    back: int | None


def track(record: RunRecord) -> Track:
    """The run by day."""
    crypto = is_around_the_clock(record)
    times = np.array([point.ts for point in record.equity], np.int64)
    values = np.array([float(point.equity) for point in record.equity], np.float64)
    days, last = day_ends(times, utc=crypto)
    ends = times[last]
    start = float(record.start_equity)
    return Track(days, ends, values[last], start, held(record, ends), _year(days, 365.0 if crypto else 252.0))


def is_around_the_clock(record: RunRecord) -> bool:
    """Whether all that the run trades are coins."""
    names = [name for name in record.symbols if is_symbol(name)]
    return bool(names) and all(asset_class(name) is AssetClass.CRYPTO for name in names)


def day_ends(times: Times, *, utc: bool = False) -> tuple[list[date], NDArray[np.intp]]:
    """The days in which `times` lie, which are in order, and the place of the last time of each."""
    days: list[date] = []
    ends: list[int] = []
    at = 0
    while at < len(times):
        on = _date(int(times[at]), utc=utc)
        after = int(np.searchsorted(times, _following(on, utc=utc), side="left"))
        days.append(on)
        ends.append(max(after, at + 1) - 1)
        at = max(after, at + 1)
    return days, np.array(ends, np.intp)


def held(record: RunRecord, times: Times) -> Floats | None:
    """What the start equity would be worth at these times in the benchmark; None without prices.

    The benchmark is the record's own, or buying every symbol in equal parts at its first price, without costs
    and dividends.
    """
    series = {"": record.benchmark} if record.benchmark else holdable(record)
    if not series:
        return None
    total = np.zeros(len(times))
    for symbol, points in series.items():
        total += _grown(points, times) * _split(record, symbol, points[0].ts, times)
    return float(record.start_equity) * total / len(series)


def months(days: Sequence[date], returns: Floats) -> list[Month]:
    """The return of each calendar month, days compounded."""
    grown: dict[tuple[int, int], float] = {}
    for on, value in zip(days, returns.tolist(), strict=True):
        key = (on.year, on.month)
        grown[key] = grown.get(key, 1.0) * (1 + value)
    return [Month(year, month, value - 1) for (year, month), value in grown.items()]


def deepest(falls: Floats, most: int) -> list[Drawdown]:
    """The `most` deepest drawdowns, the deepest first."""
    found: list[Drawdown] = []
    below = np.flatnonzero(falls < 0)
    at = 0
    while at < len(below):
        first = int(below[at])
        after = np.flatnonzero(falls[first:] >= 0)
        back = first + int(after[0]) if len(after) else None
        stretch = falls[first:back]
        bottom = first + int(stretch.argmin())
        found.append(Drawdown(float(falls[bottom]), first - 1, bottom, back))
        at = int(np.searchsorted(below, first + len(stretch), side="left"))
    return sorted(found)[:most]


def _grown(points: Sequence[PricePoint], times: Times) -> Floats:
    """Price over first price at each time; 1 before there is a price."""
    stamps = [point.ts for point in points]
    first = points[0].close
    places = [bisect_right(stamps, ts) - 1 for ts in times.tolist()]
    return np.array([points[at].close / first if at >= 0 and first else 1.0 for at in places])


def _split(record: RunRecord, symbol: str, since: int, times: Times) -> Floats:
    """Shares at each time for each share at the first price."""
    factor = np.ones(len(times))
    for action in record.actions:
        if action.symbol == symbol and action.ts > since:
            factor[times >= action.ts] *= float(action.factor)
    return factor


def _returns(values: Floats, start: float) -> Floats:
    before = np.concatenate(([start], values[:-1])) if len(values) else values
    return np.where(before > 0, values / np.where(before > 0, before, 1.0) - 1, 0.0)


def _year(days: Sequence[date], usual: float) -> float:
    """How many values a year has, from how far apart they lie."""
    if len(days) < 3:
        return usual
    seen = (len(days) - 1) / ((days[-1] - days[0]).days / _YEAR)
    return usual if seen > _SPARSE * usual else seen


def _date(ts: int, *, utc: bool) -> date:
    return datetime.fromtimestamp(ts // _NANOS, UTC).date() if utc else sessions.date_of(ts)


def _following(on: date, *, utc: bool) -> int:
    """The first instant of the day after."""
    after = date.fromordinal(on.toordinal() + 1)
    if utc:
        return int(datetime(after.year, after.month, after.day, tzinfo=UTC).timestamp()) * _NANOS
    return sessions.at(after, datetime.min.time())
