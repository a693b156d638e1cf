"""`puna config show | schema | explain`: every value and where it came from, the file's schema, what a key means."""

import os
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from puna.cli.output import config_option, json_option, print_json, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.config import Config
    from puna.config.fields import Field

__all__ = ["config", "load_config"]


def load_config(
    path: Path | None, flags: Mapping[str, object] | None = None, *, follow_address: bool = False
) -> "Config":
    """The configuration as every verb reads it: the file, the environment with ./.env, flags (dotted key -> value)."""
    from puna.config import load

    return load(path, environ=os.environ, dotenv=Path(".env"), flags=flags, follow_address=follow_address)


@click.group
def config() -> None:
    """Show, explain and describe the configuration."""


@config.command
@config_option
@json_option
@verbose_option
def show(*, config: Path | None, as_json: bool) -> None:
    """Every value, and where it came from."""
    loaded = load_config(config)
    rows = list(_rows(loaded))
    if as_json:
        print_json({row["key"]: {"value": row["value"], "origin": row["origin"]} for row in rows})
        return
    print_rows(rows)
    print_next("puna config explain KEY")


@config.command
def schema() -> None:
    """The file's JSON schema, for editors."""
    from puna.config.schema import schema as made

    print_json(made())


@config.command
@click.argument("key", required=False)
@json_option
@verbose_option
def explain(*, key: str | None, as_json: bool) -> None:
    """What KEY means; without KEY, every key in one line."""
    from puna.config.fields import fields
    from puna.config.model import Document

    known = list(fields(Document))
    if key is not None:
        known = _matching(key, known)
    if as_json:
        print_json([_about(found) for found in known])
    elif key is None:
        print_rows([{"key": found.key, "meaning": found.description} for found in known])
        print_next("puna config explain KEY")
    else:
        click.echo("\n\n".join(_long(found) for found in known))


def _rows(loaded: "Config") -> Iterator[dict[str, str]]:
    from puna.config.fields import fields
    from puna.config.model import Document

    for found in fields(Document):
        head, repeated, tail = found.key.partition("[].")
        if repeated:
            for n, item in enumerate(cast(Sequence[object], _at(loaded, head))):
                yield _row(f"{head}[{n}].{tail}", getattr(item, tail), found, loaded)
        else:
            yield _row(found.key, _at(loaded, found.key), found, loaded)
    key_origin = loaded.keys.origin if loaded.keys else "not set"
    yield {"key": "(keys)", "value": "***" if loaded.keys else "", "origin": key_origin}
    for name, address in (("webhook", loaded.webhook), ("heartbeat", loaded.heartbeat)):
        known = address is not None
        value, origin = ("***", "environment") if known else ("", "not set")
        yield {"key": f"(alert {name})", "value": value, "origin": origin}
    yield {
        "key": "(base url)",
        "value": loaded.base_url or "",
        "origin": "environment" if loaded.base_url else "not set",
    }


def _at(loaded: "Config", key: str) -> object:
    value: Any = loaded
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _row(key: str, value: object, found: "Field", loaded: "Config") -> dict[str, str]:
    return {"key": key, "value": _shown(value, found), "origin": loaded.origins.get(key, "default")}


def _shown(value: object, found: "Field") -> str:
    from puna.config.amounts import show_amount

    if isinstance(value, Decimal):
        return show_amount(value, found.unit or "number")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(each, found)}" for key, each in value.items())
    return "" if value is None else str(value)


def _matching(key: str, known: "list[Field]") -> "list[Field]":
    """The keys that `key` names: exactly, as a section, or by the last part alone."""
    from difflib import get_close_matches

    from puna.errors import ConfigError

    wanted = key.replace("[0]", "[]")
    for fits in (
        lambda name: name == wanted,
        lambda name: name.startswith((f"{wanted}.", f"{wanted}[].")),
        lambda name: name.rpartition(".")[2] in (wanted, f"{wanted}_value", f"{wanted}_percent"),
        lambda name: name in (f"{wanted}_value", f"{wanted}_percent"),
    ):
        if found := [each for each in known if fits(each.key)]:
            return found
    begun = [each.key for each in known if each.key.startswith(wanted) or each.key.replace("_", "").startswith(wanted)]
    near = begun or get_close_matches(wanted, [each.key for each in known], n=1, cutoff=0.4)
    raise ConfigError(
        f"unknown key {key}" + (f" - did you mean {near[0]}?" if near else ""), remedy="all keys: puna config explain"
    )


def _variable(found: "Field") -> str | None:
    return None if "[]" in found.key else f"PUNA__{found.key.upper().replace('.', '__')}"


def _about(found: "Field") -> dict[str, object]:
    return {
        "key": found.key,
        "type": found.type_text,
        "default": None if found.required else _shown(found.default, found),
        "required": found.required,
        "description": found.description,
        "examples": list(found.examples),
        "variable": _variable(found),
    }


def _long(found: "Field") -> str:
    default = "must be set" if found.required else f"default {_shown(found.default, found) or 'not set'}"
    lines = [found.key, f"  {found.description}", f"  {found.type_text}; {default}"]
    lines += [f"  for example {example!r}" for example in found.examples]
    lines += [f"  variable {name}" for name in [_variable(found)] if name]
    if found.key.endswith(("_value", "_percent")) and found.key.startswith("risk.max_"):
        short = found.key.removesuffix("_value").removesuffix("_percent")
        lines.append(f'  short: {short} = 5000 sets {short}_value, {short} = "10%" sets {short}_percent')
    return "\n".join(lines)
