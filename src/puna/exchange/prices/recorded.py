"""Recorded or downloaded days: bars of a file, replayed as they were.

A file is CSV with a header, JSON lines, or Parquet (extra `research`); one row a bar. Columns, in Alpaca's letters or
in words: `S` or `symbol`; `t` or `timestamp` (RFC 3339 with offset, or ns since the epoch); `o` `h` `l` `c` or `open`
`high` `low` `close` (at most four decimals); `v` or `volume`. Others are skipped. Bars whose time is midnight in New
York are days, with a seeded path inside each; others are minutes, and each minute prints its open, high, low and close.
What lies outside the core session is skipped.
"""

import csv
import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from puna.core import sessions
from puna.errors import DataError
from puna.exchange.data import DailyBar, Listing, Tape
from puna.exchange.prices.bars import MINUTE, UNIT, midnight
from puna.exchange.prices.path import Path
from puna.exchange.prices.playback import Session
from puna.seams import Rng, seeded_rng
from puna.wire.codec import parse_time

__all__ = ["Recording", "load"]

_WORDS: Mapping[str, tuple[str, ...]] = {
    "symbol": ("S", "symbol"),
    "t": ("t", "timestamp", "time"),
    "o": ("o", "open"),
    "h": ("h", "high"),
    "l": ("l", "low"),
    "c": ("c", "close"),
    "v": ("v", "volume"),
}
_CENT = UNIT // 100
_PRINTS = 4


class _Row(NamedTuple):
    """A bar of the file: ns, prices in 1/10000 dollar, shares."""

    symbol: str
    t: int
    o: int
    h: int
    l: int  # noqa: E741 - Alpaca's letter
    c: int
    v: int


class Recording:
    """The days of a file, as a replay wants them.

    Args:
        rows: its bars.
        name: how the file is called, for people.
        seed: of quotes and of the paths of daily bars.
    """

    def __init__(self, rows: Iterable[_Row], name: str, seed: int) -> None:
        self._name = name
        self._seed = seed
        self._minutes: dict[tuple[str, date], dict[int, _Row]] = {}
        days: dict[str, dict[date, DailyBar]] = {}
        for row in sorted(rows):
            self._take(row, days)
        for (symbol, on), minutes in self._minutes.items():
            days.setdefault(symbol, {})[on] = _whole(list(minutes.values()))
        self._tapes = {
            symbol: Tape(Listing(symbol, "NASDAQ", symbol), dict(sorted(found.items())), ())
            for symbol, found in days.items()
        }
        if not self._tapes:
            raise DataError(f"There is no bar of a trading day in {name}.", code="E612")

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._tapes))

    @property
    def first_day(self) -> date:
        return min(on for each in self._tapes.values() for on in each.days)

    def tape(self, symbol: str) -> Tape:
        """The days of that stock.

        Raises:
            DataError: there is none in the file.
        """
        if symbol not in self._tapes:
            known = ", ".join(self.symbols)
            raise DataError(f"{symbol[:20]!r} is not in {self._name}.", remedy=f"choose among {known}", code="E611")
        return self._tapes[symbol]

    def path(self, symbol: str, session: Session, step_ns: int) -> Path | None:
        """The way through a day of minutes; None where the file has only the day."""
        minutes = self._minutes.get((symbol, session.date))
        if minutes is None:
            return None
        width = MINUTE // step_ns
        if width < _PRINTS:
            raise DataError("Recorded minutes need steps of 15 seconds or less.", code="E614")
        return _through(minutes, session, width, seeded_rng(f"{self._seed}:{symbol}:{session.date}"))

    def _take(self, row: _Row, days: dict[str, dict[date, DailyBar]]) -> None:
        on = sessions.date_of(row.t)
        day = sessions.day(on)
        if day is None:
            return
        if row.t == midnight(on):
            days.setdefault(row.symbol, {})[on] = _whole([row])
        elif day.open <= row.t < day.close:
            self._minutes.setdefault((row.symbol, on), {})[(row.t - day.open) // MINUTE] = row


def load(path: FilePath, seed: int = 7) -> Recording:
    """The recording in a file; its ending says how it is written: .csv, .jsonl or .parquet.

    Raises:
        DataError: it cannot be read, or a row makes no sense; the message names it.
    """
    try:
        rows = [_row(raw, number, path.name) for number, raw in enumerate(_rows(path), 1)]
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read.", why=str(error)[:200], code="E612") from error
    return Recording(rows, path.name, seed)


def _rows(path: FilePath) -> Iterator[Mapping[str, Any]]:
    match path.suffix:
        case ".csv":
            yield from csv.DictReader(path.read_text("utf-8").splitlines())
        case ".jsonl":
            yield from (json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines() if line)
        case ".parquet":
            yield from _parquet(path)
        case _:
            raise DataError(
                f"{path.name} is no recording.", remedy="give a .csv, a .jsonl or a .parquet file", code="E612"
            )


def _parquet(path: FilePath) -> Iterable[Mapping[str, Any]]:
    try:
        import polars as pl  # noqa: PLC0415 - only who has Parquet files needs the extra
    except ImportError as error:
        raise DataError(
            "Parquet files need the extra research.", remedy="pip install 'puna[research]'", code="E612"
        ) from error
    try:
        return pl.read_parquet(path).to_dicts()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read.", why=str(error)[:200], code="E612") from error


def _row(raw: object, number: int, name: str) -> _Row:
    try:
        found = {word: _cell(raw, names) for word, names in _WORDS.items()}
        open_, high, low, close = (_price(found[word]) for word in "ohlc")
        shares = int(Decimal(str(found["v"])))
        row = _Row(str(found["symbol"]).upper(), _time(found["t"]), open_, high, low, close, shares)
    except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
        why = "a number is none" if isinstance(error, InvalidOperation) else str(error)[:120]
        raise DataError(f"Row {number} of {name} makes no sense.", why=why, code="E612") from error
    if not 0 < row.l <= min(row.o, row.c) <= max(row.o, row.c) <= row.h or row.v < 0:
        raise DataError(f"Row {number} of {name} makes no sense.", why="its prices are out of order", code="E612")
    return row


def _cell(raw: object, names: Sequence[str]) -> Any:
    """The first of these columns that is there."""
    found = [raw[each] for each in names if raw.get(each) is not None] if isinstance(raw, dict) else []
    if not found:
        raise ValueError(f"there is no {' or '.join(names)}")
    return found[0]


def _price(value: object) -> int:
    scaled = Decimal(str(value)) * UNIT
    return int(scaled.to_integral_value())


def _time(value: object) -> int:
    if isinstance(value, int):
        return value
    if hasattr(value, "timestamp"):  # a datetime with its offset, as Parquet has them
        return int(value.timestamp()) * 1_000_000_000
    text = str(value)
    return int(text) if text.isdigit() else parse_time(text)


def _whole(rows: Sequence[_Row]) -> DailyBar:
    """A day's bar in cents, of its minutes or of itself."""
    return DailyBar(
        rows[0].o // _CENT,
        max(-(-row.h // _CENT) for row in rows),
        min(row.l // _CENT for row in rows),
        rows[-1].c // _CENT,
        max(_PRINTS, sum(row.v for row in rows)),
    )


def _through(minutes: Mapping[int, _Row], session: Session, width: int, rng: Rng) -> Path:
    count = (session.close_ns - session.open_ns) // MINUTE
    known = sorted(minutes)
    price: list[int] = []
    size: list[int] = []
    for minute in range(count):
        if row := minutes.get(minute):
            prices, sizes = _minute(row, width, rng)
        else:
            before = bisect_left(known, minute)
            last = minutes[known[before - 1]].c if before else minutes[known[0]].o
            prices, sizes = [last] * width, [0] * width
        price += prices
        size += sizes
    bids = [_bid(each, rng) for each in price]
    depth = [[100 * (1 + rng.getrandbits(5)) for _ in price] for _ in range(2)]
    return Path(price, size, bids, [bid + 1 for bid in bids], depth[0], depth[1])


def _minute(row: _Row, width: int, rng: Rng) -> tuple[list[int], list[int]]:
    """Open, the nearer extreme, the other one, close; the volume in four parts, or in one where nothing moves."""
    prices, sizes = [row.o] * width, [0] * width
    if row.o == row.h == row.l == row.c:
        sizes[rng.getrandbits(16) % width] = row.v
        return prices, sizes
    first, second = (row.h, row.l) if row.h - row.o <= row.o - row.l else (row.l, row.h)
    places = (0, width // 3, max(width // 3 + 1, 2 * width // 3), width - 1)
    part, rest = divmod(max(row.v, _PRINTS), _PRINTS)
    for rank, (place, price) in enumerate(zip(places, (row.o, first, second, row.c), strict=True)):
        prices[place:] = [price] * (width - place)
        sizes[place] = part + (rest if rank == 0 else 0)
    return prices, sizes


def _bid(price: int, rng: Rng) -> int:
    """A cent's spread around the price, in cents; on a whole cent the price is the bid or the ask, by chance."""
    lean = rng.getrandbits(1) if price % _CENT == 0 else 0
    return max(1, (price - 1) // _CENT + lean)
