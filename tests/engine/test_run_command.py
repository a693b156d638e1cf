"""`puna run`: strategies of a TOML, on an exchange of its own, with a folder, a report, exit codes and clear errors."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from puna.cli import main, puna
from puna.cli.run_live import _tell
from puna.engine.record import NoteRow, RunRecord
from puna.engine.storage import SqliteStorage
from puna.errors import ConfigError, PunaError

BOT = '''
from puna import Strategy

class Buyer(Strategy):
    """Buys once."""
    symbols = ("AAPL",)
    shares = 3

    def on_bar(self, bar):
        if not self.position(bar.symbol) and not self.orders():
            self.buy(bar.symbol, self.shares, because="once")
'''
CONFIG = '[account]\nmode = "sim"\n[[strategy]]\nname = "buyer"\nuse = "bot.py:Buyer"\n'

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(config, ...)` runs `puna run` in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith(("ALPACA_", "APCA_", "PUNA__"))]:
        monkeypatch.delenv(name)
    (tmp_path / "bot.py").write_text(BOT)

    def run(config: str, *words: str) -> tuple[int, str, str]:
        (tmp_path / "bot.toml").write_text(config)
        with pytest.raises(SystemExit) as ended:
            main(["run", "bot.toml", *words])
        told = capsys.readouterr()
        return int(str(ended.value.code)), told.out, told.err

    return run


def test_a_run_leaves_a_folder_and_says_what_it_was(run: Run, tmp_path: Path) -> None:
    """Mode in words, live lines, the books, a folder with journal, report and event log; exit code 0."""
    code, out, err = run(CONFIG + "[sim]\nseed = 3\n")
    assert code == 0
    assert "SIMULATED EXCHANGE" in out
    assert "equal the exchange's to the cent" in out
    assert "buyer  buy 3 AAPL at" in err
    assert not re.search(r"at \d+\.\d{5,}", err)
    assert "(once)" in err
    folder = tmp_path / "runs" / "bot-1"
    assert {"journal.sqlite", "report.json", "report.html", "exchange.jsonl"} <= {
        each.name for each in folder.iterdir()
    }
    record = RunRecord(**json.loads((folder / "report.json").read_text())["record"])
    assert (record.mode, record.seed, record.run_id, record.strategies) == ("sim", 3, "bot-1", ["buyer"])
    assert 'name = "buyer"' in record.config


def test_two_runs_of_one_seed_have_one_hash_and_two_folders(run: Run, tmp_path: Path) -> None:
    """The same configuration twice: the same event log and journal; --json is one document on stdout."""
    hashes = []
    for _ in range(2):
        code, out, _ = run(CONFIG, "--json")
        said = json.loads(out)
        hashes.append((said["event_log_hash"], said["journal_hash"], said["books_equal"]))
        assert code == 0
    assert hashes[0] == hashes[1]
    assert sorted(each.name for each in (tmp_path / "runs").iterdir()) == ["bot-1", "bot-2"]


def test_parameters_and_symbols_come_from_the_configuration(run: Run) -> None:
    """`params` set attributes of the class, `symbols` replace its own."""
    config = CONFIG.replace("\n[[", "\n[[") + 'symbols = ["MSFT"]\nparams = { shares = 7 }\n'
    code, _, err = run(config)
    assert code == 0
    assert "buy 7 MSFT at" in err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.replace("bot.py:Buyer", "bot.py:Seller"), "there is no strategy Seller in bot.py"),
        (lambda c: c.replace("bot.py:Buyer", "none.py:Buyer"), "there is no file none.py"),
        (lambda c: c.replace("bot.py:Buyer", "no.such.module:Buyer"), "cannot be loaded"),
        (lambda c: c + "params = { shres = 7 }\n", "has no parameter 'shres'"),
        (lambda c: c + 'symbols = ["NOPE"]\n', "does not know NOPE"),
        (lambda c: c[: c.index("[[")], "no strategy to run"),
    ],
    ids=["class", "file", "module", "parameter", "symbol", "none"],
)
def test_what_cannot_be_run_is_one_clear_error(run: Run, change: Callable[[str], str], told: str) -> None:
    """Exit code 3, four lines on stderr, nothing sent."""
    code, _, err = run(change(CONFIG))
    assert code == 3
    assert told in err
    assert "Traceback" not in err
    assert "Nothing was" in err


def test_a_strategy_file_that_fails_is_told_with_its_error(run: Run, tmp_path: Path) -> None:
    """What the file raises is in the message."""
    (tmp_path / "bot.py").write_text("raise RuntimeError('half written')")
    code, _, err = run(CONFIG)
    assert code == 3
    assert "RuntimeError: half written" in err


def test_a_strategy_that_fails_in_the_day_is_told_at_the_end(run: Run, tmp_path: Path) -> None:
    """The last screen and --json name the callback and the error; exit code 1."""
    (tmp_path / "bot.py").write_text(BOT.replace("self.buy(", "self.by("))
    code, out, _ = run(CONFIG)
    assert code == 1
    told = " ".join(out.split())
    assert "E910 strategy buyer failed in on_bar" in told
    assert "no attribute 'by'" in told
    code, out, _ = run(CONFIG, "--json")
    assert code == 1
    assert "no attribute 'by'" in json.loads(out)["failed"][0]


def test_without_a_mode_a_run_is_simulated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is the one that `puna config show` names, also where keys are set."""
    monkeypatch.setenv("ALPACA_API_KEY", "K")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "S")
    code, out, _ = run(CONFIG[CONFIG.index("[[") :])
    assert code == 0
    assert "SIMULATED EXCHANGE" in out


def test_a_file_in_place_of_the_folder_is_one_clear_error(run: Run, tmp_path: Path) -> None:
    """E034 with exit code 3, and nothing was started."""
    (tmp_path / "taken").write_text("")
    code, out, err = run(CONFIG, "--out", "taken")
    assert (code, out) == (3, "")
    assert "E034" in err
    assert "Nothing was started" in err


def test_paper_without_keys_is_one_clear_error(run: Run, tmp_path: Path) -> None:
    """Exit code 3, E008, and no folder."""
    code, _, err = run(CONFIG.replace('"sim"', '"paper"'))
    assert code == 3
    assert "E008" in err
    assert not (tmp_path / "runs").exists()


def test_live_is_refused(run: Run) -> None:
    """Exit code 8: a permit for live does not exist."""
    code, _, err = run(CONFIG.replace('"sim"', '"live"'))
    assert code == 8
    assert "E020" in err


def test_a_damaged_journal_is_one_clear_error(run: Run, tmp_path: Path) -> None:
    """E402 with the record's number; exit code 1; the file stays as it was."""
    config = CONFIG + '[journal]\npath = "kept.sqlite"\n'
    assert run(config)[0] == 0
    database = sqlite3.connect(tmp_path / "kept.sqlite")
    database.execute("UPDATE records SET ts = 1 WHERE seq = 3")
    database.commit()
    database.close()
    code, _, err = run(config)
    assert code == 1
    assert "E402" in err
    assert "record 3" in err


def test_a_journal_in_use_is_one_clear_error(run: Run, tmp_path: Path) -> None:
    """E401 while another process has it."""
    storage = SqliteStorage(tmp_path / "kept.sqlite")
    code, _, err = run(CONFIG + '[journal]\npath = "kept.sqlite"\n')
    storage.close()
    assert code == 1
    assert "E401" in err


def test_ctrl_c_ends_a_run_in_good_order(run: Run, tmp_path: Path) -> None:
    """SIGINT in the middle of a day: strategies are told, books compared, the report written; exit code 0."""
    (tmp_path / "bot.toml").write_text(CONFIG + "[sim]\nspeed = 100\n")
    command = [sys.executable, "-m", "puna", "run", "bot.toml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines: list[Any] = []
        for line in process.stderr:
            lines.append(line)
            if "buy 3 AAPL" in line:
                process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        assert process.stdout is not None
        out = process.stdout.read()
    assert process.returncode == 0, lines
    assert any("stopping" in line for line in lines)
    assert "equal the exchange's to the cent" in out
    assert json.loads((tmp_path / "runs" / "bot-1" / "report.json").read_text())["record"]["outcome"] == "stopped"


def test_a_strategy_file_is_no_configuration(run: Run) -> None:
    """E007 says what to write; nothing is started."""
    run(CONFIG, "--help")
    with pytest.raises(ConfigError) as caught:
        puna(["run", "bot.py"], standalone_mode=False)
    assert "bot.py is a strategy" in caught.value.what
    assert 'use = "bot.py:CLASS"' in caught.value.remedy
    assert not Path("runs").exists()


def test_books_that_nobody_could_compare_do_not_differ(tmp_path: Path) -> None:
    """E511 with what stood in the way, and not E510, which is for two sides that were seen."""
    text = "the books could not be compared at the end: Could not connect for GET /v2/account."
    record = RunRecord(mode="sim", notes=[NoteRow(ts=0, code="E011", text=text)])
    with pytest.raises(PunaError) as caught:
        _tell(record, tmp_path, as_json=False)
    assert (caught.value.code, caught.value.exit_code, caught.value.why) == ("E511", 1, text)
    assert (tmp_path / "report.html").exists()


def test_the_last_screen_names_a_command_that_works(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands behind `next` explains the last order of this run."""
    _, out, _ = run(CONFIG)
    words = re.search(r"^ next +puna (why buyer-1 --run runs/bot-1)$", out, re.MULTILINE)
    assert words is not None, out
    with pytest.raises(SystemExit) as ended:
        main(words[1].split())
    assert not ended.value.code
    assert "because    once" in capsys.readouterr().out
