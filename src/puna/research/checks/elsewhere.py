"""The same run in another place: a fresh process, other orders of sets, another wall clock, tables that end earlier."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from puna.research.checks.decisions import Choice

__all__ = ["Elsewhere", "Place", "There"]


class Place(NamedTuple):
    """Where a run happens.

    Attributes:
        hash_seed: PYTHONHASHSEED, which decides the order of sets.
        shift: seconds by which the wall clock is off.
        end: ns; the bars end there; None is the whole history.
        tables: the files beside the strategy end there too.
    """

    hash_seed: int = 1
    shift: int = 0
    end: int | None = None
    tables: bool = False


class There(msgspec.Struct, frozen=True):
    """What came of it.

    Args:
        choices: what was decided.
        files: data files that were opened, as far as Python sees it.
        hosts: who was dialled.
        cut: tables that ended with the bars.
        uncut: data files of the folder that cannot be cut.
    """

    choices: Sequence[Choice]
    files: Sequence[str] = ()
    hosts: Sequence[str] = ()
    cut: Sequence[str] = ()
    uncut: Sequence[str] = ()


class Elsewhere(Protocol):
    """Runs a case in other places."""

    def seeds(self, words: Sequence[str]) -> tuple[int, int]:
        """Two PYTHONHASHSEEDs under which a set of these words has different orders."""

    def run(self, place: Place) -> There:
        """The decisions of the same run there.

        Raises:
            PunaError: E677, it could not be run there.
        """
