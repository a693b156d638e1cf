"""How each strategy's orders fare: refusals within a window, today's orders, fills and their cost, as they come."""

from collections import defaultdict, deque
from datetime import date
from typing import TYPE_CHECKING

from puna.core.orders import Status
from puna.core.protections import Flow
from puna.core.sessions import date_of
from puna.core.symbols import multiplier
from puna.core.types import exact

if TYPE_CHECKING:
    from puna.engine.blotter import Blotter, Booked

__all__ = ["Flows"]

NANOS = 1_000_000_000
_NO = (Status.REJECTED, Status.REFUSED)


class Flows:
    """Reads on in the books where it stopped.

    Args:
        blotter: the books.
    """

    def __init__(self, blotter: "Blotter") -> None:
        self._blotter = blotter
        self._refused: deque[tuple[int, str]] = deque()
        self._read = self._costed = self._counted = 0
        self._today: date | None = None
        self._cost: defaultdict[str, Flow] = defaultdict(Flow)
        self._filled: set[str] = set()

    def now(self, now: int, window_seconds: float) -> dict[str, Flow]:
        """By strategy: refusals by the broker within the window; of today orders, fills, and what these cost."""
        self._take(date_of(now))
        while self._refused and self._refused[0][0] <= now - round(window_seconds * NANOS):
            self._refused.popleft()
        found = dict(self._cost)
        for _, key in self._refused:
            order = self._blotter.orders[key]
            if order.status in _NO:  # later evidence may have said otherwise
                flow = found.get(order.intent.strategy, Flow())
                found[order.intent.strategy] = flow._replace(refused=flow.refused + 1)
        return found

    def _take(self, today: date) -> None:
        refused, booked = self._blotter.refused, self._blotter.booked
        self._refused.extend(refused[self._read :])
        self._read = len(refused)
        if today != self._today:
            self._today = today
            self._cost.clear()
            self._filled.clear()
        for entry in self._blotter.sent[self._counted :]:
            if date_of(entry.ts) == today:
                flow = self._cost[entry.intent.strategy]
                self._cost[entry.intent.strategy] = flow._replace(sent=flow.sent + 1)
        self._counted = len(self._blotter.sent)
        for each in booked[self._costed :]:
            if date_of(each.ts) == today:
                self._fill(each)
        self._costed = len(booked)

    def _fill(self, booked: "Booked") -> None:
        """An order that was sent today and filled counts once; what its fills cost, each time."""
        fill, known = booked.fill, self._blotter.orders.get(booked.fill.client_order_id)
        head = (known.intent.leg_of if known else None) or fill.client_order_id
        entry = self._blotter.intents.get(head)
        if fill.qty and head not in self._filled and entry is not None and date_of(entry.ts) == self._today:
            self._filled.add(head)
            flow = self._cost[fill.strategy]
            self._cost[fill.strategy] = flow._replace(filled=flow.filled + 1)
        if booked.mid is not None:
            self._add(booked, booked.mid)

    def _add(self, booked: "Booked", mid: float) -> None:
        fill = booked.fill
        flow, size = self._cost[fill.strategy], multiplier(fill.symbol)
        cost = (fill.notional - fill.qty * exact(mid)) * fill.side.sign * size
        self._cost[fill.strategy] = flow._replace(
            cost=flow.cost + cost, notional=flow.notional + abs(fill.notional) * size
        )
