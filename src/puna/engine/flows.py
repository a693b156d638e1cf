"""How each strategy's orders fare: refusals within a window, and what today's fills cost, added up as they come."""

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
        self._read = self._costed = 0
        self._today: date | None = None
        self._cost: defaultdict[str, Flow] = defaultdict(Flow)

    def now(self, now: int, window_seconds: float) -> dict[str, Flow]:
        """By strategy: refusals by the broker within the window, and what fills of today cost beyond the middle."""
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
        for each in booked[self._costed :]:
            if each.mid is not None and not each.fill.internal and date_of(each.ts) == today:
                self._add(each, each.mid)
        self._costed = len(booked)

    def _add(self, booked: "Booked", mid: float) -> None:
        fill = booked.fill
        flow, size = self._cost[fill.strategy], multiplier(fill.symbol)
        cost = (fill.notional - fill.qty * exact(mid)) * fill.side.sign * size
        self._cost[fill.strategy] = flow._replace(
            cost=flow.cost + cost, notional=flow.notional + abs(fill.notional) * size
        )
