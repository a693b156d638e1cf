"""One run of a check in a process of its own: `python -m puna.cli.check_child JOB`, for `puna check` only.

The process was started with an order of sets of its own. The wall clock is put off before the strategies are loaded,
and who opens files or dials is written down. What was decided goes into the job's `out`.
"""

import datetime as dt
import os
import sys
import sysconfig
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from puna.cli.backtest_data import history_for
from puna.cli.strategy_code import team_from
from puna.errors import ConfigError
from puna.research.checks.case import Case, ended_at, latest
from puna.research.checks.decisions import Choice, choices_of
from puna.research.checks.elsewhere import There

__all__ = ["Job", "main"]

_Moment: TypeAlias = dt.datetime
_Day: TypeAlias = dt.date

_CODE = frozenset({"", ".py", ".pyc", ".pyi", ".so", ".pth", ".toml", ".lock"})
_SYSTEM = ("/usr", "/etc", "/lib", "/proc", "/sys", "/dev", "/opt", "/System", "/Library")


class Job(msgspec.Struct, frozen=True):
    """What is to be run: the options of `puna check`, where the bars end, how far the clock is off."""

    path: str
    out: str
    store: str
    bundled: bool
    timeframe: str | None
    feed: str | None
    adjust: str
    start: dt.date | None
    stop: dt.date | None
    seed: int
    end: int | None
    shift: int
    bars: int
    imports: list[str] = []


class _Ears:
    """What Python tells of files that are opened and of hosts that are dialled."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.hosts: set[str] = set()
        self.listening = False
        ours = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "data")]
        package = str(Path(__file__).resolve().parents[1])
        self._known = (*ours, package, sys.prefix, sys.base_prefix, *_SYSTEM)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.listening:
            return
        if event in ("open", "sqlite3.connect") and isinstance(args[0], str | bytes | os.PathLike):
            mode = args[1] if event == "open" else "r"
            if not (isinstance(mode, str) and set(mode) & set("wax")):
                self._file(os.path.abspath(os.fsdecode(args[0])))  # noqa: PTH100 - inside of an audit hook
        elif event == "socket.getaddrinfo":
            self.hosts.add(str(args[0]))
        elif event == "socket.connect":
            self.hosts.add(str(args[1][0] if isinstance(args[1], tuple) else args[1]))

    def _file(self, name: str) -> None:
        if os.path.splitext(name)[1] not in _CODE and not name.startswith(self._known):  # noqa: PTH122 - the same
            self.files.add(name)


def main(job_file: str) -> None:
    """Runs the job that the file holds."""
    job = msgspec.json.decode(Path(job_file).read_bytes(), type=Job)
    for name in job.imports:  # what is imported later would take the shifted clock for its own
        with suppress(Exception):
            import_module(name)
    ears = _Ears()
    sys.addaudithook(ears.hear)
    if job.shift:
        _shift(job.shift)
    ears.listening = True
    try:
        config, team = team_from(Path(job.path))
    except ConfigError as error:
        if job.end is None:
            raise
        failed = Choice(0, "", "", f"it cannot be loaded: {error.why}", "failed", failure=True)
        Path(job.out).write_bytes(msgspec.json.encode(There([failed], sorted(ears.files), sorted(ears.hosts))))
        return
    ears.listening = False
    history = history_for(
        team, config, store=Path(job.store), bundled=job.bundled, timeframe=job.timeframe, feed=job.feed,
        adjustment=job.adjust, days=(job.start, job.stop), seed=job.seed,
    )  # fmt: skip
    history = latest(history, job.bars)
    if job.end is not None:
        history = ended_at(history, job.end)
    case = Case(lambda: team, history, config.sim.cash, job.seed, config.risk, config.sleeves.netting)
    ears.listening = True
    choices = choices_of(case.whole.entries)
    ears.listening = False
    there = There(choices, sorted(ears.files), sorted(ears.hosts))
    Path(job.out).write_bytes(msgspec.json.encode(there))


def _shift(seconds: int) -> None:
    """Puts the wall clock off, for whoever asks `time` or `datetime` from now on."""

    def later(ask: Callable[[], Any], by: int) -> Callable[[], Any]:
        return lambda: ask() + by

    time.time = later(time.time, seconds)  # noqa: TID251 - this is where the wall clock is made another one
    time.time_ns = later(time.time_ns, seconds * 10**9)  # noqa: TID251 - the same
    dt.datetime, dt.date = _shifted(seconds)  # type: ignore[misc]


def _shifted(seconds: int) -> tuple[Any, Any]:
    """The classes datetime and date, with another now; what they make are plain ones."""
    off = dt.timedelta(seconds=seconds)

    class AsMoment(type):
        def __instancecheck__(cls, found: object) -> bool:
            return isinstance(found, _Moment)

    class AsDay(type):
        def __instancecheck__(cls, found: object) -> bool:
            return isinstance(found, _Day)

    class Moment(_Moment, metaclass=AsMoment):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return _Moment.now(tz) + off

        @classmethod
        def utcnow(cls) -> Any:
            return _Moment.now(dt.UTC).replace(tzinfo=None) + off

        @classmethod
        def today(cls) -> Any:
            return _Moment.now(dt.UTC).astimezone().replace(tzinfo=None) + off

    class Day(_Day, metaclass=AsDay):
        @classmethod
        def today(cls) -> Any:
            return (_Moment.now(dt.UTC).astimezone() + off).date()

    return Moment, Day


if __name__ == "__main__":
    main(sys.argv[1])
