"""Sharpe ratios and luck: the papers' own worked examples, scipy and quantstats as oracles, and laws."""

from math import inf, isnan, sqrt

import numpy as np
import pytest
import quantstats
from hypothesis import assume, given
from hypothesis import strategies as st
from pandas import Series, date_range
from scipy import stats

from puna.research.statistics.significance import (
    Moments,
    deflated_sharpe,
    effective_trials,
    expected_best,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    sharpe,
    unknown_deviation,
)

RETURNS = np.random.default_rng(3).standard_t(4, size=500) * 0.01 + 0.0005
LAWS = st.builds(
    Moments,
    count=st.integers(2, 5000),
    sharpe=st.floats(-0.5, 0.5),
    skew=st.floats(-1, 1),
    kurtosis=st.floats(3, 20),
)


def test_the_deflated_sharpe_ratio_of_the_paper() -> None:
    """2.5 a year over five years, skewed -3 with kurtosis 10: 0.9004 after 100 trials, 0.9505 after 46.

    Bailey and Lopez de Prado (2014), "A numerical example": 250 days a year, a variance of 1/2 among the trials.
    With normal returns it takes 88 trials to come down to 0.9505.
    """
    day, spread = 2.5 / sqrt(250), sqrt(0.5 / 250)
    fat = Moments(1250, day, -3.0, 10.0)
    assert expected_best(100, spread) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(fat, 100, spread) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(fat, 46, spread) == pytest.approx(0.9505, abs=5e-5)
    assert deflated_sharpe(Moments(1250, day), 88, spread) == pytest.approx(0.9505, abs=5e-5)


def test_the_probabilistic_sharpe_ratio_of_the_paper() -> None:
    """Two years of months at 0.458: 0.982 if they were normal, 0.913 with skewness -2.448 and kurtosis 10.164.

    Bailey and Lopez de Prado (2012), section 4.
    """
    assert probabilistic_sharpe(Moments(24, 0.458)) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(Moments(24, 0.458, -2.448, 10.164)) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("periods", "skew", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
    ids=["days", "weeks", "months", "hedge fund"],
)
def test_the_minimum_track_records_of_the_paper(periods: int, skew: float, kurtosis: float, years: float) -> None:
    """A Sharpe ratio of 2 a year is above 1 with 95 % after 2.73 years of days; Bailey and Lopez de Prado (2012)."""
    measured = Moments(0, 2 / sqrt(periods), skew, kurtosis)
    assert minimum_track_record(measured, 1 / sqrt(periods)) / periods == pytest.approx(years, abs=0.005)


@given(LAWS, st.floats(-0.4, 0.4), st.floats(0.55, 0.999))
def test_a_track_record_of_the_minimum_length_is_just_sure(measured: Moments, benchmark: float, sure: float) -> None:
    """The two formulas are each other's inverse."""
    assume(measured.sharpe > benchmark + 0.01)
    needed = minimum_track_record(measured, benchmark, sure)
    assert needed > 1
    at_last = Moments(needed, measured.sharpe, measured.skew, measured.kurtosis)  # type: ignore[arg-type]
    assume(needed >= 2)
    assert probabilistic_sharpe(at_last, benchmark) == pytest.approx(sure, abs=1e-9)


@given(LAWS, st.floats(-0.4, 0.4), st.floats(0, 0.2))
def test_a_higher_bar_is_never_easier(measured: Moments, benchmark: float, more: float) -> None:
    """The probability falls with the benchmark, and more trials raise it."""
    assert probabilistic_sharpe(measured, benchmark + more) <= probabilistic_sharpe(measured, benchmark)
    assert deflated_sharpe(measured, 50, 0.05) <= deflated_sharpe(measured, 5, 0.05) <= probabilistic_sharpe(measured)


def test_no_skill_is_never_sure() -> None:
    """At or below the benchmark no track record is long enough."""
    assert minimum_track_record(Moments(100, 0.1), 0.1) == inf
    assert minimum_track_record(Moments(100, float("nan"))) == inf


def test_the_best_of_many_without_skill() -> None:
    """The formula agrees with drawing the maximum of N standard normals 20,000 times, within two percent."""
    draws = np.random.default_rng(5).normal(size=(20_000, 50))
    assert expected_best(50, 1.0) == pytest.approx(float(draws.max(axis=1).mean()), rel=0.02)
    assert expected_best(50, 0.3) == pytest.approx(0.3 * expected_best(50, 1.0))
    assert expected_best(1, 1.0) == 0.0


def test_moments_are_those_of_scipy_and_quantstats() -> None:
    """Skewness and kurtosis like scipy's, the Sharpe ratio a year like quantstats'."""
    measured = moments(RETURNS)
    assert measured.skew == pytest.approx(stats.skew(RETURNS))
    assert measured.kurtosis == pytest.approx(stats.kurtosis(RETURNS, fisher=False))
    dated = Series(RETURNS, index=date_range("2024-01-01", periods=len(RETURNS), freq="B"))
    assert measured.sharpe * sqrt(252) == pytest.approx(quantstats.stats.sharpe(dated))


def test_the_standard_error_is_what_resampling_sees() -> None:
    """Of 4,000 normal series of 250 the Sharpe ratios scatter as the formula says, within five percent."""
    many = sharpe(np.random.default_rng(11).normal(0.1, 1.0, size=(4_000, 250)))
    assert Moments(250, 0.1).error == pytest.approx(float(many.std()), rel=0.05)


def test_trials_that_nobody_knows_differ_as_trials_without_skill_do() -> None:
    """The scatter of the Sharpe ratios of 20,000 series of noise is what is taken for it."""
    noise = np.random.default_rng(4).normal(size=(20_000, 60))
    assert unknown_deviation(60) == pytest.approx(float(sharpe(noise).std(ddof=1)), rel=0.03)
    with pytest.raises(ValueError, match="two periods"):
        unknown_deviation(1)


def test_effective_trials_count_what_is_different() -> None:
    """Copies of one trial are one trial; independent ones count in full, less their chance correlation."""
    one = RETURNS[:250]
    assert effective_trials([one] * 7) == pytest.approx(1.0)
    many = np.random.default_rng(2).normal(size=(20, 2_000))
    assert effective_trials(many) == pytest.approx(20, abs=0.5)
    assert effective_trials([one, np.zeros(250)]) == 1.0
    assert effective_trials(np.zeros((5, 250))) == 1.0


@given(st.integers(1, 8), st.integers(3, 40), st.integers(0, 2**32 - 1))
def test_there_are_between_one_and_all_effective_trials(trials: int, periods: int, seed: int) -> None:
    """Whatever the correlations."""
    returns = np.random.default_rng(seed).normal(size=(trials, periods))
    assert 1 <= effective_trials(returns) <= trials + 1e-9


def test_returns_that_do_not_vary_have_no_sharpe_ratio() -> None:
    """Not a division by zero, and nothing is said to be probable."""
    for flat in ([0.0] * 9, [0.01] * 9, [0.1 + 0.2, 0.3, 0.3], [0.01], []):
        assert isnan(float(sharpe(flat)))
        assert isnan(moments(flat).sharpe)
        assert isnan(probabilistic_sharpe(moments(flat)))
    assert sharpe([[0.0, 0.0], [0.0, 1.0]]).tolist()[1] == pytest.approx(1 / sqrt(2))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: moments([0.1, float("nan")]),
        lambda: moments([[0.1, 0.2]]),
        lambda: expected_best(0, 1.0),
        lambda: expected_best(5, float("nan")),
        lambda: minimum_track_record(Moments(9, 0.1), 0.0, 1.0),
        lambda: effective_trials([0.1, 0.2]),
        lambda: effective_trials(np.zeros((0, 5))),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: object) -> None:
    """With a ValueError that says what is missing."""
    with pytest.raises(ValueError, match=r"."):
        wrong()  # type: ignore[operator]
