"""Streams over real sockets: they come back, mark what they missed, keep the pings' contract, and end in time."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from puna.alpaca.hosts import Credentials
from puna.alpaca.pace import Backoff, Budget
from puna.alpaca.stream import Frame, Stream, StreamOptions, Subscription, market_data, trade_updates
from puna.alpaca.turnstile import Turnstile
from puna.errors import AuthError, RefusedError
from puna.seams import DrivenClock, SystemClock, seeded_rng
from puna.wire.stream import QuoteMessage, UnknownMessage
from puna.wire.trading import TradeUpdate

Script = Callable[[web.WebSocketResponse], Awaitable[None]]

QUICK = Backoff(base=0.02, cap=0.05)
WANTED = Subscription.of(quotes=["AAPL"], bars=["AAPL"])
SECOND = 1_000_000_000


def quote(price: float, symbol: str = "AAPL") -> dict[str, Any]:
    """A quote as it stands on the wire."""
    return {"T": "q", "S": symbol, "bp": price, "ap": price + 0.01, "bs": 1, "as": 1, "t": "2012-09-19T14:00:00.5Z"}


def update(event: str, filled: str = "0") -> dict[str, Any]:
    """A trade update as it stands on the wire."""
    order = {"id": "1", "client_order_id": "c", "status": "new", "filled_qty": filled}
    return {"stream": "trade_updates", "data": {"event": event, "order": order}}


async def forever(ws: web.WebSocketResponse) -> None:
    """Reads until the client goes."""
    while (await ws.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
        pass


def data(script: Script, *, refuse: int = 0, said: list[Any] | None = None) -> Callable[[web.Request], Any]:
    """The server's half of the data stream's conversation, then `script`."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        heard = said if said is not None else []
        await ws.send_json([{"T": "success", "msg": "connected"}])
        heard.append(await ws.receive_json())
        if refuse:
            await ws.send_json([{"T": "error", "code": refuse, "msg": "no"}])
            await forever(ws)
            return ws
        await ws.send_json([{"T": "success", "msg": "authenticated"}])
        heard.append(await ws.receive_json())
        await ws.send_json([{"T": "subscription", "quotes": ["AAPL"], "bars": ["AAPL"]}])
        await script(ws)
        return ws

    return answer


def trading(script: Script, *, status: str = "authorized") -> Callable[[web.Request], Any]:
    """The server's half of the trading stream's conversation, then `script`; binary frames, as paper sends them."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        await ws.receive_json()
        await say(ws, {"stream": "authorization", "data": {"status": status, "action": "authenticate"}})
        if status == "authorized":
            assert (await ws.receive_json())["data"] == {"streams": ["trade_updates"]}
            await say(ws, {"stream": "listening", "data": {"streams": ["trade_updates"]}})
            await script(ws)
        else:
            await forever(ws)
        return ws

    return answer


async def say(ws: web.WebSocketResponse, message: dict[str, Any]) -> None:
    """JSON in a binary frame."""
    await ws.send_bytes(json.dumps(message).encode())


async def drop(ws: web.WebSocketResponse) -> None:
    """Cuts the connection without a close frame."""
    assert ws._req is not None
    assert ws._req.transport is not None
    ws._req.transport.abort()
    await asyncio.sleep(0.01)


def options(**changes: Any) -> StreamOptions:
    """Quick backoff, seeded jitter."""
    settings: dict[str, Any] = {"rng": seeded_rng(1), "backoff": QUICK, "connect_deadline": 5.0}
    return StreamOptions(**settings | changes)


async def until(true: Callable[[], bool]) -> None:
    """Polls: there is no event for what happens inside the stream."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def take(stream: Stream[Any], count: int) -> list[Frame[Any]]:
    """The next frames."""
    return [await anext(stream) for _ in range(count)]


async def test_messages_come_with_the_time_they_came(broker: Any, credentials: Credentials) -> None:
    """A frame holds the wire's messages and market time; the keys and the subscription were sent once."""
    said: list[Any] = []

    async def script(ws: web.WebSocketResponse) -> None:
        await ws.send_json([quote(1.5), {"T": "novelty", "x": 1}])
        await forever(ws)

    broker.answers = [data(script, said=said)]
    clock = SystemClock()
    async with market_data(broker.endpoints, credentials, WANTED, options(clock=clock)) as stream:
        await stream.ready()
        [frame] = await take(stream, 1)
        assert stream.connected
        assert 0 <= clock.now() - frame.ts_init < 60 * SECOND
        first, second = frame.messages
        assert isinstance(first, QuoteMessage)
        assert isinstance(second, UnknownMessage)
        assert stream.status.unreadable == 1
    assert said == [
        {"action": "auth", "key": "PKCANARYKEY", "secret": "canary-secret"},
        {"action": "subscribe", "quotes": ["AAPL"], "bars": ["AAPL"]},
    ]
    assert not stream.connected


async def test_a_lost_connection_comes_back_with_its_gap(broker: Any, credentials: Credentials) -> None:
    """One resubscription for each connection, and one frame that tells from when to when something may be missing."""
    said: list[Any] = []

    async def first(ws: web.WebSocketResponse) -> None:
        await ws.send_json([quote(1.5)])
        await asyncio.sleep(0.02)
        await drop(ws)

    async def second(ws: web.WebSocketResponse) -> None:
        await ws.send_json([quote(1.6)])
        await forever(ws)

    broker.answers = [data(first, said=said), data(second, said=said)]
    async with market_data(broker.endpoints, credentials, WANTED, options()) as stream:
        before, gap, after = await take(stream, 3)
        assert gap.messages == []
        assert gap.gap is not None
        assert gap.gap.reason == "reconnect"
        assert before.ts_init <= gap.gap.start < gap.gap.end <= after.ts_init
        assert (before.gap, after.gap) == (None, None)
        assert (stream.status.reconnects, stream.status.gaps) == (1, 1)
        assert len(said) == 4


@pytest.mark.parametrize(("code", "kind"), [(402, AuthError), (409, RefusedError), (405, RefusedError)])
async def test_a_permanent_refusal_ends_the_stream(
    broker: Any, credentials: Credentials, code: int, kind: type[Exception]
) -> None:
    """Wrong keys and what is not in the plan are told at once, and not tried again."""

    async def refuse(ws: web.WebSocketResponse) -> None:
        raise AssertionError

    answer = data(refuse, refuse=code)
    if code == 405:  # only said after authentication

        async def answer(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.send_json([{"T": "success", "msg": "connected"}, {"T": "success", "msg": "authenticated"}])
            await ws.receive_json()
            await ws.send_json([{"T": "error", "code": 405, "msg": "symbol limit exceeded"}])
            await forever(ws)
            return ws

    broker.answers = [answer]
    async with market_data(broker.endpoints, credentials, WANTED, options()) as stream:
        with pytest.raises(kind):
            await stream.ready()
        with pytest.raises(kind):
            await anext(stream)
    assert len(broker.requests) == 1


async def test_a_crowded_endpoint_is_tried_again_after_a_second(broker: Any, credentials: Credentials) -> None:
    """406 is for now: the next attempt comes, and not before the floor of 1 s."""
    clock = SlowClock()

    async def script(ws: web.WebSocketResponse) -> None:
        await forever(ws)

    broker.answers = [data(script, refuse=406), data(script, refuse=406), data(script)]
    async with market_data(broker.endpoints, credentials, WANTED, options(clock=clock)) as stream:
        await stream.ready()
    assert clock.waits == [1.0, 1.0]


class SlowClock(SystemClock):
    """Backs off at once, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def backoff(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


async def test_reconnects_never_storm(broker: Any, credentials: Credentials) -> None:
    """Full jitter: each wait lies between 0 and the doubled cap of its turn, 10 s at most."""
    clock = SlowClock()

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=503, text="no healthy upstream")

    broker.answers = [refuse]
    stream = trade_updates(broker.endpoints, credentials, StreamOptions(clock=clock, rng=seeded_rng(3)))
    async with stream:
        stream._start()
        await until(lambda: len(clock.waits) >= 12)
    assert all(wait <= min(10.0, 0.5 * 2**n) for n, wait in enumerate(clock.waits))
    assert sum(clock.waits[:12]) > 12


async def test_handshakes_count_against_the_budget(broker: Any, credentials: Credentials) -> None:
    """Connecting goes through the turnstile of the key."""
    budget = Budget(100)

    async def script(ws: web.WebSocketResponse) -> None:
        await drop(ws)

    broker.answers = [trading(script), trading(forever)]
    clock = SystemClock()
    async with trade_updates(broker.endpoints, credentials, options(turnstile=Turnstile(budget, clock))) as stream:
        assert (await anext(stream)).gap is not None
    assert len(budget._sent) == 2


async def test_wrong_keys_end_the_trading_stream(broker: Any, credentials: Credentials) -> None:
    """And the error does not show them."""
    broker.answers = [trading(forever, status="unauthorized")]
    async with trade_updates(broker.endpoints, credentials, options()) as stream:
        with pytest.raises(AuthError) as raised:
            await stream.ready()
    assert "canary" not in str(raised.value).lower()


async def test_a_listening_answer_without_trade_updates_is_not_ready(broker: Any, credentials: Credentials) -> None:
    """PRO-18: a stream that would stay mute is tried again."""

    async def deaf(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive_json()
        await say(ws, {"stream": "authorization", "data": {"status": "authorized"}})
        await ws.receive_json()
        await say(ws, {"stream": "listening", "data": {"streams": [], "error": "no"}})
        await forever(ws)
        return ws

    broker.answers = [deaf, trading(forever)]
    async with trade_updates(broker.endpoints, credentials, options()) as stream:
        await stream.ready()
    assert len(broker.requests) == 2


async def test_order_updates_are_never_dropped(broker: Any, credentials: Credentials) -> None:
    """A consumer that is slower than a tiny mailbox gets every one of 500 updates, in order."""

    async def script(ws: web.WebSocketResponse) -> None:
        for n in range(500):
            await say(ws, update("partial_fill", str(n)))
        await forever(ws)

    broker.answers = [trading(script)]
    async with trade_updates(broker.endpoints, credentials, options(capacity=4)) as stream:
        filled: list[Any] = []
        while len(filled) < 500:
            frame = await anext(stream)
            filled += [message.order.filled_qty for message in frame.messages if isinstance(message, TradeUpdate)]
            await asyncio.sleep(0)
            assert frame.gap is None
    assert filled == list(range(500))


async def test_a_slow_consumer_gets_the_newest_quotes_and_a_count(broker: Any, credentials: Credentials) -> None:
    """The reader goes on and answers pings; what was dropped is counted in the gap."""
    seen = asyncio.Event()

    async def script(ws: web.WebSocketResponse) -> None:
        for n in range(200):
            await ws.send_json([quote(float(n), symbol) for symbol in ("AAPL", "IBM")])
        await ws.ping(b"are you there")
        while (message := await ws.receive()).type is not WSMsgType.PONG:
            pass
        assert message.data == b"are you there"
        seen.set()
        await forever(ws)

    broker.answers = [data(script)]
    async with market_data(broker.endpoints, credentials, WANTED, options(capacity=8)) as stream:
        await stream.ready()
        await seen.wait()
        frames: list[Frame[Any]] = []
        while not frames or frames[-1].messages[-1].bp < 199:
            frames += await take(stream, 1)
    got = sum(len(frame.messages) for frame in frames)
    assert got + sum(frame.gap.dropped for frame in frames if frame.gap) == 400
    assert {frame.gap.reason for frame in frames if frame.gap} == {"slow"}
    assert stream.status.dropped == 400 - got > 300


async def test_a_mute_channel_is_a_failure_unless_explained(broker: Any, credentials: Credentials) -> None:
    """Connected, pings answered, nothing heard: the probe is asked, and then the connection is made anew."""
    asked: list[str] = []

    async def probe(channel: str) -> bool:
        asked.append(channel)
        return len(asked) == 1

    broker.answers = [data(forever), data(forever)]
    watching = options(stale_after={"quotes": 0.05}, probe=probe)
    async with market_data(broker.endpoints, credentials, WANTED, watching) as stream:
        frame = await anext(stream)
        assert frame.gap is not None
        assert asked[:2] == ["quotes", "quotes"]
        assert "mute" in str(stream.status.last_error)


async def test_a_dead_peer_is_noticed(broker: Any, credentials: Credentials) -> None:
    """A server that answers no ping any more is left (NET-06)."""

    async def deaf(ws: web.WebSocketResponse) -> None:
        await asyncio.sleep(30)

    broker.answers = [trading(deaf), trading(forever)]
    async with trade_updates(broker.endpoints, credentials, options(heartbeat=0.1)) as stream:
        frame = await anext(stream)
        assert frame.gap is not None


async def test_closing_a_hung_connection_takes_bounded_time(broker: Any, credentials: Credentials) -> None:
    """The server never answers the close; the client aborts (R28)."""

    async def deaf(ws: web.WebSocketResponse) -> None:
        await asyncio.sleep(30)

    broker.answers = [trading(deaf)]
    stream = trade_updates(broker.endpoints, credentials, options(close_deadline=0.05))
    await stream.ready()
    async with asyncio.timeout(5):
        await stream.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_wish_changes_the_subscription_now_and_later(broker: Any, credentials: Credentials) -> None:
    """`want` sends the difference, and the next connection subscribes to all of it at once."""
    said: list[Any] = []

    async def script(ws: web.WebSocketResponse) -> None:
        said.append(await ws.receive_json())
        said.append(await ws.receive_json())
        await drop(ws)

    broker.answers = [data(script, said=said), data(forever, said=said)]
    async with market_data(broker.endpoints, credentials, WANTED, options()) as stream:
        await stream.ready()
        await stream.want(Subscription.of(quotes=["IBM"], bars=["AAPL"]))
        assert (await anext(stream)).gap is not None
    assert said[2:4] == [{"action": "subscribe", "quotes": ["IBM"]}, {"action": "unsubscribe", "quotes": ["AAPL"]}]
    assert said[5] == {"action": "subscribe", "quotes": ["IBM"], "bars": ["AAPL"]}


class Barrier:
    """The exchange's side of lockstep: frames, then a ping, then nothing before the pong."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.ws = ws

    async def step(self, ts: int, *frames: list[dict[str, Any]]) -> None:
        """One instant."""
        for frame in frames:
            await self.ws.send_json(frame)
        await self.ws.ping(f"puna:{ts}".encode())
        while (message := await self.ws.receive()).type is not WSMsgType.PONG:
            assert message.type is WSMsgType.TEXT, message
        assert message.data == f"puna:{ts}".encode()


async def test_lockstep_answers_after_everything_is_done(broker: Any, credentials: Credentials) -> None:
    """The pong comes when timers, the frame, and what the consumer set in motion are done, in that order."""
    clock = DrivenClock(0)
    done: list[tuple[str, int]] = []
    seen: list[list[tuple[str, int]]] = []

    async def script(ws: web.WebSocketResponse) -> None:
        barrier = Barrier(ws)
        for n in (1, 2):
            await barrier.step(n * SECOND, [quote(float(n))])
            seen.append(list(done))
        await forever(ws)

    broker.answers = [data(script)]

    async def timer() -> None:
        await clock.sleep(0.5)
        done.append(("timer", clock.now()))

    async def order(n: int) -> None:
        with clock.busy():
            await asyncio.sleep(0.02)
            done.append((f"order {n}", clock.now()))

    async def consume(stream: Stream[Any]) -> None:
        async for frame in stream:
            done.append(("frame", frame.ts_init))
            await order(int(frame.messages[0].bp))

    async with market_data(broker.endpoints, credentials, WANTED, options(clock=clock)) as stream:
        work = [asyncio.create_task(timer()), asyncio.create_task(consume(stream))]
        await until(lambda: len(seen) == 2)
    await asyncio.gather(*work)
    first = [("timer", SECOND // 2), ("frame", SECOND), ("order 1", SECOND)]
    assert seen == [first, [*first, ("frame", 2 * SECOND), ("order 2", 2 * SECOND)]]


async def test_lockstep_does_not_wait_for_who_waits_for_it(broker: Any, credentials: Credentials) -> None:
    """A consumer that sleeps on market time inside its handler is woken by the instants that follow."""
    clock = DrivenClock(0)

    async def script(ws: web.WebSocketResponse) -> None:
        barrier = Barrier(ws)
        await barrier.step(SECOND, [quote(1.0)])
        await barrier.step(2 * SECOND)
        await barrier.step(3 * SECOND, [quote(2.0)])
        await forever(ws)

    broker.answers = [data(script)]
    async with market_data(broker.endpoints, credentials, WANTED, options(clock=clock)) as stream:
        first = await anext(stream)
        await clock.sleep(1.5)
        second = await anext(stream)
        assert (first.ts_init, second.ts_init) == (SECOND, 3 * SECOND)


async def test_other_pings_are_answered_at_once(broker: Any, credentials: Credentials) -> None:
    """On a driven clock as well: only `puna:<ns>` is a step of lockstep."""
    clock = DrivenClock(5)
    answered = asyncio.Event()

    async def script(ws: web.WebSocketResponse) -> None:
        for payload in (b"", b"puna:", b"puna:x", b"hello"):
            await ws.ping(payload)
            assert (await ws.receive()).data == payload
        answered.set()
        await forever(ws)

    broker.answers = [trading(script)]
    async with trade_updates(broker.endpoints, credentials, options(clock=clock)) as stream:
        await stream.ready()
        await answered.wait()
    assert clock.now() == 5


async def test_a_stream_alone_comes_back_although_time_stands_still(broker: Any, credentials: Credentials) -> None:
    """On a driven clock nobody moves time while nobody is connected; the backoff must not wait for it."""
    clock = DrivenClock(SECOND)

    async def first(ws: web.WebSocketResponse) -> None:
        await Barrier(ws).step(2 * SECOND)
        await drop(ws)

    broker.answers = [trading(first), trading(forever)]
    patient = StreamOptions(clock=clock, rng=seeded_rng(2), backoff=Backoff(base=600, cap=600, floor=600))
    async with trade_updates(broker.endpoints, credentials, patient) as stream:
        frame = await anext(stream)
    assert frame.gap is not None
    assert clock.now() == 2 * SECOND
