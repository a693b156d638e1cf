"""The probability of backtest overfitting: does the best of many trials stay good on data it was not chosen on?

Combinatorially symmetric cross-validation (CSCV): the periods are cut into an even number of blocks; every half of
the blocks chooses the best trial, the other half ranks it. Overfitting is when the chosen one comes out in the lower
half (Bailey, Borwein, Lopez de Prado and Zhu, The Probability of Backtest Overfitting, Journal of Computational
Finance 20(4), 2017). On trials without skill the probability is about one half or more.
"""

from itertools import combinations
from math import nan

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["BLOCKS", "Overfitting", "overfitting"]

BLOCKS = 16  # 12,870 ways to halve them, as in the paper


class Overfitting(msgspec.Struct, frozen=True):
    """What cross-validation says of the choice.

    Attributes:
        probability: PBO, the part of the splits in which the chosen trial ranks in the lower half outside.
        loss: the part of the splits in which the chosen trial loses outside.
        slope: how the Sharpe ratio outside depends on the one inside, over the splits; below zero when what looks
            better does worse. NaN when all splits choose alike.
        inside: mean Sharpe ratio per period of the chosen trial where it was chosen.
        outside: mean Sharpe ratio per period of the chosen trial where it was not.
        splits: how many halvings were tried.
        blocks: into how many blocks the periods were cut.
    """

    probability: float
    loss: float
    slope: float
    inside: float
    outside: float
    splits: int
    blocks: int


def overfitting(returns: ArrayLike, blocks: int = BLOCKS) -> Overfitting | None:
    """The probability of backtest overfitting of choosing the best Sharpe ratio among trials.

    Args:
        returns: shape (trials, periods), the trials over the same periods. Periods that do not fill the blocks
            evenly are left out at the beginning.
        blocks: even; made smaller when there are fewer than two periods for each.

    Returns:
        None when there are fewer than two trials, or too few periods for four blocks.

    Raises:
        ValueError: not two-dimensional, not finite, or `blocks` odd or below two.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError("returns must be finite, of the shape (trials, periods)")
    if blocks < 2 or blocks % 2:
        raise ValueError(f"an even number of blocks: {blocks}")
    trials, periods = values.shape
    used = min(blocks, periods // 2 // 2 * 2)
    if trials < 2 or used < min(blocks, 4):
        return None
    return _judged(*_sums(values, used), periods // used)


def _sums(values: NDArray[np.float64], blocks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and sum of squares of each trial in each block, (trials, blocks)."""
    trials, periods = values.shape
    size = periods // blocks
    cut = values[:, periods - size * blocks :].reshape(trials, blocks, size)
    return cut.sum(axis=2), (cut**2).sum(axis=2)


def _judged(sums: NDArray[np.float64], squares: NDArray[np.float64], size: int) -> Overfitting:
    """Every halving of the blocks: choose on one half, rank on the other."""
    trials, blocks = sums.shape
    picks = np.array(list(combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(picks), blocks))
    np.put_along_axis(chosen, picks, 1.0, axis=1)
    ranks, inside, outside, losses = [], [], [], []
    for half in np.array_split(chosen, max(1, len(chosen) * trials // 1_000_000)):
        within = _sharpe(half @ sums.T, half @ squares.T, size * (blocks // 2))
        without = _sharpe((1 - half) @ sums.T, (1 - half) @ squares.T, size * (blocks // 2))
        rows, best = np.arange(len(half)), within.argmax(axis=1)
        mine = without[rows, best]
        below = (without < mine[:, None]).sum(axis=1)
        equal = (without == mine[:, None]).sum(axis=1)
        ranks.append((below + (equal + 1) / 2) / (trials + 1))
        inside.append(within[rows, best])
        outside.append(mine)
        losses.append(mine < 0)
    first, second = np.concatenate(inside), np.concatenate(outside)
    return Overfitting(
        probability=float(np.mean(np.concatenate(ranks) <= 0.5)),
        loss=float(np.mean(np.concatenate(losses))),
        slope=_slope(first, second),
        inside=float(first.mean()),
        outside=float(second.mean()),
        splits=len(picks),
        blocks=blocks,
    )


def _sharpe(total: NDArray[np.float64], squares: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Sharpe ratios from sums; a trial that does not move has none, and counts as 0: it neither gains nor loses."""
    mean = total / count
    variance = np.maximum((squares - count * mean**2) / (count - 1), 0.0)
    flat = variance <= 1e-12 * np.maximum(squares / count, 1e-300)
    return np.where(flat, 0.0, mean / np.sqrt(np.where(flat, 1.0, variance)))


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Of the least-squares line."""
    away = x - x.mean()
    spread = float(np.dot(away, away))
    return float(np.dot(away, y) / spread) if spread > 1e-18 else nan
