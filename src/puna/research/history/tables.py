"""Two tables of one's own beside the bars: when stocks were halted, and which could not simply be borrowed.

Alpaca keeps no history of either. `halts.csv` and `borrow.csv` in the folder of the history are plain text, written by
hand, by a program, or by `puna data gaps --keep-halts`; backtests on stored bars read them.

    symbol,from,to,reason                                          symbol,borrow
    GME,2021-01-28T15:00:00Z,2021-01-28T15:05:00Z,LUDP             GME,hard
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn, TypeAlias

from puna.core.symbols import canonical
from puna.errors import DataError
from puna.research.history.gaps import Gap
from puna.research.history.store import Store, write_text
from puna.wire.codec import format_time

__all__ = ["Borrow", "HaltRow", "borrow_of", "halts_among", "halts_of", "keep_halts"]

Borrow: TypeAlias = Literal["easy", "hard", "none"]
"""Whether a stock can be sold short: easy to borrow; only with a locate, for a fee; not at all."""

HALT_COLUMNS = ("symbol", "from", "to", "reason")
BORROW_COLUMNS = ("symbol", "borrow")
_WORDS: Mapping[str, Borrow] = {"easy": "easy", "hard": "hard", "none": "none"}


class HaltRow(NamedTuple):
    """A stock did not trade from `start` to before `end`, ns; why, in the tape's words: T1, LUDP, ..."""

    symbol: str
    start: int
    end: int
    reason: str


def halts_of(store: Store) -> list[HaltRow]:
    """All halts that are noted, by symbol and time.

    Raises:
        DataError: E661, a line of the table is none.
    """
    return sorted(_halts(store.root / "halts.csv"))


def halts_among(gaps: Iterable[Gap]) -> list[HaltRow]:
    """The gaps of minutes that are taken for halts: a conclusion from what the broker lacks, and so is the reason."""
    rows = (each for each in gaps if each.why == "halt" and each.series.unit == "Min")
    return [HaltRow(each.series.symbol, each.start, each.end, "gap") for each in rows]


def keep_halts(store: Store, found: Iterable[HaltRow]) -> int:
    """Notes halts beside those that are noted already; answers how many were new."""
    known = set(halts_of(store))
    spans = {row[:3] for row in known}
    new = {row for row in found if row[:3] not in spans}
    if new:
        with store.writing():
            write_text(store.root / "halts.csv", _text(sorted(known | new)))
    return len(new)


def borrow_of(store: Store) -> dict[str, Borrow]:
    """Symbol -> how it can be borrowed, of those that are noted.

    Raises:
        DataError: E661, a line of the table is none.
    """
    path = store.root / "borrow.csv"
    found: dict[str, Borrow] = {}
    for number, row in _rows(path, BORROW_COLUMNS):
        symbol, word = _symbol(path, number, row["symbol"]), _WORDS.get(row["borrow"].strip())
        if word is None:
            _refuse(path, number, f"borrow is {row['borrow'][:20]!r}; there are easy, hard, none")
        found[symbol] = word
    return found


def _halts(path: Path) -> Iterator[HaltRow]:
    for number, row in _rows(path, HALT_COLUMNS):
        start, end = (_time(path, number, row[name]) for name in ("from", "to"))
        if start >= end:
            _refuse(path, number, "it ends before it begins")
        yield HaltRow(_symbol(path, number, row["symbol"]), start, end, row["reason"].strip() or "T1")


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a table with their numbers; none where there is no table."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
            _refuse(path, 1, f"there is no column {', '.join(missing)}")
        for row in reader:
            yield reader.line_num, {name: row[name] or "" for name in columns}


def _symbol(path: Path, number: int, text: str) -> str:
    try:
        return canonical(text.strip())
    except DataError as error:
        _refuse(path, number, error.what)


def _time(path: Path, number: int, text: str) -> int:
    """ISO 8601; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        _refuse(path, number, f"{text[:40]!r} is no time; write 2021-01-28T15:00:00Z")
    whole = moment.replace(tzinfo=moment.tzinfo or UTC)
    return int(whole.timestamp()) * 1_000_000_000 + whole.microsecond * 1000


def _text(rows: Iterable[HaltRow]) -> str:
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HALT_COLUMNS)
    writer.writerows((row.symbol, format_time(row.start), format_time(row.end), row.reason) for row in rows)
    return file.getvalue()


def _refuse(path: Path, number: int, why: str) -> NoReturn:
    raise DataError(
        f"{path} cannot be read.",
        why=f"line {number}: {why}",
        state="It was left as it is.",
        remedy=f"the columns of halts.csv are {', '.join(HALT_COLUMNS)}; of borrow.csv {', '.join(BORROW_COLUMNS)}",
        code="E661",
    )
