"""What a sweep cost on the clock: its cells, and what was needed beside them to run so many at a time."""

import msgspec

from puna.research.report.formats import count
from puna.research.sweep.run import Progress

__all__ = ["Spent", "spent", "told"]


class Spent(msgspec.Struct, frozen=True):
    """Times in seconds of the clock.

    Args:
        runs: cells and tests of walk-forward that were run, not found.
        seconds: how long they took together.
        cores: how many ran at a time.
        per_run: mean time of a run itself.
        overhead: what each run cost beside that: cores x seconds, less all runs, shared out. Starting processes,
            sending, storing, and cores that had nothing to do.
        processes: how many were started.
        starting: of the overhead, from the start of each process to its readiness, summed up.
        reading: of that, reading the history.
    """

    runs: int
    seconds: float
    cores: int
    per_run: float
    overhead: float
    processes: int
    starting: float
    reading: float


def spent(progress: Progress) -> Spent | None:
    """What a sweep cost; None when nothing was run."""
    runs, costs = progress.done - progress.present, progress.costs
    if not runs:
        return None
    work, took = progress.work / 1e9, progress.took / 1e9
    return Spent(
        runs=runs,
        seconds=took,
        cores=costs.cores,
        per_run=work / runs,
        overhead=max(0.0, took * costs.cores - work) / runs,
        processes=costs.processes,
        starting=costs.starting / 1e9,
        reading=costs.reading / 1e9,
    )


def told(cost: Spent) -> str:
    """In a sentence."""
    began = (
        f" ({cost.starting:.2f} s in all to start {count(cost.processes, 'process', 'processes')}, of that "
        f"{cost.reading:.2f} s to read the history)"
        if cost.processes
        else ""
    )
    each = f"{_short(cost.per_run)} each, and {_short(cost.overhead)} overhead each"
    return f"{cost.seconds:.1f} s on {count(cost.cores, 'core')}: {each}{began}"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
