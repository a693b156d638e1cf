"""`puna demo`, played for real: what it promises to show is there, in the folder, on the screen and in the report."""

import os
import signal
import subprocess
import sys
from datetime import date
from decimal import Decimal
from functools import partial
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.console import Console

from puna.cli import demo_run
from puna.cli.demo import demo
from puna.cli.demo_text import books_line, closing
from puna.cli.demo_view import Lines, Nothing, Screen, choose
from puna.config import load
from puna.engine.journal import open_journal
from puna.engine.record import RunRecord
from puna.errors import BooksDifferError
from puna.exchange.server import Books as Ledger
from puna.exchange.server import ExchangeThread
from puna.research.report.quality import of
from puna.research.report.run_report import report
from puna.research.statistics import metrics
from puna.seams import SystemClock

HALF_DAY = date(2012, 7, 3)


class Played(NamedTuple):
    """A demo that was run: its folder, its screen, its record."""

    folder: Path
    screen: str
    record: RunRecord


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The demo's half day, watched on a terminal of 90 columns."""
    folder = tmp_path_factory.mktemp("demo")
    screen = StringIO()
    view = Screen("title", Console(file=screen, force_terminal=True, width=90, color_system=None))
    record = demo_run._play(7, HALF_DAY, folder, view, 0.0)
    return Played(folder, screen.getvalue(), record)


def test_tens_of_orders_of_every_kind(played: Played) -> None:
    """Limit and market orders, single and in packages; some canceled, some filled in parts, one refused."""
    orders = played.record.orders
    assert len(orders) > 25
    assert {order.type for order in orders} >= {"limit", "market"}
    assert {order.status for order in orders} >= {"filled", "canceled", "refused"}
    steps = [fill.cid for fill in played.record.fills]
    assert any(steps.count(cid) > 1 for cid in steps)


def test_the_condor_is_one_order_of_four_legs(played: Played) -> None:
    """Opened after a margin check and closed before the end, each time as one package that fills as a whole."""
    heads = [order for order in played.record.orders if order.legs and order.filled_qty]
    assert len(heads) == 2
    assert all(len(order.legs) == 4 for order in heads)
    opened, back = heads
    assert opened.avg_price is not None
    assert opened.avg_price < 0 < (back.avg_price or 0)
    assert "at risk" in opened.because
    legs = [order for order in played.record.orders if order.leg_of == opened.client_order_id]
    assert {order.filled_qty for order in legs} == {opened.filled_qty}
    assert not any(row.symbol.startswith("AAPL1") for row in played.record.positions)


def test_the_rebalance_is_worked_by_twap(played: Played) -> None:
    """Every parent is done in slices and says what it cost against arrival."""
    parents = [row for row in played.record.parents if row.strategy == "rebalance"]
    assert {row.symbol for row in parents} == {"IBM", "FB"}
    for row in parents:
        assert row.style == "TWAP, 12 slices"
        assert (row.reason, row.filled) == ("filled", row.qty)
        assert len(row.children) >= 12
        assert of(row, played.record.fills).shortfall is not None


def test_risk_refuses_an_order_and_says_why(played: Played) -> None:
    """The position cap, as code and in words; the exchange never heard of the order."""
    refused = [order for order in played.record.orders if metrics.is_refused(order)]
    assert refused
    assert refused[0].refusal_code == "R104"
    assert "position" in (refused[0].refusal_text or "")
    assert f'"{refused[0].client_order_id}"' not in (played.folder / "exchange.jsonl").read_text()


def test_a_stream_drop_costs_nothing(played: Played) -> None:
    """The data stream goes and comes back, the missed minute is fetched, every symbol has every minute's price."""
    (drop,) = played.record.drops
    assert (drop.stream, drop.fills_lost) == ("data", 0)
    assert drop.bars >= len(played.record.symbols)
    assert {len(points) for points in played.record.prices.values()} == {210}


def test_the_books_are_the_exchanges_to_the_cent(played: Played) -> None:
    """Cash, fees and every symbol, against the ledger itself; only the rebalance holds something overnight."""
    books = played.record.books
    assert books is not None
    assert books.equal
    assert {row.item for row in books.rows} == {"cash", "fees", *played.record.symbols}
    assert {row.symbol for row in played.record.positions} == {"IBM", "FB"}


def test_the_hash_is_that_of_the_event_log_file(played: Played) -> None:
    """Anybody can check it with sha256sum."""
    assert sha256((played.folder / "exchange.jsonl").read_bytes()).hexdigest() == played.record.event_log_hash


def test_the_journal_can_be_read_again(played: Played) -> None:
    """Its chain holds, and it holds a record of every order."""
    journal = open_journal(played.folder / "journal.sqlite", SystemClock())
    try:
        assert journal.head == played.record.journal_hash
        assert sum(1 for _ in journal.read()) > len(played.record.orders)
    finally:
        journal.close()


def test_the_screen_shows_the_day(played: Played) -> None:
    """Mode, title, time, equity, streams and the last orders."""
    for words in ("SIM", "title", "NY", "USD", "both streams up", "holds", "BUY", "stream lost and back"):
        assert words in played.screen


def test_the_config_in_the_report_is_the_one_that_ran(played: Played, tmp_path: Path) -> None:
    """It is a valid configuration, with the limit that refused."""
    file = tmp_path / "demo.toml"
    file.write_text(played.record.config)
    config = load(file, environ={})
    assert config.risk.max_position_percent == demo_run.LIMITS.max_position_percent
    assert (config.sim.seed, config.sim.day, config.sim.cash) == (7, HALF_DAY, demo_run.CASH)
    assert [each.name for each in config.strategy] == played.record.strategies


def test_the_last_screen_holds_everything_that_was_promised(played: Played) -> None:
    """Table, refusal, drop, books, hash, report, next step; no line wider than a terminal may be."""
    lines = list(closing(report(played.record), Path("runs/demo-7")))
    text = "\n".join(lines)
    for words in (
        "momentum",
        "condor",
        "rebalance",
        "R104",
        "data stream",
        "to the cent",
        "sha256",
        "runs/demo-7/report.html",
        "next",
    ):
        assert words in text
    assert max(map(len, lines)) <= 100


def test_books_that_differ_fail_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cent too much in the exchange's ledger: exit code 1, the difference named, the report written all the same."""
    honest = ExchangeThread.books

    def a_cent_more(self: ExchangeThread) -> Ledger:
        books = honest(self)
        return Ledger(books.cash + Decimal("0.01"), books.positions, books.fees)

    monkeypatch.setattr(ExchangeThread, "books", a_cent_more)
    with pytest.raises(BooksDifferError) as caught:
        demo_run.run_demo(7, HALF_DAY, tmp_path / "run", 0.0, as_json=True)
    assert caught.value.exit_code == 1
    assert "cash: ours" in caught.value.why
    assert "do not trust this run" in (tmp_path / "run" / "report.html").read_text()


def test_a_position_that_only_one_side_has_is_named(played: Played) -> None:
    """In either direction."""
    cash, fees = played.record.cash, played.record.fees
    theirs = {row.symbol: (row.qty, row.cost) for row in played.record.positions}
    books = demo_run._compared(played.record, Ledger(cash, theirs | {"MSFT": (Decimal(3), Decimal(100))}, fees))
    assert books_line(replace(played.record, books=books)) == "MSFT: ours 0, the exchange's 3"


def test_interrupting_leaves_a_readable_journal(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the day: exit code 130, and what was done stands in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "demo", "--seconds", "300", "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads in the child yet
    )
    assert process.stderr is not None
    assert "the books begin" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.strip().endswith("interrupted")
    journal = open_journal(tmp_path / "run" / "journal.sqlite", SystemClock())
    assert list(journal.read())
    journal.close()


def test_a_day_without_prices_is_one_clear_error(tmp_path: Path) -> None:
    """A Saturday: nothing is started, and no folder is left behind."""
    result = CliRunner().invoke(demo, ["--day", "2013-01-26", "--out", str(tmp_path / "run")])
    assert "2013-01-26" in str(result.exception)


def test_who_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """--json: nobody; a pipe or NO_COLOR: lines."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert isinstance(choose("t", as_json=True), Nothing)
    assert isinstance(choose("t", as_json=False), Lines)
