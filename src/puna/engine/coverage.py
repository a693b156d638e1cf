"""Coverage: an entry that brought a stop and ended filled in part does not leave its part unprotected (BRK-15).

The broker lets the exits of a bracket or OTO order work when the entry is completely filled, and ends them with an
entry that ends before (facts.md 5.3). What was bought by then gets a stop of its own here, at the price that was
decided, for no more than the strategy still holds. It is known by its head, so it is placed once, after a restart too.
"""

from decimal import Decimal

from puna.core.orders import Order
from puna.core.types import ZERO, OrderClass, OrderIntent, OrderType, TimeInForce
from puna.engine.gateway import Gateway

__all__ = ["Coverage"]

_BRINGS = frozenset({OrderClass.BRACKET, OrderClass.OTO})


class Coverage:
    """Watches the entries of a run.

    Args:
        gateway: takes the stops.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def take_up(self) -> None:
        """After a restart: entries that ended while nobody looked."""
        for order in list(self._gateway.blotter.orders.values()):
            self.hear(order)

    def hear(self, order: Order) -> None:
        """An order changed: is it an entry whose exits will never come, or the last of these exits?"""
        if order.intent.leg_of is None and order.intent.order_class not in _BRINGS:
            return
        order = self._gateway.blotter.orders.get(order.intent.leg_of or "", order)
        bare = self._bare(order)
        loss = order.intent.stop_loss
        if not bare or loss is None:
            return
        gateway, entry = self._gateway, order.intent
        stop = OrderIntent(
            client_order_id=gateway.next_id(entry.strategy),
            strategy=entry.strategy,
            symbol=entry.symbol,
            side=entry.side.opposite,
            qty=bare,
            type=OrderType.STOP if loss.limit_price is None else OrderType.STOP_LIMIT,
            time_in_force=TimeInForce.DAY if bare != bare.to_integral_value() else entry.time_in_force,
            ts=gateway.clock.now(),
            stop_price=loss.stop_price,
            limit_price=loss.limit_price,
            leg_of=entry.client_order_id,
            because="its entry ended filled in part, and the exits with it",
        )
        breach = gateway.submit(stop)
        if breach is not None:
            text = f"{bare:f} {entry.symbol} of {entry.client_order_id} are without a stop: {breach.message}"
            gateway.note(breach.code, text)

    def _bare(self, order: Order) -> Decimal:
        """How much of an entry has no exit: 0 while it is open, filled as a whole, or protected already."""
        entry = order.intent
        if entry.order_class not in _BRINGS or entry.leg_of is not None or not order.is_terminal:
            return ZERO
        if not ZERO < order.filled_qty < entry.qty or self._protected(entry.client_order_id):
            return ZERO
        held = self._gateway.blotter.sleeve(entry.strategy, entry.symbol) * entry.side.sign
        return max(ZERO, min(order.filled_qty, held))

    def _protected(self, key: str) -> bool:
        """Whether an exit lives, or has done its work, or was placed here before."""
        waiting = (each for each in self._gateway.open_orders() if each.intent.leg_of == key)
        exits = (*self._gateway.blotter.legs_of(key), *waiting)
        return any(each.is_open or each.filled_qty or not each.broker_ids for each in exits)
