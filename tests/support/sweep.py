"""Many trials and one verdict over them: for tests, which run them in chunks so that each ends in time."""

import signal
from collections.abc import Callable, Iterable
from random import Random

import pytest
from campaign import Campaign, Result
from trial import Trial

from puna.exchange.faults import Fault

__all__ = ["CHUNK", "LONG", "chunks", "clean", "doubtful"]

CHUNK = 10
LONG = (pytest.mark.slow, pytest.mark.campaign)
"""What belongs to the long campaign, and not to every run of the tests."""


def clean(campaign: Campaign, trials: Iterable[Trial]) -> list[Result]:
    """Runs trials; fails with a line for each that went wrong."""
    results = [campaign.run(trial) for trial in trials]
    wrong = [result for result in results if result.wrong]
    if wrong:
        pytest.fail("\n\n".join([f"{len(wrong)} of {len(results)} trials", *(each.report() for each in wrong[:5])]))
    return results


def chunks(many: int, few: int) -> list[object]:
    """Numbers of chunks: the first ones, `few` trials in all, for `make test`, the rest of `many` for `make check`."""
    return [pytest.param(number, marks=() if number * CHUNK < few else LONG) for number in range(-(-many // CHUNK))]


def doubtful(
    campaign: Campaign,
    name: str,
    chunk: int,
    fault: Callable[[Random], Fault],
    *,
    size: int = CHUNK,
    hidden: int = 0,
    beside: tuple[Fault, ...] = (),
) -> list[Result]:
    """A chunk of trials with one fault each, with SIGKILL at a random point in every second one of them."""
    rng = Random(f"{name} {chunk}")
    trials = []
    for number in range(size):
        deaths = number % 2 + (number % 2 and rng.random() < 0.1)
        kills = tuple(campaign.random_kill(rng) for _ in range(deaths))
        trials.append(Trial(seed=rng.randint(1, 1000), faults=(fault(rng), *beside), kills=kills, hidden=hidden))
    results = clean(campaign, trials)
    assert all(result.struck for result in results), "a fault never struck"
    killed = sum(result.lives[0].signal == signal.SIGKILL for result in results)
    assert killed >= size // 2 - 2, f"only {killed} of {size} trials were killed"
    return results
