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
TA_LIB_STREAM = "TA-Lib stream, 100 bars back"
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


def _row(path: str, tasks: dict[str, Callable[[], object]], *goals: Goal, rounds: int = ROUNDS) -> Row:
    return Row(path, interleaved(rounds, {name: _once(task) for name, task in tasks.items()}), goals)


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


def _bars_one_by_one() -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in _series(BARS)), strict=True))


def _talk() -> Callable[[], None]:
    """TA-Lib's stream functions, which look back over what they are given."""
    window = np.ascontiguousarray(_series(BARS)[3][:100])

    def talk() -> None:
        for _ in range(BARS):
            talib.stream.RSI(window, 14)
            talib.stream.MACD(window)
            talib.stream.EMA(window, 12)
            talib.stream.EMA(window, 26)
            talib.stream.SMA(window, 20)

    return talk


def _read(rounds: int) -> Row:
    """The same, and all twelve read as a tuple after each bar."""
    bars = _bars_one_by_one()
    computer: Any = FeatureComputer()
    ts = 0

    def feed() -> None:
        nonlocal ts
        for o, h, lo, c, v in bars:
            ts += 1
            computer.update("AAPL", o, h, lo, c, v, ts)
            computer.row()

    tasks: dict[str, Callable[[], object]] = {"puna": feed, TA_LIB_STREAM: _talk()}
    return _row(f"streaming, {BARS:,} bars, all read", tasks, Goal(TA_LIB_STREAM, 1 / 3), rounds=rounds)


def _streaming(rounds: int) -> Row:
    bars = _bars_one_by_one()
    computer: Any = FeatureComputer()
    ts = 0

    def feed(update: Callable[..., None]) -> None:
        nonlocal ts
        for o, h, lo, c, v in bars:
            ts += 1
            update("AAPL", o, h, lo, c, v, ts)

    tasks: dict[str, Callable[[], object]] = {"puna": lambda: feed(computer.update)}
    if hasattr(computer, "nothing"):
        tasks["empty native call"] = lambda: feed(computer.nothing)
    tasks[TA_LIB_STREAM] = _talk()
    goals = Goal("empty native call", 1.5), Goal(TA_LIB_STREAM, 1 / 10)
    return _row(f"streaming, {BARS:,} bars one by one", tasks, *goals, rounds=rounds)


def _batch(rounds: int) -> list[Row]:
    columns = _series(1_000_000)
    source = np.ones((len(columns) + len(FEATURES), 1_000_000))
    target = np.empty_like(source)
    computer = FeatureComputer()
    into = computer.batch(*columns)
    copy = "NumPy copy"
    goals = (Goal(copy, 2.0), Goal("TA-Lib", 1 / 3))
    again = _row(
        "batch, one symbol, 1,000,000 bars, memory used again",
        {
            "puna": lambda: computer.batch(*columns, out=into),
            copy: lambda: np.copyto(target, source),
            "TA-Lib": lambda: _ta_lib(*columns),
        },
        *goals,
        rounds=rounds,
    )
    fresh = _row(
        "batch, one symbol, 1,000,000 bars, fresh memory",
        {"puna": lambda: computer.batch(*columns), copy: source.copy, "TA-Lib": lambda: _ta_lib(*columns)},
        *goals,
        rounds=rounds,
    )
    return [again, fresh]


def _panel(rounds: int) -> list[Row]:
    tables = _series(200, 5000)
    each = [tuple(np.ascontiguousarray(table[:, symbol]) for table in tables) for symbol in range(5000)]
    source = np.ones((len(tables) + len(FEATURES), 1_000_000))
    target = np.empty_like(source)
    computer = FeatureComputer()
    into = computer.panel(*tables)
    copy = "NumPy copy"
    goals = (Goal(copy, 1.0), Goal("TA-Lib by symbol", 1 / 15))

    def talk() -> list[Any]:
        return [_ta_lib(*one) for one in each]

    again = _row(
        "panel, 5,000 symbols x 200 bars, memory used again",
        {
            "puna": lambda: computer.panel(*tables, out=into),
            copy: lambda: np.copyto(target, source),
            "TA-Lib by symbol": talk,
        },
        *goals,
        rounds=rounds,
    )
    fresh = _row(
        "panel, 5,000 symbols x 200 bars, fresh memory",
        {"puna": lambda: computer.panel(*tables), copy: source.copy, "TA-Lib by symbol": talk},
        *goals,
        rounds=rounds,
    )
    return [again, fresh]


def _cross_section(rounds: int) -> Row:
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
        "cross-section, 5,000 symbols, 100 rows",
        {"puna": steps, "copy in cache": copies},
        Goal("copy in cache", 2.5),
        rounds=rounds,
    )


def rows(*, quick: bool = False) -> list[Row]:
    """Streaming, batch, panel and cross-section."""
    rounds = 3 if quick else ROUNDS
    return [_streaming(rounds), _read(rounds), *_batch(rounds), *_panel(rounds), _cross_section(rounds)]
