"""The feature computer: streaming and batch give the same bits, TA-Lib's numbers where it has them."""

import math
from collections.abc import Callable
from typing import Any, cast

import msgspec
import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from puna.core.features import FEATURES, BadBarError, CrossSection, FeatureComputer, FeatureParameters, Snapshot
from puna.errors import DataError

Column = NDArray[np.float64]
MINUTE = 60_000_000_000


class Series:
    """A random walk of bars with gaps and jumps, as five columns."""

    def __init__(self, seed: int, length: int, volatility: float = 0.01) -> None:
        rng = np.random.default_rng(seed)
        jumps = np.where(rng.random(length) < 0.01, rng.normal(0, 0.2, length), 0.0)
        self.close = np.round(100 * np.exp(np.cumsum(rng.normal(0, volatility, length) + jumps)), 4) + 0.01
        self.open = np.round(self.close * (1 + rng.normal(0, volatility / 4, length)), 4) + 0.01
        span = np.abs(rng.normal(0, volatility / 2, (2, length)))
        self.high = np.maximum(self.open, self.close) * (1 + span[0])
        self.low = np.minimum(self.open, self.close) * (1 - span[1] / 2)
        self.volume = np.floor(rng.random(length) * 1e6)

    @property
    def columns(self) -> tuple[Column, Column, Column, Column, Column]:
        return self.open, self.high, self.low, self.close, self.volume

    def feed(self, computer: FeatureComputer, symbol: str, row: int) -> None:
        open_, high, low, close, volume = (float(column[row]) for column in self.columns)
        computer.update(symbol, open_, high, low, close, volume, row * MINUTE)


def column(table: Column, name: str) -> Column:
    return np.asarray(table[:, FEATURES.index(name)])


@given(st.integers(0, 2**32), st.integers(1, 120), st.sampled_from([1e-6, 0.01, 0.3]))
def test_streaming_is_batch_to_the_last_bit(seed: int, length: int, volatility: float) -> None:
    """Bar by bar or all at once, every bit of every vector is the same, NaN where the other is NaN."""
    series = Series(seed, length, volatility)
    table = FeatureComputer().batch(*series.columns)
    computer = FeatureComputer()
    for row in range(length):
        series.feed(computer, "AAPL", row)
        assert computer.values.tobytes() == table[row].tobytes()


@given(st.integers(0, 2**32))
def test_symbols_do_not_mix(seed: int) -> None:
    """Two symbols fed in turn have the vectors that each has alone."""
    one, two = Series(seed, 60), Series(seed + 1, 60)
    computer = FeatureComputer()
    for row in range(60):
        one.feed(computer, "AAPL", row)
        two.feed(computer, "IBM", row)
    assert computer.of("AAPL").tobytes() == FeatureComputer().batch(*one.columns)[-1].tobytes()
    assert computer.of("IBM").tobytes() == FeatureComputer().batch(*two.columns)[-1].tobytes()


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_a_restored_computer_goes_on_with_the_same_bits(seed: int, cut: int) -> None:
    """Snapshot, through bytes, restore: the rest of the series gives what it would have given."""
    series, straight = Series(seed, 80), FeatureComputer(FeatureParameters(rsi_smoothing="cutler"))
    for row in range(cut):
        series.feed(straight, "AAPL", row)
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(straight.snapshot()), type=Snapshot)
    restored = FeatureComputer.restore(saved)
    for row in range(cut, 80):
        series.feed(straight, "AAPL", row)
        series.feed(restored, "AAPL", row)
        assert restored.values.tobytes() == straight.values.tobytes()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("rsi", lambda s: talib.RSI(s.close, 14)),
        ("ema_fast", lambda s: talib.EMA(s.close, 12)),
        ("ema_slow", lambda s: talib.EMA(s.close, 26)),
        ("sma", lambda s: talib.SMA(s.close, 20)),
    ],
)
def test_ta_lib_agrees_from_the_first_defined_value(name: str, oracle: Callable[[Series], Column], seed: int) -> None:
    """RSI, EMA and SMA are TA-Lib's to 1e-9, and defined from the same bar on."""
    series = Series(seed, 500)
    ours, theirs = column(FeatureComputer().batch(*series.columns), name), oracle(series)
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_macd_meets_ta_lib_once_the_seeds_have_faded() -> None:
    """TA-Lib seeds both averages at the slow one's start; after 250 bars the two differ by less than 1e-6."""
    series = Series(3, 1000)
    table = FeatureComputer().batch(*series.columns)
    for name, theirs in zip(("macd_line", "macd_signal", "macd_hist"), talib.MACD(series.close), strict=True):
        np.testing.assert_allclose(column(table, name)[250:], theirs[250:], atol=1e-6)


def test_each_feature_is_warm_when_its_warm_up_says() -> None:
    """The first number of each column stands exactly at its published warm-up length."""
    table = FeatureComputer().batch(*Series(1, 60).columns)
    first = {name: int(np.argmin(np.isnan(column(table, name)))) + 1 for name in FEATURES}
    assert first == FeatureParameters().warmup


def test_a_flat_series_has_an_rsi_of_fifty() -> None:
    """Neither gains nor losses is neither strong nor weak."""
    flat = np.full(30, 10.0)
    assert column(FeatureComputer().batch(flat, flat, flat, flat, flat), "rsi")[-1] == 50.0


def test_the_plain_columns_are_what_they_are_called() -> None:
    """Spread in basis points, distance and range in percent, by hand for one row."""
    series = Series(9, 60)
    row = dict(zip(FEATURES, FeatureComputer().batch(*series.columns)[-1].tolist(), strict=True))
    assert row["spread"] == pytest.approx((row["ema_fast"] - row["ema_slow"]) / row["ema_slow"] * 1e4)
    assert row["dist_from_sma"] == pytest.approx((row["close"] - row["sma"]) / row["sma"] * 100)
    assert row["range_pct"] == pytest.approx((series.high[-1] - series.low[-1]) / series.close[-1] * 100)
    assert row["macd_hist"] == row["macd_line"] - row["macd_signal"]


@pytest.mark.parametrize(
    "bar",
    [
        (10.0, 9.0, 11.0, 10.0, 1.0),
        (10.0, 11.0, 9.0, math.nan, 1.0),
        (10.0, math.inf, 9.0, 10.0, 1.0),
        (10.0, 11.0, 9.0, 12.0, 1.0),
        (0.0, 1.0, 0.0, 0.5, 1.0),
        (-1.0, -1.0, -1.0, -1.0, 1.0),
        (10.0, 11.0, 9.0, 10.0, -1.0),
        (10.0, 11.0, 9.0, 10.0, math.nan),
    ],
)
def test_a_bad_bar_is_refused_and_changes_nothing(bar: tuple[float, float, float, float, float]) -> None:
    """NaN, infinite, negative, high below low: one typed error, and the next good bar is not affected."""
    series, computer = Series(4, 40), FeatureComputer()
    for row in range(39):
        series.feed(computer, "AAPL", row)
    with pytest.raises(BadBarError):
        computer.update("AAPL", *bar, ts=39 * MINUTE)
    with pytest.raises(BadBarError):
        computer.update("NEW", *bar, ts=39 * MINUTE)
    assert "NEW" not in computer.snapshot().symbols
    series.feed(computer, "AAPL", 39)
    assert computer.values.tobytes() == FeatureComputer().batch(*series.columns)[-1].tobytes()
    with pytest.raises(BadBarError, match="Row 0"):
        FeatureComputer().batch(*([value] for value in bar))


def test_time_does_not_go_back() -> None:
    """A bar at or before the symbol's last one is refused."""
    computer = FeatureComputer()
    computer.update("AAPL", 1, 1, 1, 1, 1, ts=5)
    with pytest.raises(BadBarError, match="came after"):
        computer.update("AAPL", 1, 1, 1, 1, 1, ts=5)


def test_the_current_vector_is_read_by_name_and_cannot_be_written() -> None:
    """`.rsi` and the like read the vector; the view is read-only; an unknown name is an AttributeError."""
    series, computer = Series(2, 40), FeatureComputer()
    for row in range(40):
        series.feed(computer, "AAPL", row)
    assert [getattr(computer, name) for name in FEATURES] == computer.values.tolist()
    assert computer.ready
    with pytest.raises(ValueError, match="read-only"):
        computer.values[0] = 1.0
    with pytest.raises(AttributeError, match="no feature"):
        _ = computer.nonsense


def test_another_schema_is_refused() -> None:
    """A snapshot of another version does not come to life here; windows below one are refused."""
    saved = FeatureComputer().snapshot()
    other = msgspec.structs.replace(saved, schema=msgspec.structs.replace(saved.schema, version=99))
    with pytest.raises(DataError, match="other features"):
        FeatureComputer.restore(other)
    with pytest.raises(DataError, match="window"):
        FeatureParameters(sma=0)


def test_a_panel_gives_each_symbol_the_vectors_it_has_alone() -> None:
    """Many symbols at once, with gaps: a symbol's bits are those of `batch` over its bars; a gap has no vector."""
    one, two = Series(5, 80), Series(6, 80)
    tables = [np.stack([a, b], axis=1) for a, b in zip(one.columns, two.columns, strict=True)]
    for table in tables:
        table[[10, 40, 41], 1] = math.nan
    panel = FeatureComputer().panel(*tables)
    assert panel[:, 0].tobytes() == FeatureComputer().batch(*one.columns).tobytes()
    there = np.flatnonzero(~np.isnan(tables[3][:, 1]))
    assert panel[there, 1].tobytes() == FeatureComputer().batch(*(column[there] for column in two.columns)).tobytes()
    assert np.isnan(panel[[10, 40, 41], 1]).all()


def test_a_cross_section_goes_on_from_row_to_row() -> None:
    """One bar of each symbol in a call gives what a computer gives one by one; a symbol without a bar keeps its own."""
    one, two = Series(7, 60), Series(8, 60)
    section, computer = CrossSection(["AAPL", "IBM"]), FeatureComputer()
    for row in range(60):
        rows = np.stack([column[row] for column in one.columns]), np.stack([column[row] for column in two.columns])
        one.feed(computer, "AAPL", row)
        if row % 7 == 3:
            rows[1][:] = math.nan
        else:
            two.feed(computer, "IBM", row)
        o, h, lo, c, v = np.stack(rows, axis=1)
        section.update(o, h, lo, c, v, row * MINUTE)
        assert section.values[0].tobytes() == computer.of("AAPL").tobytes()
        assert section.values[1].tobytes() == computer.of("IBM").tobytes()
    assert section.snapshot() == computer.snapshot()
    with pytest.raises(BadBarError, match="came after"):
        section.update(o, h, lo, c, v, 59 * MINUTE)


def test_an_average_that_rounds_to_zero_does_not_break_the_computer() -> None:
    """From the largest float to the smallest, an average can become zero: the vector says so, and nothing raises."""
    wild = np.array([1.7e308, 5e-324])
    table = FeatureComputer(FeatureParameters(slow=1)).batch(wild, wild, wild, wild, np.zeros(2))
    assert column(table, "ema_slow")[-1] == 0.0
    assert math.isnan(column(table, "spread")[-1])


@given(seed=st.integers(0, 1000), times=st.integers(0, 70), symbols=st.integers(1, 20), layout=st.sampled_from("CF="))
def test_memory_that_is_used_again_holds_the_same_vectors(seed: int, times: int, symbols: int, layout: str) -> None:
    """`out` is an earlier answer, or any array of that shape; what stood in it is gone, and it is what comes back."""
    rng = np.random.default_rng(seed)
    close = 100 + rng.random((times, symbols))
    tables = close, close + 1, close - 1, close, close
    computer = FeatureComputer()
    for call, columns in ((computer.panel, tables), (computer.batch, tuple(table[:, 0] for table in tables))):
        expected = call(*columns)
        into = call(*columns) if layout == "=" else np.full(expected.shape, 7.0, order=cast(Any, layout))
        into[...] = 7.0
        assert call(*columns, out=into) is into
        assert np.array_equal(into, expected, equal_nan=True)


def test_memory_that_does_not_fit_is_refused() -> None:
    """Shape, type and permission."""
    flat = np.full(5, 10.0)
    frozen = np.empty((5, 12))
    frozen.flags.writeable = False
    for out in (np.empty((4, 12)), np.empty((5, 12), dtype=np.float32), frozen):
        with pytest.raises(DataError, match="writable float64 array"):
            FeatureComputer().batch(flat, flat, flat, flat, flat, out=cast(Any, out))
        with pytest.raises(DataError, match="writable float64 array"):
            FeatureComputer().panel(*[flat[:, None]] * 5, out=cast(Any, out))
