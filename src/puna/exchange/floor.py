"""The trading floor: the venue and its market time, the faults that befall what it says, and what is on its way out.

No socket and no wall clock: `advance` moves market time from one due instant to the next, `ready` gives what must leave
now, in order. Trade updates leave before market data of the same instant, and never together.
"""

import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from puna.exchange.faults import Fault, FaultScript
from puna.exchange.prices.market import Market
from puna.exchange.venue import Command, DataFrame, Event, Reply, Venue

__all__ = ["Batch", "Cut", "Floor", "Kind", "seconds"]

NANOS = 1_000_000_000

Kind: TypeAlias = Literal["data", "trading"]
FOR_GOOD = 2**63


@dataclass(frozen=True)
class Batch:
    """What goes out in one step, to one kind of socket."""

    kind: Kind
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Cut:
    """Sockets of this kind are cut off now."""

    kind: Kind
    fault: Fault


@dataclass(order=True)
class _Entry:
    """Something on its way out; cuts leave first, then trade updates, then market data."""

    ts: int
    rank: int
    ticket: int
    what: Event | Cut = field(compare=False)


_RANK = {"cut": 0, "trading": 1, "data": 2}


def seconds(amount: float) -> int:
    """Seconds as nanoseconds."""
    return round(amount * NANOS)


class Floor:
    """A venue in market time.

    Args:
        venue: what handles commands and makes events.
        market: its prices, for reads.
        script: what goes wrong on purpose.
        start: market time to begin with.
    """

    def __init__(self, venue: Venue, market: Market, script: FaultScript, *, start: int) -> None:
        self.venue = venue
        self.market = market
        self.script = script
        self.now = start
        self.present: Callable[[], int] = lambda: self.now
        self.on_change: Callable[[], None] = lambda: None
        self._out: list[_Entry] = []
        self._held: dict[Kind, list[Event]] = {}
        self._muted: dict[Kind, int] = {}
        self._jobs: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []
        self._tickets = 0

    def execute(self, command: Command) -> Reply:
        """The venue's answer at the present market time; what follows from it leaves with the next step."""
        self.catch_up()
        reply, events = self.venue.handle(command, self.now)
        self._take(events)
        self.on_change()
        return reply

    def catch_up(self) -> None:
        """Moves to the present, where time runs free."""
        if (present := self.present()) > self.now:
            self.advance(present)

    def next_due(self) -> int | None:
        """The next instant at which something happens or leaves; None when nothing ever will."""
        waiting = self._out[0].ts if self._out else None
        due = _earliest(self._next_step(), waiting)
        return None if due is None else max(due, self.now)

    def advance(self, to: int, most: int = 1_000_000) -> None:
        """Moves market time to `to` through every instant that is due until then, at most `most` of them.

        It stops short where a job is due: `run_jobs` comes first.
        """
        to = max(self.now, min(to, self._jobs[0][0] if self._jobs else to))
        while most and (due := self._next_step()) is not None and due <= to:
            self.now = max(self.now, due)
            for fault in self.script.due(self.now):
                self._befall(_socket(fault), fault)
            self._take(self.venue.advance(self.now))
            most = 0 if due == self._job_due() else most - 1
        if most or self._next_step() is None:
            self.now = to

    def ready(self) -> list[Batch | Cut]:
        """What leaves now, in order; each is one step."""
        if self._next_step() is None:
            self._release()
        steps: list[Batch | Cut] = []
        while self._out and self._out[0].ts <= self.now:
            what = heapq.heappop(self._out).what
            if isinstance(what, Cut):
                steps.append(what)
            elif not self._is_mute(_kind(what)):
                _join(steps, what)
        return steps

    def later(self, ts: int, job: Callable[[], Awaitable[None]]) -> None:
        """Lets `run_jobs` run `job` when market time has reached `ts`."""
        self._tickets += 1
        heapq.heappush(self._jobs, (ts, self._tickets, job))
        self.on_change()

    async def run_jobs(self) -> None:
        """Runs the jobs whose time has come."""
        while (due := self._job_due()) is not None and due <= self.now:
            await heapq.heappop(self._jobs)[2]()

    def _job_due(self) -> int | None:
        return self._jobs[0][0] if self._jobs else None

    def _next_step(self) -> int | None:
        """The next instant of the venue, the script or a job."""
        return _earliest(self.venue.next_due(), self.script.next_due(), self._job_due())

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            fault = self._strike(event)
            if fault is None:
                self._push(event)
            else:
                self._befall(_kind(event), fault, event)

    def _strike(self, event: Event) -> Fault | None:
        """The fault that befalls this event; one that names the event goes before one that names the socket."""
        by_name = None if isinstance(event, DataFrame) else self.script.strike(f"event:{event.event}", self.now)
        by_socket = self.script.strike(f"socket:{_kind(event)}", self.now)
        return by_name or by_socket

    def _befall(self, kind: Kind, fault: Fault, event: Event | None = None) -> None:
        if fault.action in ("drop_socket", "ghost"):
            self._enter(Cut(kind, fault), "cut", self.now)
        elif fault.action == "mute":
            self._muted[kind] = self.now + seconds(fault.seconds) if fault.seconds else FOR_GOOD
        elif event is not None:
            self._garble(fault, event)

    def _garble(self, fault: Fault, event: Event) -> None:
        if fault.action == "reorder":
            self._held.setdefault(_kind(event), []).append(event)
        elif fault.action == "delay":
            self._enter(event, _kind(event), self.now + seconds(fault.seconds))
        elif fault.action == "duplicate":
            self._push(event)
            self._push(event)

    def _push(self, event: Event) -> None:
        kind = _kind(event)
        for each in (event, *self._held.pop(kind, ())):
            self._enter(each, kind, self.now)

    def _enter(self, what: Event | Cut, rank: str, ts: int) -> None:
        self._tickets += 1
        heapq.heappush(self._out, _Entry(ts, _RANK[rank], self._tickets, what))

    def _release(self) -> None:
        """Nothing follows any more that what was held back could follow."""
        for kind, events in self._held.items():
            for event in events:
                self._enter(event, kind, self.now)
        self._held.clear()

    def _is_mute(self, kind: Kind) -> bool:
        return self.now < self._muted.get(kind, self.now)


def _earliest(*instants: int | None) -> int | None:
    return min((ts for ts in instants if ts is not None), default=None)


def _kind(event: Event) -> Kind:
    return "data" if isinstance(event, DataFrame) else "trading"


def _socket(fault: Fault) -> Kind:
    return "data" if fault.on == "socket:data" else "trading"


def _join(steps: list[Batch | Cut], event: Event) -> None:
    """Adds the event to the last step when that is of its kind, else begins a new one."""
    last = steps[-1] if steps else None
    if isinstance(last, Batch) and last.kind == _kind(event):
        steps[-1] = Batch(last.kind, (*last.events, event))
    else:
        steps.append(Batch(_kind(event), (event,)))
