"""`puna report`: one run written anew, several compared, nothing there, damaged files, exit codes, JSON, Parquet."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from puna.cli.report import report
from puna.core import sessions
from puna.engine.record import EquityPoint, FillRow, OrderRow, PricePoint, RunRecord, write_record
from puna.errors import DataError, PunaError
from puna.research.report.comparison import compare, comparison_html
from puna.research.report.run_report import json as written
from puna.research.report.run_report import report as made_of

DAYS = sessions.trading_days(date(2010, 1, 4), date(2010, 12, 31))


def record(name: str, seed: int = 1, drift: float = 0.001, **fields: Any) -> RunRecord:
    """A year of days with returns drawn from a seed, and one order."""
    worth = 100_000 * np.cumprod(1 + np.random.default_rng(seed).normal(drift, 0.01, len(DAYS)))
    equity = [EquityPoint(day.close, Decimal(f"{each:.2f}")) for day, each in zip(DAYS, worth.tolist(), strict=True)]
    own: dict[str, Any] = {"strategy": "one", "symbol": "AAPL", "side": "buy", "qty": Decimal("10.5")}
    known: dict[str, Any] = {
        "mode": "backtest",
        "run_id": name,
        "symbols": ["AAPL"],
        "strategies": ["one"],
        "started_ts": DAYS[0].open,
        "ended_ts": DAYS[-1].close,
        "start_equity": Decimal(100_000),
        "equity": equity,
        "equity_end": equity[-1].equity,
        "prices": {"AAPL": [PricePoint(day.close, 100.0) for day in DAYS]},
        "config": f"[sim]\nseed = {seed}\n",
        "fills": [FillRow(ts=DAYS[3].close, price=Decimal("100.01"), mid=100.0, cid="a", **own)],
        "orders": [
            OrderRow(
                client_order_id="a", type="market", tif="day", status="filled", ts_decision=DAYS[3].open,
                filled_qty=Decimal("10.5"), avg_price=Decimal("100.01"), because="it rose", **own,
            )
        ],
        "fill_model": "realistic",
    }  # fmt: skip
    return RunRecord(**(known | fields))


def test_a_comparison_tells_what_was_chosen_from_many() -> None:
    """A run that is the best of several is told to be, beside whatever luck explains."""
    made = compare([made_of(record("one")), made_of(record("two", seed=2, trials=12))])
    assert "two was chosen from 12 trials; the luck of that choice is not taken off." in made.verdict
    assert "one was chosen" not in made.verdict


@pytest.mark.parametrize("words", [["--trials", "0"], ["two", "--trials", "5"]])
def test_trials_are_of_one_run_and_at_least_one(words: list[str], folder: Path) -> None:
    """Anything else is a wrong use, and nothing is written."""
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "record.json").write_bytes(write_record(record(name)))
    assert CliRunner().invoke(report, ["one", *words]).exit_code == 2
    assert not (folder / "one" / "report.html").exists()


def test_a_folder_that_is_no_sweep_tells_no_trials(folder: Path) -> None:
    """E654, and nothing is written."""
    (folder / "one").mkdir()
    (folder / "one" / "record.json").write_bytes(write_record(record("one")))
    result = CliRunner().invoke(report, ["one", "--trials", "elsewhere"], standalone_mode=False)
    assert isinstance(result.exception, DataError)
    assert result.exception.code == "E654"
    assert not (folder / "one" / "report.html").exists()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stored(run: RunRecord, others: Sequence[RunRecord] = ()) -> Path:
    where = Path("runs") / run.run_id
    where.mkdir(parents=True, exist_ok=True)
    (where / "report.json").write_bytes(written(made_of(run, others)))
    return where


def ask(*words: str | Path) -> Result:
    return CliRunner().invoke(report, [str(word) for word in words])


def test_one_run_is_written_anew() -> None:
    """The page, the document and three tables beside it; the words on the screen are those of the page."""
    where = stored(record("one"))
    told = ask(where)
    assert told.exit_code == 0, told.output
    assert {path.name for path in where.iterdir()} == {
        "report.html", "report.json", "equity.parquet", "fills.parquet", "orders.parquet"
    }  # fmt: skip
    assert "One lost 862.62 USD" in told.stdout
    assert "distrust    One trade. Too few to tell skill from luck." in told.stdout
    before = (where / "report.json").read_bytes()
    assert ask(where / "report.json").exit_code == 0
    assert (where / "report.json").read_bytes() == before


def test_without_a_name_it_is_the_newest_run(folder: Path) -> None:
    """Of those in runs/; with --out nothing but that page is written."""
    stored(record("one"))
    told = ask("--json", "--out", "page.html")
    assert told.exit_code == 0, told.output
    body = json.loads(told.stdout)
    assert body["files"] == ["page.html"]
    assert body["metrics"]["sharpe_ratio"]["low"] < body["metrics"]["sharpe_ratio"]["value"]
    assert body["distrust"][0].keys() == {"short", "text"}
    assert (folder / "page.html").read_bytes().startswith(b"<!doctype html>")
    assert [path.name for path in Path("runs/one").iterdir()] == ["report.json"]


def test_the_record_of_a_service_is_enough() -> None:
    """record.json, which the services leave."""
    Path("session").mkdir()
    Path("session/record.json").write_bytes(write_record(record("session")))
    assert ask("session").exit_code == 0
    assert Path("session/report.html").exists()


def test_two_runs_are_compared() -> None:
    """One page beside them: figures side by side, what differs, the lines of the configuration that do, and luck."""
    told = ask(stored(record("slow", 1)), stored(record("fast", 2, 0.003)))
    assert told.exit_code == 0, told.output
    body = Path("runs/slow-against-fast.html").read_text()
    for words in ("slow", "fast", "seed = 1", "seed = 2", "Sharpe ratio", "a year against slow over 252 days"):
        assert words in body
    assert "runs/slow-against-fast.html" in told.stdout


def test_a_difference_is_held_against_luck() -> None:
    """The same days and a tenth of a percent more each day is more than luck; another draw of the same law is not."""
    first = record("first")
    better = replace(
        first,
        run_id="better",
        equity=[
            EquityPoint(each.ts, (each.equity * Decimal(str(1.001 ** (at + 1)))).quantize(Decimal("0.01")))
            for at, each in enumerate(first.equity)
        ],
    )
    sure = compare([made_of(first), made_of(better)])
    assert sure.differences[0].value == pytest.approx(0.252, abs=0.002)
    assert "more than luck explains" in sure.verdict
    same_law = compare([made_of(first), made_of(record("other", 5))])
    assert "it may as well be luck" in same_law.verdict
    equal = compare([made_of(first), made_of(first)])
    assert equal.verdict == "All came to the same."
    assert [each.name for each in equal.runs] == ["first", "first realistic"] or equal.runs[0].name != equal.runs[
        1
    ].name
    assert comparison_html(equal).count(b"<script") == 0


def test_a_comparison_as_json() -> None:
    """What differs, with a value for each run."""
    told = ask(stored(record("a")), stored(replace(record("b", 2), seed=9)), "--json", "--out", "both.html")
    body = json.loads(told.stdout)
    assert body["differs"]["Seed"] == ["", "9"]
    assert [each["name"] for each in body["runs"]] == ["a", "b"]
    assert body["files"] == ["both.html"]


def test_tables_hold_what_the_record_holds() -> None:
    """Typed, exact, with the fill model as a column; the other models of a backtest are in them too."""
    main, other = record("bt"), replace(record("bt", 2), fill_model="pessimistic")
    where = stored(main, [other])
    (where / "pessimistic").mkdir()
    (where / "pessimistic" / "report.json").write_bytes(written(made_of(other)))
    assert ask(where).exit_code == 0
    fills = pl.read_parquet(where / "fills.parquet")
    assert fills["fill_model"].to_list() == ["realistic", "pessimistic"]
    assert fills["qty"].to_list() == [Decimal("10.5")] * 2
    assert fills["price"][0] == Decimal("100.01")
    assert fills.schema["time"] == pl.Datetime("ns", "UTC")
    equity = pl.read_parquet(where / "equity.parquet")
    assert len(equity) == 2 * len(DAYS)
    assert equity["equity"][0] == main.equity[0].equity
    assert equity["exposure"].to_list()[2:5] == pytest.approx([0, 1050, 1050], abs=0.2)
    orders = pl.read_parquet(where / "orders.parquet")
    assert orders["because"].to_list() == ["it rose"] * 2
    body = json.loads((where / "report.json").read_text())
    assert [each["name"] for each in body["variants"]] == ["realistic", "pessimistic"]


def test_a_run_without_trades_is_a_report() -> None:
    """Empty tables have their columns, and nothing fails."""
    where = stored(RunRecord(mode="sim", run_id="idle"))
    assert ask(where).exit_code == 0
    assert pl.read_parquet(where / "orders.parquet").columns[:3] == ["fill_model", "decided", "ended"]
    assert ask(where, stored(record("one"))).exit_code == 0


def test_what_is_not_there_and_what_is_damaged() -> None:
    """E041 with exit 4 for no run, for a run that has not ended and for no folder; E654 with exit 1 for other bytes."""
    missing = ask()
    assert isinstance(missing.exception, PunaError)
    assert (missing.exception.code, missing.exception.exit_code) == ("E041", 4)
    Path("runs/going").mkdir(parents=True)
    Path("runs/going/journal.sqlite").touch()
    going = ask("runs/going")
    assert isinstance(going.exception, PunaError)
    assert "a run writes it when it ends" in going.exception.why
    assert isinstance(ask("nowhere").exception, PunaError)
    Path("runs/sweep").mkdir()
    Path("runs/sweep/sweep.html").touch()
    swept = ask("runs/sweep").exception
    assert isinstance(swept, PunaError)
    assert "its report is runs/sweep/sweep.html" in swept.why
    for body in (b"", b"{}", b"\xff\xfe", b'{"record": {"mode": 3}}'):
        Path("runs/going/report.json").write_bytes(body)
        damaged = ask("runs/going")
        assert isinstance(damaged.exception, DataError)
        assert (damaged.exception.code, damaged.exception.exit_code) == ("E654", 1)
    assert [path.name for path in Path("runs/going").iterdir() if path.suffix == ".html"] == []
