"""Margin: what options and equities require, what an option order costs, and whether it may be sent.

The universal spread rule stands in `spread_rule`, the admission of orders in `admission`, the equity table here (Margin
and Short Selling: fact sheet section 4, source MARG, 2026-09-17). All names are public here. Decimal in and out, exact.
"""

from decimal import Decimal

from puna.core.admission import MarginCheck, Pair, check_order
from puna.core.spread_rule import (
    OptionPosition,
    Right,
    UnlimitedRisk,
    maintenance_margin,
    order_cost_basis,
    payoff,
)
from puna.core.types import ZERO

__all__ = [
    "MarginCheck",
    "OptionPosition",
    "Pair",
    "Right",
    "UnlimitedRisk",
    "check_order",
    "equity_initial_margin",
    "equity_maintenance_margin",
    "maintenance_margin",
    "order_cost_basis",
    "payoff",
]


def equity_initial_margin(price: Decimal, quantity: Decimal, *, marginable: bool = True) -> Decimal:
    """50 % of the position's value, 100 % where the asset is not marginable (MARG)."""
    value = abs(price * quantity)
    return value / 2 if marginable else value


def equity_maintenance_margin(
    price: Decimal,
    quantity: Decimal,
    *,
    leverage: int = 1,
    marginable: bool = True,
    concentrated: bool = False,
) -> Decimal:
    """Maintenance for a position of `quantity` shares, negative when short (MARG, 2026-09-17).

    Long: below 2.50 100 %; 2.50 to 6.00 50 %; above 30 %; 2x funds 50 %, 3x funds 75 %. Short: below 5.00 the greater
    of 2.50 a share and 100 %, else the greater of 5.00 a share and 30 %. A band and a fund's rate: the greater holds.

    Args:
        price: of a share, dollars.
        quantity: shares.
        leverage: of a leveraged fund (2 or 3; an inverse one counts by its size); 1 for everything else.
        marginable: False: the whole value of a long.
        concentrated: it makes 70 % or more of all equities, with a debit of 100,000 or more: 50 % at least.
    """
    shares, value = abs(quantity), abs(price * quantity)
    if quantity < 0:
        per_share, rate = (Decimal("2.50"), Decimal(1)) if price < 5 else (Decimal("5.00"), Decimal("0.30"))
        return max(per_share * shares, rate * value)
    if not marginable:
        return value
    least = _CONCENTRATED if concentrated else ZERO
    return max(_long_rate(price), _FUND_RATES.get(abs(leverage), ZERO), least) * value


_CONCENTRATED = Decimal("0.50")
_FUND_RATES = {2: Decimal("0.50"), 3: Decimal("0.75")}


def _long_rate(price: Decimal) -> Decimal:
    if price < Decimal("2.50"):
        return Decimal(1)
    return Decimal("0.50") if price <= 6 else Decimal("0.30")
