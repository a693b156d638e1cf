"""Bars in whole numbers: candles from prints, Alpaca's timeframes, adjustment for splits.

Source of the words: facts.md, section 6. What it leaves open is decided here: windows of minutes and hours are counted
from midnight in New York, weeks begin on Monday, months are grouped from January.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, time, timedelta
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from puna.core import sessions
from puna.errors import DataError
from puna.exchange.data import Split
from puna.wire.codec import Nanos
from puna.wire.market import Bar

__all__ = [
    "MINUTE",
    "SECOND",
    "UNIT",
    "Candle",
    "Timeframe",
    "adjusts_splits",
    "candle",
    "fold",
    "midnight",
    "split_adjusted",
    "vwap",
    "wire_bar",
]

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

UNIT = 10_000
"""Candle prices are in 1/10000 dollar."""

_WORDS = {"T": "Min", "H": "Hour", "D": "Day", "W": "Week", "M": "Month"}
_NUMBERS = {
    "Min": range(1, 60),
    "Hour": range(1, 24),
    "Day": range(1, 2),
    "Week": range(1, 2),
    "Month": (1, 2, 3, 4, 6, 12),
}
_TIMEFRAME = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_ADJUSTMENTS = {"raw", "split", "dividend", "spin-off", "all"}


class Candle(NamedTuple):
    """A bar in whole numbers. `prints` and `notional` (the sum of price times size) are 0 where not recorded."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    prints: int = 0
    notional: int = 0


class Timeframe(NamedTuple):
    """How much time a bar covers."""

    number: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """1Min to 59Min (or T), 1Hour to 23Hour (H), 1Day (D), 1Week (W), 1, 2, 3, 4, 6 or 12Month (M).

        Raises:
            DataError: anything else.
        """
        match = _TIMEFRAME.fullmatch(text)
        number, unit = (int(match[1]), _WORDS.get(match[2], match[2])) if match else (0, "Min")
        if number not in _NUMBERS[unit]:
            raise DataError(
                f"{text[:20]!r} is not a timeframe.", remedy="for example 1Min, 15Min, 1Hour, 1Day, 3Month", code="E613"
            )
        return cls(number, unit)

    @property
    def intraday(self) -> bool:
        return self.unit in {"Min", "Hour"}

    def start(self, ts: int) -> int:
        """The left edge of the window that holds `ts`."""
        on = sessions.date_of(ts)
        if self.intraday:
            width = self.number * (MINUTE if self.unit == "Min" else HOUR)
            return ts - (ts - midnight(on)) % width
        return midnight(self._first_day(on))

    def end(self, start: int) -> int:
        """Where the window ends that begins at `start`."""
        if self.intraday:
            return start + self.number * (MINUTE if self.unit == "Min" else HOUR)
        # Long enough to reach the next window, too short to reach the one after it.
        reach = {"Day": 1, "Week": 7, "Month": 31 * self.number}[self.unit]
        return midnight(self._first_day(sessions.date_of(start) + timedelta(days=reach)))

    def _first_day(self, on: date) -> date:
        if self.unit == "Month":
            return on.replace(month=on.month - (on.month - 1) % self.number, day=1)
        return on - timedelta(days=on.weekday()) if self.unit == "Week" else on


@lru_cache(maxsize=8192)
def midnight(on: date) -> int:
    """Midnight in New York, where that date begins."""
    return sessions.at(on, time())


def candle(start: int, prices: Sequence[int], sizes: Sequence[int]) -> Candle | None:
    """The candle of these prints, in order; a size of 0 is no print, and without prints there is no candle."""
    prints = [(price, size) for price, size in zip(prices, sizes, strict=True) if size]
    if not prints:
        return None
    traded = [price for price, _ in prints]
    return Candle(
        start,
        traded[0],
        max(traded),
        min(traded),
        traded[-1],
        sum(sizes),
        len(prints),
        sum(price * size for price, size in prints),
    )


def fold(candles: Iterable[Candle], frame: Timeframe) -> Iterator[Candle]:
    """Candles in order of time put together, a candle for each window that has one."""
    for start, group in groupby(candles, lambda each: frame.start(each.start)):
        yield _merged(start, list(group))


def _merged(start: int, parts: list[Candle]) -> Candle:
    recorded = all(part.prints for part in parts)
    return Candle(
        start,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.volume for part in parts),
        sum(part.prints for part in parts) if recorded else 0,
        sum(part.notional for part in parts) if recorded else 0,
    )


def adjusts_splits(adjustment: str) -> bool:
    """Whether Alpaca's word, or comma list of words, asks for splits to be taken out.

    Dividends and spin-offs are not in the data, so asking for them changes nothing.

    Raises:
        DataError: not one of Alpaca's words.
    """
    words = set(adjustment.split(","))
    if not words <= _ADJUSTMENTS:
        raise DataError(
            f"{adjustment[:40]!r} is not an adjustment.", remedy="raw, split, dividend, spin-off or all", code="E613"
        )
    return bool(words & {"split", "all"})


def split_adjusted(raw: Candle, splits: Sequence[Split], as_of: date) -> Candle:
    """The candle in the shares of `as_of`: every split after the candle and up to that day is taken out."""
    on, old, new = sessions.date_of(raw.start), 1, 1
    for split in splits:
        if on < split.ex_date <= as_of:
            old, new = old * split.old_rate, new * split.new_rate
    if old == new:
        return raw
    open_, high, low, close = ((2 * price * old + new) // (2 * new) for price in raw[1:5])
    return Candle(raw.start, open_, high, low, close, raw.volume * new // old, raw.prints, raw.notional)


def wire_bar(each: Candle) -> Bar:
    """The candle as Alpaca prints it."""
    return Bar(
        t=Nanos(each.start),
        o=each.open / UNIT,
        h=each.high / UNIT,
        l=each.low / UNIT,
        c=each.close / UNIT,
        v=each.volume,
        n=each.prints,
        vw=vwap(each),
    )


def vwap(each: Candle) -> float:
    """The volume-weighted price, rounded half up to six decimals; 0 where it was not recorded."""
    return (200 * each.notional + each.volume) // (2 * each.volume) / 1_000_000
