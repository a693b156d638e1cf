"""Absolute ceilings of a live account: compiled in, so that no configuration and no hand at night can lift them."""

from decimal import Decimal

from puna.core.risk_view import RiskLimits

__all__ = ["CEILINGS", "above_ceilings", "unfit_for_live"]

CEILINGS: dict[str, Decimal] = {
    "max_order_value": Decimal(1_000_000),
    "max_position_value": Decimal(5_000_000),
    "max_gross_value": Decimal(10_000_000),
    "max_gross_percent": Decimal(400),
    "max_open_orders": Decimal(500),
    "max_submits": Decimal(200),
    "collar_percent": Decimal(20),
    "max_quote_age_seconds": Decimal(300),
}
"""What no configuration may exceed on a live account, whoever wrote it."""


def above_ceilings(limits: RiskLimits) -> list[str]:
    """The limits that a live account does not accept, in words that begin with the limit's name."""
    rows = ((name, Decimal(str(getattr(limits, name))), most) for name, most in CEILINGS.items())
    return [
        f"{name} is {value:f}, and a live account takes at most {most:f}" for name, value, most in rows if value > most
    ]


def unfit_for_live(limits: RiskLimits) -> list[str]:
    """Why a live account is not traded under these limits; nothing when it may be."""
    unnamed = [] if limits.allowed else ["allowed names no symbols, and a live account trades only what is named"]
    return [*above_ceilings(limits), *unnamed]
