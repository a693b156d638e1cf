"""Where requests wait for their turn: the smaller lane first, then first come, first served, as the budget allows."""

import asyncio
import heapq
from dataclasses import dataclass, field

from puna.alpaca.pace import NANOS, Budget, RateHeaders
from puna.alpaca.request import Lane
from puna.seams import Clock

__all__ = ["Turnstile"]


@dataclass(order=True)
class _Ticket:
    lane: Lane
    number: int
    called: asyncio.Event = field(compare=False, default_factory=asyncio.Event)
    gone: bool = field(compare=False, default=False)


class Turnstile:
    """Holds a budget, and lets through.

    Args:
        budget: how many requests may go in any 60 s; share one among all users of a key.
        clock: waits are in market time.
    """

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.budget = budget
        self._clock = clock
        self._queue: list[_Ticket] = []
        self._numbers = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return sum(not ticket.gone for ticket in self._queue)

    @property
    def remaining(self) -> int:
        """How many orders may go now; -1 when there is no limit."""
        return self.budget.remaining(self._clock.now())

    def pause(self, lane: Lane) -> float:
        """Seconds until a request of this lane may go, as far as the budget goes; nothing is counted."""
        now = self._clock.now()
        return self.budget.wait(lane, now) / NANOS if self._clock.moving else 0.0

    async def enter(self, lane: Lane) -> None:
        """Returns when a request of this lane may go, and counts it."""
        if self._queue or self._budgeted(lane):
            await self._queued(lane)

    def learn(self, headers: RateHeaders, *, refused: bool) -> None:
        """What the rate headers of an answer say; `refused`: it was a 429."""
        self.budget.learn(headers, self._clock.now())
        if refused:
            self.budget.hold(headers, self._clock.now())

    async def _queued(self, lane: Lane) -> None:
        self._numbers += 1
        ticket = _Ticket(lane, self._numbers)
        heapq.heappush(self._queue, ticket)
        try:
            while wait := self._wait(ticket):
                await self._asleep(ticket, wait)
        finally:
            ticket.gone = True
            self._call_next()

    def _wait(self, ticket: _Ticket) -> float:
        """Seconds; until it is called, for whoever is not the first."""
        if self._queue[0] is not ticket:
            return float("inf")
        return self._budgeted(ticket.lane)

    def _budgeted(self, lane: Lane) -> float:
        """0 when it may go, and then it is counted; otherwise seconds.

        Nothing is waited for while market time stands still, for it would never come.
        """
        now = self._clock.now()
        if self._clock.moving:
            return self.budget.take(lane, now) / NANOS
        self.budget.spend(lane, now)
        return 0.0

    async def _asleep(self, ticket: _Ticket, seconds: float) -> None:
        if seconds == float("inf"):
            ticket.called.clear()
            await ticket.called.wait()
        else:
            await self._clock.backoff(seconds)

    def _call_next(self) -> None:
        while self._queue and self._queue[0].gone:
            heapq.heappop(self._queue)
        if self._queue:
            self._queue[0].called.set()
