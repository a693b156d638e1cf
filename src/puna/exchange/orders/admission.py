"""Accepted requests become orders: alone, with the exits of a group, or with the legs of a multi-leg order."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from puna.core.types import AssetClass
from puna.exchange.acceptance.options import unit_cost
from puna.exchange.option_margin import last_moment
from puna.exchange.orders.blotter import Blotter
from puna.exchange.orders.groups import CLASSES, Group, exit_requests, head_request
from puna.exchange.orders.hours import expiry
from puna.exchange.orders.live import LiveOrder, new_body
from puna.exchange.orders.multileg import LegHere, cost_basis, leg_body, net_price, parent_body
from puna.exchange.orders.situation import Situation, intent, is_opening, limit_of, value_price
from puna.exchange.orders.trailing import follow, is_trailing
from puna.exchange.terms import VenueOptions
from puna.seams import Ids
from puna.wire.codec import Nanos
from puna.wire.trading import Asset, OrderRequest

__all__ = ["Admission"]

ZERO = Decimal(0)


class Admission:
    """Where orders come into being; none of them is acknowledged yet.

    Args:
        blotter: gets them.
        options: the terms.
        ids: names them.
        aged: plans the end of an order that nobody cancels.
    """

    def __init__(self, blotter: Blotter, options: VenueOptions, ids: Ids, aged: Callable[[LiveOrder], None]) -> None:
        self._blotter = blotter
        self._options = options
        self._ids = ids
        self._aged = aged

    def govern(self, options: VenueOptions) -> None:
        """From now on these terms hold."""
        self._options = options

    def single(self, request: OrderRequest, here: Situation, now: int, replaces: LiveOrder | None = None) -> LiveOrder:
        """An order in one symbol, with the exits that it brings."""
        if here.asset is None:
            raise AssertionError("an order without an asset has been accepted")
        head = head_request(request)
        opening = is_opening(head, here)
        order = self._enter(head, here.asset, now, opening=opening)
        order.overnight = self._options.overnight_trading and _trades_overnight(here.asset)
        order.value_price = _unit_value(head, here)
        order.cap = here.available if request.notional is not None and not opening else None
        order.body.position_intent = intent(head, here)
        if replaces is not None:
            self._succeed(order, replaces)
        elif request.order_class in CLASSES:
            self._gather(order, request, here.asset, now)
        return order

    def multileg(
        self,
        request: OrderRequest,
        legs: Sequence[LegHere],
        here: Situation,
        now: int,
        replaces: LiveOrder | None = None,
    ) -> LiveOrder:
        """A multi-leg order."""
        parent = LiveOrder(
            body=parent_body(request, self._options, self._ids, now),
            opening=True,
            value_price=ZERO,
            limit=request.limit_price,
            stop=None,
        )
        qty = request.qty or Decimal(1)
        net = request.limit_price
        if net is None:
            net = net_price([(leg.signed_ratio, leg.bid, leg.ask) for leg in legs]) or ZERO
        parent.value_price = max(cost_basis(here.options_held, legs, qty, net, self._options), ZERO) / qty
        parent.body.expires_at = _ends(request, [leg.symbol for leg in legs], now)
        parent.legs = tuple(self._leg(leg, parent) for leg in legs)
        self._keep(parent)
        for each in parent.legs:
            self._blotter.add_leg(each)
        if replaces is not None:
            self._succeed(parent, replaces)
        return parent

    def _leg(self, leg: LegHere, parent: LiveOrder) -> LiveOrder:
        body = leg_body(leg, parent.body, self._ids)
        return LiveOrder(body=body, opening=False, value_price=ZERO, limit=None, stop=None, parent=parent)

    def _enter(self, request: OrderRequest, asset: Asset, now: int, *, opening: bool) -> LiveOrder:
        order = LiveOrder(
            body=new_body(request, asset, self._ids, now),
            opening=opening,
            value_price=ZERO,
            limit=limit_of(request, self._options),
            stop=request.stop_price,
            is_stop=request.type in ("stop", "stop_limit", "trailing_stop"),
        )
        order.body.expires_at = _ends(request, (asset.symbol,), now)
        self._keep(order)
        return order

    def _keep(self, order: LiveOrder) -> None:
        self._blotter.add(order)
        self._aged(order)

    def _succeed(self, order: LiveOrder, old: LiveOrder) -> None:
        order.predecessor, order.body.replaces = old, old.id
        order.group, order.body.group_id, order.body.group_role = old.group, old.body.group_id, old.body.group_role
        if is_trailing(order) and old.body.hwm is not None:
            follow(order, old.body.hwm)

    def _gather(self, head: LiveOrder, request: OrderRequest, asset: Asset, now: int) -> None:
        """Makes a group of an order and the exits that its request names."""
        group = Group(self._ids.uuid())
        group.put(head, "take_profit" if request.order_class == "oco" else "entry")
        for role, asked in exit_requests(request).items():
            leg = self._enter(asked, asset, now, opening=False)
            leg.body.status = "held"
            leg.body.position_intent = f"{asked.side}_to_close"
            group.put(leg, role)


def _ends(request: OrderRequest, symbols: Iterable[str], now: int) -> Nanos:
    """When its time is over; never later than its contracts'."""
    ends = [expiry(request, now), *(last for each in symbols if (last := last_moment(each)) is not None)]
    return Nanos(min(ends))


def _unit_value(request: OrderRequest, here: Situation) -> Decimal:
    """What one share, coin or contract of an opening order takes from buying power."""
    if here.asset is not None and here.asset.asset_class == AssetClass.US_OPTION:
        return unit_cost(request, here) or ZERO
    return value_price(request, here) or ZERO


def _trades_overnight(asset: Asset) -> bool:
    """SPEC-T, asset attributes."""
    attributes = asset.attributes or ()
    return "overnight_tradable" in attributes and "overnight_halted" not in attributes
