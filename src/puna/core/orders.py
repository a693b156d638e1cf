"""An order's life as a table, and the one reducer for stream, poll, REST reply, activity, replay and recovery.

An `Order` is the intent and a set of evidence; everything else (status, filled quantity, worth) is read off that set.
`reduce` only ever adds to it, so every order of arrival and every duplication ends in the same value.

    local       pending -> sent -> in doubt -> (absent -> pending) ; refused, abandoned end it
    broker      any evidence of life overrides every local state, `refused` included
    not ended   by the broker's stamp, then rank: pending_cancel may fall back to new, done_for_day to new
    ended       filled, canceled, expired, rejected, replaced: never leaves, but filled wins and late fills still count

Local words (source "local") are the gateway's record of its own doing: "sent", "in_doubt" (no clear answer), "refused"
(a synchronous 403 or 422 whose status proves that nothing was accepted), "absent" (an authoritative query after the
settle time found no such order) and "abandoned" (deadline passed, never sent). Only the broker's evidence ends a doubt
(I8): any sign of life, or an `absent` stamped later than the doubt, after which the order may be sent again under the
same id or abandoned. `refused` and `abandoned` do not end an order in doubt, nor `abandoned` one that was sent.

Fills: the cumulative quantity is the watermark, a booking is the difference to what was booked before (evidence.py says
how it is priced). Bookings therefore add up to `filled_qty` and `filled_notional` exactly, whatever the arrival. The
`ts` of an update must be the broker's stamp (event timestamp, `updated_at`, transaction time), never ours.

What was crossed inside the account (`core.netting`) counts as filled before anything of the broker's: of such an order
the broker sees only the `remainder`, and its cumulative quantities begin there at 0.

Replaces: a replacement is a new order; core/lineage.py reckons over both.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import force_setattr, replace

from puna.core.decimals import NANO, exactly, plain
from puna.core.evidence import (
    Correction,
    Execution,
    Inside,
    Mark,
    Tally,
    tally,
    with_correction,
    with_execution,
    with_mark,
)
from puna.core.remembered import remembered
from puna.core.types import ZERO, Fill, OrderIntent

__all__ = [
    "LIFE",
    "Order",
    "Source",
    "Stage",
    "Status",
    "Update",
    "Word",
    "from_intent",
    "noted",
    "reduce",
]

Source = Literal["rest", "stream", "activity", "local"]


class Status(StrEnum):
    """Where an order stands. The first five are ours, the others the broker's own words."""

    PENDING = "pending"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_REPLACE = "pending_replace"
    PENDING_CANCEL = "pending_cancel"
    DONE_FOR_DAY = "done_for_day"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"
    UNKNOWN = "unknown"


class Stage(NamedTuple):
    """A row of the table: `rank` breaks ties of one instant; what the broker lets us do (facts.md 5.4)."""

    rank: int
    terminal: bool = False
    cancelable: bool = False
    replaceable: bool = False


LIFE: Mapping[Status, Stage] = {
    Status.PENDING: Stage(0),
    Status.SENT: Stage(1),
    Status.IN_DOUBT: Stage(2),
    Status.REFUSED: Stage(3, terminal=True),
    Status.ABANDONED: Stage(4, terminal=True),
    Status.PENDING_NEW: Stage(10, cancelable=True),
    Status.ACCEPTED: Stage(11, cancelable=True),
    Status.ACCEPTED_FOR_BIDDING: Stage(12, cancelable=True),
    Status.HELD: Stage(13, cancelable=True, replaceable=True),
    Status.NEW: Stage(14, cancelable=True, replaceable=True),
    Status.PARTIALLY_FILLED: Stage(15, cancelable=True),  # replaceable at Alpaca, not for us: R10
    Status.STOPPED: Stage(16, cancelable=True),
    Status.SUSPENDED: Stage(17, cancelable=True),
    Status.CALCULATED: Stage(18, cancelable=True),
    Status.DONE_FOR_DAY: Stage(19, cancelable=True, replaceable=True),
    Status.PENDING_REPLACE: Stage(20),
    Status.PENDING_CANCEL: Stage(21),
    Status.UNKNOWN: Stage(22, cancelable=True),  # whatever it is, it must remain possible to try to be rid of it
    Status.REPLACED: Stage(30, terminal=True),
    Status.CANCELED: Stage(31, terminal=True),
    Status.EXPIRED: Stage(32, terminal=True),
    Status.REJECTED: Stage(33, terminal=True),
    Status.FILLED: Stage(34, terminal=True),
}
_BROKER = {str(status): status for status, stage in LIFE.items() if stage.rank >= 10 and status is not Status.UNKNOWN}
_LOCAL = frozenset({"pending", "sent", "in_doubt", "refused", "absent", "abandoned"})
_CORRECTIONS = frozenset({"trade_bust", "trade_correct"})
_OUTCOMES = frozenset({"", "fill", "partial_fill", "order_replace_rejected", "order_cancel_rejected"})
_EVENTS = _OUTCOMES | _CORRECTIONS | frozenset(_BROKER)
_AMOUNTS = ("qty", "limit_price", "stop_price", "notional", "trail_price", "trail_percent")
_FRESH = frozenset({Status.PENDING_NEW, Status.ACCEPTED, Status.NEW})


class Update(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One piece of evidence about one order, from whichever source.

    Args:
        client_order_id: whose evidence this is.
        source: who says so; "local" is the gateway's own record.
        status: the raw status word; empty when the source names none (activities).
        ts: the broker's stamp, ns.
        broker_id: the broker's order id.
        cum_qty: cumulative filled quantity after this.
        avg_price: average price of `cum_qty`.
        last_qty: quantity of this execution; for trade_correct the right one.
        last_price: price of this execution; for trade_correct the right one.
        execution_id: of this execution.
        previous_execution_id: for trade_bust and trade_correct, the execution that is put right; without it,
            `execution_id` names that one.
        event: the raw event word of a trade update or activity; empty for a snapshot.
        replaces: broker id of the order that this one took the place of.
        replaced_by: broker id of the order that took its place.
        reason: the broker's words, or ours.
        net: prices are those of a package of legs, so a credit is negative.

    Raises:
        ValueError: a quantity or price is not finite, or negative where it must not be.
    """

    client_order_id: str
    source: Source
    status: str = ""
    ts: int = 0
    broker_id: str = ""
    cum_qty: Decimal = ZERO
    avg_price: Decimal | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    execution_id: str | None = None
    previous_execution_id: str | None = None
    event: str = ""
    replaces: str | None = None
    replaced_by: str | None = None
    reason: str = ""
    net: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "ts", int(self.ts))
        force_setattr(self, "cum_qty", _amount("cum_qty", self.cum_qty))
        if self.avg_price is not None:
            force_setattr(self, "avg_price", _amount("avg_price", self.avg_price, signed=self.net))
        if self.last_qty is not None:
            force_setattr(self, "last_qty", _amount("last_qty", self.last_qty))
        if self.last_price is not None:
            force_setattr(self, "last_price", _amount("last_price", self.last_price, signed=self.net))


class Word(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A status word with its stamp."""

    ts: int
    raw: str
    reason: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """An intent and everything the broker has shown about it. Two orders with the same evidence are equal.

    What is read off the evidence is kept once somebody has asked for it; it is no part of the value.

    Args:
        intent: what we asked for.
        broker_ids: normally one; two would be two live orders for one intent (I1).
        replaces: broker ids of the order that this one took the place of.
        replaced_by: broker ids of the order that took its place.
        local: the latest of each local word.
        living: the latest word that does not end the order.
        ended: the word that ended it.
        marks: cumulative quantities with average prices.
        executions: single executions.
        corrections: busts and corrections.
        strange: words nobody here knows, as "status:..." and "event:..."; to be told to people and asked about (R8).
        inside: what was crossed with other strategies of the account before the rest left.
    """

    intent: OrderIntent
    broker_ids: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    local: tuple[Word, ...] = ()
    living: Word | None = None
    ended: Word | None = None
    marks: tuple[Mark, ...] = ()
    executions: tuple[Execution, ...] = ()
    corrections: tuple[Correction, ...] = ()
    strange: tuple[str, ...] = ()
    inside: tuple[Inside, ...] = ()

    @property
    def client_order_id(self) -> str:
        return self.intent.client_order_id

    @property
    def broker_id(self) -> str | None:
        """The broker's id, once known."""
        return self.broker_ids[0] if self.broker_ids else None

    @cached_property
    def seen(self) -> bool:
        """Whether the broker has shown any sign of it."""
        return bool(self.broker_ids or self.living or self.ended or self.marks or self.corrections)

    @cached_property
    def status(self) -> Status:
        """Where it stands."""
        return _broker_status(self) if self.seen else _local_status(self)

    @property
    def raw_status(self) -> str:
        """The word as it came, also when nobody knows it."""
        word = self.ended or self.living
        return word.raw if word else str(self.status)

    @property
    def reason(self) -> str:
        """Why it ended, in the broker's words or ours; empty when nobody said."""
        said = (self.ended or self.living,) if self.seen else tuple(w for w in self.local if w.raw == self.status)
        return next((word.reason for word in said if word), "")

    @property
    def crossed_qty(self) -> Decimal:
        """What was crossed inside the account."""
        return sum((each.qty for each in self.inside), ZERO) if self.inside else ZERO

    @property
    def remainder(self) -> OrderIntent:
        """The order as the broker gets it: without what was crossed inside."""
        return replace(self.intent, qty=self.intent.qty - self.crossed_qty) if self.inside else self.intent

    @cached_property
    def tally(self) -> Tally:
        """Quantity and worth that the broker has filled, and how well the worth is known."""
        if not (self.marks or self.executions or self.corrections):
            return Tally()
        guess = self.intent.limit_price or self.intent.stop_price or ZERO
        return tally(self.marks, self.executions, self.corrections, guess)

    @cached_property
    def filled_qty(self) -> Decimal:
        """By the broker and inside."""
        if self.corrections:
            return self.tally.qty + self.crossed_qty
        broker = self.marks[-1].cum_qty if self.marks else ZERO  # they stand in the order of their quantities
        return broker + self.crossed_qty if self.inside else broker

    @property
    def filled_notional(self) -> Decimal:
        """Sum of quantity times price, without the multiplier."""
        return _plus_inside(self.tally.notional, self.inside) if self.inside else self.tally.notional

    @property
    def average_price(self) -> Decimal | None:
        """Of what is filled; None when nothing is."""
        qty = self.filled_qty
        return self.filled_notional / qty if qty else None

    @property
    def leaves(self) -> Decimal:
        """What may still fill: the rest, until the order has ended."""
        return ZERO if self.is_terminal else max(ZERO, self.intent.qty - self.filled_qty)

    @property
    def overfill(self) -> Decimal:
        """What was filled beyond the intended quantity: booked, and to be alarmed (I2)."""
        return ZERO if self.intent.notional is not None else max(ZERO, self.filled_qty - self.intent.qty)

    @cached_property
    def is_terminal(self) -> bool:
        """Has ended; a late fill still counts."""
        return LIFE[self.status].terminal

    @property
    def is_open(self) -> bool:
        """May still fill, as far as we know: everything that has not ended, in doubt and unknown included."""
        return not self.is_terminal

    @property
    def in_doubt(self) -> bool:
        """Sent, or perhaps sent, without a clear answer."""
        return self.status is Status.IN_DOUBT

    @property
    def cancelable(self) -> bool:
        """Whether the broker takes a cancel now; while a replace is pending it refuses (facts.md 5.4)."""
        return LIFE[self.status].cancelable

    @property
    def replaceable(self) -> bool:
        """Whether the broker takes a replace now, and nothing is filled that it would count anew (R10)."""
        return LIFE[self.status].replaceable and not self.filled_qty


def from_intent(intent: OrderIntent) -> Order:
    """An order without any evidence: PENDING. Amounts get their one spelling, so that the journal can hold them."""
    amounts = {name: plain(value) for name in _AMOUNTS if (value := getattr(intent, name)) is not None}
    return Order(intent=replace(intent, ts=int(intent.ts), **amounts))


def noted(client_order_id: str, word: str, ts: int, reason: str = "") -> Update:
    """The gateway's own record: sent, in_doubt, refused, absent or abandoned.

    Raises:
        ValueError: no such word.
    """
    if word not in _LOCAL:
        raise ValueError(f"not a local state: {word!r}")
    return Update(client_order_id=client_order_id, source="local", status=word, ts=ts, reason=reason)


@remembered(8)  # what is taken in is reduced twice: to see what it is worth as an entry, and when that is applied
def reduce(order: Order, update: Update) -> tuple[Order, tuple[Fill, ...]]:
    """The order with one more piece of evidence, and what is to be booked for it: nothing, or one step.

    Book every fill that comes out, once; do not filter them by `cum_qty` (a step of quantity 0 corrects the price of
    earlier ones, a negative one is a bust).

    Raises:
        ValueError: evidence of another order, or a local word that does not exist.
    """
    if update.client_order_id != order.client_order_id:
        raise ValueError(f"evidence of {update.client_order_id!r} for order {order.client_order_id!r}")
    after = _noted(order, update) if update.source == "local" else _shown(order, update)
    if after == order:
        return order, ()
    return after, _booked(order, after, update)


@exactly
def _plus_inside(notional: Decimal, inside: tuple[Inside, ...]) -> Decimal:
    return sum((each.qty * each.price for each in inside), notional)


def _local_status(order: Order) -> Status:
    if order.inside and order.crossed_qty >= order.intent.qty:
        return Status.FILLED
    if not order.local:
        return Status.PENDING
    at = {word.raw: word.ts for word in order.local}
    absent = at.get("absent")

    def stands(word: str) -> bool:
        """Said, and not outdated by the broker's word that there is no such order; in a tie it stands."""
        return word in at and (absent is None or at[word] >= absent)

    if stands("in_doubt"):
        return Status.IN_DOUBT
    if "refused" in at:
        return Status.REFUSED
    if stands("sent"):
        return Status.SENT
    return Status.ABANDONED if "abandoned" in at else Status.PENDING


def _broker_status(order: Order) -> Status:
    filled, wanted = order.filled_qty, order.intent
    whole = filled >= wanted.qty and wanted.notional is None  # of money only the broker knows how much it buys
    if whole or (order.ended and order.ended.raw == Status.FILLED):
        return Status.FILLED
    word = order.ended or order.living
    if word is None:
        return Status.PARTIALLY_FILLED if filled else Status.UNKNOWN
    status = _BROKER.get(word.raw, Status.UNKNOWN)
    return Status.PARTIALLY_FILLED if filled and status in _FRESH else status


def _noted(order: Order, update: Update) -> Order:
    """The order with a local word: the latest of each is kept."""
    if update.status not in _LOCAL:
        raise ValueError(f"not a local state: {update.status!r}")
    new = Word(update.ts, update.status, update.reason)
    if not order.local:
        return replace(order, local=(new,))
    words = {word.raw: word for word in order.local}
    words[new.raw] = max(words.get(new.raw, new), new, key=_recency)
    return replace(order, local=tuple(words[raw] for raw in sorted(words)))


def _shown(order: Order, update: Update) -> Order:
    """The order with the broker's evidence."""
    return replace(
        order,
        broker_ids=_with(order.broker_ids, update.broker_id),
        replaces=_with(order.replaces, update.replaces),
        replaced_by=_with(order.replaced_by, update.replaced_by),
        strange=_strange(order, update),
        **_worded(order, update),
        **_filled(order, update),
    )


def _worded(order: Order, update: Update) -> dict[str, Word]:
    if not update.status:
        return {}
    word = Word(update.ts, update.status, update.reason)
    status = _BROKER.get(update.status, Status.UNKNOWN)
    name = "ended" if LIFE[status].terminal else "living"
    known: Word | None = getattr(order, name)
    return {name: word if known is None else max(known, word, key=_recency)}


def _filled(order: Order, update: Update) -> dict[str, tuple[msgspec.Struct, ...]]:
    if update.event in _CORRECTIONS:
        return {"corrections": with_correction(order.corrections, _correction(update))}
    if not update.cum_qty:
        return {}
    mark = Mark(update.cum_qty, update.avg_price, update.ts, update.ts)
    found: dict[str, tuple[msgspec.Struct, ...]] = {"marks": with_mark(order.marks, mark)}
    if update.last_qty and update.last_price is not None and update.last_qty <= update.cum_qty:
        new = Execution(update.cum_qty, update.last_qty, update.last_price, update.ts, update.execution_id or "")
        found["executions"] = with_execution(order.executions, new)
    return found


def _correction(update: Update) -> Correction:
    own, previous = update.execution_id or "", update.previous_execution_id
    bust = update.event == "trade_bust"
    return Correction(
        previous or own,
        ZERO if bust else update.last_qty,
        None if bust else update.last_price,
        update.ts,
        own if previous else "",
    )


def _strange(order: Order, update: Update) -> tuple[str, ...]:
    strange = order.strange
    if update.status and update.status not in _BROKER:
        strange = _with(strange, f"status:{update.status}")
    return strange if update.event in _EVENTS else _with(strange, f"event:{update.event}")


def _booked(before: Order, after: Order, update: Update) -> tuple[Fill, ...]:
    """The difference between two states, as one step."""
    if (before.marks, before.executions, before.corrections) == (after.marks, after.executions, after.corrections):
        return ()
    return _step(before, after, update)


@exactly
def _step(before: Order, after: Order, update: Update) -> tuple[Fill, ...]:
    old, new = before.tally, after.tally
    qty, notional = new.qty - old.qty, new.notional - old.notional
    if not qty and not notional:
        return ()
    price = _step_price(update, qty, notional, new)
    intent = after.intent
    step = Fill(
        client_order_id=intent.client_order_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        side=intent.side,
        qty=plain(qty),
        price=price if price is update.last_price else plain(price),
        cum_qty=plain(new.qty + after.crossed_qty),
        ts_event=update.ts,
        execution_id=update.execution_id or "",
        adjustment=plain(notional - qty * price),
    )
    return (step,)


def _step_price(update: Update, qty: Decimal, notional: Decimal, new: Tally) -> Decimal:
    """The execution's own price when the step is that execution, else the step's average to nine decimals."""
    if update.last_price is not None and update.last_qty == qty:
        return update.last_price
    if qty and notional / qty > 0:
        return (notional / qty).quantize(NANO)
    return (new.notional / new.qty).quantize(NANO) if new.qty else ZERO


def _recency(word: Word) -> tuple[bool, int, int, str, str]:
    """Which of two words counts: filled before all, then the later, then the higher rank."""
    rank = LIFE[_BROKER.get(word.raw, Status.UNKNOWN)].rank
    return word.raw == Status.FILLED, word.ts, rank, word.raw, word.reason


def _with(known: tuple[str, ...], new: str | None) -> tuple[str, ...]:
    return known if not new or new in known else tuple(sorted((*known, new)))


def _amount(name: str, value: Decimal, *, signed: bool = False) -> Decimal:
    amount = plain(value)
    if amount < 0 and not signed:
        raise ValueError(f"{name} is negative: {amount}")
    return amount
