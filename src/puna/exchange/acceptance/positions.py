"""Acceptance against what is held and what is open: intent, wash trades, free quantity, buying power."""

from decimal import Decimal

from puna.exchange.orders.groups import CLASSES
from puna.exchange.orders.live import LiveOrder, amount
from puna.exchange.orders.situation import Situation, cost, intent, is_opening, shares
from puna.exchange.refusals import Refusal, forbidden, unprocessable
from puna.wire.trading import OrderRequest

__all__ = ["buying_power", "closing_only", "enough_shares", "position_intent", "wash_trade"]


def position_intent(request: OrderRequest, here: Situation) -> Refusal | None:
    """What the order says it does must be what it does (facts.md 3)."""
    inferred, said = intent(request, here), request.position_intent
    if not said or said == inferred:
        return None
    return unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {said}")


def wash_trade(request: OrderRequest, here: Situation) -> Refusal | None:
    """An order that could meet an open one of ours; groups and trailing stops are exempt (facts.md 5.2, PROT)."""
    if not here.options.refuse_wash_trades or _is_exempt(request.order_class, request.type):
        return None
    for order in here.open_orders:
        exempt = _is_exempt(order.body.order_class, order.body.type)
        if order.body.side != request.side and not exempt and (reason := _meets(request, order)):
            return forbidden(
                "potential wash trade detected. use complex orders", existing_order_id=order.id, reject_reason=reason
            )
    return None


def _is_exempt(order_class: str | None, type_: str | None) -> bool:
    return order_class in CLASSES or type_ == "trailing_stop"


def _meets(request: OrderRequest, order: LiveOrder) -> str | None:
    if {"market", "stop"} & {request.type, order.body.type}:
        return "opposite side market/stop order exists"
    mine, theirs = request.limit_price or Decimal(0), order.body.limit_price or Decimal(0)
    buy, sell = (mine, theirs) if request.side == "buy" else (theirs, mine)
    return "opposite side limit order exists" if buy >= sell else None


def enough_shares(request: OrderRequest, here: Situation) -> Refusal | None:
    """What closes a position takes no more than is free of it; no order turns a long into a short (facts.md 5.2)."""
    if is_opening(request, here) or (request.side == "buy" and here.options.flip_to_long):
        return None
    requested = shares(request, here)
    if requested <= here.available and here.available:
        return None
    against = [order for order in here.open_orders if order.body.side == request.side]
    return forbidden(
        f"insufficient qty available for order (requested: {requested:f}, available: {amount(here.available):f})",
        available=f"{amount(here.available):f}",
        existing_qty=f"{amount(here.held):f}",
        held_for_orders=f"{amount(abs(here.held) - here.available):f}",
        related_orders=[order.id for order in against],
        symbol=here.asset.symbol if here.asset else "",
    )


def closing_only(request: OrderRequest, here: Situation) -> Refusal | None:
    """A position that has outgrown the account leaves only orders that close (facts.md 4, PROT; wording INF)."""
    if here.is_restricted and is_opening(request, here):
        return forbidden("account is restricted to closing transactions")
    return None


def buying_power(request: OrderRequest, here: Situation) -> Refusal | None:
    """What opens must be paid for (ERR: alpaca-py#225; facts.md 5.2; the wording without any price INF)."""
    if not is_opening(request, here):
        return None
    costs = cost(request, here)
    if costs is None:
        return unprocessable(f'no price is known for asset "{request.symbol}"')
    if costs <= here.buying_power:
        return None
    return forbidden(
        "insufficient buying power",
        buying_power=f"{amount(here.buying_power):f}",
        cost_basis=f"{amount(costs):f}",
    )
