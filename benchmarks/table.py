"""Rows of the benchmark table: a path, its samples by contestant, the ratio to each anchor, and the goal."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

__all__ = ["Goal", "Row", "interleaved", "show"]


class Goal(NamedTuple):
    """`puna / anchor` must be at most this; below 1 means that Puna is the faster one."""

    anchor: str
    at_most: float


class Row(NamedTuple):
    """One path: samples in nanoseconds by contestant; the first contestant is the one that is judged."""

    path: str
    samples: Mapping[str, Sequence[int]]
    goals: tuple[Goal, ...] = ()


def interleaved(rounds: int, contestants: Mapping[str, Callable[[], list[int]]]) -> dict[str, list[int]]:
    """A B C, A B C, ...: the machine's drift falls on all alike."""
    samples: dict[str, list[int]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            got = run()
            if not got:
                raise SystemExit(f"{name} gave no sample: is the machine too busy?")
            samples[name] += got
    return samples


def show(rows: Sequence[Row]) -> None:
    """Prints one table: p50 and p99 for each contestant, and each goal with what was reached."""
    table = Table(title="puna bench: medians of interleaved rounds, one run, this machine")
    for heading in ("path", "contestant"):
        table.add_column(heading)
    for heading in ("p50 us", "p99 us", "n", "puna / this"):
        table.add_column(heading, justify="right")
    table.add_column("goal")
    for row in rows:
        judged = next(iter(row.samples))
        goals = {goal.anchor: goal for goal in row.goals}
        for name, samples in row.samples.items():
            ratio = median(row.samples[judged]) / median(samples)
            table.add_row(
                row.path if name == judged else "",
                name,
                f"{median(samples) / 1e3:,.0f}",
                f"{_p99(samples) / 1e3:,.0f}",
                str(len(samples)),
                "" if name == judged else f"{ratio:.2f}",
                _verdict(goals.get(name), ratio),
            )
        table.add_section()
    Console().print(table)


def _p99(samples: Sequence[int]) -> int:
    return sorted(samples)[min(len(samples) - 1, len(samples) * 99 // 100)]


def _verdict(goal: Goal | None, ratio: float) -> str:
    if goal is None:
        return ""
    return f"<= {goal.at_most:g}: {'reached' if ratio <= goal.at_most else 'missed'}"
