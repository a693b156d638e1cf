"""market-data: Alpaca's stream onto the bus, its gaps filled over REST, and bars of the past for whoever warms up."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from puna.alpaca import mapping
from puna.alpaca.frames import Frame, Gap, StreamOptions, Subscription
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars
from puna.alpaca.session import MarketMessage
from puna.alpaca.stream import market_data
from puna.alpaca.trading import get_clock
from puna.bus.messages import BarUpdate, Message, QuoteUpdate, StatusUpdate, TradeUpdate
from puna.bus.publisher import Publisher
from puna.core import sessions
from puna.core.types import Bar
from puna.engine.pacing import PacedClock
from puna.engine.tasks import Tasks
from puna.errors import DataError, PunaError
from puna.services.broker import CallFacts
from puna.services.health import Fact
from puna.services.place import Place
from puna.services.serve import Component
from puna.wire.codec import encode
from puna.wire.stream import BarMessage, QuoteMessage, StatusMessage, TradeMessage, UpdatedBarMessage

__all__ = ["MarketData"]

MINUTE = 60_000_000_000
NANOS = 1_000_000_000
KEPT = 1000
WARM_UP = 5 * 86_400 * NANOS
RECENT_SECONDS = 60.0


class MarketData(Component):
    """Publishes what the market shows, as long as it is fresh; nobody else needs a key for data."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._alpaca = AsyncAlpaca(
            place.credentials, place.endpoints, clock=place.clock, rng=place.rng, trading_limit=0, data_limit=200
        )
        self._calls = CallFacts(self._alpaca, self.metrics)
        options = StreamOptions(clock=place.clock, rng=place.rng, turnstile=self._alpaca.turnstiles["data"])
        self._stream = market_data(place.endpoints, place.credentials, _wanted(place.symbols), options)
        self._bars: dict[str, deque[Bar]] = {symbol: deque(maxlen=KEPT) for symbol in place.symbols}
        self._bus: Publisher | None = None
        self._heard_at = 0
        self._gap_at = 0
        self._failure: PunaError | None = None

    async def work(self) -> None:
        """Warm-up first, then the stream, until it is to stop."""
        place = self.place
        tasks = Tasks()
        address = place.market_bus
        self._bus = Publisher(
            place.context, address, name=place.name, curve=place.data_server(address), beat=0.5, clock=place.wall
        )
        try:
            async with self._bus:
                tasks.spawn(self._beat(self._bus), "beat")
                await self._begin()
                tasks.spawn(self._follow(self._bus), "stream")
                await self.together(tasks)
        finally:
            await tasks.close()
            await self._stream.close()
            await self._alpaca.close()

    def facts(self) -> list[Fact]:
        """The stream is up and speaks; the broker can be asked; nothing was lost a moment ago."""
        stream, limit = self._stream, self.place.config.services.mute_seconds
        silence = self._silence()
        error = stream.status.last_error
        why = error.what if error is not None else "it is not connected yet"
        return [
            Fact("stream", stream.connected, why),
            Fact("fresh", silence <= limit or not self._open(), f"connected, and mute for {silence:.0f} s"),
            Fact("broker", self._calls.reachable, "the broker's data API does not answer", ready=False),
            Fact("gaps", not self._gap_lately(), f"{stream.status.gaps} holes, the last one a moment ago", ready=False),
            Fact("keys", self._failure is None, self._failure.what if self._failure else "", fatal=True),
        ]

    def numbers(self) -> dict[str, Any]:
        status = self._stream.status
        return {
            "websocket_connected": float(status.connected),
            "stream_age_seconds": self._silence(),
            "stream_reconnects": status.reconnects,
            "stream_gaps": status.gaps,
            "bus_published": self._bus.sent if self._bus else 0,
            **self._calls.numbers(),
        }

    def routes(self) -> dict[tuple[str, str], Callable[[Any], Awaitable[Any]]]:
        """GET /bars?symbol=AAPL: the last minutes, oldest first, as on the bus."""
        return {("GET", "/bars"): self._history}

    async def _history(self, request: web.Request) -> web.Response:
        bars = self._bars.get(request.query.get("symbol", ""), ())
        body = encode([BarUpdate.of(bar, "1Min") for bar in bars])
        return web.Response(body=body, content_type="application/json")

    async def _begin(self) -> None:
        """Market time, and the bars of the last sessions."""
        clock = self.place.clock
        while not self.stopping.is_set():
            try:
                broker = await self._alpaca(get_clock())
                if isinstance(clock, PacedClock):
                    clock.set(int(broker.timestamp))
                await self._warm_up(clock.now())
            except PunaError as error:
                self.log.warning("warm-up has to wait", code=error.code, what=error.what)
                await self.pause(1.0)
            else:
                return

    async def _warm_up(self, now: int) -> None:
        if not self.place.symbols:
            return
        async for symbol, body in self._alpaca(get_bars(list(self.place.symbols), "1Min", now - WARM_UP, now)):
            bar = mapping.bar_of(symbol, body, now)
            if bar.ts_event + MINUTE <= now:
                self._keep(bar)

    async def _beat(self, bus: Publisher) -> None:
        """Market time for those who have no other source of it, and whether this is fresh."""
        clock = self.place.clock
        while True:
            factor = clock.factor if isinstance(clock, PacedClock) else 1.0
            bus.describe(market=clock.now(), factor=factor, ready=self.verdict().ready, config=self.place.version)
            await self.place.wall.sleep(0.25)

    async def _follow(self, bus: Publisher) -> None:
        try:
            async for frame in self._stream:
                if frame.gap is not None:
                    self._gap_at = self.place.wall.monotonic()
                    await self._fill(bus, frame.gap)
                if frame.messages:
                    self._heard_at = self.place.wall.monotonic()
                    self._publish(bus, frame)
        except PunaError as error:  # wrong keys, or a subscription that is refused: no reconnection will help
            self._failure = error
            raise

    def _publish(self, bus: Publisher, frame: Frame[MarketMessage]) -> None:
        clock = self.place.clock
        for message in frame.messages:
            if isinstance(message, QuoteMessage) and isinstance(clock, PacedClock):
                clock.observe(int(message.t))
            if (update := self._update(message, frame.ts_init)) is not None:
                topic, body = update
                self.processed += 1
                bus.publish(topic, body)

    def _update(self, message: MarketMessage, now: int) -> tuple[str, Message] | None:
        """What a message of the stream is on the bus."""
        match message:
            case QuoteMessage():
                return f"market.quote.{message.S}", QuoteUpdate.of(mapping.quote(message, now))
            case TradeMessage():
                return f"market.trade.{message.S}", TradeUpdate.of(mapping.trade(message, now))
            case UpdatedBarMessage():
                return f"market.bar.{message.S}", BarUpdate.of(mapping.bar(message, now), "1Min", revised=True)
            case BarMessage():
                bar = mapping.bar(message, now)
                return (f"market.bar.{message.S}", BarUpdate.of(bar, "1Min")) if self._keep(bar) else None
            case StatusMessage():
                halted = message.sc in ("H", "T")
                return f"market.status.{message.S}", StatusUpdate(message.S, halted, int(message.t), now)
        return None

    def _keep(self, bar: Bar) -> bool:
        """False when it is not newer than what is there."""
        kept = self._bars.setdefault(bar.symbol, deque(maxlen=KEPT))
        if kept and bar.ts_event <= kept[-1].ts_event:
            return False
        kept.append(bar)
        return True

    async def _fill(self, bus: Publisher, gap: Gap) -> None:
        """Publishes the bars that the stream has missed."""
        now = self.place.clock.now()
        last = [bars[-1].ts_event for bars in self._bars.values() if bars]
        call = get_bars(list(self.place.symbols), "1Min", min(last, default=gap.start), now)
        try:
            missed = [mapping.bar_of(symbol, body, now) async for symbol, body in self._alpaca(call)]
        except PunaError as error:
            self.log.warning("the bars of a gap could not be fetched", code=error.code, what=error.what)
            return
        for bar in sorted(missed, key=lambda bar: (bar.ts_event, bar.symbol)):
            if bar.ts_event + MINUTE <= now and self._keep(bar):
                bus.publish(f"market.bar.{bar.symbol}", BarUpdate.of(bar, "1Min"))

    def _silence(self) -> float:
        """Seconds of wall time since the last message; since the start, when there was none."""
        return (self.place.wall.monotonic() - (self._heard_at or self._began)) / NANOS

    def _gap_lately(self) -> bool:
        return bool(self._gap_at) and self.place.wall.monotonic() - self._gap_at < RECENT_SECONDS * NANOS

    def _open(self) -> bool:
        """Whether the market should be speaking."""
        try:
            return sessions.session_at(self.place.clock.now()) is sessions.Session.CORE
        except DataError:
            return True


def _wanted(symbols: tuple[str, ...]) -> Subscription:
    return Subscription.of(quotes=symbols, trades=symbols, bars=symbols, updated_bars=symbols, statuses=symbols)
