"""Whether stored history is what it says: digests, order, doubles, days, sessions, prices, jumps that are splits."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from puna.core import sessions
from puna.core.sessions import Session
from puna.core.types import AssetClass
from puna.errors import DataError
from puna.research.extra import library
from puna.research.history.actions import outdated, split_factors
from puna.research.history.series import Series
from puna.research.history.store import BATCH, Digest, Piece, Store, read_piece

__all__ = ["Finding", "near_split", "verify"]

MINUTE = 60_000_000_000
SIMPLE = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100, 1.5)  # factors of splits that are usual
NEAR = 0.04  # how near a jump has to be to one of them, as a part, when no action is known


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was noticed. `fault` is False where it is as the label says, and only worth knowing."""

    path: Path
    what: str
    detail: str
    fault: bool = True


def verify(store: Store) -> Iterator[Finding]:
    """What is wrong with the files of a store, file by file, and then series by series."""
    sound: dict[Series, list[Piece]] = {}
    for path in store.paths():
        try:
            piece = read_piece(path)
        except DataError as error:
            yield Finding(path, "unreadable", error.why)
            continue
        found = list(_check(store, piece))
        yield from found
        if not found:
            sound.setdefault(piece.series, []).append(piece)
    for series, pieces in sorted(sound.items()):
        if series.kind == "bars" and series.asset_class is AssetClass.US_EQUITY:
            yield from _jumps(store, series)
            newest = max(piece.downloaded for piece in pieces)
            for piece in pieces:
                if outdated(store, series, piece.downloaded, newest):
                    yield Finding(piece.path, "outdated", "an action after its download changes adjusted prices")


def _check(store: Store, piece: Piece) -> Iterator[Finding]:
    """One file."""
    if store.path(piece.series, piece.series.period(piece.first)) != piece.path:
        yield Finding(piece.path, "misplaced", f"it says that it is {piece.series.folder}, from {piece.first}")
    digest, before, rows = Digest(piece.series.kind), -1, 0
    told: dict[str, str] = {}
    polars = library("polars")
    try:
        for frame in _batches(piece):
            digest.add(frame)
            rows += len(frame)
            times = frame["time"].to_physical()
            for what, detail in _look(piece, frame, times, before):
                told.setdefault(what, detail)
            before = int(times[-1])
    except (polars.exceptions.PolarsError, OSError) as error:
        yield Finding(piece.path, "unreadable", str(error)[:200])
        return
    if digest.hex() != piece.digest or rows != piece.rows:
        yield Finding(piece.path, "changed", f"its {rows:,} rows are not the {piece.rows:,} that were downloaded")
    for what, detail in told.items():
        yield Finding(piece.path, what, detail)


def _batches(piece: Piece) -> Iterator[Any]:
    lazy = library("polars").scan_parquet(piece.path)
    at = 0
    while len(frame := lazy.slice(at, BATCH).collect()):
        yield frame
        at += BATCH


def _look(piece: Piece, frame: Any, times: Any, before: int) -> Iterator[tuple[str, str]]:
    """What is wrong with a batch: kind of fault, where first."""
    series = piece.series
    steps = times.diff().drop_nulls()
    if int(times[0]) < before or (steps < 0).any():
        yield "unsorted", "times go back"
    if series.kind == "bars" and (int(times[0]) == before or (steps == 0).any()):
        yield "double", "two bars of the same time"
    if (
        series.kind == "trades"
        and frame.filter(frame["id"] != "").select("time", "exchange", "id").is_duplicated().any()
    ):
        yield "double", "two trades of the same time, exchange and id"
    following = series.begins(date.fromordinal(piece.last.toordinal() + 1))
    if int(times.min()) < series.begins(piece.first) or int(times.max()) >= following:
        yield "outside its days", f"rows before {piece.first} or after {piece.last}"
    if series.asset_class is not AssetClass.CRYPTO and series.unit not in {"Week", "Month"}:
        yield from _sessions(series, times)
    if series.kind == "bars":
        low, high = frame["low"], frame["high"]
        inside = (low <= frame["open"]) & (low <= frame["close"]) & (high >= frame["open"]) & (high >= frame["close"])
        if not (inside & (low > 0)).all():
            yield "prices", "a bar whose low and high do not hold its open and close"


def _sessions(series: Series, times: Any) -> Iterator[tuple[str, str]]:
    first, last = (sessions.date_of(int(each)) for each in (times.min(), times.max()))
    if first < sessions.FIRST_DATE or last > sessions.LAST_DATE:
        days = f"{sessions.FIRST_DATE} to {sessions.LAST_DATE}"
        yield "outside the calendar", f"rows from {first} to {last}, and the calendar holds {days}"
        return
    for minute in (times // MINUTE).unique(maintain_order=True).to_list():
        ts = minute * MINUTE
        closed = sessions.day(sessions.date_of(ts)) is None
        if series.kind != "bars" or series.intraday:
            closed = sessions.session_at(ts) is Session.CLOSED
            if closed and series.unit == "Hour":  # an hour that begins before a session and reaches into it
                closed = sessions.session_at(ts + series.number * 60 * MINUTE - 1) is Session.CLOSED
        if closed:
            yield "outside sessions", f"{sessions.new_york(ts):%Y-%m-%d %H:%M} New York"
            return


def _jumps(store: Store, series: Series) -> Iterator[Finding]:
    """Jumps between two days that a split explains, or would explain."""
    known, adjusted = split_factors(store, series.symbol), bool({"split", "all"} & set(series.adjustment.split(",")))
    path = store.root / series.folder
    for on, ratio in _ratios(store, series):
        factor = known.get(on)
        if factor is not None and abs(math.log(ratio / factor)) < abs(math.log(ratio)):
            words = f"{factor:g} for 1 on {on}"
            if adjusted:
                yield Finding(path, "unadjusted split", f"{words}, and the prices still jump")
            else:
                yield Finding(path, "split", f"{words}; the prices are raw, as labelled", fault=False)
        elif factor is None and (near := near_split(ratio)):
            detail = f"from one day to {on} prices change as in a split of {near}; no action of that day is stored"
            yield Finding(path, "unadjusted split" if adjusted else "unexplained jump", detail)


def _ratios(store: Store, series: Series) -> Iterator[tuple[date, float]]:
    """Day -> the close before by its open."""
    polars = library("polars")
    local = polars.col("time").dt.convert_time_zone("America/New_York").dt.date().alias("day")
    days = store.scan(series).group_by(local, maintain_order=True)
    rows = days.agg(polars.col("open").first(), polars.col("close").last()).collect().rows()
    for (_, _, close), (on, open_, _) in pairwise(rows):
        if close > 0 and open_ > 0:
            yield on, close / open_


def near_split(ratio: float) -> str:
    """`2 for 1` or `1 for 2` where the ratio is near such a factor; "" otherwise."""
    for factor in SIMPLE:
        if abs(ratio / factor - 1) < NEAR:
            return f"{factor:g} for 1"
        if abs(ratio * factor - 1) < NEAR:
            return f"1 for {factor:g}"
    return ""
