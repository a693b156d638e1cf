"""The third source of fills: the broker's feed of account activities, beside trade updates and REST reads (R1).

A fill that it tells goes through the same reducer as all evidence, merged by order and cumulative quantity, so what
another source has told already changes nothing. What is no fill (fees, dividends, splits, assignments) moves nothing by
itself: it asks for a comparison of the books, which reads the activities and books each once. So does every hole.

How far it was followed stands in the journal, and the next start goes on behind it; where the broker no longer knows
that event, from the last comparison on. The feed only ever adds: trading does not wait for it, and without it the two
other sources remain. It is not followed on a driven clock, since it has no pings and no part in the lockstep barrier.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from puna.alpaca.events import Events, get_activity_events
from puna.alpaca.feed import EventFeed
from puna.alpaca.frames import Frame, StreamStatus
from puna.alpaca.mapping import execution
from puna.core.orders import Order, Update
from puna.engine.entries import FeedReached
from puna.engine.gateway import Gateway
from puna.engine.sighting import Sighting
from puna.errors import AuthError, JournalError, PunaError
from puna.wire.activities import ActivityEvent

__all__ = ["SILENCE_SECONDS", "ActivityFollower", "OpenFeed"]

OpenFeed: TypeAlias = Callable[[Events[ActivityEvent]], EventFeed[ActivityEvent]]

NANOS = 1_000_000_000
SILENCE_SECONDS = 120.0
"""Silence, comments included, for longer than this (wall time) makes the connection anew. Where a broker sends no signs
of life, that is one request each two minutes, and nothing is missed or told twice."""
_CORRECTIONS = frozenset({"trade_bust", "trade_correct"})


class ActivityFollower:
    """Follows the feed for a gateway, from where its journal ends.

    Args:
        gateway: started, and its books opened.
        open_feed: makes the connection that these events come from.
        compare: compares the books with the broker's; called for movements and holes, one call at a time.

    Attributes:
        fills: fills that the feed was the first to tell.
    """

    def __init__(self, gateway: Gateway, open_feed: OpenFeed, compare: Callable[[], Awaitable[None]]) -> None:
        self.fills = 0
        self._gateway = gateway
        self._open = open_feed
        self._compare = compare
        self._feed: EventFeed[ActivityEvent] | None = None
        self._written: int | None = None
        self._moved = asyncio.Event()

    @property
    def status(self) -> StreamStatus:
        """Facts about the feed."""
        return self._feed.status if self._feed is not None else StreamStatus()

    async def follow(self) -> None:
        """Until it is cancelled, or the broker refuses the feed: that is written down, and trading goes on without.

        Raises:
            JournalError: what it told cannot be written.
        """
        self._gateway.tasks.spawn(self._comparisons(), "comparisons for activities")
        reached = self._gateway.blotter.activity
        ways = [get_activity_events(since_id=reached)] if reached else []
        for events in [*ways, get_activity_events(since=self._begin())]:
            try:
                await self._heard(events)
            except JournalError:
                raise
            except AuthError as error:
                return self._given_up(error)
            except PunaError as error:
                refused = error
        return self._given_up(refused)

    def _begin(self) -> int:
        opening = self._gateway.blotter.opening
        return max(opening.broker_ts if opening else 0, self._gateway.blotter.broker_ts)

    def _given_up(self, error: PunaError) -> None:
        self._gateway.note(error.code, f"the feed of activities is not followed: {error.what} {error.why}".strip())

    async def _heard(self, events: Events[ActivityEvent]) -> None:
        async with self._open(events) as feed:
            self._feed = feed
            async for frame in feed:
                await self._take(frame)
                await self._remember(feed.latest)

    async def _take(self, frame: Frame[ActivityEvent]) -> None:
        if frame.gap is not None:
            self._moved.set()
        for event in frame.messages:
            if event.activity_type == "FILL":
                await self._fill(event)
            elif self._is_news(event):
                self._moved.set()

    async def _fill(self, event: ActivityEvent) -> None:
        """Evidence, if it says something that no other source has said; what cannot be used is asked for instead."""
        try:
            update = execution(event)
        except ValueError as error:
            self._gateway.note("E300", f"an activity could not be read: {error}")
            self._moved.set()
            return
        opening = self._gateway.blotter.opening
        if update is None or (opening is not None and update.ts <= opening.broker_ts):
            return
        order = self._gateway.blotter.find(update.client_order_id, update.broker_id)
        if order is None:
            self._gateway.tasks.spawn(self._stranger(update), f"activity of {update.broker_id}")
        elif update.event in _CORRECTIONS and not _corrects(order, update):
            self._moved.set()
        elif not _told(order, update):
            await self._absorb(update)

    async def _absorb(self, update: Update) -> None:
        changes = await self._gateway.absorb([Sighting(update)])
        self.fills += sum(len(change.fills) for change in changes)

    async def _stranger(self, update: Update) -> None:
        """An order that nobody here knows: a leg, or somebody else's. The stream may tell of it; else it is read."""
        gateway = self._gateway
        await gateway.clock.backoff(gateway.timing.settle)
        if gateway.blotter.find(update.client_order_id, update.broker_id) is None:
            await gateway.outbound.look_up(update.broker_id)

    def _is_news(self, event: ActivityEvent) -> bool:
        """Whether it moved something since the books began, and is not booked yet."""
        opening, ref = self._gateway.blotter.opening, event.ref_id
        if opening is not None and event.at <= opening.broker_ts:
            return False
        return not ref or all(_reference(each) != ref for each in self._gateway.blotter.moved)

    async def _comparisons(self) -> None:
        """One comparison for all that comes within a while, since positions may be behind what moved them."""
        while True:
            await self._moved.wait()
            await self._gateway.clock.sleep(2 * self._gateway.timing.refresh)
            self._moved.clear()
            await self._compare()

    async def _remember(self, reached: str | None) -> None:
        """Writes down how far it got, at most once in a while: what is told again changes nothing."""
        now = self._gateway.clock.now()
        pause = round(self._gateway.timing.refresh * NANOS)
        if reached is None or (self._written is not None and now - self._written < pause):
            return
        self._written = now
        await self._gateway.record(FeedReached(ts=now, event_id=reached))


def _told(order: Order, update: Update) -> bool:
    """Whether an execution up to that quantity is known. After a correction the broker counts anew: it may be new."""
    return not order.corrections and any(each.cum_qty == update.cum_qty for each in order.executions)


def _corrects(order: Order, update: Update) -> bool:
    """Whether what it puts right is known by that name; else only a comparison of the books can tell what is true."""
    name = update.previous_execution_id or update.execution_id
    return any(each.execution_id == name for each in order.executions)


def _reference(booked: str) -> str:
    """The broker's own id within the reference of a booking: `YYYYMMDDHHMMSSmmm::UUID/part`."""
    return booked.rpartition("::")[2].partition("/")[0]
