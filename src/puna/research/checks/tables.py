"""Tables that end earlier: CSV, JSON lines, JSON and Parquet files, each row with a time, cut off after a moment.

A strategy that reads such a table is run beside a copy without the future. What holds no times, or is of another kind
(pickles, NumPy arrays, databases), cannot be cut, and is named.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from puna.core.sessions import new_york

__all__ = ["TABLES", "cut_table"]

TABLES = frozenset({".csv", ".tsv", ".jsonl", ".json", ".parquet"})
_NAMES = ("t", "ts", "time", "timestamp", "date", "datetime", "day", "index", "")


def cut_table(body: bytes, kind: str, end: int) -> bytes | None:
    """The table without rows of later moments, in the format that it came in; None where no row tells its time.

    Args:
        body: of the file.
        kind: its ending, such as ".csv".
        end: ns; rows of that moment stay, and of a date alone those of its New York day.
    """
    try:
        match kind:
            case ".csv" | ".tsv":
                return _csv(body.decode("utf-8"), "\t" if kind == ".tsv" else ",", end)
            case ".jsonl":
                rows = [json.loads(line) for line in body.decode("utf-8").splitlines() if line]
                kept = _kept(rows, end)
                return None if kept is None else "".join(f"{json.dumps(row)}\n" for row in kept).encode()
            case ".json":
                found = _json(json.loads(body), end)
                return None if found is None else json.dumps(found).encode()
            case ".parquet":
                return _parquet(body, end)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error):
        return None
    return None


def _csv(text: str, between: str, end: int) -> bytes | None:
    lines = list(csv.reader(io.StringIO(text), delimiter=between))
    if not lines:
        return None
    head, *rows = lines
    place = _place(head, rows[:1])
    if place is None:  # no names: the first line is a row
        head, rows = [], lines
        place = _place([], rows[:1])
    if place is None:
        return None
    written = io.StringIO()
    out = csv.writer(written, delimiter=between, lineterminator="\n")
    out.writerows([head] if head else [])
    out.writerows(row for row in rows if len(row) <= place or not _is_later(row[place], end))
    return written.getvalue().encode()


def _place(head: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    """The column that tells the time: one of a usual name, else the first whose value is a time."""
    if not rows:
        return None
    named = [at for at, name in enumerate(head) if name.strip().lower() in _NAMES]
    places = [*named, *range(len(rows[0]))]
    return next((at for at in places if at < len(rows[0]) and _moment(rows[0][at]) is not None), None)


def _json(found: Any, end: int) -> Any:
    """A list of rows, or a mapping by time; of a mapping of such, each."""
    if isinstance(found, list):
        return _kept(found, end)
    if isinstance(found, dict) and found:
        if all(_moment(key) is not None for key in found):
            return {key: value for key, value in found.items() if not _is_later(key, end)}
        inner = {key: _json(value, end) for key, value in found.items()}
        if any(value is not None for value in inner.values()):
            return {key: found[key] if value is None else value for key, value in inner.items()}
    return None


def _kept(rows: Sequence[Any], end: int) -> list[Any] | None:
    first = rows[0] if rows else None
    if isinstance(first, Mapping):
        names = [name for name in first if name.lower() in _NAMES and _moment(first[name]) is not None]
        names = names or [name for name in first if isinstance(first[name], str) and _moment(first[name]) is not None]
        if names:
            return [row for row in rows if not _is_later(row.get(names[0]), end)]
    if isinstance(first, list) and (place := _place([], [[str(cell) for cell in first]])) is not None:
        return [row for row in rows if not _is_later(row[place], end)]
    return None


def _parquet(body: bytes, end: int) -> bytes | None:
    try:
        import polars as pl  # noqa: PLC0415 - only who has Parquet files needs the extra
    except ImportError:
        return None
    try:
        frame = pl.read_parquet(io.BytesIO(body))
    except pl.exceptions.PolarsError:
        return None
    for name, kind in frame.schema.items():
        if kind == pl.Date:
            kept = frame.filter(pl.col(name) <= new_york(end).date())
        elif isinstance(kind, pl.Datetime):
            at = pl.col(name).dt.replace_time_zone("UTC") if kind.time_zone is None else pl.col(name)
            kept = frame.filter(at.dt.epoch("ns") <= end)
        elif name.lower() in _NAMES and len(frame) and _moment(frame[name][0]) is not None:
            kept = frame.filter([not _is_later(value, end) for value in frame[name].to_list()])
        else:
            continue
        written = io.BytesIO()
        kept.write_parquet(written)
        return written.getvalue()
    return None


def _is_later(value: Any, end: int) -> bool:
    moment = _moment(value)
    if moment is None:
        return False
    return moment > new_york(end).date() if not isinstance(moment, int) else moment > end


def _moment(value: Any) -> int | date | None:
    """A time, ns, or a date; None where it is neither. Numbers are seconds, ms, us or ns since the epoch."""
    if isinstance(value, datetime):
        return _nanos(value)
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if text.replace(".", "", 1).isdigit():
        return _epoch(text)
    try:
        return date.fromisoformat(text) if len(text) <= len("2012-01-03") else _nanos(datetime.fromisoformat(text))
    except ValueError:
        return None


def _epoch(text: str) -> int | None:
    """A number that is a moment between 1990 and 2100, in whichever unit."""
    if len(text.partition(".")[0]) < len("631152000"):
        return None
    value = float(text)
    for unit in (10**9, 10**6, 10**3, 1):
        nanos = value * unit
        if 631_152_000e9 <= nanos < 4_102_444_800e9:
            return int(text) * unit if text.isdigit() else int(nanos)
    return None


def _nanos(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 10**9 + aware.microsecond * 1000
