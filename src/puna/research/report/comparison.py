"""Several runs against each other: what differs, their figures side by side, and whether the difference may be luck."""

from collections import Counter
from collections.abc import Sequence
from difflib import unified_diff

import msgspec
import numpy as np

from puna.engine.record import RunRecord
from puna.research.report.formats import count, day_of, dollars, listed, percent, share, wall
from puna.research.report.markup import Html, join, tag
from puna.research.report.page import page
from puna.research.report.run_report import Report
from puna.research.report.sections import table
from puna.research.report.variant_sections import pictured, side_by_side
from puna.research.report.variants import Variant, variant
from puna.research.statistics.bootstrap import Interval, interval
from puna.research.statistics.metrics import pnl_after_costs, return_after_costs
from puna.research.statistics.ratios import FEWEST_DAYS
from puna.research.statistics.returns import Track, track
from puna.seams import seeded_rng

__all__ = ["Comparison", "Difference", "compare", "comparison_html", "comparison_json"]

_DATE = "%-d %b %Y"
_WRITER = msgspec.json.Encoder(decimal_format="string")


class Difference(msgspec.Struct, frozen=True):
    """A run's mean return a year less that of the first one, over the days that both have."""

    name: str
    days: int
    value: float
    interval: Interval


class Comparison(msgspec.Struct, frozen=True):
    """What is said of several runs.

    `differs` holds what is not the same in all runs, a value for each run. `config` are the lines by which the
    configurations of the first and the second run differ.
    """

    headline: str
    verdict: str
    runs: list[Variant]
    differs: dict[str, list[str]]
    differences: list[Difference]
    config: list[str]
    start: float


def compare(reports: Sequence[Report]) -> Comparison:
    """Two runs or more, the first one being what the others are compared with.

    Raises:
        ValueError: fewer than two.
    """
    if len(reports) < 2:
        raise ValueError("a comparison takes two runs")
    records = [made.record for made in reports]
    names = _names(records)
    tracks = [track(record) for record in records]
    found = [_difference(name, tracks[0], each) for name, each in zip(names[1:], tracks[1:], strict=True)]
    differences = [each for each in found if each is not None]
    first, second = (record.config.splitlines() for record in records[:2])
    return Comparison(
        headline=_headline(names, records),
        verdict=_verdict(names, records, differences),
        runs=[variant(record, name) for record, name in zip(records, names, strict=True)],
        differs=_differs(records),
        differences=differences,
        config=[line.rstrip("\n") for line in unified_diff(first, second, names[0], names[1], lineterm="", n=1)],
        start=float(records[0].start_equity),
    )


def comparison_json(made: Comparison) -> bytes:
    """The comparison as a JSON document."""
    return msgspec.json.format(_WRITER.encode(made)) + b"\n"


def comparison_html(made: Comparison) -> bytes:
    """The comparison as one page, like report.html."""
    parts = (
        ("Figures", "figures", side_by_side(made.runs)),
        ("Equity", "equity", pictured(made.runs, made.start)),
        ("What differs", "differs", _differing(made)),
        ("Configuration", "config", tag("pre", "\n".join(made.config)) if made.config else None),
    )
    there = [(title, name, part) for title, name, part in parts if part is not None]
    return page(
        made.headline,
        join(
            (
                tag("div", tag("b", "COMPARISON"), f"{count(len(made.runs), 'run')} side by side.", class_="mode"),
                tag(
                    "main",
                    tag("header", tag("h1", made.headline), tag("p", made.verdict, class_="verdict")),
                    tag("nav", *(tag("a", title, href=f"#{name}") for title, name, _ in there), aria_label="Sections"),
                    *(tag("section", tag("h2", title), part, id=name) for title, name, part in there),
                    tag("footer", "Puna is not affiliated with Alpaca. Nothing here is advice."),
                ),
            )
        ),
    )


def _names(records: Sequence[RunRecord]) -> list[str]:
    """Run ids; with the fill model or a number where two are the same."""
    names = [record.run_id or record.mode for record in records]
    if len(set(names)) < len(names):
        names = [f"{name} {record.fill_model}".strip() for name, record in zip(names, records, strict=True)]
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told


def _headline(names: Sequence[str], records: Sequence[RunRecord]) -> str:
    made = [return_after_costs(record) for record in records]
    parts = [f"{name} {percent(each)}" for name, each in zip(names, made, strict=True)]
    return listed(parts)


def _verdict(names: Sequence[str], records: Sequence[RunRecord], differences: Sequence[Difference]) -> str:
    best = max(range(len(records)), key=lambda at: pnl_after_costs(records[at]))
    ends = {round(float(pnl_after_costs(record)), 2) for record in records}
    words = ["All came to the same." if len(ends) == 1 else f"{names[best]} made the most, "
             f"{dollars(pnl_after_costs(records[best]))} USD after costs."]  # fmt: skip
    if len({(day_of(record.started_ts), day_of(record.ended_ts)) for record in records if record.started_ts}) > 1:
        words.append("They do not cover the same days, so that only the days that both have can be compared.")
    digests = {tuple(sorted((row.symbol, row.digest) for row in record.data)) for record in records}
    if len(digests) > 1:
        words.append("They did not see the same data, so that more than the strategy differs.")
    for each in differences:
        around = each.interval
        sure = around.low > 0 or around.high < 0
        words.append(
            f"{each.name} returned {percent(each.value)} a year against {names[0]} over {count(each.days, 'day')} that "
            f"both have, between {percent(around.low)} and {percent(around.high)} with {share(around.level)}: "
            f"{'more than luck explains.' if sure else 'it may as well be luck.'}"
        )
    words += [
        f"{name} was chosen from {record.trials:,} trials; the luck of that choice is not taken off."
        for name, record in zip(names, records, strict=True)
        if record.trials > 1
    ]
    if not differences and len(ends) > 1:
        words.append(
            f"Fewer than {FEWEST_DAYS} days are common to them: whether the difference is luck cannot be said."
        )
    return " ".join(words)


def _difference(name: str, first: Track, other: Track) -> Difference | None:
    """Day by day, so that what moved both is gone; None for few common days, or none that differ."""
    own = dict(zip(first.days, first.returns.tolist(), strict=True))
    away = np.array(
        [value - own[on] for on, value in zip(other.days, other.returns.tolist(), strict=True) if on in own]
    )
    if len(away) < FEWEST_DAYS or not away.any():
        return None
    found = interval(away, lambda draws: draws.mean(axis=-1) * first.year, seeded_rng("comparison"))
    return None if found is None else Difference(name, len(away), float(away.mean()) * first.year, found)


def _differs(records: Sequence[RunRecord]) -> dict[str, list[str]]:
    """What is not the same in all runs."""
    told = {
        "Mode": [record.mode for record in records],
        "From": [wall(record.started_ts, _DATE) if record.started_ts else "" for record in records],
        "To": [wall(record.ended_ts, _DATE) if record.ended_ts else "" for record in records],
        "Start equity": [dollars(record.start_equity) for record in records],
        "Symbols": [", ".join(record.symbols) for record in records],
        "Strategies": [", ".join(record.strategies) for record in records],
        "Bars": [record.timeframe for record in records],
        "Feed": [", ".join(sorted({row.feed for row in record.data})) for record in records],
        "Adjustment": [", ".join(sorted({row.adjustment for row in record.data})) for record in records],
        "Data": [", ".join(row.digest[:8] for row in record.data[:5]) for record in records],
        "Fill model": [record.fill_model for record in records],
        "Seed": ["" if record.seed is None else str(record.seed) for record in records],
        "Code": [(record.code_hash or "")[:12] for record in records],
        "Puna": [record.versions.get("puna", "") for record in records],
        "Outcome": [record.outcome for record in records],
    }
    return {name: values for name, values in told.items() if len(set(values)) > 1}


def _differing(made: Comparison) -> Html:
    if not made.differs:
        return tag("p", "Mode, days, data, fills, seed and code are the same in all.", class_="note")
    return table(("", *(each.name for each in made.runs)), [(name, *values) for name, values in made.differs.items()])
