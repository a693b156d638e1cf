"""What becomes of options that are held: exercise, assignment, expiry, and how it is told (facts.md 5.5, 5.7, 11)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.account.activities import Query
from puna.exchange.account.commands import DoNotExercise, Exercise
from puna.exchange.account.terms import AccountTerms, Assignment

CALL, PUT = "AAPL120921C00100000", "AAPL120921P00100000"
DAYS = (date(2012, 9, 21), date(2012, 9, 24))
HOUR, CLOSE = 3600.0, 6.5 * 3600.0
EVENING, MONDAY = CLOSE + 4 * HOUR, 66.6 * HOUR


def _world(world: Any, last: float, terms: AccountTerms | None = None, **rest: Any) -> Any:
    """A Friday on which a call and a put of 100 end, and AAPL ends at `last`."""
    quotes = [(0, CALL, 2.9, 3.0, 100), (0, PUT, 2.9, 3.0, 100), (0, "AAPL", 99.98, 100.0, 10_000)]
    rows = [*quotes, (100, "AAPL", last), (MONDAY + HOUR, "AAPL", last)]
    contracts = {CALL: True, PUT: True}
    w = world(*rows, days=DAYS, contracts=contracts, account=terms or AccountTerms(), **rest)
    w.to(1)
    return w


def _open(w: Any, symbol: str, qty: int) -> None:
    w.order(symbol=symbol, qty=abs(qty), side="buy" if qty > 0 else "sell")
    w.to((w.now - w.open) / 10**9 + 1)
    assert w.venue.ledger.quantity(symbol) == qty


def _told(w: Any, *types: str) -> list[tuple[Any, ...]]:
    rows = w.venue.office.activities.find(Query(types=types or ("OPEXC", "OPASN", "OPEXP", "OPTRD"), ascending=True))
    return [(each.activity_type, each.symbol, each.qty, each.net_amount) for each in rows]


def _is_sound(w: Any) -> None:
    ledger = w.venue.ledger
    assert ledger.imbalance == 0
    assert ledger.cash == 100_000 + sum(change.cash for change in ledger.changes)


def test_exercise_takes_all_at_once_and_gives_shares_at_the_strike(world: Any) -> None:
    """Shares are there at once, the activities the next day, in a pair (NTA)."""
    w = _world(world, 105.0)
    _open(w, CALL, 2)
    cash = w.venue.ledger.cash
    assert w.do(Exercise(CALL)) is None
    assert w.venue.ledger.positions == {"AAPL": (200, 100)}
    assert w.venue.ledger.cash == cash - 20_000
    assert _told(w) == []
    w.to(MONDAY)
    assert _told(w) == [("OPEXC", CALL, -2, 0), ("OPTRD", "AAPL", 200, -20_000)]
    _is_sound(w)


def test_exercise_refuses_what_cannot_be(world: Any) -> None:
    """No such contract, no position, a short one, no shares for a put, and between close and midnight (SPEC-T)."""
    w = _world(world, 105.0)
    refusals = [w.do(Exercise("AAPL")), w.do(Exercise(CALL)), w.do(DoNotExercise(CALL)), w.do(DoNotExercise("X"))]
    assert [(each.status, each.code) for each in refusals] == [
        (422, 42210000),
        (403, 40310000),
        (403, 40310000),
        (422, 42210000),
    ]
    _open(w, PUT, -1)
    assert w.do(Exercise(PUT)).code == w.do(DoNotExercise(PUT)).code == 40310001
    _open(w, CALL, 1)
    w.to(CLOSE + 60)
    assert w.do(Exercise(CALL)).status == 422


def test_a_put_is_exercised_with_shares_only(world: Any) -> None:
    """It sells a hundred at the strike."""
    w = _world(world, 95.0)
    _open(w, PUT, 1)
    assert w.do(Exercise(PUT)).status == 403
    _open(w, "AAPL", 150)
    assert w.do(Exercise(PUT)) is None
    assert w.venue.ledger.quantity("AAPL") == 50
    _is_sound(w)


@pytest.mark.parametrize(("last", "kind"), [(105.0, "OPEXC"), (100.01, "OPEXC"), (100.0, "OPEXP"), (95.0, "OPEXP")])
def test_what_ends_in_the_money_by_a_cent_exercises_itself(world: Any, last: float, kind: str) -> None:
    """And what does not, expires at zero."""
    w = _world(world, last)
    _open(w, CALL, 1)
    w.to(EVENING)
    assert w.venue.ledger.quantity(CALL) == 0
    assert w.venue.ledger.quantity("AAPL") == (100 if kind == "OPEXC" else 0)
    w.to(MONDAY)
    assert _told(w)[0][0] == kind
    _is_sound(w)


def test_what_is_not_to_be_exercised_expires(world: Any) -> None:
    """Though it is in the money."""
    w = _world(world, 105.0)
    _open(w, CALL, 1)
    assert w.do(DoNotExercise(CALL)) is None
    w.to(MONDAY)
    assert (_told(w), w.venue.ledger.positions) == ([("OPEXP", CALL, -1, 0)], {})


def test_what_cannot_be_paid_for_is_sold_half_an_hour_before_the_close(world: Any) -> None:
    """Twenty calls would cost 200,000 (facts.md 5.5)."""
    w = _world(world, 105.0, multiplier=1)
    _open(w, CALL, 20)
    w.to(CLOSE - 1801)
    assert w.venue.ledger.quantity(CALL) == 20
    w.to(CLOSE - 1790)
    assert (w.venue.ledger.quantity(CALL), w.events()[-1]) == (0, "fill")


def test_a_short_put_is_assigned_and_a_covered_call_gives_its_shares(world: Any) -> None:
    """At the strike, on the evening of their last day (facts.md 5.7)."""
    w = _world(world, 95.0)
    _open(w, PUT, -1)
    w.to(MONDAY)
    assert _told(w) == [("OPASN", PUT, 1, 0), ("OPTRD", "AAPL", 100, -10_000)]
    assert w.venue.ledger.positions == {"AAPL": (100, 100)}
    w = _world(world, 105.0)
    _open(w, "AAPL", 100)
    _open(w, CALL, -1)
    w.to(MONDAY)
    assert _told(w) == [("OPASN", CALL, 1, 0), ("OPTRD", "AAPL", -100, 10_000)]
    assert w.venue.ledger.positions == {}
    _is_sound(w)


def test_an_assignment_may_be_written_down(world: Any) -> None:
    """On that morning, in or out of the money, told at once."""
    later = "AAPL121019P00090000"
    terms = AccountTerms(assignments=(Assignment(later, DAYS[1], Decimal(2)),))
    quotes = [(0, later, 0.4, 0.5, 100), (0, "AAPL", 99.98, 100.0, 10_000), (10, "AAPL", 99.0)]
    w = world(*quotes, days=DAYS, contracts={later: True}, account=terms)
    w.to(1)
    _open(w, later, -3)
    w.to(EVENING)
    assert w.venue.ledger.quantity(later) == -3
    w.to(MONDAY)
    assert w.venue.ledger.positions == {"AAPL": (200, 90), later: (-1, Decimal("0.4"))}
    assert _told(w) == [("OPASN", later, 2, 0), ("OPTRD", "AAPL", 200, -18_000)]


@pytest.mark.parametrize(("chance", "assigned"), [(0.0, 0), (1.0, 100)])
def test_early_assignment_has_its_chance(world: Any, chance: float, assigned: int) -> None:
    """Of a short in the money, over night, seeded by the account."""
    later = "AAPL121019P00110000"
    quotes = [(0, later, 10.4, 10.5, 100), (0, "AAPL", 99.98, 100.0, 10_000), (10, "AAPL", 99.0)]
    w = world(*quotes, days=DAYS, contracts={later: True}, account=AccountTerms(early_assignment=chance))
    w.to(1)
    _open(w, later, -1)
    w.to(MONDAY)
    assert w.venue.ledger.quantity("AAPL") == assigned
