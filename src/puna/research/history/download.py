"""Downloading history into a store: what is missing, period by period, several at a time, within the rate budget.

A period that is there in part is asked for again from its first day, so a file never mixes two downloads: adjusted
prices are those of one day. A day is stored when it is over by the broker's clock, and not before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from puna.alpaca.crypto import get_crypto_bars, get_crypto_quotes, get_crypto_trades
from puna.alpaca.market import get_bars, get_quotes, get_trades
from puna.alpaca.options import get_option_bars, get_option_trades
from puna.alpaca.request import Page, Paged, Paging
from puna.alpaca.trading import get_clock
from puna.core.types import AssetClass
from puna.errors import DataError
from puna.research.history.actions import Asks, download_actions, outdated
from puna.research.history.series import Period, Series, row_of
from puna.research.history.store import Store, about

__all__ = ["Outcome", "Progress", "Task", "download", "plan", "question", "rows_of"]

JOBS = 4


@dataclass(frozen=True, slots=True)
class Task:
    """A period to be downloaded: the days from `first` to `last` go into its file."""

    series: Series
    period: Period
    first: date
    last: date


@dataclass(slots=True)
class Progress:
    """How far a download has come; `told` is called whenever that changes."""

    tasks: int = 0
    done: int = 0
    rows: int = 0
    pages: int = 0
    told: Callable[["Progress"], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Files written, rows in them, pages asked for, files that were there, series whose last days are not over yet."""

    files: int
    rows: int
    pages: int
    present: int
    unfinished: tuple[tuple[Series, date], ...]


def plan(
    store: Store, wanted: Iterable[Series], first: date, last: date | None, now: int, *, again: bool = False
) -> tuple[list[Task], int, list[tuple[Series, date]]]:
    """What has to be downloaded, how many periods are there already, and up to which day series are over.

    Adjusted prices that an action has changed since they were stored are downloaded again, whatever days are asked for.

    Args:
        store: what is there.
        wanted: the series.
        first: the first day.
        last: the last day, inclusive; None is the last that is over.
        now: the broker's time.
        again: download what is there, too.
    """
    tasks, present, unfinished = [], 0, []
    for series in dict.fromkeys(wanted):
        stale = {
            piece.first: piece
            for piece in (store.pieces_of(series) if series.adjustment != "raw" else ())
            if outdated(store, series, piece.downloaded, now)
        }
        over = series.last_whole_day(now)
        end = over if last is None else min(last, over)
        if last is not None and end < last:
            unfinished.append((series, end))
        for period in series.periods(first, end):
            days = max(first, period.first), min(end, period.last)
            piece = store.piece(series, period)
            out_of_date = piece is not None and stale.pop(piece.first, None) is not None
            if piece is not None and piece.covers(*days) and not again and not out_of_date:
                present += 1
                continue
            hull = days if piece is None else (min(days[0], piece.first), max(days[1], piece.last))
            tasks.append(Task(series, period, *hull))
        tasks += [Task(series, series.period(day), day, piece.last) for day, piece in stale.items()]
    return tasks, present, unfinished


async def download(
    ask: Asks,
    store: Store,
    wanted: Sequence[Series],
    first: date,
    last: date | None,
    *,
    again: bool = False,
    jobs: int = JOBS,
    progress: Progress | None = None,
) -> Outcome:
    """Brings the days from `first` to `last` of each series into the store.

    The first error ends it; what was whole by then stays, and the next download goes on from there.

    Raises:
        DataError: E664, the days make no span.
        PunaError: the broker's answer, or none.
    """
    if last is not None and first > last:
        raise DataError(
            f"{first} is after {last}.",
            why="the first day is after the last",
            state="Nothing was downloaded.",
            remedy="Name the earlier day as --from.",
            code="E664",
        )
    for series in wanted:
        if series.feed.startswith("own-"):
            raise DataError(f"The broker has no feed {series.feed}.", state="Nothing was downloaded.", code="E664")
    progress = progress or Progress()
    with store.writing():
        now = int((await ask(get_clock())).timestamp)
        await download_actions(ask, store, wanted, first, now)
        tasks, present, unfinished = plan(store, wanted, first, last, now, again=again)
        progress.tasks = len(tasks)
        progress.told(progress)
        waiting = iter(tasks)

        async def work() -> None:
            for task in waiting:
                await _fetch(ask, store, task, now, progress)

        await _all(work() for _ in range(min(jobs, len(tasks))))
    return Outcome(progress.done, progress.rows, progress.pages, present, tuple(unfinished))


async def _all(works: Iterable[Any]) -> None:
    """Runs them together; the first error cancels the others and is raised as it is."""
    running = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*running)
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _fetch(ask: Asks, store: Store, task: Task, now: int, progress: Progress) -> None:
    draft = store.draft(task.series, task.period)
    try:
        async for page in rows_of(ask, task.series, task.first, task.last):
            draft.add([row_of(task.series.kind, task.series.symbol, item) for _, item in page])
            progress.rows += len(page)
            progress.pages += 1
            progress.told(progress)
        # polars gives up the interpreter while it compresses, so the other downloads go on.
        await asyncio.to_thread(draft.finish, about(task.series, task.first, task.last, now))
    finally:
        draft.discard()
    progress.done += 1
    progress.told(progress)


async def rows_of(ask: Asks, series: Series, first: date, last: date) -> AsyncIterator[Sequence[tuple[str, Any]]]:
    """What the broker has of those days, page by page."""
    end = series.begins(date.fromordinal(last.toordinal() + 1)) - 1
    paging = Paging(question(series, series.begins(first), end))
    while paging.request is not None:
        answer: Page[tuple[str, Any]] = await ask(paging.request)
        yield paging.take(answer)


def question(series: Series, start: int, end: int, limit: int = 10_000) -> Paged[Any]:
    """The call that answers a series from `start` to `end`, both inclusive, ns."""
    names, kind, asset = [series.symbol], series.kind, series.asset_class
    if asset is AssetClass.CRYPTO:
        loc = series.feed
        if kind == "bars":
            return get_crypto_bars(names, series.timeframe, start, end, loc=loc, limit=limit)
        many = get_crypto_quotes if kind == "quotes" else get_crypto_trades
        return many(names, start, end, loc=loc, limit=limit)
    if asset is AssetClass.US_OPTION:
        if kind == "bars":
            return get_option_bars(names, series.timeframe, start, end, limit=limit)
        return get_option_trades(names, start, end, limit=limit)
    if kind == "bars":
        return get_bars(
            names, series.timeframe, start, end, adjustment=series.adjustment, feed=series.feed, limit=limit
        )
    ticks: Any = get_quotes if kind == "quotes" else get_trades
    found: Paged[Any] = ticks(names, start, end, feed=series.feed, limit=limit)
    return found
