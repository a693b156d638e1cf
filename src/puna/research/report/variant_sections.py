"""Runs side by side in the report: a column for each, and their equity in one picture."""

from collections.abc import Sequence

from puna.research.report.charts import Chart, Line, Point, draw
from puna.research.report.figure_sections import told
from puna.research.report.formats import count, dollars
from puna.research.report.markup import Html, join, tag
from puna.research.report.performance_sections import legend
from puna.research.report.sections import table
from puna.research.report.variants import SHOWN, Variant

__all__ = ["LINES", "pictured", "side_by_side", "under_fill_models"]

LINES = ("first", "second", "third", "fourth", "fifth", "sixth")


def under_fill_models(given: Sequence[Variant], start: float) -> Html | None:
    """The same run under several guesses about fills; None when there is only one."""
    if len(given) < 2:
        return None
    number = count(len(given), "guess", "guesses")
    note = f"The same rules under {number} about what bars do not tell: at what price, how much, and who was first."
    notes = [(each.name.capitalize(), each.text) for each in given if each.text]
    facts = (part for name, text in notes for part in (tag("dt", name), tag("dd", text)))
    return join(
        (
            tag("p", note, class_="note"),
            side_by_side(given),
            pictured(given, start),
            tag("dl", *facts, class_="facts") if notes else None,
        )
    )


def side_by_side(given: Sequence[Variant]) -> Html:
    """A table with a column for each."""
    by_name = [{metric.name: metric for metric in each.metrics} for each in given]
    rows = [
        (title, *(told(each[name]) if name in each else "" for each in by_name))
        for name, title in SHOWN.items()
        if any(name in each and each[name].value is not None for each in by_name)
    ]
    return table(("", *(each.name for each in given)), rows, numbers=range(1, len(given) + 1))


def pictured(given: Sequence[Variant], start: float) -> Html | None:
    """The equity of each, in one picture; None when no curve has two points."""
    lines = [
        Line(each.name, kind, [Point(point.ts, float(point.equity)) for point in each.curve])
        for each, kind in zip(given, LINES, strict=False)
        if len(each.curve) > 1
    ]
    if not lines:
        return None
    first, *others = lines
    chart = Chart(
        name="models",
        title="Equity in USD, side by side",
        points=first.points,
        others=others,
        tell=dollars,
        base=start,
        height=240,
        gutter=62.0,
    )
    return tag("div", legend(*((f"line {line.kind}", line.name) for line in lines)), draw(chart), class_="models")
