"""`puna doctor`: healthy machines exit 0, each thing that is wrong is named, and no key ever shows."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Self

import pytest
from click.testing import CliRunner, Result

from puna.cli import doctor as module
from puna.cli.doctor import doctor
from puna.engine.storage import SqliteStorage
from puna.exchange.server import ExchangeConfig, ExchangeThread
from puna.seams import Record

NAMES = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "ALPACA_BASE_URL", "APCA_API_BASE_URL", "STAGE", "PUNA__ACCOUNT__MODE")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(*words: str, **environ: str) -> Result:
    return CliRunner().invoke(doctor, words, env=dict.fromkeys(NAMES) | environ, standalone_mode=False)


def verdicts(result: Result) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["verdict"], row["detail"]) for row in json.loads(result.stdout)["checks"]}


@pytest.fixture
def broker() -> Iterator["Broker"]:
    with Broker() as running:
        yield running


class Broker:
    """A web server on loopback that answers 401 and says what time it thinks it is."""

    ahead = 0.0

    def __enter__(self) -> Self:
        here = self

        class Answer(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                here.headers = dict(self.headers)
                self.send_response_only(401)
                self.send_header("Date", formatdate(time.time() + here.ahead, usegmt=True))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.headers: dict[str, str] = {}
        self._server = HTTPServer(("127.0.0.1", 0), Answer)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"


def test_a_healthy_machine() -> None:
    """No file, no keys, mode sim: everything is fine, exit 0, and the next step is the demo."""
    made = ask()
    assert made.return_value == 0
    assert made.stderr == "next: puna demo\n"
    found = verdicts(ask("--json"))
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    assert set(found) == {"python", "packages", "sqlite", "native", "config", "keys", "disk", "broker"}


def test_a_broken_config_is_told_and_ends_the_checks(folder: Path) -> None:
    """The config's own message, place included; what depends on it is not guessed."""
    (folder / "puna.toml").write_text("[risk]\nmax_submit = 3\n")
    made = ask("--json")
    assert made.return_value == 1
    found = verdicts(made)
    assert found["config"][0] == "fail"
    assert "puna.toml:2:1" in found["config"][1]
    assert "broker" not in found


def test_paper_needs_keys() -> None:
    """Without keys mode paper is not healthy; with them, their variables are named and nothing else."""
    made = ask("--json", "--offline", PUNA__ACCOUNT__MODE="paper")
    assert (made.return_value, verdicts(made)["keys"]) == (1, ("fail", "none are set"))
    pair = {"ALPACA_API_KEY": "PKTEST1", "ALPACA_SECRET_KEY": "hidden"}
    made = ask("--json", "--offline", PUNA__ACCOUNT__MODE="paper", **pair)
    assert made.return_value == 0
    assert verdicts(made)["keys"] == ("ok", "*** from env ALPACA_API_KEY, env ALPACA_SECRET_KEY")
    assert "hidden" not in made.output
    assert "PKTEST1" not in made.output


def test_the_clock_is_compared_with_the_brokers(broker: Broker) -> None:
    """A broker that is 10 seconds ahead is noticed; keys are not sent for the question."""
    pair = {"ALPACA_API_KEY": "PKTEST1", "ALPACA_SECRET_KEY": "hidden", "ALPACA_BASE_URL": broker.url}
    made = ask("--json", **pair)
    assert (made.return_value, verdicts(made)["broker"][0]) == (0, "ok")
    broker.ahead = 10.0
    made = ask("--json", **pair)
    verdict, detail = verdicts(made)["broker"]
    assert (made.return_value, verdict) == (1, "fail")
    assert "clock -" in detail
    assert not {"PKTEST1", "hidden"} & set(broker.headers.values())


@pytest.mark.parametrize(("secret", "verdict", "code"), [("right", "ok", 0), ("wrong", "fail", 1)])
def test_keys_are_tried_where_a_broker_answers(secret: str, verdict: str, code: int) -> None:
    """Keys that the broker refuses are a failure, not a pair that is merely there."""
    with ExchangeThread(ExchangeConfig(keys={"K": "right"}, wait_for=())) as exchange:
        made = ask("--json", ALPACA_BASE_URL=exchange.url, ALPACA_API_KEY="K", ALPACA_SECRET_KEY=secret)
    assert verdicts(made)["account"][0] == verdict
    assert code == 0 or made.return_value == 1
    assert "right" not in made.output


def test_a_broker_that_is_not_reached_is_a_warning() -> None:
    """No network is no illness of this machine."""
    with Broker() as gone:
        url = gone.url
    made = ask("--json", ALPACA_BASE_URL=url, ALPACA_API_KEY="k", ALPACA_SECRET_KEY="s")
    assert (made.return_value, verdicts(made)["broker"][0]) == (0, "warn")


def test_the_journal_is_read(folder: Path) -> None:
    """A whole one is ok, a damaged one fails, one that is not there yet will be made; none is written to."""
    (folder / "puna.toml").write_text('[journal]\npath = "journal.db"\n')
    journal = folder / "journal.db"
    assert verdicts(ask("--json"))["journal"][1].endswith("will be made")
    with closing(SqliteStorage(journal)) as storage:
        storage.append([Record("note", str(n), n, b"{}") for n in range(50)])
    before = journal.read_bytes()
    assert verdicts(ask("--json"))["journal"] == ("ok", "journal.db: ok")
    assert journal.read_bytes() == before
    with closing(sqlite3.connect(journal)) as connection, connection:
        connection.execute("UPDATE records SET key = 'x' WHERE seq = 7")
    assert verdicts(ask("--json"))["journal"] == ("fail", "journal.db: record 7 was changed, taken out or put in")
    journal.write_bytes(before[:100] + b"\xff" * (len(before) - 100))
    made = ask("--json")
    assert (made.return_value, verdicts(made)["journal"][0]) == (1, "fail")


def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than the least free space is not healthy."""
    monkeypatch.setattr(module, "LEAST_FREE", 1 << 62)
    made = ask("--json")
    assert (made.return_value, verdicts(made)["disk"][0]) == (1, "fail")
