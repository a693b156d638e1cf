"""The native payoff scan is the reference: the same requirement in the same spelling, the same errors."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from puna import native
from puna.core.payoff import UNLIMITED, OptionPosition, Right, reference, requirement

EXPIRY = date(2026, 6, 19)
STRIKES = st.one_of(
    st.integers(1, 40).map(lambda n: Decimal(n * 5)),
    st.decimals(min_value=0, max_value=10**9, places=9),
    st.decimals(min_value=0, max_value=5000, places=2),
    st.sampled_from(
        [Decimal(text) for text in ["1E+3", "0E-2", "480.50", "0.000000001", "1e-10", "1e18", "9223372036"]]
    ),
)
QUANTITIES = st.one_of(st.integers(-5, 5), st.integers(-(10**6), 10**6), st.sampled_from([2**33, -(2**63), 2**70]))


def position(right: Right, strike: Any, quantity: Any, multiplier: int) -> OptionPosition:
    return OptionPosition("SPY", EXPIRY, right, strike, quantity, multiplier)


books = st.lists(
    st.builds(position, st.sampled_from(Right), STRIKES, QUANTITIES, st.sampled_from([100, 100, 10, 1, 150])),
    max_size=12,
)


def outcome(scan: Any, book: list[OptionPosition]) -> Any:
    """The requirement as text, or the type of the error."""
    try:
        return str(scan(book))
    except (ArithmeticError, ValueError, TypeError) as error:
        return type(error)


@given(books)
def test_books_require_what_the_reference_says(book: list[OptionPosition]) -> None:
    """Usual and extreme strikes, quantities and multipliers; the second time the positions are known already."""
    expected = outcome(reference, book)
    assert outcome(requirement, book) == expected
    assert outcome(requirement, book) == expected


@example([1.5])
@example(["480"])
@example([Decimal("NaN")])
@example([Decimal("Infinity")])
@example([Decimal(-5)])
@given(st.lists(st.one_of(st.decimals(), st.floats(), st.integers(), st.text(max_size=3), st.none()), max_size=3))
def test_what_is_no_strike_is_refused_alike(strikes: list[Any]) -> None:
    """Anything in the place of a strike."""
    book = [position(Right.PUT, strike, -1, 100) for strike in strikes]
    assert outcome(requirement, book) == outcome(reference, book)


def test_a_usual_book_never_reaches_the_reference() -> None:
    """The sweep answers by itself, and unlimited risk is infinite."""
    spread = [position(Right.CALL, Decimal(190), -1, 100), position(Right.CALL, Decimal("200.50"), 1, 100)]
    assert native.payoff_requirement(spread, OptionPosition, Right.CALL) == Decimal(1050)
    assert native.payoff_requirement(spread[:1], OptionPosition, Right.CALL) == UNLIMITED
    assert native.payoff_requirement([object()], OptionPosition, Right.CALL) is None


def test_threads_do_not_disturb_each_other() -> None:
    """Four threads scan books that share their positions' places in memory."""
    books = [[position(Right.PUT, Decimal(n), -1, 100) for n in range(1, 40)] for _ in range(40)]

    def scan(book: list[OptionPosition]) -> bool:
        return all(requirement(book) == Decimal(sum(range(1, 40)) * 100) for _ in range(20))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(scan, books))
    finally:
        sys.setswitchinterval(interval)
