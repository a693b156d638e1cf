"""A full disk at each size of the journal, a journal whose end is lost, and one that is cut or changed anywhere."""

import shutil
from pathlib import Path
from random import Random

import pytest
from campaign import Campaign
from sweep import CHUNK, LONG, chunks, clean
from trial import Kill, Trial

from puna.engine.storage import SqliteStorage
from puna.errors import JournalError
from puna.exchange.faults import Fault
from puna.seams import Record


@pytest.mark.parametrize("pages", [*range(1, 24, 2), *(pytest.param(n, marks=LONG) for n in range(2, 25, 2))])
def test_full_disk(campaign: Campaign, pages: int) -> None:
    """RES-01: what cannot be written is not sent; with room again, the next start finds what happened meanwhile."""
    clean(campaign, [Trial(seed=pages, pages=pages)])


def test_full_disk_and_an_order_in_doubt(campaign: Campaign) -> None:
    """The same while replies are lost."""
    lost = Fault(on="POST /v2/orders", action="drop_reply", probability=1.0)
    clean(campaign, [Trial(pages=pages, faults=(lost,)) for pages in (8, 12, 16)])


@pytest.mark.parametrize("chunk", chunks(many=100, few=10))
def test_lost_end(campaign: Campaign, chunk: int) -> None:
    """CRA-14: the exchange is ahead of the journal; orders under our prefix are adopted, and every fill is booked."""
    rng = Random(f"torn {chunk}")
    clean(
        campaign,
        [
            Trial(seed=rng.randint(1, 1000), kills=(campaign.random_kill(rng),), torn=rng.uniform(0.5, 0.999))
            for _ in range(CHUNK)
        ],
    )


@pytest.fixture(scope="session")
def journal(campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal as SIGKILL has left it, with everything still in its write-ahead log."""
    folder = tmp_path_factory.mktemp("killed")
    result = campaign.run(Trial(kills=(Kill("strategy-told", 9),)), keep=folder)
    assert not result.wrong
    return folder / "journal.sqlite"


@pytest.fixture(scope="session")
def closed(journal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same journal after it was closed in peace: one file."""
    copy = _copied(journal, tmp_path_factory.mktemp("closed"))
    SqliteStorage(copy).close()
    assert not copy.with_name("journal.sqlite-wal").exists()
    return copy


@pytest.mark.parametrize("chunk", [0, *(pytest.param(n, marks=LONG) for n in range(1, 10))])
@pytest.mark.parametrize("damage", ["cut", "flip"])
@pytest.mark.parametrize("where", ["log", "file"])
def test_damage(journal: Path, closed: Path, tmp_path: Path, where: str, damage: str, chunk: int) -> None:
    """CRA-15: cut or changed at any byte, a journal is a prefix of what was written, or says that it is damaged."""
    rng = Random(f"{where} {damage} {chunk}")
    whole = _records(_copied(journal, tmp_path))
    source = journal if where == "log" else closed
    for _ in range(100):
        copy = _copied(source, tmp_path)
        target = copy.with_name("journal.sqlite-wal") if where == "log" else copy
        _damage(target, damage, rng)
        try:
            found = _records(copy)
        except JournalError:
            continue
        assert found == whole[: len(found)]


def _records(path: Path) -> list[Record]:
    storage = SqliteStorage(path)
    try:
        return [record for _, record in storage.read()]
    finally:
        storage.close()


def _copied(source: Path, folder: Path) -> Path:
    for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    for name in ("journal.sqlite", "journal.sqlite-wal"):
        if source.with_name(name).exists():
            shutil.copy(source.with_name(name), folder / name)
    return folder / "journal.sqlite"


def _damage(path: Path, how: str, rng: Random) -> None:
    """Ends the file at some byte, or changes one bit of it."""
    at = rng.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        if how == "cut":
            file.truncate(at)
            return
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ 1 << rng.randrange(8)]))
