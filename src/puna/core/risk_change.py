"""Limits under change: what is tighter applies at once, what is looser waits for a person, one version at a time."""

from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from puna.core.risk_view import Narrow, RiskLimits

__all__ = ["Change", "change_of", "limits_version"]

# Where more is stricter: what is added to prices or held back, and the windows that counts belong to.
_HIGHER_IS_TIGHTER = frozenset(
    {
        "buying_power_buffer",
        "protection_percent",
        "duplicate_window_seconds",
        "submit_window_seconds",
        "repeat_window_seconds",
        "refusal_window_seconds",
        "cooldown_seconds",
        "open_blackout_minutes",
        "close_blackout_minutes",
    }
)


def _grown(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return all(each in after for each in before)


def _fewer(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> bool:
    """No list means everything."""
    return before is None or (after is not None and set(after) < set(before))


def _grouped(before: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]]) -> bool:
    return all(set(symbols) <= set(after.get(name, ())) for name, symbols in before.items())


_LISTS: dict[str, Callable[[Any, Any], bool]] = {
    "allowed": _fewer,
    "denied": _grown,
    "narrow": _grown,
    "groups": _grouped,
}
"""When a list is stricter than another one."""


class Change(NamedTuple):
    """A new set of limits against the one in force.

    Attributes:
        now: what applies at once: of each limit the stricter value.
        wanted: the new set.
        looser: names of limits that wait for a person.
        tighter: names of limits that apply at once.
        before: the set in force.
    """

    now: RiskLimits
    wanted: RiskLimits
    looser: tuple[str, ...]
    tighter: tuple[str, ...]
    before: RiskLimits

    def loosened(self) -> list[str]:
        """What is looser, from what to what, in words."""
        return [f"{name} {_worded(self.before, name)} -> {_worded(self.wanted, name)}" for name in self.looser]


def change_of(old: RiskLimits, new: RiskLimits) -> Change:
    """What changes, and in which direction; a value that cannot be compared counts as looser."""
    looser, tighter, now = list[str](), list[str](), dict[str, Any]()
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if _is_tighter(name, before, after):
            tighter.append(name)
            now[name] = after
        else:
            looser.append(name)
    return Change(msgspec.structs.replace(old, **now), new, tuple(looser), tuple(tighter), old)


def limits_version(limits: RiskLimits) -> str:
    """The first digits of its hash."""
    return sha256(msgspec.json.encode(limits, order="sorted")).hexdigest()[:12]


def _is_tighter(name: str, before: Any, after: Any) -> bool:
    if name in _LISTS:
        return _LISTS[name](before, after)
    if isinstance(before, bool):
        return bool(before) and not after
    if before is None:  # no limit
        return isinstance(after, Decimal | int | float)
    if isinstance(before, Decimal | int | float) and isinstance(after, Decimal | int | float):
        return bool(after > before) == (name in _HIGHER_IS_TIGHTER)
    return False


def _worded(limits: RiskLimits, name: str) -> str:
    """A limit for people."""
    value = getattr(limits, name)
    if value is None:
        return "everything" if name == "allowed" else "no limit"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple):
        rows = (each if isinstance(each, str) else _row(each) for each in value)
        return f"[{', '.join(rows)}]"
    if isinstance(value, dict):
        return f"[{', '.join(f'{group}: {chr(32).join(symbols)}' for group, symbols in value.items())}]"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _row(narrow: Narrow) -> str:
    """A narrower limit: what it is about, and what it sets."""
    off = Narrow(strategy="off")
    names = ("strategy", "symbol", *(name for name in narrow.__struct_fields__ if name not in ("strategy", "symbol")))
    set_ = {name: getattr(narrow, name) for name in names if getattr(narrow, name) != getattr(off, name)}
    return " ".join(f"{name}={value}" for name, value in set_.items() if value is not None)
