"""Further features by name, on bars and on quotes: one small recurrence each, NaN until warm.

`indicator("atr", 14)` gives a fresh one; `update` takes the next bar and answers the value (or values, named in
`outputs`); `batch` runs one over columns and gives, by construction, the same bits. Definitions follow TA-Lib where it
has the feature; what it lacks is written out below. Like everything in `core`, they know neither clock nor symbol.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from datetime import date
from typing import ClassVar, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from puna.core.sessions import new_york
from puna.core.types import Quote
from puna.errors import DataError

__all__ = ["INDICATORS", "BarRow", "Indicator", "QuoteFeatures", "batch", "indicator"]

NAN: Final = math.nan


class BarRow(NamedTuple):
    """One bar as plain numbers; `ts` in nanoseconds is needed by session features only."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    ts: int = 0


class Indicator(Protocol):
    """A recurrence over bars."""

    outputs: ClassVar[tuple[str, ...]]

    def update(self, bar: BarRow) -> tuple[float, ...]:
        """The values after `bar`, one for each of `outputs`."""


class LogReturn:
    """ln(close / previous close)."""

    outputs: ClassVar[tuple[str, ...]] = ("log_return",)

    def __init__(self) -> None:
        self._last = NAN

    def update(self, bar: BarRow) -> tuple[float, ...]:
        value = math.log(bar.close / self._last) if self._last > 0 else NAN
        self._last = bar.close
        return (value,)


class Momentum:
    """close / close n bars ago - 1."""

    outputs: ClassVar[tuple[str, ...]] = ("momentum",)

    def __init__(self, length: int = 20) -> None:
        self._closes: deque[float] = deque(maxlen=length + 1)

    def update(self, bar: BarRow) -> tuple[float, ...]:
        self._closes.append(bar.close)
        if len(self._closes) < (self._closes.maxlen or 0):
            return (NAN,)
        return (bar.close / self._closes[0] - 1.0,)


class TrueRange:
    """The greater of high - low and the distances of both from the previous close; NaN for the first bar."""

    outputs: ClassVar[tuple[str, ...]] = ("true_range",)

    def __init__(self) -> None:
        self._last = NAN

    def update(self, bar: BarRow) -> tuple[float, ...]:
        last, self._last = self._last, bar.close
        if math.isnan(last):
            return (NAN,)
        return (max(bar.high - bar.low, abs(bar.high - last), abs(bar.low - last)),)


class _Wilder:
    """Wilder's smoothing: the mean of the first n values, then (value * (n - 1) + x) / n."""

    def __init__(self, length: int) -> None:
        self._length = length
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
            self.value = (self.value * (self._length - 1) + x) / self._length
        return self.value


class AverageTrueRange:
    """ATR: Wilder's smoothing of the true range; the first value stands at bar n + 1."""

    outputs: ClassVar[tuple[str, ...]] = ("atr",)

    def __init__(self, length: int = 14) -> None:
        self._range = TrueRange()
        self._smooth = _Wilder(length)

    def update(self, bar: BarRow) -> tuple[float, ...]:
        (true_range,) = self._range.update(bar)
        return (NAN,) if math.isnan(true_range) else (self._smooth.update(true_range),)


class Bollinger:
    """Mean of n closes, plus and minus k population standard deviations; %B is where the close stands between."""

    outputs: ClassVar[tuple[str, ...]] = ("bollinger_low", "bollinger_mid", "bollinger_high", "percent_b")

    def __init__(self, length: int = 20, width: float = 2.0) -> None:
        self._closes: deque[float] = deque(maxlen=length)
        self._width = width

    def update(self, bar: BarRow) -> tuple[float, ...]:
        self._closes.append(bar.close)
        if len(self._closes) < (self._closes.maxlen or 0):
            return (NAN,) * 4
        mean, deviation = _mean_and_deviation(self._closes)
        low, high = mean - self._width * deviation, mean + self._width * deviation
        return low, mean, high, (bar.close - low) / (high - low) if high > low else 0.5


class ZScore:
    """How many population standard deviations the close stands from the mean of n closes; 0 when all are equal."""

    outputs: ClassVar[tuple[str, ...]] = ("zscore",)

    def __init__(self, length: int = 20) -> None:
        self._closes: deque[float] = deque(maxlen=length)

    def update(self, bar: BarRow) -> tuple[float, ...]:
        self._closes.append(bar.close)
        if len(self._closes) < (self._closes.maxlen or 0):
            return (NAN,)
        mean, deviation = _mean_and_deviation(self._closes)
        return ((bar.close - mean) / deviation if deviation > 0 else 0.0,)


class Stochastic:
    """Slow stochastic: %K is the mean of m values 100 * (close - lowest) / (highest - lowest), %D the mean of %K."""

    outputs: ClassVar[tuple[str, ...]] = ("stochastic_k", "stochastic_d")

    def __init__(self, length: int = 14, smooth: int = 3, signal: int = 3) -> None:
        self._highs: deque[float] = deque(maxlen=length)
        self._lows: deque[float] = deque(maxlen=length)
        self._raw: deque[float] = deque(maxlen=smooth)
        self._k: deque[float] = deque(maxlen=signal)

    def update(self, bar: BarRow) -> tuple[float, ...]:
        self._highs.append(bar.high)
        self._lows.append(bar.low)
        if len(self._highs) < (self._highs.maxlen or 0):
            return NAN, NAN
        low, high = min(self._lows), max(self._highs)
        k = _mean_when_full(self._raw, 100.0 * (bar.close - low) / (high - low) if high > low else 50.0)
        return (NAN, NAN) if math.isnan(k) else (k, _mean_when_full(self._k, k))


class DirectionalIndex:
    """ADX with +DI and -DI, Wilder's sums as TA-Lib keeps them; ADX first stands at bar 2n."""

    outputs: ClassVar[tuple[str, ...]] = ("plus_di", "minus_di", "adx")

    def __init__(self, length: int = 14) -> None:
        self._length = length
        self._last: BarRow | None = None
        self._range = TrueRange()
        self._seen = 0
        self._true = self._plus = self._minus = 0.0
        self._smooth = _Wilder(length)

    def update(self, bar: BarRow) -> tuple[float, ...]:
        last, self._last = self._last, bar
        (true_range,) = self._range.update(bar)
        if last is None:
            return NAN, NAN, NAN
        up, down = bar.high - last.high, last.low - bar.low
        self._sum(true_range, up if up > down and up > 0 else 0.0, down if down > up and down > 0 else 0.0)
        if self._seen < self._length:
            return NAN, NAN, NAN
        plus = 100.0 * (self._plus / self._true) if self._true > 0 else 0.0
        minus = 100.0 * (self._minus / self._true) if self._true > 0 else 0.0
        total = plus + minus
        return plus, minus, self._smooth.update(100.0 * (abs(plus - minus) / total) if total > 0 else 0.0)

    def _sum(self, true_range: float, plus: float, minus: float) -> None:
        self._seen += 1
        if self._seen < self._length:
            self._true, self._plus, self._minus = self._true + true_range, self._plus + plus, self._minus + minus
            return
        self._true += true_range - self._true / self._length
        self._plus += plus - self._plus / self._length
        self._minus += minus - self._minus / self._length


class SessionVwap:
    """Volume-weighted average of the typical price (high + low + close) / 3 since New York's midnight."""

    outputs: ClassVar[tuple[str, ...]] = ("vwap",)

    def __init__(self) -> None:
        self._day: date | None = None
        self._value = self._volume = 0.0

    def update(self, bar: BarRow) -> tuple[float, ...]:
        day = new_york(bar.ts).date()
        if day != self._day:
            self._day, self._value, self._volume = day, 0.0, 0.0
        self._value += (bar.high + bar.low + bar.close) / 3.0 * bar.volume
        self._volume += bar.volume
        return (self._value / self._volume if self._volume > 0 else NAN,)


class Parkinson:
    """Parkinson volatility a bar: sqrt(mean of ln(high / low)^2 over n bars / (4 ln 2))."""

    outputs: ClassVar[tuple[str, ...]] = ("parkinson",)

    def __init__(self, length: int = 20) -> None:
        self._squares: deque[float] = deque(maxlen=length)

    def update(self, bar: BarRow) -> tuple[float, ...]:
        mean = _mean_when_full(self._squares, math.log(bar.high / bar.low) ** 2)
        return (math.sqrt(mean / (4.0 * math.log(2.0))),)


INDICATORS: Final[dict[str, Callable[..., Indicator]]] = {
    "adx": DirectionalIndex,
    "atr": AverageTrueRange,
    "bollinger": Bollinger,
    "log_return": LogReturn,
    "momentum": Momentum,
    "parkinson": Parkinson,
    "stochastic": Stochastic,
    "true_range": TrueRange,
    "vwap": SessionVwap,
    "zscore": ZScore,
}


def indicator(name: str, *parameters: float) -> Indicator:
    """A fresh indicator by name.

    Raises:
        DataError: there is none of that name, or its windows are not whole numbers of at least 1.
    """
    make = INDICATORS.get(name)
    if make is None:
        raise DataError(f"There is no feature {name!r}.", remedy=f"There are: {', '.join(sorted(INDICATORS))}.")
    if any(p <= 0 for p in parameters):
        raise DataError(f"A window of {name} is not positive: {parameters}.")
    try:
        return make(*parameters)
    except TypeError as error:
        raise DataError(f"{name} does not take {len(parameters)} parameters of this kind.", why=str(error)) from None


def batch(of: Indicator, bars: Sequence[BarRow]) -> NDArray[np.float64]:
    """Shape (n, number of outputs): what `update` gives bar by bar."""
    table = np.empty((len(bars), len(of.outputs)))
    for row, bar in enumerate(bars):
        table[row] = of.update(bar)
    return table


class QuoteFeatures:
    """Microstructure of one symbol from its quotes.

    spread and mid in dollars, spread_bps of the mid; microprice weighs each side's price by the other side's size;
    imbalance = (bid_size - ask_size) / (bid_size + ask_size); order_flow is Cont, Kukanov and Stoikov's e_n, what the
    quote's change added to demand less what it added to supply (J. Financial Econometrics 12, 2014), 0 at first.
    """

    outputs: ClassVar[tuple[str, ...]] = ("spread", "spread_bps", "mid", "microprice", "imbalance", "order_flow")

    def __init__(self) -> None:
        self._last: Quote | None = None

    def update(self, quote: Quote) -> tuple[float, ...]:
        """The six values; all NaN, and nothing remembered, for a quote that is not usable."""
        if not quote.usable:
            return (NAN,) * len(self.outputs)
        last, self._last = self._last, quote
        spread, mid, depth = quote.ask - quote.bid, quote.mid, quote.bid_size + quote.ask_size
        micro = (quote.bid * quote.ask_size + quote.ask * quote.bid_size) / depth if depth > 0 else mid
        imbalance = (quote.bid_size - quote.ask_size) / depth if depth > 0 else 0.0
        return spread, spread / mid * 1e4, mid, micro, imbalance, _order_flow(last, quote) if last else 0.0


def _order_flow(last: Quote, quote: Quote) -> float:
    demand = (quote.bid_size if quote.bid >= last.bid else 0.0) - (last.bid_size if quote.bid <= last.bid else 0.0)
    supply = (quote.ask_size if quote.ask <= last.ask else 0.0) - (last.ask_size if quote.ask >= last.ask else 0.0)
    return demand - supply


def _mean_and_deviation(values: deque[float]) -> tuple[float, float]:
    """Mean and population standard deviation, in two passes: no cancellation, no drift."""
    mean = _sum(values) / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return mean, math.sqrt(squares / len(values))


def _mean_when_full(values: deque[float], x: float) -> float:
    values.append(x)
    return _sum(values) / len(values) if len(values) == values.maxlen else NAN


def _sum(values: deque[float]) -> float:
    """From oldest to newest, plainly: Python's own sum compensates, and the kernels must give the same bits."""
    total = 0.0
    for value in values:
        total += value
    return total
