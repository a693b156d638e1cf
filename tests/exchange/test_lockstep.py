"""Lockstep: the exchange waits for its clients, and a day has one order of events."""

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from puna.exchange.faults import Fault
from puna.exchange.server import ExchangeConfig
from puna.wire.codec import parse_time

OPEN = parse_time("2012-09-19T09:30:00-04:00")
CLOSE = parse_time("2012-09-19T16:00:00-04:00")
SECOND = 1_000_000_000


async def _day(raw: Any, *, every: int = 100) -> None:
    """A scripted client: one order on each so-many-th market frame, alternately bought and sold."""
    frames = 0

    async def act(_: int, heard: list[dict[str, Any]]) -> None:
        nonlocal frames
        frames += "T" in heard[0]
        if "T" in heard[0] and frames % every == 0:
            side = "buy" if frames // every % 2 else "sell"
            status, body = await raw.order(side=side, client_order_id=f"order-{frames}")
            assert status == 200, body

    raw.start(raw.follow(await raw.data(quotes=["*"], bars=["*"]), act))
    raw.start(raw.follow(await raw.trading()))
    await raw.until(raw.server.done.is_set)


async def _run(exchange: Any, **config: Any) -> tuple[str, Any, list[int], list[dict[str, Any]]]:
    async with exchange(**config) as raw:
        await _day(raw)
        return raw.server.event_log_hash(), raw.server.books(), raw.pings, raw.updates


async def test_two_days_of_one_seed_end_in_the_same_hash(exchange: Any) -> None:
    """Same seed, same script: the same event log, books, barriers and updates; another seed: another log."""
    first, again, other = [await _run(exchange, seed=seed) for seed in (7, 7, 8)]
    assert first == again
    assert first[0] != other[0]
    updates = first[3]
    assert {update["event"] for update in updates} >= {"pending_new", "new", "fill"}
    assert first[1].cash != ExchangeConfig().cash


async def test_reads_do_not_change_the_event_log(exchange: Any) -> None:
    """The log covers commands and events; how often somebody looks is nobody's business."""
    quiet = (await _run(exchange))[0]
    async with exchange() as raw:
        stop = asyncio.Event()

        async def look() -> None:
            while not stop.is_set():
                for path in ("/v2/account", "/v2/orders?status=all", "/v2/positions", "/v2/clock"):
                    assert (await raw.call("GET", path))[0] == 200
                await asyncio.sleep(0.02)

        looking = asyncio.create_task(look())
        await _day(raw)
        stop.set()
        await looking
        assert raw.server.event_log_hash() == quiet


async def test_barriers_never_go_back_and_end_after_the_close(exchange: Any) -> None:
    """Each ping carries the market time of its step; times only grow, from before the open to after the close."""
    _, _, pings, _ = await _run(exchange)
    assert pings == sorted(pings)
    assert pings[0] < OPEN < CLOSE <= pings[-1]


async def test_time_stands_still_until_those_who_are_awaited_have_come(exchange: Any) -> None:
    """Before a data socket has subscribed and a trading socket listens, nothing moves."""
    async with exchange() as raw:
        start = raw.server.progress().now
        assert start == OPEN - 60 * SECOND
        data = await raw.data()
        trading = await raw.trading()
        await asyncio.sleep(0.05)
        assert raw.server.progress().now == start
        await data.send_json({"action": "subscribe", "bars": ["AAPL"]})
        assert (await raw.hear(data))[0]["T"] == "subscription"
        for each in (data, trading):
            raw.start(raw.follow(each))
        await raw.until(lambda: raw.server.progress().now >= OPEN)


async def test_the_exchange_does_not_advance_while_a_pong_is_withheld(exchange: Any) -> None:
    """The step after a frame waits for the pong of every live socket, however long it takes."""
    async with exchange(wait_for=("data",)) as raw:
        data = await raw.data(quotes=["AAPL"])
        while (message := await data.receive()).type is aiohttp.WSMsgType.PING:
            await data.pong(message.data)
        ping = await data.receive()
        assert ping.type is aiohttp.WSMsgType.PING
        here = raw.server.progress().now
        assert ping.data == b"puna:%d" % here
        await asyncio.sleep(0.1)
        assert raw.server.progress().now == here
        await data.pong(b"puna:1")
        await asyncio.sleep(0.05)
        assert raw.server.progress().now == here
        await data.pong(ping.data)
        assert (await data.receive()).type is aiohttp.WSMsgType.TEXT
        assert raw.server.progress().now > here


async def test_a_second_socket_that_is_slow_holds_everybody(exchange: Any) -> None:
    """All live sockets are part of the barrier, those without a frame too."""
    async with exchange() as raw:
        data, trading = await raw.data(quotes=["AAPL"]), await raw.trading()
        following = raw.start(raw.follow(data))
        while not raw.market:
            ping = await trading.receive()
            assert ping.type is aiohttp.WSMsgType.PING
            if not raw.market:
                await trading.pong(ping.data)
        await asyncio.sleep(0.05)
        heard, here = len(raw.market), raw.server.progress().now
        await asyncio.sleep(0.1)
        assert (len(raw.market), raw.server.progress().now) == (heard, here)
        following.cancel()


async def test_a_vanished_socket_leaves_the_barrier_and_nobody_means_standstill(exchange: Any) -> None:
    """A socket that closes while it owes a pong holds nobody up; when the last has gone, time stands still."""
    async with exchange() as raw:
        data, trading = await raw.data(quotes=["AAPL"]), await raw.trading()
        following = raw.start(raw.follow(data))
        assert (await trading.receive()).type is aiohttp.WSMsgType.PING
        await trading.close()
        await raw.until(lambda: raw.server.progress().now >= OPEN + 60 * SECOND)
        following.cancel()
        await data.close()
        await asyncio.sleep(0.05)
        here = raw.server.progress().now
        await asyncio.sleep(0.1)
        assert raw.server.progress().now == here
        following = raw.start(raw.follow(await raw.data(quotes=["AAPL"])))
        await raw.until(lambda: raw.server.progress().now > here)
        following.cancel()


async def test_nothing_is_filled_inside_the_handling_of_a_post(exchange: Any) -> None:
    """The reply comes before any event; events come in later steps, updates before the market data of an instant."""
    async with exchange() as raw:
        seen: list[tuple[int, str]] = []

        async def note(now: int, heard: list[dict[str, Any]]) -> None:
            seen.extend((now, "market" if "T" in each else each["event"]) for each in heard)

        async def once(now: int, heard: list[dict[str, Any]]) -> None:
            await note(now, heard)
            if not any(event == "posted" for _, event in seen):
                status, order = await raw.order()
                assert (status, order["filled_qty"]) == (200, "0")
                seen.append((now, "posted"))

        raw.start(raw.follow(await raw.data(quotes=["AAPL"]), once))
        raw.start(raw.follow(await raw.trading(), note))
        await raw.until(lambda: any(event == "fill" for _, event in seen))
    events = [event for _, event in seen if event != "market"]
    assert events[0] == "posted"
    assert events[-1] == "fill"
    posted = next(now for now, event in seen if event == "posted")
    assert all(now > posted for now, event in seen if event in ("pending_new", "new", "fill"))


@pytest.mark.parametrize("action", ["drop_socket", "mute", "lose", "duplicate", "reorder", "delay"])
async def test_a_day_with_faults_ends_in_the_same_hash_and_the_same_barriers(exchange: Any, action: str) -> None:
    """What goes wrong on the trading stream is as reproducible as what goes right, and the venue never notices."""
    fault = Fault(on="socket:trading", action=action, nth=3, times=2, seconds=40.0)
    first, again = [await _run(exchange, faults=(fault,), step_seconds=60) for _ in range(2)]
    assert first == again
    assert first[0] == (await _run(exchange, step_seconds=60))[0]


async def test_the_ledger_is_what_the_updates_say(exchange: Any) -> None:
    """Cash in the exchange's books is what it started with less what every fill has cost, plus fees paid."""
    _, books, _, updates = await _run(exchange)
    fills = [update for update in updates if update["event"] in ("fill", "partial_fill")]
    assert fills
    flow = sum(
        Decimal(fill["qty"]) * Decimal(fill["price"]) * (1 if fill["order"]["side"] == "buy" else -1) for fill in fills
    )
    assert books.cash == ExchangeConfig().cash - flow - books.fees


async def test_a_late_order_after_the_day_still_gets_its_answer(exchange: Any) -> None:
    """When the day is over the exchange goes on answering, and `done` stays set."""
    async with exchange(wait_for=("data",), symbols=("IBM",), step_seconds=60) as raw:
        raw.start(raw.follow(await raw.data(bars=["IBM"])))
        await raw.until(raw.server.done.is_set)
        assert (await raw.order(symbol="IBM"))[0] == 200
        assert (await raw.call("GET", "/v2/clock"))[1]["is_open"] is False
        assert raw.server.done.is_set()
