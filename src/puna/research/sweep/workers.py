"""Cells tried in other processes of this machine: started afresh (spawn), fed over pipes, replaced when they die.

A worker holds the trial and is given cells one at a time, with the next one waiting in its pipe. A cell that its
worker did not survive is given to another; when it has cost three of them it is a failure, and the sweep goes on. A
cell that takes longer than it may costs one: its worker is ended, and it is a failure at once.
Workers leave Ctrl-C to the process that started them, and end by themselves, whatever they do, when that is gone.
"""

import multiprocessing
import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from threading import Thread
from types import TracebackType
from typing import Protocol, Self

from puna.errors import PunaError
from puna.research.sweep.cells import Cell, Failure, Row, Trial, attempt, prepare
from puna.seams import Clock, SystemClock

__all__ = ["DEATHS", "Costs", "Here", "Processes", "Workers", "as_sent", "timed"]

DEATHS = 3
"""Workers that a cell may cost before it is a failure."""
_AHEAD = 2  # cells at a worker: the one it runs, and the one it goes on with
_START = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class Costs:
    """What it took to have workers at all, before and beside their cells.

    Attributes:
        cores: how many cells run at a time.
        processes: how many were started, those included that took another's place.
        starting: from the start of each to its readiness for cells, summed up, ns.
        reading: of that, what reading what all cells need took, ns.
    """

    cores: int = 1
    processes: int = 0
    starting: int = 0
    reading: int = 0


class Workers(Protocol):
    """Somewhere to run cells."""

    @property
    def costs(self) -> Costs:
        """What it has taken so far to have them."""

    def run(self, cells: Iterable[Cell]) -> Iterator[Row]:
        """Tries every cell; rows come as they are done, in any order."""

    def __enter__(self) -> Self:
        """Starts."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends, whatever is under way."""


def timed(trial: Trial, cell: Cell, clock: Clock) -> Row:
    """A cell's row, with what it took."""
    began = clock.monotonic()
    with redirect_stdout(sys.stderr):  # what a strategy prints is talk: stdout has the result of the sweep
        result = attempt(trial, cell)
    return Row(cell, result, clock.monotonic() - began)


class Here:
    """This very process: one core, nothing to start."""

    def __init__(self, trial: Trial, clock: Clock | None = None) -> None:
        self._trial = trial
        self._clock = clock or SystemClock()
        self.costs = Costs()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    def run(self, cells: Iterable[Cell]) -> Iterator[Row]:
        return (timed(self._trial, cell, self._clock) for cell in cells)


class _Worker:
    """One process, its pipe, and the cells that it was given."""

    def __init__(self, trial: bytes, now: int) -> None:
        self.begun = now
        self.pipe, theirs = _START.Pipe()
        self.process = _START.Process(target=_work, args=(theirs, trial), daemon=True)
        with _deaf():
            self.process.start()
        theirs.close()
        self.cells: deque[Cell] = deque()
        self.loaded = False
        self.since = 0

    def give(self, cell: Cell, now: int) -> None:
        if not self.cells:
            self.since = now
        self.cells.append(cell)
        with suppress(OSError):  # it has died: that is seen where its answers are read
            self.pipe.send(cell)

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def as_sent(trial: Trial) -> bytes:
    """A trial as its processes get it; what is equal is sent as the same bytes."""
    return pickle.dumps(trial)


class Processes:
    """`jobs` processes of this machine.

    Args:
        trial: picklable; each process gets a copy once.
        jobs: how many.
        started: told of each new process and its id.
        timeout: seconds of wall time that a cell may take; its process is ended then.
        clock: what they are measured by.

    Raises:
        PunaError: E684, the trial cannot be sent, or cannot be loaded where it arrives.
    """

    def __init__(
        self,
        trial: Trial,
        jobs: int,
        started: Callable[[int], None] = lambda _: None,
        *,
        timeout: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        try:
            self._trial = as_sent(trial)
        except Exception as error:
            raise _unusable(f"the trial cannot be sent: {error}") from error
        self._jobs = jobs
        self._started = started
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._workers: list[_Worker] = []
        self._deaths: dict[str, int] = {}
        self._stillborn = 0
        self.costs = Costs(cores=jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._workers:
            self._workers.pop().end()

    def run(self, cells: Iterable[Cell]) -> Iterator[Row]:
        waiting = deque(cells)
        while len(self._workers) < min(self._jobs, len(waiting)):
            self._workers.append(self._start())
        while waiting or any(worker.cells for worker in self._workers):
            self._feed(waiting)
            for worker in self._answering():
                yield from self._answer(worker, waiting)
            for worker in self._late():
                yield self._cut_off(worker, waiting)

    def load(self) -> None:
        """Starts all processes, and comes back when they have loaded the trial; `run` does so by itself."""
        while len(self._workers) < self._jobs:
            self._workers.append(self._start())
        nothing: deque[Cell] = deque()
        while not all(worker.loaded for worker in self._workers):
            for worker in self._answering():
                list(self._answer(worker, nothing))
            while len(self._workers) < self._jobs:
                self._workers.append(self._start())

    def _start(self) -> _Worker:
        worker = _Worker(self._trial, self._clock.monotonic())
        self.costs.processes += 1
        self._started(worker.process.pid or 0)
        return worker

    def _feed(self, waiting: deque[Cell]) -> None:
        """The next cells, to those who have fewest."""
        for ahead in range(1, _AHEAD + 1):
            for worker in self._workers:
                if waiting and len(worker.cells) < ahead:
                    worker.give(waiting.popleft(), self._clock.monotonic())

    def _answering(self) -> list[_Worker]:
        """Who has something to say, or has died; nobody, when a cell has been running for too long meanwhile."""
        ready = wait([worker.pipe for worker in self._workers], self._patience())
        return [worker for worker in self._workers if worker.pipe in ready]

    def _patience(self) -> float | None:
        """Seconds until the next cell will have taken too long."""
        running = [worker.since for worker in self._workers if worker.loaded and worker.cells]
        if self._timeout is None or not running:
            return None
        return max(0.0, self._timeout - (self._clock.monotonic() - min(running)) / 1e9)

    def _late(self) -> list[_Worker]:
        """Whose cell has taken too long; an answer that waits to be read is in time."""
        if self._timeout is None:
            return []
        latest = self._clock.monotonic() - self._timeout * 1e9
        busy = [worker for worker in self._workers if worker.loaded and worker.cells]
        return [worker for worker in busy if worker.since <= latest and not worker.pipe.poll()]

    def _cut_off(self, worker: _Worker, waiting: deque[Cell]) -> Row:
        """Ends a worker with the cell that it runs; its next one goes to another."""
        cell, took = worker.cells.popleft(), self._clock.monotonic() - worker.since
        self._replace(worker, waiting)
        return Row(cell, _endless(self._timeout), took)

    def _answer(self, worker: _Worker, waiting: deque[Cell]) -> Iterator[Row]:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker, waiting)
            return
        if isinstance(answer, Row):
            worker.cells.popleft()
            worker.since = self._clock.monotonic()
            yield answer
        elif isinstance(answer, str):
            raise _unusable(answer)
        else:
            worker.loaded, worker.since = True, self._clock.monotonic()
            self.costs.starting += worker.since - worker.begun
            self.costs.reading += answer

    def _bury(self, worker: _Worker, waiting: deque[Cell]) -> Iterator[Row]:
        """A dead worker is replaced; the cell that it ran is counted against it, its next one is not."""
        worker.end()
        if not worker.loaded:
            self._stillborn += 1
            if self._stillborn >= DEATHS:
                raise _unusable(f"{DEATHS} workers ended before they began, the last with {worker.process.exitcode}")
        elif worker.cells:
            cell = worker.cells.popleft()
            deaths = self._deaths[cell.key] = self._deaths.get(cell.key, 0) + 1
            if deaths < DEATHS:
                waiting.appendleft(cell)
            else:
                yield Row(cell, _deadly(worker.process.exitcode))
        self._replace(worker, waiting)

    def _replace(self, worker: _Worker, waiting: deque[Cell]) -> None:
        """Another one for it, if there is something to do."""
        worker.end()
        waiting.extendleft(reversed(worker.cells))
        self._workers.remove(worker)
        if waiting:
            self._workers.append(self._start())


@contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C waits meanwhile; what is started in it never hears of one: the mask is inherited."""
    resource_tracker.ensure_running()  # starting it would unblock what is blocked here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _deadly(code: int | None) -> Failure:
    died = f"by signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"with code {code}"
    return Failure("E683", f"{DEATHS} workers ended while they ran it", f"the last one {died}")


def _endless(timeout: float | None) -> Failure:
    return Failure("E679", f"it took longer than {timeout:g} s", "its process was ended")


def _unusable(why: str) -> PunaError:
    return PunaError(
        "The workers of the sweep cannot run its cells.",
        why=why,
        state="What was done before stands in the folder.",
        remedy="once more with --jobs 1 shows where",
        code="E684",
    )


def _work(pipe: Connection, trial: bytes) -> None:
    """A worker's life: load the trial and what it needs, then a row for each cell, until the pipe ends."""
    Thread(target=_end_with_parent, daemon=True).start()
    clock = SystemClock()
    try:
        loaded: Trial = pickle.loads(trial)  # noqa: S301 - from our own parent
        began = clock.monotonic()
        with redirect_stdout(sys.stderr):
            prepare(loaded)
        read = clock.monotonic() - began
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must know
        pipe.send(f"{type(error).__name__}: {error}")
        return
    with suppress(EOFError, OSError):
        pipe.send(read)
        while True:
            pipe.send(timed(loaded, pipe.recv(), clock))


def _end_with_parent() -> None:
    """A cell that never ends would hold a worker for ever when nobody is there any more to end it."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
