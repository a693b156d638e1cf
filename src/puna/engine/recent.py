"""What was submitted lately, counted as it comes: an answer costs the same after ten orders and after a million."""

from collections import defaultdict, deque

from puna.core.risk import RiskLimits, Submit
from puna.core.types import OrderIntent

__all__ = ["Recent"]

NANOS = 1_000_000_000

_Terms = tuple[object, ...]


class Recent:
    """Orders that were reserved within the windows of the limits; who leaves a window is forgotten."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()
        self._submits: deque[tuple[_Terms, Submit]] = deque()
        self._last: dict[_Terms, Submit] = {}
        self._repeats: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)

    def add(self, ts: int, intent: OrderIntent, limits: RiskLimits) -> None:
        """An order was reserved; they come in the order of their times."""
        terms, submit = _terms(intent), Submit(ts, intent)
        self._times.append(ts)
        self._submits.append((terms, submit))
        self._last[terms] = submit
        repeats = self._repeats[intent.strategy, intent.symbol]
        repeats.append(ts)
        _left(repeats, ts, limits.repeat_window_seconds)

    def count(self, now: int, limits: RiskLimits) -> int:
        """How many within the window of `max_submits`."""
        return _left(self._times, now, limits.submit_window_seconds)

    def alike(self, intent: OrderIntent, now: int, limits: RiskLimits) -> tuple[Submit, ...]:
        """The last order of the same terms within the duplicate window, if there is one."""
        window = limits.duplicate_window_seconds * NANOS
        while self._submits and now - self._submits[0][1].ts >= window:
            terms, old = self._submits.popleft()
            if self._last.get(terms) is old:
                del self._last[terms]
        found = self._last.get(_terms(intent))
        return () if found is None else (found,)

    def repeated(self, intent: OrderIntent, now: int, limits: RiskLimits) -> int:
        """How many of this strategy in this symbol within the window of `max_repeats`."""
        times = self._repeats.get((intent.strategy, intent.symbol))
        return 0 if times is None else _left(times, now, limits.repeat_window_seconds)


def _left(times: deque[int], now: int, seconds: float) -> int:
    while times and now - times[0] >= seconds * NANOS:
        times.popleft()
    return len(times)


def _terms(intent: OrderIntent) -> _Terms:
    """What makes two orders equal; a quantity or price that is no number equals nothing, and is refused elsewhere."""
    numbers = (intent.qty, intent.limit_price, intent.stop_price)
    comparable = ["NaN" if each is not None and each.is_nan() else each for each in numbers]
    return intent.symbol, intent.side, intent.type, *comparable
