"""`puna bus` from outside: tail, record, replay, keys, and the example peer, over real sockets."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from puna.bus.messages import BusError, QuoteUpdate
from puna.bus.publisher import Publisher
from puna.bus.recording import Recording, frames_of

Quoted = Callable[..., QuoteUpdate]
PUNA = [sys.executable, "-m", "puna", "bus"]
PEER = Path(__file__).parents[2] / "examples" / "bus_peer.py"


def puna(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PUNA, *map(str, words)], capture_output=True, text=True, check=False, timeout=60)


def serving(context: "zmq.Context[Any]", command: list[str], quoted: Quoted) -> subprocess.CompletedProcess[str]:
    """Publishes quotes until the command, which watches them, has ended; {} in it is the address."""
    publisher = Publisher(context, "tcp://127.0.0.1:0", name="test", batch=1)
    words = [word.replace("{}", publisher.address) for word in command]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    number = 0
    while process.poll() is None:
        publisher.attend()
        publisher.publish("market.quote.AAPL", quoted(number := number + 1))
        publisher.publish("market.bar.AAPL", quoted(0))
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            assert number < 3000, "the command never ended"
    out, err = process.communicate()
    publisher.close()
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_tail_prints_what_is_published(context: "zmq.Context[Any]", quoted: Quoted) -> None:
    """A line a message, of the topic that was asked for, JSON on request, until --count."""
    command = [*PUNA, "tail", "market.quote", "--address", "{}", "--count", "5", "--json"]
    done = serving(context, command, quoted)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 5
    assert {line["topic"] for line in lines} == {"market.quote.AAPL"}
    assert [line["message"]["ask_size"] for line in lines] == [float(line["seq"]) for line in lines]


def test_a_peer_without_puna_reads_the_bus(context: "zmq.Context[Any]", quoted: Quoted) -> None:
    """The example in plain pyzmq sees the same messages, and counts what it lost."""
    done = serving(context, [sys.executable, str(PEER), "{}", "market.quote", "7"], quoted)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("market.quote.AAPL") == 7
    assert done.stdout.endswith("0 lost\n")


@pytest.mark.timeout(200)
def test_what_was_recorded_is_replayed(context: "zmq.Context[Any]", quoted: Quoted, tmp_path: Path) -> None:
    """Record keeps frames; replay sends the very same frames, and tail sees them as if they were live."""
    file = tmp_path / "day.puna"
    command = [*PUNA, "record", str(file), "--topic", "market.quote", "--address", "{}", "--count", "20"]
    assert serving(context, command, quoted).returncode == 0
    kept = list(frames_of(file))
    assert len(kept) >= 20
    again = puna("record", file)
    assert again.returncode == 1
    assert "E708" in again.stderr
    address = f"ipc://{tmp_path}/bus/again"
    replaying = subprocess.Popen(
        [*PUNA, "replay", str(file), "--bind", address, "--speed", "0", "--wait", "30"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert replaying.stderr is not None
    assert "publishing on" in replaying.stderr.readline()
    seen = puna("tail", "market.quote", "--address", address, "--count", "20", "--json")
    out, _ = replaying.communicate(timeout=60)
    assert out == f"{len(kept)} frames sent\n"
    assert len(seen.stdout.splitlines()) == 20


def test_a_recording_that_is_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """The last frame in part is left out; a file that is no recording is refused."""
    file = tmp_path / "x"
    with Recording(file) as recording:
        recording.put(1, b"one")
        recording.put(2, b"two")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert [frame.frame for frame in frames_of(file)] == [b"one"]
    file.write_bytes(b"something else\n")
    with pytest.raises(BusError, match="no recording"):
        list(frames_of(file))


def test_keys_are_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    """The life of a key on the command line; a secret is never printed."""
    folder = tmp_path / "keys"
    made = puna("keys", "model", "--keys", folder, "--role", "signals", "--json")
    assert made.returncode == 0, made.stderr
    (first,) = json.loads(made.stdout)
    assert (first["name"], first["roles"], first["secret"]) == ("model", "signals", "here")
    assert (folder / "model.secret").read_text().strip() not in made.stdout
    (rotated,) = json.loads(puna("keys", "model", "--keys", folder, "--rotate", "--json").stdout)
    assert rotated["public"].split()[1] == first["public"]
    (retired,) = json.loads(puna("keys", "model", "--keys", folder, "--retire", "--json").stdout)
    assert retired["public"] == rotated["public"].split()[0]
    assert json.loads(puna("keys", "model", "--keys", folder, "--revoke", "--json").stdout) == []
    wrong = puna("keys", "Model!", "--keys", folder)
    assert wrong.returncode == 3
    assert "E037" in wrong.stderr
