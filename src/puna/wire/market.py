"""The data API's bodies for US stocks: bars, quotes, trades, auctions, snapshots, with Alpaca's one-letter keys.

Prices and sizes are JSON numbers on this API, so they are floats here (`core.types` says how they become money).
Sizes are shares since 2025-11-03. Source: SPEC-D in the fact sheet, section 6.
"""

from typing import TypeAlias

import msgspec

from puna.wire.codec import Nanos, Price

__all__ = [
    "Auction",
    "AuctionsPage",
    "Bar",
    "BarsPage",
    "DailyAuctions",
    "LatestBar",
    "LatestBars",
    "LatestQuote",
    "LatestQuotes",
    "LatestTrade",
    "LatestTrades",
    "Quote",
    "QuotesPage",
    "Snapshot",
    "Snapshots",
    "SymbolAuctionsPage",
    "SymbolBarsPage",
    "SymbolQuotesPage",
    "SymbolSnapshot",
    "SymbolTradesPage",
    "Trade",
    "TradesPage",
]


class Bar(msgspec.Struct, kw_only=True):
    """A bar; `t` is its left edge."""

    t: Nanos
    o: Price
    h: Price
    l: Price  # noqa: E741 - Alpaca's key
    c: Price
    v: Price
    n: int = 0
    vw: Price = 0.0


class Quote(msgspec.Struct, kw_only=True):
    """A quote: prices `bp` and `ap`, sizes `bs` and `as`, exchanges `bx` and `ax`, conditions `c`, tape `z`."""

    t: Nanos
    bp: Price = 0.0
    bs: Price = 0.0
    ap: Price = 0.0
    as_: Price = msgspec.field(default=0.0, name="as")
    bx: str = ""
    ax: str = ""
    c: list[str] | str | None = None
    z: str = ""


class Trade(msgspec.Struct, kw_only=True):
    """A trade: price `p`, size `s`, id `i`, exchange `x`, conditions `c`, tape `z`.

    `u` is there when it was revised: `canceled`, `incorrect` or `corrected`.
    """

    t: Nanos
    p: Price
    s: Price
    i: int | str = 0
    x: str = ""
    c: list[str] | str | None = None
    z: str = ""
    u: str | msgspec.UnsetType = msgspec.UNSET


class Auction(msgspec.Struct, kw_only=True):
    """One report of an opening or closing auction: price `p`, size `s`, exchange `x`, condition `c`."""

    t: Nanos
    p: Price
    s: Price | msgspec.UnsetType = msgspec.UNSET
    x: str = ""
    c: str = ""


class DailyAuctions(msgspec.Struct, kw_only=True):
    """The auctions of one day `d`: opening `o` and closing `c`."""

    d: str
    o: list[Auction] | None = None
    c: list[Auction] | None = None


class Snapshot(
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
    """The newest of everything for one symbol."""

    latest_trade: Trade | None = None
    latest_quote: Quote | None = None
    minute_bar: Bar | None = None
    daily_bar: Bar | None = None
    prev_daily_bar: Bar | None = None


Snapshots: TypeAlias = dict[str, Snapshot | None]
"""GET /v2/stocks/snapshots, a bare map; null for a symbol that is not known."""


class SymbolSnapshot(Snapshot, kw_only=True):
    """GET /v2/stocks/{symbol}/snapshot."""

    symbol: str
    currency: str | msgspec.UnsetType = msgspec.UNSET


class _Several(msgspec.Struct, kw_only=True):
    next_page_token: str | None = None
    currency: str | msgspec.UnsetType = msgspec.UNSET


class BarsPage(_Several, kw_only=True):
    """GET /v2/stocks/bars: bars by symbol; symbols without data are absent. `currency` is there when not USD."""

    bars: dict[str, list[Bar]] | None = None


class QuotesPage(_Several, kw_only=True):
    """GET /v2/stocks/quotes."""

    quotes: dict[str, list[Quote]] | None = None


class TradesPage(_Several, kw_only=True):
    """GET /v2/stocks/trades."""

    trades: dict[str, list[Trade]] | None = None


class AuctionsPage(_Several, kw_only=True):
    """GET /v2/stocks/auctions."""

    auctions: dict[str, list[DailyAuctions]] | None = None


class _Single(_Several, kw_only=True):
    symbol: str


class SymbolBarsPage(_Single, kw_only=True):
    """GET /v2/stocks/{symbol}/bars: null where there are none."""

    bars: list[Bar] | None = None


class SymbolQuotesPage(_Single, kw_only=True):
    """GET /v2/stocks/{symbol}/quotes."""

    quotes: list[Quote] | None = None


class SymbolTradesPage(_Single, kw_only=True):
    """GET /v2/stocks/{symbol}/trades."""

    trades: list[Trade] | None = None


class SymbolAuctionsPage(_Single, kw_only=True):
    """GET /v2/stocks/{symbol}/auctions."""

    auctions: list[DailyAuctions] | None = None


class _Latest(msgspec.Struct, kw_only=True):
    currency: str | msgspec.UnsetType = msgspec.UNSET


class LatestQuotes(_Latest, kw_only=True):
    """GET /v2/stocks/quotes/latest."""

    quotes: dict[str, Quote] = {}


class LatestTrades(_Latest, kw_only=True):
    """GET /v2/stocks/trades/latest."""

    trades: dict[str, Trade] = {}


class LatestBars(_Latest, kw_only=True):
    """GET /v2/stocks/bars/latest."""

    bars: dict[str, Bar] = {}


class LatestQuote(_Latest, kw_only=True):
    """GET /v2/stocks/{symbol}/quotes/latest."""

    symbol: str
    quote: Quote


class LatestTrade(_Latest, kw_only=True):
    """GET /v2/stocks/{symbol}/trades/latest."""

    symbol: str
    trade: Trade


class LatestBar(_Latest, kw_only=True):
    """GET /v2/stocks/{symbol}/bars/latest."""

    symbol: str
    bar: Bar
