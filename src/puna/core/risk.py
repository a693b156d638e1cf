"""Pre-trade risk: a list of checks, each an order and a view of the world -> Breach or None; the first breach wins.

A view holds what is open already, as reservations that nothing has released yet, so orders that are under way at once
cannot jointly pass a limit: whoever checks must reserve before the next check (one lock, I10). The rules stand in
`risk_rules` and `risk_gates`. Limits of a strategy or a symbol tighten the account's, never loosen them.

A true reduction is opposite to the position and, with every open order of that side, no larger than it. It passes all
checks but those that reliability.md section 4 lets refuse one: rows 1, 3, 9 and 11 (`BINDING`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from puna.core import risk_gates as gates
from puna.core import risk_rules as rules
from puna.core.decimals import exactly
from puna.core.remembered import remembered
from puna.core.risk_finding import Finding, Rule, measured
from puna.core.risk_view import (
    Listing,
    Lock,
    Narrow,
    Reservation,
    RiskLimits,
    RiskView,
    Submit,
    Tally,
    TradingState,
)
from puna.core.risk_worst_case import protected_price, reduces
from puna.core.types import OrderIntent
from puna.errors import DataError

__all__ = [
    "BINDING",
    "CHECKS",
    "Breach",
    "Check",
    "Finding",
    "Listing",
    "Lock",
    "Narrow",
    "Reservation",
    "RiskLimits",
    "RiskView",
    "Submit",
    "Tally",
    "TradingState",
    "Verdict",
    "asked",
    "check",
    "narrowed",
    "protected_price",
    "reduces",
    "verdicts",
]


class Breach(msgspec.Struct, frozen=True):
    """A refusal: a stable code and name, words for people, and what was seen against what is allowed."""

    code: str
    name: str
    message: str
    observed: str = ""
    limit: str = ""


@dataclass(frozen=True)
class Check:
    """A rule with its code and name; `text` says what it refuses and which row of reliability.md section 4 it is.

    `limits` names what must be set for it to be asked at all; nothing: it is always asked.
    """

    code: str
    name: str
    rule: Rule
    limits: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.rule.__doc__ or ""

    @exactly
    def __call__(self, intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Breach | None:
        return _first((self,), intent, view, limits)


@exactly
def check(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Breach | None:
    """The first breach, or None: the order may be reserved and sent."""
    limits = narrowed(limits, intent)
    return _first(_asked(intent, view, limits), intent, view, limits)


def _first(checks: "Iterable[Check]", intent: OrderIntent, view: RiskView, limits: RiskLimits) -> Breach | None:
    """What the first check that finds something says."""
    for each in checks:
        try:
            found = each.rule(intent, view, limits)
        except (ArithmeticError, DataError, KeyError) as error:  # a NaN in a comparison, a symbol without a value
            found = Finding(f"what the check needs is no number or no symbol ({type(error).__name__})")
        if found:
            return Breach(each.code, each.name, found.message, str(found.observed), str(found.limit))
    return None


class Verdict(NamedTuple):
    """What a check says: its breach, if it refuses, and every comparison that it made."""

    check: Check
    breach: Breach | None
    measured: tuple[Finding, ...]


@exactly
def verdicts(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> list[Verdict]:
    """What every check says, in the order in which they are asked: for people who want to know why."""
    limits, found = narrowed(limits, intent), list[Verdict]()
    for each in _asked(intent, view, limits):
        with measured() as rows:
            breach = each(intent, view, limits)
        found.append(Verdict(each, breach, tuple(rows)))
    return found


def _asked(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> "tuple[Check, ...]":
    return BINDING if reduces(intent, view) else asked(limits)


@remembered(8)
def asked(limits: RiskLimits) -> "tuple[Check, ...]":
    """The checks that these limits switch on, in their order."""
    off = RiskLimits()

    def switched_on(each: Check) -> bool:
        return not each.limits or any(getattr(limits, name) != getattr(off, name) for name in each.limits)

    return tuple(filter(switched_on, CHECKS))


def narrowed(limits: RiskLimits, intent: OrderIntent) -> RiskLimits:
    """The limits that hold for this order: of account, strategy and symbol the tightest."""
    return _narrowed(limits, intent) if limits.narrow else limits


@remembered(8)
def _narrowed(limits: RiskLimits, intent: OrderIntent) -> RiskLimits:
    fitting = [each for each in limits.narrow if each.fits(intent)]
    if not fitting:
        return limits
    return replace(
        limits,
        max_order_qty=_least(limits.max_order_qty, (each.max_order_qty for each in fitting)),
        max_order_value=_least(limits.max_order_value, (each.max_order_value for each in fitting)),
        max_position_value=_least(limits.max_position_value, (each.max_position_value for each in fitting)),
        max_repeats=min(
            (each for each in (limits.max_repeats, *(row.max_repeats for row in fitting)) if each is not None),
            default=None,
        ),
        allow_short=limits.allow_short and all(each.allow_short for each in fitting),
    )


def _least(account: Decimal, others: Iterable[Decimal | None]) -> Decimal:
    return min([account, *(each for each in others if each is not None)])


BINDING: tuple[Check, ...] = (
    Check("R101", "trading_state", rules.trading_state),
    Check("R103", "order_rules", rules.order_rules),
    Check("R109", "duplicate", rules.duplicate),
    Check("R111", "message_rate", rules.message_rate),
)
"""What may refuse even a true reduction."""

CHECKS: tuple[Check, ...] = (
    *BINDING,
    Check("R102", "instrument", rules.instrument),
    Check("R115", "deadline", rules.deadline),
    Check("R116", "flip", rules.flip),
    Check("R117", "short_sale", rules.short_sale),
    Check("R110", "quote", rules.quote_fresh),
    Check("R128", "clock", gates.clock),
    Check("R108", "price_collar", rules.price_collar),
    Check("R105", "order_quantity", rules.order_quantity),
    Check("R118", "liquidity", gates.liquidity, ("max_adv_percent",)),
    Check("R106", "order_value", rules.order_value),
    Check("R127", "options", gates.options),
    Check("R104", "position_cap", rules.position_cap),
    Check("R107", "exposure", rules.exposure),
    Check("R119", "group", gates.group, ("groups",)),
    Check("R120", "budget", gates.budget, ("narrow",)),
    Check("R112", "open_orders", rules.open_orders),
    Check("R113", "buying_power", rules.buying_power),
    Check("R126", "maintenance", gates.maintenance),
    Check("R114", "self_match", rules.self_match),
    Check("R125", "repeats", gates.repeats, ("max_repeats",)),
    Check("R122", "spread", gates.spread, ("max_spread_bp",)),
    Check("R123", "volatility", gates.volatility, ("max_volatility_percent",)),
    Check("R124", "blackout", gates.blackout, ("open_blackout_minutes", "close_blackout_minutes")),
    Check("R121", "protection", gates.protection),
    Check("R129", "unprotected", gates.unprotected, ("max_unprotected_seconds",)),
)
"""All checks, in the order in which they are asked; some only where their limit is set."""
