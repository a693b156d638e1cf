"""A strategy that does what a model of another process says: signal in, target out."""

from puna.bus.messages import Signal
from puna.config import ModelSection
from puna.engine.strategy import Strategy

__all__ = ["Follower"]


class Follower(Strategy):
    """Holds the weight of its table in what its model favours, nothing in what it does not.

    A signal weaker than the threshold changes nothing; one that is older than the last of its symbol is passed over.

    Args:
        section: the model's table.
    """

    def __init__(self, section: ModelSection) -> None:
        self.name = section.name
        self.symbols = section.symbols
        self.capital = section.capital
        self.signals = 0
        self._weight = section.weight
        self._threshold = section.threshold
        self._last: dict[str, int] = {}

    def objection(self, signal: Signal, now: int) -> str:
        """Why nobody acts on this signal; empty when somebody does."""
        if signal.deadline is not None and now > signal.deadline:
            return "its deadline has passed"
        if signal.symbol not in self.symbols:
            return f"{signal.symbol} is not among the symbols of {self.name}"
        return "a newer one is known" if signal.ts < self._last.get(signal.symbol, 0) else ""

    def hear(self, signal: Signal) -> str | None:
        """Acts; the id of the order, if one was needed."""
        self._last[signal.symbol] = signal.ts
        self.signals += 1
        if abs(signal.value) <= self._threshold:
            return None
        weight = self._weight if signal.value > 0 else 0
        return self.target(signal.symbol, weight, because=f"signal {signal.value:+.3f} of {signal.model}")
