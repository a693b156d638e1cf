"""When orders may trade, when a quote counts, and when an order's time is over (facts.md 5.2)."""

from datetime import time, timedelta

from puna.core import sessions
from puna.core.sessions import Session
from puna.wire.stream import QuoteMessage
from puna.wire.trading import Order, OrderRequest

__all__ = ["AUCTIONS", "expiry", "is_live", "may_trade", "may_work"]

AUCTIONS = frozenset({"opg", "cls"})

_EVENING = time(20)
_GTC_DAYS, _GTC_TIME = timedelta(days=90), time(16, 15)


def may_trade(body: Order, now: int, *, overnight: bool = False) -> bool:
    """Whether a quote or a print of now concerns it.

    Core hours; for extended hours the pre-market and the after-hours too, and the overnight session where the asset has
    one; crypto always. What is for an auction never meets a quote.

    Args:
        body: the order.
        now: market time.
        overnight: whether the overnight session takes it.
    """
    if body.time_in_force in AUCTIONS:
        return False
    if body.asset_class == "crypto":
        return True
    here = sessions.session_at(now)
    if here is Session.CORE or not body.extended_hours:
        return here is Session.CORE
    return here in (Session.PRE, Session.POST) or (overnight and here is Session.OVERNIGHT)


def may_work(body: Order, now: int, *, overnight: bool = False) -> bool:
    """Whether it can be passed on now: when it may trade, or on the morning of the auction that it is for."""
    if body.time_in_force not in AUCTIONS:
        return may_trade(body, now, overnight=overnight)
    today = sessions.day(sessions.date_of(now))
    return today is not None and today.pre_open <= now and (body.expires_at or 0) <= today.close


def is_live(quote: QuoteMessage | None, now: int, asset_class: str = "us_equity") -> bool:
    """A quote counts in the session it was made in; what is left of an earlier one is history. Crypto never closes."""
    return quote is not None and (asset_class == "crypto" or _session_start(now) <= quote.t)


def expiry(request: OrderRequest, now: int) -> int:
    """The end of the session the order is for, or its auction; 90 days on for gtc (facts.md 5.2)."""
    if request.time_in_force == "gtc":
        return sessions.at(sessions.date_of(now) + _GTC_DAYS, _GTC_TIME)
    today = sessions.day(sessions.date_of(now))
    later = sessions.next_trading_day(sessions.date_of(now))
    if request.time_in_force == "opg":
        return today.open if today is not None and now < today.open else later.open
    if today is not None and now < (today.post_close if request.extended_hours else today.close):
        return today.post_close if request.extended_hours else today.close
    return later.post_close if request.extended_hours else later.close


def _session_start(now: int) -> int:
    today = sessions.date_of(now)
    if sessions.session_at(now) is Session.OVERNIGHT:
        evening = sessions.at(today, _EVENING)
        return evening if evening <= now else sessions.at(today - timedelta(days=1), _EVENING)
    day = sessions.day(today)
    if day is None:
        return now
    return max((ts for ts in (day.pre_open, day.open, day.close, day.post_close) if ts <= now), default=now)
