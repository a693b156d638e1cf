"""The first rules of pre-trade risk: state, instrument, form, size, value, exposure, price, rate, buying power, wash.

Each answers what it found, or None; what is under way counts as `risk_worst_case` says. Missing, stale, crossed or
non-finite input refuses (I11).
"""

from decimal import Decimal

from puna.core.order_table import violation
from puna.core.risk_finding import Finding, over, unvalued
from puna.core.risk_view import RiskLimits, RiskView, TradingState
from puna.core.risk_worst_case import (
    all_under_way,
    cap_of,
    leaves_of,
    oversells,
    own_leaves,
    protected_price,
    reduces,
    symbols_of,
    unit_value,
    worst_value,
)
from puna.core.sessions import Session, session_at
from puna.core.symbols import asset_class, multiplier
from puna.core.types import ZERO, AssetClass, OrderClass, OrderIntent, OrderType, Side, exact
from puna.errors import DataError

__all__ = [
    "buying_power",
    "deadline",
    "duplicate",
    "exposure",
    "flip",
    "instrument",
    "meet",
    "message_rate",
    "open_orders",
    "order_quantity",
    "order_rules",
    "order_value",
    "position_cap",
    "price_collar",
    "quote_fresh",
    "self_match",
    "short_sale",
    "trading_state",
]

NANOS = 1_000_000_000
_HUNDRED = Decimal(100)
_MIN_SHORT_EQUITY = Decimal(2000)  # facts.md 5.2, shorting


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
    reached = view.portfolio.qty(intent.symbol) * side.sign + leaves_of(
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
    gross = sum((worst_value(symbol, view, under_way) for symbol in symbols_of(view, under_way)), ZERO)
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
    if intent.limit_price is None and intent.stop_price is None:
        return None
    return _too_far(intent, exact(view.quote.bid) / 2 + exact(view.quote.ask) / 2, view, limits)


def _too_far(intent: OrderIntent, reference: Decimal, view: RiskView, limits: RiskLimits) -> Finding | None:
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
    """Row 19. One order cannot take a position through flat: close what is available, then open (facts.md 5.2).

    Nor can a strategy that may not sell short sell what another one holds.
    """
    held = view.portfolio.qty(intent.symbol)
    if not intent.legs and held * intent.side.sign < 0 and not reduces(intent, view):
        if oversells(intent, view):
            return Finding("it would sell what another strategy holds", own_leaves(intent, view), view.sellable)
        under_way = leaves_of(all_under_way(intent, ZERO, view), intent.symbol, intent.side)
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
    listing, worth = view.instrument, view.equity
    if listing is None or not (listing.shortable and listing.easy_to_borrow):
        return Finding(f"{intent.symbol} cannot be borrowed easily")
    if intent.qty != intent.qty.to_integral_value():
        return Finding("fractions are not sold short", intent.qty)
    if worth is None or worth < _MIN_SHORT_EQUITY:
        return Finding("equity is too small for short selling", worth, _MIN_SHORT_EQUITY)
    return None


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
