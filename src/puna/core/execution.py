"""Execution algorithms as state machines: parent order + event + now -> what to do with its children.

Nothing here waits, sleeps or asks. `step` is given what happened and answers with actions: submit a child, cancel one,
read one again, wake me at a time, done. What it must never do is buy 11 when 10 were asked for, so one rule stands
above all styles: a child's whole quantity counts as taken until the broker has said that the child has ended *and* it
has been read again since (a cancelled order can still have fills; fact sheet 5.4, faults R10, R15, BRK-05). Only what
is provably free goes into a new child.

Styles: `Sweep` (one capped order), `Patient` (walks from the near side through mid toward the far side, one fresh
quote a step), `Sliced` (TWAP, or VWAP by a volume profile) and `Participate` (percent of volume). Each keeps the
parent's cap.
"""

from decimal import ROUND_DOWN, Decimal
from typing import TypeAlias

import msgspec

from puna.core.pricing import Urgency, limit_price, walked_price
from puna.core.types import ZERO, Quote, Side

__all__ = [
    "Action",
    "CancelChild",
    "Child",
    "ChildChanged",
    "ChildRead",
    "Done",
    "Event",
    "Parent",
    "Participate",
    "Patient",
    "QuoteSeen",
    "ReadChild",
    "Sliced",
    "State",
    "Stop",
    "Style",
    "SubmitChild",
    "Sweep",
    "Tick",
    "VolumeSeen",
    "WakeAt",
    "step",
]

SECOND = 1_000_000_000
CENT = Decimal("0.01")


class Sweep(msgspec.Struct, frozen=True, tag=True):
    """One order through the far side at once, limited by the cap."""


class Patient(msgspec.Struct, frozen=True, tag=True):
    """Starts at the near side and gives up `1 / steps` of the spread every `seconds_a_step`."""

    steps: int = 5
    seconds_a_step: int = 10


class Sliced(msgspec.Struct, frozen=True, tag=True):
    """Even slices (TWAP), or slices in proportion to `profile` (VWAP); what one slice leaves, the next takes along."""

    slices: int = 10
    profile: tuple[Decimal, ...] = ()
    urgency: Urgency = Urgency.NORMAL


class Participate(msgspec.Struct, frozen=True, tag=True):
    """So much of the market's volume since the start, never more."""

    rate: Decimal = Decimal("0.1")
    urgency: Urgency = Urgency.NORMAL


Style: TypeAlias = Sweep | Patient | Sliced | Participate


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: `qty` of `symbol`, between `start` and `end` (ns), never beyond `cap`."""

    symbol: str
    side: Side
    qty: Decimal
    style: Style
    start: int
    end: int
    cap: Decimal | None = None
    tick: Decimal = CENT
    lot: Decimal = Decimal(1)


class Child(msgspec.Struct, frozen=True):
    """One order at the broker. It is `settled` when it has ended and was read again since."""

    number: int
    qty: Decimal
    limit: Decimal | None
    sent: int
    filled: Decimal = ZERO
    cancelling: bool = False
    ended: bool = False
    settled: bool = False

    @property
    def taken(self) -> Decimal:
        """What it may have filled in the worst case."""
        return self.filled if self.settled else max(self.qty, self.filled)


class State(msgspec.Struct, frozen=True):
    """Where the parent stands."""

    children: tuple[Child, ...] = ()
    quote: Quote | None = None
    volume: Decimal = ZERO
    stopped: str = ""
    done: bool = False

    @property
    def filled(self) -> Decimal:
        return sum((child.filled for child in self.children), ZERO)

    @property
    def taken(self) -> Decimal:
        """The most that may have been bought or sold."""
        return sum((child.taken for child in self.children), ZERO)

    @property
    def working(self) -> tuple[Child, ...]:
        return tuple(child for child in self.children if not child.settled)


class Tick(msgspec.Struct, frozen=True):
    """Time has passed; also the first event of all."""


class QuoteSeen(msgspec.Struct, frozen=True):
    """A new quote of the parent's symbol."""

    quote: Quote


class VolumeSeen(msgspec.Struct, frozen=True):
    """So much more was traded in the market, our own fills left out."""

    qty: Decimal


class ChildChanged(msgspec.Struct, frozen=True):
    """Evidence about a child: its cumulative filled quantity, and whether the broker says that it has ended."""

    number: int
    filled: Decimal
    ended: bool = False


class ChildRead(msgspec.Struct, frozen=True):
    """The answer to `ReadChild`: the child as the broker has it now."""

    number: int
    filled: Decimal
    ended: bool


class Stop(msgspec.Struct, frozen=True):
    """Somebody wants it to end: cancel what works, start nothing."""

    reason: str


Event: TypeAlias = Tick | QuoteSeen | VolumeSeen | ChildChanged | ChildRead | Stop


class SubmitChild(msgspec.Struct, frozen=True):
    """Send an order: a limit order at `limit`, a market order when it is None."""

    number: int
    qty: Decimal
    limit: Decimal | None


class CancelChild(msgspec.Struct, frozen=True):
    """Ask the broker to cancel a child; nothing is free until it has been read again."""

    number: int


class ReadChild(msgspec.Struct, frozen=True):
    """Ask the broker for a child that has ended, because a fill may have come after the cancel."""

    number: int


class WakeAt(msgspec.Struct, frozen=True):
    """Send a `Tick` at this time at the latest."""

    ts: int


class Done(msgspec.Struct, frozen=True):
    """Nothing works any more and nothing more will be sent."""

    filled: Decimal
    reason: str


Action: TypeAlias = SubmitChild | CancelChild | ReadChild | WakeAt | Done


def step(parent: Parent, state: State, event: Event, now: int) -> tuple[State, tuple[Action, ...]]:
    """The next state, and what to do about it. Events may come late, twice and in any order."""
    if state.done and not isinstance(event, ChildChanged | ChildRead):
        return state, ()
    state, actions = _taken_in(state, event)
    if state.done:
        return state, actions
    if _over(parent, state, now):
        state, more = _wound_down(parent, state)
    else:
        state, more = _worked(parent, state, now)
    return state, actions + more


def _taken_in(state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """The state with the event's facts; a child that has ended is to be read once more."""
    match event:
        case QuoteSeen(quote):
            return msgspec.structs.replace(state, quote=quote), ()
        case VolumeSeen(qty):
            return msgspec.structs.replace(state, volume=state.volume + qty), ()
        case Stop(reason):
            return msgspec.structs.replace(state, stopped=state.stopped or reason), ()
        case ChildChanged(number, filled, ended):
            return _changed(state, number, filled, ended=ended)
        case ChildRead(number, filled, ended):
            return _read(state, number, filled, ended=ended)
        case Tick():
            return state, ()


def _changed(state: State, number: int, filled: Decimal, *, ended: bool) -> tuple[State, tuple[Action, ...]]:
    child = _child(state, number)
    known = _merged(child, filled, ended=ended)
    if known.filled >= known.qty:  # nothing can come after a full fill
        return _with(state, msgspec.structs.replace(known, ended=True, settled=True)), ()
    first = known.ended and not child.ended
    return _with(state, known), (ReadChild(number),) if first else ()


def _read(state: State, number: int, filled: Decimal, *, ended: bool) -> tuple[State, tuple[Action, ...]]:
    """Settles the child when the reading itself says that it has ended; an older reading is asked for again."""
    child = _child(state, number)
    known = _merged(child, filled, ended=ended)
    state = _with(state, msgspec.structs.replace(known, settled=child.settled or ended))
    return state, (ReadChild(number),) if known.ended and not ended and not child.settled else ()


def _merged(child: Child, filled: Decimal, *, ended: bool) -> Child:
    """Cumulative quantities only grow, and what has ended stays ended."""
    return msgspec.structs.replace(child, filled=max(child.filled, filled), ended=child.ended or ended)


def _over(parent: Parent, state: State, now: int) -> bool:
    return bool(state.stopped) or now >= parent.end or state.filled >= parent.qty


def _wound_down(parent: Parent, state: State) -> tuple[State, tuple[Action, ...]]:
    """Cancels what works; done when nothing does."""
    state, cancels = _cancelled(state, [child for child in state.working if not child.ended])
    if state.working:
        return state, cancels
    filled = state.filled
    reason = "filled" if filled >= parent.qty else state.stopped or "time is up"
    return msgspec.structs.replace(state, done=True), (*cancels, Done(filled, reason))


def _worked(parent: Parent, state: State, now: int) -> tuple[State, tuple[Action, ...]]:
    """One move of the style: take away children that stand wrong, add what is due and free, say when to wake."""
    if now < parent.start:
        return state, (WakeAt(parent.start),)
    price, due, wake = _aim(parent, state, now)
    stale = [child for child in state.working if _stands_wrong(parent, child, price)]
    state, cancels = _cancelled(state, [child for child in stale if not child.ended])
    free = min(due, parent.qty) - state.taken
    qty = (free / parent.lot).to_integral_value(ROUND_DOWN) * parent.lot
    if price is None or qty <= 0:
        return state, (*cancels, WakeAt(wake))
    child = Child(len(state.children), qty, price, now)
    state = msgspec.structs.replace(state, children=(*state.children, child))
    return state, (*cancels, SubmitChild(child.number, qty, price), WakeAt(wake))


def _aim(parent: Parent, state: State, now: int) -> tuple[Decimal | None, Decimal, int]:
    """The price to stand at, how much may be taken by now in all, and when to look again."""
    match parent.style:
        case Sweep():
            return _price(parent, state, Urgency.HIGH), parent.qty, parent.end
        case Patient(steps, seconds):
            done = min((now - parent.start) // (seconds * SECOND), steps)
            return (
                _walked(parent, state, Decimal(done) / steps),
                parent.qty,
                min(parent.end, parent.start + (done + 1) * seconds * SECOND),
            )
        case Sliced(slices, profile, urgency):
            length = max(1, (parent.end - parent.start) // slices)
            at = min((now - parent.start) // length, slices - 1)
            due = parent.qty * _share(profile, at, slices)
            return _price(parent, state, urgency), due, min(parent.end, parent.start + (at + 1) * length)
        case Participate(rate, urgency):
            return _price(parent, state, urgency), state.volume * rate, min(parent.end, now + SECOND)


def _price(parent: Parent, state: State, urgency: Urgency) -> Decimal | None:
    if state.quote is None:
        return None
    return limit_price(parent.side, state.quote, urgency, parent.tick, parent.cap)


def _walked(parent: Parent, state: State, fraction: Decimal) -> Decimal | None:
    if state.quote is None:
        return None
    return walked_price(parent.side, state.quote, fraction, parent.tick, parent.cap)


def _share(profile: tuple[Decimal, ...], at: int, slices: int) -> Decimal:
    """The fraction that is due once slice `at` has begun."""
    if not profile:
        return Decimal(at + 1) / slices
    return sum(profile[: at + 1], ZERO) / sum(profile, ZERO)


def _stands_wrong(parent: Parent, child: Child, price: Decimal | None) -> bool:
    """A working child that a fresh quote has left behind. One that is better than needed may stay where it is."""
    if child.ended or child.cancelling or price is None or child.limit is None:
        return False
    if isinstance(parent.style, Patient | Sliced | Participate):
        return (price - child.limit) * parent.side.sign > 0
    return False


def _cancelled(state: State, children: list[Child]) -> tuple[State, tuple[Action, ...]]:
    """Asks once for each."""
    asked = [child for child in children if not child.cancelling]
    for child in asked:
        state = _with(state, msgspec.structs.replace(child, cancelling=True))
    return state, tuple(CancelChild(child.number) for child in asked)


def _child(state: State, number: int) -> Child:
    return state.children[number]


def _with(state: State, child: Child) -> State:
    children = (*state.children[: child.number], child, *state.children[child.number + 1 :])
    return msgspec.structs.replace(state, children=children)
