"""A sweep in words: the verdict, and what to distrust."""

from collections.abc import Iterator, Mapping

from puna.research.report.formats import DASH, MINUS, count, independent, listed
from puna.research.sweep.axes import Value
from puna.research.sweep.forward import Forward
from puna.research.sweep.judgement import CONFIDENCE, Judgement, Standing

__all__ = [
    "doubts",
    "gaps",
    "headline",
    "listing",
    "named",
    "number",
    "outside",
    "probability",
    "ratio",
    "steadiness",
    "verdict",
]

_HALF = 0.5
_LONELY = 0.5  # of its own score; a neighbourhood below it does not carry the cell
_FEW = 60
_HELD = 0.5  # of the equity


def named(standing: Standing) -> str:
    """Such as `fast 6, slow 40`."""
    return listing(standing.cell.values)


def listing(values: Mapping[str, Value]) -> str:
    """The values of a cell, in the order of the axes."""
    return ", ".join(f"{key} {value}" for key, value in values.items())


def ratio(value: float | None) -> str:
    """A number with two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f}"


def number(value: float | None) -> str:
    """The same on a page: with a minus of its own width, or its dash."""
    return DASH if value is None else f"{value:.2f}".replace("-", MINUS)


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
    if len(judged.standings) == 1:
        return _alone(judged) + _after(judged)
    found = (
        f"Of {judged.cells:,} cells, {named(best)} stands in the best neighbourhood, with a Sharpe ratio of "
        f"{ratio(best.metrics.get('sharpe'))} a year. "
    )
    luck = (
        f"So many trials, worth {independent(judged.effective)} independent ones, bring {ratio(judged.luck)} by luck "
        "alone; "
        f"the probability that there is skill behind it is {probability(best.deflated)}"
    )
    end = f", and {CONFIDENCE:.0%} is what it takes. Do not trade it." if judged.noise else "."
    return found + luck + end + _halves(judged) + _after(judged)


def _alone(judged: Judgement) -> str:
    """One cell: there was nothing to choose from."""
    best = judged.best
    others = f"; {count(judged.failed, 'other')} failed" if judged.failed else ""
    skill = f"the probability that there is skill behind it is {probability(best.deflated)}"
    return (
        f"One cell gave a result, {named(best)}{others}. Its Sharpe ratio is {ratio(best.metrics.get('sharpe'))} a "
        f"year; {skill}, and {CONFIDENCE:.0%} is what it takes."
    )


def outside(found: Forward) -> str:
    """What walk-forward gave, against what training had shown."""
    share = found.efficiency
    kept = f"{share * 100:.0f}% of the" if share is not None and share > 0 else "after"
    between = f" (95%: {ratio(found.interval.low)} to {ratio(found.interval.high)})" if found.interval else ""
    gain = f"return {found.gain * 100:+.2f}%; median cell {ratio(found.median)}"
    return f"Sharpe ratio {ratio(found.sharpe)}{between}, {kept} {ratio(found.inside)} in training, {gain}"


def steadiness(found: Forward) -> str:
    """How much the choice moved."""
    folds = len(found.stretches)
    if found.steady is None:
        return "one choice"
    steady = f"within a step of the last choice in {found.steady:.0%} of the changes"
    return f"{count(found.distinct, 'cell')} chosen in {folds} folds, {steady}"


def gaps(found: Forward) -> str:
    """How it was divided."""
    folding = found.folding
    heard = f", warm-up {folding.warmup}" if folding.warmup else ""
    how = "each test run afresh" if found.fresh else "tests cut out of whole runs"
    by = "" if folding.chooses == "sharpe" else f"chosen by {folding.chooses.replace('_', ' ')}, "
    return f"{by}purge {folding.purge}, embargo {folding.embargo}{heard}; {how}"


def doubts(judged: Judgement) -> list[str]:
    """What to distrust, the gravest first."""
    return list(_doubts(judged))


def _halves(judged: Judgement) -> str:
    if judged.overfit is None:
        return ""
    chance = probability(judged.overfit.probability)
    return (
        f" Chosen on one half of the time, the best cell ends below the middle in the other half in {chance} of cases."
    )


def _after(judged: Judgement) -> str:
    found = judged.forward
    if found is None or found.sharpe is None:
        return ""
    how = "run afresh on" if found.fresh else "looked at in"
    between = (
        f", with 95 % between {ratio(found.interval.low)} and {ratio(found.interval.high)}" if found.interval else ""
    )
    return (
        f" Chosen {count(len(found.stretches), 'time')} by the past alone and {how} what came after, it had a Sharpe "
        f"ratio of {ratio(found.sharpe)}{between}; in training it had {ratio(found.inside)}."
    )


def _walk(found: Forward) -> Iterator[str]:
    if found.folding.hindsight:
        yield "Walk-forward is not out of sample: the search itself looked for cells that are good over the whole span."
    if found.failed:
        first = next(each.failure for each in found.stretches if each.failure)
        tests = count(found.failed, "test").capitalize()
        yield f"{tests} of walk-forward failed, and the stitched equity goes on without; the first: {first}"
    if found.sharpe is not None and found.sharpe <= 0:
        yield "Chosen by the past, again and again, it would have lost money: walk-forward is below zero."
    elif found.interval is not None and found.interval.low <= 0:
        yield "What walk-forward gained may be luck: its Sharpe ratio may as well be zero."
    holding = [each.held for each in found.stretches if each.held is not None and each.held > _HELD]
    if holding:
        yield (
            f"{count(len(holding), 'test').capitalize()} of walk-forward ended with more than half of the equity in "
            "positions, valued at their last closes; closing them would have cost."
        )


def _doubts(judged: Judgement) -> Iterator[str]:
    if judged.best.deflated is not None:
        yield from _choice(judged)
        yield from _place(judged)
        if judged.forward:
            yield from _walk(judged.forward)
    if judged.failed:
        yield f"{count(judged.failed, 'cell').capitalize()} failed and tell nothing."
    trades = judged.best.metrics.get("trades")
    if judged.best.deflated is not None and trades is not None and trades < _FEW:
        yield f"The best cell traded {count(round(trades), 'time')}; so few say little."


def _choice(judged: Judgement) -> Iterator[str]:
    """Whether choosing among the cells is worth anything."""
    if judged.overfit and judged.overfit.probability > _HALF:
        yield "The choice is overfit: the best cell of one half of the time is no better than the others in the other."
    if judged.overfit is None and len(judged.standings) > 1:
        yield "Overfitting could not be measured: there are too few cells or periods."


def _place(judged: Judgement) -> Iterator[str]:
    """Where the best stands: among its neighbours, beside holding, in the grid."""
    best, peak = judged.best, judged.peak
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
