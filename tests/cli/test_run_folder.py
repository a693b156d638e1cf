"""The folder of a run: nobody reads half of one, and nothing of somebody else's is touched."""

from pathlib import Path

import pytest

from puna.cli.run_folder import fresh_folder, put
from puna.errors import ConfigError, PunaError


def test_a_run_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """Until the body ends the old run stands; then its files are replaced, and others stay."""
    target = tmp_path / "demo-7"
    target.mkdir()
    (target / "report.json").write_text("old")
    (target / "notes.txt").write_text("mine")
    with fresh_folder(target) as filling:
        put(filling / "report.json", b"new")
        assert (target / "report.json").read_text() == "old"
    assert (target / "report.json").read_text() == "new"
    assert (target / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["demo-7"]


def test_what_was_written_before_a_failure_is_kept(tmp_path: Path) -> None:
    """A journal is evidence, most of all when something went wrong; a lock is not."""
    target = tmp_path / "new" / "run"

    def fail() -> None:
        with fresh_folder(target) as filling:
            (filling / "journal.sqlite").write_bytes(b"evidence")
            (filling / "journal.sqlite.lock").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in target.iterdir()] == ["journal.sqlite"]
    assert [path.name for path in target.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_place_of_somebody_else_is_refused(tmp_path: Path, kind: str) -> None:
    """A file, or a folder with other things in it: E034, and nothing is changed."""
    target = tmp_path / "target"
    if kind == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError) as caught, fresh_folder(target):
        pass
    assert caught.value.code == "E034"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """Writing over a file leaves no half of it, and no scraps beside it."""
    put(tmp_path / "report.html", b"one")
    put(tmp_path / "report.html", b"two")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("report.html", b"two")]


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """It says which file, that the run is over, and where what was sent still stands; no scraps."""
    (tmp_path / "report.html").mkdir()
    with pytest.raises(PunaError) as caught:
        put(tmp_path / "report.html", b"one")
    assert "report.html cannot be written" in str(caught.value)
    assert "journal" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
