"""The framework's own ExecTester on the embedded exchange: upstream's numbered execution cases for stocks.

What is asserted is the framework's cache and the exchange's ledger, never a log. The table in docs/nautilus.md says
which case is which.
"""

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

from nautilus_node import Running, exchange_at, here, running
from nautilus_strategies import ByHand
from nautilus_trader.model.enums import OrderType, TimeInForce, TrailingOffsetType
from nautilus_trader.test_kit.strategies.tester_exec import ExecTester, ExecTesterConfig

AAPL = here("AAPL")
DAY = TimeInForce.DAY
QUIET = {"enable_limit_buys": False, "enable_limit_sells": False}


def a_tester(**settings: Any) -> ExecTester:
    """The tester with terms that Alpaca has: for the day, no reduce-only, no log of data."""
    usual = {
        "instrument_id": AAPL,
        "order_qty": Decimal(10),
        "limit_time_in_force": DAY,
        "stop_time_in_force": DAY,
        "open_position_time_in_force": DAY,
        "close_positions_time_in_force": DAY,
        "tob_offset_ticks": 200,
        "log_data": False,
    }
    return ExecTester(ExecTesterConfig(**(usual | settings)))


def orders(run: Running, *statuses: str) -> list[Any]:
    return [order for order in run.cache.orders() if not statuses or order.status_string() in statuses]


@pytest.mark.parametrize(("qty", "tif"), [("5", "DAY"), ("-5", "DAY"), ("5", "IOC"), ("5", "FOK")])
async def test_market_orders(qty: str, tif: str) -> None:
    """E01 to E04, E06, E80, E82: a market order fills, long and short, and the position is closed at the stop."""
    with exchange_at() as exchange:
        settings = {"open_position_on_start_qty": Decimal(qty), "open_position_time_in_force": TimeInForce[tif]}
        async with running(exchange.url, a_tester(**QUIET, **settings)) as run:
            await run.until(lambda: run.position(AAPL) == Decimal(qty))
            assert exchange.books().positions["AAPL"][0] == Decimal(qty)
            assert [order.status_string() for order in orders(run)] == ["FILLED"]
            await run.stop()
            assert exchange.books().positions == {}
            assert not run.cache.positions_open()
            assert len(run.cache.orders_closed()) == 2


@pytest.mark.parametrize("tif", ["GTC", "DAY"])
async def test_limit_pair(tif: str) -> None:
    """E10 to E12, E19, E41, E81: a buy and a sale rest away from the market, and are canceled at the stop."""
    with exchange_at() as exchange:
        async with running(exchange.url, a_tester(limit_time_in_force=TimeInForce[tif], tob_offset_ticks=500)) as run:
            await run.until(lambda: len(orders(run, "ACCEPTED")) >= 2)
            ids = {order.venue_order_id.value for order in orders(run, "ACCEPTED")}
            assert ids == {order["id"] for order in await _open(exchange)}
            await run.stop()
            assert await _open(exchange) == []
            assert all(order.is_closed for order in run.cache.orders())


@pytest.mark.parametrize(("tif", "offset", "status"), [("IOC", 500, "CANCELED"), ("FOK", 500, "CANCELED")])
async def test_immediate_orders_away_from_the_market(tif: str, offset: int, status: str) -> None:
    """E14, E16: an IOC or FOK order that cannot fill is canceled by the broker."""
    with exchange_at() as exchange:
        one = a_tester(limit_time_in_force=TimeInForce[tif], tob_offset_ticks=offset, enable_limit_sells=False)
        async with running(exchange.url, one) as run:
            await run.until(lambda: orders(run, status))
            assert exchange.books().positions == {}


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
async def test_immediate_orders_at_the_market(tif: str) -> None:
    """E13, E15: an IOC or FOK limit through the market fills at once."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand) as run:
            order = hand.limit(AAPL, "5", "900.00", TimeInForce[tif])
            await run.until(lambda: run.status(order) == "FILLED")
            assert exchange.books().positions["AAPL"][0] == 5


async def _open(exchange: Any) -> list[dict[str, Any]]:
    headers = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{exchange.url}/v2/orders") as answer:
        found: list[dict[str, Any]] = await answer.json()
    return found


@pytest.mark.parametrize(
    ("kind", "side"),
    [("STOP_MARKET", "buys"), ("STOP_MARKET", "sells"), ("STOP_LIMIT", "buys"), ("STOP_LIMIT", "sells")],
)
async def test_stops(kind: str, side: str) -> None:
    """E20 to E23: stops and stop-limits of both sides rest at the broker."""
    with exchange_at() as exchange:
        settings = {f"enable_stop_{side}": True, "stop_order_type": OrderType[kind], "stop_offset_ticks": 500}
        async with running(exchange.url, a_tester(**QUIET, **settings)) as run:
            await run.until(lambda: orders(run, "ACCEPTED"))
            found = await _open(exchange)
            assert [order["type"] for order in found] == [kind.lower().removesuffix("_market")]


@pytest.mark.parametrize("kind", ["MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED"])
async def test_kinds_that_alpaca_does_not_have(kind: str) -> None:
    """E72 (for E24 to E27): what Alpaca does not have is denied, and nothing reaches the broker."""
    with exchange_at() as exchange:
        settings = {"enable_stop_buys": True, "stop_order_type": OrderType[kind]}
        async with running(exchange.url, a_tester(**QUIET, **settings)) as run:
            await run.until(lambda: orders(run, "DENIED"))
            assert kind in str(orders(run, "DENIED")[0].last_event.reason)
            assert await _open(exchange) == []


async def test_unsupported_time_in_force() -> None:
    """E73 (for E17, E18): GTD is denied in words; the framework can manage such an expiry itself."""
    with exchange_at() as exchange:
        settings = {"limit_time_in_force": TimeInForce.GTD, "order_expire_time_delta_mins": 60}
        async with running(exchange.url, a_tester(**settings)) as run:
            await run.until(lambda: orders(run, "DENIED"))
            assert "GTD" in str(orders(run, "DENIED")[0].last_event.reason)


@pytest.mark.parametrize("how", ["modify_orders", "cancel_replace_orders"])
async def test_terms_follow_the_market(how: str) -> None:
    """E30 to E33: limits follow the market by replaces, which are new orders at Alpaca, or by cancel and new order."""
    with exchange_at(speed=240) as exchange:
        one = a_tester(tob_offset_ticks=30, **{f"{how}_to_maintain_tob_offset": True})
        async with running(exchange.url, one) as run:
            modified = how == "modify_orders"
            await run.until(lambda: _followed(run, modified=modified))
            assert len(await _open(exchange)) <= 2
            for order in orders(run, "ACCEPTED"):
                assert len([event for event in order.events if type(event).__name__ == "OrderAccepted"]) == 1


def _followed(run: Running, *, modified: bool) -> bool:
    if modified:
        return any("OrderUpdated" in {type(event).__name__ for event in order.events} for order in orders(run))
    return bool(orders(run, "CANCELED")) and bool(orders(run, "ACCEPTED"))


@pytest.mark.parametrize("how", ["modify_stop_orders", "cancel_replace_stop_orders"])
async def test_stops_follow_the_market(how: str) -> None:
    """E34, E35: the same for the trigger of a stop."""
    with exchange_at(speed=240) as exchange:
        settings = {"enable_stop_sells": True, "stop_offset_ticks": 200, f"{how}_to_maintain_offset": True}
        async with running(exchange.url, a_tester(**QUIET, **settings)) as run:
            await run.until(lambda: _followed(run, modified=how == "modify_stop_orders"))
            assert len(await _open(exchange)) <= 1


@pytest.mark.parametrize("how", ["use_individual_cancels_on_stop", "use_batch_cancel_on_stop"])
async def test_cancels_at_the_stop(how: str) -> None:
    """E40, E42, E43: one by one, and as a batch, which Alpaca does not have and which is sent one by one."""
    with exchange_at() as exchange:
        async with running(exchange.url, a_tester(tob_offset_ticks=500, **{how: True})) as run:
            await run.until(lambda: len(orders(run, "ACCEPTED")) >= 2)
            await run.stop()
            assert await _open(exchange) == []
            assert {order.status_string() for order in run.cache.orders()} == {"CANCELED"}


async def test_cancel_of_an_order_that_is_canceled() -> None:
    """E44: nothing comes of it."""
    with exchange_at() as exchange:
        one = a_tester(tob_offset_ticks=500, enable_limit_sells=False)
        async with running(exchange.url, one) as run:
            await run.until(lambda: orders(run, "ACCEPTED"))
            order = orders(run, "ACCEPTED")[0]
            one.cancel_order(order)
            await run.until(lambda: order.status_string() == "CANCELED")
            one.cancel_order(order)
            await asyncio.sleep(0.2)
            assert order.status_string() == "CANCELED"


@pytest.mark.parametrize("settings", [{"use_post_only": True}, {"order_display_qty": Decimal(1)}])
async def test_flags_that_alpaca_does_not_have(settings: dict[str, Any]) -> None:
    """E60, E62, E70 do not apply: post-only and display quantities are denied."""
    with exchange_at() as exchange:
        async with running(exchange.url, a_tester(**settings)) as run:
            await run.until(lambda: orders(run, "DENIED"))
            assert await _open(exchange) == []


async def test_reduce_only_without_a_position() -> None:
    """E61, E71: a reduce-only order that would open a position is denied; the close at the stop is one that reduces."""
    with exchange_at() as exchange:
        settings = {"open_position_on_start_qty": Decimal(5), "test_reject_reduce_only": True}
        async with running(exchange.url, a_tester(**QUIET, **settings)) as run:
            await run.until(lambda: orders(run, "DENIED"))
            assert exchange.books().positions == {}


@pytest.mark.parametrize(("offset", "kind"), [("0.50", "PRICE"), ("50", "BASIS_POINTS")])
async def test_trailing_stops(offset: str, kind: str) -> None:
    """Own case: with an activation price, as the tester gives one, a trailing stop is denied."""
    with exchange_at() as exchange:
        settings = {
            "enable_stop_sells": True,
            "stop_order_type": OrderType.TRAILING_STOP_MARKET,
            "trailing_offset": Decimal(offset),
            "trailing_offset_type": TrailingOffsetType[kind],
        }
        async with running(exchange.url, a_tester(**QUIET, **settings)) as run:
            await run.until(lambda: orders(run, "DENIED"))
            assert "activation" in str(orders(run, "DENIED")[0].last_event.reason)
