"""What `puna sweep` does: axes, search, workers, the store of cells, the judgement, the folder, the last screen."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from puna import __version__
from puna.cli.output import aside, print_json, print_next
from puna.cli.run_folder import put
from puna.cli.sweep_keys import axes_of, targets, team_of
from puna.cli.sweep_trial import BacktestTrial, Bars
from puna.cli.sweep_view import show
from puna.cli.sweep_wish import Wish, command, plan_of
from puna.errors import ConfigError
from puna.research.backtest.data import History
from puna.research.report.formats import count
from puna.research.sweep.axes import Axis, read_axes
from puna.research.sweep.backtests import METRICS
from puna.research.sweep.cells import Row
from puna.research.sweep.cost import Spent, spent, told
from puna.research.sweep.forward import Folding
from puna.research.sweep.heat import heats
from puna.research.sweep.judgement import Judgement, judge, no_metric, score
from puna.research.sweep.page import Page, html, json
from puna.research.sweep.run import Progress, run_cells, sweep
from puna.research.sweep.search import Grid, Random, Search
from puna.research.sweep.store import FILE, Plan, Store, stored
from puna.research.sweep.table import parquet
from puna.research.sweep.workers import Here, Processes, Workers

__all__ = ["run"]

_MANY = 500  # cells that take seconds to judge


class _Made(NamedTuple):
    """A wish, understood."""

    wish: Wish
    folder: Path
    axes: list[Axis]
    trial: BacktestTrial
    history: History
    plan: Plan
    seed: int


def run(wish: Wish) -> int:
    """Runs what is missing, judges, writes the folder, prints the last screen.

    Raises:
        PunaError: it could not be started, or no cell gave a result.
        KeyboardInterrupt: it was interrupted, and can be resumed.
    """
    with aside(when=wish.as_json):
        made = _understood(wish)
    search = _search(made)
    _greet(made, search)
    made.folder.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    with stored(made.folder) as store, _bar(progress, shown=sys.stderr.isatty() and not wish.as_json):
        store.begin(made.plan)
        try:
            rows, judged = _swept(made, search, store, progress)
        except KeyboardInterrupt:
            _interrupted(made, len(store), progress.total)
            raise
    page = _page(made, rows, judged, spent(progress))
    _write(made.folder, page)
    _tell(made, page, progress)
    return 0


def _understood(wish: Wish) -> _Made:
    if wish.judging.by not in METRICS:
        raise no_metric(wish.judging.by, METRICS)
    words = read_axes(wish.words)
    found = targets(wish.config, words)
    axes = axes_of(wish.config, found, words)
    config, team = team_of(wish.config, (), {})
    seed = config.sim.seed if wish.seed is None else wish.seed
    trial = BacktestTrial(wish.config.resolve(), tuple(found), Bars(*wish.bars), wish.fills, seed)
    history = trial.history(config, team)
    folder = wish.resume or wish.out or _free(wish.config.stem)
    _check(folder, resumes=wish.resume is not None)
    return _Made(wish, folder, axes, trial, history, plan_of(wish, trial, history, seed), seed)


def _search(made: _Made) -> Search:
    if made.wish.search == "grid":
        return Grid(made.axes)
    if made.wish.search == "random":
        return Random(made.axes, made.wish.cells, made.seed)
    from puna.research.sweep.optuna_search import Optuna

    by = made.wish.judging.by
    return Optuna(made.axes, made.wish.cells, made.seed, lambda row: score(row, by))


def _swept(made: _Made, search: Search, store: Store, progress: Progress) -> tuple[list[Row], Judgement]:
    """Every cell, and what they amount to; what walk-forward chooses is run by the same workers."""
    with _shared(made, search) as trial, _workers(made, trial, search) as workers:
        progress.costs = workers.costs
        rows = sweep(search, workers, store, progress)
        if sys.stderr.isatty() and not made.wish.as_json and len(rows) > _MANY:
            click.echo(f"judging {len(rows):,} cells ...", err=True)
        return rows, judge(
            made.axes,
            rows,
            by=made.wish.judging.by,
            seed=made.seed,
            folding=_folding(made.wish),
            afresh=lambda cells: run_cells(cells, workers, store, progress),
        )


@contextmanager
def _shared(made: _Made, search: Search) -> Iterator[BacktestTrial]:
    """The trial; where other processes of this machine run it, with one history for all of them, for as long."""
    if made.wish.ray not in (None, "local") or _is_here(made, search):
        yield made.trial
        return
    trial = made.trial.sharing(made.folder)
    try:
        yield trial
    finally:
        if trial.shared is not None:
            trial.shared.file.unlink(missing_ok=True)


def _is_here(made: _Made, search: Search) -> bool:
    """One process is this very one; but nobody could end a cell of it."""
    return made.wish.ray is None and _jobs(made, search) == 1 and made.wish.timeout is None


def _jobs(made: _Made, search: Search) -> int:
    return min(made.wish.jobs or _cores(), search.total)


def _workers(made: _Made, trial: BacktestTrial, search: Search) -> Workers:
    if made.wish.ray:
        from puna.research.sweep.ray_cluster import Cluster

        address = None if made.wish.ray == "local" else made.wish.ray
        return Cluster(trial, address, made.wish.jobs, timeout=made.wish.timeout)
    if _is_here(made, search):
        return Here(trial)
    return Processes(trial, _jobs(made, search), timeout=made.wish.timeout)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folding(wish: Wish) -> Folding | None:
    judging = wish.judging
    if judging.folds is None:
        return None
    looked = wish.search == "optuna"  # its cells are where the whole span was good
    return Folding(
        judging.folds,
        judging.purge,
        judging.embargo,
        judging.train,
        by=judging.by,
        warmup=judging.warmup or 0,
        hindsight=looked,
    )


def _greet(made: _Made, search: Search) -> None:
    """How many cells, of what, on what: before the first one runs."""
    if made.wish.as_json:
        return
    lengths = " x ".join(f"{axis.key} {len(axis.values) or 'any'}" for axis in made.axes)
    where = f"Ray {made.wish.ray}" if made.wish.ray else count(_jobs(made, search), "process", "processes")
    history = made.history
    click.secho(" SWEEP ", fg="black", bg="white", bold=True, nl=False)
    known = len(history.columns)
    symbols = "one symbol" if known == 1 else f"{known:,} symbols"
    click.echo(f" {_cells(search.total)} ({lengths}), {made.wish.search}, {where}")
    click.echo(f"{history.rows:,} bars of {history.timeframe}, {symbols}: {history.source}")
    click.echo(f"folder {made.folder}\n")


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number:,} cells"


@contextmanager
def _bar(progress: Progress, *, shown: bool) -> Iterator[None]:
    """A bar with cells a second and time left, on a terminal's stderr."""
    if not shown:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Drawn

    columns = (MofNCompleteColumn(), TextColumn("cells"), BarColumn(), TextColumn("{task.fields[rate]}"))
    clocks = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Drawn(*columns, *clocks, console=Console(stderr=True)) as drawn:
        line = drawn.add_task("", total=None, rate="")

        def draw(now: Progress) -> None:
            seconds = drawn.tasks[0].elapsed or 0
            rate = f"{(now.done - now.present) / seconds:,.1f}/s" if seconds else ""
            failed = f", {now.failed} failed" if now.failed else ""
            drawn.update(line, total=now.total, completed=now.done, rate=f"{rate}{failed}")

        progress.told = draw
        yield


def _interrupted(made: _Made, kept: int, total: int) -> None:
    if not made.wish.as_json:
        click.echo(f"\n{kept:,} of {total:,} cells are kept", err=True)
        print_next(f"puna sweep --resume {made.folder}")


def _page(made: _Made, rows: list[Row], judged: Judgement, cost: Spent | None) -> Page:
    cells = [each.cell for each in judged.standings]
    maps = heats(made.axes, cells, [each.score for each in judged.standings], judged.best.cell)
    history = made.history
    versions = {"puna": __version__, "bars": f"{history.rows:,} of {history.timeframe}: {history.source}"}
    return Page(made.folder.name, made.plan, judged, rows, maps, command(made.wish, made.seed), versions, cost)


def _write(folder: Path, page: Page) -> None:
    put(folder / "sweep.json", json(page))
    put(folder / "sweep.html", html(page))
    try:
        put(folder / "cells.parquet", parquet(page.rows, page.judged))
    except ConfigError as error:
        if error.code != "E660":
            raise
        click.echo(f"no cells.parquet: {error.what} {error.remedy}", err=True)


def _tell(made: _Made, page: Page, progress: Progress) -> None:
    if made.wish.as_json:
        import msgspec

        print_json(msgspec.json.decode(json(page)))
        return
    show(page.judged, page.rows, page.maps, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    click.echo()
    run = progress.done - progress.present - progress.tests
    tests = f", {count(progress.tests, 'test')} of walk-forward" if progress.tests else ""
    click.echo(f"{_cells(run)} run{tests}, {progress.present:,} were there")
    if page.cost is not None:
        click.echo(told(page.cost))
    click.echo(f"report    {made.folder / 'sweep.html'}")
    print_next(f"open {made.folder / 'sweep.html'}")


def _free(name: str) -> Path:
    number = 1
    while (folder := Path("runs") / f"{name}-sweep-{number}").exists():
        number += 1
    return folder


def _check(folder: Path, *, resumes: bool) -> None:
    """A folder that holds something else than a sweep is not ours to fill."""
    if resumes or not folder.exists():
        return
    names = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else [folder.name]
    if names:
        known = FILE in names
        raise ConfigError(
            f"{folder} cannot take a sweep.",
            why="it holds one already" if known else f"it holds {names[0]}, and no sweep",
            state="Nothing was run and nothing was changed.",
            remedy=f"puna sweep --resume {folder}" if known else "Name an empty or new folder with --out.",
            code="E034",
        )
