"""Every market-data feed: its channels, its encoding, its messages, over real sockets."""

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from puna.alpaca import feeds
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.stream import StreamOptions, Subscription, market_data
from puna.errors import ConfigError
from puna.wire.stream import CryptoTradeMessage, NewsMessage, OrderbookMessage, QuoteMessage, TradeMessage

TIME = "2026-03-02T15:00:00.123456789Z"
NANOS = 1_772_463_600_123_456_789
STAMP = msgspec.msgpack.Ext(-1, struct.pack(">Q", 123456789 << 34 | NANOS // 10**9))


def script(messages: list[dict[str, Any]], *, packed: bool, said: list[Any]) -> Callable[[web.Request], Any]:
    """The server's half of the conversation, in JSON or msgpack; then the messages; then it waits."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        said.append(request.headers.get("Content-Type"))

        async def say(*each: dict[str, Any]) -> None:
            if packed:
                await ws.send_bytes(msgspec.msgpack.encode(each))
            else:
                await ws.send_json(each)

        async def hear() -> Any:
            message = await ws.receive()
            read = msgspec.msgpack.decode if message.type is WSMsgType.BINARY else msgspec.json.decode
            return read(message.data)

        await say({"T": "success", "msg": "connected"})
        assert (await hear())["action"] == "auth"
        await say({"T": "success", "msg": "authenticated"})
        wanted = await hear()
        said.append(wanted)
        await say({"T": "subscription", **{name: each for name, each in wanted.items() if name != "action"}})
        await say(*messages)
        while (await ws.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING):
            pass
        return ws

    return answer


@pytest.mark.parametrize("packed", [False, True])
async def test_crypto_has_books_and_takers(broker: Any, credentials: Credentials, packed: bool) -> None:
    """Trades carry the taker's side, books come whole or as changes, in both encodings."""
    t = STAMP if packed else TIME
    said: list[Any] = []
    messages = [
        {"T": "t", "S": "BTC/USD", "p": 60000.5, "s": 0.01, "i": 7, "tks": "B", "t": t},
        {"T": "o", "S": "BTC/USD", "b": [{"p": 1.0, "s": 2.0}], "a": [], "r": True, "t": t},
    ]
    broker.answers = [script(messages, packed=packed, said=said)]
    wanted = Subscription.of(trades=["BTC/USD"], orderbooks=["BTC/USD"])
    options = StreamOptions(packed=packed)
    async with market_data(broker.endpoints, credentials, wanted, options, feed=feeds.crypto()) as stream:
        trade, book = (await anext(stream)).messages
    assert isinstance(trade, CryptoTradeMessage)
    assert (trade.tks, trade.t) == ("B", NANOS)
    assert isinstance(book, OrderbookMessage)
    assert (book.r, book.b[0].p) == (True, 1.0)
    assert broker.calls == ["GET /v1beta3/crypto/us"]
    assert said[1] == {"action": "subscribe", "trades": ["BTC/USD"], "orderbooks": ["BTC/USD"]}


async def test_options_speak_msgpack_unasked(broker: Any, credentials: Credentials) -> None:
    """The handshake asks for msgpack whatever the options of the stream say: the feed knows nothing else."""
    said: list[Any] = []
    quote = {
        "T": "q",
        "S": "SPY260320P00480000",
        "bp": 1.5,
        "bs": 3,
        "bx": "C",
        "ap": 1.6,
        "as": 4,
        "ax": "C",
        "c": "A",
    }
    broker.answers = [script([quote | {"t": STAMP}], packed=True, said=said)]
    wanted = Subscription.of(quotes=["SPY260320P00480000"])
    async with market_data(broker.endpoints, credentials, wanted, feed=feeds.options()) as stream:
        [message] = (await anext(stream)).messages
    assert isinstance(message, QuoteMessage)
    assert (message.c, message.t) == ("A", NANOS)
    assert broker.calls == ["GET /v1beta1/indicative"]
    assert said[0] == "application/msgpack"


async def test_news_comes_by_symbol(broker: Any, credentials: Credentials) -> None:
    """An article, with both its times."""
    said: list[Any] = []
    article = {"T": "n", "id": 7, "headline": "h", "created_at": TIME, "updated_at": TIME, "symbols": ["AAPL"]}
    broker.answers = [script([article], packed=False, said=said)]
    async with market_data(broker.endpoints, credentials, Subscription.of(news=["*"]), feed=feeds.news()) as stream:
        [message] = (await anext(stream)).messages
    assert isinstance(message, NewsMessage)
    assert message.updated_at == NANOS
    assert broker.calls == ["GET /v1beta1/news"]


async def test_stock_channels_are_all_there(broker: Any, credentials: Credentials) -> None:
    """Eight channels go out under the broker's names."""
    said: list[Any] = []
    trade = {"T": "t", "S": "AAPL", "p": 1, "s": 1, "t": TIME}
    broker.answers = [script([trade], packed=False, said=said)]
    wanted = Subscription.of(**{name: ["AAPL"] for name in feeds.stocks().channels})
    async with market_data(broker.endpoints, credentials, wanted) as stream:
        [message] = (await anext(stream)).messages
    assert isinstance(message, TradeMessage)
    assert set(said[1]) - {"action"} == {
        "trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "imbalances",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("feed", "wanted"),
    [
        (feeds.crypto(), Subscription.of(lulds=["BTC/USD"])),
        (feeds.options(), Subscription.of(bars=["SPY260320P00480000"])),
        (feeds.options(), Subscription.of(quotes=["*"])),
        (feeds.news(), Subscription.of(trades=["AAPL"])),
        (None, Subscription.of(news=["AAPL"])),
    ],
)
def test_what_a_feed_does_not_have_is_refused_here(
    credentials: Credentials, feed: feeds.Feed | None, wanted: Subscription
) -> None:
    """Before anything is sent, and with the channels that there are."""
    with pytest.raises(ConfigError, match="cannot send what is wanted") as caught:
        market_data(Endpoints.paper(), credentials, wanted, feed=feed)
    assert caught.value.code == "E050"


def test_every_feed_lies_on_the_host_of_the_data_streams() -> None:
    """Real paths of the broker's, for paper and for an exchange on this machine."""
    paper, here = Endpoints.paper("sip"), Endpoints.at("http://127.0.0.1:8000/prefix")
    assert paper.stream_at(feeds.options("opra").path) == "wss://stream.data.alpaca.markets/v1beta1/opra"
    assert paper.stream_at(feeds.stocks("overnight").path) == "wss://stream.data.alpaca.markets/v1beta1/overnight"
    assert here.stream_at(feeds.crypto("us").path) == "ws://127.0.0.1:8000/prefix/v1beta3/crypto/us"
