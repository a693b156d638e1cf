"""`puna sweep`: a real strategy on real prices, judged, written, resumed after Ctrl-C; bad input told at once."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from puna.cli.backtest import backtest
from puna.cli.report import report
from puna.cli.sweep import sweep
from puna.cli.sweep_keys import axes_of, targets, team_of
from puna.core.sessions import trading_days
from puna.engine.storage import records
from puna.errors import PunaError
from puna.research.sweep.axes import read_axes

STRATEGY = '''"""Strategies for a sweep: one that crosses, one that tosses coins, one that fails."""

import time
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from puna import Strategy


class Crossing(Strategy):
    timeframe = "1Day"
    fast = 3
    slow = 10
    weight = 0.1
    share = Decimal("0.1")
    style = "plain"
    careful = True
    names = ("a", "b")
    anything = None

    def on_start(self):
        self.closes = []

    def on_bar(self, bar):
        if self.slow == 13:
            raise ValueError("unlucky")
        while self.slow == 90 and not Path("go").exists():
            time.sleep(0.01)
        self.closes.append(float(bar.close))
        if len(self.closes) >= self.slow:
            fast, slow = (sum(self.closes[-n:]) / n for n in (self.fast, self.slow))
            self.target(bar.symbol, self.weight if fast > slow else 0, because="a cross")


class Coins(Strategy):
    timeframe = "1Day"
    coin = 1

    def on_bar(self, bar):
        heads = sha256(f"{self.coin} {bar.ts_event}".encode()).digest()[0] % 2
        self.target(bar.symbol, 0.1 if heads else -0.1, because="a coin")
'''
CONFIG = """
[[strategy]]
name = "crossing"
use = "own.py:Crossing"
symbols = ["IBM"]
params = { weight = 0.08 }
"""
DAYS = len(trading_days(date(2006, 1, 1), date(2006, 4, 30)))
SPAN = ("--from", "2006-01-01", "--to", "2006-04-30")

pytestmark = pytest.mark.timeout(180)  # processes take their time to start on a busy machine


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(STRATEGY)
    (tmp_path / "bot.toml").write_text(CONFIG)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(sweep, words, standalone_mode=False)


def swept(*words: str) -> dict[str, Any]:
    result = run("bot.toml", *words, *SPAN, "--json", "--jobs", "1")
    assert result.return_value == 0, result.exception
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def refused(*words: str) -> PunaError:
    result = run(*words)
    assert isinstance(result.exception, PunaError), result.exception or result.output
    return result.exception


def cells(document: dict[str, Any]) -> list[Any]:
    """What must be the same however it was run."""
    return [[row["number"], row["values"], row["metrics"], row["deflated"]] for row in document["rows"]]


def test_a_grid_is_run_judged_and_written(folder: Path) -> None:
    """The number of cells beforehand, a table, a map, the verdict with both probabilities; page, JSON and Parquet."""
    result = run("bot.toml", "fast=2,4", "slow=8..12:2", *SPAN, "--walk-forward", "2", "--jobs", "2", "--out", "here")
    assert result.return_value == 0, result.exception
    said = result.stdout
    assert "6 cells (fast 2 x slow 3), grid, two processes" in said
    for words in (
        "deflated",
        "overfitting            probability",
        "neighbours",
        "walk-forward",
        "slow",
        "[",
        "6 cells run",
    ):
        assert words in said
    document = json.loads((folder / "here" / "sweep.json").read_text())
    assert document["verdict"] in " ".join(said.split())
    assert "puna sweep bot.toml fast=2,4 slow=8..12:2 --from 2006-01-01" in document["command"]
    assert document["rows"][0]["metrics"]["trades"] > 0
    assert document["headline"] in (folder / "here" / "sweep.html").read_text()
    table = pl.read_parquet(folder / "here" / "cells.parquet")
    assert table["fast"].to_list() == [2, 2, 2, 4, 4, 4]
    assert table["sharpe"].to_list() == [row["metrics"]["sharpe"] for row in document["rows"]]
    assert all(len(each) == DAYS for each in table["returns"])
    assert document["best"]["deflated"] is not None
    assert document["overfit"]["probability"] is not None
    assert document["forward"]["fresh"]
    assert [each["failure"] for each in document["forward"]["stretches"]] == ["", ""]
    assert "6 cells run, two tests of walk-forward, 0 were there" in said


def test_a_backtest_of_what_was_swept_tells_its_trials(folder: Path) -> None:
    """The deflated Sharpe ratio of the sweep's best cell, run alone, is the one in its report; a number works too."""
    document = swept("fast=2,4", "slow=8..12:2", "--out", "runs/one")
    best = document["best"]["cell"]["values"]
    params = ", ".join(f"{key} = {value}" for key, value in best.items())
    (folder / "bot.toml").write_text(CONFIG.replace("weight = 0.08", f"weight = 0.08, {params}"))
    alone = CliRunner().invoke(backtest, ["bot.toml", *SPAN, "--fills", "realistic", "--out", "runs/best"])
    assert "It was chosen from 6 trials, worth" in " ".join(alone.stdout.split())
    assert "(one)" in alone.stdout
    assert deflated(folder / "runs" / "best") == pytest.approx(document["best"]["deflated"], abs=1e-3)
    told = CliRunner().invoke(report, ["runs/best", "--trials", "500"])
    assert "Chosen from 500 trials." in told.stdout
    assert (deflated(folder / "runs" / "best") or 1) < (document["best"]["deflated"] or 0)
    assert CliRunner().invoke(report, ["runs/best", "--trials", "1"]).exit_code == 0
    assert deflated(folder / "runs" / "best") is None
    again = CliRunner().invoke(report, ["runs/best", "--trials", "runs/one"])
    assert "6 trials, worth" in " ".join(again.stdout.split())
    assert deflated(folder / "runs" / "best") == pytest.approx(document["best"]["deflated"], abs=1e-3)


def deflated(run: Path) -> float | None:
    metrics = json.loads((run / "report.json").read_text())["metrics"]
    return next((each["value"] for each in metrics if each["name"] == "deflated_sharpe_ratio"), None)


def test_a_folder_is_resumed_and_never_mixed(folder: Path) -> None:
    """The same again finds every cell; another judging changes no cell; a changed program is refused."""
    document = swept("fast=2,3", "--out", "here")
    again = run("--resume", "here", "--json", "--by", "return")
    assert again.return_value == 0, again.exception
    assert cells(json.loads(again.stdout)) == cells(document)
    assert json.loads(again.stdout)["by"] == "return"
    assert refused("bot.toml", "fast=2,3", "--out", "here").code == "E034"
    (folder / "own.py").write_text(STRATEGY.replace("> slow else", "< slow else"))
    changed = refused("--resume", "here")
    assert (changed.code, changed.exit_code) == ("E685", 3)
    assert "code" in changed.why


def test_a_module_beside_the_strategy_is_part_of_its_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it imports decides what it does: a sweep does not go on when that has changed."""
    monkeypatch.syspath_prepend(folder)
    (folder / "rules_of_mine.py").write_text("MOST = 0.08\n")
    (folder / "own.py").write_text(STRATEGY.replace("from puna import", "import rules_of_mine\nfrom puna import"))
    swept("fast=2,3", "--out", "here")
    assert run("--resume", "here", "--json").return_value == 0
    (folder / "rules_of_mine.py").write_text("MOST = 0.05\n")
    assert refused("--resume", "here").code == "E685"


def test_a_failing_cell_is_one_line_and_no_end(folder: Path) -> None:
    """The others are judged; a resume tries the failed one again; when all fail, that is E687."""
    document = swept("slow=12..14", "--out", "here")
    (failed,) = [row for row in document["rows"] if row["failure"]]
    assert failed["values"] == {"slow": 13}
    assert "unlucky" in failed["failure"]["what"]
    assert document["failed"] == 1
    assert any("One cell failed" in each for each in document["distrust"])
    assert refused("bot.toml", "slow=13", *SPAN, "--jobs", "1").code == "E687"


def test_a_cell_that_hangs_is_ended_and_told(folder: Path) -> None:
    """E679 on the screen and in the folder, the others judged, also with one process; a resume tries it again."""
    words = ("bot.toml", "slow=8,90", *SPAN, "--jobs", "1", "--timeout", "10", "--out", "here")
    result = run(*words)
    assert result.return_value == 0, result.exception
    assert "E679 slow 90: it took longer than 10 s" in result.stdout
    assert json.loads((folder / "here" / "sweep.json").read_text())["failed"] == 1
    (folder / "go").touch()
    resumed = run("--resume", "here", "--json", "--jobs", "1")
    assert [row["failure"] for row in json.loads(resumed.stdout)["rows"]] == [None, None]


def test_risk_limits_and_capital_are_keys_too(folder: Path) -> None:
    """A limit that lets nothing through, and twice the capital, change what cells gain."""
    document = swept("risk.max_position=1,50000", "crossing.capital=50%,100%")
    trades = {tuple(row["values"].values()): row["metrics"]["turnover"] for row in document["rows"]}
    assert trades["1", "100%"] == 0
    assert 0 < trades["50000", "50%"] < trades["50000", "100%"]


def test_noise_is_reported_as_noise(folder: Path) -> None:
    """A strategy that tosses coins: whichever coin did best, the last screen says that it is noise."""
    (folder / "bot.toml").write_text(CONFIG.replace("Crossing", "Coins").replace("params = { weight = 0.08 }", ""))
    document = swept("coin=1..8")
    assert document["noise"] is True
    assert document["headline"] == "This is noise"
    assert document["peak"]["score"] > 1  # the best of them looks like something to trade


def test_other_searches_take_as_many_cells_as_they_are_told(folder: Path) -> None:
    """Random cells by their seed, a range without steps, Optuna: the same seed gives the same cells."""
    words = ("fast=2..5", "weight=0.05..0.15", "--cells", "5")
    one = swept(*words, "--search", "random", "--seed", "3")
    assert len(one["rows"]) == 5
    assert cells(swept(*words, "--search", "random", "--seed", "3")) == cells(one)
    assert cells(swept(*words, "--search", "random", "--seed", "4")) != cells(one)
    assert len(swept("fast=2..5", "--cells", "3", "--search", "optuna")["rows"]) == 3


def test_a_python_file_needs_no_configuration(folder: Path) -> None:
    """Its strategies are known by their classes' names; they say what they trade."""
    (folder / "own.py").write_text(
        STRATEGY.replace("    fast = 3\n", '    fast = 3\n    symbols = ("IBM",)\n').partition("\n\nclass Coins")[0]
    )
    result = run("own.py", "crossing.fast=2,3", *SPAN, "--json", "--jobs", "1")
    assert result.return_value == 0, result.exception
    assert len(json.loads(result.stdout)["rows"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fats=1,2",), "E681", "did you mean fast?"),
        (("crossing.fats=1,2",), "E681", "did you mean crossing.fast?"),
        (("risk.max_drawdow=1",), "E681", "did you mean risk.max_drawdown"),
        (("account.mode=sim,paper",), "E681", "changes nothing in a backtest"),
        (("fast=1.5,2",), "E682", "a whole number"),
        (("careful=maybe",), "E682", "true or false"),
        (("names=a,b",), "E682", "it is a tuple"),
        (("share=x",), "E682", "a number"),
        (("crossing.capital=-5%",), "E682", "negative"),
        (("sim.cash=100,-5",), "E007", "negative"),
        (("fast=5..2",), "E680", "is empty"),
        (("fast=",), "E680", "has no value"),
        ((), "E680", "nothing to vary"),
        (("weight=0.1..0.5",), "E680", "has no steps"),
        (("fast=2,3", "--by", "beauty"), "E681", "they tell sharpe"),
    ],
)
def test_what_cannot_be_varied_is_told_before_anything_runs(
    folder: Path, words: tuple[str, ...], code: str, said: str
) -> None:
    """One typed error with its code; no folder is left behind."""
    error = refused("bot.toml", *words, *SPAN)
    assert error.code == code
    assert said in str(error)
    assert error.exit_code == 3
    assert not (folder / "runs").exists()


def test_a_parameter_of_two_strategies_must_be_named(folder: Path) -> None:
    """E681 says how."""
    with (folder / "bot.toml").open("a") as file:
        file.write(CONFIG.replace('"crossing"', '"other"').replace("[[strategy]]", '[[strategy]]\ncapital = "50%"'))
    (folder / "bot.toml").write_text(
        (folder / "bot.toml").read_text().replace("[[strategy]]", '[[strategy]]\ncapital = "50%"', 1)
    )
    error = refused("bot.toml", "fast=2,3")
    assert error.code == "E681"
    assert "crossing.fast or other.fast" in error.why


def test_values_arrive_with_the_type_of_the_class(folder: Path) -> None:
    """Decimal stays Decimal, None takes what was typed, params of the file stay beside them."""
    words = read_axes(["share=5%", "anything=2.5", "style=bold", "careful=false", "fast=4"])
    found = targets(Path("bot.toml"), words)
    values = {axis.key: axis.values[0] for axis in axes_of(Path("bot.toml"), found, words)}
    _, (made,) = team_of(Path("bot.toml"), found, values)
    assert {name: getattr(made, name) for name in ("share", "anything", "style", "careful", "fast", "weight")} == {
        "share": made.share.__class__("0.05"),  # type: ignore[attr-defined]
        "anything": 2.5,
        "style": "bold",
        "careful": False,
        "fast": 4,
        "weight": 0.08,
    }


@pytest.mark.parametrize(
    "words",
    [(), ("fast=1,2",), ("bot.toml", "fast=1", "--resume", "here"), ("bot.toml", "fast=1", "--search", "magic")],
)
def test_a_wrong_use_is_a_usage_error(words: tuple[str, ...]) -> None:
    """Exit code 2, as of every verb."""
    result = CliRunner().invoke(sweep, words)
    assert result.exit_code == 2


def test_a_folder_without_a_sweep_cannot_be_resumed(folder: Path) -> None:
    """E041, and nothing is made."""
    assert refused("--resume", "nowhere").code == "E041"
    assert not (folder / "nowhere").exists()


def test_ctrl_c_leaves_a_folder_that_goes_on(folder: Path) -> None:
    """SIGINT to the process group, as a terminal sends it: exit 130, no traceback, and the resumed sweep is whole."""
    words = ("fast=2,3", "slow=8,9,90")  # 90 waits for a file, so the sweep cannot end before it is interrupted
    command = [sys.executable, "-m", "puna", "sweep", "bot.toml", *words, *SPAN, "--jobs", "2", "--out", "here"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(lambda: _rows(folder) >= 3 or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        _, talk = process.communicate()
    assert process.returncode == 130, talk
    assert "Traceback" not in talk
    assert "puna sweep --resume here" in talk
    assert _rows(folder) in (3, 4)
    (folder / "go").touch()
    resumed = run("--resume", "here", "--json", "--jobs", "1")
    assert resumed.return_value == 0, resumed.exception
    assert cells(json.loads(resumed.stdout)) == cells(swept(*words))


def _rows(folder: Path) -> int:
    path = folder / "here" / "cells.sqlite"
    try:
        return sum(record.kind == "cell" for _, record in records(path)) if path.exists() else 0
    except (PunaError, sqlite3.Error):  # it is just being made
        return 0


def wait_for(there: Callable[[], bool]) -> None:
    while not there():
        time.sleep(0.02)
