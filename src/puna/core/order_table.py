"""Which orders the broker's own table admits: tick, lot, type, time in force, session, by asset class (facts.md 5.2).

`violation` answers the first rule that an intent breaks, in words, or None. Exits, trails, money and packages have
rules of their own beside these, in `order_groups`.
"""

from datetime import time
from decimal import Decimal

from puna.core import order_groups
from puna.core.sessions import Session, date_of, day, new_york, session_at
from puna.core.symbols import asset_class, is_symbol, on_tick
from puna.core.types import AssetClass, OrderClass, OrderIntent, OrderType, TimeInForce
from puna.errors import DataError

__all__ = ["MAX_ID", "violation"]

MAX_ID = 48  # the broker's older limit of client_order_id, and the narrower one (facts.md 5.1)

_TYPES = {
    AssetClass.US_EQUITY: frozenset(OrderType),
    AssetClass.US_OPTION: frozenset(OrderType) - {OrderType.TRAILING_STOP},
    AssetClass.CRYPTO: frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}),
}
_TIMES = {
    AssetClass.US_EQUITY: frozenset(TimeInForce),
    AssetClass.US_OPTION: frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    AssetClass.CRYPTO: frozenset({TimeInForce.GTC, TimeInForce.IOC}),
}
_LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_RESTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_OPG_ENDS, _AUCTIONS_BEGIN = time(9, 28), time(19)
_CLS_MARGIN = 600_000_000_000  # ten minutes, ns: 15:50 on a full day


def violation(intent: OrderIntent, now: int, *, fractionable: bool, overnight: bool, allow_queued: bool) -> str | None:
    """The first rule that `intent` breaks at `now`, or None."""
    return (
        _kind(intent)
        or _quantity(intent, fractionable=fractionable)
        or _prices(intent)
        or order_groups.violation(intent)
        or _time_in_force(intent)
        or _session(intent, now, overnight=overnight, allow_queued=allow_queued)
    )


def _kind(intent: OrderIntent) -> str | None:
    if not 0 < len(intent.client_order_id) <= MAX_ID:
        return f"client_order_id must have 1 to {MAX_ID} characters"
    if not is_symbol(intent.symbol):
        return "that is no symbol"
    kind = asset_class(intent.symbol)
    if intent.type not in _TYPES[kind]:
        return f"{kind} does not take {intent.type} orders"
    if intent.time_in_force not in _TIMES[kind]:
        return f"{kind} does not take {intent.time_in_force} orders"
    return None


def _quantity(intent: OrderIntent, *, fractionable: bool) -> str | None:
    qty, kind = intent.qty, asset_class(intent.symbol)
    if not qty.is_finite() or qty <= 0:
        return "the quantity must be a positive number"
    if qty == qty.to_integral_value() and intent.notional is None:
        return None
    if _decimals(qty) > 9:
        return "a quantity has at most nine decimals"
    if kind is AssetClass.US_OPTION:
        return "contracts are whole"
    return _fraction(intent, fractionable=fractionable) if kind is AssetClass.US_EQUITY else None


def _fraction(intent: OrderIntent, *, fractionable: bool) -> str | None:
    if not fractionable:
        return "fractions of it are not traded"
    if intent.time_in_force is not TimeInForce.DAY or intent.extended_hours:
        return "a fractional order is a day order of the core session"
    return None


def _prices(intent: OrderIntent) -> str | None:
    if intent.order_class is OrderClass.MLEG:
        return None  # a net price has rules of its own
    return _price("limit_price", intent.limit_price, intent, required=intent.type in _LIMITED) or _price(
        "stop_price", intent.stop_price, intent, required=intent.type in _STOPPED
    )


def _price(name: str, price: Decimal | None, intent: OrderIntent, *, required: bool) -> str | None:
    if price is None:
        return f"a {intent.type} order needs a {name}" if required else None
    if not required:
        return f"a {intent.type} order has no {name}"
    if not price.is_finite() or price <= 0:
        return f"the {name} must be a positive number"
    if not on_tick(intent.symbol, price):
        return f"the {name} is not on a tick"
    return None


def _time_in_force(intent: OrderIntent) -> str | None:
    if intent.time_in_force in _AUCTIONS and intent.type not in (OrderType.MARKET, OrderType.LIMIT):
        return f"{intent.time_in_force} takes market and limit orders only"
    if intent.extended_hours and intent.type is not OrderType.LIMIT:
        return "extended hours take limit orders only"
    if intent.extended_hours and intent.time_in_force not in _RESTING:
        return "extended hours take day and gtc orders only"
    return None


def _session(intent: OrderIntent, now: int, *, overnight: bool, allow_queued: bool) -> str | None:
    if asset_class(intent.symbol) is AssetClass.CRYPTO:
        return None  # it never closes
    try:
        if intent.time_in_force in _AUCTIONS:
            return _auction(intent.time_in_force, now)
        session = session_at(now)
    except DataError as error:
        return error.what
    working = {Session.CORE}
    if intent.extended_hours:
        working |= {Session.PRE, Session.POST, *([Session.OVERNIGHT] if overnight else [])}
    if session in working or allow_queued:
        return None
    return f"it would wait for a later session, the present one is {session}"


def _auction(time_in_force: TimeInForce, now: int) -> str | None:
    """OPG is refused from 9:28 to 19:00, CLS from 15:50 (ten minutes before an early close) to 19:00."""
    today = day(date_of(now))
    if today is None:
        return None
    wall = new_york(now).time()
    late = wall >= _OPG_ENDS if time_in_force is TimeInForce.OPG else _after_cutoff(now, today.close)
    return f"it is too late for {time_in_force} today" if late and wall < _AUCTIONS_BEGIN else None


def _after_cutoff(now: int, close: int) -> bool:
    return now >= close - _CLS_MARGIN


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
