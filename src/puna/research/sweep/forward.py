"""Walk-forward over a sweep: choose on the past, look at what the choice gave next, again and again.

Every cell was run once over the whole span; its returns of the training periods choose, those of the test periods
judge. Purging and embargo keep apart what one decision has in both (see `puna.research.statistics.folds`).
"""

from collections.abc import Sequence
from math import isfinite, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from puna.research.statistics.folds import Fold, walk_forward
from puna.research.statistics.significance import sharpe
from puna.research.sweep.axes import Value
from puna.research.sweep.cells import Cell, Outcome
from puna.research.sweep.neighbours import Neighbours

__all__ = ["Forward", "Stretch", "forward"]


class Stretch(msgspec.Struct, frozen=True):
    """One fold. Sharpe ratios are annual; times are the ends of the first and the last period, ns.

    Args:
        train: from, to.
        test: from, to.
        values: the cell that the training chose, by the median of its neighbourhood.
        inside: its Sharpe ratio in training.
        outside: its Sharpe ratio in the test.
        median: that of the median cell in the test: what no choice at all would have given.
    """

    train: tuple[int, int]
    test: tuple[int, int]
    values: dict[str, Value]
    inside: float | None
    outside: float | None
    median: float | None


class Forward(msgspec.Struct, frozen=True):
    """What choosing by the past would have given.

    Args:
        stretches: fold by fold.
        purge: periods purged.
        embargo: periods of embargo.
        ends: of all test periods, ns.
        returns: of the chosen cells in the tests, one after the other.
        sharpe: of these returns, annual.
        inside: mean of the Sharpe ratios in training.
        median: Sharpe ratio of the median cell over the tests, mean of the folds.
    """

    stretches: list[Stretch]
    purge: int
    embargo: int
    ends: list[int]
    returns: list[float]
    sharpe: float | None
    inside: float | None
    median: float | None

    @property
    def efficiency(self) -> float | None:
        """What is left outside of what was seen inside; None where nothing was gained inside."""
        if self.sharpe is None or self.inside is None or self.inside <= 0:
            return None
        return self.sharpe / self.inside


def forward(
    cells: Sequence[Cell],
    outcomes: Sequence[Outcome],
    neighbours: Neighbours,
    count: int,
    *,
    purge: int = 0,
    embargo: int = 0,
    train: int | None = None,
) -> Forward:
    """Walks over the periods of a sweep in `count` folds.

    Raises:
        ConfigError: E689, the periods do not suffice.
    """
    returns = np.array([outcome.returns for outcome in outcomes])
    ends, year = outcomes[0].ends, sqrt(outcomes[0].per_year)
    folds = walk_forward(len(ends), count, horizon=purge, embargo=embargo, train=train)
    chosen = [_chosen(returns[:, fold.train], neighbours) for fold in folds]
    stretches = [_stretch(fold, cells[at], at, returns, ends, year) for fold, at in zip(folds, chosen, strict=True)]
    joined = np.concatenate([returns[at, fold.test] for fold, at in zip(folds, chosen, strict=True)])
    return Forward(
        stretches=stretches,
        purge=purge,
        embargo=embargo,
        ends=[ends[n] for fold in folds for n in fold.test],
        returns=[float(each) for each in joined],
        sharpe=_finite(float(sharpe(joined)) * year),
        inside=_mean([each.inside for each in stretches]),
        median=_mean([each.median for each in stretches]),
    )


def _chosen(returns: NDArray[np.float64], neighbours: Neighbours) -> int:
    """The cell whose neighbourhood was best; the first of equals, and the first of all where none moved."""
    scores = neighbours.medians([_finite(float(each)) for each in sharpe(returns)])
    return max(range(len(scores)), key=lambda n: (-np.inf if scores[n] is None else scores[n], -n))


def _stretch(
    fold: Fold, cell: Cell, at: int, returns: NDArray[np.float64], ends: Sequence[int], year: float
) -> Stretch:
    tested = sharpe(returns[:, fold.test]) * year
    known = tested[np.isfinite(tested)]
    return Stretch(
        train=(ends[fold.train[0]], ends[fold.train[-1]]),
        test=(ends[fold.test[0]], ends[fold.test[-1]]),
        values=cell.values,
        inside=_finite(float(sharpe(returns[at, fold.train])) * year),
        outside=_finite(float(tested[at])),
        median=float(np.median(known)) if len(known) else None,
    )


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
