"""The REST client over real sockets: what is repeated and what never is, caps, deadlines, what each failure says."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from rawserver import serving

from puna.alpaca import transport
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars, get_latest_quotes
from puna.alpaca.pace import Backoff
from puna.alpaca.request import Request
from puna.alpaca.trading import (
    cancel_order,
    cancel_orders,
    close_position,
    get_account,
    get_order,
    get_orders,
    submit_order,
)
from puna.errors import (
    AuthError,
    ConfigError,
    DeadlineError,
    LiveRefusedError,
    NetworkError,
    NotFoundError,
    OutageError,
    ProtocolError,
    PunaError,
    RateLimitError,
    RefusedError,
)
from puna.seams import seeded_rng
from puna.wire.codec import amount
from puna.wire.trading import OrderRequest

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

ACCOUNT = b'{"id":"1","status":"ACTIVE","cash":"100000.01"}'
ORDER = b'{"id":"1","client_order_id":"c","status":"pending_new","symbol":"AAPL"}'
SUBMIT = submit_order(OrderRequest(symbol="AAPL", qty=amount("1"), side="buy", type="market", time_in_force="day"))
QUICK = Backoff(base=0.001, cap=0.002, retries=3)


def says(body: bytes = b"", status: int = 200, **headers: str) -> Answer:
    """A fixed answer."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def aborts(request: web.Request) -> web.Response:
    """Accepts the request and resets the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hangs(request: web.Request) -> web.Response:
    """Accepts the request and never answers."""
    await asyncio.sleep(30)
    return web.Response()


def client(broker: Any, credentials: Credentials, **changes: Any) -> AsyncAlpaca:
    """A quick client."""
    settings: dict[str, Any] = {"retries": QUICK, "rng": seeded_rng(1), "trading_limit": 0, "data_limit": 0}
    return AsyncAlpaca(credentials, broker.endpoints, **settings | changes)


async def failing(
    broker: Any, credentials: Credentials, call: Request[Any], answer: Answer, **changes: Any
) -> PunaError:
    """The error that a call ends with when the broker answers so, for ever."""
    broker.answers = [answer]
    async with client(broker, credentials, **changes) as alpaca:
        with pytest.raises(PunaError) as raised:
            await alpaca(call)
    return raised.value


async def test_a_call_sends_keys_and_reads_the_answer(broker: Any, credentials: Credentials) -> None:
    """Amounts come back exact; an order's body goes out as JSON."""
    broker.answers = [says(ACCOUNT), says(ORDER)]
    async with client(broker, credentials) as alpaca:
        account = await alpaca(get_account())
        order = await alpaca(SUBMIT)
    assert account.cash == amount("100000.01")
    assert order.status == "pending_new"
    (_, _, _, headers), (method, target, body, posted) = broker.requests
    assert headers["APCA-API-KEY-ID"] == "PKCANARYKEY"
    assert headers["APCA-API-SECRET-KEY"] == "canary-secret"
    assert (method, target, posted["Content-Type"]) == ("POST", "/v2/orders", "application/json")
    assert json.loads(body)["qty"] == "1"


@pytest.mark.parametrize("answer", [says(status=500), says(b"<html>", 502), says(status=503), says(status=504), aborts])
async def test_reads_are_repeated_three_times(broker: Any, credentials: Credentials, answer: Answer) -> None:
    """A GET goes out four times in all; the fourth one's success is the answer."""
    broker.answers = [answer, answer, answer, says(ACCOUNT)]
    async with client(broker, credentials) as alpaca:
        await alpaca(get_account())
    assert broker.calls == ["GET /v2/account"] * 4


@pytest.mark.parametrize("answer", [says(status=500), says(b"<html>", 502), says(status=503), says(status=504), aborts])
async def test_cancels_are_repeated_too(broker: Any, credentials: Credentials, answer: Answer) -> None:
    """A cancel twice is a cancel."""
    broker.answers = [answer, says(status=204)]
    async with client(broker, credentials) as alpaca:
        await alpaca(cancel_order("1"))
    assert broker.calls == ["DELETE /v2/orders/1"] * 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (says(status=500), OutageError),
        (says(b"<html>bad gateway</html>", 502), OutageError),
        (says(b'{"message":"x"}', 504), OutageError),
        (aborts, NetworkError),
        (hangs, DeadlineError),
        (says(b""), ProtocolError),
        (says(b"<html>welcome</html>"), ProtocolError),
        (says(b'{"id":"1",'), ProtocolError),
        (says(b"short", Content_Encoding="gzip"), ProtocolError),
        (says(status=307, Location="https://evil.example/"), ProtocolError),
        (says(b"<html>", 404), ProtocolError),
    ],
)
async def test_an_order_is_sent_once_and_its_fate_is_in_doubt(
    broker: Any, credentials: Credentials, answer: Answer, kind: type[PunaError]
) -> None:
    """Whatever happens without a clear answer, a POST is never repeated, and nobody calls it rejected."""
    error = await failing(broker, credentials, SUBMIT, answer, deadline=0.3)
    assert type(error) is kind
    assert error.in_doubt
    assert "reject" not in str(error).lower()
    assert "not known" in error.state
    assert broker.calls == ["POST /v2/orders"]


async def test_closing_a_part_is_never_repeated(broker: Any, credentials: Credentials) -> None:
    """Half of half would be three quarters; closing the whole may be repeated."""
    part = close_position("AAPL", percentage=amount("50"))
    error = await failing(broker, credentials, part, says(status=503))
    assert error.in_doubt
    assert broker.calls == ["DELETE /v2/positions/AAPL?percentage=50"]
    assert close_position("AAPL").repeatable


async def test_a_dead_kept_alive_connection_does_not_repeat_an_order(broker: Any, credentials: Credentials) -> None:
    """NET-17: the library beneath must not send a POST, or a partial close, again by itself."""
    for call in (SUBMIT, close_position("AAPL", qty=amount("1"))):
        broker.requests.clear()
        broker.answers = [says(ACCOUNT), aborts, says(ORDER)]
        async with client(broker, credentials) as alpaca:
            await alpaca(get_account())
            with pytest.raises(NetworkError) as raised:
                await alpaca(call)
        assert raised.value.in_doubt
        assert len(broker.requests) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"code":40110000,"message":"request is not authorized"}', AuthError),
        (401, b"<html>", AuthError),
        (403, b'{"message":"forbidden."}', AuthError),
        (403, b'{"code":40310000,"message":"forbidden"}', AuthError),
        (403, b'{"code":40310000,"message":"insufficient buying power","buying_power":"1"}', RefusedError),
        (403, b'{"code":42210000,"message":"subscription does not permit querying recent SIP data"}', RefusedError),
        (404, b'{"code":40410000,"message":"order not found for 1"}', NotFoundError),
        (422, b'{"code":40010001,"message":"qty is required"}', RefusedError),
        (422, b"<html>", RefusedError),
        (400, b"", RefusedError),
    ],
)
async def test_refusals_are_told_at_once(
    broker: Any, credentials: Credentials, status: int, body: bytes, kind: type[PunaError]
) -> None:
    """Nothing is repeated, nothing is in doubt, and a 403 is not always about the keys."""
    error = await failing(broker, credentials, get_order("1"), says(body, status))
    assert type(error) is kind
    assert not error.in_doubt
    assert len(broker.requests) == 1


async def test_refusals_keep_what_the_broker_said(broker: Any, credentials: Credentials) -> None:
    """Status, code, message and the further keys, for programs; a remedy, for people; no key, for nobody."""
    body = b'{"code":40310000,"message":"insufficient buying power","buying_power":"1.5","cost_basis":"2"}'
    error = await failing(broker, credentials, SUBMIT, says(body, 403))
    assert isinstance(error, RefusedError)
    assert (error.status, error.broker_code, error.message) == (403, 40310000, "insufficient buying power")
    assert error.details == {"buying_power": "1.5", "cost_basis": "2"}
    assert error.remedy
    assert "canary" not in str(error).lower()


async def test_a_connection_that_cannot_be_made_sends_nothing(credentials: Credentials) -> None:
    """Connect refused is known to be before the first byte, and blames neither symbol nor key."""
    async with AsyncAlpaca(credentials, Endpoints.at("http://127.0.0.1:1"), retries=QUICK) as alpaca:
        with pytest.raises(NetworkError) as raised:
            await alpaca(SUBMIT)
    assert not raised.value.in_doubt
    assert raised.value.state == "Nothing was sent."


async def test_a_slow_body_meets_the_deadline(broker: Any, credentials: Credentials) -> None:
    """The deadline is for the whole answer, not for each piece of it (NET-09)."""

    async def trickles(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    error = await failing(broker, credentials, SUBMIT, trickles, deadline=0.2)
    assert type(error) is DeadlineError


async def test_a_body_that_is_cut_short_is_an_error(broker: Any, credentials: Credentials) -> None:
    """NET-10: half an answer is none."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(ORDER)
        assert request.transport is not None
        request.transport.close()
        return response

    error = await failing(broker, credentials, SUBMIT, cut)
    assert type(error) is NetworkError
    assert error.in_doubt


async def test_bodies_are_capped_on_the_wire(broker: Any, credentials: Credentials) -> None:
    """An endless answer is left at the cap (PRO-24)."""
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 1 << 30:
            await response.write(b" " * 65536)
            sent += 65536
        return response

    error = await failing(broker, credentials, get_account(), endless, body_cap=1 << 20)
    assert type(error) is ProtocolError
    assert sent < 64 << 20


async def test_bodies_are_capped_after_inflation(broker: Any, credentials: Credentials) -> None:
    """100 MiB of spaces in 100 KiB of gzip are never made (PRO-24)."""
    bomb = gzip.compress(b" " * (100 << 20), 9)
    error = await failing(broker, credentials, get_account(), says(bomb, Content_Encoding="gzip"), body_cap=1 << 20)
    assert type(error) is ProtocolError
    assert "1048576" in error.why


@pytest.mark.parametrize("library", ["zlib", "isal.isal_zlib"])
def test_gzip_is_inflated_alike_by_either_library(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, empty, cut short, spoiled, and too large: the same answer or the same error."""
    monkeypatch.setattr(transport, "_gzip", pytest.importorskip(library))
    whole = gzip.compress(ACCOUNT * 100)
    assert transport.inflated(whole, 1 << 20) == ACCOUNT * 100
    assert transport.inflated(gzip.compress(b""), 10) == b""
    assert transport.inflated(gzip.compress(b"x" * 10), 10) == b"x" * 10
    for broken in (whole[:-1], whole[:5], whole[: len(whole) // 2], b"no gzip", whole[:-5] + b"abcde"):
        with pytest.raises(ProtocolError, match="could not be read"):
            transport.inflated(broken, 1 << 20)
    with pytest.raises(ProtocolError, match="too large"):
        transport.inflated(gzip.compress(b"x" * 11), 10)


async def test_gzip_is_read(broker: Any, credentials: Credentials) -> None:
    """The client asks for it and understands it."""
    broker.answers = [says(gzip.compress(ACCOUNT), Content_Encoding="gzip")]
    async with client(broker, credentials) as alpaca:
        assert (await alpaca(get_account())).status == "ACTIVE"
    assert broker.requests[0][3]["Accept-Encoding"] == "gzip"


async def test_headers_are_capped(broker: Any, credentials: Credentials) -> None:
    """A header of a megabyte is no answer."""
    error = await failing(broker, credentials, SUBMIT, says(ORDER, X_Long="x" * (1 << 20)))
    assert type(error) is ProtocolError
    assert error.in_doubt


async def test_redirects_are_never_followed(broker: Any, credentials: Credentials) -> None:
    """PRO-23: the keys stay here."""
    other = says(status=302, Location=f"{broker.url}/elsewhere")
    error = await failing(broker, credentials, get_account(), other)
    assert type(error) is ProtocolError
    assert len(broker.requests) == 1


async def test_cookies_are_not_kept(broker: Any, credentials: Credentials) -> None:
    """What the server sets is not sent back."""
    broker.answers = [says(ACCOUNT, Set_Cookie="a=b")]
    async with client(broker, credentials) as alpaca:
        await alpaca(get_account())
        await alpaca(get_account())
    assert "Cookie" not in broker.requests[1][3]


async def test_proxies_of_the_environment_are_ignored(
    broker: Any, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NET-20: nobody leads the keys elsewhere by a variable."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    broker.answers = [says(ACCOUNT)]
    async with client(broker, credentials) as alpaca:
        assert (await alpaca(get_account())).id == "1"


async def test_a_429_waits_for_its_reset(broker: Any, credentials: Credentials) -> None:
    """A read is repeated, an order is not; neither is in doubt."""
    limited = says(b'{"message":"too many requests"}', 429, X_RateLimit_Reset="1", X_RateLimit_Limit="200")
    broker.answers = [limited, says(ACCOUNT)]
    async with client(broker, credentials) as alpaca:
        await alpaca(get_account())
    assert len(broker.requests) == 2
    broker.requests.clear()
    error = await failing(broker, credentials, SUBMIT, limited)
    assert isinstance(error, RateLimitError)
    assert (error.reset, error.in_doubt) == (1, False)
    assert len(broker.requests) == 1


async def test_the_breaker_opens_on_outages_and_a_read_closes_it(broker: Any, credentials: Credentials) -> None:
    """After five outages nothing is sent; cancels pass; after the cooldown an order sends a read ahead."""
    broker.answers = [says(status=503)]
    async with client(broker, credentials, retries=Backoff(retries=0)) as alpaca:
        breaker = alpaca.breakers["trading"]
        breaker.cooldown = 60.0
        for _ in range(5):
            with pytest.raises(OutageError):
                await alpaca(get_account())
        with pytest.raises(NetworkError) as raised:
            await alpaca(SUBMIT)
        assert (raised.value.code, raised.value.in_doubt) == ("E013", False)
        assert len(broker.requests) == 5
        with pytest.raises(OutageError):
            await alpaca(cancel_orders())
        assert len(broker.requests) == 6
        clock_body = b'{"timestamp":"%s","is_open":true,"next_open":"%s","next_close":"%s"}' % (
            (b"2026-07-24T14:42:49Z",) * 3
        )
        broker.answers = [says(clock_body)] * 7 + [says(ORDER)]
        breaker._open_until = 0
        await alpaca(SUBMIT)
    assert broker.calls[6:] == ["GET /v2/clock", "POST /v2/orders"]
    assert not breaker.is_open


async def test_refusals_never_open_the_breaker(broker: Any, credentials: Credentials) -> None:
    """A broker that says no is alive."""
    broker.answers = [says(b'{"code":40310000,"message":"insufficient buying power"}', 403)]
    async with client(broker, credentials) as alpaca:
        for _ in range(20):
            with pytest.raises(RefusedError):
                await alpaca(SUBMIT)
    assert len(broker.requests) == 20


async def test_one_connection_serves_one_request_after_the_other(broker: Any, credentials: Credentials) -> None:
    """It is kept, and no more are made than requests are under way at once."""
    ports: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        await asyncio.sleep(0.01)
        return web.Response(body=ACCOUNT)

    broker.answers = [answer]
    async with client(broker, credentials) as alpaca:
        for _ in range(3):
            await alpaca(get_account())
        assert len(set(ports)) == 1
        await asyncio.gather(*(alpaca(get_account()) for _ in range(5)))
        for _ in range(5):
            await alpaca(get_account())
    assert len(set(ports)) == 5


async def test_what_comes_unasked_ends_a_kept_connection(credentials: Credentials) -> None:
    """A second answer to one request (a smuggled one) is never taken for the answer to the next."""
    seen: list[bytes] = []
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
    evil = reply % (len(ORDER), ORDER)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            seen.append(head)
            writer.write(reply % (len(ACCOUNT), ACCOUNT) + evil)

    async with (
        serving(serve) as port,
        AsyncAlpaca(credentials, Endpoints.at(f"http://127.0.0.1:{port}"), retries=QUICK) as alpaca,
    ):
        for _ in range(3):
            assert (await alpaca(get_account())).status == "ACTIVE"
    assert len(seen) == 3


async def test_informational_answers_are_passed_over(credentials: Credentials) -> None:
    """A 100 or 103 is not the answer."""
    ahead = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ahead)
            await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ACCOUNT), ACCOUNT))

    async with (
        serving(serve) as port,
        AsyncAlpaca(credentials, Endpoints.at(f"http://127.0.0.1:{port}"), retries=QUICK) as alpaca,
    ):
        for _ in range(3):
            assert (await alpaca(get_account())).status == "ACTIVE"


@pytest.mark.parametrize("target", ["/v2/orders HTTP/1.1\r\nX: y", "/a b", "v2/orders", "", "/\x00", "/\u00e9"])
async def test_a_target_cannot_end_its_line(broker: Any, credentials: Credentials, target: str) -> None:
    """Nothing that is sent holds a header that nobody meant to send."""
    async with client(broker, credentials) as alpaca:
        with pytest.raises(ValueError, match="not the target"):
            await alpaca(Request("GET", target, bytes))
    assert not broker.requests


async def test_keys_cannot_end_their_line(broker: Any) -> None:
    """A secret with a line break is refused, and not shown."""
    async with client(broker, Credentials.of("key", "canary\r\nX: y")) as alpaca:
        with pytest.raises(ConfigError, match="no header may have") as raised:
            await alpaca(get_account())
    assert "canary" not in str(raised.value)


async def test_a_hook_sees_a_request_go_out(broker: Any, credentials: Credentials) -> None:
    """The kill tests stand on these."""
    seen: list[tuple[str, str]] = []
    broker.answers = [says(ORDER), says(ACCOUNT)]
    async with client(broker, credentials, on_wire=lambda *moment: seen.append(moment)) as alpaca:
        await alpaca(SUBMIT)
        await alpaca(get_account())
    assert seen[:3] == [("POST", "begun"), ("POST", "sent"), ("POST", "answered")]
    assert seen[3:] == [("GET", "begun"), ("GET", "answered")]


async def test_pages_are_read_to_the_end(broker: Any, credentials: Credentials) -> None:
    """Bars come with their symbols, over as many pages as there are."""
    page = b'{"bars":{"%s":[{"t":"2022-02-01T05:00:00Z","o":1,"h":1,"l":1,"c":1,"v":1}]},"next_page_token":%s}'
    broker.answers = [says(page % (b"AAPL", b'"a+b="')), says(page % (b"IBM", b"null"))]
    async with client(broker, credentials) as alpaca:
        rows = [symbol async for symbol, _ in alpaca(get_bars(["AAPL", "IBM"], "1Day"))]
    assert rows == ["AAPL", "IBM"]
    assert "page_token=a%2Bb%3D" in broker.calls[1]


async def test_a_failed_page_fails_the_list(broker: Any, credentials: Credentials) -> None:
    """I19: a part is never taken for the whole."""
    page = b'{"bars":{},"next_page_token":"again"}'
    broker.answers = [says(page)]
    async with client(broker, credentials) as alpaca:
        with pytest.raises(ProtocolError, match="do not come to an end"):
            _ = [row async for row in alpaca(get_bars(["AAPL"], "1Day"))]
        broker.answers = [says(page), says(status=503)]
        broker.requests.clear()
        with pytest.raises(OutageError):
            _ = [row async for row in alpaca(get_bars(["AAPL"], "1Day"))]


async def test_data_calls_have_a_budget_of_their_own(broker: Any, credentials: Credentials) -> None:
    """Quotes do not use up the orders' requests."""
    broker.answers = [says(b'{"quotes":{}}')]
    async with client(broker, credentials, trading_limit=100, data_limit=100) as alpaca:
        await alpaca(get_latest_quotes(["AAPL"]))
        budgets = {api: len(turnstile.budget._sent) for api, turnstile in alpaca.turnstiles.items()}
    assert budgets == {"trading": 0, "data": 1}


async def test_the_host_is_checked_at_every_dial(credentials: Credentials) -> None:
    """Even when somebody gets a live host past the endpoints' own check."""
    endpoints = Endpoints.paper()
    object.__setattr__(endpoints, "trading", "https://api.alpaca.markets")
    async with AsyncAlpaca(credentials, endpoints) as alpaca:
        with pytest.raises(LiveRefusedError):
            await alpaca(get_account())
        with pytest.raises(LiveRefusedError):
            _ = [order async for order in alpaca(get_orders())]
