"""Matching: price before time, displayed sizes, fill models, stops, orders in dollars."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.exchange.orders.book import Honest, Paper
from puna.seams import seeded_rng

ONE_SHARE = Decimal(1)


def test_a_buy_fills_at_the_ask_and_a_sell_at_the_bid(world: Any) -> None:
    """Also when the limit would have allowed worse."""
    w = world()
    w.to(1)
    buy = w.limit(150, qty=2)
    w.to(2)
    sell = w.limit(50, side="sell", qty=2)
    w.to(3)
    assert (w.fills(buy), w.fills(sell)) == ([(2, 100)], [(2, Decimal("99.98"))])


def test_a_limit_waits_for_its_price(world: Any) -> None:
    """One cent away is not there; at the price it is."""
    w = world((0, "AAPL", 99.98, 100.0), (10, "AAPL", 99.97, 99.99), (20, "AAPL", 99.96, 99.98))
    w.to(1)
    order = w.limit("99.98")
    w.to(19)
    assert w.fills() == []
    w.to(21)
    assert w.fills(order) == [(1, Decimal("99.98"))]


def test_the_displayed_size_is_taken_once(world: Any) -> None:
    """Honest: a quote's shares are shared while it lives, the rest waits for the next quote."""
    w = world((0, "AAPL", 99.98, 100.0, 30), (10, "AAPL", 99.98, 100.0, 30), (20, "AAPL", 99.98, 100.0, 50))
    w.to(1)
    first = w.order(qty=40)
    w.to(2)
    second = w.order(qty=30)
    w.to(9)
    assert (w.fills(first), w.fills(second)) == ([(30, 100)], [])
    w.to(11)
    assert (w.fills(first), w.fills(second)) == ([(30, 100), (10, 100)], [(20, 100)])
    w.to(21)
    assert w.fills(second) == [(20, 100), (10, 100)]
    assert w.events(first)[2:] == ["partial_fill", "fill"]
    assert w.shown(first).filled_avg_price == 100


def test_bid_and_ask_sizes_are_two_things(world: Any) -> None:
    """What buys have taken is not missing for sells."""
    w = world((0, "AAPL", 99.98, 100.0, 10, 20))
    w.to(1)
    w.order(qty=10)
    w.to(2)
    assert w.order(side="sell", qty=10)
    w.to(3)
    assert w.fills() == [(10, 100), (10, Decimal("99.98"))]


def test_participation_takes_a_part_of_the_size(world: Any) -> None:
    """A tenth of 95 shares is nine whole ones."""
    w = world((0, "AAPL", 99.98, 100.0, 95), fills=Honest(participation=Decimal("0.1")))
    w.to(1)
    order = w.order(qty=20)
    w.to(2)
    assert w.fills(order) == [(9, 100)]


def test_the_better_price_goes_first_then_the_earlier(world: Any) -> None:
    """Market orders, then limits from the best on, then whoever was there first (in the book, not in the request)."""
    w = world((0, "AAPL", 199.0, 200.0, 100), (10, "AAPL", 99.98, 100.0, 3))
    w.to(1)
    worse, early, best = w.limit(100), w.limit(101), w.limit(102)
    late = w.limit(101)
    w.to(11)
    assert [each.order.id for each in w.updates if each.event == "fill"] == [best.id, early.id, late.id]
    assert w.shown(worse).status == "new"


def test_of_sells_the_lower_limit_goes_first(world: Any) -> None:
    """The same rule, mirrored."""
    w = world((0, "AAPL", 99.98, 100.0, 100), (10, "AAPL", 110.0, 111.0, 1), closes={"AAPL": 100.0})
    w.to(1)
    w.order(qty=10)
    w.to(2)
    high, low = w.limit(110, side="sell"), w.limit(109, side="sell")
    w.to(11)
    assert (w.shown(low).status, w.shown(high).status) == ("filled", "new")


def test_our_own_orders_never_meet(world: Any) -> None:
    """A buy above a sell: both wait for the market."""
    w = world((0, "AAPL", 90.0, 110.0), refuse_wash_trades=False)
    w.to(1)
    w.order(qty=5)
    w.to(2)
    w.limit(105, qty=5)
    w.limit(95, side="sell", qty=5)
    w.to(30)
    assert w.fills() == [(5, 110)]


def test_a_sell_stop_becomes_a_market_order_at_its_price(world: Any) -> None:
    """A print at the stop elects it (facts.md 5.2, ORD); one above it does not."""
    rows = [(0, "AAPL", 99.98, 100.0), (5, "AAPL", 95.0, 95.02), (6, "AAPL", 95.01), (8, "AAPL", 94.9, 95.0)]
    w = world(*rows, (9, "AAPL", 95.0), (10, "AAPL", 94.0, 94.5))
    w.to(1)
    w.order(qty=5)
    w.to(2)
    stop = w.order(side="sell", type="stop", stop_price=95, qty=5)
    w.to(8.5)
    assert w.shown(stop).status == "new"
    w.to(9.5)
    assert w.fills(stop) == [(5, Decimal("94.9"))]
    assert w.shown(stop).type == "stop"


def test_a_buy_stop_becomes_a_limit_order(world: Any) -> None:
    """Elected at 110, it pays at most 2.5 % more: 112.75 (facts.md 5.2, ORD)."""
    rows = [(0, "AAPL", 99.98, 100.0), (5, "AAPL", 110.0, 112.76), (6, "AAPL", 110.5), (8, "AAPL", 110.0, 112.75)]
    w = world(*rows)
    w.to(1)
    stop = w.order(type="stop", stop_price=110)
    w.to(7)
    assert w.shown(stop).status == "new"
    w.to(9)
    assert w.fills(stop) == [(1, Decimal("112.75"))]


def test_a_stop_limit_waits_for_both(world: Any) -> None:
    """First the print, then the price."""
    rows = [(0, "AAPL", 99.98, 100.0), (5, "AAPL", 105.0), (6, "AAPL", 104.0, 106.0), (7, "AAPL", 105.0)]
    w = world(*rows, (9, "AAPL", 103.0, 105.5))
    w.to(1)
    order = w.order(type="stop_limit", stop_price=105, limit_price="105.5")
    w.to(8)
    assert w.shown(order).status == "new"
    w.to(10)
    assert w.fills(order) == [(1, Decimal("105.5"))]


@pytest.mark.parametrize("within", [True, False])
def test_prints_outside_the_quote_elect_no_stops(world: Any, within: bool) -> None:
    """Unless the terms say so (facts.md 5.2, ORD)."""
    w = world((0, "AAPL", 99.98, 100.0), (5, "AAPL", 90.0), stops_within_quote=within)
    w.to(1)
    w.order(qty=5)
    w.to(2)
    stop = w.order(side="sell", type="stop", stop_price=95, qty=5)
    w.to(6)
    assert w.shown(stop).status == ("new" if within else "filled")


def test_an_order_in_dollars_fills_to_nine_decimals(world: Any) -> None:
    """1000 dollars at 30 are 33.333333333 shares; never more than the dollars."""
    w = world((0, "AAPL", 29.99, 30.0, 20), (5, "AAPL", 29.99, 30.0, 20))
    w.to(1)
    order = w.order(qty=None, notional=1000)
    w.to(2)
    assert (order.qty, order.notional, w.fills(order)) == (None, 1000, [(20, 30)])
    w.to(6)
    assert w.fills(order) == [(20, 30), (Decimal("13.333333333"), 30)]
    assert w.shown(order).status == "filled"
    assert w.venue.ledger.cash == 100_000 - Decimal("33.333333333") * 30


def test_a_sale_in_dollars_never_sells_what_is_not_there(world: Any) -> None:
    """The price falls between the order and its fill: it ends with the position, not short."""
    w = world((0, "AAPL", 100.0, 100.0), (2.04, "AAPL", 50.0, 51.0))
    w.to(1)
    w.order(qty=10)
    w.to(2)
    order = w.order(side="sell", qty=None, notional=900)
    assert w.venue.position("AAPL").qty_available == 0
    w.to(3)
    assert (w.fills(order), w.shown(order).status) == ([(10, 50)], "filled")
    assert w.venue.ledger.positions == {}


def test_paper_fills_whatever_the_size(world: Any) -> None:
    """The size shown is not looked at; now and then an order fills in part and goes on (facts.md 9)."""
    w = world(fills=Paper(seeded_rng(5), partial=0.5))
    w.to(1)
    for _ in range(20):
        w.order(qty=100)
        w.to((w.now - w.open) / 1e9 + 0.2)
    w.to(60)
    assert w.venue.ledger.positions["AAPL"][0] == 2000
    assert 20 < len(w.fills()) < 60
    assert {each.status for each in w.venue.orders(status="all", limit=500)} == {"filled"}


def test_paper_fills_in_part_as_often_as_it_says() -> None:
    """A tenth of the time, between one share and all but one; a single share fills whole."""
    model, leaves = Paper(seeded_rng(3)), Decimal(50)
    parts: Any = [model.part(leaves) for _ in range(5000)]
    partial: Any = [part for part in parts if part != leaves]
    assert 400 < len(partial) < 600
    assert min(partial) == 1
    assert max(partial) == 49
    assert all(Paper(seeded_rng(n), partial=1.0).part(ONE_SHARE) == 1 for n in range(20))
    assert model.displayed(Decimal(1)) is None


@given(
    limits=st.lists(st.integers(95, 105), min_size=1, max_size=12),
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=6),
    qty=st.integers(1, 15),
)
def test_priority_and_size_hold_for_every_book(world: Any, limits: list[int], sizes: list[int], qty: int) -> None:
    """No quote gives more than it shows, and nobody fills while a better or earlier order has something left."""
    rows: list[Any] = [(0, "AAPL", 199.0, 200.0, 100)]
    rows += [(10 + at, "AAPL", 99.0, 100.0, size, 100) for at, size in enumerate(sizes)]
    w = world(*rows)
    w.to(1)
    orders = [w.limit(price, qty=qty) for price in limits]
    w.to(9)
    for at, size in enumerate(sizes):
        before = len(w.fills())
        w.to(10.5 + at)
        assert sum(part for part, _ in w.fills()[before:]) <= size
        ranked = sorted((order for order in orders if order.limit_price >= 100), key=lambda o: -o.limit_price)
        filled = [w.shown(order).filled_qty for order in ranked]
        assert filled == sorted(filled, reverse=True)
        assert sum(0 < part < qty for part in filled) <= 1
    assert all(w.shown(order).filled_qty == 0 for order in orders if order.limit_price < 100)
    wanted = qty * sum(price >= 100 for price in limits)
    assert sum(part for part, _ in w.fills()) == min(wanted, sum(sizes))
