"""The known traps: answers that do not come, updates that come twice, late or never, and streams that break."""

import asyncio
from typing import Any

import aiohttp
import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

from nautilus_node import exchange_at, here, running
from nautilus_strategies import ByHand

from puna.exchange.faults import Fault

AAPL = here("AAPL")
POST = "POST /v2/orders"
QUICK = {"timeout_secs": 0.5, "settle_secs": 0.1, "sweep_interval_secs": 0.5, "account_interval_secs": None}

UNANSWERED = {
    "E74 504 after it was accepted": Fault(on=POST, action="error_after", status=504),
    "E74 503 before": Fault(on=POST, action="error_before", status=503),
    "E74 no answer, and accepted": Fault(on=POST, action="hang_after"),
    "E74 no answer, and not accepted": Fault(on=POST, action="hang_before"),
    "E74 the reply is lost": Fault(on=POST, action="drop_reply"),
    "E74 half a reply": Fault(on=POST, action="truncate"),
}


@pytest.mark.parametrize("fault", UNANSWERED.values(), ids=UNANSWERED.keys())
async def test_an_unanswered_submit_is_found_out(fault: Fault) -> None:
    """It is never REJECTED: it is found, or sent again under the same id; there is one order, and it fills once."""
    hand = ByHand()
    with exchange_at(faults=(fault,)) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.market(AAPL, "5")
            await run.until(lambda: run.status(order) == "FILLED")
            assert exchange.books().positions["AAPL"][0] == 5
            assert run.position(AAPL) == 5
            assert not hand.named("OrderRejected")


async def test_an_unanswered_submit_stays_submitted_while_the_broker_is_away() -> None:
    """With the engine settings of `exec_engine_config` the framework's own checks do not make it REJECTED."""
    hand = ByHand()
    away = (
        Fault(on=POST, action="error_after", status=504),
        Fault(on="GET /v2/orders*", action="error_before", status=503, nth=2, times=0),
    )
    engine = {"inflight_check_interval_ms": 100, "inflight_check_threshold_ms": 100}
    with exchange_at(faults=away) as exchange:
        async with running(exchange.url, hand, execution={**QUICK, "max_retries": 0}, engine=engine) as run:
            order = hand.limit(AAPL, "5", "10.00")
            await asyncio.sleep(2)
            assert run.status(order) in ("SUBMITTED", "ACCEPTED")  # the stream tells that it was accepted
            assert not hand.named("OrderRejected")


async def test_an_exception_before_the_wire_is_a_denial() -> None:
    """The framework would leave the order INITIALIZED; here whatever goes wrong has an end, and a reason."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.order_factory.market(here("MSFT"), 1, run.cache.instrument(AAPL).make_qty(1))
            hand.submit_order(order)
            await run.until(lambda: order.is_closed)
            assert order.status_string() == "DENIED"


async def test_a_refusal_is_a_rejection_in_the_brokers_words() -> None:
    """What Alpaca refuses is REJECTED, with its reason."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.market(AAPL, "100000")
            await run.until(lambda: run.status(order) == "REJECTED")
            assert "insufficient buying power" in hand.named("OrderRejected")[0].reason


async def test_a_canceled_order_that_is_not_shown_yet() -> None:
    """A cancel that comes before the broker's id waits for it."""
    hand = ByHand()
    with exchange_at(faults=(Fault(on=POST, action="delay", seconds=0.3),)) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.limit(AAPL, "5", "10.00")
            await asyncio.sleep(0.05)
            hand.cancel_order(order)
            await run.until(lambda: run.status(order) == "CANCELED")


@pytest.mark.parametrize("action", ["error_after", "drop_reply", "error_before"])
async def test_an_unanswered_cancel(action: str) -> None:
    """E75: a DELETE may be repeated, and is; the order ends CANCELED by the broker's evidence."""
    hand = ByHand()
    with exchange_at(
        faults=(Fault(on="DELETE /v2/orders/*", action=action, status=504 if "error" in action else 0),)
    ) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.limit(AAPL, "5", "10.00")
            await run.until(lambda: run.status(order) == "ACCEPTED")
            hand.cancel_order(order)
            await run.until(lambda: run.status(order) == "CANCELED")


@pytest.mark.parametrize("action", ["error_after", "drop_reply"])
async def test_an_unanswered_replace(action: str) -> None:
    """E76: the links of the old order tell that it happened; there is one order, with the new terms and the new id."""
    hand = ByHand()
    with exchange_at(
        faults=(Fault(on="PATCH /v2/orders/*", action=action, status=504 if "error" in action else 0),)
    ) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.limit(AAPL, "5", "10.00")
            await run.until(lambda: run.status(order) == "ACCEPTED")
            old = order.venue_order_id
            hand.modify_order(order, price=run.cache.instrument(AAPL).make_price(11))
            await run.until(lambda: order.price == 11)
            assert order.venue_order_id != old
            assert not hand.named("OrderModifyRejected")


@pytest.mark.parametrize("action", ["duplicate", "reorder", "delay"])
async def test_updates_twice_or_in_disorder(action: str) -> None:
    """Each fill counts once, by its execution id, whatever the order of updates."""
    hand = ByHand()
    fault = Fault(on="event:*", action=action, probability=0.5, seconds=5.0 if action == "delay" else 0.0)
    with exchange_at(faults=(fault,)) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            made = [hand.market(AAPL, qty) for qty in ("5", "3", "4")]
            await run.until(lambda: all(run.status(order) == "FILLED" for order in made))
            assert run.position(AAPL) == exchange.books().positions["AAPL"][0] == 12
            trades = [fill.trade_id for fill in hand.named("OrderFilled")]
            assert len(trades) == len(set(trades))


async def test_a_fill_that_is_never_told() -> None:
    """Asking about open orders finds it, and its real executions are fetched: the framework infers nothing."""
    hand = ByHand()
    with exchange_at(faults=(Fault(on="event:fill", action="lose"),)) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.market(AAPL, "5")
            await run.until(lambda: run.status(order) == "FILLED")
            assert not any(fill.reconciliation for fill in hand.named("OrderFilled"))
            assert run.position(AAPL) == exchange.books().positions["AAPL"][0] == 5


async def test_a_stream_that_breaks_while_an_order_fills() -> None:
    """What happened meanwhile is read when the stream is back."""
    hand = ByHand()
    with exchange_at(faults=(Fault(on="event:new", action="drop_socket", nth=1, seconds=30),)) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.market(AAPL, "5")
            await run.until(lambda: run.status(order) == "FILLED")
            assert run.position(AAPL) == 5


async def test_a_position_that_is_gone_is_reported_flat() -> None:
    """A position that the broker no longer lists, because it was closed by hand, is closed in the framework as well."""
    hand = ByHand()
    engine: dict[str, Any] = {"position_check_interval_secs": 0.5, "position_check_threshold_ms": 100}
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK, engine=engine) as run:
            order = hand.market(AAPL, "5")
            await run.until(lambda: run.status(order) == "FILLED")
            await _delete(exchange, "/v2/positions/AAPL")
            await run.until(lambda: run.position(AAPL) == 0)


async def test_a_stop_with_requests_under_way() -> None:
    """The node stops in order; what was sent has its answer, or is found at the next start."""
    hand = ByHand()
    with exchange_at(faults=(Fault(on=POST, action="delay", seconds=0.3),)) as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.limit(AAPL, "5", "10.00")
            await run.stop()
            assert run.status(order) in ("ACCEPTED", "SUBMITTED")


async def _delete(exchange: Any, path: str) -> None:
    headers = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    async with aiohttp.ClientSession(headers=headers) as session, session.delete(exchange.url + path) as answer:
        assert answer.status == 200
