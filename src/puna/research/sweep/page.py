"""A sweep as sweep.html and sweep.json: verdict in words, maps, the best cells, walk-forward; nothing is fetched."""

from collections.abc import Callable, Sequence

import msgspec

from puna.research.report.formats import DASH, independent, percent
from puna.research.report.markup import Child, Html, join, tag
from puna.research.report.page import asset
from puna.research.report.page import page as whole_page
from puna.research.report.sections import table
from puna.research.sweep.axes import is_number
from puna.research.sweep.cells import Failure, Row
from puna.research.sweep.cost import Spent, told
from puna.research.sweep.forward import Forward
from puna.research.sweep.forward_section import forward_section
from puna.research.sweep.heat import Heat, draw
from puna.research.sweep.judgement import Judgement, Standing
from puna.research.sweep.store import Plan
from puna.research.sweep.words import doubts, headline, listing, number, probability, verdict

__all__ = ["Page", "html", "json"]

_SHOWN = 25
_METRICS = 5  # further ones stand in sweep.json and cells.parquet
_FAILED = 10
_BREAK = "\N{ZERO WIDTH SPACE}"
_COUNTS = ("trades", "refused")
_PARTS = ("return", "max_drawdown")  # metrics that are fractions


class Page(msgspec.Struct, frozen=True):
    """Everything that is told of a sweep.

    Args:
        name: of the folder.
        plan: what was asked for.
        judged: what came of it.
        rows: every cell.
        maps: of colours.
        command: how to get it again.
        versions: name -> version or hash.
        cost: what it took to run what was run; None where every cell was there already.
    """

    name: str
    plan: Plan
    judged: Judgement
    rows: list[Row]
    maps: list[Heat]
    command: str
    versions: dict[str, str] = {}
    cost: Spent | None = None


def json(page: Page) -> bytes:
    """sweep.json: the same numbers as on the page, and every cell without its returns (those are in cells.parquet)."""
    judged = msgspec.to_builtins(page.judged)
    standing = {each.cell.key: each for each in page.judged.standings}
    made = {
        "name": page.name,
        "headline": headline(page.judged),
        "verdict": verdict(page.judged),
        "distrust": doubts(page.judged),
        "command": page.command,
        "plan": page.plan,
        "versions": page.versions,
        "cost": page.cost,
        **{key: value for key, value in judged.items() if key not in ("standings", "peak")},
        "best": page.judged.best,
        "peak": page.judged.peak,
        "maps": page.maps,
        "rows": [_told(row, standing.get(row.cell.key)) for row in page.rows],
    }
    return msgspec.json.format(msgspec.json.encode(made)) + b"\n"


def html(page: Page) -> bytes:
    """sweep.html: one file, readable without network and without scripts."""
    title = f"{page.name}: {headline(page.judged)}"
    return whole_page(title, _body(page), asset("puna.research.sweep", "sweep.css"))


def _told(row: Row, standing: Standing | None) -> dict[str, object]:
    failed = isinstance(row.result, Failure)
    return {
        "number": row.cell.number,
        "values": row.cell.values,
        "metrics": {} if failed else row.result.metrics,  # type: ignore[union-attr]
        "neighbourhood": standing and standing.neighbourhood,
        "deflated": standing and standing.deflated,
        "failure": row.result if failed else None,
        "seconds": row.nanos / 1e9,
    }


def _body(page: Page) -> Html:
    judged = page.judged
    parts = (
        ("Maps", "maps", _maps(page)),
        ("The best cells", "cells", _cells(judged)),
        ("Walk-forward", "forward", forward_section(judged.forward)),
        ("Cells that failed", "failed", _failures(page.rows)),
        ("How to get this again", "made", _origin(page)),
    )
    there = [(title, name, part) for title, name, part in parts if part is not None]
    return join(
        (
            tag("div", tag("b", "SWEEP"), _ran(judged.cells), class_="mode"),
            tag(
                "main",
                _opening(page),
                _figures(judged),
                tag("nav", *(tag("a", title, href=f"#{name}") for title, name, _ in there), aria_label="Sections"),
                *(tag("section", tag("h2", title), part, id=name) for title, name, part in there),
                tag("footer", "Puna is not affiliated with Alpaca. Nothing here is advice."),
            ),
        )
    )


def _ran(cells: int) -> str:
    return f"{cells:,} backtests, compared" if cells > 1 else "one backtest: nothing to compare"


def _opening(page: Page) -> Html:
    found = doubts(page.judged)
    return tag(
        "header",
        tag("h1", headline(page.judged)),
        tag("p", f"{page.name}: {' '.join(page.plan.words)}", class_="when"),
        tag("p", verdict(page.judged), class_="verdict"),
        *(
            (tag("h3", "What to distrust"), tag("ul", *(tag("li", each) for each in found), class_="doubt"))
            if found
            else ()
        ),
    )


def _figures(judged: Judgement) -> Html | None:
    if judged.best.deflated is None:
        return None
    best, forward, overfit = judged.best, judged.forward, judged.overfit
    figures: list[tuple[str, Child, str]] = [
        (
            "Best neighbourhood",
            _lines(best),
            f"{_said(judged.by)} {number(best.score)}, with its neighbours {number(best.neighbourhood)}",
        ),
        (
            "Deflated Sharpe ratio",
            probability(best.deflated),
            f"The probability that it has skill, after {independent(judged.effective)} independent trials.",
        ),
        ("Luck alone", number(judged.luck), "The annual Sharpe ratio of the best of so many trials without skill."),
        (
            "Sharpe ratio a year",
            number(best.metrics.get("sharpe")),
            _between(judged),
        ),
        (
            "Highest of its own",
            _lines(judged.peak),
            f"{_said(judged.by)} {number(judged.peak.score)}, deflated {probability(judged.peak.deflated)}",
        ),
    ]
    if overfit:
        meaning = "How often the best of one half of the time is below the middle in the other."
        figures.insert(2, ("Overfitting", probability(overfit.probability), meaning))
    if forward:
        figures.append(
            (
                "Walk-forward",
                number(forward.sharpe),
                f"The annual Sharpe ratio of what the past chose, in the time after it{_within(forward)}.",
            )
        )
    return tag(
        "dl",
        *(
            tag("div", tag("dt", title), tag("dd", value, class_="number"), tag("dd", meaning, class_="meaning"))
            for title, value, meaning in figures
        ),
        class_="figures",
    )


def _lines(standing: Standing) -> Html:
    """A cell, a value a line: keys may be long."""
    values = standing.cell.values.items()
    return tag("span", *(tag("span", _breaking(f"{key} {value}")) for key, value in values), class_="values")


def _breaking(text: str) -> str:
    """A name that may go on in the next line after each of its words."""
    return text.replace("_", f"_{_BREAK}")


def _said(name: str) -> str:
    return name.replace("_", " ")


def _between(judged: Judgement) -> str:
    if judged.interval is None:
        return "Of the best cell."
    return f"Of the best cell; between {number(judged.interval.low)} and {number(judged.interval.high)} with 95 %."


def _within(found: Forward) -> str:
    if found.interval is None:
        return ""
    return f"; between {number(found.interval.low)} and {number(found.interval.high)} with 95 %"


def _maps(page: Page) -> Html | None:
    if not page.maps:
        return None
    note = (
        f"The median {page.judged.by.replace('_', ' ')} of all cells with these two values; blue above zero, orange "
        "below it, stronger further away. The best neighbourhood is framed."
    )
    return join(
        (
            tag("p", note, class_="note"),
            *(
                join(
                    (
                        tag("h3", f"{heat.y} and {heat.x}" if heat.y else heat.x),
                        draw(heat, f"map{n}", _tell(page.judged.by)),
                    )
                )
                for n, heat in enumerate(page.maps)
            ),
        )
    )


def _tell(by: str) -> Callable[[float], str]:
    return percent if by in _PARTS else number


def _cells(judged: Judgement) -> Html:
    shown = judged.standings[:_SHOWN]
    keys = list(judged.best.cell.values)
    metrics = [name for name in judged.best.metrics if name != judged.by][:_METRICS]
    names = {n for n, key in enumerate(keys) if not all(is_number(each.cell.values[key]) for each in judged.standings)}
    head = [*keys, judged.by, "neighbours", "deflated", *metrics]
    rows = [
        [
            *(_breaking(str(each.cell.values[key])) for key in keys),
            _metric(judged.by, each.score),
            _metric(judged.by, each.neighbourhood),
            probability(each.deflated),
            *(_metric(name, each.metrics.get(name)) for name in metrics),
        ]
        for each in shown
    ]
    overfit = judged.overfit
    chance = f" Probability of overfitting of this choice: {probability(overfit.probability)}." if overfit else ""
    note = (
        f"{len(shown)} of {len(judged.standings):,}, the best neighbourhood first: the median of a cell and those one "
        f"step away. Deflated: the probability of skill after all trials.{chance}"
    )
    return join(
        (
            tag("p", note, class_="note"),
            table([_said(each) for each in head], rows, numbers=[n for n in range(len(head)) if n not in names]),
        )
    )


def _metric(name: str, value: float | None) -> str:
    if value is None:
        return DASH
    if name in _PARTS:
        return percent(value)
    if name in _COUNTS:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else number(value)


def _failures(rows: Sequence[Row]) -> Html | None:
    failed = [(row, row.result) for row in rows if isinstance(row.result, Failure)]
    if not failed:
        return None
    alike: dict[tuple[str, str], list[Row]] = {}
    for row, failure in failed:
        alike.setdefault((failure.code, f"{failure.what} {failure.why}"), []).append(row)
    first = [*alike.items()][:_FAILED]
    reasons = [[code, why, f"{len(found):,}", listing(found[0].cell.values)] for (code, why), found in first]
    more = f", for {len(alike):,} reasons, the first {_FAILED} of them" if len(alike) > _FAILED else ""
    return join(
        (
            tag("p", f"{len(failed):,} of {len(rows):,} cells{more}.", class_="note"),
            table(["code", "why", "cells", "the first of them"], reasons, numbers=(2,)),
        )
    )


def _origin(page: Page) -> Html:
    known = {**{key: value for key, value in page.plan.options.items() if value}, **page.versions}
    facts = [part for name, value in known.items() for part in (tag("dt", name), tag("dd", value))]
    named = ((name, value) for name, value in page.plan.hashes.items() if name not in known)
    hashes = [part for name, value in named for part in (tag("dt", name), tag("dd", value, class_="hash"))]
    cost = (tag("p", f"{told(page.cost)}.", class_="note cost"),) if page.cost is not None else ()
    return join((tag("pre", page.command), tag("dl", *facts, *hashes, class_="facts"), *cost))
