"""Stored quotes and prints of a symbol beside its bars, read a day at a time: memory holds one day of however many.

They are looked up by moments that go forward: which quote stood then, and when a bar's prints reached its extremes.
"""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from puna.research.extra import library
from puna.research.history.series import Series
from puna.research.history.store import Store

__all__ = ["Tape", "Tick", "tape_of"]

_COLUMNS = {"quotes": ("time", "bid", "ask", "bid_size", "ask_size"), "trades": ("time", "price", "size")}
_PRICES = {"quotes": 2, "trades": 1}
_NEAR = 1e-9
_Column = NDArray[Any]


class _Days:
    """The rows of a series, one day in memory.

    Args:
        store: where the files are.
        series: quotes or trades.
    """

    def __init__(self, store: Store, series: Series) -> None:
        self.series = series
        self.pieces = {each.first: each for each in store.pieces_of(series)}
        self._day: date | None = None
        self._rows: tuple[_Column, ...] | None = None

    def at(self, ts: int) -> tuple[_Column, ...] | None:
        """The columns of the day of a moment; None where nothing is stored of it."""
        day = self.series.day_of(ts)
        if day != self._day:
            self._day, self._rows = day, self._read(day) if day in self.pieces else None
        return self._rows

    def _read(self, day: date) -> tuple[_Column, ...]:
        names = _COLUMNS[self.series.kind]
        frame = library("polars").read_parquet(self.pieces[day].path, columns=list(names))
        columns = [frame[name].to_physical().to_numpy() for name in names]
        prices = columns[1 : 1 + _PRICES[self.series.kind]]
        with np.errstate(invalid="ignore"):
            sound = np.logical_and.reduce([np.isfinite(each) & (each > 0) for each in prices])
            if self.series.kind == "quotes":
                sound &= prices[0] <= prices[1]
        return tuple(column[sound] for column in columns)


class Tick(NamedTuple):
    """A quote; or a print, which has a price."""

    bid: float = 0.0
    ask: float = 0.0
    bid_size: float = 0.0
    ask_size: float = 0.0
    price: float | None = None
    size: float = 0.0


class Tape:
    """Quotes, prints or both of one symbol.

    Args:
        quotes: where there are some.
        prints: where there are some.
    """

    def __init__(self, quotes: _Days | None, prints: _Days | None) -> None:
        self._quotes = quotes
        self._prints = prints

    @property
    def quotes(self) -> int:
        """How many days have quotes."""
        return len(self._quotes.pieces) if self._quotes else 0

    @property
    def prints(self) -> int:
        """How many days have prints."""
        return len(self._prints.pieces) if self._prints else 0

    @property
    def digest(self) -> str:
        """A hash of what is stored of both."""
        pieces = (each for days in (self._quotes, self._prints) if days for each in days.pieces.values())
        return sha256("".join(sorted(each.digest for each in pieces)).encode()).hexdigest()

    def stood(self, ts: int) -> tuple[float, float] | None:
        """The last sound quote of the day that is not later: bid and ask. None before the first, or without any.

        What is one-sided, crossed or no number stands for nobody; the quote before it does.
        """
        rows = self._quotes.at(ts) if self._quotes else None
        if rows is None:
            return None
        time, bid, ask, *_ = rows
        at = int(time.searchsorted(ts, side="right")) - 1
        return (float(bid[at]), float(ask[at])) if at >= 0 else None

    def quoted(self, ts: int) -> bool:
        """Whether quotes are stored of the day of a moment."""
        return self._quotes is not None and self._quotes.series.day_of(ts) in self._quotes.pieces

    def between(self, begin: int, end: int) -> Iterator[tuple[int, Tick]]:
        """Sound quotes, then prints, from `begin` to before `end`, which is of the same day, each in order of time."""
        for time, *columns in _slices(self._quotes, begin, end):
            rows = zip(time, *columns, strict=True)
            yield from ((ts, Tick(bid, ask, bids, asks)) for ts, bid, ask, bids, asks in rows)
        for time, price, size in _slices(self._prints, begin, end):
            rows = zip(time, price, size, strict=True)
            yield from ((ts, Tick(price=paid, size=much)) for ts, paid, much in rows)

    def extremes(self, begin: int, end: int, high: float, low: float) -> tuple[int, int] | None:
        """When the prints from `begin` to before `end` first reached a high and a low.

        None where they do not reach both: prints that do not count for bars, or those of another feed.
        """
        rows = self._prints.at(begin) if self._prints else None
        if rows is None:
            return None
        time, price, _ = rows
        first, last = (int(each) for each in time.searchsorted([begin, end]))
        highs = np.flatnonzero(price[first:last] >= high - _NEAR)
        lows = np.flatnonzero(price[first:last] <= low + _NEAR)
        if not len(highs) or not len(lows):
            return None
        return int(time[first + highs[0]]), int(time[first + lows[0]])


def _slices(days: _Days | None, begin: int, end: int) -> Iterator[list[list[Any]]]:
    rows = days.at(end - 1) if days is not None else None
    if rows is not None:
        first, last = (int(each) for each in rows[0].searchsorted([begin, end]))
        yield [column[first:last].tolist() for column in rows]


def tape_of(store: Store, symbol: str, feed: str) -> Tape | None:
    """What is stored beside the bars of a feed; None where neither quotes nor prints are."""
    found: list[_Days | None] = []
    for kind in ("quotes", "trades"):
        place = store.root / kind / feed
        there = place.is_dir() and not (kind == "quotes" and symbol[-8:].isdigit())  # of options there are none
        days = _Days(store, Series(kind, symbol, "", feed)) if there else None
        found.append(days if days is not None and days.pieces else None)
    return Tape(*found) if any(found) else None
