"""The latch: files beside a journal that hold the trading state down, whatever becomes of the process that trades.

`<journal>.halt` is there: the account is halted; `<journal>.halt.<scope>`: a strategy or symbol is. Whoever writes one
needs neither the process nor its loop nor the network, and a process that hung looks at it before its next order. A
latch that cannot be read counts as a halt (I28). A wish to resume lies in `<journal>.resume`; what the running process
made of a wish it says in `<journal>.ack`; that it lives, in `<journal>.alive`. That a person has seen alarms lies in
`<journal>.seen.<id>` until the journal holds it; what a start that failed has told, in `<journal>.said`. All files are
of mode 0600 and change in one step.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

import msgspec

from puna.core.risk import TradingState
from puna.errors import PunaError

__all__ = ["Acknowledgement", "Beat", "Latch", "Seen", "Wish", "scopes_of"]

T = TypeVar("T")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants the trading state to be.

    Args:
        id: of this wish; the answer carries it.
        state: halted or reducing in a latch; active in a wish to resume.
        reason: in words.
        by: who.
        scope: empty for the account, else `strategy:NAME` or `symbol:SYMBOL`.
    """

    id: str
    state: TradingState
    reason: str
    by: str = "operator"
    scope: str = ""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """The running process has done what a wish asked for, or says why not."""

    id: str
    pid: int
    done: bool
    text: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A person has taken note of alarms.

    Args:
        id: of this word; it is a file of its own until the journal holds it.
        alarms: their numbers.
        by: who.
        reason: why they may rest.
    """

    id: str
    alarms: tuple[int, ...]
    by: str
    reason: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a run that could not start has told, for the next one that cannot, for the same reason."""

    text: str
    ts: int


class Beat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run lives.

    Args:
        pid: its process.
        connected: both streams are up, and the books were compared since.
        ts: when it was seen last, wall time, ns.
    """

    pid: int
    connected: bool
    ts: int = 0


def scopes_of(strategy: str, symbol: str) -> tuple[str, str, str]:
    """The scopes that an order stands in: account, strategy, symbol."""
    return "", f"strategy:{strategy}", f"symbol:{symbol}"


class Latch:
    """The latches of one journal.

    Args:
        journal: the journal's file; None: it is in memory, and there is nothing to hold on to.
    """

    def __init__(self, journal: Path | None) -> None:
        self._journal = journal
        self._paths: dict[str, str] = {}
        self._beaten: Beat | None = None

    def down(self, scope: str) -> bool:
        """Whether a latch is there. Asked before every order, so it only looks for the file."""
        return self._journal is not None and os.access(self._path(scope), os.F_OK)

    def standing(self, scope: str) -> Wish | None:
        """The latch of a scope; one that cannot be read halts."""
        if self._journal is None or not self.down(scope):
            return None
        return self._read(Path(self._path(scope)), Wish) or Wish(
            id="?", state=TradingState.HALTED, reason="a latch is there that cannot be read", by="unknown", scope=scope
        )

    def all(self) -> list[Wish]:
        """Every latch that is down, the account's first."""
        if self._journal is None:
            return []
        start = f"{self._journal.name}.halt."
        names = sorted(each.name for each in self._journal.parent.glob(f"{self._journal.name}.halt.*"))
        scopes = ["", *(unquote(name.removeprefix(start)) for name in names if not name.endswith(".part"))]
        return [found for scope in scopes if (found := self.standing(scope))]

    def press(self, wish: Wish) -> None:
        """Puts a latch down, durably.

        Raises:
            PunaError: it cannot be written; nothing was halted by this.
        """
        self._write(Path(self._path(wish.scope)), wish)

    def lift(self, scope: str) -> None:
        """Takes a latch away."""
        Path(self._path(scope)).unlink(missing_ok=True)

    def ask(self, wish: Wish) -> None:
        """Leaves a wish to resume for the process that runs."""
        self._write(self._beside("resume"), wish)

    def asked(self) -> Wish | None:
        """The wish to resume, if there is one that can be read."""
        return None if self._journal is None else self._read(self._beside("resume"), Wish)

    def answered(self) -> None:
        """The wish to resume is dealt with."""
        self._beside("resume").unlink(missing_ok=True)

    def acknowledge(self, answer: Acknowledgement) -> None:
        """Says what became of a wish."""
        self._write(self._beside("ack"), answer)

    def acknowledgement(self, wish: str) -> Acknowledgement | None:
        """What the process said about a wish."""
        found = None if self._journal is None else self._read(self._beside("ack"), Acknowledgement)
        return found if found is not None and found.id == wish else None

    def see(self, seen: Seen) -> None:
        """Leaves word that alarms were seen, for the process that runs, or the next one."""
        self._write(self._beside(f"seen.{seen.id}"), seen)

    def seen(self) -> list[Seen]:
        """All such words that no journal holds yet."""
        if self._journal is None:
            return []
        found = sorted(self._journal.parent.glob(f"{self._journal.name}.seen.*"))
        return [each for path in found if path.suffix != ".part" and (each := self._read(path, Seen)) is not None]

    def noticed(self, seen: Seen) -> None:
        """The journal holds it."""
        self._beside(f"seen.{seen.id}").unlink(missing_ok=True)

    def pending(self, seen: Seen) -> bool:
        """Whether nobody has taken it yet."""
        return self._beside(f"seen.{seen.id}").exists()

    def said_lately(self, text: str, now: int, seconds: float) -> bool:
        """Whether the same was told less than so many seconds ago (wall time, ns)."""
        found = None if self._journal is None else self._read(self._beside("said"), Said)
        return found is not None and found.text == text and 0 <= now - found.ts < seconds * 1e9

    def say(self, text: str, now: int) -> None:
        """Notes what was told; where that cannot be written it will be told again."""
        if self._journal is not None:
            with suppress(PunaError):
                self._write(self._beside("said"), Said(text=text, ts=now), durable=False)

    def listen(self, pid: int) -> None:
        """This process looks at the latch at once when SIGUSR1 comes."""
        self._write(self._beside("listens"), {"pid": pid})

    def listener(self) -> int | None:
        """The process that SIGUSR1 may be sent to; it ends any other."""
        found = None if self._journal is None else self._read(self._beside("listens"), dict[str, int])
        return found.get("pid") if found else None

    def deafen(self) -> None:
        """Nobody listens any more."""
        self._beside("listens").unlink(missing_ok=True)

    def beat(self, *, connected: bool) -> None:
        """This process lives: the time of the file says when it last did."""
        path, beat = self._beside("alive"), Beat(pid=os.getpid(), connected=connected)
        if beat == self._beaten:
            os.utime(path)
        else:
            self._write(path, beat, durable=False)
            self._beaten = beat

    def last_beat(self) -> Beat | None:
        """The last sign of life of a run that has begun and not ended by itself."""
        path = self._beside("alive")
        found = self._read(path, Beat)
        try:
            return found and msgspec.structs.replace(found, ts=path.stat().st_mtime_ns)
        except OSError:
            return None

    def still(self) -> None:
        """The run has ended by itself."""
        self._beaten = None
        self._beside("alive").unlink(missing_ok=True)

    def _path(self, scope: str) -> str:
        found = self._paths.get(scope)
        if found is None:
            found = str(self._beside(f"halt.{quote(scope, safe='')}" if scope else "halt"))
            self._paths[scope] = found
        return found

    def _beside(self, name: str) -> Path:
        if self._journal is None:
            raise PunaError("A journal in memory has no latch.", state="Nothing was changed.")
        return self._journal.with_name(f"{self._journal.name}.{name}")

    def _read(self, path: Path, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError, ValueError):
            return None

    def _write(self, path: Path, value: msgspec.Struct | dict[str, int], *, durable: bool = True) -> None:
        half = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            file = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(file, msgspec.json.encode(value))
                if durable:
                    os.fsync(file)
            finally:
                os.close(file)
            half.replace(path)
            if durable:
                _settle(path.parent)
        except OSError as error:
            raise PunaError(
                f"{path} cannot be written.",
                why=error.strerror or str(error),
                state="Nothing was changed by this command.",
                remedy="Make room or correct the permissions, or end the process: a halt can be written at any time.",
                code="E901",
            ) from error


def _settle(folder: Path) -> None:
    """Makes a new name in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
