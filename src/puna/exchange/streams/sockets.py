"""Both WebSockets on the wire: what a client of each is told, who is connected, who may be, who is cut off."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

import msgspec
from aiohttp import WSCloseCode, web

from puna.exchange.floor import Batch, Cut, Floor, Kind, seconds
from puna.exchange.options import ExchangeConfig
from puna.exchange.streams.connections import Connection
from puna.exchange.streams.conversations import CODES, Admit, DataConversation, TradingConversation
from puna.exchange.streams.feeds import Teller, asked, teller
from puna.exchange.streams.frames import pack_market, pack_text, pack_trading
from puna.exchange.venue import DataFrame, Event
from puna.exchange.web.paths import DATA_STREAMS
from puna.seams import Clock
from puna.wire.codec import Nanos
from puna.wire.stream import BarMessage, ErrorMessage, QuoteMessage, Subscription, TradeMessage

__all__ = ["Connection", "DataConnection", "Sockets", "TradingConnection"]

_MINUTE = 60_000_000_000
_PAID = {"/v2/sip", "/v1beta1/opra", "/v1beta1/options/opra"}


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
