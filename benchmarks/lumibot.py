"""A backtest with orders against Lumibot's pandas backtest, on a small subset: Lumibot takes a millisecond a bar.

Lumibot brings three hundred packages whose versions exclude Puna's, so it has an environment of its own,
`.venv-lumibot` (`make bench-lumibot` makes it and runs this). Its figure is what ten days cost more than one, so that
what it does once counts for nothing; network is not used.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.backtest import BARS, QUICK, Cross, seeded_minutes, timed
from benchmarks.table import Goal, Row, interleaved
from puna.research.backtest.data import history_of
from puna.research.backtest.run import run_backtest

__all__ = ["rows"]

PYTHON = Path(__file__).parents[1] / ".venv-lumibot" / "bin" / "python"
SCRIPT = Path(__file__).with_name("lumibot_cross.py")
DAY, DAYS = 390, 10


def rows(*, quick: bool = False) -> list[Row]:
    """With orders, a bar; Puna over all bars with all that it does once.

    Raises:
        SystemExit: Lumibot is not installed.
    """
    if not PYTHON.exists():
        raise SystemExit("Lumibot is not installed here: make bench-lumibot installs it (1.9 GB) and runs this.")
    count = QUICK if quick else BARS
    prices = seeded_minutes(count)
    history = history_of("1Min", {"AAPL": prices})
    return [
        Row(f"backtest, minutes of one stock, EMA cross with orders, a bar (Lumibot: {DAYS} days of them)",
            interleaved(1 if quick else 2, {
                "puna": lambda: timed(count, lambda: run_backtest([Cross()], history)),
                "lumibot": lambda: _lumibot(prices),
            }), (Goal("lumibot", 1 / 500),)),
    ]  # fmt: skip


def _lumibot(prices: dict[str, Any]) -> list[int]:
    """CPU time a bar, ns, of the days after the first."""
    one, all_ = _run(prices, DAY), _run(prices, DAY * DAYS)
    return [(all_["ns"] - one["ns"]) // (all_["iterations"] - one["iterations"])]


def _run(prices: dict[str, Any], count: int) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        np.savez(bars := Path(folder) / "bars.npz", **{name: column[:count] for name, column in prices.items()})
        command = [str(PYTHON), "-P", str(SCRIPT), str(bars)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith('{"iterations"')]
    if done.returncode or not told:
        raise SystemExit(f"lumibot failed:\n{done.stderr[-2000:]}")
    found: dict[str, int] = json.loads(told[-1])
    if not found["orders"]:
        raise SystemExit("lumibot sent no order, so there is nothing to compare")
    return found
