"""Between the wire and the domain: one function a type, and nothing is ever guessed.

A word that nobody here knows either travels on raw (the status and event of an `Update`, which `core.orders` keeps and
tells) or is an error (a side, a type); it never becomes a default.
"""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, TypeVar

from puna.core.orders import Source, Update
from puna.core.symbols import canonical, underlying
from puna.core.types import (
    ZERO,
    AssetClass,
    Bar,
    Leg,
    OrderClass,
    OrderIntent,
    OrderType,
    Position,
    PositionIntent,
    Quote,
    Side,
    StopLoss,
    TakeProfit,
    TimeInForce,
    Trade,
)
from puna.errors import DataError, ProtocolError
from puna.wire import crypto, market, options, stream, trading
from puna.wire.activities import Activity, ActivityEvent
from puna.wire.codec import amount

__all__ = [
    "bar",
    "bar_of",
    "check_echo",
    "execution",
    "intent",
    "leg_intent",
    "leg_key",
    "option_quote_of",
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


def option_quote_of(symbol: str, body: options.OptionQuote, ts_init: int) -> Quote:
    """A quote of an option; sizes are contracts, and a bid of 0 means that nobody bids."""
    return Quote(symbol, body.bp, body.bs, body.ap, body.as_, int(body.t), ts_init)


def coin_quote_of(symbol: str, body: crypto.CryptoQuote, ts_init: int) -> Quote:
    """A quote of a coin."""
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
    """What is held, as the broker counts it; cost is signed as the quantity is.

    Positions print a pair without its slash (facts.md 5.2); everything else prints it with one.
    """
    cost = body.cost_basis if body.cost_basis is not None else body.qty * body.avg_entry_price
    symbol = canonical(body.symbol) if body.asset_class == AssetClass.CRYPTO else body.symbol
    return Position(symbol=symbol, qty=body.qty, cost=cost)


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
        net=order.order_class == OrderClass.MLEG,
    )


def execution(body: Activity | ActivityEvent) -> Update | None:
    """The third source of fills: an execution, as a row of the activities or an event of their feed; None for others.

    A row knows the broker's order id only. Its execution ids are not those of the stream: what merges the sources is
    the order and its cumulative quantity.

    Raises:
        ValueError: a quantity or price that cannot be true.
    """
    if isinstance(body, ActivityEvent):
        return _execution_event(body)
    if body.activity_type != "FILL" or body.order_id is None or body.cum_qty is None:
        return None
    return Update(
        client_order_id="",
        source="activity",
        ts=body.transaction_time or 0,
        broker_id=body.order_id,
        cum_qty=body.cum_qty,
        last_qty=body.qty,
        last_price=body.price,
        event=body.type if body.type in ("fill", "partial_fill") else "",
    )


def _execution_event(body: ActivityEvent) -> Update | None:
    told = body.details
    if body.activity_type != "FILL" or told.order_id is None or told.cum_qty is None:
        return None
    corrects = told.execution_type in ("trade_bust", "trade_correct")
    return Update(
        client_order_id=told.client_order_id or "",
        source="activity",
        ts=body.executed_at or body.at,
        broker_id=told.order_id,
        cum_qty=told.cum_qty,
        last_qty=body.qty,
        last_price=body.price,
        execution_id=body.ref_id if corrects else None,
        previous_execution_id=body.previous_id if corrects else None,
        event=told.execution_type or "",
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
        net=order.order_class == OrderClass.MLEG,
    )


def order_request(wanted: OrderIntent) -> trading.OrderRequest:
    """The body of POST /v2/orders.

    A multi-leg order names its legs and no symbol or side of its own; the limit price of an OCO order is that of its
    take-profit leg (facts.md 5.3).

    Raises:
        ValueError: a quantity or price that Alpaca's grammar of decimals does not hold.
    """
    package, kind = bool(wanted.legs), wanted.order_class
    by_qty = wanted.notional is None
    return trading.OrderRequest(
        symbol=None if package else wanted.symbol,
        qty=_amount(wanted.qty) if by_qty else None,
        notional=_amount(wanted.notional),
        side=None if package else wanted.side,
        type=wanted.type,
        time_in_force=wanted.time_in_force,
        limit_price=None if kind is OrderClass.OCO else _amount(wanted.limit_price),
        stop_price=_amount(wanted.stop_price),
        trail_price=_amount(wanted.trail_price),
        trail_percent=_amount(wanted.trail_percent),
        extended_hours=wanted.extended_hours or None,
        client_order_id=wanted.client_order_id,
        order_class=None if kind is OrderClass.SIMPLE else kind,
        take_profit=_take_profit(wanted.take_profit),
        stop_loss=_stop_loss(wanted.stop_loss),
        legs=[_leg(each) for each in wanted.legs] or None,
        position_intent=wanted.position_intent,
    )


def _take_profit(wanted: TakeProfit | None) -> trading.TakeProfitRequest | None:
    return trading.TakeProfitRequest(limit_price=_exactly(wanted.limit_price)) if wanted else None


def _stop_loss(wanted: StopLoss | None) -> trading.StopLossRequest | None:
    if wanted is None:
        return None
    return trading.StopLossRequest(stop_price=_exactly(wanted.stop_price), limit_price=_amount(wanted.limit_price))


def _leg(wanted: Leg) -> trading.LegRequest:
    return trading.LegRequest(
        symbol=wanted.symbol,
        ratio_qty=Decimal(wanted.ratio),
        side=wanted.side,
        position_intent=wanted.position_intent,
    )


def replace_request(wanted: OrderIntent) -> trading.ReplaceRequest:
    """The body of PATCH /v2/orders/{id} that makes the order into `wanted`, under its own client_order_id."""
    return trading.ReplaceRequest(
        qty=_amount(wanted.qty),
        time_in_force=wanted.time_in_force,
        limit_price=_amount(wanted.limit_price),
        stop_price=_amount(wanted.stop_price),
        trail=_amount(wanted.trail_price or wanted.trail_percent),
        client_order_id=wanted.client_order_id,
    )


def intent(order: trading.Order, *, strategy: str = "external") -> OrderIntent:
    """The intent behind an order that we find at the broker and did not send in this life.

    An order by value has no quantity: as many units as dollars stand for the most that it may buy.

    Raises:
        ProtocolError: a side, type or time in force that nobody here knows, or no quantity.
    """
    legs = tuple(_known_leg(order, leg) for leg in order.legs or ()) if order.order_class == OrderClass.MLEG else ()
    symbol = _underlying(legs[0].symbol) if legs else order.symbol
    qty = order.qty if order.qty is not None else order.notional
    if qty is None or not symbol:
        raise _unknown(order, "symbol and quantity", f"{order.symbol!r}, {order.qty}")
    return OrderIntent(
        client_order_id=order.client_order_id or order.id,
        strategy=strategy,
        symbol=symbol,
        side=Side.BUY if legs else _word(order, Side, order.side),
        qty=qty,
        type=_word(order, OrderType, order.type or order.order_type),
        time_in_force=_word(order, TimeInForce, order.time_in_force),
        ts=_stamp(order),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        extended_hours=bool(order.extended_hours),
        order_class=_word(order, OrderClass, order.order_class or OrderClass.SIMPLE),
        legs=legs,
        position_intent=_position_intent(order),
        notional=order.notional if order.qty is None else None,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        because="found at the broker",
    )


def leg_intent(of: OrderIntent, leg: trading.Order, key: str) -> OrderIntent:
    """The intent of a leg that the broker made out of an order of ours, under a key of our own.

    Raises:
        ProtocolError: a side that nobody here knows, or no symbol.
    """
    if not leg.symbol:
        raise _unknown(leg, "symbol", repr(leg.symbol))
    side = _word(leg, Side, leg.side)
    mleg = next((each for each in of.legs if each.symbol == leg.symbol), None)
    return OrderIntent(
        client_order_id=key,
        strategy=of.strategy,
        symbol=leg.symbol,
        side=side,
        qty=of.qty * mleg.ratio if mleg else leg.qty if leg.qty is not None else of.qty,
        type=_word(leg, OrderType, leg.type or leg.order_type or of.type),
        time_in_force=_word(leg, TimeInForce, leg.time_in_force or of.time_in_force),
        ts=of.ts,
        limit_price=leg.limit_price,
        stop_price=leg.stop_price,
        order_class=of.order_class,
        position_intent=_position_intent(leg),
        parent=of.parent,
        leg_of=of.client_order_id,
        because=of.because,
    )


def leg_key(of: str, leg: trading.Order) -> str:
    """The key of a leg: that of its order and what tells the leg from its sisters."""
    return f"{of}/{leg.symbol if leg.order_class == OrderClass.MLEG else _role(leg)}"


def _role(leg: trading.Order) -> str:
    """Take-profit legs are limit orders, stop-loss legs are stops (facts.md 5.3)."""
    if leg.group_role:
        return leg.group_role
    return "take_profit" if (leg.type or leg.order_type) == OrderType.LIMIT else "stop_loss"


def check_echo(wanted: OrderIntent, order: trading.Order) -> None:
    """Checks that the answer to a submit or replace speaks of the order that was sent (PRO-08).

    Raises:
        ProtocolError: it does not; what became of the order is in doubt.
    """
    sent = (wanted.client_order_id, wanted.symbol, wanted.side, wanted.qty)
    if (order.client_order_id, order.symbol, order.side, order.qty) == sent and not wanted.legs:
        return
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
    pairs: dict[str, tuple[object, object]] = {"client_order_id": (wanted.client_order_id, order.client_order_id)}
    if wanted.legs:  # the symbol and side of a package are spelled in several ways (facts.md 5.3)
        sent, came = {leg.symbol for leg in wanted.legs}, {leg.symbol for leg in order.legs or ()}
        pairs["legs"] = (sorted(sent), sorted(str(symbol) for symbol in came) if came else sorted(sent))
    else:
        pairs |= {"symbol": (wanted.symbol, order.symbol), "side": (wanted.side, order.side)}
    if wanted.notional is None:
        pairs["qty"] = (wanted.qty, order.qty)
    elif order.qty is None:
        pairs["notional"] = (wanted.notional, order.notional)
    for name, (sent_as, came_as) in pairs.items():
        if sent_as != came_as:
            yield f"{name} was {sent_as}, came back {came_as}"


def _known_leg(order: trading.Order, leg: trading.Order) -> Leg:
    ratio = leg.ratio_qty if leg.ratio_qty is not None else Decimal(1)
    if not leg.symbol or ratio != ratio.to_integral_value():
        raise _unknown(order, "a leg", f"{leg.symbol!r} x {ratio}")
    return Leg(leg.symbol, _word(leg, Side, leg.side), int(ratio), _position_intent(leg))


def _position_intent(order: trading.Order) -> PositionIntent | None:
    return _word(order, PositionIntent, order.position_intent) if order.position_intent else None


def _underlying(symbol: str) -> str:
    """What an option is written on; a word that is no symbol stands for itself."""
    try:
        return underlying(symbol)
    except DataError:
        return symbol


def _stamp(order: trading.Order) -> int:
    return order.updated_at or order.submitted_at or order.created_at or 0


def _average(order: trading.Order) -> Decimal | None:
    return order.filled_avg_price if order.filled_qty else None


def _amount(value: Decimal | None) -> Decimal | None:
    return None if value is None else _exactly(value)


def _exactly(value: Decimal) -> Decimal:
    return amount(f"{value:f}")


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
