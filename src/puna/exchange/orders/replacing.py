"""Replacing an order: what may not be replaced, and the request that an order and a change make together."""

from decimal import Decimal

from puna.exchange.orders.live import LiveOrder
from puna.exchange.refusals import Refusal, invalid, unprocessable
from puna.exchange.terms import VenueOptions
from puna.wire.codec import Amount
from puna.wire.trading import LegRequest, OrderRequest, ReplaceRequest, StopLossRequest, TakeProfitRequest

__all__ = ["refuse_replacement", "replacement"]

_CHANGEABLE = ("qty", "time_in_force", "limit_price", "stop_price")


def replacement(order: LiveOrder, change: ReplaceRequest, options: VenueOptions) -> OrderRequest:
    """The request that the order and the change make together."""
    body = order.body
    kept = body.qty if options.replace_keeps == "original" or body.qty is None else body.qty - order.filled
    trail_price, trail_percent = _trail(order, change)
    moving = body.type == "trailing_stop"
    stop = None if moving else body.stop_price
    request = OrderRequest(
        symbol=body.symbol,
        qty=change.qty if change.qty is not None else kept,
        notional=body.notional,
        side=body.side,
        type=body.type,
        time_in_force=change.time_in_force or body.time_in_force,
        limit_price=change.limit_price if change.limit_price is not None else body.limit_price,
        stop_price=change.stop_price if change.stop_price is not None else stop,
        trail_price=trail_price,
        trail_percent=trail_percent,
        extended_hours=body.extended_hours,
        client_order_id=change.client_order_id,
        order_class=body.order_class,
        legs=[_leg(each) for each in order.legs] or None,
    )
    return _with_exits(request, order)


def _leg(leg: LiveOrder) -> LegRequest:
    return LegRequest(
        symbol=leg.symbol,
        ratio_qty=leg.body.ratio_qty or Amount(1),
        side=leg.body.side,
        position_intent=leg.body.position_intent,
    )


def _trail(order: LiveOrder, change: ReplaceRequest) -> tuple[Amount | None, Amount | None]:
    """`trail` is the new value of whichever the order has (SPEC-T)."""
    price, percent = order.body.trail_price, order.body.trail_percent
    if change.trail is None:
        return price, percent
    return (change.trail, None) if price is not None else (None, change.trail)


def _with_exits(request: OrderRequest, order: LiveOrder) -> OrderRequest:
    """An entry is judged together with the exits that wait for it."""
    group = order.group
    if group is None or group.entry is not order:
        return request
    if group.take_profit is not None and group.take_profit.body.limit_price is not None:
        request.take_profit = TakeProfitRequest(limit_price=group.take_profit.body.limit_price)
    if group.stop_loss is not None and group.stop_loss.body.stop_price is not None:
        body = group.stop_loss.body
        request.stop_loss = StopLossRequest(stop_price=group.stop_loss.body.stop_price, limit_price=body.limit_price)
    return request


def refuse_replacement(order: LiveOrder, change: ReplaceRequest) -> Refusal | None:
    """What may not be replaced, or not so (facts.md 5.4; the wordings for notional, fractions and groups INF)."""
    body = order.body
    if body.status not in ("new", "partially_filled", "held"):
        return unprocessable("unable to replace order, order is not open")
    if change.trail is not None and body.type != "trailing_stop":
        return invalid("trail is only valid for trailing stop orders")
    if body.notional is not None:
        return unprocessable("notional orders cannot be replaced")
    if refusal := _refuse_in_group(order, change) or _refuse_quantity(order, change.qty):
        return refusal
    return unprocessable("order parameters are not changed") if _is_same(order, change) else None


def _refuse_in_group(order: LiveOrder, change: ReplaceRequest) -> Refusal | None:
    """Prices of brackets and OCO may change, nothing of an OTO (facts.md 5.3, ORD)."""
    kind = order.body.order_class
    if order.group is None:
        return None
    if kind == "oto":
        return unprocessable("replacing oto orders is not supported yet")
    if (change.qty is not None and change.qty != order.body.qty) or change.time_in_force not in (
        None,
        order.body.time_in_force,
    ):
        return unprocessable(f"only prices of {kind} orders can be replaced")
    return None


def _refuse_quantity(order: LiveOrder, qty: Decimal | None) -> Refusal | None:
    if qty is None or qty == order.body.qty:
        return None
    if qty % 1:
        return invalid("qty must be integer")
    if (order.body.qty or 0) % 1:
        return unprocessable("qty of a fractional order cannot be changed")
    return None


def _is_same(order: LiveOrder, change: ReplaceRequest) -> bool:
    """Whether nothing that matters would be other than it is; a new client_order_id alone does not matter."""
    asked = {name: getattr(change, name) for name in _CHANGEABLE}
    trail = order.body.trail_price if order.body.trail_price is not None else order.body.trail_percent
    same = all(value is None or value == getattr(order.body, name) for name, value in asked.items())
    return same and change.trail in (None, trail)
