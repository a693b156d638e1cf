"""Execution algorithms as state machines: parent order + event + now -> what to do with its children.

Nothing here waits, sleeps or asks. `step` is given what happened and answers with actions: submit a child, cancel one,
read one again, ask for quotes, wake me at a time, done. What it must never do is buy 11 when 10 were asked for, so one
rule stands above all styles: a child's whole quantity counts as taken until the broker has said that the child has
ended *and* it has been read again since (a cancelled order can still have fills; fact sheet 5.4, faults R10, R15,
BRK-05). Only what is provably free goes into a new child.

Styles: `Sweep` (one capped order that follows the far side), `Patient` (walks from the near side through mid toward the
far side, one fresh quote a step), `Sliced` (TWAP, or VWAP by a volume profile) and `Participate` (percent of volume).
Each keeps the parent's cap, for single instruments and for packages of legs alike. A child that is refused is tried
again a few times, then the parent ends with the reason.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from msgspec.structs import replace

from puna.core.children import cancelled, changed, read, recalled, with_child
from puna.core.parent import (
    SECOND,
    Action,
    AskQuote,
    CancelChild,
    Child,
    ChildChanged,
    ChildRead,
    ChildRefused,
    Done,
    Event,
    Parent,
    Participate,
    Patient,
    Protect,
    QuoteSeen,
    ReadChild,
    Seen,
    Sliced,
    State,
    Stop,
    Style,
    SubmitChild,
    Sweep,
    Tick,
    VolumeSeen,
    WakeAt,
)
from puna.core.pricing import FRACTION, Touch, Urgency, between, package, touch
from puna.core.types import ZERO, Quote

__all__ = [
    "Action",
    "AskQuote",
    "CancelChild",
    "Child",
    "ChildChanged",
    "ChildRead",
    "ChildRefused",
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
    "market",
    "resumed",
    "step",
]

REST = 5 * SECOND  # a child stands this long before a moved quote takes it away
PAUSE = 5 * SECOND  # after a refusal
PATIENCE = 3  # refusals in a row that end a parent


class _Aim(NamedTuple):
    """The price to stand at, how much may be taken by now in all, when to look again, since when a quote is fresh."""

    fraction: Decimal
    due: Decimal
    wake: int
    step: int = -1
    since: int = 0


def step(parent: Parent, state: State, event: Event, now: int) -> tuple[State, tuple[Action, ...]]:
    """The next state, and what to do about it. Events may come late, twice and in any order."""
    if state.done and not isinstance(event, ChildChanged | ChildRead):
        return state, ()
    state, actions = _taken_in(state, event, now)
    if state.done:
        return state, actions
    if _over(parent, state, now):
        state, more = _wound_down(parent, state)
    else:
        state, more = _worked(parent, state, now)
    return state, actions + more


def resumed(parent: Parent, children: Iterable[Child]) -> tuple[State, tuple[Action, ...]]:
    """Where a parent stands after a restart, by its children as the journal knows them, and what to ask first.

    Every child that has ended is read again before anything of it counts as free. Volume counts on from where what was
    taken is the parent's share of it.
    """
    known = recalled(children)
    state = State(known)
    if isinstance(parent.style, Participate):
        state = replace(state, volume=state.taken / parent.style.rate)
    return state, tuple(ReadChild(child.number) for child in known if child.ended and not child.settled)


def market(parent: Parent, quotes: Mapping[str, Quote]) -> Touch | None:
    """The near and far side of what the parent trades, by these quotes; None when they cannot be used."""
    if parent.legs:
        return package(parent.legs, quotes)
    quote = quotes.get(parent.symbol)
    return None if quote is None else touch(parent.side, quote)


def _taken_in(state: State, event: Event, now: int) -> tuple[State, tuple[Action, ...]]:
    """The state with the event's facts; a child that has ended is to be read once more."""
    match event:
        case ChildChanged(number, filled, ended):
            return changed(state, number, filled, ended=ended)
        case ChildRead(number, filled, ended):
            return read(state, number, filled, ended=ended)
        case ChildRefused():
            return _refused(state, event, now), ()
        case _:
            return _noticed(state, event, now), ()


def _noticed(state: State, event: Event, now: int) -> State:
    """What is about no child."""
    match event:
        case QuoteSeen(quote, ts):
            return replace(state, quotes={**state.quotes, quote.symbol: Seen(quote, now if ts is None else ts)})
        case VolumeSeen(qty):
            return replace(state, volume=state.volume + qty)
        case Stop(reason):
            return replace(state, stopped=state.stopped or reason)
        case _:
            return state


def _refused(state: State, event: ChildRefused, now: int) -> State:
    """What was refused never was, unless something shows otherwise; a little later another try, but not for ever."""
    child = state.children[event.number]
    if child.ended:
        return state
    if not child.filled:
        state = with_child(state, replace(child, ended=True, settled=True, refused=True))
    refusals = state.refusals + (not event.passing)
    state = replace(state, refusals=refusals, quiet_until=now + PAUSE)
    if refusals < PATIENCE:
        return state
    return replace(state, stopped=state.stopped or f"refused {refusals} times: {event.reason}")


def _over(parent: Parent, state: State, now: int) -> bool:
    return bool(state.stopped) or now >= parent.end or state.filled >= parent.qty


def _wound_down(parent: Parent, state: State) -> tuple[State, tuple[Action, ...]]:
    """Cancels what works; done when nothing does."""
    state, cancels = cancelled(state, [child for child in state.working if not child.ended])
    if state.working:
        return state, cancels
    filled = state.filled
    reason = "filled" if filled >= parent.qty else state.stopped or "time is up"
    return replace(state, done=True), (*cancels, Done(filled, reason))


def _worked(parent: Parent, state: State, now: int) -> tuple[State, tuple[Action, ...]]:
    """One move of the style: take away children that stand wrong, add what is due and free, say when to wake."""
    if now < parent.start:
        return state, (WakeAt(parent.start),)
    aim = _aim(parent, state, now)
    if aim.step > state.asked and not _fresh(parent, state, aim.since):
        return replace(state, asked=aim.step), (AskQuote(), WakeAt(aim.wake))
    price = _price(parent, state, aim) if _fresh(parent, state, aim.since) else None
    excess = state.taken > parent.qty  # a child that was refused lives after all
    wrong = [child for child in state.working if excess or _stands_wrong(parent, child, price)]
    patient = isinstance(parent.style, Patient)  # its step has its own time
    state, cancels = cancelled(state, [child for child in wrong if patient or child.sent + REST <= now])
    wakes = [aim.wake, *(child.sent + REST for child in wrong if child.sent + REST > now)]
    if now < state.quiet_until:
        return state, (*cancels, WakeAt(min(*wakes, state.quiet_until)))
    free = min(aim.due, parent.qty) - state.taken
    qty = (free / parent.lot).to_integral_value(ROUND_DOWN) * parent.lot
    if price is None or qty <= 0:
        return state, (*cancels, WakeAt(min(wakes)))
    child = Child(len(state.children), qty, price, now)
    state = replace(state, children=(*state.children, child))
    return state, (*cancels, SubmitChild(child.number, qty, price), WakeAt(min(wakes)))


def _aim(parent: Parent, state: State, now: int) -> _Aim:
    """What the style wants now."""
    match parent.style:
        case Sweep():
            return _Aim(FRACTION[Urgency.HIGH], parent.qty, parent.end)
        case Patient(steps, seconds):
            at = min((now - parent.start) // (seconds * SECOND), steps)
            began = parent.start + at * seconds * SECOND
            return _Aim(Decimal(at) / steps, parent.qty, min(parent.end, began + seconds * SECOND), at, began)
        case Sliced():
            return _sliced(parent, parent.style, now)
        case Participate(rate, urgency):
            return _Aim(FRACTION[urgency], state.volume * rate, parent.end)
        case Protect():
            raise TypeError("exits are worked by puna.core.exits")


def _sliced(parent: Parent, style: Sliced, now: int) -> _Aim:
    length = max(2, (parent.end - parent.start) // style.slices)
    at = min((now - parent.start) // length, style.slices - 1)
    began = parent.start + at * length
    half = began + length // 2
    late = style.catch_up and now >= half
    urgency = Urgency.HIGH if late else style.urgency
    wake = half if style.catch_up and not late else began + length
    return _Aim(FRACTION[urgency], parent.qty * _share(style.profile, at, style.slices), min(parent.end, wake))


def _share(profile: tuple[Decimal, ...], at: int, slices: int) -> Decimal:
    """The fraction that is due once slice `at` has begun."""
    if not profile:
        return Decimal(at + 1) / slices
    return sum(profile[: at + 1], ZERO) / sum(profile, ZERO)


def _fresh(parent: Parent, state: State, since: int) -> bool:
    """Whether a quote of everything was seen since then."""
    return all(symbol in state.quotes and state.quotes[symbol].ts >= since for symbol in parent.symbols)


def _price(parent: Parent, state: State, aim: _Aim) -> Decimal | None:
    sides = market(parent, {symbol: seen.quote for symbol, seen in state.quotes.items()})
    return None if sides is None else between(sides, parent.side, aim.fraction, parent.tick, parent.cap)


def _stands_wrong(parent: Parent, child: Child, price: Decimal | None) -> bool:
    """A working child that a fresh quote has left behind. One that is better than needed may stay where it is."""
    if child.ended or child.cancelling or price is None or child.limit is None:
        return False
    return (price - child.limit) * parent.side.sign > 0
