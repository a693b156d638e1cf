"""Market data for execution, out of the bus: what Alpaca's stream would have said, with its gaps."""

import asyncio
from typing import Self

from puna.alpaca.frames import Frame, Gap, Subscription
from puna.alpaca.session import MarketMessage
from puna.bus.messages import BarUpdate, Heartbeat, Message, QuoteUpdate, StatusUpdate, TradeUpdate
from puna.bus.subscriber import Received, Subscriber
from puna.engine.pacing import PacedClock
from puna.seams import Clock
from puna.wire.codec import Nanos
from puna.wire.stream import BarMessage, QuoteMessage, StatusMessage, TradeMessage, UpdatedBarMessage

__all__ = ["MarketFeed"]


class MarketFeed:
    """A `DataSource` of the trading engine.

    Args:
        bus: a subscriber to market-data; closed by whoever made it, since it outlives a session.
        clock: market time.
        stale: seconds of wall time; after so long without a word from market-data there is no market data.
    """

    def __init__(self, bus: Subscriber, clock: Clock, stale: float) -> None:
        self._bus = bus
        self._clock = clock
        self._stale = stale
        self._symbols: frozenset[str] = frozenset()
        self._closed = asyncio.Event()
        self.connects = 0
        self._was_connected = False
        self._down_since = 0

    @property
    def connected(self) -> bool:
        """market-data lives, and says that what it publishes is fresh."""
        age, beat = self._bus.age(), self._bus.status.heartbeat
        return age is not None and age <= self._stale and beat is not None and beat.ready

    async def want(self, subscription: Subscription) -> None:
        """Only these symbols are handed on; the bus carries what the configuration names."""
        self._symbols = subscription.quotes | subscription.bars | subscription.trades

    async def ready(self) -> None:
        """Returns when market data flows; what came before is old by then, and dropped."""
        while not self.connected:
            await anext(self._bus)
        self._was_connected = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame[MarketMessage]:
        while True:
            if self._closed.is_set():
                raise StopAsyncIteration
            frame = self._made(await anext(self._bus))
            if frame is not None:
                return frame

    async def close(self) -> None:
        """Nothing is handed on any more; the subscriber stays."""
        self._closed.set()

    def _made(self, received: Received) -> Frame[MarketMessage] | None:
        now = self._clock.now()
        gap = None
        up = self.connected
        if up and not self._was_connected:  # it was away: bars may be missing
            gap = Gap(self._down_since or now, now, "reconnect")
        elif received.gap is not None and received.topic.startswith("market.bar"):
            gap = Gap(now, now, "reconnect", received.gap.lost)
        if self._was_connected and not up:
            self._down_since = now
        self._was_connected = up
        messages = [
            made for each in received.messages if not received.snapshot and (made := self._wire(each)) is not None
        ]
        return Frame(messages, now, gap) if messages or gap is not None else None

    def _wire(self, message: Message) -> MarketMessage | None:
        """The broker's word for it."""
        if isinstance(message, Heartbeat):
            if isinstance(self._clock, PacedClock):
                self._clock.observe(message.market)
            return None
        if getattr(message, "symbol", "") not in self._symbols:
            return None
        return _made(message)


def _made(message: Message) -> MarketMessage | None:
    match message:
        case QuoteUpdate():
            return QuoteMessage(
                S=message.symbol,
                t=Nanos(message.ts_event),
                bp=message.bid,
                bs=message.bid_size,
                ap=message.ask,
                as_=message.ask_size,
            )
        case TradeUpdate():
            return TradeMessage(S=message.symbol, t=Nanos(message.ts_event), p=message.price, s=message.size)
        case BarUpdate():
            return _bar(message)
        case StatusUpdate():
            return StatusMessage(S=message.symbol, t=Nanos(message.ts_event), sc="H" if message.halted else "R")
        case _:
            return None


def _bar(bar: BarUpdate) -> MarketMessage:
    kind = UpdatedBarMessage if bar.revised else BarMessage
    return kind(
        S=bar.symbol,
        t=Nanos(bar.ts_event),
        o=bar.open,
        h=bar.high,
        l=bar.low,
        c=bar.close,
        v=bar.volume,
        n=bar.trade_count,
        vw=bar.vwap,
    )
