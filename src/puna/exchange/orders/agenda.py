"""What is planned: steps of orders and boundaries of days, each at its instant of market time."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from puna.wire.trading import TradeUpdate

__all__ = ["Agenda", "Deed"]

Deed: TypeAlias = Callable[[int], Iterable[TradeUpdate]]


class Agenda:
    """Planned steps; what an order was to do is still planned when it has ended, and then finds nothing to do."""

    def __init__(self) -> None:
        self._plan: list[tuple[int, int, Deed]] = []
        self._planned = 0

    def next_due(self) -> int | None:
        """When the next planned step is due."""
        return self._plan[0][0] if self._plan else None

    def at(self, ts: int, deed: Deed) -> None:
        """Plans a step."""
        self._planned += 1
        heapq.heappush(self._plan, (ts, self._planned, deed))

    def drop(self, before: int) -> None:
        """Forgets what is planned earlier than `before`: whoever calls knows that nothing would come of it."""
        while self._plan and self._plan[0][0] < before:
            heapq.heappop(self._plan)

    def step(self, now: int) -> Iterator[TradeUpdate]:
        """Does the next planned step."""
        yield from heapq.heappop(self._plan)[2](now)
