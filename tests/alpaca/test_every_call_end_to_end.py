"""Every operation and every feed against the embedded exchange: typed answers, and nothing unknown in them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.alpaca import feeds
from puna.alpaca.account import (
    get_activities,
    get_activities_of,
    get_configurations,
    get_portfolio_history,
    set_configurations,
)
from puna.alpaca.calendar import get_market_calendar, get_market_clocks
from puna.alpaca.contracts import do_not_exercise, exercise, get_contract, get_contracts
from puna.alpaca.corporate import get_announcement, get_announcements, get_corporate_actions
from puna.alpaca.crypto import (
    get_crypto_bars,
    get_crypto_latest_bars,
    get_crypto_latest_orderbooks,
    get_crypto_latest_quotes,
    get_crypto_latest_trades,
    get_crypto_quotes,
    get_crypto_snapshots,
    get_crypto_trades,
)
from puna.alpaca.drift import DRIFT
from puna.alpaca.events import get_activity_events
from puna.alpaca.feed import EventFeed
from puna.alpaca.http import Alpaca, AsyncAlpaca, Credentials, Endpoints
from puna.alpaca.locates import create_locate, get_locate, get_locate_quotes, get_locates
from puna.alpaca.news import get_news
from puna.alpaca.operations import operations
from puna.alpaca.options import (
    get_option_bars,
    get_option_chain,
    get_option_latest_quotes,
    get_option_latest_trades,
    get_option_snapshots,
    get_option_trades,
)
from puna.alpaca.portfolio import get_portfolio
from puna.alpaca.preview import preview
from puna.alpaca.request import Paged, Request
from puna.alpaca.stream import StreamOptions, Subscription, market_data
from puna.alpaca.trading import (
    cancel_order,
    close_position,
    get_asset,
    get_calendar,
    get_order,
    get_order_by_client_id,
    get_position,
    replace_order,
    submit_order,
)
from puna.alpaca.watchlists import (
    add_to_watchlist,
    add_to_watchlist_named,
    create_watchlist,
    delete_watchlist,
    delete_watchlist_named,
    get_watchlist,
    get_watchlist_named,
    remove_from_watchlist,
    update_watchlist,
    update_watchlist_named,
)
from puna.errors import BrokerError, NotFoundError
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.wire.account import ConfigurationsChange
from puna.wire.locates import LocateRequest
from puna.wire.stream import (
    CryptoTradeMessage,
    OrderbookMessage,
    QuoteMessage,
    UnknownMessage,
)
from puna.wire.trading import OrderRequest, ReplaceRequest

KEYS = Credentials.of("KEY", "SECRET")
DAY = date(2012, 9, 19)
COINS = ["BTC/USD"]
TRIES = 600


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeThread]:
    """A day at a minute a second."""
    symbols = ("AAPL", "IBM", "BTC/USD")
    config = ExchangeConfig(keys={"KEY": "SECRET"}, pacing=Speed(60), wait_for=(), rate_limit=0, symbols=symbols)
    with ExchangeThread(config) as running:
        yield running


@pytest.fixture(scope="module")
def alpaca(exchange: ExchangeThread) -> Iterator[Alpaca]:
    """The sync client, without a budget of its own."""
    with Alpaca(KEYS, Endpoints.at(exchange.url), trading_limit=0, data_limit=0) as client:
        yield client


def answer(alpaca: Alpaca, call: Any) -> Any:
    """The answer; of a paged call all items."""
    return list(alpaca(call)) if isinstance(call, Paged) else alpaca(call)


def until(question: Callable[[], Any]) -> Any:
    """Asks until there is something: the market moves on by itself."""
    for _ in range(TRIES):
        with suppress(NotFoundError):
            if found := question():
                return found
    raise AssertionError("it never came")


def test_every_operation_is_served(alpaca: Alpaca) -> None:
    """None is missing at the exchange: each answers, or refuses what does not exist, in the broker's own shape."""
    DRIFT.seen.clear()
    from_specification = {name: each for name, each in operations().items() if name not in FOLLOWED}
    unserved = []
    for name, each in from_specification.items():
        call = ARGUMENTS[name]() if name in ARGUMENTS else _plain(each.call)
        try:
            answer(alpaca, call)
        except BrokerError as error:
            if error.message in ("endpoint not found", "") or error.status >= 500:
                unserved.append(f"{name}: {error.status} {error.message}")
    assert unserved == []
    assert not DRIFT.seen


def _plain(call: Callable[..., Any]) -> Any:
    """The call, with the arguments that most of them take."""
    for words in ((), (["AAPL"],), ("AAPL",), (["AAPL"], "1Day"), ("AAPL", "1Day"), ("trade", "A")):
        with suppress(TypeError, AttributeError):
            return call(*words)
    raise AssertionError(f"{call.__name__} needs arguments")


FOLLOWED = {"subscribeToActivitiesSSE", "SubscribeToCorporateActionsEventsSSE"}
PUT = "AAPL120921P00700000"
ARGUMENTS: dict[str, Callable[[], Any]] = {
    "CryptoBars": lambda: get_crypto_bars(COINS, "1Min"),
    "CryptoLatestBars": lambda: get_crypto_latest_bars(COINS),
    "CryptoLatestOrderbooks": lambda: get_crypto_latest_orderbooks(COINS),
    "CryptoLatestQuotes": lambda: get_crypto_latest_quotes(COINS),
    "CryptoLatestTrades": lambda: get_crypto_latest_trades(COINS),
    "CryptoQuotes": lambda: get_crypto_quotes(COINS),
    "CryptoSnapshots": lambda: get_crypto_snapshots(COINS),
    "CryptoTrades": lambda: get_crypto_trades(COINS),
    "CorporateActions": lambda: get_corporate_actions(["AAPL"], start=date(2012, 1, 1), end=DAY),
    "LegacyCalendar": lambda: get_calendar(DAY, DAY),
    "News": lambda: get_news(["AAPL"], start=DAY),
    "OptionChain": lambda: get_option_chain("AAPL", strike_price_gte=Decimal(700), strike_price_lte=Decimal(710)),
    "OptionLatestQuotes": lambda: get_option_latest_quotes([PUT]),
    "OptionLatestTrades": lambda: get_option_latest_trades([PUT]),
    "OptionSnapshots": lambda: get_option_snapshots([PUT]),
    "OptionTrades": lambda: get_option_trades([PUT]),
    "optionBars": lambda: get_option_bars([PUT], "1Min"),
    "addAssetToWatchlist": lambda: add_to_watchlist(NOBODY, "AAPL"),
    "addAssetToWatchlistByName": lambda: add_to_watchlist_named("none", "AAPL"),
    "createLocates": lambda: create_locate(LocateRequest(symbol="AAPL", qty=100)),
    "deleteOpenPosition": lambda: close_position("AAPL"),
    "deleteOrderByOrderID": lambda: cancel_order(NOBODY),
    "deleteWatchlistById": lambda: delete_watchlist(NOBODY),
    "deleteWatchlistByName": lambda: delete_watchlist_named("none"),
    "get-option-contract-symbol_or_id": lambda: get_contract(PUT),
    "get-options-contracts": lambda: get_contracts(["AAPL"]),
    "get-v2-assets-symbol_or_asset_id": lambda: get_asset("AAPL"),
    "get-v2-corporate_actions-announcements": lambda: get_announcements(["dividend"], date(2012, 8, 1), DAY),
    "get-v2-corporate_actions-announcements-id": lambda: get_announcement(NOBODY),
    "getAccountActivitiesByActivityType": lambda: get_activities_of("FILL"),
    "getAccountActivities": get_activities,
    "getAccountConfig": get_configurations,
    "getAccountPortfolioHistory": lambda: get_portfolio_history(period="1D", timeframe="1Min"),
    "getLocate": lambda: get_locate(NOBODY),
    "getOpenPosition": lambda: get_position("AAPL"),
    "getOrderByClientOrderId": lambda: get_order_by_client_id("nobody"),
    "getOrderByOrderID": lambda: get_order(NOBODY),
    "getWatchlistById": lambda: get_watchlist(NOBODY),
    "getWatchlistByName": lambda: get_watchlist_named("none"),
    "listLocateQuotes": lambda: get_locate_quotes(["AAPL"]),
    "listLocates": get_locates,
    "optionDoNotExercise": lambda: do_not_exercise(PUT),
    "optionExercise": lambda: exercise(PUT),
    "patchAccountConfig": lambda: set_configurations(ConfigurationsChange(no_shorting=False)),
    "patchOrderByOrderId": lambda: replace_order(NOBODY, ReplaceRequest(qty=Decimal(1))),
    "postOrder": lambda: submit_order(order(limit_price=Decimal(1), type="limit")),
    "postWatchlist": lambda: create_watchlist("every", ["AAPL"]),
    "removeAssetFromWatchlist": lambda: remove_from_watchlist(NOBODY, "AAPL"),
    "updateWatchlistById": lambda: update_watchlist(NOBODY, name="other"),
    "updateWatchlistByName": lambda: update_watchlist_named("none", symbols=["AAPL"]),
    "Calendar": lambda: get_market_calendar("XNYS", DAY, DAY),
    "Clock": lambda: get_market_clocks(["XNYS"]),
}
NOBODY = "904837e3-3b76-47ec-b432-046db621571b"


def order(**fields: Any) -> OrderRequest:
    """One share."""
    base: dict[str, Any] = {
        "symbol": "AAPL", "qty": Decimal(1), "side": "buy", "type": "market", "time_in_force": "day",
    }  # fmt: skip
    return OrderRequest(**base | fields)


def test_an_order_s_way_shows_in_every_answer(alpaca: Alpaca) -> None:
    """Filled, held, told as an activity, counted in the portfolio, closed."""
    until(lambda: answer(alpaca, preview(order())).price)
    sent = alpaca(submit_order(order(client_order_id="every-1")))
    until(lambda: alpaca(get_order(sent.id)).status == "filled")
    assert alpaca(get_order_by_client_id("every-1")).id == sent.id
    assert alpaca(get_position("AAPL")).qty == 1
    [fill] = answer(alpaca, get_activities(["FILL"], order_id=sent.id))
    assert (fill.symbol, fill.side, fill.qty) == ("AAPL", "buy", 1)
    figures = answer(alpaca, get_portfolio())
    assert figures.day_pl is not None
    assert abs(figures.day_pl) < 100
    alpaca(close_position("AAPL"))


async def test_every_feed_of_the_exchange_is_received(exchange: ExchangeThread) -> None:
    """Coins with books and takers, options in msgpack, news: nothing that comes is unknown."""
    here = Endpoints.at(exchange.url)
    coins = Subscription.of(trades=COINS, orderbooks=COINS, quotes=COINS)
    wanted: list[tuple[feeds.Feed, Subscription, set[type]]] = [
        (feeds.crypto(), coins, {CryptoTradeMessage, OrderbookMessage, QuoteMessage}),
        (feeds.options(), Subscription.of(quotes=[PUT]), {QuoteMessage}),
    ]
    for feed, subscription, kinds in wanted:
        async with market_data(here, KEYS, subscription, StreamOptions(), feed=feed) as stream, asyncio.timeout(30):
            seen: set[type] = set()
            async for frame in stream:
                seen |= {each.__class__ for each in frame.messages}
                if kinds <= seen:
                    break
        assert UnknownMessage not in seen
        assert stream.status.unreadable == 0


async def test_the_news_stream_takes_a_subscription(exchange: ExchangeThread) -> None:
    """It is acknowledged; articles come when there are some."""
    here = Endpoints.at(exchange.url)
    async with market_data(here, KEYS, Subscription.of(news=["*"]), StreamOptions(), feed=feeds.news()) as stream:
        async with asyncio.timeout(10):
            await stream.ready()
        assert stream.connected


async def test_the_activity_feed_tells_fills_and_goes_on(exchange: ExchangeThread) -> None:
    """A fill of ours comes over the feed; a second feed that goes on from its id hears of the next one only."""
    here = Endpoints.at(exchange.url)
    async with (
        AsyncAlpaca(KEYS, here, trading_limit=0) as alpaca,
        EventFeed(here, KEYS, get_activity_events()) as feed,
        asyncio.timeout(40),
    ):
        await feed.ready()
        await alpaca(submit_order(order(symbol="IBM", client_order_id="feed-1")))
        event = await _fill(feed)
        assert (event.details.symbol, event.details.client_order_id) == ("IBM", "feed-1")
        async with EventFeed(here, KEYS, get_activity_events(since_id=event.event_id)) as again:
            await again.ready()
            await alpaca(submit_order(order(symbol="IBM", client_order_id="feed-2")))
            while (later := await _fill(again)).event_id <= event.event_id:
                pass
            assert later.details.client_order_id == "feed-2"


async def _fill(feed: EventFeed[Any]) -> Any:
    async for frame in feed:
        for event in frame.messages:
            if event.activity_type == "FILL":
                return event
    raise AssertionError("the feed ended")


def test_requests_of_this_file_are_values() -> None:
    """Nothing is sent by making them."""
    made = [make() for make in ARGUMENTS.values()]
    assert all(isinstance(each, Request | Paged) for each in made)
