"""The warm-up check: decisions must not depend on how long a strategy has been running, beyond its declared warm-up.

A strategy that has heard bars for a year is compared with one that starts today, with nothing but the warm-up that it
declares and what the account holds: whoever is restarted live is in the second place. Starts lie where nothing is
open, and where it is flat if it ever is.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from puna.core.portfolio import Portfolio
from puna.core.sessions import new_york
from puna.engine.entries import Locked, StateChange
from puna.research.backtest.data import Columns
from puna.research.checks.case import Case, Finding, Verdict, started_at, when
from puna.research.checks.decisions import Difference, choices_of, first_difference

__all__ = ["STARTS", "warm_up"]

STARTS = 3
_NEVER = 2**62


class _Start(NamedTuple):
    """Where a run may begin: before which bar, and with which books."""

    opens: int
    begin: int
    portfolio: Portfolio

    @property
    def flat(self) -> bool:
        return not self.portfolio.positions


def warm_up(case: Case, tell: Callable[[str], None] = lambda _: None, starts: int = STARTS) -> Verdict:
    """Decisions of the whole run against those of runs that begin later, with the same books.

    Args:
        case: what is checked.
        tell: hears what is being done.
        starts: how many later beginnings.
    """
    chosen = _chosen(case, starts)
    if not chosen:
        return Verdict(
            "warm-up", "not checked", "There was no later moment to begin at: too few bars, or always an open order."
        )
    found: list[tuple[_Start, Difference]] = []
    for start in chosen:
        tell(f"warm-up: the run begins {when(start.opens, case.history)}")
        portfolio = start.portfolio
        holding = {each.symbol: (each.qty, each.average_price) for each in portfolio.positions.values()}
        later = case.run(started_at(case.history, start.begin), cash=portfolio.cash, holding=holding)
        differs = first_difference(case.choices, choices_of(later.entries), since=start.opens - 1, reasons=False)
        if differs is not None:
            found.append((start, differs))
    if not found:
        return Verdict("warm-up", "passed", f"The same decisions when it begins later, at {len(chosen)} moments.")
    finding = _finding(case, *min(found, key=lambda each: each[1].ts), len(found), len(chosen))
    return Verdict("warm-up", "found", finding.what, (finding,))


def _finding(case: Case, start: _Start, differs: Difference, times: int, tried: int) -> Finding:
    bars = _bars_between(case, start.opens, differs.ts)
    declared = max((sum(each.warmup.values()) for each in case.make()), default=0)
    held = "" if start.flat else ", holding what it held"
    more = f"It declares {declared:,} bars of warm-up." if declared else "It declares no warm-up."
    return Finding(
        code="E691",
        what=f"It decides otherwise when it is started {when(start.opens, case.history)}{held}: in its bar {bars:,}.",
        why=f"{more} What it remembers from earlier bars is missing after a start: averages that begin with the first "
        f"bar, flags, counters. It showed with {times} of {tried} starts.",
        remedy='Declare what it needs, as in warmup = {"1Day": 60}, computed from self.history(...) in on_start; '
        "an average that never forgets needs several times its length. What is held is told by self.position(...).",
        ts=differs.ts,
        strategy=differs.some.strategy,
        symbol=differs.some.symbol,
        before="nothing" if differs.one is None else differs.one.text,
        after="nothing" if differs.other is None else differs.other.text,
        count=times,
    )


def _bars_between(case: Case, first: int, last: int) -> int:
    each = max(case.history.columns.values(), key=len)
    return int(np.count_nonzero((each.opens >= first) & (each.known <= last)))


def _chosen(case: Case, count: int) -> list[_Start]:
    """Starts that are spread over the run, flat ones where there are any."""
    starts = list(_starts(case))
    able = [each for each in starts if each.flat] or starts
    if not able:
        return []
    wanted = np.linspace(able[0].opens, able[-1].opens, count + 2)[1:-1]
    nearest = {min(able, key=lambda each: abs(each.opens - at)).opens: None for at in wanted}
    return [each for each in able if each.opens in nearest]


def _starts(case: Case) -> Iterator[_Start]:
    """Every moment before a bar at which nothing is open, and the first warm-up lies behind."""
    history, result = case.history, case.whole
    longest = max(history.columns.values(), key=len)
    need = max((sum(each.warmup.values()) for each in case.make()), default=0)
    locked = min((each.ts for each in result.entries if isinstance(each, Locked | StateChange)), default=_NEVER)
    changed = np.array([ts for ts, _ in result.moments], dtype=np.int64)
    claimed = _claimed_once(case)
    for row in _quiet_rows(case, longest):
        opens = int(longest.opens[row])
        if opens >= locked:
            return
        since, on = (new_york(int(longest.opens[at])).date() for at in (max(0, row - need - 1), row))
        if any(since <= each.ex_date <= on for each in history.splits):
            continue
        portfolio = result.moments[max(0, int(changed.searchsorted(opens)) - 1)][1]
        if claimed.issuperset(portfolio.positions):
            yield _Start(opens, int(longest.begin[row]), portfolio)


def _quiet_rows(case: Case, columns: Columns) -> list[int]:
    """Bars before which nothing was open, from the end of the bar before to their own first print."""
    spans = _busy(case)
    begins, ends = (np.array([span[at] for span in spans], dtype=np.int64) for at in (0, 1))
    begun = begins.searchsorted(columns.opens[1:], side="right")
    over = ends.searchsorted(columns.known[:-1], side="left")
    return (np.flatnonzero(begun == over) + 1).tolist()


def _busy(case: Case) -> list[tuple[int, int]]:
    """When an order or a parent order was open."""
    record = case.whole.record
    spans = [
        (row.ts_decision, _NEVER if row.ts_final is None else row.ts_final)
        for row in record.orders
        if row.status != "refused"
    ]
    spans += [(row.ts_begin, _NEVER if row.ts_end is None else row.ts_end) for row in record.parents]
    return _merged(sorted(spans))


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in spans:
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged


def _claimed_once(case: Case) -> set[str]:
    """Symbols that one strategy alone trades: what the account holds at a start is its own."""
    names = [symbol for each in case.make() for symbol in each.symbols]
    return {name for name in names if names.count(name) == 1}
