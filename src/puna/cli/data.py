"""`puna data get | list | gaps | verify | import`: history on disk, from the broker or a running exchange."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from puna.cli.account import ask
from puna.cli.config import load_config
from puna.cli.output import DATE, config_option, json_option, print_json, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.research.history.download import Outcome, Progress
    from puna.research.history.gaps import Gap
    from puna.research.history.series import Kind, Series
    from puna.research.history.store import Piece

__all__ = ["data"]

F = TypeVar("F")
KINDS = ("bars", "quotes", "trades")


def store_option(verb: Any) -> Any:
    """`--store FOLDER`, as the argument `store`."""
    return click.option(
        "--store",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("history"),
        show_default=True,
        help="The folder of the history.",
    )(verb)


@click.group
def data() -> None:
    """History on disk: download, list, find gaps, verify, import; Parquet files that any tool reads."""


@data.command
@click.argument("symbols", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(KINDS), default="bars", show_default=True)
@click.option("--timeframe", default="1Min", show_default=True, help="Of bars: 1Min to 59Min, 1Hour, 1Day, 1Week, ...")
@click.option("--from", "start", type=DATE, required=True, metavar="DATE", help="The first day.")
@click.option("--to", "end", type=DATE, help="The last day; the last that is over when not given.")
@click.option("--feed", help="Of stocks: iex, sip, boats, otc; of coins: us, us-1, ...; the configured one otherwise.")
@click.option(
    "--adjust",
    multiple=True,
    default=("raw",),
    show_default=True,
    help="Of stocks' bars: raw, split, dividend, spin-off, all; give it twice for both.",
)
@click.option("--jobs", type=click.IntRange(1, 16), default=4, show_default=True, help="Downloads at a time.")
@click.option("--again", is_flag=True, help="Download what is there, too.")
@store_option
@config_option
@json_option
@verbose_option
def get(
    symbols: tuple[str, ...],
    *,
    kind: "Kind",
    timeframe: str,
    start: datetime,
    end: datetime | None,
    feed: str | None,
    adjust: tuple[str, ...],
    jobs: int,
    again: bool,
    store: Path,
    config: Path | None,
    as_json: bool,
) -> None:
    """Download bars, quotes or trades: only what is missing, so a download that was killed goes on where it was."""
    from puna.research.extra import library
    from puna.research.history.download import Progress, download
    from puna.research.history.store import Store

    library("polars")
    settings = load_config(config, follow_address=True)
    chosen = feed, settings.data.feed
    wanted = [each for symbol in symbols for each in _series(kind, symbol, timeframe, chosen, adjust)]
    days = start.date(), end.date() if end else None
    progress = Progress()
    with _bar(progress, shown=sys.stderr.isatty() and not as_json):
        done = ask(
            settings,
            lambda alpaca: download(alpaca, Store(store), wanted, *days, again=again, jobs=jobs, progress=progress),
        )
    if as_json:
        print_json(_told(done, store))
        return
    click.echo(f"{done.files} files, {done.rows:,} rows, {done.pages} pages; {done.present} files were there already")
    for series, last in done.unfinished:
        click.echo(f"{series.symbol}: to {last}, the last day that is over", err=True)
    print_next("puna data list")


def _series(
    kind: "Kind", symbol: str, timeframe: str, feeds: tuple[str | None, str], adjust: tuple[str, ...]
) -> "Iterator[Series]":
    """The series that the words of the command line mean for one symbol."""
    from puna.core import symbols
    from puna.core.types import AssetClass
    from puna.research.history.series import Series

    name = symbols.canonical(symbol)
    asset = symbols.asset_class(name)
    best = {
        AssetClass.US_EQUITY: feeds[0] or feeds[1].removeprefix("delayed_"),
        AssetClass.US_OPTION: "opra",
        AssetClass.CRYPTO: feeds[0] if (feeds[0] or "").startswith(("us", "eu", "bs")) else "us",
    }[asset]
    frame = timeframe if kind == "bars" else ""
    adjusted = adjust if kind == "bars" and asset is AssetClass.US_EQUITY else ("raw",)
    for each in dict.fromkeys(adjusted):
        yield Series(kind, name, frame, best or "us", each)


def _told(done: "Outcome", store: Path) -> dict[str, object]:
    return {
        "store": str(store),
        "files": done.files,
        "rows": done.rows,
        "pages": done.pages,
        "present": done.present,
        "unfinished": [{"symbol": each.symbol, "last": last} for each, last in done.unfinished],
    }


@contextmanager
def _bar(progress: "Progress", *, shown: bool) -> Iterator[None]:
    """A bar with rows a second and time left, on a terminal's stderr."""
    if not shown:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Drawn

    columns = (
        *(MofNCompleteColumn(), TextColumn("files"), BarColumn()),
        *(TextColumn("{task.fields[rows]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()),
    )
    with Drawn(*columns, console=Console(stderr=True)) as drawn:
        line = drawn.add_task("", total=None, rows="")

        def draw(now: "Progress") -> None:
            seconds = drawn.tasks[0].elapsed or 0
            rate = f", {now.rows / seconds:,.0f}/s" if seconds else ""
            drawn.update(line, total=max(now.tasks, 1), completed=now.done, rows=f"{now.rows:,} rows{rate}")

        progress.told = draw
        yield


@data.command("list")
@store_option
@json_option
@verbose_option
def list_(*, store: Path, as_json: bool) -> None:
    """What is there: symbol, kind, timeframe, feed, adjustment, days, rows, size."""
    from itertools import groupby

    from puna.research.history.store import Store

    found = [
        _line(series, list(pieces)) for series, pieces in groupby(Store(store).pieces(), key=lambda piece: piece.series)
    ]
    if as_json:
        print_json(found)
    elif found:
        print_rows(
            [{name: "-" if cell == "" else str(cell) for name, cell in row.items()} for row in found],
            right=frozenset({"files", "rows", "bytes"}),
        )
        print_next("puna data verify")
    else:
        click.echo(f"nothing is stored in {store}")
        print_next("puna data get AAPL --from 2012-08-01")


def _line(series: "Series", pieces: "list[Piece]") -> dict[str, object]:
    from puna.wire.codec import format_time

    return {
        "symbol": series.symbol,
        "kind": series.kind,
        "timeframe": series.timeframe,
        "feed": series.feed,
        "adjustment": series.adjustment,
        "first": _text(min(each.first for each in pieces)),
        "last": _text(max(each.last for each in pieces)),
        "files": len(pieces),
        "rows": sum(each.rows for each in pieces),
        "bytes": sum(each.bytes for each in pieces),
        "downloaded": format_time(max(each.downloaded for each in pieces)),
    }


def _text(day: date) -> str:
    return day.isoformat()


@data.command
@click.argument("symbols", nargs=-1)
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="Ask the broker about so many.")
@click.option("--closed", is_flag=True, help="Show nights without trading, too: weekends and holidays.")
@click.option("--keep-halts", is_flag=True, help="Note the halts in halts.csv, which backtests read.")
@store_option
@config_option
@json_option
@verbose_option
def gaps(
    symbols: tuple[str, ...],
    *,
    limit: int,
    closed: bool,
    keep_halts: bool,
    store: Path,
    config: Path | None,
    as_json: bool,
) -> int:
    """Bars that are not there, and why: closed, halt, no eligible trade, missing; the broker is asked again.

    With --limit 0 nobody is asked. Exit code 1 when the broker has bars that the store lacks.
    """
    from puna.core.symbols import canonical
    from puna.research.history import tables
    from puna.research.history.gaps import explain_gap, holes
    from puna.research.history.store import Store

    place, names = Store(store), {canonical(symbol) for symbol in symbols}
    chosen = [
        each
        for each in dict.fromkeys(piece.series for piece in place.pieces())
        if each.unit in {"Min", "Hour", "Day"} and (not names or each.symbol in names)
    ]
    if lacking := names - {each.symbol for each in chosen}:
        place.refuse(f"bars of {', '.join(sorted(lacking))}")
    found = [gap for series in chosen for gap in holes(place, series) if closed or gap.why != "closed"]
    open_ = [n for n, gap in enumerate(found) if not gap.why][:limit]

    async def explain(alpaca: "AsyncAlpaca") -> None:
        for n in open_:
            found[n] = await explain_gap(alpaca, found[n])

    if open_:
        ask(load_config(config, follow_address=True), explain)
    missing = sum(gap.why == "missing" for gap in found)
    kept = tables.keep_halts(place, tables.halts_among(found)) if keep_halts else None
    if as_json:
        print_json([_gap(gap) for gap in found])
    elif found:
        print_rows([_gap(gap) for gap in found], right=frozenset({"bars"}))
        print_next("puna data get SYMBOL --from DATE --again" if missing else "puna data verify")
    else:
        click.echo(f"no gaps in {len(chosen)} series")
    if kept is not None and not as_json:
        click.echo(f"{kept} halts were new in {store / 'halts.csv'}")
    return 1 if missing else 0


def _gap(gap: "Gap") -> dict[str, str]:
    from puna.wire.codec import format_time

    return {
        "symbol": gap.series.symbol,
        "timeframe": gap.series.timeframe,
        "feed": gap.series.feed,
        "adjustment": gap.series.adjustment,
        "from": format_time(gap.start),
        "to": format_time(gap.end),
        "bars": str(gap.bars),
        "why": gap.why or "not asked",
        "evidence": gap.evidence,
    }


@data.command
@store_option
@json_option
@verbose_option
def verify(*, store: Path, as_json: bool) -> int:
    """Check every file: digest, order, doubles, days, sessions, prices, splits that are not adjusted.

    Exit code 1 when something is wrong.
    """
    from puna.research.history.store import Store
    from puna.research.history.verify import verify as check

    place = Store(store)
    found = [
        {
            "file": each.path.relative_to(store).as_posix(),
            "what": each.what,
            "fault": "yes" if each.fault else "no",
            "detail": each.detail,
        }
        for each in check(place)
    ]
    faults = sum(each["fault"] == "yes" for each in found)
    if as_json:
        print_json({"files": len(place.paths()), "faults": faults, "findings": found})
        return 1 if faults else 0
    if found:
        print_rows(found)
    click.echo(f"{len(place.paths())} files, {faults} faults")
    print_next("puna data gaps" if not faults else "remove the file, and puna data get")
    return 1 if faults else 0


@data.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", default="file", show_default=True, help="It is stored as feed own-NAME.")
@click.option("--symbol", help="Of all rows; the column symbol otherwise.")
@click.option("--kind", type=click.Choice(KINDS), default="bars", show_default=True)
@click.option("--timeframe", default="1Min", show_default=True, help="Of bars.")
@click.option("--adjust", default="raw", show_default=True, help="What the prices are: raw, split, dividend, all.")
@store_option
@json_option
@verbose_option
def import_(
    file: Path,
    *,
    name: str,
    symbol: str | None,
    kind: "Kind",
    timeframe: str,
    adjust: str,
    store: Path,
    as_json: bool,
) -> None:
    """Take in a CSV or Parquet file of your own.

    Columns of bars: time, open, high, low, close, volume, and where there are any symbol, vwap, trades; of quotes:
    time, bid, ask, bid_size, ask_size; of trades: time, price, size, id, exchange. Alpaca's letters do as well. A time
    is ISO 8601, UTC without an offset, a date, or nanoseconds since the epoch.
    """
    from puna.research.history.importing import import_file
    from puna.research.history.store import Store
    from puna.seams import SystemClock

    done = import_file(
        file,
        Store(store),
        name=name,
        now=SystemClock().now(),
        kind=kind,
        symbol=symbol,
        timeframe=timeframe,
        adjustment=adjust,
    )
    if as_json:
        print_json([{"symbol": series.symbol, "feed": series.feed, "rows": rows} for series, rows in done])
        return
    for series, rows in done:
        what = series.kind.removesuffix("s") if rows == 1 else series.kind
        click.echo(f"{series.symbol}: {rows:,} {what}, feed {series.feed}")
    print_next("puna data verify")
