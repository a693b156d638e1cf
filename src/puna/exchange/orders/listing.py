"""GET /v2/orders: which orders, in which order, nested or flat (facts.md 5.3 and 5.4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from puna.exchange.orders.live import TERMINAL, LiveOrder
from puna.wire.trading import Order

__all__ = ["Wanted", "listed"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for.

    Args:
        status: open, closed or all. A `held` order is neither open nor closed (facts.md 5.4, python#322).
        limit: at most so many, legs not counted when nested.
        after: submitted later than this instant.
        until: submitted earlier than this instant.
        direction: desc begins with the youngest.
        symbols: of these; a pair with or without slash; of option orders the underlying counts too. Empty: all.
        nested: legs stand below the order that leads them, if that is listed, and not beside it.
        side: buy or sell.
        asset_classes: of these. Empty: all.
        before_order_id: submitted before that order.
        after_order_id: submitted after it.
    """

    status: str = "open"
    limit: int = 50
    after: int | None = None
    until: int | None = None
    direction: str = "desc"
    symbols: Sequence[str] = ()
    nested: bool = False
    side: str | None = None
    asset_classes: Sequence[str] = ()
    before_order_id: str | None = None
    after_order_id: str | None = None


def listed(orders: Iterable[LiveOrder], wanted: Wanted) -> list[Order]:
    """Those of `orders` (oldest first, all of them visible) that are wanted, as they are shown."""
    within = _between(list(orders), wanted.before_order_id, wanted.after_order_id)
    found = [each for each in within if _matches(each, wanted)]
    if wanted.nested:
        heads = {each.id for each in found}
        found = [each for each in found if each.head is each or each.head.id not in heads]
    chosen = (found if wanted.direction == "asc" else found[::-1])[: wanted.limit]
    return [each.shown(nested=wanted.nested) for each in chosen]


def _between(orders: list[LiveOrder], before: str | None, after: str | None) -> list[LiveOrder]:
    """Those on this side of an order; an id that is unknown bounds nothing."""
    names = [each.id for each in orders]
    first = names.index(after) + 1 if after in names else 0
    last = names.index(before) if before in names else len(orders)
    return orders[first:last]


def _matches(order: LiveOrder, wanted: Wanted) -> bool:
    submitted = order.body.submitted_at or 0
    return (
        order.parent is None
        and wanted.status in ("all", _status(order))
        and (wanted.after is None or submitted > wanted.after)
        and (wanted.until is None or submitted < wanted.until)
        and (not wanted.symbols or bool(set(wanted.symbols) & order.names))
        and wanted.side in (None, order.body.side)
        and (not wanted.asset_classes or bool({"all", order.body.asset_class} & set(wanted.asset_classes)))
    )


def _status(order: LiveOrder) -> str:
    if order.body.status in TERMINAL:
        return "closed"
    return "held" if order.is_held else "open"
