"""Long while the fast average of the closes is above the slow one: what `puna sweep` varies in docs/sweeps.md."""

from collections import deque

from puna import Strategy
from puna.core.types import Bar

__all__ = ["Crossing"]


class Crossing(Strategy):
    """Two averages of daily closes; `fast` and `slow` are their lengths in days."""

    timeframe = "1Day"
    fast = 5
    slow = 40
    weight = 0.1

    def on_start(self) -> None:
        """Remembers as many closes as the longer average needs."""
        self._closes: dict[str, deque[float]] = {}

    def on_bar(self, bar: Bar) -> None:
        """Holds the stock while the fast average is above the slow one."""
        longest = max(self.fast, self.slow)
        closes = self._closes.setdefault(bar.symbol, deque(maxlen=longest))
        closes.append(float(bar.close))
        if len(closes) < longest:
            return
        known = list(closes)
        fast, slow = (sum(known[-length:]) / length for length in (self.fast, self.slow))
        self.target(bar.symbol, self.weight if fast > slow else 0, because=f"averages {fast:.2f} and {slow:.2f}")
