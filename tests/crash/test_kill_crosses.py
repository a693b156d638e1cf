"""SIGKILL around crosses of two strategies: both sides or none, the rest sent once, everything adds up."""

import dataclasses
from functools import cache
from random import Random

import pytest
from campaign import Campaign
from msgspec.structs import replace
from script import SCRIPTS
from sweep import LONG, clean
from trial import Kill, Trial
from verdict import judge

from puna.engine.entries import Crossed

AROUND = (
    "risk-reserved", "commit-begin", "commit-end", "intent-durable", "cross-durable", "request-first-byte",
    "request-sent", "reply-read", "ack-durable", "fill-durable", "fill-projected", "strategy-told", "reconcile-end",
)  # fmt: skip


@cache
def passes(campaign: Campaign) -> dict[str, int]:
    """How often a session in which two strategies cross passes each point."""
    (result,) = clean(campaign, [Trial(script="sleeves")])
    return result.points


def test_an_undisturbed_session_crosses_three_times(campaign: Campaign) -> None:
    """Each cross is one commit, and no order that was crossed as a whole reached the exchange."""
    assert passes(campaign)["cross-durable"] == 3
    (result,) = clean(campaign, [Trial(script="sleeves")])
    assert result.source is not None
    blotter = result.source.blotter
    inside = {order.intent.because for key, order in blotter.orders.items() if key not in result.source.orders}
    assert inside == {"two takes", "two sells", "one takes", "two gives"}
    assert sorted(order.crossed_qty for order in blotter.orders.values() if order.inside) == [20, 20, 20, 20, 30, 30]


@pytest.mark.parametrize("point", AROUND)
def test_killed_around_a_cross(campaign: Campaign, point: str) -> None:
    """At a pass of each point near the first cross, and at the last."""
    last = passes(campaign)[point]
    results = clean(campaign, [Trial(script="sleeves", kills=(Kill(point, nth),)) for nth in {last, (last + 1) // 2}])
    assert all(result.killed == 1 for result in results)


@pytest.mark.parametrize("chunk", [0, *(pytest.param(number, marks=LONG) for number in range(1, 20))])
def test_killed_twice_around_crosses(campaign: Campaign, chunk: int) -> None:
    """At random points, in the session and in what takes it up, on other days' paths."""
    rng, points = Random(f"crosses {chunk}"), passes(campaign)

    def kill() -> Kill:
        point = rng.choice(sorted(points))
        return Kill(point, rng.randint(1, points[point]))

    clean(campaign, [Trial(script="sleeves", seed=rng.randint(1, 1000), kills=(kill(), kill())) for _ in range(10)])


def test_a_cross_that_is_missing_or_of_another_size_is_found(campaign: Campaign) -> None:
    """The judge believes the journal's crosses as little as anything: what the exchange got, and was told, must fit."""
    (result,) = clean(campaign, [Trial(script="sleeves")])
    source = result.source
    assert source is not None
    wanted = {step.name: step.end for step in SCRIPTS["sleeves"]}
    assert judge(source, wanted=wanted) == []
    at, first = next((seq, entry) for seq, entry in source.entries if isinstance(entry, Crossed))
    smaller = replace(first, cross=replace(first.cross, qty=first.cross.qty - 1))
    for entries in (
        [each for each in source.entries if each[0] != at],
        [(seq, smaller if seq == at else entry) for seq, entry in source.entries],
    ):
        found = judge(dataclasses.replace(source, entries=entries), wanted=wanted)
        assert {"I2", "I17", "R33"} <= {text.partition(" ")[0] for text in found}
