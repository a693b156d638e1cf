"""How periods are divided into training and test: walk-forward and k-fold, with purging and embargo.

What is decided in a period shows its result up to `horizon` periods later: the label of period t looks at t to
t + horizon. Purging takes periods out of the training whose label reaches into the test, and, after a test, those into
which a label of the test reaches; the embargo takes out so many more behind the test, for what lingers in prices and
features (M. Lopez de Prado, Advances in Financial Machine Learning, 2018, chapter 7).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from puna.errors import ConfigError

__all__ = ["Fold", "k_fold", "purged", "walk_forward"]


class Fold(NamedTuple):
    """Numbers of the periods, in order; the two have nothing in common."""

    train: list[int]
    test: list[int]


def walk_forward(
    periods: int, count: int, *, horizon: int = 0, embargo: int = 0, train: int | None = None
) -> list[Fold]:
    """Learns from the past, is tested on the next stretch, goes on.

    The periods are cut into `count + 1` stretches as equal as possible; each but the first is a test.

    Args:
        periods: how many there are, in the order of time.
        count: folds.
        horizon: how many periods later the result of a decision is known.
        embargo: so many periods more are left out before a test. Nothing behind a test is ever trained on before the
            next one, so here the embargo widens the gap.
        train: the most periods of training, the last ones; None takes all of the past.

    Raises:
        ConfigError: E689, there is nothing left to train on, or nothing to test.
    """
    _check(periods, count + 1, horizon, embargo)
    cuts = _cuts(periods, count + 1)
    folds = []
    for first, last in pairwise(cuts[1:]):
        end = first - horizon - embargo
        begin = 0 if train is None else max(0, end - train)
        folds.append(Fold(list(range(begin, end)), list(range(first, last))))
    return _whole(folds)


def k_fold(periods: int, count: int, *, horizon: int = 0, embargo: int = 0) -> list[Fold]:
    """Each of `count` stretches is tested once, and trained is on the rest, purged.

    Args:
        periods: how many there are, in the order of time.
        count: folds.
        horizon: how many periods later the result of a decision is known.
        embargo: so many periods more are left out behind each test.

    Raises:
        ConfigError: E689, there is nothing left to train on, or nothing to test.
    """
    _check(periods, count, horizon, embargo)
    cuts = _cuts(periods, count)
    folds = []
    for first, last in pairwise(cuts):
        test = list(range(first, last))
        folds.append(Fold(list(purged(periods, test, horizon=horizon, embargo=embargo)), test))
    return _whole(folds)


def purged(periods: int, test: list[int], *, horizon: int = 0, embargo: int = 0) -> Iterator[int]:
    """The periods that may be trained on when `test`, one unbroken stretch, is the test."""
    first, last = test[0], test[-1]
    yield from range(first - horizon)
    yield from range(last + horizon + embargo + 1, periods)


def _cuts(periods: int, stretches: int) -> list[int]:
    return [periods * n // stretches for n in range(stretches + 1)]


def _check(periods: int, stretches: int, horizon: int, embargo: int) -> None:
    if stretches < 2 or horizon < 0 or embargo < 0 or periods < stretches:
        raise _too_few(f"{periods} periods, {stretches} stretches, purging {horizon}, embargo {embargo}")


def _whole(folds: list[Fold]) -> list[Fold]:
    if thin := next((n for n, fold in enumerate(folds, 1) if not fold.train or not fold.test), None):
        raise _too_few(f"fold {thin} has nothing to train on after purging and embargo")
    return folds


def _too_few(why: str) -> ConfigError:
    return ConfigError(
        "The periods do not suffice for these folds.",
        why=why,
        state="Nothing was judged by folds.",
        remedy="Use a longer span, fewer folds, or a smaller purge and embargo.",
        code="E689",
    )
