"""Replacing an order: what may not be replaced, and the request that an order and a change make together."""

from decimal import Decimal

from puna.exchange.live import LiveOrder
from puna.exchange.refusals import Refusal, invalid, unprocessable
from puna.exchange.terms import VenueOptions
from puna.wire.trading import OrderRequest, ReplaceRequest

__all__ = ["refuse_replacement", "replacement"]


def replacement(order: LiveOrder, change: ReplaceRequest, options: VenueOptions) -> OrderRequest:
    """The request that the order and the change make together."""
    body = order.body
    kept = body.qty if options.replace_keeps == "original" or body.qty is None else body.qty - order.filled
    return OrderRequest(
        symbol=body.symbol,
        qty=change.qty if change.qty is not None else kept,
        notional=body.notional,
        side=body.side,
        type=body.type,
        time_in_force=change.time_in_force or body.time_in_force,
        limit_price=change.limit_price if change.limit_price is not None else body.limit_price,
        stop_price=change.stop_price if change.stop_price is not None else body.stop_price,
        extended_hours=body.extended_hours,
        client_order_id=change.client_order_id,
        order_class=body.order_class,
    )


def refuse_replacement(order: LiveOrder, change: ReplaceRequest) -> Refusal | None:
    """What may not be replaced, or not so (facts.md 5.4; the wordings for notional, fractions and trail INF)."""
    body = order.body
    if body.status not in ("new", "partially_filled"):
        return unprocessable("unable to replace order, order is not open")
    if change.trail is not None:
        return unprocessable("trailing_stop orders are not served by this exchange")
    if body.notional is not None:
        return unprocessable("notional orders cannot be replaced")
    if change.qty is not None and (refusal := _refuse_quantity(order, change.qty)):
        return refusal
    if _is_same(order, change):
        return unprocessable("order parameters are not changed")
    return None


def _refuse_quantity(order: LiveOrder, qty: Decimal) -> Refusal | None:
    if qty == order.body.qty:
        return None
    if qty % 1:
        return invalid("qty must be integer")
    if (order.body.qty or 0) % 1:
        return unprocessable("qty of a fractional order cannot be changed")
    return None


def _is_same(order: LiveOrder, change: ReplaceRequest) -> bool:
    """Whether nothing that matters would be other than it is; a new client_order_id alone does not matter."""
    asked = {name: getattr(change, name) for name in ("qty", "time_in_force", "limit_price", "stop_price")}
    return all(value is None or value == getattr(order.body, name) for name, value in asked.items())
