"""`puna halt` and `puna resume` against real processes: confirmed, hung, killed, and when nothing runs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from puna.cli import puna
from puna.engine.entries import StateChange, from_record
from puna.engine.latch import Latch
from puna.engine.storage import SqliteStorage, owner
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.exchange.venue import Submit
from puna.wire.trading import OrderRequest

BOT = '''
from decimal import Decimal
from puna import Strategy

class Restless(Strategy):
    """Wants something with every quote."""
    symbols = ("AAPL",)

    def on_quote(self, quote):
        self.buy(quote.symbol, 1, limit=Decimal(str(round(quote.bid * 0.9, 2))), because="restless")
'''
CONFIG = """[account]
mode = "sim"
[[strategy]]
name = "restless"
use = "bot.py:Restless"
[risk]
max_submits = 100000
max_open_orders = 100000
duplicate_window_seconds = 0
"""


class Desk:
    """A folder with a bot, an exchange that runs free, and the command line as processes."""

    def __init__(self, folder: Path, exchange: ExchangeThread) -> None:
        self.folder, self.exchange = folder, exchange
        self.journal = folder / "run" / "journal.sqlite"
        self.running: list[subprocess.Popen[str]] = []
        (folder / "bot.py").write_text(BOT)
        (folder / "bot.toml").write_text(CONFIG)

    def puna(self, *words: str) -> subprocess.Popen[str]:
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("ALPACA_", "APCA_", "PUNA__"))}
        keep |= {"ALPACA_BASE_URL": self.exchange.url, "ALPACA_API_KEY": "K", "ALPACA_SECRET_KEY": "S"}
        process = subprocess.Popen(
            [sys.executable, "-m", "puna", *words],
            cwd=self.folder, env=keep, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.running.append(process)
        return process

    def said(self, *words: str) -> tuple[int, Any]:
        """Exit code and JSON document of a verb."""
        process = self.puna(*words, "--json")
        out, err = process.communicate(timeout=40)
        return process.returncode, json.loads(out) if out.strip() else err

    def trading(self) -> subprocess.Popen[str]:
        """`puna run`, until its orders arrive."""
        before = self.orders()
        process = self.puna("run", "bot.toml", "--out", "run", "--json")
        wait(lambda: self.orders() > before + 2 or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        return process

    def orders(self) -> int:
        return len(self.exchange.call(lambda server: server.venue.orders(status="all", limit=500)))


def wait(question: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    config = ExchangeConfig(symbols=("AAPL",), pacing=Speed(60.0), step_seconds=3, wait_for=())
    with ExchangeThread(config) as exchange:
        made = Desk(tmp_path, exchange)
        yield made
        for process in made.running:
            if process.poll() is None:
                process.kill()
            process.communicate()


def test_halt_is_confirmed_survives_kill_and_ends_with_a_reason(desk: Desk) -> None:
    """20 orders a second, `puna halt`, not one order more; kill -9, and a start is refused until somebody resumes."""
    process = desk.trading()
    code, answer = verb("halt", str(desk.journal), "--reason", "enough")
    count = desk.orders()
    assert (code, answer["confirmed"], answer["process"]) == (0, True, process.pid)
    assert answer["seconds"] < 2
    time.sleep(0.5)
    assert desk.orders() == count
    process.send_signal(signal.SIGKILL)
    process.wait()
    code, refused = desk.said("run", "bot.toml", "--out", "run")
    assert code == 1
    assert "E520" in refused
    assert "enough" in refused
    assert verb("resume", str(desk.journal), "--reason", "looked into it")[0] == 0
    assert states(desk.journal)[-1] == ("", "active", "looked into it")


def test_the_brokers_own_switch_stops_everybody(desk: Desk) -> None:
    """--at-broker: the account takes nobody's orders; `resume --at-broker` lifts it before it compares the books."""
    desk.trading()
    code, answer = desk.said("halt", "run", "--at-broker")
    assert (code, answer["confirmed"], answer["suspended"]) == (0, True, True)
    assert desk.exchange.call(_suspended)
    code, answer = desk.said("resume", "run", "--reason", "looked", "--at-broker")
    assert (code, answer["confirmed"]) == (0, True), answer
    assert not desk.exchange.call(_suspended)
    before = desk.orders()
    wait(lambda: desk.orders() > before)
    assert verb("halt", str(desk.journal), "--at-broker", "--reduce")[0] == 2


def _suspended(server: Any) -> bool:
    """Whether an order by anybody is refused for it."""
    request = OrderRequest(symbol="AAPL", qty=Decimal(1), side="buy", type="limit", limit_price=Decimal(1),
                           time_in_force="day")  # fmt: skip
    return "rejected by user" in str(server._floor.execute(Submit(request)))


def test_flatten_proves_it_beside_a_hung_process(desk: Desk) -> None:
    """SIGSTOP: the orders of the process are cancelled, what is held is closed, and the broker's answer is printed."""
    process = desk.trading()
    process.send_signal(signal.SIGSTOP)
    request = OrderRequest(symbol="AAPL", qty=Decimal(7), side="buy", type="market", time_in_force="day")
    desk.exchange.call(lambda server: server._floor.execute(Submit(request)))
    wait(lambda: desk.exchange.books().positions)
    code, proof = desk.said("flatten", "run", "--timeout", "30")
    assert isinstance(proof, dict), proof
    assert (code, proof["flat"], proof["remaining"]) == (0, True, [])
    assert [(each["symbol"], each["filled"]) for each in proof["closed"]] == [("AAPL", "7")]
    assert len(proof["cancelled"]) > 2
    assert desk.exchange.books().positions == {}
    assert desk.exchange.call(lambda server: server.venue.orders(status="open")) == []
    assert Latch(desk.journal).down("")


def test_a_hung_process_is_told_of_and_ended(desk: Desk) -> None:
    """SIGSTOP: not confirmed, exit 7; awake again it sends nothing; stopped again, --kill ends it and is believed."""
    process = desk.trading()
    process.send_signal(signal.SIGSTOP)
    code, answer = verb("halt", str(desk.journal), "--timeout", "0.3")
    assert (code, answer["confirmed"]) == (7, False)
    assert "hung or stopped" in answer["text"]
    count = desk.orders()
    process.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    assert desk.orders() <= count + 1  # at most the one that was on its way
    process.send_signal(signal.SIGSTOP)
    code, answer = verb("halt", str(desk.journal), "--timeout", "0.3", "--kill")
    assert (code, answer["confirmed"]) == (0, True)
    assert process.wait(10) == -signal.SIGKILL
    assert owner(desk.journal) is None


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a run that is over."""
    path = tmp_path / "journal.sqlite"
    SqliteStorage(path).close()
    return path


def verb(*words: str) -> tuple[int, Any]:
    """Exit code and JSON document of a verb, in this process."""
    result = CliRunner().invoke(puna, [*words, "--json"], standalone_mode=False)
    if result.exception:
        return getattr(result.exception, "exit_code", 1), str(result.exception)
    return result.return_value, json.loads(result.stdout)


def states(journal: Path) -> list[tuple[str, str, str]]:
    storage = SqliteStorage(journal)
    entries = [from_record(seq, record) for seq, record in storage.read()]
    storage.close()
    return [(each.scope, str(each.state), each.reason) for each in entries if isinstance(each, StateChange)]


def test_people_are_told_whose_state_it_is(journal: Path) -> None:
    """Halt and resume name the journal: when no RUN was given, it is the program that chose."""
    for words in (["halt", str(journal)], ["resume", str(journal), "--reason", "back"]):
        assert f"journal {journal}\n" in CliRunner().invoke(puna, words, standalone_mode=False).stdout


def test_without_a_process_latch_and_journal_say_so(journal: Path) -> None:
    """Nothing runs: durable at once in both places; a strategy alone can be halted, and resumed with a reason."""
    code, answer = verb("halt", str(journal.parent), "--reason", "holiday")
    assert (code, answer["process"], answer["confirmed"]) == (0, None, True)
    assert verb("halt", str(journal), "--strategy", "dips", "--reduce")[0] == 0
    assert journal.with_name("journal.sqlite.halt").exists()
    assert journal.with_name("journal.sqlite.halt.strategy%3Adips").exists()
    assert verb("resume", str(journal), "--reason", "back")[0] == 0
    assert not journal.with_name("journal.sqlite.halt").exists()
    reason = "a person asked for it"
    assert states(journal) == [("", "halted", "holiday"), ("strategy:dips", "reducing", reason), ("", "active", "back")]


def test_a_process_that_does_not_listen_is_asked_by_the_latch_alone(journal: Path) -> None:
    """Whoever holds the journal without hearing SIGUSR1 is not ended by it; he is told of as not confirming."""
    holder = SqliteStorage(journal)
    code, answer = verb("halt", str(journal), "--timeout", "0.05")
    assert (code, answer["confirmed"], answer["process"]) == (7, False, os.getpid())
    assert verb("resume", str(journal), "--reason", "x", "--timeout", "0.05")[0] == 1
    holder.close()


def test_without_run_the_newest_that_trades_is_halted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the last one that was written: one that is over is left alone; the others that trade are named."""
    monkeypatch.chdir(tmp_path)
    folders = {name: tmp_path / "runs" / name for name in ("over", "older", "newer")}
    for folder in folders.values():
        folder.mkdir(parents=True)
        SqliteStorage(folder / "journal.sqlite").close()
    assert verb("halt")[0] == 4
    held = [SqliteStorage(folders[name] / "journal.sqlite") for name in ("newer", "older")]
    for age, name in enumerate(("newer", "older"), 1):
        os.utime(folders[name] / "journal.sqlite.lock", (time.time() - age, time.time() - age))
    code, answer = verb("halt", "--timeout", "0.05")
    assert code == 7  # whoever has it open here does not listen
    assert answer["journal"] == "runs/newer/journal.sqlite"
    assert answer["still_trading"] == ["runs/older/journal.sqlite"]
    assert [name for name, folder in folders.items() if (folder / "journal.sqlite.halt").exists()] == ["newer"]
    text = CliRunner().invoke(puna, ["halt", "--timeout", "0.05"], standalone_mode=False).stdout
    assert "STILL TRADING  runs/older/journal.sqlite" in text
    for each in held:
        each.close()
    assert verb("halt", "--timeout", "0.05")[0] == 4
    assert verb("resume", "--reason", "over")[1]["journal"].startswith("runs/")


def test_a_configuration_that_runs_is_found_without_being_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """puna.toml with a journal of its own, elsewhere: halted while its process has it open, and only then."""
    monkeypatch.chdir(tmp_path)
    Path("puna.toml").write_text('[account]\nmode = "sim"\n[journal]\npath = "kept.sqlite"\n')
    SqliteStorage(Path("kept.sqlite")).close()
    assert verb("halt")[0] == 4
    held = SqliteStorage(Path("kept.sqlite"))
    code, answer = verb("halt", "--timeout", "0.05")
    assert (code, Path(answer["journal"]).name) == (7, "kept.sqlite")
    Path("runs/other").mkdir(parents=True)
    other = SqliteStorage(Path("runs/other/journal.sqlite"))
    Path("puna.toml").write_text("half a conf")
    assert verb("halt", "--timeout", "0.05")[1]["journal"] == "runs/other/journal.sqlite"  # broken, and no obstacle
    other.close()
    assert verb("halt")[0] == 3
    Path("puna.toml").write_text('[account]\nmode = "sim"\n[journal]\npath = "kept.sqlite"\n')
    held.close()
    assert verb("halt", "puna.toml")[0] == 0  # by name: it stays halted when it starts again


def test_flatten_without_run_halts_what_is_configured_here(desk: Desk) -> None:
    """Nothing trades: puna.toml's run stays halted when it starts; without a puna.toml there is nothing to halt."""
    code, proof = desk.said("flatten", "--timeout", "30")
    assert (code, proof["flat"]) == (0, True), proof
    kept = desk.folder / "kept.sqlite"
    SqliteStorage(kept).close()
    (desk.folder / "puna.toml").write_text('[account]\nmode = "sim"\n[journal]\npath = "kept.sqlite"\n')
    assert desk.said("flatten", "--timeout", "30")[0] == 0
    assert Latch(kept).down("")


def test_one_scope_at_a_time(journal: Path) -> None:
    """--strategy and --symbol together are a mistake of use."""
    code, says = verb("halt", str(journal), "--strategy", "a", "--symbol", "B")
    assert (code, "not both" in says) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["halt", "nowhere"], 3, "There is no nowhere"),
        (["halt"], 4, "E048  No run is trading here"),
        (["resume", "--reason", "x"], 4, "There is no run"),
        (["resume"], 2, "reason"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, says: str
) -> None:
    """No such run, no reason: each with its own exit code."""
    monkeypatch.chdir(tmp_path)
    found = verb(*words)
    assert (found[0], says in found[1]) == (code, True), found
