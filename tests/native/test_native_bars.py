"""The kernel makes of columns the bars that the reference makes of them."""

from collections.abc import Sequence
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna import native
from puna.core.types import Bar
from puna.research.backtest.frames import Numbers, make_bars, reference

NAMES = ["AAPL", "BRK.B", "é"]
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 60])
ROW = st.tuples(st.integers(0, 2), *[st.floats() | st.sampled_from([0.0, -0.0])] * 5, *[WHOLE] * 3, st.floats())


def numbers(rows: Sequence[tuple[float, ...]]) -> Numbers:
    columns = zip(*rows, strict=True) if rows else [()] * 10
    kinds = [np.int64, *[np.float64] * 5, *[np.int64] * 3, np.float64]
    arrays: Any = (np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))
    return Numbers(*arrays)


def bits(bar: Bar) -> tuple[object, ...]:
    """Every field with its type; floats by their bits, so that -0.0 and NaN tell themselves apart."""
    fields = (getattr(bar, name) for name in bar.__struct_fields__)
    return tuple((type(each), pack("d", each) if isinstance(each, float) else each) for each in fields)


@given(st.lists(ROW, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_bars_are_made_as_the_reference_makes_them(rows: list[tuple[float, ...]], first: int, last: int) -> None:
    """Any numbers, any part of them."""
    first, last = sorted((min(first, len(rows)), min(last, len(rows))))
    made = make_bars(NAMES, numbers(rows), first, last)
    assert [*map(bits, made)] == [*map(bits, reference(NAMES, numbers(rows), first, last))]
    assert all(type(bar) is Bar for bar in made)


def test_what_is_not_there_is_told() -> None:
    """Rows beyond the end, a symbol without a name, columns of another kind or not in one piece."""
    rows = [(0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 2, 3, 1.0), (3, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 2, 3, 1.0)]
    known = numbers(rows)
    for first, last in ((0, 3), (2, 1), (1, 2)):
        with pytest.raises(IndexError):
            make_bars(NAMES, known, first, last)
    odds: tuple[Any, ...] = (known.open.astype(np.int64), np.ones(4)[::2])
    for odd in odds:
        with pytest.raises((BufferError, ValueError)):
            make_bars(NAMES, known._replace(open=odd), 0, 1)
    assert native.make_bars is not None
