"""Orders in report.html: each with its reason, its life within the day and its cost; the refused ones; the fills."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar

from puna.engine.record import FillRow, OrderRow, RunRecord
from puna.research.report.charts import life_line
from puna.research.report.data_sections import refusals
from puna.research.report.formats import DASH, bp, count, duration, plain, price, quantity, reason, wall
from puna.research.report.markup import Child, Html, join, tag
from puna.research.report.sections import table
from puna.research.statistics import metrics

__all__ = ["fills", "orders", "refused"]


def orders(record: RunRecord) -> Html:
    """Every order that was sent, in the order of decision, with buttons to see a part of them."""
    packages = {order.client_order_id for order in record.orders if order.legs}  # their legs stand in them
    sent = [order for order in record.orders if not metrics.is_refused(order) and order.leg_of not in packages]
    if not sent:
        return tag("p", "No order was sent.", class_="note")
    ids = {order.client_order_id: f"o{number}" for number, order in enumerate(record.orders, 1)}
    whose = {name: number for number, name in enumerate(dict.fromkeys(order.strategy for order in sent), 1)}
    steps, span = _steps(record.fills), _span(record)
    rows = (_order(order, ids, whose[order.strategy], steps[order.client_order_id], span) for order in _shown(sent))
    return tag(
        "div",
        tag("p", _NOTE if span[1] - span[0] <= _LONG else _NOTE_OF_DAYS, _left_out(len(sent), "order"), class_="note"),
        _chooser(whose),
        tag("table", _HEAD, tag("tbody", *rows), class_="cards"),
        class_="orders",
    )


_NOTE = (
    "Life: the bar runs from the decision to the end, within the day; a stroke is a fill. "
    "Cost: the average price against the middle of the quote at the decision; a minus is better than that."
)
_NOTE_OF_DAYS = (
    "Life: how long an order was open, nights and weekends counted. "
    "Cost: the average price against the middle of the quote at the decision; a minus is better than that."
)
_MOST = 400  # rows of a table; a page with many thousands cannot be scrolled
_LONG = 2 * 86_400 * 1_000_000_000
_Row = TypeVar("_Row")


def _shown(rows: Sequence[_Row]) -> list[_Row]:
    """The first and the last ones, where there are too many."""
    return list(rows) if len(rows) <= _MOST else [*rows[: _MOST // 2], *rows[-_MOST // 2 :]]


def _left_out(number: int, noun: str) -> str | None:
    if number <= _MOST:
        return None
    return f" The first {_MOST // 2} and the last {_MOST // 2} of {number:,} {noun}s; all stand in report.json."


def _moment(ts: int, span: tuple[int, int]) -> str:
    """The time of day, and the date before it in a run of more than a day."""
    return wall(ts, "%-d %b %Y %H:%M" if span[1] - span[0] > _LONG // 2 else "%H:%M:%S")


_COLUMNS = ("Decided", "Order", "Life", "Outcome", "Average", "Cost", "Because")
_HEAD = tag(
    "thead", tag("tr", *(tag("th", name, class_="n" if name in {"Average", "Cost"} else None) for name in _COLUMNS))
)
_CHOICES = 8  # strategies that the stylesheet knows a button for


def _chooser(whose: Mapping[str, int]) -> Html:
    """Radio buttons that the stylesheet obeys; without them, or on paper, every order shows."""
    named = {"all": "all", "filled": "filled", "unfilled": "not filled"}
    if 1 < len(whose) <= _CHOICES:
        named |= {f"s{number}": name for name, number in whose.items()}
    return tag("form", *(_choice(key, text) for key, text in named.items()), class_="chooser", aria_label="Show orders")


def _choice(key: str, text: str) -> Html:
    first = "checked" if key == "all" else None
    button = tag("input", type="radio", name="show", id=f"show-{key}", value=key, checked=first, autocomplete="off")
    return tag("label", button, tag("span", text), for_=f"show-{key}")


def _steps(fills: Sequence[FillRow]) -> Mapping[str, list[int]]:
    """When each order was filled."""
    times: defaultdict[str, list[int]] = defaultdict(list)
    for fill in fills:
        times[fill.cid].append(fill.ts)
    return times


def _span(record: RunRecord) -> tuple[int, int]:
    times = [order.ts_decision for order in record.orders]
    return (record.started_ts or min(times), max(record.ended_ts, *times))


def _order(order: OrderRow, ids: Mapping[str, str], whose: int, steps: Sequence[int], span: tuple[int, int]) -> Html:
    none = "" if order.avg_price is not None else " none"
    return tag(
        "tr",
        tag("td", _moment(order.ts_decision, span), class_="t"),
        tag("td", *_what(order, ids), class_="what"),
        tag("td", *_life(order, steps, span), class_="span"),
        tag("td", *_outcome(order), class_="out"),
        tag("td", price(order.avg_price), class_=f"n avg{none}", data_label="average"),
        tag("td", bp(metrics.arrival_cost_bp(order)), class_=f"n cost{none}", data_label="cost"),
        tag("td", order.because, class_="why"),
        id=ids[order.client_order_id],
        title=order.client_order_id,
        data_filled="yes" if order.filled_qty else "no",
        data_s=whose,
    )


def _what(order: OrderRow, ids: Mapping[str, str]) -> list[Child]:
    """Side, quantity and symbol; below it, how it is priced, for how long, and whose it is."""
    kind = "package of options" if order.legs else ""
    words = f"{order.side.upper()} {quantity(order.qty)} {order.symbol} {kind}".rstrip()
    terms = f"{_terms(order)} \N{MIDDLE DOT} {order.strategy}"
    legs = [tag("span", leg, class_="sub") for leg in order.legs]
    return [tag("span", words, class_="side"), *legs, tag("span", terms, *_replaces(order, ids), class_="sub")]


def _terms(order: OrderRow) -> str:
    limit = f" {price(order.limit)}" if order.limit is not None else ""
    stop = f" {price(order.stop)}" if order.stop is not None else ""
    return f"{plain(order.type)}{stop}{limit} {order.tif}"


def _replaces(order: OrderRow, ids: Mapping[str, str]) -> list[Child]:
    if order.replaces is None:
        return []
    earlier = ids.get(order.replaces)
    link = tag("a", "another", href=f"#{earlier}") if earlier else "another"
    return [" \N{MIDDLE DOT} replaces ", link]


def _life(order: OrderRow, steps: Sequence[int], span: tuple[int, int]) -> list[Child]:
    end = order.ts_final if order.ts_final is not None else span[1]
    lasted = duration(end - order.ts_decision) if order.ts_final is not None else "open to the end"
    if span[1] - span[0] > _LONG:  # a stroke in ten years tells nothing
        return [tag("small", lasted)]
    told = f"{wall(order.ts_decision)} to {wall(order.ts_final) if order.ts_final else 'the end'}"
    return [
        life_line(order.ts_decision, end, span, steps, f"{told}, {count(len(steps), 'fill')}"),
        tag("small", lasted),
    ]


def _outcome(order: OrderRow) -> list[Child]:
    """The last status, how much was filled when that is not all, and what of it was crossed inside the account."""
    whole = order.filled_qty == order.qty
    part = f"{quantity(order.filled_qty)} of {quantity(order.qty)} filled"
    inside = f"{quantity(order.crossed_qty)} crossed inside"
    return [
        plain(order.status),
        tag("span", part, class_="sub") if not whole and order.filled_qty else None,
        tag("span", inside, class_="sub") if order.crossed_qty else None,
    ]


def refused(record: RunRecord) -> Html:
    """Orders that risk or the broker refused, and why."""
    rows = [order for order in record.orders if metrics.is_refused(order)]
    if not rows:
        return tag("p", "No order was refused.", class_="note")
    head = tag("thead", tag("tr", *(tag("th", name) for name in ("Decided", "Order", "Refused", "Wanted because"))))
    body = tag("tbody", *(_refusal(order, _span(record)) for order in _shown(rows)))
    more = _left_out(len(rows), "refusal")
    listed = tag("table", head, body, class_="cards")
    return join((refusals(record), tag("p", more, class_="note") if more else None, listed))


def _refusal(order: OrderRow, span: tuple[int, int]) -> Html:
    return tag(
        "tr",
        tag("td", _moment(order.ts_decision, span), class_="t"),
        tag("td", *_what(order, {}), class_="what"),
        tag("td", _no(order), class_="whole"),
        tag("td", order.because, class_="why"),
        title=order.client_order_id,
    )


def _no(order: OrderRow) -> Html:
    by_risk = (order.refusal_code or "").startswith("R")
    who = "By our own risk checks; nothing was sent." if by_risk else "By the broker; no order exists."
    return join((tag("b", order.refusal_code), " ", reason(order.refusal_text or ""), tag("span", who, class_="sub")))


def fills(record: RunRecord) -> Html:
    """Every step of every order, with what it cost against the middle of the quote."""
    if not record.fills:
        return tag("p", "Nothing was filled.", class_="note")
    rows = [
        (
            _moment(fill.ts, (record.started_ts or record.fills[0].ts, max(record.ended_ts, record.fills[-1].ts))),
            f"{fill.side.upper()} {quantity(fill.qty)} {fill.symbol}{' (crossed inside)' if fill.internal else ''}",
            price(fill.price),
            DASH if fill.mid is None else price(fill.mid),
            bp(metrics.slippage_bp(fill)),
            fill.strategy,
        )
        for fill in _shown(record.fills)
    ]
    head = ("Time", "Fill", "Price", "Mid", "Against mid", "Strategy")
    whole = "All" if len(rows) == len(record.fills) else f"Of {len(record.fills):,} fills"
    told = f"{whole} {count(len(rows), 'fill')} with price, mid and slippage"
    return tag("details", tag("summary", told), table(head, rows, numbers=(2, 3, 4)))
