"""A sweep of 200 cells on two processes against one core; what the sweep itself costs a cell, and its start.

Every cell is a backtest of two years of daily bars, on the whole path of orders. One core runs the cells in the very
process, with nothing to start and nothing to send; two processes are started, fed and ended within what is timed. On
a machine whose cores other work shares, the CPU time of a core says what two free ones would take.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from benchmarks.table import Goal, Row, interleaved
from puna.cli.sweep_keys import axes_of, targets
from puna.cli.sweep_trial import BacktestTrial, Bars
from puna.research.sweep.axes import Value, read_axes, typed
from puna.research.sweep.cells import Failure, Outcome, Trial
from puna.research.sweep.run import sweep
from puna.research.sweep.search import Grid
from puna.research.sweep.store import stored
from puna.research.sweep.workers import Here, Processes, Workers

__all__ = ["rows"]

CONFIG = Path(__file__).parents[1] / "examples" / "crossing.toml"
WORDS = ("fast=2..20:2", "slow=25..120:5")  # 200 cells
FEW = ("fast=2..8:2", "slow=30..75:15")  # too few to share out the start: no goal is set for them
IDLE = 400


def rows(*, quick: bool = False) -> list[Row]:
    """Four rows: the whole sweep, the CPU time of a core in it, a cell of nothing, the start of two processes."""
    words = read_axes(FEW if quick else WORDS)
    found = targets(CONFIG, words)
    search = Grid(axes_of(CONFIG, found, words))
    bars = Bars(date(2004, 1, 1), date(2005, 12, 31), Path("history"), True, None, None, "raw")  # noqa: FBT003 - a field
    trial = BacktestTrial(CONFIG, tuple(found), bars, "realistic", 7)
    with tempfile.TemporaryDirectory() as folder:
        return _rows(search, trial, trial.sharing(Path(folder)), quick=quick)


def _rows(search: Grid, trial: BacktestTrial, shared: BacktestTrial, *, quick: bool) -> list[Row]:
    """As `puna sweep` does: one core has read the history, others map it."""
    spent: dict[str, list[int]] = {"two processes": [], "one core": []}
    contestants: dict[str, Callable[[], list[int]]] = {
        "two processes": lambda: [_swept(search, Processes(shared, 2), spent["two processes"], cores=2)],
        "one core": lambda: [_swept(search, Here(trial), spent["one core"])],
    }
    whole = interleaved(1, contestants)
    goals = () if quick else (Goal("one core", 1 / 1.8),)
    idle = Grid([typed(read_axes([f"x=1..{IDLE}"])[0], "whole")])
    own: dict[str, Callable[[], list[int]]] = {
        "two processes": lambda: [_swept(idle, _warm()) // IDLE],
        "one core": lambda: [_swept(idle, Here(nothing)) // IDLE],
    }
    return [
        Row(f"sweep of {search.total} cells", whole, goals),
        Row(f"sweep of {search.total} cells, CPU time of a core", spent, goals),
        Row("sweep: a cell that does nothing", interleaved(1 if quick else 3, own)),
        Row(
            "sweep: two processes start", interleaved(1 if quick else 3, {"two processes": lambda: [_started(shared)]})
        ),
    ]


def nothing(values: Mapping[str, Value]) -> Outcome:
    """A year of days in which nothing happens."""
    return Outcome({"sharpe": None, "x": float(values["x"])}, list(range(252)), [0.0] * 252)


def _warm() -> Workers:
    """Processes that have begun before the watch does."""
    workers = Processes(nothing, 2)
    workers.load()
    return workers


def _swept(search: Grid, workers: Workers, spent: list[int] | None = None, cores: int = 1) -> int:
    """The time of a whole sweep, with its durable store; ns. `spent` gets the CPU time that each core had to give."""
    with tempfile.TemporaryDirectory() as folder:
        start, used = time.perf_counter_ns(), _used()
        with stored(Path(folder)) as store, workers:
            found = sweep(search, workers, store)
        took = time.perf_counter_ns() - start
    if spent is not None:
        spent.append((_used() - used) // cores)
    if failed := [row.result for row in found if isinstance(row.result, Failure)]:
        raise SystemExit(f"a cell of the benchmark failed: {failed[0]}")
    return took


def _used() -> int:
    """CPU time of this process and of those it started and has seen the end of; ns."""
    times = os.times()
    return round((times.user + times.system + times.children_user + times.children_system) * 1e9)


def _started(trial: Trial) -> int:
    """From nothing to processes that have loaded the trial and ended again; ns."""
    start = time.perf_counter_ns()
    with Processes(trial, 2) as workers:
        workers.load()
        return time.perf_counter_ns() - start
