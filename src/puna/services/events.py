"""Execution's journal as events of the bus: the same function for what happens now and for what somebody missed."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from puna.bus.messages import Event, EventsPage, FillUpdate, OrderState, PositionUpdate, RiskDecision
from puna.core.orders import Order
from puna.core.types import ZERO, Position
from puna.engine.blotter import Blotter, Change
from puna.engine.entries import Decision, Entry, Intent, Refusal

__all__ = ["Events", "events_of", "topic_of"]

KEPT = 50_000


def topic_of(event: Event) -> str:
    """Where an event is published."""
    match event:
        case OrderState():
            return f"order.{event.strategy or 'external'}"
        case FillUpdate():
            return f"fill.{event.fill.strategy or 'external'}"
        case PositionUpdate():
            return f"position.{event.position.symbol}"
        case RiskDecision():
            return "order.decision"


def events_of(seq: int, entry: Entry, changes: Sequence[Change], blotter: Blotter) -> Iterator[Event]:
    """What a record of the journal is to others, after it was taken in."""
    match entry:
        case Refusal():
            intent, breach = entry.intent, entry.breach
            key = intent.client_order_id
            yield RiskDecision(seq, key, intent.symbol, False, entry.ts, breach.code, breach.message)  # noqa: FBT003
        case Intent():
            yield RiskDecision(seq, entry.key, entry.intent.symbol, True, entry.ts)  # noqa: FBT003
        case _:
            pass
    if isinstance(entry, Decision):
        return
    for change in changes:
        yield from _changed(seq, entry.ts, change, blotter)


def _changed(seq: int, ts: int, change: Change, blotter: Blotter) -> Iterator[Event]:
    yield _order(seq, change.order, ts)
    for fill in change.fills:
        yield FillUpdate(seq, fill)
    # What was crossed inside leaves the account's position as it is.
    for symbol in sorted({fill.symbol for fill in change.fills if not fill.internal}):
        held = blotter.portfolio.positions.get(symbol) or Position(symbol=symbol, qty=ZERO, cost=ZERO)
        yield PositionUpdate(seq, held, ts)


class Events:
    """The last events, by record, for whoever asks for what it missed."""

    def __init__(self) -> None:
        self.head = 0
        self._kept: deque[Event] = deque(maxlen=KEPT)

    def take(self, seq: int, events: Iterable[Event]) -> None:
        """What a record was."""
        self._kept.extend(events)
        self.head = max(self.head, seq)

    def replay(self, records: Iterable[tuple[int, Entry]]) -> None:
        """Begins anew with a journal, before it is worked with."""
        self._kept.clear()
        blotter = Blotter()
        for seq, entry in records:
            changes = blotter.apply(seq, entry)
            self.take(seq, events_of(seq, entry, changes, blotter))

    def page(self, after: int, limit: int) -> EventsPage:
        """Everything after a record, up to a limit; whole records only."""
        found = [event for event in self._kept if event.journal > after]
        if len(found) <= limit:
            return EventsPage(tuple(found), self.head, self.head)
        last = found[limit].journal
        cut = [event for event in found[:limit] if event.journal < last] or [e for e in found if e.journal == last]
        return EventsPage(tuple(cut), cut[-1].journal, self.head)


def _order(seq: int, order: Order, ts: int) -> OrderState:
    intent, average = order.intent, order.average_price
    return OrderState(
        seq,
        order.client_order_id,
        intent.strategy,
        intent.symbol,
        intent.side,
        f"{intent.qty:f}",
        f"{order.filled_qty:f}",
        str(order.status),
        ts,
        None if average is None else f"{average:f}",
        None if intent.limit_price is None else f"{intent.limit_price:f}",
        order.reason,
        order.broker_id,
    )
