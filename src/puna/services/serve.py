"""Runs one component: its work, its doors, signals, systemd; from reconciled start to bounded shutdown.

Everything a component does runs below one task; when it fails, the process ends with its error, and whoever supervises
starts it anew, since start-up is recovery. SIGTERM and SIGINT stop it in good order; what does not end within the bound
is cancelled. SIGHUP reloads the configuration where a component can.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from puna.engine.tasks import Tasks
from puna.errors import PunaError
from puna.services.doors import Doors
from puna.services.health import Fact, Verdict, judge
from puna.services.metrics import Metrics, Numbers
from puna.services.notify import tell_systemd, watchdog_seconds
from puna.services.place import Place
from puna.services.tracing import Traces, traces_of

__all__ = ["Component", "serve"]

STOP_SECONDS = 5.0
WATCH_SECONDS = 0.25
NANOS = 1_000_000_000


class Component:
    """A part of the system with a process of its own. Subclasses work, and say what is the case.

    Args:
        place: where it lives.

    Attributes:
        stopping: set when it is to end in good order.
        processed: messages so far.
        traces: what it did, as spans; nothing unless somebody asked for it.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.stopping = asyncio.Event()
        self.processed = 0
        self.metrics = Metrics(place.name, self.all_numbers)
        self.log: Any = structlog.get_logger()
        self.traces = Traces()
        self._began = place.wall.monotonic()

    async def work(self) -> None:
        """Does what it is for, until `stopping` is set."""
        raise NotImplementedError

    def facts(self) -> list[Fact]:
        """What is the case now."""
        raise NotImplementedError

    def numbers(self) -> dict[str, Any]:
        """Its own metrics, by the names of the catalogue."""
        raise NotImplementedError

    def routes(self) -> dict[tuple[str, str], Callable[[Any], Awaitable[Any]]]:
        """Doors of its own beside health and metrics: (method, path) -> what answers."""
        return {}

    async def together(self, tasks: Tasks) -> None:
        """Returns when it is to stop; raises what a task fails with. The tasks have ended then."""
        failed, stop = asyncio.create_task(tasks.failed()), asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait([failed, stop], return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
        finally:
            for task in (failed, stop):
                task.cancel()
            await asyncio.gather(failed, stop, return_exceptions=True)
            await tasks.close()

    def reload(self) -> None:
        """SIGHUP: most components have nothing to reload."""

    def verdict(self) -> Verdict:
        """Its health."""
        return judge(self.facts())

    def all_numbers(self) -> Numbers:
        """Every metric."""
        verdict = self.verdict()
        return {
            "uptime_seconds": (self.place.wall.monotonic() - self._began) / NANOS,
            "health_status": {"healthy": 2, "degraded": 1, "unhealthy": 0}[verdict.status],
            "ready": float(verdict.ready),
            "messages_processed": self.processed,
            "config_info": {self.place.version: 1},
            **self.numbers(),
        }

    async def pause(self, seconds: float) -> bool:
        """Waits so long in wall time, or until it is to stop; True when it is to stop."""
        with suppress(TimeoutError):
            async with self.place.wall.deadline(seconds):
                await self.stopping.wait()
        return self.stopping.is_set()


async def serve(component: Component) -> None:
    """Serves a component until a signal stops it.

    Raises:
        PunaError: it could not start, or could not go on.
    """
    place = component.place
    component.traces = traces_of(place.name)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, component.stopping.set)
    loop.add_signal_handler(signal.SIGHUP, component.reload)
    async with Doors(component) as doors:
        component.log.info("started", address=doors.address, config=place.version)
        work = asyncio.create_task(component.work(), name=place.name)
        beat = asyncio.create_task(_beat(component), name="watchdog")
        stop = asyncio.create_task(component.stopping.wait())
        try:
            await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
            component.stopping.set()
            tell_systemd("STOPPING=1")
            await asyncio.wait([work], timeout=STOP_SECONDS)
        finally:
            for task in (work, beat, stop):
                task.cancel()
            await asyncio.gather(beat, stop, return_exceptions=True)
            await asyncio.to_thread(component.traces.close)
            with suppress(asyncio.CancelledError):
                await _told(component, work)
            place.context.destroy(linger=200)


async def _told(component: Component, work: "asyncio.Task[None]") -> None:
    """The end of the work, in the log; its failure, to whoever started it."""
    try:
        await work
    except PunaError as error:
        component.log.error("failed", code=error.code, what=error.what, why=error.why)  # noqa: TRY400 - no traceback
        raise
    component.log.info("stopped")


async def _beat(component: Component) -> None:
    """Tells systemd once that it is ready, and, while the loop turns, that it lives."""
    ready, every = False, watchdog_seconds() or WATCH_SECONDS
    while True:
        if not ready and component.verdict().ready:
            ready = True
            component.log.info("ready")
            tell_systemd("READY=1")
        tell_systemd("WATCHDOG=1")
        await component.place.wall.sleep(min(every, WATCH_SECONDS))
