"""The equity of a backtest on bars: what the books held after each bar, at the last closes."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from puna.core.portfolio import Portfolio
from puna.core.symbols import multiplier
from puna.research.backtest.data import Columns, History

__all__ = ["equity_of", "start_of"]

Owed = tuple[int, str, Decimal, Decimal]
"""When, of which coin, so many coins and so many dollars that are gone at the venue and still stand in the books."""


def start_of(history: History) -> int:
    """A moment before the first print, so that nothing of the first bar is known."""
    return min(int(each.opens[0]) for each in history.columns.values()) - 1


def equity_of(
    history: History, moments: Sequence[tuple[int, Portfolio]], owed: Sequence[Owed] = ()
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cash and positions at the last closes, at the beginning and after each bar; the last with closed books.

    What has no bars (a contract that a split has made of another) counts as what it has cost. Fees of coins count from
    their trade on, as at the venue, though the books hear of them at the end of the day.
    """
    times = _times(history)
    changed = np.array([ts for ts, _ in moments], dtype=np.int64)
    place = np.searchsorted(changed, times, side="right") - 1
    place[-1] = len(moments) - 1  # with the last day's fees, which are charged after its last bar
    cash = np.array([float(portfolio.cash) for _, portfolio in moments])
    equity: NDArray[np.float64] = cash[np.maximum(place, 0)]
    for symbol, held in _quantities(moments).items():
        columns = history.columns.get(symbol)
        if columns is None:
            equity = equity + _costs(moments, symbol)[np.maximum(place, 0)]
        else:
            equity = equity + held[np.maximum(place, 0)] * _prices(columns, times) * float(multiplier(symbol))
    for symbol in {symbol for _, symbol, _, _ in owed}:
        rows = [each for each in owed if each[1] == symbol]
        coins, dollars = (np.concatenate([[0.0], np.cumsum([float(each[at]) for each in rows])]) for at in (2, 3))
        at = np.searchsorted([each[0] for each in rows], times, side="right")
        at[-1] = len(rows)
        equity = equity - coins[at] * _prices(history.columns[symbol], times) - dollars[at]
    return times, equity


def _prices(columns: Columns, times: NDArray[np.int64]) -> NDArray[np.float64]:
    """The last closes; before the first one the first open."""
    at = np.searchsorted(columns.known, times, side="right") - 1
    found: NDArray[np.float64] = np.where(at >= 0, columns.close[np.maximum(at, 0)], columns.open[0])
    return found


def _times(history: History) -> NDArray[np.int64]:
    """The beginning, and every moment at which a bar is known, once."""
    known = np.concatenate([[start_of(history)], *(each.known for each in history.columns.values())])
    if len(history.columns) > 1:
        known = np.sort(known)
        known = known[np.r_[True, known[1:] != known[:-1]]]
    return known


def _quantities(moments: Sequence[tuple[int, Portfolio]]) -> dict[str, NDArray[np.float64]]:
    """Of each symbol that was ever held, how much at each moment."""
    found: dict[str, NDArray[np.float64]] = {}
    for at, (_, portfolio) in enumerate(moments):
        for symbol, position in portfolio.positions.items():
            if symbol not in found:
                found[symbol] = np.zeros(len(moments))
            found[symbol][at] = float(position.qty)
    return found


def _costs(moments: Sequence[tuple[int, Portfolio]], symbol: str) -> NDArray[np.float64]:
    """What a position has cost, signed, at each moment."""
    held = (portfolio.positions.get(symbol) for _, portfolio in moments)
    return np.array([0.0 if each is None else float(each.cost) for each in held])
