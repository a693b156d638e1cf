"""How much of a Sharpe ratio is luck: its standard error, its probability, and what is left after many trials.

Everything here is in units of one period: the mean return of a day (or minute) over its standard deviation, without
annualising. A Sharpe ratio a year is `sqrt(periods a year)` times as large. Kurtosis is Pearson's: 3 for a normal law.

Sources:
    Lo, The Statistics of Sharpe Ratios, Financial Analysts Journal 58(4), 2002.
    Mertens, Comments on Variance of the IID Estimator in Lo, 2002: the standard error with skewness and kurtosis.
    Bailey and Lopez de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2), 2012 (PSR, MinTRL).
    Bailey and Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), 2014 (DSR).
"""

from math import e, inf, isfinite, nan, sqrt
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Moments",
    "deflated_sharpe",
    "effective_trials",
    "expected_best",
    "minimum_track_record",
    "moments",
    "probabilistic_sharpe",
    "sharpe",
    "unknown_deviation",
]

_EULER = 0.5772156649015329  # the Euler-Mascheroni constant
_NORMAL = NormalDist()
_FLAT = 1e-12  # a deviation below this part of the mean is rounding, not variation


class Moments(msgspec.Struct, frozen=True):
    """What a Sharpe ratio's precision depends on.

    Attributes:
        count: observations.
        sharpe: mean over sample standard deviation, per period; NaN when there is none.
        skew: third standardised moment, 0 for a symmetric law.
        kurtosis: fourth standardised moment, 3 for a normal law.
    """

    count: int
    sharpe: float
    skew: float = 0.0
    kurtosis: float = 3.0

    @property
    def error(self) -> float:
        """The standard error of the Sharpe ratio (Mertens 2002), NaN below two observations."""
        return sqrt(_spread(self) / (self.count - 1)) if self.count > 1 else nan


def sharpe(returns: ArrayLike) -> NDArray[np.float64]:
    """The Sharpe ratio per period along the last axis; NaN where returns do not vary.

    Args:
        returns: simple returns per period, shape (..., periods); the risk-free rate is already taken off, or nothing.
    """
    values = np.asarray(returns, np.float64)
    if values.shape[-1] < 2:
        return np.full(values.shape[:-1], nan)
    mean, deviation = values.mean(axis=-1), values.std(axis=-1, ddof=1)
    flat = deviation <= _FLAT * np.maximum(np.abs(values).max(axis=-1), 1e-300)
    return np.where(flat, nan, mean / np.where(flat, 1.0, deviation))


def moments(returns: ArrayLike) -> Moments:
    """Count, Sharpe ratio, skewness and kurtosis of one series of returns.

    Raises:
        ValueError: not one-dimensional, or not finite.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("returns must be one finite series")
    ratio = float(sharpe(values)) if len(values) else nan
    if not isfinite(ratio):
        return Moments(len(values), nan)
    away = values - values.mean()
    scale = sqrt(float(np.mean(away**2)))
    return Moments(len(values), ratio, float(np.mean((away / scale) ** 3)), float(np.mean((away / scale) ** 4)))


def probabilistic_sharpe(measured: Moments, benchmark: float = 0.0) -> float:
    """The probability that the true Sharpe ratio is above `benchmark` (PSR); NaN when there is no Sharpe ratio.

    Bailey and Lopez de Prado (2012), equation 11: the standard normal distribution function at the distance from the
    benchmark in standard errors.
    """
    if measured.count < 2 or not isfinite(measured.sharpe):
        return nan
    error = measured.error
    if not error:
        return 1.0 if measured.sharpe > benchmark else 0.0
    return _NORMAL.cdf((measured.sharpe - benchmark) / error)


def minimum_track_record(measured: Moments, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """How many observations it takes to say with `confidence` that the Sharpe ratio is above `benchmark` (MinTRL).

    Bailey and Lopez de Prado (2012), equation 13. Infinite when the Sharpe ratio is not above the benchmark.

    Raises:
        ValueError: `confidence` is not between 0.5 and 1.
    """
    if not 0.5 < confidence < 1:
        raise ValueError(f"a confidence is between 0.5 and 1: {confidence}")
    if not measured.sharpe > benchmark:
        return inf
    return 1 + _spread(measured) * (_NORMAL.inv_cdf(confidence) / (measured.sharpe - benchmark)) ** 2


def expected_best(trials: float, deviation: float) -> float:
    """The best Sharpe ratio that luck alone brings among `trials` without skill, in expectation.

    Bailey and Lopez de Prado (2014), equation 1: `deviation` is the standard deviation of the Sharpe ratios over the
    trials. One trial has nothing to choose from: 0.

    Raises:
        ValueError: fewer than one trial, or a negative deviation.
    """
    if trials < 1 or not deviation >= 0:
        raise ValueError(f"at least one trial and a deviation of at least 0: {trials}, {deviation}")
    if trials == 1:
        return 0.0
    high, higher = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * e))
    return max(0.0, deviation * ((1 - _EULER) * high + _EULER * higher))


def deflated_sharpe(measured: Moments, trials: float, deviation: float) -> float:
    """The probability that the best of `trials` has skill, luck of the choice taken off (DSR).

    The probabilistic Sharpe ratio against `expected_best`; Bailey and Lopez de Prado (2014), equation 2.

    Args:
        measured: of the returns of the trial that was chosen.
        trials: how many independent trials there were; `effective_trials` estimates it from their returns.
        deviation: standard deviation of the trials' Sharpe ratios, per period.
    """
    return probabilistic_sharpe(measured, expected_best(trials, deviation))


def unknown_deviation(count: int) -> float:
    """How much the Sharpe ratios of trials without skill differ by luck, per period, where those tried are not known.

    The standard error of a Sharpe ratio of zero over `count` periods: 1 / sqrt(count - 1).

    Raises:
        ValueError: fewer than two periods.
    """
    if count < 2:
        raise ValueError(f"at least two periods: {count}")
    return 1 / sqrt(count - 1)


def effective_trials(returns: ArrayLike) -> float:
    """How many independent trials so many correlated ones are worth: mean correlation + (1 - it) x trials.

    Bailey and Lopez de Prado (2014), appendix 3. Negative mean correlation counts as none: there are at most as many
    independent trials as trials. Trials without variation count as one.

    Args:
        returns: shape (trials, periods).

    Raises:
        ValueError: no trial, or not two-dimensional.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 2 or not len(values):
        raise ValueError("returns must have the shape (trials, periods)")
    moving = values[np.isfinite(sharpe(values))]
    still = min(1, len(values) - len(moving))
    if len(moving) < 2:
        return float(max(1, len(moving)))
    number = len(moving)
    away = moving - moving.mean(axis=1, keepdims=True)
    # The sum of all correlations is the square of the sum of all standardised series: no matrix of trials x trials.
    together = (away / np.linalg.norm(away, axis=1, keepdims=True)).sum(axis=0)
    mean = min(1.0, max(0.0, (float(together @ together) - number) / (number * (number - 1))))
    return still + mean + (1 - mean) * number


def _spread(measured: Moments) -> float:
    """The variance of the Sharpe ratio times (count - 1); rounding must not make it negative."""
    ratio = measured.sharpe
    return max(0.0, 1 - measured.skew * ratio + (measured.kurtosis - 1) / 4 * ratio**2)
