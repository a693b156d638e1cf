"""Streams that come back: async iterators over frames of market data and of trade updates.

A reader of its own decodes each frame as it comes, so a slow consumer never delays a pong. A lost connection is made
anew with full-jitter backoff; the first frame after it is empty and carries the gap, to be filled over REST. Wrong keys
or a refused subscription end the stream with an error; nothing else does.

In lockstep (a driven clock, pings of `puna:<ns>`) a frame waits for the ping that closes its instant. Then market time
moves on, timers that are due first; the frame is handed over; and the pong goes out when its consumer has come back for
more and everything it set in motion has come to rest. A consumer that sleeps on market time is not waited for.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, TypeVar

import aiohttp

from puna.alpaca import tls
from puna.alpaca.endings import EndedError, abort, cut, lost
from puna.alpaca.feeds import Feed, stocks
from puna.alpaca.frames import Frame, Gap, StreamOptions, StreamStatus, Subscription
from puna.alpaca.hosts import Credentials, Endpoints, check_host
from puna.alpaca.pace import NANOS
from puna.alpaca.reception import Reception
from puna.alpaca.request import Lane
from puna.alpaca.session import DataSession, Failure, MarketMessage, State, TradingSession, UpdateMessage
from puna.errors import NetworkError, ProtocolError, PunaError
from puna.seams import DrivenClock
from puna.wire.stream import (
    BarMessage,
    CryptoTradeMessage,
    DailyBarMessage,
    ImbalanceMessage,
    LuldMessage,
    NewsMessage,
    OrderbookMessage,
    QuoteMessage,
    StatusMessage,
    TradeMessage,
    UnknownMessage,
    UpdatedBarMessage,
)

__all__ = ["Frame", "Gap", "Stream", "StreamOptions", "StreamStatus", "Subscription", "market_data", "trade_updates"]

M = TypeVar("M")

MESSAGE_CAP = 4 << 20
LOCKSTEP = b"puna:"
PATIENCE_SECONDS = 0.25
_PARAMETERS = inspect.signature(aiohttp.ClientSession._ws_connect).parameters  # noqa: SLF001 - ws_connect takes these

# Text frames as their bytes, which is what the decoders read; an older aiohttp can only give them as str.
_AS_BYTES: Mapping[str, Any] = {"decode_text": False} if "decode_text" in _PARAMETERS else {}

CHANNELS: Mapping[type[Any], str] = {
    QuoteMessage: "quotes",
    TradeMessage: "trades",
    BarMessage: "bars",
    UpdatedBarMessage: "updated_bars",
    DailyBarMessage: "daily_bars",
    StatusMessage: "statuses",
    LuldMessage: "lulds",
    ImbalanceMessage: "imbalances",
    CryptoTradeMessage: "trades",
    OrderbookMessage: "orderbooks",
    NewsMessage: "news",
}


class Stream(Reception[M]):
    """An endless async iterator over frames, of one WebSocket; `async with` or `close` ends it."""

    def __init__(
        self,
        url: str,
        converse: Callable[[Subscription], DataSession | TradingSession],
        options: StreamOptions,
        *,
        wanted: Subscription | None = None,
        lossless: bool,
        packed: bool = False,
    ) -> None:
        self._url = check_host(url)
        headers = {"Content-Type": "application/msgpack"} if packed else {}
        self._packed = packed
        super().__init__(f"stream {self._url.path}", options, lossless=lossless, headers=headers)
        self._converse = converse
        self._wanted = wanted or Subscription()
        self._session = converse(self._wanted)
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._held: list[Frame[M]] = []
        self._heard: dict[str, int] = {}
        self._mute: NetworkError | None = None

    @property
    def session(self) -> DataSession | TradingSession:
        """The conversation of the present connection, or of the last one."""
        return self._session

    async def want(self, subscription: Subscription) -> None:
        """Changes the subscription of a market-data stream, now and for every later connection.

        Raises:
            ConfigError: a channel that this feed does not have.
        """
        if isinstance(self._session, DataSession):
            self._session.want(subscription)
            self._wanted = subscription
            if self.connected and self._ws is not None:
                await self._speak(self._ws)

    async def _connection(self, http: aiohttp.ClientSession) -> Failure:
        """One connection, from the dial to its end, and why it ended."""
        if self._options.turnstile is not None:
            await self._options.turnstile.enter(Lane.READ)
        self._session, self._mute = self._converse(self._wanted), None
        try:
            with self._clock.busy():
                async with self._clock.deadline(self._options.connect_deadline):
                    self._ws = await self._dial(http)
                    await self._shake_hands(self._ws)
                self._arrived()
            async with self._watched(self._ws):
                await self._pump(self._ws)
        except EndedError as error:
            return self._cause(error.failure)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return lost(error)
        except asyncio.CancelledError:
            await self._say_goodbye()
            raise
        finally:
            await self._departed()

    def _cause(self, failure: Failure) -> Failure:
        """The watchdog's reason, when it was the one who ended the connection."""
        return Failure(self._mute, permanent=False) if self._mute else failure

    async def _dial(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        heartbeat = None if self._clock.driven else self._options.heartbeat
        ws: aiohttp.ClientWebSocketResponse = await http.ws_connect(
            check_host(self._url),
            autoping=False,
            heartbeat=heartbeat,
            proxy=self._options.proxy,
            ssl=tls.trust() if self._url.scheme == "wss" else True,
            max_msg_size=MESSAGE_CAP,
            timeout=aiohttp.ClientWSTimeout(ws_close=self._options.close_deadline),
            **({} if self._packed else _AS_BYTES),
        )
        return ws

    async def _shake_hands(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """The conversation up to the subscription."""
        self._session.open()
        await self._speak(ws)
        while self._session.state is not State.LIVE:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.PING:
                await ws.pong(message.data)
            else:
                await self._listen(ws, message)

    async def _pump(self, ws: aiohttp.ClientWebSocketResponse) -> NoReturn:
        with self._clock.driver():
            while True:
                await self._mailbox.room()
                message = await ws.receive()
                if message.type is aiohttp.WSMsgType.PING:
                    await self._ping(ws, message.data)
                else:
                    await self._listen(ws, message)

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage) -> None:
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            self._hear(message.data)
            await self._speak(ws)
        elif message.type is not aiohttp.WSMsgType.PONG:
            raise EndedError(lost(message.data if isinstance(message.data, Exception) else ws.close_code))

    def _hear(self, data: bytes | str) -> None:
        now = self._clock.now()
        try:
            messages: list[Any] = self._session.receive(data)
        except ProtocolError as error:
            self.status.unreadable += 1
            self.status.last_error = error
            self._hand_over(Frame([], now, Gap(now, now, "unreadable")))
            return
        if self._session.failure is not None:
            raise EndedError(self._session.failure)
        if messages:
            self._hand_over(Frame(messages, now, self._unread(messages, now)))

    def _unread(self, messages: Sequence[Any], now: int) -> Gap | None:
        """Marks messages that could not be read; the others count as signs of life of their channels."""
        kinds = dict(zip(map(type, messages), messages, strict=True))  # one of each: a frame may hold thousands
        for one in kinds.values():
            self._heard[CHANNELS.get(one.__class__, "")] = now
        unreadable = list(map(type, messages)).count(UnknownMessage) if UnknownMessage in kinds else 0
        self.status.unreadable += unreadable
        self.status.last_message_at = now
        return Gap(now, now, "unreadable") if unreadable else None

    def _hand_over(self, frame: Frame[M]) -> None:
        """To the consumer; in lockstep not before the ping that ends this instant."""
        if self._clock.driven:
            self._held.append(frame)
        else:
            self._mailbox.put(frame)

    async def _speak(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        for frame in self._session.take():
            await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))

    async def _ping(self, ws: aiohttp.ClientWebSocketResponse, payload: bytes) -> None:
        payload = bytes(payload)
        ts = payload.removeprefix(LOCKSTEP)
        if isinstance(self._clock, DrivenClock) and payload.startswith(LOCKSTEP) and ts.isdigit():
            await self._instant(self._clock, int(ts))
        await ws.pong(payload)

    async def _instant(self, clock: DrivenClock, ts: int) -> None:
        """Market time moves to `ts`, what came with it is consumed, and everything comes to rest."""
        await clock.advance(ts)
        self._release(ts)
        await clock.settle()
        if not self._mailbox.idle and not clock.is_asleep(self._mailbox.consumer):
            with suppress(TimeoutError):
                async with clock.deadline(PATIENCE_SECONDS):
                    await self._mailbox.drained()
            await clock.settle()

    def _release(self, ts: int) -> None:
        held, self._held = self._held, []
        for frame in held:
            frame.ts_init = ts
            self._mailbox.put(frame)

    def _arrived(self) -> None:
        self._heard = dict.fromkeys(self._options.stale_after, self._clock.now())
        super()._arrived()

    async def _departed(self) -> None:
        self._left()
        self._release(self._clock.now())
        ws, self._ws = self._ws, None
        if ws is not None:
            await abort(ws)

    @asynccontextmanager
    async def _watched(self, ws: aiohttp.ClientWebSocketResponse) -> AsyncIterator[None]:
        """Watches for silence while the connection lasts."""
        watch = asyncio.create_task(self._watch(ws)) if self._options.stale_after else None
        try:
            yield
        finally:
            if watch is not None:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch

    async def _watch(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Aborts the connection when a channel is mute for too long (R1, PRO-20)."""
        while True:
            wait, channel = min((self._silence_left(channel), channel) for channel in self._options.stale_after)
            if wait > 0:
                await self._clock.sleep(wait / NANOS)
            elif await self._explained(channel):
                self._heard[channel] = self._clock.now()
            else:
                limit = self._options.stale_after[channel]
                self._mute = NetworkError(f"The stream is connected, and mute: no {channel} for {limit:g} s.")
                cut(ws)
                return

    async def _explained(self, channel: str) -> bool:
        """Whether there was nothing to be heard. A probe that fails explains nothing."""
        if self._options.probe is None:
            return False
        try:
            return await self._options.probe(channel)
        except PunaError:
            return False

    def _silence_left(self, channel: str) -> int:
        return self._heard[channel] + round(self._options.stale_after[channel] * NANOS) - self._clock.now()

    async def _say_goodbye(self) -> None:
        if self._ws is not None:
            with suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with self._clock.deadline(self._options.close_deadline):
                    await self._ws.close()


def market_data(
    endpoints: Endpoints,
    credentials: Credentials,
    subscription: Subscription,
    options: StreamOptions | None = None,
    *,
    feed: Feed | None = None,
) -> Stream[MarketMessage]:
    """A market-data stream: quotes, trades, bars and the like.

    Args:
        endpoints: where.
        credentials: key and secret.
        subscription: what to hear of.
        options: how it behaves.
        feed: `puna.alpaca.feeds` has them: stocks, crypto, options, news; the endpoints' own stock feed if not given.

    Raises:
        ConfigError: a channel that this feed does not have.
    """
    options = options or StreamOptions()
    chosen = feed or stocks()
    packed = options.packed or chosen.packed_only

    def converse(wanted: Subscription) -> DataSession:
        return DataSession(credentials, wanted, packed=packed, feed=chosen)

    url = endpoints.data_stream if feed is None else endpoints.stream_at(feed.path)
    return Stream(url, converse, options, wanted=subscription, lossless=False, packed=packed)


def trade_updates(
    endpoints: Endpoints, credentials: Credentials, options: StreamOptions | None = None
) -> Stream[UpdateMessage]:
    """The trading stream: what happens to our orders."""

    def converse(_: Subscription) -> TradingSession:
        return TradingSession(credentials)

    return Stream(endpoints.trading_stream, converse, options or StreamOptions(), lossless=True)
