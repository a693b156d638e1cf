"""Acceptance of multi-leg option orders (facts.md 5.3 and 11, L3).

Wordings: the docs' list of option errors (OPT, "Error Responses"; find_string 71639358728); facts.md 3 for the common
divisor and uncovered legs; find_string 52694518797 for the number of legs; INF for equal legs and ratios.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from puna.core.sessions import Session
from puna.exchange.acceptance.options import UNCOVERED, refuse_power
from puna.exchange.option_margin import as_option, needs
from puna.exchange.orders.live import amount
from puna.exchange.orders.multileg import LegHere, after, common_divisor, cost_basis, intent_of, net_price, side_of
from puna.exchange.orders.situation import Situation
from puna.exchange.refusals import Refusal, forbidden, invalid, unprocessable
from puna.wire.trading import OrderRequest

__all__ = ["refuse_multileg"]

CENT = Decimal("0.01")
Legs: TypeAlias = Sequence[LegHere]
LegRule: TypeAlias = Callable[[OrderRequest, Legs, Situation], Refusal | None]


def refuse_multileg(request: OrderRequest, legs: Legs, here: Situation) -> Refusal | None:
    """The first rule's refusal, or None: the order is accepted."""
    return next((refusal for rule in _RULES if (refusal := rule(request, legs, here))), None)


def terms(request: OrderRequest, _: Legs, here: Situation) -> Refusal | None:
    """Market or limit, day; whole units; a price where one belongs, on a cent."""
    times = ("day", "gtc") if here.options.multileg_gtc else ("day",)
    limit = request.limit_price
    answers = (
        (request.type not in ("market", "limit"), unprocessable("invalid order type for options trading")),
        (request.time_in_force not in times, unprocessable("invalid time in force")),
        (request.qty is None, invalid("qty is required")),
        (request.qty is not None and request.qty <= 0, invalid("qty must be > 0")),
        (bool((request.qty or 0) % 1), unprocessable("qty must be integer for options trading")),
        (bool(request.extended_hours), unprocessable("extended hours is not supported for options trading")),
        (request.type == "limit" and limit is None, unprocessable("limit price is required for limit orders")),
        (request.type == "market" and limit is not None, unprocessable("limit price is only valid for limit orders")),
        (limit is not None and bool(limit % CENT), unprocessable("invalid limit price")),
    )
    return next((refusal for applies, refusal in answers if applies), None)


def shape(request: OrderRequest, legs: Legs, _: Situation) -> Refusal | None:
    """Two to four different legs, each with a direction and a whole ratio, and no common divisor."""
    if not 2 <= len(legs) <= 4 or request.legs is None:
        return unprocessable("mleg orders must have at least 2 legs and at most 4 legs")
    for index, leg in enumerate(request.legs):
        if side_of(leg) not in ("buy", "sell"):
            return unprocessable(f"leg.{index} position intent is required")
        if leg.ratio_qty <= 0 or leg.ratio_qty % 1:
            return unprocessable(f"leg.{index} ratio_qty must be a positive integer")
    if len({leg.symbol for leg in legs}) < len(legs):
        return unprocessable("mleg orders must have unique legs")
    divisor = common_divisor(request.legs)
    ratios = " ".join(f"{leg.ratio_qty.normalize():f}" for leg in request.legs)
    if divisor > 1:
        return unprocessable(f"leg ratio quantities should be relatively prime: GCD[{ratios}] = {divisor}")
    return None


def contracts(_: OrderRequest, legs: Legs, __: Situation) -> Refusal | None:
    """Options that exist and live, on one underlying."""
    for leg in legs:
        if leg.over:
            return unprocessable(f'contract "{leg.symbol}" is expired')
        if leg.asset is None:
            return unprocessable(f"asset not found for {leg.symbol}")
        if leg.contract is None:
            return unprocessable("equity legs are allowed only with a corresponding amount of call contracts")
        if not leg.contract.tradable:
            return unprocessable(f'contract "{leg.symbol}" is not tradable')
    roots = [option.root for leg in legs if (option := as_option(leg.symbol))]
    other = next((root for root in roots if root != roots[0]), None)
    return unprocessable(f"underlying asset mismatch: {roots[0]} != {other}") if other else None


def market_hours(request: OrderRequest, _: Legs, here: Situation) -> Refusal | None:
    """A market order needs a market."""
    if request.type != "market" or here.session is Session.CORE:
        return None
    return unprocessable("options market orders are only allowed during market hours")


def intents(_: OrderRequest, legs: Legs, __: Situation) -> Refusal | None:
    """What a leg says it does must be what it does."""
    for leg in legs:
        inferred, said = intent_of(leg), leg.asked.position_intent
        if said and said != inferred:
            return unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {said}")
    return None


def level(_: OrderRequest, __: Legs, here: Situation) -> Refusal | None:
    """Spreads need level 3."""
    if not here.options.options_level:
        return forbidden("account not authorized to trade options")
    if here.options.options_level < 3:
        return forbidden("account not eligible to trade spreads or uncovered contracts")
    return None


def closing(request: OrderRequest, legs: Legs, _: Situation) -> Refusal | None:
    """A leg closes no more than is free."""
    for leg in legs:
        asked = amount((request.qty or Decimal(0)) * leg.asked.ratio_qty)
        if intent_of(leg).endswith("close") and asked > leg.available:
            return forbidden(
                f"insufficient qty available for order (requested: {asked:f}, available: {amount(leg.available):f})",
                available=f"{amount(leg.available):f}",
                existing_qty=f"{amount(leg.held):f}",
                held_for_orders=f"{amount(abs(leg.held) - leg.available):f}",
                symbol=leg.symbol,
            )
    return None


def covered(_: OrderRequest, legs: Legs, __: Situation) -> Refusal | None:
    """Each short that is opened is covered by a long that is opened in the same order, of its kind and expiration."""
    balance: Counter[tuple[object, str]] = Counter()
    for leg in legs:
        option = as_option(leg.symbol)
        if option is not None and intent_of(leg).endswith("open"):
            balance[option.expiration, option.right] += int(leg.signed_ratio)
    if all(each >= 0 for each in balance.values()):
        return None
    return forbidden("mleg uncovered short contracts not allowed, please use single leg order")


def power(request: OrderRequest, legs: Legs, here: Situation) -> Refusal | None:
    """Margin and net price out of options_buying_power; nothing that covered a short is left without."""
    qty, net = request.qty or Decimal(0), request.limit_price
    if net is None:
        net = net_price([(leg.signed_ratio, leg.bid, leg.ask) for leg in legs])
    if net is None:
        return unprocessable("no price is known for the legs of the order")
    more = needs(after(here.options_held, legs, qty)).shares - needs(here.options_held).shares
    if more > here.free_shares:
        return forbidden(UNCOVERED)
    return refuse_power(max(cost_basis(here.options_held, legs, qty, net, here.options), Decimal(0)), here)


_RULES: tuple[LegRule, ...] = (terms, shape, contracts, market_hours, level, intents, closing, covered, power)
