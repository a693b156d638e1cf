"""The first rules of pre-trade risk: state, instrument, form, size, value, exposure, price, rate, buying power, wash.

Each answers what it found, or None. Worst case: all open orders of one side fill and none of the other; of an order and
its replacement the larger counts. Values are quantity x price x multiplier, market orders at `protected_price`; a
package of options is worth what it can lose. Missing, stale, crossed or non-finite input refuses (I11).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import NamedTuple

from puna.core.decimals import exactly
from puna.core.lineage import roots
from puna.core.order_table import violation
from puna.core.portfolio import equity
from puna.core.remembered import remembered
from puna.core.risk_options import package_loss, short_option_price
from puna.core.risk_view import Reservation, RiskLimits, RiskView, TradingState
from puna.core.sessions import Session, session_at
from puna.core.symbols import asset_class, multiplier
from puna.core.types import ZERO, AssetClass, OrderClass, OrderIntent, OrderType, Quote, Side, exact
from puna.errors import DataError

__all__ = [
    "Finding",
    "Rule",
    "all_under_way",
    "buying_power",
    "cap_of",
    "deadline",
    "duplicate",
    "equity_of",
    "exposure",
    "flip",
    "instrument",
    "measured",
    "meet",
    "message_rate",
    "open_orders",
    "order_quantity",
    "order_rules",
    "order_value",
    "over",
    "position_cap",
    "price_collar",
    "protected_price",
    "quote_fresh",
    "reduces",
    "self_match",
    "short_sale",
    "trading_state",
    "unit_value",
    "unvalued",
]

NANOS = 1_000_000_000
_HUNDRED = Decimal(100)
_MIN_SHORT_EQUITY = Decimal(2000)  # facts.md 5.2, shorting


class Finding(NamedTuple):
    """What a rule found: in words, what it saw, what would have been allowed."""

    message: str
    observed: object = ""
    limit: object = ""


class _UnderWay(NamedTuple):
    """A lineage of open orders, this one's included: `counted` is the value that buying power is net of already."""

    intent: OrderIntent
    leaves: Decimal
    price: Decimal
    counted: Decimal

    @property
    def value(self) -> Decimal:
        return self.leaves * self.price * multiplier(self.intent.symbol)


Rule = Callable[[OrderIntent, RiskView, RiskLimits], Finding | None]


@exactly
def reduces(intent: OrderIntent, view: RiskView) -> bool:
    """Whether the order, with every open order of its side, cannot cross flat: a true reduction."""
    try:
        if intent.legs:
            return _package_reduces(intent, view)
        held = view.portfolio.qty(intent.symbol) * intent.side.sign
        away = held < 0 < intent.qty
        return away and _leaves(all_under_way(intent, ZERO, view), intent.symbol, intent.side) <= -held
    except ArithmeticError:  # a NaN cannot be compared, and is no reduction
        return False


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


def trading_state(intent: OrderIntent, view: RiskView, _limits: RiskLimits) -> Finding | None:
    """Row 1. HALTED sends nothing; REDUCING sends nothing but true reductions."""
    if view.state is TradingState.HALTED:
        return Finding("trading is halted", view.state, TradingState.ACTIVE)
    if view.state is TradingState.REDUCING and not reduces(intent, view):
        return Finding("only orders that reduce a position are sent now", view.state, TradingState.ACTIVE)
    return None


def instrument(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 2. The symbol must be known, tradable, not halted, not denied, and on the allow list where there is one."""
    listing = view.instrument
    if listing is None or listing.symbol != intent.symbol:
        return Finding(f"the broker has not said anything about {intent.symbol}")
    if not listing.tradable or listing.halted:
        return Finding(f"{intent.symbol} {'is halted' if listing.halted else 'is not tradable'}")
    if intent.symbol in limits.denied or (limits.allowed is not None and intent.symbol not in limits.allowed):
        return Finding(f"{intent.symbol} is not among the symbols that may be traded")
    return None


def order_rules(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 3. The broker's table must admit it: tick, lot, type, time in force and session (facts.md 5.2)."""
    listing = view.instrument
    replaced = next((each.intent for each in view.open if each.intent.client_order_id == intent.replaces), intent)
    if (replaced.symbol, replaced.side) != (intent.symbol, intent.side):
        return Finding("a replacement keeps the symbol and the side")
    broken = violation(
        intent,
        view.now,
        fractionable=listing is None or listing.fractionable,
        overnight=listing is not None and listing.overnight,
        allow_queued=limits.allow_queued,
    )
    return Finding(broken) if broken else None


def position_cap(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 13. The position in the worst case of all open orders stays within its limit; packages have their own."""
    if intent.legs:
        return None
    price = unit_value(intent, view, limits)
    cap = cap_of(limits.max_position_value, limits.max_position_percent, view)
    if price is None or cap is None:
        return unvalued()
    side = intent.side
    reached = view.portfolio.qty(intent.symbol) * side.sign + _leaves(
        all_under_way(intent, ZERO, view), intent.symbol, side
    )
    return over("the position could become worth too much", reached * price, cap)


def order_quantity(intent: OrderIntent, _view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 4. One order has at most so many units."""
    return over("the order is for too many units", intent.qty, limits.max_order_qty)


def order_value(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 5. One order is worth at most so much, a market order at its protected price, never at nothing."""
    price = protected_price(intent, view.quote, limits)
    cap = cap_of(limits.max_order_value, limits.max_order_percent, view)
    if price is None or cap is None:
        return unvalued()
    return over("the order is worth too much", intent.qty * price * multiplier(intent.symbol), cap)


def exposure(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 14. Gross and net exposure in the worst case stay within their limits, in value and times equity."""
    price = protected_price(intent, None, limits) if intent.legs else unit_value(intent, view, limits)
    gross_cap = cap_of(limits.max_gross_value, limits.max_gross_percent, view)
    net_cap = cap_of(limits.max_net_value, limits.max_net_percent, view)
    if price is None or gross_cap is None or net_cap is None:
        return unvalued()
    under_way = all_under_way(intent, price / multiplier(intent.symbol), view)
    gross = sum((_worst_value(symbol, view, under_way) for symbol in _symbols(view, under_way)), ZERO)
    gross += sum((each.value for each in under_way if each.intent.legs), ZERO)
    held = sum((each.qty * view.marks[key] * multiplier(key) for key, each in view.portfolio.positions.items()), ZERO)
    same_side = sum((each.value for each in under_way if each.intent.side is intent.side), ZERO)
    return over("gross exposure could become too large", gross, gross_cap) or over(
        "net exposure could become too large", held * intent.side.sign + same_side, net_cap
    )


def price_collar(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 6. A price stays near the middle of the quote: near on the side that costs, wider outside the core session.

    On the side that only waits the passive collar holds, which is there for misplaced points. A stop may be as far away
    as that on both sides; the limit of a stop-limit order is measured from its stop.
    """
    if intent.legs:
        return None  # what a package can lose is bounded, and its price says nothing beside the underlying's
    if view.quote is None or not view.quote.usable:
        return Finding("there is no price to compare with")
    reference = exact(view.quote.bid) / 2 + exact(view.quote.ask) / 2
    passive = limits.collar_passive_percent / _HUNDRED
    if intent.stop_price is not None:
        if abs(intent.stop_price - reference) > passive * reference:
            return Finding("the stop price is too far from the market", intent.stop_price, reference)
        reference = intent.stop_price
    if intent.limit_price is None:
        return None
    costly = (intent.limit_price - reference) * intent.side.sign
    if costly > _collar(intent, view, limits) * reference or -costly > passive * reference:
        return Finding("the limit price is too far from the market", intent.limit_price, reference)
    return None


def duplicate(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 9. No second use of an id, and no equal order (symbol, side, quantity, type, prices) within the window."""
    if view.id_used:
        return Finding("this client_order_id was used before", intent.client_order_id)
    window = limits.duplicate_window_seconds * NANOS
    alike = [each for each in view.recent if view.now - each.ts < window and _same(each.intent, intent)]
    if alike:
        return Finding("an equal order was sent a moment ago", alike[-1].intent.client_order_id)
    return None


def quote_fresh(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 8. There is a quote of this symbol, two-sided, not crossed, finite, and not older than allowed.

    One from the future by more than that is as wrong as an old one.
    """
    quote = view.quote
    if quote is None or quote.symbol != intent.symbol:
        return Finding(f"there is no quote of {intent.symbol}")
    if not quote.usable:
        return Finding("the quote is crossed, one-sided or no number", f"{quote.bid} x {quote.ask}")
    age = abs(view.now - quote.ts_event) / NANOS
    return over("the quote is too old", age, limits.max_quote_age_seconds)


def message_rate(_intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 11. At most so many submits in the window."""
    return over("too many orders in a short time", view.submits + 1, limits.max_submits)


def open_orders(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 12. At most so many orders are open, and worth so much, this one counted."""
    price = protected_price(intent, view.quote, limits)
    cap = cap_of(limits.max_open_value, limits.max_open_percent, view)
    if price is None or cap is None:
        return unvalued()
    under_way = all_under_way(intent, price, view)
    return over("too many orders are open", len(under_way), limits.max_open_orders) or over(
        "open orders are worth too much", sum((each.value for each in under_way), ZERO), cap
    )


def buying_power(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 16. What opens positions must fit into the broker's buying power; what that is net of already does not count.

    The broker's figure knows open positions and the orders it has taken (I12).
    """
    price = protected_price(intent, view.quote, limits)
    if price is None or view.buying_power is None or not view.buying_power.is_finite():
        return unvalued()
    opening = [each for each in all_under_way(intent, price, view) if _opens(each.intent, view)]
    needed = sum((max(ZERO, each.value - each.counted) for each in opening), ZERO)
    return over("buying power does not suffice", needed, view.buying_power - limits.buying_power_buffer)


def self_match(intent: OrderIntent, view: RiskView, _limits: RiskLimits) -> Finding | None:
    """Row 20. It must not be able to meet an open order of our own (the broker's wash-trade rule, facts.md 5.2).

    What is crossed with it inside the account (`core.netting`) is not in the way.
    """
    for each in view.open:
        other = each.intent
        if each.leaves and meet(other, intent) and other.client_order_id not in view.netted:
            return Finding("it could trade with an open order of our own", other.client_order_id)
    return None


def deadline(intent: OrderIntent, view: RiskView, _limits: RiskLimits) -> Finding | None:
    """Row 26. An intent is not sent after its deadline (R25)."""
    if intent.deadline is not None and view.now > intent.deadline:
        return Finding("its deadline has passed", view.now, intent.deadline)
    return None


def flip(intent: OrderIntent, view: RiskView, _limits: RiskLimits) -> Finding | None:
    """Row 19. One order cannot take a position through flat: close what is available, then open (facts.md 5.2)."""
    held = view.portfolio.qty(intent.symbol)
    if not intent.legs and held * intent.side.sign < 0 and not reduces(intent, view):
        under_way = _leaves(all_under_way(intent, ZERO, view), intent.symbol, intent.side)
        return Finding("it would take the position through flat", under_way, abs(held))
    return None


def short_sale(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 18. Selling what is not held is off unless allowed, then for whole, easily borrowed shares (facts.md 5.2).

    Coins are never sold short; what short options need is asked elsewhere.
    """
    kind = asset_class(intent.symbol)
    if intent.side is Side.BUY or view.portfolio.qty(intent.symbol) > 0 or kind is AssetClass.US_OPTION:
        return None
    if kind is AssetClass.CRYPTO or not limits.allow_short:
        return Finding("coins are not sold short" if kind is AssetClass.CRYPTO else "short selling is switched off")
    return _borrowed(intent, view)


def _borrowed(intent: OrderIntent, view: RiskView) -> Finding | None:
    listing, worth = view.instrument, equity_of(view)
    if listing is None or not (listing.shortable and listing.easy_to_borrow):
        return Finding(f"{intent.symbol} cannot be borrowed easily")
    if intent.qty != intent.qty.to_integral_value():
        return Finding("fractions are not sold short", intent.qty)
    if worth is None or worth < _MIN_SHORT_EQUITY:
        return Finding("equity is too small for short selling", worth, _MIN_SHORT_EQUITY)
    return None


def over(message: str, observed: Decimal | float, limit: Decimal | float) -> Finding | None:
    """A finding unless `observed` is within the limit; what cannot be compared is not within it."""
    if (rows := _measured.get()) is not None:
        rows.append(Finding(message, observed, limit))
    return None if observed <= limit else Finding(message, observed, limit)


@contextmanager
def measured() -> Iterator[list[Finding]]:
    """Collects every comparison that is made while it is entered, passed ones too: for people who want the numbers."""
    rows: list[Finding] = []
    token = _measured.set(rows)
    try:
        yield rows
    finally:
        _measured.reset(token)


_measured: ContextVar[list[Finding] | None] = ContextVar("measured", default=None)


def unvalued() -> Finding:
    """What is said when a value is needed that nobody knows."""
    return Finding("what it would be worth cannot be known: a quote, a mark or the buying power is missing")


@remembered(1)
def equity_of(view: RiskView) -> Decimal | None:
    """None when a mark is missing or is no price."""
    marks = [view.marks.get(symbol) for symbol in view.portfolio.positions]
    if not all(mark is not None and mark.is_finite() and mark > 0 for mark in marks):
        return None
    return equity(view.portfolio, view.marks)


def cap_of(value: Decimal, percent: Decimal, view: RiskView) -> Decimal | None:
    """The smaller of a value and a percentage of equity; None when equity is unknown."""
    worth = equity_of(view)
    return None if worth is None else max(ZERO, min(value, worth * percent / _HUNDRED))


def unit_value(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Decimal | None:
    """What a unit of the whole position is reckoned at: the protected price, and no less than the ask or the mark."""
    price = protected_price(intent, view.quote, limits)
    if price is None or view.quote is None or not view.quote.usable:
        return None
    mark = view.marks.get(intent.symbol) if view.portfolio.qty(intent.symbol) else None
    return max(price, exact(view.quote.ask), mark or ZERO) * multiplier(intent.symbol)


@remembered(4)
def all_under_way(intent: OrderIntent, price: Decimal, view: RiskView) -> Sequence[_UnderWay]:
    """All reservations and this order's own; a lineage counts as one, of its largest quantity and price."""
    own = Reservation(intent=intent, leaves=intent.qty, price=price)
    every = {each.intent.client_order_id: each for each in (*view.open, own)}
    folded: dict[str, _UnderWay] = {}
    for key, root in roots(each.intent for each in every.values()).items():
        each = every[key]
        have = folded.get(root)
        counted = each.value if each.counted else ZERO
        if have is None:
            folded[root] = _UnderWay(each.intent, max(ZERO, each.leaves), max(ZERO, each.price), counted)
        else:
            counted += have.counted
            folded[root] = _UnderWay(have.intent, max(have.leaves, each.leaves), max(have.price, each.price), counted)
    return tuple(folded.values())


def _leaves(under_way: Iterable[_UnderWay], symbol: str, side: Side) -> Decimal:
    rows = (r for r in under_way if r.intent.symbol == symbol and r.intent.side is side and not r.intent.legs)
    return sum((r.leaves for r in rows), ZERO)


def _symbols(view: RiskView, under_way: Iterable[_UnderWay]) -> set[str]:
    return {*view.portfolio.positions, *(each.intent.symbol for each in under_way)}


def _worst_value(symbol: str, view: RiskView, under_way: Sequence[_UnderWay]) -> Decimal:
    """The largest size that a position can reach when one side's orders fill, at the highest price known of it."""
    held = view.portfolio.qty(symbol)
    most = max(abs(held + _leaves(under_way, symbol, Side.BUY)), abs(held - _leaves(under_way, symbol, Side.SELL)))
    prices = [each.price for each in under_way if each.intent.symbol == symbol and not each.intent.legs]
    return most * max([*prices, view.marks[symbol] if held else ZERO], default=ZERO) * multiplier(symbol)


def _opens(intent: OrderIntent, view: RiskView) -> bool:
    return bool(intent.legs) or view.portfolio.qty(intent.symbol) * intent.side.sign >= 0


def _same(one: OrderIntent, other: OrderIntent) -> bool:
    def terms(each: OrderIntent) -> tuple[object, ...]:
        return each.symbol, each.side, each.qty, each.type, each.limit_price, each.stop_price

    return terms(one) == terms(other)


def meet(one: OrderIntent, other: OrderIntent) -> bool:
    """Whether two orders could trade with each other: those of opposite sides in one symbol.

    At once if one has no limit, else when their limits cross; some are exempt.
    """
    if one.symbol != other.symbol or one.side is other.side:
        return False
    if OrderType.TRAILING_STOP in (one.type, other.type) or not (one.order_class is other.order_class is _SIMPLE):
        return False
    if one.limit_price is None or other.limit_price is None:
        return True
    buy, sell = (one, other) if one.side is Side.BUY else (other, one)
    return bool(buy.limit_price is not None and sell.limit_price is not None and buy.limit_price >= sell.limit_price)


def _collar(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Decimal:
    if asset_class(intent.symbol) is AssetClass.US_OPTION:
        return limits.collar_option_percent / _HUNDRED
    try:
        core = session_at(view.now) is Session.CORE
    except DataError:
        core = True
    return (limits.collar_percent if core else limits.collar_extended_percent) / _HUNDRED


_SIMPLE = OrderClass.SIMPLE
