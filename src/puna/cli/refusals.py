"""The orders of a run that were refused, for the last screen: code by code, the most frequent first, and an example."""

from collections import defaultdict
from collections.abc import Iterator

from puna.engine.record import OrderRow, RunRecord
from puna.research.report.formats import quantity, reason, wall
from puna.research.statistics import metrics

__all__ = ["by_code", "lines"]

SHOWN = 3


def by_code(record: RunRecord) -> dict[str, list[OrderRow]]:
    """The refused orders by their code, the most frequent first; what has none is "-"."""
    found: defaultdict[str, list[OrderRow]] = defaultdict(list)
    for order in record.orders:
        if metrics.is_refused(order):
            found[order.refusal_code or "-"].append(order)
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def lines(record: RunRecord) -> Iterator[str]:
    """A sentence for each of the most frequent codes."""
    found = by_code(record)
    for code, orders in list(found.items())[:SHOWN]:
        first = orders[0]
        when = wall(first.ts_decision, "%Y-%m-%d %H:%M")
        wanted = f"{first.side} {quantity(first.qty)} {first.symbol} at {when}"
        times = f"{len(orders):,} times, first " if len(orders) > 1 else ""
        yield f"{code}  {times}{wanted}: {reason(first.refusal_text or 'no reason was given')}"
    if len(found) > SHOWN:
        yield f"and by {len(found) - SHOWN} other codes, in the report"
