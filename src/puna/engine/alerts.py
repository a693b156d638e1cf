"""Alerts: whoever is to be told of alarms is told within seconds, and again until somebody acknowledges them.

One task looks at the books twice a second of wall time, beside the path of orders and never in it: a receiver that
hangs holds up nobody but itself. An alarm is told by every way that is configured; when none takes it, it is tried
again soon, then ever less often. What was told stands in the journal, so a restart does not begin anew.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from puna.config import Config
from puna.engine.alarms import Alarm
from puna.engine.delivery import Alert, Channel, Command, Heartbeat, Webhook, send
from puna.engine.entries import Alerted
from puna.errors import PunaError
from puna.seams import Clock, SystemClock

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["AlertTerms", "Alerts", "restriction", "terms_of"]

NANOS = 1_000_000_000
LOOK_SECONDS = 0.5
FIRST_RETRY, LAST_RETRY = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class AlertTerms:
    """Who is told, and when.

    Args:
        channels: the ways; without any, alarms only stand in the journal.
        run: what the run is called in an alert.
        repeat: seconds after which alarms that stand are told again.
        down: for so many seconds may only reductions be sent, before that is an alarm.
        heartbeat: told every `pulse` seconds that the process lives; None: nobody is.
    """

    channels: Sequence[Channel] = ()
    run: str = "run"
    repeat: float = 900.0
    down: float = 30.0
    heartbeat: Channel | None = None
    pulse: float = 60.0


def restriction(data: bool, updates: bool, disagreement: str) -> str:  # noqa: FBT001 - two facts
    """What allows only reductions, in words: a stream that is not connected, the clock, or books not compared since."""
    if not (data or updates):
        return "both streams are down"
    if not (data and updates):
        return f"the {'trading' if data else 'market-data'} stream is down"
    return disagreement or "the books could not be compared since a stream came back"


def terms_of(config: Config, run: str) -> AlertTerms:
    """Who is told as the configuration and the environment say; `run` is what the run is called."""
    section, channels = config.alerts, list[Channel]()
    if config.webhook is not None:
        channels.append(Webhook(config.webhook, section.webhook_key))
    if section.command:
        channels.append(Command(section.command))
    name = f"{run} ({config.account.mode})"
    heartbeat = Heartbeat(config.heartbeat) if config.heartbeat is not None else None
    return AlertTerms(
        channels, name, section.repeat_minutes * 60, section.down_seconds, heartbeat, section.heartbeat_seconds
    )


class Alerts:
    """Tells of the alarms of one gateway.

    Args:
        gateway: whose.
        terms: who is told.
        lost: what circumstances allow only reductions, in words; empty when there are none.
        wall: the time of those who are told.
    """

    def __init__(
        self, gateway: "Gateway", terms: AlertTerms, lost: Callable[[], str], wall: Clock | None = None
    ) -> None:
        self._gateway = gateway
        self._terms = terms
        self._lost = lost
        self._wall = wall or SystemClock()
        self._told = -1
        self._repeat_at = 0
        self._retry_at = 0
        self._retry = FIRST_RETRY
        self._failing: frozenset[str] = frozenset()
        self._lost_since: int | None = None
        self._lost_told = False
        self._failure_told = False
        self._over = False
        self._one = asyncio.Lock()

    async def watch(self) -> NoReturn:
        """Looks, for ever."""
        self._begin()
        if self._terms.heartbeat is not None:
            self._gateway.tasks.spawn(self._pulse(self._terms.heartbeat), "heartbeat")
        while True:
            self._look_for_loss()
            await self._look()
            await self._wall.sleep(LOOK_SECONDS)

    async def _pulse(self, heartbeat: Channel) -> NoReturn:
        """Says that the process lives, in a task of its own; that it does not arrive is noted once."""
        failing = False
        while True:
            _, failed = await send([heartbeat], Alert(run=self._terms.run))
            if failed and not failing:
                self._gateway.note("E523", f"the heartbeat did not arrive: {failed[heartbeat.name]}")
            failing = bool(failed)
            await self._wall.sleep(self._terms.pulse)

    async def last(self, error: Exception | None = None, *, traded: bool = False) -> None:
        """What nobody was told of yet, told before the process ends.

        Args:
            error: what it ends by. A halt that outlives it is an alarm already, or somebody's wish.
            traded: it had begun to trade, so the journal holds it too.
        """
        ending, clock = list[Alarm](), self._gateway.clock
        if error is not None and not (isinstance(error, PunaError) and error.code in ("E051", "E510", "E520")):
            text = f"the run ended: {_worded(error)}"
            if traded and self._gateway.journal.failure is None:
                self._gateway.note("E522", text)
            elif not self._gateway.latch.said_lately(text, self._wall.now(), self._terms.repeat):  # starts may repeat
                ending = [Alarm(number=0, ts=clock.now(), last=clock.now(), code="E522", text=text)]
        await self._gateway.noted()
        if self._told < 0:
            self._begin()
        async with self._one:
            if ending or self._due(self._standing()):
                taken = await self._tell([*self._standing(), *ending])
                if taken and ending:
                    self._gateway.latch.say(ending[0].text, self._wall.now())
            self._over = True

    def _begin(self) -> None:
        """What an earlier process has told counts."""
        before, clock = self._gateway.blotter.alarms.alerted, self._gateway.clock
        self._told = before.up_to if before else 0
        passed = max(0, clock.now() - before.ts) if before else 0
        self._repeat_at = self._wall.monotonic() + max(0, round(self._terms.repeat * NANOS) - passed)

    def _look_for_loss(self) -> None:
        """An alarm when only reductions may be sent for too long; once, until it is over."""
        lost, now = self._lost(), self._wall.monotonic()
        if not lost:
            self._lost_since, self._lost_told = None, False
            return
        self._lost_since = self._lost_since or now
        passed = (now - self._lost_since) / NANOS
        if passed > self._terms.down and not self._lost_told:
            self._lost_told = True
            self._gateway.note("E521", f"only reductions can be sent: {lost}")

    def _standing(self) -> list[Alarm]:
        """The alarms of the journal, and what no journal could take."""
        gateway = self._gateway
        found = list(gateway.blotter.alarms.standing.values())
        failure = gateway.journal.failure
        if failure is not None:
            now, text = gateway.clock.now(), f"{failure.what} Trading is halted."
            found.append(Alarm(number=0, ts=now, last=now, code=failure.code, text=text))
        return found

    def _due(self, standing: Sequence[Alarm]) -> bool:
        """Whether there is something new to tell, or something old again."""
        if not standing or not self._terms.channels:
            return False
        now = self._wall.monotonic()
        fresh = any(each.number > self._told for each in standing)
        unwritten = self._gateway.journal.failure is not None and not self._failure_told
        return now >= self._retry_at and (fresh or unwritten or now >= self._repeat_at)

    async def _look(self) -> None:
        async with self._one:
            if not self._over and self._due(standing := self._standing()):
                await self._tell(standing)

    async def _tell(self, standing: Sequence[Alarm]) -> bool:
        """Whether anybody was told."""
        if not self._terms.channels:
            return False
        taken, failed = await send(self._terms.channels, Alert(run=self._terms.run, alarms=tuple(standing)))
        now = self._wall.monotonic()
        for name in sorted(failed.keys() - self._failing):
            self._gateway.note("E523", f"the {name} did not take an alert: {failed[name]}")
        self._failing = frozenset(failed)
        if not taken:
            self._retry_at = now + round(self._retry * NANOS)
            self._retry = min(LAST_RETRY, self._retry * 2)
            return False
        self._retry_at, self._retry = 0, FIRST_RETRY
        self._told = max(self._told, *(each.number for each in standing))
        self._failure_told = self._gateway.journal.failure is not None
        self._repeat_at = now + round(self._terms.repeat * NANOS)
        if any(each.number for each in standing):  # a start that failed leaves the journal as it is
            self._gateway.note_down(Alerted(ts=self._gateway.clock.now(), up_to=self._told, to=taken))
        return True


def _worded(error: Exception) -> str:
    """An error in one line; a mistake of ours has no code of its own."""
    if isinstance(error, PunaError):
        return f"{error.code} {error.what} {error.why}".strip()
    return f"E900 {type(error).__name__}: {error}"
