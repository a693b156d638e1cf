"""Limit prices: where between the near and the far side of the quote an order should stand, on a tick, within a cap.

The near side is where a patient order waits (the bid for a buy), the far side where an urgent one trades at once (the
ask). Rounding always goes toward the near side, so a price is never more aggressive than asked for. A package of legs
is always bought: its near and far sides are sums over the legs, and a credit is a negative price.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import NamedTuple

from puna.core.types import ZERO, Leg, Quote, Side, exact

__all__ = ["FRACTION", "Touch", "Urgency", "between", "limit_price", "on_tick", "package", "touch", "walked_price"]


class Urgency(StrEnum):
    """How much of the spread to give up: none, half, all."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


FRACTION: Mapping[Urgency, Decimal] = {
    Urgency.LOW: Decimal(0),
    Urgency.NORMAL: Decimal("0.5"),
    Urgency.HIGH: Decimal(1),
}


class Touch(NamedTuple):
    """The two sides of a market, from where we stand."""

    near: Decimal
    far: Decimal

    @property
    def mid(self) -> Decimal:
        return (self.near + self.far) / 2


def touch(side: Side, quote: Quote) -> Touch | None:
    """The sides of one quote; None when it is not usable (crossed, one-sided, NaN)."""
    if not quote.usable:
        return None
    bid, ask = exact(quote.bid), exact(quote.ask)
    return Touch(bid, ask) if side is Side.BUY else Touch(ask, bid)


def package(legs: Iterable[Leg], quotes: Mapping[str, Quote]) -> Touch | None:
    """The net price of one package of legs: waiting on every leg, and taking every leg.

    None when a leg has no ask, is crossed, or has no quote; a bid of 0 is a price, as far-off options have it.
    """
    near = far = ZERO
    for leg in legs:
        quote = quotes.get(leg.symbol)
        if quote is None or not 0 <= quote.bid <= quote.ask < float("inf") or quote.ask == 0:
            return None
        bid, ask = exact(quote.bid) * leg.ratio, exact(quote.ask) * leg.ratio
        near += bid if leg.side is Side.BUY else -ask
        far += ask if leg.side is Side.BUY else -bid
    return Touch(near, far)


def limit_price(
    side: Side, quote: Quote, urgency: Urgency, tick: Decimal, cap: Decimal | None = None
) -> Decimal | None:
    """The limit price for an urgency; None when the quote cannot be used or the cap lies behind the near side."""
    return walked_price(side, quote, FRACTION[urgency], tick, cap)


def walked_price(
    side: Side, quote: Quote, fraction: Decimal, tick: Decimal, cap: Decimal | None = None
) -> Decimal | None:
    """The price at `fraction` of the way from the near side (0) to the far side (1), on a tick.

    A buy never pays more than `cap`, a sell never takes less. None when the quote is not usable (crossed, one-sided,
    NaN), or when the cap lies behind the near side: then the order must wait.
    """
    sides = touch(side, quote)
    return None if sides is None else between(sides, side, fraction, tick, cap)


def between(sides: Touch, side: Side, fraction: Decimal, tick: Decimal, cap: Decimal | None = None) -> Decimal | None:
    """As `walked_price`, between sides that are known."""
    near, far = sides
    price = on_tick(near + (far - near) * fraction, tick, side)
    if cap is None:
        return price
    limit = on_tick(cap, tick, side)
    if (limit - near) * side.sign < 0:
        return None
    return min(price, limit) if side is Side.BUY else max(price, limit)


def on_tick(price: Decimal, tick: Decimal, side: Side) -> Decimal:
    """The nearest tick that is not more aggressive: down for a buy, up for a sell."""
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    return (price / tick).to_integral_value(rounding) * tick
