"""How `puna halt` and `puna resume` reach a run: the latch first, then the process if there is one, else the journal.

The latch is durable before anybody is called, so a halt holds even if everything after it fails. A process that runs is
called by a signal and has to confirm; one that does not is hung or stopped, and can be ended.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from puna.cli.target import Target
from puna.core.risk import TradingState
from puna.engine.entries import StateChange, to_record
from puna.engine.latch import Acknowledgement, Latch, Wish
from puna.engine.storage import SqliteStorage, owner
from puna.errors import JournalError
from puna.seams import RandomIds, SystemClock

__all__ = ["Answer", "press", "release"]

T = TypeVar("T")
GLANCE = 0.002
NANOS = 1_000_000_000
_CLOCK = SystemClock()


class Answer(NamedTuple):
    """What came of a wish.

    Attributes:
        confirmed: by the process, or because there is none that could send anything.
        text: in words.
        seconds: from the command to that.
        process: the process that trades, if there is one.
        journal: whose state it is.
    """

    confirmed: bool
    text: str
    seconds: float
    process: int | None
    journal: str


async def press(
    target: Target,
    state: TradingState,
    reason: str,
    scope: str,
    *,
    patience: float = 3.0,
    kill: bool = False,
    by: str = "operator",
) -> Answer:
    """Holds the trading state down, durably, and waits for the confirmation.

    Raises:
        PunaError: the latch cannot be written.
    """
    began, latch = _CLOCK.monotonic(), Latch(target.journal)
    wish = Wish(id=RandomIds().uuid(), state=state, reason=reason, scope=scope, by=by)
    latch.press(wish)
    process = target.owner
    if process is None:
        with suppress(JournalError):  # the latch alone holds as well: damaged journals do not start anyway
            _write(target.journal, wish)
        return _answer(target, began, "no process trades on it; it stays so at every start")
    said = await _called(latch, wish, process, patience)
    if said is not None:
        return _answer(target, began, f"confirmed by process {process}: {said.text}", process, confirmed=said.done)
    if target.owner is None:
        return _answer(target, began, f"process {process} has ended", process)
    if kill and await _ended(target.journal, process):
        return _answer(target, began, f"process {process} did not confirm and was ended", process)
    text = (
        f"the latch is down, but process {process} has not confirmed within {patience:g} s: it is hung or stopped. It "
        "looks at the latch before its next order; to be sure that nothing leaves, end it: puna halt --kill"
    )
    return _answer(target, began, text, process, confirmed=False)


async def release(target: Target, reason: str, scope: str, *, patience: float = 10.0) -> Answer:
    """Lets trading go on: the running process compares its books first; without one the journal says so."""
    began, latch = _CLOCK.monotonic(), Latch(target.journal)
    wish = Wish(id=RandomIds().uuid(), state=TradingState.ACTIVE, reason=reason, scope=scope)
    process = target.owner
    if process is None:
        _write(target.journal, wish)
        latch.lift(scope)
        return _answer(target, began, "the next start trades again, after it has compared the books")
    latch.ask(wish)
    said = await _called(latch, wish, process, patience)
    if said is None:
        latch.answered()
        return _answer(
            target, began, f"process {process} has not answered within {patience:g} s", process, confirmed=False
        )
    return _answer(target, began, said.text, process, confirmed=said.done)


def _answer(target: Target, began: int, text: str, process: int | None = None, *, confirmed: bool = True) -> Answer:
    passed = (_CLOCK.monotonic() - began) / NANOS
    return Answer(confirmed, text, round(passed, 4), process, str(target.journal))


async def _called(latch: Latch, wish: Wish, process: int, patience: float) -> Acknowledgement | None:
    """The process's answer, or None. Without the signal it looks by itself, a little later."""
    with suppress(ProcessLookupError, PermissionError):
        if process and latch.listener() == process:
            os.kill(process, signal.SIGUSR1)
    return await _soon(lambda: latch.acknowledgement(wish.id), patience)


async def _ended(journal: Path, process: int) -> bool:
    """Whether the process is gone: its lock is free."""
    with suppress(ProcessLookupError):
        if process:
            os.kill(process, signal.SIGKILL)
    return bool(await _soon(lambda: owner(journal) is None, 5.0))


async def _soon(question: Callable[[], T | None], patience: float) -> T | None:
    """The first answer within the time."""
    end = _CLOCK.monotonic() + round(patience * NANOS)
    while not (found := question()) and _CLOCK.monotonic() < end:
        await _CLOCK.sleep(GLANCE)
    return found


def _write(journal: Path, wish: Wish) -> None:
    """Into the journal itself, when nobody has it open."""
    storage = SqliteStorage(journal)
    try:
        change = StateChange(ts=_CLOCK.now(), state=wish.state, reason=wish.reason, by=wish.by, scope=wish.scope)
        storage.append([to_record(change)])
    finally:
        storage.close()
