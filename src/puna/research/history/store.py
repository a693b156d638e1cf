"""The cache of history on disk: Parquet files, a file a period, each replaced whole; what it is stands in its metadata.

A file is written beside its place, forced to the disk and moved there, so a period is there whole or not at all,
whatever is killed when. Its metadata says series, days covered, time of download, rows, and a digest of the rows.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn, Protocol

from puna.errors import DataError
from puna.research.extra import library
from puna.research.history.series import COLUMNS, Kind, Period, Row, Series

__all__ = [
    "Digest",
    "Draft",
    "Piece",
    "Store",
    "about",
    "read_metadata",
    "read_piece",
    "schema",
    "write_text",
    "write_whole",
]

BATCH = 65_536  # rows that are held before they go to the disk, and of a row group
_KEY = "puna"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the store: what its metadata says. Days inclusive; `downloaded` in ns of the broker's time."""

    series: Series
    first: date
    last: date
    downloaded: int
    rows: int
    digest: str
    path: Path
    bytes: int

    def covers(self, first: date, last: date) -> bool:
        return self.first <= first and last <= self.last


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class Digest:
    """SHA-256 over the values, column by column: however rows are batched, the same rows give the same digest."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._columns: list[_Hash] = [sha256() for _ in COLUMNS[kind]]

    def add(self, frame: Any) -> None:
        """More rows, a polars frame with the columns of the kind."""
        if frame.is_empty():
            return
        for (name, sort), column in zip(COLUMNS[self._kind], self._columns, strict=True):
            values = frame[name]
            if sort == "time":
                column.update(values.to_physical().to_numpy().tobytes())
            elif sort in {"number", "count"}:
                column.update(values.to_numpy().tobytes())
            else:
                column.update(json.dumps(values.to_list())[1:-1].encode() + b", ")

    def hex(self) -> str:
        return sha256("".join(each.hexdigest() for each in self._columns).encode()).hexdigest()


class Draft:
    """A file in the making: rows come in, and little of them stays in memory.

    Args:
        path: where it will be.
        kind: which columns.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self._path, self._kind = path, kind
        self._digest, self._held, self._parts = Digest(kind), list[Row](), list[Path]()
        self.rows = 0

    def add(self, rows: Sequence[Row]) -> None:
        """More rows, in order of time."""
        self._held += rows
        self.rows += len(rows)
        if len(self._held) >= BATCH:
            self._spill()

    def finish(self, about: dict[str, object]) -> None:
        """Puts the file in its place, with `about`, rows and digest in its metadata."""
        self._spill(even_empty=not self._parts)
        whole = about | {"rows": self.rows, "digest": self._digest.hex()}
        write_whole(self._path, library("polars").scan_parquet(self._parts), whole)
        self.discard()

    def discard(self) -> None:
        """Forgets what was spilled."""
        for part in self._parts:
            part.unlink(missing_ok=True)
        self._parts = []

    def _spill(self, *, even_empty: bool = False) -> None:
        if not self._held and not even_empty:
            return
        rows, self._held = self._held, []
        frame = frame_of(self._kind, rows)
        self._digest.add(frame)
        part = self._path.with_name(f".{self._path.name}.{len(self._parts)}")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(part, compression="lz4")
        self._parts.append(part)


class Store:
    """A folder of history.

    Args:
        root: the folder; it is made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the store for writing, and removes what a killed download left behind.

        Raises:
            DataError: E662, another process writes.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DataError(
                    f"Another process is writing to {self.root}.",
                    why="one writes at a time; any number may read",
                    state="Nothing was downloaded.",
                    remedy="Wait for it, or name another folder with --store.",
                    code="E662",
                ) from error
            for left in self.root.rglob(".*.parquet.*"):
                left.unlink(missing_ok=True)
            yield

    def path(self, series: Series, period: Period) -> Path:
        """The file of a period."""
        return self.root / series.folder / f"{period.name}.parquet"

    def draft(self, series: Series, period: Period) -> Draft:
        """A new file for a period."""
        return Draft(self.path(series, period), series.kind)

    def piece(self, series: Series, period: Period) -> Piece | None:
        """What there is of a period.

        Raises:
            DataError: E661, the file is damaged.
        """
        path = self.path(series, period)
        return read_piece(path) if path.exists() else None

    def pieces(self) -> list[Piece]:
        """Every file, by series and day; damaged ones raise E661."""
        found = [read_piece(path) for path in self.paths()]
        return sorted(found, key=lambda each: (each.series, each.first))

    def pieces_of(self, series: Series) -> list[Piece]:
        """The files of one series, by day."""
        return [read_piece(path) for path in sorted((self.root / series.folder).glob("[!.]*.parquet"))]

    def paths(self) -> list[Path]:
        """Every file of bars, quotes and trades, readable or not."""
        return sorted(path for kind in COLUMNS for path in (self.root / kind).rglob("*.parquet") if path.name[0] != ".")

    def scan(self, series: Series) -> Any:
        """A polars LazyFrame over all of a series, oldest first.

        Raises:
            DataError: E665, nothing of it is stored.
        """
        files = sorted((self.root / series.folder).glob("[!.]*.parquet"))
        if not files:
            self.refuse(f"{series.kind} of {series.symbol}")
        return library("polars").scan_parquet(files)

    def refuse(self, what: str) -> NoReturn:
        """Raises E665: no file holds it."""
        raise DataError(
            f"No {what} are stored.",
            why=f"{self.root} holds no file of them",
            remedy="puna data list shows what there is; puna data get downloads",
            code="E665",
        )


def write_whole(path: Path, rows: Any, told: dict[str, object]) -> None:
    """Writes a frame, or a lazy one, beside its place, forces it to the disk, and moves it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.whole")
    metadata = {_KEY: json.dumps(told)}
    rows.lazy().sink_parquet(whole, compression="zstd", row_group_size=BATCH, metadata=metadata, sync_on_close="all")
    whole.replace(path)
    _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """The same of a small text."""
    whole = path.with_name(f".{path.name}.whole")
    with whole.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    whole.replace(path)
    _sync(path.parent)


def read_metadata(path: Path) -> dict[str, Any]:
    """What a file of the store says of itself; raises what polars raises, or KeyError."""
    told: dict[str, Any] = json.loads(library("polars").read_parquet_metadata(path)[_KEY])
    return told


def about(series: Series, first: date, last: date, downloaded: int) -> dict[str, object]:
    """What the metadata of a file say."""
    days = {"first": first.isoformat(), "last": last.isoformat()}
    return {**asdict(series), **days, "downloaded": downloaded}


def read_piece(path: Path) -> Piece:
    """What a file says of itself.

    Raises:
        DataError: E661, it cannot be read, or is none of the store's.
    """
    polars = library("polars")
    try:
        told = read_metadata(path)
        series = Series(*(told[name] for name in ("kind", "symbol", "timeframe", "feed", "adjustment")))
        days = date.fromisoformat(told["first"]), date.fromisoformat(told["last"])
        return Piece(series, *days, told["downloaded"], told["rows"], told["digest"], path, path.stat().st_size)
    except (polars.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError, DataError) as error:
        raise DataError(
            f"{path} cannot be read.",
            why=f"{type(error).__name__}: {str(error)[:200]}",
            state="It was left as it is.",
            remedy="remove the file; puna data get downloads its days again",
            code="E661",
        ) from error


def frame_of(kind: Kind, rows: Sequence[Row]) -> Any:
    """Rows as a polars frame with the columns of the kind."""
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS[kind])
    named = zip(schema(kind).items(), columns, strict=True)
    polars = library("polars")
    return polars.DataFrame([polars.Series(name, column, dtype=dtype) for (name, dtype), column in named])


def schema(kind: Kind) -> dict[str, Any]:
    """Column -> polars type."""
    polars = library("polars")
    types = {
        "text": polars.String,
        "time": polars.Datetime("ns", "UTC"),
        "number": polars.Float64,
        "count": polars.Int64,
        "texts": polars.List(polars.String),
    }
    return {name: types[sort] for name, sort in COLUMNS[kind]}


def _sync(folder: Path) -> None:
    """Makes a move durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
