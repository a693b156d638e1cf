"""`puna backtest`: a config or a file, stored or bundled bars, one document, a folder, errors with codes."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from puna.cli import puna
from puna.cli.backtest import backtest
from puna.engine.journal import open_journal
from puna.errors import PunaError
from puna.research.history.importing import import_file
from puna.research.history.store import Store
from puna.seams import SystemClock

FILE = """
from puna import Strategy

class Hold(Strategy):
    symbols = ["AAPL"]
    timeframe = "1Day"

    def on_start(self):
        self.bought = ""

    def on_bar(self, bar):
        self.bought = self.bought or self.buy("AAPL", 50, because="hold it")
"""
CONFIG = """
[[strategy]]
name = "hold"
use = "hold.py:Hold"

[sim]
cash = 50000
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("hold.py").write_text(FILE)
    Path("bot.toml").write_text(CONFIG)
    return tmp_path


def ask(*words: str) -> Result:
    return CliRunner().invoke(backtest, words)


def test_a_config_gives_three_models_and_a_folder() -> None:
    """Reports of all models, the journal of the main one, which opens and holds the order with its reason."""
    made = ask("bot.toml", "--from", "2012-01-03", "--to", "2012-03-30", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert list(told["fills"]) == ["optimistic", "realistic", "pessimistic"]
    assert all(each["books_equal"] for each in told["fills"].values())
    run = Path(told["folder"])
    assert {each.name for each in run.iterdir()} >= {"report.html", "report.json", "journal.sqlite", "optimistic"}
    made_of = json.loads((run / "report.json").read_bytes())
    record = made_of["record"]
    assert record["fill_model"] == "realistic"
    assert record["start_equity"] == "50000.00"
    assert [each["name"] for each in made_of["variants"]] == ["optimistic", "realistic", "pessimistic"]
    assert [order["because"] for order in record["orders"]] == ["hold it"]
    journal = open_journal(run / "journal.sqlite", SystemClock())
    assert any(entry.key == record["orders"][0]["client_order_id"] for _, entry in journal.read())
    journal.close()


def test_a_file_does_without_a_config() -> None:
    """One model, the default account, and a second run beside the first."""
    for number in (1, 2):
        made = ask("hold.py", "--from", "2012-01-03", "--to", "2012-01-31", "--fills", "realistic")
        assert made.exit_code == 0, made.output
        assert f"runs/hold-backtest-{number}" in made.stdout


def test_stored_bars_go_before_bundled_ones() -> None:
    """Imported days of AAPL are used under their feed, and only they."""
    rows = "".join(f"2024-03-{day:02},100,101,99,{100 + day},1000000\n" for day in (4, 5, 6, 7, 8))
    Path("own.csv").write_text("date,open,high,low,close,volume\n" + rows.replace(",101,", ",110,"))
    import_file(Path("own.csv"), Store(Path("history")), name="mine", now=0, symbol="AAPL", timeframe="1Day")
    made = ask("hold.py", "--feed", "own-mine", "--fills", "optimistic", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["history"]["rows"] == 5
    assert told["history"]["feed"] == "own-mine"
    assert json.loads(ask("hold.py", "--bundled", "--to", "2000-04-03", "--json").stdout)["history"]["rows"] > 5


def test_tables_beside_the_history_are_read_and_told() -> None:
    """A halt over the only day on which the order could fill, and what cannot be borrowed, stand in the differences."""
    rows = "".join(f"2024-03-{day:02},100,110,99,100,1000000\n" for day in (4, 5))
    Path("own.csv").write_text("date,open,high,low,close,volume\n" + rows)
    import_file(Path("own.csv"), Store(Path("history")), name="mine", now=0, symbol="AAPL", timeframe="1Day")
    plain = json.loads(ask("hold.py", "--feed", "own-mine", "--fills", "optimistic", "--json").stdout)
    Path("history/halts.csv").write_text("symbol,from,to,reason\nAAPL,2024-03-04T21:30Z,2024-03-05T22:00Z,T1\n")
    Path("history/borrow.csv").write_text("symbol,borrow\nAAPL,hard\n")
    told = json.loads(ask("hold.py", "--feed", "own-mine", "--fills", "optimistic", "--json").stdout)
    assert plain["fills"]["optimistic"]["metrics"]["turnover"] != told["fills"]["optimistic"]["metrics"]["turnover"]
    assert any(each.startswith("Halts as they are noted") for each in told["differences"])
    assert any(each.startswith("AAPL cannot simply be borrowed") for each in told["differences"])
    assert plain["history"]["digest"] != told["history"]["digest"]


WRITER = """
from puna import Strategy

class Write(Strategy):
    symbols = ["IBM"]
    timeframe = "1Day"
    option_days = {"IBM": 30}

    def on_start(self):
        self.call = ""

    def on_bar(self, bar):
        if not self.position("IBM"):
            self.buy("IBM", 100)
        elif not self.call:
            self.call = str(self.contracts("IBM")[0])
            self.sell(self.call, 1, limit="3.00")
"""


def test_stored_contracts_are_found_by_the_days_ahead() -> None:
    """A call that the strategy does not name is read with the stock; written for 3.00 it is assigned at 105."""
    Path("write.py").write_text(WRITER)
    days = {"2024-03-11": 100, "2024-03-12": 100, "2024-03-13": 102, "2024-03-14": 104, "2024-03-15": 107}
    known = {
        "IBM": days,
        "IBM240315C00105000": dict.fromkeys(days, 3),
        "IBM240621C00105000": dict.fromkeys(days, 9),  # too far ahead
    }
    for symbol, prices in known.items():
        rows = "".join(f"{on},{price},{price},{price},{price},100000\n" for on, price in prices.items())
        Path("own.csv").write_text("date,open,high,low,close,volume\n" + rows)
        import_file(Path("own.csv"), Store(Path("history")), name="mine", now=0, symbol=symbol, timeframe="1Day")
    made = ask("write.py", "--feed", "own-mine", "--to", "2024-03-15", "--fills", "optimistic", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["history"]["symbols"] == ["IBM", "IBM240315C00105000"]
    fees = Decimal(json.loads((Path(told["folder"]) / "report.json").read_bytes())["record"]["fees"])
    assert Decimal(told["fills"]["optimistic"]["profit"]) == 500 + 300 - fees
    assert any("package" in each for each in told["differences"])


def test_a_first_day_after_the_last_is_told() -> None:
    """E670 says so, and which days there are."""
    made = CliRunner().invoke(puna, ["backtest", "bot.toml", "--bundled", "--from", "2012-02-01", "--to", "2012-01-03"])
    assert isinstance(made.exception, PunaError), made.output
    assert made.exception.code == "E670"
    assert "the first day is after the last" in made.exception.why


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (("bot.toml", "--from", "2030-01-02"), "E670", 1),
        (("other.py",), "E675", 1),
        (("empty.py",), "E007", 3),
        (("text.py",), "E007", 3),
        (("nothing.py",), "E675", 1),
        (("deaf.py",), "E007", 3),
        (("none.toml",), "E007", 3),
    ],
)
def test_what_cannot_be_run_says_why(words: tuple[str, ...], code: str, status: int) -> None:
    """Each has a code and an exit code, and leaves no folder behind."""
    Path("other.py").write_text(FILE.replace("AAPL", "TSLA"))
    Path("empty.py").write_text("x = 1\n")
    Path("deaf.py").write_text(FILE.replace("on_start", "onstart").replace("on_bar", "onbar"))
    Path("text.py").write_text(FILE.replace('["AAPL"]', '"AAPL"'))
    Path("nothing.py").write_text(FILE.replace('["AAPL"]', "[]"))
    made = CliRunner().invoke(puna, ["backtest", *words])
    assert isinstance(made.exception, PunaError), made.output
    assert (made.exception.code, made.exception.exit_code) == (code, status)
    assert not Path("runs").exists()


def test_a_strategy_that_fails_ends_with_one() -> None:
    """The failure and its line are named on the last screen, the report is written, and the exit code is 1."""
    Path("bad.py").write_text(FILE.replace('self.bought or self.buy("AAPL", 50, because="hold it")', "1 / 0"))
    made = ask("bad.py", "--from", "2012-01-03", "--to", "2012-01-31", "--fills", "realistic")
    assert made.exit_code == 0 or made.return_value == 1
    assert "E910" in made.stdout
    line = next(number for number, text in enumerate(Path("bad.py").read_text().splitlines(), 1) if "1 / 0" in text)
    assert f"ZeroDivisionError: division by zero (bad.py, line {line})" in made.stdout
    assert "traded AAPL with 100,000.00 USD: no orders." in " ".join(made.stdout.split())


def test_days_of_the_exchange_instead_of_bars() -> None:
    """With --exchange a minute strategy runs on the exchange's own quotes; the fills say how deep the book was."""
    Path("minute.py").write_text(FILE.replace('timeframe = "1Day"', "").replace("AAPL", "IBM"))
    made = ask(
        "minute.py", "--exchange", "--from", "2012-07-03", "--to", "2012-07-03", "--fills", "realistic", "--json"
    )
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["fills"]["realistic"]["books_equal"]
    assert told["fills"]["realistic"]["bars"] == 210
    record = json.loads((Path(told["folder"]) / "report.json").read_bytes())["record"]
    assert record["assumptions"]["fills"].startswith("half of what a quote shows")
    assert record["orders"][0]["status"] == "filled"
    none = CliRunner().invoke(
        puna, ["backtest", "minute.py", "--exchange", "--from", "2012-07-07", "--to", "2012-07-08"]
    )
    assert isinstance(none.exception, PunaError)
    assert none.exception.code == "E670"


@pytest.mark.parametrize("words", [("hold.py",), ("hold.py", "--exchange")], ids=["bars", "exchange"])
def test_what_a_strategy_prints_leaves_the_document_alone(words: tuple[str, ...]) -> None:
    """With --json stdout is one document; prints of the file and of its strategy go to stderr."""
    told = FILE.replace('timeframe = "1Day"', "").replace(
        "def on_bar(self, bar):", "def on_bar(self, bar):\n        print('hey')"
    )
    Path("hold.py").write_text(f"print('hello')\n{told}")
    made = ask(*words, "--from", "2012-07-25", "--to", "2012-07-25", "--fills", "realistic", "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["fills"]["realistic"]["books_equal"]
    assert {"hello", "hey"} <= set(made.stderr.split())


@pytest.mark.parametrize("given", ["01/02/2012", "2012-13-01", "yesterday"])
def test_what_is_no_day_is_told_how_days_are_written(given: str) -> None:
    """Not the format of a C library, but a day as one writes it."""
    made = ask("bot.toml", "--from", given)
    assert made.exit_code == 2
    assert f"'{given}' is no day: YYYY-MM-DD, such as 2012-07-25" in made.output
    assert "%Y" not in ask("--help").output


def test_one_day_is_no_span() -> None:
    """The verdict names a single day once."""
    made = ask("hold.py", "--from", "2012-07-25", "--to", "2012-07-25", "--fills", "realistic")
    assert "Daily bars of AAPL of 25 July 2012, 1 in all" in " ".join(made.stdout.split())


def test_refused_orders_are_told_with_code_and_reason() -> None:
    """The last screen tells which rule refused how many, the first of them, and what to read; --json counts them."""
    Path("large.py").write_text(
        FILE.replace('self.bought or self.buy("AAPL", 50, because="hold it")', 'self.target("AAPL", 0.9)')
    )
    words = ("large.py", "--from", "2012-07-02", "--to", "2012-07-06", "--fills", "realistic")
    made = ask(*words)
    told = " ".join(made.stdout.split())
    assert re.search(r"refused R106 4 times, first buy \d+ AAPL at 2012-07-02 16:00: .* against 50,000.00", told), told
    assert "next: puna explain R106" in made.stderr
    assert json.loads(ask(*words, "--json").stdout)["fills"]["realistic"]["refused"] == {"R106": 4}


def test_what_is_said_to_be_next_works() -> None:
    """Without refusals it is the why of the last order, by the end of its id."""
    made = ask("hold.py", "--from", "2012-07-02", "--to", "2012-07-06", "--fills", "realistic")
    words = made.stderr.strip().removeprefix("next: puna ").split()
    assert words[:2] == ["why", "hold-1"]
    assert "because    hold it" in CliRunner().invoke(puna, words).stdout


def test_a_base_that_hears_nothing_is_no_strategy_of_its_own() -> None:
    """Of a file with a base class and one that derives from it, only the latter is run."""
    base = "class Base(Strategy):\n    symbols = ['AAPL']\n\nclass Hold(Base):"
    Path("two.py").write_text(FILE.replace("class Hold(Strategy):", base))
    made = ask("two.py", "--from", "2012-07-25", "--to", "2012-07-25", "--fills", "realistic")
    assert "strategies hold " in made.stdout
