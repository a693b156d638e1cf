"""The account's routes over a real socket: shapes, words, refusals, as the specification has them."""

from typing import Any

import pytest


async def test_the_account_leaves_out_what_it_has_not(exchange: Any) -> None:
    """No null, levels as numbers, no pattern-day-trader fields (facts.md 4)."""
    async with exchange() as raw:
        status, account = await raw.call("GET", "/v2/account")
        assert status == 200
        assert None not in account.values()
        assert account["options_trading_level"] == 3
        assert not {"pattern_day_trader", "daytrade_count", "daytrading_buying_power"} & set(account)


async def test_configurations_change_one_by_one_and_act(exchange: Any) -> None:
    """What is patched is changed, nothing else; and the account obeys."""
    async with exchange() as raw:
        status, before = await raw.call("GET", "/v2/account/configurations")
        assert (status, before["suspend_trade"], before["max_margin_multiplier"]) == (200, False, "4")
        change = {"suspend_trade": True, "max_margin_multiplier": "2"}
        status, after = await raw.call("PATCH", "/v2/account/configurations", json=change)
        assert (status, after) == (200, {**before, **change})
        _, account = await raw.call("GET", "/v2/account")
        assert (account["trade_suspended_by_user"], account["multiplier"]) == (True, "2")
        status, refusal = await raw.order()
        assert (status, refusal["message"]) == (403, "new orders are rejected by user request")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"max_margin_multiplier": "3"}, 422),
        ({"max_options_trading_level": 4}, 422),
        ({"trade_confirm_email": "some"}, 422),
        ({"suspend_trade": "perhaps"}, 400),
        ([], 400),
    ],
)
async def test_configurations_refuse_other_words(exchange: Any, change: Any, status: int) -> None:
    """And nothing changes."""
    async with exchange() as raw:
        _, before = await raw.call("GET", "/v2/account/configurations")
        assert (await raw.call("PATCH", "/v2/account/configurations", json=change))[0] == status
        assert (await raw.call("GET", "/v2/account/configurations"))[1] == before


async def test_a_watchlists_whole_life(exchange: Any) -> None:
    """Made, read by id and by name, added to, taken from, renamed, deleted; the list form has no assets."""
    async with exchange() as raw:
        status, made = await raw.call(
            "POST", "/v2/watchlists", json={"name": "mine", "symbols": ["AAPL", "IBM", "AAPL"]}
        )
        assert (status, [each["symbol"] for each in made["assets"]]) == (200, ["AAPL", "IBM"])
        one = f"/v2/watchlists/{made['id']}"
        assert await raw.call("GET", one) == (200, made)
        assert await raw.call("GET", "/v2/watchlists:by_name?name=mine") == (200, made)
        _, listed = await raw.call("GET", "/v2/watchlists")
        assert listed == [{name: value for name, value in made.items() if name != "assets"}]
        for method, path, sent, symbols in (
            ("POST", one, {"symbol": "MSFT"}, ["AAPL", "IBM", "MSFT"]),
            ("DELETE", f"{one}/IBM", None, ["AAPL", "MSFT"]),
            ("PUT", one, {"symbols": ["IBM"]}, ["IBM"]),
            ("POST", "/v2/watchlists:by_name?name=mine", {"symbol": "GOOG"}, ["IBM", "GOOG"]),
            ("PUT", "/v2/watchlists:by_name?name=mine", {"name": "yours"}, ["IBM", "GOOG"]),
        ):
            status, body = await raw.call(method, path, json=sent)
            assert (status, [each["symbol"] for each in body["assets"]]) == (200, symbols)
        assert (await raw.call("DELETE", "/v2/watchlists:by_name?name=mine"))[0] == 404
        assert await raw.call("DELETE", "/v2/watchlists:by_name?name=yours") == (204, "")
        assert await raw.call("GET", "/v2/watchlists") == (200, [])
        assert (await raw.call("DELETE", one))[0] == 404


async def test_watchlists_refuse_what_makes_none(exchange: Any) -> None:
    """No name, a long name, a name that is taken, a symbol that is none, an asset that is not in it."""
    async with exchange() as raw:
        _, made = await raw.call("POST", "/v2/watchlists", json={"name": "mine"})
        one = f"/v2/watchlists/{made['id']}"
        for method, path, body, status in (
            ("POST", "/v2/watchlists", {}, 422),
            ("POST", "/v2/watchlists", {"name": "x" * 65}, 422),
            ("POST", "/v2/watchlists", {"name": "mine"}, 422),
            ("POST", "/v2/watchlists", {"name": "other", "symbols": ["NOPE"]}, 422),
            ("PUT", one, {}, 422),
            ("POST", one, {}, 422),
            ("DELETE", f"{one}/AAPL", None, 404),
            ("GET", "/v2/watchlists:by_name", None, 422),
            ("POST", "/v2/watchlists", "text", 400),
        ):
            assert (await raw.call(method, path, json=body))[0] == status, (method, path, body)


async def test_assets_are_filtered_and_sorted(exchange: Any) -> None:
    """US stocks unless said otherwise, by exchange and symbol; the margin requirement is a number."""
    async with exchange() as raw:
        _, assets = await raw.call("GET", "/v2/assets")
        places = [(each["exchange"], each["symbol"]) for each in assets]
        assert places == sorted(places)
        assert {each["class"] for each in assets} == {"us_equity"}
        assert {each["maintenance_margin_requirement"] for each in assets} == {30}
        assert (await raw.call("GET", "/v2/assets?status=inactive"))[1] == []
        assert (await raw.call("GET", "/v2/assets?attributes=ipo"))[1] == []
        _, nyse = await raw.call("GET", "/v2/assets?exchange=NYSE")
        assert {each["symbol"] for each in nyse} == {"IBM"}


async def test_the_calendar_by_settlement(exchange: Any) -> None:
    """`date_type=SETTLEMENT` asks for the days that settle then (SPEC-T)."""
    async with exchange() as raw:
        path = "/v2/calendar?start=2012-09-20&end=2012-09-20&date_type="
        _, trading = await raw.call("GET", f"{path}TRADING")
        _, settling = await raw.call("GET", f"{path}SETTLEMENT")
        assert [each["date"] for each in trading] == ["2012-09-20"]
        assert [(each["date"], each["settlement_date"]) for each in settling] == [("2012-09-17", "2012-09-20")]
        assert (await raw.call("GET", f"{path}NEITHER"))[0] == 422


@pytest.mark.parametrize(
    ("market", "time", "phase", "until"),
    [
        ("NYSE", "2012-09-19T14:00:00Z", "core", "2012-09-19T16:00:00-04:00"),
        ("XNAS", "2012-09-19T09:00:00Z", "pre", "2012-09-19T09:30:00-04:00"),
        ("NYSE", "2012-09-19T21:00:00Z", "post", "2012-09-19T20:00:00-04:00"),
        ("OPRA", "2012-09-19T21:00:00Z", "closed", "2012-09-20T09:30:00-04:00"),
        ("BOATS", "2012-09-19T02:00:00Z", "core", "2012-09-19T04:00:00-04:00"),
        ("NYSE", "2012-11-23T18:30:00Z", "post", "2012-11-23T17:00:00-05:00"),
        ("NYSE", "2012-09-22T15:00:00Z", "closed", "2012-09-24T04:00:00-04:00"),
    ],
)
async def test_the_clock_of_version_3_knows_phases(
    exchange: Any, market: str, time: str, phase: str, until: str
) -> None:
    """Each market its own: extended hours, core only, overnight only; half days and weekends too."""
    async with exchange() as raw:
        status, body = await raw.call("GET", f"/v3/clock?markets={market}&time={time}")
        [clock] = body["clocks"]
        assert (status, clock["phase"], clock["phase_until"]) == (200, phase, until)


async def test_the_calendar_of_version_3(exchange: Any) -> None:
    """A week by default, times with New York's offset or in UTC, half days shorter."""
    async with exchange() as raw:
        status, body = await raw.call("GET", "/v3/calendar/NYSE?start=2012-11-23&end=2012-11-23")
        assert (status, body["market"]["mic"]) == (200, "XNYS")
        assert body["calendar"] == [
            {
                "date": "2012-11-23",
                "settlement_date": "2012-11-28",
                "pre_start": "2012-11-23T04:00:00-05:00",
                "pre_end": "2012-11-23T09:30:00-05:00",
                "core_start": "2012-11-23T09:30:00-05:00",
                "core_end": "2012-11-23T13:00:00-05:00",
                "post_start": "2012-11-23T13:00:00-05:00",
                "post_end": "2012-11-23T17:00:00-05:00",
            }
        ]
        _, utc = await raw.call("GET", "/v3/calendar/OPRA?start=2012-11-23&end=2012-11-23&timezone=UTC")
        assert utc["calendar"][0]["core_start"] == "2012-11-23T14:30:00Z"
        _, week = await raw.call("GET", "/v3/calendar/NYSE")
        assert len(week["calendar"]) == 6
        for path in ("/v3/calendar/LSE", "/v3/calendar/NYSE?timezone=CET", "/v3/clock?markets=TADAWUL"):
            assert (await raw.call("GET", path))[0] == 400


async def test_what_is_easy_to_borrow_needs_no_locate(exchange: Any) -> None:
    """Errors are words (SPEC-T, LocateError)."""
    async with exchange() as raw:
        for body, status, code in (
            ({"symbol": "AAPL", "qty": 100}, 422, "easy_to_borrow"),
            ({"symbol": "NOPE", "qty": 100}, 422, "symbol_not_found"),
            ({"symbol": "AAPL", "qty": 150}, 400, "invalid_input"),
            ({"symbol": "AAPL", "qty": "many"}, 400, "invalid_request_body"),
        ):
            answer = await raw.call("POST", "/v1/locates", json=body)
            assert (answer[0], answer[1]["code"]) == (status, code)
        assert await raw.call("GET", "/v1/locates") == (200, {"locates": [], "next_page_token": None})
        _, quotes = await raw.call("GET", "/v1/locates/quotes?symbols=AAPL,NOPE")
        assert [each["code"] for each in quotes["errors"]] == ["easy_to_borrow", "symbol_not_found"]
        assert (await raw.call("GET", "/v1/locates/nothing"))[0] == 404


async def test_questions_that_make_no_sense_are_refused(exchange: Any) -> None:
    """422 for the query of version 2, and never a 5xx."""
    async with exchange() as raw:
        for path in (
            "/v2/account/activities?activity_types=NOPE",
            "/v2/account/activities/NOPE",
            "/v2/account/activities?activity_types=FILL&category=trade_activity",
            "/v2/account/activities?page_size=101",
            "/v2/account/activities?date=yesterday",
            "/v2/account/activities?direction=sideways",
            "/v2/account/portfolio/history?period=1X",
            "/v2/account/portfolio/history?timeframe=2Min",
            "/v2/account/portfolio/history?period=1D&start=2012-09-01&end=2012-09-02",
            "/v2/account/portfolio/history?period=2M&timeframe=1Min",
            "/v2/account/portfolio/history?start=2012-09-02&end=2012-09-01",
            "/v2/account/portfolio/history?pnl_reset=never",
        ):
            assert (await raw.call("GET", path))[0] == 422, path
