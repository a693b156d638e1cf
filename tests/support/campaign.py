"""Runs trials: an exchange in one process, a trading process that is killed and started again, and the verdict.

`python tests/support/campaign.py LINE` runs one trial again, with its whole story.
"""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import msgspec
from bourse import Bourse, Closed, Opening
from script import SCRIPTS
from trial import Ended, Kill, Life, Trial
from verdict import Final, Memory, Source, event_log, journal_entries, judge, judge_torn, story, unjournaled
from zygote import Zygote

from puna.errors import JournalError

__all__ = ["Campaign", "Result"]

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - SIGKILL loses nothing that was written, so the disk need not be waited for


@dataclass
class Result:
    """What came of a trial.

    Attributes:
        trial: which one it was.
        lives: how each process ended.
        wrong: what differs; empty when nothing does.
        points: how often each point was passed, by the processes that could say so.
        struck: the faults that struck.
        told: the journal and the exchange's log in words.
        source: what the verdict was made from.
        log_hash: of the exchange's event log.
        seconds: how long the trial took.
    """

    trial: Trial
    lives: list[Ended] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    points: dict[str, int] = field(default_factory=dict)
    struck: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    source: Source | None = None
    log_hash: str = ""
    seconds: float = 0.0

    @property
    def killed(self) -> int:
        """How many processes were killed."""
        return sum(life.signal == signal.SIGKILL for life in self.lives)

    def report(self) -> str:
        """What is wrong, and how to see it again."""
        return "\n".join([f"python tests/support/campaign.py '{self.trial.line()}'", *self.wrong])


class Campaign:
    """One exchange process and one zygote, for any number of trials, one after the other.

    Args:
        stories: whether to tell the story of trials that went well, too.
    """

    def __init__(self, *, stories: bool = False) -> None:
        self._stories = stories
        self._base = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self._bourse = Bourse()
        self._zygote = Zygote()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zygote.close()
        self._bourse.end()

    @cached_property
    def points(self) -> dict[str, int]:
        """The named points, and how often a process that nothing befalls passes each."""
        return self.run(Trial()).points

    def random_kill(self, rng: Random) -> Kill:
        """Some pass of some point; of its passes the earlier half, which a disturbed process reaches as well."""
        point = rng.choice(sorted(self.points))
        return Kill(point, rng.randint(1, max(1, self.points[point] // 2)))

    def run(self, trial: Trial, *, keep: Path | None = None) -> Result:
        """Runs one trial, from its exchange to its verdict; `keep` gets the journal of the first death."""
        began = time.perf_counter()
        folder = Path(tempfile.mkdtemp(prefix="puna-trial-", dir=self._base))
        try:
            result = self._run(trial, folder, keep)
        finally:
            shutil.rmtree(folder)
        result.seconds = time.perf_counter() - began
        return result

    def _run(self, trial: Trial, folder: Path, keep: Path | None) -> Result:
        result = Result(trial)
        log = folder / "log"
        url = self._bourse.open(Opening(seed=trial.seed, faults=trial.faults, log=str(log), hidden=trial.hidden))
        for life in _lives(trial, url, folder):
            ended = self._zygote.live(life)
            result.lives.append(ended)
            result.wrong += self._at_death(folder, life, ended, whole=trial.torn == 1 or not life.number)
            if keep is not None and not life.number:
                for file in folder.glob("journal.sqlite*"):
                    shutil.copy(file, keep)
            if trial.torn < 1 and not life.number:
                _tear(folder / "journal.sqlite", trial.torn)
            if result.wrong or (ended.signal != signal.SIGKILL and not life.pages):
                break
        closed = self._bourse.close()
        self._judge(result, closed, folder)
        return result

    def _at_death(self, folder: Path, life: Life, ended: Ended, *, whole: bool) -> list[str]:
        """What can be said while both sides stand still: I16, and that the process ended as it should."""
        wrong = []
        output = (folder / f"output-{life.number}").read_text()
        full = life.pages and "JournalError" in output
        if ended.signal not in (0, signal.SIGKILL) or (ended.status and not full):
            wrong.append(f"process {life.number} ended with signal {ended.signal}, status {ended.status}:\n{output}")
        journal = folder / "journal.sqlite"
        try:
            entries = journal_entries(journal) if journal.exists() else []
        except (JournalError, OSError) as error:
            return [*wrong, f"the journal cannot be read after process {life.number}: {error}"]
        return [*wrong, *(unjournaled(event_log(folder / "log"), entries) if whole else ())]

    def _judge(self, result: Result, closed: Closed, folder: Path) -> None:
        source = Source(
            log=event_log(folder / "log"),
            closed=closed,
            entries=journal_entries(folder / "journal.sqlite"),
            told=_lines(folder / "told"),
            final=_final(folder / "final"),
        )
        result.source = source
        result.log_hash = sha256((folder / "log").read_bytes()).hexdigest()
        if not result.wrong and result.trial.torn < 1:
            result.wrong += judge_torn(source)
        elif not result.wrong:
            steps = SCRIPTS[result.trial.script]
            result.wrong += judge(source, wanted={step.name: step.end for step in steps if not step.cancels})
        result.struck = closed.struck
        points = folder / "points"
        result.points = msgspec.json.decode(points.read_bytes(), type=dict[str, int]) if points.exists() else {}
        if result.wrong or self._stories:
            result.told = story(source)


def _lives(trial: Trial, url: str, folder: Path) -> Iterator[Life]:
    """The processes of a trial: those that are killed or have a full disk, and one that is left alone."""
    ends: list[tuple[Kill | None, int]] = [(None, trial.pages)] if trial.pages else []
    ends += [(kill, 0) for kill in (*trial.kills, None)]
    for number, (kill, pages) in enumerate(ends):
        minutes = trial.minutes * 2 if trial.pages and not pages else trial.minutes
        yield Life(
            url=url,
            folder=str(folder),
            number=number,
            script=trial.script,
            minutes=minutes,
            kill=kill,
            pages=pages,
            settle=0.02 if trial.hidden else 0.5,
        )


def _tear(journal: Path, left: float) -> None:
    """The end of the journal's write-ahead log never came to the disk, nor did its index."""
    log = journal.with_name(f"{journal.name}-wal")
    with log.open("r+b") as file:
        file.truncate(int(log.stat().st_size * left))
    journal.with_name(f"{journal.name}-shm").unlink(missing_ok=True)


def _lines(path: Path) -> list[Memory]:
    """Whole lines only: a process may have been killed while it wrote."""
    whole, _, _ = path.read_bytes().rpartition(b"\n") if path.exists() else (b"", b"", b"")
    return [msgspec.json.decode(line, type=Memory) for line in whole.split(b"\n") if line]


def _final(path: Path) -> Final | None:
    return msgspec.json.decode(path.read_bytes(), type=Final) if path.exists() else None


def _main(line: str) -> int:
    with Campaign(stories=True) as campaign:
        result = campaign.run(msgspec.json.decode(line, type=Trial))
    for text in (*result.told, result.report(), f"{result.lives}", f"{result.seconds:.3f} s, points {result.points}"):
        sys.stdout.write(f"{text}\n")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
