"""The names of modules and functions that the documentation mentions exist."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("coming-from.md", "extending.md", "api.md")
NAMES = sorted(
    {
        (page, name)
        for page in PAGES
        for name in re.findall(r"`(puna(?:\.[A-Za-z_]+)+)[`(]", (ROOT / "docs" / page).read_text())
    }
)


def test_there_are_names_to_look_up() -> None:
    """The pattern finds something."""
    assert len(NAMES) > 100


@pytest.mark.parametrize("page", PAGES)
def test_every_name_is_there(page: str) -> None:
    """A module, or something in a module."""
    missing = [name for where, name in NAMES if where == page and not exists(name)]
    assert missing == []


def exists(name: str) -> bool:
    """Whether it can be imported, as a module or out of one."""
    module, _, last = name.rpartition(".")
    try:
        if find_spec(name) is not None:
            return True
    except ImportError:  # its parent is a module, or not there at all
        pass
    try:
        return hasattr(import_module(module), last)
    except ImportError:
        return False
