"""Flatten against the exchange: its ledger says flat, or what remains is named."""

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from puna.alpaca.hosts import Credentials
from puna.alpaca.http import AsyncAlpaca
from puna.engine.flatten import Flatness, flatten
from puna.errors import AuthError, PunaError
from puna.seams import SystemClock
from puna.wire.trading import LegRequest, OrderRequest

SYMBOLS = ("AAPL", "MSFT")
BOOKS = 50


def client(market: Any) -> AsyncAlpaca:
    return AsyncAlpaca(Credentials.of("KEY", "SECRET"), market.endpoints, trading_limit=0, deadline=2.0)


async def flattened(market: Any, **chosen: Any) -> Flatness:
    async with client(market) as alpaca:
        options = {"seconds": 20.0, "patience": 3.0, "look": 0.02} | chosen
        return await flatten(alpaca, SystemClock(), **options)


def bought(market: Any, symbol: str, qty: Decimal | int, **terms: Any) -> None:
    side = "buy" if qty > 0 else "sell"
    request: dict[str, Any] = {
        "symbol": symbol,
        "qty": abs(Decimal(qty)),
        "side": side,
        "type": "market",
        "time_in_force": "day",
    }
    market.place(OrderRequest(**(request | terms)))


def open_orders(market: Any) -> list[Any]:
    found: list[Any] = market.thread.call(lambda server: server.venue.orders(status="open", limit=500))
    return found


async def until(question: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not question():  # noqa: ASYNC110 - what is waited for is in another thread
            await asyncio.sleep(0.005)


async def test_fifty_random_books_end_flat_in_the_exchanges_ledger(lab: Any) -> None:
    """Longs, shorts, resting orders of all kinds: each time the ledger is empty, nothing is open, and it is proven."""
    market = lab.exchange(pacing=lab.Speed(120.0), step_seconds=1, wait_for=())
    await until(lambda: market.thread.progress().now >= lab.OPEN + lab.MINUTE)
    chance = Random(7)
    for _ in range(BOOKS):
        wanted = {symbol: chance.choice([-40, -3, 0, 5, 60]) for symbol in SYMBOLS}
        for symbol, qty in wanted.items():
            if qty:
                bought(market, symbol, qty)
        await until(
            lambda w=wanted: (
                {s: int(n) for s, (n, _) in market.thread.books().positions.items()}
                == {symbol: qty for symbol, qty in w.items() if qty}
            )
        )
        for _ in range(chance.randrange(4)):
            symbol = chance.choice(SYMBOLS)  # resting orders that add to what is held: cheap bids, dear offers
            more, price = (-2, 9000) if wanted[symbol] < 0 else (3, 1)
            bought(market, symbol, more, type="limit", limit_price=Decimal(price))
        found = await flattened(market)
        books = market.thread.books()
        assert found.flat, found
        assert books.positions == {}
        assert open_orders(market) == []
        assert (found.cash, found.remaining) == (books.cash, [])
        assert {each.symbol for each in found.closed} == {symbol for symbol, qty in wanted.items() if qty}


def series(market: Any) -> list[str]:
    """Two puts of AAPL of the next expiration, below the money: the lower strike first."""

    def ask(server: Any) -> list[str]:
        rows = [each for each in server._floor.market.contracts("AAPL", server.progress().now) if each.type == "put"]
        first = min(each.expiration_date for each in rows if each.expiration_date > "2012-09-21")
        strikes = sorted((each for each in rows if each.expiration_date == first), key=lambda each: each.strike_price)
        below = [each.symbol for each in strikes if each.strike_price < 690]
        return below[-3:-1]

    found: list[str] = market.thread.call(ask)
    return found


def opened(market: Any, chance: Random, puts: list[str]) -> int:
    """Puts on a random book of stocks, coins, single options and spreads; how many positions it will have."""
    count = 0
    if chance.random() < 0.7:
        bought(market, chance.choice(SYMBOLS), chance.choice([-5, 7]))
        count += 1
    if chance.random() < 0.7:
        bought(market, "BTC/USD", Decimal("0.5"), time_in_force="gtc")
        count += 1
    kind = chance.choice(["none", "long", "spread"])
    if kind == "long":
        bought(market, puts[0], 2)
        count += 1
    elif kind == "spread":
        legs = [
            LegRequest(symbol=puts[0], ratio_qty=Decimal(1), side="buy"),
            LegRequest(symbol=puts[1], ratio_qty=Decimal(1), side="sell"),
        ]
        request = OrderRequest(qty=Decimal(2), type="market", time_in_force="day", order_class="mleg", legs=legs)
        market.place(request)
        count += 2
    return count


@pytest.mark.parametrize("books", [12, pytest.param(BOOKS, marks=pytest.mark.slow)])
async def test_random_books_with_options_and_coins_end_flat(lab: Any, books: int) -> None:
    """Stocks, coins, long options, and spreads whose short leg must go first: each time the ledger is empty."""
    symbols, cash = (*SYMBOLS, "BTC/USD"), Decimal(1_000_000)
    market = lab.exchange(pacing=lab.Speed(300.0), wait_for=(), symbols=symbols, cash=cash)
    await until(lambda: market.thread.progress().now >= lab.OPEN + lab.MINUTE)
    puts, chance, kinds = series(market), Random(11), set[str]()
    for _ in range(books):
        count = opened(market, chance, puts)
        await until(lambda n=count: len(market.thread.books().positions) == n)
        found = await flattened(market)
        assert found.flat, found
        assert market.thread.books().positions == {}
        assert open_orders(market) == []
        kinds |= {each.symbol for each in found.closed}
    assert {*puts, "BTCUSD"} <= kinds


async def test_a_closed_market_leaves_closing_orders_and_names_them(lab: Any) -> None:
    """After the close: flat is not claimed; the position, its closing order and the next open are named."""
    market = lab.exchange(pacing=lab.Speed(6000.0), wait_for=())
    await until(lambda: market.thread.progress().now >= lab.OPEN + lab.MINUTE)
    bought(market, "AAPL", 5)
    await until(lambda: market.thread.books().positions)
    await until(lambda: market.thread.progress().now >= lab.CLOSE + lab.MINUTE)
    found = await flattened(market)
    assert not found.flat
    (row,) = found.remaining
    assert (row.what, row.symbol, row.qty) == ("position", "AAPL", Decimal(5))
    assert "2012-09-20 09:30" in row.why


@pytest.mark.parametrize(
    "fault",
    [
        {"on": "DELETE /v2/orders", "action": "error_before", "status": 500},
        {"on": "DELETE /v2/positions*", "action": "error_after", "status": 504},
        {"on": "DELETE /v2/positions*", "action": "drop_reply"},
        {"on": "GET /v2/positions", "action": "error_before", "status": 503},
        {"on": "GET /v2/orders*", "action": "truncate"},
    ],
    ids=lambda fault: f"{fault['on']} {fault['action']}",
)
async def test_an_answer_that_fails_is_no_sight(lab: Any, fault: dict[str, Any]) -> None:
    """Each call fails a few times: it looks again, and ends flat all the same."""
    market = lab.exchange(pacing=lab.Speed(120.0), step_seconds=1, wait_for=(), faults=(lab.fault(**fault, times=2),))
    await until(lambda: market.thread.progress().now >= lab.OPEN + lab.MINUTE)
    for symbol in SYMBOLS:
        bought(market, symbol, 5)
    bought(market, "AAPL", 1, type="limit", limit_price=Decimal(1))
    await until(lambda: len(market.thread.books().positions) == 2)
    found = await flattened(market)
    assert found.flat
    assert market.thread.books().positions == {}


async def test_refused_keys_end_it_at_once(lab: Any) -> None:
    """401: an error, not a certificate."""
    market = lab.exchange(keys={"KEY": "OTHER"}, pacing=lab.Speed(120.0), wait_for=())
    with pytest.raises(AuthError):
        await flattened(market)


async def test_a_broker_that_never_answers_is_an_error(lab: Any) -> None:
    """Nothing was ever read: no claim of any kind."""
    market = lab.exchange(pacing=lab.Speed(120.0), wait_for=())
    address = market.endpoints
    market.thread.stop()
    told: list[str] = []
    async with AsyncAlpaca(Credentials.of("KEY", "SECRET"), address, deadline=0.2) as alpaca:
        with pytest.raises(PunaError):
            await flatten(alpaca, SystemClock(), seconds=1.5, look=0.05, say=told.append)
    assert any("Could not connect" in line for line in told)
    assert len(told) == len(set(told))  # each reason once, not with every look
