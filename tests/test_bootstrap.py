"""The way from a fresh clone to an installed Puna: which Python is taken, and what the lock files promise."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
TOOLS = "/usr/bin:/bin"


def find_python(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """tools/find-python where only the interpreters below `folder` exist."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("sh", "sort", "head", "cut", "env"):
        path = next(Path(place) / name for place in TOOLS.split(":") if (Path(place) / name).exists())
        (tools / name).unlink(missing_ok=True)
        (tools / name).symlink_to(path)
    places = {"PYENV_ROOT": str(folder / "pyenv"), "PATH": f"{folder / 'bin'}{os.pathsep}{tools}", "HOME": str(folder)}
    command = [str(tools / "sh"), str(ROOT / "tools" / "find-python"), *words]
    return subprocess.run(command, env=places | environ, capture_output=True, text=True, check=False)


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def pretending(path: Path, version: tuple[int, int, int], level: str = "final", broken: str = "") -> Path:
    """This interpreter, which says that it is another version, and perhaps lacks a module."""
    program = f"""#!{sys.executable}
import sys
from collections import namedtuple
Version = namedtuple("Version", "major minor micro releaselevel serial")
sys.version_info = Version(*{version}, {level!r}, 0)
sys.executable = __file__
if {broken!r}: sys.modules[{broken!r}] = None
code, sys.argv = sys.argv[2], ["-c", *sys.argv[3:]]
exec(code)
"""
    return executable(path, program)


def test_the_newest_that_works_is_taken(tmp_path: Path) -> None:
    """Among pyenv's versions and names on the PATH; 3.9 sorts before 3.11, not after."""
    for version in ((3, 9, 18), (3, 11, 7), (3, 13, 0), (3, 12, 9)):
        pretending(tmp_path / f"pyenv/versions/{'.'.join(map(str, version))}/bin/python", version)
    pretending(tmp_path / "bin/python3.11", (3, 11, 9))
    assert find_python(tmp_path).stdout == f"{tmp_path}/pyenv/versions/3.13.0/bin/python\n"
    assert find_python(tmp_path, "3.11").stdout == f"{tmp_path}/bin/python3.11\n"


@pytest.mark.parametrize(
    "unfit",
    [
        {"version": (3, 10, 13)},
        {"version": (3, 15, 0)},
        {"version": (3, 14, 0), "level": "candidate"},
        {"version": (3, 13, 0), "broken": "ensurepip"},
        {"version": (3, 13, 0), "broken": "venv"},
        {"version": (3, 13, 0), "broken": "ssl"},
        {"version": (3, 13, 0), "broken": "sqlite3"},
    ],
)
def test_unfit_interpreters_are_passed_over(tmp_path: Path, unfit: dict[str, object]) -> None:
    """Too old, too new, not released, or without a module that is needed: the next best one is taken."""
    version = unfit.pop("version")
    assert isinstance(version, tuple)
    pretending(tmp_path / "bin/python3", version, **{name: str(value) for name, value in unfit.items()})
    fit = pretending(tmp_path / "bin/python3.11", (3, 11, 2))
    assert find_python(tmp_path).stdout == f"{fit}\n"


def test_shims_that_exist_and_fail_are_no_obstacle(tmp_path: Path) -> None:
    """A shim that prints an error, one that prints nonsense, one whose interpreter is gone."""
    executable(tmp_path / "bin/python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    executable(tmp_path / "bin/python3.12", "#!/nowhere/python\n")
    (tmp_path / "pyenv/versions/3.14.0/bin").mkdir(parents=True)
    (tmp_path / "pyenv/versions/3.14.0/bin/python").symlink_to("/nowhere/python3.14")
    fit = pretending(tmp_path / "bin/python", (3, 12, 1))
    assert find_python(tmp_path).stdout == f"{fit}\n"


def test_a_named_interpreter_counts_too(tmp_path: Path) -> None:
    """`make PYTHON=...` reaches one that stands nowhere else."""
    named = pretending(tmp_path / "elsewhere/my python", (3, 12, 4))
    assert find_python(tmp_path, PYTHON=str(named)).stdout == f"{named}\n"


def test_none_at_all_is_said_with_a_remedy(tmp_path: Path) -> None:
    """Exit 1, and what to install; asked for a certain version, only the exit code."""
    made = find_python(tmp_path)
    assert (made.returncode, made.stdout) == (1, "")
    assert "apt install python3 python3-venv" in made.stderr
    made = find_python(tmp_path, "3.11")
    assert (made.returncode, made.stderr) == (1, "")


def requirements(lock: Path) -> dict[str, set[str]]:
    """Package -> its pinned lines, markers included."""
    found: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\S)", lock.read_text().strip()):
        line = block.split("\\\n")[0].strip()
        assert "--hash=sha256:" in block, f"{lock.name}: {line} has no hash"
        found.setdefault(line.split("==")[0], set()).add(line)
    return found


def versions(lines: set[str]) -> set[str]:
    """Without the markers, which may be wider where more packages ask for it."""
    return {line.split(";")[0].strip() for line in lines}


def names(wanted: list[str]) -> set[str]:
    return {re.split(r"[\s<>=!~\[;]", each)[0].lower().replace("_", "-") for each in wanted}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_locks_hold_pins_and_hashes_and_no_addresses(lock: Path) -> None:
    """Any index may serve the files: the lock names versions and hashes, no index, no path, and the build back end."""
    text = lock.read_text()
    assert not re.search(r"://|file:|^-|@ ", text, re.MULTILINE)
    assert "setuptools" in requirements(lock)


def test_locks_agree_with_the_project() -> None:
    """One lock for the core and one for each extra; each holds what the project asks for, in the core's versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {lock.stem for lock in LOCKS} == {"core", *extras}
    core = requirements(ROOT / "locks/core.txt")
    assert names(project["dependencies"]) <= set(core)
    for extra, wanted in extras.items():
        held = requirements(ROOT / f"locks/{extra}.txt")
        assert names(wanted) <= set(held), extra
        assert all(versions(held[name]) == versions(lines) for name, lines in core.items()), extra


def test_make_lists_its_commands() -> None:
    """`make` alone changes nothing and tells what there is."""
    made = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True)
    for target in ("demo", "test", "check", "install", "bench", "lock", "clean"):
        assert re.search(rf"^  make {target}\s+\S", made.stdout, re.MULTILINE)
