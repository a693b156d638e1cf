"""Whose order is which: the framework's ids against the broker's, through replaces, and which fills were told already.

The key that all sources of fills share is (order, cumulative quantity); an execution id is told by the stream and the
activities alike. A fill is new when neither is known. No mapping is ever deleted while the client lives (R37).
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from nautilus_trader.model.identifiers import ClientOrderId

from puna.nautilus.reports import is_terminal, root_id
from puna.wire.trading import Order

__all__ = ["Tracking"]

_ZERO = Decimal(0)


class Tracking:
    """What is known of the account's orders."""

    def __init__(self) -> None:
        self._names: dict[str, ClientOrderId] = {}
        self._current: dict[ClientOrderId, str] = {}
        self._wire_ids: dict[ClientOrderId, str] = {}
        self._successors: dict[str, str] = {}
        self._replaced: dict[str, str] = {}
        self._executions: set[str] = set()
        self._filled: defaultdict[str, dict[Decimal, Decimal]] = defaultdict(dict)
        self._told: dict[ClientOrderId, str] = {}
        self._terminal: set[ClientOrderId] = set()

    def learn(self, order: Order, name: ClientOrderId | None = None) -> ClientOrderId:
        """Takes in what an order shows about ids, and gives the framework's name for it."""
        if order.replaces:
            self._replaced[order.id] = order.replaces
            self._successors[order.replaces] = order.id
        if order.replaced_by:
            self._successors[order.id] = order.replaced_by
            self._replaced[order.replaced_by] = order.id
        name = name or self.name(order.id) or ClientOrderId(root_id(order.client_order_id or order.id))
        self._names[order.id] = name
        if order.id not in self._successors:
            self._current[name] = order.id
            self._wire_ids[name] = order.client_order_id or name.value
        return name

    def name(self, order_id: str) -> ClientOrderId | None:
        """The framework's name of a broker's order, through whatever it replaced."""
        seen: str | None = order_id
        while seen is not None:
            if seen in self._names:
                return self._names[seen]
            seen = self._replaced.get(seen)
        return None

    def current(self, name: ClientOrderId) -> str | None:
        """The broker's id of an order now."""
        return self._current.get(name)

    def wire_id(self, name: ClientOrderId) -> str:
        """The client_order_id under which the broker has it now."""
        return self._wire_ids.get(name, name.value)

    def successor(self, order_id: str) -> str | None:
        """What replaced it."""
        return self._successors.get(order_id)

    def lineage(self, order_id: str) -> list[str]:
        """The order and all that it replaced, oldest first."""
        found = [order_id]
        while (earlier := self._replaced.get(found[-1])) is not None and earlier not in found:
            found.append(earlier)
        return found[::-1]

    # What the framework was told.

    def told_id(self, name: ClientOrderId) -> str | None:
        """The broker's id that an acceptance or an update told last."""
        return self._told.get(name)

    def tell_id(self, name: ClientOrderId, order_id: str) -> None:
        """Notes the broker's id that is told now."""
        self._told[name] = order_id

    def take(self, order_id: str, execution_id: str, qty: Decimal, cumulative: Decimal | None) -> bool:
        """Notes a fill; False when it was told before, by whichever source."""
        known = cumulative is not None and cumulative in self._filled[order_id]
        if execution_id in self._executions or known:
            self._executions.add(execution_id)
            return False
        self._executions.add(execution_id)
        key = cumulative if cumulative is not None else self.filled(order_id) + qty
        self._filled[order_id][key] = qty
        return True

    def filled(self, order_id: str) -> Decimal:
        """What was told of an order's fills so far."""
        return sum(self._filled[order_id].values(), _ZERO)

    def lacks(self, order: Order) -> bool:
        """The broker has filled more of it than was told."""
        return (order.filled_qty or _ZERO) > self.filled(order.id)

    def end(self, name: ClientOrderId) -> bool:
        """Notes that an order's end was told; False when it was told before."""
        ended = name in self._terminal
        self._terminal.add(name)
        return not ended

    def ended(self, name: ClientOrderId) -> bool:
        """Its end was told; a fill of all of it is told by fills."""
        return name in self._terminal

    def lineages(self, orders: Iterable[Order]) -> list[list[Order]]:
        """Orders that replaced each other as one list each, oldest first."""
        by_id = {order.id: order for order in orders}
        for order in by_id.values():
            self.learn(order)
        heads = [each for each in by_id.values() if self._successors.get(each.id) not in by_id]
        return [[by_id[i] for i in self.lineage(head.id) if i in by_id] for head in heads if not _is_stub(head)]


def _is_stub(order: Order) -> bool:
    """Replaced by an order that was not listed: its successor will be, and then tells of both."""
    return order.status == "replaced" and is_terminal(order)
