"""The exchange's REST side over a real socket: doors, routes, shapes, pages, limits, start and stop."""

import asyncio
import base64
import io
import json
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from puna.errors import ConfigError, PunaError
from puna.exchange.faults import Fault
from puna.exchange.server import ExchangeConfig, ExchangeServer, ExchangeThread, Speed
from puna.exchange.venue import VenueOptions

NOBODY = {"APCA-API-KEY-ID": "", "APCA-API-SECRET-KEY": ""}


async def test_credentials_are_checked_where_there_are_keys(exchange: Any) -> None:
    """With keys, a wrong one gets 401 on both APIs; the headers, Basic and a Bearer token are all read."""
    basic = base64.b64encode(b"KEY:SECRET").decode()
    async with exchange(keys={"KEY": "SECRET", "oauth": "TOKEN"}) as raw:
        for path in ("/v2/account", "/v2/stocks/quotes/latest?symbols=AAPL"):
            assert (await raw.call("GET", path))[0] == 200
            assert (await raw.call("GET", path, headers={"APCA-API-SECRET-KEY": "wrong"}))[0] == 401
            assert (await raw.call("GET", path, headers={"APCA-API-KEY-ID": "wrong"}))[0] == 401
            for authorization, status in (
                (f"Basic {basic}", 200),
                ("Bearer TOKEN", 200),
                ("Bearer x", 401),
                ("Basic !", 401),
            ):
                assert (await raw.call("GET", path, headers={**NOBODY, "Authorization": authorization}))[0] == status
        status, body = await raw.call("GET", "/v2/account", headers=NOBODY)
        assert (status, body) == (401, {"code": 40110000, "message": "unauthorized"})


async def test_without_keys_anybody_is_welcome_but_not_nobody(exchange: Any) -> None:
    """Any credentials will do; a request without any is refused."""
    async with exchange() as raw:
        assert (await raw.call("GET", "/v2/account"))[0] == 200
        assert (await raw.call("GET", "/v2/account", headers=NOBODY))[0] == 401
        assert (await raw.call("GET", "/v2/account", headers={"APCA-API-SECRET-KEY": ""}))[0] == 401


async def test_the_data_api_can_answer_403_to_bad_credentials(exchange: Any) -> None:
    """Sources differ (401 or 403), so it is switchable, and the trading API stays at 401."""
    async with exchange(data_auth_status=403) as raw:
        assert await raw.call("GET", "/v2/stocks/AAPL/bars?timeframe=1Day", headers=NOBODY) == (
            403,
            {"message": "forbidden"},
        )
        assert (await raw.call("GET", "/v2/clock", headers=NOBODY))[0] == 401


async def test_unknown_routes_and_methods_are_json(exchange: Any) -> None:
    """There is no page that is not there: a 404 or 405 has Alpaca's shape, and every answer a request id."""
    async with exchange() as raw:
        assert await raw.call("GET", "/v2/nowhere") == (404, {"code": 40410000, "message": "endpoint not found"})
        assert (await raw.call("PUT", "/v2/orders"))[0] == 405
        ids = set()
        for path in ("/v2/account", "/v2/nowhere"):
            async with raw.session.get(raw.server.url + path) as response:
                ids.add(response.headers["X-Request-ID"])
        assert len(ids) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b'{"qty": "1e5"}',
        b'{"qty": NaN}',
        b'{"qty": "NaN"}',
        b"\xff\xfe",
        b'{"qty": 1e400}',
        b"[" * 50_000,
    ],
)
async def test_an_undecodable_body_is_a_400(exchange: Any, body: bytes) -> None:
    """Whatever is not an order request as JSON gets one error, and nothing is done."""
    async with exchange() as raw:
        answer = await raw.call("POST", "/v2/orders", data=body)
        assert answer == (400, {"code": 40010000, "message": "failed to decode request body"})
        assert await raw.call("GET", "/v2/orders?status=all") == (200, [])


async def test_a_body_beyond_the_cap_is_refused(exchange: Any) -> None:
    """A huge body is cut off, not read."""
    async with exchange() as raw:
        status, body = await raw.call("POST", "/v2/orders", data=io.BytesIO(b" " * (2 << 20)))
        assert status == 413
        assert set(body) == {"code", "message"}


async def test_an_order_may_be_sent_with_json_numbers(exchange: Any) -> None:
    """alpaca-py sends floats: 1.0 and 1e-05 are read exactly, and answered as strings."""
    async with exchange() as raw:
        status, order = await raw.order(qty=2.0, type="limit", limit_price=650.25, client_order_id="mine")
        assert status == 200, order
        assert (Decimal(order["qty"]), Decimal(order["limit_price"])) == (Decimal(2), Decimal("650.25"))
        assert isinstance(order["qty"], str)
        assert order["client_order_id"] == "mine"


async def test_an_order_is_found_by_every_name_it_has(exchange: Any) -> None:
    """By id, by client order id, and in the list; who asks for another gets 404."""
    async with exchange() as raw:
        _, order = await raw.order(client_order_id="mine")
        assert (await raw.call("GET", f"/v2/orders/{order['id']}"))[1]["id"] == order["id"]
        _, same = await raw.call("GET", "/v2/orders:by_client_order_id?client_order_id=mine")
        assert same["id"] == order["id"]
        assert [each["id"] for each in (await raw.call("GET", "/v2/orders"))[1]] == [order["id"]]
        for path in (
            "/v2/orders/00000000-0000-4000-8000-000000000000",
            "/v2/orders:by_client_order_id?client_order_id=x",
        ):
            status, body = await raw.call("GET", path)
            assert (status, body["code"]) == (404, 40410000)


async def test_the_venues_own_options_go_through(exchange: Any) -> None:
    """PRO-05: a new order cannot be read for two seconds of market time; the venue is told so by the config."""
    hidden = VenueOptions(visibility_ns=2_000_000_000)
    async with exchange(venue=hidden, cash=Decimal(5), wait_for=("data",)) as raw:
        status, order = await raw.order(symbol="MSFT", side="sell", type="limit", limit_price="40")
        assert status == 403, order
    async with exchange(venue=hidden, wait_for=("data",)) as raw:
        _, order = await raw.order()
        assert (await raw.call("GET", f"/v2/orders/{order['id']}"))[0] == 404
        raw.start(raw.follow(await raw.data(bars=["AAPL"])))
        await raw.until(raw.server.done.is_set)
        assert (await raw.call("GET", f"/v2/orders/{order['id']}"))[0] == 200


async def test_the_list_of_orders_takes_its_filters(exchange: Any) -> None:
    """Status, limit, symbols, side and direction choose; what makes no sense is refused with 422."""
    async with exchange() as raw:
        for symbol, side in (("AAPL", "buy"), ("IBM", "buy"), ("MSFT", "sell")):
            assert (await raw.order(symbol=symbol, side=side))[0] == 200

        async def listed(query: str) -> list[str]:
            status, orders = await raw.call("GET", f"/v2/orders?{query}")
            assert status == 200, orders
            return [each["symbol"] for each in orders]

        assert await listed("direction=asc") == ["AAPL", "IBM", "MSFT"]
        assert await listed("direction=desc&limit=2") == ["MSFT", "IBM"]
        assert await listed("symbols=ibm,MSFT&direction=asc") == ["IBM", "MSFT"]
        assert await listed("side=sell") == ["MSFT"]
        assert await listed("status=closed") == []
        assert await listed("after=2012-09-20") == []
        for query in ("status=strange", "limit=0", "limit=501", "limit=x", "direction=up", "after=noon"):
            status, body = await raw.call("GET", f"/v2/orders?{query}")
            assert (status, body["code"]) == (422, 42210001), query


async def test_refusals_of_the_venue_keep_their_status_code_and_keys(exchange: Any) -> None:
    """Buying power, sub-penny, unknown symbol, unknown order: the venue's no arrives as the venue says it."""
    async with exchange() as raw:
        status, body = await raw.order(qty="1000000")
        assert (status, body["code"]) == (403, 40310000)
        assert {"buying_power", "cost_basis"} <= set(body)
        assert all(isinstance(body[key], str) for key in ("buying_power", "cost_basis"))
        assert (await raw.order(type="limit", limit_price="100.001"))[1]["code"] == 42210000
        assert (await raw.order(symbol="NOPE"))[0] == 422
        assert (await raw.call("DELETE", "/v2/orders/00000000-0000-4000-8000-000000000000"))[0] == 404
        assert (await raw.call("DELETE", "/v2/positions/AAPL"))[1]["code"] == 40410000
        assert (await raw.call("GET", "/v2/positions/AAPL"))[0] == 404
        assert (await raw.call("GET", "/v2/assets/NOPE"))[0] == 404


async def test_a_client_order_id_is_unique(exchange: Any) -> None:
    """The second order under one id is refused with the recorded code, and only one lives."""
    async with exchange() as raw:
        assert (await raw.order(client_order_id="mine"))[0] == 200
        assert await raw.order(client_order_id="mine") == (
            422,
            {"code": 40010001, "message": "client_order_id must be unique"},
        )
        assert len((await raw.call("GET", "/v2/orders"))[1]) == 1


async def test_clock_calendar_account_and_assets_have_alpacas_shapes(exchange: Any) -> None:
    """The clock speaks New York time, the calendar wall times, money is strings, an asset has a class."""
    async with exchange(cash=Decimal(25_000)) as raw:
        _, clock = await raw.call("GET", "/v2/clock")
        assert clock == {
            "timestamp": "2012-09-19T09:29:00-04:00",
            "is_open": False,
            "next_open": "2012-09-19T09:30:00-04:00",
            "next_close": "2012-09-19T16:00:00-04:00",
        }
        _, days = await raw.call("GET", "/v2/calendar?start=2012-11-21&end=2012-11-23")
        assert [(day["date"], day["open"], day["close"]) for day in days] == [
            ("2012-11-21", "09:30", "16:00"),
            ("2012-11-23", "09:30", "13:00"),
        ]
        _, account = await raw.call("GET", "/v2/account")
        assert Decimal(account["cash"]) == 25_000
        assert isinstance(account["cash"], str)
        _, assets = await raw.call("GET", "/v2/assets?status=active&asset_class=us_equity")
        assert [each["symbol"] for each in assets] == ["AAPL", "FB", "GOOG", "MSFT", "IBM"]  # by exchange (SPEC-T)
        assert {each["class"] for each in assets} == {"us_equity"}
        assert (await raw.call("GET", f"/v2/assets/{assets[0]['id']}"))[1] == assets[0]
        assert (await raw.call("GET", "/v2/assets/AAPL"))[1] == assets[0]
        assert await raw.call("GET", "/v2/assets?exchange=OTC") == (200, [])


async def test_bars_come_in_pages_over_all_symbols(exchange: Any) -> None:
    """The limit counts over all symbols, pages sort by symbol then time, and the pages together are the whole."""
    query = "/v2/stocks/bars?symbols=MSFT,AAPL,NONE&timeframe=1Day&start=2012-09-04&end=2012-09-14"
    async with exchange() as raw:
        for order in ("asc", "desc"):
            _, whole = await raw.call("GET", f"{query}&sort={order}")
            assert whole["next_page_token"] is None
            assert {symbol: len(bars) for symbol, bars in whole["bars"].items()} == {"AAPL": 9, "MSFT": 9}
            found: list[tuple[str, str]] = []
            token: str | None = ""
            pages = 0
            while token is not None:
                _, page = await raw.call("GET", f"{query}&sort={order}&limit=4&page_token={token}")
                found += [(symbol, bar["t"]) for symbol, bars in page["bars"].items() for bar in bars]
                token, pages = page["next_page_token"], pages + 1
            assert pages == 5
            assert found == [(symbol, bar["t"]) for symbol in ("AAPL", "MSFT") for bar in whole["bars"][symbol]]
        _, one = await raw.call("GET", "/v2/stocks/AAPL/bars?timeframe=1Day&start=2012-09-04&end=2012-09-14&limit=9")
        assert (one["symbol"], len(one["bars"]), one["next_page_token"]) == ("AAPL", 9, None)


@pytest.mark.parametrize(
    "query",
    [
        "timeframe=1Day",
        "symbols=AAPL",
        "symbols=AAPL&timeframe=7Parsec",
        "symbols=AAPL&timeframe=1Day&limit=10001",
        "symbols=AAPL&timeframe=1Day&start=x",
        "symbols=AAPL&timeframe=1Day&page_token=%21",
        "symbols=AAPL&timeframe=1Day&adjustment=moon",
    ],
)
async def test_bad_queries_of_the_data_api_say_which(exchange: Any, query: str) -> None:
    """400 with a message and no code."""
    async with exchange() as raw:
        status, body = await raw.call("GET", f"/v2/stocks/bars?{query}")
        assert status == 400
        assert set(body) == {"message"}


async def test_latest_of_many_and_of_one(exchange: Any) -> None:
    """Once the market has spoken, quotes, trades and bars have a latest; unknown symbols are absent, or 404."""
    async with exchange(wait_for=("data",)) as raw:
        stream = await raw.data(bars=["AAPL"])
        first = await raw.hear(stream)
        for what, keys in (
            ("quotes", {"bp", "ap", "bs", "as", "t"}),
            ("trades", {"p", "s", "t"}),
            ("bars", {"o", "h", "l", "c", "v", "t"}),
        ):
            status, many = await raw.call("GET", f"/v2/stocks/{what}/latest?symbols=AAPL,NONE")
            assert status == 200
            assert set(many[what]) == {"AAPL"}
            assert keys <= set(many[what]["AAPL"])
            assert await raw.call("GET", f"/v2/stocks/AAPL/{what}/latest") == (
                200,
                {"symbol": "AAPL", what[:-1]: many[what]["AAPL"]},
            )
            assert (await raw.call("GET", f"/v2/stocks/NONE/{what}/latest"))[0] == 404
        assert many["bars"]["AAPL"] == {key: value for key, value in first[0].items() if key not in ("T", "S")}
        stamps = {
            quote["t"]
            for quote in (await raw.call("GET", "/v2/stocks/quotes/latest?symbols=AAPL"))[1]["quotes"].values()
        }
        assert stamps == {"2012-09-19T13:31:00Z"}


async def test_the_rate_limit_counts_a_sliding_minute_of_market_time(exchange: Any) -> None:
    """One request too many gets 429; each API has its own budget; headers where they are documented, only there."""
    async with exchange(rate_limit=3) as raw:
        left = []
        for _ in range(4):
            async with raw.session.get(raw.server.url + "/v2/clock") as response:
                left.append((response.status, response.headers["X-RateLimit-Remaining"]))
                assert response.headers["X-RateLimit-Limit"] == "3"
                assert response.headers["X-RateLimit-Reset"] == "1348061400"
        assert left == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]
        async with raw.session.get(raw.server.url + "/v2/account") as response:
            assert response.status == 429
            assert "X-RateLimit-Limit" not in response.headers
        assert (await raw.call("GET", "/v2/stocks/quotes/latest?symbols=AAPL"))[0] == 200
        assert (await raw.call("GET", "/v2/account", headers={"APCA-API-KEY-ID": "other"}))[0] == 200


async def test_cancel_all_is_a_207_with_a_row_for_each(exchange: Any) -> None:
    """Every open order has its row; without any, the list is empty."""
    async with exchange() as raw:
        assert await raw.call("DELETE", "/v2/orders") == (207, [])
        ids = {(await raw.order(symbol=symbol))[1]["id"] for symbol in ("AAPL", "IBM")}
        status, rows = await raw.call("DELETE", "/v2/orders")
        assert (status, {row["id"] for row in rows}, {row["status"] for row in rows}) == (207, ids, {200})


async def test_a_taken_port_is_one_clear_error() -> None:
    """What happened, why, in which state you are, what to do; and exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            await ExchangeServer(ExchangeConfig(port=port)).start()
        with pytest.raises(PunaError), ExchangeThread(ExchangeConfig(port=port)):
            pass
    assert (caught.value.code, caught.value.exit_code) == ("E030", 3)
    assert str(port) in caught.value.what
    assert caught.value.why
    assert caught.value.remedy


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104 - this is what is refused
async def test_only_loopback_without_keys(host: str) -> None:
    """Nobody opens the exchange to a network by accident."""
    with pytest.raises(ConfigError) as caught:
        await ExchangeServer(ExchangeConfig(host=host)).start()
    assert caught.value.code == "E031"


async def test_a_log_that_cannot_be_written_is_said_before_the_start(tmp_path: Path) -> None:
    """Without its oracle the exchange does not start."""
    with pytest.raises(ConfigError) as caught:
        await ExchangeServer(ExchangeConfig(log_path=tmp_path / "no" / "such" / "place")).start()
    assert caught.value.code == "E033"


async def test_the_event_log_file_is_complete_at_every_moment(exchange: Any, tmp_path: Path) -> None:
    """A line is in the file when the request that caused it has been answered, and each line is JSON."""
    path = tmp_path / "events.jsonl"
    async with exchange(log_path=path) as raw:
        for count in (1, 2, 3):
            await raw.order(client_order_id=f"order-{count}")
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            assert f"order-{count}" in json.dumps(lines[-1])


async def test_stop_is_bounded_and_may_be_called_twice(exchange: Any) -> None:
    """Hanging requests and clients that never say goodbye do not keep the exchange from ending within two seconds."""
    async with exchange(faults=(Fault(on="GET /v2/account", action="hang_before"),)) as raw:
        hanging = asyncio.create_task(raw.call("GET", "/v2/account"))
        await raw.data()
        await raw.trading()
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            await raw.server.stop()
        await raw.server.stop()
        with pytest.raises(aiohttp.ClientError):
            await hanging


def test_an_exchange_in_a_thread_answers_from_there() -> None:
    """The thread's exchange has the server's names, and its day can be waited for."""
    config = ExchangeConfig(pacing=Speed(1_000_000), wait_for=())
    with ExchangeThread(config) as thread:
        assert thread.url.startswith("http://127.0.0.1:")
        assert thread.data_stream_url.endswith("/v2/iex")
        assert thread.trading_stream_url.endswith("/stream")
        assert thread.done.wait(30)
        assert thread.books().cash == config.cash
        progress = thread.progress()
        assert progress.now >= progress.close
        digest = thread.event_log_hash()
    assert thread.event_log_hash() == digest
    thread.stop()
