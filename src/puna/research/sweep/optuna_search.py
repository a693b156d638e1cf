"""A sweep that looks where it found something: Optuna's TPE asks for eight cells at a time (extra `sweep`).

The size of a round does not depend on how many workers there are, and the sampler has a seed; so the same results lead
to the same cells on any machine, and a sweep that is resumed walks the same way again.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, prod
from typing import Any

from puna.research.extra import library
from puna.research.sweep.axes import Axis, Value
from puna.research.sweep.cells import Cell, Row
from puna.seams import seeded_rng

__all__ = ["ROUND", "Optuna"]

ROUND = 8
"""Cells asked for at a time: so many can run side by side."""
_TRIES = 20  # cells that were asked for before, until one is drawn instead


class Optuna:
    """Tree-structured Parzen estimator (Bergstra and others, Algorithms for Hyper-Parameter Optimization, 2011).

    Args:
        axes: what is varied.
        cells: how many; fewer where the grid has fewer.
        seed: of the sampler.
        score: what is to be as large as possible; None for a cell that tells nothing.

    Raises:
        ConfigError: E660, optuna is not installed.
    """

    def __init__(self, axes: Sequence[Axis], cells: int, seed: int, score: Callable[[Row], float | None]) -> None:
        self._optuna = library("optuna", "sweep")
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        sampler = self._optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=2 * ROUND)
        self._study = self._optuna.create_study(direction="maximize", sampler=sampler)
        self._axes = axes
        self._rng = seeded_rng(f"puna sweep optuna {seed}")
        self._score = score
        self._asked: dict[str, Any] = {}
        self._told = 0
        grid = None if any(axis.span for axis in axes) else prod(len(axis.values) for axis in axes)
        self.total = cells if grid is None else min(cells, grid)
        """How many cells there will be."""

    def ask(self, rows: Sequence[Row]) -> Sequence[Cell]:
        """The next round, after the rows of the one before were learnt from."""
        for row in rows[self._told :]:
            self._tell(self._asked[row.cell.key], row)
        self._told = len(rows)
        return [self._next() for _ in range(min(ROUND, self.total - len(self._asked)))]

    def _tell(self, trial: Any, row: Row) -> None:
        score = self._score(row)
        if score is None or not isfinite(score):
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, score)

    def _next(self) -> Cell:
        """A cell that was not asked for yet."""
        for _ in range(_TRIES):
            trial = self._study.ask(self._distributions())
            cell = Cell(len(self._asked), self._values(trial.params))
            if cell.key not in self._asked:
                self._asked[cell.key] = trial
                return cell
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return self._drawn()

    def _drawn(self) -> Cell:
        """Any new cell: the sampler keeps coming back to those that it knows."""
        while True:
            params = {axis.key: self._rng.randrange(0, len(axis.values)) for axis in self._axes if axis.span is None}
            self._study.enqueue_trial(params)
            trial = self._study.ask(self._distributions())
            cell = Cell(len(self._asked), self._values(trial.params))
            if cell.key not in self._asked:
                self._asked[cell.key] = trial
                return cell
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def _distributions(self) -> dict[str, Any]:
        return {axis.key: self._distribution(axis) for axis in self._axes}

    def _distribution(self, axis: Axis) -> Any:
        """A range of numbers; the place among values that stand in their order; or a choice of names."""
        kinds = self._optuna.distributions
        if axis.span is not None:
            return kinds.FloatDistribution(axis.span.low, axis.span.high)
        if axis.ordered:
            return kinds.IntDistribution(0, len(axis.values) - 1)
        return kinds.CategoricalDistribution(range(len(axis.values)))

    def _values(self, params: Mapping[str, Any]) -> dict[str, Value]:
        return {axis.key: params[axis.key] if axis.span else axis.values[params[axis.key]] for axis in self._axes}
