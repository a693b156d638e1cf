"""The data API's bodies for US stocks: bars, quotes, trades and their pages, with Alpaca's one-letter keys.

Prices and sizes are JSON numbers on this API, so they are floats here (`core.types` says how they become money).
Sizes are shares since 2025-11-03. Source: SPEC-D in the fact sheet, section 6.
"""

import msgspec

from puna.wire.codec import Nanos, Price

__all__ = ["Bar", "BarsPage", "LatestBars", "LatestQuotes", "LatestTrades", "Quote", "Trade"]


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
    """A trade: price `p`, size `s`, id `i`, exchange `x`, conditions `c`, tape `z`."""

    t: Nanos
    p: Price
    s: Price
    i: int | str = 0
    x: str = ""
    c: list[str] | str | None = None
    z: str = ""


class BarsPage(msgspec.Struct, kw_only=True):
    """GET /v2/stocks/bars: bars by symbol; symbols without data are absent."""

    bars: dict[str, list[Bar]] | None = None
    next_page_token: str | None = None


class LatestQuotes(msgspec.Struct, kw_only=True):
    """GET /v2/stocks/quotes/latest."""

    quotes: dict[str, Quote] = {}


class LatestTrades(msgspec.Struct, kw_only=True):
    """GET /v2/stocks/trades/latest."""

    trades: dict[str, Trade] = {}


class LatestBars(msgspec.Struct, kw_only=True):
    """GET /v2/stocks/bars/latest."""

    bars: dict[str, Bar] = {}
