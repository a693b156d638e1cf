"""One symbol's day as it unfolds: the seeded path, its minutes, and both in Alpaca's words."""

from datetime import date
from typing import NamedTuple

from puna.exchange.bars import MINUTE, UNIT, Candle, candle, wire_bar
from puna.exchange.data import DailyBar, Listing
from puna.exchange.path import Path, intraday
from puna.seams import seeded_rng
from puna.wire.market import Bar
from puna.wire.stream import BarMessage, QuoteMessage, TradeMessage

__all__ = ["Playback", "Session", "bar_message", "play"]

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
    """The day: a step of the path after another, and a candle for each minute that has a print."""

    symbol: str
    tape: str
    path: Path
    minutes: list[Candle | None]

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

    def bar(self, minute: int) -> BarMessage | None:
        """The bar of that minute, if anything traded."""
        each = self.minutes[minute]
        return None if each is None else bar_message(self.symbol, wire_bar(each))


def bar_message(symbol: str, bar: Bar) -> BarMessage:
    """The bar as the stream tells it."""
    return BarMessage(S=symbol, t=bar.t, o=bar.o, h=bar.h, l=bar.l, c=bar.c, v=bar.v, n=bar.n, vw=bar.vw)


def play(listing: Listing, day: DailyBar, session: Session, step_ns: int, seed: int) -> Playback:
    """The day of that symbol, the same for the same seed."""
    steps = (session.close_ns - session.open_ns) // step_ns
    path = intraday(day, steps, seeded_rng(f"{seed}:{listing.symbol}:{session.date}"))
    width = MINUTE // step_ns
    minutes = [
        candle(session.open_ns + at * step_ns, path.price[at : at + width], path.size[at : at + width])
        for at in range(0, steps, width)
    ]
    return Playback(listing.symbol, _TAPES[listing.exchange], path, minutes)
