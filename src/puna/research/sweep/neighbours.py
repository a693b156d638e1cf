"""Who stands near whom in a sweep, and what a neighbourhood scores: a cell is judged by its neighbours, not alone.

A cell that is good among bad ones owes it to luck; what works works a step further as well. So a cell's standing is the
median of its own score and those within one step on every axis. Axes of names have no steps: neighbours share the name.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from puna.research.sweep.axes import Axis
from puna.research.sweep.cells import Cell

__all__ = ["TENTHS", "Neighbours", "at_edge"]

TENTHS = 10
"""Where a range has no steps, a tenth of it is one."""


class Neighbours:
    """The neighbours of each cell, its own place first.

    Where cells were drawn and not all of a grid were run, a step that leads to fewer cells than there are axes is made
    wider until there are as many, or until there is no cell of the same names left.

    Args:
        axes: what was varied.
        cells: what was run.
    """

    def __init__(self, axes: Sequence[Axis], cells: Sequence[Cell]) -> None:
        steps = _places([axis for axis in axes if axis.ordered and len(axis.values) != 1], cells)
        names = _places([axis for axis in axes if not axis.ordered], cells)
        self._near = [_near(steps, names, n) for n in range(len(cells))]

    def of(self, place: int) -> list[int]:
        """Places of the cell itself and of its neighbours."""
        return self._near[place]

    def medians(self, scores: Sequence[float | None]) -> list[float | None]:
        """Each cell's median with its neighbours; None where it or all of them have no score."""
        values = np.array([np.nan if score is None else score for score in scores])
        return [_median(values[near]) for near in self._near]


def at_edge(axes: Sequence[Axis], cell: Cell) -> list[str]:
    """The keys at whose first or last value a cell stands: what lies beyond was not tried."""
    return [
        axis.key
        for axis in axes
        if axis.ordered and len(axis.values) > 2 and cell.values[axis.key] in (axis.values[0], axis.values[-1])
    ]


def _places(axes: Sequence[Axis], cells: Sequence[Cell]) -> NDArray[np.float64]:
    """Shape (cells, axes): the step at which each cell stands."""
    columns = [_steps(axis, cells) for axis in axes]
    return np.array(columns).T.reshape(len(cells), len(axes))


def _steps(axis: Axis, cells: Sequence[Cell]) -> list[float]:
    if axis.span is not None:
        width = axis.span.high - axis.span.low
        return [(float(cell.values[axis.key]) - axis.span.low) / width * TENTHS for cell in cells]
    places = {value: float(n) for n, value in enumerate(axis.values)}
    return [places[cell.values[axis.key]] for cell in cells]


def _near(steps: NDArray[np.float64], names: NDArray[np.float64], place: int) -> list[int]:
    alike = (names == names[place]).all(axis=1)
    if not steps.shape[1]:
        return [place]
    away = np.where(alike, np.abs(steps - steps[place]).max(axis=1), np.inf)
    away[place] = -1.0
    order = np.argsort(away, kind="stable")
    within = max(int((away <= 1 + 1e-9).sum()), min(1 + steps.shape[1], int(np.isfinite(away).sum())))
    return [int(n) for n in order[:within]]


def _median(values: NDArray[np.float64]) -> float | None:
    """The first value is the cell's own."""
    if np.isnan(values[0]):
        return None
    return float(np.median(values[~np.isnan(values)]))
