"""Execution quality of parent orders: what working them cost, against four yardsticks.

    arrival     the average price against the middle of the market at the decision
    mid         each fill against the middle of the quote at its own time: the spread that was given up
    VWAP        the average price against the market's volume-weighted average while it was worked
    shortfall   implementation shortfall in dollars: what the whole order cost against doing all of it at once, for
                nothing, at the decision. What was left undone costs what the market has moved away by the end
                (A. Perold, The Implementation Shortfall, 1988).

A plus is a cost, a minus is better than the yardstick.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from puna.core.types import ZERO, Side, exact
from puna.engine.record import FillRow, OrderRow, ParentRow, RunRecord
from puna.research.report.formats import DASH, bp, count, duration, plain, price, quantity, share, signed, wall
from puna.research.report.markup import Child, Html, tag
from puna.research.statistics.metrics import is_refused

__all__ = ["Quality", "Working", "by_type", "execution", "of", "parents", "qualities"]


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """The four figures; None where a yardstick is missing."""

    parent_id: str
    arrival_bp: float | None = None
    mid_bp: float | None = None
    vwap_bp: float | None = None
    shortfall: Decimal | None = None
    shortfall_bp: float | None = None


def qualities(record: RunRecord) -> list[Quality]:
    """Of every parent order of a run."""
    return [of(parent, record.fills) for parent in record.parents]


def of(parent: ParentRow, fills: Iterable[FillRow]) -> Quality:
    """The quality of one parent."""
    own = set(parent.children)
    shortfall = _shortfall(parent)
    whole = None if parent.arrival_mid is None else abs(exact(parent.arrival_mid)) * parent.qty * parent.multiplier
    return Quality(
        parent_id=parent.parent_id,
        arrival_bp=_away(parent, parent.arrival_mid),
        mid_bp=_mid(each for each in fills if each.cid in own),
        vwap_bp=_away(parent, parent.market_vwap),
        shortfall=shortfall,
        shortfall_bp=None if shortfall is None or not whole else float(shortfall / whole) * 1e4,
    )


def _sign(side: str) -> int:
    return Side(side).sign


def _away(parent: ParentRow, yardstick: float | None) -> float | None:
    if parent.avg_price is None or not yardstick:
        return None
    return _sign(parent.side) * (float(parent.avg_price) - yardstick) / abs(yardstick) * 1e4


def _mid(fills: Iterable[FillRow]) -> float | None:
    """Weighted by value."""
    cost = value = 0.0
    for fill in fills:
        if fill.mid:
            cost += _sign(fill.side) * (float(fill.price) - fill.mid) * float(fill.qty)
            value += fill.mid * float(fill.qty)
    return cost / value * 1e4 if value else None


def _shortfall(parent: ParentRow) -> Decimal | None:
    """Paid more than at arrival for what was done, and moved away for what was not."""
    undone = max(ZERO, parent.qty - parent.filled)
    if parent.arrival_mid is None or (undone and parent.end_mid is None):
        return None
    arrival = exact(parent.arrival_mid)
    done = (parent.avg_price - arrival) * parent.filled if parent.avg_price is not None else ZERO
    missed = (exact(parent.end_mid) - arrival) * undone if parent.end_mid is not None else ZERO
    return ((done + missed) * _sign(parent.side) * parent.multiplier).quantize(Decimal("0.01"))


class Working(msgspec.Struct, frozen=True, kw_only=True):
    """How orders of one type were filled.

    `arrival_bp` is the average price against the middle at the decision, `mid_bp` against that at each fill, both
    weighted by value; `lasted` is the median time from decision to the end of those that were filled, ns.
    """

    name: str
    orders: int
    filled: int
    arrival_bp: float | None = None
    mid_bp: float | None = None
    lasted: int | None = None


def by_type(record: RunRecord) -> list[Working]:
    """Orders by type, the most frequent first; legs of packages and refused orders are left out."""
    names: dict[str, list[OrderRow]] = {}
    for order in record.orders:
        if order.leg_of is None and not is_refused(order):
            names.setdefault("package" if order.legs else plain(order.type), []).append(order)
    types = {order.client_order_id: name for name, orders in names.items() for order in orders}
    fills: dict[str, list[FillRow]] = {name: [] for name in names}
    for fill in record.fills:
        if (name := types.get(fill.cid.partition("/")[0])) is not None and not fill.internal:
            fills[name].append(fill)
    made = [_working(name, orders, fills[name]) for name, orders in names.items()]
    return sorted(made, key=lambda each: (-each.orders, each.name))


def _working(name: str, orders: list[OrderRow], fills: list[FillRow]) -> Working:
    filled = [order for order in orders if order.filled_qty]
    lasted = sorted(order.ts_final - order.ts_decision for order in filled if order.ts_final is not None)
    return Working(
        name=name,
        orders=len(orders),
        filled=len(filled),
        arrival_bp=None if name == "package" else _arrival(filled),  # a package's arrival is its underlying's
        mid_bp=_mid(fills),
        lasted=lasted[len(lasted) // 2] if lasted else None,
    )


def _arrival(orders: Iterable[OrderRow]) -> float | None:
    cost = value = 0.0
    for order in orders:
        if order.avg_price is not None and order.arrival_mid:
            cost += _sign(order.side) * (float(order.avg_price) - order.arrival_mid) * float(order.filled_qty)
            value += abs(order.arrival_mid) * float(order.filled_qty)
    return cost / value * 1e4 if value else None


def execution(record: RunRecord) -> Html | None:
    """A table of what orders of each type cost; None when nothing was filled."""
    rows = by_type(record)
    if not any(row.filled for row in rows):
        return None
    names = ("Type", "Orders", "Filled", "Arrival", "Mid", "Took")
    heads = (tag("th", name, class_=None if name == "Type" else "n") for name in names)
    body = (
        tag(
            "tr",
            tag("td", row.name),
            tag("td", f"{row.orders:,}", class_="n"),
            tag("td", share(row.filled / row.orders), class_="n"),
            tag("td", bp(row.arrival_bp), class_="n"),
            tag("td", bp(row.mid_bp), class_="n"),
            tag("td", DASH if row.lasted is None else duration(row.lasted), class_="n"),
        )
        for row in rows
    )
    note = (
        "Arrival: the average price against the middle of the quote at the decision; mid: against that at each fill, "
        "both weighted by value, a minus is better. Took: the median time from decision to the end."
    )
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body))
    return tag("div", tag("p", note, class_="note"), tag("div", table, class_="scroll"))


_NOTE = (
    "A parent order is worked in children. Arrival, mid and VWAP: the average price against the market at the "
    "decision, at each fill, and over the time it took; shortfall: all together, what was left undone included. "
    "A minus is better than the yardstick."
)
_COLUMNS = ("Decided", "Parent order", "Done", "Average", "Arrival", "Mid", "VWAP", "Shortfall", "Because")
_NUMBERS = frozenset({"Average", "Arrival", "Mid", "VWAP", "Shortfall"})


def parents(record: RunRecord) -> Html | None:
    """Every parent order with its quality; None when there was none."""
    if not record.parents:
        return None
    heads = (tag("th", name, class_="n" if name in _NUMBERS else None) for name in _COLUMNS)
    rows = (_row(parent, of(parent, record.fills)) for parent in record.parents)
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="cards")
    return tag("div", tag("p", _NOTE, class_="note"), table, class_="parents")


def _row(parent: ParentRow, quality: Quality) -> Html:
    return tag(
        "tr",
        tag("td", wall(parent.ts_begin), class_="t"),
        tag("td", *_what(parent), class_="what"),
        tag("td", *_done(parent), class_="out"),
        _figure(price(parent.avg_price), "average"),
        _figure(bp(quality.arrival_bp), "arrival"),
        _figure(bp(quality.mid_bp), "mid"),
        _figure(bp(quality.vwap_bp), "VWAP"),
        _figure(DASH if quality.shortfall is None else signed(quality.shortfall), "shortfall"),
        tag("td", parent.because, class_="why"),
        title=parent.parent_id,
    )


def _figure(text: str, label: str) -> Html:
    return tag("td", text, class_="n" if text != DASH else "n none", data_label=label)


def _what(parent: ParentRow) -> list[Child]:
    kind = " package of options" if parent.multiplier != 1 else ""
    words = f"{parent.side.upper()} {quantity(parent.qty)} {parent.symbol}{kind}"
    cap = "" if parent.cap is None else f", cap {price(parent.cap)}"
    return [
        tag("span", words, class_="side"),
        tag("span", f"{parent.style}{cap} \N{MIDDLE DOT} {parent.strategy}", class_="sub"),
    ]


def _done(parent: ParentRow) -> list[Child]:
    took = "" if parent.ts_end is None else f" in {duration(parent.ts_end - parent.ts_begin)}"
    part = (
        f"{quantity(parent.filled)} of {quantity(parent.qty)}, {count(len(parent.children), 'child', 'children')}{took}"
    )
    return [plain(parent.reason) or "open to the end", tag("span", part, class_="sub")]
