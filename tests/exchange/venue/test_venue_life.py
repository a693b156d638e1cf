"""The life of orders at the venue: acknowledgement, fills, cancels, replaces, expiry, each with its events."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.venue import Refusal
from puna.wire.trading import TradeUpdate

TUESDAY = date(2012, 9, 18)
HOUR = 3600.0
CLOSE = 6.5 * HOUR
MS = 1_000_000


def _when(world: Any) -> list[tuple[str, float]]:
    return [(each.event, (each.timestamp - world.open) / MS) for each in world.updates]


def test_a_market_order_is_acknowledged_then_filled(world: Any) -> None:
    """The reply is `pending_new`; pending_new, new and fill follow 16, 23 and 50 ms later (facts.md 5.4, CAP)."""
    w = world()
    w.to(0)
    order = w.order(qty=5)
    assert (order.status, order.filled_qty, w.updates) == ("pending_new", 0, [])
    w.to(1)
    assert _when(w) == [("pending_new", 16), ("new", 23), ("fill", 50)]
    assert [each.order.status for each in w.updates] == ["pending_new", "new", "filled"]
    assert w.fills() == [(5, 100)]


def test_a_fill_says_what_the_capture_says(world: Any, recorded: Any, plain: Any) -> None:
    """Keys of `new` and `fill` are those of the real capture, `pending_new` has no execution id (facts.md 8, CAP)."""
    w = world()
    w.to(0)
    w.order()
    w.to(1)
    said = {each["event"]: {key for key, value in each.items() if value is not None} for each in plain(w.updates)}
    assert "execution_id" not in said["pending_new"]
    real = {b["body"]["data"]["event"]: b["body"]["data"] for b in recorded("trade_updates_events")[2:4]}
    for event in ("new", "fill"):
        assert said[event] == set(real[event])
        ours = next(each for each in plain(w.updates) if each["event"] == event)["order"]
        assert set(real[event]["order"]) <= set(ours)
        missing = {key for key, value in real[event]["order"].items() if value is not None and ours[key] is None}
        assert not missing


def test_updates_carry_the_order_after_them_and_never_change(world: Any) -> None:
    """A later step of the order does not reach into an update that was told before."""
    w = world()
    w.to(0)
    order = w.order(qty=3)
    w.to(1)
    statuses = [(each.order.status, each.order.filled_qty) for each in w.updates]
    assert statuses == [("pending_new", 0), ("new", 0), ("filled", 3)]
    assert order.status == "pending_new"


def test_event_ids_are_ulids_that_sort(world: Any) -> None:
    """26 characters of Crockford's alphabet, growing, each once, with the time in the first ten."""
    w = world()
    w.to(0)
    for _ in range(5):
        w.order()
    w.to(2)
    ids = [each.event_id for each in w.updates]
    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {26}
    assert not set("".join(ids)) & set("ILOU")
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    first = sum(alphabet.index(letter) << 5 * place for place, letter in enumerate(reversed(ids[0][:10])))
    assert first == w.updates[0].timestamp // MS


def test_outside_hours_an_order_is_accepted_and_goes_on_at_the_open(world: Any) -> None:
    """`accepted` until the open, then new and fill (facts.md 5.2 and 5.4)."""
    w = world()
    w.to(-600)
    order = w.order()
    assert order.status == "accepted"
    w.to(-1)
    assert w.events() == ["accepted"]
    w.to(1)
    assert _when(w)[1:] == [("new", 23), ("fill", 50)]


def test_a_day_order_expires_at_the_close(world: Any) -> None:
    """An unfilled day order ends `expired` at 16:00 New York, the time that its `expires_at` named."""
    w = world()
    w.to(1)
    order = w.limit(90)
    w.to(CLOSE - 0.001)
    assert w.shown(order).status == "new"
    w.to(CLOSE)
    ended = w.shown(order)
    assert (ended.status, ended.expired_at, w.events()[-1]) == ("expired", order.expires_at, "expired")
    assert ended.expires_at == w.open + CLOSE * 10**9


def test_gtc_stays_over_night_and_fills_the_next_day(world: Any) -> None:
    """The close does not end it, yesterday's last quote does not fill it over night, the next day's does."""
    night = 24 * HOUR
    rows = [(0, "AAPL", 99.98, 100.0), (CLOSE - 1, "AAPL", 89.98, 90.5), (night, "AAPL", 88.98, 89.0)]
    w = world(*rows, days=(date(2012, 9, 17), TUESDAY))
    w.to(1)
    order, later = w.limit(90, time_in_force="gtc"), None
    w.to(CLOSE + 60)
    later = w.limit(95, time_in_force="gtc")
    w.to(night - 1)
    assert (w.shown(order).status, w.shown(later).status, w.fills()) == ("new", "accepted", [])
    w.to(night + 1)
    assert (w.shown(order).status, w.shown(later).status) == ("filled", "filled")
    assert w.fills() == [(1, 89), (1, 89)]


def test_a_day_order_after_the_close_is_for_the_next_day(world: Any) -> None:
    """It expires at the next session's close, not at this one's."""
    w = world(days=(date(2012, 9, 17), TUESDAY))
    w.to(CLOSE + 1)
    order = w.limit(50)
    w.to(24 * HOUR + 10)
    assert w.shown(order).status == "new"
    w.to(24 * HOUR + CLOSE)
    assert w.shown(order).status == "expired"


def test_an_aged_gtc_order_is_canceled_after_ninety_days(world: Any) -> None:
    """90 days after its creation at 16:15 New York (facts.md 5.2)."""
    w = world(days=(date(2012, 9, 17), date(2012, 12, 17)))
    w.to(1)
    order = w.limit(50, time_in_force="gtc")
    w.to(89 * 24 * HOUR)
    assert w.shown(order).status == "new"
    w.to(92 * 24 * HOUR)
    ended = w.shown(order)
    assert (ended.status, ended.canceled_at) == ("canceled", ended.expires_at)
    assert ended.expires_at == w.open + round((90 * 24 + 6.75 + 1) * HOUR) * 10**9  # winter time by then


def test_extended_hours_orders_live_until_eight(world: Any) -> None:
    """They work before the open and after the close, on quotes of that session; day ones expire at 20:00."""
    rows = [(-HOUR, "AAPL", 98.0, 99.0), (0, "AAPL", 100.0, 101.0), (CLOSE + HOUR, "AAPL", 98.0, 99.5)]
    w = world(*rows)
    w.to(-2 * HOUR)
    usual, early = w.limit(99), w.limit(99, extended_hours=True)
    assert (usual.status, early.status) == ("accepted", "pending_new")
    w.to(-1)
    assert (w.shown(usual).status, w.shown(early).status) == ("accepted", "filled")
    w.to(10)
    late = w.limit(99, extended_hours=True)
    w.to(CLOSE + 2 * HOUR)
    assert (w.shown(usual).status, w.shown(late).status) == ("expired", "new")
    w.to(CLOSE + 4 * HOUR)
    assert w.shown(late).status == "expired"


def test_ioc_fills_what_it_can_at_once(world: Any) -> None:
    """The rest is canceled at the first chance to match, and a later, better quote is none of its business."""
    w = world((0, "AAPL", 99.98, 100.0, 30), (1, "AAPL", 98.0, 98.01, 500))
    w.to(0.5)
    order, nothing = w.limit(100, qty=50, time_in_force="ioc"), w.limit(99, qty=5, time_in_force="ioc")
    w.to(2)
    assert (w.shown(order).status, w.shown(order).filled_qty) == ("canceled", 30)
    assert w.events(order) == ["pending_new", "new", "partial_fill", "canceled"]
    assert (w.shown(nothing).status, w.shown(nothing).filled_qty) == ("canceled", 0)


def test_fok_fills_whole_or_not_at_all(world: Any) -> None:
    """Thirty shares are shown: 31 are too many, 30 are not."""
    w = world((0, "AAPL", 99.98, 100.0, 30))
    w.to(0.5)
    big, fitting = w.limit(100, qty=31, time_in_force="fok"), w.limit(100, qty=30, time_in_force="fok")
    w.to(2)
    assert (w.shown(big).status, w.shown(big).filled_qty) == ("canceled", 0)
    assert (w.shown(fitting).status, w.fills()) == ("filled", [(30, 100)])


def test_cancel_is_a_request_and_its_end_comes_later(world: Any) -> None:
    """None (204) at once, pending_cancel visible at once, `canceled` 23 ms later; a second cancel is no error."""
    w = world()
    w.to(1)
    order = w.limit(90)
    w.to(2)
    assert w.cancel(order.id) is None
    assert w.shown(order).status == "pending_cancel"
    assert w.cancel(order.id) is None
    w.to(3)
    assert w.events(order)[2:] == ["pending_cancel", "canceled"]
    ended = w.shown(order)
    assert (ended.status, ended.cancel_requested_at < ended.canceled_at) == ("canceled", True)


def test_a_cancel_of_an_order_that_is_not_yet_new(world: Any) -> None:
    """It never gets into the book, and ends once."""
    w = world()
    w.to(1)
    order = w.order()
    assert w.cancel(order.id) is None
    w.to(3)
    assert (w.events(order), w.fills()) == (["pending_cancel", "canceled"], [])


def test_a_fill_may_win_against_a_cancel(world: Any) -> None:
    """What fills before the cancel takes effect is filled, and stays so."""
    w = world((0, "AAPL", 99.98, 100.0), (1.01, "AAPL", 89.0, 90.0))
    w.to(0.5)
    order = w.limit(95)
    w.to(1)
    assert w.cancel(order.id) is None
    w.to(3)
    assert w.shown(order).status == "filled"
    assert w.events(order) == ["pending_new", "new", "fill"]


@pytest.mark.parametrize(("price", "state"), [(100, "filled"), (50, "canceled")])
def test_what_has_ended_is_not_cancelable(world: Any, price: int, state: str) -> None:
    """422 42210000, with the state in the words (recorded)."""
    w = world()
    w.to(1)
    order = w.limit(price)
    w.to(2)
    if state == "canceled":
        w.cancel(order.id)
    w.to(3)
    assert w.cancel(order.id) == Refusal(422, 42210000, f'order is already in "{state}" state')


def test_cancel_all_answers_a_row_for_each_open_order(world: Any) -> None:
    """200 for each; an order that waits for its replacement cannot be canceled and gets 500 (facts.md 5.4)."""
    w = world()
    w.to(1)
    plain, replaced = w.limit(90), w.limit(91)
    w.to(2)
    new = w.replace(replaced.id, limit_price=92)
    rows = w.cancel_all()
    assert [(row.id, row.status) for row in rows] == [(plain.id, 200), (replaced.id, 500), (new.id, 200)]
    w.to(3)
    assert w.cancel_all() == []


def test_replace_makes_a_new_order_and_ends_the_old(world: Any) -> None:
    """The reply is the new order; `replaced` carries the old one, the new one gets its own `new` (facts.md 5.4, 8)."""
    w = world()
    w.to(1)
    old = w.limit(90, qty=10)
    w.to(2)
    new = w.replace(old.id, limit_price=91)
    assert (new.id != old.id, new.replaces, new.qty, new.limit_price) == (True, old.id, 10, 91)
    assert w.shown(old).status == "pending_replace"
    w.to(3)
    assert w.events(old)[2:] == ["pending_replace", "replaced"]
    assert w.events(new) == ["new"]
    told: TradeUpdate = next(each for each in w.updates if each.event == "replaced")
    assert (told.order.id, told.order.replaced_by, told.order.status) == (old.id, new.id, "replaced")
    assert told.order.replaced_at is not None


@pytest.mark.parametrize(("keeps", "qty"), [("original", 10), ("remaining", 6)])
def test_replacing_a_partly_filled_order(world: Any, keeps: str, qty: int) -> None:
    """Alpaca keeps the original quantity as the new total (facts.md 5.4); `remaining` is the switch."""
    w = world((0, "AAPL", 99.98, 100.0, 4), replace_keeps=keeps)
    w.to(1)
    old = w.limit(100, qty=10)
    w.to(2)
    new = w.replace(old.id, limit_price=99)
    w.to(3)
    assert (w.shown(old).status, w.shown(old).filled_qty) == ("replaced", 4)
    assert (w.shown(new).qty, w.shown(new).filled_qty, w.shown(new).status) == (qty, 0, "new")


def test_a_replace_may_lose_against_a_fill(world: Any) -> None:
    """The 200 was no promise: order_replace_rejected for the old order, which is filled; the new one is rejected."""
    w = world((0, "AAPL", 99.98, 100.0), (1.01, "AAPL", 89.0, 90.0))
    w.to(0.5)
    old = w.limit(95)
    w.to(1)
    new = w.replace(old.id, limit_price=96)
    w.to(2)
    assert w.events(old) == ["pending_new", "new", "fill", "order_replace_rejected"]
    assert (w.events(new), w.shown(new).status) == (["rejected"], "rejected")
    assert w.venue.ledger.positions["AAPL"][0] == 1


def test_a_replacement_that_is_canceled_first_leaves_the_old_order_working(world: Any) -> None:
    """Nothing hangs in pending_replace: the old order is `new` again and can be canceled."""
    w = world(cancel_ns=5 * MS)
    w.to(1)
    old = w.limit(90)
    w.to(2)
    new = w.replace(old.id, limit_price=91)
    assert w.cancel(new.id) is None
    w.to(3)
    assert (w.shown(new).status, w.shown(old).status) == ("canceled", "new")
    assert w.cancel(old.id) is None
    w.to(4)
    assert w.shown(old).status == "canceled"


def test_a_day_order_that_expires_while_it_is_replaced(world: Any) -> None:
    """Each of the two ends in one terminal state."""
    w = world((0, "AAPL", 99.98, 100.0))
    w.to(1)
    old = w.limit(90)
    w.to(CLOSE - 0.01)
    new = w.replace(old.id, limit_price=91)
    w.to(CLOSE + 1)
    assert (w.shown(old).status, w.shown(new).status) == ("expired", "rejected")


@pytest.mark.parametrize("state", ["pending_new", "accepted", "pending_cancel", "pending_replace", "filled"])
def test_what_is_not_open_is_not_replaced(world: Any, state: str) -> None:
    """Not while accepted, pending or ended (facts.md 5.4)."""
    w = world()
    w.to(1)
    if state == "accepted":
        w.to(CLOSE + 1)
    order = w.limit(100 if state == "filled" else 90)
    if state not in ("pending_new", "accepted"):
        w.to(2)
    if state == "pending_cancel":
        w.cancel(order.id)
    if state == "pending_replace":
        w.replace(order.id, limit_price=91)
    assert w.shown(order).status == state
    refusal = w.replace(order.id, limit_price=92)
    assert refusal == Refusal(422, 42210000, "unable to replace order, order is not open")


def test_close_position_sells_all_part_or_a_share_of_it(world: Any) -> None:
    """All by default, by quantity, by percentage; short ones are bought back (facts.md 5.5)."""
    w = world()
    w.to(1)
    w.order(qty=10)
    w.to(2)
    assert (w.close("AAPL", qty=3).qty, w.close("id-of-AAPL", percentage=25).qty) == (3, Decimal("2.5"))
    w.to(3)
    order = w.close("AAPL")
    assert (order.qty, order.side, order.type, order.position_intent) == (
        Decimal("4.5"),
        "sell",
        "market",
        "sell_to_close",
    )
    w.to(4)
    assert w.venue.positions() == []
    w.order(side="sell", qty=2)
    w.to(5)
    assert w.venue.position("AAPL").qty == -2
    assert w.close("AAPL").side == "buy"
    w.to(6)
    assert w.venue.ledger.positions == {}


def test_close_position_refuses_what_makes_no_sense(world: Any) -> None:
    """No position: 404 (recorded); both measures, or a percentage out of range: 422."""
    w = world()
    w.to(1)
    assert w.close("AAPL") == w.close("NOPE") == Refusal(404, 40410000, "position does not exist")
    w.order(qty=10)
    w.to(2)
    assert w.close("AAPL", qty=1, percentage=1).status == 422
    assert w.close("AAPL", percentage=0).status == w.close("AAPL", percentage=101).status == 422
    assert w.close("AAPL", qty=11).message == "insufficient qty available for order (requested: 11, available: 10)"


def test_close_all_positions_frees_what_orders_hold(world: Any, plain: Any) -> None:
    """Without cancel_orders a held position answers 403 in its row; with it the orders are canceled first."""
    w = world()
    w.to(1)
    w.order(qty=10)
    w.to(2)
    resting = w.limit(200, side="sell", qty=10)
    w.to(3)
    row = plain(w.close_all(cancel_orders=False))[0]
    assert (row["symbol"], row["status"]) == ("AAPL", 403)
    assert row["body"]["message"] == "insufficient qty available for order (requested: 10, available: 0)"
    row = plain(w.close_all(cancel_orders=True))[0]
    assert (row["status"], row["body"]["qty"]) == (200, "10")
    assert w.shown(resting).status == "canceled"
    w.to(4)
    assert w.venue.positions() == []


def test_market_data_passes_through(world: Any) -> None:
    """Each step of the market is one frame, untouched, in order."""
    w = world((0, "AAPL", 1.0, 2.0), (1, "AAPL", 1.5))
    w.to(10)
    assert [[message.S for message in frame.messages] for frame in w.frames] == [["AAPL"], ["AAPL"]]
    assert [frame.ts for frame in w.frames] == [w.open, w.open + 10**9]


def test_when_nothing_can_happen_any_more_nothing_is_due(world: Any) -> None:
    """After the last day's after-hours the venue has no next instant, an old gtc order or not."""
    w = world()
    w.to(1)
    w.limit(50, time_in_force="gtc")
    w.to(48 * HOUR)
    assert w.venue.next_due() is None
