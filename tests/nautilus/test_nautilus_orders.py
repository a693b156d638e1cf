"""Orders of the framework as requests to Alpaca, and the reasons why some are denied."""

from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

from nautilus_node import here
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.enums import (
    OrderSide,
    OrderType,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
)
from nautilus_trader.model.identifiers import StrategyId, TraderId, new_generic_spread_id
from nautilus_trader.model.objects import Price, Quantity

from puna.nautilus.instruments import contract_of, instrument_id, instrument_of, spread_of
from puna.nautilus.orders import Bracket, Situation, bracket_of, bracket_request, denial, request_of
from puna.wire.codec import Amount
from puna.wire.trading import Asset

STOCK = instrument_of(Asset(id="1", symbol="AAPL", asset_class="us_equity", fractionable=True), 0)
FRACTIONS = instrument_of(Asset(id="1", symbol="AAPL", asset_class="us_equity", fractionable=True), 0, fractional=True)
COIN = instrument_of(
    Asset(
        id="2",
        symbol="BTC/USD",
        asset_class="crypto",
        min_order_size=Amount("0.0001"),
        min_trade_increment=Amount("0.0001"),
        price_increment=Amount("0.01"),
    ),
    0,
)
CALL = contract_of("AAPL260320C00100000", 0)
DEAR = contract_of("AAPL260320C00100000", 0, penny=False)


def factory() -> OrderFactory:
    return OrderFactory(TraderId("T-1"), StrategyId("S-1"), TestClock())


def make(kind: str, instrument: Any = STOCK, side: OrderSide = OrderSide.BUY, qty: str = "10", **rest: Any) -> Any:
    rest = {name: Price.from_str(value) if "price" in name else value for name, value in rest.items()}
    return getattr(factory(), kind)(instrument.id, side, Quantity.from_str(qty), **rest)


ACCEPTED = [
    ("market", STOCK, {}, {"type": "market", "qty": "10", "time_in_force": "gtc"}),
    (
        "limit",
        STOCK,
        {"price": "10.05", "time_in_force": TimeInForce.DAY},
        {"limit_price": "10.05", "time_in_force": "day"},
    ),
    ("stop_market", STOCK, {"trigger_price": "9.00"}, {"type": "stop", "stop_price": "9"}),
    ("stop_limit", STOCK, {"price": "8.90", "trigger_price": "9.00"}, {"stop_price": "9", "limit_price": "8.9"}),
    ("limit", STOCK, {"price": "1.00", "time_in_force": TimeInForce.AT_THE_OPEN}, {"time_in_force": "opg"}),
    ("market", STOCK, {"time_in_force": TimeInForce.AT_THE_CLOSE}, {"time_in_force": "cls"}),
    ("limit", STOCK, {"price": "1.00", "time_in_force": TimeInForce.FOK}, {"time_in_force": "fok"}),
    ("market", COIN, {"time_in_force": TimeInForce.IOC}, {"symbol": "BTC/USD", "time_in_force": "ioc"}),
    ("limit", CALL, {"price": "1.23", "time_in_force": TimeInForce.DAY}, {"symbol": "AAPL260320C00100000"}),
]


@pytest.mark.parametrize(("kind", "instrument", "terms", "expected"), ACCEPTED)
def test_becomes_a_request(kind: str, instrument: Any, terms: dict[str, Any], expected: dict[str, str]) -> None:
    """Each kind of order that Alpaca has goes out in Alpaca's words, under the framework's id."""
    order = make(kind, instrument, **terms)
    assert denial(order, instrument, Situation()) is None
    request = request_of(order, instrument)
    assert {name: str(getattr(request, name)) for name in expected} == expected
    assert request.client_order_id == order.client_order_id.value


DENIED = [
    ("limit", STOCK, {"price": "1.00", "time_in_force": TimeInForce.GTD, "expire_time": None}, Situation(), "GTD"),
    ("limit", STOCK, {"price": "1.00", "post_only": True}, Situation(), "post-only"),
    ("limit", STOCK, {"price": "1.00", "display_qty": Quantity.from_int(1)}, Situation(), "display"),
    ("market_if_touched", STOCK, {"trigger_price": "1.00"}, Situation(), "MARKET_IF_TOUCHED"),
    ("limit_if_touched", STOCK, {"price": "1.00", "trigger_price": "1.00"}, Situation(), "LIMIT_IF_TOUCHED"),
    ("stop_market", STOCK, {"trigger_price": "1.00", "trigger_type": TriggerType.BID_ASK}, Situation(), "last price"),
    ("market", STOCK, {"reduce_only": True}, Situation(), "reduce"),
    ("market", STOCK, {"reduce_only": True}, Situation(position=Decimal(-5)), "reduce"),
    ("market", STOCK, {"quote_quantity": True}, Situation(), "fractional_shares"),
    ("market", STOCK, {}, Situation(extended=True), "extended"),
    ("market", COIN, {"time_in_force": TimeInForce.DAY}, Situation(), "GTC or IOC"),
    ("stop_market", COIN, {"trigger_price": "1.00"}, Situation(), "market, limit or stop-limit"),
    ("limit", COIN, {"price": "1.00"}, Situation(extended=True), "around the clock"),
    ("limit", CALL, {"price": "1.00", "time_in_force": TimeInForce.FOK}, Situation(), "DAY or GTC"),
    ("limit", CALL, {"price": "1.00", "time_in_force": TimeInForce.DAY}, Situation(extended=True), "extended"),
    ("limit", DEAR, {"price": "3.05", "time_in_force": TimeInForce.DAY}, Situation(), "multiple"),
]


@pytest.mark.parametrize(("kind", "instrument", "terms", "situation", "reason"), DENIED)
def test_is_denied_with_the_reason(
    kind: str, instrument: Any, terms: dict[str, Any], situation: Situation, reason: str
) -> None:
    """What Alpaca would refuse, or does not have, is denied in words; it is never turned into something else."""
    if "expire_time" in terms:
        terms = terms | {"expire_time": TestClock().utc_now() + __import__("datetime").timedelta(days=1)}
    found = denial(make(kind, instrument, **terms), instrument, situation)
    assert found is not None
    assert reason in found


def test_short_sales() -> None:
    """A sale never goes through flat, a coin is never sold short; a short sale of a stock is the broker's to judge."""
    held = Situation(position=Decimal(4))
    assert "through flat" in str(denial(make("market", side=OrderSide.SELL), STOCK, held))
    assert denial(make("market", side=OrderSide.SELL), STOCK, Situation()) is None
    assert denial(make("market", side=OrderSide.SELL, qty="4"), STOCK, held) is None
    assert "short" in str(denial(make("market", COIN, OrderSide.SELL, "5"), COIN, held))
    assert denial(make("market", COIN, OrderSide.SELL, "4"), COIN, held) is None


def test_reduce_only_is_kept_here() -> None:
    """Alpaca has no such flag, so the promise is checked against what is held."""
    order = make("market", side=OrderSide.SELL, reduce_only=True)
    assert denial(order, STOCK, Situation(position=Decimal(10))) is None
    assert "reduce" in str(denial(order, STOCK, Situation(position=Decimal(9))))


def test_fractions_and_money() -> None:
    """Fractional and notional orders of stocks work where the stock was loaded with fractions, for the day only."""
    day = {"time_in_force": TimeInForce.DAY}
    fraction = make("market", FRACTIONS, qty="0.5", **day)
    assert denial(fraction, FRACTIONS, Situation()) is None
    assert str(request_of(fraction, FRACTIONS).qty) == "0.5"
    money = make("market", FRACTIONS, qty="100", quote_quantity=True, **day)
    assert denial(money, FRACTIONS, Situation()) is None
    request = request_of(money, FRACTIONS)
    assert (str(request.notional), request.qty) == ("100", None)
    assert "DAY" in str(denial(make("market", FRACTIONS, qty="0.5"), FRACTIONS, Situation()))
    cheap = make("market", FRACTIONS, qty="0.5", quote_quantity=True, **day)
    assert "at least" in str(denial(cheap, FRACTIONS, Situation()))


def test_trailing_stops() -> None:
    """By price, by ticks, or by percent; from 0.1 % on, without an activation price."""
    terms: dict[str, Any] = {"trailing_offset": Decimal("0.50"), "trailing_offset_type": TrailingOffsetType.PRICE}
    by_price = make("trailing_stop_market", side=OrderSide.SELL, **terms)
    assert denial(by_price, STOCK, Situation()) is None
    assert str(request_of(by_price, STOCK).trail_price) == "0.50"
    terms = {"trailing_offset": Decimal(25), "trailing_offset_type": TrailingOffsetType.BASIS_POINTS}
    assert str(request_of(make("trailing_stop_market", side=OrderSide.SELL, **terms), STOCK).trail_percent) == "0.25"
    terms["trailing_offset"] = Decimal(5)
    assert "0.1" in str(denial(make("trailing_stop_market", side=OrderSide.SELL, **terms), STOCK, Situation()))
    terms = {"trailing_offset": Decimal(3), "trailing_offset_type": TrailingOffsetType.TICKS}
    assert str(request_of(make("trailing_stop_market", side=OrderSide.SELL, **terms), STOCK).trail_price) == "0.03"
    terms["activation_price"] = "9.00"
    assert "activation" in str(denial(make("trailing_stop_market", side=OrderSide.SELL, **terms), STOCK, Situation()))


def condor() -> Any:
    names = ["AAPL260320P00090000", "AAPL260320P00095000", "AAPL260320C00105000", "AAPL260320C00110000"]
    legs = list(zip((instrument_id(name) for name in names), (1, -1, -1, 1), strict=True))
    return spread_of(new_generic_spread_id(legs), [contract_of(name, 0) for name in names], 0)


def test_a_spread_is_one_multi_leg_order() -> None:
    """Buying takes the legs as they stand; selling turns every one around, and the sign of the net price."""
    spread = condor()
    terms = {"price": "-1.60", "time_in_force": TimeInForce.DAY}
    bought = request_of(make("limit", spread, qty="2", **terms), spread)
    assert (bought.order_class, str(bought.qty), str(bought.limit_price), bought.symbol) == ("mleg", "2", "-1.6", None)
    assert [(leg.symbol[10], leg.side) for leg in bought.legs or ()] == [
        ("C", "sell"),
        ("C", "buy"),
        ("P", "buy"),
        ("P", "sell"),
    ]
    terms["price"] = "1.60"
    sold = request_of(make("limit", spread, OrderSide.SELL, "2", **terms), spread)
    assert str(sold.limit_price) == "-1.6"
    assert [leg.side for leg in sold.legs or ()] == ["buy", "sell", "sell", "buy"]


def test_an_uncovered_spread_is_denied() -> None:
    """By the universal spread rule of `puna.core.margin`, not by a rule of the adapter's own."""
    names = ["AAPL260320C00105000", "AAPL260320C00110000"]
    legs = list(zip((instrument_id(name) for name in names), (-2, 1), strict=True))
    spread = spread_of(new_generic_spread_id(legs), [contract_of(name, 0) for name in names], 0)
    order = make("limit", spread, qty="1", price="0.10", time_in_force=TimeInForce.DAY)
    assert "uncovered" in str(denial(order, spread, Situation()))


def test_brackets() -> None:
    """The framework's bracket becomes one request of class bracket; its two exits alone one of class oco."""
    orders = factory().bracket(
        STOCK.id,
        OrderSide.BUY,
        Quantity.from_int(10),
        entry_order_type=OrderType.LIMIT,
        entry_price=Price.from_str("10.00"),
        sl_trigger_price=Price.from_str("9.00"),
        tp_price=Price.from_str("12.00"),
        tp_post_only=False,
        time_in_force=TimeInForce.DAY,
    )
    found = bracket_of(orders)
    assert isinstance(found, Bracket)
    request = bracket_request(found, STOCK)
    assert (request.order_class, str(request.limit_price)) == ("bracket", "10")
    assert request.take_profit is not None
    assert request.stop_loss is not None
    assert (str(request.take_profit.limit_price), str(request.stop_loss.stop_price)) == ("12", "9")
    exits = bracket_request(Bracket(None, found.take_profit, found.stop_loss), STOCK)
    assert (exits.order_class, exits.side, exits.type) == ("oco", "sell", "limit")


def test_names() -> None:
    """An instrument has one id, whichever way Alpaca spells its symbol."""
    assert instrument_id("BTCUSD") == instrument_id("BTC/USD") == here("BTC/USD")
