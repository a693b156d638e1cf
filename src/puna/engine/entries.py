"""What a journal records, one shape a kind: epochs, decisions, intents, evidence, states. JSON in the body.

`entry.key` is what a record is about, a client_order_id where there is one; `entry.ts` is market time when it was
written. `to_record` and `from_record` are the way to the Storage seam and back.
"""

from decimal import Decimal
from typing import TypeAlias

import msgspec

from puna.core.netting import Cross
from puna.core.orders import Update
from puna.core.parent import Parent
from puna.core.portfolio import Booking
from puna.core.risk import Breach, Lock, RiskLimits, RiskView, Tally, TradingState
from puna.core.types import Bar, OrderIntent, Position, Quote
from puna.errors import JournalError
from puna.seams import Record

__all__ = [
    "Acknowledged",
    "Adoption",
    "Alerted",
    "CancelAsked",
    "Crossed",
    "Decision",
    "Entry",
    "Epoch",
    "Evidence",
    "FeedReached",
    "Intent",
    "Locked",
    "Moved",
    "Note",
    "Opening",
    "ParentBegun",
    "ParentEnded",
    "ParentReached",
    "ParentStopped",
    "Reconciled",
    "Refusal",
    "StateChange",
    "Tallied",
    "Told",
    "from_record",
    "to_record",
]


class _Entry(msgspec.Struct, gc=False, frozen=True, kw_only=True, tag_field="kind"):
    """A record: when it was written, market time."""

    ts: int

    @property
    def key(self) -> str:
        return ""


class Epoch(_Entry, frozen=True, kw_only=True, tag="epoch", omit_defaults=True):
    """A process started. Its orders carry this number in their ids, and are judged by these limits."""

    number: int
    prefix: str
    version: str
    limits: RiskLimits | None = None


class Opening(_Entry, frozen=True, kw_only=True, tag="opening"):
    """What the account held when the books began, or when a person accepted the broker's books.

    Args:
        account_id: whose books these are, for good.
        cash: as the broker said.
        positions: as the broker said.
        broker_ts: the broker's clock; orders submitted before it are in the figures already.
        by: "first start" or "operator".
    """

    account_id: str
    cash: Decimal
    positions: tuple[Position, ...]
    broker_ts: int
    by: str


class Decision(_Entry, frozen=True, kw_only=True, tag="decision", omit_defaults=True):
    """Risk said yes, and this is all it looked at. `bar` and `seen` are what the strategy looked at."""

    client_order_id: str
    view: RiskView
    bar: Bar | None = None
    seen: dict[str, float] = {}

    @property
    def key(self) -> str:
        return self.client_order_id


class Intent(_Entry, frozen=True, kw_only=True, tag="intent"):
    """An order that may be sent from now on; a unit of it is reserved at `price`."""

    intent: OrderIntent
    price: Decimal
    mid: float | None = None

    @property
    def key(self) -> str:
        return self.intent.client_order_id


class Refusal(_Entry, frozen=True, kw_only=True, tag="refusal", omit_defaults=True):
    """Risk said no: nothing was sent."""

    intent: OrderIntent
    breach: Breach
    view: RiskView
    bar: Bar | None = None
    seen: dict[str, float] = {}

    @property
    def key(self) -> str:
        return self.intent.client_order_id


class Evidence(_Entry, frozen=True, kw_only=True, tag="evidence"):
    """Something that changed what is known of an order. `mid` is the middle of the quote then, for cost analysis."""

    update: Update
    mid: float | None = None

    @property
    def key(self) -> str:
        return self.update.client_order_id


class Crossed(_Entry, frozen=True, kw_only=True, tag="crossed"):
    """Orders of two strategies trade inside the account: one record for both sides, before the rest of either leaves.

    Args:
        cross: which orders, how much, at which price.
        quote: whose middle the price is.
    """

    cross: Cross
    quote: Quote

    @property
    def key(self) -> str:
        return self.cross.cross_id

    @property
    def keys(self) -> tuple[str, str]:
        """Both orders, the buying one first."""
        return self.cross.buy, self.cross.sell


class Adoption(_Entry, frozen=True, kw_only=True, tag="adoption"):
    """An order that was found at the broker.

    Args:
        intent: what it seems to want; strategy "external" when it is not one of ours.
        update: how it was found.
        booked: its fills are to be booked; False when the opening holds them already.
    """

    intent: OrderIntent
    update: Update
    booked: bool

    @property
    def key(self) -> str:
        return self.intent.client_order_id


class CancelAsked(_Entry, frozen=True, kw_only=True, tag="cancel"):
    """A cancel is wanted; it is sent until the order has ended."""

    client_order_id: str
    because: str = ""

    @property
    def key(self) -> str:
        return self.client_order_id


class ParentBegun(_Entry, frozen=True, kw_only=True, tag="parent"):
    """A parent order is worked from now on; its children name it as their `parent`.

    Args:
        parent_id: unlike any client_order_id.
        strategy: whose it is.
        parent: what is to be done.
        arrival: the middle of the market when it was decided, net for a package; what its cost is measured from.
        because: the strategy's reason, for people.
    """

    parent_id: str
    strategy: str
    parent: Parent
    arrival: float | None = None
    because: str = ""

    @property
    def key(self) -> str:
        return self.parent_id


class ParentStopped(_Entry, frozen=True, kw_only=True, tag="parent_stop"):
    """Somebody wants a parent to end: nothing more is sent for it."""

    parent_id: str
    reason: str

    @property
    def key(self) -> str:
        return self.parent_id


class ParentReached(_Entry, frozen=True, kw_only=True, tag="parent_reached"):
    """The best price that the trail of exits has followed so far."""

    parent_id: str
    price: Decimal

    @property
    def key(self) -> str:
        return self.parent_id


class ParentEnded(_Entry, frozen=True, kw_only=True, tag="parent_end"):
    """Nothing of a parent works any more. `mid` is the middle of the market then, for what was left undone."""

    parent_id: str
    filled: Decimal
    reason: str
    mid: float | None = None

    @property
    def key(self) -> str:
        return self.parent_id


class StateChange(_Entry, frozen=True, kw_only=True, tag="state", omit_defaults=True):
    """The trading state from here on, why, and by whom; of the account, or of what `scope` names.

    Args:
        state: what may be sent.
        reason: in words.
        by: a person ("operator"), the broker, or a part of Puna.
        scope: empty for the account, else `strategy:NAME` or `symbol:SYMBOL`.
    """

    state: TradingState
    reason: str
    by: str
    scope: str = ""


class Moved(_Entry, frozen=True, kw_only=True, tag="moved"):
    """Cash or a position moved without an order of ours; the broker's activity says why."""

    booking: Booking

    @property
    def key(self) -> str:
        return self.booking.reference


class Locked(_Entry, frozen=True, kw_only=True, tag="lock"):
    """A protection was set off."""

    lock: Lock


class Tallied(_Entry, frozen=True, kw_only=True, tag="tally"):
    """What protections count from, from here on."""

    tally: Tally


class Note(_Entry, frozen=True, kw_only=True, tag="note"):
    """Something a person should know."""

    code: str
    text: str


class Alerted(_Entry, frozen=True, kw_only=True, tag="alerted"):
    """Somebody was told of every alarm up to record `up_to`; `to` names the ways that worked."""

    up_to: int
    to: tuple[str, ...]


class Acknowledged(_Entry, frozen=True, kw_only=True, tag="acknowledged"):
    """A person has taken note of alarms, by their numbers (`engine.alarms`), and says why they may rest."""

    alarms: tuple[int, ...]
    by: str
    reason: str


class Told(_Entry, frozen=True, kw_only=True, tag="told"):
    """The strategies know of all fills up to record `up_to`."""

    up_to: int


class FeedReached(_Entry, frozen=True, kw_only=True, tag="feed"):
    """The feed of activities was followed up to this event; the next start goes on behind it."""

    event_id: str


class Reconciled(_Entry, frozen=True, kw_only=True, tag="reconciled"):
    """Our books were compared with the broker's; orders submitted before `broker_ts` are known."""

    broker_ts: int
    equal: bool
    summary: str


Entry: TypeAlias = (
    Epoch
    | Opening
    | Decision
    | Intent
    | Refusal
    | Evidence
    | Adoption
    | CancelAsked
    | Crossed
    | ParentBegun
    | ParentStopped
    | ParentReached
    | ParentEnded
    | StateChange
    | Locked
    | Moved
    | Tallied
    | Note
    | Alerted
    | Acknowledged
    | Told
    | FeedReached
    | Reconciled
)

_READER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_WRITER = msgspec.json.Encoder(decimal_format="string")


def to_record(entry: Entry) -> Record:
    """The entry as the journal's storage takes it."""
    return Record(str(entry.__struct_config__.tag), entry.key, entry.ts, _WRITER.encode(entry))


def from_record(seq: int, record: Record) -> Entry:
    """The entry that `to_record` wrote.

    Raises:
        JournalError: E402, it is none; nothing is guessed.
    """
    try:
        return _READER.decode(record.body)
    except (msgspec.DecodeError, ValueError) as error:
        raise JournalError(
            f"The journal's record {seq} ({record.kind} {record.key}) cannot be understood.",
            why=str(error)[:200],
            state="Nothing was started, and nothing in the journal was changed.",
            remedy="It was written by another version of Puna, or not by Puna: use the one that wrote it.",
            code="E402",
        ) from error
