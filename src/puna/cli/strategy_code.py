"""The code of a strategy, as a hash: its configuration, the files it names, and what these import from beside them."""

import sys
from collections.abc import Iterator
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
    """A hash of everything that decides what the strategies of a config or of a .py file do, but Puna itself."""
    digest = sha256(path.read_bytes())
    for file in sorted(set(_sources(path))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(path: Path) -> Iterator[Path]:
    """The files of the strategies, and modules that lie in the same folders and are loaded."""
    config = load_config(None if path.suffix == ".py" else path)
    files = (
        [path.resolve()]
        if path.suffix == ".py"
        else [each for one in config.strategy if (each := _file(config, one.use))]
    )
    folders = {file.resolve().parent for file in files}
    yield from files
    for module in list(sys.modules.values()):
        place = getattr(module, "__file__", None)
        if place and Path(place).suffix == ".py" and Path(place).resolve().parent in folders:
            yield Path(place).resolve()


def _file(config: Config, use: str) -> Path | None:
    place = use.partition(":")[0]
    if place.endswith(".py"):
        return config.beside(place).resolve()
    spec = find_spec(place)
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None
