"""`puna exchange` as a process of its own: what it prints, how it ends, and its exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from puna.cli import main

PUNA = [sys.executable, "-m", "puna", "exchange"]
FAST = ["--speed", "1000000"]


def _run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PUNA, *options], capture_output=True, text=True, timeout=50, check=False, env={**os.environ, **environment}
    )


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_day_in_json_is_two_lines() -> None:
    """One object when it listens, one at the end of the day, and exit code 0."""
    done = _run(*FAST, "--json", "--cash", "5000", "--symbols", "IBM,aapl")
    assert (done.returncode, done.stderr) == (0, "")
    listening, ended = _lines(done.stdout)
    assert listening["rest"].startswith("http://127.0.0.1:")
    assert listening["data_stream"].endswith("/v2/iex")
    assert listening["trading_stream"].endswith("/stream")
    assert (ended["ended"], ended["cash"], ended["positions"]) == ("day over", "5000", [])
    assert len(ended["event_log_hash"]) == 64


def test_the_hash_is_the_same_in_every_process() -> None:
    """Two processes with different hash seeds agree on a day; another seed makes another day."""
    hashes = [
        _lines(_run(*FAST, "--json", "--seed", seed, PYTHONHASHSEED=salt).stdout)[1]["event_log_hash"]
        for seed, salt in (("7", "1"), ("7", "2"), ("8", "1"))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_exchange_still_sums_up(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C ends it within moments, with its books and the hash of the log that it has written."""
    log = tmp_path / "events.jsonl"
    command = [*PUNA, "--json", "--speed", "60", "--log", str(log), "--key", "MY:OWN"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        listening = json.loads(process.stdout.readline())
        request = urllib.request.Request(  # noqa: S310 - an address that was just printed
            f"{listening['rest']}/v2/account", headers={"APCA-API-KEY-ID": "MY", "APCA-API-SECRET-KEY": "OWN"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            assert json.load(answer)["status"] == "ACTIVE"
        process.send_signal(number)
        ended = json.loads(process.stdout.read())
        assert process.wait(10) == 0
    assert ended["ended"] == "interrupted"
    assert all(json.loads(line) for line in log.read_text().splitlines())


def test_people_are_told_where_to_point_a_client() -> None:
    """Three addresses, the lines for alpaca-py, that it is a simulation, and a summary."""
    text = _run(*FAST, "--key", "MY:OWN").stdout
    for part in (
        "SIMULATED EXCHANGE",
        "/v2/iex",
        "/stream",
        'TradingClient("MY"',
        "url_override=",
        "export ALPACA_BASE_URL=http://127.0.0.1:",
        "ALPACA_API_KEY=MY ",
        "day over",
        "event log ",
    ):
        assert part in text
    assert "OWN" not in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_ends_the_log_and_not_the_day() -> None:
    """The day goes on to its end, and then it is said that the log does not: E033, exit code 1, no traceback."""
    done = _run(*FAST, "--json", "--log", "/dev/full")
    assert (done.returncode, _lines(done.stdout)[-1]["ended"]) == (1, "day over")
    assert "E033" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_use_is_said_with_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Usage is 2, a configuration that cannot be used is 3, data that is not there is 1; never a traceback."""
    script = tmp_path / "faults.toml"
    script.write_text('[[fault]]\non = "GET *"\naction = "explode"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for options, code, says in (
            (["--lockstep", "--speed", "3"], 2, "exclude"),
            (["--key", "nothing"], 2, "ID:SECRET"),
            (["--speed", "0"], 2, "speed"),
            (["--port", "99999"], 2, "65535"),
            (["--port", str(taken.getsockname()[1])], 3, "E030"),
            (["--host", "192.0.2.1"], 3, "E031"),
            (["--faults", str(script)], 3, "line 1"),
            (["--log", str(tmp_path / "no" / "place")], 3, "E033"),
            (["--day", "2012-09-22"], 1, "E615"),
            (["--symbols", "NOPE"], 1, "NOPE"),
        ):
            with pytest.raises(SystemExit) as ended:
                main(["exchange", *options])
            printed = capsys.readouterr()
            assert (ended.value.code, printed.out) == (code, ""), options
            assert says in printed.err
            assert "Traceback" not in printed.err
