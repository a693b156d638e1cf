"""The four processes over real sockets: they trade, they survive each other's deaths, and their books stay equal."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from puna.engine.record import RunRecord
from puna.services.metrics import PREFIX, catalogue_of
from puna.services.supervisor import ORDER, Supervisor

PATIENCE = 90.0
"""Wall seconds after which a test gives up; nothing is asserted about how long anything takes."""


async def number(system: Supervisor, component: str, name: str) -> float:
    """A metric of a component, out of /metrics."""
    _, text = await system.ask(component, "/metrics")
    starts = (f"{PREFIX}{name} ", f"{PREFIX}{name}_total ")
    found = [line.split()[-1] for line in str(text).splitlines() if line.startswith(starts)]
    return float(found[0]) if found else 0.0


async def reached(question: Callable[[], Any]) -> None:
    """Asks until the answer is true."""
    async with asyncio.timeout(PATIENCE):
        while not await question():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.1)


def books_of(system: Supervisor, folder: Path) -> tuple[dict[str, Any], RunRecord]:
    """The exchange's last word, and execution's record."""
    assert system.ended is not None, "the exchange said nothing at its end"
    return system.ended, msgspec.json.decode((folder / "services" / "record.json").read_bytes(), type=RunRecord)


def journal_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


@pytest.mark.timeout(400)
async def test_four_processes_trade_and_survive_a_death(
    bot: Callable[..., Path], system: Callable[..., Any], tmp_path: Path
) -> None:
    """Ready, trading, true health; execution is killed, the others say so, it comes back and the books are equal."""
    async with system(bot()) as running:
        for name in ORDER:
            await reached(partial(_healthy, running, name))
            status, body = await running.ask(name, "/health")
            assert (status, body["component"]) == (200, name)
            assert body["metrics"]["uptime_seconds"] > 0
            assert await running.ask(name, "/live") == (200, "alive")
            _, text = await running.ask(name, "/metrics")
            for metric in catalogue_of(name):
                assert f"# TYPE {PREFIX}{metric.name}" in text, (name, metric.name)
        await reached(lambda: _at_least(running, "fills", 3))
        pid = running.children["execution"].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # first it hangs, and the others notice
        for name in ("risk", "signals"):
            await reached(partial(_message, running, name, "execution does not answer"))
            assert (await running.ask(name, "/ready"))[0] == 503
        os.kill(pid, signal.SIGKILL)
        await reached(lambda: _ready_again(running))
        assert running.children["execution"].pid != pid
        assert running.children["signals"].restarts == 0
        fills = await number(running, "execution", "fills")
        await reached(lambda: _at_least(running, "fills", int(fills) + 1))
    ended, record = books_of(running, tmp_path)
    assert record.books is not None
    assert record.books.equal, record.books
    assert Decimal(str(ended["cash"])) == record.cash
    assert {row["symbol"]: Decimal(row["qty"]) for row in ended["positions"]} == {
        row.symbol: row.qty for row in record.positions if row.qty
    }
    ids = [order.client_order_id for order in record.orders]
    assert len(ids) == len(set(ids))


async def _at_least(system: Supervisor, name: str, least: int) -> bool:
    return await number(system, "execution", name) >= least


async def _healthy(system: Supervisor, name: str) -> bool:
    _, body = await system.ask(name, "/health")
    return bool(body) and body["status"] == "healthy"


async def _message(system: Supervisor, name: str, text: str) -> bool:
    return text in str((await system.ask(name, "/health"))[1])


async def _ready_again(system: Supervisor) -> bool:
    return all([(await system.ask(name, "/ready"))[0] == 200 for name in ORDER])


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_without_the_risk_process_only_reductions_leave(
    bot: Callable[..., Path], system: Callable[..., Any], tmp_path: Path
) -> None:
    """Risk is stopped by SIGSTOP: execution says within seconds that it is silent, and refuses what adds risk."""
    async with system(bot()) as running:
        pid = running.children["risk"].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await reached(lambda: _message(running, "execution", "the risk process is silent"))
            assert (await running.ask("execution", "/ready"))[0] == 503
        finally:
            os.kill(pid, signal.SIGCONT)
        await reached(lambda: _ready_again(running))
