"""The determinism check: the same bars and the same seed must give the same decisions, wherever and whenever.

Once more in this process; then in fresh ones with other orders of sets, and with a wall clock that is off by days.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from puna.research.checks.case import Case, Finding, Verdict, when
from puna.research.checks.decisions import Choice, Difference, choices_of, first_difference
from puna.research.checks.elsewhere import Elsewhere, Place

__all__ = ["determinism"]

SHIFT = 1_000_003
"""Eleven and a half days, and at another time of the day."""


class _Try(NamedTuple):
    """A way to run it again: what was other, what that points to, what to do; and what was decided, when asked."""

    what: str
    why: str
    remedy: str
    run: Callable[[], list[Choice]]


def determinism(
    case: Case, elsewhere: Elsewhere | None = None, tell: Callable[[str], None] = lambda _: None
) -> Verdict:
    """The same run again and again; the first way in which it changes is told.

    Args:
        case: what is checked.
        elsewhere: runs it in fresh processes; without, it runs here again only.
        tell: hears what is being done.
    """
    for tried in _tries(case, elsewhere):
        tell(f"determinism: {tried.what}")
        if (differs := first_difference(case.choices, tried.run())) is not None:
            finding = _finding(case, tried, differs)
            return Verdict("determinism", "found", finding.what, (finding,))
    places = "here again" if elsewhere is None else "here again, in three fresh processes, on another day"
    return Verdict("determinism", "passed", f"The same decisions {places}.")


def _tries(case: Case, elsewhere: Elsewhere | None) -> Iterator[_Try]:
    yield _Try(
        "run again in the same process",
        "Chance without a seed (random, numpy.random), the wall clock, or something that lasts longer than a run: a "
        "variable of the module or the class, a file that it writes.",
        "Take chance from random.Random(seed) made in on_start, time from self.now, and keep what changes in self.",
        lambda: choices_of(case.run(case.history).entries),
    )
    if elsewhere is None:
        return
    words = sorted({symbol for each in case.make() for symbol in each.symbols})
    for seed in elsewhere.seeds(words):
        place = Place(hash_seed=seed)
        yield _Try(
            f"run in a fresh process with PYTHONHASHSEED={seed}",
            "The order of a set, or hash() of a text, which change from process to process; or a variable of the "
            "environment, a file, a process id.",
            "Go through sorted(the_set), or keep a list or a dict, which keep their order.",
            lambda place=place: list(elsewhere.run(place).choices),  # type: ignore[misc]  # bound now, not at the end
        )
    yield _Try(
        f"run with a wall clock that is {SHIFT:,} s ahead",
        "The wall clock: time.time(), datetime.now(), date.today(). In a backtest, and in a replay, it is not the time "
        "of the market.",
        "Use self.now: market time in nanoseconds, the same in every mode.",
        lambda: list(elsewhere.run(Place(hash_seed=1, shift=SHIFT)).choices),
    )


def _finding(case: Case, tried: _Try, differs: Difference) -> Finding:
    some = differs.some
    kind = "reasons" if differs.only_reasons else "decisions"
    said = [None if each is None else f"{each.text} ({each.reason})" if differs.only_reasons else each.text
            for each in (differs.one, differs.other)]  # fmt: skip
    return Finding(
        code="E692",
        what=f"Its {kind} change when it is {tried.what}; first {when(differs.ts, case.history)}.",
        why=tried.why,
        remedy=tried.remedy,
        ts=differs.ts,
        strategy=some.strategy,
        symbol=some.symbol,
        before=said[0] or "nothing",
        after=said[1] or "nothing",
    )
