"""Clock and calendar of version 3, which know several markets and their phases. Source: SPEC-T, fact sheet 5.6.

Version 2, which knows the US market only, is in `puna.wire.trading`.
"""

import msgspec

from puna.wire.codec import Nanos

__all__ = ["MarketCalendar", "MarketClock", "MarketClocks", "MarketDay", "PublicMarket"]


class PublicMarket(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A market, by its acronym, its MIC or its BIC."""

    acronym: str
    name: str
    timezone: str
    mic: str | None = None
    bic: str | None = None


class MarketClock(msgspec.Struct, kw_only=True):
    """One market now; `phase` is `closed`, `pre`, `core`, `lunch` or `post`, and lasts until `phase_until`."""

    market: PublicMarket
    timestamp: Nanos
    is_market_day: bool
    next_market_open: Nanos
    next_market_close: Nanos
    phase: str
    phase_until: Nanos


class MarketClocks(msgspec.Struct, kw_only=True):
    """GET /v3/clock."""

    clocks: list[MarketClock]


class MarketDay(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One trading day of a market; only the core session is always there."""

    date: str
    core_start: Nanos
    core_end: Nanos
    pre_start: Nanos | None = None
    pre_end: Nanos | None = None
    lunch_start: Nanos | None = None
    lunch_end: Nanos | None = None
    post_start: Nanos | None = None
    post_end: Nanos | None = None
    settlement_date: str | None = None


class MarketCalendar(msgspec.Struct, kw_only=True):
    """GET /v3/calendar/{market}."""

    market: PublicMarket
    calendar: list[MarketDay]
