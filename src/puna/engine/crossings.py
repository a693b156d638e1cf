"""Crosses of a gateway: what is decided about opposite orders of two strategies, and made durable before either leaves.

`core.netting` says what is crossed. A cross is decided together with the risk decision of the order that comes later,
and becomes durable in one commit with whatever was asked for up to then and is not written yet. Only then the rest of
either order leaves, so a process that is killed has done nothing about them, or all of it. Until a cross is durable it
can be taken back: when one of its orders was canceled meanwhile, or may not be sent any more.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from puna.core.netting import Cross, Netting, net
from puna.core.risk import RiskView
from puna.core.risk_rules import meet
from puna.core.types import OrderIntent, Quote
from puna.engine.entries import Crossed, Entry
from puna.engine.tasks import Rank

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["Crossings"]


class Crossings:
    """Decides crosses, and keeps what was asked for in its order until it is written.

    Args:
        gateway: whose orders these are.
        on: whether anything is crossed at all.
    """

    def __init__(self, gateway: "Gateway", *, on: bool) -> None:
        self._gateway = gateway
        self._on = on
        self._loose: set[str] = set()
        self._asked: dict[str, tuple[Entry, ...]] = {}
        self._pending: dict[str, Crossed] = {}
        self._handed: set[str] = set()
        self._doomed: dict[str, str] = {}
        self._tickets = count(1)

    def plan(self, intent: OrderIntent, view: RiskView) -> Netting:
        """What of an order would be crossed; changes nothing."""
        if not self._on or intent.legs:
            return Netting()
        facing = [each.intent for each in view.open if meet(each.intent, intent)]
        if not facing:
            return Netting()
        blotter, objection = self._gateway.blotter, self._gateway.objection
        loose = {each.client_order_id for each in facing if each.client_order_id in self._loose and not objection(each)}
        held = {name: qty for (name, symbol), qty in blotter.sleeves.items() if symbol == intent.symbol}
        crosses = [each.cross for each in self._pending.values()]
        return net(intent, view, self._gateway.limits, loose=loose, held=held, pending=crosses)

    def ask(self, key: str, entries: tuple[Entry, ...], crosses: Iterable[Cross], quote: Quote | None) -> None:
        """An order that was approved, with what is crossed of it; from now on others may be crossed with its rest."""
        self._asked[key] = entries
        self._loose.add(key)
        if quote is None:
            return
        for cross in crosses:
            self._pending[cross.cross_id] = Crossed(ts=entries[0].ts, cross=cross, quote=quote)
        if any(key in each.keys for each in self._pending.values()):
            self._gateway.line.put(Rank.INSIDE, lambda: self._gateway.written(key))

    def enlist(self, entry: Entry) -> str:
        """Something else that is to be written in its order; its ticket."""
        ticket = f"#{next(self._tickets)}"
        self._asked[ticket] = (entry,)
        return ticket

    def leave(self, key: str) -> None:
        """From here on something of the order may be at the broker: nothing is crossed with it any more."""
        self._loose.discard(key)

    def doomed(self, key: str) -> str:
        """Why an order must not be sent because a cross with it was taken back; empty when it may."""
        return self._doomed.get(key, "")

    def due(self, key: str) -> list[Entry]:
        """What must be durable, in one commit, before `key` may leave; nothing when all of it is."""
        found = self._joined(key)
        if not found:
            return list(self._asked.pop(key, ()))
        entries = self._up_to({key, *(name for each in found for name in each.keys)})
        for each in found:
            if self._taken_back(each):
                del self._pending[each.key]
            else:
                self._handed.add(each.key)
                entries.append(each)
        return entries

    def settle(self, entries: Iterable[Entry]) -> None:
        """These were written and booked, or never will be."""
        for each in entries if self._pending else ():
            if isinstance(each, Crossed):
                self._pending.pop(each.key, None)
                self._handed.discard(each.key)

    # Inside.

    def _joined(self, key: str) -> list[Crossed]:
        """The crosses that an order hangs together with, also through others, and that are still to be written."""
        if not self._pending:
            return []
        waiting = [each for each in self._pending.values() if each.key not in self._handed]
        names, found = {key}, list[Crossed]()
        while more := [each for each in waiting if each not in found and names.intersection(each.keys)]:
            found += more
            names.update(name for each in more for name in each.keys)
        return [each for each in waiting if each in found]

    def _up_to(self, names: set[str]) -> list[Entry]:
        """Takes what was asked for up to the last of these out of the backlog, in its order."""
        tickets = list(self._asked)
        last = max((at for at, ticket in enumerate(tickets) if ticket in names), default=-1)
        return [entry for ticket in tickets[: last + 1] for entry in self._asked.pop(ticket)]

    def _taken_back(self, crossed: Crossed) -> bool:
        """Whether one of both may not trade any more. It will not be sent; nor the other, if that met somebody else."""
        intents = [order.intent for key in crossed.keys if (order := self._gateway.order(key)) is not None]
        objections = [self._gateway.objection(each) for each in intents]
        if not any(objections):
            return False
        for intent, objection in zip(intents, objections, strict=True):
            why = objection or self._in_the_way(intent, crossed)
            if why:
                self._doomed[intent.client_order_id] = why
        return True

    def _in_the_way(self, intent: OrderIntent, crossed: Crossed) -> str:
        """The rest that is larger now must not meet at the broker what it was never to meet."""
        gone = {*crossed.keys, *self._doomed, *(key for each in self._pending.values() for key in each.keys)}
        others: Sequence[OrderIntent] = [order.intent for order in self._gateway.open_orders()]
        near = [each.client_order_id for each in others if each.client_order_id not in gone and meet(each, intent)]
        return f"what it was crossed with has ended, and it would meet {near[0]} at the broker" if near else ""
