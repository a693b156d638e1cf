"""How many trials a run was chosen from: a number, or what finished sweeps say in their sweep.json."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import msgspec

from puna.engine.record import RunRecord
from puna.errors import DataError
from puna.research.sweep.store import Plan

__all__ = ["SWEEP", "Tried", "sign", "tried_in", "tried_of"]

SWEEP = "sweep.json"


class Tried(msgspec.Struct, frozen=True):
    """What there was to choose from.

    Args:
        trials: how many were run and gave a result.
        effective: how many independent ones they are worth; 0 where nobody knows.
        deviation: standard deviation of their Sharpe ratios, per day; 0 where nobody knows.
        sweeps: the folders of the sweeps.
    """

    trials: int
    effective: float = 0.0
    deviation: float = 0.0
    sweeps: tuple[str, ...] = ()


class _Saved(msgspec.Struct):
    """What of a sweep.json is needed here."""

    plan: Plan
    cells: int
    failed: int
    effective: float
    deviation: float = 0.0
    daily: bool = True


_READER = msgspec.json.Decoder(_Saved)


def tried_in(folder: Path) -> Tried:
    """The trials of the sweep in a folder.

    Raises:
        DataError: E654, there is no sweep.json that can be read.
    """
    try:
        return _tried(folder, _READER.decode((folder / SWEEP).read_bytes()))
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(
            f"{folder} tells no trials.",
            why=f"{SWEEP} cannot be read: {str(error)[:150]}",
            state="Nothing was written.",
            remedy="Name the folder of a sweep that has ended, or how many trials there were.",
            code="E654",
        ) from error


def tried_of(config: Path, runs: Path) -> Tried | None:
    """The trials of all finished sweeps of a configuration in the folders of `runs`; None where there is none."""
    found = []
    for file in sorted(runs.glob(f"*/{SWEEP}")):
        try:
            saved = _READER.decode(file.read_bytes())
        except (OSError, msgspec.DecodeError):
            continue  # somebody else's file: nothing hangs on it
        if saved.plan.options.get("config") == str(config.resolve()):
            found.append(_tried(file.parent, saved))
    return _together(found) if found else None


def sign(record: RunRecord, tried: Tried) -> None:
    """Notes in a record what it was chosen from."""
    record.trials, record.trials_effective = max(1, tried.trials), tried.effective
    record.trial_deviation, record.trials_from = tried.deviation, list(tried.sweeps)


def _tried(folder: Path, saved: _Saved) -> Tried:
    deviation = saved.deviation if saved.daily and isfinite(saved.deviation) else 0.0
    return Tried(saved.cells - saved.failed, saved.effective, deviation, (folder.name,))


def _together(found: Sequence[Tried]) -> Tried:
    """Of several sweeps: all their trials, and the widest scatter of them."""
    return Tried(
        sum(each.trials for each in found),
        sum(each.effective for each in found),
        max(each.deviation for each in found),
        tuple(name for each in found for name in each.sweeps),
    )
