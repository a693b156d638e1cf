"""What is under way and what it can become worth: the worst case of all open orders, and prices that protect.

All open orders of one side fill and none of the other; of an order and its replacement the larger counts. Values are
quantity x price x multiplier, market orders at `protected_price`; a package of options is worth what it can lose.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from puna.core.decimals import exactly
from puna.core.lineage import roots
from puna.core.remembered import remembered
from puna.core.risk_options import package_loss, short_option_price
from puna.core.risk_view import Reservation, RiskLimits, RiskView
from puna.core.symbols import multiplier
from puna.core.types import ZERO, OrderIntent, Quote, Side, exact

__all__ = [
    "UnderWay",
    "all_under_way",
    "cap_of",
    "leaves_of",
    "oversells",
    "own_leaves",
    "protected_price",
    "reduces",
    "symbols_of",
    "unit_value",
    "worst_value",
]

_HUNDRED = Decimal(100)


class UnderWay(NamedTuple):
    """A lineage of open orders, this one's included: `counted` is the value that buying power is net of already."""

    intent: OrderIntent
    leaves: Decimal
    price: Decimal
    counted: Decimal

    @property
    def value(self) -> Decimal:
        return self.leaves * self.price * multiplier(self.intent.symbol)


@exactly
def reduces(intent: OrderIntent, view: RiskView) -> bool:
    """Whether the order, with every open order of its side, cannot cross flat: a true reduction.

    To sell what another strategy holds reduces nothing: that one could not sell any more.
    """
    try:
        if intent.legs:
            return _package_reduces(intent, view)
        held = view.portfolio.qty(intent.symbol) * intent.side.sign
        away = held < 0 < intent.qty
        whole = away and leaves_of(all_under_way(intent, ZERO, view), intent.symbol, intent.side) <= -held
        return whole and not oversells(intent, view)
    except ArithmeticError:  # a NaN cannot be compared, and is no reduction
        return False


def oversells(intent: OrderIntent, view: RiskView) -> bool:
    """Whether a sale, with every open one of its strategy, is of more than this one may sell."""
    if view.sellable is None or intent.side is Side.BUY or intent.legs:
        return False
    return own_leaves(intent, view) > view.sellable


def own_leaves(intent: OrderIntent, view: RiskView) -> Decimal:
    """What all open orders of its strategy, symbol and side may still fill, this one counted."""
    own = (row for row in all_under_way(intent, ZERO, view) if row.intent.strategy == intent.strategy)
    return leaves_of(own, intent.symbol, intent.side)


def _package_reduces(intent: OrderIntent, view: RiskView) -> bool:
    """Every leg is opposite to what is held, and with all open packages no larger than it."""
    closing: dict[tuple[str, Side], Decimal] = {}
    for each in all_under_way(intent, ZERO, view):
        for leg in each.intent.legs:
            closing[leg.symbol, leg.side] = closing.get((leg.symbol, leg.side), ZERO) + each.leaves * leg.ratio
    held = {leg.symbol: view.portfolio.qty(leg.symbol) * leg.side.sign for leg in intent.legs}
    return intent.qty > 0 and all(closing[leg.symbol, leg.side] <= -held[leg.symbol] for leg in intent.legs)


@remembered(4)
@exactly
def protected_price(intent: OrderIntent, quote: Quote | None, limits: RiskLimits) -> Decimal | None:
    """What a unit of the order is valued at: the most it can plausibly trade for; None when nobody can say.

    A buy with a limit costs at most the limit. Every other buy is valued at the ask, or its stop if that is higher, and
    a sale at the ask or its price if that is higher, as the broker does for opening shorts (facts.md 5.2), both with
    the protection on top of what is no limit. A buy stop gets at least the 4 % (2.5 % from 50 on) of the stop-limit
    that the broker turns it into. A package with a limit is worth what it can lose, a put that is sold what secures it.
    """
    limit = intent.limit_price
    if intent.legs:
        return package_loss(intent)
    if intent.side is Side.BUY and limit is not None:
        return limit if limit.is_finite() and limit > 0 else None
    if quote is None or not quote.usable:
        return None
    price = max(exact(quote.ask) * (1 + limits.protection_percent / _HUNDRED), short_option_price(intent))
    stop = intent.stop_price or ZERO
    if not stop.is_finite() or (limit is not None and not limit.is_finite()):
        return None
    if intent.side is Side.BUY:
        stop *= 1 + max(limits.protection_percent / _HUNDRED, Decimal("0.04") if stop < 50 else Decimal("0.025"))
    return max(price, stop, limit or ZERO)


def cap_of(value: Decimal, percent: Decimal, view: RiskView) -> Decimal | None:
    """The smaller of a value and a percentage of equity; None when equity is unknown."""
    worth = view.equity
    return None if worth is None else max(ZERO, min(value, worth * percent / _HUNDRED))


@remembered(4)
def unit_value(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Decimal | None:
    """What a unit of the whole position is reckoned at: the protected price, and no less than the ask or the mark."""
    price = protected_price(intent, view.quote, limits)
    if price is None or view.quote is None or not view.quote.usable:
        return None
    mark = view.marks.get(intent.symbol) if view.portfolio.qty(intent.symbol) else None
    return max(price, exact(view.quote.ask), mark or ZERO) * multiplier(intent.symbol)


def all_under_way(intent: OrderIntent, price: Decimal, view: RiskView) -> Sequence[UnderWay]:
    """All reservations and this order's own; a lineage counts as one, of its largest quantity and price."""
    if not view.open:
        return (UnderWay(intent, max(ZERO, intent.qty), max(ZERO, price), ZERO),)
    return _folded(intent, price, view)


@remembered(4)
def _folded(intent: OrderIntent, price: Decimal, view: RiskView) -> Sequence[UnderWay]:
    own = Reservation(intent=intent, leaves=intent.qty, price=price)
    every = {each.intent.client_order_id: each for each in (*view.open, own)}
    folded: dict[str, UnderWay] = {}
    for key, root in roots(each.intent for each in every.values()).items():
        each = every[key]
        have = folded.get(root)
        counted = each.value if each.counted else ZERO
        if have is None:
            folded[root] = UnderWay(each.intent, max(ZERO, each.leaves), max(ZERO, each.price), counted)
        else:
            counted += have.counted
            folded[root] = UnderWay(have.intent, max(have.leaves, each.leaves), max(have.price, each.price), counted)
    return tuple(folded.values())


def leaves_of(under_way: Iterable[UnderWay], symbol: str, side: Side) -> Decimal:
    """What may still fill of a symbol on one side, packages aside."""
    mine = [r.leaves for r in under_way if (i := r.intent).symbol == symbol and i.side is side and not i.legs]
    return sum(mine, ZERO)


def symbols_of(view: RiskView, under_way: Iterable[UnderWay]) -> set[str]:
    """All that is held or may be."""
    return {*view.portfolio.positions, *(each.intent.symbol for each in under_way)}


def worst_value(symbol: str, view: RiskView, under_way: Sequence[UnderWay]) -> Decimal:
    """The largest size that a position can reach when one side's orders fill, at the highest price known of it."""
    held = view.portfolio.qty(symbol)
    most = max(abs(held + leaves_of(under_way, symbol, Side.BUY)), abs(held - leaves_of(under_way, symbol, Side.SELL)))
    prices = [each.price for each in under_way if each.intent.symbol == symbol and not each.intent.legs]
    return most * max([*prices, view.marks[symbol] if held else ZERO], default=ZERO) * multiplier(symbol)
