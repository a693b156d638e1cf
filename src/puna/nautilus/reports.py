"""Orders, fills, positions and the account as the framework's reports. Pure functions over wire bodies.

A replace is a new order at Alpaca, with a new id, and one order in the framework. So a replacement carries the
framework's id with a mark behind it (`O-1~2`), and `root_id` reads it back; the report of a lineage adds up what its
orders filled.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import (
    ContingencyType,
    LiquiditySide,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
)
from nautilus_trader.model.identifiers import AccountId, ClientOrderId, InstrumentId, TradeId, VenueOrderId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import AccountBalance, MarginBalance, Money, Price, Quantity

from puna.nautilus.orders import TIMES, TYPES
from puna.wire.trading import Account, Order, Position

__all__ = [
    "balances",
    "fill_report",
    "flat_report",
    "is_terminal",
    "margins",
    "next_id",
    "order_report",
    "position_report",
    "root_id",
]

_MARK: Final = "~"
_TYPES: Final = {word: kind for kind, word in TYPES.items()}
_TIMES: Final = {word: time for time, word in TIMES.items()}
_SIDES: Final = {"buy": OrderSide.BUY, "sell": OrderSide.SELL}
_STATUSES: Final = {
    "accepted": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "new": OrderStatus.ACCEPTED,
    "held": OrderStatus.ACCEPTED,
    "stopped": OrderStatus.ACCEPTED,
    "suspended": OrderStatus.ACCEPTED,
    "calculated": OrderStatus.ACCEPTED,
    "done_for_day": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "pending_replace": OrderStatus.PENDING_UPDATE,
    "canceled": OrderStatus.CANCELED,
    "replaced": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
_TERMINAL: Final = {"filled", "canceled", "expired", "rejected", "replaced"}
_CLASSES: Final = {"bracket": ContingencyType.OTO, "oto": ContingencyType.OTO, "oco": ContingencyType.OCO}
_ZERO = Decimal(0)


def is_terminal(order: Order) -> bool:
    """Nothing more can become of it, but for a late fill."""
    return order.status in _TERMINAL


def root_id(client_order_id: str) -> str:
    """The framework's id of an order, whichever replacement this is."""
    return client_order_id.split(_MARK, 1)[0]


def next_id(client_order_id: str) -> str:
    """The id of the next replacement."""
    root, _, number = client_order_id.partition(_MARK)
    return f"{root}{_MARK}{int(number or 0) + 1}"


def order_report(
    lineage: Sequence[Order],
    instrument: Instrument,
    account: AccountId,
    ts_init: int,
    client_order_id: ClientOrderId | None = None,
) -> OrderStatusReport:
    """One report of an order and what it replaced.

    Args:
        lineage: the orders that replaced each other, oldest first; usually one.
        instrument: what they trade.
        account: the account.
        ts_init: now, ns.
        client_order_id: the framework's id where the broker has another one, as for the exits of a bracket.
    """
    order = lineage[-1]
    before = [each.filled_qty or _ZERO for each in lineage[:-1]]
    filled = sum(before, order.filled_qty or _ZERO)
    size = instrument.size_precision
    kind = _TYPES.get(order.type or order.order_type or "", OrderType.MARKET)
    status = _STATUSES.get(order.status, OrderStatus.ACCEPTED)
    if status is OrderStatus.ACCEPTED and filled:
        status = OrderStatus.PARTIALLY_FILLED
    return OrderStatusReport(
        account_id=account,
        instrument_id=instrument.id,
        venue_order_id=VenueOrderId(order.id),
        client_order_id=client_order_id or ClientOrderId(root_id(order.client_order_id or order.id)),
        order_side=_side(order),
        order_type=kind,
        time_in_force=_TIMES.get(order.time_in_force or "", TimeInForce.DAY),
        order_status=status,
        quantity=Quantity(_quantity(order, filled) + sum(before, _ZERO), size),
        filled_qty=Quantity(filled, size),
        avg_px=_average(lineage),
        contingency_type=_CLASSES.get(order.order_class or "", ContingencyType.NO_CONTINGENCY),
        report_id=UUID4(),
        ts_accepted=int(order.submitted_at or order.created_at or ts_init),
        ts_last=int(order.updated_at or order.submitted_at or ts_init),
        ts_init=ts_init,
        **_prices(order, kind, instrument),
    )


def fill_report(
    instrument: Instrument,
    account: AccountId,
    *,
    order_id: str,
    client_order_id: ClientOrderId | None,
    trade_id: str,
    side: str,
    qty: Decimal,
    price: Decimal,
    ts_event: int,
    ts_init: int,
    commission: Money | None = None,
) -> FillReport:
    """One execution; the trading stream and the activities name it alike."""
    return FillReport(
        account_id=account,
        instrument_id=instrument.id,
        venue_order_id=VenueOrderId(order_id),
        client_order_id=client_order_id,
        trade_id=TradeId(trade_id),
        order_side=OrderSide.BUY if side == "buy" else OrderSide.SELL,
        last_qty=Quantity(qty, instrument.size_precision),
        last_px=Price(price, instrument.price_precision),
        commission=commission or Money(0, instrument.quote_currency),
        liquidity_side=LiquiditySide.NO_LIQUIDITY_SIDE,
        report_id=UUID4(),
        ts_event=ts_event,
        ts_init=ts_init,
    )


def position_report(
    position: Position, instrument: Instrument, account: AccountId, ts_init: int
) -> PositionStatusReport:
    """What the broker says is held."""
    return PositionStatusReport(
        account_id=account,
        instrument_id=instrument.id,
        position_side=PositionSide.LONG if position.qty > 0 else PositionSide.SHORT,
        quantity=Quantity(abs(position.qty), instrument.size_precision),
        avg_px_open=position.avg_entry_price,
        report_id=UUID4(),
        ts_last=ts_init,
        ts_init=ts_init,
    )


def flat_report(
    instrument: InstrumentId, account: AccountId, ts_init: int, size_precision: int
) -> PositionStatusReport:
    """The broker lists no position: that has to be said, because silence means nothing to the framework."""
    return PositionStatusReport(
        account_id=account,
        instrument_id=instrument,
        position_side=PositionSide.FLAT,
        quantity=Quantity(0, size_precision),
        report_id=UUID4(),
        ts_last=ts_init,
        ts_init=ts_init,
    )


def balances(account: Account) -> list[AccountBalance]:
    """Equity in dollars, and what the initial margin holds of it; never less than nothing is free."""
    total = account.equity if account.equity is not None else account.cash or _ZERO
    locked = min(max(account.initial_margin or _ZERO, _ZERO), max(total, _ZERO))
    whole, held = Money(total, USD), Money(locked, USD)
    return [AccountBalance(whole, held, Money(whole.as_decimal() - held.as_decimal(), USD))]


def margins(account: Account) -> list[MarginBalance]:
    """Initial and maintenance margin of the account as a whole."""
    initial, maintenance = (max(each or _ZERO, _ZERO) for each in (account.initial_margin, account.maintenance_margin))
    return [MarginBalance(Money(initial, USD), Money(maintenance, USD))]


def _side(order: Order) -> OrderSide:
    """A multi-leg parent has no side that could be trusted (facts.md 5.3): it buys its legs as they stand."""
    return OrderSide.BUY if order.order_class == "mleg" else _SIDES.get(order.side or "", OrderSide.BUY)


def _quantity(order: Order, filled: Decimal) -> Decimal:
    """A notional order has no quantity before it is filled: then at least what the framework asks for, more than 0."""
    if order.qty is not None and order.qty > 0:
        return order.qty
    return max(filled, order.notional or _ZERO, Decimal(1))


def _average(lineage: Sequence[Order]) -> Decimal | None:
    parts = [(each.filled_qty or _ZERO, each.filled_avg_price or _ZERO) for each in lineage]
    filled = sum((qty for qty, _ in parts), _ZERO)
    return sum((qty * price for qty, price in parts), _ZERO) / filled if filled else None


def _prices(order: Order, kind: OrderType, instrument: Instrument) -> Mapping[str, Any]:
    precision = instrument.price_precision
    prices: dict[str, Any] = {}
    if order.limit_price is not None and kind in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        prices["price"] = Price(order.limit_price, precision)
    if order.stop_price is not None and kind is not OrderType.LIMIT:
        prices |= {"trigger_price": Price(order.stop_price, precision), "trigger_type": TriggerType.LAST_PRICE}
    if kind is OrderType.TRAILING_STOP_MARKET and (trail := order.trail_percent or order.trail_price) is not None:
        percent = order.trail_percent is not None
        prices["trailing_offset"] = trail * 100 if percent else trail
        prices["trailing_offset_type"] = TrailingOffsetType.BASIS_POINTS if percent else TrailingOffsetType.PRICE
    return prices
