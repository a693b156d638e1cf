"""What acceptance depends on, and what follows for a request: does it open, at which price, at what cost?"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeAlias

from puna.core.sessions import Session
from puna.exchange.orders.live import LiveOrder, amount
from puna.exchange.orders.trailing import first_stop
from puna.exchange.refusals import Refusal
from puna.exchange.terms import VenueOptions
from puna.wire.contracts import OptionContract
from puna.wire.trading import Asset, OrderRequest

__all__ = [
    "Rule",
    "Situation",
    "cost",
    "first_refusal",
    "intent",
    "is_fractional",
    "is_opening",
    "limit_of",
    "market_price",
    "shares",
    "value_price",
]

_CENT, _SUB_PENNY = Decimal("0.01"), Decimal("0.0001")


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that acceptance depends on, besides the request.

    Args:
        options: the venue's terms.
        now: market time.
        session: which session runs.
        asset: what the symbol names, or None.
        held: the position, negative when short.
        available: what of it no open order has claimed, positive.
        open_orders: open orders of the same symbol; an order to be replaced is not among them.
        known: every client_order_id that was ever used.
        buying_power: what opening orders may cost.
        equity: the account's.
        bid: best bid now, None when there is none.
        ask: best ask now.
        last: the last price that is known.
        located: shares of a hard-to-borrow stock that a locate is good for.
        is_restricted: whether the account may only close.
        over: whether the symbol names a contract that has expired.
        halted: whether trading in the symbol is halted.
        cash_power: what options and coins may cost: money that margin does not multiply.
        contract: of an option.
        options_held: every option held on the same underlying.
        free_shares: shares of an option's underlying that nothing has claimed.
    """

    options: VenueOptions
    now: int
    session: Session
    asset: Asset | None
    held: Decimal
    available: Decimal
    open_orders: Sequence[LiveOrder]
    known: Container[str]
    buying_power: Decimal
    equity: Decimal
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    located: Decimal = Decimal(0)
    is_restricted: bool = False
    over: bool = False
    halted: bool = False
    cash_power: Decimal = Decimal(0)
    contract: OptionContract | None = None
    options_held: Mapping[str, Decimal] = field(default_factory=dict)
    free_shares: Decimal = Decimal(0)


Rule: TypeAlias = Callable[[OrderRequest, Situation], Refusal | None]


def first_refusal(rules: Sequence[Rule], request: OrderRequest, here: Situation) -> Refusal | None:
    """What the first rule says that refuses; None when none does."""
    for rule in rules:
        if refusal := rule(request, here):
            return refusal
    return None


def is_opening(request: OrderRequest, here: Situation) -> bool:
    """Whether it opens or adds to a position, rather than closing one."""
    return here.held >= 0 if request.side == "buy" else here.held <= 0


def intent(request: OrderRequest, here: Situation) -> str:
    """Alpaca's word for that."""
    return f"{request.side}_to_{'open' if is_opening(request, here) else 'close'}"


def limit_of(request: OrderRequest, options: VenueOptions) -> Decimal | None:
    """The worst price it may trade at. A buy stop carries one: 4 % above a stop below 50, else 2.5 % (ORD)."""
    if options.buy_stop_limits and request.type == "stop" and request.side == "buy" and request.stop_price is not None:
        limit = request.stop_price * (Decimal("1.04") if request.stop_price < 50 else Decimal("1.025"))
        return limit.quantize(_CENT if limit >= 1 else _SUB_PENNY, ROUND_HALF_UP)
    return request.limit_price


def market_price(here: Situation) -> Decimal | None:
    """The ask in core hours, the midpoint in extended hours, the last price otherwise (facts.md 5.2, ORD)."""
    if here.ask is None or here.bid is None:
        return here.ask if here.ask is not None else here.last
    return here.ask if here.session is Session.CORE else (here.bid + here.ask) / 2


def value_price(request: OrderRequest, here: Situation) -> Decimal | None:
    """What one share of an opening order counts as (facts.md 5.2, ORD); None when no price is known.

    A buy that waits for a stop counts as the stop at least (INF where no limit goes with it).
    """
    limit = limit_of(request, here.options)
    if request.side == "buy":
        if limit is not None:
            return limit
        price, stop = market_price(here), _stop(request, here)
        return price if stop is None or price is None else max(price, stop)
    ask = here.ask if here.ask is not None else here.last
    known = [price for price in (limit, ask and ask * Decimal("1.03")) if price is not None]
    return max(known, default=None)


def _stop(request: OrderRequest, here: Situation) -> Decimal | None:
    if request.type == "trailing_stop" and here.last is not None:
        return first_stop(request, here.last)
    return request.stop_price


def cost(request: OrderRequest, here: Situation) -> Decimal | None:
    """What an opening order counts as in all; None when no price is known."""
    if request.notional is not None:
        return request.notional
    price = value_price(request, here)
    return None if price is None else price * (request.qty or 0)


def shares(request: OrderRequest, here: Situation) -> Decimal:
    """The quantity; for a notional order what it would be now."""
    if request.qty is not None:
        return amount(request.qty)
    price = (here.bid if request.side == "sell" else here.ask) or here.last
    return amount((request.notional or Decimal(0)) / price) if price else Decimal(0)


def is_fractional(request: OrderRequest) -> bool:
    """Whether it is in dollars or in parts of shares."""
    return request.notional is not None or bool(request.qty is not None and request.qty % 1)
