"""Walk-forward evaluation: learn from the past, predict the next stretch, go on; and say honestly what it is worth."""

from collections.abc import Callable
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from puna.engine.models.protocol import Column, ModelError, SignalModel, signals
from puna.engine.models.sampling import Samples, Times

__all__ = ["Evaluation", "Fold", "FoldScore", "folds", "hit_rate", "information_coefficient", "walk_forward"]

# Student's t, two-sided 95 %, by degrees of freedom from 1 on; beyond the table the last one is used, which is larger
# than the true one and so errs on the side of "no signal".
T95: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
FEWEST_FOLDS: Final = 3


class Fold(NamedTuple):
    """Rows to train on, and later rows to test on."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


class FoldScore(NamedTuple):
    """How a model did on rows that it had not seen.

    Attributes:
        first: left edge of the first bar tested, ns.
        last: left edge of the last bar tested, ns.
        hits: part of the signals whose direction was right, of those that had one.
        base: what the better of "always up" and "always down" would have had: known only afterwards.
        coefficient: rank correlation of signals and returns.
    """

    train_rows: int
    test_rows: int
    first: int
    last: int
    hits: float
    base: float
    coefficient: float


class Evaluation(NamedTuple):
    """The scores of all folds, and what they amount to."""

    scores: tuple[FoldScore, ...]
    horizon: int
    timeframe: str

    @property
    def coefficient(self) -> float:
        """The mean information coefficient."""
        return float(np.mean([score.coefficient for score in self.scores]))

    @property
    def error(self) -> float:
        """The standard error of that mean, from how the folds differ."""
        spread = float(np.std([score.coefficient for score in self.scores], ddof=1))
        return spread / sqrt(len(self.scores))

    @property
    def found(self) -> bool:
        """Whether the mean coefficient is above zero by more than chance explains, at 95 %."""
        if len(self.scores) < FEWEST_FOLDS:
            return False
        return self.coefficient > T95[min(len(self.scores) - 2, len(T95) - 1)] * self.error

    def text(self) -> str:
        """A line for each fold and a verdict, for people."""
        rows = [
            f"  {number:>4}  {score.train_rows:>8}  {score.test_rows:>8}  {score.hits:>8.1%}  {score.base:>8.1%}  "
            f"{score.coefficient:>+8.3f}"
            for number, score in enumerate(self.scores, 1)
        ]
        header = f"  fold  {'trained':>8}  {'tested':>8}  {'hit rate':>8}  {'one way':>8}  {'coeff.':>8}"
        return "\n".join([header, *rows, self.verdict])

    @property
    def verdict(self) -> str:
        """One or two sentences; what is not there is not talked up."""
        ahead = f"{self.horizon} bars of {self.timeframe} ahead"
        if len(self.scores) < FEWEST_FOLDS:
            return f"Too few folds to tell: {len(self.scores)}, and {FEWEST_FOLDS} are the least."
        figures = f"information coefficient {self.coefficient:+.3f} ± {self.error:.3f} over {len(self.scores)} folds"
        if not self.found:
            return f"No signal {ahead}: {figures}, which chance explains. Do not trade it."
        return f"Perhaps a signal {ahead}: {figures}. Costs are not in it, nor how many models were tried before."


def folds(begin: Times, end: Times, *, count: int = 5, embargo: int = 0) -> list[Fold]:
    """Cuts time into count + 1 stretches; each but the first is tested, by a model of what lies wholly before it.

    Purging: a row is trained on only if the last bar that its label looks at, plus the embargo, is before the first bar
    of the test. So no label window of training touches the test, and neither does a bar of the embargo.

    Args:
        begin: of each row, the left edge of its bar, ns.
        end: of each row, the left edge of the last bar that its label looks at.
        count: how many folds.
        embargo: ns to leave out between training and test, for what lingers in features and markets.

    Raises:
        ModelError: there is too little for so many folds.
    """
    times = np.unique(begin)
    if count < 1 or embargo < 0 or len(times) <= count:
        raise _too_little(f"{len(times)} different times, {count} folds, {embargo} ns embargo")
    found = []
    for stretch in np.array_split(times, count + 1)[1:]:
        first, last = stretch[0], stretch[-1]
        fold = Fold(np.flatnonzero(end + embargo < first), np.flatnonzero((first <= begin) & (begin <= last)))
        if not len(fold.train):
            raise _too_little("purging and embargo leave nothing to train on")
        found.append(fold)
    return found


def walk_forward(
    samples: Samples, train: Callable[[Samples], SignalModel], *, count: int = 5, embargo: int = 0
) -> Evaluation:
    """Trains a fresh model for each fold, on its past alone, and scores it on what came next.

    Args:
        samples: all rows.
        train: samples -> model, such as `lambda past: fit(estimator, past)`; it sees nothing but the fold's past.
        count: how many folds.
        embargo: ns between training and test.

    Raises:
        ModelError: there is too little for so many folds, or a model cannot be trained.
        BadSignalError: a model answers outside [-1, 1].
    """
    found = folds(samples.begin, samples.end, count=count, embargo=embargo)
    scores = tuple(_score(train(samples.take(fold.train)), samples.take(fold.test), len(fold.train)) for fold in found)
    return Evaluation(scores, samples.horizon, samples.timeframe)


def hit_rate(signal: Column, returns: Column) -> float:
    """The part of the signals whose direction was right, where both have one; NaN when none has."""
    told = (signal * returns) != 0.0
    return float(np.mean(np.sign(signal[told]) == np.sign(returns[told]))) if told.any() else float("nan")


def information_coefficient(signal: Column, returns: Column) -> float:
    """Spearman's rank correlation; 0 when one side is constant: who ranks nothing knows nothing."""
    x, y = _ranks(signal), _ranks(returns)
    x, y = x - x.mean(), y - y.mean()
    size = sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / size if size > 0.0 else 0.0


def _score(model: SignalModel, test: Samples, train_rows: int) -> FoldScore:
    told = signals(model, test.features)
    up = hit_rate(np.ones(len(test)), test.returns)
    return FoldScore(
        train_rows=train_rows,
        test_rows=len(test),
        first=int(test.begin.min()),
        last=int(test.begin.max()),
        hits=hit_rate(told, test.returns),
        base=max(up, 1.0 - up),
        coefficient=information_coefficient(told, test.returns),
    )


def _ranks(values: Column) -> Column:
    """Ranks from 0; equal values share the mean of theirs."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return np.asarray((last - (counts - 1) / 2.0)[at])


def _too_little(why: str) -> ModelError:
    return ModelError(
        "The samples do not suffice for walk-forward evaluation.", why=why, remedy="Use more bars, or fewer folds."
    )
