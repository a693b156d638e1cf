"""Scenarios that take days: what they do to a position that is held through them."""

from typing import Any

from puna.exchange.options import ExchangeConfig
from puna.exchange.scenarios import play_out

NANOS = 1_000_000_000


def config(name: str, **fields: Any) -> dict[str, Any]:
    here = play_out(ExchangeConfig(**fields), [name])
    return {"day": here.day, "days": here.days, "venue": here.venue, "halts": here.halts, "step_seconds": 60, **fields}


async def filled(raw: Any, **order: Any) -> None:
    """Places an order a minute after the open, and lets a few minutes pass."""
    floor = raw.server._floor
    floor.advance(floor.market.sessions[0].open_ns + 60 * NANOS)
    status, answer = await raw.order(**order)
    assert status == 200, answer
    floor.advance(floor.now + 300 * NANOS)
    assert (await raw.call("GET", f"/v2/orders/{answer['id']}"))[1]["status"] == "filled"


async def next_morning(raw: Any) -> dict[str, str]:
    """What is held when the second day begins to trade."""
    floor = raw.server._floor
    floor.advance(floor.market.sessions[1].open_ns)
    _, positions = await raw.call("GET", "/v2/positions")
    return {each["symbol"]: each["qty"] for each in positions}


async def test_a_split_doubles_what_is_held(exchange: Any) -> None:
    """split-overnight: ten shares of Apple on Friday are twenty on Monday, worth the same."""
    async with exchange(**config("split-overnight", symbols=("AAPL",))) as raw:
        await filled(raw, symbol="AAPL", qty="10")
        assert await next_morning(raw) == {"AAPL": "20"}


async def test_a_split_doubles_the_options_on_it(exchange: Any) -> None:
    """split-overnight: two calls at 85 are four at 42.50, as listed, quoted and tradable as any; their orders end."""
    held, after = "AAPL050318C00085000", "AAPL050318C00042500"
    async with exchange(**config("split-overnight", symbols=("AAPL",))) as raw:
        await filled(raw, symbol=held, qty="2")
        _, resting = await raw.order(
            symbol=held, qty="2", side="sell", type="limit", limit_price="60", time_in_force="gtc"
        )
        before = (await raw.call("GET", f"/v2/positions/{held}"))[1]
        assert await next_morning(raw) == {after: "4"}
        floor = raw.server._floor
        floor.advance(floor.now + 120 * NANOS)
        position = (await raw.call("GET", f"/v2/positions/{after}"))[1]
        assert position["cost_basis"] == before["cost_basis"]
        assert abs(float(position["change_today"])) < 0.5
        assert (await raw.call("GET", f"/v2/orders/{resting['id']}"))[1]["status"] == "canceled"
        query = {"underlying_symbols": "AAPL", "expiration_date": "2005-03-18", "limit": "1000"}
        _, listed = await raw.call("GET", "/v2/options/contracts", params=query)
        assert after in {each["symbol"] for each in listed["option_contracts"]}
        _, chain = await raw.call("GET", "/v1beta1/options/snapshots/AAPL", params={"limit": "1000"})
        assert chain["snapshots"][after]["latestQuote"]["bp"] > 0
        _, answer = await raw.order(symbol=after, qty="4", side="sell")
        floor.advance(floor.now + 300 * NANOS)
        assert (await raw.call("GET", f"/v2/orders/{answer['id']}"))[1]["status"] == "filled"
        _, activities = await raw.call("GET", "/v2/account/activities/OPCA")
        assert [(each["symbol"], each["qty"]) for each in activities] == [(after, "4")]


async def test_a_short_put_in_the_money_becomes_shares(exchange: Any) -> None:
    """assignment-monday: a written put above the price on Friday is a hundred shares on Monday, at its strike."""
    async with exchange(**config("assignment-monday", symbols=("MSFT",))) as raw:
        await filled(raw, symbol="MSFT120921P00033000", qty="1", side="sell")
        assert await next_morning(raw) == {"MSFT": "100"}
        _, activities = await raw.call("GET", "/v2/account/activities")
        assert "OPASN" in {each["activity_type"] for each in activities}


async def test_a_dividend_is_paid_to_who_held(exchange: Any) -> None:
    """dividend-overnight: 0.85 for each of ten shares."""
    async with exchange(**config("dividend-overnight", symbols=("IBM",))) as raw:
        await filled(raw, symbol="IBM", qty="10")
        before = float((await raw.call("GET", "/v2/account"))[1]["cash"])
        assert await next_morning(raw) == {"IBM": "10"}
        assert float((await raw.call("GET", "/v2/account"))[1]["cash"]) == before + 8.5


async def test_a_halt_holds_orders_until_the_stock_trades_again(exchange: Any) -> None:
    """halt-and-gap: a market order sent at a quarter to eleven is filled after half past eleven."""
    async with exchange(**config("halt-and-gap", symbols=("AAPL",))) as raw:
        floor, halt = raw.server._floor, raw.server.config.halts[0]
        floor.advance(halt.at + 900 * NANOS)
        _, order = await raw.order(symbol="AAPL", qty="1")
        floor.advance(halt.until - NANOS)
        assert (await raw.call("GET", f"/v2/orders/{order['id']}"))[1]["filled_qty"] == "0"
        floor.advance(halt.until + 120 * NANOS)
        assert (await raw.call("GET", f"/v2/orders/{order['id']}"))[1]["status"] == "filled"
