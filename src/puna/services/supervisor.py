"""Starts the four components, and the exchange in mode sim; starts anew what dies, and gives up on what dies on and on.

A child that ends is started again after a pause that grows; one that died five times in a minute is left dead, visibly,
because a process that crashes at each start does no good (CRA-21). The trading key goes to execution and market-data
only. The end of all is in an order: first who wants orders, last who has the market.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp

from puna.config import Config, Mode
from puna.errors import ConfigError
from puna.seams import Clock, SystemClock

__all__ = ["ORDER", "Child", "Supervisor"]

ORDER = ("market-data", "risk", "execution", "signals")
"""In which the components are started; they end in the opposite order."""

KEYED = frozenset({"market-data", "execution"})
NANOS = 1_000_000_000
DEATHS, WINDOW = 5, 60 * NANOS
LONGEST_PAUSE = 1.0
STOP_SECONDS = 8.0
LOOK_SECONDS = 0.5
LEAD_SECONDS = 10  # of wall time, before the open, for everybody to be there
_KEY_PREFIXES = ("ALPACA_", "APCA_", "PUNA_ALERT_")


class Child:
    """One process.

    Attributes:
        name: of the component, or `exchange`.
        process: it; None while it is not running.
        restarts: how often it was started anew.
        health: what it said of itself when it was last asked; None when it does not answer.
        given_up: it died too often.
    """

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        self.health: dict[str, Any] | None = None
        self.ready = False
        self.given_up = False
        self.deaths: deque[int] = deque()
        self.code: int | None = None
        self._command = command
        self._environ = dict(environ)
        self._log = log

    @property
    def pid(self) -> int | None:
        """Of the process that runs."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def start(self, stdout: int = asyncio.subprocess.DEVNULL) -> None:
        """A process of its own, in a session of its own: Ctrl-C reaches the supervisor, which ends it in good order."""
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environ, stdout=stdout, stderr=log, start_new_session=True
            )

    async def stop(self, clock: Clock, seconds: float = STOP_SECONDS) -> None:
        """SIGTERM, and SIGKILL when that does not end it."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with clock.deadline(seconds):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Supervisor:
    """The whole system, as processes of this machine. `async with` it.

    Args:
        config: the configuration.
        path: its file, which the children read.
        folder: where their logs go.
        environ: of the children.
        speed: of the exchange, in mode sim.
        exchange: further words of the exchange's command.
        deaths: so many in a minute, and a component is left dead.

    Attributes:
        children: by name.
        ended: the exchange's last word, when its days are over: its books.
        say: hears of deaths and restarts.
    """

    def __init__(
        self,
        config: Config,
        path: Path,
        folder: Path,
        environ: Mapping[str, str],
        *,
        speed: float = 60.0,
        exchange: Sequence[str] = (),
        deaths: int = DEATHS,
        clock: Clock | None = None,
    ) -> None:
        self.children: dict[str, Child] = {}
        self.over = asyncio.Event()
        self.ended: dict[str, Any] | None = None
        self.say: Callable[[str], None] = lambda _: None
        self.base_url = config.base_url or ""
        self._config = config
        self._path = path
        self._folder = folder
        self._environ = dict(environ)
        self._speed = speed
        self._words = tuple(exchange)
        self._patience = deaths
        self._clock = clock or SystemClock()
        self._tasks: list[asyncio.Task[None]] = []
        self._hearing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._config.account.mode is Mode.SIM and not self.base_url:
            await self._start_exchange()
        for name in ORDER:
            command = [sys.executable, "-m", "puna", "serve", name, "--config", str(self._path)]
            child = Child(name, command, self._of_child(name), self._folder / f"{name}.log")
            self.children[name] = child
            self._tasks.append(asyncio.create_task(self._keep(child), name=name))
        self._tasks.append(asyncio.create_task(self._look(), name="look"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        for name in reversed(ORDER):
            if name in self.children:
                await self.children[name].stop(self._clock)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if (exchange := self.children.get("exchange")) is not None:
            await exchange.stop(self._clock)
        if self._hearing is not None:
            with suppress(TimeoutError):
                async with self._clock.deadline(STOP_SECONDS):
                    await self._hearing

    @property
    def ready(self) -> bool:
        """All four are."""
        return all(self.children[name].ready for name in ORDER)

    def kill(self, *names: str) -> None:
        """SIGKILL, as a crash would be; for rehearsals."""
        for name in names:
            if (process := self.children[name].process) is not None and process.returncode is None:
                process.kill()

    async def until_ready(self, seconds: float) -> bool:
        """Waits for all four; False when that takes longer."""
        with suppress(TimeoutError):
            async with self._clock.deadline(seconds):
                while not self.ready:
                    await self._clock.sleep(0.05)
                return True
        return False

    async def ask(self, name: str, path: str) -> tuple[int, Any]:
        """A question to a component's door: status and body; (0, None) when it does not answer."""
        services = self._config.services
        host = "127.0.0.1" if services.host in ("0.0.0.0", "::") else services.host  # noqa: S104
        port = getattr(services, f"{name.replace('-', '_')}_port")
        with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0), headers=self._bearer()) as session,
                session.get(f"http://{host}:{port}{path}") as answer,
            ):
                body = await answer.text()
                return answer.status, json.loads(body) if body.startswith("{") else body
        return 0, None

    def _bearer(self) -> dict[str, str]:
        with suppress(OSError):
            token = (self._config.beside(self._config.services.folder) / "token").read_text().strip()
            return {"Authorization": f"Bearer {token}"}
        return {}

    async def _keep(self, child: Child) -> None:
        """Starts it, again and again."""
        pause = 0.2
        while True:
            await child.start()
            began = self._clock.monotonic()
            assert child.process is not None  # noqa: S101 - it was started
            child.code = await child.process.wait()
            if self._stopping.is_set():
                return
            now = self._clock.monotonic()
            child.deaths.append(now)
            while child.deaths and now - child.deaths[0] > WINDOW:
                child.deaths.popleft()
            if len(child.deaths) >= self._patience and now - began < 10 * NANOS:
                child.given_up = True
                self.say(f"{child.name} died {len(child.deaths)} times in a minute and is left dead; its log says why")
                return
            pause = 0.2 if now - began > 10 * NANOS else min(LONGEST_PAUSE, 2 * pause)
            self.say(f"{child.name} ended ({_how(child.code)}) and is started again")
            child.restarts += 1
            await self._clock.sleep(pause)
            if self._stopping.is_set():
                return

    async def _look(self) -> None:
        """Asks everybody how he is."""
        while True:
            for name in ORDER:
                child = self.children[name]
                _, child.health = await self.ask(name, "/health")
                child.ready = (await self.ask(name, "/ready"))[0] == 200
            await self._clock.sleep(LOOK_SECONDS)

    async def _start_exchange(self) -> None:
        sim = self._config.sim
        command = [sys.executable, "-m", "puna", "exchange", "--json", "--speed", f"{self._speed:g}", *self._words]
        command += ["--lead", f"{round(LEAD_SECONDS * self._speed)}"]
        command += ["--seed", str(sim.seed), "--day", sim.day.isoformat(), "--days", str(sim.days)]
        command += ["--cash", f"{sim.cash:f}", "--rate-limit", "0", "--log", str(self._folder / "exchange.jsonl")]
        if sim.symbols:
            command += ["--symbols", ",".join(sim.symbols)]
        if sim.faults:
            command += ["--faults", str(self._config.beside(sim.faults))]
        child = Child("exchange", command, self._without_keys(), self._folder / "exchange.log")
        self.children["exchange"] = child
        await child.start(asyncio.subprocess.PIPE)
        assert child.process is not None  # noqa: S101 - it was started
        assert child.process.stdout is not None  # noqa: S101 - it has a pipe
        line = await child.process.stdout.readline()
        try:
            self.base_url = json.loads(line)["rest"]
        except (ValueError, KeyError) as error:
            log = self._folder / "exchange.log"
            raise ConfigError(
                "The exchange did not start.",
                why=log.read_text()[-300:] if log.exists() else "",
                state="Nothing was started.",
                code="E039",
            ) from error
        self._hearing = asyncio.create_task(self._hear_exchange(child), name="exchange")

    async def _hear_exchange(self, child: Child) -> None:
        """Its last line: the end of the days, and its books."""
        assert child.process is not None  # noqa: S101 - it was started
        assert child.process.stdout is not None  # noqa: S101 - it has a pipe
        while line := await child.process.stdout.readline():
            with suppress(ValueError):
                said = json.loads(line)
                if said.get("event") == "ended":
                    self.ended = said
        child.code = await child.process.wait()
        self.over.set()
        if not self._stopping.is_set() and self.ended is None:
            self.say("the exchange ended; nothing can be traded any more")

    def _of_child(self, name: str) -> dict[str, str]:
        environ = dict(self._environ) if name in KEYED else self._without_keys()
        if self._config.account.mode is Mode.SIM:
            environ |= {"ALPACA_BASE_URL": self.base_url, "PUNA__SIM__SPEED": f"{self._speed:g}"}
        return environ

    def _without_keys(self) -> dict[str, str]:
        return {name: value for name, value in self._environ.items() if not name.startswith(_KEY_PREFIXES)}


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
