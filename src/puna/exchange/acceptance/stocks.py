"""Acceptance of orders in US stocks: fractions, auctions, trailing stops, sub-pennies, sessions, short sales."""

from datetime import time
from decimal import Decimal

from puna.core import sessions
from puna.exchange.orders.groups import CLASSES
from puna.exchange.orders.hours import AUCTIONS
from puna.exchange.orders.situation import Situation, cost, is_fractional, is_opening, market_price, shares
from puna.exchange.refusals import Refusal, forbidden, unprocessable
from puna.wire.trading import OrderRequest

__all__ = [
    "auctions",
    "extended_hours",
    "fractional",
    "minimum",
    "partnership",
    "price_away",
    "short_sale",
    "sub_penny",
    "trailing",
]

ONE, CENT = Decimal(1), Decimal("0.01")
_SMALL_ACCOUNT = Decimal(2000)
_EVENING = time(19)
_MINUTE = 60 * 1_000_000_000


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
    """Parts of shares: day only, simple only, and not of every stock (facts.md 3, 5.2; first and last two INF)."""
    if not is_fractional(request) or here.asset is None:
        return None
    extended = request.extended_hours and "fractional_eh_enabled" not in (here.asset.attributes or ())
    barred = not here.options.fractional_trading and is_opening(request, here)
    answers = (
        (barred, forbidden("account is not allowed to trade fractional shares")),
        (request.order_class in CLASSES, unprocessable("fractional orders must be simple orders")),
        (request.time_in_force != "day", unprocessable("fractional orders must be DAY orders")),
        (not here.asset.fractionable, forbidden(f'asset "{here.asset.symbol}" is not fractionable')),
        (request.type == "trailing_stop", unprocessable("fractional orders cannot be trailing stop orders")),
        (extended, unprocessable(f'asset "{here.asset.symbol}" is not fractionable in extended hours')),
    )
    return next((refusal for applies, refusal in answers if applies), None)


def partnership(request: OrderRequest, here: Situation) -> Refusal | None:
    """A partnership without exception is bought by those only who have said so (SPEC-T, configurations; INF)."""
    if here.asset is None or here.options.ptp_entry or "ptp_no_exception" not in (here.asset.attributes or ()):
        return None
    if request.side == "sell" or not is_opening(request, here):
        return None
    return forbidden(f'asset "{here.asset.symbol}" is a publicly traded partnership without exception')


def auctions(request: OrderRequest, here: Situation) -> Refusal | None:
    """Orders for the opening and the closing auction: market or limit, in time (ERR; facts.md 5.2, ORD; types INF)."""
    if request.time_in_force not in AUCTIONS:
        return None
    if request.type not in ("market", "limit"):
        return unprocessable(f"{request.time_in_force} orders must be market or limit orders")
    if _is_too_late(request.time_in_force or "", here):
        until = {"opg": "9:28am", "cls": "3:55pm"}[request.time_in_force or ""]
        return forbidden(f"{request.time_in_force} orders must be submitted after 7:00pm and before {until}")
    return None


def _is_too_late(auction: str, here: Situation) -> bool:
    """Between the cut-off of a trading day and 19:00; a half day's close brings its cut-off forward (INF)."""
    today = sessions.day(sessions.date_of(here.now))
    if today is None or sessions.new_york(here.now).time() >= _EVENING:
        return False
    if auction == "opg":
        return here.now >= today.open - 2 * _MINUTE
    return here.now >= today.close - here.options.cls_cutoff_minutes * _MINUTE


def trailing(request: OrderRequest, _: Situation) -> Refusal | None:
    """Trailing stops: day or gtc, simple (facts.md 5.2; wordings INF)."""
    if request.type != "trailing_stop":
        return None
    if request.order_class in CLASSES:
        return unprocessable("trailing stop orders must be simple orders")
    if request.time_in_force not in ("day", "gtc"):
        return unprocessable("trailing stop orders must be DAY or GTC orders")
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


def price_away(request: OrderRequest, here: Situation) -> Refusal | None:
    """A limit far on the wrong side of the market. Alpaca has such a check, but no source says how far (PROT; INF)."""
    most, limit, price = here.options.price_away, request.limit_price, market_price(here)
    if most is None or limit is None or price is None:
        return None
    if limit <= price * (1 + most) if request.side == "buy" else limit >= price * (1 - most):
        return None
    return unprocessable(f"limit_price {limit:f} is too far away from the market price {price.normalize():f}")


def short_sale(request: OrderRequest, here: Situation) -> Refusal | None:
    """Who may short, and what (facts.md 5.2, MARG; "cannot be sold short": find_string 68905162627, 54650649426)."""
    if request.side == "buy" or not is_opening(request, here) or here.asset is None:
        return None
    if is_fractional(request):
        return unprocessable("fractional orders cannot be sold short")
    small = here.equity < _SMALL_ACCOUNT or here.options.multiplier == 1
    if not here.options.shorting_enabled or small:
        return forbidden("account is not allowed to short")
    hard = here.asset.easy_to_borrow is False and shares(request, here) > here.located
    if not here.asset.shortable or hard:
        return unprocessable(f'asset "{here.asset.symbol}" cannot be sold short')
    return None


def minimum(request: OrderRequest, here: Situation) -> Refusal | None:
    """Orders in dollars or parts of shares are worth one dollar at least (facts.md 3 and 5.2)."""
    if is_fractional(request) and is_opening(request, here) and (cost(request, here) or ONE) < ONE:
        return forbidden("cost basis must be >= minimal amount of order 1")
    return None
