"""Trailing stops, auctions, and the other ways of stock orders in time (facts.md 5.2)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.venue import Refusal
from puna.wire.trading import Order

HOUR = 3600.0
CLOSE = 6.5 * HOUR
EVENING = 9.5 * HOUR
DAY = 24 * HOUR
TWO_DAYS = (date(2012, 9, 17), date(2012, 9, 18))
LATE = Refusal(403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am")


def _walk(*prices: float) -> list[tuple[Any, ...]]:
    """A quote a cent wide around each print, one print a second."""
    rows: list[tuple[Any, ...]] = []
    for second, price in enumerate(prices):
        rows += [(second, "AAPL", price - 0.01, price + 0.01), (second + 0.5, "AAPL", price)]
    return rows


@pytest.mark.parametrize(
    ("trail", "stops"),
    [({"trail_price": 2}, [98, 98, 103, 103]), ({"trail_percent": 2}, [98, 98, Decimal("102.9"), Decimal("102.9")])],
)
def test_a_trailing_sell_follows_the_high(world: Any, trail: dict[str, int], stops: list[Decimal]) -> None:
    """The mark only rises, the stop stands below it, and both are shown; when it is met the shares go at the market."""
    w = world(*_walk(100, 100, 99, 105, 104, 102))
    w.to(0.8)
    w.order(qty=10)
    w.to(0.9)
    order = w.order(side="sell", type="trailing_stop", qty=10, **trail)
    assert (order.hwm, order.stop_price) == (100, stops[0])
    seen = []
    for second in (1.8, 2.8, 3.8, 4.8):
        w.to(second)
        seen.append(w.shown(order).stop_price)
    assert seen == stops
    assert (w.shown(order).hwm, w.shown(order).status) == (105, "new")
    w.to(6)
    assert (w.shown(order).status, w.fills(order)) == ("filled", [(10, Decimal("101.99"))])


def test_a_trailing_buy_follows_the_low(world: Any) -> None:
    """Mirrored; it takes the buying power of its stop, and pays the ask when it is elected."""
    w = world(*_walk(100, 97, 98, 99.5))
    w.to(0.8)
    order = w.order(type="trailing_stop", trail_price=2, qty=10)
    assert (order.hwm, order.stop_price) == (100, 102)
    assert w.venue.account(w.now).buying_power == 400_000 - 1020
    w.to(2.8)
    assert (w.shown(order).hwm, w.shown(order).stop_price) == (97, 99)
    w.to(5)
    assert w.fills(order) == [(10, Decimal("99.51"))]


def test_a_trail_is_replaced_by_trail(world: Any) -> None:
    """The new order keeps the mark, with another distance (SPEC-T; that it keeps the mark is INF)."""
    w = world(*_walk(100, 105, 104, 104, 104))
    w.to(0.8)
    w.order(qty=10)
    w.to(0.9)
    order = w.order(side="sell", type="trailing_stop", trail_price=5, qty=10)
    w.to(2.8)
    assert w.replace(order.id, trail=5).message == "order parameters are not changed"
    new = w.replace(order.id, trail=3)
    assert (new.trail_price, new.type) == (3, "trailing_stop")
    w.to(3.8)
    assert (w.shown(new).hwm, w.shown(new).stop_price, w.shown(order).status) == (105, 102, "replaced")


def test_trailing_stops_sleep_outside_core_hours(world: Any) -> None:
    """Regular hours only: a print of the evening neither moves nor elects one (facts.md 5.2)."""
    evening = CLOSE + HOUR
    rows = [(0, "AAPL", 99.99, 100.01), (0.5, "AAPL", 100.0), (evening, "AAPL", 89.99, 90.01), (evening, "AAPL", 90.0)]
    w = world(*rows, days=TWO_DAYS)
    w.to(1)
    w.order(qty=10)
    w.to(2)
    order = w.order(side="sell", type="trailing_stop", trail_price=5, qty=10, time_in_force="gtc")
    stop = w.venue.orders()[0]
    w.to(DAY - 60)
    assert (stop.id, w.shown(order).status, w.shown(order).hwm) == (order.id, "new", 100)


def test_a_buy_stop_is_a_stop_limit_unless_the_terms_say_not(world: Any) -> None:
    """The limit stands 2.5 % above; beyond it the order waits (facts.md 5.2, ORD)."""
    for convert, fills in ((True, []), (False, [(1, 120)])):
        w = world(*_walk(100), (2, "AAPL", 109.0, 120.0), (2.5, "AAPL", 115.0), buy_stop_limits=convert)
        w.to(1)
        order = w.order(type="stop", stop_price=110)
        w.to(4)
        assert w.fills(order) == fills


@pytest.mark.parametrize(("away", "refused"), [(None, False), ("0.1", True), ("0.2", False)])
def test_limits_far_from_the_market(world: Any, away: str | None, refused: bool) -> None:
    """Off unless the terms say how far is too far (PROT: unpublished)."""
    w = world(price_away=Decimal(away) if away else None)
    w.to(1)
    reply = w.submit(type="limit", limit_price="111.00")
    assert isinstance(reply, Refusal) is refused
    if refused:
        assert reply.message == "limit_price 111.00 is too far away from the market price 100"
    assert isinstance(w.submit(type="limit", limit_price=50), Order)


# Auctions.


def test_an_opening_order_fills_at_the_opening_print(world: Any) -> None:
    """At the first print of the core session, whole, whatever size is quoted; what is not met is canceled."""
    rows = [(-HOUR, "AAPL", 97.0), (0, "AAPL", 99.98, 100.0, 5), (1, "AAPL", 99.5), (2, "AAPL", 98.0)]
    w = world(*rows)
    w.to(-2 * HOUR)
    market, met, missed = (
        w.order(time_in_force="opg", qty=500),
        w.limit("99.5", time_in_force="opg", qty=10),
        w.limit("99.49", time_in_force="opg"),
    )
    assert market.status == "pending_new"
    assert market.expires_at == w.open
    w.to(0.9)
    assert w.statuses(market, met, missed) == ["new", "new", "new"]
    w.to(1)
    assert w.statuses(market, met, missed) == ["filled", "filled", "canceled"]
    assert w.fills() == [(500, Decimal("99.5")), (10, Decimal("99.5"))]


def test_paper_fills_auctions_at_the_quote(world: Any) -> None:
    """As the simulator does: buys at the ask, sells at the bid of that moment (facts.md 9)."""
    w = world((0, "AAPL", 99.0, 101.0), (1, "AAPL", 100.0), auction_price="quote")
    w.to(-HOUR)
    order = w.order(time_in_force="opg")
    w.to(2)
    assert w.fills(order) == [(1, 101)]


@pytest.mark.parametrize(
    ("seconds", "kind", "taken"),
    [
        (-120.001, "opg", True),
        (-120, "opg", False),
        (60, "opg", False),
        (EVENING - 1, "opg", False),
        (EVENING, "opg", True),
        (60, "cls", True),
        (CLOSE - 600.001, "cls", True),
        (CLOSE - 600, "cls", False),
        (EVENING - 1, "cls", False),
        (EVENING, "cls", True),
    ],
)
def test_the_cut_off_of_auctions(world: Any, seconds: float, kind: str, taken: bool) -> None:
    """Opening orders until 9:28, closing orders until 15:50, both again from 19:00 (facts.md 5.2, ORD)."""
    w = world(days=TWO_DAYS)
    w.to(seconds)
    reply = w.submit(time_in_force=kind)
    assert isinstance(reply, Order) is taken
    if not taken:
        until = {"opg": "9:28am", "cls": "3:55pm"}[kind]
        message = f"{kind} orders must be submitted after 7:00pm and before {until}"
        assert reply == Refusal(403, 40310000, message)


def test_the_cut_off_of_the_close_is_a_choice(world: Any) -> None:
    """15:55, as the refusal's own words have it (facts.md 13.3)."""
    w = world(cls_cutoff_minutes=5)
    w.to(CLOSE - 301)
    assert isinstance(w.submit(time_in_force="cls"), Order)
    w.to(CLOSE - 300)
    assert w.refused(time_in_force="cls").status == 403


def test_an_evening_order_waits_for_the_next_auction(world: Any) -> None:
    """Accepted over night, new in the morning, filled at the open of the next day."""
    w = world(*[(0, "AAPL", 99.9, 100.0), (DAY, "AAPL", 104.0, 105.0), (DAY + 1, "AAPL", 104.5)], days=TWO_DAYS)
    w.to(EVENING)
    order = w.order(time_in_force="opg")
    assert order.status == "accepted"
    w.to(DAY - 5.4 * HOUR)
    assert w.statuses(order) == ["new"]
    w.to(DAY + 2)
    assert w.fills(order) == [(1, Decimal("104.5"))]


def test_a_closing_order_fills_at_the_last_print(world: Any) -> None:
    """At the close, at the session's last print; a limit that it does not meet is canceled."""
    w = world((0, "AAPL", 99.98, 100.0), (1, "AAPL", 99.99), (CLOSE - 60, "AAPL", 101.0))
    w.to(10)
    met, missed = w.order(time_in_force="cls", qty=7), w.limit(100, time_in_force="cls")
    w.to(CLOSE - 1)
    assert w.statuses(met, missed) == ["new", "new"]
    w.to(CLOSE)
    assert w.statuses(met, missed) == ["filled", "canceled"]
    assert w.fills() == [(7, 101)]


def test_without_a_print_there_is_no_auction(world: Any) -> None:
    """Yesterday's price is none: both kinds are canceled."""
    w = world((0, "AAPL", 99.98, 100.0))
    w.to(-HOUR)
    first, last = w.order(time_in_force="opg"), w.order(time_in_force="cls")
    w.to(CLOSE + 1)
    assert w.statuses(first, last) == ["canceled", "canceled"]
    assert w.fills() == []


def test_parts_of_shares_have_four_types(world: Any, make_asset: Any) -> None:
    """Market, limit, stop and stop-limit, and extended hours where the asset has the attribute (facts.md 5.2)."""
    assets = [make_asset("AAPL", attributes=["fractional_eh_enabled"])]
    w = world((0, "AAPL", 99.98, 100.0), (CLOSE + HOUR, "AAPL", 98.0, 99.0), assets=assets)
    w.to(1)
    assert w.order(qty="0.5")
    assert w.limit(90, qty="0.5")
    assert w.order(qty="0.5", type="stop", stop_price=120)
    assert w.order(qty="0.5", type="stop_limit", stop_price=120, limit_price=121)
    late = w.limit(99, qty="0.25", extended_hours=True)
    w.to(CLOSE + 2 * HOUR)
    assert w.fills(late) == [(Decimal("0.25"), 99)]


def test_overnight_orders_need_an_asset_that_trades_then(world: Any, make_asset: Any) -> None:
    """20:00 to 04:00 for extended-hours orders in assets with the attribute, unless the terms say no (SPEC-T)."""
    night = CLOSE + 5 * HOUR
    rows = [(0, "AAPL", 99.98, 100.0), (night, "AAPL", 97.0, 98.0), (night, "IBM", 97.0, 98.0)]
    assets = [make_asset("AAPL", attributes=["overnight_tradable"]), make_asset("IBM")]
    for allowed in (True, False):
        w = world(*rows, days=TWO_DAYS, assets=assets, closes={"AAPL": 99, "IBM": 99}, overnight_trading=allowed)
        w.to(night - 60)
        taken, waits = w.limit(98, extended_hours=True), w.limit(98, extended_hours=True, symbol="IBM")
        w.to(night + 1)
        assert w.statuses(taken, waits) == ["filled" if allowed else "accepted", "accepted"]


def test_configurations_that_bar_orders(world: Any, make_asset: Any) -> None:
    """No parts of shares, no partnerships, when the account's terms say so; what is held can always be sold."""
    assets = [make_asset("AAPL"), make_asset("PTP", attributes=["ptp_no_exception"])]
    w = world((0, "AAPL", 99.98, 100.0), (0, "PTP", 9.98, 10.0), assets=assets, fractional_trading=False)
    w.to(1)
    assert w.refused(qty="0.5").message == "account is not allowed to trade fractional shares"
    assert w.refused(symbol="PTP").code == 40310000
    assert isinstance(w.submit(symbol="PTP", side="sell"), Order)
