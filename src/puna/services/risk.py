"""risk: limits and the halt, from outside the process that trades.

Every half second it sends execution the limits in force and the state that it allows, as one version; execution keeps
the last word, and lets only reductions pass when it grows old. It watches the account, and halts when the day's loss is
too large. A changed configuration is validated as a whole: what is tighter applies at once, what is looser waits for
`puna reload --confirm VERSION`. A halt is written down before it is said, and only a person ends it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from puna import __version__
from puna.bus.boxes import Outbox
from puna.bus.control import ControlClient
from puna.bus.messages import AccountState, BusError, Heartbeat, RiskState
from puna.bus.publisher import Publisher
from puna.bus.subscriber import Subscriber
from puna.config import Config
from puna.core.risk import RiskLimits, TradingState
from puna.core.risk_change import Change, change_of, limits_version
from puna.core.sessions import date_of
from puna.engine.pacing import PacedClock
from puna.engine.tasks import Tasks
from puna.errors import DeadlineError, PunaError
from puna.services.health import Fact
from puna.services.place import Place
from puna.services.serve import Component

__all__ = ["Risk"]

NANOS = 1_000_000_000
FILE = "risk.json"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives the process: limits in force, a halt, the day's first and highest equity."""

    limits: RiskLimits
    halted: str = ""
    day: str = ""
    start: Decimal | None = None
    peak: Decimal | None = None


class Risk(Component):
    """Says what may be done.

    Args:
        place: where it lives.
        reread: reads the configuration anew, whole, or raises what is wrong with it.
    """

    def __init__(self, place: Place, reread: Callable[[], Config]) -> None:
        super().__init__(place)
        self._reread = reread
        self._kept = self._load()
        self._pending: Change | None = None
        self._rejected = 0
        self._objection = ""
        self._config = ""
        self._account: AccountState | None = None
        self._bus: Subscriber | None = None
        self._control: ControlClient | None = None
        self._publisher: Publisher | None = None
        self._say = asyncio.Event()

    async def work(self) -> None:
        """Watches and speaks, until it is to stop."""
        place, tasks = self.place, Tasks()
        self._take(self.place.config)
        events, control, address = place.events_bus, place.control_bus, place.risk_bus
        outbox = Outbox(place.folder / "risk.outbox", place.wall.now())
        async with (
            Publisher(
                place.context, address, name=place.name, curve=place.data_server(address), beat=0.5, clock=place.wall
            ) as publisher,
            Subscriber(
                place.context,
                events,
                ["position", "fill", "order"],
                curve=place.data_client(events, "execution"),
                clock=place.wall,
            ) as bus,
            ControlClient(
                place.context,
                control,
                outbox,
                name=place.name,
                curve=place.keys.client(place.name, "execution"),
                clock=place.wall,
            ) as client,
        ):
            self._publisher, self._bus, self._control = publisher, bus, client
            tasks.spawn(self._speak(client, publisher), "limits")
            tasks.spawn(self._keep_touch(client), "control")
            tasks.spawn(self._watch(bus), "account")
            await self.together(tasks)

    @property
    def state(self) -> RiskState:
        """The word that goes out now."""
        kept = self._kept
        state = TradingState.HALTED if kept.halted else TradingState.ACTIVE
        return RiskState(limits_version(kept.limits), state, kept.halted, kept.limits, self.place.wall.now())

    def facts(self) -> list[Fact]:
        """Execution hears, the account is seen, nothing is halted, the configuration is the one in force."""
        stale = self.place.config.services.stale_seconds
        answered, age = (self._control.age() if self._control else None), (self._bus.age() if self._bus else None)
        pending = ", ".join(self._pending.looser) if self._pending else ""
        return [
            Fact("execution", answered is not None and answered <= stale, "execution does not answer"),
            Fact("account", age is not None and age <= stale, "nothing comes from execution"),
            Fact("halted", not self._kept.halted, f"trading is halted: {self._kept.halted}"),
            Fact("config", self._config in ("", self.place.version), "execution runs by another configuration"),
            Fact("limits", not pending, f"looser limits wait for a person: {pending}", ready=False),
            Fact("file", not self._objection, self._objection, ready=False),
        ]

    def numbers(self) -> dict[str, Any]:
        status = self._bus.status if self._bus else None
        numbers: dict[str, Any] = {
            "bus_published": self._publisher.sent if self._publisher else 0,
            "bus_lost": status.lost if status else 0,
            "bus_gaps": status.gaps if status else 0,
            "bus_age_seconds": (self._bus.age() if self._bus else None) or 0.0,
            "queue_depth": self._control.unanswered if self._control else 0,
            "control_age_seconds": (self._control.age() if self._control else None) or 0.0,
            "halted": float(bool(self._kept.halted)),
            "config_pending": float(self._pending is not None),
            "config_rejected": self._rejected,
            "config_info": {self.place.version: 1, limits_version(self._kept.limits): 1},
        }
        if self._account is not None:
            numbers |= _money(self._account)
            numbers["drawdown_ratio"] = float(self._drawdown())
        return numbers

    def routes(self) -> dict[tuple[str, str], Callable[[Any], Awaitable[Any]]]:
        """POST /reload, with ?confirm=VERSION&by=NAME for looser limits; the token is needed."""
        return {("POST", "/reload"): self._reload_door}

    def reload(self) -> None:
        """Reads the configuration anew; one that cannot be used changes nothing, and health says why."""
        try:
            config = self._reread()
        except PunaError as error:
            self._rejected += 1
            self._objection = f"the configuration cannot be used: {error.what}"
            self.log.warning("configuration rejected", code=error.code, what=error.what)
        else:
            self._objection = ""
            self._take(config)

    def _take(self, config: Config) -> None:
        """A valid configuration: what is tighter, now; what is looser, when a person says so."""
        change = change_of(self._kept.limits, config.risk)
        if change.tighter:
            self.log.info("limits tightened", limits=change.tighter, version=limits_version(change.now))
            self._keep(limits=change.now)
        self._pending = change if change.looser else None
        if change.looser:
            self.log.warning("looser limits wait", limits=change.loosened(), version=limits_version(change.wanted))
        self._say.set()

    async def _reload_door(self, request: web.Request) -> web.Response:
        version = request.query.get("confirm", "")
        if not version:
            self.reload()
        pending = self._pending
        if version and (pending is None or limits_version(pending.wanted) != version):
            return web.json_response({"error": f"no limits {version} wait for a person"}, status=409)
        if version and pending is not None:
            by = request.query.get("by", "")[:80]
            self.log.warning("looser limits confirmed", limits=pending.loosened(), version=version, by=by)
            self._keep(limits=pending.wanted)
            self._pending = None
            self._say.set()
        waiting = self._pending
        return web.json_response(
            {
                "version": limits_version(self._kept.limits),
                "waiting": limits_version(waiting.wanted) if waiting else "",
                "looser": list(waiting.looser) if waiting else [],
                "changes": waiting.loosened() if waiting else [],
                "error": self._objection,
            },
            status=422 if self._objection else 200,
        )

    async def _speak(self, client: ControlClient, publisher: Publisher) -> None:
        """Twice a second, and at once when something changed."""
        every = self.place.config.services.stale_seconds / 4
        while True:
            self._say.clear()
            publisher.describe(ready=self.verdict().ready, config=self.place.version)
            publisher.publish("risk.state", self.state)
            try:
                await client.ask(self.state, every)
            except DeadlineError:
                continue
            try:
                async with self.place.wall.deadline(every):
                    await self._say.wait()
            except TimeoutError:
                pass

    async def _keep_touch(self, client: ControlClient) -> None:
        every = self.place.config.services.stale_seconds / 2
        while not await self.pause(every):
            try:
                self._config = (await client.hello(__version__, self.place.version)).config
            except (DeadlineError, BusError) as error:
                self.log.info("execution does not answer", code=error.code, what=error.what)

    async def _watch(self, bus: Subscriber) -> None:
        async for frame in bus:
            if isinstance(beat := bus.status.heartbeat, Heartbeat):
                self._set_clock(beat)
            self.processed += len(frame.messages)
            for message in frame.messages:
                if isinstance(message, AccountState):
                    self._account = message
                    self._judge(message)

    def _judge(self, account: AccountState) -> None:
        """Halts when too much of the day's first equity is gone."""
        if account.equity is None:
            return
        worth, day = Decimal(account.equity), _day(account.ts)
        kept = self._kept
        if kept.day != day or kept.start is None:
            self._keep(day=day, start=worth, peak=worth)
        elif kept.peak is None or worth > kept.peak:
            self._keep(peak=worth)
        start, most = self._kept.start or worth, self.place.config.services.halt_loss
        if not self._kept.halted and start > 0 and start - worth > most * start:
            self._keep(halted=f"the day's loss is {start - worth:.2f}, more than {most:%} of {start:.2f}")
            self.log.error("halted", reason=self._kept.halted)
            self._say.set()

    def _drawdown(self) -> Decimal:
        peak, account = self._kept.peak, self._account
        if not peak or account is None or account.equity is None:
            return Decimal(0)
        return max(Decimal(0), (peak - Decimal(account.equity)) / peak)

    def _set_clock(self, beat: Heartbeat) -> None:
        clock = self.place.clock
        if isinstance(clock, PacedClock) and beat.market > clock.now():
            clock.set(beat.market)

    def _load(self) -> Kept:
        """What was kept; what cannot be read is a halt (I28)."""
        path = self.place.folder / FILE
        if not path.exists():
            return Kept(limits=self.place.config.risk)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            return Kept(limits=self.place.config.risk, halted=f"{FILE} cannot be read: {error}")

    def _keep(self, **changed: Any) -> None:
        """Durable before anybody is told."""
        self._kept = msgspec.structs.replace(self._kept, **changed)
        path = self.place.folder / FILE
        half = path.with_name(f".{FILE}")
        half.write_bytes(_ENCODER.encode(self._kept))
        half.chmod(0o600)
        half.replace(path)


_ENCODER = msgspec.json.Encoder(decimal_format="string")


def _money(account: AccountState) -> dict[str, float]:
    found = {"equity": account.equity, "exposure_gross": account.gross, "exposure_net": account.net}
    numbers = {name: float(value) for name, value in found.items() if value is not None}
    if account.equity is not None and account.start_equity is not None:
        numbers["pnl_day"] = float(Decimal(account.equity) - Decimal(account.start_equity))
    return numbers


def _day(ts: int) -> str:
    return date_of(ts).isoformat()
