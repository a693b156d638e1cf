"""The feature computer: the same twelve numbers, bit for bit, from one bar at a time or from ten years.

Each feature is a recurrence on float64 whose operations stand in one fixed order; `batch` runs the same recurrence
from the first row to the last. That is what makes streaming equal batch to the last bit, and it is the specification
that the native kernels are held to (architecture, principle 9). Values are NaN until their warm-up is over.

Definitions: requirements C. Where they differ from TA-Lib on purpose:
- RSI of a flat series is 50 (TA-Lib: 0).
- Each EMA is seeded with the mean of its own first n values; TA-Lib starts both averages of the MACD at the slow one's
  seed, so the two agree only after the seeds have faded (1e-6 after some 250 bars).
- `range_pct` and `dist_from_sma` are percentages, `spread` is in basis points.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from puna.errors import DataError

__all__ = [
    "FEATURES",
    "SCHEMA_VERSION",
    "BadBarError",
    "FeatureComputer",
    "FeatureParameters",
    "FeatureSchema",
    "Snapshot",
    "check_bar",
]

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
NAN: Final = math.nan


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
            if length < 1:
                raise DataError(f"The feature window {name} is {length}.", remedy="Use a whole number of at least 1.")

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
        self.values: NDArray[np.float64] = np.full(len(FEATURES), NAN)
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
            (line / slow) * 1e4,
            sma,
            ((close - sma) / sma) * 100.0,
            volume,
            ((high - low) / close) * 100.0,
        )

    def state(self) -> "SymbolState":
        parts = {name: getattr(self, name).state() for name in ("rsi", "fast", "slow", "signal", "sma")}
        return SymbolState(ts=self.ts, values=self.values.tolist(), **parts)

    def restore(self, state: "SymbolState") -> None:
        self.ts = state.ts
        self.values[:] = state.values
        for name in ("rsi", "fast", "slow", "signal", "sma"):
            getattr(self, name).restore(getattr(state, name))


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
        check_bar(high, low, open, close, volume)
        memory = self._symbols.get(symbol) or _Symbol(self.parameters)
        if ts <= memory.ts:
            raise BadBarError(
                f"A bar of {symbol} at {ts} came after the one at {memory.ts}.", state="No feature has changed."
            )
        self._symbols[symbol] = self._current = memory
        memory.ts = ts
        memory.update(float(high), float(low), float(close), float(volume))

    @property
    def values(self) -> NDArray[np.float64]:
        """A read-only view, shape (12,), of the vector of the symbol updated last; it changes with the next update."""
        return self._current.view

    @property
    def ready(self) -> bool:
        """No feature of the symbol updated last is NaN any more."""
        return not bool(np.isnan(self._current.values).any())

    def of(self, symbol: str) -> NDArray[np.float64]:
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
    ) -> NDArray[np.float64]:
        """The vectors of a whole series, shape (n, 12): what `update` would have given bar by bar, to the last bit.

        It neither reads nor changes this computer's memory.

        Raises:
            BadBarError: a row is no bar; the text names the first such row.
        """
        columns = [np.ascontiguousarray(c, dtype=np.float64).tolist() for c in (open, high, low, close, volume)]
        if len({len(column) for column in columns}) != 1:
            raise DataError("The five columns of a batch differ in length.")
        memory = _Symbol(self.parameters)
        table = np.empty((len(columns[0]), len(FEATURES)))
        for row, (o, h, lo, c, v) in enumerate(zip(*columns, strict=True)):
            try:
                check_bar(h, lo, o, c, v)
            except BadBarError as error:
                raise BadBarError(f"Row {row}: {error.what}") from None
            memory.update(h, lo, c, v)
            table[row] = memory.values
        return table

    def snapshot(self) -> Snapshot:
        """The whole memory, to be restored into a computer of the same schema."""
        return Snapshot(self.schema, {symbol: memory.state() for symbol, memory in self._symbols.items()})

    @classmethod
    def restore(cls, snapshot: Snapshot) -> "FeatureComputer":
        """A computer that goes on where the snapshot was taken.

        Raises:
            DataError: the snapshot's schema has another version or other names.
        """
        if snapshot.schema != FeatureSchema(parameters=snapshot.schema.parameters):
            raise DataError(
                "The snapshot was taken with other features.",
                why=f"It has version {snapshot.schema.version}, this program has {SCHEMA_VERSION}.",
                remedy="Warm up from bars instead.",
            )
        computer = cls(snapshot.schema.parameters)
        for symbol, state in snapshot.symbols.items():
            computer._symbols[symbol] = memory = _Symbol(computer.parameters)
            memory.restore(state)
        return computer


_COLUMN: Final[Mapping[str, int]] = {name: column for column, name in enumerate(FEATURES)}
