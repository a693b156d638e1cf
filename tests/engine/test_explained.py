"""A halt for differing books, explained later: it stays, and whoever resumes is told what has explained it."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from puna.core.risk import TradingState
from puna.engine.explained import explanation
from puna.engine.latch import Latch, Wish
from puna.engine.pacing import PacedClock
from puna.engine.reconcile import reconcile
from puna.errors import BooksDifferError, PunaError

FEE = Decimal("-0.13")


async def until(question: Callable[[], object]) -> None:
    """Returns when the answer is yes."""
    async with asyncio.timeout(30):
        while not question():  # noqa: ASYNC110 - what is waited for is a file, or in another thread
            await asyncio.sleep(0.001)


def charge(market: Any, *, told: bool) -> None:
    """The broker takes a fee; or tells of the one that it has taken."""

    def act(server: Any) -> None:
        if told:
            server.venue.office.activities.book("FEE", server._floor.now, net=FEE, description="a late fee")
        else:
            server.venue.ledger.cash += FEE

    market.thread.call(act)


async def test_a_difference_that_is_explained_later_is_told_and_waits_for_a_person(lab: Any) -> None:
    """Halted; a fee is told of afterwards: booked, noted once, still halted; `resume` says what it was."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=())
    strategy = lab.scripted(m0=lambda s: s.buy("AAPL", 1))
    trader = market.trader(
        strategy, clock=PacedClock(60.0), minutes=390, journal=lab.journal, deadline=5.0, activities=False
    )
    task = asyncio.create_task(trader.run())
    await until(lambda: strategy.fills or task.done())
    gateway, latch = trader.gateway, Latch(lab.journal)
    charge(market, told=False)
    assert not (await reconcile(gateway)).equal
    assert "differ" in gateway.halted
    assert explanation(gateway.blotter) == ""
    charge(market, told=True)
    assert (await reconcile(gateway)).equal
    assert (await reconcile(gateway)).equal
    assert "differ" in gateway.halted
    await until(lambda: [each for each in gateway.blotter.notes if each.code == "E510"])
    notes = [each.text for each in gateway.blotter.notes if each.code == "E510"]
    assert len(notes) == 1
    assert "fee" in notes[0]
    assert "-0.13 USD" in notes[0]
    latch.ask(Wish(id="w", state=TradingState.ACTIVE, reason="looked into it"))
    await until(lambda: latch.acknowledgement("w") is not None)
    answer = latch.acknowledgement("w")
    assert answer is not None
    assert answer.done
    assert "the books agree again: fee" in answer.text
    assert gateway.state is TradingState.ACTIVE
    trader.stop()
    record = await task
    assert record.books.equal


async def test_a_start_says_that_the_difference_is_explained(lab: Any) -> None:
    """Refused while it differs; explained: still refused, with the reason that is gone; with --resume it trades."""
    market = lab.exchange()
    await market.trader(lab.scripted(m1=lambda s: s.buy("AAPL", 1)), minutes=3, journal=lab.journal).run()
    charge(market, told=False)
    with pytest.raises(BooksDifferError):
        await market.trader(lab.scripted(), minutes=5, journal=lab.journal).run()
    charge(market, told=True)
    with pytest.raises(PunaError) as caught:
        await market.trader(lab.scripted(), minutes=5, journal=lab.journal).run()
    assert caught.value.code == "E520"
    assert "the books agree again: fee" in caught.value.why
    trader = market.trader(lab.scripted(), minutes=5, journal=lab.journal, resume=True)
    assert (await trader.run()).books.equal
    assert trader.gateway.state is not TradingState.HALTED
