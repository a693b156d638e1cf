"""A sweep in words: the verdict, and what to distrust."""

from collections.abc import Iterator

from puna.research.report.formats import count, listed
from puna.research.sweep.judgement import CONFIDENCE, Judgement, Standing

__all__ = ["doubts", "headline", "named", "probability", "ratio", "verdict"]

_HALF = 0.5
_LONELY = 0.5  # of its own score; a neighbourhood below it does not carry the cell
_FEW = 60


def named(standing: Standing) -> str:
    """Such as `fast 6, slow 40`."""
    return ", ".join(f"{key} {value}" for key, value in standing.cell.values.items())


def ratio(value: float | None) -> str:
    """A number with two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f}"


def probability(value: float | None) -> str:
    """Whole percents, never rounded to a certainty."""
    if value is None:
        return "-"
    return "<1%" if 0 < value < 0.01 else ">99%" if 0.99 < value < 1 else f"{value * 100:.0f}%"


def headline(judged: Judgement) -> str:
    """The verdict in a few words."""
    if judged.best.deflated is None:
        return "Nothing to judge: no cell moved"
    if judged.noise:
        return "This is noise"
    if judged.overfit and judged.overfit.probability > _HALF:
        return "Something earns here, but which cell is best is chance"
    return "The best of these cells is probably not luck"


def verdict(judged: Judgement) -> str:
    """The verdict in sentences."""
    best = judged.best
    if best.deflated is None:
        return f"{count(judged.cells, 'cell').capitalize()} ran, and none made or lost anything."
    found = (
        f"Of {judged.cells:,} cells, {named(best)} stands in the best neighbourhood, with a Sharpe ratio of "
        f"{ratio(best.metrics.get('sharpe'))} a year. "
    )
    luck = (
        f"So many trials, worth {judged.effective:.0f} independent ones, bring {ratio(judged.luck)} by luck alone; "
        f"the probability that there is skill behind it is {probability(best.deflated)}"
    )
    end = f", and {CONFIDENCE:.0%} is what it takes. Do not trade it." if judged.noise else "."
    return found + luck + end + _outside(judged)


def doubts(judged: Judgement) -> list[str]:
    """What to distrust, the gravest first."""
    return list(_doubts(judged))


def _outside(judged: Judgement) -> str:
    if judged.overfit is None:
        return ""
    chance = probability(judged.overfit.probability)
    return (
        f" Chosen on one half of the time, the best cell ends below the middle in the other half in {chance} of cases."
    )


def _doubts(judged: Judgement) -> Iterator[str]:
    best, peak = judged.best, judged.peak
    if judged.overfit and judged.overfit.probability > _HALF:
        yield "The choice is overfit: the best cell of one half of the time is no better than the others in the other."
    if judged.overfit is None:
        yield "Overfitting could not be measured: there are too few cells or periods."
    if peak.score and peak.neighbourhood is not None and peak.neighbourhood < peak.score * _LONELY and peak.score > 0:
        yield (
            f"The highest {judged.by}, {ratio(peak.score)} at {named(peak)}, stands alone: its neighbourhood has "
            f"{ratio(peak.neighbourhood)}."
        )
    own, holding = best.metrics.get("sharpe"), best.metrics.get("holding")
    if own is not None and holding is not None and own <= holding and own > 0:
        yield f"Holding the same symbols had a Sharpe ratio of {ratio(holding)}: the best cell is no better than that."
    if judged.edges:
        yield f"The best cell stands at the edge of {listed(judged.edges)}: what lies beyond was not tried."
    if judged.forward and judged.forward.sharpe is not None and judged.forward.sharpe <= 0:
        yield "Chosen by the past, again and again, it would have lost money: walk-forward is below zero."
    if judged.failed:
        yield f"{count(judged.failed, 'cell').capitalize()} failed and tell nothing."
    if (trades := best.metrics.get("trades")) is not None and trades < _FEW:
        yield f"The best cell traded {trades:.0f} times; so few say little."
