"""Bars for a backtest, as columns: from the store of history, from the prices that ship with Puna, or from arrays.

A bar is known from its end on: `known` is its left edge and its length, for a day of stocks the close of its session.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from fractions import Fraction
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from puna.core import sessions
from puna.core.symbols import asset_class, canonical
from puna.core.types import AssetClass
from puna.errors import DataError
from puna.exchange.data import Split, tape
from puna.exchange.prices.bars import Timeframe, midnight
from puna.exchange.prices.stocks import ReplayMarket
from puna.research.backtest.tape import Tape, tape_of
from puna.research.history.actions import actions_of
from puna.research.history.series import Series
from puna.research.history.store import Store
from puna.research.history.tables import Borrow, HaltRow, borrow_of, halts_of

__all__ = ["Columns", "Dividend", "History", "bundled_days", "bundled_minutes", "history_of", "stored"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_NANOS = {"Min": 60_000_000_000, "Hour": 3_600_000_000_000}
_LONGEST_SPLIT = 1000


class Columns(NamedTuple):
    """The bars of one symbol, oldest first, a column each.

    Times are ns: `begin` is the left edge, `opens` when its first print may be (of a day of stocks the open of the
    session), `known` when it is over.
    """

    symbol: str
    begin: Ints
    opens: Ints
    known: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    trades: Ints
    vwap: Floats

    def __len__(self) -> int:
        return len(self.begin)

    def between(self, start: int, end: int) -> "Columns":
        """The bars with a left edge in [start, end)."""
        here = slice(*np.searchsorted(self.begin, [start, end]))
        ints = (self.begin[here], self.opens[here], self.known[here])
        prices = (self.open[here], self.high[here], self.low[here], self.close[here], self.volume[here])
        return Columns(self.symbol, *ints, *prices, self.trades[here], self.vwap[here])


class Dividend(NamedTuple):
    """Cash a share, to whoever holds at the beginning of `ex_date`."""

    symbol: str
    ex_date: date
    cash: float


@dataclass(frozen=True)
class History:
    """What a backtest is run on.

    Args:
        timeframe: of the bars, in Alpaca's words.
        columns: symbol -> its bars.
        source: where they come from, for people.
        feed: iex, sip, ...; "" where no broker was asked. Several are joined by commas; `feeds` has them by symbol.
        adjustment: raw, split, ... Raw prices jump at splits, and holdings are split with them.
        splits: of raw prices.
        dividends: known ones; paid where prices are not adjusted for them.
        past: what lies before the first day, for warm-up; nobody trades on it.
        daily: days, for warm-up where the bars themselves do not reach back far enough.
        quotes: symbol -> end of a bar, ns -> bid and ask that stood then, where somebody noted them down; orders that
            follow from the bar meet them instead of a guess.
        tapes: symbol -> stored quotes and prints, which are met inside of bars shorter than a day.
        feeds: symbol -> feed, where they differ.
        halts: when stocks did not trade, whatever bars say.
        borrow: how stocks can be sold short; easily where nothing is said.
    """

    timeframe: str
    columns: Mapping[str, Columns]
    source: str
    feed: str = ""
    adjustment: str = "raw"
    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = ()
    past: Mapping[str, Columns] = field(default_factory=dict)
    daily: Mapping[str, Columns] = field(default_factory=dict)
    quotes: Mapping[str, Mapping[int, tuple[float, float]]] = field(default_factory=dict)
    tapes: Mapping[str, Tape] = field(default_factory=dict)
    feeds: Mapping[str, str] = field(default_factory=dict)
    halts: tuple[HaltRow, ...] = ()
    borrow: Mapping[str, Borrow] = field(default_factory=dict)

    def stood(self, symbol: str, known: int, ts: int | None = None) -> tuple[float, float] | None:
        """The bid and ask that stood when a bar was over; None where nobody noted them down, or stored quotes.

        Args:
            symbol: whose.
            known: the end of the bar, ns.
            ts: a later moment, for which stored quotes count.
        """
        noted = self.quotes[symbol].get(known) if symbol in self.quotes else None
        if noted is not None or symbol not in self.tapes:
            return noted
        return self.tapes[symbol].stood(known if ts is None else ts)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.columns))

    @property
    def order(self) -> tuple[str, ...]:
        """In which bars that end together are told: options before the stocks that strategies hear, else by name."""
        return tuple(sorted(self.columns, key=lambda name: (asset_class(name) is not AssetClass.US_OPTION, name)))

    @property
    def rows(self) -> int:
        """How many bars there are."""
        return sum(len(each) for each in self.columns.values())

    @property
    def span(self) -> tuple[int, int]:
        """The first left edge and the last moment at which a bar is known, ns."""
        return (
            min(int(each.begin[0]) for each in self.columns.values()),
            max(int(each.known[-1]) for each in self.columns.values()),
        )

    @property
    def digest(self) -> str:
        """A hash of the bars, and of what is beside them where something is: the same history, the same hash."""
        found = sha256(self.timeframe.encode())
        for symbol in self.symbols:
            found.update(symbol.encode())
            for column in self.columns[symbol][1:]:
                found.update(np.ascontiguousarray(column).tobytes())
        if self.halts or self.borrow:
            found.update(repr((self.halts, sorted(self.borrow.items()))).encode())
        for symbol, stored_ in sorted(self.tapes.items()):
            found.update(f"{symbol} {stored_.digest}".encode())
        return found.hexdigest()

    def between(self, start: date | None, end: date | None) -> "History":
        """The days from `start` to `end`, both included; what lies before stays as the past, for warm-up.

        Raises:
            DataError: E670, no bar is left.
        """
        first = min(each.begin[0] for each in self.columns.values()) if start is None else sessions.at(start, _MIDNIGHT)
        last = _FOREVER if end is None else sessions.at(date.fromordinal(end.toordinal() + 1), _MIDNIGHT)
        kept = {symbol: each.between(int(first), int(last)) for symbol, each in self.columns.items()}
        kept = {symbol: each for symbol, each in kept.items() if len(each)}
        if not kept:
            backwards = start is not None and end is not None and start > end
            raise _nothing(f"from {start or 'the first day'} to {end or 'the last day'}", self, backwards=backwards)
        past = {symbol: each.between(0, int(first)) for symbol, each in self.columns.items()}
        return replace(self, columns=kept, past={symbol: each for symbol, each in past.items() if len(each)})


_MIDNIGHT = time()
_FOREVER = 2**62


def history_of(
    timeframe: str,
    bars: Mapping[str, Mapping[str, Any]],
    *,
    source: str = "arrays",
    splits: Iterable[Split] = (),
    dividends: Iterable[Dividend] = (),
    adjustment: str = "raw",
    feed: str = "",
) -> History:
    """Bars that are in memory already.

    Args:
        timeframe: 1Min to 59Min, 1Hour to 23Hour, 1Day.
        bars: symbol -> columns time (ns, left edge), open, high, low, close, and as they are there volume, trades,
            vwap; anything that NumPy makes an array of.
        source: for people.
        splits: of raw prices.
        dividends: to be paid.
        adjustment: what the prices are, in Alpaca's words.
        feed: whose prices they are.

    Raises:
        DataError: E671, a column is missing or of another length, times do not rise, a price is none.
    """
    found = {}
    for name, given in bars.items():
        symbol = canonical(name)
        found[symbol] = _columns(symbol, timeframe, given)
    if not found:
        raise _bad("no symbol", "there are no bars at all")
    return History(timeframe, found, source, feed, adjustment, tuple(splits), tuple(dividends))


def bundled_days(symbols: Sequence[str], start: date | None = None, end: date | None = None) -> History:
    """The real daily prices that ship with Puna, raw, with their splits."""
    bars: dict[str, dict[str, Any]] = {}
    for symbol in symbols:
        rows = [(on, bar) for on, bar in tape(symbol).days.items() if (start or on) <= on <= (end or on)]
        if rows:
            cents = np.array([bar[:4] for _, bar in rows], dtype=np.int64)
            named = dict(zip(("open", "high", "low", "close"), (cents / 100).T, strict=True))
            bars[symbol] = {
                "time": [midnight(on) for on, _ in rows],
                "volume": [bar.volume for _, bar in rows],
                **named,
            }
    if not bars:
        raise DataError(
            f"There are no prices from {start} to {end}.",
            why=f"the prices that ship with Puna begin on {min(min(tape(each).days) for each in symbols)}",
            code="E670",
        )
    splits = [split for symbol in bars for split in tape(symbol).splits]
    return history_of("1Day", bars, source="daily prices that ship with Puna", splits=splits)


def bundled_minutes(symbols: Sequence[str], first: date, days: int, *, seed: int = 7) -> History:
    """Invented minutes that meet the real days that ship with Puna: the same as `puna exchange` replays.

    Raises:
        DataError: a day that is not in the data.
    """
    market = ReplayMarket(first=first, days=days, symbols=symbols, seed=seed, history_days=5)
    end = market.sessions[-1].close_ns + _NANOS["Hour"]
    start = market.sessions[0].open_ns
    bars: dict[str, dict[str, Any]] = {}
    for symbol in market.symbols:
        rows = market.bars(symbol, "1Min", None, None, end)
        columns = {
            "time": [int(each.t) for each in rows],
            "open": [each.o for each in rows],
            "high": [each.h for each in rows],
            "low": [each.l for each in rows],
            "close": [each.c for each in rows],
            "volume": [each.v for each in rows],
            "trades": [each.n for each in rows],
            "vwap": [each.vw for each in rows],
        }
        bars[symbol] = columns
    splits = [split for symbol in market.symbols for split in market.splits(symbol)]
    whole = history_of("1Min", bars, source=f"invented minutes of real days, seed {seed}", splits=splits)
    whole = replace(whole, daily=bundled_days(market.symbols).columns)
    return whole.between(sessions.date_of(start), market.sessions[-1].date)


def stored(store: Store, wanted: Sequence[Series]) -> History:
    """Bars of the store that `puna data get` and `puna data import` fill: one series a symbol, all of one timeframe.

    Raises:
        DataError: E665, a series is not stored; E661, a table of halts or borrowing cannot be read.
    """
    bars: dict[str, dict[str, Any]] = {}
    splits: list[Split] = []
    dividends: list[Dividend] = []
    for series in wanted:
        frame = store.scan(series).collect()
        bars[series.symbol] = {
            "time": frame["time"].to_physical().to_numpy(),
            **{name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume", "trades", "vwap")},
        }
        for each in actions_of(store, series.symbol) if series.asset_class is AssetClass.US_EQUITY else ():
            if each.factor != 1 and series.adjustment == "raw":
                ratio = Fraction(each.factor).limit_denominator(_LONGEST_SPLIT)
                splits.append(Split(series.symbol, each.on, ratio.denominator, ratio.numerator))
            if each.cash and not {"dividend", "all"} & set(series.adjustment.split(",")):
                dividends.append(Dividend(series.symbol, each.on, each.cash))
    feeds, adjustments = ({*names} for names in zip(*((each.feed, each.adjustment) for each in wanted), strict=True))
    feed = ", ".join(sorted(feeds))
    adjustment = "raw" if "raw" in adjustments else ", ".join(sorted(adjustments))
    found = history_of(
        wanted[0].timeframe,
        bars,
        source=f"{store.root}, {feed}, {adjustment}",
        splits=splits,
        dividends=dividends,
        adjustment=adjustment,
        feed=feed,
    )
    halts = tuple(row for row in halts_of(store) if row.symbol in bars)
    borrow = {symbol: how for symbol, how in borrow_of(store).items() if symbol in bars}
    feeds_ = {each.symbol: each.feed for each in wanted}
    return replace(found, halts=halts, borrow=borrow, tapes=_tapes(store, wanted), feeds=feeds_)


def _tapes(store: Store, wanted: Sequence[Series]) -> dict[str, Tape]:
    """Quotes and prints of the feed of the bars; days are traded at auctions, which quotes say nothing of."""
    intraday = (each for each in wanted if each.intraday)
    found = {each.symbol: tape_of(store, each.symbol, each.feed) for each in intraday}
    return {symbol: each for symbol, each in found.items() if each is not None}


def _columns(symbol: str, timeframe: str, given: Mapping[str, Any]) -> Columns:
    if missing := [name for name in ("time", "open", "high", "low", "close") if name not in given]:
        raise _bad(symbol, f"there is no column {', '.join(missing)}")
    begin = np.asarray(given["time"], dtype=np.int64)
    count = len(begin)
    named = {
        name: np.asarray(given[name], dtype=np.float64) if name in given else np.zeros(count)
        for name in ("open", "high", "low", "close", "volume", "vwap")
    }
    trades = np.asarray(given["trades"], dtype=np.int64) if "trades" in given else np.zeros(count, dtype=np.int64)
    if any(len(each) != count for each in (*named.values(), trades)) or not count:
        raise _bad(symbol, "its columns are empty or of different lengths")
    if (np.diff(begin) <= 0).any():
        raise _bad(symbol, "its times do not rise")
    prices = np.stack([named[name] for name in ("open", "high", "low", "close")])
    sound = np.isfinite(prices).all() and (prices > 0).all()
    if not sound or (named["low"] > prices.min(axis=0)).any() or (named["high"] < prices.max(axis=0)).any():
        raise _bad(symbol, "a price is no price, or lies outside of its bar's low and high")
    if (named["volume"] < 0).any():
        raise _bad(symbol, "a volume is negative")
    opens, known = _bounds(symbol, timeframe, begin)
    four = named["open"], named["high"], named["low"], named["close"]
    return Columns(symbol, begin, opens, known, *four, named["volume"], trades, named["vwap"])


def _bounds(symbol: str, timeframe: str, begin: Ints) -> tuple[Ints, Ints]:
    """When each bar's first print may be, and when it is over."""
    frame = Timeframe.parse(timeframe)
    if frame.unit in _NANOS:
        return begin, begin + frame.number * _NANOS[frame.unit]
    if frame.unit != "Day":
        raise _bad(symbol, f"bars of {timeframe} are too long: a strategy would see a price at the end of it only")
    if asset_class(symbol) is AssetClass.CRYPTO:
        return begin, begin + 24 * _NANOS["Hour"]
    days = [_day(symbol, int(ts)) for ts in begin]
    return np.array([day.open for day in days], dtype=np.int64), np.array([day.close for day in days], dtype=np.int64)


def _day(symbol: str, ts: int) -> sessions.TradingDay:
    on = sessions.date_of(ts)
    day = sessions.day(on)
    if day is None:
        raise _bad(symbol, f"{on} is no trading day")
    return day


def _bad(symbol: str, why: str) -> DataError:
    return DataError(
        f"The bars of {symbol} cannot be used.",
        why=why,
        state="Nothing was run.",
        remedy="puna data verify checks what is stored; times are ns since the epoch, oldest first.",
        code="E671",
    )


def _nothing(what: str, history: History, *, backwards: bool) -> DataError:
    first, last = (sessions.date_of(ts) for ts in history.span)
    held = f"{history.source} holds {first} to {last}"
    return DataError(
        f"There are no bars {what}.",
        why=f"the first day is after the last; {held}" if backwards else held,
        state="Nothing was run.",
        remedy="Choose days inside of that, or download more: puna data get.",
        code="E670",
    )
