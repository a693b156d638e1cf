"""The feed of activities, the third source: it tells what the stream lost, doubles nothing, goes on where it was."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from puna.engine.entries import FeedReached
from puna.engine.outbound import Timing
from puna.engine.pacing import PacedClock
from puna.exchange.fees import FeeSchedule
from puna.exchange.terms import VenueOptions
from puna.wire.codec import Amount
from puna.wire.trading import OrderRequest

NEVER = 1e6
PATIENT = Timing(settle=20.0, transit=NEVER, resting=NEVER, refresh=5.0, intent=600.0)
"""Nobody asks the broker about an order that rests or moves: what is known came from a stream or the feed."""


async def until(true: Callable[[], object], trader: Any, run: "asyncio.Task[Any]") -> None:
    """Waits for something to become true while a run goes on."""
    while not true():
        assert not run.done(), run
        await asyncio.sleep(0.01)


def assembled(lab: Any, market: Any, *strategies: Any, **chosen: Any) -> Any:
    """A process at sixty times real time, that follows the feed unless told otherwise."""
    options = {"clock": PacedClock(60.0), "timing": PATIENT, "deadline": 10.0, "activities": True}
    return market.trader(*strategies, **options | chosen)


def buyer(lab: Any) -> Any:
    """Buys ten when the first bar comes."""
    strategy = lab.scripted()
    strategy.on_bar = lambda bar: strategy.results or strategy.results.append(strategy.buy("AAPL", 10))
    return strategy


async def test_the_feed_tells_a_fill_that_the_stream_lost(lab: Any) -> None:
    """Nothing of the order comes on the trading stream and nobody asks about it, yet it is booked, once."""
    lost = lab.fault(on="event:*", action="lose", times=0)
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=(), faults=(lost,))
    strategy = buyer(lab)
    trader = assembled(lab, market, strategy, journal=lab.journal)
    run = asyncio.create_task(trader.run())
    await until(lambda: strategy.fills, trader, run)
    assert trader.activities.fills == len(strategy.fills) >= 1
    await until(lambda: not trader.gateway.open_orders(), trader, run)
    trader.stop()
    record = await run
    assert record.books is not None
    assert record.books.equal, record.books
    assert trader.gateway.blotter.portfolio.qty("AAPL") == 10 == sum(fill.qty for fill in strategy.fills)
    sources = {entry.update.source for _, entry in lab.entries() if hasattr(entry, "update") and entry.update.last_qty}
    assert sources == {"activity"}


async def test_what_the_stream_told_already_changes_nothing(lab: Any) -> None:
    """The same fills from both: each is booked once, and the feed is the first with none that it repeats."""
    twice = lab.fault(on="sse:activities", action="duplicate", times=0)
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=(), faults=(twice,))
    strategy = buyer(lab)
    trader = assembled(lab, market, strategy)
    run = asyncio.create_task(trader.run())
    await until(lambda: trader.gateway.blotter.activity and not trader.gateway.open_orders(), trader, run)
    trader.stop()
    record = await run
    assert record.books is not None
    assert record.books.equal
    assert trader.gateway.blotter.portfolio.qty("AAPL") == 10 == sum(fill.qty for fill in strategy.fills)


async def follow_once(lab: Any, market: Any, shares: int) -> tuple[Any, list[Any]]:
    """Buys AAPL by strategy and MSFT by hand, and ends when both are known; the process, and what it asked for."""
    strategy, asked = buyer(lab), list[Any]()
    trader = assembled(lab, market, strategy, journal=lab.journal)
    opens = trader.activities._open

    def noted(events: Any) -> Any:
        asked.append(events.parameters)
        return opens(events)

    trader.activities._open = noted
    run = asyncio.create_task(trader.run())
    await until(lambda: strategy.fills and not trader.gateway.open_orders(), trader, run)
    market.place(OrderRequest(symbol="MSFT", qty=Amount(1), side="buy", type="market", time_in_force="day"))
    await until(lambda: trader.gateway.blotter.portfolio.qty("MSFT") == shares, trader, run)
    await until(lambda: trader.activities.status.connected and trader.gateway.blotter.activity, trader, run)
    trader.stop()
    await run
    return trader, asked


async def test_the_next_start_goes_on_behind_the_last_event(lab: Any) -> None:
    """How far it was followed is durable; a second process asks for what comes after, and is told nothing twice."""
    cut = lab.fault(on="sse:activities", action="drop_socket")
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=(), faults=(cut,))
    _, asked = await follow_once(lab, market, 1)
    assert asked[0]["since_id"] is None
    assert asked[0]["since"]
    reached = [entry.event_id for _, entry in lab.entries() if isinstance(entry, FeedReached)]
    assert reached
    trader, asked = await follow_once(lab, market, 2)
    assert asked[0]["since_id"] == reached[-1]
    assert trader.gateway.blotter.portfolio.qty("AAPL") == 20
    later = [entry.event_id for _, entry in lab.entries() if isinstance(entry, FeedReached)]
    assert later[: len(reached)] == reached < later
    assert later == sorted(set(later))


async def test_an_event_that_the_broker_forgot_is_no_end(lab: Any) -> None:
    """It refuses the id of the journal: the feed is followed from the last comparison on."""
    forgot = lab.fault(on="GET /v2beta1/events/activities", action="error_before", status=422, nth=2)
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=(), faults=(forgot,))
    await follow_once(lab, market, 1)
    _, asked = await follow_once(lab, market, 2)
    assert [bool(each["since_id"]) for each in asked] == [True, False]
    assert asked[1]["since"]


async def test_fees_and_dividends_are_booked_when_the_feed_tells_them(lab: Any) -> None:
    """Cash that moves without an order asks for a comparison at once, which books it with its reference."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=(), venue=VenueOptions(fees=FeeSchedule()))
    trader = assembled(lab, market, lab.scripted())
    run = asyncio.create_task(trader.run())
    await until(lambda: trader.activities.status.connected, trader, run)

    def pay(server: Any) -> None:
        server.venue.ledger.cash += Decimal("12.34")
        server.venue.office.activities.book("DIV", server._floor.now, symbol="AAPL", net=Decimal("12.34"))

    market.thread.call(pay)
    await until(lambda: trader.gateway.blotter.moved, trader, run)
    trader.stop()
    record = await run
    assert record.books is not None
    assert record.books.equal
    assert record.state == "active"
    assert [each.cash for each in trader.gateway.blotter.moved.values()] == [Decimal("12.34")]


@pytest.mark.parametrize("status", [401, 404])
async def test_a_broker_without_the_feed_is_traded_at_all_the_same(lab: Any, status: int) -> None:
    """Refused for good: told once, and the day goes on with the two other sources."""
    refused = lab.fault(on="GET /v2beta1/events/activities", action="error_before", status=status, times=0)
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=(), faults=(refused,))
    strategy = buyer(lab)
    trader = assembled(lab, market, strategy)
    run = asyncio.create_task(trader.run())
    await until(lambda: not trader.gateway.open_orders() and strategy.fills, trader, run)
    trader.stop()
    record = await run
    assert record.outcome == "stopped"
    assert record.state == "active"
    told = [each.text for each in trader.gateway.blotter.notes if "feed of activities" in each.text]
    assert len(told) == 1
