"""Walk-forward over a sweep: choose on the past, look at what the choice gave next, again and again.

The choice is made from the cells' returns over the whole span, cut at the training: what a cell had gained by then it
had gained by then. The test is a run of its own: the chosen cell begins afresh, with nothing held, on the window alone.
A trial that cannot do so is cut there as well, and that is told. Purging and embargo keep apart what one decision has
in both (see `puna.research.statistics.folds`).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import isfinite, sqrt
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from puna.research.statistics.bootstrap import Interval, interval
from puna.research.statistics.folds import Fold, walk_forward
from puna.research.statistics.significance import sharpe
from puna.research.sweep.axes import Value
from puna.research.sweep.cells import Cell, Failure, Outcome, Result, Row, Window
from puna.research.sweep.neighbours import Neighbours
from puna.seams import seeded_rng

__all__ = ["CHOICES", "Afresh", "Folding", "Forward", "Stretch", "forward"]

Afresh: TypeAlias = Callable[[Sequence[Cell]], Sequence[Row]]
"""Runs cells on their windows; their rows, in the same order."""


def _total(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    made: NDArray[np.float64] = np.prod(1 + returns, axis=-1) - 1
    return made


def _fall(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The deepest drawdown, a negative fraction; the shallowest is best."""
    worth = np.cumprod(1 + returns, axis=-1)
    tops = np.maximum(np.maximum.accumulate(worth, axis=-1), 1.0)
    lowest: NDArray[np.float64] = (worth / tops).min(axis=-1) - 1
    return lowest


CHOICES: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "sharpe": sharpe,
    "return": _total,
    "max_drawdown": _fall,
}
"""What the past can choose by: of returns along the last axis, the larger the better."""


class Folding(msgspec.Struct, frozen=True):
    """How walk-forward divides the periods.

    Args:
        count: folds.
        purge: periods of the past that are not trained on, because their results reach into the test.
        embargo: so many more.
        train: the most periods of training; None takes all of the past.
        by: the metric that the past chooses by; Sharpe ratio where it is none that returns alone tell (`CHOICES`).
        warmup: periods before a test whose bars its cell hears without ordering.
        hindsight: whether the cells themselves were found by looking at the whole span.
    """

    count: int
    purge: int = 0
    embargo: int = 0
    train: int | None = None
    by: str = "sharpe"
    warmup: int = 0
    hindsight: bool = False

    @property
    def chooses(self) -> str:
        """The metric that the past really chooses by."""
        return self.by if self.by in CHOICES else "sharpe"


class Stretch(msgspec.Struct, frozen=True):
    """One fold. Sharpe ratios are annual; times are the ends of the first and the last period, ns.

    Args:
        train: from, to.
        test: from, to.
        values: the cell that the training chose, by the median of its neighbourhood.
        inside: its Sharpe ratio in training.
        outside: its Sharpe ratio in the test; None where it did nothing, or its run failed.
        gain: what it made in the test, a fraction.
        median: Sharpe ratio of the median cell in the test, cut out of whole runs: what no choice would have given.
        rank: the part of the other cells that it beat in the test, all cut out of whole runs.
        held: what it held when the test was over, as a part of its equity; nothing was paid for closing it.
        failure: why its run on the test gave nothing.
    """

    train: tuple[int, int]
    test: tuple[int, int]
    values: dict[str, Value]
    inside: float | None
    outside: float | None
    gain: float | None
    median: float | None
    rank: float | None
    held: float | None = None
    failure: str = ""


class Forward(msgspec.Struct, frozen=True):
    """What choosing by the past would have given.

    Args:
        stretches: fold by fold.
        folding: how the periods were divided.
        fresh: whether each test is a run of its own; else it is cut out of the run over the whole span.
        ends: of all test periods, ns.
        returns: of the chosen cells in the tests, one after the other.
        sharpe: of these returns, annual.
        interval: where it lies with 95 %, bootstrapped.
        gain: of all tests, compounded.
        drawdown: the deepest fall of the stitched equity, a negative fraction.
        inside: mean of the Sharpe ratios in training.
        efficiency: what is left outside of what was seen inside; None where nothing was gained inside.
        median: Sharpe ratio of the median cell over the tests, mean of the folds.
        rank: mean of the folds' ranks; one half is what chance gives.
        distinct: how many different cells were chosen.
        steady: how often, of the changes from fold to fold, the choice stayed within a step; None with one fold.
    """

    stretches: list[Stretch]
    folding: Folding
    fresh: bool
    ends: list[int]
    returns: list[float]
    sharpe: float | None
    interval: Interval | None
    gain: float
    drawdown: float
    inside: float | None
    efficiency: float | None
    median: float | None
    rank: float | None
    distinct: int
    steady: float | None

    @property
    def failed(self) -> int:
        """Tests whose run gave nothing; the stitched equity goes on without them."""
        return sum(bool(each.failure) for each in self.stretches)


def forward(
    cells: Sequence[Cell],
    outcomes: Sequence[Outcome],
    neighbours: Neighbours,
    folding: Folding,
    *,
    afresh: Afresh | None = None,
    seed: int = 7,
) -> Forward:
    """Walks over the periods of a sweep.

    Args:
        cells: what was run over the whole span.
        outcomes: what they gave.
        neighbours: of these cells.
        folding: how the periods are divided.
        afresh: runs the chosen cells on the windows of their tests; None cuts the tests out of the whole runs.
        seed: of the bootstrap.

    Raises:
        ConfigError: E689, the periods do not suffice.
    """
    returns = np.array([outcome.returns for outcome in outcomes])
    ends, year = outcomes[0].ends, sqrt(outcomes[0].per_year)
    folds = walk_forward(len(ends), folding.count, horizon=folding.purge, embargo=folding.embargo, train=folding.train)
    measure = CHOICES[folding.chooses]
    chosen = [_chosen(measure(returns[:, fold.train]), neighbours) for fold in folds]
    tests: list[Result]
    if afresh is None:
        tests = [_cut(outcomes[at], fold) for fold, at in zip(folds, chosen, strict=True)]
    else:
        daily = outcomes[0].daily
        asked = [_windowed(cells[at], fold, ends, folding, daily=daily) for fold, at in zip(folds, chosen, strict=True)]
        tests = [_checked(row, fold, ends) for fold, row in zip(folds, afresh(asked), strict=True)]
    stretches = [
        _stretch(fold, cells[at], at, test, returns, ends, year)
        for fold, at, test in zip(folds, chosen, tests, strict=True)
    ]
    good = [test for test in tests if isinstance(test, Outcome)]
    joined = np.array([each for test in good for each in test.returns])
    outside, inside = _annual(joined, year), _mean([each.inside for each in stretches])
    worth = np.cumprod(np.concatenate(([1.0], 1 + joined)))
    return Forward(
        stretches=stretches,
        folding=folding,
        fresh=afresh is not None,
        ends=[end for test in good for end in test.ends],
        returns=joined.tolist(),
        sharpe=outside,
        interval=_interval(joined, year, seed),
        gain=float(worth[-1]) - 1,
        drawdown=float((worth / np.maximum.accumulate(worth) - 1).min()),
        inside=inside,
        efficiency=None if outside is None or inside is None or inside <= 0 else outside / inside,
        median=_mean([each.median for each in stretches]),
        rank=_mean([each.rank for each in stretches]),
        distinct=len({*chosen}),
        steady=_mean([float(after in neighbours.of(before)) for before, after in pairwise(chosen)]),
    )


def _chosen(measured: NDArray[np.float64], neighbours: Neighbours) -> int:
    """The cell whose neighbourhood was best; the first of equals, and the first of all where none moved."""
    scores = neighbours.medians([_finite(float(each)) for each in measured])
    return max(range(len(scores)), key=lambda n: (-np.inf if scores[n] is None else scores[n], -n))


def _cut(outcome: Outcome, fold: Fold) -> Outcome:
    """The test of a run over the whole span."""
    ends, returns = [outcome.ends[n] for n in fold.test], [outcome.returns[n] for n in fold.test]
    return Outcome({}, ends, returns, outcome.per_year)


def _windowed(cell: Cell, fold: Fold, ends: Sequence[int], folding: Folding, *, daily: bool) -> Cell:
    """The cell on the window of a test; what is trained on lies before it, so there is always a period before."""
    first, last = fold.test[0], fold.test[-1]
    heard = first - 1 - folding.warmup
    begin = ends[heard] if heard >= 0 else 0
    return Cell(cell.number, cell.values, Window(begin, ends[first - 1], ends[last], daily))


def _checked(row: Row, fold: Fold, ends: Sequence[int]) -> Result:
    """What a run on a window gave; it has the periods that were asked for, or it is worth nothing."""
    if isinstance(row.result, Outcome) and row.result.ends != [ends[n] for n in fold.test]:
        return Failure("E688", "its run on the test covers other periods")
    return row.result


def _stretch(
    fold: Fold,
    cell: Cell,
    at: int,
    test: Result,
    returns: NDArray[np.float64],
    ends: Sequence[int],
    year: float,
) -> Stretch:
    all_cut = sharpe(returns[:, fold.test]) * year
    known = all_cut[np.isfinite(all_cut)]
    gave = None if isinstance(test, Failure) else np.array(test.returns)
    return Stretch(
        train=(ends[fold.train[0]], ends[fold.train[-1]]),
        test=(ends[fold.test[0]], ends[fold.test[-1]]),
        values=cell.values,
        inside=_annual(returns[at, fold.train], year),
        outside=None if gave is None else _annual(gave, year),
        gain=None if gave is None else float(np.prod(1 + gave)) - 1,
        median=float(np.median(known)) if len(known) else None,
        rank=_rank(all_cut, at),
        held=None if isinstance(test, Failure) else test.metrics.get("held"),
        failure=f"{test.code} {test.what}" if isinstance(test, Failure) else "",
    )


def _rank(ratios: NDArray[np.float64], at: int) -> float | None:
    """The part of the others below; equal ones count half."""
    others = np.delete(ratios, at)
    others = others[np.isfinite(others)]
    if not len(others) or not isfinite(ratios[at]):
        return None
    return float(np.mean(np.where(others == ratios[at], 0.5, others < ratios[at])))


def _annual(returns: NDArray[np.float64], year: float) -> float | None:
    return _finite(float(sharpe(returns)) * year) if len(returns) > 1 else None


def _interval(returns: NDArray[np.float64], year: float, seed: int) -> Interval | None:
    if len(returns) < 2:
        return None
    return interval(returns, lambda drawn: sharpe(drawn) * year, seeded_rng(f"puna sweep forward {seed}"))


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
