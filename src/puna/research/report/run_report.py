"""A run as report.json and as report.html: one file each, the same numbers in both, nothing fetched from anywhere.

The page needs no script, and its Content-Security-Policy allows none: only its own stylesheet, by hash.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from puna.engine.record import RunRecord
from puna.research.history.data_faults import Gap, Jump
from puna.research.report import (
    data_sections,
    figure_sections,
    holding_sections,
    order_tables,
    performance_sections,
    quality,
    result_sections,
    sections,
    variant_sections,
)
from puna.research.report.doubts import Doubt, doubts
from puna.research.report.markup import Html, join, tag
from puna.research.report.page import page
from puna.research.report.quality import Working
from puna.research.report.study import Study
from puna.research.report.variants import Variant, variant
from puna.research.report.verdict import headline, verdict
from puna.research.statistics.metrics import Metric, Result, by_strategy
from puna.research.statistics.round_trips import Group, bridge, group_by

__all__ = ["Report", "again", "html", "json", "report", "reread"]

_WRITER = msgspec.json.Encoder(decimal_format="string")


class Report(msgspec.Struct, frozen=True):
    """A run's record with what was made of it.

    `bridge` goes from the signal to the profit of the round trips, USD; `variants` are the same run under each fill
    model, this one included.
    """

    headline: str
    verdict: str
    distrust: list[Doubt]
    metrics: list[Metric]
    strategies: list[Result]
    symbols: list[Result]
    quality: list[quality.Quality]
    record: RunRecord
    bridge: dict[str, Decimal] = {}
    reasons_in: list[Group] = []
    reasons_out: list[Group] = []
    kinds: list[Group] = []
    execution: list[Working] = []
    gaps: list[Gap] = []
    jumps: list[Jump] = []
    variants: list[Variant] = []


def report(record: RunRecord, others: Sequence[RunRecord] = ()) -> Report:
    """Everything that the report says in numbers and words.

    Args:
        record: the run.
        others: the same run under other fill models.
    """
    variants = [variant(each) for each in sorted((record, *others), key=_by_model)] if others else []
    return _report(Study(record, variants))


def reread(body: bytes) -> Report:
    """The report that report.json was made from, worked out anew.

    Raises:
        msgspec.DecodeError: that is no report.json.
    """
    saved = _READER.decode(body)
    return _report(Study(saved.record, saved.variants))


def again(made: Report) -> Report:
    """The same report worked out anew, after something was noted in its record."""
    return _report(Study(made.record, made.variants))


class _Saved(msgspec.Struct):
    """What of report.json cannot be worked out from the rest."""

    record: RunRecord
    variants: list[Variant] = []


_READER = msgspec.json.Decoder(_Saved)
_MODELS = ("optimistic", "realistic", "pessimistic")


def _by_model(record: RunRecord) -> tuple[int, str]:
    known = record.fill_model in _MODELS
    return (_MODELS.index(record.fill_model) if known else len(_MODELS), record.fill_model)


def _report(study: Study) -> Report:
    return Report(
        headline=headline(study.record),
        verdict=verdict(study),
        distrust=doubts(study),
        metrics=study.metrics,
        strategies=by_strategy(study.record),
        symbols=study.symbols,
        quality=quality.qualities(study.record),
        record=study.record,
        bridge=bridge(study.trips),
        reasons_in=group_by(study.trips, "why_in"),
        reasons_out=group_by(study.trips, "why_out"),
        kinds=group_by(study.trips, "kind"),
        execution=quality.by_type(study.record),
        gaps=study.gaps,
        jumps=study.jumps,
        variants=study.variants,
    )


def json(made: Report) -> bytes:
    """report.json."""
    return msgspec.json.format(_WRITER.encode(made)) + b"\n"


def html(made: Report) -> bytes:
    """report.html: one file, readable without network and without scripts."""
    return page(made.headline, _body(made))


def _body(made: Report) -> Html:
    study, record = Study(made.record, made.variants), made.record
    study.symbols = made.symbols  # worked out already
    parts = (
        *(_by_day(study) if study.many_days else _within_a_day(record)),
        ("Fill models", "models", variant_sections.under_fill_models(study.variants, float(record.start_equity))),
        ("Where the result comes from", "result", result_sections.origins(study)),
        ("Reasons", "reasons", result_sections.reasons(study)),
        ("Options", "options", result_sections.packages(study)),
        ("Prices and fills", "prices", sections.prices(record)),
        ("Held at the end", "held", holding_sections.held(record)),
        ("Execution", "execution", quality.execution(record)),
        ("Orders", "orders", order_tables.orders(record)),
        ("Parent orders", "parents", quality.parents(record)),
        ("Refused orders", "refused", order_tables.refused(record)),
        ("Fills", "fills", order_tables.fills(record)),
        ("Data", "data", data_sections.data(study)),
        ("Streams", "streams", sections.drops(record) if record.mode != "backtest" else None),
        ("Notes", "notes", sections.notes(record)),
        ("Books", "books", sections.books(record)),
        ("Every figure", "figures", figure_sections.every_figure(made.metrics)),
        ("How to get this again", "made", _origin(record)),
    )
    there = [(title, name, part) for title, name, part in parts if part is not None]
    return join(
        (
            sections.banner(record),
            tag(
                "main",
                sections.opening(record, made.headline, made.verdict, made.distrust),
                figure_sections.figures(made.metrics, many_days=study.many_days),
                tag("nav", *(tag("a", title, href=f"#{name}") for title, name, _ in there), aria_label="Sections"),
                *(tag("section", tag("h2", title), part, id=name) for title, name, part in there),
                tag("footer", "Puna is not affiliated with Alpaca. Nothing here is advice."),
            ),
        )
    )


_Part = tuple[str, str, Html | None]
_MANY_DAYS = 10


def _within_a_day(record: RunRecord) -> tuple[_Part, ...]:
    return (("Equity", "equity", sections.equity(record)), ("Drawdown", "drawdown", sections.drawdown(record)))


def _by_day(study: Study) -> tuple[_Part, ...]:
    days = study.track
    whole = len(days.days) >= _MANY_DAYS or len(study.record.equity) <= len(days.days)
    drawn = (
        ("Equity", "equity", performance_sections.equity(study.record, days)),
        ("Drawdown", "drawdown", performance_sections.underwater(days)),
    )
    return (
        *(drawn if whole else _within_a_day(study.record)),  # of a few days every point is shown
        ("Deepest drawdowns", "falls", performance_sections.falls(days)),
        ("Months", "months", performance_sections.monthly(days)),
        ("Rolling figures", "rolling", performance_sections.rolling(days)),
        ("Distribution", "distribution", performance_sections.distribution(days)),
        ("Exposure", "exposure", performance_sections.exposure(study.record, days)),
    )


def _origin(record: RunRecord) -> Html:
    """Seed, hashes, versions and configuration: what it takes to make the same run again."""
    known = {
        "Run": record.run_id,
        "Seed": None if record.seed is None else str(record.seed),
        "Day": record.day,
        "Event log": record.event_log_hash,
        "Journal": record.journal_hash,
        "Code": record.code_hash,
        **{name.capitalize(): text for name, text in record.assumptions.items()},
        **{check.name.capitalize(): "passed" if check.passed else "failed" for check in record.checks},
        **record.versions,
    }
    rows = [part for name, value in known.items() if value for part in (tag("dt", name), _value(name, value))]
    config = (tag("h3", "Configuration"), tag("pre", record.config)) if record.config else ()
    return join((tag("dl", *rows, class_="facts"), *config))


def _value(name: str, value: str) -> Html:
    return tag("dd", value, class_="hash" if name in {"Event log", "Journal", "Code"} else None)
