"""One client on a WebSocket: a bounded queue, a reader, a writer, pings, goodbyes.

Everything to a connection goes through its queue, pings included, so a pong means that all before it has been read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from puna.exchange.floor import Kind
from puna.exchange.options import ExchangeConfig, Speed
from puna.exchange.streams.conversations import DataConversation, TradingConversation
from puna.exchange.streams.frames import unpack
from puna.exchange.venue import Event
from puna.exchange.web.breakage import reset
from puna.seams import Clock

__all__ = ["Connection"]

_LARGEST_MESSAGE = 1 << 20
_PONG_SECONDS = 6.0
_GOODBYE_SECONDS = 0.5
_ENDS = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}

Send = Callable[[], Awaitable[None]]


class Connection:
    """One client on one stream: a reader, a writer, and the pings it owes an answer to.

    Args:
        path: the endpoint it came to.
        clock: wall time for goodbyes and keep-alives.
        config: limits and times.
        msgpack: whether it asked for msgpack.
        on_change: called when it authenticates, subscribes or ends.
    """

    kind: Kind
    conversation: DataConversation | TradingConversation

    def __init__(
        self, path: str, *, clock: Clock, config: ExchangeConfig, msgpack: bool, on_change: Callable[[], None]
    ) -> None:
        self.path = path
        self.ws = web.WebSocketResponse(autoping=False, autoclose=True, max_msg_size=_LARGEST_MESSAGE)
        self.closed = asyncio.Event()
        self._clock = clock
        self._config = config
        self._msgpack = msgpack
        self._on_change = on_change
        self._queue: asyncio.Queue[Send] = asyncio.Queue(config.backlog)
        self._pongs: dict[bytes, asyncio.Event] = {}
        self._transport: asyncio.BaseTransport | None = None
        self._reader: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def live(self) -> bool:
        """Authenticated and connected: part of the barrier."""
        return self.conversation.key is not None and not self.closed.is_set()

    @property
    def ready(self) -> bool:
        """Live, and it has said what it wants to hear."""
        return self.live and self.conversation.ready

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """The whole life of the connection."""
        await self.ws.prepare(request)
        self._transport = request.transport
        self._reader = asyncio.create_task(self._read())
        tasks = [self._reader, *(asyncio.create_task(work) for work in self.work())]
        try:
            self.greet(request)
            await asyncio.wait({self._reader})
        finally:
            self.closed.set()
            for pong in self._pongs.values():
                pong.set()
            self._on_change()
            await _end(tasks)
            await self.gone()
        return self.ws

    def greet(self, request: web.Request) -> None:
        """What is said first."""

    def hear(self, message: Any) -> None:
        """What is answered to a message."""
        raise NotImplementedError

    def tell(self, events: Iterable[Event]) -> None:
        """Puts events of the venue on their way, as far as this client has asked for them."""
        raise NotImplementedError

    def send(self, frame: bytes | str) -> None:
        """Puts a frame on its way; a client that reads too slowly is told so and closed."""
        self._put(lambda: self._say(frame))

    async def answered(self, payload: bytes) -> None:
        """Pings, and returns when the pong has come or the connection has ended."""
        pong = self._pongs.setdefault(payload, asyncio.Event())
        self._put(lambda: self.ws.ping(payload))
        if not self.closed.is_set():
            await pong.wait()

    async def cut(self) -> None:
        """Resets the TCP connection; returns when it is gone."""
        reset(self._transport)
        await self.closed.wait()

    async def keep_alive(self) -> None:
        """Pings every so often; a client that does not answer is cut off (OBS: closed without a close frame)."""
        while not self.closed.is_set():
            await self._clock.sleep(self._config.ping_seconds)
            try:
                async with self._clock.deadline(_PONG_SECONDS):
                    await self.answered(b"")
            except TimeoutError:
                reset(self._transport)

    def close(self, code: int = WSCloseCode.OK, last_words: bytes | str | None = None) -> None:
        """Says goodbye in bounded time."""
        self._leave(self._goodbye(code, last_words))

    async def gone(self) -> None:
        """Returns when a goodbye that was begun is over."""
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the reader."""
        free = isinstance(self._config.pacing, Speed)
        return [self._write(), self.keep_alive()] if free else [self._write()]

    def _put(self, send: Send) -> None:
        if self.closed.is_set() or self._leaving:
            return
        try:
            self._queue.put_nowait(send)
        except asyncio.QueueFull:
            self._forget()
            self.too_slow()

    def too_slow(self) -> None:
        """The queue was full, and what was in it is forgotten."""
        self.close(WSCloseCode.POLICY_VIOLATION)

    def _forget(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
            self._queue.task_done()

    def _leave(self, goodbye: Any) -> None:
        task = asyncio.create_task(goodbye)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _goodbye(self, code: int, last_words: bytes | str | None) -> None:
        try:
            async with self._clock.deadline(_GOODBYE_SECONDS):
                await self._queue.join()
                if last_words is not None:
                    await self._say(last_words)
                await _end([self._reader] if self._reader else [])  # so that `close` itself can await the peer's
                await self.ws.close(code=code)
        except (TimeoutError, ConnectionError, RuntimeError):
            reset(self._transport)

    async def _say(self, frame: bytes | str) -> None:
        await (self.ws.send_str(frame) if isinstance(frame, str) else self.ws.send_bytes(frame))

    async def _write(self) -> None:
        with suppress(ConnectionError, RuntimeError):
            while True:
                await (await self._queue.get())()
                self._queue.task_done()

    async def _read(self) -> None:
        while (message := await self.ws.receive()).type not in _ENDS:
            await self._handle(message)

    async def _handle(self, message: WSMessage) -> None:
        if message.type is WSMsgType.PING:
            self._put(lambda: self.ws.pong(message.data))
        elif message.type is WSMsgType.PONG:
            if (waiting := self._pongs.pop(bytes(message.data), None)) is not None:
                waiting.set()
        else:
            self.hear(unpack(message.data, msgpack=self._msgpack))
            self._on_change()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
