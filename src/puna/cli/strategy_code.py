"""The code of a strategy, as a hash: its configuration, the files it names, and what these import from beside them."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from puna.cli.config import load_config
from puna.cli.strategies import strategies, strategies_of
from puna.config import Config
from puna.engine.strategy import Strategy

__all__ = ["code_hash", "team_from"]


def team_from(path: Path) -> tuple[Config, list[Strategy]]:
    """The configuration and fresh strategies; of a Python file, all that it defines.

    Raises:
        ConfigError: it cannot be read, or holds no strategy.
    """
    if path.suffix == ".py":
        return load_config(None), strategies_of(path)
    config = load_config(path)
    return config, strategies(config)


def code_hash(path: Path) -> str:
    """A hash of everything that decides what the strategies of a config or of a .py file do, but Puna itself.

    That is the configuration, the files that it names, and the modules that these import from their own folders, at
    whatever place of their code, and those of these: found by reading, so that it does not matter what has been loaded.
    Not seen are modules from elsewhere, imports by computed names, and files that a strategy reads.
    """
    digest = sha256(path.read_bytes())
    for file in sorted(set(_sources(path))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(path: Path) -> Iterator[Path]:
    """The files of the strategies, and modules of the same folders that they import."""
    config = load_config(None if path.suffix == ".py" else path)
    files = (
        [path.resolve()]
        if path.suffix == ".py"
        else [each for one in config.strategy if (each := _file(config, one.use))]
    )
    waiting, known = list(files), set(files)
    while waiting:
        file = waiting.pop()
        yield file
        new = set(_imported(file)) - known
        known |= new
        waiting += new


def _imported(file: Path) -> Iterator[Path]:
    """What a file imports from its own folder, from folders below it, and from its own package."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return  # it cannot be loaded either, and whoever loads it says so
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _modules(_roots(file), name.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            folders = [file.parents[node.level - 1]] if node.level else _roots(file)
            start = node.module.split(".") if node.module else []
            for name in node.names:
                yield from _modules(folders, [*start, name.name])


def _roots(file: Path) -> list[Path]:
    """Where an absolute name may begin: beside the file, and beside the package that it belongs to."""
    top = file.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    return [file.parent, top]


def _modules(folders: Iterable[Path], names: Sequence[str]) -> Iterator[Path]:
    """The files that stand for a dotted name and the packages above it; none where it begins elsewhere."""
    for folder in dict.fromkeys(folders):
        place = folder
        for name in names:
            found = (place / f"{name}.py", place / name / "__init__.py")
            yield from (each.resolve() for each in found if each.is_file())
            place /= name


def _file(config: Config, use: str) -> Path | None:
    place = use.partition(":")[0]
    if place.endswith(".py"):
        return config.beside(place).resolve()
    spec = find_spec(place)
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None
