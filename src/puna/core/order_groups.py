"""Which exits, trails, amounts of money and packages the broker's table admits (facts.md 5.2 and 5.3).

`violation` answers the first rule that an intent breaks, in words, or None; what every order has is in `order_table`.
"""

from decimal import Decimal
from functools import reduce
from math import gcd

from puna.core.symbols import asset_class, is_symbol, on_tick, underlying
from puna.core.types import AssetClass, OrderClass, OrderIntent, OrderType, Side, StopLoss, TakeProfit, TimeInForce

__all__ = ["violation"]

_CENT = Decimal("0.01")
_RESTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_GROUPS = frozenset({OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO})
_PACKAGE_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
_FEWEST, _MOST = 2, 4


def violation(intent: OrderIntent) -> str | None:
    """The first rule that is broken."""
    return _trail(intent) or _money(intent) or _exits(intent) or _package(intent)


def _trail(intent: OrderIntent) -> str | None:
    trails = [each for each in (intent.trail_price, intent.trail_percent) if each is not None]
    if intent.type is not OrderType.TRAILING_STOP:
        return "only a trailing stop has a trail" if trails else None
    if len(trails) != 1 or not trails[0].is_finite() or trails[0] <= 0:
        return "a trailing stop needs one trail, in dollars or in percent, above 0"
    if intent.order_class is not OrderClass.SIMPLE:
        return "a trailing stop stands alone: it cannot be part of a bracket"
    if intent.time_in_force not in _RESTING or intent.extended_hours:
        return "a trailing stop is a day or gtc order of the core session"
    return None


def _money(intent: OrderIntent) -> str | None:
    money = intent.notional
    if money is None:
        return None
    if not money.is_finite() or money < 1:
        return "an order for money is for at least 1.00"
    if intent.order_class is not OrderClass.SIMPLE or asset_class(intent.symbol) is AssetClass.US_OPTION:
        return "an order for money is a simple order of a stock or a coin"
    stock = asset_class(intent.symbol) is AssetClass.US_EQUITY
    if stock and (intent.time_in_force is not TimeInForce.DAY or intent.extended_hours):
        return "an order for money is a day order of the core session"
    return None


def _exits(intent: OrderIntent) -> str | None:
    gain, loss, kind = intent.take_profit, intent.stop_loss, intent.order_class
    if kind not in _GROUPS:
        return "exits belong to bracket, oco and oto orders" if gain or loss else None
    needed = 1 if kind is OrderClass.OTO else 2
    if len([each for each in (gain, loss) if each]) != needed:
        return f"{'an' if kind[0] == 'o' else 'a'} {kind} order has {'one exit' if needed == 1 else 'two exits'}"
    if asset_class(intent.symbol) is not AssetClass.US_EQUITY or intent.qty != intent.qty.to_integral_value():
        return f"{kind} orders are for whole shares"
    if intent.time_in_force not in _RESTING or intent.extended_hours:
        return f"{kind} orders are day or gtc orders of the core session"
    if kind is OrderClass.OCO and intent.type is not OrderType.LIMIT:
        return "the first exit of an oco order is a limit order"
    return _exit_prices(intent, gain, loss)


def _exit_prices(intent: OrderIntent, gain: TakeProfit | None, loss: StopLoss | None) -> str | None:
    prices = [gain.limit_price] if gain else []
    prices += [each for each in (loss.stop_price, loss.limit_price) if each is not None] if loss else []
    if not all(each.is_finite() and each > 0 and on_tick(intent.symbol, each) for each in prices):
        return "the prices of exits are positive and on a tick"
    # Exits of a purchase sell, so the profit lies above the loss; an oco order is the exit itself.
    exit_side = intent.side if intent.order_class is OrderClass.OCO else intent.side.opposite
    up = 1 if exit_side is Side.SELL else -1
    if gain and loss and (gain.limit_price - loss.stop_price) * up < _CENT:
        return "the profit must lie on the profitable side of the loss, a cent away at least"
    entry = intent.limit_price if intent.order_class is not OrderClass.OCO else None
    if entry is not None and loss and (entry - loss.stop_price) * up < _CENT:
        return "the stop must lie a cent away from the entry at least, on the losing side"
    return None


def _package(intent: OrderIntent) -> str | None:
    legs = intent.legs
    if intent.order_class is not OrderClass.MLEG:
        return "legs belong to multi-leg orders" if legs else None
    if not _FEWEST <= len(legs) <= _MOST:
        return f"a multi-leg order has {_FEWEST} to {_MOST} legs"
    return _legs(intent) or _package_terms(intent)


def _legs(intent: OrderIntent) -> str | None:
    legs = intent.legs
    if not all(is_symbol(leg.symbol) and asset_class(leg.symbol) is AssetClass.US_OPTION for leg in legs):
        return "every leg is an option"
    if len({leg.symbol for leg in legs}) < len(legs):
        return "every leg is another contract"
    if {underlying(leg.symbol) for leg in legs} != {intent.symbol}:
        return "all legs are on one underlying"
    if min(leg.ratio for leg in legs) < 1 or reduce(gcd, (leg.ratio for leg in legs)) != 1:
        return "the ratios are whole and have no common divisor: order more packages instead"
    return None


def _package_terms(intent: OrderIntent) -> str | None:
    if intent.qty != intent.qty.to_integral_value():
        return "packages are whole"
    if intent.type not in _PACKAGE_TYPES or intent.time_in_force is not TimeInForce.DAY or intent.extended_hours:
        return "a multi-leg order is a market or limit order of the day's core session"
    price = intent.limit_price
    if price is not None and not (price.is_finite() and price % _CENT == 0):
        return "the net price of a package is in whole cents"
    return None
