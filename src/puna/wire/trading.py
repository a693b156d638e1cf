"""The trading API's bodies: account, orders, positions, assets, clock, calendar, trade updates.

Field names are Alpaca's. Everything that Alpaca may leave out is optional here (its specification requires little, and
recorded bodies leave out more). Source: SPEC-T in the fact sheet, sections 4, 5 and 8, and recorded bodies.
Enumerations stay strings: Alpaca adds values without notice.
"""

from typing import Any

import msgspec

from puna.wire.codec import Amount, Nanos, Ratio

__all__ = [
    "Account",
    "AdvancedInstructions",
    "Asset",
    "CalendarDay",
    "CancelResult",
    "Clock",
    "CloseResult",
    "ErrorBody",
    "LegRequest",
    "Order",
    "OrderRequest",
    "Position",
    "ReplaceRequest",
    "StopLossRequest",
    "TakeProfitRequest",
    "TradeUpdate",
    "UpdateLeg",
    "UsdValues",
]


class Account(msgspec.Struct, kw_only=True):
    """GET /v2/account."""

    id: str
    status: str
    account_number: str | None = None
    currency: str = "USD"
    cash: Amount | None = None
    equity: Amount | None = None
    last_equity: Amount | None = None
    portfolio_value: Amount | None = None
    buying_power: Amount | None = None
    regt_buying_power: Amount | None = None
    non_marginable_buying_power: Amount | None = None
    options_buying_power: Amount | None = None
    long_market_value: Amount | None = None
    short_market_value: Amount | None = None
    initial_margin: Amount | None = None
    maintenance_margin: Amount | None = None
    last_maintenance_margin: Amount | None = None
    sma: Amount | None = None
    accrued_fees: Amount | None = None
    multiplier: Amount | None = None
    created_at: Nanos | None = None
    crypto_status: str | None = None
    options_approved_level: int | str | None = None
    options_trading_level: int | str | None = None
    shorting_enabled: bool | None = None
    account_blocked: bool | None = None
    trading_blocked: bool | None = None
    transfers_blocked: bool | None = None
    trade_suspended_by_user: bool | None = None
    balance_asof: str | None = None
    pending_transfer_in: Amount | None = None
    pending_transfer_out: Amount | None = None
    pending_reg_taf_fees: Amount | None = None
    intraday_adjustments: Amount | None = None
    # Not in the specification, seen in a recorded body: fact sheet 4.
    effective_buying_power: Amount | None = None
    position_market_value: Amount | None = None
    bod_dtbp: Amount | None = None
    crypto_tier: int | str | None = None
    admin_configurations: dict[str, Any] | None = None
    user_configurations: dict[str, Any] | None = None
    # The pattern-day-trader rule and its fields ended in July 2026; older bodies have them.
    pattern_day_trader: bool | msgspec.UnsetType = msgspec.UNSET
    daytrade_count: int | msgspec.UnsetType = msgspec.UNSET
    daytrading_buying_power: Amount | msgspec.UnsetType = msgspec.UNSET


class TakeProfitRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The profit leg of a bracket, OCO or OTO order."""

    limit_price: Amount


class StopLossRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The loss leg of a bracket, OCO or OTO order."""

    stop_price: Amount
    limit_price: Amount | None = None


class LegRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One leg of a multi-leg order."""

    symbol: str
    ratio_qty: Amount
    side: str | None = None
    position_intent: str | None = None


class AdvancedInstructions(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How an order is to be worked or routed by the broker (Elite accounts): DMA, TWAP or VWAP."""

    algorithm: str | None = None
    destination: str | None = None
    display_qty: Amount | None = None
    start_time: str | None = None
    end_time: str | None = None
    max_percentage: Ratio | None = None


class OrderRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of POST /v2/orders. Fields that the broker requires are optional here: it is the broker who refuses."""

    symbol: str | None = None
    qty: Amount | None = None
    notional: Amount | None = None
    side: str | None = None
    type: str | None = None
    time_in_force: str | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    trail_price: Amount | None = None
    trail_percent: Amount | None = None
    extended_hours: bool | None = None
    client_order_id: str | None = None
    order_class: str | None = None
    take_profit: TakeProfitRequest | None = None
    stop_loss: StopLossRequest | None = None
    legs: list[LegRequest] | None = None
    position_intent: str | None = None
    advanced_instructions: AdvancedInstructions | None = None


class ReplaceRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of PATCH /v2/orders/{id}."""

    qty: Amount | None = None
    time_in_force: str | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    trail: Amount | None = None
    notional: Amount | None = None
    client_order_id: str | None = None
    advanced_instructions: AdvancedInstructions | None = None


class Order(msgspec.Struct, kw_only=True):
    """An order as REST and trade updates show it."""

    id: str
    client_order_id: str | None = None
    status: str
    symbol: str | None = None
    asset_id: str | None = None
    asset_class: str | None = None
    side: str | None = None
    type: str | None = None
    order_type: str | None = None
    order_class: str | None = None
    time_in_force: str | None = None
    qty: Amount | None = None
    notional: Amount | None = None
    filled_qty: Amount | None = None
    filled_avg_price: Amount | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    trail_price: Amount | None = None
    trail_percent: Amount | None = None
    hwm: Amount | None = None
    ratio_qty: Amount | None = None
    extended_hours: bool | None = None
    position_intent: str | None = None
    created_at: Nanos | None = None
    updated_at: Nanos | None = None
    submitted_at: Nanos | None = None
    filled_at: Nanos | None = None
    expired_at: Nanos | None = None
    expires_at: Nanos | None = None
    cancel_requested_at: Nanos | None = None
    canceled_at: Nanos | None = None
    failed_at: Nanos | None = None
    replaced_at: Nanos | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    # Of brackets, OCO and OTO only; left out for all others, as the specification has it.
    group_id: str | msgspec.UnsetType | None = msgspec.UNSET
    group_role: str | msgspec.UnsetType | None = msgspec.UNSET
    legs: list["Order"] | None = None
    # Seen in recorded bodies, not in the specification.
    source: str | msgspec.UnsetType | None = msgspec.UNSET
    subtag: str | msgspec.UnsetType | None = msgspec.UNSET
    commission: Amount | msgspec.UnsetType | None = msgspec.UNSET


class UsdValues(msgspec.Struct, kw_only=True):
    """A position's values in US dollars, for accounts kept in another currency."""

    avg_entry_price: Amount | None = None
    market_value: Amount | None = None
    cost_basis: Amount | None = None
    unrealized_pl: Amount | None = None
    unrealized_plpc: Ratio | None = None
    unrealized_intraday_pl: Amount | None = None
    unrealized_intraday_plpc: Ratio | None = None
    current_price: Amount | None = None
    lastday_price: Amount | None = None
    change_today: Ratio | None = None


class Position(msgspec.Struct, kw_only=True):
    """GET /v2/positions; quantity and values are negative when short."""

    asset_id: str
    symbol: str
    qty: Amount
    avg_entry_price: Amount
    side: str | None = None
    exchange: str | None = None
    asset_class: str | None = None
    asset_marginable: bool | None = None
    qty_available: Amount | None = None
    market_value: Amount | None = None
    cost_basis: Amount | None = None
    unrealized_pl: Amount | None = None
    unrealized_plpc: Ratio | None = None
    unrealized_intraday_pl: Amount | None = None
    unrealized_intraday_plpc: Ratio | None = None
    current_price: Amount | None = None
    lastday_price: Amount | None = None
    change_today: Ratio | None = None
    swap_rate: Ratio | msgspec.UnsetType | None = msgspec.UNSET
    avg_entry_swap_rate: Ratio | msgspec.UnsetType | None = msgspec.UNSET
    prev_swap_rate: Ratio | msgspec.UnsetType | None = msgspec.UNSET
    usd: UsdValues | msgspec.UnsetType | None = msgspec.UNSET


class Asset(msgspec.Struct, kw_only=True, rename={"asset_class": "class"}):
    """GET /v2/assets."""

    id: str
    symbol: str
    asset_class: str
    exchange: str | None = None
    name: str | None = None
    status: str | None = None
    tradable: bool | None = None
    marginable: bool | None = None
    shortable: bool | None = None
    easy_to_borrow: bool | None = None
    fractionable: bool | None = None
    borrow_status: str | None = None
    maintenance_margin_requirement: Amount | None = None
    margin_requirement_long: Amount | None = None
    margin_requirement_short: Amount | None = None
    min_order_size: Amount | None = None
    min_trade_increment: Amount | None = None
    price_increment: Amount | None = None
    attributes: list[str] | None = None
    cusip: str | msgspec.UnsetType | None = msgspec.UNSET
    # In the examples of the documentation only.
    last_price: str | msgspec.UnsetType | None = msgspec.UNSET
    last_close_pct_change: str | msgspec.UnsetType | None = msgspec.UNSET


class Clock(msgspec.Struct, kw_only=True):
    """GET /v2/clock."""

    timestamp: Nanos
    is_open: bool
    next_open: Nanos
    next_close: Nanos


class CalendarDay(msgspec.Struct, kw_only=True):
    """One day of GET /v2/calendar; wall times of New York, "HH:MM" and "HHMM"."""

    date: str
    open: str
    close: str
    session_open: str | None = None
    session_close: str | None = None
    settlement_date: str | None = None


class CancelResult(msgspec.Struct, kw_only=True):
    """One row of the 207 answer to DELETE /v2/orders."""

    id: str
    status: int
    body: msgspec.Raw = msgspec.Raw(b"null")


class CloseResult(msgspec.Struct, kw_only=True):
    """One row of the 207 answer to DELETE /v2/positions: an Order, or an error, in `body`."""

    symbol: str
    status: int
    body: msgspec.Raw = msgspec.Raw(b"null")


class ErrorBody(msgspec.Struct, kw_only=True):
    """What most errors look like; the further keys (buying_power, held_for_orders, ...) are read separately."""

    message: str = ""
    code: int | None = None


class UpdateLeg(msgspec.Struct, kw_only=True):
    """One leg's part in the fill of a multi-leg order."""

    order_id: str
    symbol: str
    execution_id: str | None = None
    qty: Amount | None = None
    price: Amount | None = None
    timestamp: Nanos | None = None


class TradeUpdate(msgspec.Struct, kw_only=True):
    """The data of a `trade_updates` message. `qty` and `price` are this execution's; `order` is the order after it.

    The fill of a multi-leg order has `position_qtys` by symbol and `legs`, which carry the execution ids.
    """

    event: str
    order: Order
    timestamp: Nanos | None = None
    at: Nanos | None = None
    event_id: str | None = None
    execution_id: str | None = None
    price: Amount | None = None
    qty: Amount | None = None
    position_qty: Amount | None = None
    settle_date: str | None = None
    position_qtys: dict[str, Amount] | msgspec.UnsetType = msgspec.UNSET
    legs: list[UpdateLeg] | msgspec.UnsetType | None = msgspec.UNSET
