"""Whether Alpaca should take an option order: form, sign of the price, level, cover, buying power; and what fits.

Sources: levels in OPT, multi-leg rules in L3 (fact sheet sections 5.3 and 11). The requirement itself comes from the
whole payoff (`spread_rule`), never from the pairs that are shown to people.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import gcd
from typing import NamedTuple

import msgspec

from puna.core.spread_rule import (
    OptionPosition,
    Right,
    Shares,
    UnlimitedRisk,
    combined,
    maintenance_margin,
    order_cost_basis,
    payoff,
)
from puna.core.types import ZERO

__all__ = ["QUANTITY_CEILING", "MarginCheck", "Pair", "check_order", "objections"]

MAX_LEGS = 4
QUANTITY_CEILING = 10_000


class Pair(NamedTuple):
    """How many contracts of a short series stand against what."""

    short: OptionPosition
    covered_by: OptionPosition | None
    contracts: int
    how: str


class MarginCheck(msgspec.Struct, frozen=True):
    """The answer to "may I send this, and what will it do?" in dollars.

    `reasons` is empty when allowed. `margin_after` and what follows from it are None when the risk is unlimited or the
    order is malformed. `simplified` offers the same order with relatively prime ratios, as (legs, quantity).
    """

    allowed: bool
    reasons: tuple[str, ...]
    margin_before: Decimal
    margin_after: Decimal | None
    change: Decimal | None
    cost_basis: Decimal | None
    shortfall: Decimal
    largest_quantity: int
    pairs: tuple[Pair, ...]
    simplified: tuple[tuple[OptionPosition, ...], int] | None = None


@dataclass(frozen=True)
class _Order:
    """An order and what it meets; every rule is a question to it."""

    legs: tuple[OptionPosition, ...]
    net_price: Decimal
    level: int
    held: tuple[OptionPosition, ...]
    shares: Shares
    calendars: bool

    def after(self, quantity: int) -> list[OptionPosition]:
        return combined(self.held, [leg.times(quantity) for leg in self.legs])

    def margin_after(self, quantity: int) -> Decimal:
        return maintenance_margin(self.after(quantity), self.shares)

    def cost(self, quantity: int) -> Decimal:
        return order_cost_basis(self.legs, self.net_price, quantity, self.held, self.shares)

    def objections(self, quantity: int) -> list[str]:
        """What speaks against it besides margin and buying power."""
        malformed = _malformed(self.legs, quantity)
        return malformed or [*_wrong_sign(self.legs, self.net_price), *self._not_at_level(quantity)]

    def fits(self, quantity: int, buying_power: Decimal) -> bool:
        """Whether so many units would be allowed."""
        try:
            return not self.objections(quantity) and self.cost(quantity) <= buying_power
        except UnlimitedRisk:
            return False

    def _not_at_level(self, quantity: int) -> list[str]:
        """Levels (OPT): 0 nothing, 1 covered calls and cash-secured puts, 2 long options, 3 spreads."""
        if self.level <= 0:
            return ["options level 0 allows no option orders"]
        if len(self.legs) == 1:
            return self._single_not_at_level(self.legs[0], quantity)
        return _uncovered_inside(self.legs, calendars=self.calendars) if self.level >= 3 else [_SPREADS]

    def _single_not_at_level(self, leg: OptionPosition, quantity: int) -> list[str]:
        opens = abs(leg.quantity) * quantity - self._closes(leg)
        if opens <= 0:
            return []
        if leg.quantity > 0:
            return [] if self.level >= 2 else ["long options need options level 2"]
        needed, free = opens * leg.multiplier, self._free_shares(leg)
        if leg.right is Right.CALL and needed > free:
            return [f"insufficient underlying qty available for covered call (required: {needed}, available: {free})"]
        return []

    def _closes(self, leg: OptionPosition) -> int:
        """How many contracts of the opposite side are held."""
        opposite = (p for p in self.held if p.series == leg.series and p.quantity * leg.quantity < 0)
        return sum(abs(p.quantity) for p in opposite)

    def _free_shares(self, leg: OptionPosition) -> Decimal:
        """Shares that no short call holds locked."""
        locked = sum(
            pair.contracts * pair.short.multiplier
            for pair in pairing(self.held, self.shares)
            if pair.short.underlying == leg.underlying and pair.how == _BY_SHARES
        )
        return Decimal(dict(self.shares).get(leg.underlying, 0)) - locked


_SPREADS = "spreads need options level 3"
_BY_SHARES = "covered by shares"


def objections(
    legs: Sequence[OptionPosition],
    net_price: Decimal,
    quantity: int,
    *,
    level: int = 3,
    positions: Iterable[OptionPosition] = (),
    shares: Shares = (),
) -> tuple[list[str], Decimal]:
    """What speaks against an order besides buying power, and what it would cost of that; arguments of `check_order`.

    Raises:
        UnlimitedRisk: after the order, or before it, the risk has no bound.
    """
    order = _Order(tuple(legs), net_price, level, tuple(combined(positions)), shares, calendars=False)
    return order.objections(quantity), order.cost(quantity)


def check_order(
    legs: Sequence[OptionPosition],
    net_price: Decimal,
    quantity: int,
    *,
    buying_power: Decimal,
    level: int = 3,
    positions: Iterable[OptionPosition] = (),
    shares: Shares = (),
    calendars: bool = False,
) -> MarginCheck:
    """Whether Alpaca should take the order, and what it would do to the margin.

    Args:
        legs: one leg, or two to four; `quantity` of a leg is its signed ratio.
        net_price: per share of one unit; debit positive, credit negative.
        quantity: units.
        buying_power: options buying power, dollars.
        level: options trading level, 0 to 3 (fact sheet section 11, OPT).
        positions: options held already.
        shares: shares held by underlying, those that covered calls lock among them.
        calendars: take a far long as cover for a near short; the sources contradict each other, default as L3 says.

    Raises:
        UnlimitedRisk: what is held already has no bound.
    """
    order = _Order(tuple(legs), net_price, level, tuple(combined(positions)), shares, calendars)
    reasons = order.objections(quantity)
    before = maintenance_margin(order.held, shares)
    after = _margin_after(order, quantity, reasons)
    cost = None if after is None else after - before + net_price * quantity * legs[0].multiplier
    shortfall = max(ZERO, cost - buying_power) if cost is not None else ZERO
    if shortfall:
        reasons.append(f"insufficient options buying power: needs {cost}, has {buying_power}, short of {shortfall}")
    return MarginCheck(
        allowed=not reasons,
        reasons=tuple(reasons),
        margin_before=before,
        margin_after=after,
        change=None if after is None else after - before,
        cost_basis=cost,
        shortfall=shortfall,
        largest_quantity=_largest(lambda n: order.fits(n, buying_power), quantity),
        pairs=tuple(pairing(order.after(quantity), shares)),
        simplified=_simplified(legs, quantity),
    )


def _margin_after(order: _Order, quantity: int, reasons: list[str]) -> Decimal | None:
    """Margin after the order; None, and a reason more, when the risk is unlimited."""
    if not order.legs:
        return None
    try:
        return order.margin_after(quantity)
    except UnlimitedRisk as error:
        reasons.append(f"unlimited risk: {error.what}")
        return None


def _malformed(legs: Sequence[OptionPosition], quantity: int) -> list[str]:
    """Multi-leg admission: 2 to 4 legs, one underlying, no series twice, ratios relatively prime (L3)."""
    found = []
    if quantity < 1:
        found.append("quantity must be at least 1")
    if not 1 <= len(legs) <= MAX_LEGS or any(leg.quantity == 0 for leg in legs):
        found.append(f"an order has 1 to {MAX_LEGS} legs, each with a ratio other than 0")
    if len({leg.underlying for leg in legs}) > 1:
        found.append("all legs must have the same underlying")
    if len({leg.multiplier for leg in legs}) > 1:
        found.append("all legs must have the same multiplier")
    if len({leg.series for leg in legs}) < len(legs):
        found.append("a series stands in the order twice")
    if len(legs) > 1 and (ratios := gcd(*(leg.quantity for leg in legs))) > 1:
        found.append(f"leg ratio quantities should be relatively prime: GCD = {ratios}")
    return found


def _wrong_sign(legs: Sequence[OptionPosition], net_price: Decimal) -> list[str]:
    """A debit is positive, a credit negative (L3): the payoff of one expiration often tells which it must be."""
    if len({leg.expiry for leg in legs}) > 1:
        return []
    values = [payoff(legs, price) for price in (ZERO, *(leg.strike for leg in legs))]
    slope = sum(leg.quantity for leg in legs if leg.right is Right.CALL)
    if net_price > 0 and max(values) <= 0 and slope <= 0:
        return ["these legs can never pay: they are sold for a credit, and a credit is a negative price"]
    if net_price < 0 and min(values) >= 0 and slope >= 0:
        return ["these legs can never cost: they are bought for a debit, and a debit is a positive price"]
    return []


def _simplified(legs: Sequence[OptionPosition], quantity: int) -> tuple[tuple[OptionPosition, ...], int] | None:
    factor = gcd(*(leg.quantity for leg in legs)) if len(legs) > 1 else 1
    if factor <= 1:
        return None
    return tuple(msgspec.structs.replace(leg, quantity=leg.quantity // factor) for leg in legs), quantity * factor


def _uncovered_inside(legs: Sequence[OptionPosition], *, calendars: bool) -> list[str]:
    """Every short leg must be covered inside the same order, by longs of its right and expiration (L3)."""
    balance: Counter[tuple[Right, date | None]] = Counter()
    for leg in legs:
        balance[leg.right, None if calendars else leg.expiry] += leg.quantity
    return ["mleg uncovered short contracts not allowed"] if any(n < 0 for n in balance.values()) else []


def _largest(fits: Callable[[int], bool], asked: int) -> int:
    """The largest quantity that fits, at most `QUANTITY_CEILING`; found by doubling, then halving.

    What an order costs is convex in its quantity, so what fits is an interval; it holds 1, or what was asked for, or
    nothing that anybody wants.
    """
    low, high = (asked, asked * 2) if asked > 1 and fits(asked) else (0, 1)
    while high <= QUANTITY_CEILING and fits(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle <= QUANTITY_CEILING and fits(middle) else (low, middle)
    return min(low, QUANTITY_CEILING)


def pairing(positions: Sequence[OptionPosition], shares: Shares) -> list[Pair]:
    """A pairing to look at: each short against longs of its expiration and right, nearest strike first, then the rest.

    The requirement itself comes from the whole payoff, never from pairs.
    """
    free = {p.series: p.quantity for p in positions if p.quantity > 0}
    held = {name: Decimal(n) for name, n in dict(shares).items()}
    found = []
    for short in sorted((p for p in positions if p.quantity < 0), key=lambda p: p.series):
        left = -short.quantity
        for long in _nearest(short, positions):
            taken = min(left, free[long.series])
            if taken:
                free[long.series] -= taken
                left -= taken
                found.append(Pair(short, long, taken, "spread"))
        found += _unpaired(short, left, held)
    return found


def _nearest(short: OptionPosition, positions: Iterable[OptionPosition]) -> list[OptionPosition]:
    longs = [p for p in positions if p.quantity > 0 and (p.expiry, p.right) == (short.expiry, short.right)]
    return sorted(longs, key=lambda p: (abs(p.strike - short.strike), p.strike))


def _unpaired(short: OptionPosition, left: int, held: dict[str, Decimal]) -> list[Pair]:
    if not left:
        return []
    if short.right is Right.PUT:
        return [Pair(short, None, left, "cash secured")]
    lots = min(left, int(held.get(short.underlying, ZERO) // short.multiplier))
    held[short.underlying] = held.get(short.underlying, ZERO) - lots * short.multiplier
    covered = [Pair(short, None, lots, _BY_SHARES)] if lots else []
    return covered + ([Pair(short, None, left - lots, "uncovered")] if left > lots else [])
