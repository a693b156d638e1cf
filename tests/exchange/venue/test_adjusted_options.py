"""Option contracts on a stock that splits: what becomes of them, of what covers them, and of what they deliver."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.activities import Query
from puna.exchange.account.commands import Exercise
from puna.exchange.account.terms import AccountTerms
from puna.exchange.orders.adjusted import Adjusted, adjusted, free_root
from puna.exchange.refusals import Refusal

D = Decimal
DAYS = (date(2012, 10, 17), date(2012, 10, 18), date(2012, 10, 19))
NIGHT = 24 * 3600.0
MORNING = NIGHT - 3600
C100, C50, C25 = "AAPL121019C00100000", "AAPL121019C00050000", "AAPL121019C00025000"
P100, C101 = "AAPL121019P00100000", "AAPL121019C00101000"


def _world(world: Any, old: int, new: int, *, after: float, cash: int = 100_000) -> Any:
    """AAPL at 100 on the first day, splits over the night, and is worth `after` on the other two."""
    split = CorporateEvent(kind="split", symbol="AAPL", ex_date=DAYS[1], old_rate=old, new_rate=new)
    names = [C100, C50, C25, P100, C101]
    rows = [(0, C100, 4.9, 5.0, 500), (0, C50, 50.4, 50.5, 500), (0, P100, 3.9, 4.0, 500), (0, C101, 4.4, 4.5, 500)]
    later = [
        (second, each, 5.4, 5.5, 500)
        for second in (NIGHT, NIGHT + 3600, 2 * NIGHT, 2 * NIGHT + 6 * 3600)
        for each in (C50, C25)
    ]
    stock = [(0, "AAPL", 99.98, 100.0, 10_000), (10, "AAPL", 100.0)]
    stock += [(NIGHT, "AAPL", after - 0.02, after, 10_000), (NIGHT + 10, "AAPL", after)]
    stock += [(2 * NIGHT + 6 * 3600, "AAPL", after - 0.02, after, 10_000), (2 * NIGHT + 6 * 3600 + 1, "AAPL", after)]
    w = world(
        *rows,
        *later,
        *stock,
        days=DAYS,
        contracts=dict.fromkeys(names, True),
        account=AccountTerms(actions=(split,), option_activities="at_once"),
        cash=D(cash),
        options_level=3,
    )
    w.to(1)
    return w


def _held(w: Any) -> dict[str, Decimal]:
    return {symbol: qty for symbol, (qty, _) in w.venue.ledger.positions.items()}


def _booked(w: Any, *types: str) -> list[Any]:
    rows: list[Any] = w.venue.office.activities.find(Query(types=types, ascending=True))
    return rows


@pytest.mark.parametrize(
    ("symbol", "old", "new", "becomes", "ratio"),
    [
        (C100, 1, 2, C50, 2),
        (C50, 1, 2, C25, 2),
        ("AAPL121019C00101500", 1, 2, "AAPL121019C00050750", 2),
        ("AAPL121019C00100000", 1, 7, "AAPL1121019C00100000", 1),
        (C100, 2, 3, "AAPL1121019C00100000", 1),
        (C100, 10, 1, "AAPL1121019C00100000", 1),
    ],
)
def test_what_a_contract_becomes(symbol: str, old: int, new: int, becomes: str, ratio: int) -> None:
    """Whole splits divide strikes that divide; everything else has a deliverable, and a root, of its own."""
    assert adjusted(symbol, old, new, "AAPL1") == Adjusted(symbol, becomes, ratio)
    assert free_root("AAPL", {"AAPL1", "MSFT2"}) == "AAPL2"


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_two_for_one_makes_two_contracts_of_one(world: Any, side: str) -> None:
    """Twice as many at half the strike, at the same cost, worth as much; orders on it are canceled; told as OPCA."""
    w = _world(world, 1, 2, after=50)
    if side == "sell":
        w.order(qty=300)
        w.to(5)
    w.order(symbol=C100, qty=3, side=side)
    w.to(8)
    resting = w.limit(1 if side == "sell" else 9, symbol=C100, qty=3, side="sell" if side == "buy" else "buy")
    w.to(30)
    before, position = w.venue.account(w.now), w.venue.ledger.holdings[C100]
    cost, sign = position.cost, 1 if side == "buy" else -1
    w.to(MORNING)
    assert _held(w)[C50] == 6 * sign
    assert C100 not in _held(w)
    assert w.venue.ledger.holdings[C50].cost == cost
    after = w.venue.account(w.now)
    assert (after.equity, after.cash) == (before.equity, before.cash)
    assert w.shown(resting).status in ("canceled", "expired")
    [row] = _booked(w, "OPCA")
    assert (row.symbol, row.qty, row.net_amount, row.activity_sub_type) == (C50, 6 * sign, 0, "SPLIT.FSPLIT")
    [event] = [each.event for each in w.venue.office.activities.records if each.activity is row]
    assert (event.details.old_contract_symbol, event.details.new_contract_symbol) == (C100, C50)
    assert (event.details.old_qty, event.details.new_qty) == (3 * sign, 6 * sign)
    assert w.venue.ledger.imbalance == 0
    w.to(NIGHT + 60)
    w.order(symbol=C50, qty=6, side="sell" if side == "buy" else "buy")
    w.to(NIGHT + 3700)
    assert C50 not in _held(w)


def test_strikes_that_follow_each_other_do_not_mix(world: Any) -> None:
    """100 becomes 50 while 50 becomes 25: each keeps its own size and cost."""
    w = _world(world, 1, 2, after=50)
    w.order(symbol=C100, qty=3)
    w.order(symbol=C50, qty=1)
    w.to(30)
    costs = w.venue.ledger.holdings[C100].cost, w.venue.ledger.holdings[C50].cost
    w.to(MORNING)
    assert _held(w) == {C50: 6, C25: 2}
    assert (w.venue.ledger.holdings[C50].cost, w.venue.ledger.holdings[C25].cost) == costs
    assert [each.symbol for each in _booked(w, "OPCA")] == [C25, C50]
    assert w.venue.ledger.imbalance == 0


@pytest.mark.parametrize(("old", "new", "after", "delivers"), [(2, 3, 100.0, 150), (10, 1, 1500.0, 10)])
def test_other_splits_leave_a_contract_that_only_ends(
    world: Any, old: int, new: int, after: float, delivers: int
) -> None:
    """As many contracts, for what a hundred shares became; nobody trades them, and exercise delivers exactly that."""
    w = _world(world, old, new, after=after)
    w.order(symbol=C100, qty=2)
    w.to(30)
    w.to(NIGHT + 60)
    odd = "AAPL1121019C00100000"
    assert _held(w) == {odd: 2}
    contract = w.venue._desk.instruments.contract(odd, w.now)
    assert (contract.size, contract.root_symbol, contract.tradable) == (delivers, "AAPL1", False)
    refused = w.submit(symbol=odd, qty=1, side="sell", type="limit", limit_price=1)
    assert isinstance(refused, Refusal)
    assert "not tradable" in str(refused.body)
    cash = w.venue.ledger.cash
    assert not isinstance(w.do(Exercise(odd)), Refusal)
    assert _held(w) == {"AAPL": 2 * delivers}
    assert abs(cash - w.venue.ledger.cash - 20_000) < D("0.0001")
    [traded] = _booked(w, "OPTRD")
    rest = sum((each.net_amount for each in _booked(w, "OPCSH")), D(0))
    assert traded.net_amount + rest == w.venue.ledger.cash - cash
    assert w.venue.ledger.imbalance == 0


def test_a_deliverable_with_a_fraction_is_paid_in_cash(world: Any) -> None:
    """One contract after one for three: 33 shares and a third of one in cash, for ten thousand dollars."""
    w = _world(world, 3, 1, after=330)
    w.order(symbol=C100, qty=1)
    w.to(30)
    w.to(NIGHT + 60)
    cash = w.venue.ledger.cash
    w.do(Exercise("AAPL1121019C00100000"))
    assert _held(w) == {"AAPL": 33}
    assert abs(w.venue.ledger.cash - cash + 10_000 - 110) < D("0.01")
    assert w.venue.ledger.imbalance == 0


def test_what_covers_a_written_call_goes_on_covering_it(world: Any) -> None:
    """300 of 450 shares are locked after three for two; assigned, they go for what the strike said before."""
    w = _world(world, 2, 3, after=120)
    w.order(qty=300)
    w.to(5)
    w.order(symbol=C100, qty=2, side="sell")
    w.to(30)
    w.to(NIGHT + 60)
    assert w.venue.position("AAPL").qty_available == 150
    refused = w.submit(qty=151, side="sell")
    assert isinstance(refused, Refusal)
    cash = w.venue.ledger.cash
    w.to(3 * NIGHT)
    assert _held(w) == {"AAPL": 150}
    assert abs(w.venue.ledger.cash - cash - 20_000) < D("0.0001")
    assert w.venue.ledger.imbalance == 0
