"""Order acceptance: what Alpaca takes, and the exact refusal it answers otherwise. A list of functions, each one rule.

Sources are keys of the fact sheet (facts.md 3 and 5.2); "INF" marks a wording that no source gives. An asset class
trades here when `RULES` has a list for it; a type, time in force or class of orders is served when it stands in the
sets below. What is not served yet is refused by name.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from puna.core import symbols
from puna.core.types import AssetClass, OrderType, TimeInForce
from puna.errors import DataError
from puna.exchange.live import BILLIONTH, LiveOrder, amount
from puna.exchange.refusals import Refusal, forbidden, invalid, unprocessable
from puna.exchange.situation import Situation, cost, intent, is_fractional, is_opening, shares
from puna.wire.trading import OrderRequest

__all__ = [
    "RULES",
    "Rule",
    "refuse",
]

ONE, CENT = Decimal(1), Decimal("0.01")
TYPES = {"market", "limit", "stop", "stop_limit"}
TIMES = {"day", "gtc", "ioc", "fok"}
CLASSES = {"", "simple"}
_LATER_TYPES = {each.value for each in OrderType} - TYPES
_LATER_TIMES = {each.value for each in TimeInForce} - TIMES
_LATER_CLASSES = {"bracket", "oco", "oto", "mleg"}
_SMALL_ACCOUNT = Decimal(2000)


Rule: TypeAlias = Callable[[OrderRequest, Situation], Refusal | None]


def refuse(request: OrderRequest, here: Situation) -> Refusal | None:
    """The first rule's refusal, or None: the order is accepted."""
    if refusal := _first(_ANY, request, here):
        return refusal
    return _first(RULES[_class(here)], request, here)


def _first(rules: Sequence[Rule], request: OrderRequest, here: Situation) -> Refusal | None:
    return next((refusal for rule in rules if (refusal := rule(request, here))), None)


# What does not depend on the asset class.


def suspended(_: OrderRequest, here: Situation) -> Refusal | None:
    """The user's own switch, and the broker's (ERR: alpaca-java#147; reliability R24)."""
    if here.options.trade_suspended_by_user:
        return forbidden("new orders are rejected by user request")
    if here.options.trading_blocked or here.options.account_blocked:
        return invalid("us_equity orders not allowed for account")
    return None


def words(request: OrderRequest, _: Situation) -> Refusal | None:
    """Symbol, side, type and time in force are words of Alpaca's (wordings INF)."""
    if request.order_class == "mleg" or request.legs:
        return _not_served("order_class mleg is")
    if not request.symbol:
        return invalid("symbol is required")
    for name, said, known in (
        ("side", request.side, {"buy", "sell"}),
        ("order type", request.type, TYPES | _LATER_TYPES),
        ("time_in_force", request.time_in_force, TIMES | _LATER_TIMES),
        ("order_class", request.order_class or "", CLASSES | _LATER_CLASSES),
    ):
        if said not in known:
            return invalid(f"invalid {name}")
    return None


def size(request: OrderRequest, _: Situation) -> Refusal | None:
    """Exactly one of qty and notional, positive, at most nine decimals (ERR; facts.md 5.1; the last wording INF)."""
    if request.qty is None and request.notional is None:
        return invalid("qty or notional is required")
    if request.qty is not None and request.notional is not None:
        return invalid("only one of qty or notional is accepted")
    name, value = ("qty", request.qty) if request.qty is not None else ("notional", request.notional)
    if value is None or value <= 0:
        return invalid(f"{name} must be > 0")
    if value % BILLIONTH:
        return invalid(f"{name} must be limited to 9 decimal places")
    return None


def prices(request: OrderRequest, _: Situation) -> Refusal | None:
    """Each type has its prices, and no other (ERR; wordings for superfluous prices and of "must be > 0" INF)."""
    given = {"limit": request.limit_price, "stop": request.stop_price}
    there = {name for name, price in given.items() if price is not None}
    needed, too_few, too_many = _PRICES.get(request.type or "", (there, "", ""))
    if there != needed:
        return invalid(too_many if there - needed else too_few)
    for name, price in given.items():
        if price is not None and price <= 0:
            return invalid(f"{name} price must be > 0")
    return None


# type -> (the prices it needs, what it says without them, what it says with one too many)
_PRICES: Mapping[str, tuple[set[str], str, str]] = {
    "market": (set(), "", "market orders require no stop or limit price"),
    "limit": ({"limit"}, "limit orders require a limit price", "limit orders require no stop price"),
    "stop": ({"stop"}, "stop orders require a stop price", "stop orders require no limit price"),
    "stop_limit": ({"limit", "stop"}, "stop limit orders require both stop and limit price", ""),
}


def client_order_id(request: OrderRequest, here: Situation) -> Refusal | None:
    """Bounded and unique for good (ERR)."""
    name, most = request.client_order_id or "", here.options.client_order_id_length
    if len(name) > most:
        return invalid(f"client_order_id must be no more than {most} characters")
    if name and name in here.known:
        return invalid("client_order_id must be unique")
    return None


def _class(here: Situation) -> str:
    return here.asset.asset_class if here.asset else ""


def asset(request: OrderRequest, here: Situation) -> Refusal | None:
    """The symbol names something that trades (ERR; the wordings of the second and third INF)."""
    name = request.symbol or ""
    if here.asset is None and _is_later(name):
        return _not_served(f"{symbols.asset_class(name).value} orders are")
    if here.asset is None:
        return unprocessable(f'asset "{name}" not found')
    if not here.asset.tradable or here.asset.status != "active":
        return unprocessable(f'asset "{here.asset.symbol}" is not tradable')
    return None if _class(here) in RULES else _not_served(f"{_class(here)} orders are")


def served(request: OrderRequest, _: Situation) -> Refusal | None:
    """What this venue does not serve yet, it says so."""
    if request.type in _LATER_TYPES or request.trail_price is not None or request.trail_percent is not None:
        return _not_served("trailing_stop orders are")
    if request.time_in_force in _LATER_TIMES:
        return _not_served(f"time_in_force {request.time_in_force} is")
    if request.order_class in _LATER_CLASSES:
        return _not_served(f"order_class {request.order_class} is")
    if request.take_profit or request.stop_loss:
        return _not_served("take_profit and stop_loss are")
    return None


def _not_served(what: str) -> Refusal:
    return unprocessable(f"{what} not served by this exchange")


def _is_later(name: str) -> bool:
    try:
        return symbols.asset_class(name) is not AssetClass.US_EQUITY
    except DataError:
        return False


# US stocks.


def sub_penny(request: OrderRequest, _: Situation) -> Refusal | None:
    """From 1.00 on two decimals, below four (facts.md 5.2, ORD)."""
    for name in ("limit_price", "stop_price"):
        price: Decimal | None = getattr(request, name)
        if price is not None and price % (CENT if price >= 1 else Decimal("0.0001")):
            return unprocessable(
                f"invalid {name} {price:f}. sub-penny increment does not fulfill minimum pricing criteria"
            )
    return None


def fractional(request: OrderRequest, here: Situation) -> Refusal | None:
    """Parts of shares: day only, simple only, and not of every stock (ERR; facts.md 3 and 5.2)."""
    if not is_fractional(request) or here.asset is None:
        return None
    if (request.order_class or "") not in CLASSES:
        return unprocessable("fractional orders must be simple orders")
    if request.time_in_force != "day":
        return unprocessable("fractional orders must be DAY orders")
    if not here.asset.fractionable:
        return forbidden(f'asset "{here.asset.symbol}" is not fractionable')
    return None


def extended_hours(request: OrderRequest, here: Situation) -> Refusal | None:
    """Limit orders, day or (since 2026, facts.md 13.2) gtc."""
    if not request.extended_hours:
        return None
    times = ("day", "gtc") if here.options.extended_gtc else ("day",)
    if request.type == "limit" and request.time_in_force in times:
        return None
    allowed = "DAY or GTC" if here.options.extended_gtc else "DAY"
    return unprocessable(f"extended hours order must be {allowed} limit orders")


def position_intent(request: OrderRequest, here: Situation) -> Refusal | None:
    """What the order says it does must be what it does (facts.md 3)."""
    inferred, said = intent(request, here), request.position_intent
    if not said or said == inferred:
        return None
    return unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {said}")


def wash_trade(request: OrderRequest, here: Situation) -> Refusal | None:
    """An order that could meet an open one of ours (facts.md 5.2, PROT)."""
    for order in here.open_orders if here.options.refuse_wash_trades else ():
        if order.body.side != request.side and (reason := _meets(request, order)):
            return forbidden(
                "potential wash trade detected. use complex orders", existing_order_id=order.id, reject_reason=reason
            )
    return None


def _meets(request: OrderRequest, order: LiveOrder) -> str | None:
    if {"market", "stop"} & {request.type, order.body.type}:
        return "opposite side market/stop order exists"
    mine, theirs = request.limit_price or Decimal(0), order.body.limit_price or Decimal(0)
    buy, sell = (mine, theirs) if request.side == "buy" else (theirs, mine)
    return "opposite side limit order exists" if buy >= sell else None


def enough_shares(request: OrderRequest, here: Situation) -> Refusal | None:
    """What closes a position takes no more than is free of it; no order turns a long into a short (facts.md 5.2)."""
    if is_opening(request, here) or (request.side == "buy" and here.options.flip_to_long):
        return None
    requested = shares(request, here)
    if requested <= here.available and here.available:
        return None
    against = [order for order in here.open_orders if order.body.side == request.side]
    return forbidden(
        f"insufficient qty available for order (requested: {requested:f}, available: {amount(here.available):f})",
        available=f"{amount(here.available):f}",
        existing_qty=f"{amount(here.held):f}",
        held_for_orders=f"{amount(abs(here.held) - here.available):f}",
        related_orders=[order.id for order in against],
        symbol=here.asset.symbol if here.asset else "",
    )


def short_sale(request: OrderRequest, here: Situation) -> Refusal | None:
    """Who may short, and what (facts.md 5.2, MARG; "cannot be sold short": find_string 68905162627, 54650649426)."""
    if request.side == "buy" or not is_opening(request, here) or here.asset is None:
        return None
    if is_fractional(request):
        return unprocessable("fractional orders cannot be sold short")
    small = here.equity < _SMALL_ACCOUNT or here.options.multiplier == 1
    if not here.options.shorting_enabled or small:
        return forbidden("account is not allowed to short")
    if not here.asset.shortable or here.asset.easy_to_borrow is False:
        return unprocessable(f'asset "{here.asset.symbol}" cannot be sold short')
    return None


def minimum(request: OrderRequest, here: Situation) -> Refusal | None:
    """Orders in dollars or parts of shares are worth one dollar at least (facts.md 3 and 5.2)."""
    if is_fractional(request) and is_opening(request, here) and (cost(request, here) or ONE) < ONE:
        return forbidden("cost basis must be >= minimal amount of order 1")
    return None


def buying_power(request: OrderRequest, here: Situation) -> Refusal | None:
    """What opens must be paid for (ERR: alpaca-py#225; facts.md 5.2; the wording without any price INF)."""
    if not is_opening(request, here):
        return None
    costs = cost(request, here)
    if costs is None:
        return unprocessable(f'no price is known for asset "{request.symbol}"')
    if costs <= here.buying_power:
        return None
    return forbidden(
        "insufficient buying power",
        buying_power=f"{amount(here.buying_power):f}",
        cost_basis=f"{amount(costs):f}",
    )


_ANY: tuple[Rule, ...] = (suspended, words, size, prices, client_order_id, asset)
RULES: Mapping[str, tuple[Rule, ...]] = {
    AssetClass.US_EQUITY.value: (
        fractional,
        served,
        sub_penny,
        extended_hours,
        position_intent,
        wash_trade,
        enough_shares,
        short_sale,
        minimum,
        buying_power,
    )
}
"""Asset class -> its rules, in the order in which they are asked."""
