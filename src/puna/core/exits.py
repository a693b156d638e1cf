"""Exits as a state machine: stop, profit and trail for what is held, emulated where the broker cannot hold them.

What is held is what an entry has filled so far, less what our own exits sold and what left otherwise. Every unit of it
is at each moment in one of two places: in an exit at the broker, or watched here; a new exit is only ever sent for what
is provably in none (`core.children`), so all exits together can never close more than is held.

Three modes. NET: a plain stop rests at the broker as a safety net, so that a crash is safe; it follows the trail in
steps. PROFIT: the price has reached the profit; the net is taken in and a limit order stands there. OUT: the price has
crossed the stop or the trail; all is taken in and closed at the market, for good. While the entry may still fill, the
broker would refuse an opposite order (its wash rule, facts.md 5.2), so all is watched here until then, and an exit ends
the entry first.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from enum import StrEnum

from msgspec.structs import replace

from puna.core.children import cancelled, changed, read, recalled, with_child
from puna.core.parent import (
    SECOND,
    Action,
    Alarm,
    CancelEntry,
    Child,
    ChildChanged,
    ChildRead,
    ChildRefused,
    Done,
    Event,
    Halted,
    Held,
    Parent,
    Protect,
    QuoteSeen,
    Reached,
    ReadChild,
    State,
    Stop,
    SubmitChild,
    WakeAt,
)
from puna.core.sessions import Session, session_at
from puna.core.symbols import asset_class
from puna.core.types import ZERO, AssetClass, Quote, Side, exact
from puna.errors import DataError

__all__ = ["ExitState", "Mode", "covered", "level", "resumed", "step"]

REST = 5 * SECOND  # an exit stands this long before a moved price takes it away
PAUSE = 5 * SECOND  # after a refusal; longer after each in a row
LONGEST = 12  # pauses
PATIENCE = 3  # refusals in a row: the net is given up, or a person is told
CLIMB = 60 * SECOND  # the net follows the trail at most so often,
PART = Decimal("0.25")  # and when it has moved by this part of its distance
CLOSED = 60 * SECOND  # how often to look whether a session has begun
_WHOLE = Decimal(1)


class Mode(StrEnum):
    """What stands at the broker: the safety net, the profit, or the way out."""

    NET = "net"
    PROFIT = "profit"
    OUT = "out"


class ExitState(State, frozen=True):
    """Where exits stand.

    Args:
        bought: what was held at first, and what the entry filled.
        outside: what of it left by other orders than these exits.
        over: the entry can fill no more.
        mode: see `Mode`.
        price: where it could be closed now: the bid of what is held long, the ask of what is short.
        quoted: when that price was made, ns.
        best: the best such price since something is held.
        told: the best price that was written down.
        nets: whether the broker takes safety nets for it.
        asked_entry: the entry was asked to end.
        halted: nothing is sent.
    """

    bought: Decimal = ZERO
    outside: Decimal = ZERO
    over: bool = False
    mode: Mode = Mode.NET
    price: Decimal | None = None
    quoted: int = 0
    best: Decimal | None = None
    told: Decimal | None = None
    nets: bool = True
    asked_entry: bool = False
    halted: bool = False

    @property
    def held(self) -> Decimal:
        """What is there to be closed, what exits have closed already included."""
        return max(ZERO, self.bought - self.outside)

    @property
    def remaining(self) -> Decimal:
        """What is held now."""
        return max(ZERO, self.held - self.filled)


def step(parent: Parent, state: ExitState, event: Event, now: int) -> tuple[ExitState, tuple[Action, ...]]:
    """The next state, and what to do about it. Events may come late, twice and in any order."""
    if state.done and not isinstance(event, ChildChanged | ChildRead | Held):
        return state, ()
    state, actions = _taken_in(parent, state, event, now)
    if (state.done and not (state.remaining or state.working)) or state.halted:
        return state, actions
    state = replace(state, done=False)  # a fill that came after the end is protected too
    state, notes = _judged(parent, state)
    state, more = _worked(parent, state, now)
    return state, (*actions, *notes, *more)


def resumed(
    parent: Parent, children: Iterable[Child], reached: Decimal | None = None
) -> tuple[ExitState, tuple[Action, ...]]:
    """Where exits stand after a restart, by their orders as the journal knows them, and what to ask first.

    An exit at the market says that the stop was crossed; `reached` is the best price that was written down.
    """
    known = recalled(children)
    out = any(child.stop is None and not child.refused and child.limit != _style(parent).take_profit for child in known)
    state = ExitState(known, mode=Mode.OUT if out else Mode.NET, best=reached, told=reached)
    return state, tuple(ReadChild(child.number) for child in known if child.ended and not child.settled)


def level(parent: Parent, state: ExitState) -> Decimal | None:
    """Where the loss ends now: the stop or the trail, whichever is nearer to the price; None without either."""
    style, sign = _style(parent), parent.side.sign
    levels = [] if style.stop is None else [style.stop]
    if state.best is not None and (distance := _distance(style, state.best)) is not None:
        levels.append(state.best + sign * distance)
    if not levels:
        return None
    nearest = max(levels) if parent.side is Side.SELL else min(levels)
    # Toward the price, so that it never gives way further than was asked.
    rounding = ROUND_CEILING if parent.side is Side.SELL else ROUND_FLOOR
    return (nearest / parent.tick).to_integral_value(rounding) * parent.tick


def covered(state: ExitState) -> tuple[Decimal, Decimal]:
    """How much of what is held is in exits at the broker, in the worst case, and how much is watched here alone."""
    at_broker = state.taken - state.filled
    return at_broker, ZERO if state.done else max(ZERO, state.held - state.taken)


def _style(parent: Parent) -> Protect:
    if not isinstance(parent.style, Protect):
        raise TypeError(f"{parent.style} is worked by puna.core.execution")
    return parent.style


def _distance(style: Protect, best: Decimal) -> Decimal | None:
    if style.trail_percent is not None:
        return best * style.trail_percent / 100
    return style.trail


def _taken_in(parent: Parent, state: ExitState, event: Event, now: int) -> tuple[ExitState, tuple[Action, ...]]:
    """The state with the event's facts."""
    match event:
        case ChildChanged(number, filled, ended):
            return changed(state, number, filled, ended=ended)
        case ChildRead(number, filled, ended):
            return read(state, number, filled, ended=ended)
        case ChildRefused():
            return _refused(state, event, now)
        case _:
            return _noticed(parent, state, event), ()


def _noticed(parent: Parent, state: ExitState, event: Event) -> ExitState:
    """What is about no child."""
    match event:
        case Held(bought, outside, over):
            return _held(state, bought, outside, over=over)
        case QuoteSeen(quote):
            return _quoted(parent, state, quote)
        case Stop(reason):
            return replace(state, stopped=state.stopped or reason)
        case Halted(on):
            return replace(state, halted=on)
        case _:
            return state


def _held(state: ExitState, bought: Decimal, outside: Decimal, *, over: bool) -> ExitState:
    """Fills only grow; what left otherwise is as the latest word says."""
    state = replace(state, bought=max(state.bought, bought), outside=outside, over=state.over or over)
    return replace(state, best=state.price) if state.remaining and state.best is None else state


def _quoted(parent: Parent, state: ExitState, quote: Quote) -> ExitState:
    """Where it could be closed; older quotes and such that cannot be used change nothing."""
    if quote.symbol != parent.symbol or not quote.usable or quote.ts_event < state.quoted:
        return state
    price = exact(quote.bid if parent.side is Side.SELL else quote.ask)
    state = replace(state, price=price, quoted=quote.ts_event)
    if not state.remaining:
        return state
    better = max if parent.side is Side.SELL else min
    return replace(state, best=price if state.best is None else better(state.best, price))


def _refused(state: ExitState, event: ChildRefused, now: int) -> tuple[ExitState, tuple[Action, ...]]:
    """What was refused never was; what is held stays watched, and is tried again, ever more slowly."""
    child = state.children[event.number]
    if child.ended:
        return state, ()
    if not child.filled:
        state = with_child(state, replace(child, ended=True, settled=True, refused=True))
    refusals = state.refusals + (not event.passing)
    pause = PAUSE * min(LONGEST, 2 ** max(0, refusals - 1))
    state = replace(state, refusals=refusals, quiet_until=now + pause)
    if refusals < PATIENCE or event.passing:
        return state, ()
    if child.stop is not None:
        text = f"no stop of it can rest at the broker, so it is watched here alone: {event.reason}"
        return replace(state, nets=False, refusals=0), (Alarm(text),)
    return state, (Alarm(f"an exit was refused {refusals} times: {event.reason}"),) if refusals == PATIENCE else ()


def _judged(parent: Parent, state: ExitState) -> tuple[ExitState, tuple[Action, ...]]:
    """Which mode the price asks for."""
    price, sign, profit = state.price, parent.side.sign, _style(parent).take_profit
    if price is None or not state.remaining or state.mode is Mode.OUT or state.stopped:
        return state, ()
    end = level(parent, state)
    if end is not None and (price - end) * sign >= 0:  # a sale: at the level or below
        return replace(state, mode=Mode.OUT), ()
    reached = profit is not None and (price - profit) * sign <= 0
    state = replace(state, mode=Mode.PROFIT if reached else Mode.NET)
    return _marked(parent, state)


def _marked(parent: Parent, state: ExitState) -> tuple[ExitState, tuple[Action, ...]]:
    """The best price is written down whenever it has moved by a part of the trail."""
    if state.best is None or (distance := _distance(_style(parent), state.best)) is None:
        return state, ()
    if state.told is not None and abs(state.best - state.told) < distance * PART:
        return state, ()
    return replace(state, told=state.best), (Reached(state.best),)


def _worked(parent: Parent, state: ExitState, now: int) -> tuple[ExitState, tuple[Action, ...]]:
    """Takes in what stands wrong, sends an exit for what is free, says when to look again."""
    if state.stopped or not state.remaining:
        return _wound_down(state)
    order = _order(parent, state, now)
    wrong, wakes = _wrong(parent, state, order, now)
    state, actions = cancelled(state, wrong)
    if state.mode is not Mode.NET and not state.over:
        asked = () if state.asked_entry else (CancelEntry(),)
        return replace(state, asked_entry=True), (*actions, *asked, *wakes)
    if now < state.quiet_until:
        return state, (*actions, *wakes, WakeAt(state.quiet_until))
    if order is None:
        return state, (*actions, *wakes)
    free = state.held - state.taken
    grain = max(parent.lot, _WHOLE) if order.extended and asset_class(parent.symbol) is AssetClass.US_EQUITY else None
    lot = grain or parent.lot
    qty = (free / lot).to_integral_value(ROUND_DOWN) * lot
    if qty <= 0 or any(child in state.working for child in wrong):
        return state, (*actions, *wakes)
    number = len(state.children)
    state = replace(state, children=(*state.children, Child(number, qty, order.limit, now, stop=order.stop)))
    return state, (*actions, SubmitChild(number, qty, order.limit, order.stop, order.extended), *wakes)


def _wound_down(state: ExitState) -> tuple[ExitState, tuple[Action, ...]]:
    """Nothing is held, or nobody wants it watched any more: takes in what rests; done when nothing can come."""
    state, cancels = cancelled(state, [child for child in state.working if not child.ended])
    if state.working or not (state.over or state.stopped):
        return state, cancels
    reason = state.stopped or ("closed" if state.filled else "nothing was held")
    return replace(state, done=True), (*cancels, Done(state.filled, reason))


def _order(parent: Parent, state: ExitState, now: int) -> SubmitChild | None:
    """The terms of an exit as it should stand now; its quantity is not looked at. None: nothing can stand now."""
    style, sign = _style(parent), parent.side.sign
    coin, core = asset_class(parent.symbol) is AssetClass.CRYPTO, _core(now)
    extended = style.extended and not coin and not core
    if not (coin or core or (extended and state.mode is not Mode.NET)):
        return None
    if state.mode is Mode.PROFIT:
        return SubmitChild(-1, ZERO, style.take_profit, None, extended)
    if state.mode is Mode.OUT:
        worst = state.price * (1 + sign * style.slip) if state.price is not None else None
        if extended:
            return None if worst is None else SubmitChild(-1, ZERO, _ticked(parent, worst), None, extended=True)
        return SubmitChild(-1, ZERO, None)
    stop = level(parent, state)
    if stop is None or not state.nets or not state.over:
        return None
    return SubmitChild(-1, ZERO, _ticked(parent, stop * (1 + sign * style.slip)) if coin else None, stop)


def _wrong(
    parent: Parent, state: ExitState, order: SubmitChild | None, now: int
) -> tuple[list[Child], tuple[Action, ...]]:
    """The exits that must be taken in, and when to look again at those that must wait a little."""
    alive = [child for child in state.working if not child.ended]
    if state.filled + sum((child.qty - child.filled for child in alive), ZERO) > state.held:  # something left otherwise
        return alive, ()
    wrong, wakes = list[Child](), list[int]()
    for child in alive:
        due = _due(parent, state, child, order)
        if due is not None and due <= now:
            wrong.append(child)
        elif due is not None and not child.cancelling:
            wakes.append(due)
    if order is None and asset_class(parent.symbol) is not AssetClass.CRYPTO and not _core(now):
        wakes.append(now + CLOSED)
    return wrong, (WakeAt(min(wakes)),) if wakes else ()


def _due(parent: Parent, state: ExitState, child: Child, order: SubmitChild | None) -> int | None:
    """From when on a working exit stands wrong; None when it stands right."""
    if order is None:  # nothing better can be sent now
        return None
    sign = parent.side.sign
    if state.mode is Mode.NET and child.stop is not None and order.stop is not None:
        gap, distance = (child.stop - order.stop) * sign, _distance(_style(parent), order.stop)
        return child.sent + CLIMB if gap > 0 and (distance is None or gap >= distance * PART) else None
    if state.mode is Mode.OUT and child.stop is None:
        if child.limit is None:
            return None
        left_behind = order.limit is None or (order.limit - child.limit) * sign > 0
        return child.sent + REST if left_behind or child.limit == _style(parent).take_profit else None
    if (child.limit, child.stop) == (order.limit, order.stop):
        return None
    return child.sent + REST if state.mode is Mode.NET else child.sent


def _ticked(parent: Parent, price: Decimal) -> Decimal:
    rounding = ROUND_FLOOR if parent.side is Side.SELL else ROUND_CEILING
    return (price / parent.tick).to_integral_value(rounding) * parent.tick


def _core(now: int) -> bool:
    try:
        return session_at(now) is Session.CORE
    except DataError:
        return False
