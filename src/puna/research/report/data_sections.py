"""The data behind a run in the report: where prices come from, what is missing, what jumps, which actions were done."""

from puna.engine.record import DataRow, RunRecord
from puna.research.report.formats import DASH, count, price, signed, wall
from puna.research.report.markup import Child, Html, join, tag
from puna.research.report.sections import table
from puna.research.report.study import Study

__all__ = ["data", "refusals"]

_MOST = 40
_DATE = "%-d %b %Y"
_MINUTE = "%-d %b %Y %H:%M"


def data(study: Study) -> Html | None:
    """Series by series, then holes, jumps and corporate actions; None when nothing is known of them."""
    record = study.record
    rows = record.data or _seen(record)
    if not rows:
        return None
    parts = (_series(rows), _gaps(study), _jumps(study), _actions(record))
    return join(part for part in parts if part is not None)


def _seen(record: RunRecord) -> list[DataRow]:
    """What the prices themselves tell, of a run that did not say where they come from."""
    return [
        DataRow(symbol=symbol, timeframe=record.timeframe, first=points[0].ts, last=points[-1].ts, bars=len(points))
        for symbol, points in sorted(record.prices.items())
        if points
    ]


def _series(rows: list[DataRow]) -> Html:
    head = ("Symbol", "Bars", "From", "To", "Each", "Feed", "Adjusted", "Missing", "Source", "Digest")
    told = [
        (
            row.symbol,
            f"{row.bars:,}",
            wall(row.first, _DATE) if row.first else DASH,
            wall(row.last, _DATE) if row.last else DASH,
            row.timeframe or DASH,
            row.feed or DASH,
            row.adjustment or DASH,
            DASH if row.missing is None else f"{row.missing:,}",
            row.source or DASH,
            tag("span", row.digest[:12] or DASH, class_="hash", title=row.digest or None),
        )
        for row in rows[:_MOST]
    ]
    more = f"{len(rows) - _MOST:,} more series are in report.json." if len(rows) > _MOST else None
    return join((table(head, told, numbers=(1, 7)), tag("p", more, class_="note") if more else None))


def _gaps(study: Study) -> Html:
    found = study.gaps
    if not found:
        return tag("p", "No trading day is missing between two prices, and no hour within a session.", class_="note")
    rows: list[tuple[Child, ...]] = [
        (gap.symbol, wall(gap.start, _MINUTE), wall(gap.end, _MINUTE), _long(gap.start, gap.end, gap.days))
        for gap in found[:_MOST]
    ]
    more = f", the first {_MOST} of them" if len(found) > _MOST else ""
    title = f"Holes: {count(len(found), 'stretch', 'stretches')} without prices{more}"
    return join((tag("h3", title), table(("Symbol", "After", "Until", "Missing"), rows)))


def _long(start: int, end: int, days: int) -> str:
    return count(days, "trading day") if days else f"{(end - start) / 3600e9:.1f} hours"


def _jumps(study: Study) -> Html | None:
    if not study.jumps:
        return None
    rows = [
        (jump.symbol, wall(jump.ts, _DATE), price(jump.before), price(jump.after), f"a split of {jump.split}")
        for jump in study.jumps[:_MOST]
    ]
    head = ("Symbol", "By", "Before", "After", "As in")
    return join((tag("h3", "Jumps that nobody accounted for"), table(head, rows, numbers=(2, 3))))


def _actions(record: RunRecord) -> Html | None:
    if not record.actions:
        return None
    rows = [
        (wall(each.ts, _DATE), each.symbol, each.kind, each.text, signed(each.cash) if each.cash else "")
        for each in record.actions[:_MOST]
    ]
    more = f", the first {_MOST} of {len(record.actions):,}" if len(record.actions) > _MOST else ""
    head = ("Day", "Symbol", "Action", "", "Cash USD")
    return join((tag("h3", f"Corporate actions{more}"), table(head, rows, numbers=(4,))))


def refusals(record: RunRecord) -> Html | None:
    """Refused orders by code, the most frequent first; None when a table of them would say the same."""
    codes: dict[str, list[str]] = {}
    for order in record.orders:
        if order.refusal_code is not None:
            codes.setdefault(order.refusal_code, []).append(order.refusal_text or "")
    if sum(map(len, codes.values())) <= 1:
        return None
    rows = [
        (tag("b", code), f"{len(texts):,}", "our risk checks" if code.startswith("R") else "the broker", texts[0])
        for code, texts in sorted(codes.items(), key=lambda item: -len(item[1]))
    ]
    return table(("Code", "Orders", "Refused by", "The first time"), rows, numbers=(1,))
