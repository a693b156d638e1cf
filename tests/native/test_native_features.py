"""The feature kernels are the reference, to the last bit: same vectors, same memory, same refusals."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from puna import native
from puna.core import feature_reference as reference
from puna.core.feature_schema import FeatureParameters, Snapshot
from puna.errors import PunaError

if native.FeatureKernel is not None:
    from puna.core import feature_kernels as kernels

Columns = tuple[NDArray[np.float64], ...]
WINDOWS = st.builds(
    FeatureParameters,
    rsi=st.integers(1, 20),
    rsi_smoothing=st.sampled_from(["wilder", "cutler"]),
    fast=st.integers(1, 30),
    slow=st.integers(1, 30),
    signal=st.integers(1, 12),
    sma=st.integers(1, 30),
)
SCALES = st.sampled_from([1e-300, 1e-6, 1.0, 1e4, 1e150, 1e305])
MOODS = st.sampled_from(["walk", "flat", "jumps", "ends"])


def series(seed: int, shape: tuple[int, ...], scale: float = 1.0, mood: str = "walk") -> Columns:
    """Five columns of sound bars, time first: quiet, flat, jumping, or at the ends of what a float can hold."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, {"walk": 0.01, "flat": 0.0, "jumps": 0.5, "ends": 0.0}[mood], shape)
    close: NDArray[np.float64] = scale * np.exp(np.clip(np.cumsum(steps, axis=0), -7, 7))
    if mood == "ends":
        close = np.asarray(rng.choice(np.array([5e-324, 1e-300, 1.0, 1e300, 1.7e308]), shape), dtype=np.float64)
    open_ = close * (1 - rng.random(shape) / 100)
    open_ = np.where(open_ > 0, open_, close)
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return open_, high, low, close, np.floor(rng.random(shape) * 1e6)


def same(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> bool:
    """Every bit, and NaN where the other is NaN (whichever NaN it is)."""
    canonical = [np.where(np.isnan(table), math.nan, table).tobytes() for table in (ours, theirs)]
    return ours.shape == theirs.shape and canonical[0] == canonical[1]


def outcome(call: Callable[[], Any]) -> Any:
    """What it answers, or the type and text of what it raises."""
    try:
        with np.errstate(all="ignore"):
            return call()
    except (PunaError, TypeError, ValueError, OverflowError, KeyError) as error:
        return type(error), str(error)


@given(st.integers(0, 2**32), st.integers(0, 700), WINDOWS, SCALES, MOODS)
def test_a_batch_has_the_bits_of_the_reference(
    seed: int, length: int, windows: FeatureParameters, scale: float, mood: str
) -> None:
    """Any windows, either smoothing, any length, flat or wild, tiny or huge."""
    columns = series(seed, (length,), scale, mood)
    with np.errstate(all="ignore"):
        theirs = reference.FeatureComputer(windows).batch(*columns)
    assert same(kernels.FeatureComputer(windows).batch(*columns), theirs)


@given(st.integers(0, 2**32), st.integers(1, 90), WINDOWS, SCALES, MOODS, st.integers(0, 90))
def test_streams_have_the_bits_and_the_memory_of_the_reference(
    seed: int, length: int, windows: FeatureParameters, scale: float, mood: str, cut: int
) -> None:
    """Two symbols in turn, a snapshot in the middle that crosses over: the native one wakes up in Python, and back."""
    columns = series(seed, (length, 2), scale, mood)
    ours: Any = kernels.FeatureComputer(windows)
    theirs: Any = reference.FeatureComputer(windows)
    with np.errstate(all="ignore"):
        for row in range(length):
            if row == cut:
                here, there = ours.snapshot(), theirs.snapshot()
                assert msgspec.msgpack.encode(here) == msgspec.msgpack.encode(there) or mood == "ends"
                ours, theirs = kernels.FeatureComputer.restore(there), reference.FeatureComputer.restore(here)
            for number, symbol in enumerate(("AAPL", "BRK.B")):
                bar = [float(column[row, number]) for column in columns]
                ours.update(symbol, *bar, row)
                theirs.update(symbol, *bar, row)
                assert same(ours.values, theirs.values)
                assert ours.ready == theirs.ready
    assert same(ours.of("AAPL"), theirs.of("AAPL"))
    assert same(np.array([ours.rsi, ours.range_pct]), np.array([theirs.rsi, theirs.range_pct]))
    assert same(np.array(ours.row()), ours.values)


@given(
    st.integers(0, 2**32), st.integers(0, 120), st.integers(0, 20), WINDOWS, MOODS, st.sampled_from([0.0, 0.01, 0.5])
)
def test_panel_and_cross_section_have_the_bits_of_the_reference(
    seed: int, times: int, symbols: int, windows: FeatureParameters, mood: str, gaps: float
) -> None:
    """With and without gaps, any number of symbols: each has the vectors that it would have alone."""
    tables = series(seed, (times, symbols), 1.0, mood)
    absent = np.random.default_rng(seed).random((times, symbols)) < gaps
    for table in tables:
        table[absent] = math.nan
    with np.errstate(all="ignore"):
        theirs = reference.FeatureComputer(windows).panel(*tables)
    ours = kernels.FeatureComputer(windows).panel(*tables)
    assert same(ours, theirs)
    section = kernels.CrossSection([f"S{n}" for n in range(symbols)], windows)
    for row in range(times):
        if row == times // 2:
            section = kernels.CrossSection.restore(section.snapshot())
        o, h, lo, c, v = (table[row] for table in tables)
        section.update(o, h, lo, c, v, row)
        present = ~absent[row]
        assert same(section.values[present], theirs[row, present])


def test_a_large_panel_on_several_threads_is_the_same() -> None:
    """The threads take different symbols; nothing depends on which."""
    tables = series(5, (120, 700))
    tables[0][50, 3] = math.nan
    for table in tables:
        table[60, 5] = math.nan
        table[50, 3] = math.nan
    panel = kernels.FeatureComputer().panel(*tables)
    for symbol in (0, 3, 5, 350, 699):
        present = ~np.isnan(tables[3][:, symbol])
        alone = reference.FeatureComputer().batch(*(table[present, symbol] for table in tables))
        assert same(panel[present, symbol], alone)
        assert np.isnan(panel[~present, symbol]).all()


def test_a_long_batch_on_two_threads_is_the_same() -> None:
    """Above the length from which the columns are shared out."""
    columns = series(6, (1 << 16,))
    assert same(kernels.FeatureComputer().batch(*columns), reference.FeatureComputer().batch(*columns))


BAD = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 5e-324, 1e308, 10**400, None, "1", b"1", True]),
    st.floats(),
    st.integers(),
)


@given(
    st.lists(st.one_of(BAD, st.just(1.0)), min_size=5, max_size=5),
    st.one_of(st.integers(), st.sampled_from([None, 1.5, "1", 2**63, -(2**63) - 1])),
)
@example([1.0, 1.0, 1.0, 1.0, 0.0], -(2**63) - 1)
@example([5e-324, 10**400, 5e-324, 5e-324, 1.0], 1)  # no float is so large: no memory begins, none changes
def test_refusals_are_the_reference_s(bar: list[Any], ts: Any) -> None:
    """Whatever comes for a bar or a time, both take it, or both refuse it with the same type and text."""
    ours: Any = kernels.FeatureComputer()
    theirs: Any = reference.FeatureComputer()
    for computer in (ours, theirs):
        computer.update("AAPL", 1.0, 2.0, 0.5, 1.5, 10.0, 0)
    for symbol in ("AAPL", "IBM"):
        answers = [outcome(lambda c=c, s=symbol: c.update(s, *bar, ts)) for c in (ours, theirs)]  # type: ignore[misc]
        assert answers[0] == answers[1]
    assert msgspec.msgpack.encode(ours.snapshot()) == msgspec.msgpack.encode(theirs.snapshot())


@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 59), st.integers(0, 8), st.floats()), max_size=4),
)
def test_a_bad_cell_is_named_as_the_reference_names_it(seed: int, spoils: list[tuple[int, int, int, float]]) -> None:
    """Batch, panel and cross-section refuse the first bad bar, in the same words, and change nothing."""
    tables = series(seed, (60, 9))
    for column, time, symbol, value in spoils:
        tables[column][time, symbol] = value
    panels = [outcome(lambda c=c: c.FeatureComputer().panel(*tables)) for c in (kernels, reference)]  # type: ignore[misc]
    assert panels[0] == panels[1] if isinstance(panels[0], tuple) else same(panels[0], panels[1])
    first = [outcome(lambda c=c: c.FeatureComputer().batch(*(t[:, 0] for t in tables))) for c in (kernels, reference)]  # type: ignore[misc]
    assert first[0] == first[1] if isinstance(first[0], tuple) else same(first[0], first[1])
    sections: Any = [c.CrossSection([f"S{n}" for n in range(9)]) for c in (kernels, reference)]
    for time in range(60):
        rows = [table[time] for table in tables]
        answers = [outcome(lambda s=s, t=time, r=rows: s.update(*r, ts=t)) for s in sections]  # type: ignore[misc]
        assert answers[0] == answers[1]
    assert same(sections[0].values, sections[1].values)
    assert msgspec.msgpack.encode(sections[0].snapshot()) == msgspec.msgpack.encode(sections[1].snapshot())


@pytest.mark.parametrize("make", ["FeatureComputer", "CrossSection"])
def test_a_memory_that_does_not_fit_is_refused(make: str) -> None:
    """A snapshot with a ring too short, a count too large or a time beyond 64 bits does not come to life."""
    computer = reference.FeatureComputer()
    computer.update("AAPL", 1.0, 2.0, 0.5, 1.5, 10.0, 0)
    saved = computer.snapshot()
    state = saved.symbols["AAPL"]
    wrongs: tuple[dict[str, Any], ...] = (
        {"sma": state.sma[:-1]},
        {"sma": [99.0, *state.sma[1:]]},
        {"rsi": state.rsi[:5]},
        {"fast": []},
        {"slow": [0.5, 0.0, 0.0]},
        {"values": []},
        {"ts": 2**63},
    )
    for wrong in wrongs:
        broken = Snapshot(saved.schema, {"AAPL": msgspec.structs.replace(state, **wrong)})
        answers = [outcome(lambda m=m, b=broken: getattr(m, make).restore(b)) for m in (kernels, reference)]  # type: ignore[misc]
        assert answers[0] == answers[1]
        assert "does not fit" in answers[0][1]


def test_columns_of_different_shapes_are_refused_alike() -> None:
    """Five columns must have one shape, and a cross-section one row for each symbol."""
    one, two = np.ones(3), np.ones(4)
    for module in (kernels, reference):
        computer: Any = module.FeatureComputer()
        assert "differ in length" in outcome(lambda c=computer: c.batch(one, one, one, one, two))[1]  # type: ignore[misc]
        assert "dimension" in outcome(lambda c=computer: c.panel(one, one, one, one, one))[1]  # type: ignore[misc]
        section: Any = module.CrossSection(["A"])
        assert "for 1 symbols" in outcome(lambda s=section: s.update(one, one, one, one, one, ts=1))[1]  # type: ignore[misc]
