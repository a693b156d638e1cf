"""Silence: one watcher for all open orders, who asks about each of which nothing was heard for too long (R5, R13).

Orders stand in a queue by when their silence will have lasted too long; who is heard of meanwhile is put back when his
turn comes. So it costs the same however many orders were ever sent.
"""

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from puna.core.orders import Order, Status
from puna.core.types import OrderType
from puna.engine.tasks import Rank

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["Watch"]

NANOS = 1_000_000_000
PATIENT_CANCELS = 3
_MOVING = frozenset(
    {
        Status.SENT,
        Status.PENDING_NEW,
        Status.ACCEPTED,
        Status.PENDING_CANCEL,
        Status.PENDING_REPLACE,
        Status.UNKNOWN,
    }
)


class Watch:
    """The watcher of one gateway; there is no task while no order is open.

    Args:
        gateway: whose orders, and who is asked to ask.
    """

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._queue: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        self._awake = False

    def attend(self, key: str) -> None:
        """Watches an open order from now on; one that is watched already may have become more urgent."""
        gateway = self._gateway
        gateway.heard.setdefault(key, gateway.clock.now())
        due = self._deadline(gateway.blotter.orders[key])
        if due < self._due.get(key, due + 1):
            self._due[key] = due
            heappush(self._queue, (due, key))
        if not self._awake:
            self._awake = True
            gateway.tasks.spawn(self._watch(), "watch")

    async def _watch(self) -> None:
        """While any order is open."""
        clock, timing = self._gateway.clock, self._gateway.timing
        longest = min(timing.transit, timing.resting)  # whoever comes meanwhile is due no sooner, or was late already
        while self._queue:
            due, key = self._queue[0]
            if (left := due - clock.now()) > 0:
                await clock.sleep(min(left / NANOS, longest))
            else:
                heappop(self._queue)
                if self._due.get(key) == due:
                    self._look(key)
        self._awake = False

    def _look(self, key: str) -> None:
        """An order's time has come: it has ended, was heard of since, or has been silent for too long."""
        gateway, order = self._gateway, self._gateway.blotter.orders[key]
        del self._due[key]
        if not order.is_open:
            return
        if self._deadline(order) > gateway.clock.now():
            self.attend(key)
        else:
            self._due[key] = 0  # nobody asks twice at once
            gateway.tasks.spawn(self._ask(key), f"ask about {key}")

    async def _ask(self, key: str) -> None:
        gateway = self._gateway
        if await gateway.outbound.query(key):
            self._insist(key)
        self._due.pop(key, None)
        if gateway.blotter.orders[key].is_open:
            self.attend(key)

    def _deadline(self, order: Order) -> int:
        """When its silence will have lasted too long."""
        timing, key = self._gateway.timing, order.client_order_id
        moving = order.status in _MOVING or order.intent.type is OrderType.MARKET
        patience = timing.transit if moving or key in self._gateway.blotter.cancels else timing.resting
        return self._gateway.heard[key] + round(patience * NANOS)

    def _insist(self, key: str) -> None:
        """A cancel that had no effect is sent again, and told of; nobody invents that it happened."""
        gateway = self._gateway
        order = gateway.blotter.orders[key]
        if key in gateway.blotter.cancels and order.is_open:
            if gateway.outbound.cancels_sent.get(key, 0) == PATIENT_CANCELS:
                gateway.note("E500", f"{key} does not end although it was canceled; it counts as open ({order.status})")
            gateway.line.put(Rank.CANCEL, lambda: gateway.outbound.cancel(key))
