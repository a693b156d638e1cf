"""What is known about the fills of one order, and what it adds up to: the ledger underneath `core.orders`.

Three kinds of fact, each a set that only grows, so the total depends on the set and never on the order of arrival:

    Mark        "so much was filled by then, at this average" (REST orders, the order inside a trade update)
    Execution   "this much at this price, which made the cumulative quantity that" (stream, activities)
    Correction  "that execution is void, or was really so" (trade_bust, trade_correct)

The watermark is the highest cumulative quantity of all. Its worth is the most exact way to climb there: executions that
tile the range count before a broker's rounded average, and an average before a guess; `tally` says how much of the
quantity rests on which. Corrections cut time into epochs: the broker counts on from the corrected quantity, so evidence
stamped after a correction continues there, and evidence stamped before can never undo it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import msgspec

from puna.core.decimals import NANO, exactly
from puna.core.types import ZERO

Stamped = TypeVar("Stamped", bound="Execution | Correction")

__all__ = [
    "Correction",
    "Execution",
    "Inside",
    "Mark",
    "Tally",
    "tally",
    "with_correction",
    "with_execution",
    "with_mark",
]


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A cumulative quantity with its average price, as first and last stamped by the broker."""

    cum_qty: Decimal
    price: Decimal | None
    first: int
    last: int


class Execution(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One execution: the range from `cum_qty - qty` to `cum_qty`, at one price."""

    cum_qty: Decimal
    qty: Decimal
    price: Decimal
    ts: int
    execution_id: str = ""


class Correction(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of an execution: its quantity (0 for a bust) and price now; None leaves it. `new_id` names it on."""

    execution_id: str
    qty: Decimal | None
    price: Decimal | None
    ts: int
    new_id: str = ""


class Inside(msgspec.Struct, frozen=True, gc=False):
    """A part that never was the broker's: crossed with another strategy of the account, before the rest left."""

    cross_id: str
    qty: Decimal
    price: Decimal
    ts: int


class Tally(NamedTuple):
    """The sum of the evidence.

    Attributes:
        qty: cumulative filled quantity.
        notional: what it was worth.
        averaged: the part of `qty` that is priced by the broker's rounded average only.
        guessed: the part of `qty` that nobody has priced yet.
        unmatched: executions that were corrected and have not been seen; without effect until they are.
    """

    qty: Decimal = ZERO
    notional: Decimal = ZERO
    averaged: Decimal = ZERO
    guessed: Decimal = ZERO
    unmatched: tuple[str, ...] = ()


class _Worth(NamedTuple):
    """What a level is worth by one way of reckoning. The smaller, the better known."""

    guessed: Decimal = ZERO
    averaged: Decimal = ZERO
    notional: Decimal = ZERO

    def plus(self, qty: Decimal, price: Decimal, *, guessed: Decimal = ZERO) -> "_Worth":
        return _Worth(self.guessed + guessed, self.averaged, self.notional + qty * price)


def with_mark(marks: tuple[Mark, ...], new: Mark) -> tuple[Mark, ...]:
    """The set with one more; an equal quantity and price only widens its time."""
    at = bisect_left(marks, _mark_order(new), key=_mark_order)
    if at < len(marks) and _mark_order(marks[at]) == _mark_order(new):
        old = marks[at]
        wider = Mark(new.cum_qty, new.price, min(old.first, new.first), max(old.last, new.last))
        return (*marks[:at], wider, *marks[at + 1 :])
    return (*marks[:at], new, *marks[at:])


def with_execution(executions: tuple[Execution, ...], new: Execution) -> tuple[Execution, ...]:
    """The set with one more; the same execution keeps its earliest stamp."""
    return _earliest(executions, new, _execution_order)


def with_correction(corrections: tuple[Correction, ...], new: Correction) -> tuple[Correction, ...]:
    """The set with one more; the same correction keeps its earliest stamp."""
    return _earliest(corrections, new, _correction_order)


@exactly
def tally(
    marks: Sequence[Mark], executions: Sequence[Execution], corrections: Sequence[Correction], guess: Decimal
) -> Tally:
    """What the evidence adds up to; `guess` prices what nobody has priced yet."""
    if not corrections and (whole := _tiled(marks, executions)) is not None:
        return whole
    seen = {each.execution_id: each.ts for each in executions if each.execution_id}
    # A correction cannot precede what it corrects, whatever two sources' clocks say.
    dated = sorted((max(each.ts, seen.get(each.execution_id, each.ts)), _correction_order(each), each)
                   for each in corrections)  # fmt: skip
    book = _Book(guess)
    edges = [None, *(ts for ts, _, _ in dated), None]
    for number, (after, until) in enumerate(pairwise(edges)):
        book.climb(
            number,
            [mark for mark in marks if _within(mark.first, after, until) or _within(mark.last, after, until)],
            [each for each in executions if _within(each.ts, after, until)],
        )
        if until is not None:
            book.correct(dated[number][2])
    worth = book.worth
    return Tally(book.qty, worth.notional, worth.averaged, worth.guessed, tuple(sorted(book.unmatched)))


def _tiled(marks: Sequence[Mark], executions: Sequence[Execution]) -> Tally | None:
    """The ordinary case: executions, each from where the last one ended, up to the highest mark; None when it is not.

    `_Book` says the same of it: nothing there is averaged or guessed.
    """
    level = notional = ZERO
    for each in executions:
        if each.qty <= 0 or each.cum_qty - each.qty != level:
            return None
        level, notional = each.cum_qty, notional + each.qty * each.price
    return None if any(mark.cum_qty > level for mark in marks) else Tally(level, notional)


class _Book:
    """The running total while `tally` goes through the epochs."""

    def __init__(self, guess: Decimal) -> None:
        self.qty = ZERO
        self.worth = _Worth()
        self.unmatched: set[str] = set()
        self._guess = guess
        self._names: dict[str, tuple[int, Decimal]] = {}  # execution id -> (epoch, level): aliases meet here
        self._values: dict[tuple[int, Decimal], tuple[Decimal, Decimal]] = {}

    def climb(self, epoch: int, marks: Iterable[Mark], executions: Iterable[Execution]) -> None:
        """Goes up from the present quantity to the highest level of this epoch, by the best known way."""
        steps: dict[Decimal, list[Execution]] = {}
        for each in executions:
            self._name(epoch, each)
            steps.setdefault(each.cum_qty, []).append(each)
        averages: dict[Decimal, list[Decimal]] = {level: [] for level in steps}
        for mark in marks:
            averages.setdefault(mark.cum_qty, []).extend([] if mark.price is None else [mark.price])
        worth, levels = {self.qty: self.worth}, [self.qty]
        for level in sorted(level for level in averages if level > self.qty):
            best = min(self._stepped(steps.get(level, ()), worth, levels), default=None)
            if best is None or best.guessed or best.averaged:
                ways = [_Worth(ZERO, level, level * price) for price in averages[level]]
                best = min(ways + ([best] if best else []), default=None)
            worth[level] = best or self._guessed(level, levels[-1], worth)
            levels.append(level)
        self.qty, self.worth = levels[-1], worth[levels[-1]]

    def correct(self, correction: Correction) -> None:
        """Sets what an execution counts for; a second correction to the same values changes nothing."""
        key = self._names.get(correction.execution_id)
        if key is None:
            self.unmatched.add(correction.execution_id)
            return
        qty, price = self._values[key]
        now_qty = qty if correction.qty is None else correction.qty
        now_price = price if correction.price is None else correction.price
        self._values[key] = (now_qty, now_price)
        self._names.setdefault(correction.new_id or correction.execution_id, key)
        self.qty = max(ZERO, self.qty - qty + now_qty)
        notional = self.worth.notional - qty * price + now_qty * now_price
        averaged, guessed = min(self.worth.averaged, self.qty), min(self.worth.guessed, self.qty)
        self.worth = _Worth(guessed, averaged, notional) if self.qty else _Worth()

    def _name(self, epoch: int, execution: Execution) -> None:
        key = (epoch, execution.cum_qty)
        self._values.setdefault(key, (execution.qty, execution.price))
        if execution.execution_id:
            self._names.setdefault(execution.execution_id, key)

    def _stepped(
        self, ending: Iterable[Execution], worth: dict[Decimal, _Worth], levels: list[Decimal]
    ) -> Iterator[_Worth]:
        """Each way up by an execution that ends here; a hole beneath it is guessed at its own price."""
        for each in ending:
            start = each.cum_qty - each.qty
            if start in worth:
                yield worth[start].plus(each.qty, each.price)
            elif start > levels[0]:
                below = levels[bisect_left(levels, start) - 1]
                yield worth[below].plus(each.cum_qty - below, each.price, guessed=start - below)

    def _guessed(self, level: Decimal, below: Decimal, worth: dict[Decimal, _Worth]) -> _Worth:
        price = (worth[below].notional / below).quantize(NANO) if below else self._guess
        return worth[below].plus(level - below, price, guessed=level - below)


def _earliest(known: tuple[Stamped, ...], new: Stamped, order: Callable[[Stamped], Any]) -> tuple[Stamped, ...]:
    at = bisect_left(known, order(new), key=order)
    if at < len(known) and order(known[at]) == order(new):
        return known if known[at].ts <= new.ts else (*known[:at], new, *known[at + 1 :])
    return (*known[:at], new, *known[at:])


def _within(ts: int, after: int | None, until: int | None) -> bool:
    return (after is None or ts > after) and (until is None or ts <= until)


def _mark_order(mark: Mark) -> tuple[Decimal, bool, Decimal]:
    return mark.cum_qty, mark.price is None, mark.price or ZERO


def _execution_order(each: Execution) -> tuple[Decimal, str, Decimal, Decimal]:
    return each.cum_qty, each.execution_id, each.qty, each.price


def _correction_order(each: Correction) -> tuple[str, str, Decimal, Decimal]:
    """None sorts as -1, which no quantity or price is."""
    return (
        each.execution_id,
        each.new_id,
        Decimal(-1) if each.qty is None else each.qty,
        Decimal(-1) if each.price is None else each.price,
    )
