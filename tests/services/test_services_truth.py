"""The truth table: for each fault, what each door of each component says; and that all is well again afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from quartet import DEGRADED, HOURS, UNFIT, Says, System, running

from puna.bus.messages import Ack, Signal
from puna.core.risk import TradingState
from puna.engine.gateway import Gateway
from puna.engine.latch import Seen
from puna.exchange.faults import Fault
from puna.services.market_data import MarketData
from puna.services.signals import Signals


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


def gateway_of(system: System) -> Gateway:
    assert system.execution.trader is not None
    return system.execution.trader.gateway


async def alarm(system: System) -> None:
    gateway_of(system).note("E910", "a strategy failed")


async def acknowledged(system: System) -> None:
    """By a word beside the journal, as `puna ack` leaves it."""
    gateway = gateway_of(system)
    gateway.latch.see(Seen(id="one", alarms=tuple(gateway.blotter.alarms.standing), by="ann", reason="seen"))


CASES: dict[str, Case] = {
    "mute": Case(mute, {"market-data": UNFIT, "signals": UNFIT, "execution": UNFIT}, heal_exchange),
    "data stream down": Case(data_down, {"market-data": UNFIT, "signals": UNFIT, "execution": UNFIT}, heal_exchange),
    "trading stream down": Case(trading_down, {"execution": UNFIT}, heal_exchange),
    "broker down": Case(broker_down, {"execution": UNFIT}, heal_exchange),
    "bars lost": Case(bus_gap, {"signals": DEGRADED, "execution": DEGRADED}, nothing),
    "an alarm stands": Case(alarm, {"execution": DEGRADED}, acknowledged),
    "queue full": Case(queue_full, {"signals": DEGRADED, "execution": DEGRADED}, queue_free),
    "risk gone": Case(risk_gone, {"risk": UNFIT, "execution": UNFIT}, risk_back),
    "execution gone": Case(execution_gone, {"execution": UNFIT, "signals": UNFIT, "risk": UNFIT}, execution_back),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_each_fault_is_told_as_it_is_and_heals(bot: Callable[..., Path]) -> None:
    """One after the other, with the whole table each time; in the end a halt and a full disk, which nobody heals."""
    path = bot(services="mute_seconds = 1.5\nstale_seconds = 1.5\n[alerts]\ndown_seconds = 3600")
    async with running(path) as system:
        for name, case in CASES.items():
            await case.strike(system)
            try:
                await system.until(case.says)
                await case.heal(system)
                await system.until({}, later=True)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from None
        gateway = gateway_of(system)
        gateway.halt("a test says so")
        await system.until({"execution": UNFIT})
        assert gateway.state is TradingState.HALTED
        storage: Any = gateway.journal._storage
        storage._database.execute("PRAGMA max_page_count = 1")  # the disk is full
        gateway.note("E000", "x" * 100_000)
        await system.until({"execution": ("unhealthy", 503)})
