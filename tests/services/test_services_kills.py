"""kill -9 of the services in a running day: no lost fill, no doubled order, books equal to the exchange's ledger."""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import quantiles

import msgspec
import pytest

from puna.engine.blotter import Blotter
from puna.engine.journal import open_journal
from puna.engine.record import RunRecord
from puna.seams import SystemClock
from puna.services.supervisor import ORDER, Supervisor

HEALED_SECONDS = 60.0
Starting = Callable[..., AbstractAsyncContextManager[Supervisor]]


def victims(rng: Random) -> tuple[str, ...]:
    """One at random, most of the time; sometimes two, sometimes all."""
    dice = rng.random()
    if dice < 0.6:
        return (rng.choice(ORDER),)
    return tuple(rng.sample(ORDER, 2)) if dice < 0.9 else ORDER


async def strike(system: Supervisor, names: tuple[str, ...]) -> float:
    """Kills, and gives the seconds until all four are ready again."""
    before = {name: system.children[name].pid for name in names}
    system.kill(*names)
    began = time.monotonic()
    async with asyncio.timeout(HEALED_SECONDS):
        while True:
            new = all(system.children[name].pid not in (None, before[name]) for name in names)
            if new and all([(await system.ask(name, "/ready"))[0] == 200 for name in ORDER]):
                return time.monotonic() - began
            await asyncio.sleep(0.02)


def fills(folder: Path) -> int:
    """How many fills the exchange has logged so far."""
    log = folder / "logs" / "exchange.jsonl"
    return log.read_text().count('"kind":"fill"') if log.exists() else 0


async def traded(folder: Path, more_than: int) -> None:
    """Waits until the exchange has logged more fills than that."""
    async with asyncio.timeout(HEALED_SECONDS):
        while fills(folder) <= more_than:  # noqa: ASYNC110 - another process writes them
            await asyncio.sleep(0.05)


async def rehearse(running: Starting, path: Path, kills: int, seed: int, speed: float) -> list[float]:
    """A day with so many deaths; the times to all ready again."""
    rng, times = Random(seed), list[float]()
    async with running(path, speed=speed, deaths=10**6) as system:
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(0.1, 1.0))
            names = victims(rng)
            times.append(await strike(system, names))
        await asyncio.sleep(1.0)
        assert not any(child.given_up for child in system.children.values())
    assert system.ended is not None
    Path(path.parent / "ended.json").write_text(json.dumps(system.ended))
    return times


def verdict(folder: Path) -> list[str]:
    """What is wrong after a rehearsal, by the exchange's log and ledger against execution's journal."""
    ended = json.loads((folder / "ended.json").read_text())
    lines = [json.loads(line) for line in (folder / "logs" / "exchange.jsonl").read_text().splitlines()]
    wrong = list[str]()
    owners = dict[str, str]()
    filled = defaultdict[str, Decimal](Decimal)
    lives = defaultdict[str, set[str]](set)
    for line in lines:
        body = line["body"]
        if line["kind"] == "update":
            order = body["order"]
            owners[order["id"]] = order["client_order_id"]
            lives[order["client_order_id"]].add(order["id"])
        elif line["kind"] == "fill":
            filled[owners.get(body["order"], body["order"])] += abs(Decimal(body["qty"]))
    wrong += [f"{key} lives {len(ids)} times" for key, ids in lives.items() if len(ids) > 1]
    journal, blotter = open_journal(folder / "services" / "journal.sqlite", SystemClock()), Blotter()
    for seq, entry in journal.read():
        blotter.apply(seq, entry)
    journal.close()
    booked = defaultdict[str, Decimal](Decimal)
    for each in blotter.booked:
        booked[each.fill.client_order_id] += each.fill.qty
    for key in filled.keys() | booked.keys():
        if filled[key] != booked[key]:
            wrong.append(f"{key}: the exchange filled {filled[key]}, we booked {booked[key]}")
    if Decimal(str(ended["cash"])) != blotter.portfolio.cash:
        wrong.append(f"cash: ours {blotter.portfolio.cash}, theirs {ended['cash']}")
    theirs = {row["symbol"]: Decimal(row["qty"]) for row in ended["positions"]}
    ours = {symbol: held.qty for symbol, held in blotter.portfolio.positions.items() if held.qty}
    if theirs != ours:
        wrong.append(f"positions: ours {ours}, theirs {theirs}")
    record = msgspec.json.decode((folder / "services" / "record.json").read_bytes(), type=RunRecord)
    if record.books is None or not record.books.equal:
        wrong.append(f"the last comparison: {record.books}")
    if not filled:
        wrong.append("nothing was traded, so nothing was tried")
    return wrong


@pytest.mark.timeout(200)
async def test_a_few_deaths_lose_nothing(bot: Callable[..., Path], system: Starting, tmp_path: Path) -> None:
    """Each of execution, market-data and a pair dies once: fills, orders and books agree with the exchange."""
    times = list[float]()
    async with system(bot(), speed=240.0, deaths=100) as running:
        for names in (("execution",), ("market-data", "signals")):
            await traded(tmp_path, more_than=fills(tmp_path))
            times.append(await strike(running, names))
        await traded(tmp_path, more_than=fills(tmp_path))
    Path(tmp_path / "ended.json").write_text(json.dumps(running.ended))
    assert verdict(tmp_path) == []
    assert len(times) == 2


@pytest.mark.campaign
@pytest.mark.timeout(1200)
async def test_a_hundred_deaths_lose_nothing(
    bot: Callable[..., Path], system: Starting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """100 kill -9 of each, of random pairs and of all, in one running day; the time to all ready again is told."""
    times = await rehearse(system, bot(), kills=100, seed=7, speed=40.0)
    with capsys.disabled():
        cuts = quantiles(times, n=100)
        sys.stderr.write(
            f"\n100 deaths: ready again after p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, at most {max(times):.2f} s\n"
        )
    assert verdict(tmp_path) == []
