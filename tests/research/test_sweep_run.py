"""Running a sweep: the same rows from one core and two, nothing lost when a worker is killed, resumed where it was."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sweep_trials import Crossing, Endless, Perilous, Stubborn

from puna.errors import ConfigError, JournalError, PunaError
from puna.research.sweep.axes import Axis, read_axes, typed
from puna.research.sweep.cells import Failure, Outcome, Result, Row, Trial
from puna.research.sweep.optuna_search import Optuna
from puna.research.sweep.ray_cluster import Cluster
from puna.research.sweep.run import Progress, sweep
from puna.research.sweep.search import Grid
from puna.research.sweep.store import Plan, stored
from puna.research.sweep.workers import DEATHS, Here, Processes

pytestmark = pytest.mark.timeout(180)  # processes take their time to start on a busy machine


def axes(*words: str) -> list[Axis]:
    return [typed(each, "whole") for each in read_axes(words)]


def results(rows: list[Row]) -> list[tuple[int, str, Result]]:
    """What must not depend on where and how fast it was found."""
    return [(row.cell.number, row.cell.key, row.result) for row in rows]


def tries(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_two_processes_find_what_one_core_finds(folder: Path) -> None:
    """Crossings of averages on the real prices of IBM: the same cells and the same returns, to the last bit."""
    search = Grid(axes("fast=2..10:4", "slow=20..60:20"))
    with stored(None) as store, Here(Crossing()) as here:
        one = sweep(search, here, store)
    with stored(folder) as store, Processes(Crossing(), 2) as two:
        assert results(sweep(search, two, store)) == results(one)
    assert len(one) == 9
    assert all(isinstance(row.result, Outcome) and len(row.result.returns) > 900 for row in one)
    with stored(folder) as store, Here(_never) as nobody:  # the folder gives it again without a single trial
        assert results(sweep(search, nobody, store)) == results(one)


def _never(values: object) -> Outcome:
    raise AssertionError(values)


def test_an_error_of_one_cell_does_not_end_the_sweep(folder: Path) -> None:
    """The cell has its error beside it, the others their outcome; only the failed one is tried again afterwards."""
    log, search = folder / "log", Grid(axes("x=0..4"))
    with stored(folder) as store, Here(Stubborn(log)) as here:
        rows = sweep(search, here, store)
    assert rows[2].result == Failure("E683", "ValueError: no such luck")
    assert all(isinstance(row.result, Outcome) for row in rows if row.cell.number != 2)
    progress = Progress()
    with stored(folder) as store, Here(Stubborn(log)) as here:
        sweep(search, here, store, progress)
    assert tries(log) == [0, 1, 2, 3, 4, 2]
    assert (progress.total, progress.done, progress.present, progress.failed) == (5, 5, 4, 1)


def expected_of_peril(rows: list[Row]) -> None:
    """Whatever died on the way, seven outcomes and the one failure that is a failure."""
    outcomes = [row.result.returns[0] for row in rows if isinstance(row.result, Outcome)]
    assert outcomes == [0, 1, 2, 3, 4, 6, 7]
    assert [row.cell.values["x"] for row in rows if isinstance(row.result, Failure)] == [5]


def test_killed_workers_lose_nothing_and_rows_come_as_they_are_done(folder: Path) -> None:
    """A cell that kills its process once is run again; one that always does is a failure; the others are not blamed.

    One cell waits for a file that is written when the first row comes: rows that came at the end only would never come.
    """
    started: list[int] = []
    go = Progress(told=lambda now: (folder / "go").touch() if now.done else None)
    with stored(None) as store, Processes(Perilous(folder), 2, started.append) as workers:
        rows = sweep(Grid(axes("x=0..7")), workers, store, go)
    expected_of_peril(rows)
    assert rows[5].result == Failure(
        "E683", f"{DEATHS} workers ended while they ran it", "the last one by signal SIGKILL"
    )
    assert (folder / "died").exists()
    assert len(started) in (5, 6)  # two, and one for each death but the last, if nothing was left then


def expected_of_an_endless_cell(rows: list[Row], folder: Path) -> None:
    """All others have their outcome, and the process that died in between is made up for."""
    assert [row.result.returns[0] for row in rows if isinstance(row.result, Outcome)] == [0, 1, 3, 4, 5]
    assert rows[2].result == Failure("E679", "it took longer than 4 s", "its process was ended")
    assert rows[2].nanos >= 4 * 10**9
    assert (folder / "died").exists()


def test_a_cell_that_never_ends_is_ended(folder: Path) -> None:
    """It is a failure of its own kind and costs no other cell anything; a resume tries it again, and no other."""
    search = Grid(axes("x=0..5"))
    with stored(folder) as store, Processes(Endless(folder), 2, timeout=4) as workers:
        expected_of_an_endless_cell(sweep(search, workers, store), folder)
    (folder / "mended").touch()
    progress = Progress()
    with stored(folder) as store, Processes(Endless(folder), 1, timeout=60) as workers:
        rows = sweep(search, workers, store, progress)
    assert [row.result.returns[0] for row in rows if isinstance(row.result, Outcome)] == [0, 1, 2, 3, 4, 5]
    assert (progress.done, progress.present) == (6, 5)


def test_a_cell_that_never_ends_is_ended_on_a_cluster_too(folder: Path) -> None:
    """Ray's workers run cells in processes that they can end; the others go on, and a resume tries it again."""
    pytest.importorskip("ray", reason="the extra `sweep` is not installed")
    search = Grid(axes("x=0..5"))
    with stored(folder) as store, started_cluster(Endless(folder), timeout=4) as workers:
        expected_of_an_endless_cell(sweep(search, workers, store), folder)
    (folder / "mended").touch()
    with stored(folder) as store, Here(Endless(folder)) as here:
        assert all(isinstance(row.result, Outcome) for row in sweep(search, here, store))


@contextmanager
def started_cluster(trial: Trial, timeout: float | None = None) -> Iterator[Cluster]:
    """A Ray instance of two processors; skips the test where Ray without any of our settings does not start either."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(Cluster(trial, jobs=2, timeout=timeout))
        except PunaError as error:
            ray = pytest.importorskip("ray")
            try:
                ray.init(num_cpus=1)
            except Exception:  # noqa: BLE001 - whatever keeps it from starting
                pytest.skip(f"Ray does not start on this machine: {error.why}")
            ray.shutdown()
            raise
        yield cluster


def test_a_ray_cluster_loses_nothing_either(folder: Path) -> None:
    """The same on a real Ray instance: killed workers, rows that stream back, one failure."""
    pytest.importorskip("ray", reason="the extra `sweep` is not installed")
    go = Progress(told=lambda now: (folder / "go").touch() if now.done else None)
    with stored(folder) as store, started_cluster(Perilous(folder)) as workers:
        rows = sweep(Grid(axes("x=0..7")), workers, store, go)
    expected_of_peril(rows)
    assert (folder / "died").exists()
    (folder / "died").unlink()
    with stored(None) as store, Processes(Perilous(folder), 2) as local:
        here = sweep(Grid(axes("x=0..4")), local, store)
    assert results(here) == results(rows)[:5]


def test_a_search_by_optuna_is_the_same_with_one_worker_and_two(folder: Path) -> None:
    """The same seed asks for the same cells, no cell twice, and what it found it finds again after an interruption."""
    pytest.importorskip("optuna", reason="the extra `sweep` is not installed")

    def search() -> Optuna:
        return Optuna(axes("fast=2..20:2", "slow=20..200:10"), 28, 7, sharpe)

    with stored(None) as store, Here(Crossing()) as here:
        one = sweep(search(), here, store)

    def interrupt(progress: Progress) -> None:
        if progress.done == 19:
            raise KeyboardInterrupt

    with Processes(Crossing(), 2) as two, pytest.raises(KeyboardInterrupt), stored(folder) as store:
        sweep(search(), two, store, Progress(told=interrupt))
    with Processes(Crossing(), 2) as two, stored(folder) as store:
        assert results(sweep(search(), two, store)) == results(one)
    assert len({row.cell.key for row in one}) == len(one) == 28
    found = [sharpe(row) or 0.0 for row in one]
    assert sum(found[14:]) > sum(found[:14])  # it comes back to where it was good


def test_optuna_takes_every_cell_of_a_small_grid_once() -> None:
    """It is not asked for a cell twice, and ends when there is none left; failed cells do not stop it."""
    pytest.importorskip("optuna", reason="the extra `sweep` is not installed")
    search = Optuna(axes("fast=10,20,2", "slow=20..40:10"), 100, 1, lambda row: None)
    assert search.total == 9
    with stored(None) as store, Here(Crossing()) as here:
        rows = sweep(search, here, store)
    assert {row.cell.key for row in rows} == {cell.key for cell in Grid(axes("fast=10,20,2", "slow=20..40:10")).ask([])}


def test_optuna_draws_from_a_range() -> None:
    """Numbers without steps are drawn from the whole range, and narrow down on what is good."""
    pytest.importorskip("optuna", reason="the extra `sweep` is not installed")
    span = typed(read_axes(["x=0.0..10.0"])[0], "number")
    search = Optuna([span], 40, 3, lambda row: -abs(float(row.cell.values["x"]) - 7))
    with stored(None) as store, Here(_flat) as here:
        rows = sweep(search, here, store)
    found = [float(row.cell.values["x"]) for row in rows]
    assert all(0 <= x <= 10 for x in found)
    assert min(abs(x - 7) for x in found) < 0.5


def _flat(values: object) -> Outcome:
    return Outcome({}, [1, 2], [0.0, 0.0])


def sharpe(row: Row) -> float | None:
    return row.result.metrics["sharpe"] if isinstance(row.result, Outcome) else None


def test_a_worker_killed_from_outside_loses_nothing(folder: Path) -> None:
    """Whoever kills a worker, its cell is run by another one."""
    started: list[int] = []

    def kill_the_first(progress: Progress) -> None:
        if progress.done == 3:
            os.kill(started[0], signal.SIGKILL)

    search = Grid(axes("fast=2..12:2", "slow=20..50:10"))
    with stored(folder) as store, Processes(Crossing(), 2, started.append) as workers:
        rows = sweep(search, workers, store, Progress(told=kill_the_first))
    with stored(None) as store, Here(Crossing()) as here:
        assert results(rows) == results(sweep(search, here, store))


def test_a_sweep_that_is_interrupted_goes_on_where_it_was(folder: Path) -> None:
    """What was there is not tried again, and the rows are those of a sweep that was never interrupted."""
    log, search = folder / "log", Grid(axes("x=3..8"))

    def interrupt(progress: Progress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), stored(folder) as store, Here(Stubborn(log)) as here:
        sweep(search, here, store, Progress(told=interrupt))
    assert tries(log) == [3, 4, 5]
    with stored(folder) as store, Here(Stubborn(log)) as here:
        rows = sweep(search, here, store)
    assert tries(log) == [3, 4, 5, 6, 7, 8]
    with stored(None) as store, Here(Stubborn(log)) as here:
        assert results(rows) == results(sweep(search, here, store))


def test_a_trial_that_cannot_be_sent_is_an_error() -> None:
    """E684 before anything runs: a function of a function has no name in another process."""
    with pytest.raises(PunaError) as caught:
        Processes(lambda values: Outcome({}, [], []), 2)
    assert caught.value.code == "E684"


def test_a_trial_that_cannot_be_loaded_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """E684 when the worker cannot load it, instead of one failure after the other."""
    with pytest.raises(PunaError) as caught, stored(None) as store, Processes(_Broken(), 1) as workers:
        sweep(Grid(axes("x=1..3")), workers, store)
    assert caught.value.code == "E684"
    assert "it does not travel" in caught.value.why


class _Broken:
    """Pickled without complaint, and never loaded again."""

    def __call__(self, values: object) -> Outcome:
        raise AssertionError(values)

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return _fail, ()


def _fail() -> object:
    raise RuntimeError("it does not travel")


def test_a_folder_keeps_to_its_plan(folder: Path) -> None:
    """Another grid, option or program in the same folder is E685, and says what is not as it was."""
    plan = Plan(["x=1..3"], {"search": "grid"}, {"config": "abc"})
    with stored(folder) as store:
        store.begin(plan)
    with stored(folder) as store:
        store.begin(plan)
        assert store.plan == plan
        for other, what in (
            (Plan(["x=1..4"], plan.options, plan.hashes), "the values to try"),
            (Plan(plan.words, {"search": "random"}, plan.hashes), "search"),
            (Plan(plan.words, plan.options, {"config": "abd"}), "config"),
        ):
            with pytest.raises(ConfigError, match=what) as caught:
                store.begin(other)
            assert caught.value.code == "E685"


def test_one_process_runs_a_folder_at_a_time(folder: Path) -> None:
    """A second one is refused, and the first is not disturbed."""
    with stored(folder) as store:
        with pytest.raises(JournalError) as caught, stored(folder):
            pass
        assert caught.value.code == "E686"
        store.begin(Plan(["x=1"], {}))


def test_a_folder_that_was_tampered_with_is_found(folder: Path) -> None:
    """Rows are chained: a changed one is not taken for a result."""
    with stored(folder) as store, Here(Crossing()) as here:
        sweep(Grid(axes("fast=2", "slow=20,30")), here, store)
    with closing(sqlite3.connect(folder / "cells.sqlite")) as database:
        database.execute("UPDATE records SET body = cast(replace(body, '0.0', '0.1') AS BLOB) WHERE seq = 2")
        database.commit()
    with pytest.raises(JournalError), stored(folder) as store:
        pass


@pytest.mark.parametrize(
    ("name", "make"), [("optuna", lambda: Optuna(axes("x=1..2"), 2, 1, sharpe)), ("ray", lambda: Cluster(_flat))]
)
def test_a_missing_extra_is_told(name: str, make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """E660 with what to install, before anything runs."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f"{name} is not installed") as caught:
        make()
    assert caught.value.code == "E660"
    assert "puna[sweep]" in caught.value.remedy


def test_a_cluster_that_is_not_there_is_told_at_once() -> None:
    """E684 after seconds, where Ray itself would go on knocking for minutes."""
    pytest.importorskip("ray", reason="the extra `sweep` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(PunaError, match="cluster cannot run") as caught, Cluster(_flat, f"127.0.0.1:{port}"):
        pass
    assert caught.value.code == "E684"
    assert "nobody answers" in caught.value.why


ORPHANS = """
import sys
from pathlib import Path

from puna.research.sweep.axes import read_axes, typed
from puna.research.sweep.search import Grid
from puna.research.sweep.workers import Processes
from sweep_trials import Perilous

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with Processes(Perilous(folder), 2) as workers:
        workers.load()
        (folder / "pids").write_text(" ".join(str(each.process.pid) for each in workers._workers))
        list(workers.run(Grid([typed(read_axes(["x=7"])[0], "whole")]).ask([])))
"""


def test_workers_end_when_who_started_them_is_gone(folder: Path) -> None:
    """After SIGKILL of the sweep no worker stays behind: neither the idle one nor one whose cell never ends."""
    (folder / "orphans.py").write_text(ORPHANS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    with subprocess.Popen([sys.executable, str(folder / "orphans.py"), str(folder)], env=environment) as parent:
        wait_for(lambda: bool(_pids(folder)) or parent.poll() is not None)
        parent.kill()
    pids = _pids(folder)
    assert len(pids) == 2
    wait_for(lambda: not any(_alive(pid) for pid in pids))


def _pids(folder: Path) -> list[int]:
    path = folder / "pids"
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def _alive(pid: int) -> bool:
    """Whether it runs; what has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(there: Callable[[], bool]) -> None:
    while not there():
        time.sleep(0.01)


def test_what_a_trial_prints_is_talk(capfd: pytest.CaptureFixture[str]) -> None:
    """It goes to stderr, from this process and from others: stdout has the result of the sweep and nothing else."""
    for workers in (Here(_talker), Processes(_talker, 1)):
        with stored(None) as store, workers:
            sweep(Grid(axes("x=1..2")), workers, store)
        out, err = capfd.readouterr()
        assert out == ""
        assert err.count("how interesting") == 2


def _talker(values: object) -> Outcome:
    sys.stdout.write("how interesting\n")
    return Outcome({}, [1, 2], [0.0, 0.0])
