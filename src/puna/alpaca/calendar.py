"""Clock and calendar of version 3, for many markets. Each call answers a value to be sent. Source: SPEC-T.

The ones of version 2, which know the US market only, are in `puna.alpaca.trading`.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import Moment, Request, moment, query_string, reading, segment
from puna.wire.calendar import MarketCalendar, MarketClocks
from puna.wire.codec import decoder

__all__ = ["get_market_calendar", "get_market_clocks"]

_calendar = reading(decoder(MarketCalendar))
_clocks = reading(decoder(MarketClocks))


@operation("GET /v3/clock", "Clock")
def get_market_clocks(markets: Iterable[str] | None = None, *, time: Moment | None = None) -> Request[MarketClocks]:
    """The clocks of markets, such as `XNYS` or `OPRA`, now or at another time."""
    query = query_string(markets=markets, time=moment(time))
    return Request("GET", f"/v3/clock{query}", _clocks, repeatable=True)


@operation("GET /v3/calendar/{market}", "Calendar")
def get_market_calendar(
    market: str, start: date | None = None, end: date | None = None, *, timezone: Literal["UTC"] | None = None
) -> Request[MarketCalendar]:
    """Trading days of one market, `start` and `end` inclusive: today and one week when not given."""
    query = query_string(start=start, end=end, timezone=timezone)
    return Request("GET", f"/v3/calendar/{segment(market)}{query}", _calendar, repeatable=True)
