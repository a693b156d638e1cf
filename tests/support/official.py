"""The official specifications: of `PUNA_OPENAPI`, of `../shared` beside the repository, or of alpaca-mcp-server."""

import json
import os
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["APIS", "Deviations", "operations", "specification"]

APIS = ("trading-api", "market-data-api")
_METHODS = ("get", "post", "put", "patch", "delete")
_FILE = Path(__file__).parents[1] / "exchange" / "conformance" / "deviations.toml"


class Deviations:
    """The one short list of what is left out, and of what is different on purpose."""

    def __init__(self) -> None:
        read = tomllib.loads(_FILE.read_text("utf-8"))
        self.left_out: list[dict[str, Any]] = read.get("left_out", [])
        self.deviations: list[dict[str, Any]] = read.get("deviation", [])

    def leaves_out(self, path: str) -> bool:
        return any(fnmatchcase(path, each["operations"]) for each in self.left_out)

    def laid_over(self, specification: dict[str, Any]) -> dict[str, Any]:
        """The specification with every deviation that concerns it."""
        for each in self.deviations:
            place: Any = specification
            for step in each["at"]:
                place = place.get(step, {})
            for name in each.get("remove", ()):
                place.pop(name, None)
            for old, new in each.get("rename", {}).items():
                if old in place:
                    place[new] = place.pop(old)
            if place:
                _merge(place, each.get("change", {}))
        return specification


def specification(api: str) -> dict[str, Any] | None:
    """One of them, or None where it is not here."""
    for folder in _folders():
        if (file := folder / f"{api}.json").exists():
            read: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return read
    return None


def operations(api: str) -> Iterator[tuple[str, str]]:
    """(METHOD, path) of every operation."""
    for path, item in (specification(api) or {"paths": {}})["paths"].items():
        yield from ((method.upper(), path) for method in item if method in _METHODS)


def _folders() -> Iterator[Path]:
    if named := os.environ.get("PUNA_OPENAPI"):
        yield Path(named)
    yield Path(__file__).parents[3] / "shared" / "alpaca" / "openapi"
    installed = find_spec("alpaca_mcp_server")
    for place in (installed.submodule_search_locations or ()) if installed else ():
        yield Path(place) / "specs"


def _merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    """A JSON merge patch."""
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
