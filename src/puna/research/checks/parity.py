"""Parity: one record of a run beside another of the same day, order by order, each difference with its reason.

Orders are one decision when strategy, symbol, side and minute agree; else when they are a few minutes apart (timing);
what is left was decided on one side only (signal). Of pairs it is told what differs: the size, a refusal, the fill.
The reason is looked for in what either side knew at that moment: the quote, what was held, what was open, the equity, a
stream that was down. Where nothing of it differs, the difference is not explained, and that is the one to look at.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from puna.core.sessions import new_york
from puna.engine.record import OrderRow, RunRecord
from puna.research.checks.parity_sides import ROUNDED, Side

__all__ = ["FAULT", "Difference", "Kind", "Parity", "by_kind", "compared"]

MINUTE = 60_000_000_000
CLOSE_BY = 5
"""Minutes that an order may come earlier or later and be the same decision at another time."""
FAULT = "both saw the same market: this is a fault"

Kind = Literal["signal", "timing", "size", "refusal", "fill"]


class Difference(NamedTuple):
    """What differs about one order.

    Attributes:
        ts: of the decision, ns.
        order: its client_order_id, on the side that has it.
        kind: signal (decided on one side only), timing (in another minute), size, refusal (on one side only), fill
            (end, quantity or price).
        one: how it was on one side; "-" is not at all.
        other: and on the other.
        why: the reason, with what was seen.
        explained: whether a reason was found.
    """

    ts: int
    order: str
    kind: Kind
    one: str
    other: str
    why: str
    explained: bool


class Parity(NamedTuple):
    """How two records of one day compare.

    Attributes:
        names: of both sides.
        decisions: orders of one side, of the other, and how many were decided alike: same minute, same size.
        fills: orders that were filled on both sides, and how many of these in the same quantity at the same price.
        alike: orders that are the same in everything; of `orders`, those of either side.
        orders: pairs, and what stands alone.
        equity: at the end, of both.
        differences: all of them, in order of time.
    """

    names: tuple[str, str]
    decisions: tuple[int, int, int]
    fills: tuple[int, int]
    alike: int
    orders: int
    equity: tuple[Decimal, Decimal]
    differences: tuple[Difference, ...]

    @property
    def score(self) -> float:
        """The part of all orders, 0 to 1, that is the same in decision, size, end and price; 1 where there is none."""
        return self.alike / self.orders if self.orders else 1.0

    @property
    def same_decisions(self) -> bool:
        one, other, alike = self.decisions
        return one == other == alike

    @property
    def same_fills(self) -> bool:
        filled, alike = self.fills
        return self.same_decisions and filled == alike

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Differences for which no reason was found."""
        return tuple(each for each in self.differences if not each.explained)


def compared(one: RunRecord, other: RunRecord, names: tuple[str, str], *, same_market: bool) -> Parity:
    """Both records side by side.

    Args:
        one: a run.
        other: the same strategies on the same day in another way.
        names: of both, for people.
        same_market: whether both saw every quote: then nothing may differ, and a difference is a fault.
    """
    sides = Side(one), Side(other)
    pairs, alone = _paired(_decided(one), _decided(other))
    differences: list[Difference] = []
    decided = filled = same = alike = 0
    for mine, theirs in pairs:
        found = list(_differences(mine, theirs, sides, same_market=same_market))
        kinds = {each.kind for each in found}
        decided += not kinds & {"size", "timing"}
        alike += not kinds
        if mine.filled_qty and theirs.filled_qty:
            filled += 1
            same += not kinds & {"size", "fill"}
        differences += found
    differences += [_signal(row, at, sides, same_market=same_market) for row, at in alone]
    counts = len(list(_decided(one))), len(list(_decided(other))), decided
    told = tuple(sorted(differences, key=lambda each: each.ts))
    ends = one.equity_end, other.equity_end
    return Parity(names, counts, (filled, same), alike, len(pairs) + len(alone), ends, told)


def _decided(record: RunRecord) -> Iterator[OrderRow]:
    """What strategies decided; what the broker made of it (legs) follows from that."""
    return (row for row in record.orders if row.leg_of is None)


def _paired(
    one: Iterable[OrderRow], other: Iterable[OrderRow]
) -> tuple[list[tuple[OrderRow, OrderRow]], list[tuple[OrderRow, int]]]:
    """Orders of both sides that are the same decision, in the same minute or close by; and those that have no other."""
    waiting: dict[tuple[str, str, str, int], deque[OrderRow]] = defaultdict(deque)
    for row in other:
        waiting[*_who(row), _minute(row)].append(row)
    pairs: list[tuple[OrderRow, OrderRow]] = []
    left: list[OrderRow] = []
    for row in one:
        if there := waiting[*_who(row), _minute(row)]:
            pairs.append((row, there.popleft()))
        else:
            left.append(row)
    rest = [row for rows in waiting.values() for row in rows]
    alone: list[tuple[OrderRow, int]] = []
    for row in left:
        near = [each for each in rest if _who(each) == _who(row) and abs(_minute(each) - _minute(row)) <= CLOSE_BY]
        if near:
            chosen = min(near, key=lambda each: abs(each.ts_decision - row.ts_decision))
            rest.remove(chosen)
            pairs.append((row, chosen))
        else:
            alone.append((row, 0))
    return pairs, alone + [(row, 1) for row in rest]


def _who(row: OrderRow) -> tuple[str, str, str]:
    return row.strategy, row.symbol, row.side


def _minute(row: OrderRow) -> int:
    return row.ts_decision // MINUTE


def _differences(
    one: OrderRow, other: OrderRow, sides: tuple[Side, Side], *, same_market: bool
) -> Iterator[Difference]:
    """What differs about a pair; what follows from another size is not told twice."""

    def told(kind: Kind, mine: str, theirs: str, why: str) -> Difference:
        return _told(kind, one, mine, theirs, why, same_market=same_market)

    if _minute(one) != _minute(other):
        yield told("timing", _clock(one.ts_decision), _clock(other.ts_decision), _known_apart(one, other, sides))
    if one.qty != other.qty:
        yield told("size", f"{one.qty:f}", f"{other.qty:f}", _sized(one, other, sides))
    if (one.status in _NO) != (other.status in _NO):
        yield told("refusal", _end(one), _end(other), _known_apart(one, other, sides))
    elif one.status != other.status or (one.qty == other.qty and one.filled_qty != other.filled_qty):
        yield told("fill", _end(one), _end(other), _ended(one, other, sides))
    elif one.avg_price is not None and other.avg_price is not None and abs(one.avg_price - other.avg_price) > ROUNDED:
        yield told("fill", f"at {one.avg_price:.4f}", f"at {other.avg_price:.4f}", _priced(one, other, sides))


_NO = ("refused", "rejected")


def _signal(row: OrderRow, at: int, sides: tuple[Side, Side], *, same_market: bool) -> Difference:
    """An order of one side only."""
    words = f"{row.side} {row.qty:f} {row.symbol} {row.status}"
    mine, theirs = (words, "-") if at == 0 else ("-", words)
    return _told("signal", row, mine, theirs, _known_apart(row, row, sides), same_market=same_market)


def _told(kind: Kind, row: OrderRow, one: str, other: str, why: str, *, same_market: bool) -> Difference:
    if same_market:
        fault = f"{FAULT}; {why}" if why else FAULT
        return Difference(row.ts_decision, row.client_order_id, kind, one, other, fault, explained=False)
    return Difference(
        row.ts_decision, row.client_order_id, kind, one, other, why or "not explained by what was known", bool(why)
    )


def _known_apart(one: OrderRow, other: OrderRow, sides: tuple[Side, Side]) -> str:
    """What either side knew otherwise when it decided; empty where nothing of it differs, or not by enough."""
    early = min(one.ts_decision, other.ts_decision)
    for side in sides:
        if drop := side.dropped(early, max(one.ts_decision, other.ts_decision)):
            return f"the {drop.stream} stream was down at {_clock(drop.ts_down)}"
    held = [side.held(one.strategy, one.symbol, early) for side in sides]
    if held[0] != held[1]:
        return f"it held {held[0]:f} and {held[1]:f} {one.symbol} then: an earlier fill differs"
    still = [side.open_orders(one.strategy, one.symbol, early) for side in sides]
    if still[0] != still[1]:
        return f"{still[0]} and {still[1]} of its orders in {one.symbol} were open then"
    return _worth(one, _apart(one, other), sides)


def _apart(one: OrderRow, other: OrderRow) -> Decimal:
    """By how many units they differ; an order of one side only by all of them."""
    return one.qty if one is other else abs(one.qty - other.qty)


def _worth(row: OrderRow, apart: Decimal, sides: tuple[Side, Side]) -> str:
    """Whether what the account was worth explains so many units: orders are sized by it, and rounded to a whole one."""
    one, other = (side.equity(row.ts_decision) for side in sides)
    if one is None or other is None or one == other or apart > row.qty * _part(one, other) + 1:
        return ""
    return f"the account was worth {one:,.2f} and {other:,.2f} then"


def _part(one: Decimal | float, other: Decimal | float) -> Decimal:
    """By which part of themselves two numbers differ, and a half of that."""
    return Decimal("1.5") * abs(Decimal(one) - Decimal(other)) / max(abs(Decimal(other)), ROUNDED)


def _sized(one: OrderRow, other: OrderRow, sides: tuple[Side, Side]) -> str:
    """Why sizes differ: the price that they were reckoned with, or what else was known."""
    mine, theirs = one.arrival_mid, other.arrival_mid
    known = mine is not None and theirs is not None and mine != theirs
    if known and _apart(one, other) <= one.qty * _part(mine or 0, theirs or 0) + 1:
        return f"the middle of the quote was {mine:.4f} and {theirs:.4f} when it was decided"
    return _known_apart(one, other, sides)


def _priced(one: OrderRow, other: OrderRow, sides: tuple[Side, Side]) -> str:
    """Why prices differ: the moment of the fill, and the quote then."""
    mine, theirs = (side.first_fill(row.client_order_id) for side, row in zip(sides, (one, other), strict=True))
    if mine is None or theirs is None:
        return ""
    if mine.mid is not None and theirs.mid is not None and abs(mine.mid - theirs.mid) > float(ROUNDED):
        return f"the middle was {mine.mid:.4f} at {_clock(mine.ts)} and {theirs.mid:.4f} at {_clock(theirs.ts)}"
    if one.limit is not None or one.stop is not None or one.type != "market":
        return "the order rested: where inside a bar its price was met, bars do not tell"
    steps = [side.steps(row.client_order_id) for side, row in zip(sides, (one, other), strict=True)]
    if steps[0] != steps[1]:
        return f"filled in {steps[0]} and {steps[1]} steps: depth is the fill model's"
    return "the same middle: the spread is the fill model's"


def _ended(one: OrderRow, other: OrderRow, sides: tuple[Side, Side]) -> str:
    if one.limit is not None or one.stop is not None or one.type != "market":
        return "the order rested: what a bar's prices met inside of it, bars do not tell"
    if one.filled_qty != other.filled_qty:
        return "how much fills at once is the fill model's"
    return _known_apart(one, other, sides)


def _end(row: OrderRow) -> str:
    refused = f" {row.refusal_code or ''} {row.refusal_text or ''}".rstrip() if row.status in _NO else ""
    return f"{row.status}{refused}" if refused or not row.filled_qty else f"{row.status} {row.filled_qty:f}"


def _clock(ts: int) -> str:
    return f"{new_york(ts):%H:%M:%S}"


def by_kind(differences: Sequence[Difference]) -> dict[Kind, list[Difference]]:
    """The same, by what differs, in the order in which a day goes wrong: signal, timing, size, refusal, fill."""
    found: dict[Kind, list[Difference]] = {"signal": [], "timing": [], "size": [], "refusal": [], "fill": []}
    for each in differences:
        found[each.kind].append(each)
    return {kind: rows for kind, rows in found.items() if rows}
