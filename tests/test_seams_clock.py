"""A driven clock and those who must not wait for it: backoff, drivers, sleepers that are known to sleep."""

import asyncio

from puna.seams import DrivenClock, SystemClock

SECOND = 10**9


async def test_a_backoff_waits_for_market_time_while_it_moves() -> None:
    """Woken by the instant, not by the wall."""
    clock = DrivenClock(0)
    with clock.driver():
        await clock.advance(1)
        assert clock.moving
        waiting = asyncio.create_task(clock.backoff(5))
        await clock.advance(4 * SECOND)
        assert not waiting.done()
        assert clock.is_asleep(waiting)
        await clock.advance(6 * SECOND)
        assert waiting.done()
        assert not clock.is_asleep(waiting)


async def test_a_backoff_does_not_wait_for_a_market_that_stands_still() -> None:
    """Without a driver, and before a driver has driven."""
    clock = DrivenClock(0)
    await clock.backoff(3600)
    with clock.driver():
        assert not clock.moving
        await clock.backoff(3600)


async def test_a_backoff_ends_when_the_last_driver_goes() -> None:
    """The other way to be left alone."""
    clock = DrivenClock(0)
    with clock.driver():
        with clock.driver():
            await clock.advance(1)
            waiting = asyncio.create_task(clock.backoff(3600))
            await clock.settle()
        assert not waiting.done()
    await waiting
    assert clock.now() == 1
    assert clock.next_due() is None


async def test_two_may_wait_for_the_same_rest() -> None:
    """Neither is forgotten when the work ends."""
    clock = DrivenClock(0)

    async def work() -> None:
        with clock.busy():
            await asyncio.sleep(0.01)

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.gather(clock.settle(), clock.settle(), working)


async def test_the_systems_clock_always_moves() -> None:
    """Backoff is sleep there, and nobody drives."""
    clock = SystemClock()
    assert clock.moving
    with clock.driver():
        await clock.backoff(0)
