"""A volatility surface for each stock: a level from the past, a smile over strikes, a slope over time.

The level is what the stock's daily closes have moved over the last sixty sessions, and a little more, as option prices
usually ask. The smile leans to low strikes. Everything rounds the same on every machine (see `blackscholes`).
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

from puna.exchange.prices.blackscholes import log

__all__ = ["SESSIONS", "level", "volatility"]

SESSIONS = 60
"""How many daily closes make the level."""

_SESSIONS_A_YEAR = 252.0
_PREMIUM = 1.15
_UNKNOWN = 0.45
_LEAST, _MOST = 0.10, 1.50
_WIDEST = 4.0


def level(closes: Sequence[float]) -> float:
    """The volatility of a year, from adjusted daily closes, oldest first; a high one where little is known."""
    moves = [after / before - 1.0 for before, after in pairwise(closes)]
    if len(moves) < 10:
        return _UNKNOWN
    mean_square = sum(move * move for move in moves) / len(moves)
    return min(max(_PREMIUM * sqrt(_SESSIONS_A_YEAR * mean_square), _LEAST), _MOST)


def volatility(level_: float, spot: float, strike: float, years: float) -> float:
    """The volatility of one strike and expiry."""
    at_the_money = level_ * (1.0 + 0.25 * (0.1 - years) / (0.1 + years))
    away = log(strike / spot) / (at_the_money * sqrt(years))
    away = min(max(away, -_WIDEST), _WIDEST)
    return at_the_money * (1.0 - 0.08 * away + 0.03 * away * away)
