"""Between wire and domain: everything arrives, nothing is guessed, and an answer about another order is noticed."""

import json
from decimal import Decimal
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.alpaca import mapping
from puna.core.orders import Status, from_intent, reduce
from puna.core.types import (
    Fill,
    Leg,
    OrderClass,
    OrderIntent,
    OrderType,
    PositionIntent,
    Side,
    StopLoss,
    TakeProfit,
    TimeInForce,
)
from puna.errors import ProtocolError
from puna.wire.activities import Activity, ActivityDetails, ActivityEvent
from puna.wire.codec import Nanos, amount, decode, decoder, encode
from puna.wire.market import Bar, Quote, Trade
from puna.wire.stream import BarMessage, QuoteMessage, TradeMessage
from puna.wire.trading import Order, Position, TradeUpdate

INTENT = OrderIntent(
    client_order_id="p-1-s-1",
    strategy="s",
    symbol="AAPL",
    side=Side.BUY,
    qty=Decimal("1E+1"),
    type=OrderType.STOP_LIMIT,
    time_in_force=TimeInForce.GTC,
    ts=5,
    limit_price=Decimal("10.50"),
    stop_price=Decimal("10.40"),
    extended_hours=True,
    position_intent=PositionIntent.BUY_TO_OPEN,
    because="a reason of ours, which is not the broker's business",
)
TEN = Decimal(10)
ORDER = {
    "id": "broker-1",
    "client_order_id": "p-1-s-1",
    "status": "new",
    "symbol": "AAPL",
    "side": "buy",
    "qty": "10",
    "type": "stop_limit",
    "time_in_force": "gtc",
    "filled_qty": "0",
    "created_at": "1970-01-01T00:00:01Z",
    "updated_at": "1970-01-01T00:00:02Z",
}


def order(**changes: Any) -> Order:
    """The order as REST shows it."""
    return decode(decoder(Order), json.dumps(ORDER | changes).encode())


def test_market_data_keeps_every_number() -> None:
    """Stream and data API make the same quotes, prints and bars."""
    numbers: dict[str, Any] = {"bp": 1.5, "bs": 100.0, "ap": 1.6, "as_": 200.0, "t": Nanos(7)}
    quote = mapping.quote(QuoteMessage(S="A", **numbers), 9)
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (1.5, 100.0, 1.6, 200.0)
    assert (quote.symbol, quote.ts_event, quote.ts_init) == ("A", 7, 9)
    assert quote == mapping.quote_of("A", Quote(**numbers), 9)
    trade = mapping.trade(TradeMessage(S="A", p=1.5, s=3.0, t=Nanos(7)), 9)
    assert (trade.price, trade.size, trade.ts_event) == (1.5, 3.0, 7)
    assert trade == mapping.trade_of("A", Trade(p=1.5, s=3.0, t=Nanos(7)), 9)
    prices: dict[str, Any] = {"o": 1.0, "h": 4.0, "l": 0.5, "c": 2.0, "v": 30.0, "n": 6, "vw": 1.7, "t": Nanos(7)}
    bar = mapping.bar(BarMessage(S="A", **prices), 9)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (1.0, 4.0, 0.5, 2.0, 30.0)
    assert (bar.trade_count, bar.vwap, bar.ts_event, bar.ts_init) == (6, 1.7, 7, 9)
    assert bar == mapping.bar_of("A", Bar(**prices), 9)


def test_a_position_is_signed() -> None:
    """Short is negative, and so is its cost."""
    short = Position(asset_id="1", symbol="XLK", qty=amount("-24"), avg_entry_price=amount("82.69"))
    assert mapping.position(short).cost == Decimal("-1984.56")
    assert mapping.position(short).average_price == Decimal("82.69")


def test_an_intent_becomes_an_order_request() -> None:
    """Every field that the broker needs, decimals written out, and nothing else."""
    request = mapping.order_request(INTENT)
    assert [str(each) for each in (request.qty, request.limit_price, request.stop_price)] == ["10", "10.50", "10.40"]
    assert (request.side, request.type, request.time_in_force) == ("buy", "stop_limit", "gtc")
    assert request.extended_hours
    assert (request.client_order_id, request.position_intent, request.order_class) == ("p-1-s-1", "buy_to_open", None)
    change = mapping.replace_request(INTENT)
    assert (str(change.qty), change.client_order_id, change.limit_price) == ("10", "p-1-s-1", Decimal("10.50"))


def test_evidence_of_rest_and_stream() -> None:
    """Both end in the same state of the order."""
    filled = order(status="filled", filled_qty="10", filled_avg_price="10.45")
    rest = mapping.update("rest", filled)
    assert (rest.client_order_id, rest.broker_id, rest.status, rest.ts) == ("p-1-s-1", "broker-1", "filled", 2 * 10**9)
    assert (rest.cum_qty, rest.avg_price) == (TEN, Decimal("10.45"))
    event = TradeUpdate(event="fill", order=filled, timestamp=Nanos(3), price=amount("10.45"), qty=amount("10"),
                        execution_id="x")  # fmt: skip
    stream = mapping.update("stream", event)
    assert (stream.event, stream.last_qty, stream.last_price, stream.execution_id, stream.ts) == (
        "fill", TEN, Decimal("10.45"), "x", 3,
    )  # fmt: skip
    for update in (rest, stream):
        state, fills = reduce(from_intent(INTENT), update)
        assert state.status is Status.FILLED
        assert [(fill.qty, fill.price) for fill in fills] == [(TEN, Decimal("10.45"))]


@given(st.text(min_size=1, max_size=30))
def test_unknown_words_travel_on_raw(word: str) -> None:
    """A new status or event is nobody's default."""
    if word in set(Status):
        return
    update = mapping.update(
        "stream", TradeUpdate(event=word, order=Order(id="1", client_order_id="p-1-s-1", status=word))
    )
    assert (update.status, update.event) == (word, word)
    assert reduce(from_intent(INTENT), update)[0].status is Status.UNKNOWN


@pytest.mark.parametrize(
    "changes", [{"side": "sideways"}, {"side": None}, {"type": "iceberg"}, {"time_in_force": "tomorrow"}, {"qty": None},
                {"symbol": ""}, {"order_class": "new class"}]
)  # fmt: skip
def test_an_order_that_cannot_be_understood_is_not_adopted(changes: dict[str, Any]) -> None:
    """PRO-09: neither side nor type is ever guessed."""
    with pytest.raises(ProtocolError, match="cannot be understood"):
        mapping.intent(order(**changes))


def test_a_foreign_order_becomes_an_intent() -> None:
    """Found at the broker: what it wants, under its own id."""
    intent = mapping.intent(order(order_class="", limit_price="10.5", stop_price="10.4"))
    assert (intent.client_order_id, intent.strategy, intent.qty, intent.side) == ("p-1-s-1", "external", TEN, Side.BUY)
    assert (intent.type, intent.time_in_force) == (OrderType.STOP_LIMIT, TimeInForce.GTC)


def test_an_echo_of_the_order_is_accepted() -> None:
    """Also when the quantity is printed in another way."""
    mapping.check_echo(INTENT, order(qty="10.000"))


@pytest.mark.parametrize(
    "changes", [{"client_order_id": "other"}, {"symbol": "IBM"}, {"side": "sell"}, {"qty": "1"}, {"qty": None}]
)
def test_an_answer_about_another_order_is_a_doubt(changes: dict[str, Any]) -> None:
    """PRO-08: what became of ours is not known."""
    with pytest.raises(ProtocolError, match="another order") as raised:
        mapping.check_echo(INTENT, order(**changes))
    assert raised.value.in_doubt


def wish(**changes: Any) -> OrderIntent:
    """A plain market order for ten, changed."""
    plain: dict[str, Any] = {"type": OrderType.MARKET, "time_in_force": TimeInForce.DAY, "ts": 5}
    named: dict[str, Any] = {
        "client_order_id": "p-1-s-1",
        "strategy": "s",
        "symbol": "AAPL",
        "side": Side.BUY,
        "qty": TEN,
    }
    return OrderIntent(**(named | plain | changes))


def sent(intent: OrderIntent) -> dict[str, Any]:
    """What goes over the wire for an intent."""
    found: dict[str, Any] = json.loads(encode(mapping.order_request(intent)))
    return found


CONDOR = (
    Leg("SPY260320P00470000", Side.BUY, 1, PositionIntent.BUY_TO_OPEN),
    Leg("SPY260320P00480000", Side.SELL, 1, PositionIntent.SELL_TO_OPEN),
)
"""Half of one."""


def test_a_package_names_its_legs_and_no_symbol_of_its_own() -> None:
    """Legs with ratio, side and position intent; a credit is a negative limit price (facts.md 5.3)."""
    body = sent(
        wish(symbol="SPY", order_class=OrderClass.MLEG, legs=CONDOR, type=OrderType.LIMIT, limit_price=Decimal("-1.60"))
    )
    assert "symbol" not in body
    assert "side" not in body
    assert (body["order_class"], body["limit_price"], body["qty"]) == ("mleg", "-1.60", "10")
    assert body["legs"][1] == {
        "symbol": "SPY260320P00480000",
        "ratio_qty": "1",
        "side": "sell",
        "position_intent": "sell_to_open",
    }


def test_brackets_trails_and_money_reach_the_wire() -> None:
    """Each in Alpaca's own fields; an OCO order's limit price stands in its take-profit leg only."""
    exits: dict[str, Any] = {"take_profit": TakeProfit(Decimal(12)), "stop_loss": StopLoss(Decimal(9), Decimal("8.9"))}
    bracket = sent(wish(order_class=OrderClass.BRACKET, **exits))
    assert bracket["take_profit"] == {"limit_price": "12"}
    assert bracket["stop_loss"] == {"stop_price": "9", "limit_price": "8.9"}
    oco = sent(wish(order_class=OrderClass.OCO, type=OrderType.LIMIT, limit_price=Decimal(12), **exits))
    assert "limit_price" not in oco
    assert sent(wish(type=OrderType.TRAILING_STOP, trail_percent=Decimal("1.5")))["trail_percent"] == "1.5"
    money = sent(wish(notional=Decimal("99.5")))
    assert money["notional"] == "99.5"
    assert "qty" not in money


def test_a_package_at_the_broker_is_understood() -> None:
    """Symbol and side of the parent are empty; its legs say what it is, and each becomes an order of its own."""
    half: dict[str, Any] = {
        "side": "buy",
        "ratio_qty": "1",
        "qty": "10",
        "order_class": "mleg",
        "type": "",
        "order_type": "",
    }
    legs = [ORDER | half | {"id": "l1", "client_order_id": "x", "symbol": "SPY260320P00470000"}]
    legs.append(legs[0] | {"id": "l2", "symbol": "SPY260320P00480000", "side": "sell"})
    shown = order(symbol="", side="", order_class="mleg", type="limit", limit_price="-1.6", legs=legs)
    found = mapping.intent(shown)
    assert (found.symbol, found.side, found.limit_price) == ("SPY", Side.BUY, Decimal("-1.6"))
    assert [(leg.symbol, leg.side) for leg in found.legs] == [(leg.symbol, leg.side) for leg in CONDOR]
    mapping.check_echo(wish(symbol="SPY", order_class=OrderClass.MLEG, legs=CONDOR), shown)
    leg = mapping.leg_intent(found, shown.legs[1], mapping.leg_key("p-1-s-1", shown.legs[1])) if shown.legs else None
    assert leg is not None
    assert (leg.client_order_id, leg.side, leg.leg_of) == ("p-1-s-1/SPY260320P00480000", Side.SELL, "p-1-s-1")


def test_a_credit_is_a_negative_price_and_nothing_else_is() -> None:
    """A package may be paid for; a share may not."""
    mapping.update("rest", order(order_class="mleg", filled_qty="1", filled_avg_price="-1.6"))
    with pytest.raises(ValueError, match="negative"):
        mapping.update("rest", order(filled_qty="1", filled_avg_price="-1.6"))


def test_an_order_for_money_may_come_back_with_a_quantity() -> None:
    """While it has none the money is compared; an order by value that we find has at most so many units."""
    mapping.check_echo(wish(notional=Decimal(50)), order(qty=None, notional="50", type="market"))
    with pytest.raises(ProtocolError, match="another order"):
        mapping.check_echo(wish(notional=Decimal(50)), order(qty=None, notional="51", type="market"))
    found = mapping.intent(order(qty=None, notional="51", type="market"))
    assert (found.qty, found.notional) == (Decimal(51), Decimal(51))


def test_three_sources_of_one_fill_are_one_fill() -> None:
    """A trade update, an event of the activities' feed and a row of the activities merge by cumulative quantity."""
    intent = OrderIntent(
        client_order_id="c-1", strategy="s", symbol="AAPL", side=Side.BUY, qty=Decimal(3), type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY, ts=1,
    )  # fmt: skip
    order = Order(id="b-1", client_order_id="c-1", status="partially_filled", filled_qty=Decimal(2), updated_at=5)
    stream = TradeUpdate(event="partial_fill", order=order, qty=Decimal(2), price=Decimal(10), execution_id="x")
    event = ActivityEvent(
        event_id="01", activity_type="FILL", at=6, qty=Decimal(2), price=Decimal(10),
        details=ActivityDetails(order_id="b-1", client_order_id="c-1", cum_qty=Decimal(2), execution_type="fill"),
    )  # fmt: skip
    row = Activity(
        id="1", activity_type="FILL", order_id="b-1", qty=Decimal(2), price=Decimal(10), cum_qty=Decimal(2),
        type="partial_fill", transaction_time=6,
    )  # fmt: skip
    told = mapping.execution(row)
    assert told is not None
    assert told.client_order_id == ""  # a row does not know our id; whoever asked for it does
    said = [
        mapping.update("stream", stream),
        mapping.execution(event),
        msgspec.structs.replace(told, client_order_id="c-1"),
    ]
    for evidence in permutations(said):
        known, fills = from_intent(intent), list[Fill]()
        for each in evidence:
            assert each is not None
            known, booked = reduce(known, each)
            fills += booked
        assert sum(fill.qty for fill in fills) == 2
        assert known.filled_qty == 2


def test_what_is_no_execution_is_no_evidence() -> None:
    """A dividend, a deposit, a fill without its order say nothing about an order."""
    assert mapping.execution(Activity(id="1", activity_type="DIV")) is None
    assert mapping.execution(Activity(id="1", activity_type="FILL")) is None
    assert mapping.execution(ActivityEvent(event_id="1", activity_type="CSD", at=1)) is None
