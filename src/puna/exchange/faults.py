"""The fault script: (what, when) -> action. Every action happens on the wire, none in the client.

`on` names what is struck:

- a request, as `"POST /v2/orders"`, `"GET *"`, `"* /v2/positions*"` (method or `*`, then a path with wildcards);
  the handshake of a WebSocket is a request too (`"GET /stream"`);
- `"socket:data"` or `"socket:trading"`: the frames that carry market data or trade updates;
- `"event:fill"`, or another event of the trading stream, or `"event:*"`.

When: the `nth` match (1 if nothing is said), the first match at or after market time `at` (for `drop_socket`, `ghost`
and `mute` of a socket: at that time, unprompted), or each match with a `probability` from the seeded chance.
`times` is how often in a row it strikes. Reliability catalogue: NET-04, NET-05, NET-10, PRO-01 to PRO-07, BRK-01 to 06.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from puna.core import sessions
from puna.errors import ConfigError
from puna.exchange.prices.halts import Halt
from puna.seams import Rng
from puna.wire.codec import parse_time

__all__ = [
    "EVENT_ACTIONS",
    "FEED_ACTIONS",
    "REQUEST_ACTIONS",
    "SOCKET_ACTIONS",
    "Fault",
    "FaultScript",
    "load_faults",
    "load_halts",
    "read_faults",
    "read_halts",
]

REQUEST_ACTIONS = {
    "error_before": "answers `status` and does nothing",
    "error_after": "does what was asked, then answers `status`",
    "hang_before": "reads the request, does nothing, never answers",
    "hang_after": "does what was asked, never answers",
    "drop_before": "resets the TCP connection, does nothing",
    "drop_reply": "does what was asked, then resets the TCP connection",
    "truncate": "does what was asked, sends half of the answer, then resets the TCP connection",
    "delay": "does what was asked, answers `seconds` of wall time later",
    "hold": "does what was asked `seconds` of market time later, though the client may have gone",
}
SOCKET_ACTIONS = {
    "drop_socket": "resets the TCP connection; reconnects get `status` (503) for `seconds` of market time",
    "ghost": "as drop_socket, but the old connection counts for `seconds`, so newcomers get 406 (data only)",
    "mute": "stays connected and sends nothing for `seconds` of market time (0: for good)",
    "delay": "sends the frame `seconds` of market time later",
    "duplicate": "sends the frame twice",
    "reorder": "sends the frame after the next one",
    "lose": "does not send the frame",
}
FEED_ACTIONS = {
    "drop_socket": "resets the TCP connection",
    "delay": "sends the event `seconds` of wall time later",
    "duplicate": "sends the event twice",
    "lose": "does not send the event, and says in a comment that messages were dropped",
}
EVENT_ACTIONS = {name: text for name, text in SOCKET_ACTIONS.items() if name != "ghost"}

_UNPROMPTED = {"drop_socket", "ghost", "mute"}
_KINDS = ("fault", "halt")
_SOCKETS = ("socket:data", "socket:trading")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Args:
        on: what is struck, see the module.
        action: what happens to it, see `REQUEST_ACTIONS`, `SOCKET_ACTIONS`, `EVENT_ACTIONS`.
        nth: strikes from the nth match on (the first is 1).
        at: strikes from the first match at or after this market time (ns) on.
        probability: strikes each match with this chance.
        times: how many matches are struck in a row; 0 is all of them; None: 1, or all for a probability.
        seconds: how long; see the action.
        status: of the answer; 0 is the action's own default.
        body: of the answer; None is what such an answer looks like (HTML for 5xx, Alpaca's JSON otherwise).
        headers: further headers of the answer.

    Raises:
        ValueError: such a fault makes no sense.
    """

    on: str
    action: str
    nth: int | None = None
    at: int | None = None
    probability: float | None = None
    times: int | None = None
    seconds: float = 0.0
    status: int = 0
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        actions = _actions(self.on)
        if self.action not in actions:
            raise ValueError(f"action {self.action!r} does not go with {self.on!r}: {', '.join(sorted(actions))}")
        if sum(when is not None for when in (self.nth, self.at, self.probability)) > 1:
            raise ValueError("only one of nth, at and probability")
        if self.nth is not None and self.nth < 1:
            raise ValueError("nth counts from 1")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ValueError("probability is between 0 and 1")
        if not 0 <= self.seconds < float("inf") or (self.times or 0) < 0:
            raise ValueError("seconds and times are not negative")
        if self.status and not 200 <= self.status <= 599:
            raise ValueError("status is an HTTP status")

    @property
    def unprompted(self) -> bool:
        """Strikes at its time, without a frame to strike."""
        return self.at is not None and self.on in _SOCKETS and self.action in _UNPROMPTED

    def matches(self, what: str) -> bool:
        """True when `what` ("POST /v2/orders", "socket:data", "event:fill") is what this fault is about."""
        method, _, path = self.on.partition(" ")
        if not path:
            return fnmatchcase(what, self.on)
        its_method, _, its_path = what.partition(" ")
        return method in ("*", its_method) and fnmatchcase(its_path, path)


def _actions(on: str) -> Mapping[str, str]:
    """The actions that can befall `on`."""
    if on == "socket:data":
        return SOCKET_ACTIONS
    if on == "sse:activities":
        return FEED_ACTIONS
    if on == "socket:trading" or re.fullmatch(r"event:(\*|[a-z_]+)", on):
        return EVENT_ACTIONS
    if re.fullmatch(r"([A-Z]+|\*) (/\S*|\*)", on):
        return REQUEST_ACTIONS
    raise ValueError(f"{on!r} is no request ('POST /v2/orders'), socket ('socket:data') or event ('event:fill')")


class _Rule:
    """A fault and how often it has matched and struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._matched = 0
        self._left = _strikes(fault)

    def strikes(self, now: int, rng: Rng) -> bool:
        self._matched += 1
        if self._left == 0 or not self._ripe(now, rng):
            return False
        self._left -= 1
        return True

    def _ripe(self, now: int, rng: Rng) -> bool:
        if self.fault.probability is not None:
            return rng.random() < self.fault.probability
        if self.fault.at is not None:
            return now >= self.fault.at
        return self._matched >= (self.fault.nth or 1)


def _strikes(fault: Fault) -> int:
    """How many matches it may strike; a negative number never runs out."""
    default = 0 if fault.probability is not None else 1
    return (default if fault.times is None else fault.times) or -1


class FaultScript:
    """The faults of one run and what is left of them; of several that match, the first that strikes wins."""

    def __init__(self, faults: Sequence[Fault], rng: Rng) -> None:
        self._rng = rng
        self._rules = [_Rule(fault) for fault in faults if not fault.unprompted]
        self._timed = sorted((fault for fault in faults if fault.unprompted), key=lambda fault: fault.at or 0)
        self.struck: list[tuple[int, str, Fault]] = []

    def strike(self, what: str, now: int) -> Fault | None:
        """The fault that befalls `what` now; every fault that matches has counted it."""
        hits = [rule.fault for rule in self._rules if rule.fault.matches(what) and rule.strikes(now, self._rng)]
        if not hits:
            return None
        self.struck.append((now, what, hits[0]))
        return hits[0]

    def next_due(self) -> int | None:
        """When the next unprompted fault strikes."""
        return self._timed[0].at if self._timed else None

    def due(self, now: int) -> list[Fault]:
        """The unprompted faults that strike up to now; each is given once."""
        ripe = [fault for fault in self._timed if (fault.at or 0) <= now]
        self._timed = self._timed[len(ripe) :]
        self.struck += [(now, fault.on, fault) for fault in ripe]
        return ripe


class _HaltRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A halt as it stands in a script."""

    symbol: str
    at: Any
    seconds: float = 300.0
    reason: str = "T1"


class _Row(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A fault as it stands in a script."""

    on: str
    action: str
    nth: int | None = None
    at: Any = None
    probability: float | None = None
    times: int | None = None
    seconds: float = 0.0
    status: int = 0
    body: str | None = None
    headers: dict[str, str] = {}


def load_faults(path: Path, *, day: date) -> tuple[Fault, ...]:
    """The faults of a TOML file; see `read_faults`.

    Raises:
        ConfigError: the file cannot be read, or is no fault script.
    """
    return read_faults(_text(path), day=day, name=str(path))


def load_halts(path: Path, *, day: date) -> tuple[Halt, ...]:
    """The halts of the same file; see `read_halts`.

    Raises:
        ConfigError: the file cannot be read, or is no fault script.
    """
    return read_halts(_text(path), day=day, name=str(path))


def read_faults(text: str, *, day: date, name: str = "fault script") -> tuple[Fault, ...]:
    """The faults of a TOML text: tables `[[fault]]` with the fields of `Fault`.

    `at` may be a time with offset, a local date and time (New York), or a local time (New York, on `day`).

    Raises:
        ConfigError: it is no fault script; the message names the line.
    """
    return tuple(_fault(row, index, text, day, name) for index, row in enumerate(_rows(text, "fault", name)))


def read_halts(text: str, *, day: date, name: str = "fault script") -> tuple[Halt, ...]:
    """The halts of a TOML text: tables `[[halt]]` with the fields of `Halt`; `at` is as in `read_faults`.

    Raises:
        ConfigError: it is no fault script; the message names the line.
    """
    return tuple(_halt(row, index, text, day, name) for index, row in enumerate(_rows(text, "halt", name)))


def _rows(text: str, kind: str, name: str) -> list[object]:
    """The tables of that kind; nothing but faults and halts may stand in a script."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad(name, str(error)) from error
    odd = next((key for key, rows in tables.items() if key not in _KINDS or not isinstance(rows, list)), None)
    if odd is not None:
        raise _bad(name, f"line {_line(text, odd)}: only [[fault]] and [[halt]] tables belong here, not {odd!r}")
    return list(tables.get(kind, []))


def _halt(row: object, index: int, text: str, day: date, name: str) -> Halt:
    try:
        parsed = msgspec.convert(row, _HaltRow)
        at = _at(parsed.at, day)
        if at is None or not 0 < parsed.seconds < float("inf"):
            raise ValueError("a halt has a time, and lasts some seconds")  # noqa: TRY301 - one place names the line
        return Halt(parsed.symbol.upper(), at, parsed.seconds, parsed.reason)
    except (msgspec.ValidationError, ValueError) as error:
        raise _bad(name, f"line {_table_line(text, index, 'halt')}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The fault script {path} cannot be read.", why=str(error), code="E032") from error


def _fault(row: object, index: int, text: str, day: date, name: str) -> Fault:
    try:
        parsed = msgspec.convert(row, _Row)
        fields = {key: getattr(parsed, key) for key in parsed.__struct_fields__}
        return Fault(**{**fields, "at": _at(parsed.at, day)})
    except (msgspec.ValidationError, ValueError) as error:
        raise _bad(name, f"line {_table_line(text, index)}: {error}") from error


def _at(when: object, day: date) -> int | None:
    match when:
        case None | int() if not isinstance(when, bool):
            return when
        case str():
            return parse_time(when)
        case time():
            return sessions.at(day, when)
        case datetime(tzinfo=None):
            return sessions.at(when.date(), when.time())
        case datetime():
            return (when - _EPOCH) // timedelta(microseconds=1) * 1_000
    raise ValueError(f"at is a time, not {when!r}")


def _line(text: str, key: str) -> int:
    """The line on which a top-level key first stands."""
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(key)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _table_line(text: str, index: int, kind: str = "fault") -> int:
    """The line on which the table of that kind and number begins."""
    heads = [found.end() for found in re.finditer(rf"^\s*\[\[\s*{kind}\s*\]\]", text, re.MULTILINE)]
    return text.count("\n", 0, heads[index]) + 1 if index < len(heads) else 1


def _bad(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"{name} is no fault script.",
        why=why,
        state="Nothing was started.",
        remedy="docs/exchange.md lists the actions and what they go with.",
        code="E032",
    )
