"""What history is kept of: a series (kind, symbol, timeframe, feed, adjustment), its columns, and its periods.

A period is what one file holds: a day of quotes or trades, a month of minute or hour bars, ten years of longer ones.
Days of stocks and options are New York's; coins trade around the clock, and their days are UTC's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, TypeAlias

from puna.core import sessions, symbols
from puna.core.types import AssetClass
from puna.errors import DataError

__all__ = ["COLUMNS", "Kind", "Period", "Row", "Series", "row_of"]

Kind: TypeAlias = Literal["bars", "quotes", "trades"]
Row: TypeAlias = tuple[Any, ...]

COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "bars": (
        *(("symbol", "text"), ("time", "time")),
        *((name, "number") for name in ("open", "high", "low", "close", "volume", "vwap")),
        ("trades", "count"),
    ),
    "quotes": (
        *(("symbol", "text"), ("time", "time")),
        *((name, "number") for name in ("bid", "bid_size", "ask", "ask_size")),
        *((name, "text") for name in ("bid_exchange", "ask_exchange")),
        *(("conditions", "texts"), ("tape", "text")),
    ),
    "trades": (
        *(("symbol", "text"), ("time", "time")),
        *((name, "number") for name in ("price", "size")),
        *((name, "text") for name in ("id", "exchange")),
        *(("conditions", "texts"), ("tape", "text"), ("revised", "text"), ("taker", "text")),
    ),
}
"""Kind -> columns: name and sort. `time` is ns since the epoch, UTC; a bar's is its left edge."""

_TIMEFRAME = re.compile(r"([1-9][0-9]?)(Min|Hour|Day|Week|Month)")
_NUMBERS = {"Min": range(1, 60), "Hour": range(1, 24), "Day": (1,), "Week": (1,), "Month": (1, 2, 3, 4, 6, 12)}
_FEEDS = {AssetClass.US_OPTION: ("opra",), AssetClass.CRYPTO: ("us", "us-1", "us-2", "eu-1", "bs-1")}
_STOCK_FEEDS = ("iex", "sip", "boats", "otc")
_ADJUSTMENTS = {"raw", "split", "dividend", "spin-off", "all"}
_OWN = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """What one file holds: its name, its first and last day."""

    name: str
    first: date
    last: date


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One line of history.

    Args:
        kind: bars, quotes or trades.
        symbol: canonical.
        timeframe: of bars, in Alpaca's words; "" otherwise.
        feed: where it comes from: iex, sip, boats or otc of stocks; opra of options; the market of coins (us); or a
            name of one's own behind `own-`.
        adjustment: of stocks' bars: raw, split, dividend, spin-off, all, or several joined by commas; else raw.

    Raises:
        DataError: E630, no symbol; E664, the parts do not make a series.
    """

    kind: Kind
    symbol: str
    timeframe: str
    feed: str
    adjustment: str = "raw"

    def __post_init__(self) -> None:
        if (self.kind == "bars") != bool(self.timeframe):
            raise refused(f"{self.kind} of {self.symbol} with timeframe {self.timeframe!r}", "bars alone have one")
        if self.timeframe:
            self._check_timeframe()
        stock = self.asset_class is AssetClass.US_EQUITY
        feeds = _STOCK_FEEDS if stock else _FEEDS[self.asset_class]
        if self.feed not in feeds and not (self.feed.startswith("own-") and _OWN.fullmatch(self.feed)):
            raise refused(f"feed {self.feed[:30]!r} of {self.symbol}", f"choose of {', '.join(feeds)}")
        words = set(self.adjustment.split(","))
        if not words <= _ADJUSTMENTS or (self.adjustment != "raw" and not (stock and self.kind == "bars")):
            raise refused(
                f"adjustment {self.adjustment[:40]!r} of {self.kind} of {self.symbol}",
                "raw, split, dividend, spin-off, all or several, of stocks' bars; everything else is raw",
            )
        if self.kind == "quotes" and self.asset_class is AssetClass.US_OPTION:
            raise refused(f"quotes of {self.symbol}", "Alpaca keeps no historical quotes of options")

    @property
    def asset_class(self) -> AssetClass:
        return symbols.asset_class(self.symbol)

    @property
    def folder(self) -> str:
        """Where its files are, inside the store: `bars/1Min/iex/raw/AAPL`; a pair's slash is a dash."""
        parts = [self.kind, *([self.timeframe] if self.timeframe else []), self.feed]
        return "/".join([*parts, self.adjustment.replace(",", "+"), self.symbol.replace("/", "-")])

    @property
    def unit(self) -> str:
        """Min, Hour, Day, Week, Month; "" of quotes and trades."""
        return self.timeframe.lstrip("0123456789")

    @property
    def number(self) -> int:
        """How many units a bar covers."""
        return int(self.timeframe.removesuffix(self.unit))

    @property
    def intraday(self) -> bool:
        return self.unit in {"Min", "Hour"}

    def day_of(self, ts: int) -> date:
        """The day that a moment belongs to."""
        if self.asset_class is AssetClass.CRYPTO:
            return datetime.fromtimestamp(ts // 1_000_000_000, UTC).date()
        return sessions.date_of(ts)

    def begins(self, on: date) -> int:
        """The first moment of a day, ns."""
        if self.asset_class is AssetClass.CRYPTO:
            return int(datetime.combine(on, time(), UTC).timestamp()) * 1_000_000_000
        return sessions.at(on, time())

    def last_whole_day(self, now: int) -> date:
        """The last day whose rows cannot change any more because it is over, and with it the bars that began on it."""
        today = self.day_of(now)
        if self.unit == "Week":
            return today - timedelta(days=today.weekday() + 1)
        if self.unit == "Month":
            return today.replace(month=today.month - (today.month - 1) % self.number, day=1) - _DAY
        return today - _DAY

    def periods(self, first: date, last: date) -> Iterator[Period]:
        """The periods that hold the days from `first` to `last`, in order."""
        while first <= last:
            period = self.period(first)
            yield period
            first = period.last + _DAY

    def period(self, on: date) -> Period:
        """The period of a day."""
        if self.kind != "bars":
            return Period(on.isoformat(), on, on)
        if self.intraday:
            following = (on.replace(day=1) + timedelta(days=32)).replace(day=1)
            return Period(f"{on:%Y-%m}", on.replace(day=1), following - _DAY)
        decade = on.year - on.year % 10
        return Period(f"{decade}s", date(decade, 1, 1), date(decade + 9, 12, 31))

    def _check_timeframe(self) -> None:
        match = _TIMEFRAME.fullmatch(self.timeframe)
        if match is None or int(match[1]) not in _NUMBERS[match[2]]:
            raise refused(f"timeframe {self.timeframe[:20]!r}", "1Min to 59Min, 1Hour to 23Hour, 1Day, 1Week, 1Month")


def refused(what: str, why: str) -> DataError:
    """There is no such series."""
    return DataError(f"There is no history of {what}.", why=why, state="Nothing was downloaded.", code="E664")


def row_of(kind: Kind, symbol: str, item: Any) -> Row:
    """A bar, quote or trade of `puna.wire`, of any kind of symbol, as a row of `COLUMNS[kind]`."""
    if kind == "bars":
        return (symbol, int(item.t), *map(float, (item.o, item.h, item.l, item.c, item.v, item.vw)), item.n)
    marks = getattr(item, "c", None)
    conditions = [marks] if isinstance(marks, str) else marks
    tape = getattr(item, "z", "")
    if kind == "quotes":
        sides = map(float, (item.bp, item.bs, item.ap, item.as_))
        return (symbol, int(item.t), *sides, getattr(item, "bx", ""), getattr(item, "ax", ""), conditions, tape)
    revised = getattr(item, "u", None)
    told = revised if isinstance(revised, str) else None
    ids = str(getattr(item, "i", ""))
    place = (ids, getattr(item, "x", ""), conditions, tape, told, getattr(item, "tks", None))
    return (symbol, int(item.t), float(item.p), float(item.s), *place)
