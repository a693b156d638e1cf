"""The hash of a strategy's code: what changes it, and what does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from puna.cli.strategy_code import code_hash

FILE = """
from puna import Strategy
import helper
from parts import sizes
from parts.deep.more import LIMIT

class Hold(Strategy):
    def on_bar(self, bar):
        from late import SIZE
"""
FILES = {
    "bot.toml": '[[strategy]]\nname = "hold"\nuse = "hold.py:Hold"\n',
    "hold.py": FILE,
    "helper.py": "import second\n",
    "second.py": "import helper\n",
    "late.py": "SIZE = 1\n",
    "other.py": "X = 1\n",
    "parts/__init__.py": "",
    "parts/sizes.py": "from . import near\n",
    "parts/near.py": "from .. import second\n",
    "parts/deep/more.py": "LIMIT = 1\n",
    "parts/other.py": "X = 1\n",
    "numbers.csv": "1\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    return tmp_path


def changed(name: str, named: str = "bot.toml", write: Callable[[str], str] = lambda text: text + "# new\n") -> bool:
    """Whether another text in a file makes another hash."""
    before, file = code_hash(Path(named)), Path(name)
    file.write_text(write(file.read_text()))
    return before != code_hash(Path(named))


@pytest.mark.parametrize(
    "name",
    ["bot.toml", "hold.py", "helper.py", "second.py", "late.py", "parts/__init__.py", "parts/sizes.py", "parts/near.py",
     "parts/deep/more.py"],
)  # fmt: skip
def test_what_a_strategy_imports_from_beside_it_counts(name: str) -> None:
    """At the top or in a function, by one step or several, from folders below, in circles: nothing has to be loaded."""
    assert changed(name)


@pytest.mark.parametrize("name", ["other.py", "parts/other.py", "numbers.csv"])
def test_what_it_does_not_import_does_not_count(name: str) -> None:
    """Other modules of the same folders, and data."""
    assert not changed(name)


def test_a_python_file_without_a_config_has_its_own_imports() -> None:
    """Another configuration beside it changes nothing, its modules do."""
    assert not changed("bot.toml", named="hold.py")
    assert changed("second.py", named="hold.py")


def test_a_file_that_cannot_be_read_as_python_still_has_a_hash() -> None:
    """Whoever loads it tells the error."""
    Path("hold.py").write_text("class :\n")
    assert changed("hold.py")


def test_a_package_is_followed_to_its_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy that is named as a module: its own package by its full name, and relative names."""
    root = tmp_path / "site"
    for name, text in {
        "ownpack/__init__.py": "",
        "ownpack/desk/__init__.py": "",
        "ownpack/desk/hold.py": "from ownpack.rules import A\nfrom .near import B\n",
        "ownpack/rules.py": "A = 1\n",
        "ownpack/desk/near.py": "B = 1\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.syspath_prepend(str(root))
    Path("pack.toml").write_text('[[strategy]]\nname = "hold"\nuse = "ownpack.desk.hold:Hold"\n')
    assert changed(str(root / "ownpack/rules.py"), named="pack.toml")
    assert changed(str(root / "ownpack/desk/near.py"), named="pack.toml")
