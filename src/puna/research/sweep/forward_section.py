"""The section of a sweep's page on walk-forward: what was chosen, what it gave next, and the stitched equity."""

from puna.research.report.charts import Chart, Point
from puna.research.report.charts import draw as draw_chart
from puna.research.report.formats import DASH, percent, wall
from puna.research.report.markup import Html, join, tag
from puna.research.report.sections import table
from puna.research.sweep.forward import Forward
from puna.research.sweep.words import listing, number, probability, steadiness

__all__ = ["forward_section"]


def forward_section(found: Forward | None) -> Html | None:
    """Each test, the stitched equity, and how the choice did as a whole; None without a walk-forward."""
    if found is None:
        return None
    rows = [
        [
            _days(each.test),
            each.failure or listing(each.values),
            number(each.inside),
            number(each.outside),
            DASH if each.gain is None else percent(each.gain),
            number(each.median),
            probability(each.rank),
            probability(each.held),
            _days(each.train),
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
        number(found.inside),
        number(found.sharpe),
        percent(found.gain),
        number(found.median),
        probability(found.rank),
    )
    head = [
        "test",
        "chosen",
        "Sharpe inside",
        "outside",
        "return",
        "median cell",
        "beat",
        "held at end",
        "trained on",
    ]
    return join(
        (
            tag("p", _walked(found), class_="note"),
            *((draw_chart(chart),) if any(found.returns) else ()),
            table(head, rows, numbers=range(2, len(head) - 1), foot=["", "all tests", *means, "", ""]),
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
    by = "Sharpe ratio" if folding.chooses == "sharpe" else folding.chooses.replace("_", " ")
    share = found.efficiency
    kept = f" {share * 100:.0f} % of the Sharpe ratio in training is left." if share is not None and share > 0 else ""
    return (
        f"In each stretch the past chooses the cell of the best neighbourhood by {by}, and {test}{heard}. "
        f"{folding.purge} periods before each test are purged, and {folding.embargo} more are left out as an embargo. "
        f"{steadiness(found).capitalize()}.{kept} Beat: the part of the other cells that did worse in the test; 50% is "
        "chance. The median cell and this part are cut out of runs over the whole span."
    )


def _days(span: tuple[int, int]) -> Html:
    """From, to; where there is little room, below each other."""
    first, last = (tag("span", wall(each, "%Y-%m-%d"), class_="t") for each in span)
    return tag("span", first, f" {DASH} ", last)
