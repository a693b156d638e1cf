"""The strategies that a configuration names: their classes found, their parameters set."""

import hashlib
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from puna.config import Config, StrategySection
from puna.engine.strategy import Strategy
from puna.errors import ConfigError

__all__ = ["strategies", "strategies_of"]

EVENTS = tuple(name for name in vars(Strategy) if name.startswith("on_"))


def strategies(config: Config) -> list[Strategy]:
    """One object for each [[strategy]], ready to be run.

    Raises:
        ConfigError: there is none, a file or class cannot be found or loaded, or a parameter does not exist.
    """
    if not config.strategy:
        raise _unusable("There is no strategy to run.", "the configuration has no [[strategy]]", "puna config schema")
    return [_strategy(config, section) for section in config.strategy]


def strategies_of(path: Path) -> list[Strategy]:
    """One object of each strategy class that a Python file defines, under the class's name in small letters.

    Raises:
        ConfigError: there is no such file or no strategy in it, or it cannot be loaded.
    """
    section = StrategySection(name="file", use=f"{path.name}:Strategy")
    module = _from_file(path, section)
    classes = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Strategy) and each.__module__ == module.__name__
    ]
    if not classes:
        raise _unusable(
            f"There is no strategy in {path}.", "no class in it derives from puna.Strategy", "Name a config, or a file."
        )
    classes = [each for each in classes if _listens(each)] or classes  # a base of others may hear nothing
    team = [_made(each, section) for each in classes]
    for found, made in zip(classes, team, strict=True):
        made.name = made.name or found.__name__.lower()[:16]
    return team


def _strategy(config: Config, section: StrategySection) -> Strategy:
    found = _class(config, section)
    made = _made(found, section)
    made.name, made.capital = section.name, section.capital
    if section.symbols:
        made.symbols = section.symbols
    for name, given in section.params.items():
        if name.startswith("_") or not hasattr(made, name) or callable(getattr(made, name)):
            public = sorted(
                each for each in vars(found) if not each.startswith("_") and not callable(vars(found)[each])
            )
            raise _unusable(
                f"Strategy {section.name} has no parameter {name!r}.",
                f"{found.__name__} names {', '.join(public) or 'none'}",
                "A parameter is an attribute that the class sets.",
            )
        setattr(made, name, given)
    return made


def _class(config: Config, section: StrategySection) -> type[Strategy]:
    place, _, name = section.use.partition(":")
    module = _from_file(config.beside(place), section) if place.endswith(".py") else _from_package(place, section)
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise _unusable(
            f"Strategy {section.name}: there is no strategy {name} in {place}.",
            "it must be a class that derives from puna.Strategy",
            "Correct `use`.",
        )
    return found


def _from_file(path: Path, section: StrategySection) -> ModuleType:
    if not path.is_file():
        raise _unusable(f"Strategy {section.name}: there is no file {path}.", "", "Correct `use`.")
    # A name of its own for each file, so that two files of one name are two modules.
    name = f"puna_strategy_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101 - a .py file always has one
    assert spec.loader is not None  # noqa: S101 - and a loader
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(section, error) from error
    return module


def _from_package(name: str, section: StrategySection) -> ModuleType:
    try:
        return import_module(name)
    except Exception as error:
        raise _broken(section, error) from error


def _made(found: type[Strategy], section: StrategySection) -> Strategy:
    try:
        made = found()
    except Exception as error:
        raise _broken(section, error) from error
    if isinstance(made.symbols, str):  # or each of its letters would be a symbol
        raise _unusable(
            f"Strategy {found.__name__}: symbols is a text, and must be a list.",
            f"symbols = {made.symbols!r}",
            f'symbols = ["{made.symbols}"]',
        )
    if not _listens(found):  # such as for onbar
        raise _unusable(
            f"Strategy {found.__name__} reacts to nothing.",
            f"it overrides none of {', '.join(EVENTS)}",
            "The usual one is: def on_bar(self, bar). See docs/strategies.md.",
        )
    return made


def _listens(found: type[Strategy]) -> bool:
    """Whether it overrides any of what a strategy is told."""
    return any(getattr(found, name) is not getattr(Strategy, name) for name in EVENTS)


def _broken(section: StrategySection, error: Exception) -> ConfigError:
    return _unusable(
        f"Strategy {section.name} cannot be loaded from {section.use.removesuffix(':Strategy')}.",
        f"{type(error).__name__}: {error}",
        "once more with -v shows where",
    )


def _unusable(what: str, why: str, remedy: str) -> ConfigError:
    return ConfigError(what, why=why, state="Nothing was started.", remedy=remedy)
