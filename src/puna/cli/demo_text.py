"""What the demo says when the day is over: the numbers of the report, as a screen of text or as JSON."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from puna.engine.record import BookRow, DropRow, OrderRow, RunRecord
from puna.research.report.formats import bp, count, dollars, percent, quantity, reason, signed, wall
from puna.research.report.run_report import Report
from puna.research.report.verdict import span
from puna.research.statistics import metrics

__all__ = ["books_line", "closing", "document", "drop_line", "refusal_line"]

_LABEL = 14
_WIDTH = 96
_HEAD = ("strategy", "trades", "P&L after costs", "max drawdown", "worst fill vs mid")
_WIDTHS = (8, 18, 15, 20)
_SHOWN = 3


def closing(made: Report, folder: Path) -> Iterator[str]:
    """The last screen, line by line."""
    record = made.record
    began, ended = span(record)
    minutes = round((ended - began) / 60e9)
    yield f"{made.headline}.  {minutes} minutes in {record.elapsed_seconds:.1f} s."
    yield ""
    yield from _table(made)
    yield ""
    for label, text in _facts(made, folder):
        yield from wrap(
            text,
            _WIDTH,
            break_long_words=False,
            break_on_hyphens=False,
            initial_indent=f" {label:<{_LABEL}}",
            subsequent_indent=" " * (_LABEL + 1),
        )


def _table(made: Report) -> Iterator[str]:
    yield _row(_HEAD)
    for each in made.strategies:
        cells = (f"{each.trades}", signed(each.pnl), percent(each.max_drawdown), bp(each.worst_fill_bp))
        yield _row((each.name, *cells))


def _row(cells: Sequence[str]) -> str:
    first, *rest = cells
    return f" {first:<{_LABEL}}" + "".join(f"{cell:>{width}}" for cell, width in zip(rest, _WIDTHS, strict=True))


def _facts(made: Report, folder: Path) -> Iterator[tuple[str, str]]:
    record = made.record
    refused = [order for order in record.orders if metrics.is_refused(order)]
    yield from (("refused", refusal_line(order)) for order in refused[:_SHOWN])
    if len(refused) > _SHOWN:
        yield "", f"and {len(refused) - _SHOWN} more, in the report"
    yield from (("failed", f"E910  {note.text}") for note in record.notes if note.code == "E910")
    yield from (("stream drop", drop_line(drop)) for drop in record.drops)
    yield "books", books_line(record)
    if record.event_log_hash is not None:
        yield "event log", f"sha256 {record.event_log_hash}"
        yield "", "the same seed gives the same hash, on any machine"
    if metrics.is_continued(record):
        yield "continued", "the strategies' rows count from the journal's first start, the headline from this one"
    yield "report", f"{folder / 'report.html'}"
    yield "next", _next(refused, record, folder)


def _next(refused: Sequence[OrderRow], record: RunRecord, folder: Path) -> str:
    explain = [f"puna explain {refused[0].refusal_code}"] if refused else []
    if record.run_id.startswith("demo"):
        further = [f"puna demo --seed {(record.seed or 0) + 1}", "puna exchange --help"]
    elif record.orders:
        last = record.orders[-1].client_order_id
        further = [f"puna why {last.split('-', 2)[-1]} --run {folder}"]  # the end of an id is enough
    else:
        further = ["puna exchange --help"]
    return " \N{MIDDLE DOT} ".join([*explain, *further])


def refusal_line(order: OrderRow) -> str:
    """Code and reason, and what was wanted when."""
    wanted = f"{order.side} {quantity(order.qty)} {order.symbol} at {wall(order.ts_decision)}"
    return f"{order.refusal_code}  {wanted}: {reason(order.refusal_text or '')}"


def drop_line(drop: DropRow) -> str:
    """When which stream was down, and what it cost."""
    if drop.ts_up is None:
        return f"{drop.stream} stream, {wall(drop.ts_down)}, never back"
    fetched = f"{count(drop.bars, 'bar')} fetched, {count(drop.fills_lost, 'fill')} lost"
    return f"{drop.stream} stream, {wall(drop.ts_down)} to {wall(drop.ts_up)}: {fetched}"


def books_line(record: RunRecord) -> str:
    """Equal to the cent, or which lines differ."""
    if record.books is None:
        return "not compared"
    if not record.books.equal:
        return "; ".join(_difference(row) for row in record.books.rows if not row.equal)
    held = sum(row.qty != 0 for row in record.positions)
    return f"ours equal the exchange's to the cent: cash {dollars(record.cash)}, {count(held, 'position')}"


def _difference(row: BookRow) -> str:
    return f"{row.item}: ours {row.ours:f}, the exchange's {row.broker:f}"


def document(made: Report, folder: Path) -> dict[str, Any]:
    """The demo as one JSON document."""
    record = made.record
    return {
        "event_log_hash": record.event_log_hash,
        "journal_hash": record.journal_hash,
        "seed": record.seed,
        "day": record.day,
        "mode": record.mode,
        "headline": made.headline,
        "elapsed_seconds": round(record.elapsed_seconds, 3),
        "metrics": {metric.name: metric.value for metric in made.metrics},
        "strategies": [
            {
                "name": each.name,
                "trades": each.trades,
                "pnl": each.pnl,
                "max_drawdown": each.max_drawdown,
                "worst_fill_bp": each.worst_fill_bp,
            }
            for each in made.strategies
        ],
        "refused": [refusal_line(order) for order in record.orders if metrics.is_refused(order)],
        "failed": [note.text for note in record.notes if note.code == "E910"],
        "drops": [drop_line(drop) for drop in record.drops],
        "books_equal": record.books is not None and record.books.equal,
        "folder": str(folder),
        "report": str(folder / "report.html"),
    }
