"""Trade updates that come twice, out of order or never, and streams that are cut, with and without SIGKILL."""

from random import Random

import pytest
from campaign import Campaign
from sweep import chunks, clean, doubtful
from trial import Kill, Trial

from puna.exchange.faults import Fault

EVENTS = ("event:*", "event:fill", "event:partial_fill", "event:new", "event:canceled", "event:replaced")


@pytest.mark.parametrize("action", ["duplicate", "reorder", "lose"])
@pytest.mark.parametrize("chunk", chunks(many=60, few=10))
def test_garbled_updates(campaign: Campaign, action: str, chunk: int) -> None:
    """BRK-01 to 04: an update is applied once, in whatever order it comes, and one that never comes is found."""

    def garble(rng: Random) -> Fault:
        return Fault(on=rng.choice(EVENTS[:4]), action=action, nth=rng.randint(1, 3), times=rng.randint(1, 12))

    doubtful(campaign, action, chunk, garble)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("action", ["duplicate", "reorder", "lose"])
def test_all_of_a_kind(campaign: Campaign, action: str, event: str) -> None:
    """R5: not one update of a kind comes as it should, all day, and the books are right all the same."""
    clean(campaign, [Trial(faults=(Fault(on=event, action=action, probability=1.0),))])


@pytest.mark.parametrize("stream", ["socket:trading", "socket:data"])
@pytest.mark.parametrize("chunk", chunks(many=60, few=10))
def test_dropped_stream(campaign: Campaign, stream: str, chunk: int) -> None:
    """R43: what happened while a stream was away is asked for, and nothing is dropped because of it."""

    def cut(rng: Random) -> Fault:
        return Fault(on=stream, action="drop_socket", nth=rng.randint(1, 8))

    doubtful(campaign, stream, chunk, cut)


@pytest.mark.parametrize("stream", ["socket:trading", "socket:data"])
@pytest.mark.parametrize("away", [5.0, 20.0])
def test_stream_refused_for_a_while(campaign: Campaign, stream: str, away: float) -> None:
    """The same where reconnects are refused for some seconds of market time."""
    cuts = [Fault(on=stream, action="drop_socket", nth=nth, seconds=away) for nth in range(1, 9)]
    clean(campaign, [Trial(seed=20 + nth, faults=(cut,)) for nth, cut in enumerate(cuts)])


@pytest.mark.parametrize("stream", ["socket:trading", "socket:data"])
@pytest.mark.parametrize("nth", [1, 2, 4])
def test_stream_refused_while_starting_again(campaign: Campaign, stream: str, nth: int) -> None:
    """L1: after a kill, a stream that is refused for seconds of market time holds up the start, and never for good."""
    cut = Fault(on=stream, action="drop_socket", nth=nth, seconds=5.0)
    clean(campaign, [Trial(seed=502, kills=(Kill("commit-begin", 6),), faults=(cut,))])
