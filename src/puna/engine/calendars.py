"""The broker's clock against the calendar that comes with Puna: where they disagree, only reductions may be sent.

A closure nobody foresaw, a half day that the table lacks, a clock that says open at midnight: who is right is not for a
program to guess, so nothing new is risked until both say the same again (TIM-04, BRK-37).
"""

from puna.core import sessions
from puna.errors import DataError
from puna.wire.trading import Clock

__all__ = ["TOLERANCE", "disagreement"]

TOLERANCE = 60 * 1_000_000_000
"""Nanoseconds: so near to an open or a close the two may say different things, and so far apart the same."""


def disagreement(broker: Clock) -> str:
    """Where the two differ, in words; empty where they do not."""
    now = int(broker.timestamp)
    try:
        opens, closes = sessions.next_open(now), sessions.next_close(now)
        is_open = sessions.session_at(now) is sessions.Session.CORE
        near = any(abs(edge - now) <= TOLERANCE for edge in _edges(now))
    except DataError as error:
        return f"the calendar here cannot judge the broker's clock: {error.what}"
    if near:
        return ""
    pairs = (("opens", int(broker.next_open), opens), ("closes", int(broker.next_close), closes))
    said = [f"{_when(theirs)} it {verb} next, here {_when(ours)}" for verb, theirs, ours in pairs
            if abs(theirs - ours) > TOLERANCE]  # fmt: skip
    if broker.is_open is not is_open:
        said.insert(0, f"the market is {_state(open_=broker.is_open)}, here it is {_state(open_=is_open)}")
    return f"the broker's clock says {'; '.join(said)}" if said else ""


def _edges(now: int) -> list[int]:
    """Open and close of the trading day around this moment, where there is one."""
    today = sessions.day(sessions.date_of(now))
    return [today.open, today.close] if today else []


def _when(ts: int) -> str:
    return f"{sessions.new_york(ts):%Y-%m-%d %H:%M}"


def _state(*, open_: bool) -> str:
    return "open" if open_ else "closed"
