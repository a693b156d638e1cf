"""One connection for all who listen: Alpaca allows one market-data stream a key, so a process has one and shares it.

Whoever calls `listen` gets an iterator of its own, with a mailbox of its own, and hears of what it asked for and no
more. The connection is subscribed to what all of them want together, and ends with the last of them. A slow listener
to market data loses messages of its own mailbox, conflated and marked; the others notice nothing. Trade updates are
never dropped: they pile up.
"""

import asyncio
from hashlib import sha256
from typing import Any, Self
from weakref import WeakKeyDictionary

from puna.alpaca.feeds import Feed
from puna.alpaca.frames import Frame, StreamOptions, Subscription
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.mailbox import Mailbox
from puna.alpaca.session import MarketMessage
from puna.alpaca.stream import CHANNELS, Stream, market_data, trade_updates
from puna.wire.stream import CancelErrorMessage, CorrectionMessage, NewsMessage, UnknownMessage

__all__ = ["Listener", "listen", "listen_to_orders"]

CAPACITY = 4096
FOLLOW_TRADES = (CorrectionMessage, CancelErrorMessage)


class Listener:
    """One listener's async iterator over frames; `async with` or `close` ends it."""

    def __init__(self, trunk: "_Trunk", wanted: Subscription | None, *, lossless: bool) -> None:
        self.wanted = wanted
        self._trunk = trunk
        self._mailbox: Mailbox[Any] = Mailbox(CAPACITY, lossless=lossless)

    @property
    def stream(self) -> Stream[Any]:
        """The connection that all share: its status and age."""
        return self._trunk.stream

    @property
    def dropped(self) -> int:
        """Messages that this listener was too slow for."""
        return self._mailbox.dropped

    async def want(self, wanted: Subscription) -> None:
        """Changes what this listener hears of.

        Raises:
            ConfigError: a channel that this feed does not have.
        """
        before, self.wanted = self.wanted, wanted
        try:
            await self._trunk.settle()
        except Exception:
            self.wanted = before
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame[Any]:
        return await self._mailbox.get()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends it, and with the last one the connection."""
        self._mailbox.end(StopAsyncIteration())
        await self._trunk.leave(self)

    def hear(self, frame: Frame[Any]) -> None:
        """What of this frame is for this listener."""
        messages = [each for each in frame.messages if self._wants(each)]
        if messages or frame.gap is not None:
            self._mailbox.put(Frame(messages, frame.ts_init, frame.gap))

    def end(self, error: BaseException) -> None:
        """The connection has ended."""
        self._mailbox.end(error)

    def _wants(self, message: Any) -> bool:
        if self.wanted is None or isinstance(message, UnknownMessage):
            return True
        channel = "trades" if isinstance(message, FOLLOW_TRADES) else CHANNELS.get(message.__class__, "")
        names: frozenset[str] = getattr(self.wanted, channel, frozenset())
        if "*" in names:
            return True
        return (
            any(name in names for name in message.symbols) if isinstance(message, NewsMessage) else message.S in names
        )


class _Trunk:
    """A connection and its listeners."""

    def __init__(self, stream: Stream[Any], name: tuple[str, str]) -> None:
        self.stream = stream
        self._name = name
        self._listeners: list[Listener] = []
        self._pump = asyncio.create_task(self._run(), name=f"shared {stream.session.__class__.__name__}")

    async def join(self, wanted: Subscription | None, *, lossless: bool) -> Listener:
        listener = Listener(self, wanted, lossless=lossless)
        self._listeners.append(listener)
        try:
            await self.settle()
        except Exception:
            await self.leave(listener)
            raise
        return listener

    async def leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        if self._listeners:
            await self.settle()
            return
        _trunks().pop(self._name, None)
        self._pump.cancel()
        await self.stream.close()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def settle(self) -> None:
        """Subscribes to what all want together."""
        wanted = Subscription()
        for listener in self._listeners:
            if listener.wanted is None:
                return
            wanted |= listener.wanted
        await self.stream.want(wanted)

    async def _run(self) -> None:
        error: BaseException = StopAsyncIteration()
        try:
            async for frame in self.stream:
                for listener in list(self._listeners):
                    listener.hear(frame)
        except Exception as ended:  # noqa: BLE001 - whatever it is, every listener is to know
            error = ended
        _trunks().pop(self._name, None)
        for listener in self._listeners:
            listener.end(error)


async def listen(
    endpoints: Endpoints,
    credentials: Credentials,
    wanted: Subscription,
    options: StreamOptions | None = None,
    *,
    feed: Feed | None = None,
) -> Listener:
    """Market data of a feed, over the one connection that this process has for it.

    The options are those of whoever comes first.

    Raises:
        ConfigError: a channel that this feed does not have.
    """
    url = endpoints.data_stream if feed is None else endpoints.stream_at(feed.path)
    name = _name(url, credentials)
    trunk = _trunks().get(name)
    if trunk is None:
        stream: Stream[MarketMessage] = market_data(endpoints, credentials, wanted, options, feed=feed)
        trunk = _trunks()[name] = _Trunk(stream, name)
    return await trunk.join(wanted, lossless=False)


async def listen_to_orders(
    endpoints: Endpoints, credentials: Credentials, options: StreamOptions | None = None
) -> Listener:
    """Trade updates, over the one connection that this process has for them; nothing is dropped."""
    name = _name(endpoints.trading_stream, credentials)
    trunk = _trunks().get(name)
    if trunk is None:
        trunk = _trunks()[name] = _Trunk(trade_updates(endpoints, credentials, options), name)
    return await trunk.join(None, lossless=True)


def _name(url: str, credentials: Credentials) -> tuple[str, str]:
    return url, sha256(credentials.key.reveal().encode()).hexdigest()


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], _Trunk]] = WeakKeyDictionary()


def _trunks() -> dict[tuple[str, str], _Trunk]:
    """Connections belong to the loop that made them."""
    return _by_loop.setdefault(asyncio.get_running_loop(), {})
