"""Messages of both WebSockets as tagged unions: market data (tag `T`), and the trading stream (key `stream`).

Source: fact sheet, sections 7 and 8. A data frame is always an array.
"""

from typing import TypeAlias

import msgspec

from puna.wire.codec import Nanos
from puna.wire.trading import TradeUpdate

__all__ = [
    "Authorization",
    "BarMessage",
    "DailyBarMessage",
    "DataMessage",
    "ErrorMessage",
    "Listening",
    "QuoteMessage",
    "Subscription",
    "SuccessMessage",
    "TradeMessage",
    "TradeUpdateMessage",
    "TradingMessage",
    "UpdatedBarMessage",
]


class SuccessMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="success"):
    """`connected`, then `authenticated`."""

    msg: str = ""


class ErrorMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="error"):
    """400 syntax, 401 not authenticated, 402 auth failed, 404 auth timeout, 405 symbols, 406 connections, 407 slow."""

    code: int
    msg: str = ""


class Subscription(
    msgspec.Struct,
    kw_only=True,
    tag_field="T",
    tag="subscription",
    rename={"updated_bars": "updatedBars", "daily_bars": "dailyBars", "cancel_errors": "cancelErrors"},
):
    """The whole set of subscriptions after a change."""

    trades: list[str] = []
    quotes: list[str] = []
    bars: list[str] = []
    updated_bars: list[str] = []
    daily_bars: list[str] = []
    statuses: list[str] = []
    lulds: list[str] = []
    imbalances: list[str] = []
    corrections: list[str] = []
    cancel_errors: list[str] = []


class TradeMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="t"):
    """A trade."""

    S: str
    t: Nanos
    p: float
    s: float
    i: int | str = 0
    x: str = ""
    c: list[str] | str | None = None
    z: str = ""


class QuoteMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="q"):
    """A quote."""

    S: str
    t: Nanos
    bp: float = 0.0
    bs: float = 0.0
    ap: float = 0.0
    as_: float = msgspec.field(default=0.0, name="as")
    bx: str = ""
    ax: str = ""
    c: list[str] | str | None = None
    z: str = ""


class BarMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="b"):
    """A minute bar, sent about half a second after its minute."""

    S: str
    t: Nanos
    o: float
    h: float
    l: float  # noqa: E741 - Alpaca's key
    c: float
    v: float
    n: int = 0
    vw: float = 0.0


class UpdatedBarMessage(BarMessage, kw_only=True, tag_field="T", tag="u"):
    """A minute bar again, after late trades."""


class DailyBarMessage(BarMessage, kw_only=True, tag_field="T", tag="d"):
    """The day so far."""


DataMessage: TypeAlias = (
    SuccessMessage
    | ErrorMessage
    | Subscription
    | TradeMessage
    | QuoteMessage
    | BarMessage
    | UpdatedBarMessage
    | DailyBarMessage
)


class AuthorizationData(msgspec.Struct, kw_only=True):
    """Whether the keys were accepted."""

    status: str
    action: str = ""


class ListeningData(msgspec.Struct, kw_only=True):
    """Which streams are listened to now."""

    streams: list[str] = []
    error: str | None = None


class Authorization(msgspec.Struct, kw_only=True, tag_field="stream", tag="authorization"):
    """Reply to auth."""

    data: AuthorizationData


class Listening(msgspec.Struct, kw_only=True, tag_field="stream", tag="listening"):
    """Reply to listen."""

    data: ListeningData


class TradeUpdateMessage(msgspec.Struct, kw_only=True, tag_field="stream", tag="trade_updates"):
    """Something happened to an order."""

    data: TradeUpdate


TradingMessage: TypeAlias = Authorization | Listening | TradeUpdateMessage
