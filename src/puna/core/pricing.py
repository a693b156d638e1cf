"""Limit prices: where between the near and the far side of the quote an order should stand, on a tick, within a cap.

The near side is where a patient order waits (the bid for a buy), the far side where an urgent one trades at once (the
ask). Rounding always goes toward the near side, so a price is never more aggressive than asked for.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from puna.core.types import Quote, Side, exact

__all__ = ["Urgency", "limit_price", "on_tick", "walked_price"]


class Urgency(StrEnum):
    """How much of the spread to give up: none, half, all."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


_FRACTION = {Urgency.LOW: Decimal(0), Urgency.NORMAL: Decimal("0.5"), Urgency.HIGH: Decimal(1)}


def limit_price(
    side: Side, quote: Quote, urgency: Urgency, tick: Decimal, cap: Decimal | None = None
) -> Decimal | None:
    """The limit price for an urgency; None when the quote cannot be used or the cap lies behind the near side."""
    return walked_price(side, quote, _FRACTION[urgency], tick, cap)


def walked_price(
    side: Side, quote: Quote, fraction: Decimal, tick: Decimal, cap: Decimal | None = None
) -> Decimal | None:
    """The price at `fraction` of the way from the near side (0) to the far side (1), on a tick.

    A buy never pays more than `cap`, a sell never takes less. None when the quote is not usable (crossed, one-sided,
    NaN), or when the cap lies behind the near side: then the order must wait.
    """
    if not quote.usable:
        return None
    bid, ask = exact(quote.bid), exact(quote.ask)
    near, far = (bid, ask) if side is Side.BUY else (ask, bid)
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
