"""Acceptance of crypto orders: types, increments, sizes, and money that is really there (facts.md 5.2, CRY; 3).

Wordings: "invalid crypto time_in_force" facts.md 3; "invalid order type for crypto order" find_string 52694518797;
"insufficient balance" recorded for a sale, INF for a purchase; increments, sizes and classes INF.
"""

from decimal import Decimal

from puna.exchange.orders.groups import CLASSES
from puna.exchange.orders.live import amount
from puna.exchange.orders.situation import Situation, cost, is_opening, shares
from puna.exchange.refusals import Refusal, forbidden, unprocessable
from puna.wire.trading import OrderRequest

__all__ = ["balance", "increments", "kind", "sizes"]

_TYPES = ("market", "limit", "stop_limit")


def kind(request: OrderRequest, _: Situation) -> Refusal | None:
    """Market, limit, stop-limit; gtc, ioc; simple."""
    if request.type not in _TYPES:
        return unprocessable("invalid order type for crypto order")
    if request.time_in_force not in ("gtc", "ioc"):
        return unprocessable("invalid crypto time_in_force")
    if request.order_class in CLASSES:
        return unprocessable("complex orders not supported for crypto trading")
    return unprocessable("extended hours is not supported for crypto trading") if request.extended_hours else None


def increments(request: OrderRequest, here: Situation) -> Refusal | None:
    """Prices and quantities in the asset's steps."""
    steps = here.asset
    if steps is None:
        return None
    for name, step in (
        ("limit_price", steps.price_increment),
        ("stop_price", steps.price_increment),
        ("qty", steps.min_trade_increment),
    ):
        value: Decimal | None = getattr(request, name)
        if step and value is not None and value % step:
            return unprocessable(f"invalid {name} {value:f}. {name} must be a multiple of {step:f}")
    return None


def sizes(request: OrderRequest, here: Situation) -> Refusal | None:
    """No dust, and nothing above 200,000 dollars."""
    worth = cost(request, here)
    if worth is None:
        return unprocessable(f'no price is known for asset "{request.symbol}"')
    least = here.options.crypto_minimum
    if worth < least and is_opening(request, here):
        return forbidden(f"cost basis must be >= minimal amount of order {least:f}")
    most = here.options.crypto_maximum
    if worth > most:
        return unprocessable(f"notional value of crypto order must be <= {most:f}")
    smallest = here.asset.min_order_size if here.asset else None
    if smallest and request.qty is not None and request.qty < smallest and request.qty != abs(here.held):
        return unprocessable(f"qty must be >= minimal qty of order {smallest:f}")
    return None


def balance(request: OrderRequest, here: Situation) -> Refusal | None:
    """No shorts and no margin: what is sold is held, what is bought is paid from cash (recorded keys)."""
    base, _, quote = (here.asset.symbol if here.asset else "").partition("/")
    if request.side == "sell":
        return _insufficient(base, quote, shares(request, here), here.available, max(here.held, Decimal(0)))
    worth = cost(request, here) or Decimal(0)
    return _insufficient(quote, quote, worth, here.cash_power, here.cash_power)


def _insufficient(what: str, quote: str, requested: Decimal, available: Decimal, held: Decimal) -> Refusal | None:
    if requested <= available and available:
        return None
    asked, free = amount(requested), amount(available)
    return forbidden(
        f"insufficient balance for {what} (requested: {asked:f}, available: {free:f})",
        available=f"{free:f}",
        balance=f"{amount(held):f}",
        symbol=quote,
    )
