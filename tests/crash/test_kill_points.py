"""SIGKILL at every named point of an order's life, then a start that reconciles and goes on."""

from random import Random

import pytest
from campaign import Campaign
from sweep import CHUNK, chunks, clean
from trial import Kill, Trial

POINTS = (
    "signal",
    "risk-reserved",
    "commit-begin",
    "commit-end",
    "intent-durable",
    "request-first-byte",
    "request-sent",
    "reply-received",
    "reply-read",
    "ack-durable",
    "new-seen",
    "fill-read",
    "fill-durable",
    "fill-projected",
    "strategy-told",
    "cancel-durable",
    "cancel-sent",
    "cancel-reply",
    "canceled-durable",
    "replace-durable",
    "replace-sent",
    "replace-reply",
    "lineage-durable",
    "reconcile-begin",
    "reconcile-orders",
    "reconcile-end",
)


def test_an_undisturbed_session_passes_every_point(campaign: Campaign) -> None:
    """The points are those that the engine has, all of them, so that none is skipped silently below."""
    assert set(campaign.points) == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_first_and_last_pass(campaign: Campaign, point: str) -> None:
    """One live order per intent, every fill once, books equal: whether the first or the last pass is the deadly one."""
    passes = sorted({1, campaign.points[point]})
    results = clean(campaign, [Trial(kills=(Kill(point, nth),)) for nth in passes])
    assert [result.killed for result in results] == [1] * len(passes)


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("point", POINTS)
def test_every_pass(campaign: Campaign, point: str) -> None:
    """The same for every pass that such a session makes, up to thirty of them, on other days' paths."""
    passes = range(1, min(campaign.points[point], 30) + 1)
    results = clean(campaign, [Trial(seed=100 + nth, kills=(Kill(point, nth),)) for nth in passes])
    assert sum(result.killed for result in results) >= len(passes) * 0.8


@pytest.mark.parametrize("chunk", chunks(many=400, few=10))
def test_killed_twice(campaign: Campaign, chunk: int) -> None:
    """A process that is killed while it recovers from a kill: the same, at random points."""
    rng = Random(f"twice {chunk}")
    trials = [
        Trial(seed=rng.randint(1, 1000), kills=(campaign.random_kill(rng), campaign.random_kill(rng)))
        for _ in range(CHUNK)
    ]
    results = clean(campaign, trials)
    assert sum(result.killed for result in results) >= CHUNK
