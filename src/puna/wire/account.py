"""What belongs to the account beside its balances: configurations, portfolio history, watchlists.

Source: SPEC-T, fact sheet 4 and 5.7.
"""

import msgspec

from puna.wire.codec import Amount, Nanos, Ratio
from puna.wire.trading import Asset

__all__ = [
    "Configurations",
    "ConfigurationsChange",
    "PortfolioHistory",
    "Watchlist",
    "WatchlistRequest",
    "WatchlistSymbol",
]


class Configurations(msgspec.Struct, kw_only=True):
    """GET /v2/account/configurations. The pattern-day-trader switches ended in July 2026."""

    no_shorting: bool | None = None
    suspend_trade: bool | None = None
    fractional_trading: bool | None = None
    max_margin_multiplier: Amount | None = None
    max_options_trading_level: int | None = None
    disable_overnight_trading: bool | None = None
    ptp_no_exception_entry: bool | None = None
    trade_confirm_email: str | None = None


class ConfigurationsChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of PATCH /v2/account/configurations: only what is to change."""

    no_shorting: bool | None = None
    suspend_trade: bool | None = None
    fractional_trading: bool | None = None
    max_margin_multiplier: Amount | None = None
    max_options_trading_level: int | None = None
    disable_overnight_trading: bool | None = None
    ptp_no_exception_entry: bool | None = None
    trade_confirm_email: str | None = None


class PortfolioHistory(msgspec.Struct, kw_only=True):
    """GET /v2/account/portfolio/history: columns of one length, `timestamp` in whole seconds, left-labelled.

    Alpaca sends the values as JSON numbers here, and null where it has none. `profit_loss_pct` is a fraction.
    """

    timestamp: list[int]
    equity: list[Ratio | None]
    profit_loss: list[Ratio | None]
    profit_loss_pct: list[Ratio | None]
    base_value: Ratio | None = None
    base_value_asof: str | None = None
    timeframe: str | None = None
    cashflow: dict[str, list[Ratio | None]] | None = None


class Watchlist(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A watchlist; in the list of all of them `assets` is absent."""

    id: str
    account_id: str
    name: str
    created_at: Nanos | None = None
    updated_at: Nanos | None = None
    assets: list[Asset] | None = None


class WatchlistRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of POST and PUT: a name and the whole list of symbols."""

    name: str | None = None
    symbols: list[str] | None = None


class WatchlistSymbol(msgspec.Struct, kw_only=True):
    """The body that adds one symbol."""

    symbol: str | None = None
