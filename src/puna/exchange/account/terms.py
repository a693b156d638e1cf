"""The terms of an account beside those of its orders: what days, corporate actions and expiries do to it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from puna.exchange.account.actions import CorporateEvent

__all__ = ["AccountTerms", "Assignment"]


@dataclass(frozen=True)
class Assignment:
    """So many contracts of a short option are assigned at the beginning of that day."""

    symbol: str
    on: date
    qty: Decimal = Decimal(1)


@dataclass(frozen=True, kw_only=True)
class AccountTerms:
    """How the account lives. The defaults are those of paper, where the sources describe it (facts.md 9).

    Args:
        compressed_fifo: costs become those of compressed first-in-first-out over night (facts.md 5.5, AEP); False keeps
            the weighted average of the day.
        positions_lag_ns: how long positions show what was before a fill, though the order shows it.
        coin_fees_at: when a coin's fee leaves the position: with its "trade", or at "day_end"; the activity (CFEE)
            comes at the end of the day either way (facts.md 10, CRY). Only where `VenueOptions.fees` is set.
        interest: yearly rate on a debit of cash, charged daily, a 360th part, Friday for three days; None is off. The
            fee schedule says 0.0625, 0.0475 for elite (facts.md 4, FEE2; the docs say 0.0650 and 0.0500).
        borrow: yearly rate on hard-to-borrow shorts, charged daily; None is off. Easy to borrow costs nothing.
        dividends: whether cash dividends are paid; not on paper.
        cash_in_lieu: whether a split pays for the fraction of a share that whole shares become; False keeps fractions.
        split_orders: what a split does to open orders of the symbol: "cancel" them, or "adjust" quantity and prices. No
            source says which.
        option_activities: when the activities of exercise, assignment and expiry are told: "next_day", as on paper
            (facts.md 5.7, NTA), or "at_once".
        actions: corporate actions besides the splits of the market's data.
        assignments: short options that are assigned on a morning, whatever they are worth.
        early_assignment: chance that a short option in the money is assigned over night, before its expiry.
        sell_out_minutes: how long before the close of its last day a long option in the money is sold where the account
            has not the means to exercise it (facts.md 5.5: 15:30; within an hour by OPT).
        house_rules: whether concentration raises maintenance and a position above 600 % of equity leaves only closing
            orders (facts.md 4, MARG, PROT).
        pdt_fields: whether the account shows the fields of the pattern-day-trader rule, which ended in July 2026.
        heartbeat_seconds: wall time between comments on a silent activities feed.
    """

    compressed_fifo: bool = True
    positions_lag_ns: int = 0
    coin_fees_at: Literal["trade", "day_end"] = "trade"
    interest: Decimal | None = None
    borrow: Decimal | None = None
    dividends: bool = False
    cash_in_lieu: bool = True
    split_orders: Literal["cancel", "adjust"] = "cancel"
    option_activities: Literal["next_day", "at_once"] = "next_day"
    actions: tuple[CorporateEvent, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    early_assignment: float = 0.0
    sell_out_minutes: int = 30
    house_rules: bool = True
    pdt_fields: bool = False
    heartbeat_seconds: float = 15.0
