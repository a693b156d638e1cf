"""Rows of the benchmark table: a path, its samples by contestant, the ratio to each anchor, and the goal."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

__all__ = ["Goal", "Row", "interleaved", "machine", "markdown", "show"]


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
    table = Table(title=f"puna bench: medians of interleaved rounds, one run\n{machine()}")
    for heading in ("path", "contestant"):
        table.add_column(heading)
    for heading in ("p50 us", "p99 us", "n", "ratio", "limit"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        judged = next(iter(row.samples))
        goals = {goal.anchor: goal for goal in row.goals}
        for name, samples in row.samples.items():
            ratio = median(row.samples[judged]) / median(samples)
            table.add_row(
                row.path if name == judged else "",
                name,
                _micros(median(samples)),
                _micros(_p99(samples)),
                str(len(samples)),
                "" if name == judged else _shown(ratio),
                *_verdict(goals.get(name), ratio),
            )
        table.add_section()
    console = Console()
    if not console.is_terminal:
        console.width = 130
    console.print(table)
    console.print(
        "ratio: the first contestant's time divided by this one's; it should not exceed the limit", style="dim"
    )


def markdown(rows: Sequence[Row]) -> str:
    """The same table for a page, a row for each anchor."""
    lines = ["| path | puna, us | anchor | its us | ratio | limit | |", "|---|---:|---|---:|---:|---:|---|"]
    for row in rows:
        (_, own), *others = row.samples.items()
        goals = {goal.anchor: goal for goal in row.goals}
        for at, (name, samples) in enumerate(others):
            ratio = median(own) / median(samples)
            limit, verdict = _verdict(goals.get(name), ratio)
            path, ours = (row.path, _micros(median(own))) if at == 0 else ("", "")
            lines.append(
                f"| {path} | {ours} | {name} | {_micros(median(samples))} | {_shown(ratio)} | {limit} | {verdict} |"
            )
    return "\n".join([machine(), "", *lines])


def machine() -> str:
    """Processor, cores, operating system, Python."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _p99(samples: Sequence[int]) -> int:
    return sorted(samples)[min(len(samples) - 1, len(samples) * 99 // 100)]


def _micros(nanos: float) -> str:
    return f"{nanos / 1e3:,.0f}" if nanos >= 1e5 else f"{nanos / 1e3:.3g}"


def _shown(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"1/{1 / ratio:.0f}"


def _verdict(goal: Goal | None, ratio: float) -> tuple[str, str]:
    if goal is None:
        return "", ""
    limit = f"{goal.at_most:g}" if goal.at_most >= 1 else f"1/{1 / goal.at_most:g}"
    return limit, "reached" if ratio <= goal.at_most else "missed"
