"""Cells tried on a Ray cluster, or on a Ray instance of this machine (extra `sweep`): results stream back as they come.

Ray runs a cell again whose worker or node died; what was done before stands in the store of the process that started
the sweep, and nowhere else, so nothing of it can be lost with the cluster.

Ray cannot tell when a cell began, nor end it alone. So where a cell may take so long and no longer, each of Ray's
workers runs its cells in a process of its own, which it ends.
"""

import os
import socket  # noqa: TID251 - a rim: whether a cluster answers
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Self

from puna.errors import PunaError
from puna.research.extra import library
from puna.research.sweep.cells import Cell, Failure, Row, Trial
from puna.research.sweep.workers import DEATHS, Costs, Processes, as_sent, timed
from puna.seams import SystemClock

__all__ = ["Cluster"]

_OBJECTS = 128 << 20  # bytes for what is under way; Ray itself would take a third of the memory
_PATIENCE = 5.0  # seconds for a connection
_AHEAD = 4  # cells under way for each processor


class Cluster:
    """The processors of a cluster.

    Args:
        trial: what is tried; it is sent once, and its modules must be importable on the nodes.
        address: `auto`, or the address of a running cluster; None starts Ray on this machine, and ends it.
        jobs: processors to be used of a Ray that is started here.
        timeout: seconds of wall time that a cell may take.

    Raises:
        ConfigError: E660, ray is not installed.
        PunaError: E684, the cluster does not answer, or the trial cannot be sent.
    """

    def __init__(
        self, trial: Trial, address: str | None = None, jobs: int | None = None, *, timeout: float | None = None
    ) -> None:
        self._ray = library("ray", "sweep")
        self._trial = trial
        self._address = address
        self._jobs = jobs
        self._timeout = timeout
        self.costs = Costs()

    def __enter__(self) -> Self:
        if self._address:
            _check(self._address)
        try:
            self._ray.init(address=self._address, log_to_driver=False, logging_level="error", **self._settings())
            self._sent = self._ray.put(self._trial)
        except Exception as error:
            self._ray.shutdown()
            raise _unusable(f"{type(error).__name__}: {error}") from error
        self.costs.cores = self._cores()
        self._run = self._ray.remote(max_retries=DEATHS - 1)(_run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def _settings(self) -> dict[str, Any]:
        """Of a Ray of our own: workers find the modules that this process finds."""
        if self._address:
            return {}
        places = os.pathsep.join(place for place in sys.path if place)
        environment = {"env_vars": {"PYTHONPATH": places}}
        return {
            "num_cpus": self._jobs,
            "include_dashboard": False,
            "object_store_memory": _OBJECTS,
            "runtime_env": environment,
        }

    def run(self, cells: Iterable[Cell]) -> Iterator[Row]:
        """Rows in the order in which the cluster is done with them."""
        waiting = iter(cells)
        window = self._cores() * _AHEAD
        running: dict[Any, Cell] = {}
        while True:
            for cell in islice(waiting, window - len(running)):
                running[self._run.remote(self._sent, cell, self._timeout)] = cell
            if not running:
                return
            done, _ = self._ray.wait(list(running), num_returns=1)
            for reference in done:
                yield self._row(reference, running.pop(reference))

    def _cores(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _row(self, reference: Any, cell: Cell) -> Row:
        errors = self._ray.exceptions
        try:
            row: Row = self._ray.get(reference)
        except errors.RayTaskError as error:  # `attempt` catches what a cell raises; this came on the way to it
            raise _unusable(str(error).strip().rpartition("\n")[2]) from error
        except errors.RayError as error:
            return Row(
                cell, Failure("E683", f"{DEATHS} workers ended while they ran it", str(error).partition("\n")[0])
            )
        return row


def _check(address: str) -> None:
    """Ray itself goes on knocking for minutes at an address where nobody is."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # `auto`: Ray knows by itself whether one runs here
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unusable(f"nobody answers at {address}: {error}") from error


_CHILDREN: dict[tuple[bytes, float], Processes] = {}  # of one of Ray's workers: a process that it can end


def _run(trial: Trial, cell: Cell, timeout: float | None) -> Row:
    """On a node."""
    if timeout is None:
        return timed(trial, cell, SystemClock())
    key = (as_sent(trial), timeout)
    if key not in _CHILDREN:
        _CHILDREN[key] = Processes(trial, 1, timeout=timeout)
    (row,) = _CHILDREN[key].run([cell])
    return row


def _unusable(why: str) -> PunaError:
    return PunaError(
        "The cluster cannot run the cells of the sweep.",
        why=why[:500],
        state="What was done before stands in the folder.",
        remedy="the same sweep without --ray runs on this machine",
        code="E684",
    )
