"""A run as report.json and as report.html: one file each, the same numbers in both, nothing fetched from anywhere.

The page needs no script, and its Content-Security-Policy allows none: only its own stylesheet, by hash.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template

import msgspec

from puna.engine.record import RunRecord
from puna.research import order_tables, quality, sections
from puna.research.markup import Html, join, tag
from puna.research.metrics import Metric, Result, by_strategy, by_symbol, measure
from puna.research.verdict import Doubt, doubts, headline, verdict

__all__ = ["Report", "html", "json", "report"]

_WRITER = msgspec.json.Encoder(decimal_format="string")


class Report(msgspec.Struct, frozen=True):
    """A run's record with what was made of it."""

    headline: str
    verdict: str
    distrust: list[Doubt]
    metrics: list[Metric]
    strategies: list[Result]
    symbols: list[Result]
    quality: list[quality.Quality]
    record: RunRecord


def report(record: RunRecord) -> Report:
    """Everything that the report says in numbers and words."""
    return Report(
        headline=headline(record),
        verdict=verdict(record),
        distrust=doubts(record),
        metrics=measure(record),
        strategies=by_strategy(record),
        symbols=by_symbol(record),
        quality=quality.qualities(record),
        record=record,
    )


def json(made: Report) -> bytes:
    """report.json."""
    return msgspec.json.format(_WRITER.encode(made)) + b"\n"


def html(made: Report) -> bytes:
    """report.html: one file, readable without network and without scripts."""
    style = _asset("report.css")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    page = Template(_asset("report_page.html")).substitute(
        title=tag("span", made.headline)[len("<span>") : -len("</span>")],
        style=style,
        style_hash=f"sha256-{digest}",
        body=_body(made),
    )
    return page.encode()


@cache
def _asset(name: str) -> str:
    return files("puna.research").joinpath(name).read_text("utf-8")


def _body(made: Report) -> Html:
    record = made.record
    parts = (
        ("Equity", "equity", sections.equity(record)),
        ("Drawdown", "drawdown", sections.drawdown(record)),
        ("Where the result comes from", "result", sections.bridge(record)),
        ("Prices and fills", "prices", sections.prices(record)),
        ("Orders", "orders", order_tables.orders(record)),
        ("Parent orders", "parents", quality.parents(record)),
        ("Refused orders", "refused", order_tables.refused(record)),
        ("Fills", "fills", order_tables.fills(record)),
        ("Streams", "streams", sections.drops(record)),
        ("Notes", "notes", sections.notes(record)),
        ("Books", "books", sections.books(record)),
        ("How to get this again", "made", _origin(record)),
    )
    there = [(title, name, part) for title, name, part in parts if part is not None]
    return join(
        (
            sections.banner(record),
            tag(
                "main",
                sections.opening(record),
                sections.figures(made.metrics),
                tag("nav", *(tag("a", title, href=f"#{name}") for title, name, _ in there), aria_label="Sections"),
                *(tag("section", tag("h2", title), part, id=name) for title, name, part in there),
                tag("footer", "Puna is not affiliated with Alpaca. Nothing here is advice."),
            ),
        )
    )


def _origin(record: RunRecord) -> Html:
    """Seed, hashes, versions and configuration: what it takes to make the same run again."""
    known = {
        "Run": record.run_id,
        "Seed": None if record.seed is None else str(record.seed),
        "Day": record.day,
        "Event log": record.event_log_hash,
        "Journal": record.journal_hash,
        **record.versions,
    }
    rows = [part for name, value in known.items() if value for part in (tag("dt", name), _value(name, value))]
    config = (tag("h3", "Configuration"), tag("pre", record.config)) if record.config else ()
    return join((tag("dl", *rows, class_="facts"), *config))


def _value(name: str, value: str) -> Html:
    return tag("dd", value, class_="hash" if name in {"Event log", "Journal"} else None)
