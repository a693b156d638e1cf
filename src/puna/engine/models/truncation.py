"""The look-ahead check: what was known at a bar must not change when the bars after it are taken away."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from puna.core.types import Bar
from puna.engine.models.protocol import Column, ModelError

__all__ = ["LookAhead", "look_ahead"]


class LookAhead(NamedTuple):
    """A feature whose value at a row depends on bars after it.

    Attributes:
        feature: its name.
        row: the first row at which it was noticed.
        whole: its value with all bars.
        truncated: its value when the history ends at `cut`.
        cut: how many bars were left.
    """

    feature: str
    row: int
    whole: float
    truncated: float
    cut: int

    def __str__(self) -> str:
        return (
            f"{self.feature} looks ahead: at row {self.row} it is {self.whole!r} with all bars, "
            f"and {self.truncated!r} when the history ends after {self.cut} bars"
        )


def look_ahead(
    compute: Callable[[Sequence[Bar]], Column],
    bars: Sequence[Bar],
    names: Sequence[str],
    *,
    cuts: int = 50,
) -> list[LookAhead]:
    """Every feature that looks ahead, once, in the order of `names`; none is found when all bits stay the same.

    Args:
        compute: bars of one symbol -> a table (bars, names).
        bars: the history.
        names: of the columns.
        cuts: how many truncations are tried, spread over the history, the last bars always among them.

    Raises:
        ModelError: `compute` gives another shape than (bars, names).
    """
    whole = _computed(compute, bars, names)
    found: dict[str, LookAhead] = {}
    for cut in np.unique(np.linspace(1, max(len(bars) - 1, 1), cuts).astype(int)).tolist():
        truncated = _computed(compute, bars[:cut], names)
        known = whole[:cut]
        differs = ~((known == truncated) | (np.isnan(known) & np.isnan(truncated)))
        for column in np.flatnonzero(differs.any(axis=0)).tolist():
            row = int(np.argmax(differs[:, column]))
            finding = LookAhead(names[column], row, float(known[row, column]), float(truncated[row, column]), cut)
            found.setdefault(names[column], finding)
    return [found[name] for name in names if name in found]


def _computed(compute: Callable[[Sequence[Bar]], Column], bars: Sequence[Bar], names: Sequence[str]) -> Column:
    table = np.asarray(compute(bars), dtype=np.float64)
    if table.shape != (len(bars), len(names)):
        raise ModelError(f"{len(bars)} bars and {len(names)} names gave a table of the shape {table.shape}.")
    return table
