"""The journal: durable intents, decisions and evidence, written by one thread, before anything leaves.

`await journal.append(...)` returns when everything is on the disk, in one commit; a driven clock stands still
meanwhile. After one failure nothing is ever written again by this process, and whoever asks is told so.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from puna.engine.entries import Entry, from_record, to_record
from puna.engine.storage import ChainedStorage, MemoryStorage, SqliteStorage
from puna.errors import JournalError
from puna.seams import Clock, Record

__all__ = ["ChainedStorage", "Journal", "MemoryStorage", "SqliteStorage", "open_journal"]


class Journal:
    """Typed records on a storage, and the one thread that writes them.

    Args:
        storage: where the records are.
        clock: market time, for those who wait.
    """

    def __init__(self, storage: ChainedStorage, clock: Clock) -> None:
        self.failure: JournalError | None = None
        self._storage = storage
        self._clock = clock
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="puna-journal")

    @property
    def head(self) -> str:
        """The hash of all records so far."""
        return self._storage.head

    @property
    def path(self) -> Path | None:
        """Its file; None when it is in memory."""
        return self._storage.path if isinstance(self._storage, SqliteStorage) else None

    def read(self) -> Iterator[tuple[int, Entry]]:
        """Every record from the first on, with its number.

        Raises:
            JournalError: a record that cannot be understood.
        """
        for seq, record in self._storage.read():
            yield seq, from_record(seq, record)

    async def append(self, *entries: Entry) -> int:
        """Makes all of them durable in one commit, and returns the number of the last one.

        Raises:
            JournalError: none of them is durable, and none ever will be by this process.
        """
        if self.failure is not None:
            raise self.failure
        records = [to_record(entry) for entry in entries]
        try:
            return await self._append(records)
        except JournalError as error:
            self.failure = error
            raise

    async def _append(self, records: list[Record]) -> int:
        if isinstance(self._storage, MemoryStorage):  # there is no disk to wait for, so no thread either
            return self._storage.append(records)
        with self._clock.busy():
            write = asyncio.get_running_loop().run_in_executor(self._writer, self._storage.append, records)
            # Whoever waits may be cancelled; the write goes on, and nobody learns its number. That is harmless: what
            # is in the journal is read again at the next start.
            return await asyncio.shield(write)

    def close(self) -> None:
        """Waits for what is being written and closes the storage; a second call does nothing."""
        self._writer.shutdown(wait=True)
        self._storage.close()


def open_journal(path: Path | None, clock: Clock, *, max_pages: int | None = None) -> Journal:
    """A journal in a file, or in memory when there is no path.

    Raises:
        JournalError: the file cannot be opened, is damaged, or is in use.
    """
    storage = MemoryStorage() if path is None else SqliteStorage(path, max_pages=max_pages)
    return Journal(storage, clock)
