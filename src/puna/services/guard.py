"""The last word of the risk process, and what it allows once it grows old: reductions only."""

from puna.bus.messages import RiskState
from puna.core.risk import RiskLimits, TradingState
from puna.seams import Clock

__all__ = ["Guard"]

NANOS = 1_000_000_000


class Guard:
    """Execution's copy of limits and state.

    Args:
        clock: wall time.
        stale: seconds after which a word is too old.
    """

    def __init__(self, clock: Clock, stale: float) -> None:
        self.last: RiskState | None = None
        self._clock = clock
        self._stale = stale
        self._heard_at = 0

    def take(self, state: RiskState) -> None:
        """A word of the risk process."""
        self.last, self._heard_at = state, self._clock.monotonic()

    @property
    def age(self) -> float | None:
        """Seconds since its last word; None before the first."""
        return (self._clock.monotonic() - self._heard_at) / NANOS if self.last else None

    @property
    def fresh(self) -> bool:
        """Whether its last word still counts."""
        return self.age is not None and self.age <= self._stale

    @property
    def state(self) -> TradingState:
        """What it allows: no word, or an old one, allows reductions only; a halt does not grow old."""
        if self.last is not None and (self.fresh or self.last.state is TradingState.HALTED):
            return self.last.state
        return TradingState.REDUCING

    @property
    def limits(self) -> RiskLimits | None:
        """As one version; None before the first word."""
        return self.last.limits if self.last else None

    @property
    def version(self) -> str:
        """Of the limits in force."""
        return self.last.version if self.last else ""
