"""One order as the venue holds it: the body that the world sees, and what only the venue knows."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING

import msgspec

from puna.exchange.option_margin import as_option
from puna.seams import Ids
from puna.wire.codec import Amount, Nanos
from puna.wire.trading import Asset, Order, OrderRequest, TradeUpdate

if TYPE_CHECKING:
    from puna.exchange.orders.groups import Group

__all__ = ["BILLIONTH", "TERMINAL", "LiveOrder", "amount", "new_body", "ulid", "update"]

TERMINAL = frozenset({"filled", "canceled", "expired", "replaced", "rejected"})
BILLIONTH = Decimal("0.000000001")
_WIDE = Context(prec=60)
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _BASE32 for low in _BASE32]


def amount(value: Decimal | int) -> Decimal:
    """`value` as the wire shows it: plain, at most nine decimals, no trailing zeros."""
    return Amount(Decimal(value).quantize(BILLIONTH, context=_WIDE).normalize(_WIDE))


@dataclass(eq=False, kw_only=True)
class LiveOrder:
    """An order of this venue, from acceptance on; kept after its end.

    Args:
        body: what REST and the stream show. Nobody outside gets this object, only copies.
        opening: whether it opens or adds to a position, so that it takes buying power.
        value_price: what one share of it takes from buying power.
        limit: the worst price it may trade at; None is any.
        stop: waits for a print at or beyond this price.
        is_stop: whether it waits for one, still.
        predecessor: the order that this one shall take the place of.
        cap: for a notional sell, the shares it may sell at most; it holds them all while it is open.
        ticket: its place in time among the orders in the book.
        matches_from: when it may first meet a quote.
        paid: exact sum of quantity * price of its fills.
        group: the bracket, OCO or OTO that it belongs to.
        legs: of a multi-leg order; they live and fill with it.
        parent: of such a leg.
        overnight: whether the overnight session takes it.
        rested: whether it has once looked for a match and is still there: from then on it makes the market.
    """

    body: Order
    opening: bool
    value_price: Decimal
    limit: Decimal | None
    stop: Decimal | None
    is_stop: bool = False
    predecessor: "LiveOrder | None" = None
    cap: Decimal | None = None
    ticket: int = 0
    matches_from: int = 0
    paid: Decimal = Decimal(0)
    group: "Group | None" = None
    legs: "tuple[LiveOrder, ...]" = ()
    parent: "LiveOrder | None" = None
    overnight: bool = False
    rested: bool = False

    @property
    def id(self) -> str:
        return self.body.id

    @property
    def symbol(self) -> str:
        return self.body.symbol or ""

    @property
    def is_buy(self) -> bool:
        return self.body.side == "buy"

    @property
    def is_open(self) -> bool:
        return self.body.status not in TERMINAL

    @property
    def is_held(self) -> bool:
        """Whether it is shown as `held`."""
        return self.body.status == "held"

    @property
    def waits(self) -> bool:
        """Whether it waits for another order of its group, whatever its own status."""
        return self.group is not None and self.group.holds(self)

    @property
    def root(self) -> "LiveOrder":
        """The order that was placed: of a leg the multi-leg order."""
        return self.parent or self

    @property
    def is_cash(self) -> bool:
        """Whether it is paid for with money that margin does not multiply."""
        return self.body.asset_class != "us_equity"

    @property
    def writes_calls(self) -> Decimal:
        """Calls that it may still write, each of which needs a hundred shares."""
        option = as_option(self.symbol)
        if option is None or option.right != "C" or not self.opening or self.is_buy:
            return Decimal(0)
        return (self.body.qty or Decimal(0)) - self.filled

    @property
    def underlying(self) -> str:
        """The stock that an option or the legs stand on; of anything else the symbol itself."""
        name = self.legs[0].symbol if self.legs else self.symbol
        option = as_option(name)
        return option.root if option else name

    @property
    def filled(self) -> Decimal:
        return self.body.filled_qty or Decimal(0)

    def leaves(self, price: Decimal) -> Decimal:
        """What is left to fill, in shares; for a notional order, as many as the rest is worth at `price`."""
        if self.body.notional is None:
            return (self.body.qty or Decimal(0)) - self.filled
        left = ((self.body.notional - self.paid) / price).quantize(BILLIONTH, ROUND_FLOOR)
        return left if self.cap is None else min(left, self.cap - self.filled)

    @property
    def claim(self) -> Decimal:
        """The shares that it may still take out of a position; a quantity is reserved once for a group."""
        if self.waits:
            return Decimal(0)
        if self.body.notional is not None:
            return Decimal(0) if self.cap is None else self.cap - self.filled
        return (self.body.qty or Decimal(0)) - self.filled

    @property
    def value(self) -> Decimal:
        """What it takes from buying power now; nothing when it closes."""
        if not self.opening:
            return Decimal(0)
        if self.body.notional is not None:
            return self.body.notional - self.paid
        return self.value_price * self.leaves(self.value_price)

    def accepts(self, price: Decimal) -> bool:
        """Whether its limit allows `price`."""
        return self.limit is None or (price <= self.limit if self.is_buy else price >= self.limit)

    def take(self, qty: Decimal, price: Decimal, now: int) -> None:
        """Fills `qty` at `price`."""
        self.paid += qty * price
        body = self.body
        body.filled_qty = amount(self.filled + qty)
        body.filled_avg_price = amount(self.paid / body.filled_qty)
        if not self.leaves(price):
            body.status = "filled"
            body.filled_at = Nanos(now)
        elif body.status == "new":
            body.status = "partially_filled"
        body.updated_at = Nanos(now)

    def turn(self, status: str, now: int, stamp: str | None = None) -> None:
        """Takes on a status, and stamps the time that goes with it."""
        self.body.status = status
        self.body.updated_at = Nanos(now)
        if stamp is not None:
            setattr(self.body, stamp, Nanos(now))
        for each in self.legs:
            each.turn(status, now, stamp)

    def copy(self) -> Order:
        """Its body as it is now, for somebody else to keep."""
        return msgspec.structs.replace(self.body)

    @property
    def head(self) -> "LiveOrder":
        """The order below which nested answers show it; itself when it leads."""
        if self.group is None or all(each is not self for each in self.group.orders):
            return self
        return self.group.orders[0]

    @property
    def names(self) -> set[str]:
        """The symbols under which it is found: its own, a pair without slash, an option's underlying, its legs."""
        own = {self.symbol, self.symbol.replace("/", ""), *(each.symbol for each in self.legs)} - {""}
        return {*own, self.underlying} if self.is_cash else own

    def shown(self, *, nested: bool) -> Order:
        """The same, with its legs below it when `nested`; those of a multi-leg order always (facts.md 5.3)."""
        body = self.copy()
        if self.legs:
            body.legs = [each.copy() for each in self.legs]
        if nested and self.group is not None and self.head is self:
            body.legs = self.group.legs()
        return body


def new_body(request: OrderRequest, asset: Asset, ids: Ids, now: int) -> Order:
    """The body of an accepted order that is not yet acknowledged."""
    return Order(
        id=ids.uuid(),
        client_order_id=request.client_order_id or ids.uuid(),
        status="pending_new",
        symbol=asset.symbol,
        asset_id=asset.id,
        asset_class=asset.asset_class,
        side=request.side,
        type=request.type,
        order_type=request.type,
        order_class=request.order_class or "",
        time_in_force=request.time_in_force,
        qty=None if request.qty is None else amount(request.qty),
        notional=None if request.notional is None else amount(request.notional),
        filled_qty=amount(0),
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        extended_hours=bool(request.extended_hours),
        created_at=Nanos(now),
        updated_at=Nanos(now),
        submitted_at=Nanos(now),
    )


def update(event: str, order: LiveOrder, now: int, event_id: str, **further: object) -> TradeUpdate:
    """A trade update with the order after it."""
    known = {
        "event": event,
        "order": order.shown(nested=False),
        "timestamp": Nanos(now),
        "at": Nanos(now),
        "event_id": event_id,
    }
    return TradeUpdate(**known, **further)  # type: ignore[arg-type]  # one value for each field, of its own type


def ulid(now: int, number: int) -> str:
    """26 characters that sort by time (ms), then by number: a ULID without chance."""
    value = (now // 1_000_000 << 80) | number
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
