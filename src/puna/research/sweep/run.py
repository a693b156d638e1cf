"""A sweep: a search asks for cells, workers try them, the store keeps every row the moment it is there.

The rows that come out are in the order of the search and the same for the same plan, whatever the number of workers,
and however often the sweep was interrupted and resumed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from puna.research.sweep.cells import Cell, Failure, Row
from puna.research.sweep.search import Search
from puna.research.sweep.store import Store
from puna.research.sweep.workers import Costs, Workers
from puna.seams import SystemClock

__all__ = ["Progress", "run_cells", "sweep"]


@dataclass(slots=True)
class Progress:
    """How far a sweep has come; `told` is called whenever that changes.

    `tests` of what was run anew were windows of walk-forward; `work` is what all of it took, added up, and `took` how
    long that was on the clock, ns. `costs` are those of the workers.
    """

    total: int = 0
    done: int = 0
    present: int = 0
    failed: int = 0
    tests: int = 0
    work: int = 0
    took: int = 0
    costs: Costs = field(default_factory=Costs)
    told: Callable[["Progress"], None] = field(default=lambda _: None)

    def count(self, row: Row, *, present: bool = False) -> None:
        """One more row."""
        self.done += 1
        self.present += present
        self.tests += not present and row.cell.window is not None
        self.work += 0 if present else row.nanos
        self.failed += isinstance(row.result, Failure)
        self.told(self)


def sweep(search: Search, workers: Workers, store: Store, progress: Progress | None = None) -> list[Row]:
    """Runs what of the search is not in the store yet, and gives every row, in the order of the search.

    Args:
        search: which cells.
        workers: who tries them, entered.
        store: what is there, and where rows go.
        progress: told of every row.
    """
    progress = progress or Progress()
    progress.total = search.total
    progress.told(progress)
    rows: list[Row] = []
    while cells := search.ask(rows):
        rows += _run(cells, workers, store, progress)
    return rows


def run_cells(cells: Sequence[Cell], workers: Workers, store: Store, progress: Progress | None = None) -> list[Row]:
    """Runs what of these further cells is not in the store yet, and gives their rows in the same order."""
    progress = progress or Progress()
    progress.total += len(cells)
    progress.told(progress)
    return _run(cells, workers, store, progress)


def _run(cells: Sequence[Cell], workers: Workers, store: Store, progress: Progress) -> list[Row]:
    found = {cell.key: row for cell in cells if (row := store.get(cell))}
    for row in found.values():
        progress.count(row, present=True)
    clock = SystemClock()
    began = clock.monotonic()
    for row in workers.run([cell for cell in cells if cell.key not in found]):
        store.put(row)
        found[row.cell.key] = row
        progress.count(row)
    progress.took += clock.monotonic() - began
    return [found[cell.key] for cell in cells]
