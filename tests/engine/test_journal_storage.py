"""The journal on the disk: nothing half-written, nothing invented, nothing changed unseen, one owner."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.orders import Update
from puna.engine.entries import Evidence, Note, from_record, to_record
from puna.engine.journal import Journal, open_journal
from puna.engine.storage import MemoryStorage, SqliteStorage, chained
from puna.errors import JournalError
from puna.seams import Record, SystemClock


def note(number: int, size: int = 1) -> Record:
    return to_record(Note(ts=number, code="X", text=f"{number} " * size))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "journal.sqlite"


def filled(path: Path, count: int = 5) -> None:
    """A journal of so many records, closed."""
    storage = SqliteStorage(path)
    assert storage.append([note(number) for number in range(1, count + 1)]) == count
    storage.close()


def test_what_was_appended_is_read_again(path: Path) -> None:
    """Records come back in order with their numbers, also after the file was closed; the chain goes on."""
    filled(path, 3)
    storage = SqliteStorage(path)
    assert storage.append([note(4), note(5)]) == 5
    assert [(seq, from_record(seq, record).ts) for seq, record in storage.read()] == [(n, n) for n in range(1, 6)]
    assert [seq for seq, _ in storage.read(after=3)] == [4, 5]
    storage.close()
    storage.close()


@given(st.lists(st.lists(st.binary(max_size=50), max_size=4), max_size=6))
def test_both_storages_have_the_same_hash(batches: list[list[bytes]]) -> None:
    """The head depends on the records alone, however they were batched."""
    one, other = MemoryStorage(), MemoryStorage()
    for batch in batches:
        one.append([Record("note", "k", 1, body) for body in batch])
    for body in [body for batch in batches for body in batch]:
        other.append([Record("note", "k", 1, body)])
    assert one.head == other.head


def test_memory_and_file_agree(path: Path) -> None:
    """The same records, the same head, on disk and in memory."""
    disk, memory = SqliteStorage(path), MemoryStorage()
    for storage in (disk, memory):
        storage.append([note(1), note(2)])
        storage.append([note(3)])
    assert disk.head == memory.head
    disk.close()


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    """Mode 0600: the journal, and what SQLite puts beside it."""
    storage = SqliteStorage(path)
    storage.append([note(1)])
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) >= 3
    storage.close()


def test_commits_survive_the_power(path: Path) -> None:
    """WAL and synchronous=FULL: a commit is on the disk when append returns."""
    storage = SqliteStorage(path)
    database = storage._database
    assert database is not None
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    storage.close()


def changed(sql: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        database = sqlite3.connect(path)
        database.executescript(sql)
        database.commit()
        database.close()

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            changed("UPDATE records SET body = CAST(replace(CAST(body AS TEXT), '3', '4') AS BLOB) WHERE seq = 3"),
            "record 3",
        ),
        (changed("UPDATE records SET ts = 9 WHERE seq = 2"), "record 2"),
        (changed("DELETE FROM records WHERE seq = 4"), "record 4"),
        (changed("DELETE FROM records WHERE seq = 1"), "record 1"),
        (changed("DELETE FROM records WHERE seq = 5"), "record 4"),
        (changed("DELETE FROM records; DELETE FROM head WHERE 0"), "record 0"),
        (changed("INSERT INTO records SELECT 6, kind, key, ts, body, chain FROM records WHERE seq = 5"), "record 6"),
    ],
    ids=["body", "time", "hole", "first", "tail", "all", "added"],
)
def test_every_change_is_found_and_named(path: Path, change: Callable[[Path], None], named: str) -> None:
    """A record changed, taken out or put in: it does not open, and the error says where. Nothing is repaired."""
    filled(path)
    change(path)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=named) as caught:
        SqliteStorage(path)
    assert caught.value.remedy
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["page", "cut", "other", "short"])
def test_a_damaged_file_does_not_open(path: Path, damage: str) -> None:
    """A page overwritten, the file cut or of another kind: an error, never a shorter journal that looks whole."""
    filled(path, 200)
    whole = path.read_bytes()
    damaged = {
        "page": whole[:8192] + os.urandom(4096) + whole[12288:],
        "cut": whole[: len(whole) // 2],
        "other": b"no database" * 999,
        "short": whole[:700],
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(JournalError):
        SqliteStorage(path)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    """A SQLite file that is no journal is refused and not touched."""
    changed("CREATE TABLE other (x); INSERT INTO other VALUES (1)")(path)
    with pytest.raises(JournalError, match="cannot be read") as caught:
        SqliteStorage(path)
    assert "no journal" in caught.value.why


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    """The system's words are in the error."""
    with pytest.raises(JournalError, match="cannot be read"):
        SqliteStorage(tmp_path / "nowhere" / "journal.sqlite")


def test_a_second_owner_is_refused(path: Path) -> None:
    """Two storages on one file, in one process: the second is refused, and may come when the first is closed."""
    first = SqliteStorage(path)
    with pytest.raises(JournalError, match="in use"):
        SqliteStorage(path)
    first.close()
    SqliteStorage(path).close()


def test_the_lock_dies_with_its_owner(path: Path) -> None:
    """A process that ends without a word leaves its commits and no lock."""
    code = (
        "import os, pathlib, sys; from puna.engine.storage import SqliteStorage; from puna.seams import Record; "
        "SqliteStorage(pathlib.Path(sys.argv[1])).append([Record('note', 'k', 1, b'{}')]); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    storage = SqliteStorage(path)
    assert [seq for seq, _ in storage.read()] == [1]
    storage.close()


def test_a_full_disk_writes_nothing_of_a_batch(path: Path) -> None:
    """The batch that does not fit leaves no trace; nothing is tried again; the file opens as it was."""
    storage = SqliteStorage(path, max_pages=12)
    with pytest.raises(JournalError, match="cannot be written"):
        storage.append([note(number, 200) for number in range(1000)])
    storage.close()
    storage = SqliteStorage(path, max_pages=20)
    full = False
    while not full:
        try:
            storage.append([note(1), note(2, 200)])
        except JournalError:
            full = True
    count = len(list(storage.read()))
    assert count % 2 == 0
    with pytest.raises(JournalError):
        storage.append([note(1)])
    storage.close()
    again = SqliteStorage(path)
    assert len(list(again.read())) == count
    again.close()


async def test_a_failed_journal_stays_failed() -> None:
    """After one failure every append fails, whatever the disk does: nobody knows what it holds."""

    class Failing(MemoryStorage):
        def append(self, records: object) -> int:
            raise JournalError("The disk is gone.")

    journal = Journal(Failing(), SystemClock())
    for _ in range(2):
        with pytest.raises(JournalError, match="gone"):
            await journal.append(Note(ts=1, code="X", text="x"))
    assert journal.failure is not None
    journal.close()


async def test_a_journal_without_a_path_is_in_memory() -> None:
    """For tests and benchmarks."""
    journal = open_journal(None, SystemClock())
    assert await journal.append(Note(ts=1, code="X", text="x")) == 1
    assert [entry for _, entry in journal.read()] == [Note(ts=1, code="X", text="x")]
    journal.close()


amounts = st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False)


@given(cum_qty=amounts, price=st.none() | amounts, status=st.text(max_size=10), ts=st.integers(0, 2**62))
def test_evidence_survives_the_journal(cum_qty: Decimal, price: Decimal | None, status: str, ts: int) -> None:
    """What is read is what was written, to the last digit."""
    update = Update(client_order_id="a", source="stream", status=status, ts=ts, cum_qty=cum_qty, avg_price=price)
    entry = Evidence(ts=ts, update=update, mid=0.1)
    assert from_record(1, to_record(entry)) == entry


def test_a_record_that_nobody_understands_is_named() -> None:
    """An entry of another version is not guessed at."""
    with pytest.raises(JournalError, match="record 7 "):
        from_record(7, Record("order", "abc", 1, b'{"kind":"order"}'))


@given(st.binary(min_size=32, max_size=32), st.integers(1), st.text(), st.text(), st.integers(), st.binary())
def test_a_hash_covers_each_part_with_its_length(
    before: bytes, seq: int, kind: str, key: str, ts: int, body: bytes
) -> None:
    """All before, then number, kind, key, time and body, each behind its length, so that no two records read alike."""
    digest = sha256(before)
    for part in (str(seq).encode(), kind.encode(), key.encode(), str(ts).encode(), body):
        digest.update(f"{len(part)}:".encode())
        digest.update(part)
    assert chained(before, seq, Record(kind, key, ts, body)) == digest.digest()
