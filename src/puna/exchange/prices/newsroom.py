"""Seeded news: articles about what the replayed prices did, each at its time. Nothing in them comes from a newspaper.

Every session each stock has an article in the morning about the day before, one at noon about the day so far, and one
after the close; a coin has one a day, at noon of UTC. Every fourth has no content, as real ones often have none.
"""

from collections.abc import Iterator, Sequence
from datetime import date, time
from html import escape
from typing import NamedTuple

from puna.core import sessions
from puna.exchange.prices.market import Market
from puna.wire.codec import Nanos
from puna.wire.market import Bar
from puna.wire.news import News, NewsImage

__all__ = ["Newsroom"]

_DAY = 86_400_000_000_000
_TIMES = (("morning", time(9, 45)), ("noon", time(12, 15)), ("close", time(16, 20)))
_EPOCH = date(2000, 1, 1)
_FAR = 3_660  # days that one question may reach back, so that none runs for minutes


class _Slot(NamedTuple):
    """An article to be written: when, which of the day, about what."""

    ts: int
    number: int
    kind: str
    symbol: str


class Newsroom:
    """Writes an article when it is asked for; the same market has the same news."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._names = {asset.symbol: asset.name or asset.symbol for asset in market.assets()}

    def articles(
        self, start: int, end: int, symbols: Sequence[str] = (), *, newest_first: bool = False
    ) -> Iterator[News]:
        """What was published in [start, end], about these symbols, or about any; each is written as it is taken."""
        wanted = {each.replace("/", "") for each in symbols}
        for slot in self._slots(max(start, end - _FAR * _DAY), end, newest_first=newest_first):
            if start <= slot.ts <= end and (not wanted or slot.symbol.replace("/", "") in wanted):
                article = self._article(slot)
                if article is not None:
                    yield article

    def _slots(self, start: int, end: int, *, newest_first: bool) -> Iterator[_Slot]:
        first = max(sessions.date_of(start), sessions.FIRST_DATE).toordinal()
        last = min(sessions.date_of(end), sessions.LAST_DATE).toordinal()
        days = range(first, last + 1)
        for day in reversed(days) if newest_first else days:
            yield from sorted(self._slots_of(date.fromordinal(day)), reverse=newest_first)

    def _slots_of(self, on: date) -> Iterator[_Slot]:
        """The day's articles; a coin's stands among them."""
        number, trading = (on - _EPOCH).days * 1_000, sessions.day(on) is not None
        for rank, symbol in enumerate(self._names):
            if "/" in symbol:
                yield _Slot(sessions.at(on, time(8)) + rank * 1_000_000_000, number + rank * 10, "coin", symbol)
                continue
            for part, (kind, at) in enumerate(_TIMES):
                if trading:
                    ts = sessions.at(on, at) + rank * 7_000_000_000
                    yield _Slot(ts, number + rank * 10 + part, kind, symbol)

    def _article(self, slot: _Slot) -> News | None:
        days = self._market.bars(slot.symbol, "1Day", slot.ts - 12 * _DAY, slot.ts, slot.ts, "split")
        if len(days) < 3:
            return None
        headline, summary = _told(slot, self._names[slot.symbol], days)
        content = "" if slot.number % 4 == 3 else f"<p>{escape(summary)}</p>"
        return News(
            id=slot.number,
            headline=headline,
            author="Puna Newsroom",
            created_at=Nanos(slot.ts),
            updated_at=Nanos(slot.ts),
            summary=summary,
            content=content,
            url=f"https://example.com/news/{slot.number}",
            images=[NewsImage(size="thumb", url=f"https://example.com/news/{slot.number}.png")],
            symbols=[slot.symbol.replace("/", "")],
            source="simulation",
        )


def _told(slot: _Slot, name: str, days: Sequence[Bar]) -> tuple[str, str]:
    """Headline and summary, from the last bars."""
    today, before = days[-1], days[-2]
    if slot.kind == "morning" and sessions.date_of(today.t) == sessions.date_of(slot.ts):
        today, before = days[-2], days[-3]
    move = (today.c / before.c - 1.0) * 100.0
    way = "Up" if move >= 0 else "Down"
    by = f"{way} {abs(move):.1f}%"
    if slot.kind == "close":
        return f"{name} Closes {by} At ${today.c:,.2f}", f"{name} traded between {today.l:,.2f} and {today.h:,.2f}."
    if slot.kind == "morning":
        return f"{name} Opens After A Day {by}", f"{name} ended the day before at {today.c:,.2f}."
    return f"{name} Is {by} At ${today.c:,.2f}", f"{name} has traded between {today.l:,.2f} and {today.h:,.2f} today."
