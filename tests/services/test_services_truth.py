"""The truth table: for each fault, what each door of each component says; and that all is well again afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from puna.bus.messages import Ack, Signal
from puna.config import load
from puna.core.risk import TradingState
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

    def __init__(self, thread: ExchangeThread, path: Path) -> None:
        self.thread = thread
        self.parts: dict[str, Component] = {}
        self.doors: dict[str, Doors] = {}
        self.held = asyncio.Event()
        self._path = path
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
async def running(path: Path) -> AsyncIterator[System]:
    config = ExchangeConfig(symbols=("AAPL", "MSFT", "IBM"), pacing=Speed(SPEED), wait_for=(), lead_seconds=30)
    with ExchangeThread(config) as thread:
        system = System(thread, path)
        try:
            for name in ("market-data", "risk", "execution", "signals"):
                await system.begin(name)
            await system.until({})
            yield system
        finally:
            await system.close()


class Case(NamedTuple):
    """A fault, what is said while it lasts, how it is healed."""

    strike: Callable[[System], Awaitable[None]]
    says: Says
    heal: Callable[[System], Awaitable[None]]


async def nothing(system: System) -> None:
    """It heals by itself."""


async def mute(system: System) -> None:
    system.fault(Fault(on="socket:data", action="mute", at=system.now))


async def data_down(system: System) -> None:
    system.fault(Fault(on="socket:data", action="drop_socket", at=system.now, seconds=HOURS))


async def trading_down(system: System) -> None:
    system.fault(Fault(on="socket:trading", action="drop_socket", at=system.now, seconds=HOURS))


async def broker_down(system: System) -> None:
    system.fault(
        Fault(on="GET /v2/*", action="error_before", status=503, times=0),
        Fault(on="POST *", action="error_before", status=503, times=0),
    )


async def heal_exchange(system: System) -> None:
    system.fault()


async def bus_gap(system: System) -> None:
    part = system.parts["market-data"]
    assert isinstance(part, MarketData)
    assert part._bus is not None
    line = part._bus._lines["market.bar.AAPL"]
    line.seq += 3  # three messages that nobody will ever see
    part._bus.pulse()


async def queue_full(system: System) -> None:
    """Execution takes no signal any more, and a thousand and more come."""
    part, takings = system.parts["signals"], system.execution._takings
    assert isinstance(part, Signals)
    assert part._control is not None
    take, system.held = takings.signal, asyncio.Event()

    async def late(signal: Signal) -> Ack:
        await system.held.wait()
        return await take(signal)

    setattr(takings, "signal", late)  # noqa: B010 - a method for the time of a test
    for number in range(1100):
        part._control.post(Signal("AAPL", "neutral", 0.0, number, "trend"))
        await asyncio.sleep(0)


async def queue_free(system: System) -> None:
    delattr(system.execution._takings, "signal")  # what stood before the method
    system.held.set()


async def risk_gone(system: System) -> None:
    await system.end("risk")


async def risk_back(system: System) -> None:
    await system.begin("risk")


async def execution_gone(system: System) -> None:
    await system.end("execution")


async def execution_back(system: System) -> None:
    await system.begin("execution")


CASES: dict[str, Case] = {
    "mute": Case(mute, {"market-data": UNFIT, "signals": UNFIT, "execution": UNFIT}, heal_exchange),
    "data stream down": Case(data_down, {"market-data": UNFIT, "signals": UNFIT, "execution": UNFIT}, heal_exchange),
    "trading stream down": Case(trading_down, {"execution": UNFIT}, heal_exchange),
    "broker down": Case(broker_down, {"execution": UNFIT}, heal_exchange),
    "bars lost": Case(bus_gap, {"signals": DEGRADED, "execution": DEGRADED}, nothing),
    "queue full": Case(queue_full, {"signals": DEGRADED, "execution": DEGRADED}, queue_free),
    "risk gone": Case(risk_gone, {"risk": UNFIT, "execution": UNFIT}, risk_back),
    "execution gone": Case(execution_gone, {"execution": UNFIT, "signals": UNFIT, "risk": UNFIT}, execution_back),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_each_fault_is_told_as_it_is_and_heals(bot: Callable[..., Path]) -> None:
    """One after the other, with the whole table each time; in the end a halt and a full disk, which nobody heals."""
    path = bot(services="mute_seconds = 1.5\nstale_seconds = 1.5")
    async with running(path) as system:
        for name, case in CASES.items():
            await case.strike(system)
            try:
                await system.until(case.says)
                await case.heal(system)
                await system.until({}, later=True)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from None
        assert system.execution.trader is not None
        gateway = system.execution.trader.gateway
        gateway.halt("a test says so")
        await system.until({"execution": UNFIT})
        assert gateway.state is TradingState.HALTED
        storage: Any = gateway.journal._storage
        storage._database.execute("PRAGMA max_page_count = 1")  # the disk is full
        gateway.note("E000", "x" * 100_000)
        await system.until({"execution": ("unhealthy", 503)})
