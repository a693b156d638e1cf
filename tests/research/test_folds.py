"""Purging and embargo: nothing that is trained on shares its result with a test."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from puna.errors import ConfigError
from puna.research.statistics.folds import Fold, k_fold, walk_forward

PERIODS = st.integers(2, 200)
COUNT = st.integers(1, 8)
GAP = st.integers(0, 10)


def labels(period: int, horizon: int) -> set[int]:
    """The periods that the result of a decision looks at, one by one, as somebody would write it who trusts nothing."""
    return {period + later for later in range(horizon + 1)}


def walked(periods: int, count: int, horizon: int, embargo: int, train: int | None) -> list[Fold]:
    try:
        return walk_forward(periods, count, horizon=horizon, embargo=embargo, train=train)
    except ConfigError:
        assume(False)
        raise


def folded(periods: int, count: int, horizon: int, embargo: int) -> list[Fold]:
    try:
        return k_fold(periods, count, horizon=horizon, embargo=embargo)
    except ConfigError:
        assume(False)
        raise


@given(PERIODS, COUNT, GAP, GAP, st.none() | st.integers(1, 50))
def test_walk_forward_never_learns_from_a_test(
    periods: int, count: int, horizon: int, embargo: int, train: int | None
) -> None:
    """No label of training reaches a test or the embargo before it, and all training is in the past."""
    for fold in walked(periods, count, horizon, embargo, train):
        reached = set().union(*(labels(period, horizon) for period in fold.train))
        assert not reached & set(range(fold.test[0] - embargo, fold.test[-1] + 1))
        assert max(fold.train) < fold.test[0]
        assert train is None or len(fold.train) <= train


@given(PERIODS, COUNT, GAP, GAP)
def test_walk_forward_tests_everything_but_the_first_stretch_once(
    periods: int, count: int, horizon: int, embargo: int
) -> None:
    """The tests follow each other without gap or overlap to the last period, and nothing more than needed is purged."""
    found = walked(periods, count, horizon, embargo, None)
    tested = [period for fold in found for period in fold.test]
    assert tested == list(range(tested[0], periods))
    assert len(found) == count
    assert all(fold.train == list(range(fold.test[0] - horizon - embargo)) for fold in found)


@given(PERIODS, COUNT, GAP, GAP)
def test_k_fold_never_learns_from_a_test(periods: int, count: int, horizon: int, embargo: int) -> None:
    """No label of training overlaps a label of the test, on either side, and the embargo behind a test is kept."""
    for fold in folded(periods, count, horizon, embargo):
        looked_at = set().union(*(labels(period, horizon) for period in fold.test))
        assert all(not labels(period, horizon) & looked_at for period in fold.train)
        embargoed = set(range(max(looked_at) + 1, max(looked_at) + 1 + embargo))
        assert not embargoed & set(fold.train)


@given(PERIODS, COUNT, GAP, GAP)
def test_k_fold_tests_everything_once_and_purges_no_more_than_it_must(
    periods: int, count: int, horizon: int, embargo: int
) -> None:
    """Every period is tested once; one that is left out of training has a reason."""
    found = folded(periods, count, horizon, embargo)
    assert [period for fold in found for period in fold.test] == list(range(periods))
    for fold in found:
        left_out = set(range(periods)) - set(fold.train) - set(fold.test)
        looked_at = set().union(*(labels(period, horizon) for period in fold.test))
        last = max(looked_at)
        assert all(labels(each, horizon) & looked_at or last < each <= last + embargo for each in left_out)


@pytest.mark.parametrize(
    ("periods", "count", "horizon", "embargo"),
    [(3, 3, 0, 0), (10, 0, 0, 0), (10, 3, -1, 0), (10, 3, 0, -1), (9, 2, 3, 0)],
)
def test_too_few_periods_are_an_error(periods: int, count: int, horizon: int, embargo: int) -> None:
    """E689 instead of a fold without training."""
    with pytest.raises(ConfigError) as caught:
        walk_forward(periods, count, horizon=horizon, embargo=embargo)
    assert caught.value.code == "E689"
