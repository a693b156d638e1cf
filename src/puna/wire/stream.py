"""Messages of both WebSockets as tagged unions: market data (tag `T`), and the trading stream (key `stream`).

Source: fact sheet, sections 7 and 8. A data frame is always an array. `puna.wire.frames` reads whole frames, and
keeps what is not in the unions as an `UnknownMessage`.
"""

from typing import Literal, TypeAlias

import msgspec

from puna.wire.codec import Nanos, Price
from puna.wire.crypto import Level
from puna.wire.trading import TradeUpdate

__all__ = [
    "ActionError",
    "Authorization",
    "BarMessage",
    "CancelErrorMessage",
    "CorrectionMessage",
    "CryptoMessage",
    "CryptoTradeMessage",
    "DailyBarMessage",
    "DataMessage",
    "ErrorMessage",
    "ImbalanceMessage",
    "Listening",
    "LuldMessage",
    "NewsMessage",
    "OrderbookMessage",
    "QuoteMessage",
    "StatusMessage",
    "Subscription",
    "SuccessMessage",
    "TradeMessage",
    "TradeUpdateMessage",
    "TradingMessage",
    "UnknownMessage",
    "UpdatedBarMessage",
]


class SuccessMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="success"):
    """`connected`, then `authenticated`."""

    msg: str = ""


class ErrorMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="error"):
    """400 syntax, 401 not authenticated, 402 auth failed, 404 auth timeout, 405 symbols, 406 connections, 407 slow."""

    code: int
    msg: str = ""


Symbols: TypeAlias = list[str] | msgspec.UnsetType
"""The symbols of a channel; unset where the acknowledgement does not name the channel."""


class Subscription(
    msgspec.Struct,
    kw_only=True,
    tag_field="T",
    tag="subscription",
    rename={"updated_bars": "updatedBars", "daily_bars": "dailyBars", "cancel_errors": "cancelErrors"},
):
    """The whole set of subscriptions after a change; each feed names the channels that it has.

    Stocks: all but `orderbooks` and `news`. Crypto: trades, quotes, orderbooks and bars. Options: trades and quotes.
    """

    trades: Symbols = msgspec.UNSET
    quotes: Symbols = msgspec.UNSET
    orderbooks: Symbols = msgspec.UNSET
    bars: Symbols = msgspec.UNSET
    updated_bars: Symbols = msgspec.UNSET
    daily_bars: Symbols = msgspec.UNSET
    statuses: Symbols = msgspec.UNSET
    lulds: Symbols = msgspec.UNSET
    imbalances: Symbols = msgspec.UNSET
    corrections: Symbols = msgspec.UNSET
    cancel_errors: Symbols = msgspec.UNSET
    news: Symbols = msgspec.UNSET


class TradeMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="t"):
    """A trade."""

    S: str
    t: Nanos
    p: Price
    s: Price
    i: int | str = 0
    x: str = ""
    c: list[str] | str | None = None
    z: str = ""


class QuoteMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="q"):
    """A quote."""

    S: str
    t: Nanos
    bp: Price = 0.0
    bs: Price = 0.0
    ap: Price = 0.0
    as_: Price = msgspec.field(default=0.0, name="as")
    bx: str = ""
    ax: str = ""
    c: list[str] | str | None = None
    z: str = ""


class _BarFields(msgspec.Struct, kw_only=True):
    S: str
    t: Nanos
    o: Price
    h: Price
    l: Price  # noqa: E741 - Alpaca's key
    c: Price
    v: Price
    n: int = 0
    vw: Price = 0.0


# Siblings, not parent and child: nobody who asks for minute bars may get a daily bar for one.
class BarMessage(_BarFields, kw_only=True, tag_field="T", tag="b"):
    """A minute bar, sent about half a second after its minute."""


class UpdatedBarMessage(_BarFields, kw_only=True, tag_field="T", tag="u"):
    """A minute bar again, after late trades."""


class DailyBarMessage(_BarFields, kw_only=True, tag_field="T", tag="d"):
    """The day so far."""


class CorrectionMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="c"):
    """A trade that was corrected: what it was (`o...`) and what it is (`c...`)."""

    S: str
    t: Nanos
    x: str = ""
    oi: int | str = 0
    op: Price = 0.0
    os: Price = 0.0
    oc: list[str] | str | None = None
    ci: int | str = 0
    cp: Price = 0.0
    cs: Price = 0.0
    cc: list[str] | str | None = None
    z: str = ""


class CancelErrorMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="x"):
    """A trade that is void: action `a` is C for cancelled, E for an error."""

    S: str
    t: Nanos
    i: int | str = 0
    x: str = ""
    p: Price = 0.0
    s: Price = 0.0
    a: str = ""
    z: str = ""


class StatusMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="s"):
    """Trading status: code and text `sc`, `sm`, reason `rc`, `rm`. H is a halt."""

    S: str
    t: Nanos
    sc: str = ""
    sm: str = ""
    rc: str = ""
    rm: str = ""
    z: str = ""


class LuldMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="l"):
    """Limit up, limit down: the band `u` and `d`, and the indicator `i`."""

    S: str
    t: Nanos
    u: Price = 0.0
    d: Price = 0.0
    i: str = ""
    z: str = ""


class ImbalanceMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="i"):
    """An auction's imbalance."""

    S: str
    t: Nanos
    p: Price = 0.0
    z: str = ""


class CryptoTradeMessage(TradeMessage, kw_only=True, tag_field="T", tag="t"):
    """A trade of a coin; `tks` is the taker's side, B or S."""

    tks: str = ""


class OrderbookMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="o"):
    """A coin's book: whole when `r` (reset) is true, otherwise the levels that changed, 0 removing one."""

    S: str
    t: Nanos
    b: list[Level] = []
    a: list[Level] = []
    r: bool | msgspec.UnsetType = msgspec.UNSET


class NewsMessage(msgspec.Struct, kw_only=True, tag_field="T", tag="n"):
    """An article, as it is published or updated."""

    id: int
    headline: str
    created_at: Nanos
    updated_at: Nanos
    author: str = ""
    summary: str = ""
    content: str = ""
    url: str | None = None
    symbols: list[str] = []
    source: str = ""


class UnknownMessage(msgspec.Struct, kw_only=True, frozen=True):
    """An element of a frame that could not be read as any known message, as it came, and why."""

    raw: bytes
    why: str = ""


DataMessage: TypeAlias = (
    SuccessMessage
    | ErrorMessage
    | Subscription
    | TradeMessage
    | QuoteMessage
    | BarMessage
    | UpdatedBarMessage
    | DailyBarMessage
    | CorrectionMessage
    | CancelErrorMessage
    | StatusMessage
    | LuldMessage
    | ImbalanceMessage
    | OrderbookMessage
    | NewsMessage
)
"""What the streams of stocks, options and news say; an option's conditions `c` are one text."""

CryptoMessage: TypeAlias = (
    SuccessMessage
    | ErrorMessage
    | Subscription
    | CryptoTradeMessage
    | QuoteMessage
    | BarMessage
    | UpdatedBarMessage
    | DailyBarMessage
    | OrderbookMessage
)
"""What the crypto stream says: its trades have a taker's side."""


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


class ActionErrorData(msgspec.Struct, kw_only=True):
    """What went wrong."""

    error_message: str = ""


class ActionError(msgspec.Struct, kw_only=True):
    """Sent before the trading stream closes the connection; it has no `stream` key."""

    action: Literal["error"]
    data: ActionErrorData


TradingMessage: TypeAlias = Authorization | Listening | TradeUpdateMessage
