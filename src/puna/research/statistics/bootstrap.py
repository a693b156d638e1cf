"""Intervals around a statistic of returns, by the stationary block bootstrap.

Returns depend on those before them; blocks of random length keep that. Blocks start anywhere, go around the end, and
have geometric lengths, so that the resampled series is stationary like the original (Politis and Romano, The
Stationary Bootstrap, JASA 89, 1994). Their mean length comes from the data (Politis and White, Automatic Block-Length
Selection for the Dependent Bootstrap, Econometric Reviews 23, 2004, with the correction by Patton, Politis and White,
2009). Chance comes through the rng seam: the same seed gives the same interval.
"""

from collections.abc import Callable, Mapping
from math import ceil, isfinite, log10, sqrt
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from puna.seams import Rng

__all__ = ["DRAWS", "Interval", "Statistic", "block_length", "interval", "intervals", "resampled"]

DRAWS = 2_000
_AT_ONCE = 1_000_000  # returns resampled in one piece: 8 MB, and as much again a few times
_WORD = 2**32
Statistic: TypeAlias = Callable[[NDArray[np.float64]], ArrayLike]  # along the last axis


class Interval(msgspec.Struct, frozen=True):
    """Where a statistic lies with probability `level`; in the part `above_zero` of the draws it is positive."""

    low: float
    high: float
    level: float
    above_zero: float
    block: float
    draws: int


def interval(
    returns: ArrayLike,
    statistic: Statistic,
    rng: Rng,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    block: float | None = None,
) -> Interval | None:
    """The percentile interval of one statistic; see `intervals`."""
    return intervals(returns, {"": statistic}, rng, level=level, draws=draws, block=block).get("")


def intervals(
    returns: ArrayLike,
    statistics: Mapping[str, Statistic],
    rng: Rng,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    block: float | None = None,
) -> dict[str, Interval]:
    """The percentile interval of each statistic, over the same draws; one undefined in more than one of 20 is left out.

    Args:
        returns: one series.
        statistics: of an array of shape (draws, periods), one value for each draw, such as `significance.sharpe`.
        rng: the seam.
        level: between 0 and 1.
        draws: how many series are resampled.
        block: mean length of a block; from the data when None.

    Raises:
        ValueError: returns are not one finite series of at least two, or a number is out of range.
    """
    values = _series(returns)
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"a level between 0 and 1 and at least one draw: {level}, {draws}")
    length = block_length(values) if block is None else float(block)
    piece = max(1, _AT_ONCE // len(values))
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in statistics}
    for done in range(0, draws, piece):
        drawn = resampled(values, rng, min(piece, draws - done), length)
        for name, statistic in statistics.items():
            found[name].append(np.asarray(statistic(drawn), np.float64))
    made = {name: _interval(np.concatenate(parts), level, length) for name, parts in found.items()}
    return {name: each for name, each in made.items() if each is not None}


def _interval(found: NDArray[np.float64], level: float, length: float) -> Interval | None:
    known = found[np.isfinite(found)]
    if len(known) < 0.95 * len(found):
        return None
    low, high = np.quantile(known, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high), level, float(np.mean(known > 0)), length, len(found))


def resampled(returns: ArrayLike, rng: Rng, draws: int, block: float) -> NDArray[np.float64]:
    """`draws` series of the same length, in blocks of mean length `block`: shape (draws, periods).

    Raises:
        ValueError: returns are not one finite series of at least two, or the block is shorter than one.
    """
    values = _series(returns)
    if not (block >= 1 and isfinite(block)):
        raise ValueError(f"a block has at least one return: {block}")
    size = len(values)
    fresh = _words(rng, draws * size).reshape(draws, size) < np.uint64(int(_WORD / block))
    fresh[:, 0] = True
    at = np.arange(size)
    since = np.maximum.accumulate(np.where(fresh, at, 0), axis=1)  # where each place's block began
    starts = np.zeros((draws, size), np.intp)
    starts[fresh] = _words(rng, int(fresh.sum())) * np.uint64(size) // np.uint64(_WORD)
    picked = (np.take_along_axis(starts, since, axis=1) + at - since) % size
    drawn: NDArray[np.float64] = values[picked]
    return drawn


def block_length(returns: ArrayLike) -> float:
    """The mean block length that the data ask for, between 1 and a third of the series (Politis and White 2004).

    Raises:
        ValueError: returns are not one finite series of at least two.
    """
    values = _series(returns)
    size = len(values)
    away = values - values.mean()
    variance = float(np.mean(away**2))
    longest = max(1.0, min(size / 3, float(ceil(3 * sqrt(size)))))
    run = max(5, ceil(log10(size)))
    most = min(size - 1, ceil(sqrt(size)) + run)
    if variance <= 0 or most < 1:
        return 1.0
    covariance = np.array([float(np.dot(away[lag:], away[: size - lag])) / size for lag in range(most + 1)])
    lags = min(2 * _first_independent(covariance / variance, size, run), most)
    at = np.arange(1, lags + 1)
    taper = np.minimum(1.0, 2 * (1 - at / lags))
    slope = 2 * float(np.sum(taper * at * covariance[1 : lags + 1]))
    level = float(covariance[0]) + 2 * float(np.sum(taper * covariance[1 : lags + 1]))
    if not level:
        return longest
    return float(min(longest, max(1.0, abs(slope / level) ** (2 / 3) * size ** (1 / 3))))


def _first_independent(correlation: NDArray[np.float64], size: int, run: int) -> int:
    """The lag from which on `run` correlations in a row are within noise, 2 sqrt(log10(n) / n); the last if none is."""
    noise = 2 * sqrt(log10(size) / size)
    large = np.abs(correlation) >= noise
    return next((lag for lag in range(1, len(large)) if not large[lag : lag + run].any()), len(large))


def _words(rng: Rng, number: int) -> NDArray[np.uint64]:
    """Numbers of 32 bits, alike on every machine; far faster than asking for one by one."""
    body = rng.getrandbits(32 * number).to_bytes(4 * number, "little")
    return np.frombuffer(body, "<u4").astype(np.uint64)


def _series(returns: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(returns, np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError("returns must be one finite series of at least two")
    return values
