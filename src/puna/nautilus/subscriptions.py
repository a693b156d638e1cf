"""One market-data stream for each kind of instrument, opened when the first subscription asks for it.

The broker allows one connection for each key and endpoint, so all subscriptions of a client share it. What is wanted is
kept as a set; the stream below resubscribes exactly that, exactly once, after every reconnect.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import fields
from enum import StrEnum
from typing import Any

from puna.alpaca.frames import Frame, Gap, Subscription
from puna.alpaca.stream import Stream
from puna.core import symbols
from puna.core.types import AssetClass

__all__ = ["Kind", "Subscriptions", "kind_of"]

CHANNELS = frozenset(field.name for field in fields(Subscription))

Deliver = Callable[[Any], None]
Open = Callable[[Subscription], Stream[Any]]


class Kind(StrEnum):
    """Which stream carries an instrument."""

    STOCK = "stock"
    CRYPTO = "crypto"
    OPTION = "option"


_KINDS = {AssetClass.US_EQUITY: Kind.STOCK, AssetClass.CRYPTO: Kind.CRYPTO, AssetClass.US_OPTION: Kind.OPTION}


def kind_of(symbol: str) -> Kind:
    """The stream of a symbol."""
    return _KINDS[symbols.asset_class(symbol)]


class Subscriptions:
    """Subscriptions of one kind, and their stream.

    Args:
        open_stream: makes the stream for a first subscription.
        deliver: hears each message.
        mend: hears each gap, so that what was missed can be fetched.
    """

    def __init__(self, open_stream: Open, deliver: Deliver, mend: Callable[[Gap], Awaitable[None]]) -> None:
        self._open = open_stream
        self._deliver = deliver
        self._mend = mend
        self._wanted: dict[str, Counter[str]] = {name: Counter() for name in CHANNELS}
        self.stream: Stream[Any] | None = None

    @property
    def subscription(self) -> Subscription:
        """What is wanted now."""
        return Subscription(**{name: frozenset(counter) for name, counter in self._wanted.items()})

    async def subscribe(self, channel: str, symbol: str) -> bool:
        """Wants a symbol of a channel; True when this opened the stream, which then has to be followed."""
        self._wanted[channel][symbol] += 1
        if self.stream is None:
            self.stream = self._open(self.subscription)
            return True
        if self._wanted[channel][symbol] == 1:
            await self.stream.want(self.subscription)
        return False

    async def unsubscribe(self, channel: str, symbol: str) -> None:
        """Wants it no longer, when nobody else does."""
        wanted = self._wanted[channel]
        wanted[symbol] -= 1
        if wanted[symbol] <= 0:
            del wanted[symbol]
            if self.stream is not None:
                await self.stream.want(self.subscription)

    async def follow(self) -> None:
        """Hands over what the stream brings, until it is closed."""
        if self.stream is None:
            return
        async for frame in self.stream:
            await self._take(frame)

    async def close(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.close()

    async def _take(self, frame: Frame[Any]) -> None:
        if frame.gap is not None:
            await self._mend(frame.gap)
        for message in frame.messages:
            self._deliver(message)
