"""The stationary bootstrap: what it draws, how long its blocks are, and whether its intervals hold the truth."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.research.statistics.bootstrap import block_length, interval, resampled
from puna.research.statistics.significance import sharpe
from puna.seams import seeded_rng


def mean(returns: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    return returns.mean(axis=-1)


def dependent(phi: float, size: int, seed: int = 7) -> list[float]:
    """An autoregression of order one."""
    chance, value, made = random.Random(seed), 0.0, []
    for _ in range(size):
        value = phi * value + chance.gauss(0, 1)
        made.append(value)
    return made


@pytest.mark.parametrize(
    ("phi", "size", "length"),
    [
        (0.0, 500, 1.26108582890066),
        (0.2, 1000, 5.148021773853262),
        (0.5, 1000, 12.540734478216988),
        (0.8, 1000, 26.11700142986305),
        (0.9, 250, 14.182597810203632),
        (-0.5, 1000, 11.501078419974933),
    ],
)
def test_blocks_are_as_long_as_the_package_arch_makes_them(phi: float, size: int, length: float) -> None:
    """`arch.bootstrap.optimal_block_length` 8.0.0 on the same series, column `stationary`."""
    assert block_length(dependent(phi, size)) == pytest.approx(length, rel=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60))
def test_a_block_fits_the_series(returns: list[float]) -> None:
    """At least one return, at most a third of them, whatever the series."""
    assert 1 <= block_length(returns) <= max(1, len(returns) / 3)


@given(st.integers(2, 40), st.floats(1, 20), st.integers(0, 2**32))
def test_a_resampled_series_is_made_of_blocks_of_the_original(size: int, block: float, seed: int) -> None:
    """Every value comes from the original, the shape is that which was asked for, the same seed draws the same."""
    drawn = resampled(list(range(size)), seeded_rng(seed), 5, block)
    assert drawn.shape == (5, size)
    assert set(drawn.ravel()) <= set(range(size))
    again = resampled(list(range(size)), seeded_rng(seed), 5, block)
    assert (drawn == again).all()


def test_blocks_have_the_mean_length_that_was_asked_for() -> None:
    """One place in ten begins a block, within a tenth of that."""
    drawn = resampled(list(range(1000)), seeded_rng(1), 50, 10.0).astype(int)
    breaks = [(b - a) % 1000 != 1 for row in drawn.tolist() for a, b in pairwise(row)]
    assert sum(breaks) / len(breaks) == pytest.approx(0.1, rel=0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    """To the last bit, and another seed gives another one; pieces of memory do not change it."""
    returns = dependent(0.3, 300)
    first, second = (interval(returns, sharpe, seeded_rng(4), draws=400) for _ in range(2))
    assert first == second
    assert first != interval(returns, sharpe, seeded_rng(5), draws=400)


def test_an_interval_without_dependence_is_the_textbook_one() -> None:
    """The mean of 400 normal returns: 1.96 standard errors on each side, within a tenth."""
    returns = dependent(0.0, 400)
    found = interval(returns, mean, seeded_rng(2), block=1)
    assert found is not None
    half = 1.96 * float(np.std(returns, ddof=1)) / 20
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert found.low < float(np.mean(returns)) < found.high


def test_intervals_of_dependent_returns_cover_the_truth() -> None:
    """Of 200 autoregressions around 0, intervals of 90 % hold the mean 0 in at least 75 of a hundred.

    Short dependent series are covered a little less than promised, whatever the block. Single returns instead of
    blocks hold the mean in less than 65: that is what the blocks are for.
    """
    series = [dependent(0.6, 300, seed) for seed in range(200)]

    def covered(block: float | None) -> float:
        found = [
            interval(each, mean, seeded_rng(n), level=0.9, draws=300, block=block) for n, each in enumerate(series)
        ]
        return sum(each is not None and each.low <= 0 <= each.high for each in found) / len(found)

    assert covered(None) >= 0.75
    assert covered(1) < 0.65


def test_what_is_undefined_has_no_interval() -> None:
    """Returns that hardly ever vary have no Sharpe ratio in most draws; none is made up."""
    assert interval([0.0] * 50, sharpe, seeded_rng(1)) is None
    assert interval([0.0] * 49 + [0.01], sharpe, seeded_rng(1), block=1) is None


@pytest.mark.parametrize(
    ("returns", "options"),
    [
        ([0.1], {}),
        ([0.1, float("inf")], {}),
        ([0.1, 0.2], {"level": 1.0}),
        ([0.1, 0.2], {"draws": 0}),
        ([0.1, 0.2], {"block": 0.5}),
        ([0.1, 0.2], {"block": float("nan")}),
    ],
)
def test_what_makes_no_sense_is_refused(returns: list[float], options: dict[str, float]) -> None:
    """One return, an infinite one, a certain interval, no draws, no block."""
    with pytest.raises(ValueError, match=r"."):
        interval(returns, mean, seeded_rng(1), **options)  # type: ignore[arg-type]
