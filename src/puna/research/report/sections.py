"""The parts of report.html, each a function from the record to markup; what is empty says so in a sentence."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from puna.core.types import ZERO
from puna.engine.record import BookRow, FillRow, PricePoint, RunRecord
from puna.research.report.charts import Chart, Mark, Point, draw
from puna.research.report.formats import count, dollars, percent, quantity, signed, wall
from puna.research.report.markup import Child, Html, join, tag
from puna.research.report.verdict import mode_of, when
from puna.research.statistics import metrics

__all__ = [
    "banner",
    "books",
    "drawdown",
    "drops",
    "equity",
    "notes",
    "opening",
    "prices",
    "table",
]

_CENT = Decimal("0.01")
_MOST_PANELS = 12
_MINUTE = 60_000_000_000
_GUTTER = 62.0


def table(
    head: Sequence[str], rows: Sequence[Sequence[Child]], *, numbers: Sequence[int] = (), foot: Sequence[Child] = ()
) -> Html:
    """A table whose columns `numbers` are right-aligned."""

    def cells(kind: str, row: Sequence[Child]) -> Html:
        return tag("tr", *(tag(kind, cell, class_="n" if at in numbers else None) for at, cell in enumerate(row)))

    return tag(
        "div",
        tag(
            "table",
            tag("thead", cells("th", head)),
            tag("tbody", *(cells("td", row) for row in rows)),
            tag("tfoot", cells("td", foot)) if foot else None,
        ),
        class_="scroll",
    )


def banner(record: RunRecord) -> Html:
    """The mode, in a word and a colour."""
    mode = mode_of(record)
    return tag("div", tag("b", mode.word), mode.meaning, class_=f"mode {mode.word.lower()}")


def opening(record: RunRecord, headline: str, verdict: str, distrust: Sequence[tuple[str, str]]) -> Html:
    """The verdict in words, and what to distrust."""
    items = [tag("li", tag("b", short), " ", *_with_code(text)) for short, text in distrust]
    nothing = tag("p", "Nothing that the record shows. That is not a promise.", class_="note")
    return tag(
        "header",
        tag("h1", headline),
        tag("p", when(record), class_="when"),
        tag("p", verdict, class_="verdict"),
        tag("h3", "What to distrust"),
        tag("ul", *items, class_="doubt") if items else nothing,
    )


def _with_code(text: str) -> list[Html | str]:
    """Words between backticks as code."""
    return [tag("code", part) if at % 2 else part for at, part in enumerate(text.split("`"))]


def equity(record: RunRecord) -> Html:
    """The equity curve."""
    points = [Point(point.ts, float(point.equity)) for point in record.equity]
    return _curve(
        points,
        Chart(
            name="equity",
            title="Equity in USD",
            points=points,
            tell=dollars,
            base=float(record.start_equity),
            area=True,
            height=270,
            gutter=_GUTTER,
        ),
        "Cash and positions at their last price, in USD. The dashed line is where the account started.",
    )


def drawdown(record: RunRecord) -> Html:
    """Equity below its highest point so far."""
    points = [Point(ts, fall * 100) for ts, fall in metrics.drawdowns(record)]
    chart = Chart(
        name="drawdown",
        title="Drawdown in percent",
        points=points,
        tell=lambda value, places: f"{dollars(value or 0.0, places)} %",
        base=0.0,
        area=True,
        height=150,
        places=3,
        gutter=_GUTTER,
    )
    return tag("div", _curve(points, chart, "How far equity stood below its highest point so far."), class_="fall")


def _curve(points: Sequence[Point], chart: Chart, note: str) -> Html:
    if not points:
        return tag("p", "Nothing was recorded.", class_="note")
    if len(points) == 1:
        return tag("p", f"Recorded once: {chart.tell(points[0].value, 2)} at {wall(points[0].ts)}.", class_="note")
    return join((tag("p", note, class_="note"), draw(chart)))


def prices(record: RunRecord) -> Html:
    """One chart a symbol, with our fills on it."""
    drawn = {symbol: points for symbol, points in sorted(record.prices.items()) if len(points) > 1}
    if not drawn:
        return tag("p", "No prices were recorded.", class_="note")
    often = Counter(fill.symbol for fill in record.fills)
    shown = sorted(sorted(drawn, key=lambda symbol: -often[symbol])[:_MOST_PANELS])
    more = f"The {len(shown)} with the most fills, of {len(drawn):,} symbols." if len(shown) < len(drawn) else None
    panels = (_panel(record, symbol, drawn[symbol]) for symbol in shown)
    return join((tag("p", more, class_="note") if more else None, _legend(), tag("div", *panels, class_="panels")))


def _legend() -> Html:
    def key(shape: Html, text: str) -> Html:
        return tag("span", tag("svg", shape, width=16, height=12, aria_hidden="true"), text)

    return tag(
        "p",
        key(tag("path", d="M0 6H16", class_="line"), "close of each bar, USD"),
        key(tag("path", d="M8 1L13 10L3 10Z", class_="buy"), "bought"),
        key(tag("path", d="M8 10L13 1L3 1Z", class_="sell"), "sold"),
        class_="legend",
    )


def _panel(record: RunRecord, symbol: str, points: Sequence[PricePoint]) -> Html:
    marks = _marks([fill for fill in record.fills if fill.symbol == symbol])
    move = points[-1].close / points[0].close - 1
    chart = Chart(
        name=f"price-{symbol}",
        title=f"{symbol}, {count(len(marks), 'group')} of fills",
        points=[Point(point.ts, point.close) for point in points],
        tell=dollars,
        marks=marks,
        height=210,
    )
    return tag(
        "div",
        tag("h3", symbol, tag("span", f" {dollars(points[-1].close)}, {percent(move)}")),
        draw(chart, wide=504),
        class_="panel price",
    )


def _marks(fills: Sequence[FillRow]) -> list[Mark]:
    """The fills of one order within one minute are one mark, at their average price."""
    ordered = sorted(fills, key=lambda fill: (fill.cid, fill.ts // _MINUTE, fill.ts))
    grouped = (list(each) for _, each in groupby(ordered, lambda fill: (fill.cid, fill.ts // _MINUTE)))
    return sorted(mark for each in grouped if (mark := _mark(each)) is not None)


def _mark(fills: Sequence[FillRow]) -> Mark | None:
    qty = sum((fill.qty for fill in fills), ZERO)
    if not qty:
        return None
    price = sum((fill.qty * fill.price for fill in fills), ZERO) / qty
    first = fills[0]
    word = "bought" if first.side == "buy" else "sold"
    text = f"{wall(first.ts)}  {word} {quantity(qty)} at {dollars(price)}  ({first.strategy})"
    return Mark(first.ts, float(price), first.side == "buy", text)


def drops(record: RunRecord) -> Html:
    """Streams that went down, and what became of it."""
    if not record.drops:
        return tag("p", "No stream was down.", class_="note")
    rows = [
        (
            drop.stream,
            wall(drop.ts_down),
            "never" if drop.ts_up is None else wall(drop.ts_up),
            f"{count(drop.bars, 'bar')} fetched, {count(drop.fills_lost, 'fill')} lost",
        )
        for drop in record.drops
    ]
    note = "From the last message before the hole to the first one after it; what was missed was asked for."
    return join((tag("p", note, class_="note"), table(("Stream", "Down", "Up again", "What it took"), rows)))


def books(record: RunRecord) -> Html:
    """Our books against the broker's ledger."""
    if record.books is None:
        return tag("p", "The books were not compared.", class_="note")
    differ = sum(not row.equal for row in record.books.rows)
    said = (
        tag("b", "Equal to the cent.")
        if record.books.equal
        else tag("b", f"{count(differ, 'line differs', 'lines differ')}: do not trust this run.".capitalize())
    )
    rows = [
        (
            row.item,
            _amount(row, row.ours),
            _amount(row, row.broker),
            "equal" if row.equal else signed(row.ours - row.broker),
        )
        for row in record.books.rows
    ]
    who = "the exchange's ledger" if record.mode.lower() == "sim" else "Alpaca's account"
    return join(
        (
            tag("p", said, f" What the journal says we have, and what {who} says.", class_="verdict-line"),
            tag(
                "div",
                table(("", "Ours", "Theirs", "Difference"), rows, numbers=(1, 2, 3)),
                class_="narrowed",
            )
            if rows
            else None,
        )
    )


def _amount(row: BookRow, value: Decimal) -> str:
    """Money with its cents, and finer if there is finer; shares as they are."""
    finer = value != value.quantize(_CENT)
    return dollars(value) if row.item in {"cash", "fees"} and not finer else quantity(value)


def notes(record: RunRecord) -> Html | None:
    """What a person should know."""
    if not record.notes:
        return None
    rows = [(wall(note.ts), note.code, note.text) for note in record.notes]
    return table(("Time", "Code", "What happened"), rows)
