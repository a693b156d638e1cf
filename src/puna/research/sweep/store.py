"""What a sweep has done so far: rows behind the storage seam, appended one by one and never changed.

The first record is the plan: what is varied and how, and the hashes of what it runs on. A sweep that goes on must have
the same plan; cells of two programs are never mixed in one table.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec.structs import replace

from puna.engine.storage import MemoryStorage, SqliteStorage
from puna.errors import ConfigError, JournalError
from puna.research.sweep.cells import Cell, Failure, Outcome, Row
from puna.seams import Clock, Record, Storage, SystemClock

__all__ = ["FILE", "Plan", "Store", "stored"]

FILE = "cells.sqlite"


class Plan(msgspec.Struct, frozen=True):
    """What a sweep is about.

    Args:
        words: the axes as they were typed.
        options: how it searches and on what; texts.
        hashes: what must not change under it: name -> hash.
        judging: how its rows are judged, which may change without changing a cell.
    """

    words: list[str]
    options: dict[str, str | None]
    hashes: dict[str, str] = {}
    judging: dict[str, str | None] = {}


class _Done(msgspec.Struct, frozen=True):
    """A row on the disk; the ends of its periods, the same for all, stand in a record of their own."""

    cell: Cell
    outcome: Outcome | None = None
    failure: Failure | None = None
    nanos: int = 0
    periods: str = ""


class Store:
    """Rows by the key of their cell.

    Args:
        storage: where they are; empty, or of a sweep.
        clock: when they came.
    """

    def __init__(self, storage: Storage, clock: Clock | None = None) -> None:
        self._storage = storage
        self._clock = clock or SystemClock()
        self._rows: dict[str, Row] = {}
        self._fresh: set[str] = set()
        self._plan: Plan | None = None
        self._periods: dict[str, list[int]] = {}
        for _, record in storage.read():
            if record.kind == "plan":
                self._plan = msgspec.json.decode(record.body, type=Plan)
            elif record.kind == "periods":
                self._periods[record.key] = msgspec.json.decode(record.body, type=list[int])
            elif record.kind == "cell":
                self._rows[record.key] = self._row(record.body)

    @property
    def plan(self) -> Plan | None:
        """The plan it was begun with."""
        return self._plan

    def begin(self, plan: Plan) -> None:
        """Keeps the plan of a new sweep, or checks that it is the one that was begun.

        Raises:
            ConfigError: E685, it is another one.
        """
        if self._plan is None:
            self._append("plan", "", msgspec.json.encode(plan))
            self._plan = plan
        elif changed := list(_changed(self._plan, plan)):
            raise _another(changed)

    def get(self, cell: Cell) -> Row | None:
        """The row of these values, under the number that the cell has now; what failed before is tried again."""
        row = self._rows.get(cell.key)
        if row is not None and isinstance(row.result, Failure) and cell.key not in self._fresh:
            return None
        return None if row is None else Row(cell, row.result, row.nanos)

    def put(self, row: Row) -> None:
        """Makes a row durable."""
        if isinstance(row.result, Failure):
            done = _Done(row.cell, failure=row.result, nanos=row.nanos)
        else:
            periods = self._named(row.result.ends)
            done = _Done(row.cell, replace(row.result, ends=[]), nanos=row.nanos, periods=periods)
        self._append("cell", row.cell.key, msgspec.json.encode(done))
        self._rows[row.cell.key] = row
        self._fresh.add(row.cell.key)

    def _named(self, ends: list[int]) -> str:
        """The name under which these periods are kept; written before the first row that has them."""
        body = msgspec.json.encode(ends)
        name = sha256(body).hexdigest()[:16]
        if name not in self._periods:
            self._append("periods", name, body)
            self._periods[name] = ends
        return name

    def _row(self, body: bytes) -> Row:
        done = msgspec.json.decode(body, type=_Done)
        if done.failure is not None:
            return Row(done.cell, done.failure, done.nanos)
        if done.outcome is None or done.periods not in self._periods:
            raise msgspec.ValidationError("a cell without a result")
        return Row(done.cell, replace(done.outcome, ends=self._periods[done.periods]), done.nanos)

    def __len__(self) -> int:
        return len(self._rows)

    def _append(self, kind: str, key: str, body: bytes) -> None:
        self._storage.append([Record(kind, key, self._clock.now(), body)])


@contextmanager
def stored(folder: Path | None) -> Iterator[Store]:
    """The store of a folder, or one that ends with the process.

    Raises:
        JournalError: E400, it cannot be read; E686, another process runs the sweep.
    """
    storage = MemoryStorage() if folder is None else _opened(folder)
    try:
        yield Store(storage)
    except msgspec.MsgspecError as error:
        raise JournalError(f"{folder} holds no sweep that can be read.", why=str(error), code="E400") from error
    finally:
        storage.close()


def _opened(folder: Path) -> Storage:
    try:
        return SqliteStorage(folder / FILE)
    except JournalError as error:
        if error.code != "E401":
            raise
        raise JournalError(
            f"The sweep in {folder} is running already.",
            why="another process has its cells open",
            state="Nothing was run; the other one was not disturbed.",
            remedy="Wait for it or end it, then resume; or name another folder with --out.",
            code="E686",
        ) from error


def _changed(begun: Plan, now: Plan) -> Iterator[str]:
    """What is not as it was."""
    if begun.words != now.words:
        yield "the values to try"
    yield from _different(begun.options, now.options)
    yield from _different(begun.hashes, now.hashes)


def _different(one: Mapping[str, str | None], other: Mapping[str, str | None]) -> Iterator[str]:
    return (name for name in {**one, **other} if one.get(name) != other.get(name))


def _another(changed: list[str]) -> ConfigError:
    return ConfigError(
        "The folder holds another sweep.",
        why=f"not as they were: {', '.join(changed)}",
        state="Nothing was run, and nothing was changed.",
        remedy="Name a new folder with --out; or restore what was changed, and resume.",
        code="E685",
    )
