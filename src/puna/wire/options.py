"""The data API's bodies for options: bars, trades, quotes, snapshots and chains. Conditions are one text here.

Source: SPEC-D, fact sheet 6. There are no historical quotes of options. Bars are those of `puna.wire.market`.
"""

import msgspec

from puna.wire.codec import Nanos, Price
from puna.wire.market import Bar

__all__ = [
    "Greeks",
    "OptionBarsPage",
    "OptionLatestQuotes",
    "OptionLatestTrades",
    "OptionQuote",
    "OptionSnapshot",
    "OptionSnapshotsPage",
    "OptionTrade",
    "OptionTradesPage",
]


class OptionQuote(msgspec.Struct, kw_only=True):
    """A quote: prices `bp` and `ap`, sizes in contracts `bs` and `as`, exchanges `bx` and `ax`, condition `c`."""

    t: Nanos
    bp: Price = 0.0
    bs: Price = 0.0
    ap: Price = 0.0
    as_: Price = msgspec.field(default=0.0, name="as")
    bx: str = ""
    ax: str = ""
    c: str | None = None


class OptionTrade(msgspec.Struct, kw_only=True):
    """A trade: price `p`, contracts `s`, exchange `x`, condition `c`."""

    t: Nanos
    p: Price
    s: Price
    x: str = ""
    c: str | None = None


class Greeks(msgspec.Struct, kw_only=True):
    """Sensitivities of the value of one share's worth: to the price, its square, time, volatility and the rate."""

    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    rho: float | None = None


class OptionSnapshot(
    msgspec.Struct,
    kw_only=True,
    omit_defaults=True,
    rename={
        "latest_trade": "latestTrade",
        "latest_quote": "latestQuote",
        "minute_bar": "minuteBar",
        "daily_bar": "dailyBar",
        "prev_daily_bar": "prevDailyBar",
        "implied_volatility": "impliedVolatility",
    },
):
    """The newest of everything for one contract; Greeks and volatility are absent where they cannot be computed."""

    latest_trade: OptionTrade | None = None
    latest_quote: OptionQuote | None = None
    minute_bar: Bar | None = None
    daily_bar: Bar | None = None
    prev_daily_bar: Bar | None = None
    greeks: Greeks | None = None
    implied_volatility: float | None = None


class OptionBarsPage(msgspec.Struct, kw_only=True):
    """GET /v1beta1/options/bars."""

    bars: dict[str, list[Bar]] | None = None
    next_page_token: str | None = None
    currency: str | None = None


class OptionTradesPage(msgspec.Struct, kw_only=True):
    """GET /v1beta1/options/trades."""

    trades: dict[str, list[OptionTrade]] | None = None
    next_page_token: str | None = None
    currency: str | None = None


class OptionLatestQuotes(msgspec.Struct, kw_only=True):
    """GET /v1beta1/options/quotes/latest."""

    quotes: dict[str, OptionQuote] = {}


class OptionLatestTrades(msgspec.Struct, kw_only=True):
    """GET /v1beta1/options/trades/latest."""

    trades: dict[str, OptionTrade] = {}


class OptionSnapshotsPage(msgspec.Struct, kw_only=True):
    """GET /v1beta1/options/snapshots, and the chain of one underlying at /snapshots/{underlying_symbol}."""

    snapshots: dict[str, OptionSnapshot] = {}
    next_page_token: str | None = None
