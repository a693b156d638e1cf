"""The days of a replay: which there are, what is known of them; their instruments and auctions in Alpaca's words."""

import heapq
from datetime import date
from uuid import NAMESPACE_URL, uuid5

from puna.core import sessions as calendar
from puna.errors import ConfigError, DataError
from puna.exchange.data import DailyBar, Listing, Tape
from puna.exchange.prices import bars as candles
from puna.exchange.prices.bars import SECOND, UNIT, Candle
from puna.exchange.prices.market import BAR_DELAY
from puna.exchange.prices.playback import Session
from puna.wire.codec import Amount, Nanos
from puna.wire.market import Auction, DailyAuctions
from puna.wire.trading import Asset

__all__ = [
    "asset_of",
    "candle_of",
    "check_numbers",
    "close_in",
    "crosses",
    "is_over",
    "session_on",
    "sessions_before",
    "sessions_of",
]

_PRIMARY = {"NASDAQ": "Q", "NYSE": "N"}


def check_numbers(days: int, step_seconds: int, history_days: int) -> None:
    """Raises ConfigError for numbers that make no replay."""
    if days < 1 or history_days < 0:
        raise ConfigError("A replay has at least one day, and no fewer than no days of history.")
    if step_seconds < 1 or 60 % step_seconds:
        raise ConfigError(f"step_seconds is {step_seconds}, but steps must divide a minute.", remedy="for example 15")


def sessions_of(tapes: dict[str, Tape], first: date, days: int) -> tuple[Session, ...]:
    """The sessions of so many days in a row, from `first` on."""
    if not tapes:
        raise ConfigError("A replay needs at least one stock.", why="the sessions of the days are those of stocks")
    found = [session_on(_traded(tapes, first))]
    while len(found) < days:
        found.append(session_on(_traded(tapes, calendar.next_trading_day(found[-1].date).date)))
    return tuple(found)


def _traded(tapes: dict[str, Tape], on: date) -> date:
    """That date, if it is in the data.

    Raises:
        DataError: it is not, and why.
    """
    if any(on in each.days for each in tapes.values()):
        return on
    spans = ", ".join(f"{symbol} {min(each.days)} to {max(each.days)}" for symbol, each in tapes.items())
    inside = any(min(each.days) <= on <= max(each.days) for each in tapes.values())
    raise DataError(
        f"There are no prices for {on}.",
        why="it is not a trading day" if inside else f"the data holds {spans}",
        remedy=f"choose {_beside(tapes, on)}" if inside else "choose a trading day inside that",
        code="E615" if inside else "E610",
    )


def _beside(tapes: dict[str, Tape], on: date) -> str:
    """The trading days before and after a date that is none."""
    days = {day for each in tapes.values() for day in each.days}
    return f"{max(day for day in days if day < on)} or {min(day for day in days if day > on)}"


def session_on(on: date) -> Session:
    """The core session of a trading day."""
    day = calendar.day(on)
    if day is None:
        raise DataError(f"{on} is not a trading day.", code="E615")
    return Session(day.open, day.close, on)


def sessions_before(tapes: dict[str, Tape], first: date, count: int) -> tuple[Session, ...]:
    """The last `count` days of the tapes before `first`."""
    earlier = {on for each in tapes.values() for on in each.days if on < first}
    return tuple(session_on(on) for on in sorted(heapq.nlargest(count, earlier)))


def close_in(each: Tape, day: date, on: date) -> int:
    """A day's close in the shares of a later day."""
    close, old, new = each.days[day].close, 1, 1
    for split in each.splits:
        if day < split.ex_date <= on:
            old, new = old * split.old_rate, new * split.new_rate
    return (2 * close * old + new) // (2 * new)


def is_over(on: date, now: int) -> bool:
    """Whether the last bar of that day is known."""
    return on < calendar.date_of(now) or session_on(on).close_ns + BAR_DELAY <= now


def crosses(listing: Listing, day: DailyBar, session: Session, now: int) -> DailyAuctions:
    """The primary exchange's auctions a second after each bell; a hundredth of the volume opens, three close."""
    where = _PRIMARY.get(listing.exchange, "N")
    times = (session.open_ns + SECOND, session.close_ns + SECOND)
    sizes = (max(1, day.volume // 100), max(1, day.volume * 3 // 100))
    found = []
    for ts, price, size, codes in zip(times, (day.open, day.close), sizes, ("OQ", "6M"), strict=True):
        reports = [Auction(t=Nanos(ts), p=price / 100, s=float(size), x=where, c=code) for code in codes]
        found.append(reports if ts <= now else [])
    return DailyAuctions(d=session.date.isoformat(), o=found[0], c=found[1])


def candle_of(on: date, bar: DailyBar) -> Candle:
    """A day's bar as a candle."""
    scale = UNIT // 100
    return Candle(
        candles.midnight(on), bar.open * scale, bar.high * scale, bar.low * scale, bar.close * scale, bar.volume
    )


def asset_of(listing: Listing) -> Asset:
    """The stock as GET /v2/assets shows it."""
    return Asset(
        id=str(uuid5(NAMESPACE_URL, f"us_equity:{listing.symbol}")),
        symbol=listing.symbol,
        asset_class="us_equity",
        exchange=listing.exchange,
        name=listing.name,
        status="active",
        tradable=True,
        marginable=True,
        shortable=True,
        easy_to_borrow=True,
        borrow_status="easy_to_borrow",
        fractionable=True,
        maintenance_margin_requirement=Amount(30),
        margin_requirement_long=Amount(30),
        margin_requirement_short=Amount(30),
        attributes=[],
    )
