"""The demo's promise: one seed, one event log, in whatever process; another seed, another."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HALF_DAY = "2012-07-03"  # closes at 13:00

pytestmark = pytest.mark.timeout(150)  # three demos at once, on machines that do more than this


def start(folder: Path, seed: int, hash_seed: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "puna", "demo", "--json", "--seed", str(seed), "--day", HALF_DAY, "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
    )


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What three demos printed, each in a process of its own, side by side: seeds 7, 7 and 8."""
    root = tmp_path_factory.mktemp("runs")
    processes = [start(root / f"{at}", seed, at + 1) for at, seed in enumerate((7, 7, 8))]
    printed = [process.communicate(timeout=140) for process in processes]
    assert [errors for _, errors in printed] == ["", "", ""]
    assert [process.returncode for process in processes] == [0, 0, 0]
    return [json.loads(out) for out, _ in printed]


def test_one_seed_has_one_event_log(documents: list[dict[str, Any]]) -> None:
    """Two processes with different hash seeds, running at once, end in the same event log, journal and numbers."""
    one, two, _ = documents
    assert len(one["event_log_hash"]) == 64
    for key in ("event_log_hash", "journal_hash", "metrics", "strategies", "refused", "drops"):
        assert one[key] == two[key], key


def test_another_seed_is_another_day(documents: list[dict[str, Any]]) -> None:
    """The seed is not only printed."""
    _, two, three = documents
    assert two["event_log_hash"] != three["event_log_hash"]
    assert two["metrics"] != three["metrics"]


def test_a_machine_readable_run_says_nothing_else(documents: list[dict[str, Any]]) -> None:
    """One JSON document with what a script needs, and an empty stderr."""
    assert all(document["books_equal"] for document in documents)
    assert all(Path(document["report"]).exists() for document in documents)
