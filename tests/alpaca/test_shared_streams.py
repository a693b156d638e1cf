"""Many listeners on one connection, gaps filled over REST, answers remembered with their age."""

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from puna.alpaca.backfill import Backfilled
from puna.alpaca.cache import Cache
from puna.alpaca.hosts import Credentials
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.pace import Backoff
from puna.alpaca.session import DataSession, State
from puna.alpaca.sharing import listen, listen_to_orders
from puna.alpaca.stream import StreamOptions, Subscription, market_data
from puna.alpaca.trading import cancel_orders, get_account
from puna.errors import AuthError, ConfigError
from puna.seams import SystemClock, seeded_rng
from puna.wire.codec import format_time
from puna.wire.stream import TradeMessage

SECOND, MINUTE = 10**9, 60 * 10**9


def options() -> StreamOptions:
    """Quick backoff, seeded jitter."""
    return StreamOptions(rng=seeded_rng(1), backoff=Backoff(base=0.01, cap=0.02))


def quote(symbol: str) -> dict[str, Any]:
    return {"T": "q", "S": symbol, "bp": 1, "ap": 2, "bs": 1, "as": 1, "t": "2012-09-19T14:00:00Z"}


class Bourse:
    """The server's half, which acknowledges everything and says what a test puts into `says`."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.heard: list[dict[str, Any]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self._refuse = refuse

    async def greet(self, request: web.Request) -> web.WebSocketResponse:
        """Up to the subscription."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json([{"T": "success", "msg": "connected"}])
        await ws.receive_json()
        if self._refuse:
            await ws.send_json([{"T": "error", "code": 402, "msg": "auth failed"}])
        else:
            await ws.send_json([{"T": "success", "msg": "authenticated"}])
        self.sockets.append(ws)
        return ws

    async def __call__(self, request: web.Request) -> web.WebSocketResponse:
        ws = await self.greet(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                self.heard.append(message.json())
                await ws.send_json([{"T": "subscription"}])
        return ws

    async def say(self, *messages: dict[str, Any]) -> None:
        await self.sockets[-1].send_json(messages)


async def until(true: Any) -> None:
    """Polls: there is no event for what happens at the other side."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_listeners_share_one_connection(broker: Any, credentials: Credentials) -> None:
    """Each hears of its own symbols; the connection is subscribed to all; the last one closes it."""
    bourse = Bourse()
    broker.answers = [bourse]
    first = await listen(broker.endpoints, credentials, Subscription.of(quotes=["AAPL"]), options())
    await first.stream.ready()
    second = await listen(broker.endpoints, credentials, Subscription.of(quotes=["IBM", "AAPL"]))
    assert second.stream is first.stream
    await until(lambda: len(bourse.heard) == 2)
    await bourse.say(quote("AAPL"), quote("IBM"), quote("MSFT"))
    assert [each.S for each in (await anext(first)).messages] == ["AAPL"]
    assert [each.S for each in (await anext(second)).messages] == ["AAPL", "IBM"]
    await second.close()
    await until(lambda: len(bourse.heard) == 3)
    assert bourse.heard == [
        {"action": "subscribe", "quotes": ["AAPL"]},
        {"action": "subscribe", "quotes": ["IBM"]},
        {"action": "unsubscribe", "quotes": ["IBM"]},
    ]
    await first.close()
    assert not first.stream.connected
    assert len(broker.requests) == 1
    with pytest.raises(StopAsyncIteration):
        await anext(first)


async def test_a_listener_may_change_its_mind(broker: Any, credentials: Credentials) -> None:
    """More and less, for itself; what the feed does not have is refused, and nothing changes."""
    bourse = Bourse()
    broker.answers = [bourse]
    async with await listen(broker.endpoints, credentials, Subscription.of(quotes=["AAPL"]), options()) as listener:
        await listener.stream.ready()
        await listener.want(Subscription.of(quotes=["IBM"]))
        with pytest.raises(ConfigError):
            await listener.want(Subscription.of(news=["IBM"]))
        await until(lambda: len(bourse.heard) == 3)
        await bourse.say(quote("AAPL"), quote("IBM"))
        assert [each.S for each in (await anext(listener)).messages] == ["IBM"]


async def test_the_end_of_a_shared_connection_reaches_all(broker: Any, credentials: Credentials) -> None:
    """Wrong keys end every listener with the reason; the next one to listen connects anew."""
    broker.answers = [Bourse(refuse=True)]
    wanted = Subscription.of(quotes=["AAPL"])
    first = await listen(broker.endpoints, credentials, wanted, options())
    second = await listen(broker.endpoints, credentials, wanted)
    for listener in (first, second):
        with pytest.raises(AuthError):
            await anext(listener)
    third = await listen(broker.endpoints, credentials, wanted, options())
    assert third.stream is not first.stream
    for listener in (first, second, third):
        await listener.close()


async def test_trade_updates_are_shared_without_a_filter(broker: Any, credentials: Credentials) -> None:
    """Everybody hears of every order."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive_json()
        await ws.send_json({"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}})
        await ws.receive_json()
        await ws.send_json({"stream": "listening", "data": {"streams": ["trade_updates"]}})
        order = {"id": "1", "status": "new"}
        await ws.send_json({"stream": "trade_updates", "data": {"event": "new", "order": order}})
        await ws.receive()
        return ws

    broker.answers = [serve]
    first = await listen_to_orders(broker.endpoints, credentials, options())
    second = await listen_to_orders(broker.endpoints, credentials)
    assert [(await anext(each)).messages[0].event for each in (first, second)] == ["new", "new"]
    await first.close()
    await second.close()


def test_wants_that_change_during_the_handshake_are_not_lost(credentials: Credentials) -> None:
    """What is wanted after the subscription was said, and before it was acknowledged, is said then, once."""
    session = DataSession(credentials, Subscription.of(quotes=["AAPL"]))
    session.receive('[{"T":"success","msg":"connected"}]')
    session.receive('[{"T":"success","msg":"authenticated"}]')
    session.take()
    session.want(Subscription.of(quotes=["IBM"]))
    assert session.take() == []
    session.receive('[{"T":"subscription","quotes":["AAPL"]}]')
    assert session.state is State.LIVE
    assert [msgspec.json.decode(each) for each in session.take()] == [
        {"action": "subscribe", "quotes": ["IBM"]},
        {"action": "unsubscribe", "quotes": ["AAPL"]},
    ]
    session.receive('[{"T":"subscription","quotes":["IBM"]}]')
    assert session.take() == []


async def test_a_gap_is_filled_over_rest_and_marked(broker: Any, credentials: Credentials) -> None:
    """The bars and trades of the hole come in one marked frame, in order of time, without what was told before."""
    now = SystemClock().now()
    bars, trades = [now - 3 * MINUTE, now - 90 * SECOND], [now - 2 * MINUTE, now - SECOND // 2]

    def at(ts: int) -> dict[str, Any]:
        return {"t": format_time(ts)}

    async def first(request: web.Request) -> web.WebSocketResponse:
        ws = await Bourse().greet(request)
        await ws.receive_json()
        await ws.send_json([{"T": "subscription"}])
        await ws.send_json([{"T": "b", "S": "A", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1, **at(bars[0])}])
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return ws

    async def rest(request: web.Request) -> web.Response:
        bodies = {
            "/v2/stocks/bars": {"bars": {"A": [{"o": 1, "h": 1, "l": 1, "c": 1, "v": 1, **at(ts)} for ts in bars]}},
            "/v2/stocks/trades": {"trades": {"A": [{"p": 1, "s": 1, "i": 7, **at(ts)} for ts in trades]}},
        }
        return web.json_response({**bodies[request.path], "next_page_token": None})

    broker.answers = [first, Bourse(), rest, rest]
    wanted = Subscription.of(bars=["A"], trades=["A"])
    async with (
        AsyncAlpaca(credentials, broker.endpoints) as alpaca,
        market_data(broker.endpoints, credentials, wanted, options()) as stream,
    ):
        filled = Backfilled(stream, alpaca, wanted)
        told, missed = await anext(filled), await anext(filled)
    assert not told.backfilled
    assert missed.backfilled
    assert missed.gap is not None
    assert missed.gap.reason == "reconnect"
    assert [type(each) for each in missed.messages] == [TradeMessage, TradeMessage]
    assert filled.unfilled == 0


async def test_answers_are_remembered_with_their_age(broker: Any, credentials: Credentials) -> None:
    """Within the age asked for there is one call; who asks at the same time shares it; changes are not remembered."""

    async def account(_: web.Request) -> web.Response:
        return web.json_response({"id": "1", "status": "ACTIVE"})

    broker.answers = [account]
    async with AsyncAlpaca(credentials, broker.endpoints) as alpaca:
        cache = Cache(alpaca)
        first, second = await asyncio.gather(cache.read(get_account(), 60), cache.read(get_account(), 60))
        assert first.value is second.value
        third = await cache.read(get_account(), 60)
        assert third.age > 0
        assert len(broker.requests) == 1
        await cache.read(get_account(), 0)
        cache.forget()
        await cache.read(get_account(), 60)
        assert len(broker.requests) == 3
        with pytest.raises(ValueError, match="nothing to remember"):
            await cache.read(cancel_orders(), 60)
