"""The five seams: clock, rng, ids, transport, storage. Everything that is not a pure function comes through here.

A seam is passed in, never reached for, so that a whole trading day can run on a driven clock with seeded chance and end
in the same bytes. Raw clocks, randomness, ids, sockets and file writes anywhere else are refused by a lint
(`tests/test_seams_lint.py` and ruff's banned-api); the rims that may touch the world are listed there, file by file.

The transport seam has no type here: it is the HTTP session and the WebSocket connection that `puna.alpaca.http` and
`puna.alpaca.stream` are given.

Two kinds of time (architecture, section 8.1): *market time* (`now`, `sleep`) is what strategies, orders, staleness,
backoff and rate budgets live by; *wall time* (`monotonic`, `deadline`) bounds sockets and nothing else.
"""

import asyncio
import heapq
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, Protocol

__all__ = [
    "Clock",
    "DrivenClock",
    "Ids",
    "Probe",
    "RandomIds",
    "Record",
    "Rng",
    "SeededIds",
    "Storage",
    "SystemClock",
    "no_probe",
    "seeded_rng",
    "system_rng",
]

NANOS = 1_000_000_000


class Clock(Protocol):
    """Market time and wall time."""

    @property
    def driven(self) -> bool:
        """True when market time moves only as somebody calls `DrivenClock.advance`."""

    def now(self) -> int:
        """Market time, nanoseconds since the epoch, UTC."""

    def monotonic(self) -> int:
        """Wall time in nanoseconds from an arbitrary zero: for durations of I/O, never for the market."""

    async def sleep(self, seconds: float) -> None:
        """Returns when market time has moved on by `seconds`."""

    @property
    def moving(self) -> bool:
        """False while market time stands still because nobody drives it."""

    async def backoff(self, seconds: float) -> None:
        """Like `sleep`, but never waits for a market that stands still: a lost connection must come back by itself."""

    def driver(self) -> AbstractContextManager[object]:
        """Registers somebody who advances a driven clock, such as a live stream, for as long as it is entered."""

    def deadline(self, seconds: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """Raises TimeoutError in its body after `seconds` of wall time."""

    def busy(self) -> AbstractContextManager[object]:
        """Wraps an operation on the wire or the disk: a driven clock does not move on while one is under way."""


class SystemClock:
    """The machine's clocks."""

    driven = False
    moving = True

    def now(self) -> int:
        return time.time_ns()

    def monotonic(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def backoff(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def driver(self) -> AbstractContextManager[object]:
        return nullcontext()

    def deadline(self, seconds: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return asyncio.timeout(seconds)

    def busy(self) -> AbstractContextManager[object]:
        return nullcontext()


class DrivenClock:
    """Market time that moves only when it is advanced; wall time is the machine's.

    Whoever holds a driven clock calls `await advance(ts)`: sleepers that are due wake in the order of their time (and
    of their going to sleep, where times are equal), and `advance` returns when everything they set in motion
    (operations inside `busy()`, and further sleepers that became due) has come to rest. So a day has one order of
    events, whatever the machine's load.
    """

    driven = True

    def __init__(self, start: int) -> None:
        self._now = start
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = 0
        self._busy = 0
        self._rest: asyncio.Event | None = None
        self._drivers = 0
        self._advanced = False
        self._impatient: set[asyncio.Future[None]] = set()
        self._dreamers: set[asyncio.Task[object] | None] = set()

    def now(self) -> int:
        return self._now

    def monotonic(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with self._asleep():
            await self._alarm(seconds)

    def is_asleep(self, task: "asyncio.Task[object] | None") -> bool:
        """Whether this task waits for market time, and will not go on before that has moved."""
        return task in self._dreamers

    @property
    def moving(self) -> bool:
        return self._drivers > 0 and self._advanced

    async def backoff(self, seconds: float) -> None:
        """Until market time has moved on by `seconds`; milliseconds of wall time when it stands still meanwhile."""
        if not self.moving:
            await asyncio.sleep(STANDSTILL_SECONDS)
            return
        woken = self._alarm(seconds)
        self._impatient.add(woken)
        try:
            seen = -1
            with self._asleep():
                while not woken.done() and seen != self._now:
                    seen = self._now
                    await asyncio.wait([woken], timeout=STALLED_SECONDS)
        finally:
            self._impatient.discard(woken)
            woken.cancel()

    @contextmanager
    def driver(self) -> Iterator[None]:
        self._drivers += 1
        try:
            yield
        finally:
            self._drivers -= 1
            for woken in self._impatient if self._drivers == 0 else ():
                if not woken.done():
                    woken.set_result(None)

    def deadline(self, seconds: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return asyncio.timeout(seconds)

    @contextmanager
    def busy(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            if self._busy == 0 and self._rest is not None:
                self._rest.set()

    def next_due(self) -> int | None:
        """When the first sleeper is due, or None when nobody sleeps."""
        self._forget_cancelled()
        return self._sleepers[0][0] if self._sleepers else None

    async def advance(self, to: int) -> None:
        """Moves market time to `to` (never back), waking who is due, and waits for rest."""
        self._advanced = True
        await self.settle()
        while (due := self.next_due()) is not None and due <= to:
            self._now = max(self._now, due)
            heapq.heappop(self._sleepers)[2].set_result(None)
            await self.settle()
        self._now = max(self._now, to)

    async def settle(self) -> None:
        """Returns when no operation is under way and tasks that could start one have had their turn."""
        turns = 0
        while turns < SETTLE_TURNS:
            if self._busy:
                if self._rest is None or self._rest.is_set():
                    self._rest = asyncio.Event()  # shared by all who wait for the same rest
                await self._rest.wait()
                turns = 0
            await asyncio.sleep(0)
            turns = 0 if self._busy else turns + 1

    @contextmanager
    def _asleep(self) -> Iterator[None]:
        task = asyncio.current_task()
        self._dreamers.add(task)
        try:
            yield
        finally:
            self._dreamers.discard(task)

    def _alarm(self, seconds: float) -> asyncio.Future[None]:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tickets += 1
        heapq.heappush(self._sleepers, (self._now + round(seconds * NANOS), self._tickets, woken))
        return woken

    def _forget_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)


# A woken task may pass through a few plain awaits (a queue, a lock) before it enters busy(); this many turns of the
# loop without anyone doing so count as rest.
SETTLE_TURNS = 8
# On a driven clock: how long a backoff lasts when nobody drives, and when a driver is there and yet nothing moves.
STANDSTILL_SECONDS = 0.005
STALLED_SECONDS = 2.0


class Rng(Protocol):
    """Chance, as much of it as Puna needs; `random.Random` is one."""

    def random(self) -> float:
        """A float in [0, 1)."""

    def getrandbits(self, k: int, /) -> int:
        """A whole number of k random bits."""

    def randrange(self, start: int, stop: int, /) -> int:
        """A whole number, start <= n < stop."""


def seeded_rng(seed: int | str) -> Rng:
    """The same chance for the same seed, on every machine and Python version."""
    return random.Random(seed)  # noqa: S311 - reproducible chance, not secrecy


def system_rng() -> Rng:
    """The operating system's chance."""
    return random.SystemRandom()


class Ids(Protocol):
    """New identifiers."""

    def uuid(self) -> str:
        """A fresh UUID, 36 characters."""


_FREE = ~(0xF000 << 64 | 0xC000 << 48)  # the bits of a UUID that are chance (RFC 9562)
_VERSION_4 = 0x4000 << 64 | 0x8000 << 48


class SeededIds:
    """UUIDs (version 4 in form) from seeded chance: the same run makes the same ids."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def uuid(self) -> str:
        bits = self._rng.getrandbits(128) & _FREE | _VERSION_4
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class RandomIds:
    """UUIDs from the operating system's chance."""

    def uuid(self) -> str:
        return str(uuid.uuid4())


class Record(NamedTuple):
    """One line of a journal: what kind, about which client_order_id (or other key), when (ns), and the body (JSON)."""

    kind: str
    key: str
    ts: int
    body: bytes


class Storage(Protocol):
    """A durable, append-only, ordered log: the journal's interface to the disk."""

    def append(self, records: Sequence[Record]) -> int:
        """Makes all of `records` durable in one step, or none, and returns the last sequence number.

        Raises:
            JournalError: nothing of `records` is durable.
        """

    def read(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Every record with a sequence number greater than `after`, in order."""

    def close(self) -> None:
        """Releases the log; a second call does nothing."""


Probe = Callable[[str], None]
"""A named point in the life of an order, where a test may stop the process for good."""


def no_probe(name: str) -> None:
    """The probe of production: does nothing."""
