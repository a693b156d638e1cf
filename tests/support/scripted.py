"""One life of a trading process in a trial: the engine as it is, a scripted strategy, and a probe that kills it.

The process is real: its own sockets, its own journal file, SIGKILL from within at the nth pass of a named point. Points
are the engine's own, those of the HTTP client's trace hooks, and two around each commit of the journal.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
from script import SCRIPTS, Scripted
from trial import Kill, Life
from verdict import Final

from puna import seams
from puna.alpaca.hosts import Credentials, Endpoints
from puna.core import sessions
from puna.core.risk import RiskLimits
from puna.engine.journal import Journal
from puna.engine.outbound import Timing
from puna.engine.storage import SqliteStorage
from puna.engine.trader import assemble
from puna.exchange.options import DEFAULT_DAY
from puna.seams import DrivenClock, Probe, Record, seeded_rng

__all__ = ["live"]

DEADLINE = 0.25
STALLED = 0.25
MINUTE = 60_000_000_000
PLENTY = Decimal(10_000_000)
LIMITS = RiskLimits(
    max_order_value=PLENTY,
    max_order_percent=PLENTY,
    max_position_value=PLENTY,
    max_position_percent=PLENTY,
    max_gross_value=PLENTY,
    max_gross_percent=PLENTY,
    max_net_value=PLENTY,
    max_net_percent=PLENTY,
    max_open_value=PLENTY,
    max_open_percent=PLENTY,
)


class Trap:
    """A probe that counts, and ends the process at the nth pass of its point."""

    def __init__(self, kill: Kill | None) -> None:
        self.passed: Counter[str] = Counter()
        self._kill = kill

    def __call__(self, point: str) -> None:
        self.passed[point] += 1
        if self._kill is not None and point == self._kill.point and self.passed[point] == self._kill.nth:
            os.kill(os.getpid(), signal.SIGKILL)


class ProbedStorage(SqliteStorage):
    """The journal's storage with a point before and after each commit, in the thread that writes."""

    probe: Probe

    def append(self, records: Sequence[Record]) -> int:
        self.probe("commit-begin")
        last = super().append(records)
        self.probe("commit-end")
        return last


def live(life: Life) -> None:
    """A trading process from its start to its end, or to its death."""
    seams.STALLED_SECONDS = STALLED  # where market time waits for us and we for it, nobody has to wait for long
    asyncio.run(_live(life))


async def _live(life: Life) -> None:
    trap = Trap(life.kill)
    folder = Path(life.folder)
    day = sessions.day(DEFAULT_DAY)
    assert day is not None
    storage = ProbedStorage(folder / "journal.sqlite", max_pages=life.pages or None)
    storage.probe = trap
    clock = DrivenClock(day.open - MINUTE)
    steps = SCRIPTS[life.script]
    strategies = [
        Scripted([step for step in steps if step.sleeve == name], day.open, folder, life.number)
        for name in dict.fromkeys(step.sleeve for step in steps)
    ]
    trader = assemble(
        strategies,
        Endpoints.at(life.url),
        Credentials.of("key", "secret"),
        clock,
        journal=Journal(storage, clock),
        limits=LIMITS,
        rng=seeded_rng(life.number),
        probe=trap,
        until=day.open + life.minutes * MINUTE,
        deadline=DEADLINE,
        rate_limit=0,
        timing=Timing(settle=life.settle, resting=30.0),
    )
    for strategy in strategies:
        strategy.books = lambda: trader.gateway.blotter
    try:
        record = await trader.run()
    finally:
        (folder / "points").write_bytes(msgspec.json.encode(dict(trap.passed)))
    final = Final(
        cash=record.cash,
        positions={each.symbol: each.qty for each in record.positions},
        state=record.state,
        digest=trader.gateway.blotter.digest(),
    )
    (folder / "final").write_bytes(msgspec.json.encode(final))
