"""A sweep's cell, what became of it, and the trial that turns the one into the other."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from puna.errors import PunaError
from puna.research.sweep.axes import Value

__all__ = ["Cell", "Failure", "Outcome", "Result", "Row", "Trial", "attempt"]


class Cell(msgspec.Struct, frozen=True):
    """One choice of values: its place in the search, from 0, and key -> value in the order of the axes."""

    number: int
    values: dict[str, Value]

    @property
    def key(self) -> str:
        """What it is known by: the same values, the same key, whatever its number."""
        return msgspec.json.encode(self.values).decode()


class Outcome(msgspec.Struct, frozen=True):
    """What a cell gave.

    Args:
        metrics: name -> number; None where the cell does not tell.
        ends: ns, the end of each period, the same periods in every cell of a sweep.
        returns: the return of each period, a fraction.
        per_year: periods in a year.
    """

    metrics: dict[str, float | None]
    ends: list[int]
    returns: list[float]
    per_year: float = 252.0


class Failure(msgspec.Struct, frozen=True):
    """Why a cell gave nothing."""

    code: str
    what: str
    why: str = ""


Result: TypeAlias = Outcome | Failure
Trial: TypeAlias = Callable[[Mapping[str, Value]], Outcome]
"""Values -> outcome. It is sent to other processes, so it must be picklable; the same values give the same outcome."""


class Row(msgspec.Struct, frozen=True):
    """A cell with its result and the nanoseconds that it took."""

    cell: Cell
    result: Result
    nanos: int = 0


def attempt(trial: Trial, cell: Cell) -> Result:
    """The outcome of a cell, or why there is none: an error of one cell does not end a sweep."""
    try:
        return trial(cell.values)
    except PunaError as error:
        return Failure(error.code, error.what, error.why)
    except Exception as error:  # noqa: BLE001 - a strategy is somebody else's program
        return Failure("E683", f"{type(error).__name__}: {error}"[:500])
