"""Portfolio history: what the account was worth at the end of each window, and what it had won by then (SPEC-T).

The venue notes its equity once a minute of market time; a window shows the last note up to its end. A day is labelled
with the end of its after-hours and shows the equity at its close, as `last_equity` does. Where the specification's text
and its example disagree (profits of days: from the base value, or each from the day before), the example holds, and
`pnl_reset=no_reset` gives what the text says.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from puna.core import sessions
from puna.core.sessions import TradingDay

__all__ = ["TIMEFRAMES", "Ask", "Cashflow", "Curve", "InvalidHistory", "history"]

_NANOS = 1_000_000_000
_MINUTE = 60 * _NANOS
TIMEFRAMES: Mapping[str, int] = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60, "1D": 1440}
"""Timeframe -> minutes."""

_PERIOD = re.compile(r"([1-9][0-9]{0,3})(D|W|M|A)")
_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}
_LONGEST_INTRADAY = 30


class InvalidHistory(ValueError):  # noqa: N818 - it is an answer, not a failure
    """The question makes no sense; the text says why."""


class Cashflow(NamedTuple):
    """Money that came or went without a trade: when, of which activity type, how much."""

    ts: int
    kind: str
    amount: Decimal


@dataclass
class Curve:
    """Equity over time.

    Args:
        opened: when the account was opened.
        start: what it was worth then.
    """

    opened: int
    start: Decimal
    _times: list[int] = field(default_factory=list)
    _values: list[Decimal] = field(default_factory=list)
    _closes: dict[date, Decimal] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """When the last note was taken; 0 before the first."""
        return self._times[-1] if self._times else 0

    def note(self, ts: int, equity: Decimal) -> None:
        """Equity at `ts`, not before the last note."""
        self._times.append(ts)
        self._values.append(equity)

    def close(self, on: date, equity: Decimal) -> None:
        """Equity at the close of a day."""
        self._closes[on] = equity

    def at(self, ts: int) -> Decimal:
        """Equity as it was last noted up to `ts`."""
        index = bisect_right(self._times, ts)
        return self._values[index - 1] if index else self.start

    def close_of(self, on: date) -> Decimal | None:
        return self._closes.get(on)

    def close_before(self, on: date) -> tuple[date, Decimal] | None:
        """The last close before that date."""
        earlier = [each for each in self._closes if each < on]
        return (max(earlier), self._closes[max(earlier)]) if earlier else None


@dataclass(frozen=True, kw_only=True)
class Ask:
    """The query, parsed; times are ns.

    Raises:
        InvalidHistory: the parts contradict each other, or name what does not exist.
    """

    period: str | None = None
    timeframe: str | None = None
    start: int | None = None
    end: int | None = None
    reporting: str = "market_hours"
    reset: bool = True
    cashflows: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.timeframe is not None and self.timeframe not in TIMEFRAMES:
            raise InvalidHistory(f"invalid timeframe: {self.timeframe[:20]}")
        if self.period is not None and not _PERIOD.fullmatch(self.period):
            raise InvalidHistory(f"invalid period: {self.period[:20]}")
        if self.period is not None and self.start is not None and self.end is not None:
            raise InvalidHistory("period must not be given with both start and end")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise InvalidHistory("start must not be after end")


class _Span(NamedTuple):
    """From when to when, and in which steps."""

    start: int
    end: int
    timeframe: str


def history(ask: Ask, curve: Curve, flows: Sequence[Cashflow], now: int, equity: Decimal) -> dict[str, object]:
    """The body of GET /v2/account/portfolio/history.

    Args:
        ask: what is wanted.
        curve: what was noted.
        flows: money that came and went.
        now: market time.
        equity: the account's now.

    Raises:
        InvalidHistory: such a span has no such timeframe.
    """
    span = _span(ask, now)
    points = list(
        _days(span, curve, now, equity) if span.timeframe == "1D" else _minutes(span, ask, curve, now, equity)
    )
    base, asof = _base(curve, points)
    body: dict[str, object] = {
        "timestamp": [each.ts // _NANOS for each in points],
        "equity": [_cents(each.equity) for each in points],
        **_profits(points, curve, base, reset=ask.reset, daily=span.timeframe == "1D"),
        "base_value": None if base is None else _cents(base),
        "timeframe": span.timeframe,
    }
    if asof is not None:
        body["base_value_asof"] = asof.isoformat()
    if ask.cashflows:
        body["cashflow"] = _cashflow(ask, points, flows)
    return body


class _Point(NamedTuple):
    ts: int
    start: int
    end: int
    day: date
    equity: Decimal


def _span(ask: Ask, now: int) -> _Span:
    """What is not given follows from what is (SPEC-T)."""
    end = now if ask.end is None else min(ask.end, now)
    if ask.start is not None and ask.end is None and ask.period is not None:
        end = min(_later(ask.start, ask.period), now)
    period = ask.period or "1M"
    start = ask.start if ask.start is not None else _earlier(end, period, whole=ask.end is None)
    days = (end - start) / (1440 * _MINUTE) if ask.start is not None else _length(period)
    timeframe = ask.timeframe or ("1Min" if days < 7 else "15Min" if days < _LONGEST_INTRADAY else "1D")
    if timeframe != "1D" and days > _LONGEST_INTRADAY:
        raise InvalidHistory(f"timeframe {timeframe} is not allowed for more than {_LONGEST_INTRADAY} days")
    return _Span(start, end, timeframe)


def _length(period: str) -> int:
    number, unit = _parts(period)
    return number * _DAYS[unit]


def _parts(period: str) -> tuple[int, str]:
    found = _PERIOD.fullmatch(period)
    if found is None:
        raise InvalidHistory(f"invalid period: {period[:20]}")
    return int(found[1]), found[2]


def _earlier(end: int, period: str, *, whole: bool) -> int:
    """That long before `end`. Where neither bound is given, days are trading days, and begin with their session."""
    number, unit = _parts(period)
    on = sessions.date_of(end)
    if unit == "D" and whole:
        day = sessions.day(on)
        if day is None or end < day.pre_open:
            day = sessions.previous_trading_day(on)
        for _ in range(number - 1):
            day = sessions.previous_trading_day(day.date) if day.date > sessions.FIRST_DATE + timedelta(7) else day
        return day.pre_open
    first = on - timedelta(days=min(_length(period), (on - sessions.FIRST_DATE).days))
    return sessions.at(first, sessions.new_york(end).time())


def _later(start: int, period: str) -> int:
    return start + _length(period) * 1440 * _MINUTE


def _trading_days(span: _Span) -> list[TradingDay]:
    first = max(sessions.date_of(span.start), sessions.FIRST_DATE)
    last = min(sessions.date_of(span.end), sessions.LAST_DATE)
    return sessions.trading_days(first, last)


def _days(span: _Span, curve: Curve, now: int, equity: Decimal) -> Iterator[_Point]:
    """One point a trading day since the account is open; the running day shows what it is worth now."""
    for day in _trading_days(span):
        if day.post_close <= curve.opened or day.pre_open > now:
            continue
        closed = curve.close_of(day.date)
        value = closed if closed is not None and now >= day.close else equity
        yield _Point(day.post_close, day.pre_open, day.post_close, day.date, value)


def _minutes(span: _Span, ask: Ask, curve: Curve, now: int, equity: Decimal) -> Iterator[_Point]:
    step = TIMEFRAMES[span.timeframe] * _MINUTE
    for start, stop, day in _stretches(span, ask.reporting):
        first = max(start, (max(span.start, curve.opened) - start) // step * step + start)
        for ts in range(first, min(stop, span.end, now) + 1, step):
            end = min(ts + step, stop) if ts < stop else stop
            yield _Point(ts, ts, end, day, equity if end > now else curve.at(end))


def _stretches(span: _Span, reporting: str) -> Iterator[tuple[int, int, date]]:
    """Stretches of time that are reported; the closing instant has a label of its own, as in the example."""
    if reporting == "continuous":
        midnight = span.start - span.start % (60 * _MINUTE)
        yield midnight, span.end, sessions.date_of(span.start)
        return
    for day in _trading_days(span):
        core = reporting == "market_hours"
        yield (day.open, day.close, day.date) if core else (day.pre_open, day.post_close, day.date)


def _base(curve: Curve, points: Sequence[_Point]) -> tuple[Decimal | None, date | None]:
    """The close before the first point; without one the first point itself (SPEC-T, base_value_asof)."""
    if not points:
        return None, None
    known = curve.close_before(points[0].day)
    return (known[1], known[0]) if known else (points[0].equity, None)


def _profits(
    points: Sequence[_Point], curve: Curve, base: Decimal | None, *, reset: bool, daily: bool
) -> dict[str, list[float | None]]:
    gains: list[float | None] = []
    parts: list[float | None] = []
    before = base or Decimal(0)
    day = points[0].day if points else None
    for point in points:
        if reset and point.day != day:
            known = curve.close_before(point.day)
            before, day = known[1] if known else before, point.day
        gain = point.equity - before
        gains.append(_cents(gain))
        parts.append(round(float(gain / before), 4) if before else None)
        if reset and daily:
            before = point.equity
    return {"profit_loss": gains, "profit_loss_pct": parts}


def _cashflow(ask: Ask, points: Sequence[_Point], flows: Sequence[Cashflow]) -> dict[str, list[float]]:
    """Sums a window, for each type that is wanted; of ALL for each that there is."""
    first, last = (points[0].start, points[-1].end) if points else (0, 0)
    there = [each for each in flows if first <= each.ts < last]
    kinds = sorted({each.kind for each in there}) if "ALL" in ask.cashflows else ask.cashflows
    table: dict[str, list[float]] = {}
    for kind in kinds:
        mine = [each for each in there if each.kind == kind]
        edges = [*(point.start for point in points[1:]), last]
        sums = []
        for point, edge in zip(points, edges, strict=True):
            sums.append(_cents(sum((each.amount for each in mine if point.start <= each.ts < edge), Decimal(0))))
        table[kind] = sums
    return table


def _cents(value: Decimal) -> float:
    return round(float(value), 2)
