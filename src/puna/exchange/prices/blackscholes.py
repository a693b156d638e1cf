"""Black-Scholes without interest and dividends: values, implied volatility, Greeks; the same bits on every machine.

Only what IEEE 754 rounds exactly is used (+ - * /, square root, powers of two), never libm, whose last digit differs
between machines. Without interest and dividends early exercise is worth nothing, so that European values are American
ones. Times are years of 365 days, volatilities a year's; vega and rho are for one percentage point, theta for one day,
as in recorded snapshots.
"""

from math import frexp, ldexp, sqrt
from typing import NamedTuple

__all__ = ["Contract", "Greeks", "Sensitivities", "implied_volatility", "log", "sensitivities", "value"]

_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_PER_LN2 = 1.4426950408889634
_ROOT_2PI = 2.5066282746310002
_ITERATIONS = 100
_LEAST, _MOST = 1e-4, 10.0


class Contract(NamedTuple):
    """An option as it stands: what it is on, what it is worth that at, and the years that are left."""

    call: bool
    spot: float
    strike: float
    years: float


class Sensitivities(NamedTuple):
    """Greeks of one share's worth."""

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


class Greeks(NamedTuple):
    """What a price implies."""

    implied_volatility: float
    sensitivities: Sensitivities


def exp(x: float) -> float:
    """E to the power of x."""
    if x < -700.0:
        return 0.0
    twos = round(x * _PER_LN2)
    rest = (x - twos * _LN2_HIGH) - twos * _LN2_LOW
    total = 1.0
    for divisor in range(16, 0, -1):
        total = 1.0 + rest * total / divisor
    return ldexp(total, twos)


def log(x: float) -> float:
    """The natural logarithm of a positive number."""
    mantissa, twos = frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa, twos = mantissa * 2.0, twos - 1
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square, total = ratio * ratio, 0.0
    for odd in range(25, 0, -2):
        total = 1.0 / odd + square * total
    return twos * _LN2_HIGH + (twos * _LN2_LOW + 2.0 * ratio * total)


def density(x: float) -> float:
    """The normal density."""
    return exp(-0.5 * x * x) / _ROOT_2PI


def probability(x: float) -> float:
    """The normal distribution: a series near the middle, a continued fraction in the tails."""
    far = abs(x)
    if far < 3.0:
        term = total = far
        for odd in range(3, 90, 2):
            term *= far * far / odd
            total += term
        upper = 0.5 - density(far) * total
    else:
        fraction = far
        for step in range(40, 0, -1):
            fraction = far + step / fraction
        upper = density(far) / fraction
    return upper if x < 0 else 1.0 - upper


def value(of: Contract, volatility: float) -> float:
    """What a share's worth of the option is worth; what it would bring now where no time or volatility is left."""
    if of.years <= 0.0 or volatility <= 0.0:
        return max(0.0, of.spot - of.strike if of.call else of.strike - of.spot)
    first, second = _ds(of, volatility)
    if of.call:
        return max(0.0, of.spot * probability(first) - of.strike * probability(second))
    return max(0.0, of.strike * probability(-second) - of.spot * probability(-first))


def sensitivities(of: Contract, volatility: float) -> Sensitivities:
    """The Greeks; time and volatility must be left."""
    first, second = _ds(of, volatility)
    bell, root = density(first), sqrt(of.years)
    return Sensitivities(
        delta=probability(first) if of.call else probability(first) - 1.0,
        gamma=bell / (of.spot * volatility * root),
        theta=-of.spot * bell * volatility / (2.0 * root) / 365.0,
        vega=of.spot * bell * root / 100.0,
        rho=of.strike * of.years * (probability(second) if of.call else -probability(-second)) / 100.0,
    )


def implied_volatility(of: Contract, price: float) -> float | None:
    """The volatility at which the option is worth `price`; None where none is found in a hundred steps (FAQ)."""
    low, high = _LEAST, _MOST
    if of.years <= 0.0 or not value(of, low) < price < value(of, high):
        return None
    for _ in range(_ITERATIONS):
        middle = (low + high) / 2.0
        if high - low < 1e-9:
            return middle
        low, high = (middle, high) if value(of, middle) < price else (low, middle)
    return None


def _ds(of: Contract, volatility: float) -> tuple[float, float]:
    deviation = volatility * sqrt(of.years)
    first = log(of.spot / of.strike) / deviation + deviation / 2.0
    return first, first - deviation
