"""Which run a verb is about: a configuration, a run's folder, or a journal; and who has that journal open."""

from pathlib import Path
from typing import NamedTuple

from puna.errors import ConfigError, PunaError

__all__ = ["JOURNAL", "NothingRunsError", "NothingThereError", "Target", "find_running", "find_target"]

JOURNAL = "journal.sqlite"
DEFAULT_CONFIG = Path("puna.toml")


class NothingThereError(PunaError):
    """There is no run to speak of."""

    code = "E041"
    exit_code = 4


class NothingRunsError(PunaError):
    """No run is trading here."""

    code = "E048"
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


def find_running() -> tuple[Target, list[Path]]:
    """The newest run that trades now, of those in runs/ and of puna.toml's; and the journals of the others that do.

    Raises:
        NothingRunsError: E048, there is none.
        PunaError: there is none, and puna.toml cannot be used; while a run trades, that keeps nobody from halting it.
    """
    found = {path.resolve(): Target(path, None) for path in Path("runs").glob(f"*/{JOURNAL}")}
    unusable: PunaError | None = None
    if DEFAULT_CONFIG.exists():
        try:
            path = _of_config(DEFAULT_CONFIG)
            found[path.resolve()] = Target(path, DEFAULT_CONFIG)
        except PunaError as error:
            unusable = error
    running = sorted((each for each in found.values() if each.owner is not None), key=_began)
    if not running and unusable is not None:
        raise unusable
    if not running:
        raise NothingRunsError(
            "No run is trading here.",
            why=f"no process has a journal open, of {len(found)} in runs/" if found else "runs/ has no journal",
            state="Nothing was changed and nothing was sent.",
            remedy="Name a run that is elsewhere, or one that is to stay halted when it starts again: "
            "its configuration, its folder, or its journal.",
        )
    *others, newest = running
    return newest, [each.journal for each in others]


def _began(target: Target) -> float:
    """When its process took the lock."""
    lock = target.journal.with_name(f"{target.journal.name}.lock")
    return lock.stat().st_mtime if lock.exists() else 0.0


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
    return max((each.parent for each in runs.glob(f"{pattern}/{JOURNAL}")), key=_written, default=runs)


def _written(folder: Path) -> float:
    """The last write; a run that is under way writes beside its journal."""
    files = (folder / JOURNAL, folder / f"{JOURNAL}-wal")
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


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
