"""The features in plain Python: the specification that the native kernels are held to, bit for bit.

Each feature is a recurrence on float64 whose operations stand in one fixed order; `batch` and `panel` run the same
recurrences from the first row to the last. Values are NaN until their warm-up is over.
"""

# ruff: noqa: A002 - open is what the field calls it

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from puna.core.feature_schema import (
    FEATURES,
    Column,
    Columns,
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

NAN: Final = math.nan


def _over(x: float, y: float) -> float:
    """The quotient as IEEE 754 has it: an average may round to zero, and Python would raise."""
    if y != 0.0:
        return x / y
    return math.copysign(math.inf, x) if x < 0.0 or x > 0.0 else NAN


class _Ema:
    """Exponential average, alpha = 2 / (n + 1), seeded with the mean of its first n values; NaN before."""

    __slots__ = ("_alpha", "_length", "_seen", "_sum", "value")

    def __init__(self, length: int) -> None:
        self._length = length
        self._alpha = 2.0 / (length + 1)
        self._seen = 0
        self._sum = 0.0
        self.value = NAN

    def update(self, x: float) -> float:
        if self._seen < self._length:
            self._seen += 1
            self._sum += x
            if self._seen == self._length:
                self.value = self._sum / self._length
        else:
            self.value = self._alpha * (x - self.value) + self.value
        return self.value

    def state(self) -> list[float]:
        return [float(self._seen), self._sum, self.value]

    def restore(self, state: list[float]) -> None:
        self._seen, self._sum, self.value = int(state[0]), state[1], state[2]


class _Sma:
    """Mean of the last n values, summed afresh each time from oldest to newest: no drift, whatever the history."""

    __slots__ = ("_at", "_length", "_ring", "_seen")

    def __init__(self, length: int) -> None:
        self._length = length
        self._ring = [0.0] * length
        self._at = 0
        self._seen = 0

    def update(self, x: float) -> float:
        self._ring[self._at] = x
        self._at = (self._at + 1) % self._length
        self._seen = min(self._seen + 1, self._length)
        if self._seen < self._length:
            return NAN
        total = 0.0
        for value in self.window():
            total += value
        return total / self._length

    def window(self) -> Iterator[float]:
        """The last n values, oldest first."""
        yield from self._ring[self._at :]
        yield from self._ring[: self._at]

    def state(self) -> list[float]:
        return [float(self._seen), float(self._at), *self._ring]

    def restore(self, state: list[float]) -> None:
        self._seen, self._at, self._ring = int(state[0]), int(state[1]), list(state[2:])


class _Rsi:
    """Relative strength: 100 - 100 / (1 + mean gain / mean loss), Wilder's smoothing or (Cutler) plain means."""

    __slots__ = ("_gain", "_gains", "_last", "_length", "_loss", "_losses", "_seen", "_wilder")

    def __init__(self, length: int, *, wilder: bool) -> None:
        self._length = length
        self._wilder = wilder
        self._last = NAN
        self._seen = 0
        self._gain = 0.0
        self._loss = 0.0
        self._gains = _Sma(length)
        self._losses = _Sma(length)

    def update(self, x: float) -> float:
        if self._last != self._last:
            self._last = x
            return NAN
        change = x - self._last
        self._last = x
        gain, loss = max(change, 0.0), max(-change, 0.0)
        if self._wilder:
            self._smooth(gain, loss)
        else:
            self._seen = min(self._seen + 1, self._length)
            self._gain, self._loss = self._gains.update(gain), self._losses.update(loss)
        return self._strength() if self._seen >= self._length else NAN

    def _smooth(self, gain: float, loss: float) -> None:
        if self._seen < self._length:
            self._seen += 1
            self._gain += gain
            self._loss += loss
            if self._seen == self._length:
                self._gain /= self._length
                self._loss /= self._length
        else:
            self._gain = (self._gain * (self._length - 1) + gain) / self._length
            self._loss = (self._loss * (self._length - 1) + loss) / self._length

    def _strength(self) -> float:
        total = self._gain + self._loss
        return 100.0 * (self._gain / total) if total > 0.0 else 50.0

    def state(self) -> list[float]:
        own = [self._last, float(self._seen), self._gain, self._loss]
        return [*own, *self._gains.state(), *self._losses.state()]

    def restore(self, state: list[float]) -> None:
        self._last, self._seen, self._gain, self._loss = state[0], int(state[1]), state[2], state[3]
        half = 4 + (len(state) - 4) // 2
        self._gains.restore(state[4:half])
        self._losses.restore(state[half:])


class _Symbol:
    """The twelve features of one symbol."""

    __slots__ = ("fast", "rsi", "signal", "slow", "sma", "ts", "values", "view")

    def __init__(self, parameters: FeatureParameters) -> None:
        self.rsi = _Rsi(parameters.rsi, wilder=parameters.rsi_smoothing == "wilder")
        self.fast = _Ema(parameters.fast)
        self.slow = _Ema(parameters.slow)
        self.signal = _Ema(parameters.signal)
        self.sma = _Sma(parameters.sma)
        self.ts = -1
        self.values: Column = np.full(len(FEATURES), NAN)
        self.view = self.values.view()
        self.view.flags.writeable = False

    def update(self, high: float, low: float, close: float, volume: float) -> None:
        fast, slow = self.fast.update(close), self.slow.update(close)
        line = fast - slow
        signal = self.signal.update(line) if line == line else NAN  # noqa: PLR0124 - not while the line is NaN
        sma = self.sma.update(close)
        self.values[:] = (
            close,
            self.rsi.update(close),
            line,
            signal,
            line - signal,
            fast,
            slow,
            _over(line, slow) * 1e4,
            sma,
            _over(close - sma, sma) * 100.0,
            volume,
            ((high - low) / close) * 100.0,
        )

    def state(self) -> SymbolState:
        parts = {name: getattr(self, name).state() for name in ("rsi", "fast", "slow", "signal", "sma")}
        return SymbolState(ts=self.ts, values=self.values.tolist(), **parts)

    def restore(self, state: SymbolState) -> None:
        self.ts = state.ts
        self.values[:] = state.values
        for name in ("rsi", "fast", "slow", "signal", "sma"):
            getattr(self, name).restore(getattr(state, name))


class FeatureComputer:
    """Twelve features for any number of symbols, each with a memory of its own.

    After `update`, the attributes (`values`, `rsi`, `macd_line`, ...) speak of the symbol that was updated last;
    `of(symbol)` reads any other.
    """

    def __init__(self, parameters: FeatureParameters | None = None) -> None:
        self.parameters = parameters or FeatureParameters()
        self.schema = FeatureSchema(parameters=self.parameters)
        self._symbols: dict[str, _Symbol] = {}
        self._current = _Symbol(self.parameters)

    def update(
        self,
        symbol: str,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        ts: int,
    ) -> None:
        """Takes one finished bar; `ts` in nanoseconds must be later than the symbol's last.

        Raises:
            BadBarError: the bar is not one, or its time goes back; nothing has changed.
        """
        memory = self._symbols.get(symbol) or _Symbol(self.parameters)
        at = admit(symbol, open, high, low, close, volume, ts, memory.ts)
        numbers = float(high), float(low), float(close), float(volume)  # an int may be too large for one
        memory.ts = at
        self._symbols[symbol] = self._current = memory
        memory.update(*numbers)

    @property
    def values(self) -> Column:
        """A read-only view, shape (12,), of the vector of the symbol updated last; it changes with the next update."""
        return self._current.view

    @property
    def ready(self) -> bool:
        """No feature of the symbol updated last is NaN any more."""
        return not bool(np.isnan(self._current.values).any())

    def of(self, symbol: str) -> Column:
        """The read-only vector of `symbol`.

        Raises:
            KeyError: no bar of it has come yet.
        """
        return self._symbols[symbol].view

    def __getattr__(self, name: str) -> float:
        try:
            return float(self._current.values[_COLUMN[name]])
        except KeyError:
            raise AttributeError(f"a FeatureComputer has no feature {name!r}") from None

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
        """The vectors of a whole series, shape (n, 12): what `update` would have given bar by bar, to the last bit.

        It neither reads nor changes this computer's memory.

        `out` is an array that an earlier call gave, to be written anew: fresh memory costs as much as the vectors.

        Raises:
            DataError: `out` does not fit.
            BadBarError: a row is no bar; the text names the first such row.
        """
        columns = same_shape(open, high, low, close, volume, 1)
        into = given(out, (len(columns[0]), len(FEATURES)))
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        for row in np.flatnonzero(~_sound(columns)):
            refuse_row(columns, int(row))
        return placed(self._run(rows), into)

    def _run(self, rows: Iterable[tuple[float, ...]]) -> Column:
        memory = _Symbol(self.parameters)
        vectors = []
        for _, high, low, close, volume in rows:
            memory.update(high, low, close, volume)
            vectors.append(memory.values.copy())
        return np.array(vectors, order="F").reshape(-1, len(FEATURES))

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
        """The vectors of many symbols over the same times: five tables (times, symbols) to (times, symbols, 12).

        Five NaN in a cell mean that the symbol has no bar at that time: it has no vector there either, only NaN, and
        its recurrences go on with its next bar. Each symbol has the bits that `batch` gives for its bars alone.

        `out` is an array that an earlier call gave, to be written anew.

        Raises:
            DataError: `out` does not fit.
            BadBarError: a cell is neither a bar nor absent; the text names the first, by time, then by symbol.
        """
        tables = same_shape(open, high, low, close, volume, 2)
        into = given(out, (*tables[0].shape, len(FEATURES)))
        for time, symbol in np.argwhere(~_sound(tables) & ~_absent(tables)):
            refuse_cell(tables, int(time), int(symbol))
        present = ~_absent(tables)
        vectors = np.full((*present.shape, len(FEATURES)), NAN)
        for symbol in range(present.shape[1]):
            times = present[:, symbol]
            rows = zip(*(table[times, symbol].tolist() for table in tables), strict=True)
            vectors[times, symbol] = self._run(rows)
        return placed(vectors, into)

    def snapshot(self) -> Snapshot:
        """The whole memory, to be restored into a computer of the same schema."""
        return Snapshot(self.schema, {symbol: memory.state() for symbol, memory in self._symbols.items()})

    @classmethod
    def restore(cls, snapshot: Snapshot) -> "FeatureComputer":
        """A computer that goes on where the snapshot was taken.

        Raises:
            DataError: the snapshot's schema has another version or other names.
        """
        computer = cls(check_snapshot(snapshot))
        for symbol, state in snapshot.symbols.items():
            computer._symbols[symbol] = memory = _Symbol(computer.parameters)
            memory.restore(state)
        return computer


class CrossSection:
    """Twelve features for a fixed list of symbols that have their bars at the same times, all in one call."""

    def __init__(self, symbols: Sequence[str], parameters: FeatureParameters | None = None) -> None:
        self.symbols = tuple(symbols)
        self.parameters = parameters or FeatureParameters()
        self.schema = FeatureSchema(parameters=self.parameters)
        self.ts = -1
        self._memories = [_Symbol(self.parameters) for _ in self.symbols]
        self._values = np.full((len(self.symbols), len(FEATURES)), NAN)

    def update(
        self,
        open: ArrayLike,
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike,
        ts: int,
    ) -> None:
        """Takes one bar of each symbol, in the order of `symbols`; five NaN mean that a symbol has none.

        Raises:
            BadBarError: a row is neither a bar nor absent, or time goes back; nothing has changed.
            DataError: there is not one row for each symbol.
        """
        columns = one_each(self.symbols, same_shape(open, high, low, close, volume, 1))
        at = later(ts, self.ts)
        present = ~_absent(columns)
        for bad in np.flatnonzero(~_sound(columns) & present):
            refuse_row(columns, int(bad), "Symbol")
        self.ts = at
        for row in np.flatnonzero(present).tolist():
            memory = self._memories[row]
            memory.ts = at
            _, h, lo, c, v = (float(column[row]) for column in columns)
            memory.update(h, lo, c, v)
            self._values[row] = memory.values

    @property
    def values(self) -> Column:
        """A read-only view, shape (symbols, 12): the newest vector of each symbol."""
        view = self._values.view()
        view.flags.writeable = False
        return view

    def snapshot(self) -> Snapshot:
        """The whole memory, as a `FeatureComputer` with the same bars would give it."""
        pairs = zip(self.symbols, self._memories, strict=True)
        return Snapshot(self.schema, {symbol: memory.state() for symbol, memory in pairs})

    @classmethod
    def restore(cls, snapshot: Snapshot) -> "CrossSection":
        """A cross-section that goes on where the snapshot was taken.

        Raises:
            DataError: the snapshot's schema has another version or other names.
        """
        section = cls(tuple(snapshot.symbols), check_snapshot(snapshot))
        for row, state in enumerate(snapshot.symbols.values()):
            section._memories[row].restore(state)
            section._values[row] = state.values
            section.ts = max(section.ts, state.ts)
        return section


def _sound(columns: Columns) -> NDArray[np.bool_]:
    """Where a bar stands, by the rules of `check_bar`."""
    o, h, lo, c, v = columns
    prices = (lo > 0.0) & (lo <= h) & (h < math.inf) & (lo <= o) & (o <= h) & (lo <= c) & (c <= h)
    return np.asarray(prices & (v >= 0.0) & (v < math.inf))


def _absent(columns: Columns) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([np.isnan(column) for column in columns]), dtype=np.bool_)


_COLUMN: Final[Mapping[str, int]] = {name: column for column, name in enumerate(FEATURES)}
