"""The folder of a run: filled out of sight, then put in its place file by file, so that nobody reads half a run."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from puna.errors import ConfigError, PunaError

__all__ = ["fresh_folder", "put"]

_MARKS = ("journal.sqlite", "report.json")


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """A folder to fill; when the body ends, well or not, its files replace those of the same name in `target`.

    Each file changes in one step, and other files in `target` stay. A process that is killed leaves `target` as it was.

    Raises:
        ConfigError: `target` is no folder, or holds files but no run.
    """
    _check(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    filling = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield filling
    finally:
        target.mkdir(exist_ok=True)
        for file in sorted(filling.iterdir()):
            if file.suffix != ".lock":
                file.replace(target / file.name)
        shutil.rmtree(filling)


def put(file: Path, body: bytes) -> None:
    """Writes a file in one step: it is there whole, or not at all.

    Raises:
        PunaError: it cannot be written, as on a full disk.
    """
    half = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        with half.open("wb") as writing:
            writing.write(body)
            writing.flush()
            os.fsync(writing.fileno())
        half.replace(file)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise PunaError(
            f"{file.name} cannot be written in {file.parent}.",
            why=error.strerror or str(error),
            state="The run is over; what was sent stands in the journal.",
            remedy="Make room, or give another folder with --out.",
            code="E901",
        ) from error


def _check(target: Path) -> None:
    """A folder that holds something else than a run is not ours to fill."""
    if not target.exists():
        return
    if not target.is_dir():
        raise _unfit(target, "it is a file")
    names = {each.name for each in target.iterdir()}
    if names and not names & set(_MARKS):
        raise _unfit(target, f"it holds {min(names)}, and no run")


def _unfit(target: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{target} cannot take a run.",
        why=why,
        state="Nothing was started and nothing was changed.",
        remedy="Name an empty or new folder with --out.",
        code="E034",
    )
