"""The names that stocks have had: which data a symbol stands for, as `asof` says (facts.md 6, SPEC-D `stock_asof`).

A symbol means the company that bears it on the as-of date, today where none is given: then everything of that company
is told, also what it did under other names, and all of it is labelled with the symbol that was asked for. "-", or a
symbol that nobody bears on that date, means the name alone: what was traded under exactly that name.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple, cast

from puna.core import sessions
from puna.exchange.orders.instruments import Renamed

__all__ = ["Names", "Span"]


class Span(NamedTuple):
    """Data of the market's `symbol`, from `start` on and before `end` (ns); None is no bound."""

    symbol: str
    start: int | None = None
    end: int | None = None

    def bounds(self, start: int, end: int | None) -> tuple[int, int | None]:
        """The part of a window that lies within, both bounds included; empty when the first is the later one."""
        last = None if self.end is None else self.end - 1
        ends = [each for each in (end, last) if each is not None]
        return max(start, self.start or start), min(ends, default=None)

    def known(self, at: int) -> int:
        """The last moment of it that is known at `at`."""
        return at if self.end is None else min(at, self.end - 1)


class Names:
    """What has been renamed so far.

    Args:
        symbols: what the market calls its stocks: their first names.
        renames: oldest first.
    """

    def __init__(self, symbols: Sequence[str], renames: Sequence[Renamed]) -> None:
        self._symbols = symbols
        self._renames = renames

    def today(self, symbol: str) -> str:
        """What the market's stock is called now."""
        return self._borne(symbol)[-1][0]

    def at(self, symbol: str, ts: int) -> str:
        """What the market's stock was called then."""
        return next(name for name, start, _ in reversed(self._borne(symbol)) if start is None or start <= ts)

    def span(self, symbol: str, on: date) -> Span | None:
        """All data of the stock that bore the symbol on that day; None when there is none."""
        for first in self._symbols:
            for name, start, end in self._borne(first):
                since = date.min if start is None else sessions.date_of(start)
                until = date.max if end is None else sessions.date_of(end)
                if name == symbol and since <= on < until:
                    return Span(first)
        return None

    def under(self, symbol: str) -> list[Span]:
        """What was traded under exactly that name, oldest first."""
        found = [
            Span(first, start, end)
            for first in self._symbols
            for name, start, end in self._borne(first)
            if name == symbol
        ]
        return sorted(found, key=lambda each: each.start or 0)

    def meant(self, symbol: str, asof: date | None) -> list[Span]:
        """What a symbol stands for; None asks for the name alone."""
        whole = None if asof is None else self.span(symbol, asof)
        return [whole] if whole is not None else self.under(symbol)

    def _borne(self, first: str) -> list[tuple[str, int | None, int | None]]:
        """The names of the market's stock, each with when it was borne, oldest first."""
        return list(self._chain(first))

    def _chain(self, first: str) -> Iterator[tuple[str, int | None, int | None]]:
        name, since = first, cast("int | None", None)
        for each in self._renames:
            if each.old == name:
                yield name, since, each.ts
                name, since = each.new, each.ts
        yield name, since, None
