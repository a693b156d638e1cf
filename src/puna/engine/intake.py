"""Evidence on its way in: what sightings are worth as entries of the journal, and whose orders they are about.

What is known already is worth nothing. What nobody knows is a leg of an order of ours, an order of ours that was lost,
or somebody else's; whatever cannot be believed halts trading.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from puna.alpaca import mapping
from puna.core.orders import Order, from_intent, reduce
from puna.core.types import OrderClass, OrderIntent
from puna.engine.blotter import EXTERNAL
from puna.engine.entries import Adoption, Entry, Evidence
from puna.engine.families import Families
from puna.engine.sighting import Sighting
from puna.errors import ProtocolError
from puna.wire import trading

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["Intake"]


class Intake:
    """Reads sightings for a gateway.

    Args:
        gateway: whose books they are compared with.
        prefix: the first part of our client_order_ids.
    """

    def __init__(self, gateway: "Gateway", prefix: str) -> None:
        self._gateway = gateway
        self._families = Families()
        self._asked: set[str] = set()
        self._ours = re.compile(rf"{re.escape(prefix)}-(\d+)-(.+)-\d+")

    def entries(self, sightings: Iterable[Sighting], *, booked: bool) -> list[Entry]:
        """The entries that sightings are worth, in their order; what they say about legs comes after their heads."""
        now, entries = self._gateway.clock.now(), list[Entry]()
        ahead: dict[str, Order] = {}
        waiting = deque(sightings)

        while waiting:
            sighting = waiting.popleft()
            ours, theirs = sighting.update.client_order_id, sighting.update.broker_id
            order = ahead.get(ours) or ahead.get(theirs) or self._gateway.blotter.find(ours, theirs)
            entry, after = (
                self._adoption(sighting, now, ahead, booked=booked)
                if order is None
                else self._evidence(order, sighting, now)
            )
            if after is not None:
                for name in (after.client_order_id, *after.broker_ids):
                    ahead[name] = after
                if sighting.shown is not None:
                    self._families.learn(after, sighting.shown)
                    waiting.extendleft(reversed(self._families.parts(after, sighting)))
            if entry is not None:
                entries.append(entry)
        return entries

    def _believable(self, order: Order, sighting: Sighting) -> bool:
        """Whether what the broker shows for the first time under our id is what we asked for."""
        if sighting.shown is None:
            return True
        try:
            mapping.check_echo(order.remainder, sighting.shown)
        except ProtocolError as error:
            self._gateway.halt(f"under {order.client_order_id} the broker shows another order: {error.why}")
            return False
        return True

    def _evidence(self, order: Order, sighting: Sighting, now: int) -> tuple[Entry | None, Order | None]:
        """What is new about an order, and the order with it."""
        update, key = sighting.update, order.client_order_id
        self._gateway.heard[key] = now
        if not (order.seen or self._believable(order, sighting)):
            return None, order
        if update.client_order_id != key:
            update = replace(update, client_order_id=key)
        after, _ = reduce(order, update)
        if after is order:
            return None, order
        return Evidence(ts=now, update=update, mid=self._gateway.market.mid(order.intent.symbol)), after

    def _adoption(
        self, sighting: Sighting, now: int, ahead: Mapping[str, Order], *, booked: bool
    ) -> tuple[Entry | None, Order | None]:
        """An order that nobody here has heard of: a leg of one of ours, one of ours that was lost, or another's."""

        def known(key: str) -> Order | None:
            return ahead.get(key) or self._gateway.blotter.orders.get(key)

        try:
            found = self._families.intent(sighting, known) or self._found(sighting)
        except ProtocolError as error:
            self._gateway.halt(f"{error.what} {error.why}", by="broker")
            return None, None
        if found is None:
            return None, None
        intent = from_intent(found).intent
        update = replace(sighting.update, client_order_id=intent.client_order_id)
        after, _ = reduce(from_intent(intent), update)
        return Adoption(ts=now, intent=intent, update=update, booked=booked), after

    def _found(self, sighting: Sighting) -> OrderIntent | None:
        """What stands behind an order at the broker; None when it must be asked for with its legs first."""
        shown = sighting.shown
        if shown is None:
            return None
        if shown.order_class == OrderClass.MLEG and not shown.legs and shown.id not in self._asked:
            self._asked.add(shown.id)
            self._gateway.tasks.spawn(self._gateway.outbound.look_up(shown.id), f"look up {shown.id}")
            return None
        match = self._ours.fullmatch(sighting.update.client_order_id)
        if match is None:
            return mapping.intent(_counted(shown), strategy=EXTERNAL)
        newer = self._is_newer(int(match.group(1)), sighting.update.client_order_id)
        return mapping.intent(_counted(shown), strategy=EXTERNAL if newer else match.group(2))

    def _is_newer(self, number: int, key: str) -> bool:
        """Whether an order of our prefix is of a process that began after this one: two must not trade one account.

        The older of two sees it and halts (OPR-01); the order is the other's, so it is booked and left alone.
        """
        epoch = self._gateway.blotter.epoch
        if epoch is None or number <= epoch.number:
            return False
        self._gateway.halt(
            f"another process trades on this account: its order {key} is of epoch {number}, which began after ours "
            f"({epoch.number}). End one of them, or give each an account, or a prefix, of its own"
        )
        return True


def _counted(order: trading.Order) -> trading.Order:
    """An order by value has no quantity until it has ended; then it is what was filled."""
    ended = order.status in ("filled", "canceled", "expired", "rejected") and order.filled_qty
    return replace(order, qty=order.filled_qty) if order.qty is None and ended else order
