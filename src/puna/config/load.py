"""Defaults < file < environment < flags -> one frozen Config, each value with its origin; or one error with its line.

Every value is converted on its own, so that an error names the key, the place and what was expected there.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from puna.config import environment as env
from puna.config.amounts import read_amount, show_amount
from puna.config.fields import Field, annotations, container, fields, is_section, of_sections
from puna.config.model import Config, Document, ModelSection, StrategySection
from puna.config.places import Path as Keys
from puna.config.places import places
from puna.core.risk import RiskLimits
from puna.core.risk_ceilings import above_ceilings
from puna.core.symbols import canonical
from puna.errors import ConfigError, DataError

__all__ = ["load"]

S = TypeVar("S", bound=msgspec.Struct)

_MAX_BYTES = 1 << 20
_TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(slots=True)
class Text:
    """A value that came as text (a variable, a flag), to be read leniently: "7" is a number where one is expected."""

    text: str


@dataclass(slots=True)
class Sources:
    """The values set so far, nested as in the file, and where each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Keys, str] = field(default_factory=dict)
    """`bot.toml:3:1`, `env NAME`, `flag`; for a table, where it begins."""

    def set(self, keys: Keys, value: object, origin: str) -> None:
        table: Any = self.values
        for key in keys[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise _error(f"{dotted(keys)} is set inside a value that is no table", origin)
        table[keys[-1]] = value
        for length in range(1, len(keys)):
            self.origins.setdefault(keys[:length], origin)
        self.origins[keys] = origin

    def rename(self, short: Keys, full: Keys) -> None:
        """Keeps the origin of a key that was written in its short form."""
        if short != full:
            self.origins[full] = self.origins.pop(short)

    def where(self, keys: Keys) -> str:
        """The place of `keys`, or of the nearest table around it."""
        return next((self.origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.origins), "")


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    dotenv: Path | None = None,
    flags: Mapping[str, object] | None = None,
    follow_address: bool = False,
) -> Config:
    """Reads a configuration.

    Args:
        path: the TOML file; None means defaults, environment and flags only.
        environ: the process's variables (`os.environ`).
        dotenv: a `.env` file; one that is not there is none.
        flags: dotted key -> value, from the command line; texts are read as the environment's are.
        follow_address: where nothing sets the mode, an address on this machine means sim, anything else paper.

    Raises:
        ConfigError: E007 with file, line and column (or the variable's name); E008 for keys, E009 for addresses.
        LiveRefusedError: anything asks for live.
    """
    variables = env.Environment(environ or {}, dotenv=dotenv)
    sources = _from_file(path) if path else Sources()
    _from_environment(sources, variables)
    for key, value in (flags or {}).items():
        sources.set(tuple(key.split(".")), Text(value) if isinstance(value, str) else value, "flag")
    if follow_address and ("account", "mode") not in sources.origins:
        sources.set(("account", "mode"), *env.implied_mode(variables))
    document = _section(Document, sources.values, (), sources)
    return _complete(document, path, sources, variables)


def dotted(keys: Keys) -> str:
    """`strategy[0].name`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def _from_file(path: Path) -> Sources:
    text = _text(path)
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unreadable(path, text, error) from None
    origins = {keys: f"{path.name}:{line}:{column}" for keys, (line, column) in places(text).items()}
    return Sources(values, origins)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}  cannot be read: {error.strerror}",
            state="Nothing was started.",
            remedy="Name a TOML file that is there; the shortest one is in docs/tutorial.md.",
        ) from None
    if len(raw) > _MAX_BYTES:
        raise _error("is larger than a megabyte: no configuration", str(path))
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _error("is UTF-16; save it as UTF-8", f"{path.name}:1:1")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise _error("is not UTF-8 here", f"{path.name}:{line}:{column}") from None
    if not text.strip():
        raise _error("is empty", f"{path.name}:1:1")
    return text


def _unreadable(path: Path, text: str, error: Exception) -> ConfigError:
    """A TOML error in our form; the end of a half-written file counts as its last line."""
    message = str(error)
    match = _TOML_PLACE.search(message)
    lines = text.split("\n")
    place = f"{match[1]}:{match[2]}" if match and match[1] else f"{len(lines)}:{len(lines[-1]) + 1}"
    what = _TOML_PLACE.sub("", message) if isinstance(error, tomllib.TOMLDecodeError) else "nested too deeply"
    at_end = " (the file ends here: half written?)" if not (match and match[1]) else ""
    return _error(f"not TOML: {what[:1].lower()}{what[1:]}{at_end}", f"{path.name}:{place}")


def _from_environment(sources: Sources, variables: env.Environment) -> None:
    for name in sorted(variables):
        if name.startswith(env.PREFIX):
            keys = tuple(name.removeprefix(env.PREFIX).lower().split("__"))
            if keys[0] in ("strategy", "model"):
                raise _error("strategies and models are set in the file", variables[name].origin)
            sources.set(keys, Text(variables[name].value), variables[name].origin)


def _section(section: type[S], values: object, keys: Keys, sources: Sources) -> S:
    """One table and all below it."""
    if not isinstance(values, dict):
        raise _error(f"{dotted(keys)} is a table, not {_shown(values)}", sources.where(keys))
    hints = annotations(section)
    below = {found.key: found for found in fields(section)}
    made: dict[str, object] = {}
    for short, value in values.items():
        name = _long_name(short, value, hints)
        if name not in hints:
            raise _unknown((*keys, short), hints, sources)
        if short != name and name in values:
            raise _error(f"{dotted((*keys, name))} is set twice", sources.where((*keys, name)))
        sources.rename((*keys, short), (*keys, name))
        made[name] = _value(hints[name], value, (*keys, name), below.get(name), sources)
    for name in hints:
        if name in below and below[name].required and name not in made:
            raise _error(f"{dotted((*keys, name))} is missing: {below[name].type_text}", sources.where(keys))
    return _made(section, made, keys, sources)


def _made(section: type[S], made: Mapping[str, object], keys: Keys, sources: Sources) -> S:
    """The table itself; its own objection begins with the name of the key that it is about."""
    try:
        return section(**made)
    except ValueError as error:
        culprit = str(error).split(" ", 1)[0]
        raise _error(f"{dotted(keys)}.{error}", sources.where((*keys, culprit))) from None


def _long_name(name: str, value: object, hints: Mapping[str, Any]) -> str:
    """`max_position = "10%"` sets max_position_percent, `max_position = 5000` sets max_position_value."""
    if name in hints or f"{name}_value" not in hints or f"{name}_percent" not in hints:
        return name
    text = value.text if isinstance(value, Text) else value
    return f"{name}_percent" if isinstance(text, str) and text.rstrip().endswith("%") else f"{name}_value"


def _value(annotation: Any, value: object, keys: Keys, found: Field | None, sources: Sources) -> object:
    if is_section(annotation):
        return _section(annotation, value, keys, sources)
    if (repeated := of_sections(annotation)) is not None:
        if not isinstance(value, list):
            raise _error(f"{dotted(keys)} is a table that may repeat: [[{dotted(keys)}]]", sources.where(keys))
        return tuple(_section(repeated, item, (*keys, n), sources) for n, item in enumerate(value))
    try:
        if found and found.unit:
            return _amount(value, found)
        return _plain(annotation, value)
    except msgspec.ValidationError as error:
        message, inner = _inner(str(error))
        if found and not inner:
            message = _objection(message, value, found)
        raise _error(f"{dotted((*keys, *inner))}: {message}", sources.where((*keys, *inner))) from None
    except ValueError as error:
        raise _error(f"{dotted(keys)}: {error}", sources.where(keys)) from None


def _objection(message: str, value: object, found: Field) -> str:
    """What is wrong with a value, in our words where a type or a pattern does not fit."""
    if "matching regex" in message:
        return f"{_shown(value)} will not do. {found.description}"
    if re.match(r"expected \w+( \| \w+)*, got|invalid", message):
        return f"expected {found.type_text}, got {_shown(value)}"
    return f"{message}, got {_shown(value)}"


def _amount(value: object, found: Field) -> object:
    if isinstance(value, Text):
        value = value.text
    return read_amount(value, found.unit or "number")


def _plain(annotation: Any, value: object) -> object:
    if not isinstance(value, Text):
        return msgspec.convert(value, annotation)
    return msgspec.convert(_untext(value.text.strip(), annotation), annotation, strict=False)


def _untext(text: str, annotation: Any) -> object:
    """A text as something that converts to `annotation`; a list may be written AAPL,MSFT."""
    kind = container(annotation)
    if kind is None:
        return text
    if text[:1] in ("[", "{"):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise ValueError(f"not a TOML value: {text[:40]!r}") from None
    return [part.strip() for part in text.split(",") if part.strip()]


def _inner(message: str) -> tuple[str, Keys]:
    """The message of msgspec without its path, and the path: `Expected `str` - at `$[1]``."""
    text, _, path = message.partition(" - at `$")
    inner = tuple(int(part) for part in re.findall(r"\[(\d+)\]", path))
    return text[:1].lower() + text[1:].replace("`", ""), inner


def _unknown(keys: Keys, hints: Mapping[str, Any], sources: Sources) -> ConfigError:
    name = str(keys[-1])
    short = {key.removesuffix("_value") for key in hints if f"{key.removesuffix('_value')}_percent" in hints}
    known = [*hints, *sorted(short)]
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    guess = f" - did you mean {near[0]}?" if near else f" - known here: {', '.join(known)}"
    return _error(f"unknown key {dotted(keys)}{next(_elsewhere(name), guess)}", sources.where(keys))


def _elsewhere(name: str) -> Iterator[str]:
    """Keys of this name in other tables."""
    for found in fields(Document):
        table, _, last = found.key.rpartition(".")
        if last == name:
            header = f"[[{table.removesuffix('[]')}]]" if table.endswith("[]") else f"[{table}]"
            yield f" - it belongs in {header}"


def _complete(document: Document, path: Path | None, sources: Sources, variables: env.Environment) -> Config:
    """What no single key can tell: live, the address, strategies against each other."""
    if document.account.mode is env.Mode.LIVE:
        _check_ceilings(document.risk, sources)
    env.refuse_live(document.account.mode, sources.where(("account", "mode")) or "default", variables)
    _check_capital("strategy", document.strategy, sources)
    _check_capital("model", document.model, sources)
    url = env.base_url(variables, document.account.mode)
    made = {name: getattr(document, name) for name in document.__struct_fields__}
    made["strategy"] = tuple(
        _canonical(item, ("strategy", n), ("symbols",), sources) for n, item in enumerate(document.strategy)
    )
    made["model"] = tuple(
        _canonical(item, ("model", n), ("symbols",), sources) for n, item in enumerate(document.model)
    )
    made["sim"] = _canonical(document.sim, ("sim",), ("symbols",), sources)
    made["risk"] = _canonical(document.risk, ("risk",), ("allowed", "denied"), sources)
    return Config(
        **made,
        keys=env.keys(variables) if url or document.account.mode is not env.Mode.SIM else None,
        webhook=env.webhook(variables),
        heartbeat=env.heartbeat(variables),
        base_url=url.value if url else None,
        path=path,
        origins={dotted(keys): origin for keys, origin in sources.origins.items()},
    )


def _check_ceilings(limits: RiskLimits, sources: Sources) -> None:
    """Before anything else about live is asked: no permit lifts a ceiling."""
    for objection in above_ceilings(limits):
        name = objection.partition(" ")[0]
        raise _error(f"risk.{objection}", sources.where(("risk", name)))


def _check_capital(table: str, sections: Sequence[StrategySection | ModelSection], sources: Sources) -> None:
    """One name each, and not more capital than there is."""
    seen: set[str] = set()
    for n, item in enumerate(sections):
        if item.name in seen:
            raise _error(f"a second {table} named {item.name}", sources.where((table, n, "name")))
        seen.add(item.name)
    total = sum((item.capital for item in sections), Decimal(0))
    if total > 1:
        last = (table, len(sections) - 1, "capital")
        owners = "strategies'" if table == "strategy" else "models'"
        raise _error(
            f"the {owners} capital adds up to {show_amount(total, 'share')}, more than 100%", sources.where(last)
        )


def _canonical(section: S, keys: Keys, names: tuple[str, ...], sources: Sources) -> S:
    """The section with the symbols under `names` in their one spelling."""
    lists = {name: getattr(section, name) for name in names}
    changed = {name: _symbols(found, (*keys, name), sources) for name, found in lists.items() if found}
    return msgspec.structs.replace(section, **changed)


def _symbols(names: tuple[str, ...], keys: Keys, sources: Sources) -> tuple[str, ...]:
    found: list[str] = []
    for n, name in enumerate(names):
        try:
            found.append(canonical(name))
        except DataError as error:
            raise _error(f"{dotted((*keys, n))}: {error.what}", sources.where((*keys, n))) from None
    return tuple(found)


def _shown(value: object) -> str:
    return repr(value.text if isinstance(value, Text) else value)[:40]


def _error(what: str, where: str) -> ConfigError:
    return ConfigError(
        f"{where}  {what}" if where else what,
        state="Nothing was started.",
        remedy="every key: puna config explain",
    )
