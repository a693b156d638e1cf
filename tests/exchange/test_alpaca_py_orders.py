"""The order flows of alpaca-py's own documentation, run by the unmodified SDK, end as the fact sheet says."""

import time
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

with warnings.catch_warnings():
    # alpaca-py imports what websockets has put aside; nothing else is forgiven.
    warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, PositionIntent, TimeInForce
    from alpaca.trading.requests import (
        GetOrderByIdRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        OptionLegRequest,
        ReplaceOrderRequest,
        StopLimitOrderRequest,
        StopLossRequest,
        TakeProfitRequest,
        TrailingStopOrderRequest,
    )

from puna.exchange.options import Speed
from puna.exchange.server import ExchangeConfig, ExchangeThread

PATIENCE = 20.0
DAY, GTC = TimeInForce.DAY, TimeInForce.GTC
BUY, SELL = OrderSide.BUY, OrderSide.SELL


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeThread]:
    """Two days, each of which takes 40 seconds of wall time, with options and a coin."""
    config = ExchangeConfig(pacing=Speed(600), wait_for=(), lead_seconds=1, days=2, symbols=("AAPL", "IBM", "BTC/USD"))
    with ExchangeThread(config) as thread:
        yield thread


@pytest.fixture(scope="module")
def trading(exchange: ExchangeThread) -> Any:
    client: Any = TradingClient("KEY", "SECRET", url_override=exchange.url)
    _eventually(lambda: client.get_clock().is_open)
    return client


@pytest.fixture
def price(exchange: ExchangeThread, trading: Any) -> Callable[[str], Decimal]:
    """The middle of a symbol's quote, to the cent."""

    def ask(symbol: str) -> Decimal:
        quote = _eventually(lambda: exchange.call(lambda server: server._floor.market.quote(symbol)))
        return round((Decimal(str(quote.bp)) + Decimal(str(quote.ap))) / 2, 2)

    return ask


@pytest.fixture
def contract(exchange: ExchangeThread) -> Callable[[str, float], str]:
    """A contract on AAPL: the listed strike nearest to a price, at the second expiration from now."""

    def find(right: str, strike: float) -> str:
        def nearest(server: Any) -> str:
            listed = server._floor.market.contracts("AAPL", server._floor.now)
            dates = sorted({each.expiration_date for each in listed})
            there = [each for each in listed if each.expiration_date == dates[1] and each.type == right]
            return str(min(there, key=lambda each: abs(float(each.strike_price) - strike)).symbol)

        return str(exchange.call(nearest))

    return find


@pytest.fixture(autouse=True)
def _clean(trading: Any) -> Iterator[None]:
    """Each test leaves no open order and no position."""
    yield
    trading.close_all_positions(cancel_orders=True)
    _eventually(lambda: not trading.get_orders())
    _eventually(lambda: trading.close_all_positions() is not None and not trading.get_all_positions())


def _eventually(question: Callable[[], Any]) -> Any:
    """What `question` answers, once that is something."""
    end = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return answer


def _becomes(trading: Any, order: Any, status: OrderStatus) -> Any:
    return _eventually(lambda: found if (found := trading.get_order_by_id(order.id)).status == status else None)


def _exits(price: Decimal, profit: str, stop: str) -> dict[str, Any]:
    return {
        "take_profit": TakeProfitRequest(limit_price=float(round(price * Decimal(profit), 2))),
        "stop_loss": StopLossRequest(stop_price=float(round(price * Decimal(stop), 2))),
    }


def test_a_bracket(trading: Any, price: Any) -> None:
    """Filled, its take-profit new, its stop-loss held; a replaced and a canceled exit behave (facts.md 5.3)."""
    exits = _exits(price("AAPL"), "1.5", "0.5")
    request = MarketOrderRequest(
        symbol="AAPL", qty=5, side=BUY, time_in_force=DAY, order_class=OrderClass.BRACKET, **exits
    )
    order = trading.submit_order(request)
    assert order.order_class == OrderClass.BRACKET
    assert [each.status for each in order.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    _becomes(trading, order, OrderStatus.FILLED)
    profit, stop = order.legs
    _becomes(trading, profit, OrderStatus.NEW)
    assert trading.get_order_by_id(stop.id).status == OrderStatus.HELD
    assert [each.id for each in trading.get_orders()] == [profit.id]
    nested = trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert [each.id for each in nested.legs] == [profit.id, stop.id]
    assert trading.get_open_position("AAPL").qty_available == "0"
    lower = trading.replace_order_by_id(
        stop.id, ReplaceOrderRequest(stop_price=float(exits["stop_loss"].stop_price) - 1)
    )
    _becomes(trading, lower, OrderStatus.HELD)
    trading.cancel_order_by_id(profit.id)
    _becomes(trading, profit, OrderStatus.CANCELED)
    _becomes(trading, lower, OrderStatus.CANCELED)


def test_an_oco_and_an_oto(trading: Any, price: Any) -> None:
    """The OTO's entry fills and frees its stop; the OCO that replaces it exits at once, at its marketable limit."""
    entry = trading.submit_order(
        MarketOrderRequest(
            symbol="AAPL",
            qty=3,
            side=BUY,
            time_in_force=DAY,
            order_class=OrderClass.OTO,
            stop_loss=_exits(price("AAPL"), "2", "0.5")["stop_loss"],
        )
    )
    _becomes(trading, entry, OrderStatus.FILLED)
    (stop,) = entry.legs
    _becomes(trading, stop, OrderStatus.NEW)
    oco = LimitOrderRequest(
        symbol="AAPL",
        qty=3,
        side=SELL,
        time_in_force=DAY,
        order_class=OrderClass.OCO,
        **_exits(price("AAPL"), "0.97", "0.5"),
    )
    with pytest.raises(APIError) as caught:
        trading.submit_order(oco)
    assert (caught.value.status_code, caught.value.code) == (403, 40310000)
    trading.cancel_order_by_id(stop.id)
    _becomes(trading, stop, OrderStatus.CANCELED)
    order = trading.submit_order(oco)
    _becomes(trading, order, OrderStatus.FILLED)
    _becomes(trading, order.legs[0], OrderStatus.CANCELED)


def test_a_trailing_stop(trading: Any, price: Any) -> None:
    """Its mark and its stop are shown; it can be trailed closer, and sells when it is met."""
    _becomes(
        trading,
        trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=2, side=BUY, time_in_force=DAY)),
        OrderStatus.FILLED,
    )
    common: dict[str, Any] = {"symbol": "AAPL", "qty": 2, "side": SELL, "time_in_force": GTC}
    order = trading.submit_order(TrailingStopOrderRequest(trail_percent=20.0, **common))
    assert Decimal(order.hwm) > Decimal(order.stop_price) > 0
    _becomes(trading, order, OrderStatus.NEW)
    closer = trading.replace_order_by_id(order.id, ReplaceOrderRequest(trail=0.1))
    assert Decimal(closer.trail_percent) == Decimal("0.1")
    _becomes(trading, closer, OrderStatus.FILLED)


def test_dollars_of_a_stock_and_of_a_coin(trading: Any) -> None:
    """Notional orders: day for the stock, gtc for the coin; positions say BTCUSD."""
    stock = trading.submit_order(MarketOrderRequest(symbol="AAPL", notional=250.5, side=BUY, time_in_force=DAY))
    coin = trading.submit_order(MarketOrderRequest(symbol="BTC/USD", notional=1000, side=BUY, time_in_force=GTC))
    for order in (stock, coin):
        done = _becomes(trading, order, OrderStatus.FILLED)
        assert done.qty is None
    held = {each.symbol: each for each in trading.get_all_positions()}
    assert set(held) == {"AAPL", "BTCUSD"}
    assert Decimal(held["AAPL"].qty) % 1
    stop = StopLimitOrderRequest(
        symbol="BTC/USD",
        qty=held["BTCUSD"].qty,
        side=SELL,
        time_in_force=GTC,
        stop_price=1000,
        limit_price=999,
    )
    _becomes(trading, trading.submit_order(stop), OrderStatus.NEW)
    with pytest.raises(APIError) as caught:
        trading.submit_order(MarketOrderRequest(symbol="BTC/USD", qty=1, side=SELL, time_in_force=GTC))
    assert caught.value.message.startswith("insufficient balance for BTC (requested: 1, available: 0)")


def test_a_covered_call(trading: Any, price: Any, contract: Any) -> None:
    """Refused without the shares, written with them; they are locked until it is bought back (facts.md 11)."""
    call = contract("call", float(price("AAPL")) * 1.02)
    write = MarketOrderRequest(symbol=call, qty=1, side=SELL, time_in_force=DAY)
    with pytest.raises(APIError) as caught:
        trading.submit_order(write)
    assert caught.value.message == (
        "insufficient underlying qty available for covered call (required: 100, available: 0)"
    )
    shares = trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=120, side=BUY, time_in_force=DAY))
    _becomes(trading, shares, OrderStatus.FILLED)
    order = trading.submit_order(write)
    assert order.position_intent == PositionIntent.SELL_TO_OPEN
    _becomes(trading, order, OrderStatus.FILLED)
    assert trading.get_open_position("AAPL").qty_available == "20"
    assert trading.get_open_position(call).qty == "-1"
    _becomes(trading, trading.close_position(call), OrderStatus.FILLED)
    assert trading.get_open_position("AAPL").qty_available == "120"


def test_an_iron_condor(trading: Any, price: Any, contract: Any) -> None:
    """One order, four legs, filled together for a credit; closed the same way (facts.md 5.3)."""
    spot = float(price("AAPL"))
    legs = [
        (contract("put", spot * 0.9), BUY),
        (contract("put", spot * 0.95), SELL),
        (contract("call", spot * 1.05), SELL),
        (contract("call", spot * 1.1), BUY),
    ]
    request = LimitOrderRequest(
        qty=1,
        order_class=OrderClass.MLEG,
        time_in_force=DAY,
        limit_price=-0.05,
        legs=[OptionLegRequest(symbol=symbol, side=side, ratio_qty=1) for symbol, side in legs],
    )
    order = trading.submit_order(request)
    assert (order.symbol, order.order_class, len(order.legs)) == (None, OrderClass.MLEG, 4)
    done = _becomes(trading, order, OrderStatus.FILLED)
    assert Decimal(done.filled_avg_price) <= Decimal("-0.05")
    assert {each.status for each in done.legs} == {OrderStatus.FILLED}
    held = {each.symbol: each.qty for each in trading.get_all_positions()}
    assert held == {symbol: "1" if side == BUY else "-1" for symbol, side in legs}
    intents = {BUY: PositionIntent.SELL_TO_CLOSE, SELL: PositionIntent.BUY_TO_CLOSE}
    back = MarketOrderRequest(
        qty=1,
        order_class=OrderClass.MLEG,
        time_in_force=DAY,
        legs=[OptionLegRequest(symbol=name, position_intent=intents[side], ratio_qty=1) for name, side in legs],
    )
    _becomes(trading, trading.submit_order(back), OrderStatus.FILLED)
    assert trading.get_all_positions() == []
