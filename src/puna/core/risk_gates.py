"""The further rules of pre-trade risk: liquidity, groups, budgets, protections, market gates, repeats, margin, options.

Each answers what it found, or None. Most are off until their limit is set; what a limit needs and nobody knows refuses.
None of them stands in the way of a true reduction.
"""

from collections.abc import Iterable
from decimal import Decimal

from puna.core.admission import objections
from puna.core.margin import OptionPosition, UnlimitedRisk, equity_maintenance_margin, maintenance_margin
from puna.core.protections import standing
from puna.core.risk_finding import Finding, over, unvalued
from puna.core.risk_options import held_options, held_shares, legs_of, net_price
from puna.core.risk_view import RiskLimits, RiskView
from puna.core.risk_worst_case import all_under_way, protected_price, unit_value
from puna.core.sessions import date_of, day
from puna.core.symbols import asset_class, multiplier
from puna.core.types import ZERO, AssetClass, OrderIntent, exact
from puna.errors import DataError

__all__ = [
    "blackout",
    "budget",
    "clock",
    "group",
    "liquidity",
    "maintenance",
    "options",
    "protection",
    "repeats",
    "spread",
    "unprotected",
    "volatility",
]

_HUNDRED = Decimal(100)
_BASIS = Decimal(10_000)
_MINUTE = 60_000_000_000


def liquidity(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 4. One order is at most so much of the average daily volume."""
    if limits.max_adv_percent is None or intent.legs:
        return None
    if view.adv is None:
        return Finding("the average daily volume is not known")
    share = intent.qty / view.adv * _HUNDRED if view.adv > 0 else Decimal("Infinity")
    return over("the order is a large part of a day's volume, in percent", share, limits.max_adv_percent)


def group(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 14. Positions of symbols that move together are at most so much of equity, all open orders filled."""
    for name, symbols in limits.groups.items():
        if intent.symbol not in symbols:
            continue
        price, equity = unit_value(intent, view, limits), view.equity
        if intent.legs or price is None or equity is None:
            return unvalued()
        rows = all_under_way(intent, price / multiplier(intent.symbol), view)
        side = intent.side
        held = sum((_held_value(symbol, view) for symbol in symbols), ZERO)
        coming = sum((each.value for each in rows if each.intent.symbol in symbols and each.intent.side is side), ZERO)
        reached = held * side.sign + coming
        if found := over(
            f"the group {name} could become worth too much", reached, equity * limits.max_group_percent / _HUNDRED
        ):
            return found
    return None


def budget(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 15. What a strategy holds and has open stays within its own budget."""
    most = limits.budget(intent.strategy)
    if most is None:
        return None
    price = protected_price(intent, view.quote, limits)
    if price is None:
        return unvalued()
    held = sum((abs(qty) * view.marks[symbol] * multiplier(symbol) for symbol, qty in view.sleeve.items() if qty), ZERO)
    rows = [each for each in all_under_way(intent, price, view) if each.intent.strategy == intent.strategy]
    opening = sum((each.value for each in rows if _adds(each.intent, view.sleeve)), ZERO)
    return over("the strategy's budget does not suffice", held + opening, most)


def protection(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 21, and 7, 22 and 28. No new risk while a protection that was set off lasts, or the moment one would be."""
    worth = view.equity
    if worth is None and view.tally is not None and _counts_equity(limits):
        return unvalued()
    locks = (*view.locks, *standing(view.tally, worth, limits, view.now))
    mine = ("", f"strategy:{intent.strategy}", f"symbol:{intent.symbol}")
    found = next((each for each in locks if each.scope in mine and (not each.until or each.until > view.now)), None)
    return Finding(f"{found.cause}: {found.reason}") if found else None


def spread(_intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 23. Bid and ask are at most so far apart, in basis points of the middle."""
    if limits.max_spread_bp is None:
        return None
    if view.quote is None or not view.quote.usable:
        return unvalued()
    bid, ask = exact(view.quote.bid), exact(view.quote.ask)
    return over(
        "bid and ask are too far apart, in basis points", (ask - bid) / (ask + bid) * 2 * _BASIS, limits.max_spread_bp
    )


def volatility(_intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 23. The last bars have moved at most so much, as a volatility in percent a year."""
    if limits.max_volatility_percent is None:
        return None
    if view.volatility is None:
        return Finding("there are not enough bars to know the volatility")
    return over("prices move too much", view.volatility * 100, limits.max_volatility_percent)


def blackout(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 23. Nothing is opened in the first and last minutes of the core session; coins have none."""
    first, last = limits.open_blackout_minutes * _MINUTE, limits.close_blackout_minutes * _MINUTE
    if not (first or last) or asset_class(intent.symbol) is AssetClass.CRYPTO:
        return None
    today = day(date_of(view.now))
    if today is None or not today.open <= view.now < today.close:
        return None
    if view.now < today.open + first:
        return Finding("the session has only begun", (view.now - today.open) / _MINUTE, limits.open_blackout_minutes)
    if view.now >= today.close - last:
        return Finding("the session is about to end", (today.close - view.now) / _MINUTE, limits.close_blackout_minutes)
    return None


def repeats(_intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 10. One strategy sends at most so many orders in one symbol within the window."""
    if limits.max_repeats is None:
        return None
    return over("the strategy keeps ordering the same symbol", view.sent + 1, limits.max_repeats)


def maintenance(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 17. The maintenance margin of what is held and would be opened stays within equity (MARG).

    So no order of ours makes an intraday margin deficit (IMR). What the broker says is held for counts; where it says
    nothing, the same table.
    """
    if asset_class(intent.symbol) is not AssetClass.US_EQUITY or intent.legs:
        return None
    price, worth = unit_value(intent, view, limits), view.equity
    held = view.maintenance if view.maintenance is not None else _required(view)
    if price is None or worth is None or held is None:
        return unvalued()
    rows = [each for each in all_under_way(intent, price, view) if not each.intent.legs]
    added = sum(
        (_requires(each.intent, each.leaves, each.price) for each in rows if _opens_stock(each.intent, view)), ZERO
    )
    return over(
        "the maintenance margin would be too large a part of equity",
        held + added,
        worth * limits.max_maintenance_percent / _HUNDRED,
    )


def options(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 24. Level, cover and form, the most that can be lost, nothing opened on its last day."""
    legs = legs_of(intent)
    if not legs:
        return None
    last, today = min(leg.expiry for leg in legs), date_of(view.now)
    if last < today or (last == today and not limits.allow_expiry_day):
        return Finding("the contract has expired" if last < today else "nothing is opened on its last day", last)
    return _option_terms(intent, legs, view, limits)


def _option_terms(
    intent: OrderIntent, legs: tuple[OptionPosition, ...], view: RiskView, limits: RiskLimits
) -> Finding | None:
    price = net_price(intent)
    if price is None:
        price = protected_price(intent, view.quote, limits) if intent.side.sign > 0 else ZERO
    if price is None:
        return unvalued()
    level = limits.option_level if view.option_level is None else min(view.option_level, limits.option_level)
    try:
        against, cost = objections(
            legs,
            price,
            int(intent.qty),
            level=level,
            positions=held_options(view.portfolio),
            shares=held_shares(view.portfolio),
        )
    except UnlimitedRisk as error:
        return Finding(f"unlimited risk: {error.what}")
    if against:
        return Finding(against[0])
    most = limits.max_option_loss_value
    return None if most is None else over("it could lose too much", cost, most)


def clock(_intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 27. Our clock agrees with the broker's."""
    if view.skew is None:
        return None
    return over("our clock is too far from the broker's, in seconds", abs(view.skew), limits.max_clock_skew_seconds)


def unprotected(_intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Finding | None:
    """Row 25. A strategy opens nothing while a position of its own has been without a protective stop for too long."""
    if limits.max_unprotected_seconds is None:
        return None
    if view.unprotected is None:
        return Finding("whether the strategy's positions have stops is not known")
    return over("a position has no protective stop, for seconds", view.unprotected, limits.max_unprotected_seconds)


def _held_value(symbol: str, view: RiskView) -> Decimal:
    qty = view.portfolio.qty(symbol)
    return qty * view.marks[symbol] * multiplier(symbol) if qty else ZERO


def _adds(intent: OrderIntent, sleeve: dict[str, Decimal]) -> bool:
    return bool(intent.legs) or sleeve.get(intent.symbol, ZERO) * intent.side.sign >= 0


def _opens_stock(intent: OrderIntent, view: RiskView) -> bool:
    try:
        stock = asset_class(intent.symbol) is AssetClass.US_EQUITY
    except DataError:
        return False
    return stock and view.portfolio.qty(intent.symbol) * intent.side.sign >= 0


def _required(view: RiskView) -> Decimal | None:
    """The maintenance margin of all that is held, by the table; coins in full. None: options with no bound."""
    stocks, coins = ZERO, ZERO
    for symbol, position in view.portfolio.positions.items():
        kind = asset_class(symbol)
        if kind is AssetClass.US_EQUITY and position.qty:
            stocks += equity_maintenance_margin(view.marks[symbol], position.qty)
        elif kind is AssetClass.CRYPTO:
            coins += position.qty * view.marks[symbol]
    try:
        return stocks + coins + maintenance_margin(held_options(view.portfolio), held_shares(view.portfolio))
    except UnlimitedRisk:
        return None


def _requires(intent: OrderIntent, leaves: Decimal, price: Decimal) -> Decimal:
    return equity_maintenance_margin(price, leaves * intent.side.sign) if leaves and price > 0 else ZERO


def _counts_equity(limits: RiskLimits) -> bool:
    names: Iterable[Decimal | None] = (
        limits.max_daily_loss_value,
        limits.max_daily_loss_percent,
        limits.max_weekly_loss_value,
        limits.max_weekly_loss_percent,
        limits.max_drawdown_percent,
    )
    return any(each is not None for each in names)
