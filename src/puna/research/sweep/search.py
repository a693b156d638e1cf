"""Which cells a sweep runs: the whole grid, or cells drawn at random; both are known before the first one runs.

A search gives its cells in rounds and is told the rows of all rounds before. Given the same seed and the same results
it asks for the same cells, so a sweep that is resumed asks again and finds what it had already.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Protocol

from puna.errors import ConfigError
from puna.research.sweep.axes import Axis, Value, size
from puna.research.sweep.cells import Cell, Row
from puna.seams import Rng, seeded_rng

__all__ = ["Grid", "Random", "Search", "no_steps"]


class Search(Protocol):
    """Cells, round by round."""

    @property
    def total(self) -> int:
        """How many cells there will be."""

    def ask(self, rows: Sequence[Row]) -> Sequence[Cell]:
        """The next round; empty when the search is over.

        Args:
            rows: all rounds so far, in the order in which they were asked for.
        """


class _Known:
    """A search whose cells are all known from the start: one round."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells

    @property
    def total(self) -> int:
        return len(self._cells)

    def ask(self, rows: Sequence[Row]) -> Sequence[Cell]:
        return () if rows else self._cells


class Grid(_Known):
    """Every combination, the last axis fastest.

    Raises:
        ConfigError: E680, an axis has no steps, or there are more than a million cells.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        if size(axes) is None:
            raise no_steps(axes)
        combinations = product(*(axis.values for axis in axes))
        super().__init__([_cell(n, axes, values) for n, values in enumerate(combinations)])


class Random(_Known):
    """Different cells drawn by a seed; the whole grid in a drawn order where it has no more cells than asked for."""

    def __init__(self, axes: Sequence[Axis], cells: int, seed: int) -> None:
        rng = seeded_rng(f"puna sweep {seed}")
        if all(axis.span is None for axis in axes):
            places = _drawn(prod(len(axis.values) for axis in axes), cells, rng)
            chosen = [_at(axes, place) for place in places]
        else:
            chosen = [tuple(_value(axis, rng) for axis in axes) for _ in range(cells)]
        super().__init__([_cell(n, axes, values) for n, values in enumerate(chosen)])


def no_steps(axes: Sequence[Axis]) -> ConfigError:
    """A grid was asked for, and an axis is a range of numbers without a step."""
    key = next(axis.key for axis in axes if axis.span is not None)
    return ConfigError(
        f"{key} has no steps.",
        why="a grid takes every value, and there is no end of numbers between two others",
        state="Nothing was run.",
        remedy=f"Give a step, such as {key}=0.1..0.5:0.1, or --search random --cells N.",
        code="E680",
    )


def _cell(number: int, axes: Sequence[Axis], values: Sequence[Value]) -> Cell:
    return Cell(number, {axis.key: value for axis, value in zip(axes, values, strict=True)})


def _drawn(total: int, count: int, rng: Rng) -> list[int]:
    """`count` different places of `total`, in a drawn order (Fisher and Yates, without a list of them all)."""
    moved: dict[int, int] = {}
    places = []
    for n in range(min(count, total)):
        at = rng.randrange(n, total)
        places.append(moved.get(at, at))
        moved[at] = moved.get(n, n)
    return places


def _at(axes: Sequence[Axis], place: int) -> tuple[Value, ...]:
    """The combination at a place of the grid, the last axis fastest."""
    values: list[Value] = []
    for axis in reversed(axes):
        place, n = divmod(place, len(axis.values))
        values.append(axis.values[n])
    return tuple(reversed(values))


def _value(axis: Axis, rng: Rng) -> Value:
    if axis.span is None:
        return axis.values[rng.randrange(0, len(axis.values))]
    return axis.span.low + (axis.span.high - axis.span.low) * rng.random()
