"""What a rule of risk says: a finding with its numbers, or nothing; and every comparison, for people who want them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import NamedTuple

from puna.core.risk_view import RiskLimits, RiskView
from puna.core.types import OrderIntent

__all__ = ["Finding", "Rule", "measured", "over", "unvalued"]


class Finding(NamedTuple):
    """What a rule found: in words, what it saw, what would have been allowed."""

    message: str
    observed: object = ""
    limit: object = ""


Rule = Callable[[OrderIntent, RiskView, RiskLimits], Finding | None]


def over(message: str, observed: Decimal | float, limit: Decimal | float) -> Finding | None:
    """A finding unless `observed` is within the limit; what cannot be compared is not within it."""
    if (rows := _measured.get()) is not None:
        rows.append(Finding(message, observed, limit))
    return None if observed <= limit else Finding(message, observed, limit)


@contextmanager
def measured() -> Iterator[list[Finding]]:
    """Collects every comparison that is made while it is entered, passed ones too: for people who want the numbers."""
    rows: list[Finding] = []
    token = _measured.set(rows)
    try:
        yield rows
    finally:
        _measured.reset(token)


_measured: ContextVar[list[Finding] | None] = ContextVar("measured", default=None)


def unvalued() -> Finding:
    """What is said when a value is needed that nobody knows."""
    return Finding("what it would be worth cannot be known: a quote, a mark or the buying power is missing")
