"""The last step before the wire: what Alpaca leaves out rather than null, and what it writes as a number."""

from decimal import Decimal
from typing import Any

import msgspec

__all__ = ["account_told", "asset_told", "without_nulls"]

_NUMBERS = ("maintenance_margin_requirement",)
_US_EQUITY = "us_equity"


def without_nulls(body: msgspec.Struct, keep: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields of a body that are there, by their names on the wire."""
    names = zip(body.__struct_fields__, body.__struct_encode_fields__, strict=True)
    values = ((wire, getattr(body, name)) for name, wire in names)
    return {wire: value for wire, value in values if value is not msgspec.UNSET and (value is not None or wire in keep)}


def asset_told(asset: msgspec.Struct) -> dict[str, Any]:
    """An asset: the old margin requirement is a number, the borrow status is for US stocks only (SPEC-T)."""
    body = without_nulls(asset)
    for name in _NUMBERS:
        if name in body:
            body[name] = _number(body[name])
    if body.get("class") != _US_EQUITY:
        body.pop("borrow_status", None)
    return body


def account_told(account: msgspec.Struct) -> dict[str, Any]:
    """An account; the levels of options are numbers."""
    body = without_nulls(account)
    for name in ("options_approved_level", "options_trading_level"):
        if name in body:
            body[name] = int(body[name])
    return body


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
