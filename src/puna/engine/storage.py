"""The journal's disk: an append-only chain of records in SQLite (WAL, synchronous=FULL), or in memory.

Each record carries the hash of everything before it, and the table `head` holds the last one, written in the same
commit. So a record that was changed, taken out or put in is found when the file is opened, and named; it is never
repaired by guessing. What SQLite itself had not committed when the machine stopped is gone, and the broker tells us of
it (CRA-14). A second process is refused by a lock of the operating system, which dies with its owner.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NoReturn, Protocol

from puna.errors import JournalError
from puna.seams import Record, Storage

__all__ = ["ChainedStorage", "MemoryStorage", "SqliteStorage", "chained", "owner", "records"]

SCHEMA = 1
APPLICATION_ID = 0x50554E41  # "PUNA", so that nobody takes another program's database for a journal
GENESIS = sha256(b"puna journal 1").digest()

_TABLES = """
CREATE TABLE records (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, ts INTEGER NOT NULL,
    body BLOB NOT NULL, chain BLOB NOT NULL
) STRICT;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
"""


class ChainedStorage(Storage, Protocol):
    """A storage that knows the hash of all it holds."""

    @property
    def head(self) -> str:
        """The hash of everything, hexadecimal; equal journals have equal heads."""


def chained(before: bytes, seq: int, record: Record) -> bytes:
    """The hash of a record and everything before it."""
    parts = (b"%d" % seq, record.kind.encode(), record.key.encode(), b"%d" % record.ts, record.body)
    return sha256(before + b"".join([b"%d:%b" % (len(part), part) for part in parts])).digest()


class MemoryStorage:
    """Records that end with the process: for tests and benchmarks."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._chain = GENESIS

    @property
    def head(self) -> str:
        return self._chain.hex()

    def append(self, records: Sequence[Record]) -> int:
        for record in records:
            self._records.append(record)
            self._chain = chained(self._chain, len(self._records), record)
        return len(self._records)

    def read(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        yield from enumerate(self._records[after:], after + 1)

    def close(self) -> None:
        """Nothing is held."""


class SqliteStorage:
    """Records in one SQLite file of mode 0600, checked from the first to the last when it is opened.

    Args:
        path: the file; its folder must exist. Beside it stands `<path>.lock`, which holds the lock.
        max_pages: the most pages (4 KiB each) that the file may have; for tests of a full disk.

    Raises:
        JournalError: E400, it cannot be opened, is damaged, or belongs to another process.
    """

    def __init__(self, path: Path, *, max_pages: int | None = None) -> None:
        self.path = path
        self._broken: JournalError | None = None
        self._database: sqlite3.Connection | None = None
        self._lock: int | None = _locked(path)
        try:
            self._database = _connected(path)
            _prepare(self._database, path)
            if max_pages is not None:
                self._database.execute(f"PRAGMA max_page_count = {max_pages:d}")
            self._seq, self._chain = self._verify(self._database)
        except sqlite3.Error as error:
            self.close()
            _unreadable(path, str(error), error)
        except JournalError:
            self.close()
            raise

    @property
    def head(self) -> str:
        return self._chain.hex()

    def append(self, records: Sequence[Record]) -> int:
        if self._broken is not None:
            raise self._broken
        rows, seq, chain = [], self._seq, self._chain
        for record in records:
            seq += 1
            chain = chained(chain, seq, record)
            rows.append((seq, record.kind, record.key, record.ts, record.body, chain))
        try:
            self._commit(rows, seq, chain)
        except sqlite3.Error as error:
            # After a failed write or fsync nobody knows what the disk holds: never tried again as if it were good.
            self._broken = _unwritable(self.path, error)
            raise self._broken from error
        self._seq, self._chain = seq, chain
        return seq

    def read(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        rows = self._open().execute("SELECT seq, kind, key, ts, body FROM records WHERE seq > ? ORDER BY seq", (after,))
        for seq, *rest in rows:
            yield seq, Record(*rest)

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            raise JournalError("The journal is closed.", state="Nothing was written.")
        return self._database

    def _commit(self, rows: Sequence[tuple[object, ...]], seq: int, chain: bytes) -> None:
        database = self._open()
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
            database.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (seq, chain))
            database.execute("COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _verify(self, database: sqlite3.Connection) -> tuple[int, bytes]:
        """The last sequence number and hash, after every record was found to be what was written."""
        expected, chain = 0, GENESIS
        for seq, kind, key, ts, body, stored in database.execute("SELECT * FROM records ORDER BY seq"):
            expected += 1
            if seq != expected:
                _tampered(self.path, f"record {expected} is missing")
            if tuple(map(type, (kind, key, ts, body))) != (str, str, int, bytes):
                _tampered(self.path, f"record {seq} is none")
            chain = chained(chain, seq, Record(kind, key, ts, body))
            if chain != stored:
                _tampered(self.path, f"record {seq} ({kind} {key}) is not what was written, or one before it")
        head = database.execute("SELECT seq, chain FROM head").fetchone() or (0, GENESIS)
        if head != (expected, chain):
            _tampered(self.path, f"it ends with record {expected}, and was written up to record {head[0]}")
        return expected, chain


def _locked(path: Path) -> int:
    """A lock that the operating system takes back when its owner ends, however it ends.

    It is on a file of its own: closing any descriptor of the database would take away SQLite's own locks.
    """
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        _unreadable(path, error.strerror or str(error), error)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise JournalError(
            f"The journal {path} is in use by another process.",
            why="two processes with one journal would send orders under the same ids",
            state="Nothing was started.",
            remedy="End the other process, or give this one a journal and an account of its own.",
            code="E401",
        ) from error
    os.ftruncate(lock, 0)
    os.write(lock, b"%d\n" % os.getpid())  # who it is, for those who want to tell the owner something
    return lock


def records(path: Path) -> Iterator[tuple[int, Record]]:
    """What a journal holds, also while its process writes: nothing is locked, verified or changed.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            for seq, *rest in database.execute("SELECT seq, kind, key, ts, body FROM records ORDER BY seq").fetchall():
                yield seq, Record(*rest)
        finally:
            database.close()
    except sqlite3.Error as error:
        _unreadable(path, str(error), error)


def owner(path: Path) -> int | None:
    """The process that has the journal open; None when nobody has."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(lock, 32).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(lock)
    return None


def _connected(path: Path) -> sqlite3.Connection:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        _unreadable(path, error.strerror or str(error), error)
    # The writer thread is the only one that uses the connection after this one has read it.
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (schema,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, schema) != (APPLICATION_ID, SCHEMA) and (tables or application or schema):
        _unreadable(path, f"it is no journal of schema {SCHEMA} (application {application}, schema {schema})", None)
    (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        _unreadable(path, f"the file system does not allow SQLite's WAL (journal_mode is {mode})", None)
    database.execute("PRAGMA synchronous = FULL")
    if not tables:
        database.executescript(
            f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA}; COMMIT;"
        )


def _unreadable(path: Path, why: str, cause: Exception | None) -> NoReturn:
    raise JournalError(
        f"The journal {path} cannot be read.",
        why=why,
        state="Nothing was started, and nothing in the file was changed.",
        remedy="Restore it from a copy, or move it away: with a new journal the broker's orders and positions decide.",
    ) from cause


def _tampered(path: Path, why: str) -> NoReturn:
    raise JournalError(
        f"The journal {path} is damaged: {why}.",
        why="each record holds the hash of all before it, and these do not agree",
        state="Nothing was started, and nothing in the file was changed.",
        remedy="Restore it from a copy, or move it away: with a new journal the broker's orders and positions decide.",
        code="E402",
    )


def _unwritable(path: Path, error: sqlite3.Error) -> JournalError:
    return JournalError(
        f"The journal {path} cannot be written.",
        why=str(error),
        state="What was to be written was not sent either.",
        remedy="Make room on the disk, then start again: Puna reconciles with the broker first.",
        code="E403",
    )
