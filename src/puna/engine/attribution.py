"""Whose position an order of somebody else has closed: a flatten, a trade by hand, a liquidation by the broker.

What no strategy holds goes first: what the account held before, and what others opened. What is closed beyond that was
held by strategies; each gives its part, at the price of the fill, so that the sleeves and the account still add up.
"""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal

from msgspec.structs import replace

from puna.core.types import ZERO, Fill

__all__ = ["EXTERNAL", "attributed"]

EXTERNAL = "external"
"""The strategy of orders that somebody else placed on the account."""

FINEST = Decimal("1e-9")


def attributed(fill: Fill, held: Decimal, sleeves: Mapping[tuple[str, str], Decimal]) -> tuple[Fill, ...]:
    """The parts of a fill of nobody's; together they are the fill.

    Args:
        fill: what somebody else traded.
        held: the account's position before it.
        sleeves: what each strategy holds before it, by strategy and symbol.
    """
    sign = -fill.side.sign
    owners = {
        name: abs(qty)
        for (name, symbol), qty in sorted(sleeves.items())
        if symbol == fill.symbol and name != EXTERNAL and qty * sign > 0
    }
    owned = sum(owners.values(), ZERO)
    taken = min(fill.qty - max(ZERO, held * sign - owned), owned)
    if taken <= 0:
        return (fill,)
    shares = _divided(taken, owners)
    parts = [replace(fill, strategy=name, qty=qty, fee=ZERO, adjustment=ZERO) for name, qty in shares.items() if qty]
    rest = fill.qty - taken
    if rest:
        return (replace(fill, qty=rest), *parts)
    parts[0] = replace(parts[0], fee=fill.fee, adjustment=fill.adjustment)
    return tuple(parts)


def _divided(taken: Decimal, owners: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """By what each holds, in whole units where all of it is whole; what rounding leaves goes where most is left."""
    owned = sum(owners.values(), ZERO)
    whole = all(qty == qty.to_integral_value() for qty in (taken, *owners.values()))
    step = Decimal(1) if whole else FINEST
    found = {name: (taken * qty / owned).quantize(step, ROUND_FLOOR) for name, qty in owners.items()}
    left = taken - sum(found.values(), ZERO)
    while left > 0:
        name = max(owners, key=lambda each: owners[each] - found[each])
        more = min(step, left)
        found[name] += more
        left -= more
    return found
