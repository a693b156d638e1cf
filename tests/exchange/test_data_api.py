"""The market-data API over HTTP: every operation's body, pages, windows, plans, refusals."""

import json
from collections.abc import AsyncIterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from puna.core import sessions
from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.terms import AccountTerms
from puna.exchange.data import SYMBOLS
from puna.exchange.prices.newsroom import Newsroom
from puna.exchange.terms import VenueOptions

DAY = date(2012, 9, 19)
NOON_NS = sessions.at(DAY, time(12))
NOON = "2012-09-19T12:00:00-04:00"
SPEC = Path(__file__).parents[3] / "shared" / "alpaca" / "openapi" / "market-data-api.json"
CALL, PUT = "AAPL120921C00700000", "AAPL120928P00690000"


@pytest_asyncio.fixture
async def noon(exchange: Any) -> AsyncIterator[Any]:
    """An exchange that stands at noon of the usual day: lockstep, and nobody connected."""
    async with exchange(symbols=(*SYMBOLS, "BTC/USD", "ETH/USD"), step_seconds=60) as raw:
        raw.server._floor.advance(NOON_NS)
        yield raw


async def get(raw: Any, path: str, **query: Any) -> Any:
    status, body = await raw.call("GET", f"{path}?{urlencode(query)}" if query else path)
    assert status == 200, body
    return body


async def refused(raw: Any, path: str, **query: Any) -> tuple[int, Any]:
    status, body = await raw.call("GET", f"{path}?{urlencode(query)}")
    assert status != 200
    return status, body


OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("/v1/corporate-actions", "", {"start": "2000-01-01", "end": "2012-12-31"}),
    ("/v1beta1/news", "", {"symbols": "AAPL,BTCUSD", "include_content": "true", "limit": 50}),
    ("/v1beta1/options/bars", "", {"symbols": f"{CALL},{PUT}", "timeframe": "1Hour", "start": "2012-09-17"}),
    ("/v1beta1/options/meta/conditions/{ticktype}", "/v1beta1/options/meta/conditions/trade", {}),
    ("/v1beta1/options/meta/exchanges", "", {}),
    ("/v1beta1/options/quotes/latest", "", {"symbols": f"{CALL},{PUT}"}),
    ("/v1beta1/options/snapshots", "", {"symbols": f"{CALL},{PUT}"}),
    ("/v1beta1/options/snapshots/{underlying_symbol}", "/v1beta1/options/snapshots/FB", {"limit": 20}),
    ("/v1beta1/options/trades", "", {"symbols": CALL}),
    ("/v1beta1/options/trades/latest", "", {"symbols": f"{CALL},{PUT}"}),
    ("/v1beta1/screener/stocks/most-actives", "", {}),
    ("/v1beta1/screener/{market_type}/movers", "/v1beta1/screener/stocks/movers", {}),
    ("/v1beta1/screener/{market_type}/movers", "/v1beta1/screener/crypto/movers", {}),
    ("/v1beta3/crypto/{loc}/bars", "/v1beta3/crypto/us/bars", {"symbols": "BTC/USD", "timeframe": "1Hour"}),
    ("/v1beta3/crypto/{loc}/latest/bars", "/v1beta3/crypto/us/latest/bars", {"symbols": "BTC/USD,ETH/USD"}),
    ("/v1beta3/crypto/{loc}/latest/orderbooks", "/v1beta3/crypto/us/latest/orderbooks", {"symbols": "BTC/USD"}),
    ("/v1beta3/crypto/{loc}/latest/quotes", "/v1beta3/crypto/eu-1/latest/quotes", {"symbols": "BTC/USD"}),
    ("/v1beta3/crypto/{loc}/latest/trades", "/v1beta3/crypto/us/latest/trades", {"symbols": "BTC/USD"}),
    ("/v1beta3/crypto/{loc}/quotes", "/v1beta3/crypto/us/quotes", {"symbols": "BTC/USD", "limit": 50}),
    ("/v1beta3/crypto/{loc}/snapshots", "/v1beta3/crypto/us/snapshots", {"symbols": "BTC/USD"}),
    ("/v1beta3/crypto/{loc}/trades", "/v1beta3/crypto/us/trades", {"symbols": "BTC/USD", "limit": 50}),
    ("/v2/stocks/auctions", "", {"symbols": "AAPL,IBM", "start": "2012-09-17"}),
    ("/v2/stocks/bars", "", {"symbols": "AAPL,IBM", "timeframe": "1Day", "start": "2012-09-01"}),
    ("/v2/stocks/bars/latest", "", {"symbols": "AAPL,IBM"}),
    ("/v2/stocks/meta/conditions/{ticktype}", "/v2/stocks/meta/conditions/quote", {"tape": "C"}),
    ("/v2/stocks/meta/exchanges", "", {}),
    ("/v2/stocks/quotes", "", {"symbols": "AAPL,IBM", "limit": 50}),
    ("/v2/stocks/quotes/latest", "", {"symbols": "AAPL,IBM"}),
    ("/v2/stocks/snapshots", "", {"symbols": "AAPL,IBM"}),
    ("/v2/stocks/trades", "", {"symbols": "AAPL", "limit": 50}),
    ("/v2/stocks/trades/latest", "", {"symbols": "AAPL"}),
    ("/v2/stocks/{symbol}/auctions", "/v2/stocks/AAPL/auctions", {"start": "2012-09-17"}),
    ("/v2/stocks/{symbol}/bars", "/v2/stocks/AAPL/bars", {"timeframe": "5Min"}),
    ("/v2/stocks/{symbol}/bars/latest", "/v2/stocks/AAPL/bars/latest", {}),
    ("/v2/stocks/{symbol}/quotes", "/v2/stocks/AAPL/quotes", {"limit": 50}),
    ("/v2/stocks/{symbol}/quotes/latest", "/v2/stocks/AAPL/quotes/latest", {}),
    ("/v2/stocks/{symbol}/snapshot", "/v2/stocks/AAPL/snapshot", {}),
    ("/v2/stocks/{symbol}/trades", "/v2/stocks/AAPL/trades", {"limit": 50}),
    ("/v2/stocks/{symbol}/trades/latest", "/v2/stocks/AAPL/trades/latest", {}),
]
EMPTY_TEXTS = {"news"}  # recorded articles have empty contents, which the specification does not foresee


async def test_every_operation_answers_as_the_specification_says(noon: Any) -> None:
    """Each body has its schema, and something in it."""
    if not SPEC.exists():
        pytest.skip("the official specification is not here")
    spec = json.loads(SPEC.read_text())
    spec["components"]["schemas"]["news"]["properties"]["content"].pop("minLength")
    registry = Registry().with_resource("urn:spec", Resource.from_contents(spec, default_specification=DRAFT202012))
    for operation, path, query in OPERATIONS:
        body = await get(noon, path or operation, **query)
        schema = spec["paths"][operation]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        reference = json.loads(json.dumps(schema).replace('"#/', '"urn:spec#/'))
        errors = list(Draft202012Validator(reference, registry=registry).iter_errors(body))
        assert not errors, (operation, errors[:2])
        assert any(value for name, value in body.items() if name != "next_page_token"), operation


async def test_pages_join_to_the_whole(noon: Any) -> None:
    """A limit counts over all symbols; page after page gives what one page would have given, in both orders."""
    query = {"symbols": "IBM,AAPL", "start": "2012-09-19T15:00:00Z", "end": NOON}
    for what, extra in (("quotes", {}), ("trades", {}), ("bars", {"timeframe": "1Min"})):
        for sort in ("asc", "desc"):
            whole = await get(noon, f"/v2/stocks/{what}", **query, **extra, sort=sort, limit=10_000)
            assert whole["next_page_token"] is None
            parts: dict[str, list[Any]] = {}
            token: str | None = ""
            while token is not None:
                more = {"page_token": token} if token else {}
                page = await get(noon, f"/v2/stocks/{what}", **query, **extra, sort=sort, limit=97, **more)
                assert sum(map(len, page[what].values())) <= 97
                for symbol, items in page[what].items():
                    parts.setdefault(symbol, []).extend(items)
                token = page["next_page_token"]
            assert parts == whole[what]
            assert list(parts) == ["AAPL", "IBM"]


async def test_history_ends_with_now(noon: Any) -> None:
    """Quotes and trades of today end at noon, though more of the day is already known to the market."""
    body = await get(noon, "/v2/stocks/AAPL/quotes", sort="desc", limit=1)
    assert body["quotes"][0]["t"] == "2012-09-19T16:00:00Z"
    latest = await get(noon, "/v2/stocks/AAPL/quotes/latest")
    assert latest["quote"] == body["quotes"][0]
    auctions = await get(noon, "/v2/stocks/AAPL/auctions")
    assert auctions["auctions"][0]["c"] == []
    assert len(auctions["auctions"][0]["o"]) == 2


async def test_a_basic_plan_sees_recent_sip_data_late(exchange: Any) -> None:
    """403 with 42210000 for the last quarter of an hour of SIP; what is older, and IEX, are open (facts.md 3, 6)."""
    async with exchange(data_plan="basic", step_seconds=60) as raw:
        raw.server._floor.advance(NOON_NS)
        message = {"code": 42210000, "message": "subscription does not permit querying recent SIP data"}
        assert await refused(raw, "/v2/stocks/trades/latest", symbols="AAPL", feed="sip") == (403, message)
        assert await refused(raw, "/v2/stocks/trades", symbols="AAPL", feed="sip", end=NOON) == (403, message)
        delayed = await get(raw, "/v2/stocks/trades", symbols="AAPL", feed="sip", sort="desc", limit=1)
        assert delayed["trades"]["AAPL"][0]["t"] <= "2012-09-19T15:45:00Z"
        assert (await get(raw, "/v2/stocks/trades", symbols="AAPL", limit=1))["trades"]
        late = await get(raw, "/v2/stocks/quotes/latest", symbols="AAPL", feed="delayed_sip")
        assert late["quotes"]["AAPL"]["t"] == "2012-09-19T15:45:00Z"
        assert (await get(raw, "/v2/stocks/quotes/latest", symbols="AAPL", feed="overnight"))["quotes"] == {}


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/v2/stocks/bars", {"timeframe": "1Day"}, "symbols is required"),
        ("/v2/stocks/bars", {"symbols": "AAPL"}, "timeframe is required"),
        ("/v2/stocks/bars", {"symbols": "AAPL", "timeframe": "61Min"}, "'61Min' is not a timeframe."),
        ("/v2/stocks/bars", {"symbols": "A*", "timeframe": "1Day"}, "invalid symbol: A*"),
        ("/v2/stocks/bars", {"symbols": "AAPL", "timeframe": "1Day", "limit": 0}, "invalid limit: 0"),
        ("/v2/stocks/bars", {"symbols": "AAPL", "timeframe": "1Day", "feed": "xyz"}, "invalid feed: xyz"),
        ("/v2/stocks/bars", {"symbols": "AAPL", "timeframe": "1Day", "sort": "up"}, "invalid sort: up"),
        ("/v2/stocks/bars", {"symbols": "AAPL", "timeframe": "1Day", "page_token": "?"}, "invalid page_token"),
        ("/v2/stocks/trades", {"symbols": "AAPL", "start": "x"}, "invalid start: x"),
        (
            "/v2/stocks/trades",
            {"symbols": "AAPL", "start": "2012-09-19", "end": "2012-09-18"},
            "end should not be before start",
        ),
        (
            "/v1beta3/crypto/us/bars",
            {"symbols": "BTCUSD", "timeframe": "1Day"},
            "invalid symbol: BTCUSD does not match ^[A-Z]+/[A-Z]+$",
        ),
        ("/v1beta3/crypto/moon/trades", {"symbols": "BTC/USD"}, "invalid loc: moon"),
        ("/v1beta1/options/quotes/latest", {"symbols": "AAPL"}, "invalid symbol: AAPL"),
        ("/v1beta1/options/snapshots/AAPL", {"limit": 1001}, "invalid limit: 1001"),
        ("/v1beta1/news", {"limit": 51}, "invalid limit: 51"),
        ("/v1beta1/screener/bonds/movers", {"top": 5}, "invalid market_type: bonds"),
        ("/v2/stocks/meta/conditions/trade", {"x": 1}, "tape is required"),
    ],
)
async def test_bad_parameters_are_refused_by_name(noon: Any, path: str, query: dict[str, Any], message: str) -> None:
    """400, with a message and no code (facts.md 3)."""
    assert await refused(noon, path, **query) == (400, {"message": message})


async def test_crypto_is_told_without_a_key(noon: Any) -> None:
    """Historical crypto data needs no credentials (facts.md 1, ABOUT); stocks do."""
    no_key = {"APCA-API-KEY-ID": "", "APCA-API-SECRET-KEY": ""}
    path = "/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD"
    assert (await noon.call("GET", path, headers=no_key))[0] == 200
    assert (await noon.call("GET", "/v2/stocks/quotes/latest?symbols=AAPL", headers=no_key))[0] == 401


async def test_a_chain_comes_in_pages_and_by_filters(noon: Any) -> None:
    """Sorted by symbol, filtered by type, strike and expiry, all pages together the whole chain."""
    query = {"type": "put", "strike_price_gte": 20, "strike_price_lte": 25, "expiration_date_lte": "2012-10-05"}
    symbols: list[str] = []
    token: str | None = ""
    while token is not None:
        more = {"page_token": token} if token else {}
        page = await get(noon, "/v1beta1/options/snapshots/FB", **query, limit=7, **more)
        symbols += page["snapshots"]
        token = page["next_page_token"]
    assert symbols == sorted(set(symbols))
    assert len(symbols) == 3 * 11
    assert all("P000" in symbol for symbol in symbols)
    known = (await get(noon, "/v1beta1/options/snapshots", symbols=symbols[5]))["snapshots"][symbols[5]]
    assert set(known["greeks"]) == {"delta", "gamma", "theta", "vega", "rho"}
    since = await get(noon, "/v1beta1/options/snapshots", symbols=symbols[5], updated_since="2012-09-19T16:00:01Z")
    assert since["snapshots"] == {}


async def test_contracts_of_this_week_are_the_default(noon: Any) -> None:
    """GET /v2/options/contracts: active, before the coming weekend; filters, pages and single contracts."""
    body = await get(noon, "/v2/options/contracts", underlying_symbols="FB", limit=10_000)
    assert {each["expiration_date"] for each in body["option_contracts"]} == {"2012-09-21"}
    assert all("deliverables" not in each for each in body["option_contracts"])
    later = await get(
        noon,
        "/v2/options/contracts",
        underlying_symbols="FB,MSFT",
        expiration_date_gte="2012-10-01",
        type="call",
        limit=5,
        show_deliverables="true",
    )
    assert len(later["option_contracts"]) == 5
    assert later["next_page_token"]
    assert later["option_contracts"][0]["deliverables"][0]["amount"] == "100"
    one = later["option_contracts"][0]
    assert (await get(noon, f"/v2/options/contracts/{one['id']}"))["symbol"] == one["symbol"]
    assert (await refused(noon, "/v2/options/contracts/nothing"))[0] == 404
    assert (await refused(noon, "/v2/options/contracts", status="dead"))[0] == 422


async def test_news_are_told_when_they_are_out(noon: Any) -> None:
    """Newest first, nothing from the afternoon at noon; pages join; content only when asked for."""
    body = await get(noon, "/v1beta1/news", symbols="AAPL,FB", limit=5)
    times = [each["updated_at"] for each in body["news"]]
    assert times == sorted(times, reverse=True)
    assert body["news"][0]["updated_at"] < "2012-09-19T16:00:00Z"
    assert all(each["content"] == "" for each in body["news"])
    following = await get(noon, "/v1beta1/news", symbols="AAPL,FB", limit=5, page_token=body["next_page_token"])
    assert following["news"][0]["updated_at"] < body["news"][-1]["updated_at"]
    whole = await get(noon, "/v1beta1/news", include_content="true", exclude_contentless="true", limit=50)
    assert all(each["content"].startswith("<p>") for each in whole["news"])


async def test_a_page_of_news_writes_no_more_than_a_page(noon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten years of news asked for at once cost what five articles cost, from either end."""
    written = list[object]()
    write = Newsroom._article

    def noted(self: Newsroom, slot: Any) -> Any:
        written.append(slot)
        return write(self, slot)

    monkeypatch.setattr(Newsroom, "_article", noted)
    for sort in ("desc", "asc"):
        written.clear()
        body = await get(noon, "/v1beta1/news", symbols="AAPL", start="1990-01-01T00:00:00Z", limit=5, sort=sort)
        assert len(body["news"]) == 5
        assert len(written) < 30
    rest = await get(noon, "/v1beta1/news", sort="asc", limit=5, start="1990-01-01T00:00:00Z", symbols="AAPL")
    more = {"page_token": rest["next_page_token"], "sort": "asc", "limit": 5, "start": "1990-01-01T00:00:00Z"}
    assert (await get(noon, "/v1beta1/news", symbols="AAPL", **more))["news"][0]["id"] > rest["news"][-1]["id"]


async def test_corporate_actions_are_those_of_the_data(exchange: Any) -> None:
    """Two splits of Apple and one of Microsoft, by kind, sorted by the day they are processed; and as events."""
    async with exchange() as raw:
        body = await get(raw, "/v1/corporate-actions", start="2000-01-01", end="2012-12-31", limit=2)
        splits = body["corporate_actions"]["forward_splits"]
        assert [each["symbol"] for each in splits] == ["AAPL", "MSFT"]
        assert [each["ex_date"] for each in splits] == ["2000-06-21", "2003-02-18"]
        rest = await get(
            raw, "/v1/corporate-actions", start="2000-01-01", end="2012-12-31", page_token=body["next_page_token"]
        )
        assert rest["corporate_actions"]["forward_splits"][0]["process_date"] == "2005-02-28"
        assert (await get(raw, "/v1/corporate-actions", ids=splits[0]["id"]))["corporate_actions"]
        assert (await get(raw, "/v1/corporate-actions"))["corporate_actions"] == {}
        query = "?since=2000-01-01T00:00:00Z&until=2012-01-01T00:00:00Z&type=forward_split_corporateaction_event"
        status, text = await raw.call("GET", f"/v1beta1/events/corporate-actions{query}")
        events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
        assert status == 200
        assert [each["ca"]["ex_date"] for each in events] == ["2000-06-21", "2003-02-18", "2005-02-28"]
        assert [each["event_id"] for each in events] == sorted(each["event_id"] for each in events)


async def test_a_logo_is_a_picture(noon: Any) -> None:
    """A PNG, the same for the same symbol."""
    async with noon.session.get(f"{noon.server.url}/v1beta1/logos/AAPL") as response:
        assert (response.status, response.content_type) == (200, "image/png")
        assert (await response.read()).startswith(b"\x89PNG")


async def test_refusals_carry_the_rate_headers_too(exchange: Any) -> None:
    """On 200, 400 and 429 of the data API, as documented; on orders only when switched on (facts.md 2, 13.8)."""
    for everywhere in (False, True):
        headers = {"rate_headers": "everywhere"} if everywhere else {}
        async with exchange(rate_limit=2, **headers) as raw:
            for path, status, left in (
                ("quotes/latest?symbols=AAPL", 200, "1"),
                ("bars", 400, "0"),
                ("bars", 429, "0"),
            ):
                async with raw.session.get(f"{raw.server.url}/v2/stocks/{path}") as response:
                    assert response.status == status
                    assert response.headers["X-RateLimit-Limit"] == "2"
                    assert response.headers["X-RateLimit-Remaining"] == left
            async with raw.session.get(f"{raw.server.url}/v2/account") as response:
                assert ("X-RateLimit-Limit" in response.headers) is everywhere


async def test_wrong_prints_say_what_became_of_them(exchange: Any) -> None:
    """`u` is corrected or canceled, once the minute is over (facts.md 6)."""
    async with exchange(busts=3, symbols=("FB",), step_seconds=60) as raw:
        raw.server._floor.advance(NOON_NS)
        trades = (await get(raw, "/v2/stocks/FB/trades"))["trades"]
        assert {each.get("u") for each in trades} == {None, "canceled", "corrected"}
        assert "u" not in trades[-1]


async def test_actions_of_the_terms_are_told_with_those_of_the_data(exchange: Any) -> None:
    """Dividends on the day they are paid, renames on their ex-date, with the ids of the announcements."""
    actions = (
        CorporateEvent(
            kind="dividend", symbol="IBM", ex_date=DAY, cash=Decimal("0.85"), payable_date=date(2012, 9, 20)
        ),
        CorporateEvent(kind="rename", symbol="FB", ex_date=date(2012, 9, 20), new_symbol="META"),
    )
    async with exchange(venue=VenueOptions(account=AccountTerms(actions=actions))) as raw:
        found = (await get(raw, "/v1/corporate-actions", start="2012-09-01", end="2012-09-30"))["corporate_actions"]
        assert found["cash_dividends"][0]["rate"] == 0.85
        assert found["cash_dividends"][0]["process_date"] == "2012-09-20"
        assert found["name_changes"][0]["new_symbol"] == "META"
        assert found["name_changes"][0]["id"] == actions[1].id
