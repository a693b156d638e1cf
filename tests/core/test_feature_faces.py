"""One thousand random series with gaps, splits and extremes: every face of the computer gives the same bits."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from puna.core import feature_reference as reference
from puna.core.features import FEATURES, CrossSection, FeatureComputer, FeatureParameters

Table = NDArray[np.float64]
SERIES = 1000
ENDS = np.array([5e-324, 1e-300, 1e-8, 1.0, 1e8, 1e300, 1.7e308])


def market(seed: int, times: int, symbols: int = SERIES) -> tuple[Table, Table, Table, Table, Table]:
    """Tables of bars, time first: walks of every volatility, some with splits, some at the ends of what floats hold.

    A fifth of the series has gaps (five NaN), among them some that begin late.
    """
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (times, symbols)) * rng.choice([0.0, 1e-4, 0.01, 0.2], symbols)
    splits = np.log(rng.choice([2.0, 10.0, 0.1, 1.5], (times, symbols))) * (rng.random((times, symbols)) < 0.004)
    close = 100 * np.exp(np.clip(np.cumsum(steps - splits, axis=0), -30, 30))
    extreme = rng.random(symbols) < 0.1
    close[:, extreme] = rng.choice(ENDS, (times, int(extreme.sum())))
    open_ = np.maximum(close * (1 - rng.random((times, symbols)) * 0.02), 5e-324)
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    low = np.maximum(low * (1 - rng.random((times, symbols)) * 0.01), 5e-324)
    tables = open_, high, np.minimum(low, open_), close, np.floor(rng.random((times, symbols)) * 1e7)
    gaps = (rng.random((times, symbols)) < 0.03) & (rng.random(symbols) < 0.2)
    late = rng.integers(0, times // 2, symbols) * (rng.random(symbols) < 0.05)
    gaps |= np.arange(times)[:, None] < late
    return tuple(np.where(gaps, math.nan, table) for table in tables)  # type: ignore[return-value]


def bits(table: Table) -> bytes:
    """Every bit; a NaN is a NaN."""
    return np.where(np.isnan(table), math.nan, table).tobytes()


def check(seed: int, times: int, parameters: FeatureParameters) -> None:
    """Streaming, batch, panel and cross-section, here and in the reference, over the same bars."""
    with np.errstate(all="ignore"):
        tables = market(seed, times)
        present = ~np.isnan(tables[3])
        panel = FeatureComputer(parameters).panel(*tables)
        section = CrossSection([f"S{n}" for n in range(SERIES)], parameters)
        for time in range(times):
            open_, high, low, close, volume = (table[time] for table in tables)
            section.update(open_, high, low, close, volume, time)
            assert bits(section.values[present[time]]) == bits(panel[time, present[time]]), f"row {time}"
        for symbol in range(SERIES):
            alone: Any = tuple(table[present[:, symbol], symbol] for table in tables)
            batch = FeatureComputer(parameters).batch(*alone)
            assert bits(batch) == bits(panel[present[:, symbol], symbol]), f"series {symbol}"
            assert bits(streamed(FeatureComputer(parameters), alone)) == bits(batch), f"series {symbol}"
            assert bits(reference.FeatureComputer(parameters).batch(*alone)) == bits(batch), f"series {symbol}"


def streamed(computer: FeatureComputer, columns: tuple[Table, Table, Table, Table, Table]) -> Table:
    """What `update` gives, bar by bar."""
    vectors = np.empty((len(columns[0]), len(FEATURES)))
    for row, (open_, high, low, close, volume) in enumerate(zip(*(each.tolist() for each in columns), strict=True)):
        computer.update("S", open_, high, low, close, volume, row)
        vectors[row] = computer.values
    return vectors


def test_a_thousand_series_have_the_same_bits_everywhere() -> None:
    """Streaming = batch = panel = cross-section = reference."""
    check(seed=1, times=60, parameters=FeatureParameters())


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(8))
def test_a_thousand_long_series_have_the_same_bits_everywhere(seed: int) -> None:
    """The same over more bars, and with other windows."""
    rng = np.random.default_rng(seed)
    rsi, fast, slow, signal, sma = (int(rng.integers(1, 40)) for _ in range(5))
    check(seed + 2, 500, FeatureParameters(rsi=rsi, fast=fast, slow=slow, signal=signal, sma=sma))
