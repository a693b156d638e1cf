"""`puna check`: each planted fault is found by the question that is about it, and sound strategies pass."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from puna.cli import puna
from puna.cli.backtest import backtest
from puna.cli.check import check
from puna.cli.strategy_code import code_hash
from puna.exchange.data import tape

HEAD = "from pathlib import Path\nfrom datetime import datetime\nfrom puna import Strategy\n"
BEGIN = """
class Planted(Strategy):
    symbols = ["AAPL", "IBM"]
    timeframe = "1Day"
"""
MEAN = """
    warmup = {"1Day": 20}
    def on_bar(self, bar):
        closes = [each.close for each in self.history(bar.symbol)][-20:]
        self.target(bar.symbol, "0.3" if bar.close > sum(closes) / len(closes) else 0, because="the mean")
"""
TABLE = """
    def on_start(self):
        rows = [line.split(",") for line in Path("prices.csv").read_text().splitlines()[1:]]
        self.closes = {day: float(close) for day, close in rows}
        self.days = list(self.closes)
    def on_bar(self, bar):
        day = datetime.fromtimestamp(bar.ts_event / 1e9).date().isoformat()
        ahead = [each for each in self.days if each > day][:1]
        rises = ahead and self.closes[ahead[0]] > self.closes[day]
        self.target("AAPL", "0.3" if rises else 0) if bar.symbol == "AAPL" else None
"""
SETS = """
    def on_bar(self, bar):
        if not self.orders():
            name = list({"AAPL", "IBM"})[0]
            self.target(name, "0.2" if not self.position(name) else 0)
"""
CLOCK = """
    def on_bar(self, bar):
        self.target(bar.symbol, "0.3" if datetime.now().toordinal() % 20 < 10 and bar.close > bar.open else 0)
        self.seen = {"day": datetime.now().toordinal() // 5}
"""
DAYS = ("--from", "2012-01-03", "--to", "2012-09-28", "--bars", "60", "--bundled")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plant(body: str) -> Path:
    path = Path("planted.py")
    path.write_text(HEAD + BEGIN + body)
    return path


def ask(*words: str) -> Result:
    return CliRunner().invoke(check, [*words, *DAYS], standalone_mode=False)


def answers(body: str) -> dict[str, Any]:
    made = ask(str(plant(body)), "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert made.return_value == (0 if told["passed"] else 1)
    return {each["name"]: each for each in told["checks"]}


def outcomes(found: dict[str, Any]) -> list[str]:
    return [each["outcome"] for each in found.values()]


def test_a_sound_strategy_passes_and_its_report_knows() -> None:
    """Four times passed, exit code 0; a backtest of the same code carries the marks, one of other code does not."""
    found = answers(MEAN)
    assert outcomes(found) == ["passed"] * 4, found
    for code, known in ((MEAN, ["look-ahead", "warm-up", "determinism", "order validity"]), (MEAN + "# new", [])):
        made = CliRunner().invoke(
            backtest, [str(plant(code)), *DAYS[:4], "--bundled", "--fills", "realistic", "--json"]
        )
        run = Path(json.loads(made.stdout)["folder"])
        record = json.loads((run / "report.json").read_bytes())["record"]
        assert [each["name"] for each in record["checks"]] == known


def test_a_table_with_tomorrow_in_it_is_found() -> None:
    """Columns of days that lie ahead: the decision changes where the table beside the strategy ends with the bars."""
    days = tape("AAPL").days
    with Path("prices.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("date", "close"), *((on, bar.close / 100) for on, bar in days.items())])
    found = answers(TABLE)
    ahead = found["look-ahead"]
    assert ahead["outcome"] == "found"
    assert found["determinism"]["outcome"] == "passed"
    first = ahead["findings"][0]
    assert first["code"] == "E690"
    assert first["symbol"] == "AAPL"
    assert first["time"].startswith("2012-")
    assert first["before"] != first["after"]


@pytest.mark.parametrize(
    ("body", "way"),
    [(SETS, "PYTHONHASHSEED"), (CLOCK, "wall clock")],
    ids=["the order of a set", "the wall clock"],
)
def test_what_changes_by_itself_is_found(body: str, way: str) -> None:
    """Each by the run that differs in just that; look-ahead and warm-up are not guessed at then."""
    found = answers(body)
    assert outcomes(found)[:3] == ["not checked", "not checked", "found"]
    assert way in found["determinism"]["findings"][0]["what"]


def test_a_person_reads_what_where_why_and_what_to_do() -> None:
    """The screen, an explanation of the code, exit code 1."""
    made = ask(str(plant(SETS)))
    assert made.return_value == 1
    for words in ("FOUND", "E692", "as it is", "why", "do ", "kept for reports of this code: runs/checks"):
        assert words in made.stdout
    explained = CliRunner().invoke(puna, ["explain", "E692"])
    assert "deterministic" in explained.output


def test_what_lies_beside_a_strategy_is_found_in_the_copy_too() -> None:
    """A module, parameters, a table: all there where the future is cut away; what could not be cut is named."""
    for name, text in {
        "helper.py": "from pathlib import Path\nHERE = Path(__file__).parent\n"
        "NAMES = (HERE / 'data/names.txt').read_text().split()\n",
        "data/names.txt": "AAPL IBM",
        "signals.csv": "date,x\n2012-01-03,1\n2013-01-03,1\n",
        "bot.toml": '[[strategy]]\nname = "s"\nuse = "planted.py:Planted"\n',
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    plant(MEAN + "    def on_start(self):\n        self.rows = Path('signals.csv').read_text()\n")
    code = "import sys\nsys.path.insert(0, str(Path(__file__).parent))\nfrom helper import NAMES\n"
    text = Path("planted.py").read_text().replace("\nclass", f"\n{code}\nclass").replace('["AAPL", "IBM"]', "NAMES")
    Path("planted.py").write_text(text)
    made = ask("bot.toml", "--json")
    assert made.return_value == 0, made.output
    told = json.loads(made.stdout)
    ahead = told["checks"][0]
    assert "signals.csv" in ahead["text"]
    assert "data/names.txt" in ahead["notes"][1]
    before = told["code"]
    assert before == code_hash(Path("bot.toml"))
    Path("helper.py").write_text("NAMES = ['AAPL', 'IBM']\n")
    assert before != code_hash(Path("bot.toml"))


def test_without_a_file_it_says_what_is_missing() -> None:
    """No argument and no puna.toml is a mistake of usage."""
    made = CliRunner().invoke(check, [])
    assert made.exit_code == 2
    assert "puna.toml" in made.output
