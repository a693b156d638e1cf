"""The keys that a sweep varies: parameters of strategies, their capital, and the configuration's risk limits and cash.

`lookback` is the parameter of the one strategy that has it, `momentum.lookback` that of the strategy momentum,
`momentum.capital` its part of the equity, `risk.max_position` a key as it stands in the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from puna.cli.config import load_config
from puna.cli.strategies import strategies, strategies_of
from puna.config import Config
from puna.config.amounts import read_amount
from puna.errors import ConfigError
from puna.research.sweep.axes import Axis, Kind, Value, Words, typed

if TYPE_CHECKING:
    from puna.config.fields import Field
    from puna.engine.strategy import Strategy

__all__ = ["Target", "axes_of", "targets", "team_of"]

_SECTIONS = ("risk.", "sim.cash")
_CHECKED = 200  # values of an axis that are tried on the configuration before anything runs


@dataclass(frozen=True, slots=True)
class Target:
    """Where a key's values go.

    Attributes:
        key: as it was typed.
        kind: what it holds.
        strategy: the strategy whose parameter it is; None for a key of the configuration.
        name: the parameter, `capital`, or the dotted key.
        decimal: whether a number is given to the strategy as Decimal.
    """

    key: str
    kind: Kind
    strategy: str | None
    name: str
    decimal: bool = False


def targets(path: Path, words: Sequence[Words]) -> list[Target]:
    """What the keys mean.

    Raises:
        ConfigError: E681, there is no such key, or several strategies have it; E682, its values cannot be listed;
            E007, the strategies cannot be loaded.
    """
    _, team = team_of(path, (), {})
    made = {each.name: each for each in team}
    return [_target(each, made) for each in words]


def axes_of(path: Path, found: Sequence[Target], words: Sequence[Words]) -> list[Axis]:
    """The axes; values of the configuration's keys are tried on the configuration.

    Raises:
        ConfigError: E680, E682, a value cannot be read or does not fit; E007, the configuration does not take it.
    """
    axes = [typed(each, target.kind) for each, target in zip(words, found, strict=True)]
    for target, axis in zip(found, axes, strict=True):
        for value in axis.values[:_CHECKED] if target.strategy is None or target.name == "capital" else ():
            team_of(path, [target], {target.key: value})
    return axes


def team_of(path: Path, found: Sequence[Target], values: Mapping[str, Value]) -> "tuple[Config, list[Strategy]]":
    """The configuration and fresh strategies with the values of a cell; of a .py file, all strategies in it."""
    flags = {target.name: _flag(values[target.key]) for target in found if target.strategy is None}
    config = load_config(None if path.suffix == ".py" else path, flags)
    team = strategies_of(path) if path.suffix == ".py" else strategies(config)
    made = {each.name: each for each in team}
    for target in found:
        if target.strategy is not None:
            setattr(made[target.strategy], target.name, _param(target, values[target.key]))
    return config, team


def _flag(value: Value) -> str:
    """A value as the environment would give it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _param(target: Target, value: Value) -> Any:
    if target.name == "capital":
        return _share(target.key, str(value))
    if not target.decimal:
        return value
    text = str(value)
    return Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)


def _share(key: str, text: str) -> Decimal:
    try:
        return read_amount(text, "share")
    except ValueError as error:
        raise ConfigError(f"{key}: {error}", state="Nothing was run.", code="E682") from None


def _target(words: Words, made: "Mapping[str, Strategy]") -> Target:
    head, dot, name = words.key.partition(".")
    if dot and head in made:
        return _of_strategy(words, made[head], name)
    if dot:
        return _of_config(words)
    having = [strategy for strategy in made.values() if _has(strategy, words.key)]
    if len(having) == 1:
        return _of_strategy(words, having[0], words.key)
    if having:
        choice = " or ".join(f"{each.name}.{words.key}" for each in having)
        raise _unknown(f"Several strategies have {words.key}.", f"say which: {choice}")
    raise _missing(words.key, [name for each in made.values() for name in _params(each)])


def _of_strategy(words: Words, strategy: "Strategy", name: str) -> Target:
    if name == "capital":
        return Target(words.key, "exact", strategy.name, name)
    if not _has(strategy, name):
        raise _missing(words.key, [f"{strategy.name}.{each}" for each in (*_params(strategy), "capital")])
    value = getattr(strategy, name)
    return Target(words.key, _kind(words, value), strategy.name, name, decimal=isinstance(value, Decimal))


def _kind(words: Words, value: object) -> Kind:
    """Of the value that the class, or the configuration, sets; where it is None, of what was typed."""
    if value is None:
        return next(kind for kind in ("whole", "number", "flag", "text") if _fits(words, kind))
    kinds: tuple[tuple[type, Kind], ...] = (
        (bool, "flag"),
        (int, "whole"),
        (float, "number"),
        (Decimal, "exact"),
        (str, "text"),
    )
    found = next((kind for sort, kind in kinds if isinstance(value, sort)), None)
    if found is None:
        raise ConfigError(
            f"{words.key} cannot be varied.",
            why=f"it is a {type(value).__name__}, and a sweep varies numbers, texts, true and false",
            state="Nothing was run.",
            remedy="Give the strategy a parameter that chooses among them.",
            code="E682",
        )
    return found


def _fits(words: Words, kind: Kind) -> bool:
    try:
        typed(words, kind)
    except ConfigError:
        return False
    return True


def _of_config(words: Words) -> Target:
    from puna.config.fields import fields
    from puna.config.model import Document

    known = {found.key: found for found in fields(Document)}
    names = (f"{words.key}{end}" for end in ("", "_value", "_percent"))
    short = next((known[name] for name in names if name in known), None)
    if short is None:
        raise _missing(words.key, [key for key in known if key.startswith(_SECTIONS)])
    if not short.key.startswith(_SECTIONS):
        why = "of the configuration, a sweep varies risk limits and sim.cash"
        raise _unknown(f"{words.key} changes nothing in a backtest.", why)
    return Target(words.key, _kind_of(short), None, words.key)


def _kind_of(found: "Field") -> Kind:
    if found.unit:
        return "exact"
    kinds: dict[str, Kind] = {"a whole number": "whole", "a number": "number", "true or false": "flag"}
    return kinds.get(found.type_text, "text")


def _has(strategy: "Strategy", name: str) -> bool:
    """As `puna.cli.strategies` sets parameters: any public attribute that is no function."""
    return not name.startswith("_") and hasattr(strategy, name) and not callable(getattr(strategy, name))


def _params(strategy: "Strategy") -> list[str]:
    """What the strategy's own classes set, to choose from."""
    from puna.engine.strategy import Strategy as Base

    own = [name for sort in type(strategy).__mro__ if not issubclass(Base, sort) for name in vars(sort)]
    return [name for name in dict.fromkeys(own) if _has(strategy, name)]


def _missing(key: str, known: Sequence[str]) -> ConfigError:
    near = get_close_matches(key, known, n=1)
    there = ", ".join(list(dict.fromkeys(known))[:12]) or "none"
    return _unknown(f"There is no {key} to vary.", f"did you mean {near[0]}?" if near else f"there are {there}")


def _unknown(what: str, why: str) -> ConfigError:
    return ConfigError(
        what,
        why=why,
        state="Nothing was run.",
        remedy="A parameter is an attribute that the strategy's class sets; puna config explain lists the other keys.",
        code="E681",
    )
