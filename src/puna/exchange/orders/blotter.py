"""All orders of the account: by id, by client order id, the open ones, and what those hold of shares and money."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from puna.exchange.orders.live import LiveOrder

__all__ = ["Blotter"]

ZERO = Decimal(0)


class Blotter:
    """Orders are kept for good; the open ones once more, oldest first."""

    def __init__(self) -> None:
        self.orders: dict[str, LiveOrder] = {}
        self.by_client_id: dict[str, LiveOrder] = {}
        self._open: dict[str, LiveOrder] = {}

    def add(self, order: LiveOrder) -> None:
        self.orders[order.id] = self._open[order.id] = self.by_client_id[order.body.client_order_id or ""] = order

    def add_leg(self, leg: LiveOrder) -> None:
        """A leg of a multi-leg order: found by its ids, open with its parent."""
        self.orders[leg.id] = self.by_client_id[leg.body.client_order_id or ""] = leg

    def retire(self, order: LiveOrder) -> None:
        """It has ended."""
        self._open.pop(order.id, None)

    def every_open(self, symbol: str | None = None) -> list[LiveOrder]:
        """Those that have not ended, oldest first, held ones among them."""
        return [order for order in self._open.values() if symbol in (None, order.symbol)]

    def open(self, symbol: str | None = None) -> list[LiveOrder]:
        """The same without those that are held for others: the broker does not list them as open (facts.md 5.4)."""
        return [order for order in self.every_open(symbol) if not order.is_held]

    def claims(self, symbol: str) -> list[LiveOrder]:
        """The open orders, and legs of open orders, that may change the position in a symbol."""
        parts = (part for order in self.open() for part in (order.legs or (order,)))
        return [part for part in parts if part.symbol == symbol]

    def claimed(self, symbol: str, held: Decimal, without: LiveOrder | None = None) -> Decimal:
        """Of a position of `held`, what open orders would take out of it; never more than there is."""
        against = [o for o in self.claims(symbol) if held and o.is_buy is (held < 0) and o.root is not without]
        return min(_sum(against, without, _claim), abs(held))

    def taken(self, without: LiveOrder | None = None, *, cash: bool = False) -> Decimal:
        """What open orders take from buying power.

        Args:
            without: an order that is about to be replaced.
            cash: what they take of money that margin does not multiply (options, coins), or of buying power (stocks).
        """
        return _sum(
            (each for each in self._open.values() if each is not without and each.is_cash is cash), without, _value
        )


def _sum(orders: Iterable[LiveOrder], without: LiveOrder | None, measure: Callable[[LiveOrder], Decimal]) -> Decimal:
    return sum((_more(each, without, measure) for each in orders), ZERO)


def _more(order: LiveOrder, without: LiveOrder | None, measure: Callable[[LiveOrder], Decimal]) -> Decimal:
    """What an order takes; of a replacement in waiting only what it takes more than its predecessor, still there."""
    before = order.predecessor
    if before is None or not before.is_open or before is without:
        return measure(order)
    return max(measure(order) - measure(before), ZERO)


def _claim(order: LiveOrder) -> Decimal:
    return order.claim


def _value(order: LiveOrder) -> Decimal:
    return order.value
