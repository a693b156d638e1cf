"""Each fault, observed on the wire by a raw client: what is answered, what was done, and when the connection ends."""

import asyncio
import errno
from typing import Any

import aiohttp
import pytest

from puna.exchange.faults import Fault
from puna.wire.codec import parse_time

SECOND = 1_000_000_000
POST = "POST /v2/orders"


async def _orders(raw: Any) -> int:
    """How many orders the exchange has taken."""
    status, orders = await raw.call("GET", "/v2/orders?status=all")
    assert status == 200
    return len(orders)


@pytest.mark.parametrize(("action", "taken"), [("error_before", 0), ("error_after", 1)])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_5xx_before_or_after_accept(exchange: Any, action: str, taken: int, status: int) -> None:
    """PRO-01, PRO-02: an HTML page as a gateway sends it; the order is taken, or not; the next request is served."""
    async with exchange(faults=(Fault(on=POST, action=action, status=status),)) as raw:
        got, page = await raw.order()
        assert got == status
        assert page.startswith("<html>")
        assert str(status) in page
        assert await _orders(raw) == taken
        assert (await raw.order())[0] == 200


async def test_504_is_what_an_error_is_when_nothing_else_is_said(exchange: Any) -> None:
    """PRO-01: the default of an error is the 504 that the official SDK retries."""
    async with exchange(faults=(Fault(on=POST, action="error_after"),)) as raw:
        assert (await raw.order())[0] == 504
        assert await _orders(raw) == 1


async def test_an_error_has_the_body_and_headers_it_is_given(exchange: Any) -> None:
    """PRO-06, PRO-08, PRO-16, PRO-23: 429 in Alpaca's shape, 200 with an empty or broken body, HTML, a redirect."""
    faults = (
        Fault(on="GET /v2/account", action="error_before", status=429, headers={"X-RateLimit-Reset": "1"}),
        Fault(on="GET /v2/clock", action="error_after", status=200, body=""),
        Fault(on="GET /v2/assets", action="error_after", status=200, body='{"id": '),
        Fault(on="GET /v2/positions", action="error_after", status=200, body="<html>Please log in</html>"),
        Fault(
            on="GET /v2/calendar",
            action="error_before",
            status=307,
            body="",
            headers={"Location": "http://127.0.0.1:1/"},
        ),
    )
    async with exchange(faults=faults) as raw:
        assert (await raw.call("GET", "/v2/account"))[1] == {"code": 42910000, "message": "rate limit exceeded"}
        assert await raw.call("GET", "/v2/clock") == (200, "")
        async with raw.session.get(raw.server.url + "/v2/assets") as response:
            assert (response.content_type, await response.text()) == ("application/json", '{"id": ')
        assert (await raw.call("GET", "/v2/positions"))[1] == "<html>Please log in</html>"
        async with raw.session.get(raw.server.url + "/v2/calendar", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (307, "http://127.0.0.1:1/")


@pytest.mark.parametrize(("action", "taken"), [("hang_before", 0), ("hang_after", 1)])
async def test_a_request_that_is_never_answered(exchange: Any, action: str, taken: int) -> None:
    """NET-05, PRO-03: no byte comes back until the client gives up, and the order is taken, or not."""
    async with exchange(faults=(Fault(on=POST, action=action),)) as raw:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await raw.order()
        assert await _orders(raw) == taken
        assert (await raw.order())[0] == 200


@pytest.mark.parametrize(("action", "taken"), [("drop_before", 0), ("drop_reply", 1)])
async def test_a_connection_that_is_reset(exchange: Any, action: str, taken: int) -> None:
    """NET-04: the client sees a reset, not an answer and not a polite end; the order is taken, or not."""
    async with exchange(faults=(Fault(on=POST, action=action),)) as raw:
        with pytest.raises(aiohttp.ClientOSError) as caught:
            await raw.order()
        assert caught.value.errno == errno.ECONNRESET
        assert await _orders(raw) == taken


async def test_an_answer_that_ends_in_the_middle(exchange: Any) -> None:
    """NET-10: the head promises the whole body, half of it comes, then the connection ends; the order was taken."""
    async with exchange(faults=(Fault(on=POST, action="truncate"),)) as raw:
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
            await raw.order()
        assert await _orders(raw) == 1


async def test_a_late_answer(exchange: Any) -> None:
    """NET-08: the order is taken at once, its answer comes later."""
    async with exchange(faults=(Fault(on=POST, action="delay", seconds=0.2),)) as raw:
        asking = asyncio.create_task(raw.order())
        await asyncio.sleep(0.1)
        assert await _orders(raw) == 1
        assert not asking.done()
        assert (await asking)[0] == 200


async def test_a_request_that_is_held_is_done_after_its_sender_has_gone(exchange: Any) -> None:
    """R42: held in market time; the client has given up, and then the order turns up."""
    async with exchange(faults=(Fault(on=POST, action="hold", seconds=120.0),), wait_for=("data",)) as raw:
        data = await raw.data(quotes=["AAPL"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await raw.order(client_order_id="late")
        assert await _orders(raw) == 0
        start = raw.server.progress().now
        raw.start(raw.follow(data))
        await raw.until(lambda: raw.server.progress().now > start + 121 * SECOND)
        assert (await raw.call("GET", "/v2/orders:by_client_order_id?client_order_id=late"))[0] == 200


async def test_a_handshake_can_be_refused(exchange: Any) -> None:
    """PRO-07: 429 on the WebSocket upgrade is an answer to a request like any other."""
    async with exchange(faults=(Fault(on="GET /stream", action="error_before", status=429, times=2),)) as raw:
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await raw.trading()
            assert caught.value.status == 429
        await raw.trading()


async def _updates(raw: Any, *, quiet: float = 0.0) -> list[str]:
    """One order on a running market; the events of the trading stream until its fill, or until none can come."""
    raw.start(raw.follow(await raw.trading()))
    raw.start(raw.follow(await raw.data(quotes=["AAPL"])))
    status, order = await raw.order()
    assert status == 200
    venue = raw.server.venue
    await raw.until(lambda: venue.order(order["id"]).status == "filled")
    here = raw.server.progress().now
    await raw.until(lambda: raw.server.progress().now > here + round((60 + quiet) * SECOND))
    return [update["event"] for update in raw.updates]


PLAIN = ["pending_new", "new", "fill"]


async def test_the_plain_sequence_of_a_market_order(exchange: Any) -> None:
    """Without faults: pending_new, new, fill [CAP]."""
    async with exchange(lead_seconds=0) as raw:
        assert await _updates(raw) == PLAIN


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        (Fault(on="event:fill", action="duplicate"), ["pending_new", "new", "fill", "fill"]),
        (Fault(on="event:fill", action="lose"), ["pending_new", "new"]),
        (Fault(on="event:new", action="reorder"), ["pending_new", "fill", "new"]),
        (Fault(on="event:pending_new", action="delay", seconds=30.0), ["new", "fill", "pending_new"]),
        (Fault(on="socket:trading", action="lose", nth=2), ["pending_new", "fill"]),
        (Fault(on="event:*", action="lose", times=0), []),
        (Fault(on="event:new", action="mute"), ["pending_new"]),
    ],
)
async def test_trade_updates_go_wrong(exchange: Any, fault: Fault, events: list[str]) -> None:
    """BRK-01 to BRK-03: twice, never, in another order, late; the venue's own books are not touched by it."""
    async with exchange(faults=(fault,), lead_seconds=0) as raw:
        assert await _updates(raw) == events
        assert raw.server.books().positions["AAPL"][0] == 1


async def test_a_socket_that_is_cut_and_may_not_come_back_yet(exchange: Any) -> None:
    """NET-13: the fill cuts the trading socket; reconnects are refused for 60 s of market time, data goes on."""
    fault = Fault(on="event:fill", action="drop_socket", seconds=60.0)
    async with exchange(faults=(fault,), lead_seconds=0) as raw:
        trading = await raw.trading()
        following = raw.start(raw.follow(trading))
        raw.start(raw.follow(await raw.data(quotes=["AAPL"])))
        await raw.order()
        await raw.until(following.done)
        assert [update["event"] for update in raw.updates] == ["pending_new", "new"]
        assert trading.close_code == 1006
        cut, refused = raw.server.struck[0][0], set()
        while True:
            try:
                await raw.trading()
                break
            except aiohttp.WSServerHandshakeError as refusal:
                refused.add(refusal.status)
                await asyncio.sleep(0.002)
        assert refused == {503}
        assert raw.server.progress().now >= cut + 60 * SECOND
        assert raw.server.books().positions["AAPL"][0] == 1


async def test_time_goes_on_to_the_end_of_a_refusal_when_everybody_is_cut_off(exchange: Any) -> None:
    """With nobody connected and nobody allowed in, the exchange passes the time by itself, and then stands still."""
    fault = Fault(on="socket:data", action="drop_socket", nth=3, seconds=90.0)
    async with exchange(faults=(fault,), wait_for=("data",)) as raw:
        await raw.follow(await raw.data(quotes=["AAPL"]))
        cut = raw.server.struck[0][0]
        await raw.until(lambda: raw.server.progress().now >= cut + 90 * SECOND)
        await asyncio.sleep(0.05)
        assert raw.server.progress().now == cut + 90 * SECOND
        raw.start(raw.follow(await raw.data(quotes=["AAPL"])))
        await raw.until(lambda: raw.server.progress().now > cut + 90 * SECOND)


async def test_a_cut_at_a_time_needs_no_frame(exchange: Any) -> None:
    """An unprompted fault strikes at its market time."""
    start = 1348061340 * SECOND
    fault = Fault(on="socket:data", action="drop_socket", at=start + 100 * SECOND)
    async with exchange(faults=(fault,), wait_for=("data",)) as raw:
        await raw.follow(await raw.data(bars=["IBM"]))
        assert raw.server.struck == [(start + 100 * SECOND, "socket:data", fault)]


async def test_a_mute_data_socket_answers_pings_and_says_nothing(exchange: Any) -> None:
    """PRO-20: connected, alive, silent for a while, and then talking again; barriers go on all the time."""
    fault = Fault(on="socket:data", action="mute", nth=2, seconds=300.0)
    async with exchange(faults=(fault,), wait_for=("data",)) as raw:
        raw.start(raw.follow(await raw.data(quotes=["AAPL"])))
        await raw.until(lambda: len(raw.market) > 1)
        before, after = (parse_time(message["t"]) for message in raw.market[:2])
        assert 300 * SECOND <= after - before <= 330 * SECOND
        assert len([ns for ns in raw.pings if before < ns < after]) >= 20


async def test_a_ghost_keeps_its_place(exchange: Any) -> None:
    """R2, PRO-14: the server has not noticed that a connection has gone; newcomers get 406 until it does."""
    fault = Fault(on="socket:data", action="ghost", nth=2, seconds=60.0)
    async with exchange(faults=(fault,)) as raw:
        raw.start(raw.follow(await raw.trading()))
        await raw.follow(await raw.data(quotes=["AAPL"]))
        socket = await raw.connect(raw.server.data_stream_url)
        said = [await raw.hear(socket), await raw.hear(socket)]
        assert said[1] == [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]
        await raw.until(lambda: raw.server.progress().now > raw.server.struck[0][0] + 60 * SECOND)
        await raw.data(quotes=["AAPL"])


async def test_chance_is_seeded(exchange: Any) -> None:
    """The same seed hits the same requests, another seed others."""

    async def statuses(seed: int) -> list[int]:
        faults = (Fault(on="GET /v2/account", action="error_before", status=500, probability=0.5),)
        async with exchange(faults=faults, seed=seed) as raw:
            return [(await raw.call("GET", "/v2/account"))[0] for _ in range(40)]

    first, again, other = [await statuses(seed) for seed in (1, 1, 2)]
    assert first == again != other
    assert {200, 500} == set(first)
