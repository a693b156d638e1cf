"""What a split does to an open order where orders are adjusted: more shares at lower prices, or the reverse."""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from puna.exchange.orders.groups import CLASSES
from puna.exchange.orders.live import BILLIONTH, LiveOrder, amount

__all__ = ["adjust", "is_adjustable"]

_CENT, _FINE = Decimal("0.01"), Decimal("0.0001")


def is_adjustable(order: LiveOrder) -> bool:
    """Single orders for a quantity of shares that nothing has filled yet, and that take no other order's place."""
    body = order.body
    if order.is_cash:
        return False
    alone = body.order_class not in CLASSES and not order.legs and order.predecessor is None
    return alone and body.qty is not None and not order.filled and body.type != "trailing_stop"


def adjust(order: LiveOrder, old_rate: int, new_rate: int) -> None:
    """Quantity times `new_rate / old_rate`, prices times the reverse, rounded to what can be ordered."""
    body = order.body
    size = (body.qty or Decimal(0)) * new_rate / old_rate
    body.qty = amount(size.quantize(BILLIONTH, ROUND_FLOOR))
    body.limit_price = _price(body.limit_price, old_rate, new_rate)
    body.stop_price = _price(body.stop_price, old_rate, new_rate)
    order.limit = _price(order.limit, old_rate, new_rate)
    order.stop = _price(order.stop, old_rate, new_rate)
    order.value_price = order.value_price * old_rate / new_rate


def _price(price: Decimal | None, old_rate: int, new_rate: int) -> Decimal | None:
    if price is None:
        return None
    exact = price * old_rate / new_rate
    return amount(exact.quantize(_CENT if exact >= 1 else _FINE, ROUND_HALF_UP))
