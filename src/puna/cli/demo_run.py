"""What `puna demo` does: an exchange in a thread, three strategies on it, the books compared, a report written.

The strategies trade over HTTP and WebSocket, through the same client, risk checks and journal as anywhere else. In
lockstep the day depends on the seed and on nothing else, however fast or slowly it is shown.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import click
from msgspec.structs import replace

from puna.alpaca.hosts import Credentials, Endpoints
from puna.cli.demo_strategies import Condor, Momentum
from puna.cli.demo_text import books_line, closing, document
from puna.cli.demo_view import View, choose
from puna.cli.output import print_json
from puna.cli.run_folder import fresh_folder, put
from puna.core.risk import RiskLimits
from puna.core.sessions import at
from puna.core.types import ZERO
from puna.engine.rebalance import Rebalance
from puna.engine.record import BookRow, Books, RunRecord
from puna.engine.strategy import Strategy
from puna.engine.trader import Trader, assemble
from puna.errors import BooksDifferError
from puna.exchange.data import SYMBOLS, tape
from puna.exchange.faults import Fault
from puna.exchange.orders.book import Honest
from puna.exchange.server import Books as Ledger
from puna.exchange.server import ExchangeConfig, ExchangeThread, Lockstep
from puna.exchange.venue import VenueOptions
from puna.research.report.run_report import Report, html, json, report
from puna.seams import DrivenClock, SystemClock, seeded_rng

__all__ = ["run_demo"]

WATCHABLE = 6.0
NANOS = 1_000_000_000
CASH = Decimal(100_000)
LIMITS = RiskLimits(max_position_percent=Decimal(25))
OUR_SHARE = Decimal("0.10")
DROP_AT, DROP_SECONDS = time(10, 31, 52), 20.0
TARGETS: Mapping[str, str] = {"IBM": "60%", "FB": "20%"}
CONFIG = """\
# puna demo --seed {seed} --day {day}
[account]
mode = "sim"

[sim]
seed = {seed}
day = {day}
cash = {cash}
# Of the shares that a quote shows, {share} are ours; the data stream is cut at {drop} for {seconds:g} s.

[[strategy]]
name = "momentum"
use = "puna.cli.demo_strategies:Momentum"
capital = "60%"

[[strategy]]
name = "condor"
use = "puna.cli.demo_strategies:Condor"
capital = "15%"

[[strategy]]
name = "rebalance"
use = "puna.engine.rebalance:Rebalance"
capital = "25%"
symbols = ["IBM", "FB"]
params = {{ targets = {{ IBM = "60%", FB = "20%" }}, at = "11:00", style = "twap", seconds = 3600, slices = 12 }}

[risk]
max_position = "{position}%"
"""


def run_demo(seed: int, day: date, folder: Path, seconds: float | None, *, as_json: bool) -> int:
    """Plays the day, writes journal, event log and report into `folder`, and says what came of it.

    Raises:
        BooksDifferError: our books are not the exchange's; the report is written and says so as well.
    """
    view = choose(f"{day:%A}, {day.day} {day:%B %Y}, seed {seed}", as_json=as_json)
    watched = sys.stderr.isatty() and not as_json
    with fresh_folder(folder) as filling:
        record = _play(seed, day, filling, view, WATCHABLE if seconds is None and watched else seconds or 0.0)
        record.run_id = folder.name
        made = report(record)
        put(filling / "report.json", json(made))
        put(filling / "report.html", html(made))
    _tell(made, folder, as_json=as_json)
    if record.books is None or not record.books.equal:
        raise BooksDifferError(
            "Our books and the exchange's ledger differ.",
            why=books_line(record),
            state="The run is over; journal, event log and report are written.",
            remedy=f"Please report it, with {folder}.",
        )
    return 0


def _play(seed: int, day: date, folder: Path, view: View, seconds: float) -> RunRecord:
    """The day, from the first connection to the comparison with the exchange's ledger."""
    strategies = _strategies(day)
    with ExitStack() as stack:
        server = stack.enter_context(ExchangeThread(_exchange(seed, day, folder)))
        stack.enter_context(view.open())
        record = asyncio.run(_trade(Endpoints.at(server.url), strategies, seed, folder, view, seconds))
        record.books = _compared(record, server.books())
        record.event_log_hash = server.event_log_hash()
    record.seed, record.day = seed, day.isoformat()
    record.config = CONFIG.format(
        seed=seed,
        day=day,
        cash=CASH,
        share=f"{OUR_SHARE:.0%}",
        drop=DROP_AT,
        seconds=DROP_SECONDS,
        position=LIMITS.max_position_percent,
    )
    return record


def _exchange(seed: int, day: date, folder: Path) -> ExchangeConfig:
    """Small shares of what quotes show, so that orders fill in parts; one stream that is cut in the morning."""
    return ExchangeConfig(
        seed=seed,
        day=day,
        cash=CASH,
        pacing=Lockstep(),
        venue=VenueOptions(fills=Honest(OUR_SHARE)),
        faults=(Fault(on="socket:data", action="drop_socket", at=at(day, DROP_AT), seconds=DROP_SECONDS),),
        log_path=folder / "exchange.jsonl",
    )


def _strategies(day: date) -> list[Strategy]:
    """All three, on those of their symbols that were listed that day."""
    listed = {symbol for symbol in SYMBOLS if day in tape(symbol).days}
    momentum, condor, rebalance = Momentum(), Condor(), Rebalance()
    momentum.name, momentum.capital = "momentum", Decimal("0.6")
    condor.name, condor.capital = "condor", Decimal("0.15")
    rebalance.name, rebalance.capital = "rebalance", Decimal("0.25")
    rebalance.symbols = tuple(TARGETS)
    rebalance.at, rebalance.style, rebalance.seconds, rebalance.slices = "11:00", "twap", 3600.0, 12
    team: list[Strategy] = [momentum, condor, rebalance]
    for each in team:
        each.symbols = [symbol for symbol in each.symbols if symbol in listed]
    rebalance.targets = {symbol: weight for symbol, weight in TARGETS.items() if symbol in listed}
    return [each for each in team if each.symbols]


async def _trade(
    endpoints: Endpoints, strategies: Sequence[Strategy], seed: int, folder: Path, view: View, seconds: float
) -> RunRecord:
    clock = _WatchedClock(seconds)
    trader = assemble(
        strategies,
        endpoints,
        Credentials.of("demo", "demo"),
        clock,
        journal=folder / "journal.sqlite",
        limits=LIMITS,
        rng=seeded_rng(f"demo {seed}"),
        rate_limit=0,
    )
    trader.say = view.hear
    clock.watch(trader, view)
    return await trader.run()


class _WatchedClock(DrivenClock):
    """Lets somebody look as market time moves on, and holds it back when it runs faster than one can see."""

    def __init__(self, seconds: float) -> None:
        super().__init__(0)
        self._wall = SystemClock()
        self._least = seconds
        self._trader: Trader | None = None
        self._view: View | None = None
        self._began: tuple[int, int] | None = None

    def watch(self, trader: Trader, view: View) -> None:
        """From now on `view` looks at `trader`."""
        self._trader, self._view = trader, view

    async def advance(self, to: int) -> None:
        await super().advance(to)
        if self._trader is None or self._view is None:
            return
        self._view.look(self._trader, self._wall.monotonic())
        await self._hold_back(self._trader.progress().end)

    async def _hold_back(self, end: int) -> None:
        """Waits until as much of the least time is over as of the day."""
        now, wall = self.now(), self._wall.monotonic()
        if not self._least or now >= end:
            return
        market_began, wall_began = self._began = self._began or (now, wall)
        due = self._least * NANOS * (now - market_began) / (end - market_began)
        if (ahead := due - (wall - wall_began)) > 0:
            await self._wall.sleep(ahead / NANOS)


def _compared(record: RunRecord, ledger: Ledger) -> Books:
    """Every figure of our books beside the one in the exchange's own ledger, and what the account said over REST."""
    ours = {row.symbol: row.qty for row in record.positions}
    theirs = {symbol: qty for symbol, (qty, _) in ledger.positions.items()}
    rows = [
        BookRow(item="cash", ours=record.cash, broker=ledger.cash),
        BookRow(item="fees", ours=record.fees, broker=ledger.fees),
        *(
            BookRow(item=symbol, ours=ours.get(symbol, ZERO), broker=theirs.get(symbol, ZERO))
            for symbol in sorted({*record.symbols, *ours, *theirs})
        ),
    ]
    asked = [replace(row, item=f"{row.item} (asked)") for row in (record.books.rows if record.books else ())]
    rows += [row for row in asked if not row.equal]
    return Books(equal=all(row.equal for row in rows), rows=rows)


def _tell(made: Report, folder: Path, *, as_json: bool) -> None:
    """The last screen, or one JSON document."""
    if as_json:
        print_json(document(made, folder))
        return
    for line in closing(made, folder):
        click.echo(line)
