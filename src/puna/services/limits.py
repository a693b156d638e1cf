"""Limits under change: what is tighter applies at once, what is looser waits for a person, one version at a time."""

from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from puna.core.risk import RiskLimits

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
# Lists of restrictions: more of them is stricter.
_MORE_IS_TIGHTER = frozenset({"denied", "narrow"})


class Change(NamedTuple):
    """A new set of limits against the one in force.

    Attributes:
        now: what applies at once: of each limit the stricter value.
        wanted: the new set.
        looser: names of limits that wait for a person.
        tighter: names of limits that apply at once.
    """

    now: RiskLimits
    wanted: RiskLimits
    looser: tuple[str, ...]
    tighter: tuple[str, ...]


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
    return Change(msgspec.structs.replace(old, **now), new, tuple(looser), tuple(tighter))


def limits_version(limits: RiskLimits) -> str:
    """The first digits of its hash."""
    return sha256(msgspec.json.encode(limits, order="sorted")).hexdigest()[:12]


def _is_tighter(name: str, before: Any, after: Any) -> bool:
    if name == "allowed":  # no list means everything
        return before is None or (after is not None and set(after) < set(before))
    if name in _MORE_IS_TIGHTER:
        return all(each in after for each in before)
    if isinstance(before, bool):
        return bool(before) and not after
    if before is None:  # no limit
        return isinstance(after, Decimal | int | float)
    if isinstance(before, Decimal | int | float) and isinstance(after, Decimal | int | float):
        return bool(after > before) == (name in _HIGHER_IS_TIGHTER)
    return False
