"""Brackets, OCO and OTO in time: what is held, what works, what ends what (facts.md 5.3 and 5.4)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.wire.trading import Order

BRACKET = {"order_class": "bracket", "take_profit": 110, "stop_loss": 90, "qty": 10}
OCO = {"order_class": "oco", "side": "sell", "type": "limit", "take_profit": 110, "stop_loss": 90, "qty": 10}
CLOSE = 6.5 * 3600
FLAT = [(0, "AAPL", 99.98, 100.0)]
UP = [(10, "AAPL", 110.0, 110.02)]
DOWN = [(10, "AAPL", 89.0, 90.0), (10.5, "AAPL", 89.5)]


def test_a_bracket_looks_like_the_documented_one(world: Any, recorded: Any, plain: Any) -> None:
    """Keys, roles, statuses and what links the three are those of the official example (SPEC-T)."""
    w = world()
    w.to(1)
    order = plain(w.group(**BRACKET, type="limit", limit_price=95, time_in_force="gtc")[0])
    real = next(each["body"] for each in recorded("order_bracket") if each["body"].get("legs"))
    assert set(real) - {"source", "subtag"} <= set(order)
    for ours, theirs in zip([order, *order["legs"]], [real, *real["legs"]], strict=True):
        same = ("group_role", "order_class", "order_type", "type", "side", "position_intent", "time_in_force", "qty")
        assert [ours[key] for key in same] == [theirs[key] for key in same]
        assert ours["group_id"] == order["group_id"]
        filled = {key for key, value in theirs.items() if value is not None and key != "legs"}
        assert filled <= {key for key, value in ours.items() if value is not None}
    assert [each["status"] for each in order["legs"]] == ["held", "held"]
    assert [each["legs"] for each in order["legs"]] == [None, None]


def test_the_exits_wait_for_the_whole_entry(world: Any) -> None:
    """Held while the entry fills in part; then the take-profit is new and the stop-loss stays held."""
    w = world((0, "AAPL", 99.98, 100.0, 4), (5, "AAPL", 99.98, 100.0, 100))
    w.to(1)
    entry, profit, stop = w.group(**BRACKET)
    w.to(2)
    assert w.statuses(entry, profit, stop) == ["partially_filled", "held", "held"]
    assert w.venue.position("AAPL").qty_available == 4
    w.to(6)
    assert w.statuses(entry, profit, stop) == ["filled", "new", "held"]
    assert w.events() == ["pending_new", "new", "partial_fill", "fill", "new"]
    assert w.venue.position("AAPL").qty_available == 0
    assert all(each.order.legs is None for each in w.updates)
    assert {each.order.group_id for each in w.updates} == {entry.group_id}


def test_one_quantity_is_reserved_once(world: Any) -> None:
    """Twenty are held, ten of them bound to the two exits: ten are free, eleven are not."""
    w = world()
    w.to(1)
    w.order(qty=10)
    w.to(2)
    w.group(**BRACKET)
    w.to(3)
    assert w.venue.position("AAPL").qty_available == 10
    refusal = w.refused(side="sell", type="limit", limit_price=120, qty=11)
    assert (refusal.details["available"], refusal.details["held_for_orders"]) == ("10", "10")
    assert w.limit(120, side="sell", qty=10)


def test_the_take_profit_ends_the_stop_loss(world: Any) -> None:
    """Filled and canceled; nothing is left open and nothing held."""
    w = world(*FLAT, *UP)
    w.to(1)
    orders = w.group(**BRACKET)
    w.to(20)
    assert w.statuses(*orders) == ["filled", "filled", "canceled"]
    assert w.events(orders[2]) == ["canceled"]
    assert (w.fills(), w.venue.positions()) == ([(10, 100), (10, 110)], [])


def test_the_cancel_of_a_held_stop_need_not_be_told(world: Any) -> None:
    """As reported of the broker: the read says canceled, the stream never did (alpaca-py#198)."""
    w = world(*FLAT, *UP, tell_stop_cancels=False)
    w.to(1)
    orders = w.group(**BRACKET)
    w.to(20)
    assert (w.statuses(*orders), w.events(orders[2])) == (["filled", "filled", "canceled"], [])


@pytest.mark.parametrize("ends", ["canceled", "replaced"])
def test_the_stop_loss_ends_the_take_profit(world: Any, ends: str) -> None:
    """The print at 89.50 elects it; the take-profit ends as the terms say, and the stop sells at the bid."""
    w = world(*FLAT, *DOWN, stopped_profit_ends=ends)
    w.to(1)
    entry, profit, stop = w.group(**BRACKET)
    w.to(20)
    assert w.statuses(entry, profit, stop) == ["filled", ends, "filled"]
    assert w.events(stop) == ["new", "fill"]
    assert w.shown(profit).replaced_by == (stop.id if ends == "replaced" else None)
    assert (w.fills(), w.venue.positions()) == ([(10, 100), (10, 89)], [])


def test_a_stop_loss_with_a_limit_waits_for_it(world: Any) -> None:
    """A stop-limit leg: elected at 89.50, not below 89.70, filled when the bid is back."""
    w = world(*FLAT, *DOWN, (30, "AAPL", 89.8, 90.0))
    w.to(1)
    *_, stop = w.group(**{**BRACKET, "stop_loss": (90, "89.7")})
    assert (stop.type, stop.limit_price) == ("stop_limit", Decimal("89.7"))
    w.to(20)
    assert w.statuses(stop) == ["new"]
    w.to(40)
    assert (w.statuses(stop), w.fills(stop)) == (["filled"], [(10, Decimal("89.8"))])


def test_a_partly_taken_profit_shrinks_the_stop(world: Any) -> None:
    """Four of ten are sold with profit; the stop-loss then sells the other six (facts.md 5.3, ORD)."""
    w = world(*FLAT, (5, "AAPL", 110.0, 110.02, 1000, 4), (10, "AAPL", 89.0, 90.0), (10.5, "AAPL", 89.5))
    w.to(1)
    entry, profit, stop = w.group(**BRACKET)
    w.to(6)
    assert (w.statuses(profit), w.shown(stop).qty) == (["partially_filled"], 6)
    w.to(20)
    assert w.statuses(entry, profit, stop) == ["filled", "canceled", "filled"]
    assert (w.fills()[1:], w.venue.positions()) == ([(4, 110), (6, 89)], [])


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("filled", [False, True])
def test_the_cancel_of_one_cancels_the_rest(world: Any, which: int, filled: bool) -> None:
    """Whichever it is, before and after the entry's fill; a filled entry cannot be canceled."""
    w = world()
    w.to(1)
    orders = w.group(**BRACKET, type="limit", limit_price=100 if filled else 95)
    w.to(2)
    refusal = w.cancel(orders[which].id)
    w.to(3)
    if filled and which == 0:
        assert refusal.message == 'order is already in "filled" state'
        assert w.statuses(*orders) == ["filled", "new", "held"]
    else:
        assert refusal is None
        assert w.statuses(*orders) == ["filled" if filled else "canceled", "canceled", "canceled"]
        assert w.venue.orders() == []
    assert sum(each.event == "canceled" for each in w.updates) == (0 if filled and which == 0 else 3 - filled)


def test_a_short_bracket_is_the_same_upside_down(world: Any) -> None:
    """Sold at 99.98, bought back by the stop when the price has risen; a buy stop's limit is 2.5 % above."""
    w = world(*FLAT, (10, "AAPL", 110.0, 110.5), (10.5, "AAPL", 110.2))
    w.to(1)
    orders = w.group("bracket", side="sell", qty=10, take_profit=90, stop_loss=110)
    assert [each.side for each in orders] == ["sell", "buy", "buy"]
    w.to(2)
    assert w.statuses(*orders) == ["filled", "new", "held"]
    w.to(20)
    assert w.statuses(*orders) == ["filled", "canceled", "filled"]
    assert (w.fills(), w.venue.positions()) == ([(10, Decimal("99.98")), (10, Decimal("110.5"))], [])


def test_a_day_bracket_expires_whole(world: Any) -> None:
    """Entry or exits: what is open at the close is expired, each once."""
    w = world()
    w.to(1)
    waiting, working = w.group(**BRACKET, type="limit", limit_price=95), w.group(**BRACKET)
    w.to(CLOSE + 1)
    assert w.statuses(*waiting) == ["expired"] * 3
    assert w.statuses(*working) == ["filled", "expired", "expired"]
    assert sum(each.event == "expired" for each in w.updates) == 5


def test_gtc_exits_live_on_over_night(world: Any) -> None:
    """The exits of a gtc bracket work the next day."""
    night = 24 * 3600
    w = world(*FLAT, (night, "AAPL", 110.0, 110.5), days=(date(2012, 9, 17), date(2012, 9, 18)))
    w.to(1)
    orders = w.group(**BRACKET, time_in_force="gtc")
    w.to(night - 60)
    assert w.statuses(*orders) == ["filled", "new", "held"]
    w.to(night + 60)
    assert w.statuses(*orders) == ["filled", "filled", "canceled"]


def test_an_oco_has_its_take_profit_at_the_head(world: Any) -> None:
    """Type limit at the take-profit's price; the stop below it is held (facts.md 5.3)."""
    w = world(*FLAT, *DOWN)
    w.to(1)
    w.order(qty=10)
    w.to(2)
    head, stop = w.group(**OCO)
    assert (head.limit_price, head.group_role, stop.group_role, stop.status) == (
        110,
        "take_profit",
        "stop_loss",
        "held",
    )
    assert (head.position_intent, stop.position_intent) == ("sell_to_close", "sell_to_close")
    w.to(3)
    assert w.statuses(head, stop) == ["new", "held"]
    assert w.venue.position("AAPL").qty_available == 0
    w.to(20)
    assert w.statuses(head, stop) == ["canceled", "filled"]
    assert w.venue.positions() == []


def test_an_oto_has_one_exit_that_works_alone(world: Any) -> None:
    """The stop is held until the entry is filled, then it is new and holds the shares."""
    w = world(*FLAT, *DOWN)
    w.to(1)
    entry, stop = w.group("oto", stop_loss=90, qty=10)
    assert (stop.status, stop.group_role) == ("held", "stop_loss")
    w.to(2)
    assert w.statuses(entry, stop) == ["filled", "new"]
    assert w.venue.position("AAPL").qty_available == 0
    w.to(20)
    assert (w.statuses(stop), w.events(stop)) == (["filled"], ["new", "fill"])


def test_lists_show_what_works_and_what_is_below_it(world: Any) -> None:
    """Flat: held legs are not open (python#322). Nested: they stand below their head, and only there."""
    w = world()
    w.to(1)
    entry, profit, stop = w.group(**BRACKET, type="limit", limit_price=95)
    w.to(2)
    assert [each.id for each in w.venue.orders()] == [entry.id]
    assert [each.id for each in w.venue.orders(status="all")] == [stop.id, profit.id, entry.id]
    assert all(each.legs is None for each in w.venue.orders(status="all"))
    assert w.venue.orders(status="closed") == []
    (nested,) = w.venue.orders(status="all", nested=True)
    assert [each.id for each in nested.legs] == [profit.id, stop.id]
    assert w.venue.order(entry.id).legs is None
    assert [each.status for each in w.venue.order(entry.id, nested=True).legs] == ["held", "held"]


def test_an_open_exit_is_never_lost_from_the_lists(world: Any) -> None:
    """Its head is closed and not listed, so it stands for itself (compare alpaca-js#87)."""
    w = world()
    w.to(1)
    entry, profit, _ = w.group(**BRACKET)
    w.to(2)
    assert w.statuses(entry) == ["filled"]
    for nested in (False, True):
        assert [each.id for each in w.venue.orders(nested=nested)] == [profit.id]


def test_prices_of_the_exits_can_be_replaced(world: Any) -> None:
    """Each becomes a new order in the same role; the stop stays held all the while, and works at its new price."""
    w = world(*FLAT, (10, "AAPL", 94.0, 94.5), (10.5, "AAPL", 94.2))
    w.to(1)
    entry, profit, stop = w.group(**BRACKET)
    w.to(2)
    higher, nearer = w.replace(profit.id, limit_price=120), w.replace(stop.id, stop_price=95)
    assert w.statuses(profit, stop) == ["pending_replace", "pending_replace"]
    assert (higher.group_role, nearer.group_role, nearer.group_id) == ("take_profit", "stop_loss", entry.group_id)
    w.to(3)
    assert w.statuses(entry, profit, stop, higher, nearer) == ["filled", "replaced", "replaced", "new", "held"]
    assert w.venue.position("AAPL").qty_available == 0
    w.to(20)
    assert w.statuses(higher, nearer) == ["canceled", "filled"]
    assert w.venue.positions() == []


def test_an_entry_can_be_replaced_and_still_brings_its_exits(world: Any) -> None:
    """The new entry leads the group; its fill releases the old exits."""
    w = world()
    w.to(1)
    entry, profit, stop = w.group(**BRACKET, type="limit", limit_price=95)
    w.to(2)
    new = w.replace(entry.id, limit_price=100)
    assert isinstance(new, Order)
    w.to(3)
    assert w.statuses(entry, new, profit, stop) == ["replaced", "filled", "new", "held"]
    (nested,) = (each for each in w.venue.orders(status="all", nested=True) if each.id == new.id)
    assert [each.id for each in nested.legs] == [profit.id, stop.id]


def test_a_replacement_that_comes_too_late_leaves_the_group_whole(world: Any) -> None:
    """The held stop's replacement is canceled first: the old stop is held again and still guards."""
    w = world(*FLAT, *DOWN, cancel_ns=5_000_000)
    w.to(1)
    entry, profit, stop = w.group(**BRACKET)
    w.to(2)
    new = w.replace(stop.id, stop_price=95)
    w.cancel(new.id)
    w.to(3)
    assert w.statuses(entry, profit, stop, new) == ["filled", "new", "held", "canceled"]
    w.to(20)
    assert w.statuses(profit, stop) == ["canceled", "filled"]


def test_cancel_all_has_a_row_for_what_is_open(world: Any) -> None:
    """One row for the take-profit, none for the held stop, and both end; close_all frees the shares the same way."""
    w = world()
    w.to(1)
    orders = w.group(**BRACKET)
    w.to(2)
    assert [(row.id, row.status) for row in w.cancel_all()] == [(orders[1].id, 200)]
    w.to(3)
    assert w.statuses(*orders) == ["filled", "canceled", "canceled"]
    w.group(**OCO)
    w.to(4)
    assert [row.status for row in w.close_all(cancel_orders=True)] == [200]
    w.to(5)
    assert w.venue.positions() == []


def test_without_the_shares_there_are_no_exits(world: Any) -> None:
    """A short sale meets the entry: the account is flat after the fill, and nothing is sold that is not there."""
    w = world((0, "AAPL", 99.98, 100.0), (5, "AAPL", 94.0, 95.0))
    w.to(1)
    entry, *exits = w.group(**BRACKET, type="limit", limit_price=95)
    w.to(2)
    w.order(side="sell", qty=10)
    w.to(6)
    assert w.statuses(entry, *exits) == ["filled", "canceled", "canceled"]
    assert w.venue.positions() == []
