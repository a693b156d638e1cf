"""Option positions, what they are worth at expiration, and the scan for the worst point of that line.

The payoff is a broken line: its worst point is at 0, at a strike, or beyond the last strike, where the slope decides,
and a falling line is unlimited risk. `reference` says so point by point; the native package sweeps the same line in
fixed point, and takes its place where it is installed (architecture, principle 9). Both are exact.
"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from puna import native
from puna.core.decimals import exactly, plain
from puna.core.types import ZERO

__all__ = ["UNLIMITED", "OptionPosition", "Right", "payoff", "reference", "requirement"]

UNLIMITED = Decimal("Infinity")
"""The requirement of a line that falls for ever."""


class Right(StrEnum):
    """What the holder may do: buy (call) or sell (put) at the strike."""

    CALL = "call"
    PUT = "put"


class OptionPosition(msgspec.Struct, frozen=True):
    """Contracts of one series; `quantity` is signed, negative when short. As the leg of an order: its signed ratio."""

    underlying: str
    expiry: date
    right: Right
    strike: Decimal
    quantity: int
    multiplier: int = 100

    def times(self, quantity: int) -> "OptionPosition":
        """The same series, `quantity` times as many contracts."""
        return msgspec.structs.replace(self, quantity=self.quantity * quantity)

    @property
    def series(self) -> tuple[str, date, Right, Decimal]:
        """What makes two positions the same contract."""
        return (self.underlying, self.expiry, self.right, self.strike)


def payoff(positions: Iterable[OptionPosition], price: Decimal) -> Decimal:
    """What the positions are worth at expiration with the underlying at `price`, in dollars, premiums ignored."""
    total = ZERO
    for p in positions:
        intrinsic = price - p.strike if p.right is Right.CALL else p.strike - price
        total += max(intrinsic, ZERO) * p.quantity * p.multiplier
    return total


@exactly
def reference(positions: list[OptionPosition]) -> Decimal:
    """What the positions of one underlying and expiration require, in dollars; `UNLIMITED` when nothing bounds it."""
    if sum(p.quantity * p.multiplier for p in positions if p.right is Right.CALL) < 0:
        return UNLIMITED
    points = {ZERO, *(p.strike for p in positions)}
    return plain(max(ZERO, -min(payoff(positions, point) for point in points)))


def _swept(positions: list[OptionPosition]) -> Decimal:
    """`reference`, natively; what is out of the sweep's range goes to the reference itself."""
    found = native.payoff_requirement(positions, OptionPosition, Right.CALL)
    return reference(positions) if found is None else found


requirement: Callable[[list[OptionPosition]], Decimal]
requirement = reference if TYPE_CHECKING or native.payoff_requirement is None else _swept
"""`reference`, by the fastest means at hand."""
