"""The real daily prices that ship with Puna, their splits and their listings; README.md beside this file says whence.

Everything is read on first use, a symbol at a time. Prices are whole cents.
"""

import gzip
import zlib
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import NamedTuple, TypeVar

from puna.errors import DataError

__all__ = ["SYMBOLS", "DailyBar", "Listing", "Split", "Tape", "tape"]

T = TypeVar("T")

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


class DailyBar(NamedTuple):
    """One day of one symbol: prices in cents, volume in shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class Split(NamedTuple):
    """`old_rate` shares become `new_rate` shares before the open of `ex_date`."""

    symbol: str
    ex_date: date
    old_rate: int
    new_rate: int


class Listing(NamedTuple):
    """Where a symbol is listed, and the name of what it stands for."""

    symbol: str
    exchange: str
    name: str


class Tape(NamedTuple):
    """All that is known about one symbol: its listing, its days in order, its splits in order."""

    listing: Listing
    days: Mapping[date, DailyBar]
    splits: tuple[Split, ...]


@cache
def tape(symbol: str) -> Tape:
    """The shipped history of `symbol`.

    Raises:
        DataError: there is none, or a data file is damaged.
    """
    if symbol not in SYMBOLS:
        raise DataError(
            f"There are no prices for {symbol[:20]!r}.", remedy=f"choose among {', '.join(SYMBOLS)}", code="E611"
        )
    return Tape(
        listing=_read("listings.csv", symbol, _listing)[0],
        days=dict(_read("daily.csv.gz", symbol, _day)),
        splits=tuple(_read("splits.csv", symbol, _split)),
    )


def _listing(symbol: str, exchange: str, name: str) -> Listing:
    return Listing(symbol, exchange, name)


def _day(_: str, on: str, *values: str) -> tuple[date, DailyBar]:
    open_, high, low, close, volume = values
    return date.fromisoformat(on), DailyBar(_cents(open_), _cents(high), _cents(low), _cents(close), int(volume))


def _split(symbol: str, ex_date: str, old_rate: str, new_rate: str) -> Split:
    return Split(symbol, date.fromisoformat(ex_date), int(old_rate), int(new_rate))


def _cents(price: str) -> int:
    dollars, cents = price.split(".")
    return int(dollars) * 100 + int(cents)


def _read(name: str, symbol: str, row: Callable[..., T]) -> list[T]:
    mark = f"{symbol},"
    try:
        return [row(*line.split(",")) for line in _lines(name) if line.startswith(mark)]
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
        raise DataError(
            f"The data file {name} cannot be read.",
            why=f"{type(error).__name__}: {str(error)[:200]}",
            remedy="install Puna again",
            code="E612",
        ) from error


@cache
def _lines(name: str) -> list[str]:
    content = (files(__name__) / name).read_bytes()
    return (gzip.decompress(content) if name.endswith(".gz") else content).decode().splitlines()[1:]
