"""What a sweep amounts to: its best cells by their neighbourhood, and how much of the best is luck of the choice.

Trying many cells and keeping the best finds something in any noise. So beside the best stand the deflated Sharpe ratio
(the probability that it has skill after so many trials) and the probability of backtest overfitting (how often the best
of one half of the time is below the middle in the other). A sweep whose best does not pass the first is called noise.
"""

from collections.abc import Sequence
from math import isfinite, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from puna.errors import ConfigError, PunaError
from puna.research.statistics.bootstrap import Interval, interval
from puna.research.statistics.overfitting import Overfitting, overfitting
from puna.research.statistics.significance import deflated_sharpe, effective_trials, expected_best, moments, sharpe
from puna.research.sweep.axes import Axis
from puna.research.sweep.cells import Cell, Failure, Outcome, Row
from puna.research.sweep.forward import Afresh, Folding, Forward, forward
from puna.research.sweep.neighbours import Neighbours, at_edge
from puna.seams import seeded_rng

__all__ = ["CONFIDENCE", "Judgement", "Standing", "judge", "no_metric", "score"]

CONFIDENCE = 0.95
"""A deflated Sharpe ratio below it is noise."""


class Standing(msgspec.Struct, frozen=True):
    """Where a cell stands.

    Args:
        cell: what was tried.
        metrics: what it gave.
        score: the metric that cells are compared by.
        neighbourhood: the median of its score and those of its neighbours.
        neighbours: how many it has.
        deflated: its deflated Sharpe ratio, a probability; None where returns do not vary.
    """

    cell: Cell
    metrics: dict[str, float | None]
    score: float | None
    neighbourhood: float | None
    neighbours: int
    deflated: float | None


class Judgement(msgspec.Struct, frozen=True):
    """A sweep, judged.

    Args:
        by: the metric that cells are compared by; the larger the better.
        cells: how many were run.
        failed: how many of them failed.
        standings: all others, the best neighbourhood first.
        peak: the standing with the highest score of its own.
        effective: how many independent trials so many similar ones are worth.
        deviation: standard deviation of the cells' Sharpe ratios, per period.
        daily: whether periods are days, or bars.
        luck: the annual Sharpe ratio that the best of so many trials has by luck alone.
        interval: where the annual Sharpe ratio of the best lies with 95 %, bootstrapped, the choice not counted.
        overfit: cross-validation of the choice; None where there are too few cells or periods.
        forward: walk-forward, where it was asked for.
        edges: keys at whose end the best stands.
        noise: whether the best is no better than luck explains.
    """

    by: str
    cells: int
    failed: int
    standings: list[Standing]
    peak: Standing
    effective: float
    deviation: float
    daily: bool
    luck: float
    interval: Interval | None
    overfit: Overfitting | None
    forward: Forward | None
    edges: list[str]
    noise: bool

    @property
    def best(self) -> Standing:
        """The cell in the best neighbourhood."""
        return self.standings[0]


def score(row: Row, by: str) -> float | None:
    """What a row scores; None for a failure, or where the metric is not told."""
    if isinstance(row.result, Failure):
        return None
    value = row.result.metrics.get(by)
    return None if value is None or not isfinite(value) else value


def judge(
    axes: Sequence[Axis],
    rows: Sequence[Row],
    *,
    by: str = "sharpe",
    seed: int = 7,
    folding: Folding | None = None,
    afresh: Afresh | None = None,
) -> Judgement:
    """What rows of a sweep amount to.

    Args:
        axes: what was varied.
        rows: every cell with its result.
        by: the metric that cells are compared by.
        seed: of the bootstrap.
        folding: for walk-forward.
        afresh: runs what it chooses on the windows of its tests; None cuts these out of the runs over the whole span.

    Raises:
        PunaError: E687, every cell failed.
        ConfigError: E681, no cell has that metric; E688, cells cover different periods; E689, the periods do not
            suffice for the folds.
    """
    good = [(row, row.result) for row in rows if isinstance(row.result, Outcome)]
    if not good:
        raise _nothing(rows)
    cells, outcomes = [row.cell for row, _ in good], [outcome for _, outcome in good]
    _check(by, outcomes)
    scores = [score(row, by) for row, _ in good]
    neighbours = Neighbours(axes, cells)
    returns = np.array([outcome.returns for outcome in outcomes], np.float64)
    deflated, effective, deviation = _deflated(returns)
    year = sqrt(outcomes[0].per_year)
    medians = neighbours.medians(scores)
    standings = [
        Standing(cell, outcome.metrics, scores[n], medians[n], len(neighbours.of(n)) - 1, deflated[n])
        for n, (cell, outcome) in enumerate(zip(cells, outcomes, strict=True))
    ]
    order = sorted(range(len(standings)), key=lambda n: (_low(medians[n]), _low(scores[n]), -n), reverse=True)
    best = order[0]
    peak = max(range(len(standings)), key=lambda n: (_low(scores[n]), -n))
    return Judgement(
        by=by,
        cells=len(rows),
        failed=len(rows) - len(good),
        standings=[standings[n] for n in order],
        peak=standings[peak],
        effective=effective,
        deviation=deviation,
        daily=outcomes[0].daily,
        luck=expected_best(effective, deviation) * year,
        interval=_interval(returns[best], year, seed),
        overfit=overfitting(returns) if returns.any() else None,
        forward=None if folding is None else forward(cells, outcomes, neighbours, folding, afresh=afresh, seed=seed),
        edges=at_edge(axes, cells[best]),
        noise=not (deflated[best] or 0.0) >= CONFIDENCE,
    )


def _low(value: float | None) -> float:
    return -np.inf if value is None else value


def _deflated(returns: NDArray[np.float64]) -> tuple[list[float | None], float, float]:
    """Each cell's deflated Sharpe ratio, the effective number of trials, and how much their Sharpe ratios differ."""
    ratios = sharpe(returns)
    known = ratios[np.isfinite(ratios)]
    if not len(known):
        return [None] * len(returns), 1.0, 0.0
    effective = effective_trials(returns)
    deviation = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    found = [_finite(deflated_sharpe(moments(each), effective, deviation)) for each in returns]
    return found, effective, deviation


def _interval(returns: NDArray[np.float64], year: float, seed: int) -> Interval | None:
    if len(returns) < 2:
        return None
    return interval(returns, lambda drawn: sharpe(drawn) * year, seeded_rng(f"puna sweep interval {seed}"))


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _check(by: str, outcomes: Sequence[Outcome]) -> None:
    """Cells are compared by a metric that they have, over the same periods."""
    known = sorted({name for outcome in outcomes for name in outcome.metrics})
    if by not in known:
        raise no_metric(by, known)
    if any(outcome.ends != outcomes[0].ends for outcome in outcomes):
        raise ConfigError(
            "The cells cover different periods.",
            why="what is compared must have seen the same days",
            state="Every cell stands in the folder.",
            remedy="Vary nothing that changes the days of a backtest.",
            code="E688",
        )


def no_metric(by: str, known: Sequence[str]) -> ConfigError:
    """Cells do not tell what they are to be compared by."""
    return ConfigError(
        f"Cells cannot be compared by {by[:40]!r}.",
        why=f"they tell {', '.join(known)}",
        state="Cells that were run are kept.",
        remedy="Choose one of these with --by.",
        code="E681",
    )


def _nothing(rows: Sequence[Row]) -> PunaError:
    first = next((row.result for row in rows if isinstance(row.result, Failure)), None)
    return PunaError(
        "No cell of the sweep gave a result.",
        why=f"the first one: {first.what}" if first else "there was no cell",
        state="Every cell and its error stand in the folder.",
        remedy="Run one of the cells alone with puna backtest.",
        code="E687",
    )
