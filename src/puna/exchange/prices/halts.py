"""Halts by script: a stock that stops trading at a time, and for how long (facts.md 7).

While it is halted it has no quotes and no prints; when it goes on, its price is where the path has gone meanwhile,
which is a gap. Codes are those of the stock's tape: `T1` news pending, `LUDP` a volatility pause.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from puna.exchange.prices.bars import SECOND
from puna.wire.codec import Nanos
from puna.wire.stream import StatusMessage

__all__ = ["Halt", "HaltChange", "changes", "is_halted"]


@dataclass(frozen=True)
class Halt:
    """One stock does not trade for a while.

    Args:
        symbol: which stock.
        at: market time at which it stops, ns.
        seconds: how long.
        reason: `T1` (news pending) or `LUDP` (volatility).
    """

    symbol: str
    at: int
    seconds: float = 300.0
    reason: str = "T1"

    @property
    def until(self) -> int:
        return self.at + round(self.seconds * SECOND)


class HaltChange(NamedTuple):
    """A stock stops, or goes on."""

    ts: int
    symbol: str
    stops: bool
    reason: str

    def message(self, tape: str) -> StatusMessage:
        """As the stream tells it, in the codes of the tape (C is Nasdaq's)."""
        nasdaq = tape == "C"
        code = ("H" if nasdaq else "2") if self.stops else ("T" if nasdaq else "3")
        text = "Trading Halt" if self.stops else "Trading Resumption"
        volatile = self.reason == "LUDP"
        reason, words = (self.reason, _REASONS.get(self.reason, "")) if nasdaq else ("M" if volatile else "D", text)
        return StatusMessage(S=self.symbol, t=Nanos(self.ts), sc=code, sm=text, rc=reason, rm=words, z=tape)


def changes(halts: Sequence[Halt]) -> list[HaltChange]:
    """All stops and resumptions, in order of time."""
    found = [HaltChange(each.at, each.symbol, stops=True, reason=each.reason) for each in halts]
    found += [HaltChange(each.until, each.symbol, stops=False, reason=each.reason) for each in halts]
    return sorted(found)


def is_halted(halts: Sequence[Halt], symbol: str, ts: int) -> bool:
    """Whether that stock is halted at that time."""
    return any(each.symbol == symbol and each.at <= ts < each.until for each in halts)


_REASONS = {"T1": "Halt - News Pending", "LUDP": "Volatility Trading Pause"}
