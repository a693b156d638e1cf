"""The feature kernels against TA-Lib, a NumPy copy of the same bytes, and an empty native call."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import talib
from numpy.typing import NDArray

from benchmarks.table import Goal, Row, interleaved
from puna.core.features import FEATURES, CrossSection, FeatureComputer

__all__ = ["rows"]

ROUNDS = 9
BARS = 1000
Column = NDArray[np.float64]


def _series(*shape: int) -> tuple[Column, Column, Column, Column, Column]:
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, shape), axis=0))
    open_ = close * (1 + rng.normal(0, 0.001, shape))
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    return open_, high, low, close, np.floor(rng.random(shape) * 1e6)


def _once(task: Callable[[], object]) -> Callable[[], list[int]]:
    def run() -> list[int]:
        start = time.perf_counter_ns()
        task()
        return [time.perf_counter_ns() - start]

    return run


def _row(path: str, tasks: dict[str, Callable[[], object]], *goals: Goal) -> Row:
    return Row(path, interleaved(ROUNDS, {name: _once(task) for name, task in tasks.items()}), goals)


def _ta_lib(_: Column, high: Column, low: Column, close: Column, volume: Column) -> list[Any]:
    """The same twelve columns."""
    line, signal, histogram = talib.MACD(close)
    fast, slow, sma = talib.EMA(close, 12), talib.EMA(close, 26), talib.SMA(close, 20)
    plain = [close.copy(), talib.RSI(close, 14), line, signal, histogram, fast, slow]
    return [
        *plain,
        (fast - slow) / slow * 1e4,
        sma,
        (close - sma) / sma * 100,
        volume.copy(),
        (high - low) / close * 100,
    ]


def _streaming() -> Row:
    columns = _series(BARS)
    bars = list(zip(*(column.tolist() for column in columns), strict=True))
    computer: Any = FeatureComputer()
    ts = 0

    def feed(update: Callable[..., None]) -> None:
        nonlocal ts
        for o, h, lo, c, v in bars:
            ts += 1
            update("AAPL", o, h, lo, c, v, ts)

    def feed_and_read() -> None:
        nonlocal ts
        for o, h, lo, c, v in bars:
            ts += 1
            computer.update("AAPL", o, h, lo, c, v, ts)
            computer.row()

    window = np.ascontiguousarray(columns[3][:100])

    def talk() -> None:
        for _ in bars:
            talib.stream.RSI(window, 14)
            talib.stream.MACD(window)
            talib.stream.EMA(window, 12)
            talib.stream.EMA(window, 26)
            talib.stream.SMA(window, 20)

    tasks: dict[str, Callable[[], object]] = {"puna": lambda: feed(computer.update)}
    if hasattr(computer, "nothing"):
        tasks["empty native call"] = lambda: feed(computer.nothing)
        tasks["puna, read as a tuple"] = feed_and_read
    tasks["TA-Lib stream, 100 bars back"] = talk
    goals = Goal("empty native call", 1.5), Goal("TA-Lib stream, 100 bars back", 1 / 10)
    return _row(f"streaming, {BARS:,} bars one by one", tasks, *goals)


def _batch() -> Row:
    columns = _series(1_000_000)
    same = np.ones((len(columns) + len(FEATURES), 1_000_000))
    return _row(
        "batch, one symbol, 1,000,000 bars",
        {
            "puna": lambda: FeatureComputer().batch(*columns),
            "NumPy copy": same.copy,
            "TA-Lib": lambda: _ta_lib(*columns),
        },
        Goal("NumPy copy", 2.0),
        Goal("TA-Lib", 1 / 3),
    )


def _panel() -> Row:
    tables = _series(200, 5000)
    each = [tuple(np.ascontiguousarray(table[:, symbol]) for table in tables) for symbol in range(5000)]
    same = np.ones((len(tables) + len(FEATURES), 1_000_000))
    return _row(
        "panel, 5,000 symbols x 200 bars",
        {
            "puna": lambda: FeatureComputer().panel(*tables),
            "NumPy copy": same.copy,
            "TA-Lib by symbol": lambda: [_ta_lib(*one) for one in each],
        },
        Goal("NumPy copy", 1.0),
        Goal("TA-Lib by symbol", 1 / 15),
    )


def _cross_section() -> Row:
    tables = _series(160, 5000)
    section = CrossSection([f"S{n}" for n in range(5000)])
    ts = 0

    def step() -> None:
        nonlocal ts
        o, h, lo, c, v = (table[ts % 160] for table in tables)
        section.update(o, h, lo, c, v, ts)
        ts += 1

    for _ in range(60):
        step()
    source = np.ones((len(tables) + len(FEATURES), 5000))
    target = np.empty_like(source)

    def steps() -> None:
        for _ in range(100):
            step()

    def copies() -> None:
        for _ in range(100):
            np.copyto(target, source)

    return _row(
        "cross-section, 5,000 symbols, 100 rows", {"puna": steps, "copy in cache": copies}, Goal("copy in cache", 2.5)
    )


def rows() -> list[Row]:
    """Streaming, batch, panel and cross-section."""
    return [_streaming(), _batch(), _panel(), _cross_section()]
