"""Acceptance of brackets, OCO and OTO: their parts, their direction, and how far their prices stand apart.

Source: facts.md 5.3 and 3. Wordings: "must be entry orders" recorded; "must be exit orders" find_string 63105040303;
the prices find_string 62218557789, 62782264225, 58610692049; what needs a part that is missing, facts.md 3 for the
first and INF for the rest.
"""

from decimal import Decimal

from puna.exchange.orders.groups import CLASSES
from puna.exchange.orders.live import LiveOrder
from puna.exchange.orders.situation import Situation, is_opening, market_price
from puna.exchange.refusals import Refusal, unprocessable
from puna.wire.trading import OrderRequest

__all__ = ["complete", "direction", "distance", "refuse_exit_change", "shape"]

CENT = Decimal("0.01")


def complete(request: OrderRequest, _: Situation) -> Refusal | None:
    """Both exits for a bracket and an OCO, one for an OTO."""
    if request.order_class not in CLASSES:
        return None
    missing = [
        field
        for part, field in (
            (request.take_profit, "take_profit.limit_price"),
            (request.stop_loss, "stop_loss.stop_price"),
        )
        if part is None
    ]
    if request.order_class == "oto":
        if len(missing) != 1:
            return unprocessable("oto orders require either take_profit.limit_price or stop_loss.stop_price")
        return None
    return unprocessable(f"{request.order_class} orders require {missing[0]}") if missing else None


def shape(request: OrderRequest, _: Situation) -> Refusal | None:
    """Day or gtc, no extended hours; an OCO is a limit order (facts.md 5.3; wordings INF)."""
    kind = request.order_class
    if kind not in CLASSES:
        return None
    if kind == "oco" and request.type != "limit":
        return unprocessable("oco orders must be limit orders")
    if request.time_in_force not in ("day", "gtc"):
        return unprocessable(f"{kind} orders must be DAY or GTC orders")
    if request.extended_hours:
        return unprocessable(f"{kind} orders are not supported in extended hours")
    return None


def direction(request: OrderRequest, here: Situation) -> Refusal | None:
    """A bracket and an OTO open a position, an OCO closes one."""
    if request.order_class == "oco" and is_opening(request, here):
        return unprocessable("oco orders must be exit orders")
    if request.order_class in ("bracket", "oto") and not is_opening(request, here):
        return unprocessable(f"{request.order_class} orders must be entry orders")
    return None


def distance(request: OrderRequest, here: Situation) -> Refusal | None:
    """Take-profit on the profitable side, the stop at least 0.01 away from each base price (facts.md 5.3, ORD)."""
    if request.order_class not in CLASSES:
        return None
    long = (request.side == "buy") is (request.order_class != "oco")
    profit = request.take_profit.limit_price if request.take_profit else None
    stop = request.stop_loss.stop_price if request.stop_loss else None
    return _order(profit, stop, long=long) or _apart(request, here, profit, stop, long=long)


def refuse_exit_change(request: OrderRequest, old: LiveOrder) -> Refusal | None:
    """A replaced exit stays on its side of the other one."""
    group = old.group
    if group is None or (request.limit_price == old.body.limit_price and request.stop_price == old.body.stop_price):
        return None
    profit = group.take_profit.body.limit_price if group.take_profit else None
    stop = group.stop_loss.body.stop_price if group.stop_loss else None
    if group.take_profit is old:
        profit = request.limit_price
    else:
        stop = request.stop_price
    return _order(profit, stop, long=old.body.side == "sell")


def _order(profit: Decimal | None, stop: Decimal | None, *, long: bool) -> Refusal | None:
    if profit is None or stop is None or (profit > stop if long else profit < stop):
        return None
    return unprocessable(f"take_profit.limit_price must be {'>' if long else '<'} stop_loss.stop_price")


def _apart(
    request: OrderRequest, here: Situation, profit: Decimal | None, stop: Decimal | None, *, long: bool
) -> Refusal | None:
    market = market_price(here)
    base = _base(request, market)
    bases = [base, market] if here.options.stop_away_from_market else [base]
    above, below = "must be >= base_price + 0.01", "must be <= base_price - 0.01"
    if request.order_class != "oco" and profit is not None and base is not None and not _beyond(profit, base, up=long):
        return _too_near("take_profit.limit_price", above if long else below, base)
    for each in bases:
        if stop is not None and each is not None and not _beyond(stop, each, up=not long):
            return _too_near("stop_loss.stop_price", below if long else above, each)
    return None


def _base(request: OrderRequest, market: Decimal | None) -> Decimal | None:
    """What the exits are measured by: the head's limit, else its stop, else the market."""
    if request.limit_price is not None:
        return request.limit_price
    return request.stop_price if request.stop_price is not None else market


def _beyond(price: Decimal, base: Decimal, *, up: bool) -> bool:
    return price >= base + CENT if up else price <= base - CENT


def _too_near(what: str, words: str, base: Decimal) -> Refusal:
    return Refusal(422, 42210000, f"{what} {words}", {"base_price": f"{base.normalize():f}"})
