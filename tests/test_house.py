"""The house rules that a machine can keep: first lines, public names, sizes, class names, links, words."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from puna import native
from puna.bus.messages import json_schema

ROOT = Path(__file__).parents[1]
LONGEST = 600
SUFFIXES = ("Manager", "Service", "Handler", "Helper", "Utils", "Processor")
# In pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK", "W" + "IP"]) + r")\b")
MACHINE = re.compile(r"(?<![\w.])/(?:" + "|".join(["ro" + "ot", "wo" + "rk", "ho" + "me/\\w+", "Us" + "ers"]) + r")/")
PICTOGRAMS = re.compile("[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]")
TEXT = {".py", ".md", ".toml", ".txt", ".html", ".css", ".json", ".yml", ".yaml", ".cfg", ".ini", ".sh", ".rs", ""}


@cache
def files() -> tuple[Path, ...]:
    """What belongs to the project: tracked files, and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:  # no repository, as in a source archive
        return tuple(sorted(path for path in ROOT.rglob("*") if path.is_file() and not _made(path)))
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def _made(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part.startswith(".venv") or part in ("__pycache__", "build", "dist", "runs") for part in parts)


def python() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


def test_there_is_something_to_look_at() -> None:
    """The list of files is not empty by accident."""
    assert {"src/puna/seams.py", "tests/test_house.py", "pyproject.toml"} <= {named(path) for path in files()}


def test_the_first_line_says_what_the_file_is() -> None:
    """Every Python file opens with a docstring whose first line is a whole sentence or title."""
    silent = []
    for path in python():
        first = path.read_text().partition("\n")[0]
        if not re.match(r'r?"""\S.{8,}', first):
            silent.append(named(path))
    assert silent == []


def test_scripts_and_makefiles_say_what_they_are() -> None:
    """Files that begin with #! go on with a comment; Makefile and stylesheets begin with one."""
    silent = []
    for path in files():
        lines = path.read_text().split("\n") if path.suffix in ("", ".sh") and path.name != "LICENSE" else []
        if lines and lines[0].startswith("#!") and not (len(lines) > 1 and lines[1].startswith("# ")):
            silent.append(named(path))
    assert silent == []


def test_public_names_are_listed_and_exist() -> None:
    """Each module of the package has a sorted `__all__`, and every name in it is there."""
    wrong = []
    for path in python():
        if not path.is_relative_to(ROOT / "src") or path.name == "__main__.py":
            continue
        tree = ast.parse(path.read_text())
        listed = next(_listed(tree), None)
        if listed is None:
            if len(tree.body) > 1:  # a package that only says what it is needs no list
                wrong.append(f"{named(path)}: no __all__")
            continue
        if path.name == "feature_kernels.py" and not native.PRESENT:
            continue  # the one module that stands on the native package; feature_reference.py takes its place
        if "nautilus" in path.parts and find_spec("nautilus_trader") is None:
            continue  # the framework needs Python 3.12
        module = import_module(module_name(path))
        wrong += [f"{named(path)}: no {name}" for name in listed if not hasattr(module, name)]
        if len(set(listed)) < len(listed):
            wrong.append(f"{named(path)}: a name stands twice in __all__")
    assert wrong == []


def _listed(tree: ast.Module) -> Iterator[list[str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets):
            value: list[str] = ast.literal_eval(node.value)
            yield value


def test_public_functions_and_classes_say_what_they_answer() -> None:
    """What stands in `__all__` has a docstring, if it is a function or a class."""
    silent = []
    for path in python():
        if not path.is_relative_to(ROOT / "src"):
            continue
        tree = ast.parse(path.read_text())
        listed = set(next(_listed(tree), []))
        silent += [
            f"{named(path)}: {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and node.name in listed
            and ast.get_docstring(node) is None
            and not _overload(node)
        ]
    assert silent == []


def _overload(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)


def test_every_test_claims_something() -> None:
    """A test's docstring is its claim."""
    silent = []
    for path in python():
        if not path.is_relative_to(ROOT / "tests"):
            continue
        silent += [
            f"{named(path)}: {node.name}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and ast.get_docstring(node) is None
        ]
    assert silent == []


def test_names_of_test_files_are_unique() -> None:
    """importmode=importlib needs it, and so do people."""
    names = [path.name for path in python() if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_a_file_can_be_read_in_one_sitting() -> None:
    """No source file is longer than 600 lines."""
    long = {named(path): path.read_text().count("\n") for path in python()}
    assert {name: count for name, count in long.items() if count > LONGEST} == {}


def test_classes_are_things() -> None:
    """No class is called by what it does to others."""
    wrong = [
        f"{named(path)}: {node.name}"
        for path in python()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.endswith(SUFFIXES)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("pattern", "what"),
    [(UNFINISHED, "unfinished work"), (MACHINE, "a path of one machine"), (PICTOGRAMS, "a pictogram")],
    ids=["unfinished", "machine", "pictogram"],
)
def test_words_that_do_not_belong_here(pattern: re.Pattern[str], what: str) -> None:
    """No unfinished work, no paths of one machine, no pictograms, in any text file."""
    found = [
        f"{named(path)}:{number}: {what}: {line.strip()[:80]}"
        for path in files()
        if path.suffix in TEXT and not path.is_relative_to(ROOT / "locks")
        for number, line in enumerate(_lines(path), 1)
        if pattern.search(line)
    ]
    assert found == []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().split("\n")
    except UnicodeDecodeError:
        return []


def test_the_schema_of_the_bus_is_the_code_s() -> None:
    """docs/bus.schema.json is what `python tools/generate_bus_schema.py` writes."""
    written = json.loads((ROOT / "docs" / "bus.schema.json").read_text())
    assert written == json.loads(json.dumps(json_schema())), "run: python tools/generate_bus_schema.py"


def test_links_lead_somewhere() -> None:
    """Relative links of the Markdown files name files that exist, and headings that are there."""
    broken = []
    for path in files():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(path.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = (path.parent / name).resolve() if name else path
            if not there.exists() or (anchor and there.suffix == ".md" and anchor not in _anchors(there)):
                broken.append(f"{named(path)}: {target}")
    assert broken == []


def _without_code(text: str) -> str:
    return re.sub(r"^(```+).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+\s+(.*)$", _without_code(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_patterns_find_what_they_are_for() -> None:
    """Each pattern hits its kind, and leaves ordinary words alone."""
    assert UNFINISHED.search("# " + "TO" + "DO later")
    assert MACHINE.search("see /" + "ro" + "ot/x")
    assert PICTOGRAMS.search("\N{ROCKET}")
    for fine in ("todos los santos", "https://example.org/work/x", "a -> b, 5 ≤ 6, § 4, 90°", "src/root/x"):
        assert not any(pattern.search(fine) for pattern in (UNFINISHED, MACHINE, PICTOGRAMS))
