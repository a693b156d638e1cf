"""The data API's bodies for crypto: bars, quotes, trades, books and snapshots. Sizes are fractions of a coin.

Source: SPEC-D, fact sheet 6. Bars are those of `puna.wire.market`.
"""

import msgspec

from puna.wire.codec import Nanos, Price
from puna.wire.market import Bar

__all__ = [
    "CryptoBarsPage",
    "CryptoLatestBars",
    "CryptoLatestOrderbooks",
    "CryptoLatestQuotes",
    "CryptoLatestTrades",
    "CryptoOrderbook",
    "CryptoQuote",
    "CryptoQuotesPage",
    "CryptoSnapshot",
    "CryptoSnapshots",
    "CryptoTrade",
    "CryptoTradesPage",
    "Level",
]


class CryptoQuote(msgspec.Struct, kw_only=True):
    """A quote: prices `bp` and `ap`, sizes `bs` and `as`."""

    t: Nanos
    bp: Price = 0.0
    bs: Price = 0.0
    ap: Price = 0.0
    as_: Price = msgspec.field(default=0.0, name="as")


class CryptoTrade(msgspec.Struct, kw_only=True):
    """A trade; `tks` is the taker's side, B or S."""

    t: Nanos
    p: Price
    s: Price
    i: int | str = 0
    tks: str = ""


class Level(msgspec.Struct, kw_only=True):
    """One price of a book, and the size there; 0 removes it in an update."""

    p: Price
    s: Price


class CryptoOrderbook(msgspec.Struct, kw_only=True):
    """A book: bids from the highest, asks from the lowest."""

    t: Nanos
    b: list[Level] = []
    a: list[Level] = []


class CryptoSnapshot(
    msgspec.Struct,
    kw_only=True,
    rename={
        "latest_trade": "latestTrade",
        "latest_quote": "latestQuote",
        "minute_bar": "minuteBar",
        "daily_bar": "dailyBar",
        "prev_daily_bar": "prevDailyBar",
    },
):
    """The newest of everything for one pair."""

    latest_trade: CryptoTrade | None = None
    latest_quote: CryptoQuote | None = None
    minute_bar: Bar | None = None
    daily_bar: Bar | None = None
    prev_daily_bar: Bar | None = None


class CryptoBarsPage(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/bars."""

    bars: dict[str, list[Bar]] | None = None
    next_page_token: str | None = None


class CryptoQuotesPage(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/quotes."""

    quotes: dict[str, list[CryptoQuote]] | None = None
    next_page_token: str | None = None


class CryptoTradesPage(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/trades."""

    trades: dict[str, list[CryptoTrade]] | None = None
    next_page_token: str | None = None


class CryptoLatestBars(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/latest/bars."""

    bars: dict[str, Bar] = {}


class CryptoLatestQuotes(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/latest/quotes."""

    quotes: dict[str, CryptoQuote] = {}


class CryptoLatestTrades(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/latest/trades."""

    trades: dict[str, CryptoTrade] = {}


class CryptoLatestOrderbooks(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/latest/orderbooks."""

    orderbooks: dict[str, CryptoOrderbook] = {}


class CryptoSnapshots(msgspec.Struct, kw_only=True):
    """GET /v1beta3/crypto/{loc}/snapshots."""

    snapshots: dict[str, CryptoSnapshot] = {}
