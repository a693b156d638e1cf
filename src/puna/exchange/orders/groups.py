"""Orders that belong together: bracket, OCO and OTO. An entry brings its exits, and one exit ends the other.

Source: facts.md 5.3. The exits are `held` until the entry is completely filled. Then the take-profit works and the
stop-loss stays `held`, for the quantity is reserved once; when a print elects its stop, the take-profit ends and the
stop-loss works. An OCO is a bracket whose entry has happened before; an OTO has one exit only.
"""

from dataclasses import dataclass

from puna.core.types import Side
from puna.exchange.orders.live import LiveOrder, amount
from puna.wire.codec import Amount
from puna.wire.trading import Order, OrderRequest, StopLossRequest, TakeProfitRequest

__all__ = ["CLASSES", "Group", "exit_requests", "head_request"]

CLASSES = frozenset({"bracket", "oco", "oto"})
ENTRY, TAKE_PROFIT, STOP_LOSS = "entry", "take_profit", "stop_loss"


@dataclass(eq=False)
class Group:
    """The orders of one bracket, OCO or OTO, by role; replacements take the place of what they replace.

    Args:
        id: Alpaca's `group_id`.
        entry: absent in an OCO.
    """

    id: str
    entry: LiveOrder | None = None
    take_profit: LiveOrder | None = None
    stop_loss: LiveOrder | None = None

    @property
    def orders(self) -> list[LiveOrder]:
        """Head first, as the broker nests them."""
        return [each for each in (self.entry, self.take_profit, self.stop_loss) if each is not None]

    @property
    def exits(self) -> list[LiveOrder]:
        return [each for each in (self.take_profit, self.stop_loss) if each is not None]

    @property
    def is_armed(self) -> bool:
        """Whether the exits count: the entry is filled, or there never was one."""
        return self.entry is None or self.entry.body.status == "filled"

    def holds(self, order: LiveOrder) -> bool:
        """Whether an exit has to wait: for the entry, or for the take-profit."""
        role, profit = order.body.group_role, self.take_profit
        if role == ENTRY:
            return False
        return not self.is_armed or (role == STOP_LOSS and profit is not None and profit.is_open)

    @property
    def working_exit(self) -> LiveOrder | None:
        """The exit that works while the other is held."""
        return self.take_profit or self.stop_loss

    def put(self, order: LiveOrder, role: str) -> None:
        """Gives the order a role; who had it before is no longer of the group."""
        order.group, order.body.group_id, order.body.group_role = self, self.id, role
        setattr(self, role, order)

    def others(self, order: LiveOrder) -> list[LiveOrder]:
        """The open orders beside this one; none for an order that has no place in the group, or not yet."""
        if all(each is not order for each in self.orders):
            return []
        return [each for each in self.orders if each is not order and each.is_open]

    def legs(self) -> list[Order]:
        """The bodies below the head, as nested answers show them."""
        return [each.copy() for each in self.orders[1:]]

    def shrink(self) -> None:
        """What the take-profit has filled, the stop-loss no longer has to sell (facts.md 5.3, ORD)."""
        profit, stop = self.take_profit, self.stop_loss
        if profit is not None and stop is not None and profit.is_open and stop.is_open and profit.filled:
            stop.body.qty = amount((profit.body.qty or 0) - profit.filled)
            stop.body.updated_at = profit.body.updated_at


def head_request(request: OrderRequest) -> OrderRequest:
    """The order that stands first: an OCO's is its take-profit, whatever limit price stands outside (facts.md 5.3)."""
    if request.order_class != "oco" or request.take_profit is None:
        return request
    return _with(request, limit_price=request.take_profit.limit_price)


def exit_requests(request: OrderRequest) -> dict[str, OrderRequest]:
    """Role -> the request that an exit would be, if it stood alone; an OCO's take-profit is its head."""
    side = request.side if request.order_class == "oco" else Side(request.side or "").opposite.value
    found: dict[str, OrderRequest] = {}
    if request.take_profit is not None and request.order_class != "oco":
        found[TAKE_PROFIT] = _take_profit(request, side, request.take_profit)
    if request.stop_loss is not None:
        found[STOP_LOSS] = _stop_loss(request, side, request.stop_loss)
    return found


def _take_profit(request: OrderRequest, side: str | None, asked: TakeProfitRequest) -> OrderRequest:
    return _with(request, side=side, type="limit", limit_price=asked.limit_price)


def _stop_loss(request: OrderRequest, side: str | None, asked: StopLossRequest) -> OrderRequest:
    kind = "stop" if asked.limit_price is None else "stop_limit"
    return _with(request, side=side, type=kind, limit_price=asked.limit_price, stop_price=asked.stop_price)


def _with(
    request: OrderRequest,
    *,
    limit_price: Amount | None,
    stop_price: Amount | None = None,
    side: str | None = None,
    type: str | None = None,  # noqa: A002 - the broker's word
) -> OrderRequest:
    return OrderRequest(
        symbol=request.symbol,
        qty=request.qty,
        side=side or request.side,
        type=type or request.type,
        time_in_force=request.time_in_force,
        limit_price=limit_price,
        stop_price=stop_price,
        client_order_id=request.client_order_id if type is None else None,
        order_class=request.order_class,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        extended_hours=request.extended_hours if type is None else None,
        position_intent=request.position_intent if type is None else None,
    )
