"""Both WebSockets on the wire: a bounded queue for each connection, who is connected, who may be, who is cut off.

Everything to a connection goes through its queue, pings included, so a pong means that all before it has been read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, cast

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from puna.exchange.breakage import reset
from puna.exchange.conversations import CODES, Admit, DataConversation, TradingConversation
from puna.exchange.feeds import Teller, asked, teller
from puna.exchange.floor import Batch, Cut, Floor, Kind, seconds
from puna.exchange.frames import pack_market, pack_text, pack_trading, unpack
from puna.exchange.options import ExchangeConfig, Speed
from puna.exchange.paths import DATA_STREAMS
from puna.exchange.venue import DataFrame, Event
from puna.seams import Clock
from puna.wire.codec import Nanos
from puna.wire.stream import BarMessage, ErrorMessage, QuoteMessage, Subscription, TradeMessage

__all__ = ["Connection", "DataConnection", "Sockets", "TradingConnection"]

_MINUTE = 60_000_000_000
_LARGEST_MESSAGE = 1 << 20
_PONG_SECONDS = 6.0
_GOODBYE_SECONDS = 0.5
_PAID = {"/v2/sip", "/v1beta1/opra", "/v1beta1/options/opra"}
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


class DataConnection(Connection):
    """A client of the market-data stream."""

    kind: Kind = "data"

    def __init__(self, path: str, conversation: DataConversation, teller: Teller, **rest: Any) -> None:
        super().__init__(path, **rest)
        self.conversation: DataConversation = conversation
        self._teller = teller
        self._counter = 0

    def greet(self, request: web.Request) -> None:
        if DATA_STREAMS[self.path] == "options" and not self._msgpack:
            self.refuse(412)
            return
        self._answer(self.conversation.welcome())
        headers = request.headers
        if "APCA-API-KEY-ID" in headers or "APCA-API-SECRET-KEY" in headers:
            self._answer(
                self.conversation.authenticate(headers.get("APCA-API-KEY-ID"), headers.get("APCA-API-SECRET-KEY"))
            )

    def hear(self, message: Any) -> None:
        answers = self.conversation.receive(message)
        self._answer(answers)
        if isinstance(answers[0], Subscription) and (begin := self._teller.begin(self.conversation.wanted)):
            self._answer(begin)

    def tell(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, DataFrame) and (told := self._teller.tell(event, self.conversation.wanted)):
                self._answer(told)

    def too_slow(self) -> None:
        self.refuse(407)

    def refuse(self, code: int) -> None:
        """Ends the connection with an error."""
        self.close(WSCloseCode.POLICY_VIOLATION, self._pack([ErrorMessage(code=code, msg=CODES[code])]))

    def work(self) -> list[Coroutine[Any, Any, None]]:
        beat = [self._beat()] if DATA_STREAMS[self.path] == "test" else []
        return [*super().work(), self._authenticated_in_time(), *beat]

    async def _beat(self) -> None:
        """The test stream never sleeps: its one symbol has a quote and a print every second of wall time."""
        while not self.closed.is_set():
            await self._clock.sleep(1.0)
            self._counter += 1
            if told := [each for each in beat(self._counter, self._clock.now()) if self._wants(each)]:
                self._answer(told)

    def _wants(self, message: Any) -> bool:
        channel = "quotes" if isinstance(message, QuoteMessage) else "trades"
        if isinstance(message, BarMessage):
            channel = "bars"
        return asked(self.conversation.wanted, channel, message.S)

    async def _authenticated_in_time(self) -> None:
        """Ends a connection on which nobody has tried to authenticate, or which is one too many."""
        await self._clock.sleep(self._config.auth_seconds)
        if self.conversation.key is None and not self.conversation.tried:
            self.refuse(404)
        if self.conversation.refused == 406:
            self.close()

    def _answer(self, messages: list[Any]) -> None:
        self.send(self._pack(messages))

    def _pack(self, messages: list[Any]) -> bytes | str:
        return pack_market(messages) if self._msgpack else pack_text(messages).decode()


class TradingConnection(Connection):
    """A client of the trading stream."""

    kind: Kind = "trading"

    def __init__(self, path: str, conversation: TradingConversation, **rest: Any) -> None:
        super().__init__(path, **rest)
        self.conversation: TradingConversation = conversation

    def hear(self, message: Any) -> None:
        answer = self.conversation.receive(message)
        if answer is None:
            error = {"action": "error", "data": {"error_message": CODES[400]}}
            self.close(WSCloseCode.POLICY_VIOLATION, self._pack(error))
        else:
            self.send(self._pack(answer))

    def tell(self, events: Iterable[Event]) -> None:
        if self.conversation.ready:
            for event in events:
                if not isinstance(event, DataFrame):
                    self.send(self._pack({"stream": "trade_updates", "data": _present(event)}))

    def _pack(self, message: object) -> bytes | str:
        if self._msgpack:
            return pack_trading(message)
        text = pack_text(message)
        return text if self._config.binary_updates else text.decode()


class Sockets:
    """Everybody who is connected, and who may connect.

    Args:
        config: keys, limits, times.
        floor: whose market time bounds refusals.
        clock: wall time.
        welcome: whether a key and its secret are known here.
        on_change: called when somebody comes, subscribes or goes.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        floor: Floor,
        *,
        clock: Clock,
        welcome: Callable[[str, str], bool],
        on_change: Callable[[], None],
    ) -> None:
        self._config = config
        self._floor = floor
        self._welcome = welcome
        self._rest = {"clock": clock, "config": config, "on_change": on_change}
        self._open: list[Connection] = []
        self._refused: dict[Kind, tuple[int, int]] = {}
        self._ghosts: dict[tuple[str, str | None], int] = {}

    @property
    def live(self) -> list[Connection]:
        """The authenticated ones: trading before data, in the order of their coming."""
        return sorted((each for each in self._open if each.live), key=lambda each: each.kind != "trading")

    @property
    def refusing(self) -> bool:
        """True while somebody who was cut off may not come back yet."""
        return any(self._floor.now < until for until, _ in self._refused.values())

    def ready(self, kinds: Iterable[str]) -> bool:
        """True when each of these kinds of socket has somebody who listens."""
        return all(any(each.ready and each.kind == kind for each in self._open) for kind in kinds)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for path in DATA_STREAMS:
            router.add_get(path, self.serve_data)
        router.add_get("/stream", self._trading)

    def tell(self, batch: Batch) -> None:
        for each in self.live:
            if each.kind == batch.kind:
                each.tell(batch.events)

    async def cut(self, cut: Cut) -> None:
        """Cuts off a kind of socket; who comes back too early is refused."""
        until = self._floor.now + seconds(cut.fault.seconds)
        for each in [each for each in self._open if each.kind == cut.kind]:
            if cut.fault.action == "ghost" and each.live:
                self._ghosts[each.path, each.conversation.key] = until
            await each.cut()
        if cut.fault.action == "drop_socket":
            self._refused[cut.kind] = (until, cut.fault.status or 503)

    async def close(self) -> None:
        """Says goodbye to everybody, in bounded time."""
        leaving = list(self._open)
        for each in leaving:
            each.close(WSCloseCode.GOING_AWAY)
        await asyncio.gather(*(each.gone() for each in leaving))

    async def serve_data(self, request: web.Request) -> web.StreamResponse:
        feed, config = DATA_STREAMS[request.path], self._config
        limit = config.symbol_limit
        if feed == "options":
            limit = config.option_quotes or (200 if config.data_plan == "basic" else 1_000)
        conversation = DataConversation(
            self._admit(request.path),
            limit,
            feed=feed,
            wrong_channel=config.wrong_channel,
            name_all=config.name_all_channels,
        )
        told = teller(request.path, feed, self._floor.market, config)
        return await self._serve(request, DataConnection, conversation, teller=told)

    async def _trading(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, TradingConnection, TradingConversation(self._admit_trading))

    async def _serve(
        self, request: web.Request, kind: type[Any], conversation: Any, **further: Any
    ) -> web.StreamResponse:
        self._floor.catch_up()
        until, status = self._refused.get(kind.kind, (0, 0))
        if self._floor.now < until:
            return web.Response(status=status, text="no healthy upstream")
        msgpack = request.headers.get("Content-Type", "").startswith("application/msgpack")
        connection = kind(request.path, conversation, msgpack=msgpack, **self._rest, **further)
        self._open.append(connection)
        try:
            return cast(web.StreamResponse, await connection.serve(request))
        finally:
            self._open.remove(connection)

    def _admit(self, path: str) -> Admit:
        """One connection for each endpoint and key: the incumbent stays."""

        def admit(key: str, secret: str) -> int:
            self._floor.catch_up()
            if not self._welcome(key, secret):
                return 402
            if self._config.data_plan == "basic" and path in _PAID:
                return 409
            taken = any(each.live and (each.path, each.conversation.key) == (path, key) for each in self._open)
            return 406 if taken or self._floor.now < self._ghosts.get((path, key), 0) else 0

        return admit

    def _admit_trading(self, key: str, secret: str) -> int:
        return 0 if self._welcome(key, secret) else 402


def beat(count: int, now: int) -> list[QuoteMessage | TradeMessage | BarMessage]:
    """One second of FAKEPACA: a price that goes up and down, and a bar once a minute."""
    ts, price = Nanos(now), 134.0 + abs(count % 200 - 100) / 100
    fixed: dict[str, Any] = {"S": "FAKEPACA", "z": "C"}
    quote = QuoteMessage(**fixed, t=ts, bp=price, bs=100.0, ap=price + 0.01, as_=100.0, bx="V", ax="V", c=["R"])
    trade = TradeMessage(**fixed, t=ts, p=price, s=10.0, i=count, x="V", c=["@"])
    if count % 60:
        return [quote, trade]
    start = Nanos(now - now % _MINUTE)
    return [quote, trade, BarMessage(S="FAKEPACA", t=start, o=price, h=price, l=price, c=price, v=600, n=60, vw=price)]


def _present(update: Any) -> dict[str, object]:
    """The fields that the update has: executions carry some that others lack."""
    fields = {name: getattr(update, name) for name in update.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not None and value is not msgspec.UNSET}


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
