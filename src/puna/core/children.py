"""What evidence does to the children of a parent, whatever style works them: the part that all algorithms share.

A child's whole quantity counts as taken until the broker has said that it ended and it was read again since. Evidence
may come late, twice and in any order: cumulative quantities only grow, and what has ended stays ended.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from puna.core.parent import Action, CancelChild, Child, ReadChild, State

__all__ = ["cancelled", "changed", "read", "recalled", "with_child"]

S = TypeVar("S", bound=State)


def changed(state: S, number: int, filled: Decimal, *, ended: bool) -> tuple[S, tuple[Action, ...]]:
    """The state with evidence about a child; one that has ended is to be read once more."""
    child = state.children[number]
    known = _merged(child, filled, ended=ended)
    if known.filled >= known.qty:  # nothing can come after a full fill
        return with_child(state, replace(known, ended=True, settled=True)), ()
    first = known.ended and not child.ended
    return with_child(replace(state, refusals=0), known), (ReadChild(number),) if first else ()


def read(state: S, number: int, filled: Decimal, *, ended: bool) -> tuple[S, tuple[Action, ...]]:
    """Settles the child when the reading itself says that it has ended; an older reading is asked for again."""
    child = state.children[number]
    known = _merged(child, filled, ended=ended)
    state = with_child(state, replace(known, settled=known.settled or ended))
    return state, (ReadChild(number),) if known.ended and not ended and not known.settled else ()


def cancelled(state: S, children: Iterable[Child]) -> tuple[S, tuple[Action, ...]]:
    """Asks once for each."""
    asked = [child for child in children if not child.cancelling]
    for child in asked:
        state = with_child(state, replace(child, cancelling=True))
    return state, tuple(CancelChild(child.number) for child in asked)


def recalled(children: Iterable[Child]) -> tuple[Child, ...]:
    """Children as they stand after a restart: what has ended is read again before anything of it counts as free."""
    return tuple(
        replace(child, settled=child.refused or child.filled >= child.qty, cancelling=False) for child in children
    )


def with_child(state: S, child: Child) -> S:
    """The state with another word on one child."""
    children = (*state.children[: child.number], child, *state.children[child.number + 1 :])
    return replace(state, children=children)


def _merged(child: Child, filled: Decimal, *, ended: bool) -> Child:
    """Cumulative quantities only grow, what has ended stays ended; what was refused and lives was not refused."""
    alive = child.refused and (not ended or filled > 0)
    if alive:
        child = replace(child, refused=False, ended=False, settled=False)
    return replace(child, filled=max(child.filled, filled), ended=child.ended or ended)
