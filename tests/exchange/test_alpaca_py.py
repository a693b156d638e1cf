"""The unmodified official SDK, alpaca-py, trades a day on the exchange over real sockets."""

import asyncio
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Any, Self

import pytest

with warnings.catch_warnings():
    # alpaca-py imports what websockets has put aside; nothing else is forgiven.
    warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.live import StockDataStream
    from alpaca.data.models import Bar, Quote, Trade
    from alpaca.data.requests import (
        StockBarsRequest,
        StockLatestBarRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
    )
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import (
        AssetClass,
        OrderSide,
        OrderStatus,
        OrderType,
        PositionSide,
        QueryOrderStatus,
        TimeInForce,
        TradeEvent,
    )
    from alpaca.trading.models import TradeUpdate
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetAssetsRequest,
        GetCalendarRequest,
        GetOrderByIdRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLimitOrderRequest,
        StopOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

from puna.exchange.options import DEFAULT_DAY, Speed
from puna.exchange.server import ExchangeConfig, ExchangeThread

KEY, SECRET = "KEY", "SECRET"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeThread]:
    """A day that takes 40 seconds of wall time, on which only one key may trade."""
    config = ExchangeConfig(pacing=Speed(600), wait_for=(), lead_seconds=1, keys={KEY: SECRET})
    with ExchangeThread(config) as thread:
        yield thread


@pytest.fixture(scope="module")
def trading(exchange: ExchangeThread) -> Any:
    client: Any = TradingClient(KEY, SECRET, url_override=exchange.url)
    _eventually(lambda: client.get_clock().is_open)
    return client


@pytest.fixture(scope="module")
def history(exchange: ExchangeThread) -> Any:
    return StockHistoricalDataClient(KEY, SECRET, url_override=exchange.url)


@pytest.fixture(autouse=True)
def _clean(trading: Any) -> Iterator[None]:
    """Each test leaves no open order and no position."""
    yield
    trading.cancel_orders()
    _eventually(lambda: not trading.get_orders())
    trading.close_all_positions(cancel_orders=True)
    _eventually(lambda: not trading.get_all_positions())


def _eventually(question: Callable[[], Any]) -> Any:
    """What `question` answers, once that is something."""
    end = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return answer


def _price(history: Any, symbol: str = "AAPL") -> Any:
    return _eventually(
        lambda: history.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=symbol)).get(symbol)
    )


def _filled(trading: Any, order: Any) -> Any:
    return _eventually(
        lambda: found if (found := trading.get_order_by_id(order.id)).status == OrderStatus.FILLED else None
    )


def _buy(trading: Any, qty: float = 3, symbol: str = "AAPL", **more: Any) -> Any:
    return trading.submit_order(
        MarketOrderRequest(symbol=symbol, qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, **more)
    )


def test_account_clock_calendar_and_assets(trading: Any) -> None:
    """What a client asks first parses into the SDK's own models."""
    account = trading.get_account()
    assert account.status == "ACTIVE"
    assert Decimal(account.cash) > 0
    assert Decimal(account.buying_power) > 0
    assert trading.get_clock().next_close.isoformat() == "2012-09-19T16:00:00-04:00"
    (day,) = trading.get_calendar(GetCalendarRequest(start=DEFAULT_DAY, end=DEFAULT_DAY))
    assert (day.open, day.close) == (
        datetime.combine(DEFAULT_DAY, clock_time(9, 30)),
        datetime.combine(DEFAULT_DAY, clock_time(16)),
    )
    assets = trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.US_EQUITY))
    assert {asset.symbol for asset in assets} == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    assert trading.get_asset("AAPL") == trading.get_asset(trading.get_asset("AAPL").id)


def test_a_market_order_fills_and_makes_a_position(trading: Any) -> None:
    """Submit, poll, position, close by percentage, close the rest by symbol."""
    order = _buy(trading, 4, client_order_id="market-1")
    assert order.status in (OrderStatus.PENDING_NEW, OrderStatus.ACCEPTED)
    done = _filled(trading, order)
    assert Decimal(done.filled_qty) == 4
    position = trading.get_open_position("AAPL")
    assert (position.qty, position.side) == ("4", PositionSide.LONG)
    assert position.avg_entry_price == done.filled_avg_price
    assert [each.symbol for each in trading.get_all_positions()] == ["AAPL"]
    _filled(trading, trading.close_position("AAPL", ClosePositionRequest(percentage="50")))
    assert Decimal(trading.get_open_position("AAPL").qty) == 2
    _filled(trading, trading.close_position("AAPL", ClosePositionRequest(qty="1")))
    _filled(trading, trading.close_position("AAPL"))
    with pytest.raises(APIError) as caught:
        trading.get_open_position("AAPL")
    assert (caught.value.status_code, caught.value.code) == (404, 40410000)


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT])
def test_orders_that_rest_are_listed_found_replaced_and_cancelled(trading: Any, history: Any, kind: OrderType) -> None:
    """Limit, stop and stop-limit: submit, find by both ids, list, replace with a new id, cancel."""
    price = _price(history)
    low, high = round(price.bid_price * 0.8), round(price.ask_price * 1.2)
    common: Any = {"symbol": "AAPL", "qty": 2, "side": OrderSide.BUY, "time_in_force": TimeInForce.GTC}
    requests: dict[OrderType, Any] = {
        OrderType.LIMIT: (LimitOrderRequest(limit_price=low, **common), {"limit_price": low + 1}),
        OrderType.STOP: (StopOrderRequest(stop_price=high, **common), {"stop_price": high + 1}),
        OrderType.STOP_LIMIT: (
            StopLimitOrderRequest(stop_price=high, limit_price=high + 5, **common),
            {"limit_price": high + 6},
        ),
    }
    request, change = requests[kind]
    request.client_order_id = f"rests-{kind.value}"
    order = trading.submit_order(request)
    assert order.type == kind
    assert trading.get_order_by_client_id(f"rests-{kind.value}").id == order.id
    _eventually(lambda: trading.get_order_by_id(order.id).status == OrderStatus.NEW)
    assert [each.id for each in trading.get_orders(GetOrdersRequest(symbols=["AAPL"]))] == [order.id]

    newer = trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=3, **change))
    assert newer.id != order.id
    assert newer.replaces == order.id
    old = _eventually(
        lambda: found if (found := trading.get_order_by_id(order.id)).status == OrderStatus.REPLACED else None
    )
    assert old.replaced_by == newer.id
    current = _eventually(
        lambda: found if (found := trading.get_order_by_id(newer.id)).status == OrderStatus.NEW else None
    )
    assert Decimal(current.qty) == 3
    for field, value in change.items():
        assert Decimal(getattr(current, field)) == value

    trading.cancel_order_by_id(newer.id)
    _eventually(lambda: trading.get_order_by_id(newer.id).status == OrderStatus.CANCELED)
    closed = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED, symbols=["AAPL"]))
    assert {order.id, newer.id} <= {each.id for each in closed}
    with pytest.raises(APIError) as caught:
        trading.cancel_order_by_id(newer.id)
    assert (caught.value.status_code, caught.value.code) == (422, 42210000)


def test_cancel_all_and_close_all(trading: Any, history: Any) -> None:
    """Both 207 answers parse, row by row."""
    low = round(_price(history).bid_price * 0.8)
    rest = [
        trading.submit_order(
            LimitOrderRequest(
                symbol=symbol, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=low // 10
            )
        )
        for symbol in ("AAPL", "IBM")
    ]
    _eventually(lambda: len(trading.get_orders()) == 2)
    rows = trading.cancel_orders()
    assert {row.id for row in rows} == {order.id for order in rest}
    assert {row.status for row in rows} == {200}
    for symbol in ("AAPL", "IBM"):
        _filled(trading, _buy(trading, 1, symbol))
    closing = trading.close_all_positions(cancel_orders=True)
    assert {row.symbol for row in closing} == {"AAPL", "IBM"}
    assert {row.status for row in closing} == {200}
    _eventually(lambda: not trading.get_all_positions())


def test_refusals_are_api_errors_with_their_code(trading: Any, history: Any) -> None:
    """What the exchange refuses, the SDK raises with Alpaca's status and code."""
    price = _price(history)
    with pytest.raises(APIError) as caught:
        _buy(trading, 1_000_000)
    assert (caught.value.status_code, caught.value.code) == (403, 40310000)
    assert "insufficient buying power" in caught.value.message
    limit = LimitOrderRequest(
        symbol="AAPL",
        qty=1,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        limit_price=round(price.bid_price) + 0.001,
    )
    with pytest.raises(APIError) as caught:
        trading.submit_order(limit)
    assert (caught.value.status_code, caught.value.code) == (422, 42210000)
    with pytest.raises(APIError) as caught:
        trading.get_order_by_id("00000000-0000-4000-8000-000000000000", GetOrderByIdRequest(nested=True))
    assert (caught.value.status_code, caught.value.code) == (404, 40410000)


def test_the_same_client_order_id_twice(trading: Any) -> None:
    """What the SDK's own retry of a 504 would run into."""
    order = _buy(trading, 1, client_order_id="twice")
    with pytest.raises(APIError) as caught:
        _buy(trading, 1, client_order_id="twice")
    assert (caught.value.status_code, caught.value.code) == (422, 40010001)
    _filled(trading, order)


def test_bars_and_latest(history: Any) -> None:
    """Daily bars before the day over pages, minute bars of the day, latest quote, trade and bar."""
    bars = history.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=["AAPL", "IBM"],
            timeframe=TimeFrame.Day,
            start=datetime(2012, 9, 4),  # noqa: DTZ001 - the SDK takes naive times as UTC
            end=datetime(2012, 9, 15),  # noqa: DTZ001 - the same
        )
    )
    assert {symbol: len(found) for symbol, found in bars.data.items()} == {"AAPL": 9, "IBM": 9}
    quote = _price(history)
    assert 0 < quote.bid_price <= quote.ask_price
    minute = TimeFrame(1, TimeFrameUnit.Minute)
    found = _eventually(
        lambda: history.get_stock_bars(StockBarsRequest(symbol_or_symbols="AAPL", timeframe=minute)).data.get("AAPL")
    )
    assert all(bar.low <= bar.open <= bar.high for bar in found)
    assert history.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))["AAPL"].price > 0
    assert history.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="AAPL"))["AAPL"].close > 0
    assert history.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="NONE")) == {}


class _Running:
    """One of the SDK's streams in a thread of its own."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._thread = threading.Thread(target=stream.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def test_the_stock_data_stream(exchange: ExchangeThread) -> None:
    """Over msgpack, bars, quotes and trades arrive as the SDK's models, subscriptions can change."""
    heard: list[Any] = []

    async def keep(message: Any) -> None:
        heard.append(message)

    stream = StockDataStream(KEY, SECRET, url_override=exchange.data_stream_url)
    stream.subscribe_quotes(keep, "AAPL")
    stream.subscribe_trades(keep, "*")
    stream.subscribe_bars(keep, "AAPL", "IBM")
    with _Running(stream):
        _eventually(lambda: {type(each) for each in heard} == {Bar, Quote, Trade} and len(heard) > 20)
        quotes = [each for each in list(heard) if isinstance(each, Quote)]
        assert {quote.symbol for quote in quotes} == {"AAPL"}
        assert all(quote.timestamp.date() == DEFAULT_DAY for quote in quotes)
        assert {each.symbol for each in list(heard) if isinstance(each, Bar)} <= {"AAPL", "IBM"}
        assert len({each.symbol for each in list(heard) if isinstance(each, Trade)}) > 2
        stream.unsubscribe_trades("*")
        stream.subscribe_quotes(keep, "MSFT")
        _eventually(lambda: any(isinstance(each, Quote) and each.symbol == "MSFT" for each in list(heard)))


def test_the_trading_stream(exchange: ExchangeThread, trading: Any) -> None:
    """Trade updates of an order's life arrive as the SDK's models, in their order."""
    heard: list[TradeUpdate] = []

    async def keep(update: Any) -> None:
        heard.append(update)

    stream = TradingStream(KEY, SECRET, url_override=exchange.trading_stream_url)
    stream.subscribe_trade_updates(keep)
    with _Running(stream):
        _eventually(lambda: exchange.call(lambda server: server._sockets.ready(["trading"])))
        order = _buy(trading, 2)
        _eventually(lambda: any(update.event == TradeEvent.FILL for update in heard))
        mine = [update for update in heard if update.order.id == order.id]
        events = [update.event for update in mine if update.event != TradeEvent.PARTIAL_FILL]
        assert events == [TradeEvent.PENDING_NEW, TradeEvent.NEW, TradeEvent.FILL]
        assert mine[-1].order.status == OrderStatus.FILLED
        assert mine[-1].position_qty == 2
        assert sum(update.qty for update in mine if update.qty) == 2
        stopping = threading.Thread(target=stream.stop)
        stopping.start()
        stopping.join()
        _buy(trading, 1)  # the SDK looks whether it should stop when a message comes


def test_wrong_keys_are_refused_everywhere(exchange: ExchangeThread) -> None:
    """With --key, another key gets 401 on both APIs, and no stream."""
    wrong: Any = {"api_key": KEY, "secret_key": "WRONG"}
    with pytest.raises(APIError) as caught:
        TradingClient(**wrong, url_override=exchange.url).get_account()
    assert caught.value.status_code == 401
    with pytest.raises(APIError) as caught:
        StockHistoricalDataClient(**wrong, url_override=exchange.url).get_stock_latest_quote(
            StockLatestQuoteRequest(symbol_or_symbols="AAPL")
        )
    assert caught.value.status_code == 401
    streams: tuple[Any, ...] = (
        StockDataStream(**wrong, url_override=exchange.data_stream_url),
        TradingStream(**wrong, url_override=exchange.trading_stream_url),
    )
    for stream in streams:
        with pytest.raises(ValueError, match="auth"):
            asyncio.run(_connect(stream))


async def _connect(stream: Any) -> None:
    try:
        await stream._start_ws()
    finally:
        await stream.close()


def test_without_a_list_of_keys_any_key_will_do() -> None:
    """The exchange of a newcomer accepts whatever stands in the example."""
    with ExchangeThread(ExchangeConfig(wait_for=())) as anybody:
        client: Any = TradingClient("any", "any", url_override=anybody.url)
        assert client.get_account().status == "ACTIVE"
