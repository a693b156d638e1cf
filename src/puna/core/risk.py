"""Pre-trade risk: a list of checks, each an order and a view of the world -> Breach or None; the first breach wins.

A view holds what is open already, as reservations that nothing has released yet, so orders that are under way at once
cannot jointly pass a limit: whoever checks must reserve before the next check (one lock, I10). Missing, stale, crossed
or non-finite input refuses (I11). Worst case: all open orders of one side fill and none of the other; of an order and
its replacement the larger counts. Values are quantity x price x multiplier, market orders at `protected_price`.

A true reduction is opposite to the position and, with every open order of that side, no larger than it. It passes all
checks but those that reliability.md section 4 lets refuse one: rows 1, 3, 9 and 11 (`BINDING`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import msgspec

from puna.core.decimals import exactly
from puna.core.lineage import roots
from puna.core.order_table import violation
from puna.core.portfolio import equity
from puna.core.remembered import remembered
from puna.core.risk_view import Listing, Reservation, RiskLimits, RiskView, Submit, TradingState
from puna.core.sessions import Session, session_at
from puna.core.symbols import multiplier
from puna.core.types import ZERO, OrderClass, OrderIntent, OrderType, Quote, Side, exact
from puna.errors import DataError

__all__ = [
    "BINDING",
    "CHECKS",
    "Breach",
    "Check",
    "Finding",
    "Listing",
    "Reservation",
    "RiskLimits",
    "RiskView",
    "Submit",
    "TradingState",
    "check",
    "protected_price",
    "reduces",
]

NANOS = 1_000_000_000
_HUNDRED = Decimal(100)
_MIN_SHORT_EQUITY = Decimal(2000)  # facts.md 5.2, shorting


class Finding(NamedTuple):
    """What a rule found: in words, what it saw, what would have been allowed."""

    message: str
    observed: object = ""
    limit: object = ""


class Breach(msgspec.Struct, frozen=True):
    """A refusal: a stable code and name, words for people, and what was seen against what is allowed."""

    code: str
    name: str
    message: str
    observed: str = ""
    limit: str = ""


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


@dataclass(frozen=True)
class Check:
    """A rule with its code and name; `text` says what it refuses and which row of reliability.md section 4 it is."""

    code: str
    name: str
    rule: Rule

    @property
    def text(self) -> str:
        return self.rule.__doc__ or ""

    @exactly
    def __call__(self, intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Breach | None:
        try:
            found = self.rule(intent, view, limits)
        except (ArithmeticError, DataError) as error:  # a NaN in a comparison, a symbol that cannot be valued
            found = Finding(f"what the check needs is no number or no symbol ({type(error).__name__})")
        return found and Breach(self.code, self.name, found.message, str(found.observed), str(found.limit))


@exactly
def check(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Breach | None:
    """The first breach, or None: the order may be reserved and sent."""
    checks = BINDING if reduces(intent, view) else CHECKS
    return next((breach for each in checks if (breach := each(intent, view, limits))), None)


@exactly
def reduces(intent: OrderIntent, view: RiskView) -> bool:
    """Whether the order, with every open order of its side, cannot cross flat: a true reduction."""
    try:
        held = view.portfolio.qty(intent.symbol) * intent.side.sign
        away = held < 0 < intent.qty
        return away and _leaves(_with(intent, ZERO, view), intent.symbol, intent.side) <= -held
    except ArithmeticError:  # a NaN cannot be compared, and is no reduction
        return False


@remembered(4)
@exactly
def protected_price(intent: OrderIntent, quote: Quote | None, limits: RiskLimits) -> Decimal | None:
    """What a unit of the order is valued at: the most it can plausibly trade for; None when nobody can say.

    A buy with a limit costs at most the limit. Every other buy is valued at the ask, or its stop if that is higher, and
    a sale at the ask or its price if that is higher, as the broker does for opening shorts (facts.md 5.2), both with
    the protection on top of what is no limit. A buy stop gets at least the 4 % (2.5 % from 50 on) of the stop-limit
    that the broker turns it into.
    """
    limit = intent.limit_price
    if intent.side is Side.BUY and limit is not None:
        return limit if limit.is_finite() and limit > 0 else None
    if quote is None or not quote.usable:
        return None
    price = exact(quote.ask) * (1 + limits.protection_percent / _HUNDRED)
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
    """Row 13. The position in the worst case of all open orders stays within its limit."""
    price = _unit_value(intent, view, limits)
    cap = _cap(limits.max_position_value, limits.max_position_percent, view)
    if price is None or cap is None:
        return _unvalued()
    side = intent.side
    reached = view.portfolio.qty(intent.symbol) * side.sign + _leaves(_with(intent, ZERO, view), intent.symbol, side)
    return _over("the position could become worth too much", reached * price, cap)


def order_quantity(intent: OrderIntent, _view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 4. One order has at most so many units."""
    return _over("the order is for too many units", intent.qty, limits.max_order_qty)


def order_value(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 5. One order is worth at most so much, a market order at its protected price, never at nothing."""
    price = protected_price(intent, view.quote, limits)
    cap = _cap(limits.max_order_value, limits.max_order_percent, view)
    if price is None or cap is None:
        return _unvalued()
    return _over("the order is worth too much", intent.qty * price * multiplier(intent.symbol), cap)


def exposure(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 14. Gross and net exposure in the worst case stay within their limits, in value and times equity."""
    price = _unit_value(intent, view, limits)
    gross_cap = _cap(limits.max_gross_value, limits.max_gross_percent, view)
    net_cap = _cap(limits.max_net_value, limits.max_net_percent, view)
    if price is None or gross_cap is None or net_cap is None:
        return _unvalued()
    under_way = _with(intent, price / multiplier(intent.symbol), view)
    gross = sum((_worst_value(symbol, view, under_way) for symbol in _symbols(view, under_way)), ZERO)
    held = sum((each.qty * view.marks[key] * multiplier(key) for key, each in view.portfolio.positions.items()), ZERO)
    same_side = sum((each.value for each in under_way if each.intent.side is intent.side), ZERO)
    return _over("gross exposure could become too large", gross, gross_cap) or _over(
        "net exposure could become too large", held * intent.side.sign + same_side, net_cap
    )


def price_collar(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 6. A price stays near the middle of the quote: near on the side that costs, wider outside the core session.

    On the side that only waits the passive collar holds, which is there for misplaced points. A stop may be as far away
    as that on both sides; the limit of a stop-limit order is measured from its stop.
    """
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
    if costly > _collar(view, limits) * reference or -costly > passive * reference:
        return Finding("the limit price is too far from the market", intent.limit_price, reference)
    return None


def duplicate(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 9. No second use of an id, and no equal order (symbol, side, quantity, type, prices) within the window."""
    if view.id_used:
        return Finding("this client_order_id was used before", intent.client_order_id)
    alike = [each for each in _within(limits.duplicate_window_seconds, view) if _same(each.intent, intent)]
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
    return _over("the quote is too old", age, limits.max_quote_age_seconds)


def message_rate(_intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 11. At most so many submits in the window."""
    sent = len(_within(limits.submit_window_seconds, view))
    return _over("too many orders in a short time", sent + 1, limits.max_submits)


def open_orders(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 12. At most so many orders are open, and worth so much, this one counted."""
    price = protected_price(intent, view.quote, limits)
    cap = _cap(limits.max_open_value, limits.max_open_percent, view)
    if price is None or cap is None:
        return _unvalued()
    under_way = _with(intent, price, view)
    return _over("too many orders are open", len(under_way), limits.max_open_orders) or _over(
        "open orders are worth too much", sum((each.value for each in under_way), ZERO), cap
    )


def buying_power(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 16. What opens positions must fit into the broker's buying power; what that is net of already does not count.

    The broker's figure knows open positions and the orders it has taken (I12).
    """
    price = protected_price(intent, view.quote, limits)
    if price is None or view.buying_power is None or not view.buying_power.is_finite():
        return _unvalued()
    opening = [each for each in _with(intent, price, view) if _opens(each.intent, view)]
    needed = sum((max(ZERO, each.value - each.counted) for each in opening), ZERO)
    return _over("buying power does not suffice", needed, view.buying_power - limits.buying_power_buffer)


def self_match(intent: OrderIntent, view: RiskView, _limits: RiskLimits) -> Finding | None:
    """Row 20. It must not be able to meet an open order of our own (the broker's wash-trade rule, facts.md 5.2)."""
    for each in view.open:
        other = each.intent
        if other.symbol == intent.symbol and other.side is not intent.side and each.leaves and _meet(other, intent):
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
    if held * intent.side.sign < 0 and not reduces(intent, view):
        under_way = _leaves(_with(intent, ZERO, view), intent.symbol, intent.side)
        return Finding("it would take the position through flat", under_way, abs(held))
    return None


def short_sale(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 18. Selling what is not held is off unless allowed, then for whole, easily borrowed shares (facts.md 5.2)."""
    if intent.side is Side.BUY or view.portfolio.qty(intent.symbol) > 0:
        return None
    if not limits.allow_short:
        return Finding("short selling is switched off")
    listing, worth = view.instrument, _equity(view)
    if listing is None or not (listing.shortable and listing.easy_to_borrow):
        return Finding(f"{intent.symbol} cannot be borrowed easily")
    if intent.qty != intent.qty.to_integral_value():
        return Finding("fractions are not sold short", intent.qty)
    if worth is None or worth < _MIN_SHORT_EQUITY:
        return Finding("equity is too small for short selling", worth, _MIN_SHORT_EQUITY)
    return None


BINDING: tuple[Check, ...] = (
    Check("R101", "trading_state", trading_state),
    Check("R103", "order_rules", order_rules),
    Check("R109", "duplicate", duplicate),
    Check("R111", "message_rate", message_rate),
)
"""What may refuse even a true reduction."""

CHECKS: tuple[Check, ...] = (
    *BINDING,
    Check("R102", "instrument", instrument),
    Check("R115", "deadline", deadline),
    Check("R116", "flip", flip),
    Check("R117", "short_sale", short_sale),
    Check("R110", "quote", quote_fresh),
    Check("R108", "price_collar", price_collar),
    Check("R105", "order_quantity", order_quantity),
    Check("R106", "order_value", order_value),
    Check("R104", "position_cap", position_cap),
    Check("R107", "exposure", exposure),
    Check("R112", "open_orders", open_orders),
    Check("R113", "buying_power", buying_power),
    Check("R114", "self_match", self_match),
)
"""All checks, in the order in which they are asked."""


def _over(message: str, observed: Decimal | float, limit: Decimal | float) -> Finding | None:
    """A finding unless `observed` is within the limit; what cannot be compared is not within it."""
    return None if observed <= limit else Finding(message, observed, limit)


def _unvalued() -> Finding:
    return Finding("what it would be worth cannot be known: a quote, a mark or the buying power is missing")


@remembered(1)
def _equity(view: RiskView) -> Decimal | None:
    """None when a mark is missing or is no price."""
    marks = [view.marks.get(symbol) for symbol in view.portfolio.positions]
    if not all(mark is not None and mark.is_finite() and mark > 0 for mark in marks):
        return None
    return equity(view.portfolio, view.marks)


def _cap(value: Decimal, percent: Decimal, view: RiskView) -> Decimal | None:
    """The smaller of a value and a percentage of equity; None when equity is unknown."""
    worth = _equity(view)
    return None if worth is None else max(ZERO, min(value, worth * percent / _HUNDRED))


def _unit_value(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Decimal | None:
    """What a unit of the whole position is reckoned at: the protected price, and no less than the ask or the mark."""
    price = protected_price(intent, view.quote, limits)
    if price is None or view.quote is None or not view.quote.usable:
        return None
    mark = view.marks.get(intent.symbol) if view.portfolio.qty(intent.symbol) else None
    return max(price, exact(view.quote.ask), mark or ZERO) * multiplier(intent.symbol)


@remembered(4)
def _with(intent: OrderIntent, price: Decimal, view: RiskView) -> Sequence[_UnderWay]:
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
    return sum((r.leaves for r in under_way if r.intent.symbol == symbol and r.intent.side is side), ZERO)


def _symbols(view: RiskView, under_way: Iterable[_UnderWay]) -> set[str]:
    return {*view.portfolio.positions, *(each.intent.symbol for each in under_way)}


def _worst_value(symbol: str, view: RiskView, under_way: Sequence[_UnderWay]) -> Decimal:
    """The largest size that a position can reach when one side's orders fill, at the highest price known of it."""
    held = view.portfolio.qty(symbol)
    most = max(abs(held + _leaves(under_way, symbol, Side.BUY)), abs(held - _leaves(under_way, symbol, Side.SELL)))
    prices = [each.price for each in under_way if each.intent.symbol == symbol]
    return most * max([*prices, view.marks[symbol] if held else ZERO]) * multiplier(symbol)


def _opens(intent: OrderIntent, view: RiskView) -> bool:
    return view.portfolio.qty(intent.symbol) * intent.side.sign >= 0


def _within(seconds: float, view: RiskView) -> list[Submit]:
    return [each for each in view.recent if view.now - each.ts < seconds * NANOS]


def _same(one: OrderIntent, other: OrderIntent) -> bool:
    def terms(each: OrderIntent) -> tuple[object, ...]:
        return each.symbol, each.side, each.qty, each.type, each.limit_price, each.stop_price

    return terms(one) == terms(other)


def _meet(one: OrderIntent, other: OrderIntent) -> bool:
    """Two orders of opposite sides: at once if one has no limit, else when their limits cross; some are exempt."""
    if OrderType.TRAILING_STOP in (one.type, other.type) or not (one.order_class is other.order_class is _SIMPLE):
        return False
    if one.limit_price is None or other.limit_price is None:
        return True
    buy, sell = (one, other) if one.side is Side.BUY else (other, one)
    return bool(buy.limit_price is not None and sell.limit_price is not None and buy.limit_price >= sell.limit_price)


def _collar(view: RiskView, limits: RiskLimits) -> Decimal:
    try:
        core = session_at(view.now) is Session.CORE
    except DataError:
        core = True
    return (limits.collar_percent if core else limits.collar_extended_percent) / _HUNDRED


_SIMPLE = OrderClass.SIMPLE
