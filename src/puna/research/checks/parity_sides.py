"""One side of a comparison: what was held, open and worth at a moment, and how orders were filled."""

from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal

from puna.core.types import ZERO
from puna.engine.record import DropRow, FillRow, RunRecord

__all__ = ["ROUNDED", "Side"]

ROUNDED = Decimal("0.0000001")
"""Averages are told with nine decimals; a price that comes of two of them is off by less than this."""
_AFTER = 60_000_000_000
"""What a stream swallowed is fetched when it is back, and decided on within a minute."""
_FOREVER = 2**62


class Side:
    """What a run knew, by its record."""

    def __init__(self, record: RunRecord) -> None:
        self._drops = record.drops
        self._fills: dict[str, list[FillRow]] = defaultdict(list)
        self._held: dict[tuple[str, str], list[tuple[int, Decimal]]] = defaultdict(list)
        for row in sorted(record.fills, key=lambda each: each.ts):
            self._fills[row.cid].append(row)
            steps = self._held[row.strategy, row.symbol]
            before = steps[-1][1] if steps else ZERO
            steps.append((row.ts, before + (row.qty if row.side == "buy" else -row.qty)))
        self._spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for order in record.orders:
            if order.status not in ("refused", "rejected") and order.leg_of is None:
                end = _FOREVER if order.ts_final is None else order.ts_final
                self._spans[order.strategy, order.symbol].append((order.ts_decision, end))
        self._equity = [(point.ts, point.equity) for point in record.equity]

    def held(self, strategy: str, symbol: str, ts: int) -> Decimal:
        """What a strategy's own fills came to before a moment."""
        steps = self._held.get((strategy, symbol), [])
        at = bisect_right(steps, ts - 1, key=lambda step: step[0])
        return steps[at - 1][1] if at else ZERO

    def open_orders(self, strategy: str, symbol: str, ts: int) -> int:
        """How many of its orders were decided before that moment and had not ended."""
        return sum(begin < ts < end for begin, end in self._spans.get((strategy, symbol), []))

    def equity(self, ts: int) -> Decimal | None:
        """The last that was noted, up to that moment."""
        at = bisect_right(self._equity, ts, key=lambda point: point[0])
        return self._equity[at - 1][1] if at else None

    def dropped(self, begin: int, end: int) -> DropRow | None:
        """A stream that was down then, or had only just come back."""
        return next(
            (
                each
                for each in self._drops
                if each.ts_down <= end and begin <= (_FOREVER if each.ts_up is None else each.ts_up) + _AFTER
            ),
            None,
        )

    def first_fill(self, order: str) -> FillRow | None:
        """The first step of its fills."""
        found = self._fills.get(order)
        return found[0] if found else None

    def steps(self, order: str) -> int:
        """In how many steps it was filled."""
        return len(self._fills.get(order, ()))
