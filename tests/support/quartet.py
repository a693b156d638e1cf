"""The four components in one loop, on an exchange in a thread: real sockets, real HTTP, and all of it in reach."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from puna.config import load
from puna.exchange.faults import Fault, FaultScript
from puna.exchange.server import ExchangeConfig, ExchangeServer, ExchangeThread, Speed
from puna.seams import seeded_rng
from puna.services.doors import Doors
from puna.services.execution import Execution
from puna.services.market_data import MarketData
from puna.services.place import Place
from puna.services.risk import Risk
from puna.services.serve import Component
from puna.services.signals import Signals

__all__ = ["DEGRADED", "HOURS", "PATIENCE", "UNFIT", "Says", "System", "running"]

SPEED = 30.0
HOURS = 24 * 3600.0
PATIENCE = 60.0
WELL = {
    "market-data": ("healthy", 200),
    "signals": ("healthy", 200),
    "execution": ("healthy", 200),
    "risk": ("healthy", 200),
}
DEGRADED, UNFIT = ("degraded", 200), ("degraded", 503)

Says = dict[str, tuple[str, int]]


class System:
    """The four components in this loop, on an exchange in a thread: real sockets, and all of it in reach."""

    def __init__(self, thread: ExchangeThread, path: Path, equip: Callable[[str, Component], None]) -> None:
        self.thread = thread
        self.parts: dict[str, Component] = {}
        self.doors: dict[str, Doors] = {}
        self.held = asyncio.Event()
        self._path = path
        self._equip = equip
        self._works: dict[str, asyncio.Task[None]] = {}
        self._stack = AsyncExitStack()

    @property
    def execution(self) -> Execution:
        part = self.parts["execution"]
        assert isinstance(part, Execution)
        return part

    async def begin(self, name: str) -> None:
        """One component: its doors, and its work as a task."""
        environ = {"ALPACA_BASE_URL": self.thread.url, "PUNA__SIM__SPEED": f"{SPEED:g}"}
        config = load(self._path, environ=environ)
        place = Place(config, name)
        place.prepare()
        made: dict[str, Callable[[], Component]] = {
            "market-data": lambda: MarketData(place),
            "signals": lambda: Signals(place),
            "execution": lambda: Execution(place),
            "risk": lambda: Risk(place, lambda: load(self._path, environ=environ)),
        }
        part = self.parts[name] = made[name]()
        self._equip(name, part)
        if name not in self.doors:
            self.doors[name] = await self._stack.enter_async_context(Doors(part))
        self.doors[name]._component = part
        self._works[name] = asyncio.create_task(part.work(), name=name)

    async def end(self, name: str) -> None:
        """Stops the work; the doors stay and tell."""
        self.parts[name].stopping.set()
        await asyncio.wait_for(self._works.pop(name), PATIENCE)
        self.parts[name].place.context.destroy(linger=0)

    async def close(self) -> None:
        for name in ("signals", "execution", "risk", "market-data"):
            if name in self._works:
                await self.end(name)
        await self._stack.aclose()

    def fault(self, *faults: Fault) -> None:
        """From now on the exchange misbehaves so; none heals it."""

        def misbehave(server: ExchangeServer) -> None:
            server._floor.script = FaultScript(faults, seeded_rng(1))
            server._floor._muted.clear()
            server._sockets._refused.clear()

        self.thread.call(misbehave)

    @property
    def now(self) -> int:
        return self.thread.progress().now

    async def says(self) -> Says:
        """Status and readiness of each component, over HTTP; and that everybody is alive."""
        found = dict[str, tuple[str, int]]()
        async with aiohttp.ClientSession() as session:
            for name, doors in self.doors.items():
                async with session.get(f"{doors.address}/health") as answer:
                    body = await answer.json()
                    assert answer.status == (503 if body["status"] == "unhealthy" else 200)
                async with session.get(f"{doors.address}/ready") as answer:
                    found[name] = (body["status"], answer.status)
                    assert (await answer.json())["ready"] is (answer.status == 200)
                async with session.get(f"{doors.address}/live") as answer:
                    assert (answer.status, await answer.text()) == (200, "alive")
        return found

    async def until(self, expected: Says, seconds: float = PATIENCE, *, later: bool = False) -> None:
        """Waits until exactly this is said; everybody who is not named is well. Later: holes are a minute back."""
        wanted, found = WELL | expected, dict[str, tuple[str, int]]()
        try:
            async with asyncio.timeout(seconds):
                while (found := await self.says()) != wanted:
                    await asyncio.sleep(0.05)
                    for part in self.parts.values() if later else ():
                        if hasattr(part, "_gap_at"):
                            part._gap_at = 0
        except TimeoutError:
            why = {name: part.verdict().message for name, part in self.parts.items()}
            raise AssertionError(f"wanted {wanted}\nfound  {found}\nwhy    {why}") from None


@asynccontextmanager
async def running(path: Path, equip: Callable[[str, Component], None] = lambda *_: None) -> AsyncIterator[System]:
    """All four, ready; `equip(name, component)` gives them what `puna serve` would."""
    config = ExchangeConfig(symbols=("AAPL", "MSFT", "IBM"), pacing=Speed(SPEED), wait_for=(), lead_seconds=30)
    with ExchangeThread(config) as thread:
        system = System(thread, path, equip)
        try:
            for name in ("market-data", "risk", "execution", "signals"):
                await system.begin(name)
            await system.until({})
            yield system
        finally:
            await system.close()
