"""Short ways through the rules of the ordinary case: each answers, to the last digit, what the long way answers."""

from datetime import time, timedelta
from decimal import Decimal, localcontext
from typing import Any, TypeAlias
from uuid import UUID

import risk_cases
from hypothesis import given
from hypothesis import strategies as st

from puna.core import evidence
from puna.core.decimals import EXACT, plain
from puna.core.evidence import Execution, Mark, tally
from puna.core.risk_worst_case import _folded, all_under_way
from puna.core.sessions import Session, date_of, day, new_york, session_at
from puna.core.types import ZERO, exact
from puna.seams import SeededIds, seeded_rng

Evidence: TypeAlias = tuple[tuple[Mark, ...], tuple[Execution, ...]]

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e25", max_value="1e25")
MOMENTS = st.integers(min_value=946_771_200, max_value=1_924_900_000).map(lambda second: second * 1_000_000_000)
QTY = st.decimals(min_value="0.000000001", max_value=1000, places=9)
PRICE = st.decimals(min_value="0.0001", max_value=5000, places=4)


@given(AMOUNTS | st.integers(-(10**20), 10**20).map(Decimal) | st.just(Decimal("-0.00")))
def test_an_amount_is_spelled_as_its_digits_are(amount: Decimal) -> None:
    """No exponent, no trailing zeros, no negative zero: what the printed number reads as, whatever is printed how."""
    if amount and abs(amount.adjusted()) > 30:
        return
    spelled = Decimal(f"{amount.normalize(EXACT):f}") if amount else Decimal(0)
    with localcontext(capitals=0):
        assert plain(amount).as_tuple() == spelled.as_tuple()


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.sampled_from([0.0, -0.0]))
def test_a_price_is_what_was_printed(price: float) -> None:
    """Also when it was asked for before, and of the two zeros the one."""
    for _ in range(2):
        assert exact(price).as_tuple() == Decimal(repr(price)).as_tuple()


@given(MOMENTS, st.integers(0, 999_999_999))
def test_dates_and_sessions_are_read_off_the_wall_clock(second: int, nanos: int) -> None:
    """The wall clock of New York says which date it is, and which session."""
    ts = second + nanos
    wall = new_york(ts)
    assert date_of(ts) == wall.date()
    tomorrow, today = day(wall.date() + timedelta(days=1)), day(wall.date())
    if wall.time() >= time(20):
        assert session_at(ts) is (Session.OVERNIGHT if tomorrow else Session.CLOSED)
    elif today is None or ts >= today.post_close:
        assert session_at(ts) is Session.CLOSED
    else:
        rows = ((today.pre_open, Session.OVERNIGHT), (today.open, Session.PRE), (today.close, Session.CORE))
        assert session_at(ts) is next((session for until, session in rows if ts < until), Session.POST)


def _long_way(marks: tuple[Mark, ...], executions: tuple[Execution, ...], guess: Decimal) -> evidence.Tally:
    with localcontext(EXACT):
        book = evidence._Book(guess)
        book.climb(0, marks, executions)
        worth = book.worth
        return evidence.Tally(book.qty, worth.notional, worth.averaged, worth.guessed, ())


@st.composite
def _fills(draw: Any) -> Evidence:
    """Executions one after the other, some of them missing, beside marks of some levels and of none."""
    level, marks, executions = ZERO, list[Mark](), list[Execution]()
    for number, (qty, price) in enumerate(draw(st.lists(st.tuples(QTY, PRICE), max_size=4))):
        level += qty
        if draw(st.integers(0, 5)):
            executions.append(Execution(level, qty, price, number, draw(st.sampled_from(["", f"x{number}"]))))
        if draw(st.booleans()):
            marks.append(Mark(level, draw(PRICE | st.none()), number, number))
    return tuple(marks), tuple(draw(st.permutations(executions)) if draw(st.booleans()) else executions)


@given(_fills(), PRICE)
def test_executions_that_tile_add_up_alone(
    fills: tuple[tuple[Mark, ...], tuple[Execution, ...]], guess: Decimal
) -> None:
    """With or without marks: the sum of executions is what climbing level by level comes to."""
    marks, executions = fills
    found, reference = tally(marks, executions, (), guess), _long_way(marks, executions, guess)
    assert [str(each) for each in found] == [str(each) for each in reference]


@given(st.sampled_from([-5, 0, 5, 100]), st.decimals(min_value=-10, max_value=1000, places=4))
def test_an_order_alone_is_all_that_is_under_way(qty: int, price: Decimal) -> None:
    """Where nothing else is open there is nothing to fold."""
    intent, seen = risk_cases.order(qty=qty), risk_cases.view()
    assert not seen.open
    assert all_under_way(intent, price, seen) == _folded(intent, price, seen)


@given(st.integers())
def test_seeded_ids_are_uuids_of_chance(seed: int) -> None:
    """Version 4 of the seed's bits, spelled as the standard library spells it."""
    ids, chance = SeededIds(seeded_rng(seed)), seeded_rng(seed)
    for _ in range(3):
        assert ids.uuid() == str(UUID(int=chance.getrandbits(128), version=4))
