"""CSCV against its definition, spelled out; noise is called noise, and skill is not."""

from itertools import combinations
from math import comb, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from puna.research.statistics.overfitting import overfitting


def by_definition(returns: np.ndarray, blocks: int) -> tuple[float, float]:
    """PBO and probability of loss, halving by halving as the paper says it, without a shortcut."""
    trials, periods = returns.shape
    size = periods // blocks
    parts = np.split(returns[:, periods - size * blocks :], blocks, axis=1)

    def ratio(which: tuple[int, ...]) -> np.ndarray:
        joined = np.concatenate([parts[each] for each in which], axis=1)
        return np.asarray(joined.mean(axis=1) / joined.std(axis=1, ddof=1))

    lower = lost = 0
    for half in combinations(range(blocks), blocks // 2):
        best = int(ratio(half).argmax())
        outside = ratio(tuple(each for each in range(blocks) if each not in half))
        logit = rankdata(outside)[best] / (trials + 1)
        lower += np.log(logit / (1 - logit)) <= 0
        lost += outside[best] < 0
    return lower / comb(blocks, blocks // 2), lost / comb(blocks, blocks // 2)


@settings(max_examples=25)
@given(st.integers(2, 6), st.integers(12, 40), st.sampled_from([2, 4, 6]), st.integers(0, 2**32 - 1))
def test_it_is_the_definition(trials: int, periods: int, blocks: int, seed: int) -> None:
    """Sums over blocks give what going over all returns gives."""
    returns = np.random.default_rng(seed).normal(size=(trials, periods))
    found = overfitting(returns, blocks)
    assert found is not None
    assert (found.probability, found.loss) == pytest.approx(by_definition(returns, blocks))
    assert found.splits == comb(blocks, blocks // 2)


def test_the_best_of_noise_is_noise() -> None:
    """Of 20 sets of 50 trials without skill, the mean probability is near one half, and what was seen is not kept."""
    found = [overfitting(np.random.default_rng(seed).normal(size=(50, 504)), 10) for seed in range(20)]
    told = [each for each in found if each is not None]
    assert len(told) == 20
    assert 0.35 < float(np.mean([each.probability for each in told])) < 0.75
    assert float(np.mean([each.inside for each in told])) > 0.08
    assert abs(float(np.mean([each.outside for each in told]))) < 0.03
    assert float(np.mean([each.slope for each in told])) < 0


def test_skill_is_not_called_overfitting() -> None:
    """One trial of 50 that earns a fifth of its deviation each day is chosen, and stays good."""
    returns = np.random.default_rng(1).normal(size=(50, 1000))
    returns[17] += 0.2
    found = overfitting(returns)
    assert found is not None
    assert found.probability < 0.02
    assert found.loss < 0.02
    assert found.splits == 12_870


def test_trials_that_do_nothing_neither_win_nor_lose() -> None:
    """A trial without a trade has returns of 0; it ranks above those that lose, and all such trials are alike."""
    losing = np.random.default_rng(1).normal(-0.5, 1, size=(3, 200))
    found = overfitting(np.vstack([losing, np.zeros((1, 200))]), 8)
    assert found is not None
    assert found.probability == 0.0
    idle = overfitting(np.zeros((3, 200)), 8)
    assert idle is not None
    assert idle.probability == 1.0  # in the middle of equals: no better than chance
    assert isnan(idle.slope)


def test_blocks_shrink_with_the_data_and_too_little_says_nothing() -> None:
    """Two periods a block at least; one trial, or less than four blocks, is no answer."""
    noise = np.random.default_rng(1).normal(size=(4, 21))
    found = overfitting(noise)
    assert found is not None
    assert found.blocks == 10
    assert overfitting(noise[:1]) is None
    assert overfitting(noise[:, :7]) is None
    assert overfitting(np.zeros((0, 100))) is None


@pytest.mark.parametrize("blocks", [3, 0, -2])
def test_what_makes_no_sense_is_refused(blocks: int) -> None:
    """Odd or no blocks, series of one dimension, numbers that are none."""
    with pytest.raises(ValueError, match="even number"):
        overfitting(np.zeros((2, 100)), blocks)
    with pytest.raises(ValueError, match="shape"):
        overfitting(np.zeros(100))
    with pytest.raises(ValueError, match="finite"):
        overfitting(np.full((2, 100), np.nan))
