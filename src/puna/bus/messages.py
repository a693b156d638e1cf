"""Every message of the bus, in one schema with one version: market data, signals, intents, evidence, risk, life.

A message is a map with its kind in `type`; msgpack on the wire, JSON for people and languages without it. Money and
quantities of orders are Decimal and travel as strings; prices of market data are float64, as in `core.types`. Fields
may be added with a default, and readers ignore what they do not know; anything else is a new SCHEMA, which older
readers refuse politely. The JSON Schema of all this is docs/bus.schema.json.
"""

from inspect import cleandoc
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from puna.core.risk import RiskLimits, TradingState
from puna.core.types import Bar, Fill, OrderIntent, Position, Quote, Side, Trade
from puna.errors import PunaError

__all__ = [
    "SCHEMA",
    "AccountState",
    "Ack",
    "BarUpdate",
    "BookUpdate",
    "BusError",
    "CancelRequest",
    "Event",
    "EventsAfter",
    "EventsPage",
    "FillUpdate",
    "Heartbeat",
    "Hello",
    "IntentRequest",
    "Level",
    "Message",
    "OrderState",
    "PositionUpdate",
    "QuoteUpdate",
    "RiskDecision",
    "RiskState",
    "Shutdown",
    "Signal",
    "StatusUpdate",
    "TradeUpdate",
    "Welcome",
    "json_schema",
    "kinds",
]

SCHEMA = 1
"""The version of everything here, in the header of each frame."""


class BusError(PunaError):
    """A message, a peer or a socket that the bus cannot work with."""

    code = "E700"


class _Message(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """What all have in common: they are immutable and say what they are."""


# The data plane: what the market shows. Lossy, in order, gaps marked.

Level: TypeAlias = tuple[float, float]
"""Price and size of one level of a book."""


class QuoteUpdate(_Message, frozen=True, gc=False, tag="quote"):
    """Best bid and ask; see core.types.Quote."""

    symbol: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    ts_event: int
    ts_init: int

    @classmethod
    def of(cls, quote: Quote) -> "QuoteUpdate":
        """From the domain's quote."""
        return cls(quote.symbol, quote.bid, quote.bid_size, quote.ask, quote.ask_size, quote.ts_event, quote.ts_init)

    def quote(self) -> Quote:
        """The domain's quote."""
        return Quote(self.symbol, self.bid, self.bid_size, self.ask, self.ask_size, self.ts_event, self.ts_init)


class TradeUpdate(_Message, frozen=True, gc=False, tag="trade"):
    """One print on the tape."""

    symbol: str
    price: float
    size: float
    ts_event: int
    ts_init: int

    @classmethod
    def of(cls, trade: Trade) -> "TradeUpdate":
        """From the domain's trade."""
        return cls(trade.symbol, trade.price, trade.size, trade.ts_event, trade.ts_init)

    def trade(self) -> Trade:
        """The domain's trade."""
        return Trade(self.symbol, self.price, self.size, self.ts_event, self.ts_init)


class BarUpdate(_Message, frozen=True, gc=False, tag="bar"):
    """A complete bar, or with `revised` a correction of one; `ts_event` is its left edge."""

    symbol: str
    timeframe: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    ts_event: int
    ts_init: int
    trade_count: int = 0
    vwap: float = 0.0
    revised: bool = False

    @classmethod
    def of(cls, bar: Bar, timeframe: str, *, revised: bool = False) -> "BarUpdate":
        """From the domain's bar."""
        return cls(
            bar.symbol,
            timeframe,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.ts_event,
            bar.ts_init,
            bar.trade_count,
            bar.vwap,
            revised,
        )

    def bar(self) -> Bar:
        """The domain's bar."""
        return Bar(
            self.symbol,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.ts_event,
            self.ts_init,
            self.trade_count,
            self.vwap,
        )


class BookUpdate(_Message, frozen=True, gc=False, tag="book"):
    """Levels of an order book that changed, best first; size 0 takes a level away, `reset` replaces the whole book."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ts_event: int
    ts_init: int
    reset: bool = False


class StatusUpdate(_Message, frozen=True, gc=False, tag="status"):
    """An instrument is halted or trades again."""

    symbol: str
    halted: bool
    ts_event: int
    ts_init: int
    reason: str = ""


# What models say.


class Signal(_Message, frozen=True, gc=False, tag="signal"):
    """An opinion about one symbol.

    Args:
        symbol: which.
        direction: long, short or neutral.
        strength: 0 to 1.
        ts: market time at which it was formed, ns.
        model: id of the model; execution follows those that its configuration names.
        features: what the model saw, by name.
        metadata: anything else, for people.
        deadline: market time, ns, after which nobody may act on it.
        trace: the context of its trace, in the words of W3C's traceparent; empty when nobody traces.
    """

    symbol: str
    direction: Literal["long", "short", "neutral"]
    strength: Annotated[float, Meta(ge=0.0, le=1.0)]
    ts: int
    model: str
    features: dict[str, float] = {}
    metadata: dict[str, str] = {}
    deadline: int | None = None
    trace: str = ""

    @property
    def value(self) -> float:
        """The signal as one number from -1 to 1."""
        return {"long": 1.0, "short": -1.0, "neutral": 0.0}[self.direction] * self.strength


# The control plane: what somebody wants. Acknowledged, durable, in order, once.


class IntentRequest(_Message, frozen=True, gc=False, tag="intent"):
    """Somebody wants this order (OrderIntent). Risk decides; the id makes a repetition harmless.

    `trace` is the context of its trace, in the words of W3C's traceparent; empty when nobody traces.
    """

    intent: OrderIntent
    trace: str = ""


class CancelRequest(_Message, frozen=True, gc=False, tag="cancel"):
    """Somebody wants an order to end."""

    client_order_id: str
    because: str = ""


class RiskState(_Message, frozen=True, gc=False, tag="risk_state"):
    """The limits in force and the state that risk allows; what is too old allows reductions only.

    Args:
        version: of the configuration, the first digits of its hash.
        state: active, reducing or halted; a halt is final until a person ends it.
        reason: why, when it is not active.
        limits: all of them, as one version.
        ts: wall time of sending, ns.
    """

    version: str
    state: TradingState
    reason: str
    limits: RiskLimits
    ts: int


class Hello(_Message, frozen=True, gc=False, tag="hello"):
    """A peer presents itself: what it speaks, and what it was told to trade with."""

    name: str
    schema: int
    version: str = ""
    config: str = ""


class Welcome(_Message, frozen=True, gc=False, tag="welcome"):
    """The answer: who the peer is by its key, what it may do, and the journal's last record."""

    peer: str
    roles: tuple[str, ...]
    journal: int
    schema: int
    version: str = ""
    config: str = ""


class Ack(_Message, frozen=True, gc=False, tag="ack"):
    """What became of message `seq` of this peer's epoch.

    `taken` is durable; `refused` changed nothing, `code` and `why` say why. A repetition gets the first answer again.
    """

    seq: int
    outcome: Literal["taken", "refused"]
    code: str = ""
    why: str = ""
    client_order_id: str = ""


class EventsAfter(_Message, frozen=True, gc=False, tag="events_after"):
    """Asks for all events of the journal after record `journal`: the repair of a gap on `order.*` and `fill.*`."""

    journal: int
    limit: Annotated[int, Meta(ge=1, le=1000)] = 500


# What execution tells: evidence, out of the journal, in its order.


class OrderState(_Message, frozen=True, gc=False, tag="order_state"):
    """An order as it is after record `journal`."""

    journal: int
    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    qty: str
    filled_qty: str
    status: str
    ts: int
    average_price: str | None = None
    limit_price: str | None = None
    reason: str = ""
    broker_id: str | None = None


class FillUpdate(_Message, frozen=True, gc=False, tag="fill"):
    """A fill that is booked; its key is (client_order_id, cum_qty), so hearing of it twice changes nothing."""

    journal: int
    fill: Fill


class PositionUpdate(_Message, frozen=True, gc=False, tag="position"):
    """What the account holds of a symbol after record `journal`."""

    journal: int
    position: Position
    ts: int


class AccountState(_Message, frozen=True, gc=False, tag="account"):
    """The account at marks; money as text, absent when a mark is missing."""

    ts: int
    state: TradingState
    reason: str = ""
    cash: str | None = None
    equity: str | None = None
    start_equity: str | None = None
    gross: str | None = None
    net: str | None = None
    orders: int = 0
    fills: int = 0


class RiskDecision(_Message, frozen=True, gc=False, tag="risk_decision"):
    """Risk allowed an order, or refused it with a code."""

    journal: int
    client_order_id: str
    symbol: str
    approved: bool
    ts: int
    code: str = ""
    reason: str = ""


Event: TypeAlias = OrderState | FillUpdate | PositionUpdate | RiskDecision


class EventsPage(_Message, frozen=True, gc=False, tag="events"):
    """A part of the journal's events; `upto` is the last record that it covers, `head` the last there is."""

    events: tuple[Event, ...]
    upto: int
    head: int


# Life.


class Heartbeat(_Message, frozen=True, gc=False, tag="heartbeat"):
    """A publisher lives.

    Args:
        name: whose.
        ts: wall time, ns.
        market: market time, ns; 0 when unknown.
        factor: market seconds in a second.
        marks: topic -> the last sequence number on it, so that losses at a tail are found as well.
        config: hash of the configuration it runs by.
        ready: it is fit for work: what it publishes is fresh.
    """

    name: str
    ts: int
    market: int = 0
    factor: float = 1.0
    marks: dict[str, int] = {}
    config: str = ""
    ready: bool = True


class Shutdown(_Message, frozen=True, gc=False, tag="shutdown"):
    """A component ends, on purpose."""

    name: str
    reason: str
    ts: int


Message: TypeAlias = (
    QuoteUpdate
    | TradeUpdate
    | BarUpdate
    | BookUpdate
    | StatusUpdate
    | Signal
    | IntentRequest
    | CancelRequest
    | RiskState
    | Hello
    | Welcome
    | Ack
    | EventsAfter
    | OrderState
    | FillUpdate
    | PositionUpdate
    | AccountState
    | RiskDecision
    | EventsPage
    | Heartbeat
    | Shutdown
)
"""Everything that may stand in a frame."""


def kinds() -> dict[str, type[msgspec.Struct]]:
    """The word in `type` -> its class."""
    return {str(each.__struct_config__.tag): each for each in Message.__args__}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a frame's body: a list of messages."""
    schema: dict[str, Any] = _unindented(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"Puna bus messages, schema {SCHEMA}",
            "description": "The body of a frame: the messages of its batch. See docs/bus.md for the header before it.",
            **msgspec.json.schema(list[Message]),
        }
    )
    return schema


def _unindented(schema: Any) -> Any:
    """The same, with docstrings as Python 3.13 keeps them: older ones keep the indentation of the source."""
    if isinstance(schema, dict):
        return {
            name: cleandoc(each) if name == "description" and isinstance(each, str) else _unindented(each)
            for name, each in schema.items()
        }
    return [_unindented(each) for each in schema] if isinstance(schema, list) else schema
