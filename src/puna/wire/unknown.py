"""What a body holds that our shapes do not know: for people and tests that watch how the broker grows."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from puna.wire.codec import decode

__all__ = ["unknown_fields"]

_anything = msgspec.json.Decoder()


def unknown_fields(body: bytes, kind: Any) -> list[str]:
    """The paths of fields that decoding `body` as `kind` skips, such as `legs[].subtag`, sorted, each once.

    Raises:
        ProtocolError: not JSON.
    """
    return sorted(set(_walk(decode(_anything, body), kind, "")))


def _walk(value: Any, kind: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        items = _pick(kind, list)
        for item in value if items else ():
            yield from _walk(item, get_args(items)[0], f"{path}[]")
    elif isinstance(value, dict):
        if (mapping := _pick(kind, dict)) is not None:
            for item in value.values():
                yield from _walk(item, get_args(mapping)[1], f"{path}{{}}")
        elif (struct := _struct(kind, value)) is not None:
            yield from _walk_struct(value, struct, path)


def _walk_struct(value: dict[str, Any], struct: type[msgspec.Struct], path: str) -> Iterator[str]:
    known = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    tag = struct.__struct_config__.tag_field
    for name, item in value.items():
        here = f"{path}.{name}".lstrip(".")
        if name in known:
            yield from _walk(item, known[name], here)
        elif name != tag:
            yield here


def _pick(kind: Any, container: type) -> Any:
    """The list or dict type among the members of a union, or the type itself."""
    return next((each for each in _members(kind) if get_origin(each) is container), None)


def _struct(kind: Any, value: dict[str, Any]) -> type[msgspec.Struct] | None:
    structs = [each for each in _members(kind) if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    tagged = [
        each for each in structs if value.get(str(each.__struct_config__.tag_field)) == each.__struct_config__.tag
    ]
    return next(iter(tagged or structs), None)


def _members(kind: Any) -> tuple[Any, ...]:
    return (kind,) if get_origin(kind) in (list, dict) else (get_args(kind) or (kind,))
