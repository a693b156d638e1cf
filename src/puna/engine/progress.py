"""Where a run stands, for whoever watches it."""

from decimal import Decimal
from typing import NamedTuple

from puna.core.risk import TradingState

__all__ = ["Progress"]


class Progress(NamedTuple):
    """Where a run stands: market time, its end, equity, cash, state, orders and fills so far."""

    now: int
    end: int
    equity: Decimal | None
    cash: Decimal
    state: TradingState
    orders: int
    fills: int
    refusals: int
