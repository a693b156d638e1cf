"""A sweep's cell, what became of it, and the trial that turns the one into the other."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, cast

import msgspec

from puna.errors import PunaError
from puna.research.sweep.axes import Value

__all__ = ["Cell", "Failure", "Outcome", "Result", "Row", "Trial", "Window", "Windowed", "attempt", "prepare"]


class Window(msgspec.Struct, frozen=True):
    """A stretch of time that a cell is run on afresh, ns.

    Args:
        begin: bars that end after it are heard; those between it and `after` without an order.
        after: the end of the last period before the window.
        until: the end of its last period.
        daily: whether its periods are days, or bars.
    """

    begin: int
    after: int
    until: int
    daily: bool


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    """One choice of values: its place in the search, from 0, and key -> value in the order of the axes.

    With a window it is that choice run afresh on the window alone.
    """

    number: int
    values: dict[str, Value]
    window: Window | None = None

    @property
    def key(self) -> str:
        """What it is known by: the same values and window, the same key, whatever its number."""
        return msgspec.json.encode(self.values if self.window is None else [self.values, self.window]).decode()


class Outcome(msgspec.Struct, frozen=True):
    """What a cell gave.

    Args:
        metrics: name -> number; None where the cell does not tell.
        ends: ns, the end of each period, the same periods in every cell of a sweep.
        returns: the return of each period, a fraction.
        per_year: periods in a year.
        daily: whether the periods are days, or bars.
    """

    metrics: dict[str, float | None]
    ends: list[int]
    returns: list[float]
    per_year: float = 252.0
    daily: bool = True


class Failure(msgspec.Struct, frozen=True):
    """Why a cell gave nothing."""

    code: str
    what: str
    why: str = ""


Result: TypeAlias = Outcome | Failure
Trial: TypeAlias = Callable[[Mapping[str, Value]], Outcome]
"""Values -> outcome. It is sent to other processes, so it must be picklable; the same values give the same outcome."""


def prepare(trial: Trial) -> None:
    """Lets a trial that has `prepare` do once in a process what all of its cells need, such as reading the history."""
    if (ready := getattr(trial, "prepare", None)) is not None:
        ready()


class Windowed(Protocol):
    """A trial that can also be run on a part of its time, as if it began there."""

    def __call__(self, values: Mapping[str, Value], /) -> Outcome:
        """Over the whole span."""

    def within(self, values: Mapping[str, Value], window: Window) -> Outcome:
        """Over the window, with nothing held at its beginning; the outcome has the periods after `window.after`."""


class Row(msgspec.Struct, frozen=True):
    """A cell with its result and the nanoseconds that it took."""

    cell: Cell
    result: Result
    nanos: int = 0


def attempt(trial: Trial, cell: Cell) -> Result:
    """The outcome of a cell, or why there is none: an error of one cell does not end a sweep."""
    try:
        if cell.window is not None:
            return cast("Windowed", trial).within(cell.values, cell.window)
        return trial(cell.values)
    except PunaError as error:
        return Failure(error.code, error.what, error.why)
    except Exception as error:  # noqa: BLE001 - a strategy is somebody else's program
        return Failure("E683", f"{type(error).__name__}: {error}"[:500])
