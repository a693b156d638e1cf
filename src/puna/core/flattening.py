"""How an account becomes flat, as a state machine: what the broker shows -> cancel, close, wait, proven, or given up.

It never sends an order of its own: positions are closed by the broker's endpoint, which holds the quantity it closes,
so no position can be closed twice or through flat, however often a step is repeated. All it knows it sees there, so it
can begin anywhere: a second flatten takes up what a first one left. Flat is believed when it was seen twice.

Short options are closed before the long ones that cover them: the other way round the broker would refuse.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from puna.core.symbols import Option, parse
from puna.core.types import ZERO
from puna.errors import DataError

__all__ = [
    "Action",
    "Flattening",
    "GiveUp",
    "Held",
    "Move",
    "Proven",
    "Remaining",
    "Resting",
    "Sight",
    "Wait",
    "remaining",
    "step",
]

LOOKS = 2
"""How often nothing must be seen before it is believed."""
AGAIN = 8
"""After so many looks without a change what was asked for is asked for again."""


class Resting(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the broker calls open."""

    id: str
    symbol: str
    status: str
    filled: Decimal = ZERO


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A position; `around_the_clock` is true of what is traded when the stock market is closed."""

    symbol: str
    qty: Decimal
    around_the_clock: bool = False


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker shows at one moment: everything, or it is no sight.

    Args:
        is_open: the stock market is open.
        opens: when it opens next, in words.
        orders: all that is open.
        positions: all that is held.
    """

    is_open: bool
    opens: str
    orders: tuple[Resting, ...] = ()
    positions: tuple[Held, ...] = ()

    @property
    def flat(self) -> bool:
        return not self.orders and not self.positions


class Remaining(NamedTuple):
    """What could not be taken away, and why."""

    what: str
    symbol: str
    qty: Decimal
    why: str


class Move(NamedTuple):
    """Do this, then look again: cancel all or single orders, close positions."""

    cancel_all: bool
    cancel: tuple[str, ...]
    close: tuple[str, ...]


class Wait(NamedTuple):
    """Look again in a moment."""


class Proven(NamedTuple):
    """No order and no position, seen twice."""


class GiveUp(NamedTuple):
    """Nothing more can be done now."""

    remaining: tuple[Remaining, ...]


Action: TypeAlias = Move | Wait | Proven | GiveUp


class Flattening(msgspec.Struct, frozen=True, kw_only=True):
    """What has been done so far.

    Args:
        begun: everything was asked to be cancelled.
        closers: the order that closes a position, by its symbol.
        refused: the broker's last words about an order id or a symbol.
        flat_looks: how often in a row nothing was seen.
        still: how many looks in a row showed no change.
        last: the last sight.
    """

    begun: bool = False
    closers: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}
    flat_looks: int = 0
    still: int = 0
    last: Sight | None = None

    def closing(self, symbol: str, order_id: str) -> "Flattening":
        """The broker has taken the closing of a position."""
        words = {key: text for key, text in self.refused.items() if key != symbol}
        return replace(self, closers={**self.closers, symbol: order_id}, refused=words)

    def refusal(self, key: str, words: str) -> "Flattening":
        """The broker has refused a cancel or a closing."""
        return replace(self, refused={**self.refused, key: words})


def step(state: Flattening, sight: Sight, *, patience: int) -> tuple[Flattening, Action]:
    """The next action after a look; `patience` is how many looks without any change are borne."""
    state = _looked(state, sight)
    if sight.flat:
        return state, Proven() if state.flat_looks >= LOOKS else Wait()
    if not state.begun:
        everything = tuple(each.symbol for each in _closable(sight.positions)) if not sight.orders else ()
        return replace(state, begun=True), Move(cancel_all=bool(sight.orders), cancel=(), close=everything)
    if state.still >= patience or _only_waits_for_the_open(state, sight):
        return state, GiveUp(tuple(remaining(state, sight)))
    again = state.still % AGAIN == AGAIN - 1
    cancel = tuple(each.id for each in _others(state, sight)) if again else ()
    fresh = [each.symbol for each in _closable(sight.positions) if each.symbol not in state.closers]
    anew = again or state.still == 0
    close = tuple(symbol for symbol in fresh if anew or symbol not in state.refused)
    return state, Move(cancel_all=False, cancel=cancel, close=close) if cancel or close else Wait()


def _looked(state: Flattening, sight: Sight) -> Flattening:
    """A closing order that is no longer open has done what it could: its position may be closed anew."""
    alive = {each.id for each in sight.orders}
    return replace(
        state,
        closers={symbol: order for symbol, order in state.closers.items() if order in alive},
        flat_looks=state.flat_looks + 1 if sight.flat else 0,
        still=state.still + 1 if sight == state.last else 0,
        last=sight,
    )


def _others(state: Flattening, sight: Sight) -> list[Resting]:
    """Open orders that close nothing of what we asked to be closed."""
    closers = set(state.closers.values())
    return [each for each in sight.orders if each.id not in closers]


def _closable(positions: Iterable[Held]) -> list[Held]:
    """Everything but long options beside short ones of the same underlying."""
    held = list(positions)
    short = {each.root for p in held if p.qty < 0 and (each := _option(p.symbol)) is not None}
    return [p for p in held if p.qty < 0 or (each := _option(p.symbol)) is None or each.root not in short]


def _option(symbol: str) -> Option | None:
    try:
        found = parse(symbol)
    except DataError:  # a name that nobody here knows is closed all the same
        return None
    return found if isinstance(found, Option) else None


def _only_waits_for_the_open(state: Flattening, sight: Sight) -> bool:
    """Every position has its closing order, and the market that would fill it is closed."""
    shut = not sight.is_open and all(not each.around_the_clock for each in sight.positions)
    return shut and bool(sight.positions) and not _others(state, sight) and _all_closing(state, sight)


def _all_closing(state: Flattening, sight: Sight) -> bool:
    return all(each.symbol in state.closers for each in sight.positions)


def remaining(state: Flattening, sight: Sight) -> Iterable[Remaining]:
    """What is still there, and why."""
    orders = {each.id: each for each in sight.orders}
    for each in sight.positions:
        yield Remaining("position", each.symbol, each.qty, _why(state, sight, each, orders))
    for order in _others(state, sight):
        why = state.refused.get(order.id) or f"it was cancelled, and the broker still calls it {order.status}"
        yield Remaining("order", order.symbol, ZERO, f"{order.id}: {why}")


def _why(state: Flattening, sight: Sight, held: Held, orders: Mapping[str, Resting]) -> str:
    closer = orders.get(state.closers.get(held.symbol, ""))
    if closer is not None and not sight.is_open and not held.around_the_clock:
        return f"the market is closed: closing order {closer.id} waits for the open at {sight.opens}"
    if closer is not None:
        whole = abs(held.qty) + closer.filled
        return f"closing order {closer.id} is {closer.status}, {closer.filled:f} of {whole:f} filled"
    if held.symbol in state.refused:
        return f"the broker refuses to close it: {state.refused[held.symbol]}"
    return "it is held back until the short options that it covers are closed"
