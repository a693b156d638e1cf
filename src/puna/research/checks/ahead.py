"""The look-ahead check: what is decided at a bar must not change when the bars after it are taken away.

The strategies run once over everything and again over histories that end earlier; up to each end the decisions must be
the same. Whoever reads the engine's own columns, or tables that end where the bars end, is found so. What was computed
with the future once and for all, and stands in a table beside a day of the past, cannot be seen from outside.
"""

from collections.abc import Callable, Sequence

import numpy as np

from puna.research.checks.case import Case, Finding, Verdict, ended_at, known_times, when
from puna.research.checks.decisions import Choice, Difference, choices_of, first_difference
from puna.research.checks.elsewhere import Elsewhere, Place
from puna.research.checks.models import trained_on_these_days

__all__ = ["BLIND", "CUTS", "look_ahead"]

CUTS = 6
"""Ends that are tried, and the first decision beside them."""
BLIND = (
    "What a check from outside cannot see: a table or a model that was made with these days in it, and parameters that "
    "were chosen by looking at them. Keep days back that nothing was made or chosen with: puna sweep --walk-forward."
)
Tell = Callable[[str], None]


def look_ahead(
    case: Case, elsewhere: Elsewhere | None = None, tell: Tell = lambda _: None, cuts: int = CUTS
) -> Verdict:
    """Decisions of the whole against those of histories that end earlier; with `elsewhere` its files end there too.

    Args:
        case: what is checked.
        elsewhere: runs the same in a fresh process, in a copy of the folder whose tables end with the bars.
        tell: hears what is being done.
        cuts: how many ends.
    """
    ends = _ends(case, cuts)
    if not ends:
        return Verdict("look-ahead", "not checked", "There are too few bars: at least three are needed.", (), (BLIND,))
    found: list[tuple[int, Difference]] = []
    for end in ends:
        tell(f"look-ahead: the bars end {when(end, case.history)}")
        cut = choices_of(case.run(ended_at(case.history, end)).entries)
        if (differs := first_difference(case.choices, cut, until=end)) is not None:
            found.append((end, differs))
    text = f"The same decisions with the future cut away, at {len(ends)} moments."
    notes = [BLIND]
    if not found and elsewhere is not None:
        text, notes = _with_files(case, elsewhere, ends, found, tell, text)
    trained = trained_on_these_days(case)
    if not found and trained is not None:
        return Verdict("look-ahead", "found", trained.what, (trained,))
    if not found:
        return Verdict("look-ahead", "passed", text, (), tuple(notes))
    end, first = min(found, key=lambda each: each[1].ts)
    finding = _finding(case, end, first, len(found), len(ends))
    return Verdict("look-ahead", "found", finding.what, (finding,) if trained is None else (finding, trained))


def _with_files(
    case: Case,
    elsewhere: Elsewhere,
    ends: Sequence[int],
    found: list[tuple[int, Difference]],
    tell: Tell,
    text: str,
) -> tuple[str, list[str]]:
    """The same with what lies on the disk: tables end where the bars end."""
    middle = ends[len(ends) // 2]
    tell("look-ahead: the tables beside it end with the bars")
    there = elsewhere.run(Place(end=middle, tables=True))
    if there.choices and not there.choices[0].ts:  # it could not even be loaded
        found.append((middle, Difference(middle, None, there.choices[0])))
    elif (differs := first_difference(case.choices, there.choices, until=middle)) is not None:
        found.append((middle, differs))
    notes = [BLIND]
    if uncut := sorted(set(there.files) - set(there.cut)):
        notes.append(f"It reads {', '.join(uncut[:5])}: nothing there could be cut off by time, so it was left whole.")
    if there.hosts:
        notes.append(
            f"It asks {', '.join(there.hosts[:5])} over the network: what comes from there may know the future."
        )
    if there.cut:
        text = f"{text[:-1]}; so did {', '.join(there.cut[:3])}{' and others' if len(there.cut) > 3 else ''}."
    return text, notes


def _finding(case: Case, end: int, differs: Difference, times: int, tried: int) -> Finding:
    some = differs.some
    where = when(differs.ts, case.history)
    return Finding(
        code="E690",
        what=f"A decision of {where} needs what was known later: it changes when bars end {when(end, case.history)}.",
        why="It reads ahead: a table or file with rows of the future, the engine's own columns, a centred or shifted "
        f"average, a figure of the whole day or the whole sample. It showed with {times} of {tried} ends.",
        remedy="Decide from what on_bar was given and from self.history(...), which end at the present bar; a table of "
        "your own is read up to self.now, and its row of a day is known at the end of that day at the earliest.",
        ts=differs.ts,
        strategy=some.strategy,
        symbol=some.symbol,
        before=_said(differs.one, differs),
        after=_said(differs.other, differs),
        count=times,
    )


def _said(choice: Choice | None, differs: Difference) -> str:
    if choice is None:
        return "nothing"
    return f"{choice.text} ({choice.reason})" if differs.only_reasons else choice.text


def _ends(case: Case, cuts: int) -> list[int]:
    """Ends at decisions, where looking ahead shows, and ends in between; each symbol has a bar by then."""
    times = known_times(case.history)
    least = max(int(each.known[0]) for each in case.history.columns.values())
    able = [ts for ts in times[:-1] if ts >= least]
    if len(times) < 3 or not able:
        return []
    decided = sorted({each.ts for each in case.choices} & set(able))
    return sorted({*decided[:1], *_spread(decided, cuts // 2), *_spread(able, cuts // 2)})


def _spread(moments: Sequence[int], count: int) -> list[int]:
    """So many of them, evenly, the last among them."""
    if not moments:
        return []
    places = np.unique(np.linspace(0, len(moments) - 1, count + 1)[1:].round().astype(int))
    return [moments[at] for at in places]
