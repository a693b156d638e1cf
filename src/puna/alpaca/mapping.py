"""Between the wire and the domain: one function a type, and nothing is ever guessed.

A word that nobody here knows either travels on raw (the status and event of an `Update`, which `core.orders` keeps and
tells) or is an error (a side, a type); it never becomes a default.
"""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, TypeVar

from puna.core.orders import Source, Update
from puna.core.types import ZERO, Bar, OrderClass, OrderIntent, OrderType, Position, Quote, Side, TimeInForce, Trade
from puna.errors import ProtocolError
from puna.wire import market, stream, trading
from puna.wire.codec import amount

__all__ = [
    "bar",
    "bar_of",
    "check_echo",
    "intent",
    "order_request",
    "position",
    "quote",
    "quote_of",
    "replace_request",
    "trade",
    "trade_of",
    "update",
]

E = TypeVar("E", bound=StrEnum)
AnyBar: TypeAlias = stream.BarMessage | stream.UpdatedBarMessage | stream.DailyBarMessage


def quote(message: stream.QuoteMessage, ts_init: int) -> Quote:
    """A quote of the stream."""
    return Quote(message.S, message.bp, message.bs, message.ap, message.as_, int(message.t), ts_init)


def quote_of(symbol: str, body: market.Quote, ts_init: int) -> Quote:
    """A quote of the data API."""
    return Quote(symbol, body.bp, body.bs, body.ap, body.as_, int(body.t), ts_init)


def trade(message: stream.TradeMessage, ts_init: int) -> Trade:
    """A print of the stream."""
    return Trade(message.S, message.p, message.s, int(message.t), ts_init)


def trade_of(symbol: str, body: market.Trade, ts_init: int) -> Trade:
    """A print of the data API."""
    return Trade(symbol, body.p, body.s, int(body.t), ts_init)


def bar(message: AnyBar, ts_init: int) -> Bar:
    """A bar of the stream: of a minute, of a minute revised, of the day so far."""
    return Bar(message.S, message.o, message.h, message.l, message.c, message.v, int(message.t), ts_init,
               message.n, message.vw)  # fmt: skip


def bar_of(symbol: str, body: market.Bar, ts_init: int) -> Bar:
    """A bar of the data API."""
    return Bar(symbol, body.o, body.h, body.l, body.c, body.v, int(body.t), ts_init, body.n, body.vw)


def position(body: trading.Position) -> Position:
    """What is held, as the broker counts it; cost is signed as the quantity is."""
    cost = body.cost_basis if body.cost_basis is not None else body.qty * body.avg_entry_price
    return Position(symbol=body.symbol, qty=body.qty, cost=cost)


def update(source: Source, body: trading.Order | trading.TradeUpdate) -> Update:
    """One piece of evidence: an order as REST shows it, or a trade update."""
    if isinstance(body, trading.Order):
        return _snapshot(source, body)
    order = body.order
    return Update(
        client_order_id=order.client_order_id or "",
        source=source,
        status=order.status,
        ts=body.timestamp or body.at or _stamp(order),
        broker_id=order.id,
        cum_qty=order.filled_qty or ZERO,
        avg_price=_average(order),
        last_qty=body.qty,
        last_price=body.price,
        execution_id=body.execution_id,
        event=body.event,
        replaces=order.replaces,
        replaced_by=order.replaced_by,
    )


def _snapshot(source: Source, order: trading.Order) -> Update:
    return Update(
        client_order_id=order.client_order_id or "",
        source=source,
        status=order.status,
        ts=_stamp(order),
        broker_id=order.id,
        cum_qty=order.filled_qty or ZERO,
        avg_price=_average(order),
        replaces=order.replaces,
        replaced_by=order.replaced_by,
    )


def order_request(wanted: OrderIntent) -> trading.OrderRequest:
    """The body of POST /v2/orders.

    Raises:
        ValueError: a quantity or price that Alpaca's grammar of decimals does not hold.
    """
    simple = wanted.order_class is OrderClass.SIMPLE
    return trading.OrderRequest(
        symbol=wanted.symbol,
        qty=_amount(wanted.qty),
        side=wanted.side,
        type=wanted.type,
        time_in_force=wanted.time_in_force,
        limit_price=_amount(wanted.limit_price),
        stop_price=_amount(wanted.stop_price),
        extended_hours=wanted.extended_hours or None,
        client_order_id=wanted.client_order_id,
        order_class=None if simple else wanted.order_class,
        position_intent=wanted.position_intent,
    )


def replace_request(wanted: OrderIntent) -> trading.ReplaceRequest:
    """The body of PATCH /v2/orders/{id} that makes the order into `wanted`, under its own client_order_id."""
    return trading.ReplaceRequest(
        qty=_amount(wanted.qty),
        time_in_force=wanted.time_in_force,
        limit_price=_amount(wanted.limit_price),
        stop_price=_amount(wanted.stop_price),
        client_order_id=wanted.client_order_id,
    )


def intent(order: trading.Order, *, strategy: str = "external") -> OrderIntent:
    """The intent behind an order that we find at the broker and did not send in this life.

    Raises:
        ProtocolError: a side, type or time in force that nobody here knows, or no quantity.
    """
    if order.qty is None or not order.symbol:
        raise _unknown(order, "symbol and quantity", f"{order.symbol!r}, {order.qty}")
    return OrderIntent(
        client_order_id=order.client_order_id or order.id,
        strategy=strategy,
        symbol=order.symbol,
        side=_word(order, Side, order.side),
        qty=order.qty,
        type=_word(order, OrderType, order.type or order.order_type),
        time_in_force=_word(order, TimeInForce, order.time_in_force),
        ts=_stamp(order),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        extended_hours=bool(order.extended_hours),
        order_class=_word(order, OrderClass, order.order_class or OrderClass.SIMPLE),
        because="found at the broker",
    )


def check_echo(wanted: OrderIntent, order: trading.Order) -> None:
    """Checks that the answer to a submit or replace speaks of the order that was sent (PRO-08).

    Raises:
        ProtocolError: it does not; what became of the order is in doubt.
    """
    if differences := list(_differences(wanted, order)):
        error = ProtocolError(
            "The broker's answer speaks of another order.",
            why="; ".join(differences),
            state=f"What became of {wanted.client_order_id} is not known.",
            remedy="Look the order up by its client_order_id before doing anything else.",
        )
        error.in_doubt = True
        raise error


def _differences(wanted: OrderIntent, order: trading.Order) -> Iterator[str]:
    pairs = {
        "client_order_id": (wanted.client_order_id, order.client_order_id),
        "symbol": (wanted.symbol, order.symbol),
        "side": (wanted.side, order.side),
        "qty": (wanted.qty, order.qty),
    }
    for name, (sent, came) in pairs.items():
        if sent != came:
            yield f"{name} was {sent}, came back {came}"


def _stamp(order: trading.Order) -> int:
    return order.updated_at or order.submitted_at or order.created_at or 0


def _average(order: trading.Order) -> Decimal | None:
    return order.filled_avg_price if order.filled_qty else None


def _amount(value: Decimal | None) -> Decimal | None:
    return None if value is None else amount(f"{value:f}")


def _word(order: trading.Order, words: type[E], text: str | None) -> E:
    try:
        return words(text or "")
    except ValueError:
        raise _unknown(order, words.__name__, repr(text)) from None


def _unknown(order: trading.Order, what: str, value: str) -> ProtocolError:
    return ProtocolError(
        f"The broker shows an order that cannot be understood: {what} is {value[:60]}.",
        why=f"order {order.id}, client_order_id {order.client_order_id}",
        state="It was left as it is.",
        remedy="Look at it in the broker's own pages.",
    )
