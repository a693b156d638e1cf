"""`puna parity`: a day that was run over sockets goes through the backtest again; what was changed is found."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from puna.cli.parity import parity

FILE = """
from puna import Strategy

class Cross(Strategy):
    symbols = ["IBM", "MSFT"]
    timeframe = "5Min"

    def on_start(self):
        self.mean = {}

    def on_bar(self, bar):
        old = self.mean.get(bar.symbol, bar.close)
        self.mean[bar.symbol] = new = old + (bar.close - old) / 6
        self.target(bar.symbol, "0.3" if bar.close > new else 0, because="crossed")
"""
CONFIG = """
[[strategy]]
name = "cross"
use = "cross.py:Cross"

[sim]
day = 2012-07-03
symbols = ["IBM", "MSFT"]
"""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A day that was run once over sockets; its folder, and the first comparison."""
    folder = tmp_path_factory.mktemp("parity")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("cross.py").write_text(FILE)
        Path("bot.toml").write_text(CONFIG)
        made = ask("bot.toml", "--json")
    assert made.exit_code == 0, made.output
    assert made.return_value == 0
    return folder, json.loads(made.stdout)


@pytest.fixture(autouse=True)
def here(day: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(day[0])
    return day[0]


def ask(*words: str) -> Result:
    return CliRunner().invoke(parity, words, standalone_mode=False)


def test_a_day_over_sockets_comes_again(day: tuple[Path, dict[str, Any]]) -> None:
    """In one process all is the same; on the bars that were heard all decisions are, and nearly all fills."""
    _, told = day
    assert told["in_process"]["score"] == 1
    assert told["in_process"]["differences"] == []
    bars = told["on_bars"]
    assert bars["decisions"]["over sockets"] == bars["decisions"]["alike"] > 10
    assert bars["filled_alike"] >= 0.8 * bars["filled_on_both"] > 10
    assert bars["unexplained"] == 0


def test_a_planted_difference_is_found(here: Path) -> None:
    """An order that the record lacks, and another quantity: a signal and a size that nothing explains; exit code 1."""
    whole = json.loads((here / "runs/bot-1/report.json").read_bytes())
    orders = whole["record"]["orders"]
    gone = orders.pop(4)
    orders[8]["qty"] = str(int(orders[8]["qty"]) + 7)
    copy = here / "runs/bot-9"
    copy.mkdir()
    (copy / "report.json").write_text(json.dumps(whole))
    (copy / "bars.csv").write_bytes((here / "runs/bot-1/bars.csv").read_bytes())
    made = ask("runs/bot-9", "--json")
    assert made.return_value == 1
    told = json.loads(made.stdout)["on_bars"]
    found = {each["kind"]: each for each in told["differences"] if not each["explained"]}
    assert set(found) >= {"signal", "size"}
    assert found["signal"]["one"] == "-"
    assert gone["symbol"] in found["signal"]["other"]
    assert found["size"]["order"] == orders[8]["client_order_id"]


def test_a_person_reads_a_score_and_reasons() -> None:
    """The screen names both comparisons and the score; a run that is there already is not run again."""
    made = ask("runs/bot-1")
    assert made.return_value == 0
    assert "over sockets and in one process\n  parity      100.0%" in made.stdout
    assert "over sockets and on bars, recorded" in made.stdout


def test_what_a_lost_connection_did_is_explained(here: Path) -> None:
    """The data stream is cut for an hour: orders come later, and it is said why; nothing is a fault."""
    fault = 'on = "socket:data"\nat = 2012-07-03T10:00:30\naction = "drop_socket"\nseconds = 3600\n'
    (here / "faults.toml").write_text(f"[[fault]]\n{fault}")
    (here / "broken.toml").write_text(CONFIG + 'faults = "faults.toml"\n')
    made = ask("broken.toml", "--json")
    assert made.return_value == 0
    told = json.loads(made.stdout)["in_process"]
    assert told["score"] < 1
    assert told["unexplained"] == 0
    assert any("the data stream was down at 10:0" in each["why"] for each in told["differences"])


def test_a_run_without_bars_is_told(here: Path) -> None:
    """E676, and nothing is run: a folder without bars, a folder that is no run, a configuration that was changed."""
    bare = here / "runs/bot-8"
    bare.mkdir()
    (bare / "report.json").write_bytes((here / "runs/bot-1/report.json").read_bytes())
    (here / "other.toml").write_text(CONFIG + "# changed")
    for words in (("runs/bot-8",), ("runs",), ("runs/bot-1", "--config", "other.toml")):
        assert getattr(ask(*words).exception, "code", "") == "E676"
