"""What options an order and a portfolio hold, as the margin rules see them, and what an order of them can lose."""

from decimal import Decimal

from puna.core.margin import OptionPosition, Right, UnlimitedRisk, order_cost_basis
from puna.core.portfolio import Portfolio
from puna.core.symbols import Equity, Option, parse
from puna.core.types import ZERO, OrderIntent, Side
from puna.errors import DataError

__all__ = [
    "held_options",
    "held_shares",
    "legs_of",
    "net_price",
    "option_position",
    "package_loss",
    "short_option_price",
]


def legs_of(intent: OrderIntent) -> tuple[OptionPosition, ...]:
    """The legs of an option order, their signed ratio as quantity; nothing for everything else."""
    if intent.legs:
        found = [option_position(leg.symbol, leg.ratio * leg.side.sign) for leg in intent.legs]
    else:
        found = [option_position(intent.symbol, intent.side.sign)]
    return tuple(each for each in found if each)


def net_price(intent: OrderIntent) -> Decimal | None:
    """Per share of one unit, a debit positive and a credit negative; None without a limit."""
    if intent.limit_price is None:
        return None
    return intent.limit_price if intent.legs or intent.side is Side.BUY else -intent.limit_price


def package_loss(intent: OrderIntent) -> Decimal | None:
    """Dollars that one unit can lose: its own margin and its net price; None when that has no bound or no limit."""
    price, legs = net_price(intent), legs_of(intent)
    if price is None or not price.is_finite() or not legs:
        return None
    try:
        return max(ZERO, order_cost_basis(legs, price, 1))
    except UnlimitedRisk:
        return None


def short_option_price(intent: OrderIntent) -> Decimal:
    """Per share, what secures one put that is sold; 0 for everything else, calls included: shares cover them."""
    if intent.side is Side.BUY or intent.legs:
        return ZERO
    legs = [leg for leg in legs_of(intent) if leg.right is Right.PUT]
    price = net_price(intent) or ZERO
    return max(ZERO, order_cost_basis(legs, price, 1) / legs[0].multiplier) if legs and price.is_finite() else ZERO


def held_options(portfolio: Portfolio) -> list[OptionPosition]:
    """Every option that is held, in contracts."""
    rows = ((symbol, held.qty) for symbol, held in portfolio.positions.items())
    return [each for symbol, qty in rows if (each := option_position(symbol, int(qty)))]


def held_shares(portfolio: Portfolio) -> dict[str, Decimal]:
    """Shares that are held, by symbol; they may cover calls."""
    rows = ((symbol, held.qty) for symbol, held in portfolio.positions.items())
    return {symbol: qty for symbol, qty in rows if qty > 0 and isinstance(_parsed(symbol), Equity)}


def option_position(symbol: str, quantity: int) -> OptionPosition | None:
    """Contracts of an OCC symbol; None when it is none."""
    found = _parsed(symbol)
    if not isinstance(found, Option):
        return None
    right = Right.CALL if found.right == "C" else Right.PUT
    return OptionPosition(found.root, found.expiration, right, found.strike, quantity)


def _parsed(symbol: str) -> object:
    try:
        return parse(symbol)
    except DataError:
        return None
