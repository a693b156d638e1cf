"""Clock and calendar, version 2 for the US market and version 3 for several (SPEC-T; facts.md 5.6).

The days are those of the session table, so markets elsewhere are not served. NYSE and NASDAQ have their pre-market and
after-hours; the overnight venue trades from 20:00 to 04:00 (facts.md 5.2); of the others only the core session is told,
the one that the specification requires.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from typing import NamedTuple

from puna.core import sessions
from puna.core.sessions import TradingDay
from puna.wire.codec import Nanos, format_time
from puna.wire.trading import CalendarDay, Clock

__all__ = ["MARKETS", "UsMarket", "calendar_days", "calendar_v3", "clock", "clock_v3", "local"]

_NANOS = 1_000_000_000
_WEEK = timedelta(days=7)
_LAST_DAY, _EVENING = date(2029, 12, 31), time(20)


class UsMarket(NamedTuple):
    """A market as version 3 names it.

    Args:
        acronym: NYSE, ...
        name: in full.
        mic: its market identifier code, if it has one of its own.
        hours: which of the day's sessions it has: "extended", "core", or "overnight" alone.
    """

    acronym: str
    name: str
    mic: str | None
    hours: str

    @property
    def body(self) -> dict[str, str]:
        known = {"acronym": self.acronym, "name": self.name, "timezone": "America/New_York", "mic": self.mic}
        return {key: value for key, value in known.items() if value}


class Phase(NamedTuple):
    """A stretch of time in which a market is in one phase."""

    start: int
    end: int
    name: str


def _named() -> Mapping[str, UsMarket]:
    nyse = UsMarket("NYSE", "New York Stock Exchange", "XNYS", "extended")
    nasdaq = UsMarket("NASDAQ", "National Association of Securities Dealers Automated Quotations", "XNAS", "extended")
    iex = UsMarket("IEX", "Investors Exchange", "IEXG", "core")
    opra = UsMarket("OPRA", "Options Price Reporting Authority", None, "core")
    otc = UsMarket("OTC", "OTC Markets", "OTCM", "core")
    boats = UsMarket("BOATS", "Blue Ocean Alternative Trading System", "OCEA", "overnight")
    known = (nyse, nasdaq, iex, opra, otc, boats)
    return {name: each for each in known for name in (each.acronym, each.mic) if name}


MARKETS = _named()
"""Acronym or MIC -> market."""


def clock(now: int) -> Clock:
    """GET /v2/clock."""
    return Clock(
        timestamp=Nanos(now),
        is_open=sessions.session_at(now) is sessions.Session.CORE,
        next_open=Nanos(sessions.next_open(now)),
        next_close=Nanos(sessions.next_close(now)),
    )


def calendar_days(start: date | None, end: date | None, *, by_settlement: bool = False) -> list[CalendarDay]:
    """GET /v2/calendar, as far as the session table reaches; bounds are trading days, or days of settlement."""
    first = max(start or sessions.FIRST_DATE, sessions.FIRST_DATE)
    last = min(end or _LAST_DAY, _LAST_DAY)
    if not by_settlement:
        return [_calendar_day(day) for day in sessions.trading_days(first, last)]
    found = (_calendar_day(day) for day in sessions.trading_days(max(first - _WEEK, sessions.FIRST_DATE), last))
    return [each for each in found if first.isoformat() <= (each.settlement_date or "") <= last.isoformat()]


def clock_v3(markets: Iterable[UsMarket], now: int) -> dict[str, object]:
    """GET /v3/clock: what each market does now, and until when."""
    return {"clocks": [_market_clock(each, now) for each in markets]}


def calendar_v3(market: UsMarket, start: date, end: date, *, utc: bool) -> dict[str, object]:
    """GET /v3/calendar/{market}; times with New York's offset, or in UTC."""
    show = format_time if utc else local
    first, last = max(start, sessions.FIRST_DATE), min(end, sessions.LAST_DATE)
    days = sessions.trading_days(first, last)
    return {"market": market.body, "calendar": [_market_day(market, day, show) for day in days]}


def local(ts: int) -> str:
    """An instant with New York's offset, all nine decimals where there are any (facts.md 1, CAP)."""
    text = sessions.new_york(ts).replace(microsecond=0).isoformat()
    return f"{text[:19]}.{nanos:09d}{text[19:]}" if (nanos := ts % _NANOS) else text


def _calendar_day(day: TradingDay) -> CalendarDay:
    open_, close, post = (sessions.new_york(ts) for ts in (day.open, day.close, day.post_close))
    return CalendarDay(
        date=day.date.isoformat(),
        open=f"{open_:%H:%M}",
        close=f"{close:%H:%M}",
        session_open=f"{sessions.new_york(day.pre_open):%H%M}",
        session_close=f"{post:%H%M}",
        settlement_date=sessions.settlement_date(day.date).isoformat(),
    )


def _phases(market: UsMarket, day: TradingDay) -> list[Phase]:
    """The phases of one trading day, in order."""
    if market.hours == "overnight":
        evening = sessions.at(day.date - timedelta(days=1), _EVENING)
        return [Phase(evening, day.pre_open, "core")]
    core = Phase(day.open, day.close, "core")
    if market.hours == "core":
        return [core]
    return [Phase(day.pre_open, day.open, "pre"), core, Phase(day.close, day.post_close, "post")]


def _market_day(market: UsMarket, day: TradingDay, show: Callable[[int], str]) -> dict[str, str]:
    told = {"date": day.date.isoformat(), "settlement_date": sessions.settlement_date(day.date).isoformat()}
    for phase in _phases(market, day):
        told[f"{phase.name}_start"], told[f"{phase.name}_end"] = show(phase.start), show(phase.end)
    return told


def _market_clock(market: UsMarket, now: int) -> dict[str, object]:
    today = sessions.date_of(now)
    near = sessions.trading_days(max(today - _WEEK, sessions.FIRST_DATE), min(today + 2 * _WEEK, sessions.LAST_DATE))
    phases = [phase for day in near for phase in _phases(market, day)]
    cores = [phase for phase in phases if phase.name == "core"]
    here = next((phase for phase in phases if phase.start <= now < phase.end), None)
    next_start = min(phase.start for phase in phases if phase.start > now)
    return {
        "market": market.body,
        "timestamp": local(now),
        "is_market_day": any(day.date == today for day in near),
        "next_market_open": local(min(phase.start for phase in cores if phase.start > now)),
        "next_market_close": local(min(phase.end for phase in cores if phase.end > now)),
        "phase": here.name if here else "closed",
        "phase_until": local(here.end if here else next_start),
    }
