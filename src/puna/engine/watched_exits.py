"""Exits that are watched here: how much of a strategy's position each protects, and what its entry has to do with it.

Exits that an entry brought last as long as something of it is held. A fill that comes after they have ended gives them
back; an entry that has ended is read again before they believe that it is over.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from puna.core.execution import Event
from puna.core.exits import ExitState
from puna.core.orders import Order
from puna.core.parent import Alarm, CancelEntry, Held, Protect, Reached
from puna.core.types import ZERO
from puna.engine.entries import ParentBegun, ParentReached
from puna.engine.working import Working

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["WatchedExits"]

RETRY_SECONDS = 1.0


class WatchedExits:
    """The exits among the parents of a run.

    Args:
        gateway: knows the entries.
        live: all parents that are worked.
        feed: tells one of them something.

    Attributes:
        position: what a strategy holds of a symbol; exits close no more.
    """

    def __init__(
        self, gateway: "Gateway", live: Callable[[], Iterable[Working]], feed: Callable[[Working, Event], None]
    ) -> None:
        self.position: Callable[[str, str], Decimal] = gateway.blotter.sleeve
        self._gateway = gateway
        self._live = live
        self._feed = feed
        self._ended: dict[str, ParentBegun] = {}
        self._asked: set[str] = set()
        self._read: set[str] = set()

    def end(self, working: Working) -> None:
        """Exits have ended: an entry that fills later still gets them back, unless somebody ended them."""
        if isinstance(working.state, ExitState) and not working.state.stopped and _entry(working):
            self.remember(working.begun)
        self._asked.discard(working.id)
        self._read.discard(working.id)

    def remember(self, begun: ParentBegun) -> None:
        """Exits that have ended while their entry may still fill."""
        style = begun.parent.style
        if isinstance(style, Protect) and style.entry:
            self._ended[style.entry] = begun

    def given_back(self, order: Order) -> ParentBegun | None:
        """The exits that an entry gets back because it was filled after they had ended."""
        begun = self._ended.pop(order.client_order_id, None)
        if begun is not None:
            self._read.add(begun.parent_id)
        return begun

    def do(self, working: Working, action: CancelEntry | Reached | Alarm) -> None:
        """What only exits ask for."""
        gateway = self._gateway
        match action:
            case CancelEntry():
                gateway.cancel(_entry(working), "an exit of what it has filled is due")
            case Reached(price):
                gateway.enlist(ParentReached(ts=gateway.clock.now(), parent_id=working.id, price=price))
            case Alarm(text):
                gateway.note("E302", f"{working.parent.symbol}, {working.id}: {text}")

    def tell(self, strategy: str, symbol: str) -> None:
        """Tells the exits of a strategy's position how much of it each protects: together never more than is held."""
        mine = [each for each in self._live() if _protects(each, strategy, symbol)]
        if not mine:
            return
        left = max(ZERO, -mine[0].parent.side.sign * self.position(strategy, symbol))
        for working in mine:
            left -= self._tell(working, left)

    def _tell(self, working: Working, left: Decimal) -> Decimal:
        """Tells one how much of what is `left` it protects, and answers that."""
        orders = self._gateway.blotter.orders
        sold = sum((orders[key].filled_qty for key in working.children if key in orders), ZERO)
        entry = self._gateway.order(_entry(working))
        bought = _style(working).held + (entry.filled_qty if entry else ZERO)
        own = bought - sold
        granted = max(ZERO, min(own, left))
        over = self._over(working, entry)
        self._feed(working, Held(bought, own - granted, over))
        if entry is not None and entry.is_terminal and not over and working.id not in self._asked:
            self._asked.add(working.id)
            self._gateway.tasks.spawn(self._read_entry(working), f"read the entry of {working.id}")
        return granted

    def _over(self, working: Working, entry: Order | None) -> bool:
        """Whether the entry brings nothing more: filled as a whole, read again after its end, or never sent."""
        whole = entry is None or (entry.filled_qty >= entry.intent.qty and entry.is_terminal)
        return whole or working.id in self._read or (entry is not None and entry.is_terminal and not entry.seen)

    async def _read_entry(self, working: Working) -> None:
        """Reads an entry that has ended again: a fill may have come after the cancel."""
        gateway, key = self._gateway, _entry(working)
        while not await gateway.outbound.query(key):
            await gateway.clock.backoff(RETRY_SECONDS)
        async with gateway.lock:
            self._read.add(working.id)
            self.tell(working.begun.strategy, working.parent.symbol)


def _style(working: Working) -> Protect:
    style = working.parent.style
    assert isinstance(style, Protect)  # noqa: S101 - only exits are asked
    return style


def _entry(working: Working) -> str:
    return _style(working).entry


def _protects(working: Working, strategy: str, symbol: str) -> bool:
    mine = working.begun.strategy == strategy and working.parent.symbol == symbol
    return mine and isinstance(working.parent.style, Protect)
