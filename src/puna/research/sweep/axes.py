"""What a sweep varies: `key=a,b,c`, `key=1..10`, `key=0.1..0.5:0.1`, each an axis whose values have the key's type.

A range includes both ends. Whole numbers go by steps of one where no step is given; other numbers need a step in a
grid, and without one they are drawn from the whole range by a random or an Optuna search.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias

from puna.errors import ConfigError

__all__ = ["Axis", "Kind", "Span", "Value", "is_number", "read_axes", "size", "typed"]

Value: TypeAlias = bool | int | float | str
Kind: TypeAlias = Literal["whole", "number", "exact", "flag", "text"]
"""What a key holds: int, float, Decimal (kept as text, so that 0.1 stays 0.1), bool, str."""

MOST = 1_000_000  # values of an axis, and cells of a grid: beyond, it is a slip of the finger
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?%?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::({_NUMBER}))?")
_WORDS: dict[Kind, str] = {
    "whole": "a whole number",
    "number": "a number",
    "exact": "a number, or a percentage",
    "flag": "true or false",
    "text": "text",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Every number from `low` to `high`, both included: what is drawn from where no step is given."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Axis:
    """One key and what is tried for it.

    Attributes:
        key: as it was typed.
        values: in their order, each once; empty where `span` is given.
        span: instead of values.
        ordered: whether neighbours in `values` are near each other: numbers, not names.
    """

    key: str
    values: tuple[Value, ...] = ()
    span: Span | None = None
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """An axis before its type is known."""

    key: str
    texts: tuple[str, ...]


def read_axes(words: Sequence[str]) -> list[Words]:
    """The words of a command line, as keys and texts.

    Raises:
        ConfigError: E680, a word is not `key=values`, has no value, or a key stands twice.
    """
    if not words:
        raise _unreadable("There is nothing to vary.", "a sweep needs at least one key=values")
    found = [_words(word) for word in words]
    keys = [each.key for each in found]
    if double := next((key for key in keys if keys.count(key) > 1), None):
        raise _unreadable(f"{double} is given twice.", "the values of one key stand in one word: key=a,b,c")
    return found


def typed(words: Words, kind: Kind) -> Axis:
    """The axis with values of their type.

    Raises:
        ConfigError: E680, a range that holds nothing or far too much; E682, a value that does not fit.
    """
    values: dict[Value, None] = {}
    for text in words.texts:
        match = _RANGE.fullmatch(text)
        if match is None or kind == "text":
            values[_value(words.key, text, kind)] = None
            continue
        low, high, step = match.groups()
        if step is None and kind != "whole":
            return _span(words, low, high)
        values.update(dict.fromkeys(_steps(words.key, kind, low, high, step or "1")))
    _count(words.key, len(values))
    found = tuple(values)
    # Names, and numbers out of order (a list of one's own), have no neighbours to speak of.
    ordered = kind in ("whole", "number", "exact") and list(found) == sorted(found, key=_number)
    return Axis(words.key, found, ordered=ordered)


def size(axes: Sequence[Axis]) -> int | None:
    """How many cells the grid has; None when an axis has no steps.

    Raises:
        ConfigError: E680, more than a million.
    """
    cells = 1
    for axis in axes:
        if axis.span is not None:
            return None
        cells *= len(axis.values)
    if cells > MOST:
        raise _unreadable(
            f"The grid has {cells:,} cells.",
            f"more than {MOST:,} are not run",
            "Take larger steps, or --search random --cells N.",
        )
    return cells


def is_number(value: Value) -> bool:
    """Whether a value is a number or a percentage, also where it is kept as text."""
    return not isinstance(value, bool) and re.fullmatch(_NUMBER, str(value)) is not None


def _number(value: Value) -> Decimal:
    return Decimal(str(value).removesuffix("%"))


def _words(word: str) -> Words:
    key, equals, rest = word.partition("=")
    if not equals or not _KEY.fullmatch(key.strip()):
        raise _unreadable(f"{word[:60]!r} is not key=values.", "a key is a name such as lookback or risk.max_drawdown")
    texts = tuple(text.strip() for text in rest.split(","))
    if not rest.strip():
        raise _unreadable(f"{key.strip()} has no value.", "the grid would be empty")
    if "" in texts:
        raise _unreadable(f"{key.strip()} has an empty value.", f"between the commas of {rest[:60]!r}")
    return Words(key.strip(), texts)


def _value(key: str, text: str, kind: Kind) -> Value:
    if kind == "text":
        return text
    if kind == "flag":
        if text.lower() not in ("true", "false"):
            raise _misfit(key, text, kind)
        return text.lower() == "true"
    number = _decimal(key, text, kind)
    if kind == "exact":
        return text
    if kind == "whole" and number != int(number):
        raise _misfit(key, text, kind)
    return int(number) if kind == "whole" else float(number)


def _decimal(key: str, text: str, kind: Kind) -> Decimal:
    """The number that a text says; only exact keys are given in percent."""
    try:
        number = Decimal(text.removesuffix("%") if kind == "exact" else text)
    except InvalidOperation:
        raise _misfit(key, text, kind) from None
    if not number.is_finite():
        raise _misfit(key, text, kind)
    return number


def _span(words: Words, low: str, high: str) -> Axis:
    if len(words.texts) > 1:
        raise _unreadable(f"{words.key}: a range without a step stands alone.", "add a step: 0.1..0.5:0.1")
    if "%" in low + high:
        raise _unreadable(f"{words.key}: a range of percentages needs a step.", "such as 5%..20%:5%")
    first, last = float(low), float(high)
    if not first < last:
        raise _empty(words.key, low, high)
    return Axis(words.key, span=Span(first, last))


def _steps(key: str, kind: Kind, low: str, high: str, step: str) -> Iterator[Value]:
    first, last, width = (_decimal(key, text, "exact") for text in (low, high, step))
    if len({text.endswith("%") for text in (low, high)}) > 1:
        raise _misfit(key, f"{low}..{high}", kind)
    sign = "%" if low.endswith("%") else ""
    if width <= 0 or first > last:
        raise _empty(key, low, high) if width > 0 else _unreadable(f"{key}: a step is greater than 0.", f"got {step}")
    count = int((last - first) / width) + 1
    _count(key, count)
    # Decimal steps: 0.1 and 0.2 give 0.3, not 0.30000000000000004.
    return (_value(key, f"{(first + width * n).normalize():f}{sign}", kind) for n in range(count))


def _count(key: str, count: int) -> None:
    if count > MOST:
        raise _unreadable(f"{key} has {count:,} values.", f"more than {MOST:,} are not run", "Take larger steps.")


def _empty(key: str, low: str, high: str) -> ConfigError:
    return _unreadable(f"{key}: the range {low}..{high} is empty.", "it goes from the smaller to the larger number")


def _unreadable(what: str, why: str, remedy: str = "Such as lookback=5,10,20 or lookback=5..50:5") -> ConfigError:
    return ConfigError(what, why=why, state="Nothing was run.", remedy=remedy, code="E680")


def _misfit(key: str, text: str, kind: Kind) -> ConfigError:
    return ConfigError(
        f"{key} cannot be {text[:40]!r}.",
        why=f"it is {_WORDS[kind]}",
        state="Nothing was run.",
        remedy="Give values of its type.",
        code="E682",
    )
