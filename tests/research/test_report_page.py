"""report.html and report.json: words first, one file, nothing from outside, no text that becomes markup."""

import json as stdlib_json
import re
from base64 import b64encode
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from puna.engine.record import BookRow, Books, EquityPoint, NoteRow, RunRecord
from puna.research.report.run_report import html, json, report


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ends = 0
        self.text = ""
        self._silent = 0
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self.ends += 1
        self._silent -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text += data + "\n"


def page(record: RunRecord) -> Page:
    return Page(html(report(record)))


def test_the_report_opens_with_a_verdict_in_words(run: RunRecord) -> None:
    """Mode, result, data, fills and doubts come before the first number in a box."""
    text = page(run).text
    opening = text[: text.index("P&L after costs")]
    for words in (
        "SIM",
        "Two strategies gained 17.40 USD, +0.17",
        "Thursday, 18 October 2012",
        "drawn from seed 7",
        "one stream drop cost no fills",
        "equal to the cent",
        "One day.",
        "Two trades.",
        "One position still open.",
    ):
        assert words in opening


def test_a_losing_day_says_so(run: RunRecord) -> None:
    """The sign is in the word, not in a colour."""
    assert "lost 82.60 USD" in report(replace(run, equity_end=Decimal("9917.40"))).headline
    assert "made nothing" in report(replace(run, equity_end=Decimal(10_000))).headline


def test_one_symbol_that_made_it_all_is_named(run: RunRecord) -> None:
    """AAPL's 19.00 of 20.50 is more than four fifths."""
    assert any(doubt.short == "AAPL made most of it." for doubt in report(run).distrust)


def test_nothing_is_fetched_and_nothing_is_run(run: RunRecord) -> None:
    """No script, no link out, no inline style; the policy allows the page's stylesheet, by hash, and no more."""
    body = html(report(run)).decode()
    seen = Page(body.encode())
    names = {name for name, _ in seen.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "base"}
    assert not re.search(r"url\(|@import|https?:", body)
    for _, attributes in seen.tags:
        assert not [key for key in attributes if key == "style" or key.startswith("on") or key == "src"]
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy")
    style = body[body.index("<style>") + 7 : body.index("</style>")]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_every_link_leads_somewhere(run: RunRecord) -> None:
    """And no id is used twice."""
    seen = page(
        replace(run, orders=[*run.orders[:2], replace(run.orders[1], client_order_id="x", replaces="puna-1-one-1")])
    )
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"] for name, a in seen.tags if name == "a" and a.get("href")]
    assert {str(link).removeprefix("#") for link in links} <= set(ids)
    assert "#o1" in links


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from(list("<>&\"'`$ab ")), min_size=1, max_size=12))
def test_text_never_becomes_markup(run: RunRecord, hostile: str) -> None:
    """Symbols, names, reasons, refusals, notes and config with < & " and $ leave the page's structure as it was."""

    def with_text(text: str) -> RunRecord:
        orders = [
            replace(
                order,
                symbol=text,
                strategy=text,
                because=text,
                status=text,
                client_order_id=f"{text}{number}",
                refusal_code=order.refusal_code and text,
                refusal_text=text,
            )
            for number, order in enumerate(run.orders)
        ]
        return replace(
            run,
            orders=orders,
            fills=[replace(fill, symbol=text, strategy=text) for fill in run.fills],
            symbols=[text],
            strategies=[text],
            prices={text: run.prices["AAPL"]},
            notes=[NoteRow(ts=run.started_ts, code=text, text=text)],
            config=text,
            versions={text: text},
            day=text,
            run_id=text,
            outcome=text,
            books=Books(equal=False, rows=[BookRow(item=text, ours=Decimal(1), broker=Decimal(2))]),
        )

    odd, plain = page(with_text(hostile)), page(with_text("plain"))
    assert [name for name, _ in odd.tags] == [name for name, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in odd.tags] == [sorted(attributes) for _, attributes in plain.tags]
    assert odd.ends == plain.ends


def test_refused_orders_carry_code_and_plain_words(run: RunRecord) -> None:
    """And whose refusal it was."""
    text = page(run).text
    assert "position cap: 12,000.00 > 10,000.00 USD in AAPL" in text
    assert "R104" in text
    assert "By our own risk checks; nothing was sent." in text


def test_books_that_differ_are_shouted(run: RunRecord) -> None:
    """The difference stands in the table, and the verdict says not to trust the run."""
    rows = [BookRow(item="cash", ours=Decimal("10.02"), broker=Decimal("10.00"))]
    text = page(replace(run, books=Books(equal=False, rows=rows))).text
    assert "+0.02" in text
    assert text.count("do not trust this run") == 2


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (RunRecord(mode="sim"), ["Nothing was recorded.", "No order was sent.", "Nothing was filled.", "not compared"]),
        (
            RunRecord(mode="paper", equity=[EquityPoint(0, Decimal(5))]),
            ["PAPER", "Recorded once: 5.00", "Paper fills."],
        ),
        (RunRecord(mode="moon"), ["MOON", "Where prices came from is not known."]),
    ],
)
def test_a_run_without_much_in_it_still_reads(record: RunRecord, words: list[str]) -> None:
    """No fills, no equity, one point, an unknown mode: sentences, never an empty box or an error."""
    text = page(record).text
    assert not [word for word in words if word not in text]


def test_report_json_holds_the_record_and_the_same_numbers(run: RunRecord) -> None:
    """The record comes back as it was, and metrics stand beside it with unit and meaning."""
    body = stdlib_json.loads(json(report(run)))
    assert msgspec.convert(body["record"], RunRecord, strict=False) == run
    metrics = {metric["name"]: metric for metric in body["metrics"]}
    assert metrics["pnl_after_costs"] == {
        "name": "pnl_after_costs",
        "value": "17.40",
        "unit": "USD",
        "meaning": "What the account gained or lost, after the spread and all fees.",
    }
    assert body["headline"] in page(run).text.replace("\n", " ")
