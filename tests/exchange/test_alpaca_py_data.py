"""The unmodified official SDK reads every kind of market data from the exchange: clients over REST, and streams."""

import asyncio
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

with warnings.catch_warnings():
    # alpaca-py imports what websockets has put aside; nothing else is forgiven.
    warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import DataFeed, MarketType, MostActivesBy
    from alpaca.data.historical import (
        CryptoHistoricalDataClient,
        NewsClient,
        OptionHistoricalDataClient,
        ScreenerClient,
        StockHistoricalDataClient,
    )
    from alpaca.data.historical.corporate_actions import CorporateActionsClient
    from alpaca.data.live import CryptoDataStream, NewsDataStream, OptionDataStream, StockDataStream
    from alpaca.data.requests import (
        CorporateActionsRequest,
        CryptoBarsRequest,
        CryptoLatestBarRequest,
        CryptoLatestOrderbookRequest,
        CryptoLatestQuoteRequest,
        CryptoLatestTradeRequest,
        CryptoQuoteRequest,
        CryptoSnapshotRequest,
        CryptoTradesRequest,
        MarketMoversRequest,
        MostActivesRequest,
        NewsRequest,
        OptionBarsRequest,
        OptionChainRequest,
        OptionLatestQuoteRequest,
        OptionLatestTradeRequest,
        OptionSnapshotRequest,
        OptionTradesRequest,
        StockBarsRequest,
        StockQuotesRequest,
        StockSnapshotRequest,
        StockTradesRequest,
    )
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import ContractType
    from alpaca.trading.requests import GetOptionContractsRequest

from puna.core import sessions
from puna.exchange.data import SYMBOLS
from puna.exchange.options import DEFAULT_DAY, Speed
from puna.exchange.server import ExchangeConfig, ExchangeThread

KEY, SECRET = "KEY", "SECRET"
PATIENCE = 30.0
CALL = "AAPL120921C00700000"
BEFORE = datetime(2012, 9, 18, tzinfo=UTC)


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeThread]:
    """A day that takes some 40 seconds of wall time, with coins and options."""
    config = ExchangeConfig(
        pacing=Speed(600), wait_for=(), lead_seconds=1, symbols=(*SYMBOLS, "BTC/USD", "ETH/USD"), late_bars=0.5
    )
    with ExchangeThread(config) as thread:
        _eventually(
            lambda: thread.call(
                lambda server: server._floor.now > server._floor.market.sessions[0].open_ns + 180 * 10**9
            )
        )
        yield thread


def _eventually(question: Callable[[], Any]) -> Any:
    """What `question` answers, once that is something."""
    end = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return answer


def _client(kind: Any, exchange: ExchangeThread) -> Any:
    return kind(KEY, SECRET, url_override=exchange.url)


def test_stocks_history_and_snapshots(exchange: ExchangeThread) -> None:
    """Quotes and trades page by page, bars of a day, a snapshot with everything in it."""
    client = _client(StockHistoricalDataClient, exchange)
    quotes = client.get_stock_quotes(StockQuotesRequest(symbol_or_symbols=["AAPL", "IBM"], start=BEFORE, limit=3_000))
    assert sum(map(len, quotes.data.values())) == 3_000
    assert quotes["AAPL"][0].bid_price < quotes["AAPL"][0].ask_price
    trades = client.get_stock_trades(StockTradesRequest(symbol_or_symbols="IBM", start=BEFORE, limit=20))
    assert [each.exchange for each in trades["IBM"]] == ["V"] * 20
    bars = client.get_stock_bars(
        StockBarsRequest(symbol_or_symbols="MSFT", timeframe=TimeFrame.Hour, start=BEFORE, feed=DataFeed.IEX)
    )
    assert len(bars["MSFT"]) > 6
    snapshot = client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="GOOG"))["GOOG"]
    assert snapshot.latest_quote.ask_price
    assert snapshot.latest_trade.price
    assert snapshot.minute_bar.volume
    assert snapshot.previous_daily_bar.timestamp.date() == date(2012, 9, 18)


def test_crypto_needs_no_key(exchange: ExchangeThread) -> None:
    """Everything that the client can ask about coins, without credentials (facts.md 1)."""
    client: Any = CryptoHistoricalDataClient(url_override=exchange.url)
    pair = "BTC/USD"
    bars = client.get_crypto_bars(CryptoBarsRequest(symbol_or_symbols=pair, timeframe=TimeFrame.Day, start=BEFORE))
    assert bars[pair][0].open > 1_000
    assert client.get_crypto_quotes(CryptoQuoteRequest(symbol_or_symbols=pair, start=BEFORE, limit=5))[pair]
    assert client.get_crypto_trades(CryptoTradesRequest(symbol_or_symbols=pair, start=BEFORE, limit=5))[pair]
    quote = client.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols=pair))[pair]
    assert quote.bid_price < quote.ask_price
    assert client.get_crypto_latest_trade(CryptoLatestTradeRequest(symbol_or_symbols=pair))[pair].size > 0
    assert client.get_crypto_latest_bar(CryptoLatestBarRequest(symbol_or_symbols=pair))[pair].volume > 0
    book = client.get_crypto_latest_orderbook(CryptoLatestOrderbookRequest(symbol_or_symbols=pair))[pair]
    assert (len(book.bids), len(book.asks)) == (10, 10)
    snapshot = client.get_crypto_snapshot(CryptoSnapshotRequest(symbol_or_symbols=["BTC/USD", "ETH/USD"]))
    assert set(snapshot) == {"BTC/USD", "ETH/USD"}
    with pytest.raises(APIError, match="does not match"):
        client.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols="BTCUSD"))


def test_options_and_their_contracts(exchange: ExchangeThread) -> None:
    """A contract is found by the trading client, and priced by the option client; a chain has Greeks."""
    trading: Any = TradingClient(KEY, SECRET, url_override=exchange.url)
    found = trading.get_option_contracts(GetOptionContractsRequest(underlying_symbols=["AAPL"], limit=10_000))
    contracts = {each.symbol: each for each in found.option_contracts}
    assert contracts[CALL].strike_price == 700.0
    assert trading.get_option_contract(str(contracts[CALL].id)).symbol == CALL
    client = _client(OptionHistoricalDataClient, exchange)
    quote = client.get_option_latest_quote(OptionLatestQuoteRequest(symbol_or_symbols=CALL))[CALL]
    assert 0 < quote.bid_price < quote.ask_price
    assert client.get_option_latest_trade(OptionLatestTradeRequest(symbol_or_symbols=CALL))[CALL].price > 0
    start: dict[str, Any] = {"start": BEFORE, "symbol_or_symbols": CALL}
    assert client.get_option_bars(OptionBarsRequest(timeframe=TimeFrame.Hour, **start))[CALL]
    assert client.get_option_trades(OptionTradesRequest(**start))[CALL]
    assert client.get_option_snapshot(OptionSnapshotRequest(symbol_or_symbols=CALL))[CALL].implied_volatility
    chain = client.get_option_chain(
        OptionChainRequest(
            underlying_symbol="FB",
            type=ContractType.PUT,
            expiration_date=date(2012, 9, 28),
            strike_price_gte=22,
            strike_price_lte=24,
        )
    )
    assert len(chain) == 5
    assert all(-1 < each.greeks.delta < 0 for each in chain.values())


def test_news_screener_and_corporate_actions(exchange: ExchangeThread) -> None:
    """Articles about the replayed prices, rankings of the day, splits of the data."""
    news = _client(NewsClient, exchange).get_news(
        NewsRequest(symbols="AAPL", start=BEFORE - timedelta(days=9), limit=12)
    )
    assert len(news.data["news"]) == 12
    assert "Apple" in news.data["news"][0].headline
    screener = _client(ScreenerClient, exchange)
    actives = screener.get_most_actives(MostActivesRequest(by=MostActivesBy.VOLUME, top=3))
    assert len(actives.most_actives) == 3
    movers = screener.get_market_movers(MarketMoversRequest(market_type=MarketType.STOCKS, top=5))
    assert 1 <= len(movers.gainers) + len(movers.losers) <= 5
    actions = _client(CorporateActionsClient, exchange).get_corporate_actions(
        CorporateActionsRequest(symbols=["AAPL"], start=date(2000, 1, 1), end=date(2012, 1, 1))
    )
    assert [each.new_rate for each in actions.data["forward_splits"]] == [2.0, 2.0]


def _hear(stream: Any, subscribe: Callable[[Any, Any], None], enough: Callable[[list[Any]], bool]) -> list[Any]:
    """What a stream says until that is enough; the stream lives in a thread of its own, as its `run` does."""
    heard: list[Any] = []

    async def keep(message: Any) -> None:
        heard.append(message)

    subscribe(stream, keep)
    thread = threading.Thread(target=lambda: asyncio.run(stream._run_forever()), daemon=True)
    thread.start()
    _eventually(lambda: enough(heard))
    stream.stop()
    thread.join(PATIENCE)
    return heard


def _url(exchange: ExchangeThread, path: str) -> str:
    return exchange.url.replace("http", "ws") + path


def _kinds(heard: list[Any]) -> set[str]:
    return {type(each).__name__ for each in heard}


def test_the_stock_stream_has_all_kinds_of_bars(exchange: ExchangeThread) -> None:
    """Trades, quotes, minute bars, daily bars, and bars that late trades revise."""
    stream = StockDataStream(KEY, SECRET, url_override=_url(exchange, "/v2/sip"))

    def subscribe(stream: Any, keep: Any) -> None:
        stream.subscribe_trades(keep, "IBM")
        stream.subscribe_quotes(keep, "IBM")
        stream.subscribe_bars(keep, "IBM")
        stream.subscribe_daily_bars(keep, "IBM")
        stream.subscribe_updated_bars(keep, "IBM")
        stream.subscribe_trading_statuses(keep, "IBM")

    heard = _hear(stream, subscribe, lambda heard: _daily_and_minutes(heard) >= 4 and len(_kinds(heard)) == 3)
    assert _kinds(heard) == {"Trade", "Quote", "Bar"}


def _daily_and_minutes(heard: list[Any]) -> int:
    return sum(type(each).__name__ == "Bar" for each in heard)


def test_the_crypto_stream(exchange: ExchangeThread) -> None:
    """Quotes, trades, bars, and books."""
    stream = CryptoDataStream(KEY, SECRET, url_override=_url(exchange, "/v1beta3/crypto/us"))

    def subscribe(stream: Any, keep: Any) -> None:
        stream.subscribe_trades(keep, "BTC/USD")
        stream.subscribe_quotes(keep, "BTC/USD")
        stream.subscribe_bars(keep, "*")
        stream.subscribe_orderbooks(keep, "ETH/USD")

    heard = _hear(stream, subscribe, lambda heard: len(_kinds(heard)) == 4)
    assert _kinds(heard) == {"Trade", "Quote", "Bar", "Orderbook"}


@pytest.mark.parametrize("path", ["/v1beta1/indicative", "/v1beta1/options/opra"])
def test_the_option_stream(exchange: ExchangeThread, path: str) -> None:
    """Quotes of a contract and trades of the whole chain, in msgpack, on both kinds of path."""
    stream = OptionDataStream(KEY, SECRET, url_override=_url(exchange, path))

    def subscribe(stream: Any, keep: Any) -> None:
        stream.subscribe_quotes(keep, CALL)
        stream.subscribe_trades(keep, "*")

    heard = _hear(stream, subscribe, lambda heard: len(_kinds(heard)) == 2)
    assert all(each.symbol == CALL for each in heard if type(each).__name__ == "Quote")


def test_the_news_stream() -> None:
    """An article of the day, as it is published."""
    with ExchangeThread(ExchangeConfig(pacing=Speed(600), wait_for=("data",), lead_seconds=1)) as exchange:
        stream = NewsDataStream(KEY, SECRET, url_override=_url(exchange, "/v1beta1/news"))
        heard = _hear(stream, lambda stream, keep: stream.subscribe_news(keep, "*"), bool)
        assert sessions.date_of(int(heard[0].created_at.timestamp() * 1e9)) == DEFAULT_DAY


def test_the_test_stream_is_always_on(exchange: ExchangeThread) -> None:
    """FAKEPACA, whatever the market does."""
    stream = StockDataStream(KEY, SECRET, url_override=_url(exchange, "/v2/test"))
    heard = _hear(stream, lambda stream, keep: stream.subscribe_quotes(keep, "FAKEPACA"), bool)
    assert heard[0].symbol == "FAKEPACA"
