"""What `puna backtest` does: the strategies, their bars, a run for each fill model, the folder, the last screen."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import click

from puna.cli import refusals
from puna.cli.backtest_data import history_for
from puna.cli.check_marks import marks_of
from puna.cli.codes import CODES
from puna.cli.output import aside, print_json, print_next, print_words
from puna.cli.run_folder import fresh_folder, put
from puna.cli.strategy_code import code_hash, team_from
from puna.config import Config
from puna.core.sessions import TradingDay, trading_days
from puna.engine.entries import to_record
from puna.engine.record import RunRecord
from puna.engine.storage import SqliteStorage
from puna.engine.strategy import Strategy
from puna.errors import DataError
from puna.exchange.options import ExchangeConfig
from puna.research.backtest.bars import Progress
from puna.research.backtest.data import History
from puna.research.backtest.exchange_days import run_exchanges
from puna.research.backtest.run import BacktestResult, run_backtests
from puna.research.report.formats import dollars, percent, signed
from puna.research.report.run_report import Report, html, json, report
from puna.research.report.tables import tables
from puna.research.sweep.tried import sign, tried_of

__all__ = ["Wish", "run"]

MAIN = ("realistic", "pessimistic", "optimistic")
"""Whose report stands at the top of the folder: the first of these that was run."""
RUNS = Path("runs")
_COLUMNS = ("max_drawdown", "trades", "turnover", "fees", "cost_against_mid")
_HEAD = ("fills", "P&L after costs", "return", "max drawdown", "trades", "turnover", "fees", "cost vs mid")
_WIDTHS = (13, 17, 11, 14, 8, 10, 12, 14)


class Wish(NamedTuple):
    """What was asked for."""

    config: Path
    start: date | None
    end: date | None
    seed: int | None
    models: Sequence[str]
    store: Path
    bundled: bool
    exchange: bool
    timeframe: str | None
    feed: str | None
    adjust: str
    out: Path | None
    as_json: bool


def run(wish: Wish) -> int:
    """Runs the backtests; 0, or 1 when a strategy failed or trading was halted.

    Raises:
        PunaError: it could not be started, or its books do not add up.
    """
    with aside(when=wish.as_json):
        config, team = team_from(wish.config)
    seed = config.sim.seed if wish.seed is None else wish.seed
    if wish.exchange:
        return _on_exchange(wish, config, team, seed)
    history = history_for(
        team, config, store=wish.store, bundled=wish.bundled, timeframe=wish.timeframe, feed=wish.feed,
        adjustment=wish.adjust, days=(wish.start, wish.end), seed=seed,
    )  # fmt: skip
    folder = wish.out or _free(wish.config.stem)
    if not wish.as_json:
        _greet(history, team, folder)
    with _bar(shown=sys.stderr.isatty() and not wish.as_json) as progress, aside(when=wish.as_json):
        results = run_backtests(
            lambda: team_from(wish.config)[1],
            history,
            fills=wish.models,
            cash=config.sim.cash,
            seed=seed,
            limits=config.risk,
            netting=config.sleeves.netting,
            progress=progress,
        )
    made = _kept(results, folder, wish.config)
    return _tell(made, results, folder, as_json=wish.as_json)


def _on_exchange(wish: Wish, config: Config, team: Sequence[Strategy], seed: int) -> int:
    """The same on days of the exchange, as mode sim would replay them."""
    days = _days(wish, config)
    symbols = sorted({symbol for each in team for symbol in each.symbols} | set(config.sim.symbols))
    exchange = ExchangeConfig(seed=seed, day=days[0].date, days=len(days), symbols=tuple(symbols), cash=config.sim.cash)
    folder = wish.out or _free(wish.config.stem)
    if not wish.as_json:
        _greet_with(f"{len(days)} days of the exchange, {', '.join(symbols)}, seed {seed}", team, folder)
    with _bar(shown=sys.stderr.isatty() and not wish.as_json, what="minutes") as progress, aside(when=wish.as_json):
        results = run_exchanges(
            lambda: team_from(wish.config)[1],
            exchange,
            fills=wish.models,
            limits=config.risk,
            netting=config.sleeves.netting,
            progress=progress,
        )
    made = _kept(results, folder, wish.config)
    return _tell(made, results, folder, as_json=wish.as_json)


def _days(wish: Wish, config: Config) -> list[TradingDay]:
    """The trading days that are asked for; those of the configuration where nothing is said.

    Raises:
        DataError: E670, there are none.
    """
    start = wish.start or (wish.end if wish.end and wish.end < config.sim.day else config.sim.day)
    end = wish.end or (start if wish.start else config.sim.day + timedelta(days=2 * config.sim.days + 10))
    days = trading_days(start, end)
    if not days:
        raise DataError(f"There is no trading day from {start} to {end}.", state="Nothing was run.", code="E670")
    return days if wish.end or wish.start else days[: config.sim.days]


def _greet(history: History, team: Sequence[Strategy], folder: Path) -> None:
    _greet_with(f"{history.rows:,} bars of {history.timeframe}, {_symbols(history)}: {history.source}", team, folder)


def _greet_with(what: str, team: Sequence[Strategy], folder: Path) -> None:
    click.secho(" BACKTEST ", fg="black", bg="white", bold=True, nl=False)
    click.echo(" the past, no account, no keys, no network")
    click.echo(f"strategies {', '.join(each.name for each in team)} \N{MIDDLE DOT} folder {folder}")
    click.echo(f"{what}\n")


def _symbols(history: History) -> str:
    known = len(history.columns)
    return "one symbol" if known == 1 else f"{known} symbols"


def _free(name: str) -> Path:
    number = 1
    while (folder := RUNS / f"{name}-backtest-{number}").exists():
        number += 1
    return folder


@contextmanager
def _bar(*, shown: bool, what: str = "bars") -> Iterator[Progress]:
    """A bar with bars a second and time left, on a terminal's stderr."""
    if not shown:
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Drawn

    columns = (MofNCompleteColumn(), TextColumn(what), BarColumn(), TextColumn("{task.fields[rate]}"))
    clocks = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Drawn(*columns, *clocks, console=Console(stderr=True)) as drawn:
        line = drawn.add_task("", total=None, rate="")

        def draw(done: int, total: int) -> None:
            seconds = drawn.tasks[0].elapsed or 0
            drawn.update(line, total=total, completed=done, rate=f"{done / seconds:,.0f}/s" if seconds else "")

        yield draw


def _kept(results: Mapping[str, BacktestResult], folder: Path, config: Path) -> dict[str, Report]:
    """Writes the reports: the main model's at the top of the folder with journal and tables, the others' below it."""
    main = next(name for name in MAIN if name in results)
    code = code_hash(config)
    records = {name: _signed(result, folder, config, code) for name, result in results.items()}
    others = [record for name, record in records.items() if name != main]
    made = {name: report(record, others if name == main else ()) for name, record in records.items()}
    with fresh_folder(folder) as filling:
        put(filling / "report.json", json(made[main]))
        put(filling / "report.html", html(made[main]))
        if find_spec("polars") is not None:
            for name, body in tables([records[main], *others]).items():
                put(filling / name, body)
        _write_journal(filling / "journal.sqlite", results[main])
    for name in results:
        if name != main:
            with fresh_folder(folder / name) as filling:
                put(filling / "report.json", json(made[name]))
                put(filling / "report.html", html(made[name]))
    return made


def _signed(result: BacktestResult, folder: Path, config: Path, code: str) -> RunRecord:
    """The record with the run's name, its configuration, the hash of what was run, and how often that was tried."""
    record = result.record
    record.run_id, record.config, record.code_hash = folder.name, config.read_text("utf-8"), code
    record.checks = marks_of(code)
    if (tried := tried_of(config, RUNS)) is not None:
        sign(record, tried)
    return record


def _write_journal(path: Path, result: BacktestResult) -> None:
    """The entries as a journal, so that `puna why` can answer for a backtest too."""
    storage = SqliteStorage(path)
    try:
        storage.append([to_record(entry) for entry in result.entries])
    finally:
        storage.close()


def _tell(made: Mapping[str, Report], results: Mapping[str, BacktestResult], folder: Path, *, as_json: bool) -> int:
    """The last screen, or one JSON document."""
    failed = [note for each in made.values() for note in each.record.notes if note.code == "E910"]
    halted = [name for name, each in made.items() if each.record.outcome == "halted"]
    if as_json:
        print_json(_document(made, results, folder))
        return 1 if failed or halted else 0
    click.echo(_line(_HEAD))
    for name, each in made.items():
        click.echo(_line((name, *_cells(each))))
    click.echo()
    main = made[next(name for name in MAIN if name in made)]
    print_words(main.verdict)
    for doubt in main.distrust:
        print_words(f"{doubt.short} {doubt.text}", "distrust  ")
    for text in refusals.lines(main.record):
        print_words(text, "refused   ")
    for note in {note.text: note for note in failed}.values():
        click.echo(f"failed    {note.code}  {note.text}")
    click.echo(f"bars      {sum(each.bars for each in results.values()):,} in "
               f"{sum(each.seconds for each in results.values()):.1f} s")  # fmt: skip
    click.echo(f"report    {folder / 'report.html'}")
    print_next(_next(main.record, folder))
    return 1 if failed or halted else 0


def _next(record: RunRecord, folder: Path) -> str:
    """What the refusals mean, else why the last order was; the end of its id is enough."""
    code = next(iter(refusals.by_code(record)), "")
    if code in CODES:
        return f"puna explain {code}"
    order = record.orders[-1].client_order_id.split("-", 2)[-1] if record.orders else "ORDER"
    return f"puna why {order} --run {folder}"


def _line(cells: Sequence[str]) -> str:
    first, *rest = cells
    widths = zip(rest, _WIDTHS[1:], strict=True)
    return f" {first:<{_WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in widths)


def _cells(each: Report) -> Iterator[str]:
    record, known = each.record, {metric.name: metric.value for metric in each.metrics}
    gain = record.equity_end - record.start_equity
    yield signed(gain)
    yield percent(gain / record.start_equity) if record.start_equity else "-"
    yield percent(known.get("max_drawdown") or 0)
    yield f"{known.get('trades', 0)}"
    yield f"{float(known.get('turnover') or 0):.2f}"
    yield dollars(record.fees)
    yield dollars(known.get("cost_against_mid") or 0)


def _document(made: Mapping[str, Report], results: Mapping[str, BacktestResult], folder: Path) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "report": str(folder / "report.html"),
        "history": _history(next(iter(results.values())).history),
        "differences": list(next(iter(results.values())).differences),
        "fills": {
            name: {
                "headline": each.headline,
                "equity_end": each.record.equity_end,
                "profit": each.record.equity_end - each.record.start_equity,
                "metrics": {metric.name: metric.value for metric in each.metrics},
                "bars": results[name].bars,
                "seconds": round(results[name].seconds, 3),
                "refusals": each.record.refusals,
                "refused": {code: len(orders) for code, orders in refusals.by_code(each.record).items()},
                "books_equal": each.record.books is not None and each.record.books.equal,
                "failed": [note.text for note in each.record.notes if note.code == "E910"],
            }
            for name, each in made.items()
        },
    }


def _history(history: History) -> dict[str, Any]:
    return {
        "source": history.source,
        "timeframe": history.timeframe,
        "feed": history.feed,
        "adjustment": history.adjustment,
        "symbols": list(history.symbols),
        "rows": history.rows,
        "digest": history.digest,
    }
