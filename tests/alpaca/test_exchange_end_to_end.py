"""The client and the exchange over HTTP and WebSocket on loopback: calls, both streams, lockstep, drops, refusals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.alpaca import mapping
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars, get_latest_quotes
from puna.alpaca.pace import Backoff
from puna.alpaca.refusals import Reason, reason_of
from puna.alpaca.stream import Frame, StreamOptions, Subscription, market_data, trade_updates
from puna.alpaca.trading import (
    cancel_order,
    cancel_orders,
    close_position,
    get_account,
    get_asset,
    get_assets,
    get_calendar,
    get_clock,
    get_order,
    get_order_by_client_id,
    get_orders,
    get_position,
    get_positions,
    replace_order,
    submit_order,
)
from puna.core.types import OrderIntent, OrderType, Side, TimeInForce
from puna.errors import AuthError, NotFoundError, OutageError, RefusedError
from puna.exchange.faults import Fault
from puna.exchange.server import ExchangeConfig, ExchangeServer, Speed
from puna.seams import DrivenClock, seeded_rng
from puna.wire.codec import amount
from puna.wire.stream import QuoteMessage
from puna.wire.trading import OrderRequest, ReplaceRequest, TradeUpdate

DAY = date(2012, 9, 19)
SYMBOLS = ("AAPL", "IBM")
KEYS = Credentials.of("KEY", "SECRET")


class Trader:
    """A client in lockstep: both streams, and a script that acts on each frame of market data."""

    def __init__(self, server: ExchangeServer, **options: Any) -> None:
        self.server = server
        self.clock = DrivenClock(0)
        self.endpoints = Endpoints.at(server.url)
        self.alpaca = AsyncAlpaca(KEYS, self.endpoints, clock=self.clock, rng=seeded_rng(1), **options)
        settings = StreamOptions(clock=self.clock, rng=seeded_rng(2))
        wanted = Subscription.of(quotes=["*"], bars=["*"])
        self.data = market_data(self.endpoints, KEYS, wanted, settings)
        self.updates = trade_updates(self.endpoints, KEYS, settings)
        self.heard: list[TradeUpdate] = []
        self.frames: list[Frame[Any]] = []
        self.gaps: list[str] = []

    async def listen(self) -> None:
        """Collects trade updates."""
        async for frame in self.updates:
            self.gaps += ["trading"] if frame.gap else []
            self.heard += [message for message in frame.messages if isinstance(message, TradeUpdate)]

    async def watch(self, script: AsyncIterator[None] | None, frames: int) -> None:
        """Goes through market data, a step of the script on each frame."""
        async for frame in self.data:
            self.gaps += ["data"] if frame.gap else []
            self.frames.append(frame)
            if script is not None:
                await anext(script, None)
            if len(self.frames) >= frames:
                return

    def events(self, client_order_id: str) -> list[str]:
        """What was heard of an order."""
        return [each.event for each in self.heard if each.order.client_order_id == client_order_id]


@asynccontextmanager
async def trading(*faults: Fault, **options: Any) -> AsyncIterator[Trader]:
    """A fresh exchange in lockstep, and a trader on it."""
    config = ExchangeConfig(seed=7, day=DAY, symbols=SYMBOLS, faults=faults, keys={"KEY": "SECRET"})
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ExchangeServer(config))
        trader = Trader(server, **options)
        await stack.enter_async_context(trader.alpaca)
        await stack.enter_async_context(trader.data)
        await stack.enter_async_context(trader.updates)
        listening = asyncio.create_task(trader.listen())
        yield trader
        await trader.updates.close()
        await listening


def intent(n: int, **changes: Any) -> OrderIntent:
    """A market order for ten AAPL, unless said otherwise."""
    fields: dict[str, Any] = {
        "client_order_id": f"test-{n}",
        "strategy": "test",
        "symbol": "AAPL",
        "side": Side.BUY,
        "qty": Decimal(10),
        "type": OrderType.MARKET,
        "time_in_force": TimeInForce.DAY,
        "ts": 0,
    }
    return OrderIntent(**fields | changes)


async def test_reads() -> None:
    """Account, clock, calendar, assets, quotes, bars, orders and positions of a fresh exchange."""
    async with trading() as trader:
        alpaca = trader.alpaca
        assert (await alpaca(get_account())).cash == 100_000
        assert not (await alpaca(get_clock())).is_open
        assert [day.date for day in await alpaca(get_calendar(DAY, DAY))] == ["2012-09-19"]
        assert {asset.symbol for asset in await alpaca(get_assets())} >= set(SYMBOLS)
        assert (await alpaca(get_asset("AAPL"))).tradable
        assert await alpaca(get_latest_quotes(["AAPL"])) == {}
        bars = [symbol async for symbol, _ in alpaca(get_bars(SYMBOLS, "1Day", date(2012, 9, 4), date(2012, 9, 18)))]
        assert bars == ["AAPL"] * 11 + ["IBM"] * 11
        few = [row async for row in alpaca(get_bars(SYMBOLS, "1Day", date(2012, 9, 4), date(2012, 9, 18), limit=3))]
        assert len(few) == 22
        assert [order async for order in alpaca(get_orders("all"))] == []
        assert await alpaca(get_positions()) == []


async def test_refusals() -> None:
    """Wrong keys, unknown things, bad orders: the typed errors."""
    async with trading() as trader:
        alpaca = trader.alpaca
        with pytest.raises(NotFoundError):
            await alpaca(get_position("AAPL"))
        with pytest.raises(NotFoundError):
            await alpaca(get_order_by_client_id("nobody"))
        with pytest.raises(NotFoundError):
            await alpaca(get_asset("NOSUCH"))
        with pytest.raises(RefusedError) as refused:
            await alpaca(submit_order(OrderRequest(symbol="AAPL", side="buy", type="market", time_in_force="day")))
        assert refused.value.broker_code == 40010001
        async with AsyncAlpaca(Credentials.of("KEY", "wrong"), trader.endpoints) as stranger:
            with pytest.raises(AuthError):
                await stranger(get_account())
        async with market_data(trader.endpoints, Credentials.of("KEY", "wrong"), Subscription.of(bars=["*"])) as stream:
            with pytest.raises(AuthError):
                await stream.ready()


async def test_orders_live_and_die() -> None:
    """A market order fills, a resting one is replaced and cancelled, a position is closed; each is heard of once."""
    async with trading() as trader:
        alpaca = trader.alpaca

        async def script() -> AsyncIterator[None]:
            while not trader.data.status.last_message_at or not (await alpaca(get_clock())).is_open:
                yield
            first = await alpaca(submit_order(mapping.order_request(intent(1))))
            mapping.check_echo(intent(1), first)
            resting = intent(2, type=OrderType.LIMIT, limit_price=Decimal("1.00"))
            await alpaca(submit_order(mapping.order_request(resting)))
            with pytest.raises(RefusedError) as refused:
                await alpaca(submit_order(mapping.order_request(resting)))
            error = refused.value
            assert reason_of(error.status, error.broker_code, error.message) is Reason.DUPLICATE_ID
            for _ in range(3):
                yield
            found = await alpaca(get_order_by_client_id("test-2"))
            assert found.status == "new"
            changed = await alpaca(
                replace_order(found.id, ReplaceRequest(limit_price=amount("2.00"), client_order_id="test-3"))
            )
            assert changed.replaces == found.id
            for _ in range(3):
                yield
            await alpaca(cancel_order(changed.id))
            for _ in range(3):
                yield
            assert (await alpaca(get_order(changed.id))).status == "canceled"
            assert (await alpaca(get_position("AAPL"))).qty == 10
            await alpaca(close_position("AAPL"))
            for _ in range(5):
                yield
            assert await alpaca(get_positions()) == []
            assert await alpaca(cancel_orders()) == []

        await trader.watch(script(), 40)
        orders = {order.client_order_id: order async for order in alpaca(get_orders("all", limit=3))}
    assert len(orders) == 4
    assert trader.events("test-1")[:2] == ["pending_new", "new"]
    assert trader.events("test-1")[-1] == "fill"
    assert trader.events("test-2")[-1] == "replaced"
    assert trader.events("test-3")[-1] == "canceled"
    assert all(isinstance(message, QuoteMessage) or message.S in SYMBOLS for message in trader.frames[-1].messages)


async def day(*faults: Fault) -> tuple[str, list[tuple[int, list[str]]], list[str]]:
    """An order every tenth frame over 120 frames: the log's hash, when each frame came, and the gaps."""
    async with trading(*faults) as trader:

        async def script() -> AsyncIterator[None]:
            n = 0
            while True:
                n += 1
                if n % 10 == 0 and (await trader.alpaca(get_clock())).is_open:
                    side = Side.BUY if n % 20 else Side.SELL
                    await trader.alpaca(submit_order(mapping.order_request(intent(n, side=side))))
                yield

        await trader.watch(script(), 120)
        seen = [(frame.ts_init, [message.S for message in frame.messages]) for frame in trader.frames]
        return trader.server.event_log_hash(), seen, trader.gaps


async def test_frames_come_in_the_order_of_time() -> None:
    """In lockstep a frame is read at its own market time, and nothing is from the future."""
    _, seen, gaps = await day()
    times = [ts for ts, _ in seen]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert gaps == []


@pytest.mark.parametrize("kind", ["data", "trading"])
async def test_a_drop_is_survived_the_same_way_each_time(kind: str) -> None:
    """The reconnect falls on the same market time in every run, so the day ends in the same bytes."""
    drop = Fault(on=f"socket:{kind}", action="drop_socket", nth=5, seconds=20)
    first, second = await day(drop), await day(drop)
    assert first == second
    assert kind in first[2]


async def test_an_order_whose_reply_is_lost_is_there() -> None:
    """504 after accept: in doubt, one order, found by its own id (PRO-01)."""
    fault = Fault(on="POST /v2/orders", action="error_after", status=504)
    async with trading(fault, retries=Backoff(base=0.001, cap=0.001, retries=3)) as trader:
        with pytest.raises(OutageError) as raised:
            await trader.alpaca(submit_order(mapping.order_request(intent(1))))
        assert raised.value.in_doubt
        found = await trader.alpaca(get_order_by_client_id("test-1"))
        mapping.check_echo(intent(1), found)
        assert [order.id async for order in trader.alpaca(get_orders("all"))] == [found.id]


async def test_a_read_is_repeated_until_it_is_answered() -> None:
    """Two 503s and a reset connection later, the account is read."""
    faults = (
        Fault(on="GET /v2/account", action="error_before", status=503, nth=1, times=2),
        Fault(on="GET /v2/account", action="drop_reply", nth=3),
    )
    async with trading(*faults) as trader:
        assert (await trader.alpaca(get_account())).cash == 100_000


@pytest.mark.parametrize("packed", [False, True])
async def test_time_that_runs_free_is_followed_in_both_encodings(packed: bool) -> None:
    """Against the machine's clock, an exchange at a thousand times real speed: quotes flow, as JSON or as msgpack."""
    config = ExchangeConfig(seed=7, day=DAY, symbols=SYMBOLS, pacing=Speed(factor=1000.0))
    async with ExchangeServer(config) as server:
        endpoints = Endpoints.at(server.url)
        wanted = Subscription.of(quotes=["AAPL"], bars=["*"])
        settings = StreamOptions(packed=packed)
        async with (
            market_data(endpoints, KEYS, wanted, settings) as data,
            trade_updates(endpoints, KEYS) as updates,
        ):
            await updates.ready()
            quotes: list[QuoteMessage] = []
            while len(quotes) < 20:
                quotes += [each for each in (await anext(data)).messages if isinstance(each, QuoteMessage)]
            assert {quote.S for quote in quotes} == {"AAPL"}
            assert [quote.t for quote in quotes] == sorted(quote.t for quote in quotes)
            assert all(0 < quote.bp < quote.ap for quote in quotes)
            assert data.status.unreadable == 0
