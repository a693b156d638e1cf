"""Which run a verb is about: a configuration, a run's folder, or a journal; and who has that journal open."""

from pathlib import Path
from typing import NamedTuple

from puna.errors import ConfigError, PunaError

__all__ = ["JOURNAL", "NothingThereError", "Target", "find_target"]

JOURNAL = "journal.sqlite"
DEFAULT_CONFIG = Path("puna.toml")


class NothingThereError(PunaError):
    """There is no run to speak of."""

    code = "E041"
    exit_code = 4


class Target(NamedTuple):
    """A run, by its journal; `config` is the file that leads to its broker, when one was named."""

    journal: Path
    config: Path | None

    @property
    def owner(self) -> int | None:
        """The process that trades on it; None when none does."""
        from puna.engine.storage import owner

        return owner(self.journal)


def find_target(named: Path | None) -> Target:
    """The journal of what was named: a TOML file, a folder, or the journal itself; else puna.toml, else the last run.

    Raises:
        ConfigError: the configuration cannot be used.
        PunaError: E041, no journal is there.
    """
    if named is None:
        named = DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else _latest(Path("runs"), "*")
    if named.suffix == ".toml":
        return Target(_there(_of_config(named), named), named)
    journal = named / JOURNAL if named.is_dir() else named
    return Target(_there(journal, named), None)


def _of_config(path: Path) -> Path:
    """Where `puna run` keeps the journal of a configuration; of a simulated one, that of its last run."""
    from puna.cli.config import load_config
    from puna.config import Mode

    config = load_config(path)
    if config.journal.path:
        return config.beside(config.journal.path)
    if config.account.mode is Mode.PAPER:
        return Path("runs") / f"{path.stem}-paper" / JOURNAL
    return _latest(Path("runs"), f"{path.stem}-*") / JOURNAL


def _latest(runs: Path, pattern: str) -> Path:
    """The run whose journal was written last, if there is any."""
    found = [each.parent for each in runs.glob(f"{pattern}/{JOURNAL}")]
    return max(found, key=lambda each: (each / JOURNAL).stat().st_mtime, default=runs)


def _there(journal: Path, named: Path) -> Path:
    if journal.is_file():
        return journal
    if not named.exists() and named != Path("runs"):
        raise ConfigError(
            f"There is no {named}.", state="Nothing was changed.", remedy="Name a config or a run's folder."
        )
    raise NothingThereError(
        "There is no run here." if named == Path("runs") else f"There is no run of {named}.",
        why="no folder in runs has a journal" if named == Path("runs") else f"{journal} does not exist",
        state="Nothing was changed and nothing was sent.",
        remedy="Name the configuration or the folder of a run, such as runs/demo-7.",
    )
