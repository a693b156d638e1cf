"""After a rename REST market data answers under the names that `asof` says (facts.md 6, SPEC-D `stock_asof`)."""

from datetime import date, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core import sessions
from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.terms import AccountTerms
from puna.exchange.orders.instruments import Renamed
from puna.exchange.terms import VenueOptions
from puna.exchange.web.names import Names

FIRST, SECOND = date(2012, 9, 19), date(2012, 9, 20)
RENAME = CorporateEvent(kind="rename", symbol="FB", ex_date=SECOND, new_symbol="META")
WINDOW = {"start": "2012-09-17", "timeframe": "1Day"}


def noon(day: date) -> int:
    found = sessions.day(day)
    assert found is not None
    return (found.open + found.close) // 2


async def get(raw: Any, path: str, **query: str) -> Any:
    status, body = await raw.call("GET", path, params=query)
    assert status == 200, body
    return body


@pytest.fixture
async def renamed(exchange: Any) -> Any:
    """An exchange at noon of the day on which FB has become META."""
    terms = VenueOptions(account=AccountTerms(actions=(RENAME,)))
    async with exchange(symbols=("FB", "AAPL"), days=3, venue=terms, day=FIRST) as raw:
        raw.server._floor.advance(noon(SECOND))
        yield raw


async def days(raw: Any, symbol: str, **query: str) -> list[str]:
    found = await get(raw, "/v2/stocks/bars", symbols=symbol, **WINDOW | query)
    return [each["t"][:10] for each in found["bars"].get(symbol, [])]


async def test_the_new_name_tells_what_the_old_one_did(renamed: Any) -> None:
    """META with today's date yields FB's data too, labelled META; all four kinds of history do."""
    assert await days(renamed, "META") == ["2012-09-17", "2012-09-18", "2012-09-19", "2012-09-20"]
    assert await days(renamed, "META", asof="2012-09-20") == await days(renamed, "META")
    for what in ("quotes", "trades"):
        found = await get(renamed, f"/v2/stocks/META/{what}", start="2012-09-19", limit="10000", sort="desc")
        assert found["symbol"] == "META"
        assert {each["t"][:10] for each in found[what]} == {"2012-09-19", "2012-09-20"}
    found = await get(renamed, "/v2/stocks/auctions", symbols="META", start="2012-09-17")
    assert [each["d"] for each in found["auctions"]["META"]][:3] == ["2012-09-17", "2012-09-18", "2012-09-19"]


async def test_the_old_name_tells_what_was_traded_under_it(renamed: Any) -> None:
    """FB after the rename is the name alone; before it, as of then, META's data come as FB."""
    assert await days(renamed, "FB") == ["2012-09-17", "2012-09-18", "2012-09-19"]
    whole = ["2012-09-17", "2012-09-18", "2012-09-19", "2012-09-20"]
    assert await days(renamed, "FB", asof="2012-09-19") == whole
    assert await days(renamed, "META", asof="2012-09-19") == ["2012-09-20"]


async def test_without_mapping_a_name_is_a_name(renamed: Any) -> None:
    """asof=-: each name has its own days, whatever the timeframe, and a stock without renames all of them."""
    assert await days(renamed, "META", asof="-") == ["2012-09-20"]
    assert await days(renamed, "FB", asof="-") == ["2012-09-17", "2012-09-18", "2012-09-19"]
    assert await days(renamed, "AAPL", asof="-") == await days(renamed, "AAPL") == await days(renamed, "META")
    week = await get(renamed, "/v2/stocks/FB/bars", start="2012-09-17", timeframe="1Week", asof="-")
    daily = await get(renamed, "/v2/stocks/FB/bars", start="2012-09-17", timeframe="1Day", asof="-")
    assert week["bars"][0]["v"] == sum(each["v"] for each in daily["bars"])
    status, _ = await renamed.call("GET", "/v2/stocks/META/bars", params=WINDOW | {"asof": "yesterday"})
    assert status == 400


async def test_the_latest_and_the_screener_know_the_new_name(renamed: Any) -> None:
    """META has the present; FB keeps what was last known under it; the screener names META."""
    for what, one in (("quotes", "quote"), ("trades", "trade"), ("bars", "bar")):
        found = (await get(renamed, f"/v2/stocks/{what}/latest", symbols="META,FB"))[what]
        assert found["META"]["t"][:10] == "2012-09-20"
        assert found["FB"]["t"][:10] == "2012-09-19"
        assert (await get(renamed, f"/v2/stocks/META/{what}/latest"))[one] == found["META"]
    shots = await get(renamed, "/v2/stocks/snapshots", symbols="META,FB")
    assert shots["META"]["prevDailyBar"] == shots["FB"]["dailyBar"]
    active = await get(renamed, "/v1beta1/screener/stocks/most-actives")
    assert {each["symbol"] for each in active["most_actives"]} == {"META", "AAPL"}


async def test_an_old_name_may_have_no_latest(exchange: Any) -> None:
    """`old_symbols="absent"`: symbols without data are absent, and 404 where only one was asked for."""
    terms = VenueOptions(account=AccountTerms(actions=(RENAME,)))
    async with exchange(symbols=("FB",), days=3, venue=terms, day=FIRST, old_symbols="absent") as raw:
        raw.server._floor.advance(noon(SECOND))
        assert set((await get(raw, "/v2/stocks/quotes/latest", symbols="META,FB"))["quotes"]) == {"META"}
        assert set(await get(raw, "/v2/stocks/snapshots", symbols="META,FB")) == {"META"}
        assert (await raw.call("GET", "/v2/stocks/FB/trades/latest"))[0] == 404


async def test_before_the_rename_nobody_knows_the_new_name(exchange: Any) -> None:
    """What is only announced changes nothing."""
    terms = VenueOptions(account=AccountTerms(actions=(RENAME,)))
    async with exchange(symbols=("FB",), days=3, venue=terms, day=FIRST) as raw:
        raw.server._floor.advance(noon(FIRST))
        assert await days(raw, "META") == []
        assert await days(raw, "META", asof="2012-09-21") == []
        assert (await days(raw, "FB"))[-1] == "2012-09-19"


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6, unique=True), st.integers(0, 310))
def test_every_day_of_a_stock_has_one_name(cuts: list[int], on: int) -> None:
    """Names follow each other without hole or overlap, and each finds the whole stock as of its time."""
    day0 = date(2012, 1, 1)
    stamp = [sessions.at(date.fromordinal(day0.toordinal() + cut), time(4)) for cut in sorted(cuts)]
    names = Names(("N0",), [Renamed(f"N{n}", f"N{n + 1}", ts) for n, ts in enumerate(stamp)])
    asked = date.fromordinal(day0.toordinal() + on)
    name = names.at("N0", sessions.at(asked, time(12)))
    assert name == f"N{sum(cut <= on for cut in cuts)}"
    (whole,) = names.meant(name, asked)
    assert (whole.symbol, whole.start, whole.end) == ("N0", None, None)
    spans = [span for n in range(len(stamp) + 1) for span in names.under(f"N{n}")]
    assert [each.start for each in spans] == [None, *stamp]
    assert [each.end for each in spans] == [*stamp, None]
