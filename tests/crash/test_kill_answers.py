"""Requests without a clear answer, with SIGKILL in half of the trials: one live order per intent, every fill once."""

from collections.abc import Callable
from random import Random

import pytest
from campaign import Campaign
from sweep import CHUNK, chunks, clean, doubtful
from trial import Trial

from puna.exchange.faults import Fault

SUBMIT, REPLACE, CANCEL = "POST /v2/orders", "PATCH /v2/orders/*", "DELETE /v2/orders/*"


def fault(on: str, action: str, passes: int, *, status: int = 0, held: float = 0.0) -> Callable[[Random], Fault]:
    """A fault that strikes at some pass, one to three times in a row."""

    def pick(rng: Random) -> Fault:
        nth, times = rng.randint(1, passes), rng.choice([1, 1, 1, 2, 3])
        return Fault(on=on, action=action, nth=nth, times=times, status=status, seconds=held)

    return pick


@pytest.mark.parametrize("chunk", chunks(many=200, few=10))
def test_504_after_accept(campaign: Campaign, chunk: int) -> None:
    """PRO-01: the order lives, and the answer says that the gateway timed out."""
    doubtful(campaign, "504", chunk, fault(SUBMIT, "error_after", 6, status=504))


@pytest.mark.parametrize("chunk", chunks(many=200, few=10))
def test_timeout_after_accept(campaign: Campaign, chunk: int) -> None:
    """PRO-03: the order lives, and no answer ever comes."""
    doubtful(campaign, "timeout", chunk, fault(SUBMIT, "hang_after", 6))


@pytest.mark.parametrize("chunk", chunks(many=200, few=10))
def test_lost_reply(campaign: Campaign, chunk: int) -> None:
    """NET-04: the order lives, and the connection is reset before the answer."""
    doubtful(campaign, "lost", chunk, fault(SUBMIT, "drop_reply", 6))


@pytest.mark.parametrize("chunk", chunks(many=100, few=10))
def test_late_acceptance(campaign: Campaign, chunk: int) -> None:
    """PRO-05, R42: accepted after the client gave up, so that at first, or for long, there is no such order."""

    def late(rng: Random) -> Fault:
        return Fault(on=SUBMIT, action="hold", nth=rng.randint(1, 4), seconds=rng.choice([0.3, 0.8, 0.8, 8.0]))

    doubtful(campaign, "late", chunk, late)


@pytest.mark.parametrize("chunk", chunks(many=100, few=10))
def test_not_to_be_seen_at_once(campaign: Campaign, chunk: int) -> None:
    """PRO-05: asked once, the exchange says that there is no such order; a moment later it shows it.

    Without SIGKILL: in lockstep market time stands still between two processes, so what is hidden would stay hidden
    for the second one however long it waits, which no broker does.
    """
    unheard = tuple(Fault(on=f"event:{event}", action="lose", probability=1.0) for event in ("pending_new", "new"))
    rng, late = Random(f"hidden {chunk}"), fault(SUBMIT, "error_after", 6, status=504)
    clean(campaign, [Trial(seed=rng.randint(1, 1000), faults=(late(rng), *unheard), hidden=35) for _ in range(CHUNK)])


@pytest.mark.parametrize("action", ["error_before", "drop_before", "hang_before", "truncate"])
@pytest.mark.parametrize("chunk", chunks(many=20, few=0))
def test_other_unclear_answers(campaign: Campaign, action: str, chunk: int) -> None:
    """NET-10, PRO-02: not accepted, or half an answer: it ends the same."""
    doubtful(campaign, action, chunk, fault(SUBMIT, action, 6))


@pytest.mark.parametrize("action", ["error_after", "hang_after", "drop_reply", "error_before", "hold"])
@pytest.mark.parametrize("chunk", chunks(many=40, few=0))
def test_replace_without_answer(campaign: Campaign, action: str, chunk: int) -> None:
    """BRK-11: a replace that may have happened is never sent twice; the links tell what became of it."""
    doubtful(campaign, f"replace {action}", chunk, fault(REPLACE, action, 1, held=8.0 if action == "hold" else 0.0))


@pytest.mark.parametrize("action", ["error_after", "drop_reply", "error_before"])
@pytest.mark.parametrize("chunk", chunks(many=40, few=0))
def test_cancel_without_answer(campaign: Campaign, action: str, chunk: int) -> None:
    """PRO-11: a cancel is asked for until the order has ended, and counts as done on evidence only."""
    doubtful(campaign, f"cancel {action}", chunk, fault(CANCEL, action, 1))


def test_cancel_taken_and_forgotten(campaign: Campaign) -> None:
    """PRO-11: 204 says that the request was taken, not that the order has ended; so it is asked for again."""

    def forget(rng: Random) -> Fault:
        return Fault(on=CANCEL, action="error_before", status=204, body="", nth=rng.randint(1, 2), times=1)

    doubtful(campaign, "forgotten", 0, forget)


@pytest.mark.parametrize("on", [REPLACE, CANCEL])
def test_replace_and_cancel_without_answer_in_short(campaign: Campaign, on: str) -> None:
    """Some of the trials above, of those with the connection reset, for every run of the tests."""
    doubtful(campaign, f"short {on}", 0, fault(on, "drop_reply", 1), size=8)
