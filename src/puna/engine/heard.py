"""The bars that a run heard, as a CSV file: one row a bar, in Alpaca's letters, beside the quote that stood then.

A day of a run can be gone through again with it (`puna parity RUN`); `puna exchange --replay` reads it too.
"""

import csv
import io
from collections.abc import Iterable, Iterator

from puna.core.types import Bar, Quote
from puna.engine.recorder import HeardBar
from puna.errors import DataError

__all__ = ["HEARD", "heard_bars", "read_heard"]

HEARD = "bars.csv"
"""Its name in the folder of a run."""
_COLUMNS = ("S", "timeframe", "t", "o", "h", "l", "c", "v", "n", "vw", "heard", "bp", "ap", "bs", "as")


def heard_bars(heard: Iterable[HeardBar]) -> bytes:
    """The file: times are ns, prices dollars; `heard` is when the strategies knew it, empty for bars of the past."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(_COLUMNS)
    for timeframe, bar, quote, past in heard:
        prices = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trade_count, bar.vwap)
        sides = ("",) * 4 if quote is None else (quote.bid, quote.ask, quote.bid_size, quote.ask_size)
        out.writerow((bar.symbol, timeframe, bar.ts_event, *prices, "" if past else bar.ts_init, *sides))
    return text.getvalue().encode()


def read_heard(body: bytes, name: str) -> Iterator[HeardBar]:
    """What `heard_bars` wrote.

    Raises:
        DataError: E612, a row makes no sense.
    """
    for number, row in enumerate(csv.DictReader(body.decode("utf-8").splitlines()), 1):
        try:
            yield _heard(row)
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"Row {number} of {name} makes no sense.", why=str(error)[:120], code="E612") from error


def _heard(row: dict[str, str]) -> HeardBar:
    begin, heard, past = int(row["t"]), int(row["heard"] or 0), not row["heard"]
    open_, high, low, close, volume, vwap = (float(row[letter]) for letter in ("o", "h", "l", "c", "v", "vw"))
    bar = Bar(row["S"], open_, high, low, close, volume, begin, heard, int(row["n"]), vwap)
    quote = None
    if row["bp"]:
        bid, ask, bid_size, ask_size = (float(row[name]) for name in ("bp", "ap", "bs", "as"))
        quote = Quote(row["S"], bid, bid_size, ask, ask_size, heard, heard)
    return HeardBar(row["timeframe"], bar, quote, past)
