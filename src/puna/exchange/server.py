"""The exchange as a server on loopback: in this event loop, in a thread of its own, or behind `puna exchange`.

Time passes in one of two ways. In lockstep the exchange goes from one due instant to the next, and after each step it
pings every live socket (`puna:<market ns>`) and waits for the pong: a client that answers after it has worked through
the frame sees a day whose order of events does not depend on the machine. At a speed, due times become wall time.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, TypeVar

from aiohttp import web

from puna.core import sessions
from puna.errors import ConfigError
from puna.exchange.faults import Fault, FaultScript
from puna.exchange.floor import NANOS, Batch, Cut, Floor, seconds
from puna.exchange.log import EventLog
from puna.exchange.options import Books, ExchangeConfig, Lockstep, Speed
from puna.exchange.prices.joint import build_market
from puna.exchange.prices.market import Session
from puna.exchange.streams.sockets import Sockets
from puna.exchange.venue import Venue
from puna.exchange.web.api import Doors, TradingApi
from puna.exchange.web.data import add_data_routes
from puna.exchange.web.events import EventsApi
from puna.seams import Clock, SeededIds, SystemClock, seeded_rng

__all__ = ["Books", "ExchangeConfig", "ExchangeServer", "ExchangeThread", "Lockstep", "Progress", "Speed"]

T = TypeVar("T")

_LARGEST_BODY = 1 << 20
_STOP_SECONDS = 0.25
_STEPS_AT_ONCE = 64
_NIGHT = 3600 * NANOS


class Progress(NamedTuple):
    """Market time now, and the session it is in or goes to; ns."""

    now: int
    open: int
    close: int


class ExchangeServer:
    """An Alpaca-compatible exchange on a TCP port of this machine.

    Args:
        config: what it replays and how.
        clock: wall time; only tests pass another.
    """

    def __init__(self, config: ExchangeConfig, *, clock: Clock | None = None) -> None:
        self.config = config
        self.done = asyncio.Event()
        self._clock = clock or SystemClock()
        self._changed = asyncio.Event()
        self._log_file: BinaryIO | None = None
        self.log_error: OSError | None = None
        self._log = EventLog(sink=self._write)
        self._floor = _floor(config, self._log)
        self._floor.on_change = self._changed.set
        self._end = _end_of(self._floor.market.sessions[-1])
        ids = SeededIds(seeded_rng(f"requests {config.seed}"))
        self._doors = Doors(config, self._floor, clock=self._clock, ids=ids)
        self._sockets = Sockets(
            config, self._floor, clock=self._clock, welcome=self._doors.welcome, on_change=self._changed.set
        )
        self._runner: web.AppRunner | None = None
        self._pacing: asyncio.Task[None] | None = None
        self._port = config.port

    @property
    def url(self) -> str:
        """The base of both REST APIs, for `url_override`."""
        return f"http://{self._where}"

    @property
    def data_stream_url(self) -> str:
        return f"ws://{self._where}/v2/iex"

    @property
    def trading_stream_url(self) -> str:
        return f"ws://{self._where}/stream"

    @property
    def venue(self) -> Venue:
        return self._floor.venue

    @property
    def struck(self) -> list[tuple[int, str, Fault]]:
        """The faults that have struck: when, what, which."""
        return list(self._floor.script.struck)

    def event_log_hash(self) -> str:
        """SHA-256 over the event log so far."""
        return self._log.hash

    def books(self) -> Books:
        """The ledger's own account of the day."""
        ledger = self.venue.ledger
        return Books(ledger.cash, dict(ledger.positions), ledger.fees)

    def progress(self) -> Progress:
        days = self._floor.market.sessions
        here = next((each for each in days if self._floor.now <= each.close_ns), days[-1])
        return Progress(self._floor.now, here.open_ns, here.close_ns)

    async def start(self) -> None:
        """Opens the port; market time begins as soon as `wait_for` is there.

        Raises:
            ConfigError: the port is taken, the host is not loopback and no keys are set, or the log cannot be written.
        """
        _check_host(self.config)
        self._open_log()
        self._runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_SECONDS
        )
        await self._runner.setup()
        try:
            await self._listen(self._runner)
        except ConfigError:
            await self.stop()
            raise
        self._pacing = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends everything within two seconds; a second call does nothing."""
        pacing, runner, log = self._pacing, self._runner, self._log_file
        self._pacing = self._runner = self._log_file = None
        if pacing is not None:
            pacing.cancel()
            with suppress(asyncio.CancelledError):
                await pacing
        await self._sockets.close()
        if runner is not None:
            await runner.cleanup()
        if log is not None:
            log.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _where(self) -> str:
        return f"{self.config.host}:{self._port}"

    def _application(self) -> web.Application:
        application = web.Application(middlewares=self._doors.middlewares(), client_max_size=_LARGEST_BODY)
        TradingApi(self._floor).add_routes(application.router)
        add_data_routes(application.router, self._floor, self.config, self._clock, self._sockets.serve_data)
        EventsApi(self._floor, self._clock).add_routes(application.router)
        self._sockets.add_routes(application.router)
        return application

    async def _listen(self, runner: web.AppRunner) -> None:
        site = web.TCPSite(runner, self.config.host, self.config.port, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"The exchange cannot listen on {self.config.host}:{self.config.port}.",
                why=error.strerror or str(error),
                state="Nothing was started.",
                remedy="Stop what uses the port, or choose another (0 finds a free one).",
                code="E030",
            ) from error
        self._port = runner.addresses[0][1]

    def _open_log(self) -> None:
        if self.config.log_path is None:
            return
        try:
            self._log_file = self.config.log_path.open("ab", buffering=0)
        except OSError as error:
            raise ConfigError(
                f"The event log {self.config.log_path} cannot be written.",
                why=error.strerror or str(error),
                state="Nothing was started.",
                code="E033",
            ) from error

    def _write(self, line: str) -> None:
        """One line of the event log, in the file as soon as it is in the hash.

        A full disk ends the file and not the day: `log_error` keeps why, the hash goes on.
        """
        if self._log_file is None:
            return
        try:
            self._log_file.write(line.encode() + b"\n")
        except OSError as error:
            self._log_file.close()
            self._log_file, self.log_error = None, error

    async def _run(self) -> None:
        await self._until(lambda: self._sockets.ready(self.config.wait_for))
        if isinstance(self.config.pacing, Lockstep):
            await self._lockstep()
        else:
            await self._free(self.config.pacing)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _lockstep(self) -> None:
        await self._barrier()
        while True:
            await self._leave()
            due = await self._due()
            await self._until(lambda: bool(self._sockets.live) or self._sockets.refusing)
            self._floor.advance(due)
            await self._floor.run_jobs()
            if not await self._leave():
                await self._barrier()

    async def _due(self) -> int:
        """The next instant; when the days are over, the first that a late command brings."""
        if (due := self._next_due()) is not None:
            return due
        self.done.set()
        await self._until(lambda: self._next_due() is not None)
        return await self._due()

    def _next_due(self) -> int | None:
        """Nothing is due after the last day: an order good till cancelled does not keep the exchange open."""
        due = self._floor.next_due()
        return None if due is None or due > max(self._end, self._floor.now) else due

    async def _leave(self) -> bool:
        """Sends what leaves now, each step followed by a barrier; True if there was anything."""
        left = False
        while steps := self._floor.ready():
            for step in steps:
                await self._send(step)
                await self._barrier()
            left = True
        return left

    async def _barrier(self) -> None:
        """Waits, socket by socket, until all that was sent has been worked through."""
        payload = b"puna:%d" % self._floor.now
        for connection in self._sockets.live:
            await connection.answered(payload)

    async def _send(self, step: Batch | Cut) -> None:
        if isinstance(step, Cut):
            await self._sockets.cut(step)
        else:
            self._sockets.tell(step)

    async def _free(self, speed: Speed) -> None:
        pace = _Pace(self._clock, self._floor, speed)
        self._floor.present = pace.present
        while True:
            due = await self._due()
            if not speed.nights and due - self._floor.now > _NIGHT:
                pace.leap(due - seconds(self.config.lead_seconds))
            await self._wait(pace.wall_seconds(due))
            self._floor.advance(pace.present(), _STEPS_AT_ONCE)
            await self._floor.run_jobs()
            for step in self._floor.ready():
                await self._send(step)

    async def _wait(self, wall: float) -> None:
        """Waits so long, or until a command has changed what is due."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with self._clock.deadline(max(wall, 0.0)):
                await self._changed.wait()


class _Pace:
    """Market time as a multiple of wall time."""

    def __init__(self, clock: Clock, floor: Floor, speed: Speed) -> None:
        self._clock = clock
        self._factor = speed.factor
        self._wall = clock.monotonic()
        self._market = floor.now

    def present(self) -> int:
        return self._market + round((self._clock.monotonic() - self._wall) * self._factor)

    def wall_seconds(self, due: int) -> float:
        """How long to wait for that market time."""
        return (due - self.present()) / self._factor / NANOS

    def leap(self, to: int) -> None:
        """Lets the present be `to`, if that is later."""
        self._market += max(0, to - self.present())


class ExchangeThread:
    """An exchange in a thread of its own: `with ExchangeThread(config) as server:`. The same names as the server's."""

    def __init__(self, config: ExchangeConfig) -> None:
        self.config = config
        self.done = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._server: ExchangeServer | None = None
        self._started: Future[ExchangeServer] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="puna-exchange", daemon=True)

    @property
    def server(self) -> ExchangeServer:
        """The server itself; touch it from its own loop only (see `call`)."""
        return self._started.result()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def data_stream_url(self) -> str:
        return self.server.data_stream_url

    @property
    def trading_stream_url(self) -> str:
        return self.server.trading_stream_url

    def event_log_hash(self) -> str:
        return self.call(lambda server: server.event_log_hash())

    def books(self) -> Books:
        return self.call(lambda server: server.books())

    def progress(self) -> Progress:
        return self.call(lambda server: server.progress())

    def call(self, question: Callable[[ExchangeServer], T]) -> T:
        """What `question` answers about the server, asked in the server's own loop; after its end, here."""
        server, loop = self.server, self._loop
        if loop is None or not self._thread.is_alive():
            return question(server)

        async def ask() -> T:
            return question(server)

        return asyncio.run_coroutine_threadsafe(ask(), loop).result()

    def start(self) -> None:
        """Starts the thread, and returns when the port is open.

        Raises:
            ConfigError: see `ExchangeServer.start`.
        """
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Ends the server and its thread; a second call does nothing."""
        loop, end = self._loop, self._end
        if loop is not None and end is not None and self._thread.is_alive():
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(end.set)
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = ExchangeServer(self.config)
            await server.start()
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread was started
            self._started.set_exception(error)
            return
        self._started.set_result(server)
        over = asyncio.create_task(self._tell_when_over(server))
        await self._end.wait()
        over.cancel()
        await server.stop()

    async def _tell_when_over(self, server: ExchangeServer) -> None:
        await server.done.wait()
        self.done.set()


def _floor(config: ExchangeConfig, log: EventLog) -> Floor:
    """The venue, its market and its script, as the config says."""
    market = build_market(config)
    options = replace(config.venue, cash=config.cash)
    venue = Venue(market, ids=SeededIds(seeded_rng(f"venue {config.seed}")), options=options, log=log)
    script = FaultScript(config.faults, seeded_rng(f"faults {config.seed}"))
    return Floor(venue, market, script, start=market.sessions[0].open_ns - seconds(config.lead_seconds))


def _end_of(session: Session) -> int:
    """When its after-hours are over, and the venue has closed its books."""
    day = sessions.day(session.date)
    return day.post_close if day else session.close_ns


def _check_host(config: ExchangeConfig) -> None:
    """Nobody from outside gets in without a key."""
    if config.keys is None and not _is_loopback(config.host):
        raise ConfigError(
            f"The exchange does not listen on {config.host} without keys.",
            why="anybody on the network could trade on it",
            state="Nothing was started.",
            remedy="Set a key, or listen on 127.0.0.1.",
            code="E031",
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
