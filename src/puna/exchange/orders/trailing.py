"""Trailing stops: the high-water mark, and the stop that follows it (facts.md 5.2, ORD).

A sell's mark is the highest price since submission, a buy's the lowest; the stop stands `trail_price`, or
`trail_percent` of the mark, away from it. Where the sources do not say how a stop is rounded, it is not.
"""

from decimal import Decimal

from puna.exchange.orders.live import LiveOrder, amount
from puna.wire.trading import OrderRequest

__all__ = ["first_stop", "follow", "is_trailing"]


def is_trailing(order: LiveOrder) -> bool:
    """Whether its stop moves."""
    return order.body.type == "trailing_stop"


def follow(order: LiveOrder, price: Decimal) -> None:
    """Takes a price into account: the mark only ever moves in the order's favour."""
    mark = order.body.hwm
    if mark is None or (price < mark if order.is_buy else price > mark):
        order.body.hwm = amount(price)
        stop = _stop(price, order.body.trail_price, order.body.trail_percent, is_buy=order.is_buy)
        order.stop = order.body.stop_price = amount(stop)


def first_stop(request: OrderRequest, mark: Decimal) -> Decimal:
    """Where the stop of a new order stands when the market is at `mark`."""
    return _stop(mark, request.trail_price, request.trail_percent, is_buy=request.side == "buy")


def _stop(mark: Decimal, price: Decimal | None, percent: Decimal | None, *, is_buy: bool) -> Decimal:
    away = price if price is not None else mark * (percent or 0) / 100
    return mark + away if is_buy else max(mark - away, Decimal(0))
