"""`puna alarms` and `puna ack` on journals with and without a process; `--test` against real receivers."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from puna.cli import puna
from puna.cli.alarms import _acknowledge
from puna.cli.target import Target
from puna.core.risk import TradingState
from puna.engine.entries import Acknowledged, Entry, Note, StateChange, from_record, to_record
from puna.engine.latch import Latch
from puna.engine.storage import SqliteStorage, records

HALT = StateChange(ts=1_348_063_800 * 10**9, state=TradingState.HALTED, reason="books differ", by="gateway")
FAILED = Note(ts=HALT.ts, code="E910", text="momentum failed")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "PUNA_ALERT_WEBHOOK",
        "PUNA_ALERT_HEARTBEAT",
        "ALPACA_BASE_URL",
        "ALPACA_API_KEY",
        "ALPACA_SECRET_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def journal(folder: Path, *entries: Entry) -> Path:
    path = folder / "journal.sqlite"
    storage = SqliteStorage(path)
    storage.append([to_record(each) for each in entries])
    storage.close()
    return path


def verb(*words: str) -> tuple[int, Any]:
    result = CliRunner().invoke(puna, [*words, "--json"], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return int(result.return_value or 0), json.loads(result.stdout)


def test_no_alarm_is_exit_code_0_and_one_that_stands_is_1(folder: Path) -> None:
    """Empty, then two; as text with what to do next."""
    path = journal(folder)
    assert verb("alarms", str(path)) == (
        0, {"journal": str(path), "standing": 0, "alerted": None, "alarms": []},
    )  # fmt: skip
    told = CliRunner().invoke(puna, ["alarms", str(path)], standalone_mode=False)
    assert (told.exception, told.stdout) == (None, f"journal {path}\nno alarm stands\n")
    journal(folder, HALT, FAILED)
    code, found = verb("alarms", str(path))
    assert (code, [each["code"] for each in found["alarms"]]) == (1, ["E520", "E910"])
    shown = CliRunner().invoke(puna, ["alarms", str(path)], standalone_mode=False)
    text = shown.stdout
    assert "2012-09-19 10:10:00" in text
    assert "nobody was told" in text
    assert "puna ack 1 --reason TEXT" in shown.stderr


def test_one_then_all_are_acknowledged_with_a_name_and_a_reason(folder: Path) -> None:
    """What is left stands; the journal says who and why; a second time there is nothing to do."""
    path = journal(folder, HALT, FAILED)
    code, said = verb("ack", "2", "--reason", "mended", "--by", "ann", "--run", str(path))
    assert (code, said["acknowledged"], said["standing"]) == (0, [2], [1])
    assert verb("ack", "--all", "--reason", "looked", "--run", str(path))[1]["standing"] == []
    assert verb("ack", "--all", "--reason", "again", "--run", str(path))[1]["acknowledged"] == []
    found = [from_record(seq, record) for seq, record in records(path)]
    assert [(each.alarms, each.reason) for each in found if isinstance(each, Acknowledged)] == [
        ((2,), "mended"),
        ((1,), "looked"),
    ]
    code, known = verb("alarms", str(path), "--all")
    assert (code, [each["by"] != "" for each in known["alarms"]]) == (0, [True, True])


@pytest.mark.parametrize("words", [("3",), ("1", "3")])
def test_a_number_that_does_not_stand_changes_nothing(folder: Path, words: tuple[str, ...]) -> None:
    """E524 with the numbers that do."""
    path = journal(folder, HALT, FAILED)
    with pytest.raises(Exception, match="No alarm 3 stands") as refused:
        verb("ack", *words, "--reason", "x", "--run", str(path))
    assert refused.value.code == "E524"  # type: ignore[attr-defined] # a PunaError, as the text says
    assert verb("alarms", str(path))[1]["standing"] == 2


@pytest.mark.parametrize("words", [(), ("1", "--all")])
def test_numbers_or_all_and_not_both(folder: Path, words: tuple[str, ...]) -> None:
    """A usage error."""
    path = journal(folder, HALT)
    result = CliRunner().invoke(puna, ["ack", *words, "--reason", "x", "--run", str(path)])
    assert result.exit_code == 2
    assert "--all" in result.stderr


async def test_a_process_that_does_not_look_leaves_the_word_for_the_next_start(folder: Path) -> None:
    """Its lock is held and it answers nothing: not confirmed, and the word is beside the journal."""
    path = journal(folder, HALT)
    held = SqliteStorage(path)
    assert not await _acknowledge(Target(path, None), (1,), "ann", "seen", 0.1)
    (seen,) = Latch(path).seen()
    assert (seen.alarms, seen.by, seen.reason) == ((1,), "ann", "seen")
    held.close()


def test_why_shows_the_alarms_that_stood_in_a_moment_and_who_took_note(folder: Path) -> None:
    """Before the acknowledgement it stands; in its minute the events say who and why; after it nothing stands."""
    later = HALT.ts + 120 * 10**9
    path = journal(folder, FAILED, Acknowledged(ts=later, alarms=(1,), by="ann", reason="mended"))
    during = verb("why", "AAPL", "2012-09-19T10:10", "--run", str(path))[1]
    assert during["alarms"] == ["#1 E910 momentum failed"]
    after = verb("why", "AAPL", "2012-09-19T10:12", "--run", str(path))[1]
    assert after["alarms"] == []
    assert [each["what"] for each in after["events"]] == ["alarm 1 acknowledged by ann: mended"]
    text = CliRunner().invoke(puna, ["why", "AAPL", "2012-09-19T10:10", "--run", str(path)]).stdout
    assert "alarm      #1 E910 momentum failed" in text


def test_doctor_tells_of_alarms_that_stand(folder: Path) -> None:
    """Of the configuration's journal; a warning, and nothing once they are acknowledged, or before there is a run."""
    config = folder / "bot.toml"
    config.write_text('[journal]\npath = "journal.sqlite"\n')

    def told() -> list[str]:
        rows = verb("doctor", "--offline", "--config", str(config))[1]["checks"]
        return [f"{row['verdict']} {row['detail']}" for row in rows if row["name"] == "alarms"]

    assert told() == []
    path = journal(folder, HALT, FAILED)
    assert told() == [f"warn 2 stand in {path}, the last: E910; see puna alarms"]
    assert verb("ack", "--all", "--reason", "looked", "--run", str(path))[0] == 0
    assert told() == []


# --- the ways


class Posted(BaseHTTPRequestHandler):
    """Takes what is posted, with the server's status."""

    def do_POST(self) -> None:
        server: Any = self.server
        server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def receiver() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Posted)
    server.told, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_way_is_tried_and_each_says_what_came_of_it(
    folder: Path, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook that takes it and a program that fails: exit code 1, both told apart, no alarm made of it."""
    config = folder / "bot.toml"
    config.write_text(
        f'[alerts]\ncommand = ["{sys.executable}", "-c", "raise SystemExit(4)"]\nwebhook_key = "content"\n'
    )
    monkeypatch.setenv("PUNA_ALERT_WEBHOOK", f"http://127.0.0.1:{receiver.server_port}/hook")
    code, found = verb("alarms", str(config), "--test")
    assert (code, found["taken"]) == (1, ["webhook"])
    assert found["failed"] == {"command": f"{sys.executable} ended with 4"}
    assert receiver.told[0]["content"].startswith("Puna, test (paper): this is a test")


def test_nobody_to_be_told_is_an_error(folder: Path) -> None:
    """E523: neither way is set."""
    with pytest.raises(Exception, match="nobody to be told") as refused:
        verb("alarms", "--test")
    assert refused.value.code == "E523"  # type: ignore[attr-defined] # a PunaError, as the text says


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/hook", "https://user@example.com/hook", "https://10.0.0.7/hook", "ftp://example.com",
        "https://169.254.169.254/latest", "https:///hook", "https://example.com:99999/", "hooks.example.com",
    ],
)  # fmt: skip
def test_an_address_that_alerts_may_not_go_to_is_refused(
    folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain HTTP off this machine, a user, a private network, no host: E008, and the address is not repeated."""
    monkeypatch.setenv("PUNA_ALERT_WEBHOOK", address)
    with pytest.raises(Exception, match="no address for alerts") as refused:
        verb("alarms", "--test")
    assert refused.value.code == "E008"  # type: ignore[attr-defined] # a PunaError, as the text says
    assert address not in str(refused.value)


def test_the_address_is_never_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`puna config show` says that there is one, and another."""
    monkeypatch.setenv("PUNA_ALERT_WEBHOOK", "https://hooks.example.com/s3cret")
    monkeypatch.setenv("PUNA_ALERT_HEARTBEAT", "https://ping.example.com/s3cret")
    text = CliRunner().invoke(puna, ["config", "show"], standalone_mode=False).stdout
    assert "(alert webhook)" in text
    assert "(alert heartbeat)" in text
    assert "s3cret" not in text
