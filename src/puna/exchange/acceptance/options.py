"""Acceptance of single-leg option orders: contract, type, time, tick, level, and what covers a short.

Wordings are those of the docs' list of option errors (OPT, "Error Responses"; find_string 71639358728), of facts.md 3,
or INF where that is said.
"""

from decimal import Decimal

from puna.core.sessions import Session
from puna.exchange.option_margin import HUNDRED, as_option, needs
from puna.exchange.orders.groups import CLASSES
from puna.exchange.orders.instruments import option_tick
from puna.exchange.orders.live import amount
from puna.exchange.orders.situation import Situation, intent, is_opening, market_price
from puna.exchange.refusals import Refusal, forbidden, unprocessable
from puna.wire.contracts import OptionContract
from puna.wire.trading import OrderRequest

__all__ = [
    "UNCOVERED",
    "closing",
    "covered",
    "kind",
    "level",
    "market_hours",
    "power",
    "refuse_power",
    "ticks",
    "unit_cost",
]

UNCOVERED = "account not eligible to trade uncovered option contracts"


def kind(request: OrderRequest, here: Situation) -> Refusal | None:
    """Whole contracts, one leg, four types, day or gtc, core hours."""
    answers = (
        (request.order_class in CLASSES, "complex orders not supported for options trading"),
        (request.notional is not None, "notional orders are not supported for options trading"),
        (bool(request.qty is not None and request.qty % 1), "qty must be integer for options trading"),
        (request.type == "trailing_stop", "invalid order type for options trading"),
        (not _is_timely(request, here), "order_time_in_force provided not supported for options trading"),
        (bool(request.extended_hours), "extended hours is not supported for options trading"),
    )
    return next((unprocessable(message) for applies, message in answers if applies), None)


def _is_timely(request: OrderRequest, here: Situation) -> bool:
    """Day, and gtc as far as the terms go (facts.md 13.10)."""
    if request.time_in_force == "gtc":
        return here.options.option_gtc == "any" or (here.options.option_gtc == "limit" and request.type == "limit")
    return request.time_in_force == "day"


def market_hours(request: OrderRequest, here: Situation) -> Refusal | None:
    """A market order needs a market."""
    if request.type != "market" or here.session is Session.CORE:
        return None
    return unprocessable("options market orders are only allowed during market hours")


def ticks(request: OrderRequest, here: Situation) -> Refusal | None:
    """Prices stand on the ticks of the penny programme (facts.md 13.10: unsure, so switchable; wording INF)."""
    for name in ("limit_price", "stop_price") if here.options.option_ticks else ():
        price: Decimal | None = getattr(request, name)
        if price is not None and price % (tick := option_tick(here.contract, price)):
            return unprocessable(f"invalid {name} {price:f}. price must be a multiple of {tick}")
    return None


def level(request: OrderRequest, here: Situation) -> Refusal | None:
    """0 nothing; 1 what is covered; 2 long options too (facts.md 11, OPT)."""
    if not here.options.options_level:
        return forbidden("account not authorized to trade options")
    if request.side == "buy" and is_opening(request, here) and here.options.options_level < 2:
        return forbidden("account not eligible to trade long option contracts")
    return None


def closing(request: OrderRequest, here: Situation) -> Refusal | None:
    """No more than is free is closed, and nothing that covers a short goes alone (find_string 63197546347)."""
    qty = amount(request.qty or 0)
    if is_opening(request, here):
        return None
    if request.side == "buy":
        return _too_many(qty, here) if qty > here.available else None
    if qty > here.available:
        return forbidden(UNCOVERED)
    after = {**here.options_held, _symbol(here): here.held - qty}
    before_, after_ = (needs(each, largest=here.options.largest_expiration) for each in (here.options_held, after))
    if after_.shares - before_.shares > here.free_shares or after_.cash - before_.cash > here.cash_power:
        return forbidden(UNCOVERED)
    return None


def _too_many(qty: Decimal, here: Situation) -> Refusal:
    return forbidden(
        f"insufficient qty available for order (requested: {qty:f}, available: {amount(here.available):f})",
        available=f"{amount(here.available):f}",
        existing_qty=f"{amount(here.held):f}",
        held_for_orders=f"{amount(abs(here.held) - here.available):f}",
        related_orders=[each.id for each in here.open_orders if each.body.side == "buy"],
        symbol=_symbol(here),
    )


def covered(request: OrderRequest, here: Situation) -> Refusal | None:
    """A call that is written needs a hundred free shares (recorded keys: facts.md 3)."""
    option = as_option(_symbol(here))
    if option is None or option.right == "P" or intent(request, here) != "sell_to_open":
        return None
    required = amount((request.qty or Decimal(0)) * HUNDRED)
    if required <= here.free_shares:
        return None
    free = amount(here.free_shares)
    return forbidden(
        f"insufficient underlying qty available for covered call (required: {required:f}, available: {free:f})",
        available_qty=f"{free:f}",
        required_qty=f"{required:f}",
        symbol=option.root,
        underlying_asset_id=_underlying(here.contract),
    )


def power(request: OrderRequest, here: Situation) -> Refusal | None:
    """Premiums are paid, and puts secured by cash, from options_buying_power (facts.md 11, OPT)."""
    price = unit_cost(request, here)
    if price is None:
        return unprocessable(f'no price is known for contract "{_symbol(here)}"')
    return refuse_power(price * (request.qty or Decimal(0)), here)


def refuse_power(required: Decimal, here: Situation) -> Refusal | None:
    """What costs more than there is."""
    if required <= here.cash_power:
        return None
    available = amount(here.cash_power)
    return forbidden(f"insufficient options buying power (required: {amount(required):f}, available: {available:f})")


def unit_cost(request: OrderRequest, here: Situation) -> Decimal | None:
    """What one contract takes from options_buying_power: its price, or the put's strike; None without a price."""
    option = as_option(_symbol(here))
    if option is None or not is_opening(request, here):
        return Decimal(0)
    if request.side == "sell":
        return option.strike * HUNDRED if option.right == "P" else Decimal(0)
    price = request.limit_price if request.limit_price is not None else market_price(here)
    if request.stop_price is not None and price is not None and request.limit_price is None:
        price = max(price, request.stop_price)
    return None if price is None else price * HUNDRED


def _symbol(here: Situation) -> str:
    return here.asset.symbol if here.asset else ""


def _underlying(contract: OptionContract | None) -> str:
    return (contract.underlying_asset_id or "") if contract else ""
