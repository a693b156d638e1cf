"""A sweep as sweep.html and sweep.json: verdict in words, maps, the best cells, walk-forward; nothing is fetched."""

from collections.abc import Callable, Sequence

import msgspec

from puna.research.report.charts import Chart, Point
from puna.research.report.charts import draw as draw_chart
from puna.research.report.formats import DASH, percent, wall
from puna.research.report.markup import Html, join, tag
from puna.research.report.page import asset
from puna.research.report.page import page as whole_page
from puna.research.report.sections import table
from puna.research.sweep.cells import Failure, Row
from puna.research.sweep.cost import Spent, told
from puna.research.sweep.forward import Forward
from puna.research.sweep.heat import Heat, draw
from puna.research.sweep.judgement import Judgement, Standing
from puna.research.sweep.store import Plan
from puna.research.sweep.words import doubts, headline, listing, named, probability, ratio, steadiness, verdict

__all__ = ["Page", "html", "json"]

_SHOWN = 25
_METRICS = 5  # further ones stand in sweep.json and cells.parquet
_FAILED = 10
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
        ("Walk-forward", "forward", _forward(judged.forward)),
        ("Cells that failed", "failed", _failures(page.rows)),
        ("How to get this again", "made", _origin(page)),
    )
    there = [(title, name, part) for title, name, part in parts if part is not None]
    return join(
        (
            tag("div", tag("b", "SWEEP"), f"{judged.cells:,} backtests of one strategy, compared", class_="mode"),
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


def _figures(judged: Judgement) -> Html:
    best, forward, overfit = judged.best, judged.forward, judged.overfit
    figures = [
        (
            "Best neighbourhood",
            named(best),
            f"{judged.by} {ratio(best.score)}, with its neighbours {ratio(best.neighbourhood)}",
        ),
        (
            "Deflated Sharpe ratio",
            probability(best.deflated),
            f"The probability that it has skill, after {judged.effective:.0f} independent trials.",
        ),
        (
            "Overfitting",
            probability(overfit.probability if overfit else None),
            "How often the best of one half of the time is below the middle in the other.",
        ),
        ("Luck alone", ratio(judged.luck), "The annual Sharpe ratio of the best of so many trials without skill."),
        (
            "Sharpe ratio a year",
            ratio(best.metrics.get("sharpe")),
            _between(judged),
        ),
        (
            "Highest of its own",
            named(judged.peak),
            f"{judged.by} {ratio(judged.peak.score)}, deflated {probability(judged.peak.deflated)}",
        ),
    ]
    if forward:
        figures.append(
            (
                "Walk-forward",
                ratio(forward.sharpe),
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


def _between(judged: Judgement) -> str:
    if judged.interval is None:
        return "Of the best cell."
    return f"Of the best cell; between {ratio(judged.interval.low)} and {ratio(judged.interval.high)} with 95 %."


def _within(found: Forward) -> str:
    if found.interval is None:
        return ""
    return f"; between {ratio(found.interval.low)} and {ratio(found.interval.high)} with 95 %"


def _maps(page: Page) -> Html:
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
    return percent if by in _PARTS else ratio


def _cells(judged: Judgement) -> Html:
    shown = judged.standings[:_SHOWN]
    keys = list(judged.best.cell.values)
    metrics = [name for name in judged.best.metrics if name != judged.by][:_METRICS]
    head = [*keys, judged.by, "neighbours", "deflated", *metrics]
    rows = [
        [
            *(str(each.cell.values[key]) for key in keys),
            _metric(judged.by, each.score),
            _metric(judged.by, each.neighbourhood),
            probability(each.deflated),
            *(_metric(name, each.metrics.get(name)) for name in metrics),
        ]
        for each in shown
    ]
    chance = probability(judged.overfit.probability if judged.overfit else None)
    note = (
        f"{len(shown)} of {len(judged.standings):,}, the best neighbourhood first: the median of a cell and those one "
        "step away. Deflated: the probability of skill after all trials. "
        f"Probability of overfitting of this choice: {chance}."
    )
    return join(
        (
            tag("p", note, class_="note"),
            table([each.replace("_", " ") for each in head], rows, numbers=range(len(head))),
        )
    )


def _metric(name: str, value: float | None) -> str:
    if value is None:
        return DASH
    if name in _PARTS:
        return percent(value)
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else ratio(value)


def _forward(found: Forward | None) -> Html | None:
    if found is None:
        return None
    rows = [
        [
            _days(each.train),
            _days(each.test),
            each.failure or listing(each.values),
            ratio(each.inside),
            ratio(each.outside),
            DASH if each.gain is None else percent(each.gain),
            ratio(each.median),
            probability(each.rank),
            probability(each.held),
        ]
        for each in found.stretches
    ]
    worth = 1.0
    points = []
    for end, each in zip(found.ends, found.returns, strict=True):
        worth *= 1 + each
        points.append(Point(end, worth - 1))
    chart = Chart(
        name="forward",
        title="Return of what the past chose",
        points=points,
        tell=percent,
        base=0.0,
        area=True,
        height=240,
    )
    means = (
        ratio(found.inside),
        ratio(found.sharpe),
        percent(found.gain),
        ratio(found.median),
        probability(found.rank),
    )
    head = [
        "training",
        "test",
        "chosen",
        "Sharpe inside",
        "outside",
        "return",
        "median cell",
        "beat",
        "held at the end",
    ]
    return join(
        (
            tag("p", _walked(found), class_="note"),
            *((draw_chart(chart),) if points else ()),
            table(head, rows, numbers=range(3, len(head)), foot=["", "", "all tests", *means, ""]),
        )
    )


def _walked(found: Forward) -> str:
    """How the tests were made, and what came of the choice as a whole."""
    folding = found.folding
    test = (
        "that cell is run afresh on the time after it, with nothing held at first"
        if found.fresh
        else "the time after it, cut out of the run over the whole span, judges"
    )
    heard = f", after hearing {folding.warmup} periods without an order" if found.fresh and folding.warmup else ""
    kept = (
        "" if found.efficiency is None else f" {found.efficiency * 100:.0f} % of the Sharpe ratio in training is left."
    )
    return (
        f"In each stretch the past chooses the cell of the best neighbourhood by Sharpe ratio, and {test}{heard}. "
        f"{folding.purge} periods before each test are purged, and {folding.embargo} more are left out as an embargo. "
        f"{steadiness(found).capitalize()}.{kept} Beat: the part of the other cells that did worse in the test; 50% is "
        "chance. The median cell and this part are cut out of runs over the whole span."
    )


def _days(span: tuple[int, int]) -> Html:
    return tag("span", f"{wall(span[0], '%Y-%m-%d')} {DASH} {wall(span[1], '%Y-%m-%d')}", class_="t")


def _failures(rows: Sequence[Row]) -> Html | None:
    failed = [(row, row.result) for row in rows if isinstance(row.result, Failure)]
    if not failed:
        return None
    told = [
        [
            listing(row.cell.values),
            failure.code,
            f"{failure.what} {failure.why}",
        ]
        for row, failure in failed[:_FAILED]
    ]
    return join(
        (tag("p", f"{len(failed)} of {len(rows):,} cells.", class_="note"), table(["cell", "code", "why"], told))
    )


def _origin(page: Page) -> Html:
    known = {**{key: value for key, value in page.plan.options.items() if value}, **page.versions}
    facts = [part for name, value in known.items() for part in (tag("dt", name), tag("dd", value))]
    hashes = [
        part for name, value in page.plan.hashes.items() for part in (tag("dt", name), tag("dd", value, class_="hash"))
    ]
    cost = tag("p", f"{told(page.cost)}.", class_="note") if page.cost is not None else None
    return join((tag("pre", page.command), tag("dl", *facts, *hashes, class_="facts"), *((cost,) if cost else ())))
