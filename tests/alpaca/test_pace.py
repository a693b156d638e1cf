"""The rate budget holds in every window, cancels hardly wait, backoff is bounded, the breaker opens on outages only."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.alpaca.http import AsyncAlpaca, Credentials, Endpoints
from puna.alpaca.pace import NANOS, WINDOW, Backoff, Breaker, Budget, RateHeaders, Verdict
from puna.alpaca.request import Lane
from puna.alpaca.turnstile import Turnstile
from puna.seams import DrivenClock, seeded_rng

LOWER = [Lane.ORDER, Lane.READ, Lane.BACKFILL]
MINUTE = 60 * NANOS


def busiest(sent: list[int], window: int = MINUTE) -> int:
    """The most requests in any sliding window."""
    most = start = 0
    for end, ts in enumerate(sent):
        while sent[start] <= ts - window:
            start += 1
        most = max(most, end - start + 1)
    return most


@settings(max_examples=60)
@given(
    limit=st.integers(1, 300),
    wishes=st.lists(st.tuples(st.integers(0, 3 * NANOS), st.sampled_from(Lane)), min_size=1, max_size=400),
)
def test_no_window_is_ever_over_the_limit(limit: int, wishes: list[tuple[int, Lane]]) -> None:
    """Each request waits as long as it is told to; no 60 s hold more than the limit, whatever the lanes."""
    budget, now, sent = Budget(limit), 0, []
    for pause, lane in wishes:
        now += pause
        while wait := budget.wait(lane, now):
            now += wait
        budget.spend(lane, now)
        sent.append(now)
    assert busiest(sent, WINDOW) <= limit


@settings(max_examples=5)
@given(seed=st.integers(0, 1_000_000), every=st.sampled_from([1.25, 1.5, 2.0, 5.0]), limit=st.just(200))
def test_cancels_do_not_wait_at_ten_times_overload(seed: int, every: float, limit: int) -> None:
    """2,000 other requests a minute, and a cancel now and then: each cancel goes within a second."""
    rng = seeded_rng(seed)
    budget, now, sent = Budget(limit), 0, []
    next_cancel = 0
    while now < 3 * MINUTE:
        lane = LOWER[rng.randrange(0, 3)]
        if budget.wait(lane, now) == 0:
            budget.spend(lane, now)
            sent.append(now)
        if now >= next_cancel:
            assert budget.wait(Lane.CANCEL, now) <= NANOS
            while wait := budget.wait(Lane.CANCEL, now):
                now += wait
            budget.spend(Lane.CANCEL, now)
            sent.append(now)
            next_cancel = now + round(every * NANOS)
        now += 30_000_000
    assert busiest(sent) <= limit
    assert len(sent) > limit * 3 * 0.6  # and the budget is used


def test_a_burst_goes_at_once() -> None:
    """Sixty orders of 200 a minute are not slowed down."""
    budget = Budget(200)
    for _ in range(60):
        assert budget.wait(Lane.ORDER, 0) == 0
        budget.spend(Lane.ORDER, 0)
    assert 0 < budget.wait(Lane.ORDER, 0) <= NANOS


def test_no_limit_is_no_limit() -> None:
    """For exchanges of one's own, under load."""
    budget = Budget(0)
    for _ in range(10_000):
        budget.spend(Lane.READ, 0)
    budget.learn(RateHeaders(1, 0, 60), 0)
    assert budget.wait(Lane.BACKFILL, 0) == 0


def test_the_brokers_count_is_believed_when_it_is_stricter() -> None:
    """Somebody else uses the key: what remains there is all that remains here, until the reset."""
    budget = Budget(200)
    budget.spend(Lane.READ, 0)
    budget.learn(RateHeaders(limit=200, remaining=0, reset=30), 0)
    assert budget.wait(Lane.CANCEL, 0) == 30 * NANOS
    assert budget.wait(Lane.CANCEL, 30 * NANOS) == 0
    budget.learn(RateHeaders(limit=200, remaining=199, reset=60), 0)
    assert budget.wait(Lane.READ, 0) == 0
    budget.learn(RateHeaders(limit=10), 0)
    assert budget.limit == 10
    budget.learn(RateHeaders(limit=10_000), 0)
    assert budget.limit == 200


@pytest.mark.parametrize(("reset", "wait"), [(5, 5), (-5, 0), (10**10, 60), (None, 0)])
def test_a_429_holds_until_its_reset_at_most_a_minute(reset: int | None, wait: int) -> None:
    """A skewed clock cannot stop us for longer (PRO-06); cancels are not held."""
    budget = Budget(200)
    budget.hold(RateHeaders(reset=reset), 0)
    assert budget.wait(Lane.ORDER, 0) == wait * NANOS
    assert budget.wait(Lane.CANCEL, 0) == 0


@given(attempt=st.integers(0, 10_000), seed=st.integers(0, 1000))
def test_backoff_is_full_jitter_within_its_bounds(attempt: int, seed: int) -> None:
    """Between floor and cap, and never more than the doubled base."""
    wait = Backoff(base=0.5, cap=10.0, floor=0.1).wait(attempt, seeded_rng(seed))
    assert 0.1 <= wait <= min(10.0, max(0.1, 0.5 * 2.0 ** min(attempt, 40)))


def test_jitter_uses_the_whole_range() -> None:
    """Clients that fail together do not come back together."""
    rng = seeded_rng(1)
    waits = sorted(Backoff(base=1.0, cap=1.0).wait(0, rng) for _ in range(1000))
    assert waits[0] < 0.05
    assert waits[-1] > 0.95
    assert max(b - a for a, b in pairwise(waits)) < 0.05


def test_the_life_of_a_breaker() -> None:
    """Closed, open, one probe, open for twice as long, one probe, closed."""
    breaker = Breaker(threshold=2, cooldown=10.0)
    breaker.fail(0)
    assert breaker.verdict(Lane.ORDER, 0) is Verdict.PASS
    breaker.fail(0)
    assert breaker.verdict(Lane.ORDER, 0) is Verdict.REFUSE
    assert breaker.verdict(Lane.CANCEL, 0) is Verdict.PASS
    assert breaker.verdict(Lane.READ, 10 * NANOS) is Verdict.PROBE
    breaker.probe()
    assert breaker.verdict(Lane.READ, 10 * NANOS) is Verdict.REFUSE
    breaker.fail(10 * NANOS)
    assert breaker.verdict(Lane.READ, 29 * NANOS) is Verdict.REFUSE
    assert breaker.verdict(Lane.READ, 30 * NANOS) is Verdict.PROBE
    breaker.succeed()
    assert breaker.verdict(Lane.ORDER, 30 * NANOS) is Verdict.PASS
    assert not breaker.is_open


async def test_waiting_requests_go_by_lane_and_then_in_order() -> None:
    """A cancel overtakes everybody; among equals, first come, first served; one that gives up is skipped."""
    clock = DrivenClock(0)
    turnstile = Turnstile(Budget(2), clock)
    went: list[str] = []

    async def enter(name: str, lane: Lane) -> None:
        await turnstile.enter(lane)
        went.append(name)

    with clock.driver():
        await clock.advance(1)
        await enter("first", Lane.READ)
        tasks = []
        for name, lane in [("b", Lane.BACKFILL), ("r1", Lane.READ), ("gone", Lane.ORDER), ("r2", Lane.READ)]:
            tasks.append(asyncio.create_task(enter(name, lane)))
            await clock.settle()
        tasks.append(asyncio.create_task(enter("cancel 1", Lane.CANCEL)))
        tasks.append(asyncio.create_task(enter("cancel 2", Lane.CANCEL)))
        await clock.settle()
        assert went == ["first", "cancel 1"]
        assert turnstile.waiting == 5
        tasks[2].cancel()
        for second in range(1, 600):
            await clock.advance(second * NANOS)
        await asyncio.gather(*tasks, return_exceptions=True)
    assert went == ["first", "cancel 1", "cancel 2", "r1", "r2", "b"]
    assert turnstile.waiting == 0


async def test_nobody_waits_for_a_market_that_stands_still() -> None:
    """On a driven clock that nobody drives, the minute would never end."""
    turnstile = Turnstile(Budget(1), DrivenClock(0))
    for _ in range(5):
        await turnstile.enter(Lane.READ)


def test_users_of_one_key_share_one_budget() -> None:
    """On the machine's clock; another key, another host, a driven clock have their own."""
    here, there = Endpoints.at("http://127.0.0.1:1"), Endpoints.at("http://127.0.0.1:2")
    first = AsyncAlpaca(Credentials.of("PK1", "s"), here, trading_limit=100)
    again = AsyncAlpaca(Credentials.of("PK1", "s"), here, trading_limit=50)
    others = [
        AsyncAlpaca(Credentials.of("PK2", "s"), here),
        AsyncAlpaca(Credentials.of("PK1", "s"), there),
        AsyncAlpaca(Credentials.of("PK1", "s"), here, clock=DrivenClock(1)),
        AsyncAlpaca(Credentials.of("PK1", "s"), here, trading_limit=0),
    ]
    budget = first.turnstiles["trading"].budget
    assert again.turnstiles["trading"].budget is budget
    assert budget.limit == 50
    assert first.turnstiles["data"].budget is not budget
    assert budget not in [each.turnstiles["trading"].budget for each in others]


def test_threads_never_exceed_a_shared_budget() -> None:
    """However many threads take from it at once."""
    budget = Budget(100)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: budget.take(Lane.CANCEL, 1) == 0, range(2_000)))
    assert sum(taken) == 100
