"""One parent order that is worked: what it is, where it stands, and which orders are its children."""

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal

from puna.core import exits
from puna.core.execution import Action, Child, Event, Parent, State, resumed
from puna.core.exits import ExitState
from puna.core.orders import Order, Status
from puna.core.parent import Protect
from puna.core.types import ZERO, Fill
from puna.engine.entries import ParentBegun

__all__ = ["NEVER_WAS", "Working", "taken_up"]

NANOS = 1_000_000_000
NEVER_WAS = (Status.REFUSED, Status.REJECTED, Status.ABANDONED)


class Working:
    """One parent that is worked.

    Attributes:
        begun: what is to be done, and for whom.
        state: where it stands.
        children: their client_order_ids, by number.
        events: what it is still to be told.
        busy: it is being told something.
        wake: when it is to be woken up, ns; 0: not at all.
        own: what it traded in each minute, by the minute's beginning, ns.
    """

    def __init__(
        self, begun: ParentBegun, state: State | ExitState | None = None, children: Iterable[str] = ()
    ) -> None:
        self.begun = begun
        self.state = state or (ExitState() if isinstance(begun.parent.style, Protect) else State())
        self.children: list[str] = []
        self.events: deque[Event] = deque()
        self.busy = False
        self.wake = 0
        self.own: dict[int, Decimal] = {}
        self._numbers: dict[str, int] = {}
        for key in children:
            self.add(key)

    @property
    def id(self) -> str:
        return self.begun.parent_id

    @property
    def parent(self) -> Parent:
        return self.begun.parent

    @property
    def leaves(self) -> Decimal:
        """What is still to be done."""
        return max(ZERO, self.parent.qty - self.state.filled)

    def add(self, key: str) -> None:
        """Another child; children are numbered as they are sent."""
        self._numbers[key] = len(self.children)
        self.children.append(key)

    def number(self, key: str) -> int:
        """Of a child."""
        return self._numbers[key]

    def count(self, fill: Fill) -> None:
        """Our own part of a minute's volume; what was crossed inside never was on the tape."""
        if fill.internal:
            return
        minute = fill.ts_event - fill.ts_event % (60 * NANOS)
        self.own[minute] = self.own.get(minute, ZERO) + fill.qty


def taken_up(
    begun: ParentBegun, orders: Sequence[Order], reached: Decimal | None
) -> tuple[Working, tuple[Action, ...]]:
    """A parent as the journal left it, and what it asks for first.

    Args:
        begun: the parent.
        orders: its children, as they were sent.
        reached: the best price that the trail of exits has followed.
    """
    parent = begun.parent
    children = [_child(number, order) for number, order in enumerate(orders)]
    names = [order.client_order_id for order in orders]
    if isinstance(parent.style, Protect):
        exit_state, actions = exits.resumed(parent, children, reached)
        return Working(begun, exit_state, names), actions
    state, actions = resumed(parent, children)
    return Working(begun, state, names), actions


def _child(number: int, order: Order) -> Child:
    """A child as the journal knows it. What was refused never was; all others that ended are read again."""
    never = order.status in NEVER_WAS and not order.filled_qty
    return Child(
        number,
        order.intent.qty,
        order.intent.limit_price,
        order.intent.ts,
        order.filled_qty,
        ended=order.is_terminal,
        settled=never,
        refused=never,
        stop=order.intent.stop_price,
    )
