"""What is wished of `puna sweep`: as it was typed, as a plan that is kept with the cells, and read back from one."""

import shlex
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from puna import __version__
from puna.cli.sweep_trial import BacktestTrial
from puna.errors import ConfigError
from puna.research.backtest.data import History
from puna.research.sweep.store import FILE, Plan, stored

__all__ = ["Judging", "Wish", "command", "plan_of", "resumed"]


class Judging(NamedTuple):
    """How rows are judged; nothing of it changes a cell."""

    by: str
    folds: int | None
    train: int | None
    purge: int
    embargo: int
    warmup: int


class Wish(NamedTuple):
    """What was asked for."""

    config: Path
    words: tuple[str, ...]
    search: str
    cells: int
    seed: int | None
    fills: str
    bars: tuple[date | None, date | None, Path, bool, str | None, str | None, str]
    judging: Judging
    jobs: int | None
    ray: str | None
    timeout: float | None
    out: Path | None
    as_json: bool
    resume: Path | None = None


def resumed(
    folder: Path,
    judging: Judging,
    given: Collection[str],
    *,
    jobs: int | None,
    ray: str | None,
    timeout: float | None,
    as_json: bool,
) -> Wish:
    """The wish that a folder's sweep was begun with; of the judging, what is given anew counts.

    Raises:
        ConfigError: E041, there is no sweep in the folder.
        JournalError: E400, E686, it cannot be read, or it is running.
    """
    if not (folder / FILE).is_file():
        raise _no_sweep(folder)
    with stored(folder) as store:
        plan = store.plan
    if plan is None:
        raise _no_sweep(folder)
    kept = plan.options
    own = {name: getattr(judging, name) if name in given else _kept(plan, name) for name in Judging._fields}
    days = (date.fromisoformat(text) if (text := kept[name]) else None for name in ("from", "to"))
    return Wish(
        config=Path(str(kept["config"])),
        words=tuple(plan.words),
        search=str(kept["search"]),
        cells=int(kept["cells"] or 0),
        seed=int(kept["seed"] or 0),
        fills=str(kept["fills"]),
        bars=(
            *days,  # type: ignore[arg-type]
            Path(str(kept["store"])),
            kept["bundled"] == "yes",
            kept["timeframe"],
            kept["feed"],
            str(kept["adjust"]),
        ),
        judging=Judging(**own),
        jobs=jobs,
        ray=ray,
        timeout=timeout,
        out=None,
        as_json=as_json,
        resume=folder,
    )


def plan_of(wish: Wish, trial: BacktestTrial, history: History, seed: int) -> Plan:
    """What is kept with the cells, so that a sweep is resumed as it was begun, and as nothing else."""
    start, end, store, bundled, timeframe, feed, adjust = wish.bars
    options: dict[str, str | None] = {
        "config": str(trial.path),
        "from": start.isoformat() if start else None,
        "to": end.isoformat() if end else None,
        "search": wish.search,
        "cells": None if wish.search == "grid" else str(wish.cells),
        "score": wish.judging.by if wish.search == "optuna" else None,
        "seed": str(seed),
        "fills": wish.fills,
        "store": str(store.resolve()),
        "bundled": "yes" if bundled else "no",
        "timeframe": timeframe,
        "feed": feed,
        "adjust": adjust,
    }
    judging = {name: None if value is None else str(value) for name, value in wish.judging._asdict().items()}
    hashes = {"code": trial.code(), "data": history.digest, "puna": __version__}
    return Plan(list(wish.words), options, hashes, judging)


def _kept(plan: Plan, name: str) -> Any:
    text = plan.judging.get(name)
    return text if name == "by" or text is None else int(text)


def command(wish: Wish, seed: int) -> str:
    """The command line of the sweep, without what is default."""
    start, end, store, bundled, timeframe, feed, adjust = wish.bars
    options: dict[str, object | None] = {
        "--from": start,
        "--to": end,
        "--search": None if wish.search == "grid" else wish.search,
        "--cells": None if wish.search == "grid" else wish.cells,
        "--seed": seed,
        "--by": None if wish.judging.by == "sharpe" else wish.judging.by,
        "--fills": None if wish.fills == "realistic" else wish.fills,
        "--walk-forward": wish.judging.folds,
        "--train": wish.judging.train,
        "--purge": wish.judging.purge or None,
        "--embargo": wish.judging.embargo or None,
        "--warmup": wish.judging.warmup or None,
        "--store": None if str(store) == "history" else store,
        "--timeframe": timeframe,
        "--feed": feed,
        "--adjust": None if adjust == "raw" else adjust,
    }
    said = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    return shlex.join(["puna", "sweep", wish.config.name, *wish.words, *said, *(["--bundled"] if bundled else [])])


def _no_sweep(folder: Path) -> ConfigError:
    return ConfigError(
        f"There is no sweep in {folder}.",
        why=f"it has no {FILE}",
        state="Nothing was run.",
        remedy="Name the folder of a sweep, such as runs/NAME-sweep-1.",
        code="E041",
    )
