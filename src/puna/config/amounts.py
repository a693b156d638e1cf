"""Percent and money as people write them: "10%", 500, "1_500.50", "500 USD" -> Decimal; a bare 0.1 is no percent."""

import re
from decimal import Decimal

__all__ = ["UNITS", "Unit", "read_amount", "show_amount"]

Unit = str
UNITS: dict[Unit, str] = {
    "share": 'a percentage such as "10%"',
    "percent": 'a percentage such as "10%"',
    "money": 'an amount of money such as 500 or "1500.50"',
    "number": 'a number such as 20 or "0.5"',
}

_PERCENT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*%")
_MONEY = re.compile(r"([0-9][0-9_]{0,14}(?:\.[0-9]{1,9})?)(?:\s*USD)?")
_NUMBER = re.compile(r"([0-9][0-9_]{0,14}(?:\.[0-9]{1,9})?)")
_PATTERNS = {"share": _PERCENT, "percent": _PERCENT, "money": _MONEY, "number": _NUMBER}
_LIMIT = 10**15


def read_amount(value: object, unit: Unit) -> Decimal:
    """The amount; a percentage as a fraction of one for a share, as it stands for a percent.

    Raises:
        ValueError: not written in this unit, negative, not finite, or absurdly large.
    """
    text = _digits(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ValueError(f"expected {UNITS[unit]}, got {_kind(value)}")  # noqa: TRY004 - one error for every bad value
    text = text.strip()
    if text.startswith("-"):
        raise ValueError(f"expected {UNITS[unit]}, got the negative {text[:40]}")
    if match := _PATTERNS[unit].fullmatch(text):
        return Decimal(match[1].replace("_", "")) / (100 if unit == "share" else 1)
    raise ValueError(f"expected {UNITS[unit]}, got {text[:40]!r}")


def show_amount(value: Decimal, unit: Unit) -> str:
    """The form that `read_amount` reads back."""
    if unit in ("share", "percent"):
        return f"{_plain(value * 100 if unit == 'share' else value)}%"
    return _plain(value)


def _plain(value: Decimal) -> str:
    """Without an exponent, and without zeros behind the last digit after the point."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digits(value: float) -> str:
    """A TOML number as plain digits; what has none (inf, nan, 1e300) stays as it prints and matches nothing."""
    return f"{Decimal(repr(value)):f}" if -_LIMIT < value < _LIMIT else repr(value)


def _kind(value: object) -> str:
    return {bool: "a boolean", list: "a list", dict: "a table"}.get(type(value), f"a {type(value).__name__}")
