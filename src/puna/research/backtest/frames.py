"""All bars of a history in order of the time at which they are known, and the objects that strategies hear of them.

A frame is what is known at one instant: a bar of every symbol that has one then. Objects are made of the columns a few
thousand at a time. `reference` says how; where the native package is installed, its kernel makes the same ones from the
same columns without lists of numbers in between (architecture, principle 9).
"""

from collections.abc import Container, Iterator, Mapping
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from puna import native
from puna.core.types import Bar
from puna.research.backtest.data import Columns, Floats, History, Ints

__all__ = ["Frames", "Numbers", "Places", "make_bars", "reference"]

CHUNK = 4096
"""Bars that are made at a time: objects for all of them would cost memory and nothing else."""


class Numbers(NamedTuple):
    """What bars are made of, in the order of the fields of `Bar`; a symbol is the number of its name."""

    symbol: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    begin: Ints
    known: Ints
    trades: Ints
    vwap: Floats


def reference(names: list[str], numbers: Numbers, first: int, last: int) -> list[Bar]:
    """Rows `first` to before `last` as bars."""
    symbols, *rest = (column[first:last].tolist() for column in numbers)
    return [*map(Bar, map(names.__getitem__, symbols), *rest)]


def _by_kernel(names: list[str], numbers: Numbers, first: int, last: int) -> list[Bar]:
    at, open_, high, low, close, volume, begin, known, trades, vwap = numbers
    prices = (open_, high, low, close, volume, vwap)
    return native.make_bars(Bar, names, (at, begin, known, trades), prices, first, last)


make_bars = reference if TYPE_CHECKING or native.make_bars is None else _by_kernel


class Places:
    """Symbol -> the row of its last bar that is known at `time`, ns; -1 before the first.

    A loop that goes from bar to bar moves the time and nothing else; rows are found when somebody asks.
    """

    def __init__(self, columns: Mapping[str, Columns]) -> None:
        self.time = 0
        self._known = {symbol: each.known for symbol, each in columns.items()}
        self._found: dict[str, tuple[int, int]] = {}

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._known

    def __getitem__(self, symbol: str) -> int:
        found = self._found.get(symbol)
        if found is None or found[0] != self.time:
            row = int(self._known[symbol].searchsorted(self.time, side="right")) - 1
            self._found[symbol] = found = self.time, row
        return found[1]

    def get(self, symbol: str) -> int:
        """The same; -1 also where there is no such symbol."""
        return self[symbol] if symbol in self._known else -1


class Frames:
    """The bars of a history, each told once.

    Attributes:
        names: the symbols, in the order of `History.order`.
        known: when each bar is known, in their order.
        left: the frames that nobody has taken yet.
        bars: their bars, where there is one symbol only; one of the two is to be used.
    """

    def __init__(self, history: History) -> None:
        self.names = list(history.order)
        columns = [history.columns[name] for name in self.names]
        numbers = [_numbers(at, each) for at, each in enumerate(columns)]
        self._columns = history.columns
        self._opens = np.concatenate([each.opens for each in columns])
        self.of_one = len(columns) == 1
        if self.of_one:
            self._numbers = numbers[0]
        else:
            self._numbers = Numbers(*map(np.concatenate, zip(*numbers, strict=True)))
        # Within a frame in the order of the symbols.
        self._order = np.arange(0) if self.of_one else np.argsort(self._numbers.known, kind="stable")
        self.known = self._numbers.known if self.of_one else self._numbers.known[self._order]
        self.bars: Iterator[Bar] = chain.from_iterable(map(self._of_one, range(0, len(self.known), CHUNK)))
        self.left: Iterator[list[Bar]] = chain.from_iterable(self._of_many())

    def __len__(self) -> int:
        return len(self.known)

    def bounds(self, index: int) -> tuple[int, int]:
        """The first bar of the frame of a bar, and the first one after it."""
        if self.of_one:
            return index, index + 1
        ts = self.known[index]
        return int(self.known.searchsorted(ts)), int(self.known.searchsorted(ts, side="right"))

    def opens_at(self, first: int, last: int) -> int:
        """The earliest first print of these bars."""
        here = self._opens[first:last] if self.of_one else self._opens[self._order[first:last]]
        return int(here.min())

    def rows(self, first: int, last: int, wanted: Container[str] | None = None) -> dict[str, int]:
        """Symbol -> row of the bars of a frame: of all, or of those that are wanted."""
        if self.of_one:
            names = self.names
        else:
            names = [*map(self.names.__getitem__, self._numbers.symbol[self._order[first:last]].tolist())]
        known = self.known[first]
        here = names if wanted is None else (name for name in names if name in wanted)
        return {name: int(self._columns[name].known.searchsorted(known)) for name in here}

    def until(self, due: int, most: int) -> int:
        """The first bar that is known at `due` or later, at most the first of the frame of bar number `most`."""
        end = self.bounds(most)[0] if most < len(self) else len(self)
        return min(int(self.known.searchsorted(due)), end)

    def take(self) -> list[Bar]:
        """The next frame."""
        return [next(self.bars)] if self.of_one else next(self.left)

    def _of_one(self, first: int) -> list[Bar]:
        return make_bars(self.names, self._numbers, first, min(first + CHUNK, len(self)))

    def _of_many(self) -> Iterator[list[list[Bar]]]:
        """Some whole frames at a time."""
        known = self.known
        edges = np.flatnonzero(np.r_[True, known[1:] != known[:-1], True])
        first = 0
        while first < len(known):
            begin = int(edges.searchsorted(first))
            end = max(begin + 1, int(edges.searchsorted(first + CHUNK, side="right")) - 1)
            cuts = (edges[begin : end + 1] - first).tolist()
            here: Any = (column[self._order[first : first + cuts[-1]]] for column in self._numbers)
            bars = make_bars(self.names, Numbers(*here), 0, cuts[-1])
            yield [bars[lo:hi] for lo, hi in pairwise(cuts)]
            first += cuts[-1]


def _numbers(at: int, columns: Columns) -> Numbers:
    """As kernels want them: one number after the other in memory."""
    each: dict[str, Any] = columns._asdict() | {"symbol": np.full(len(columns), at, dtype=np.int64)}
    packed: Any = (np.ascontiguousarray(each[name]) for name in Numbers._fields)
    return Numbers(*packed)
