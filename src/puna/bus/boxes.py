"""What makes the control plane survive a restart of either end: the sender's outbox, the receiver's inbox. SQLite.

A message is in the outbox before it is sent and until it is acknowledged; a sender that comes back sends what is left,
under the same numbers. The receiver keeps each answer beside (sender, epoch, number), so a repetition gets the first
answer again and has no other effect. The epoch is the time at which an outbox was made.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from puna.bus.messages import BusError

__all__ = ["Inbox", "Outbox", "Together", "Waiting"]

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 500
"""How many messages are sent again in one go."""

KEPT = 4096
"""How many answers of a sender are remembered; what is older is refused as too old, never taken twice."""


class Waiting(NamedTuple):
    """A message that nobody has acknowledged yet."""

    seq: int
    body: bytes


class Together(Generic[T, R]):
    """Collects what is put in one turn of the loop, so that all of it waits for the disk once.

    Args:
        keep: keeps several durably, and gives what each is answered with.
    """

    def __init__(self, keep: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._keep = keep
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []

    async def put(self, item: T) -> R:
        """Returns when it is durable.

        Raises:
            BusError: it could not be kept.
        """
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, kept))
        if len(self._waiting) == 1:
            loop.call_soon(self._put)
        return await kept

    def _put(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            answers = self._keep([item for item, _ in waiting])
        except (BusError, sqlite3.Error) as error:
            for _, kept in waiting:
                if not kept.done():
                    kept.set_exception(error)
            return
        for (_, kept), answer in zip(waiting, answers, strict=True):
            if not kept.done():
                kept.set_result(answer)


class Outbox:
    """Messages on their way.

    Args:
        path: the file; None keeps them in memory, for tests and for what need not survive.
        now: wall time, ns: the epoch, if the outbox is new.
    """

    def __init__(self, path: Path | None, now: int) -> None:
        self._database = _opened(path)
        with _told(path):
            self._database.executescript(
                "CREATE TABLE IF NOT EXISTS message (seq INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);"
                "CREATE TABLE IF NOT EXISTS epoch (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL);"
            )
            self._database.execute("INSERT OR IGNORE INTO epoch VALUES (1, ?)", (now,))
            self._done = set[int]()
            self.epoch: int = self._database.execute("SELECT number FROM epoch").fetchone()[0]

    def put(self, body: bytes) -> int:
        """Keeps a message, durably, and gives its number."""
        return self.put_all([body])[0]

    def put_all(self, bodies: Sequence[bytes]) -> list[int]:
        """Keeps messages, durably and all or none, and gives their numbers: waiting for the disk once."""
        with _told(None), self._forgetting():
            return [
                int(self._database.execute("INSERT INTO message (body) VALUES (?)", (body,)).lastrowid or 0)
                for body in bodies
            ]

    def done(self, seq: int) -> None:
        """It was acknowledged.

        That is written down with the next message, or when somebody looks for what waits. If a crash comes before, the
        message is sent once more and answered the same.
        """
        self._done.add(seq)

    @property
    def count(self) -> int:
        """How many were not acknowledged."""
        with _told(None):
            return sum(seq not in self._done for (seq,) in self._database.execute("SELECT seq FROM message"))

    def waiting(self, limit: int = AT_ONCE) -> list[Waiting]:
        """What was not acknowledged, oldest first, up to a limit."""
        with _told(None):
            if self._done:
                with self._forgetting():
                    pass
            rows = self._database.execute("SELECT seq, body FROM message ORDER BY seq LIMIT ?", (limit,))
            return [Waiting(*row) for row in rows]

    def close(self) -> None:
        """Releases the file."""
        with suppress(BusError):  # a full disk: what was acknowledged is sent once more
            self.waiting(0)
        self._database.close()

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """A transaction with which what was acknowledged goes."""
        with _transaction(self._database):
            self._database.executemany("DELETE FROM message WHERE seq = ?", [(seq,) for seq in self._done])
            yield
        self._done.clear()


class Inbox:
    """Answers that were given.

    Args:
        path: the file; None keeps them in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._database = _opened(path)
        with _told(path):
            self._database.executescript(
                "CREATE TABLE IF NOT EXISTS answer (peer TEXT, epoch INTEGER, seq INTEGER, body BLOB NOT NULL,"
                " PRIMARY KEY (peer, epoch, seq)) WITHOUT ROWID;"
            )

    def epoch(self, peer: str) -> int:
        """The latest epoch of a peer; 0 when nothing was ever heard of it."""
        row = self._database.execute("SELECT max(epoch) FROM answer WHERE peer = ?", (peer,)).fetchone()
        return int(row[0] or 0)

    def last(self, peer: str, epoch: int) -> int:
        """The highest number that was answered; 0 when none was."""
        row = self._database.execute("SELECT max(seq) FROM answer WHERE peer = ? AND epoch = ?", (peer, epoch))
        return int(row.fetchone()[0] or 0)

    def answer(self, peer: str, epoch: int, seq: int) -> bytes | None:
        """What was answered to this message."""
        row = self._database.execute(
            "SELECT body FROM answer WHERE peer = ? AND epoch = ? AND seq = ?", (peer, epoch, seq)
        ).fetchone()
        return None if row is None else row[0]

    def put(self, peer: str, epoch: int, seq: int, body: bytes) -> None:
        """Keeps an answer, durably; what is beyond the window, and earlier epochs, are forgotten."""
        self.put_all([(peer, epoch, seq, body)])

    def put_all(self, answers: Sequence[tuple[str, int, int, bytes]]) -> Sequence[None]:
        """Keeps answers, durably and all or none: waiting for the disk once."""
        with _told(None), _transaction(self._database):
            self._database.executemany("INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?)", answers)
            for peer, (epoch, seq) in {peer: (epoch, seq) for peer, epoch, seq, _ in sorted(answers)}.items():
                self._database.execute(
                    "DELETE FROM answer WHERE peer = ? AND (epoch < ? OR seq <= ?)", (peer, epoch, seq - KEPT)
                )
        return [None] * len(answers)

    def close(self) -> None:
        """Releases the file."""
        self._database.close()


def _opened(path: Path | None) -> sqlite3.Connection:
    with _told(path):
        if path is not None:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        database = sqlite3.connect(path or ":memory:", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        return database


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


@contextmanager
def _told(path: Path | None) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise BusError(
            "What is on its way cannot be written down.",
            why=f"{path or ''} {error}".strip(),
            state="The message was not sent.",
            remedy="Make room, or repair the file's permissions.",
            code="E704",
        ) from error
