"""What a risk decision depends on: the limits, and a view of the world at one moment.

Frozen and serialisable, so that a decision can be journaled with its inputs and taken again (I10, I17).
"""

from decimal import Decimal
from enum import StrEnum
from math import isfinite

import msgspec

from puna.core.portfolio import Portfolio
from puna.core.symbols import multiplier
from puna.core.types import AssetClass, OrderIntent, Quote

__all__ = ["Listing", "Reservation", "RiskLimits", "RiskView", "Submit", "TradingState"]


class TradingState(StrEnum):
    """What may be sent: anything, reductions, nothing."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker says about an instrument."""

    symbol: str
    asset_class: AssetClass = AssetClass.US_EQUITY
    tradable: bool = True
    halted: bool = False
    shortable: bool = False
    easy_to_borrow: bool = False
    fractionable: bool = False
    overnight: bool = False


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """An open order, as far as it may still fill.

    Args:
        intent: the order.
        leaves: what may still fill.
        price: what a unit is reserved at (`protected_price` when it was checked).
        counted: the broker's buying power is net of it already.
    """

    intent: OrderIntent
    leaves: Decimal
    price: Decimal
    counted: bool = False

    @property
    def value(self) -> Decimal:
        return self.leaves * self.price * multiplier(self.intent.symbol)


class Submit(msgspec.Struct, frozen=True):
    """An order that was sent, and when."""

    ts: int
    intent: OrderIntent


class RiskView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision depends on besides the intent and the limits.

    Args:
        now: market time, ns.
        state: the strictest trading state that applies to this order.
        portfolio: after the last booked fill.
        instrument: what the broker says about the intent's symbol.
        quote: the latest of the intent's symbol.
        marks: prices of everything held.
        open: reservations of all open orders, in doubt included.
        recent: what was sent within the longer of the two windows.
        buying_power: as the broker last reported it.
        id_used: the intent's client_order_id was used before.
    """

    now: int
    state: TradingState
    portfolio: Portfolio
    instrument: Listing | None = None
    quote: Quote | None = None
    marks: dict[str, Decimal] = {}
    open: tuple[Reservation, ...] = ()
    recent: tuple[Submit, ...] = ()
    buying_power: Decimal | None = None
    id_used: bool = False


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is allowed; the defaults suit a paper account of 100,000.

    Where a limit has a value and a percentage (of equity at marks), the smaller one holds.

    Raises:
        ValueError: a limit is negative or not finite.
    """

    allowed: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()
    max_order_qty: Decimal = Decimal(10_000)
    max_order_value: Decimal = Decimal(50_000)
    max_order_percent: Decimal = Decimal(50)
    max_position_value: Decimal = Decimal(60_000)
    max_position_percent: Decimal = Decimal(60)
    max_gross_value: Decimal = Decimal(200_000)
    max_gross_percent: Decimal = Decimal(200)
    max_net_value: Decimal = Decimal(150_000)
    max_net_percent: Decimal = Decimal(150)
    max_open_orders: int = 50
    max_open_value: Decimal = Decimal(200_000)
    max_open_percent: Decimal = Decimal(200)
    buying_power_buffer: Decimal = Decimal(100)
    protection_percent: Decimal = Decimal(3)  # the broker values opening shorts at 1.03 x ask (facts.md 5.2)
    collar_percent: Decimal = Decimal(5)
    collar_extended_percent: Decimal = Decimal(10)
    collar_passive_percent: Decimal = Decimal(50)
    max_quote_age_seconds: float = 60.0
    duplicate_window_seconds: float = 1.0
    max_submits: int = 100
    submit_window_seconds: float = 60.0
    allow_short: bool = False
    allow_queued: bool = False

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal | float | int) and not (isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a number that is not negative, not {value}")
