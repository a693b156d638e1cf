"""One symbol's day as it unfolds: the seeded path, its minutes, and both in Alpaca's words."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple
from zlib import crc32

from puna.exchange.data import DailyBar, Listing
from puna.exchange.prices.bars import MINUTE, UNIT, Candle, candle
from puna.exchange.prices.path import Path, intraday
from puna.seams import seeded_rng
from puna.wire.market import Bar
from puna.wire.stream import BarMessage, QuoteMessage, TradeMessage, UpdatedBarMessage

__all__ = ["Playback", "Session", "bar_message", "play", "updated_bar_message"]

_FEED = "V"  # IEX: the exchange code of everything on the free feed
_TAPES = {"NASDAQ": "C", "NYSE": "A"}
_TRADE_CONDITIONS = {"C": ["@"], "A": [" "]}
_QUOTE_CONDITIONS = ["R"]


class Session(NamedTuple):
    """One core session of the market, ns."""

    open_ns: int
    close_ns: int
    date: date


class Playback(NamedTuple):
    """The day: a step of the path after another, and a candle for each minute that has a print.

    Minutes in `late` are told again, whole, after they were first told without their last print.
    """

    symbol: str
    tape: str
    path: Path
    minutes: list[Candle | None]
    late: frozenset[int] = frozenset()

    def quote(self, step: int, ts: int) -> QuoteMessage:
        path = self.path
        return QuoteMessage(
            S=self.symbol,
            t=ts,
            bp=path.bid[step] / 100,
            bs=path.bid_size[step],
            ap=path.ask[step] / 100,
            as_=path.ask_size[step],
            bx=_FEED,
            ax=_FEED,
            c=_QUOTE_CONDITIONS,
            z=self.tape,
        )

    def trade(self, step: int, ts: int) -> TradeMessage | None:
        """The print of that step, if anything trades."""
        if not self.path.size[step]:
            return None
        return TradeMessage(
            S=self.symbol,
            t=ts,
            p=self.path.price[step] / UNIT,
            s=self.path.size[step],
            i=step + 1,
            x=_FEED,
            c=_TRADE_CONDITIONS[self.tape],
            z=self.tape,
        )

    def first(self, minute: int) -> Candle | None:
        """The minute as it was first told, where its last print came late; otherwise as it is."""
        whole = self.minutes[minute]
        if whole is None or whole.prints < 2 or minute not in self.late:
            return whole
        width = len(self.path.size) // len(self.minutes)
        prices, sizes = (each[minute * width : (minute + 1) * width] for each in (self.path.price, self.path.size))
        last = max(step for step, size in enumerate(sizes) if size)
        return candle(whole.start, prices[:last], sizes[:last])


def bar_message(symbol: str, bar: Bar) -> BarMessage:
    """The bar as the stream tells it."""
    return BarMessage(S=symbol, t=bar.t, o=bar.o, h=bar.h, l=bar.l, c=bar.c, v=bar.v, n=bar.n, vw=bar.vw)


def updated_bar_message(symbol: str, bar: Bar) -> UpdatedBarMessage:
    """The bar as the stream tells it again."""
    return UpdatedBarMessage(S=symbol, t=bar.t, o=bar.o, h=bar.h, l=bar.l, c=bar.c, v=bar.v, n=bar.n, vw=bar.vw)


def play(
    listing: Listing,
    day: DailyBar,
    session: Session,
    step_ns: int,
    seed: int,
    *,
    late: float = 0.0,
    quiet: Callable[[int], bool] | None = None,
    path: Path | None = None,
) -> Playback:
    """The day of that symbol, the same for the same seed.

    Args:
        listing: the stock.
        day: what its path has to meet.
        session: when.
        step_ns: from one quote to the next.
        seed: of the path.
        late: the part of the minutes whose last print comes late.
        path: the way through the day, where it is known; otherwise it is made.
        quiet: whether nothing trades at a time (ns); what would have traded then does not.
    """
    steps = (session.close_ns - session.open_ns) // step_ns
    if path is None:
        path = intraday(day, steps, seeded_rng(f"{seed}:{listing.symbol}:{session.date}"))
    if quiet is not None:
        sizes = [0 if quiet(session.open_ns + at * step_ns) else size for at, size in enumerate(path.size)]
        path = path._replace(size=sizes)
    width = MINUTE // step_ns
    minutes = [
        candle(session.open_ns + at * step_ns, path.price[at : at + width], path.size[at : at + width])
        for at in range(0, steps, width)
    ]
    delayed = _late(listing.symbol, session, len(minutes), late) if late else frozenset()
    return Playback(listing.symbol, _TAPES[listing.exchange], path, minutes, delayed)


def _late(symbol: str, session: Session, minutes: int, share: float) -> frozenset[int]:
    """Which minutes have a late print: by their own bits, so no other chance is moved by it."""
    most = round(share * 10_000)
    return frozenset(
        minute for minute in range(minutes) if crc32(f"{symbol}:{session.date}:{minute}".encode()) % 10_000 < most
    )
