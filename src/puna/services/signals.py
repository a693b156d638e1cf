"""signals: bars from the bus through features and models; what they say goes to execution, acknowledged."""

from typing import Any

import aiohttp
import msgspec
from msgspec import structs

from puna import __version__
from puna.bus.boxes import Outbox
from puna.bus.control import ControlClient
from puna.bus.messages import Ack, BarUpdate, BusError, Heartbeat, Message
from puna.bus.subscriber import Subscriber
from puna.core.types import Bar
from puna.engine.pacing import PacedClock
from puna.engine.tasks import Tasks
from puna.errors import DeadlineError, PunaError
from puna.services.health import Fact
from puna.services.modelling import speakers
from puna.services.place import Place
from puna.services.serve import Component

__all__ = ["Signals"]

NANOS = 1_000_000_000
BACKLOG = 1000
RECENT_SECONDS = 60.0
_BARS = msgspec.json.Decoder(list[BarUpdate])


class Signals(Component):
    """Holds no key of the broker's: it hears bars, and says what its models think of them."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._speakers = speakers(place.config)
        self._warm = False
        self._refused = 0
        self._gap_at = 0
        self._config = ""
        self._bus: Subscriber | None = None
        self._control: ControlClient | None = None

    async def work(self) -> None:
        """Warm-up, then bars, until it is to stop."""
        place, tasks = self.place, Tasks()
        market, control = place.market_bus, place.control_bus
        curve = place.keys.client(place.name, "execution")
        outbox = Outbox(place.folder / "signals.outbox", place.wall.now())
        try:
            async with (
                Subscriber(
                    place.context,
                    market,
                    ["market.bar"],
                    curve=place.data_client(market, "market-data"),
                    clock=place.wall,
                ) as bus,
                ControlClient(place.context, control, outbox, name=place.name, curve=curve, clock=place.wall) as client,
            ):
                self._bus, self._control = bus, client
                client.answered = self._answered
                tasks.spawn(self._keep_touch(client), "control")
                tasks.spawn(self._follow(bus, client), "bars")
                await self.together(tasks)
        finally:
            await tasks.close()

    def facts(self) -> list[Fact]:
        """Bars come and are fresh, models are warm, execution answers and runs by the same configuration."""
        stale = self.place.config.services.stale_seconds
        bus, control = self._bus, self._control
        beat = bus.status.heartbeat if bus else None
        age = bus.age() if bus else None
        answered = control.age() if control else None
        waiting = control.unanswered if control else 0
        return [
            Fact("market data", age is not None and age <= stale, "nothing comes over the bus"),
            Fact("fresh", beat is None or beat.ready, "market-data says that it is not ready"),
            Fact("warm-up", self._warm, "the bars of the past are not there yet"),
            Fact("execution", answered is not None and answered <= stale, "execution does not answer"),
            Fact("config", self._config in ("", self.place.version), "execution runs by another configuration"),
            Fact("outbox", waiting < BACKLOG, f"{waiting} signals wait for an answer", ready=False),
            Fact("gaps", not self._gap_lately(), "bars were lost a moment ago, and fetched anew", ready=False),
        ]

    def numbers(self) -> dict[str, Any]:
        status = self._bus.status if self._bus else None
        return {
            "bus_lost": status.lost if status else 0,
            "bus_gaps": status.gaps if status else 0,
            "bus_age_seconds": (self._bus.age() if self._bus else None) or 0.0,
            "queue_depth": self._control.unanswered if self._control else 0,
            "control_age_seconds": (self._control.age() if self._control else None) or 0.0,
            "signals": {each.name: each.signals for each in self._speakers},
        }

    async def _follow(self, bus: Subscriber, client: ControlClient) -> None:
        while not self._warm and not self.stopping.is_set():
            self._warm = await self._warm_up()
        async for frame in bus:
            if isinstance(beat := bus.status.heartbeat, Heartbeat):
                self._set_clock(beat)
            if frame.gap is not None and (frame.gap.lost or frame.gap.reason == "restart"):
                self._gap_at = self.place.wall.monotonic()
                await self._warm_up()
            for message in frame.messages:
                if isinstance(message, BarUpdate) and not message.revised:
                    self._hear(message.bar(), client)

    def _hear(self, bar: Bar, client: ControlClient) -> None:
        """Each model's opinion after this bar."""
        began, self.processed = self.place.wall.monotonic(), self.processed + 1
        for speaker in self._speakers:
            try:
                signal = speaker.hear(bar, max(bar.ts_init, self.place.clock.now()))
            except PunaError as error:  # a bar that is none, or a model that answers nonsense: no signal
                self.log.warning("no signal", model=speaker.name, symbol=bar.symbol, code=error.code, what=error.what)
                continue
            if signal is not None:
                with self.traces.span("signal", model=signal.model, symbol=signal.symbol, value=signal.value) as trace:
                    seq = client.post(structs.replace(signal, trace=trace) if trace else signal)
                self.metrics.observe("signal_seconds", (self.place.wall.monotonic() - began) / NANOS)
                self.log.debug("signal", seq=seq, model=signal.model, symbol=signal.symbol, value=signal.value)

    async def _warm_up(self) -> bool:
        """The minutes that market-data keeps; what is known already is passed over."""
        place = self.place
        host = place.config.services.host
        url = f"http://{host if host not in ('0.0.0.0', '::') else '127.0.0.1'}:{place.port('market-data')}/bars"  # noqa: S104
        headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}
        try:
            async with aiohttp.ClientSession(headers=headers) as session:
                for symbol in place.symbols:
                    async with session.get(url, params={"symbol": symbol}) as answer:
                        answer.raise_for_status()
                        bars = [each.bar() for each in _BARS.decode(await answer.read())]
                    for speaker in self._speakers:
                        speaker.warm_up([bar for bar in bars if bar.symbol in speaker.symbols])
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, PunaError) as error:
            self.log.info("warm-up has to wait", why=str(error)[:200])
            await self.pause(0.5)
            return False
        return True

    async def _keep_touch(self, client: ControlClient) -> None:
        """Execution is asked again and again whether it is there."""
        every = self.place.config.services.stale_seconds / 2
        while not await self.pause(every):
            try:
                welcome = await client.hello(__version__, self.place.version)
                self._config = welcome.config
            except (DeadlineError, BusError) as error:
                self.log.info("execution does not answer", code=error.code, what=error.what)

    def _answered(self, seq: int, message: Message) -> None:
        if isinstance(message, Ack) and message.outcome == "refused":
            self._refused += 1
            self.log.info("signal refused", seq=seq, code=message.code, why=message.why)

    def _set_clock(self, beat: Heartbeat) -> None:
        clock = self.place.clock
        if isinstance(clock, PacedClock) and beat.market > clock.now():
            clock.set(beat.market)

    def _gap_lately(self) -> bool:
        return bool(self._gap_at) and self.place.wall.monotonic() - self._gap_at < RECENT_SECONDS * NANOS
