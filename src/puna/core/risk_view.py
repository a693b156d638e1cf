"""What a risk decision depends on: the limits, and a view of the world at one moment.

Frozen and serialisable, so that a decision can be journaled with its inputs and taken again (I10, I17).
"""

from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from math import isfinite

import msgspec

from puna.core.portfolio import Portfolio, equity
from puna.core.symbols import multiplier
from puna.core.types import AssetClass, OrderIntent, Quote

__all__ = ["Listing", "Lock", "Narrow", "Reservation", "RiskLimits", "RiskView", "Submit", "Tally", "TradingState"]


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


class Lock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A protection that was set off: no new risk where it applies, until it ends.

    Args:
        scope: empty for the account, else `strategy:NAME` or `symbol:SYMBOL`.
        cause: which protection, such as `daily_loss`.
        until: market time, ns; 0: until a person resumes.
        reason: in words, with the numbers.
    """

    scope: str
    cause: str
    until: int
    reason: str


class Tally(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What protections count from: equity at the beginning of the day and week, the peak, losses in a row.

    Args:
        day: New York date, ISO.
        day_equity: equity when it began.
        week: the Monday of its week, ISO.
        week_equity: equity when that began.
        peak: the highest equity since the books began.
        losses: how many trades in a row ended with a loss, by strategy.
    """

    day: str
    day_equity: Decimal
    week: str
    week_equity: Decimal
    peak: Decimal
    losses: dict[str, int] = {}


class RiskView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Everything a decision depends on besides the intent and the limits.

    Args:
        now: market time, ns.
        state: the strictest trading state that applies to this order.
        portfolio: after the last booked fill.
        instrument: what the broker says about the intent's symbol.
        quote: the latest of the intent's symbol.
        marks: prices of everything held.
        open: reservations of all open orders, in doubt included.
        recent: orders of the intent's terms that were sent within the duplicate window; the last one is enough.
        submits: how many orders were sent within the window of `max_submits`.
        buying_power: as the broker last reported it.
        id_used: the intent's client_order_id was used before.
        sleeve: what the intent's strategy holds, where it has a budget of its own.
        sent: orders of this strategy in this symbol within the window of `max_repeats`.
        locks: protections that were set off and have not ended.
        tally: what they count from; None before the first look at equity.
        adv: average daily volume of the symbol, in units; None when it is not known.
        volatility: of the symbol's last bars, a year, as a fraction; None when it is not known or not asked for.
        maintenance: maintenance margin as the broker last reported it.
        option_level: options trading level of the account; None when the broker has not said.
        skew: how far our clock is from the broker's, seconds; None when it was not compared.
        unprotected: for how many seconds a position of this strategy has had no stop; None when it is not asked for.
        sellable: the most of the intent's symbol that its strategy may sell: what it holds itself, or what no strategy
            holds; None where others' shares do not matter, because there are none, or short sales are allowed.
        netted: open orders that this one will not meet, because what is left of them is crossed with it inside.
    """

    now: int
    state: TradingState
    portfolio: Portfolio
    instrument: Listing | None = None
    quote: Quote | None = None
    marks: dict[str, Decimal] = {}
    open: tuple[Reservation, ...] = ()
    recent: tuple[Submit, ...] = ()
    submits: int = 0
    buying_power: Decimal | None = None
    id_used: bool = False
    sleeve: dict[str, Decimal] = {}
    sent: int = 0
    locks: tuple[Lock, ...] = ()
    tally: Tally | None = None
    adv: Decimal | None = None
    volatility: float | None = None
    maintenance: Decimal | None = None
    option_level: int | None = None
    skew: float | None = None
    unprotected: float | None = None
    sellable: Decimal | None = None
    netted: tuple[str, ...] = ()

    @cached_property
    def equity(self) -> Decimal | None:
        """At marks; None when one is missing or is no price."""
        marks = [self.marks.get(symbol) for symbol in self.portfolio.positions]
        if not all(mark is not None and mark.is_finite() and mark > 0 for mark in marks):
            return None
        return equity(self.portfolio, self.marks)


class Narrow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one strategy or one symbol, or of a strategy in a symbol; they only ever tighten the account's.

    Raises:
        ValueError: it names neither, or a limit is negative or not finite.
    """

    strategy: str | None = None
    symbol: str | None = None
    max_order_qty: Decimal | None = None
    max_order_value: Decimal | None = None
    max_position_value: Decimal | None = None
    max_budget_value: Decimal | None = None
    max_repeats: int | None = None
    allow_short: bool = True

    def __post_init__(self) -> None:
        if self.strategy is None and self.symbol is None:
            raise ValueError("a narrower limit names a strategy or a symbol")
        _check_limits(self)

    def fits(self, intent: OrderIntent) -> bool:
        """Whether it is about this order."""
        return self.strategy in (None, intent.strategy) and self.symbol in (None, intent.symbol)


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
    collar_option_percent: Decimal = Decimal(50)
    max_adv_percent: Decimal | None = None
    max_spread_bp: Decimal | None = None
    max_volatility_percent: Decimal | None = None
    open_blackout_minutes: int = 0
    close_blackout_minutes: int = 0
    max_repeats: int | None = None
    repeat_window_seconds: float = 3600.0
    max_maintenance_percent: Decimal = Decimal(100)
    max_option_loss_value: Decimal | None = None
    option_level: int = 3
    allow_expiry_day: bool = False
    max_clock_skew_seconds: float = 10.0
    max_daily_loss_value: Decimal | None = None
    max_daily_loss_percent: Decimal | None = None
    max_weekly_loss_value: Decimal | None = None
    max_weekly_loss_percent: Decimal | None = None
    max_drawdown_percent: Decimal | None = None
    max_losses_in_a_row: int | None = None
    cooldown_seconds: float = 3600.0
    max_slippage_bp: Decimal | None = None
    max_refusals: int | None = None
    refusal_window_seconds: float = 300.0
    max_orders_per_fill: Decimal | None = None
    max_unprotected_seconds: float | None = None
    groups: dict[str, tuple[str, ...]] = {}
    max_group_percent: Decimal = Decimal(100)
    narrow: tuple[Narrow, ...] = ()

    def __post_init__(self) -> None:
        _check_limits(self)

    def budget(self, strategy: str) -> Decimal | None:
        """The least that a strategy may hold at most, where it has a budget of its own."""
        if not self.narrow:
            return None
        own = [each for each in self.narrow if each.strategy == strategy and each.symbol is None]
        return min((each.max_budget_value for each in own if each.max_budget_value is not None), default=None)


def _check_limits(limits: msgspec.Struct) -> None:
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        if isinstance(value, Decimal | float | int) and not (isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a number that is not negative, not {value}")
