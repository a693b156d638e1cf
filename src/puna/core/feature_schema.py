"""What the features are called, which windows they have, which bars they refuse, and how their memory is kept.

The reference (`feature_reference`) and the native kernels (`feature_kernels`) share these, and so their errors.
"""

# ruff: noqa: A002 - open is what the field calls it

import math
from collections.abc import Sequence
from operator import index
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from puna.errors import DataError

__all__ = [
    "FEATURES",
    "LONGEST_WINDOW",
    "SCHEMA_VERSION",
    "BadBarError",
    "Column",
    "Columns",
    "FeatureParameters",
    "FeatureSchema",
    "Snapshot",
    "SymbolState",
    "admit",
    "check_bar",
    "check_snapshot",
    "later",
    "one_each",
    "refuse_cell",
    "refuse_row",
    "same_shape",
]

Column = NDArray[np.float64]
Columns = tuple[Column, Column, Column, Column, Column]

FEATURES: Final = (
    "close",
    "rsi",
    "macd_line",
    "macd_signal",
    "macd_hist",
    "ema_fast",
    "ema_slow",
    "spread",
    "sma",
    "dist_from_sma",
    "volume",
    "range_pct",
)
SCHEMA_VERSION: Final = 1
LONGEST_WINDOW: Final = 1 << 20
LATEST: Final = (1 << 63) - 1  # nanoseconds since the epoch; the year 2262


class BadBarError(DataError):
    """A bar that no feature may see: NaN, negative, high below low, or time going back. Nothing has changed."""

    code = "E602"


class FeatureParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Window lengths in bars; the defaults are the contract's."""

    rsi: int = 14
    rsi_smoothing: Literal["wilder", "cutler"] = "wilder"
    fast: int = 12
    slow: int = 26
    signal: int = 9
    sma: int = 20

    def __post_init__(self) -> None:
        lengths = {"rsi": self.rsi, "fast": self.fast, "slow": self.slow, "signal": self.signal, "sma": self.sma}
        for name, length in lengths.items():
            if not 1 <= length <= LONGEST_WINDOW:
                raise DataError(
                    f"The feature window {name} is {length}.", remedy=f"Use a whole number from 1 to {LONGEST_WINDOW}."
                )

    @property
    def warmup(self) -> dict[str, int]:
        """How many bars each feature needs before it is a number."""
        signal = max(self.fast, self.slow) + self.signal - 1
        needs = {
            "rsi": self.rsi + 1,
            "macd_line": max(self.fast, self.slow),
            "macd_signal": signal,
            "macd_hist": signal,
            "ema_fast": self.fast,
            "ema_slow": self.slow,
            "spread": max(self.fast, self.slow),
            "sma": self.sma,
            "dist_from_sma": self.sma,
        }
        return {name: needs.get(name, 1) for name in FEATURES}


class FeatureSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a saved model must carry, so that it is never served with other features than it was trained on."""

    names: tuple[str, ...] = FEATURES
    parameters: FeatureParameters = FeatureParameters()
    version: int = SCHEMA_VERSION


def check_bar(high: float, low: float, open_: float, close: float, volume: float) -> None:
    """Passes a bar whose four prices are positive and finite, low <= open, close <= high, volume finite and >= 0.

    Raises:
        BadBarError: it is none.
    """
    if not 0.0 < low <= high < math.inf:
        raise BadBarError(f"A bar with high {high} and low {low} was refused.", state="No feature has changed.")
    if not (low <= open_ <= high and low <= close <= high):
        raise BadBarError(
            f"A bar was refused: open {open_} or close {close} is outside {low} to {high}.",
            state="No feature has changed.",
        )
    if not 0.0 <= volume < math.inf:
        raise BadBarError(f"A bar with volume {volume} was refused.", state="No feature has changed.")


def admit(symbol: str, open_: float, high: float, low: float, close: float, volume: float, ts: int, last: int) -> int:
    """The time of a bar that the symbol's memory, which has seen `last`, may take.

    Raises:
        BadBarError: it is no bar, or its time goes back, or lies beyond 64 bits.
    """
    check_bar(high, low, open_, close, volume)
    at = index(ts)
    if at <= last:
        raise BadBarError(f"A bar of {symbol} at {at} came after the one at {last}.", state="No feature has changed.")
    if at > LATEST:
        raise BadBarError(f"A bar of {symbol} has the time {at}.", state="No feature has changed.")
    return at


def later(ts: int, last: int) -> int:
    """The time of a row of a cross-section, which must be later than `last`.

    Raises:
        BadBarError: it is not, or lies beyond 64 bits.
    """
    at = index(ts)
    if not last < at <= LATEST:
        raise BadBarError(f"A row at {at} came after the one at {last}.", state="No feature has changed.")
    return at


def same_shape(
    open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike, dimensions: int
) -> Columns:
    """The five as contiguous float64 arrays of one shape.

    Raises:
        DataError: they differ in shape, or do not have that many dimensions.
    """
    five = [np.ascontiguousarray(column, dtype=np.float64) for column in (open, high, low, close, volume)]
    if any(column.shape != five[0].shape for column in five):
        raise DataError("The five columns differ in length.")
    if five[0].ndim != dimensions:
        raise DataError(f"Columns of {dimensions} dimension(s) were expected, not {five[0].ndim}.")
    return five[0], five[1], five[2], five[3], five[4]


def given(out: Column | None, shape: tuple[int, ...]) -> Column | None:
    """The array that vectors are to be written into, if one was given.

    Raises:
        DataError: it has another shape or type, or may not be written.
    """
    if out is not None and not (out.shape == shape and out.dtype == np.float64 and out.flags.writeable):
        raise DataError(f"The vectors need a writable float64 array of shape {shape}, not {out.dtype} {out.shape}.")
    return out


def placed(vectors: Column, into: Column | None) -> Column:
    """The vectors, in the array that was given for them."""
    if into is None:
        return vectors
    into[...] = vectors
    return into


def one_each(symbols: Sequence[str], columns: Columns) -> Columns:
    """The columns, if they have one row for each symbol.

    Raises:
        DataError: they do not.
    """
    if len(columns[0]) != len(symbols):
        raise DataError(f"{len(columns[0])} rows came for {len(symbols)} symbols.")
    return columns


def refuse_row(columns: Columns, row: int, place: str = "Row") -> None:
    """Raises what is wrong with row `row` of a series, or with symbol `row` of a cross-section."""
    o, h, lo, c, v = (float(column[row]) for column in columns)
    try:
        check_bar(h, lo, o, c, v)
    except BadBarError as error:
        raise BadBarError(f"{place} {row}: {error.what}", state="No feature has changed.") from None


def refuse_cell(tables: Columns, time: int, symbol: int) -> None:
    """Raises what is wrong with one cell of a panel."""
    o, h, lo, c, v = (float(table[time, symbol]) for table in tables)
    try:
        check_bar(h, lo, o, c, v)
    except BadBarError as error:
        raise BadBarError(f"Row {time}, symbol {symbol}: {error.what}") from None


class SymbolState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that the recurrences of one symbol remember."""

    ts: int
    values: list[float]
    rsi: list[float]
    fast: list[float]
    slow: list[float]
    signal: list[float]
    sma: list[float]


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A computer's whole memory, with the schema it belongs to; msgspec.msgpack keeps its NaNs and every bit."""

    schema: FeatureSchema
    symbols: dict[str, SymbolState]


def check_snapshot(snapshot: Snapshot) -> FeatureParameters:
    """The parameters of a snapshot that may come to life here.

    Raises:
        DataError: its schema has another version or other names, or a memory does not fit its windows.
    """
    parameters = snapshot.schema.parameters
    if snapshot.schema != FeatureSchema(parameters=parameters):
        raise DataError(
            "The snapshot was taken with other features.",
            why=f"It has version {snapshot.schema.version}, this program has {SCHEMA_VERSION}.",
            remedy="Warm up from bars instead.",
        )
    for symbol, state in snapshot.symbols.items():
        if not _fits(state, parameters):
            raise DataError(
                f"The snapshot's memory of {symbol} does not fit its windows.", remedy="Warm up from bars instead."
            )
    return parameters


def _fits(state: SymbolState, p: FeatureParameters) -> bool:
    half = 4 + 2 + p.rsi
    return (
        -1 <= state.ts <= LATEST
        and len(state.values) == len(FEATURES)
        and len(state.rsi) == half + 2 + p.rsi
        and _is_count(state.rsi[1], p.rsi)
        and all(_fits_window(part, p.rsi) for part in (state.rsi[4:half], state.rsi[half:]))
        and all(
            len(part) == 3 and _is_count(part[0], length)
            for part, length in ((state.fast, p.fast), (state.slow, p.slow), (state.signal, p.signal))
        )
        and _fits_window(state.sma, p.sma)
    )


def _fits_window(state: list[float], length: int) -> bool:
    return len(state) == 2 + length and _is_count(state[0], length) and _is_count(state[1], length - 1)


def _is_count(value: float, most: int) -> bool:
    return 0 <= value <= most and value == int(value)
