"""The trading API's calls: account, clock, calendar, assets, orders, positions. Each answers a value to be sent.

Source: SPEC-T, and the fact sheet, sections 5.4 to 5.6. There are no calls for wallets and transfers here.
"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from types import NoneType
from typing import Literal, TypeVar, cast

import msgspec

from puna.alpaca.operations import operation
from puna.alpaca.request import Lane, Page, Paged, Request, nothing, query_string, reading, segment
from puna.core.types import OrderClass, OrderType, PositionIntent, Side, TimeInForce
from puna.errors import ProtocolError
from puna.wire.codec import Amount, amount, decoder, encode, format_time, parse_time
from puna.wire.trading import (
    Account,
    Asset,
    CalendarDay,
    CancelResult,
    Clock,
    CloseResult,
    Order,
    OrderRequest,
    Position,
    ReplaceRequest,
)

__all__ = [
    "cancel_order",
    "cancel_orders",
    "close_position",
    "close_positions",
    "get_account",
    "get_asset",
    "get_assets",
    "get_calendar",
    "get_clock",
    "get_order",
    "get_order_by_client_id",
    "get_orders",
    "get_position",
    "get_positions",
    "replace_order",
    "submit_order",
]

S = TypeVar("S")
T = TypeVar("T")

_account = reading(decoder(Account))
_asset = reading(decoder(Asset))
_assets = reading(decoder(list[Asset]))
_calendar = reading(decoder(list[CalendarDay]))
_clock = reading(decoder(Clock))
_order = reading(decoder(Order))
_orders = reading(decoder(list[Order]))
_position = reading(decoder(Position))
_positions = reading(decoder(list[Position]))
_cancels = reading(decoder(list[CancelResult]))
_closes = reading(decoder(list[CloseResult]))

ORDERS_LIMIT = 500  # the most that one page of orders may hold [SPEC-T]
OVERLAP = 1_000  # ns: pages of orders overlap by a microsecond, so that orders of one instant are never torn apart


@operation("GET /v2/account", "getAccount")
def get_account() -> Request[Account]:
    """The account: cash, equity, buying power, blocks."""
    return _get("/v2/account", _account)


@operation("GET /v2/clock", "LegacyClock")
def get_clock() -> Request[Clock]:
    """The market clock."""
    return _get("/v2/clock", _clock)


@operation("GET /v2/calendar", "LegacyCalendar")
def get_calendar(
    start: date | None = None, end: date | None = None, *, date_type: Literal["TRADING", "SETTLEMENT"] | None = None
) -> Request[list[CalendarDay]]:
    """Trading days from `start` to `end`, both inclusive; `date_type` says which of a day's dates is meant."""
    return _get(f"/v2/calendar{query_string(start=start, end=end, date_type=date_type)}", _calendar)


@operation("GET /v2/assets", "get-v2-assets")
def get_assets(
    status: str | None = "active",
    asset_class: str | None = "us_equity",
    exchange: str | None = None,
    attributes: Iterable[str] | None = None,
) -> Request[list[Asset]]:
    """Every asset that matches; tens of thousands. Of several `attributes` one is enough."""
    query = query_string(status=status, asset_class=asset_class, exchange=exchange, attributes=attributes)
    return _get(f"/v2/assets{query}", _assets, Lane.BACKFILL)


@operation("GET /v2/assets/{symbol_or_asset_id}", "get-v2-assets-symbol_or_asset_id")
def get_asset(symbol: str) -> Request[Asset]:
    """One asset, by symbol or id."""
    return _get(f"/v2/assets/{segment(symbol)}", _asset)


@operation("POST /v2/orders", "postOrder")
def submit_order(order: OrderRequest) -> Request[Order]:
    """Submits an order. Never repeated by the client: no answer means doubt, to be resolved by `client_order_id`."""
    return Request("POST", "/v2/orders", _order, body=encode(_plain(order)), lane=Lane.ORDER)


@operation("GET /v2/orders/{order_id}", "getOrderByOrderID")
def get_order(order_id: str, *, nested: bool = False) -> Request[Order]:
    """One order, by the broker's id."""
    return _get(f"/v2/orders/{segment(order_id)}{query_string(nested='true' if nested else None)}", _order)


@operation("GET /v2/orders:by_client_order_id", "getOrderByClientOrderId")
def get_order_by_client_id(client_order_id: str) -> Request[Order]:
    """One order, by the id that we gave it."""
    return _get(f"/v2/orders:by_client_order_id{query_string(client_order_id=client_order_id)}", _order)


@operation("GET /v2/orders", "getAllOrders")
def get_orders(
    status: Literal["open", "closed", "all"] = "open",
    *,
    after: int | None = None,
    until: int | None = None,
    direction: Literal["asc", "desc"] = "desc",
    nested: bool = False,
    symbols: Iterable[str] | None = None,
    side: str | None = None,
    asset_class: Iterable[str] | None = None,
    before_order_id: str | None = None,
    after_order_id: str | None = None,
    limit: int = ORDERS_LIMIT,
) -> Paged[Order]:
    """Orders by submission time, to the end of the list; `after` and `until` are exclusive, in ns.

    The endpoint has no page token: the next page starts where the last one ended, by `submitted_at`, and pages overlap.
    With `before_order_id` (and direction desc) or `after_order_id` (and asc), which Alpaca does not combine with times,
    it starts at the last order instead.
    """
    classes = None if asset_class is None else ",".join(asset_class)
    by_order = before_order_id is not None or after_order_id is not None
    bounds = {"asc": after, "desc": until}
    fixed = {"after": after, "until": until}
    names = None if symbols is None else ",".join(symbols)

    def page(token: str | None) -> Request[Page[Order]]:
        span, before, beyond = fixed, before_order_id, after_order_id
        if token is not None and by_order:
            before, beyond = (token, None) if direction == "desc" else (None, token)
        elif token is not None:
            span = fixed | {"after" if direction == "asc" else "until": parse_time(token)}
        query = query_string(
            status=status,
            limit=limit,
            direction=direction,
            nested="true" if nested else None,
            symbols=names,
            side=side,
            asset_class=classes,
            before_order_id=before,
            after_order_id=beyond,
            **{name: None if ts is None else format_time(ts) for name, ts in span.items()},
        )
        return _get(f"/v2/orders{query}", lambda body: read(body, token))

    def read(body: bytes, token: str | None) -> Page[Order]:
        orders = _orders(body)
        return Page(orders, following(orders, token), key=lambda order: order.id)

    def following(orders: list[Order], token: str | None) -> str | None:
        rows = sum(1 + len(order.legs or ()) for order in orders)  # legs may count as rows of the limit
        if rows < limit or not orders:
            return None
        if by_order:
            return orders[-1].id
        edge = _submitted(orders[-1]) + (-OVERLAP if direction == "asc" else OVERLAP)
        here = bounds[direction] if token is None else parse_time(token)
        if here is not None and (edge <= here if direction == "asc" else edge >= here):
            if len(orders) < limit:
                return None
            raise ProtocolError(
                "The list of orders cannot be paged.",
                why=f"{len(orders)} orders were submitted within {OVERLAP} ns of each other",
                state="The list is incomplete and must not be taken for whole.",
                remedy="Ask with a larger limit.",
            )
        return format_time(edge)

    return Paged(page)


@operation("PATCH /v2/orders/{order_id}", "patchOrderByOrderId")
def replace_order(order_id: str, change: ReplaceRequest) -> Request[Order]:
    """Asks for a replacement, which is a new order; a 200 does not promise that it happens."""
    return Request("PATCH", f"/v2/orders/{segment(order_id)}", _order, body=encode(_plain(change)), lane=Lane.ORDER)


@operation("DELETE /v2/orders/{order_id}", "deleteOrderByOrderID")
def cancel_order(order_id: str) -> Request[None]:
    """Asks for one cancel; the answer means only that the request was taken."""
    return Request("DELETE", f"/v2/orders/{segment(order_id)}", nothing, repeatable=True, lane=Lane.CANCEL)


@operation("DELETE /v2/orders", "deleteAllOrders")
def cancel_orders() -> Request[list[CancelResult]]:
    """Asks to cancel every open order; one row each."""
    return Request("DELETE", "/v2/orders", _cancels, repeatable=True, lane=Lane.CANCEL)


@operation("GET /v2/positions", "getAllOpenPositions")
def get_positions() -> Request[list[Position]]:
    """Every open position."""
    return _get("/v2/positions", _positions)


@operation("GET /v2/positions/{symbol_or_asset_id}", "getOpenPosition")
def get_position(symbol: str) -> Request[Position]:
    """One position; NotFoundError when there is none."""
    return _get(f"/v2/positions/{segment(symbol)}", _position)


@operation("DELETE /v2/positions/{symbol_or_asset_id}", "deleteOpenPosition")
def close_position(symbol: str, *, qty: Decimal | None = None, percentage: Decimal | None = None) -> Request[Order]:
    """Closes a position, or `qty` or `percentage` of it, by a market order of the broker's.

    A part must not be closed twice, so only closing the whole is repeatable: it holds the quantity that it closes.
    """
    part = {"qty": qty, "percentage": percentage}
    query = query_string(**{name: None if value is None else f"{value:f}" for name, value in part.items()})
    whole = qty is None and percentage is None
    return Request("DELETE", f"/v2/positions/{segment(symbol)}{query}", _order, repeatable=whole, lane=Lane.CANCEL)


@operation("DELETE /v2/positions", "deleteAllOpenPositions")
def close_positions(*, cancel_orders: bool = True) -> Request[list[CloseResult]]:
    """Closes every position; one row each, an order or an error in its body."""
    query = query_string(cancel_orders="true" if cancel_orders else None)
    return Request("DELETE", f"/v2/positions{query}", _closes, repeatable=True, lane=Lane.CANCEL)


def _get(target: str, read: Callable[[bytes], T], lane: Lane = Lane.READ) -> Request[T]:
    return Request("GET", target, read, repeatable=True, lane=lane)


_WRITTEN = frozenset({NoneType, str, bool, int, Amount, Side, OrderType, TimeInForce, OrderClass, PositionIntent})
"""Types whose values are sent as they are."""


def _plain(value: S) -> S:
    """The same, with every Decimal written out: `1E+2` is no amount to the broker.

    Raises:
        ValueError: NaN, or more digits than the broker takes.
    """
    if type(value) is Decimal:
        return cast(S, amount(f"{value:f}"))
    if isinstance(value, list):
        return cast(S, [_plain(each) for each in value])
    if isinstance(value, msgspec.Struct):
        values = msgspec.structs.astuple(value)
        if _WRITTEN.issuperset(map(type, values)):
            return value
        fields = zip(value.__struct_fields__, values, strict=True)
        changed = {
            name: plain
            for name, field in fields
            if field is not None and type(field) is not str and (plain := _plain(field)) is not field
        }
        return msgspec.structs.replace(value, **changed) if changed else value
    return value


def _submitted(order: Order) -> int:
    ts = order.submitted_at or order.created_at
    if ts is None:
        raise ProtocolError(
            "The list of orders cannot be paged.",
            why=f"order {order.id} has no submission time",
            state="The list is incomplete and must not be taken for whole.",
        )
    return ts
