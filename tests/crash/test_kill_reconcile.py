"""SIGKILL in start-up reconciliation, at each of its points, three times in a row (CRA-16)."""

import signal
from random import Random

import pytest
from campaign import Campaign
from sweep import clean
from trial import Kill, Trial

from puna.exchange.faults import Fault

WITHIN = ("reconcile-begin", "fill-read", "commit-begin", "commit-end", "reconcile-orders", "reconcile-end")
LOST_REPLY = Fault(on="POST /v2/orders", action="drop_reply", nth=4)


@pytest.mark.parametrize("point", WITHIN)
def test_three_times_in_a_row(campaign: Campaign, point: str) -> None:
    """A start that dies three times at the same step of its reconciliation leaves the fourth the same work."""
    first = Kill("fill-read", 3)  # a fill that only the exchange knows of
    (result,) = clean(campaign, [Trial(kills=(first, *[Kill(point)] * 3))])
    assert [life.signal for life in result.lives] == [signal.SIGKILL] * 4 + [0]


@pytest.mark.parametrize("point", WITHIN)
def test_with_an_order_in_doubt(campaign: Campaign, point: str) -> None:
    """The same while an order is in doubt: its reply was lost, and its sender died before it asked."""
    trial = Trial(kills=(Kill("request-sent", 4), *[Kill(point)] * 3), faults=(LOST_REPLY,))
    clean(campaign, [trial])


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("chunk", range(6))
def test_any_first_death(campaign: Campaign, chunk: int) -> None:
    """Whatever point the first process died at, deaths within three reconciliations change nothing."""
    rng = Random(f"reconcile {chunk}")
    clean(
        campaign,
        [
            Trial(
                seed=rng.randint(1, 1000),
                kills=(campaign.random_kill(rng), *(Kill(rng.choice(WITHIN), rng.randint(1, 2)) for _ in range(3))),
            )
            for _ in range(15)
        ],
    )
