"""Alarms: what stands in the journal and asks for a person, until one acknowledges it.

An alarm is a record that is there anyway: a halt that nobody asked for, a protection that was set off, a note of the
kinds in `ASKING`. Its number is the record's, so it is durable the moment it exists and costs no further write. What
says the same as an alarm that stands counts with it. A person ends it with a name and a reason, or by resuming what it
was about.
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from puna.core.risk import TradingState
from puna.engine.entries import Acknowledged, Alerted, Entry, Locked, Note, StateChange, from_record
from puna.seams import Record

__all__ = ["ASKING", "PERSON", "Alarm", "Alarms", "alarms_of"]

PERSON = "operator"
"""By whom a state is that a person decided; it is no alarm."""

HALT, LOCK = "E520", "R121"
ASKING = frozenset({"E302", "E500", "E521", "E522", "E531", "E910", "R129"})
"""Codes of notes that are alarms."""

_KINDS = frozenset({"state", "lock", "note", "alerted", "acknowledged"})


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person must take note of.

    Args:
        number: of the journal's record; 0: it could not be written.
        ts: market time, ns; `last` of the latest that says the same.
        code: of `puna explain`.
        text: in words.
        count: how often it was said.
        scope: what was restricted: empty for the account, else `strategy:NAME` or `symbol:SYMBOL`.
        by: who has acknowledged it, why (`reason`), and when (`ended`, ns); empty while it stands.
    """

    number: int
    ts: int
    last: int
    code: str
    text: str
    count: int = 1
    scope: str = ""
    by: str = ""
    reason: str = ""
    ended: int | None = None


class Alarms:
    """The alarms that a journal's entries add up to.

    Attributes:
        standing: those that nobody has acknowledged, by number.
        ended: the others, by number.
        alerted: the last record of somebody being told; None when nobody ever was.
    """

    def __init__(self) -> None:
        self.standing: dict[int, Alarm] = {}
        self.ended: dict[int, Alarm] = {}
        self.alerted: Alerted | None = None
        self._known: dict[tuple[str, str], int] = {}

    def take(self, number: int, entry: Entry) -> None:
        """An entry that may be an alarm, or end some."""
        match entry:
            case Note(code=code, text=text) if code in ASKING:
                self._raise(number, entry.ts, code, text)
            case Locked(lock=lock):
                text = f"{lock.scope or 'the account'} is locked by {lock.cause}: {lock.reason}"
                self._raise(number, entry.ts, LOCK, text, lock.scope)
            case StateChange():
                self._state(number, entry)
            case Acknowledged(alarms=numbers, by=by, reason=reason):
                self._end(numbers, by, reason, entry.ts)
            case Alerted():
                self.alerted = entry

    def _state(self, number: int, entry: StateChange) -> None:
        """Resuming is a person's look at what halted and locked it."""
        scope = entry.scope
        if entry.state is not TradingState.ACTIVE and entry.by != PERSON:
            text = f"{scope or 'the account'} is {entry.state}, by {entry.by}: {entry.reason}"
            self._raise(number, entry.ts, HALT, text, scope)
        elif entry.state is TradingState.ACTIVE and entry.by == PERSON:
            found = [each for each in self.standing.values() if each.code in (HALT, LOCK)]
            ended = [each.number for each in found if each.scope == scope or (each.code == LOCK and not scope)]
            self._end(ended, entry.by, f"resumed: {entry.reason}", entry.ts)

    def _raise(self, number: int, ts: int, code: str, text: str, scope: str = "") -> None:
        first = self._known.setdefault((code, text), number)
        known = self.standing.get(first)
        self.standing[first] = (
            Alarm(number=number, ts=ts, last=ts, code=code, text=text, scope=scope)
            if known is None
            else replace(known, count=known.count + 1, last=ts)
        )

    def _end(self, numbers: Iterable[int], by: str, reason: str, ts: int) -> None:
        for number in numbers:
            if (known := self.standing.pop(number, None)) is not None:
                self._known.pop((known.code, known.text), None)
                self.ended[number] = replace(known, by=by, reason=reason, ended=ts)


def alarms_of(records: Iterable[tuple[int, Record]]) -> Alarms:
    """The alarms of a journal that is only read.

    Raises:
        JournalError: a record that cannot be understood.
    """
    found = Alarms()
    for number, record in records:
        if record.kind in _KINDS:
            found.take(number, from_record(number, record))
    return found
