"""What runs in the background: the line of mutating requests, and tasks whose failure somebody is told of."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from enum import IntEnum
from typing import Any, NoReturn

from puna.seams import SystemClock

__all__ = ["Job", "Line", "Rank", "Tasks"]

Job = Callable[[], Awaitable[None]]


class Rank(IntEnum):
    """Who goes first: cancels, then what is done inside the account, then whatever opens or changes orders."""

    CANCEL = 0
    INSIDE = 1
    ORDER = 2


class Line:
    """Jobs, one after the other; of those that wait, the lower rank first, then first come, first served.

    Args:
        pause: seconds until an order may leave; while it waits it stays in line, so that all others get past it.
        rest: waits so many seconds; None is on the machine's clock.
    """

    def __init__(
        self, pause: Callable[[], float] = lambda: 0.0, rest: Callable[[float], Awaitable[None]] | None = None
    ) -> None:
        self._jobs: asyncio.PriorityQueue[tuple[Rank, int, Job]] = asyncio.PriorityQueue()
        self._tickets = 0
        self._pause = pause
        self._rest = rest or SystemClock().backoff
        self._hurry = asyncio.Event()

    def put(self, rank: Rank, job: Job) -> None:
        """Lets `job` be done in its turn."""
        self._tickets += 1
        self._jobs.put_nowait((rank, self._tickets, job))
        if rank is not Rank.ORDER:
            self._hurry.set()

    @property
    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        return self._jobs.qsize()

    async def work(self) -> NoReturn:
        """Does the jobs, for ever."""
        while True:
            entry = await self._jobs.get()
            try:
                if entry[0] is Rank.ORDER and (seconds := self._pause()) > 0:
                    self._hurry.clear()
                    self._jobs.put_nowait(entry)
                    await self._wait(seconds)
                else:
                    await entry[2]()
            finally:
                self._jobs.task_done()

    async def _wait(self, seconds: float) -> None:
        """So long, or until somebody comes who need not wait."""
        waits = [asyncio.create_task(self._hurry.wait()), asyncio.ensure_future(self._rest(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def idle(self) -> None:
        """Returns when every job is done."""
        await self._jobs.join()


class Tasks:
    """Tasks that belong together: they end together, and the first failure of one is raised by `failed`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Starts a task."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def failed(self) -> NoReturn:
        """Raises the first failure, as soon as there is one."""
        await self._failed.wait()
        assert self._failure is not None  # noqa: S101 - set together with the event
        raise self._failure

    async def close(self) -> None:
        """Cancels what still runs, and returns when it has ended."""
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError, Exception):
                await task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error
            self._failed.set()
