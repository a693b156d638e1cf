"""Order acceptance: what Alpaca takes, and the exact refusal it answers otherwise. A list of functions, each one rule.

Here is what holds for any order; `rules_stocks`, `rules_groups` and so on hold the rest. Sources are keys of the fact
sheet (facts.md 3 and 5); "INF" marks a wording that no source gives. An asset class trades here when `RULES` has a list
for it. What is not served is refused by name.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from puna.core.types import AssetClass, OrderType, TimeInForce
from puna.exchange.acceptance import crypto as rules_crypto
from puna.exchange.acceptance import groups as rules_groups
from puna.exchange.acceptance import options as rules_options
from puna.exchange.acceptance import positions as rules_positions
from puna.exchange.acceptance import stocks as rules_stocks
from puna.exchange.acceptance.multileg import refuse_multileg
from puna.exchange.option_margin import as_option
from puna.exchange.orders.groups import CLASSES, exit_requests, head_request
from puna.exchange.orders.live import BILLIONTH, LiveOrder
from puna.exchange.orders.multileg import LegHere
from puna.exchange.orders.situation import Rule, Situation, first_refusal
from puna.exchange.refusals import Refusal, forbidden, invalid, unprocessable
from puna.wire.trading import OrderRequest

__all__ = ["RULES", "Rule", "refuse", "refuse_change"]

_TYPES = {each.value for each in OrderType}
_TIMES = {each.value for each in TimeInForce}
_CLASSES = {"", "simple", "mleg", *CLASSES}
_LEAST_TRAIL = Decimal("0.1")


def refuse(request: OrderRequest, here: Situation, legs: Sequence[LegHere] = ()) -> Refusal | None:
    """The first rule's refusal, or None: the order is accepted.

    Args:
        request: what is asked for.
        here: all that acceptance depends on ...
        legs: ... and for a multi-leg order, its legs.
    """
    if request.order_class == "mleg":
        return first_refusal(_MULTILEG, request, here) or refuse_multileg(request, legs, here)
    head = head_request(request)
    if refusal := first_refusal(_ANY, head, here):
        return refusal
    return first_refusal(RULES[_class(here)], head, here)


def refuse_change(
    request: OrderRequest, here: Situation, old: LiveOrder, legs: Sequence[LegHere] = ()
) -> Refusal | None:
    """The same for the order that a replacement would be; an exit of a group is bound to the group's other orders."""
    if old.group is None or old.group.entry is old:
        return refuse(request, here, legs)
    return first_refusal(_EXIT_CHANGE, request, here) or rules_groups.refuse_exit_change(request, old)


def suspended(_: OrderRequest, here: Situation) -> Refusal | None:
    """The user's own switch, and the broker's (ERR: alpaca-java#147; reliability R24)."""
    if here.options.trade_suspended_by_user:
        return forbidden("new orders are rejected by user request")
    if here.options.trading_blocked or here.options.account_blocked:
        return invalid("us_equity orders not allowed for account")
    return None


def words(request: OrderRequest, _: Situation) -> Refusal | None:
    """Symbol, side, type and time in force are words of Alpaca's (wordings: find_string 52694518797; the rest INF)."""
    if request.legs:
        return unprocessable("legs require order_class mleg")
    if not request.symbol:
        return invalid("symbol is required")
    for name, said, known in (
        ("side", request.side, {"buy", "sell"}),
        ("order type", request.type, _TYPES),
        ("time_in_force", request.time_in_force, _TIMES),
        ("order_class", request.order_class or "", _CLASSES),
    ):
        if said not in known:
            return invalid(f"invalid {name}")
    return None


def elite(request: OrderRequest, _: Situation) -> Refusal | None:
    """Routing instructions are for another kind of account (find_string 62591221107)."""
    if request.advanced_instructions is None:
        return None
    return forbidden("account not allowed to use advanced_instructions")


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
    "trailing_stop": (set(), "", "trailing stop orders require no stop or limit price"),
}


def trail(request: OrderRequest, _: Situation) -> Refusal | None:
    """One distance for a trailing stop, none for others (ERR; find_string 52694518797, 62591221107; bounds INF)."""
    given = {name for name in ("trail_price", "trail_percent") if getattr(request, name) is not None}
    if request.type != "trailing_stop":
        kind = (request.type or "").replace("_", " ")
        return invalid(f"{kind} orders must not have {max(given)}") if given else None
    if len(given) != 1:
        return invalid("trailing stop orders must specify one of trail_price or trail_percent")
    if request.trail_price is not None and request.trail_price <= 0:
        return invalid("trail_price must be > 0")
    if request.trail_percent is not None and request.trail_percent < _LEAST_TRAIL:
        return invalid("trail_percent must be greater than or equal to 0.1")
    if request.trail_percent is not None and request.trail_percent >= 100:
        return invalid("trail_percent must be less than 100")
    return None


def client_order_id(request: OrderRequest, here: Situation) -> Refusal | None:
    """Bounded and unique for good (ERR)."""
    name, most = request.client_order_id or "", here.options.client_order_id_length
    if len(name) > most:
        return invalid(f"client_order_id must be no more than {most} characters")
    if name and name in here.known:
        return invalid("client_order_id must be unique")
    return None


def asset(request: OrderRequest, here: Situation) -> Refusal | None:
    """The symbol names something that trades (ERR; for contracts find_string 71639358728; the last wording INF)."""
    name = request.symbol or ""
    what = "contract" if as_option(name) else "asset"
    if here.over:
        return unprocessable(f'contract "{name}" is expired')
    if here.asset is None:
        return unprocessable(f'{what} "{name}" not found')
    if here.asset.status != "active" and what == "contract":
        return unprocessable(f'contract "{name}" is not active')
    if not here.asset.tradable or here.asset.status != "active":
        return unprocessable(f'{what} "{here.asset.symbol}" is not tradable')
    return None if _class(here) in RULES else unprocessable(f"{_class(here)} orders are not served by this exchange")


def halted(request: OrderRequest, here: Situation) -> Refusal | None:
    """A market order while nothing trades, where the terms refuse it (INF)."""
    if not here.halted or request.type != "market" or here.options.halted_market_orders == "held":
        return None
    return unprocessable(f'trading in "{request.symbol}" is halted')


def _class(here: Situation) -> str:
    return here.asset.asset_class if here.asset else ""


def stray_legs(request: OrderRequest, here: Situation) -> Refusal | None:
    """A simple order has no exits: the broker ignores them (alpaca-py#289), or is told not to (INF)."""
    if request.order_class in CLASSES or here.options.stray_legs == "ignored":
        return None
    if request.take_profit is not None or request.stop_loss is not None:
        return unprocessable("take_profit and stop_loss require order_class bracket, oco or oto")
    return None


def exits(request: OrderRequest, here: Situation) -> Refusal | None:
    """The exits of a group are priced like any order of their type."""
    for role, exit_ in exit_requests(request).items() if request.order_class in CLASSES else ():
        if refusal := first_refusal((prices, rules_stocks.sub_penny), exit_, here):
            said = refusal.message.replace("limit_price", f"{role}.limit_price")
            return Refusal(refusal.status, refusal.code, said.replace("stop_price", f"{role}.stop_price"))
    return None


_ANY: tuple[Rule, ...] = (
    suspended,
    words,
    elite,
    stray_legs,
    size,
    prices,
    trail,
    client_order_id,
    asset,
    halted,
    rules_positions.closing_only,
)
_MULTILEG: tuple[Rule, ...] = (suspended, client_order_id)
_EXIT_CHANGE: tuple[Rule, ...] = (suspended, prices, client_order_id, rules_stocks.sub_penny, rules_stocks.price_away)
RULES: Mapping[str, tuple[Rule, ...]] = {
    AssetClass.US_EQUITY.value: (
        rules_stocks.fractional,
        rules_groups.complete,
        rules_stocks.auctions,
        rules_stocks.trailing,
        rules_stocks.sub_penny,
        exits,
        rules_stocks.extended_hours,
        rules_groups.shape,
        rules_positions.position_intent,
        rules_groups.direction,
        rules_groups.distance,
        rules_stocks.price_away,
        rules_positions.wash_trade,
        rules_positions.enough_shares,
        rules_stocks.short_sale,
        rules_stocks.partnership,
        rules_stocks.minimum,
        rules_positions.buying_power,
    ),
    AssetClass.US_OPTION.value: (
        rules_options.kind,
        rules_options.market_hours,
        rules_options.ticks,
        rules_options.level,
        rules_positions.position_intent,
        rules_options.closing,
        rules_options.covered,
        rules_options.power,
    ),
    AssetClass.CRYPTO.value: (
        rules_crypto.kind,
        rules_crypto.increments,
        rules_positions.position_intent,
        rules_positions.wash_trade,
        rules_crypto.balance,
        rules_crypto.sizes,
    ),
}
"""Asset class -> its rules, in the order in which they are asked."""
