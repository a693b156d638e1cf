"""The keys of a configuration as a flat list, read from the annotations: what load, explain and show share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from puna.config.amounts import UNITS
from puna.config.model import NARROW_TEXTS, RISK_TEXTS

__all__ = ["Field", "annotations", "container", "fields", "is_section", "of_sections"]


@dataclass(frozen=True, slots=True)
class Field:
    """One key: its dotted name, its annotation, its default, and the sentence about it."""

    key: str
    annotation: Any
    default: object
    description: str
    examples: tuple[object, ...]
    unit: str | None

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT

    @property
    def type_text(self) -> str:
        """The kind of value, in words."""
        return UNITS[self.unit] if self.unit else _words(self.annotation)


def fields(section: type[msgspec.Struct], prefix: str = "") -> Iterator[Field]:
    """Every key below `section`; a key of a repeated table reads `strategy[].name`."""
    defaults = {field.name: _default(field) for field in msgspec.structs.fields(section)}
    for name, annotation in annotations(section).items():
        key = f"{prefix}{name}"
        if is_section(annotation):
            yield from fields(annotation, f"{key}.")
        elif repeated := of_sections(annotation):
            yield from fields(repeated, f"{key}[].")
        else:
            yield _field(key, annotation, defaults[name])


def annotations(section: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Key -> annotation with its Meta, in the order of the section."""
    hints = get_type_hints(section, include_extras=True)
    return {name: hints[name] for name in section.__struct_fields__}


def is_section(annotation: Any) -> bool:
    """Whether a key is a table of its own."""
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def of_sections(annotation: Any) -> type[msgspec.Struct] | None:
    """The section that a repeated table (`[[strategy]]`) repeats."""
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple and is_section(arguments[0]):
        found: type[msgspec.Struct] = arguments[0]
        return found
    return None


def container(annotation: Any) -> type | None:
    """`tuple` or `dict` where the value is a list or a table, else None."""
    plain, _ = _unwrapped(annotation)
    members = get_args(plain) if get_origin(plain) in (UnionType, Union) else (plain,)
    return next((get_origin(member) for member in members if get_origin(member) in (tuple, dict)), None)


def _field(key: str, annotation: Any, default: object) -> Field:
    plain, metas = _unwrapped(annotation)
    description = next((meta.description for meta in metas if meta.description), "")
    examples = next((tuple(meta.examples) for meta in metas if meta.examples), ())
    unit = next((str(meta.extra["unit"]) for meta in metas if meta.extra and "unit" in meta.extra), None)
    if unit is None and Decimal in (plain, *get_args(plain)):
        unit = _unit_of_limit(key)
    texts = RISK_TEXTS | NARROW_TEXTS
    return Field(key, annotation, default, description or texts.get(key.removeprefix("risk."), ""), examples, unit)


def _unit_of_limit(key: str) -> str:
    """Risk limits carry their unit in their name."""
    if key.endswith("_percent"):
        return "percent"
    return "money" if key.endswith(("_value", "_buffer")) else "number"


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _unwrapped(annotation: Any) -> tuple[Any, list[msgspec.Meta]]:
    """The type without its Annotated, and every Meta on it or on the members of its union."""
    if get_origin(annotation) is Annotated:
        plain, *extras = get_args(annotation)
        inner, metas = _unwrapped(plain)
        return inner, [extra for extra in extras if isinstance(extra, msgspec.Meta)] + metas
    if get_origin(annotation) in (UnionType, Union):
        members = [_unwrapped(member) for member in get_args(annotation)]
        return Union[tuple(member for member, _ in members)], [meta for _, metas in members for meta in metas]  # noqa: UP007 - made at run time
    return annotation, []


_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Decimal: "a number",
    NoneType: "nothing",
    date: "a date such as 2012-09-19",
    dict: "a table",
}


def _words(annotation: Any) -> str:
    plain, _ = _unwrapped(annotation)
    origin, arguments = get_origin(plain), get_args(plain)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (UnionType, Union):
        return " or ".join(_words(member) for member in arguments if member is not NoneType)
    if origin in (tuple, list, frozenset):
        return "a list of texts" if arguments[0] is str else "a list"
    if isinstance(plain, type) and issubclass(plain, str) and plain is not str:
        return " | ".join(str(member) for member in plain.__members__.values()) if hasattr(plain, "__members__") else ""
    return _NAMES.get(origin or plain, getattr(plain, "__name__", str(plain)))
