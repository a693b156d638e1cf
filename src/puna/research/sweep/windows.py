"""A backtest on a window of time: bars of the window, what lies before as the past, and strategies that only listen.

A strategy that declares its warm-up has it from the past, as live. One that remembers bars by itself can be let hear
some before the window: the run begins that much earlier, and until the window begins what it orders is dropped.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from puna.core.parent import Parent
from puna.core.types import OrderIntent
from puna.engine.strategy import Desk, Strategy
from puna.research.backtest.data import Columns, History
from puna.research.sweep.cells import Window

__all__ = ["cut", "fitting", "listening"]


def cut(history: History, window: Window) -> History:
    """The bars that end in the window or are heard before it; all earlier ones are the past.

    A symbol without a bar there is left out.
    """
    columns, past = {}, dict(history.past)
    for symbol, each in history.columns.items():
        first, last = (int(np.searchsorted(each.known, ts, side="right")) for ts in (window.begin, window.until))
        if last > first:
            columns[symbol] = _rows(each, first, last)
        if first:
            past[symbol] = _joined(past.get(symbol), _rows(each, 0, first))
    return replace(history, columns=columns, past=past)


def fitting(team: Sequence[Strategy], history: History) -> list[Strategy]:
    """The strategies, each with those of its symbols that have bars; without any, a strategy does nothing there."""
    for each in team:
        each.symbols = [symbol for symbol in each.symbols if symbol in history.columns]
    return [each for each in team if each.symbols]


def listening(team: Sequence[Strategy], until: int) -> None:
    """Lets the strategies hear everything, and drops what they order before `until`, ns.

    At that moment the first order may leave; it meets the market after it.
    """
    for each in team:
        _listen(each, until)


def _listen(strategy: Strategy, until: int) -> None:
    begin = strategy.on_start

    def on_start() -> None:
        strategy._desk = _Deaf(strategy._desk, until)  # noqa: SLF001 - as who runs it does
        begin()

    strategy.on_start = on_start  # type: ignore[method-assign]


class _Deaf:
    """A desk that takes no order before its time; everything else is the desk's."""

    def __init__(self, desk: Desk, until: int) -> None:
        self._desk = desk
        self._until = until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def submit(self, intent: OrderIntent) -> str:
        return intent.client_order_id if self._early else self._desk.submit(intent)

    def replace(self, client_order_id: str, intent: OrderIntent) -> str:
        return intent.client_order_id if self._early else self._desk.replace(client_order_id, intent)

    def work(self, strategy: str, parent: Parent, because: str) -> str:
        return self._desk.new_id(strategy) if self._early else self._desk.work(strategy, parent, because)

    def guard(self, strategy: str, parent: Parent, because: str, entry: OrderIntent | None = None) -> str | None:
        return None if self._early else self._desk.guard(strategy, parent, because, entry)

    @property
    def _early(self) -> bool:
        return self._desk.now < self._until


def _rows(columns: Columns, first: int, last: int) -> Columns:
    return columns.between(int(columns.begin[first]), int(columns.begin[last - 1]) + 1)


def _joined(before: Columns | None, after: Columns) -> Columns:
    if before is None:
        return after
    pairs = zip(Columns._fields[1:], before[1:], after[1:], strict=True)
    both: dict[str, Any] = {name: np.concatenate((one, other)) for name, one, other in pairs}
    return Columns(symbol=after.symbol, **both)
