"""Where a chart's ticks stand: 1-2-5 steps for values, whole New York minutes, days, months or years for times."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from math import ceil, floor, log10
from typing import NamedTuple

from puna.core.sessions import new_york

__all__ = ["LogScale", "Scale", "Tick", "log_ticks", "time_form", "time_ticks", "value_ticks"]

_MINUTE = 60_000_000_000
_DAY = 1440 * _MINUTE
_TIME_STEPS = [_MINUTE * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720)] + [
    _DAY * n for n in (1, 2, 7, 14)
]
_MONTH = 30.44 * _DAY
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    label: str


class Scale(NamedTuple):
    """A straight line from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


class LogScale(NamedTuple):
    """From values above zero to pixels: equal ratios are equal distances."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        return self.start + part * (self.end - self.start)


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within [low, high]; powers of ten alone over more than three decades."""
    leads = (1, 2, 5) if high / low < 1000 else (1,)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [tick for power in powers for lead in leads if low <= (tick := lead * 10.0**power) <= high]


def value_ticks(low: float, high: float, most: int) -> tuple[list[float], int]:
    """The round values within [low, high], about `most` and at least three, and the decimals that tell them apart."""
    step = _round_step(((high - low) or max(abs(high), 1.0) * 1e-3) / most)
    first, last = _within(low, high, step)
    if last - first < 2:
        step = _round_step(step / 2.5)
        first, last = _within(low, high, step)
    places = max(0, -floor(log10(step) + 1e-9))
    return [round(step * n, 10) for n in range(first, last + 1)], places


def time_ticks(first: int, last: int, most: int) -> list[Tick]:
    """Whole New York times between `first` and `last`, at most about `most`; dates, months or years when it is long."""
    step = next((each for each in _TIME_STEPS if (last - first) / each <= most), 0)
    if not step:
        return list(_whole_months(first, last, most))
    form = "%H:%M" if step < _DAY else "%d %b"
    return [Tick(ts, new_york(ts).strftime(form)) for ts in _whole_times(first, last, step)]


def _whole_times(first: int, last: int, step: int) -> Iterator[int]:
    """Multiples of `step` on New York's clock from midnight on; adding to a local time moves with the clock change."""
    midnight = new_york(first).replace(hour=0, minute=0, second=0, microsecond=0)
    for n in count():
        ts = int((midnight + n * timedelta(microseconds=step // 1000)).timestamp()) * 1_000_000_000
        if ts > last:
            return
        if ts >= first:
            yield ts


def _whole_months(first: int, last: int, most: int) -> Iterator[Tick]:
    """First days of months, so many apart that at most about `most` fit; Januaries when a year or more lies between."""
    months = (last - first) / _MONTH
    step = next((each for each in _MONTH_STEPS if months / each <= most), _MONTH_STEPS[-1])
    began = new_york(first)
    for n in count(began.year * 12 // step * step, step):
        at = began.replace(year=n // 12, month=n % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)
        ts = int(at.timestamp()) * 1_000_000_000
        if ts > last:
            return
        if ts >= first:
            yield Tick(ts, f"{at:%Y}" if step >= 12 or at.month == 1 else f"{at:%b}")


def time_form(first: int, last: int) -> str:
    """How a time between both is told: the minute of a day, day and minute within two weeks, the date beyond."""
    days = (last - first) / _DAY
    return "%H:%M" if days <= 1 else "%d %b %H:%M" if days <= 14 else "%d %b %Y"


def _within(low: float, high: float, step: float) -> tuple[int, int]:
    """The first and the last multiple of `step`."""
    return ceil(low / step - 1e-9), floor(high / step + 1e-9)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 x 10^n that is not below `least`."""
    power = 10.0 ** floor(log10(least))
    return next((power * lead for lead in (1, 2, 5, 10) if power * lead >= least * 0.999999), power * 10)
