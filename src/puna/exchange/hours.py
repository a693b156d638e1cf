"""When orders may trade, when a quote counts, and when an order's time is over (facts.md 5.2)."""

from datetime import time, timedelta

from puna.core import sessions
from puna.core.sessions import Session
from puna.wire.stream import QuoteMessage
from puna.wire.trading import Order, OrderRequest

__all__ = ["expiry", "is_live", "may_trade"]

_GTC_DAYS, _GTC_TIME = timedelta(days=90), time(16, 15)


def may_trade(body: Order, now: int) -> bool:
    """Core hours; for extended hours the pre-market and the after-hours too."""
    here = sessions.session_at(now)
    return here is Session.CORE or (bool(body.extended_hours) and here in (Session.PRE, Session.POST))


def is_live(quote: QuoteMessage | None, now: int) -> bool:
    """A quote counts in the session it was made in; what is left of an earlier one is history."""
    return quote is not None and _session_start(now) <= quote.t


def expiry(request: OrderRequest, now: int) -> int:
    """The end of the session the order is for; 90 days on for gtc (facts.md 5.2)."""
    if request.time_in_force == "gtc":
        return sessions.at(sessions.date_of(now) + _GTC_DAYS, _GTC_TIME)
    today = sessions.day(sessions.date_of(now))
    if today is not None and now < (today.post_close if request.extended_hours else today.close):
        return today.post_close if request.extended_hours else today.close
    later = sessions.next_trading_day(sessions.date_of(now))
    return later.post_close if request.extended_hours else later.close


def _session_start(now: int) -> int:
    day = sessions.day(sessions.date_of(now))
    if day is None:
        return now
    return max((ts for ts in (day.pre_open, day.open, day.close, day.post_close) if ts <= now), default=now)
