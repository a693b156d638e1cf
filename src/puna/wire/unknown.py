"""What a body holds that our shapes do not know: for people and tests that watch how the broker grows."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import msgspec

from puna.wire.codec import decode

__all__ = ["WORDS", "unknown_fields", "unknown_words"]

_anything = msgspec.json.Decoder()


def unknown_fields(body: bytes, kind: Any) -> list[str]:
    """The paths of fields that decoding `body` as `kind` skips, such as `legs[].subtag`, sorted, each once.

    Raises:
        ProtocolError: not JSON.
    """
    return sorted(set(_walk(decode(_anything, body), kind, "")))


WORDS: Mapping[str, frozenset[str]] = {
    "Account.status": frozenset(
        {"ONBOARDING", "SUBMISSION_FAILED", "SUBMITTED", "ACCOUNT_UPDATED", "APPROVAL_PENDING", "ACTIVE", "REJECTED"}
    ),
    "Order.status": frozenset(
        {
            *("new", "partially_filled", "filled", "done_for_day", "canceled", "expired", "replaced", "pending_cancel"),
            *("pending_replace", "accepted", "pending_new", "accepted_for_bidding", "stopped", "rejected", "suspended"),
            *("calculated", "held", "pending_review"),
        }
    ),
    "Order.side": frozenset({"buy", "sell", ""}),
    "Order.type": frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop", ""}),
    "Order.order_class": frozenset({"simple", "bracket", "oco", "oto", "mleg", ""}),
    "Order.time_in_force": frozenset({"day", "gtc", "opg", "cls", "ioc", "fok"}),
    "Order.asset_class": frozenset({"us_equity", "us_option", "crypto", ""}),
    "Position.side": frozenset({"long", "short"}),
    "Position.asset_class": frozenset({"us_equity", "us_option", "crypto"}),
    "Asset.class": frozenset({"us_equity", "us_option", "crypto"}),
    "Asset.status": frozenset({"active", "inactive"}),
    "OptionContract.type": frozenset({"call", "put"}),
    "OptionContract.style": frozenset({"american", "european"}),
}
"""The words of the broker's enumerations that matter here, by shape and field (SPEC-T, fact sheet 5)."""


def unknown_words(body: bytes, kind: Any) -> list[str]:
    """Values of enumerations that `WORDS` does not have, such as `Order.status=novel`, sorted, each once.

    Raises:
        ProtocolError: not JSON.
    """
    return sorted(set(_words(decode(_anything, body), kind)))


def _words(value: Any, kind: Any) -> Iterator[str]:
    if isinstance(value, list):
        items = _pick(kind, list)
        for item in value if items else ():
            yield from _words(item, get_args(items)[0])
    elif isinstance(value, dict):
        if (mapping := _pick(kind, dict)) is not None:
            for item in value.values():
                yield from _words(item, get_args(mapping)[1])
        elif (struct := _struct(kind, value)) is not None:
            for field in msgspec.structs.fields(struct):
                item = value.get(field.encode_name)
                known = WORDS.get(f"{struct.__name__}.{field.encode_name}")
                if known is not None and isinstance(item, str) and item not in known:
                    yield f"{struct.__name__}.{field.encode_name}={item[:60]}"
                else:
                    yield from _words(item, field.type)


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
