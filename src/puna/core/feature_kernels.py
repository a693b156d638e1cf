"""The features by the native kernels: `feature_reference`'s classes again, fast. Only for where the kernels are.

`update` is the kernel's own method; it calls `refuse` with a bar that it does not take, so that the reference's words
say why. The slow paths (snapshots, shapes) are Python.
"""

# ruff: noqa: A002 - open is what the field calls it

from collections.abc import Sequence
from math import prod
from typing import NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike

from puna import native
from puna.core.feature_schema import (
    FEATURES,
    Column,
    FeatureParameters,
    FeatureSchema,
    Snapshot,
    SymbolState,
    admit,
    check_snapshot,
    given,
    later,
    one_each,
    placed,
    refuse_cell,
    refuse_row,
    same_shape,
)

__all__ = ["CrossSection", "FeatureComputer"]

LANES = 8  # symbols in a vector of the panel kernels; their rows are padded to it
CACHE_LINE = 64


class FeatureComputer(native.FeatureKernel):
    """Twelve features for any number of symbols: see `feature_reference.FeatureComputer`."""

    parameters: FeatureParameters
    schema: FeatureSchema

    def __new__(cls, parameters: FeatureParameters | None = None) -> Self:
        """The kernel wants its windows when it is made."""
        chosen = parameters or FeatureParameters()
        computer = super().__new__(cls, *_windows(chosen))
        computer.parameters = chosen
        computer.schema = FeatureSchema(parameters=chosen)
        return computer

    @staticmethod
    def refuse(
        symbol: str, open: float, high: float, low: float, close: float, volume: float, ts: int, last: int
    ) -> NoReturn:
        """Raises what the reference raises for a bar that the kernel does not take."""
        admit(symbol, open, high, low, close, volume, ts, last)
        for number in (high, low, close, volume):
            float(number)
        raise TypeError(f"a symbol must be a str, not {type(symbol).__name__}")

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a FeatureComputer has no feature {name!r}")

    def batch(
        self,
        open: ArrayLike,
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike,
        *,
        out: Column | None = None,
    ) -> Column:
        """The vectors of a whole series, shape (n, 12)."""
        columns = same_shape(open, high, low, close, volume, 1)
        shape = (len(columns[0]), len(FEATURES))
        into = given(out, shape)
        fits = into is not None and into.T.flags.c_contiguous
        vectors = into if into is not None and fits else np.empty(shape[::-1]).T
        row = native.feature_batch(_windows(self.parameters), columns, vectors.T)
        if row >= 0:
            refuse_row(columns, row)
        return vectors if fits else placed(vectors, into)

    def panel(
        self,
        open: ArrayLike,
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike,
        *,
        out: Column | None = None,
    ) -> Column:
        """The vectors of many symbols over the same times: five tables (times, symbols) to (times, symbols, 12)."""
        tables = same_shape(open, high, low, close, volume, 2)
        times, symbols = tables[0].shape
        into = given(out, (times, symbols, len(FEATURES)))
        again = into is not None and _is_planes(into)
        planes = into.transpose(2, 0, 1) if into is not None and again else _planes(len(FEATURES), times, symbols)
        if planes.size:
            cell = native.feature_panel(_windows(self.parameters), tables, symbols, planes)
            if cell is not None:
                refuse_cell(tables, *cell)
        vectors = planes[:, :, :symbols].transpose(1, 2, 0)
        return vectors if into is None else into if again else placed(vectors, into)

    def snapshot(self) -> Snapshot:
        """The whole memory, to be restored into a computer of the same schema."""
        return Snapshot(self.schema, {symbol: SymbolState(*self.state(symbol)) for symbol in self.symbols()})

    @classmethod
    def restore(cls, snapshot: Snapshot) -> "FeatureComputer":
        """A computer that goes on where the snapshot was taken."""
        computer = cls(check_snapshot(snapshot))
        for symbol, state in snapshot.symbols.items():
            computer.put(symbol, _fields(state))
        return computer


class CrossSection:
    """Twelve features for a fixed list of symbols, all in one call: see `feature_reference.CrossSection`."""

    def __init__(self, symbols: Sequence[str], parameters: FeatureParameters | None = None) -> None:
        self.symbols = tuple(symbols)
        self.parameters = parameters or FeatureParameters()
        self.schema = FeatureSchema(parameters=self.parameters)
        self.ts = -1
        out = _planes(len(FEATURES), len(self.symbols))
        self.values = out[:, : len(self.symbols)].T
        self.values.flags.writeable = False
        windows = _windows(self.parameters)
        self._kernel = native.CrossSectionKernel(windows, len(self.symbols), out) if self.symbols else None

    def update(
        self, open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike, ts: int
    ) -> None:
        """Takes one bar of each symbol, in the order of `symbols`; five NaN mean that a symbol has none."""
        columns = one_each(self.symbols, same_shape(open, high, low, close, volume, 1))
        at = later(ts, self.ts)
        row = self._kernel.step(columns, at) if self._kernel else -1
        if row >= 0:
            refuse_row(columns, row, "Symbol")
        self.ts = at

    def snapshot(self) -> Snapshot:
        """The whole memory, as a `FeatureComputer` with the same bars would give it."""
        kernel = self._kernel
        states = {symbol: SymbolState(*kernel.state(row)) for row, symbol in enumerate(self.symbols) if kernel}
        return Snapshot(self.schema, states)

    @classmethod
    def restore(cls, snapshot: Snapshot) -> "CrossSection":
        """A cross-section that goes on where the snapshot was taken."""
        section = cls(tuple(snapshot.symbols), check_snapshot(snapshot))
        for row, state in enumerate(snapshot.symbols.values()):
            assert section._kernel is not None  # noqa: S101 - there is a symbol
            section._kernel.put(row, _fields(state))
            section.ts = max(section.ts, state.ts)
        return section


def _windows(p: FeatureParameters) -> tuple[int, bool, int, int, int, int]:
    return p.rsi, p.rsi_smoothing == "wilder", p.fast, p.slow, p.signal, p.sma


def _fields(
    s: SymbolState,
) -> tuple[int, list[float], list[float], list[float], list[float], list[float], list[float]]:
    return s.ts, s.values, s.rsi, s.fast, s.slow, s.signal, s.sma


def _is_planes(vectors: Column) -> bool:
    """Whether the kernel can write there: whole vectors in each row, the planes one after the other, on cache lines."""
    planes = vectors.transpose(2, 0, 1)
    on_lines = planes.flags.c_contiguous and planes.shape[-1] % LANES == 0
    return bool(on_lines and planes.ctypes.data % CACHE_LINE == 0)


def _planes(*shape: int) -> Column:
    """An empty array whose rows begin on a cache line: the last dimension is padded to whole vectors."""
    padded = (*shape[:-1], -(-shape[-1] // LANES) * LANES)
    raw = np.empty(prod(padded) + LANES)
    start = -raw.ctypes.data % CACHE_LINE // raw.itemsize
    return raw[start : start + prod(padded)].reshape(padded)
