"""Bars that are not there, and why: the market was closed, nothing eligible traded, a halt, or they are missing.

The grid: every bar of the core session of a trading day; of coins, of the whole day. Where a bar is not stored, the
broker is asked again for bars, trades and quotes of just that stretch, and its answers decide:

- it has bars there: they are **missing** in the store, and `--again` brings them;
- trades or quotes and no bar: **no eligible trade** (conditions of a trade may keep it out of bars);
- nothing at all of a whole day: **no data** (the feed does not reach back so far, or the stock was not listed);
- a stock with neither for five minutes or more, the least that a volatility halt lasts: a **halt**, by that evidence.
  Alpaca keeps no history of trading statuses, so nothing can prove it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from puna.alpaca.request import Page
from puna.core import sessions
from puna.core.types import AssetClass
from puna.errors import DataError
from puna.research.history.actions import Asks
from puna.research.history.download import question
from puna.research.history.series import Series
from puna.research.history.store import Store

__all__ = ["Gap", "explain_gap", "holes"]

MINUTE = 60_000_000_000
DAY = timedelta(days=1)
LEAST_HALT = 5 * MINUTE  # a volatility halt lasts five minutes or more (LULD plan, VII)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without bars: from `start` to before `end`, ns; `bars` that the grid has there; why, and by what."""

    series: Series
    start: int
    end: int
    bars: int
    why: str
    evidence: str


def holes(store: Store, series: Series) -> Iterator[Gap]:
    """The stretches of the grid that have no bars, in order, `why` being closed, not downloaded, or not known yet.

    Raises:
        DataError: E664, only bars of minutes, hours and days have a grid; E665, nothing is stored.
    """
    if series.unit not in {"Min", "Hour", "Day"}:
        raise DataError(
            f"{series.kind} of {series.symbol} have no gaps.",
            why="only bars of minutes, hours and days stand on a grid",
            remedy="name bars: --timeframe 1Min",
            code="E664",
        )
    times = store.scan(series).select("time").collect()["time"].to_physical().to_list()
    known = set(times if series.intraday else map(series.day_of, times))
    pieces = store.pieces_of(series)
    covered = {day for piece in pieces for day in _days(piece.first, piece.last)}
    run: list[tuple[int, int, str]] = []
    for start, end, why in _grid(series, pieces[0].first, pieces[-1].last, covered):
        there = not why and (start in known if series.intraday else series.day_of(start) in known)
        if run and (there or run[-1][2] != why or (run[-1][1] != start and not why)):
            yield _gap(series, run)
            run = []
        if not there:
            run.append((start, end, why))
    if run:
        yield _gap(series, run)


async def explain_gap(ask: Asks, gap: Gap) -> Gap:
    """The gap with its reason, by asking the broker for what it has there; what is explained already stays."""
    if gap.why:
        return gap
    why, evidence = await _reason(ask, gap.series, gap.start, gap.end)
    return replace(gap, why=why, evidence=evidence)


async def _reason(ask: Asks, series: Series, start: int, end: int) -> tuple[str, str]:
    """Why there are no bars from `start` to before `end`, and by what evidence."""
    if series.feed.startswith("own-"):
        return "unknown", "imported; the broker was not asked"
    if bars := await _first(ask, series, start, end - 1, 1_000):
        return "missing", f"the broker has {len(bars)} bars there"
    trades = Series("trades", series.symbol, "", series.feed)
    if found := await _first(ask, trades, start, end - 1, 1):
        return "no eligible trade", f"a trade at {sessions.new_york(int(found[0].t)):%H:%M:%S}, and no bar"
    option = series.asset_class is AssetClass.US_OPTION  # there is no history of their quotes
    if not option and await _first(ask, Series("quotes", series.symbol, "", series.feed), start, end - 1, 1):
        return "no eligible trade", "quotes, and no trade"
    if not option and _whole_day(series, start, end):
        return "no data", "the broker has nothing of that day"
    halt = series.asset_class is AssetClass.US_EQUITY and end - start >= LEAST_HALT
    return "halt" if halt else "no eligible trade", "no trade" if option else "neither trades nor quotes"


def _whole_day(series: Series, start: int, end: int) -> bool:
    """Whether no bar of the day in which the stretch begins lies outside it."""
    on = series.day_of(start)
    trading = None if series.asset_class is AssetClass.CRYPTO else sessions.day(on)
    first, last = (trading.open, trading.close) if trading else (series.begins(on), series.begins(on + DAY))
    return start <= first and last <= end


def _gap(series: Series, run: list[tuple[int, int, str]]) -> Gap:
    why = run[0][2]
    return Gap(series, run[0][0], run[-1][1], 0 if why else len(run), why, "the calendar" if why == "closed" else "")


async def _first(ask: Asks, series: Series, start: int, end: int, limit: int) -> list[Any]:
    """The first rows of a stretch."""
    request = question(series, start, end, limit).page(None)
    page: Page[tuple[str, Any]] = await ask(request)
    return [item for _, item in page.items]


def _grid(series: Series, first: date, last: date, covered: set[date]) -> Iterator[tuple[int, int, str]]:
    """Every bar that could be, with start and end; a whole day, with why, where there can be none."""
    crypto = series.asset_class is AssetClass.CRYPTO
    for on in _days(first, last):
        begin, following = series.begins(on), series.begins(on + DAY)
        trading = None if crypto else sessions.day(on)
        if not crypto and trading is None:
            yield begin, following, "closed"
        elif on not in covered:
            yield begin, following, "not downloaded"
        elif not series.intraday:
            yield begin, following, ""
        else:
            width = series.number * MINUTE * (60 if series.unit == "Hour" else 1)
            start, end = (trading.open, trading.close) if trading else (begin, following)
            for at in range(start - (start - begin) % width, end, width):
                yield at, at + width, ""


def _days(first: date, last: date) -> Iterator[date]:
    return map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1))
