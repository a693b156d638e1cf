"""Fresh processes for `puna check`, and the copy of a folder whose tables end earlier."""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from puna.cli.check_child import Job
from puna.errors import PunaError
from puna.research.checks.elsewhere import Place, There
from puna.research.checks.tables import TABLES, cut_table

__all__ = ["Processes"]

_SKIPPED = frozenset({"runs", "node_modules", "__pycache__", "venv", "build", "dist"})
_MOST_FILES, _MOST_BYTES = 5_000, 50_000_000
_SEEDS = range(1, 12)
_SET = "import sys; print(list(set(sys.argv[1:])))"
_LAST_WORDS = 300


class _Folder(NamedTuple):
    """A copy of a folder; which of its files were cut, and which cannot be."""

    path: Path
    cut: list[str]
    uncut: list[str]


class Processes:
    """Runs of one case in fresh processes. See `puna.research.checks.elsewhere`.

    Args:
        job: what is run; where its bars end and how far its clock is off is set for each run.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        here, home = Path.cwd(), Path(job.path).resolve().parent
        self._base = here if home.is_relative_to(here) else home

    def seeds(self, words: Sequence[str]) -> tuple[int, int]:
        orders: dict[str, int] = {}
        for seed in _SEEDS if len(words) > 1 else ():
            asked = [sys.executable, "-S", "-c", _SET, *words]
            made = subprocess.run(asked, env=_environment(seed), capture_output=True, text=True, check=False)  # noqa: S603 - our own words
            orders.setdefault(made.stdout, seed)
            if len(orders) == 2:
                break
        first, second, *_ = [*orders.values(), *_SEEDS[1:3]]
        return first, second

    def run(self, place: Place) -> There:
        with tempfile.TemporaryDirectory(prefix="puna-check-") as scratch:
            folder = _Folder(self._base, [], [])
            if place.tables and place.end is not None:
                folder = self._copied(Path(scratch) / "copy", place.end)
            there = self._answer(place, folder, Path(scratch))
            files = sorted({_beside(name, folder.path) for name in there.files})
            return There(
                there.choices, files, there.hosts, folder.cut, [each for each in files if each in folder.uncut]
            )

    def _answer(self, place: Place, folder: _Folder, scratch: Path) -> There:
        path = Path(self._job.path).resolve()
        job = msgspec.structs.replace(
            self._job,
            path=str(folder.path / path.relative_to(self._base)),
            out=str(scratch / "out.json"),
            end=place.end,
            shift=place.shift,
            imports=_imports(path.parent),
        )
        (scratch / "job.json").write_bytes(msgspec.json.encode(job))
        asked = [sys.executable, "-P", "-m", "puna.cli.check_child", str(scratch / "job.json")]
        environment = _environment(place.hash_seed)
        made = subprocess.run(  # noqa: S603 - our own words
            asked, env=environment, cwd=folder.path, capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise PunaError(
                "A fresh process could not run the strategies.",
                why=made.stderr.strip()[-_LAST_WORDS:] or f"it ended with {made.returncode}",
                state="Nothing was changed.",
                remedy="What runs here and not there hangs on this process: its folder, a variable, a path.",
                code="E677",
            )
        return msgspec.json.decode((scratch / "out.json").read_bytes(), type=There)

    def _copied(self, target: Path, end: int) -> _Folder:
        """The folder without what its tables hold of later moments; what is no table is the same file."""
        folder = _Folder(target, [], [])
        target.mkdir()
        left = _MOST_BYTES
        for file in self._walk():
            name = file.relative_to(self._base)
            if file.is_dir():
                (target / name).symlink_to(file)
                continue
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            size = file.stat().st_size
            cut = cut_table(file.read_bytes(), file.suffix, end) if file.suffix in TABLES and size < left else None
            if cut is not None:
                left -= size
                (target / name).write_bytes(cut)
                folder.cut.append(str(name))
            elif file.suffix == ".py":
                shutil.copy2(file, target / name)  # so that what lies beside __file__ is the copy
            else:
                (target / name).symlink_to(file)
                folder.uncut.append(str(name))
        return folder

    def _walk(self) -> Iterator[Path]:
        """Every file, and folders as a whole where nobody keeps data.

        Raises:
            PunaError: E677, there are too many.
        """
        count = 0
        for root, folders, names in os.walk(self._base):
            here = Path(root)
            skipped = [name for name in folders if name in _SKIPPED or name.startswith(".")]
            folders[:] = sorted(set(folders) - set(skipped))
            for each in (*skipped, *sorted(names)):
                if (here / each).exists():
                    count += 1
                    yield here / each
            if count > _MOST_FILES:
                raise PunaError(
                    f"{self._base} holds too many files to try it without the future.",
                    why=f"there are more than {_MOST_FILES:,}",
                    state="Nothing was changed.",
                    remedy="Put the strategy and its tables into a folder of their own, and call puna check there.",
                    code="E677",
                )


def _environment(seed: int) -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}


def _beside(name: str, folder: Path) -> str:
    """A file's name within the folder; its whole path where it lies elsewhere, the folder that was copied included."""
    return str(Path(name).relative_to(folder)) if Path(name).is_relative_to(folder) else name


def _imports(folder: Path) -> list[str]:
    """Libraries that the code of a folder names."""
    found: set[str] = set()
    for file in sorted(folder.glob("*.py")):
        try:
            tree = ast.parse(file.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    beside = {file.stem for file in folder.glob("*.py")}
    return sorted(found - beside - {"puna"} - set(sys.stdlib_module_names))
