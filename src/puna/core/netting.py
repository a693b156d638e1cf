"""Netting: opposite orders of two sleeves of one account meet inside it, and only the rest goes to the broker.

An order comes in; others of the opposite side wait, and nothing of them has left yet. What overlaps is crossed: each
side is filled with it at the middle of the quote, without a fee, and the account's cash and position stay what they
were. Either all of the overlap is crossed or nothing: as long as something is left on both sides, these would meet at
the broker. Where nothing is crossed the risk check R114 stands, which refuses the order that came later.

The price is fair when it is the middle of a fresh, two-sided quote (R110's rule) of an instrument that trades, it is
within the limits of both orders, and both could trade at once: market and limit orders of a running session. So stops,
exits, packages, auctions, orders for money, FOK and replacements are never crossed, nor is anything of which a byte may
have left: an order that rests at the broker waits behind the far side, so that the middle is beyond its limit almost
always, and between a cancel and its end it can still fill. A sleeve that may not sell short sells inside no more than
it holds, less all that it sells elsewhere.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from puna.core.decimals import exactly, plain
from puna.core.evidence import Inside
from puna.core.order_table import violation
from puna.core.orders import Order
from puna.core.risk import RiskLimits, RiskView, TradingState, narrowed
from puna.core.risk_rules import meet, quote_fresh
from puna.core.risk_view import Reservation
from puna.core.symbols import asset_class
from puna.core.types import ZERO, AssetClass, Fill, OrderClass, OrderIntent, OrderType, Side, TimeInForce, exact

__all__ = ["Cross", "Netting", "crossed", "middle", "net"]

_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
_TIMES = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC})


class Cross(msgspec.Struct, frozen=True, kw_only=True):
    """So much of two orders trades inside the account.

    Args:
        cross_id: made of both ids, so it is the same whenever it is decided.
        symbol: canonical.
        buy: client_order_id of the order that buys.
        sell: of the one that sells.
        qty: positive.
        price: of a unit, without the multiplier.
    """

    cross_id: str
    symbol: str
    buy: str
    sell: str
    qty: Decimal
    price: Decimal


class Netting(NamedTuple):
    """What is to be done about the orders that an order could meet.

    Attributes:
        crosses: all that is crossed.
        netted: the orders that are not in its way, because what is left of them is crossed.
        obstacle: why nothing is crossed although there is somebody to cross with; empty else.
    """

    crosses: tuple[Cross, ...] = ()
    netted: tuple[str, ...] = ()
    obstacle: str = ""


class _Books(NamedTuple):
    """What is still open and held once the crosses that were decided before are booked."""

    open: tuple[Reservation, ...]
    held: Mapping[str, Decimal]


@exactly
def net(
    intent: OrderIntent,
    view: RiskView,
    limits: RiskLimits,
    *,
    loose: Collection[str],
    held: Mapping[str, Decimal],
    pending: Iterable[Cross] = (),
) -> Netting:
    """What of an order is crossed with those that wait, first come, first served.

    Args:
        intent: the order that comes in.
        view: the world, as risk sees it; `open` in the order in which they were asked for.
        limits: how old a quote may be, and who may sell short.
        loose: client_order_ids of orders of which nothing has left.
        held: what each strategy holds of the symbol.
        pending: crosses that were decided and are not booked yet.
    """
    if not any(meet(each.intent, intent) for each in view.open):
        return Netting()
    books = _books(intent.symbol, view, held, pending)
    facing = [each for each in books.open if meet(each.intent, intent)]
    done = tuple(each.intent.client_order_id for each in facing if not each.leaves)
    waiting = [each for each in facing if each.leaves > 0]
    if not waiting:
        return Netting((), done)
    price = middle(intent, view, limits)
    if isinstance(price, str):
        return Netting((), done, price)
    if obstacle := _unfit(intent, price, view):
        return Netting((), done, obstacle)
    unfit = {
        each.intent.client_order_id: _apart(each.intent, intent, loose) or _unfit(each.intent, price, view)
        for each in waiting
    }
    with_ = [each for each in waiting if not unfit[each.intent.client_order_id]]
    crosses, left = list[Cross](), intent.qty
    for each in with_:
        if left > 0:
            crosses.append(_cross(intent, each.intent, min(left, each.leaves), price))
            left -= crosses[-1].qty
    if obstacle := (
        (next(filter(None, unfit.values()), "") if left > 0 else "")
        or _rest_unfit(intent, with_[: len(crosses)], left, view)
        or _oversold(intent, with_[: len(crosses)], books, limits)
    ):
        return Netting((), done, obstacle)
    # Whoever is not reached is not in the way either: nothing of the order is left then.
    return Netting(tuple(crosses), (*done, *unfit))


@exactly
def middle(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Decimal | str:
    """The price of a cross, or why there is none."""
    listing, quote = view.instrument, view.quote
    if view.state is TradingState.HALTED:
        return "trading is halted"
    if listing is None or listing.symbol != intent.symbol or not listing.tradable or listing.halted:
        return f"{intent.symbol} does not trade"
    if quote is None:
        return f"there is no quote of {intent.symbol}"
    if (stale := quote_fresh(intent, view, limits)) is not None:
        return stale.message
    return plain((exact(quote.bid) + exact(quote.ask)) / 2)


@exactly
def crossed(order: Order, cross: Cross, ts: int) -> tuple[Order, Fill | None]:
    """One side of a cross: the order with it, and the fill that its sleeve books; None when it was there already.

    Raises:
        ValueError: it is no order of this cross, or less than that is left of it.
    """
    if any(each.cross_id == cross.cross_id for each in order.inside):
        return order, None
    intent = order.intent
    side = {cross.buy: Side.BUY, cross.sell: Side.SELL}.get(intent.client_order_id)
    if side is not intent.side or intent.symbol != cross.symbol or not ZERO < cross.qty <= order.leaves:
        raise ValueError(f"{cross.cross_id} cannot fill {cross.qty} of {intent.client_order_id}: {order.leaves} left")
    after = replace(order, inside=(*order.inside, Inside(cross.cross_id, cross.qty, cross.price, ts)))
    fill = Fill(
        client_order_id=intent.client_order_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        side=intent.side,
        qty=cross.qty,
        price=cross.price,
        cum_qty=plain(after.filled_qty),
        ts_event=ts,
        execution_id=cross.cross_id,
        internal=True,
    )
    return after, fill


def _books(symbol: str, view: RiskView, held: Mapping[str, Decimal], pending: Iterable[Cross]) -> _Books:
    known = {each.intent.client_order_id: each for each in view.open}
    have = dict(held)
    for cross in pending:
        for key, sign in ((cross.buy, 1), (cross.sell, -1)):
            if (each := known.get(key)) is not None:
                known[key] = replace(each, leaves=each.leaves - cross.qty)
                if cross.symbol == symbol:
                    name = each.intent.strategy
                    have[name] = have.get(name, ZERO) + sign * cross.qty
    return _Books(tuple(known.values()), have)


def _cross(intent: OrderIntent, other: OrderIntent, qty: Decimal, price: Decimal) -> Cross:
    new, old = intent.client_order_id, other.client_order_id
    buy, sell = (new, old) if intent.side is Side.BUY else (old, new)
    return Cross(cross_id=f"{new}:{old}", symbol=intent.symbol, buy=buy, sell=sell, qty=plain(qty), price=price)


def _apart(waiting: OrderIntent, intent: OrderIntent, loose: Collection[str]) -> str:
    """Why two orders cannot be crossed whatever they are; empty when they can."""
    if waiting.strategy == intent.strategy:
        return "both are of one strategy"
    return "" if waiting.client_order_id in loose else f"{waiting.client_order_id} is at the broker, or may be"


def _unfit(intent: OrderIntent, price: Decimal, view: RiskView) -> str:
    """Why an order cannot be crossed with any; empty when it can."""
    key = intent.client_order_id
    plain_order = intent.order_class is OrderClass.SIMPLE and intent.type in _TYPES and intent.notional is None
    if not plain_order or intent.replaces is not None or intent.leg_of is not None:
        return f"{key} is no market or limit order that stands alone"
    if intent.time_in_force not in _TIMES:
        return f"{key} is {intent.time_in_force}"
    if intent.limit_price is not None and (price - intent.limit_price) * intent.side.sign > 0:
        return f"the middle {price:f} is beyond the limit of {key}"
    if intent.deadline is not None and view.now > intent.deadline:
        return f"the deadline of {key} has passed"
    broken = _broken(intent, view)
    return f"{key} could not trade now: {broken}" if broken else ""


def _rest_unfit(intent: OrderIntent, others: list[Reservation], left: Decimal, view: RiskView) -> str:
    """Why the broker would not take what is left: of the order, or of the last one that it is crossed with."""
    total = sum((each.leaves for each in others), ZERO)
    rests = [(intent, left)] if left > 0 else [(others[-1].intent, total - intent.qty)]
    for order, rest in rests:
        if rest > 0 and (broken := _broken(replace(order, qty=plain(rest)), view)):
            return f"{rest:f} would be left of {order.client_order_id}: {broken}"
    return ""


def _broken(intent: OrderIntent, view: RiskView) -> str | None:
    listing = view.instrument
    return violation(
        intent,
        view.now,
        fractionable=listing is None or listing.fractionable,
        overnight=listing is not None and listing.overnight,
        allow_queued=False,
    )


def _oversold(intent: OrderIntent, others: list[Reservation], books: _Books, limits: RiskLimits) -> str:
    """Whose sleeve would sell what it does not hold, where it may not."""
    sellers = [intent] if intent.side is Side.SELL else [each.intent for each in others]
    for seller in sellers:
        if asset_class(seller.symbol) is AssetClass.US_EQUITY and narrowed(limits, seller).allow_short:
            continue
        own = intent.qty if seller is intent else ZERO
        sold = own + sum(_sold(seller, books.open), ZERO)
        have = books.held.get(seller.strategy, ZERO)
        if sold > have:
            return f"{seller.strategy} holds {have:f} and would sell {sold:f}"
    return ""


def _sold(seller: OrderIntent, every: Iterable[Reservation]) -> Iterator[Decimal]:
    """What open orders of a strategy may sell of a symbol, as legs of packages too."""
    for each in every:
        other = each.intent
        if other.strategy != seller.strategy:
            continue
        if other.legs:
            yield from (
                each.leaves * leg.ratio for leg in other.legs if leg.symbol == seller.symbol and leg.side is Side.SELL
            )
        elif other.symbol == seller.symbol and other.side is Side.SELL:
            yield each.leaves
