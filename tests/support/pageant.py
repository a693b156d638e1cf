"""A trading process and the exchange through scenes of the fault catalogue, in one process, and what both say after it.

The process is whole: gateway, client, streams, journal on disk; the exchange is the real one on loopback, in lockstep.
They are compared as after a crash: the exchange's log, orders and ledger on one side, the journal's file on the other.
"""

from dataclasses import dataclass
from pathlib import Path

from bourse import ALL, CASH, SYMBOLS, Closed
from scenes import OPEN, SCENES, staged
from script import LIFE, Scripted
from scripted import LIMITS
from verdict import Final, Source, agreement, event_log, journal_entries

from puna.alpaca.hosts import Credentials, Endpoints
from puna.engine.outbound import Timing
from puna.engine.record import RunRecord
from puna.engine.trader import assemble
from puna.exchange.server import ExchangeServer, ExchangeThread
from puna.seams import DrivenClock, seeded_rng

__all__ = ["Played", "play"]

MINUTE = 60_000_000_000


@dataclass(frozen=True)
class Played:
    """How it went.

    Args:
        wrong: where the two sides differ; empty when they agree.
        struck: how many faults have struck.
        fills: how many executions the exchange's log holds.
        outcome: of the run: completed or halted.
        orders: how many orders the exchange has had.
    """

    wrong: list[str]
    struck: int
    fills: int
    outcome: str
    orders: int


async def play(folder: Path, *names: str, seed: int = 7) -> Played:
    """Lets a strategy trade through these scenes."""
    log, journal = folder / "log", folder / "journal.sqlite"
    minutes = max(SCENES[name].minutes for name in names)
    config = staged(*names, seed=seed, symbols=SYMBOLS, cash=CASH, log_path=log, lead_seconds=5)
    with ExchangeThread(config) as thread:
        record, digest = await _trade(thread.url, folder, journal, seed, minutes)
        closed, struck = thread.call(_closed)
    source = Source(
        log=event_log(log),
        closed=closed,
        entries=journal_entries(journal),
        told=[],
        final=Final(
            cash=record.cash,
            positions={each.symbol: each.qty for each in record.positions},
            state=record.state,
            digest=digest,
        ),
    )
    wrong = agreement(source)
    if record.books is None or not record.books.equal:
        wrong.append(f"the last reconciliation says {record.books}")
    if record.outcome != "completed" and not any(SCENES[name].halted for name in names):
        wrong.append(f"the run ended {record.outcome}: {[note.text for note in record.notes]}")
    fills = sum(line["kind"] == "fill" for line in source.log)
    return Played(wrong, struck, fills, record.outcome, len(closed.orders))


async def _trade(url: str, folder: Path, journal: Path, seed: int, minutes: int) -> tuple[RunRecord, str]:
    strategy = Scripted(LIFE, OPEN, folder, 0)
    trader = assemble(
        [strategy],
        Endpoints.at(url),
        Credentials.of("key", "secret"),
        DrivenClock(OPEN - MINUTE),
        journal=journal,
        limits=LIMITS,
        rng=seeded_rng(seed),
        until=OPEN + minutes * MINUTE,
        deadline=0.25,
        rate_limit=0,
        timing=Timing(settle=0.5, resting=30.0),
    )
    strategy.books = lambda: trader.gateway.blotter
    record = await trader.run()
    return record, trader.gateway.blotter.digest()


def _closed(server: ExchangeServer) -> tuple[Closed, int]:
    books = server.books()
    closed = Closed(
        now=server.progress().now,
        orders=server.venue.orders(status="all", limit=ALL, direction="asc"),
        cash=books.cash,
        positions={symbol: qty for symbol, (qty, _) in books.positions.items()},
        struck=[],
    )
    return closed, len(server.struck)
