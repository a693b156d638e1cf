"""A history that processes share: mapped to the last bit, read-only, and what a sweep's processes run on."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from puna.cli import sweep_trial
from puna.cli.sweep_keys import targets
from puna.cli.sweep_trial import BacktestTrial, Bars
from puna.research.backtest.data import bundled_days
from puna.research.sweep.axes import Axis, read_axes, typed
from puna.research.sweep.cells import Outcome
from puna.research.sweep.cost import spent, told
from puna.research.sweep.run import Progress, sweep
from puna.research.sweep.search import Grid
from puna.research.sweep.shared import mapped, share
from puna.research.sweep.store import stored
from puna.research.sweep.workers import Here, Processes

CONFIG = Path(__file__).parents[2] / "examples" / "crossing.toml"
SPAN = (date(2006, 1, 1), date(2006, 2, 28))


@given(
    st.lists(
        arrays.arrays(st.sampled_from([np.float64, np.int64, np.bool_]), arrays.array_shapes(min_side=0)), max_size=4
    )
)
def test_what_is_mapped_is_what_was_shared(tmp_path_factory: pytest.TempPathFactory, given: list[np.ndarray]) -> None:
    """Arrays of any type and shape, also those whose numbers do not lie side by side, among other things."""
    file = tmp_path_factory.mktemp("shared") / "file"
    thing = {
        "name": "x",
        "arrays": given,
        "turned": [each.T for each in given],
        "every other": [each[::2] for each in given],
    }
    found = mapped(share(thing, file))
    assert found["name"] == "x"
    for key in ("arrays", "turned", "every other"):
        for one, other in zip(thing[key], found[key], strict=True):
            assert one.dtype == other.dtype  # type: ignore[attr-defined]
            np.testing.assert_array_equal(one, other)


def test_a_mapped_history_is_not_a_copy(tmp_path: Path) -> None:
    """Every column lies in the file and cannot be changed; it is the same history by its hash."""
    history = bundled_days(["IBM", "AAPL"], *SPAN)
    found = mapped(share(history, tmp_path / "file"))
    assert found.digest == history.digest
    for columns in found.columns.values():
        for each in columns[1:]:
            assert not each.flags.owndata
            assert not each.flags.writeable


def trial() -> BacktestTrial:
    words = read_axes(["fast=2,3", "slow=5"])
    return BacktestTrial(
        CONFIG, tuple(targets(CONFIG, words)), Bars(*SPAN, Path("history"), True, None, None, "raw"), "realistic", 7
    )


def test_a_process_that_shares_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds the history in the file, and gives what a process that has read it gives, to the last bit."""
    values = {"fast": 2, "slow": 5}
    alone = trial()(values)
    shared = trial().sharing(tmp_path)
    assert shared.shared is not None
    monkeypatch.setattr(sweep_trial, "_READ", {})
    monkeypatch.setattr(sweep_trial, "history_for", _unread)
    shared.prepare()
    assert shared(values) == alone
    sweep_trial._READ.clear()
    with pytest.raises(AssertionError):
        trial().prepare()  # that it would be seen


def _unread(*_: object, **__: object) -> None:
    raise AssertionError("it was read")


def test_a_history_that_cannot_be_shared_is_read_by_each(tmp_path: Path) -> None:
    """A folder that is not there is no reason to end a sweep."""
    assert trial().sharing(tmp_path / "nowhere").shared is None


def test_what_a_sweep_cost_is_told(tmp_path: Path) -> None:
    """Runs, cores, processes and their start; nothing where every cell was there; one core has nothing to start."""
    search = Grid([typed_axis()])
    progress = Progress()
    with stored(tmp_path) as store, Processes(still, 2) as two:
        progress.costs = two.costs
        sweep(search, two, store, progress)
    found = spent(progress)
    assert found is not None
    assert (found.runs, found.cores, found.processes) == (6, 2, 2)
    assert found.starting > found.reading >= 0
    assert found.overhead * 6 + found.per_run * 6 == pytest.approx(2 * found.seconds)
    assert "to start two processes" in told(found)
    again, alone = Progress(), Progress()
    with stored(tmp_path) as store, Here(still) as one:
        sweep(search, one, store, again)
    assert spent(again) is None
    with stored(None) as store, Here(still) as one:
        alone.costs = one.costs
        sweep(search, one, store, alone)
    assert (cost := spent(alone)) is not None
    assert (cost.cores, cost.processes) == (1, 0)
    assert "to start" not in told(cost)


def typed_axis() -> Axis:
    return typed(read_axes(["x=1..6"])[0], "whole")


def still(values: object) -> Outcome:
    return Outcome({}, [1, 2], [0.0, 0.0])
