"""Orders that belong together, and what they may still do: lineages of replaces, and the worst case of what is open.

Alpaca's replacement is a new order that counts from 0 and keeps the ORIGINAL quantity as its total even when the old
one was partly filled (facts.md 5.4, R10). So the filled quantity of a lineage is the sum over its orders, and `qty` of
a replacing intent is what is wanted over the whole lineage. That is why only an order without fills is `replaceable`;
otherwise cancel, wait for the end, and send an intent of its own for the rest. Where a fill wins the race against a
replace, `Lineage.at_risk` says at once how much could be filled too often, and `Lineage.overfill` how much was.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from puna.core.decimals import exactly
from puna.core.orders import Order, Status
from puna.core.types import ZERO, OrderIntent, Side

__all__ = ["Lineage", "Pending", "lineage", "open_orders", "pending", "roots", "worst_case"]


def open_orders(orders: Iterable[Order]) -> tuple[Order, ...]:
    """Those that may still fill."""
    return tuple(order for order in orders if order.is_open)


class Pending(NamedTuple):
    """What may still be bought and sold of one symbol."""

    buy: Decimal = ZERO
    sell: Decimal = ZERO

    def of(self, side: Side) -> Decimal:
        return self.buy if side is Side.BUY else self.sell

    def plus(self, side: Side, qty: Decimal) -> "Pending":
        return Pending(self.buy + qty, self.sell) if side is Side.BUY else Pending(self.buy, self.sell + qty)


def pending(orders: Iterable[Order]) -> dict[str, Pending]:
    """The worst case that open orders leave, by symbol."""
    return worst_case((order.intent, order.leaves) for order in open_orders(orders))


@exactly
def worst_case(leaves: Iterable[tuple[OrderIntent, Decimal]]) -> dict[str, Pending]:
    """Total leaves by symbol and side. Of an order and its replacement the larger counts, as at the broker (5.4)."""
    known = {intent.client_order_id: (intent, left) for intent, left in leaves}
    most: dict[str, Decimal] = {}
    for key, root in roots(intent for intent, _ in known.values()).items():
        most[root] = max(known[key][1], most.get(root, ZERO))
    total: dict[str, Pending] = {}
    for root, left in most.items():
        intent = known[root][0]
        have = total.get(intent.symbol, Pending())
        total[intent.symbol] = have.plus(intent.side, left)
    return total


def roots(intents: Iterable[OrderIntent]) -> dict[str, str]:
    """For every client_order_id the oldest one among these that it goes back to by replaces.

    A replacement is of the same symbol and side; whatever claims otherwise stands alone.
    """
    known = {intent.client_order_id: intent for intent in intents}
    parents = {
        key: up.client_order_id
        for key, intent in known.items()
        if (up := known.get(intent.replaces or "")) and (up.symbol, up.side) == (intent.symbol, intent.side)
    }
    return {key: _root(parents, key) for key in known} if parents else {key: key for key in known}


class Lineage(NamedTuple):
    """An order and all that took its place, oldest first."""

    orders: tuple[Order, ...]

    @property
    def filled_qty(self) -> Decimal:
        """Over all orders: each counts its own fills from 0."""
        return _total(order.filled_qty for order in self.orders)

    @property
    def filled_notional(self) -> Decimal:
        return _total(order.filled_notional for order in self.orders)

    @property
    def intended(self) -> Decimal:
        """What is wanted over the lineage: the quantity of the last order that the broker took.

        An order that shrank the wish below what was filled by then is no overfill, so that much is granted.
        """
        first, *rest = self.orders
        wanted, filled = first.intent.qty, first.filled_qty
        for order in rest:
            if order.seen and order.status is not Status.REJECTED:
                wanted = max(order.intent.qty, min(filled, wanted))
            filled += order.filled_qty
        return wanted

    @property
    def overfill(self) -> Decimal:
        """What was filled beyond the intended quantity: booked, and to be alarmed (I2)."""
        return max(ZERO, self.filled_qty - self.intended)

    @property
    def at_risk(self) -> Decimal:
        """What would be filled beyond the intended quantity if all that is open fills: cancel before it does (R10)."""
        leaves = max((order.leaves for order in self.orders), default=ZERO)
        return max(ZERO, self.filled_qty + leaves - self.intended)

    @property
    def is_open(self) -> bool:
        return any(order.is_open for order in self.orders)

    @property
    def tip(self) -> Order:
        """The newest order that has not failed (refused, rejected or abandoned); else the oldest."""
        failed = (Status.REFUSED, Status.REJECTED, Status.ABANDONED)
        return next((order for order in reversed(self.orders) if order.status not in failed), self.orders[0])


def lineage(orders: Mapping[str, Order], client_order_id: str) -> Lineage:
    """The lineage that an order belongs to, linked by intents and by the broker's `replaces` and `replaced_by`.

    Raises:
        KeyError: there is no such order.
    """
    parents = _parents(orders)
    root = _root(parents, orders[client_order_id].client_order_id)
    members = [order for key, order in orders.items() if _root(parents, key) == root]
    return Lineage(
        tuple(sorted(members, key=lambda each: (len(_ancestors(parents, each.client_order_id)), *_age(each))))
    )


@exactly
def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _parents(orders: Mapping[str, Order]) -> dict[str, str]:
    """Who replaced whom, by client_order_id: by the intent, else by the broker's ids."""
    owner = {broker_id: key for key, order in orders.items() for broker_id in order.broker_ids}
    found = {owner[new]: key for key, order in orders.items() for new in order.replaced_by if new in owner}
    found |= {key: owner[old] for key, order in orders.items() for old in order.replaces if old in owner}
    return found | {
        key: up for key, each in orders.items() if (up := each.intent.replaces) is not None and up in orders
    }


def _ancestors(parents: Mapping[str, str], key: str) -> list[str]:
    """From the order to its root; a circle ends where it would begin again."""
    path = [key]
    while (up := parents.get(path[-1])) is not None and up not in path:
        path.append(up)
    return path


def _root(parents: Mapping[str, str], key: str) -> str:
    return _ancestors(parents, key)[-1]


def _age(order: Order) -> tuple[int, str]:
    return order.intent.ts, order.client_order_id
