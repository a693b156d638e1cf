"""The worst point of an option book: natively, in Python, and margin-estimator's margin of the same legs."""

import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import margin_estimator

from benchmarks.decode import timed
from benchmarks.table import Goal, Row, interleaved
from puna.core import payoff
from puna.core.payoff import OptionPosition, Right

__all__ = ["rows"]

ROUNDS = 15
EXPIRY = date(2026, 6, 19)


def rows(*, quick: bool = False) -> list[Row]:
    """4 legs and 40 legs: positions that an account holds and every order meets again, and new ones."""
    return [_row(4, 20, quick=quick), _row(40, 80, quick=quick)]


def _book(count: int) -> list[OptionPosition]:
    """As many longs as shorts of each right, so that nothing is unlimited."""
    rights, signs = (Right.PUT, Right.CALL), (1, 1, -1, -1)
    strikes = [Decimal(f"{400 + 2.5 * n:.2f}") for n in range(count)]
    return [OptionPosition("SPY", EXPIRY, rights[n % 2], strike, signs[n % 4]) for n, strike in enumerate(strikes)]


def _unseen(count: int) -> Callable[[], list[int]]:
    """Positions that no scan has met before."""

    def run() -> list[int]:
        books = [_book(count) for _ in range(20)]
        start = time.perf_counter_ns()
        for book in books:
            payoff.requirement(book)
        return [(time.perf_counter_ns() - start) // len(books)]

    return run


def _row(count: int, faster: float, *, quick: bool) -> Row:
    book = _book(count)
    theirs = [
        margin_estimator.Option(
            expiration=p.expiry,
            price=Decimal(1),
            quantity=p.quantity,
            strike=p.strike,
            type=margin_estimator.OptionType.CALL if p.right is Right.CALL else margin_estimator.OptionType.PUT,
        )
        for p in book
    ]
    underlying = margin_estimator.Underlying(price=Decimal(450))
    contestants = {
        "puna": timed(50, lambda: payoff.requirement(book)),
        "puna, positions never met": _unseen(count),
        "puna in Python": timed(3, lambda: payoff.reference(book)),
        "margin-estimator": timed(3, lambda: margin_estimator.calculate_margin(theirs, underlying)),
    }
    samples = interleaved(3 if quick else ROUNDS, contestants)
    goals = (Goal("puna in Python", 1 / faster), Goal("margin-estimator", 1 / 200))
    return Row(f"option payoff scan, {count} legs", samples, goals)
