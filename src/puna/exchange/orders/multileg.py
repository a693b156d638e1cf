"""Multi-leg orders: their legs as the venue sees them, their net price, and their shape (facts.md 5.3 and 11, L3).

A net price is for one unit of the strategy: what the bought legs cost less what the sold ones bring, times their
ratios. Positive is a debit, negative a credit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import reduce
from math import gcd

from puna.exchange.option_margin import HUNDRED, needs
from puna.exchange.orders.book import Book
from puna.exchange.orders.live import LiveOrder, amount
from puna.exchange.terms import VenueOptions
from puna.seams import Ids
from puna.wire.codec import Nanos
from puna.wire.contracts import OptionContract
from puna.wire.trading import Asset, LegRequest, Order, OrderRequest

__all__ = [
    "LegHere",
    "after",
    "common_divisor",
    "cost_basis",
    "intent_of",
    "leg_body",
    "net_price",
    "parent_body",
    "side_of",
    "units",
]

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class LegHere:
    """A leg that was asked for, and what the venue knows of it.

    Args:
        asked: the leg of the request.
        asset: what its symbol names, or None.
        contract: the option contract, or None.
        over: whether it names a contract that has expired.
        held: the position, negative when short.
        available: what of it is free.
        bid: best bid now.
        ask: best ask now.
    """

    asked: LegRequest
    asset: Asset | None
    contract: OptionContract | None
    over: bool
    held: Decimal
    available: Decimal
    bid: Decimal | None
    ask: Decimal | None

    @property
    def symbol(self) -> str:
        return self.asset.symbol if self.asset else self.asked.symbol

    @property
    def is_buy(self) -> bool:
        return side_of(self.asked) == "buy"

    @property
    def signed_ratio(self) -> Decimal:
        return self.asked.ratio_qty if self.is_buy else -self.asked.ratio_qty


def side_of(leg: LegRequest) -> str:
    """Buy or sell, by the side or by the intent; "" when neither says."""
    return leg.side or (leg.position_intent or "").partition("_")[0]


def intent_of(leg: LegHere) -> str:
    """What the leg does: closes what is held on the other side, or opens."""
    closes = leg.held < 0 if leg.is_buy else leg.held > 0
    return f"{'buy' if leg.is_buy else 'sell'}_to_{'close' if closes else 'open'}"


def common_divisor(legs: Sequence[LegRequest]) -> int:
    """Of the ratios."""
    return reduce(gcd, (int(leg.ratio_qty) for leg in legs))


def net_price(legs: Sequence[tuple[Decimal, Decimal | None, Decimal | None]]) -> Decimal | None:
    """What a unit costs now, of (signed ratio, bid, ask); None where a side that is needed is not quoted."""
    total = ZERO
    for ratio, bid, ask in legs:
        price = ask if ratio > 0 else bid
        if not price:
            return None
        total += ratio * price
    return total


def after(held: Mapping[str, Decimal], legs: Sequence[LegHere], qty: Decimal) -> dict[str, Decimal]:
    """The options that are held when the order has been filled."""
    found = dict(held)
    for leg in legs:
        found[leg.symbol] = found.get(leg.symbol, ZERO) + leg.signed_ratio * qty
    return found


def cost_basis(
    held: Mapping[str, Decimal], legs: Sequence[LegHere], qty: Decimal, net: Decimal, options: VenueOptions
) -> Decimal:
    """What the order needs of options_buying_power: more margin, and the net price (facts.md 11, L3)."""
    largest = options.largest_expiration
    more = needs(after(held, legs, qty), largest=largest).cash - needs(held, largest=largest).cash
    return more + net * qty * HUNDRED


def units(order: LiveOrder, books: Mapping[str, Book]) -> Decimal:
    """How many whole units of an order can fill now: all legs, or none."""
    sizes = [(books[leg.symbol].available(is_buy=leg.is_buy), leg.body.ratio_qty or Decimal(1)) for leg in order.legs]
    most = [(size / ratio).to_integral_value(ROUND_FLOOR) for size, ratio in sizes if size is not None]
    leaves = books[order.legs[0].symbol].part(order.leaves(ZERO))
    return min([leaves, *most])


def parent_body(request: OrderRequest, options: VenueOptions, ids: Ids, now: int) -> Order:
    """The body of an accepted multi-leg order, as recorded: no symbol, no asset (facts.md 5.3)."""
    credit = request.limit_price is not None and request.limit_price < 0
    direction = "sell" if credit else "buy"
    return Order(
        id=ids.uuid(),
        client_order_id=request.client_order_id or ids.uuid(),
        status="pending_new",
        symbol="",
        asset_id="",
        asset_class="",
        side="" if options.multileg_side == "blank" else direction,
        type=request.type,
        order_type=request.type,
        order_class="mleg",
        time_in_force=request.time_in_force,
        qty=amount(request.qty or 0),
        filled_qty=amount(0),
        limit_price=request.limit_price,
        extended_hours=False,
        created_at=Nanos(now),
        updated_at=Nanos(now),
        submitted_at=Nanos(now),
    )


def leg_body(leg: LegHere, parent: Order, ids: Ids) -> Order:
    """The body of a leg: no type of its own (facts.md 5.3)."""
    ratio = leg.asked.ratio_qty
    return Order(
        id=ids.uuid(),
        client_order_id=ids.uuid(),
        status=parent.status,
        symbol=leg.symbol,
        asset_id=leg.asset.id if leg.asset else "",
        asset_class="us_option",
        side="buy" if leg.is_buy else "sell",
        type="",
        order_type="",
        order_class="mleg",
        time_in_force=parent.time_in_force,
        qty=amount((parent.qty or ZERO) * ratio),
        ratio_qty=amount(ratio),
        filled_qty=amount(0),
        extended_hours=False,
        position_intent=intent_of(leg),
        created_at=parent.created_at,
        updated_at=parent.updated_at,
        submitted_at=parent.submitted_at,
        expires_at=parent.expires_at,
    )
