"""Parity: one record of a run beside another of the same day, order by order, each difference with its reason.

Orders are the same when strategy, symbol, side and the minute of their decision agree, one after the other; what then
still differs (quantity, end, price) is told with why it may. Orders of only one side are told alone.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from puna.engine.record import OrderRow, RunRecord

__all__ = ["Difference", "Parity", "compared"]

MINUTE = 60_000_000_000
ROUNDED = Decimal("0.0000001")
"""Averages are told with nine decimals; a price that comes of two of them is off by less than this."""


class Difference(NamedTuple):
    """What differs about one order: which, in what, one side and the other, and why it may."""

    order: str
    what: str
    one: str
    other: str
    why: str


class Parity(NamedTuple):
    """How two records of one day compare.

    Attributes:
        names: of both sides.
        decisions: orders of one side, of the other, and how many were decided alike.
        fills: orders that were filled on both sides, and how many of these in the same quantity at the same price.
        equity: at the end, of both.
        differences: all of them, in order of time.
    """

    names: tuple[str, str]
    decisions: tuple[int, int, int]
    fills: tuple[int, int]
    equity: tuple[Decimal, Decimal]
    differences: tuple[Difference, ...]

    @property
    def same_decisions(self) -> bool:
        one, other, alike = self.decisions
        return one == other == alike

    @property
    def same_fills(self) -> bool:
        filled, alike = self.fills
        return self.same_decisions and filled == alike


def compared(
    one: RunRecord,
    other: RunRecord,
    names: tuple[str, str],
    *,
    same_market: bool,
    reasons: Mapping[str, str] | None = None,
) -> Parity:
    """Both records side by side.

    Args:
        one: a run.
        other: the same strategies on the same day in another way.
        names: of both, for people.
        same_market: whether both saw every quote: then nothing may differ, and a difference is a fault.
        reasons: instead of the usual ones: "qty", "price", "status", "alone" -> why.
    """
    why = dict(_FAULTS if same_market else _REASONS) | dict(reasons or {})
    pairs, alone = _paired(_decided(one), _decided(other))
    differences: list[tuple[int, Difference]] = []
    alike = filled = same = 0
    for mine, theirs in pairs:
        found = list(_differences(mine, theirs, why))
        alike += not any(each.what == "qty" for each in found)
        if mine.filled_qty and theirs.filled_qty:
            filled += 1
            same += not any(each.what in ("qty", "filled", "price") for each in found)
        differences += [(mine.ts_decision, each) for each in found]
    for row, side in alone:
        there = (_words(row), "-") if side == 0 else ("-", _words(row))
        differences.append((row.ts_decision, Difference(row.client_order_id, "alone", *there, why["alone"])))
    counts = len(list(_decided(one))), len(list(_decided(other))), alike
    told = tuple(each for _, each in sorted(differences, key=lambda pair: pair[0]))
    return Parity(names, counts, (filled, same), (one.equity_end, other.equity_end), told)


_REASONS = {
    "qty": "sized by equity and the quote at decision; bars know the last close and no quote",
    "price": "bars guess spread, depth and the moment of the fill; the run met real quotes",
    "filled": "bars guess depth: how much fills at once is the fill model's",
    "status": "an end that hangs on prices inside a bar",
    "alone": "decided on what only one side knew: a fill, a quote, a position that came earlier or later there",
}
_FAULTS = dict.fromkeys(_REASONS, "both saw the same market: this is a fault")


def _decided(record: RunRecord) -> Iterator[OrderRow]:
    """What strategies decided; what the broker made of it (legs) follows from that."""
    return (row for row in record.orders if row.leg_of is None)


def _paired(
    one: Iterable[OrderRow], other: Iterable[OrderRow]
) -> tuple[list[tuple[OrderRow, OrderRow]], list[tuple[OrderRow, int]]]:
    """Orders of both sides that are the same decision, and those that have no other."""
    waiting: dict[tuple[str, str, str, int], deque[OrderRow]] = defaultdict(deque)
    for row in other:
        waiting[_key(row)].append(row)
    pairs, alone = [], []
    for row in one:
        if there := waiting[_key(row)]:
            pairs.append((row, there.popleft()))
        else:
            alone.append((row, 0))
    alone += [(row, 1) for rows in waiting.values() for row in rows]
    return pairs, alone


def _key(row: OrderRow) -> tuple[str, str, str, int]:
    return row.strategy, row.symbol, row.side, row.ts_decision // MINUTE


def _differences(one: OrderRow, other: OrderRow, why: Mapping[str, str]) -> Iterator[Difference]:
    if one.qty != other.qty:
        yield Difference(one.client_order_id, "qty", f"{one.qty:f}", f"{other.qty:f}", why["qty"])
    if one.status != other.status:
        yield Difference(one.client_order_id, "status", one.status, other.status, why["status"])
    elif one.filled_qty != other.filled_qty and one.qty == other.qty:
        yield Difference(one.client_order_id, "filled", f"{one.filled_qty:f}", f"{other.filled_qty:f}", why["filled"])
    if one.avg_price is not None and other.avg_price is not None and abs(one.avg_price - other.avg_price) > ROUNDED:
        yield Difference(one.client_order_id, "price", f"{one.avg_price:.4f}", f"{other.avg_price:.4f}", why["price"])


def _words(row: OrderRow) -> str:
    return f"{row.side} {row.qty:f} {row.symbol} {row.status}"
