"""Corporate actions: what they do to holdings and orders, how they are booked and announced (facts.md 5.7)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.activities import Query
from puna.exchange.account.corporate import Sought
from puna.exchange.account.terms import AccountTerms

DAYS = (date(2012, 9, 17), date(2012, 9, 18), date(2012, 9, 19))
HOUR, NIGHT = 3600.0, 24 * 3600.0


def _world(world: Any, *actions: CorporateEvent, **rest: Any) -> Any:
    terms = AccountTerms(actions=actions, **{"dividends": True, **rest.pop("terms", {})})
    rows = [(0, "AAPL", 99.98, 100.0, 10_000), (10, "AAPL", 100.0), (NIGHT + HOUR, "AAPL", 50.0)]
    w = world(*rows, days=DAYS, account=terms, **rest)
    w.to(1)
    return w


def _buy(w: Any, qty: float) -> None:
    w.order(qty=abs(qty), side="buy" if qty > 0 else "sell")
    w.to(20)


def _booked(w: Any, *types: str) -> list[Any]:
    rows: list[Any] = w.venue.office.activities.find(Query(types=types, ascending=True))
    return rows


@pytest.mark.parametrize(("held", "net"), [(100, "24.50"), (-100, "-24.50")])
def test_a_dividend_is_paid_to_longs_and_by_shorts(world: Any, held: int, net: str) -> None:
    """Who holds at the beginning of the ex-date, though he sells before the payable date."""
    event = CorporateEvent(kind="dividend", symbol="AAPL", ex_date=DAYS[1], payable_date=DAYS[2], cash=Decimal("0.245"))
    w = _world(world, event)
    _buy(w, held)
    cash = w.venue.ledger.cash
    w.to(NIGHT)
    assert (w.venue.ledger.cash, _booked(w, "DIV")) == (cash, [])
    w.to(2 * NIGHT)
    [row] = _booked(w, "DIV")
    assert (row.net_amount, row.qty, row.per_share_amount) == (Decimal(net), held, Decimal("0.245"))
    assert w.venue.ledger.cash == cash + Decimal(net)
    assert w.venue.ledger.imbalance == 0


def test_paper_pays_no_dividends(world: Any) -> None:
    """facts.md 9."""
    event = CorporateEvent(kind="dividend", symbol="AAPL", ex_date=DAYS[1], cash=Decimal(1))
    w = _world(world, event, terms={"dividends": False})
    _buy(w, 100)
    w.to(2 * NIGHT)
    assert _booked(w, "DIV") == []


@pytest.mark.parametrize(("in_lieu", "left", "paid"), [(True, 10, 500), (False, Decimal("10.5"), 0)])
def test_a_reverse_split_pays_for_fractions(world: Any, in_lieu: bool, left: Any, paid: int) -> None:
    """105 shares at 100 become ten at 1000, and half a share in cash; or ten and a half."""
    event = CorporateEvent(kind="split", symbol="AAPL", ex_date=DAYS[1], old_rate=10, new_rate=1)
    w = _world(world, event, terms={"cash_in_lieu": in_lieu})
    _buy(w, 105)
    cash = w.venue.ledger.cash
    w.to(NIGHT - 3600)
    assert (w.venue.ledger.quantity("AAPL"), w.venue.ledger.cash - cash) == (left, paid)
    [row] = _booked(w, "SPLIT")
    assert (row.activity_sub_type, row.qty, row.net_amount) == ("RSPLIT", left - 105, paid)
    position = w.venue.position("AAPL")
    assert (position.change_today, position.current_price) == (0, 1000)


@pytest.mark.parametrize(
    ("what", "status", "qty", "limit"), [("cancel", "canceled", 10, 60), ("adjust", "new", 20, 30)]
)
def test_a_split_cancels_or_adjusts_open_orders(world: Any, what: str, status: str, qty: int, limit: int) -> None:
    """No source says which, so it is switchable."""
    event = CorporateEvent(kind="split", symbol="AAPL", ex_date=DAYS[1], old_rate=1, new_rate=2)
    w = _world(world, event, terms={"split_orders": what})
    order = w.limit(60, qty=10, time_in_force="gtc")
    w.to(NIGHT - 3600)
    shown = w.shown(order)
    assert (shown.status, shown.qty, shown.limit_price) == (status, qty, limit)


def test_a_rename_moves_the_position(world: Any) -> None:
    """Same cost, same id, another symbol; its orders are canceled."""
    event = CorporateEvent(kind="rename", symbol="AAPL", ex_date=DAYS[1], new_symbol="APLE")
    w = _world(world, event)
    _buy(w, 10)
    order = w.limit(200, side="sell", qty=5, time_in_force="gtc")
    before = w.venue.position("AAPL")
    w.to(NIGHT - 3600)
    after = w.venue.position("APLE")
    assert w.venue.position("AAPL") is None or w.venue.ledger.quantity("AAPL") == 0
    assert (after.asset_id, after.qty, after.cost_basis) == (before.asset_id, 10, before.cost_basis)
    assert w.shown(order).status == "canceled"
    [row] = _booked(w, "NC")
    assert (row.symbol, row.qty) == ("APLE", 10)


def test_a_renamed_stock_goes_on_under_its_new_name(world: Any) -> None:
    """Prints mark it, quotes fill its orders, frames tell the new symbol; the old one does not trade any more."""
    event = CorporateEvent(kind="rename", symbol="AAPL", ex_date=DAYS[1], new_symbol="APLE")
    rows = [(0, "AAPL", 99.98, 100.0, 10_000), (NIGHT, "AAPL", 49.98, 50.0, 10_000), (NIGHT + 1, "AAPL", 50.0)]
    w = world(*rows, days=DAYS, account=AccountTerms(actions=(event,)))
    w.to(1)
    _buy(w, 10)
    w.to(NIGHT + 2)
    assert w.venue.position("APLE").current_price == 50
    w.order(symbol="APLE", qty=5)
    w.to(NIGHT + 3)
    assert w.venue.ledger.positions == {"APLE": (15, Decimal("83.333333333"))}
    assert {message.S for message in w.frames[-1].messages} == {"APLE"}
    assert w.refused(symbol="AAPL").message == 'asset "AAPL" is not tradable'


def test_actions_are_announced(world: Any) -> None:
    """By type, symbol and any of their dates; and one by one."""
    split = CorporateEvent(kind="split", symbol="AAPL", ex_date=DAYS[1], new_rate=7)
    dividend = CorporateEvent(kind="dividend", symbol="AAPL", ex_date=DAYS[2], cash=Decimal("2.65"))
    corporate = _world(world, split, dividend).venue.office.corporate
    both = frozenset({"split", "dividend"})
    found = corporate.announcements(Sought(both, DAYS[0], DAYS[2], "ex_date"))
    assert [(each.ca_type, each.ca_sub_type, each.ex_date) for each in found] == [
        ("split", "stock_split", "2012-09-18"),
        ("dividend", "cash", "2012-09-19"),
    ]
    assert corporate.announcement(found[1].id) == found[1]
    assert (found[1].cash, found[0].new_rate) == (Decimal("2.65"), 7)
    assert corporate.announcements(Sought(both, DAYS[0], DAYS[2], "ex_date", symbol="IBM")) == []
    assert corporate.announcements(Sought(frozenset({"merger"}), DAYS[0], DAYS[2])) == []


def test_interest_is_charged_on_a_debit_for_every_night(world: Any) -> None:
    """Debit * rate / 360, rounded up; off unless it is switched on (facts.md 4, MARG)."""
    w = _world(world, terms={"interest": Decimal("0.0625")})
    _buy(w, 1500)
    debit = -w.venue.ledger.cash
    w.to(NIGHT - 3600)
    [row] = _booked(w, "INT")
    assert -row.net_amount == (debit * Decimal("0.0625") / 360).quantize(Decimal("0.01"), "ROUND_CEILING")
    assert w.venue.ledger.cash == -debit + row.net_amount
