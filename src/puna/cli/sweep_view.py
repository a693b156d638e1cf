"""A sweep in the terminal: the best cells as a table, a map of colours or numbers, the verdict."""

from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from string import ascii_uppercase

import click

from puna.cli.output import print_rows
from puna.research.report.formats import independent
from puna.research.sweep.cells import Cell, Failure, Row
from puna.research.sweep.heat import Heat
from puna.research.sweep.judgement import Judgement, Standing
from puna.research.sweep.words import doubts, gaps, headline, listing, outside, probability, ratio, steadiness, verdict

__all__ = ["show"]

_SHOWN, _MAPS, _FAILED = 10, 3, 3
_PERCENT = ("return", "max_drawdown")
_COUNTS = ("trades", "refused")
_BLUE, _ORANGE = (31, 95, 191), (168, 72, 11)  # of the page, light
_WIDEST = 18  # columns of a map in a terminal


def show(judged: Judgement, rows: Sequence[Row], maps: Sequence[Heat], *, colour: bool) -> None:
    """Prints all of it on stdout."""
    _table(judged, get_terminal_size().columns)
    for heat in maps[:_MAPS]:
        click.echo()
        for line in _map(heat, judged.by, colour=colour):
            click.echo(line)
    click.echo()
    width = min(120, get_terminal_size().columns)
    for title, text in _figures(judged):
        click.echo(click.wrap_text(text, width, f"{title.ljust(22)} ", " " * 23))
    for line in _failures(rows):
        click.echo(click.wrap_text(line, width, f"{'failed'.ljust(22)} ", " " * 23))
    click.echo()
    click.echo(click.wrap_text(f"{headline(judged)}. {verdict(judged)}", width))
    for each in doubts(judged):
        click.echo(click.wrap_text(each, width, "  - ", "    "))


def _failures(rows: Sequence[Row]) -> Iterator[str]:
    """Why cells failed, the first of each reason."""
    alike: dict[tuple[str, str], list[Cell]] = {}
    for row in rows:
        if isinstance(row.result, Failure):
            alike.setdefault((row.result.code, row.result.what), []).append(row.cell)
    for (code, what), cells in [*alike.items()][:_FAILED]:
        more = f" and {len(cells) - 1:,} more" if len(cells) > 1 else ""
        yield f"{code} {listing(cells[0].values)}{more}: {what}"
    if len(alike) > _FAILED:
        yield f"and {len(alike) - _FAILED:,} other reasons; all stand in the report"


def _table(judged: Judgement, width: int) -> None:
    """The best cells; where their keys are too long for the terminal, letters stand for them."""
    rows = list(_cells(judged))
    columns = (max(len(name), *(len(row[name]) for row in rows)) for name in rows[0])
    if sum(columns) + 2 * (len(rows[0]) - 1) > width:
        short = dict(zip(judged.best.cell.values, ascii_uppercase, strict=False))
        for key, letter in short.items():
            click.echo(f"{letter} is {key}")
        rows = [{short.get(name, name): text for name, text in row.items()} for row in rows]
    print_rows(rows, right=frozenset(rows[0]))


def _cells(judged: Judgement) -> Iterator[dict[str, str]]:
    """The best neighbourhoods; the deflated Sharpe ratio beside each."""
    others = [name for name in judged.best.metrics if name != judged.by][:3]
    for each in judged.standings[:_SHOWN]:
        yield {
            **{key: str(value) for key, value in each.cell.values.items()},
            _said(judged.by): _metric(judged.by, each.score),
            "neighbours": _metric(judged.by, each.neighbourhood),
            "deflated": probability(each.deflated),
            **{_said(name): _metric(name, each.metrics.get(name)) for name in others},
        }


def _said(name: str) -> str:
    return name.replace("_", " ")


def _metric(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in _PERCENT:
        return f"{value * 100:+.2f}%" if value else "0.00%"
    if name in _COUNTS:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else ratio(value)


def _figures(judged: Judgement) -> Iterator[tuple[str, str]]:
    overfit, forward = judged.overfit, judged.forward
    failed = f", {judged.failed} failed" if judged.failed else ""
    yield "cells", f"{judged.cells:,}{failed}, worth {independent(judged.effective)} independent trials"
    yield "best neighbourhood", _place(judged.best, judged.by)
    yield "highest of its own", _place(judged.peak, judged.by)
    if overfit is not None:
        half = "chosen on one half of the time, below the middle in the other"
        yield "overfitting", f"probability {probability(overfit.probability)}: {half}"
    yield "luck alone", f"a Sharpe ratio of {ratio(judged.luck)} a year for the best of so many"
    if judged.interval is not None:
        between = f"between {ratio(judged.interval.low)} and {ratio(judged.interval.high)}"
        yield "the best, with 95%", f"a Sharpe ratio {between}"
    if forward is not None:
        yield "walk-forward", outside(forward)
        yield "", f"{steadiness(forward)}; {gaps(forward)}"


def _place(standing: Standing, by: str) -> str:
    own, near = _metric(by, standing.score), _metric(by, standing.neighbourhood)
    return (
        f"{listing(standing.cell.values)}: {_said(by)} {own}, neighbours {near}, "
        f"deflated {probability(standing.deflated)}"
    )


def _map(heat: Heat, by: str, *, colour: bool) -> Iterator[str]:
    """Rows from above to below; the best field in brackets."""
    each = -(-len(heat.columns) // _WIDEST)
    shown = range(0, len(heat.columns), each)
    fields = [[_field(heat, row, column, by) for column in shown] for row in range(len(heat.lines))]
    width = max(len(text) for line in (*fields, [heat.columns[n] for n in shown]) for text in line) + 1
    left = max(len(line) for line in (*heat.lines, heat.y))
    some = f" (every {each}th value)" if each > 1 else ""
    yield f"{_said(by)}, median of the cells with these values{some}"
    if heat.y:
        yield heat.y.rjust(left)
    for row in reversed(range(len(heat.lines))):
        cells = zip(fields[row], shown, strict=True)
        painted = (_painted(text.rjust(width), heat, row, column, colour=colour) for text, column in cells)
        yield f"{heat.lines[row].rjust(left)} {''.join(painted)}"
    yield f"{' ' * left} {''.join(heat.columns[n].rjust(width) for n in shown)}  {heat.x}"


def _field(heat: Heat, row: int, column: int, by: str) -> str:
    field = heat.rows[row][column]
    text = "." if field.value is None else _metric(by, field.value)
    return f"[{text}]" if field.best else f"{text} "


def _painted(text: str, heat: Heat, row: int, column: int, *, colour: bool) -> str:
    value = heat.rows[row][column].value
    if not colour or value is None:
        return text
    strength = heat.strength(value)
    tone = _BLUE if value >= 0 else _ORANGE
    mixed = tuple(round(255 - (255 - each) * strength * 0.6) for each in tone)
    return click.style(text, fg="black", bg=(mixed[0], mixed[1], mixed[2]))
