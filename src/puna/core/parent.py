"""A parent order, its children, and what can happen to them: the nouns of execution. `core.execution` is the verb.

A parent says what is to be done, by when and how; its children are orders at the broker. `State` holds what is known
of them, `Event` is what may happen, `Action` is what is to be done about it.
"""

from decimal import Decimal
from typing import TypeAlias

import msgspec

from puna.core.pricing import Urgency
from puna.core.types import ZERO, Leg, Quote, Side

__all__ = [
    "SECOND",
    "Action",
    "Alarm",
    "AskQuote",
    "CancelChild",
    "CancelEntry",
    "Child",
    "ChildChanged",
    "ChildRead",
    "ChildRefused",
    "Done",
    "Event",
    "Halted",
    "Held",
    "Parent",
    "Participate",
    "Patient",
    "Protect",
    "QuoteSeen",
    "Reached",
    "ReadChild",
    "Seen",
    "Sliced",
    "State",
    "Stop",
    "Style",
    "SubmitChild",
    "Sweep",
    "Tick",
    "VolumeSeen",
    "WakeAt",
    "style_name",
]

SECOND = 1_000_000_000
_CENT = Decimal("0.01")


class Sweep(msgspec.Struct, frozen=True, tag=True):
    """One order through the far side at once, limited by the cap; it follows the far side as far as the cap allows."""


class Patient(msgspec.Struct, frozen=True, tag=True):
    """Starts at the near side and gives up `1 / steps` of the spread every `seconds_a_step`, a fresh quote a step."""

    steps: int = 5
    seconds_a_step: int = 10


class Sliced(msgspec.Struct, frozen=True, tag=True):
    """Even slices (TWAP), or slices in proportion to `profile` (VWAP); what one slice leaves, the next takes along.

    With `catch_up`, what is still open in the second half of a slice goes through the far side.
    """

    slices: int = 10
    profile: tuple[Decimal, ...] = ()
    urgency: Urgency = Urgency.NORMAL
    catch_up: bool = True


class Participate(msgspec.Struct, frozen=True, tag=True):
    """So much of the market's volume since the start, never more.

    Raises:
        ValueError: the rate is not between 0 and 1.
    """

    rate: Decimal = Decimal("0.1")
    urgency: Urgency = Urgency.NORMAL

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ValueError(f"a rate of participation lies between 0 and 1, not {self.rate}")


class Protect(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Exits for what is held, watched here, with a resting stop at the broker behind them (`core.exits`).

    Args:
        held: so much was held when it began.
        entry: client_order_id of an order whose fills are held as well, as they come.
        stop: the loss ends here.
        take_profit: the profit is taken here.
        trail: the stop follows the best price at this distance, in dollars; this or `trail_percent`.
        trail_percent: the same in percent.
        slip: the part of the price that a stop with a limit may give way, where the broker takes no other.
        extended: may close outside the core session as well, by limit orders.

    Raises:
        ValueError: no exit at all, both trails, or a price that is none.
    """

    held: Decimal = Decimal(0)
    entry: str = ""
    stop: Decimal | None = None
    take_profit: Decimal | None = None
    trail: Decimal | None = None
    trail_percent: Decimal | None = None
    slip: Decimal = Decimal("0.02")
    extended: bool = False

    def __post_init__(self) -> None:
        given = [each for each in (self.stop, self.take_profit, self.trail, self.trail_percent) if each is not None]
        if not given or not all(each.is_finite() and each > 0 for each in given):
            raise ValueError("exits need a stop, a profit or a trail, each above 0")
        if self.trail is not None and self.trail_percent is not None:
            raise ValueError("a trail is in dollars or in percent, not in both")


Style: TypeAlias = Sweep | Patient | Sliced | Participate | Protect


def style_name(style: Style) -> str:
    """A style in the field's words."""
    match style:
        case Sweep():
            return "market with a cap"
        case Patient(steps, seconds):
            return f"patient, {steps} steps of {seconds} s"
        case Sliced(slices, profile, _):
            return f"VWAP, {len(profile)} slices" if profile else f"TWAP, {slices} slices"
        case Participate(rate, _):
            return f"{(rate * 100).normalize():f} % of volume"
        case Protect():
            return "exits"


class Parent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be done: `qty` of `symbol`, between `start` and `end` (ns), never beyond `cap`.

    With `legs` it buys that many packages: `symbol` is their underlying, prices are net for one package, and a credit
    is negative, so a cap of -1.50 means at least 1.50 received.
    """

    symbol: str
    side: Side
    qty: Decimal
    style: Style
    start: int
    end: int
    cap: Decimal | None = None
    tick: Decimal = _CENT
    lot: Decimal = Decimal(1)
    legs: tuple[Leg, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Whose quotes make its price."""
        return tuple(leg.symbol for leg in self.legs) or (self.symbol,)


class Child(msgspec.Struct, frozen=True):
    """One order at the broker. It is `settled` when it has ended and was read again since, or was refused.

    `stop` is the price that elects it, of a stop order.
    """

    number: int
    qty: Decimal
    limit: Decimal | None
    sent: int
    filled: Decimal = ZERO
    cancelling: bool = False
    ended: bool = False
    settled: bool = False
    refused: bool = False
    stop: Decimal | None = None

    @property
    def taken(self) -> Decimal:
        """What it may have filled in the worst case."""
        return self.filled if self.settled else max(self.qty, self.filled)


class Seen(msgspec.Struct, frozen=True):
    """A quote, and when we saw it."""

    quote: Quote
    ts: int


class State(msgspec.Struct, frozen=True):
    """Where the parent stands.

    Args:
        children: by number.
        quotes: the latest of each symbol that its price depends on.
        volume: traded in the market since the start.
        asked: the last step for which a fresh quote was asked for.
        refusals: children in a row that were refused.
        quiet_until: no new child before this time, ns.
        stopped: why it is to end early.
        done: nothing works, and nothing will be sent.
    """

    children: tuple[Child, ...] = ()
    quotes: dict[str, Seen] = {}
    volume: Decimal = ZERO
    asked: int = -1
    refusals: int = 0
    quiet_until: int = 0
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
    """A quote of one of the parent's symbols; `ts` is when it was seen, where that is not now."""

    quote: Quote
    ts: int | None = None


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


class ChildRefused(msgspec.Struct, frozen=True):
    """Risk or the broker refused a child, provably before it could fill; `passing` says that the cause will pass."""

    number: int
    reason: str
    passing: bool = False


class Stop(msgspec.Struct, frozen=True):
    """Somebody wants it to end: cancel what works, start nothing."""

    reason: str


class Held(msgspec.Struct, frozen=True):
    """What exits protect: `bought` in all, of which `outside` has left by other orders; `over`: no more will come.

    `over` is said when the entry has ended and was read again since.
    """

    bought: Decimal
    outside: Decimal = ZERO
    over: bool = False


class Halted(msgspec.Struct, frozen=True):
    """Whether trading is halted: what rests stays then, and nothing is sent."""

    on: bool


Event: TypeAlias = Tick | QuoteSeen | VolumeSeen | ChildChanged | ChildRead | ChildRefused | Stop | Held | Halted


class SubmitChild(msgspec.Struct, frozen=True):
    """Send an order: a limit order at `limit`, a market order when it is None; with a `stop` it waits for that.

    `extended` says that it may trade outside the core session.
    """

    number: int
    qty: Decimal
    limit: Decimal | None
    stop: Decimal | None = None
    extended: bool = False


class CancelChild(msgspec.Struct, frozen=True):
    """Ask the broker to cancel a child; nothing is free until it has been read again."""

    number: int


class ReadChild(msgspec.Struct, frozen=True):
    """Ask the broker for a child that has ended, because a fill may have come after the cancel."""

    number: int


class AskQuote(msgspec.Struct, frozen=True):
    """Ask for the latest quotes of the parent's symbols: the next step waits for fresh ones."""


class WakeAt(msgspec.Struct, frozen=True):
    """Send a `Tick` at this time at the latest."""

    ts: int


class Done(msgspec.Struct, frozen=True):
    """Nothing works any more and nothing more will be sent."""

    filled: Decimal
    reason: str


class CancelEntry(msgspec.Struct, frozen=True):
    """Ask the broker to cancel the entry: exits cannot be sent while an order of the other side may meet them."""


class Reached(msgspec.Struct, frozen=True):
    """Write down the best price that a trail has followed so far, so that a restart goes on from there."""

    price: Decimal


class Alarm(msgspec.Struct, frozen=True):
    """Tell a person."""

    text: str


Action: TypeAlias = SubmitChild | CancelChild | ReadChild | AskQuote | WakeAt | Done | CancelEntry | Reached | Alarm
