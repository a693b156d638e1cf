"""Market time and turns of a backtest: no loop, no socket, no thread; who waits is woken by market time alone.

A trading process is made of coroutines that wait for three things: the wire, the disk, and market time. Without wire
and disk only market time is left, and a coroutine that does not wait for that runs from its beginning to its end when
it is sent `None`. So the same gateway, journal and books that run on an event loop in live trading run here, in one
order of events, as fast as plain function calls.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, NoReturn, Self, cast

from puna.engine.tasks import Job, Line, Rank, Tasks

__all__ = ["NEVER", "PromptLine", "Turns", "VirtualClock"]

NANOS = 1_000_000_000
NEVER = 2**63 - 1


class _Alarm:
    """What a coroutine waits for: market time `until`."""

    __slots__ = ("until",)

    def __init__(self, until: int) -> None:
        self.until = until

    def __await__(self) -> Generator["_Alarm", None, None]:
        yield self


class VirtualClock:
    """Market time that stands where it is put; there is no wall time. A `Clock` of `puna.seams`.

    Args:
        start: ns.

    Attributes:
        time: market time, ns; the one who drives sets it.
    """

    driven = True
    moving = True

    def __init__(self, start: int) -> None:
        self.time = start

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await _Alarm(self.time + max(0, round(seconds * NANOS)))

    async def backoff(self, seconds: float) -> None:
        await _Alarm(self.time + max(0, round(seconds * NANOS)))

    def deadline(self, seconds: float) -> AbstractAsyncContextManager[asyncio.Timeout]:  # noqa: ARG002 - never due
        return cast("AbstractAsyncContextManager[asyncio.Timeout]", _NO_DEADLINE)

    @contextmanager
    def driver(self) -> Iterator[None]:
        yield

    @contextmanager
    def busy(self) -> Iterator[None]:
        yield


class _NoDeadline:
    """An answer that comes at once needs no deadline; there is nothing to cut off."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def reschedule(self, when: float | None) -> None:
        """Nothing is under way between two turns."""


_NO_DEADLINE = _NoDeadline()


class _Turn:
    """A coroutine that somebody started, and who wants to hear of its end."""

    __slots__ = ("callbacks", "name", "work")

    def __init__(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        self.work = work
        self.name = name
        self.callbacks: list[Callable[[Any], object]] = []

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        self.callbacks.append(callback)


class Turns(Tasks):
    """Coroutines on market time: each runs until it waits for a later moment, in the order in which they were started.

    What watches orders for silence is not started: an answer cannot get lost between two functions of one process.

    Args:
        clock: market time.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.ready: deque[_Turn] = deque()
        self._asleep: list[tuple[int, int, _Turn]] = []
        self._tickets = 0

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        turn = _Turn(work, name)
        if name.startswith("watch"):
            work.close()
        else:
            self.ready.append(turn)
        return cast("asyncio.Task[Any]", turn)

    def next_due(self) -> int:
        """When the next one wants to go on."""
        return self._asleep[0][0] if self._asleep else NEVER

    def wake(self, now: int) -> None:
        """Lets those go on whose time has come."""
        while self._asleep and self._asleep[0][0] <= now:
            self.ready.append(heapq.heappop(self._asleep)[2])

    def run(self) -> None:
        """Gives everybody who is ready a turn, and those who become ready by it; raises what one of them raises."""
        while self.ready:
            self.step(self.ready.popleft())

    def step(self, turn: _Turn) -> None:
        try:
            alarm = turn.work.send(None)
        except StopIteration:
            for each in turn.callbacks:
                each(turn)
            return
        if not isinstance(alarm, _Alarm):
            raise TypeError(f"{turn.name} waits for {alarm!r}, and there is only market time here")
        self._tickets += 1
        heapq.heappush(self._asleep, (alarm.until, self._tickets, turn))

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Gives one its first turn at once."""
        self.step(_Turn(work, name))

    def finish(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Runs one that nobody may interleave with, such as the beginning; market time must not be waited for."""
        turn = _Turn(work, name)
        before = self._tickets
        self.step(turn)
        if self._tickets != before:
            raise TypeError(f"{name} waits for market time")

    async def close(self) -> None:
        for turn in (*self.ready, *(each for _, _, each in self._asleep)):
            turn.work.close()
        self.ready.clear()
        self._asleep.clear()


class PromptLine(Line):
    """The line of mutating requests, without a pause between them: the broker of a backtest has no rate limit.

    Attributes:
        jobs: what waits for its turn: rank, ticket, job.
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[tuple[Rank, int, Job]] = []
        self._ticket = 0
        self._working = False

    def put(self, rank: Rank, job: Job) -> None:
        self._ticket += 1
        heapq.heappush(self.jobs, (rank, self._ticket, job))

    @property
    def waiting(self) -> int:
        return len(self.jobs)

    async def work(self) -> NoReturn:
        """Waits: whoever drives calls `idle`."""
        while True:
            await _Alarm(NEVER)

    async def idle(self) -> None:
        """Does every job, one after the other; one that waits for market time lets the others wait."""
        if self._working:
            return
        self._working = True
        try:
            while self.jobs:
                await heapq.heappop(self.jobs)[2]()
        finally:
            self._working = False
