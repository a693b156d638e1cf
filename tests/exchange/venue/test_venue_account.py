"""The account, positions, lists and days: what the venue shows, and what a night changes."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.data import Split
from puna.exchange.ledger import FeeSchedule
from puna.wire.codec import decode, decoder
from puna.wire.trading import Account, Position

TUESDAY = date(2012, 9, 18)
DAYS = (date(2012, 9, 17), TUESDAY)
HOUR = 3600.0
NIGHT, CLOSE = 24 * HOUR, 6.5 * HOUR


def test_a_fresh_account_looks_like_the_captured_one(world: Any) -> None:
    """100,000 of cash, a multiplier of 4, 400,000 to buy with (facts.md 4, CAP)."""
    account = world().venue.account(0)
    assert (account.cash, account.equity, account.last_equity, account.sma) == (100_000,) * 4
    assert (account.multiplier, account.buying_power, account.regt_buying_power) == (4, 400_000, 200_000)
    assert (account.non_marginable_buying_power, account.options_buying_power) == (100_000, 100_000)
    assert (account.status, account.long_market_value, account.initial_margin) == ("ACTIVE", 0, 0)


def test_the_account_has_the_recorded_numbers(world: Any, recorded: Any) -> None:
    """One share at 305.22, bought for 305.59, on a multiplier of 2: every margin figure is the recorded one."""
    real: Any = decode(decoder(Account), _json(recorded("account")[2]["body"]))
    w = world((0, "AAPL", 305.58, 305.59), (5, "AAPL", 305.22), multiplier=2)
    w.to(1)
    w.order()
    w.to(10)
    ours = w.venue.account(w.now)
    for name in (
        "cash",
        "equity",
        "last_equity",
        "portfolio_value",
        "long_market_value",
        "short_market_value",
        "initial_margin",
        "maintenance_margin",
        "last_maintenance_margin",
        "regt_buying_power",
        "buying_power",
        "non_marginable_buying_power",
        "options_buying_power",
        "multiplier",
        "sma",
        "accrued_fees",
    ):
        theirs = getattr(real, name)
        expected = theirs if name != "cash" else real.equity - real.long_market_value
        assert getattr(ours, name) == expected, name


def test_the_account_has_every_key_that_is_still_sent(world: Any, recorded: Any, plain: Any) -> None:
    """All but those of the pattern-day-trader rule, which is gone, and of transfers (facts.md 4)."""
    gone = {"daytrade_count", "daytrading_buying_power", "pattern_day_trader"}
    gone |= {"pending_transfer_in", "pending_transfer_out"}
    for each in recorded("account"):
        assert set(each["body"]) - gone <= set(plain(world().venue.account(0)))


def test_a_position_has_the_recorded_numbers(world: Any, recorded: Any) -> None:
    """Long and short: value, cost, profit, day's profit and change, as recorded."""
    for body, side, size in (
        (recorded("position")[4]["body"], "buy", 1),
        (recorded("position")[2]["body"], "sell", 24),
    ):
        real: Any = decode(decoder(Position), _json(body))
        entry, last = float(real.avg_entry_price), float(real.current_price)
        rows = [(0, "AAPL", entry, entry), (5, "AAPL", last)]
        w = world(*rows, closes={"AAPL": float(real.lastday_price)})
        w.to(1)
        w.order(side=side, qty=size)
        w.to(10)
        ours = w.venue.position("AAPL")
        for name in ("qty", "qty_available", "avg_entry_price", "side", "market_value", "cost_basis", "current_price"):
            assert getattr(ours, name) == getattr(real, name), name
        assert ours.unrealized_pl == real.unrealized_pl
        assert ours.unrealized_intraday_pl == real.unrealized_pl
        assert abs(ours.change_today - real.change_today) < Decimal("0.00001")
        assert ours.lastday_price == real.lastday_price


def test_a_position_has_every_recorded_key(world: Any, recorded: Any, plain: Any) -> None:
    """All but the currency ones (`usd`, `swap_rate`), which are null for a dollar account."""
    w = world()
    w.to(1)
    w.order()
    w.to(2)
    ours = set(plain(w.venue.positions())[0])
    for each in recorded("position"):
        for body in each["body"] if isinstance(each["body"], list) else [each["body"]]:
            assert set(body) - {"usd", "swap_rate", "avg_entry_swap_rate"} <= ours


@pytest.mark.parametrize(
    ("options", "power"),
    [
        ({"multiplier": 1}, 90_000),
        ({"multiplier": 2}, 190_000),
        ({"multiplier": 4}, 388_000),
        ({"multiplier": 4, "buying_power": "exposure"}, 390_000),
    ],
)
def test_buying_power_by_multiplier_and_formula(world: Any, options: dict[str, Any], power: int) -> None:
    """Cash, twice equity less initial margin, four times equity less maintenance, or less holdings (facts.md 13.1)."""
    w = world((0, "AAPL", 100.0, 100.0), (5, "AAPL", 100.0), **options)
    w.to(1)
    w.order(qty=100)
    w.to(10)
    assert w.venue.account(w.now).buying_power == power


def test_open_orders_take_buying_power_until_they_end(world: Any) -> None:
    """What a limit buy may cost is gone at once, and back when it is canceled."""
    w = world()
    w.to(1)
    order = w.limit(90, qty=100)
    assert w.venue.account(w.now).buying_power == 391_000
    w.cancel(order.id)
    w.to(2)
    assert w.venue.account(w.now).buying_power == 400_000


@pytest.mark.parametrize(
    ("qty", "price", "margin"),
    [
        (100, "2.00", "200"),
        (100, "2.50", "125"),
        (100, "6.00", "300"),
        (100, "10", "300"),
        (-100, "2.00", "250"),
        (-100, "4.00", "400"),
        (-100, "10", "500"),
        (-100, "100", "3000"),
    ],
)
def test_maintenance_margin_by_price(world: Any, qty: int, price: str, margin: str) -> None:
    """The table of facts.md 4 (MARG)."""
    cents = float(price)
    w = world((0, "AAPL", cents, cents), (5, "AAPL", cents), closes={"AAPL": cents})
    w.to(1)
    w.order(side="buy" if qty > 0 else "sell", qty=abs(qty))
    w.to(10)
    assert w.venue.account(w.now).maintenance_margin == Decimal(margin)


def test_over_night_today_becomes_yesterday(world: Any) -> None:
    """last_equity and lastday_price are those of the close; the day's profit begins anew (facts.md 4)."""
    rows = [
        (0, "AAPL", 99.98, 100.0),
        (CLOSE - 10, "AAPL", 104.0),
        (NIGHT, "AAPL", 105.0, 106.0),
        (NIGHT, "AAPL", 106.0),
    ]
    w = world(*rows, days=DAYS)
    w.to(1)
    w.order(qty=10)
    w.to(CLOSE + 60)
    assert w.venue.account(w.now).last_equity == 100_000
    assert w.venue.position("AAPL").lastday_price == 104
    assert w.venue.position("AAPL").unrealized_intraday_pl == 40
    w.to(NIGHT + 5)
    account, position = w.venue.account(w.now), w.venue.position("AAPL")
    assert (account.last_equity, account.equity) == (100_040, 100_060)
    assert (position.lastday_price, position.unrealized_intraday_pl, position.unrealized_pl) == (104, 20, 60)
    assert (account.last_maintenance_margin, account.sma) == (312, 100_040)


def test_a_split_keeps_values_and_cancels_open_orders(world: Any) -> None:
    """Seven for one over night: seven times the shares at a seventh, no profit or loss; resting orders are canceled."""
    rows = [
        (0, "AAPL", 699.0, 700.0),
        (CLOSE - 10, "AAPL", 700.0),
        (NIGHT, "AAPL", 99.9, 100.0),
        (NIGHT, "AAPL", 100.0),
    ]
    w = world(*rows, days=DAYS, closes={"AAPL": 700.0}, splits=[Split("AAPL", TUESDAY, 1, 7)])
    w.to(1)
    w.order(qty=10)
    w.to(2)
    resting = w.limit(800, side="sell", qty=10, time_in_force="gtc")
    w.to(NIGHT - HOUR)
    position = w.venue.position("AAPL")
    assert (position.qty, position.avg_entry_price, position.lastday_price) == (70, 100, 100)
    assert (position.unrealized_intraday_pl, w.shown(resting).status) == (0, "canceled")
    w.to(NIGHT + 5)
    assert w.venue.account(w.now).equity == 100_000
    assert w.venue.position("AAPL").change_today == 0
    w.close("AAPL")
    w.to(NIGHT + 6)
    assert w.fills()[-1] == (70, Decimal("99.9"))


def test_fees_are_charged_at_the_end_of_the_day(world: Any) -> None:
    """Accrued while the day runs, then taken from cash; on paper there are none (facts.md 9 and 10)."""
    w = world(fees=FeeSchedule())
    w.to(1)
    w.order(qty=100)
    w.to(2)
    w.order(side="sell", qty=100)
    w.to(3)
    accrued = Decimal("0.0006") + Decimal("0.2059588") + Decimal("0.0195")
    assert w.venue.account(w.now).accrued_fees == accrued
    w.to(CLOSE)
    assert w.venue.ledger.cash == 99_998
    w.to(CLOSE + 4 * HOUR)
    assert (w.venue.ledger.fees, w.venue.ledger.cash) == (Decimal("0.24"), Decimal("99997.76"))
    assert w.venue.account(w.now).accrued_fees == 0


def test_lists_of_orders_take_alpacas_filters(world: Any) -> None:
    """Open by default, newest first, exclusive times, symbols, side, limit (facts.md 5.4)."""
    w = world(*((0, symbol, 99.98, 100.0) for symbol in ("AAPL", "IBM")))
    made = []
    asked: list[dict[str, Any]] = [{}, {"symbol": "IBM"}, {"type": "limit", "limit_price": 90}, {"symbol": "IBM"}]
    for second, fields in enumerate(asked):
        w.to(second + 1)
        made.append(w.order(**fields))
    w.to(10)
    first, second, third, fourth = (each.id for each in made)

    def listed(**filters: Any) -> list[str]:
        return [each.id for each in w.venue.orders(**filters)]

    assert listed() == [third]
    assert listed(status="closed") == [fourth, second, first]
    assert listed(status="all") == [fourth, third, second, first]
    assert listed(status="all", direction="asc", limit=2) == [first, second]
    assert listed(status="all", symbols=["IBM"]) == [fourth, second]
    assert listed(status="all", side="sell") == []
    times = [each.submitted_at for each in made]
    assert listed(status="all", after=times[1]) == [fourth, third]
    assert listed(status="all", until=times[1]) == [first]
    assert listed(status="all", after=times[0], until=times[3]) == [third, second]


def test_new_orders_can_be_hidden_for_a_while(world: Any) -> None:
    """Until then neither reads nor commands find them; the stream does not wait."""
    w = world(visibility_ns=10**9)
    w.to(1)
    order = w.limit(90, client_order_id="mine")
    w.to(1.5)
    assert w.events(order) == ["pending_new", "new"]
    assert (w.venue.order(order.id), w.venue.order_by_client_id("mine"), w.venue.orders()) == (None, None, [])
    assert (w.cancel(order.id).status, w.replace(order.id, limit_price=91).status) == (404, 404)
    assert w.refused(client_order_id="mine").message == "client_order_id must be unique"
    w.to(2)
    assert w.venue.order(order.id).id == w.venue.order_by_client_id("mine").id == w.venue.orders()[0].id
    assert w.cancel(order.id) is None


def test_nobody_outside_can_change_an_order(world: Any) -> None:
    """Replies, reads and events are copies."""
    w = world()
    w.to(1)
    order = w.limit(90)
    for copy in (order, w.venue.order(order.id), w.venue.orders()[0]):
        copy.status = "filled"
    assert w.venue.order(order.id).status == "pending_new"


def test_the_clock_and_the_calendar_know_half_days(world: Any) -> None:
    """Open and close in New York; the day after Thanksgiving closes at 13:00."""
    w = world()
    w.to(1)
    clock = w.venue.clock(w.now)
    assert (clock.is_open, clock.next_close) == (True, w.open + CLOSE * 10**9)
    w.to(CLOSE)
    assert (w.venue.clock(w.now).is_open, w.venue.clock(w.now).next_open) == (False, w.open + NIGHT * 10**9)
    days = w.venue.calendar(date(2012, 11, 21), date(2012, 11, 24))
    assert [(day.date, day.open, day.close, day.session_open, day.session_close) for day in days] == [
        ("2012-11-21", "09:30", "16:00", "0400", "2000"),
        ("2012-11-23", "09:30", "13:00", "0400", "1700"),
    ]
    assert days[0].settlement_date == "2012-11-27"
    assert w.venue.calendar()[-1].date.startswith("2029-12")


def test_assets_and_positions_are_found_by_symbol_and_by_id(world: Any) -> None:
    """And an order may name the asset's id (facts.md 5.1)."""
    w = world()
    w.to(1)
    assert w.order(symbol="id-of-AAPL").symbol == "AAPL"
    w.to(2)
    assert w.venue.position("id-of-AAPL").symbol == w.venue.asset("id-of-AAPL").symbol == "AAPL"
    assert (w.venue.asset("NOPE"), w.venue.position("NOPE")) == (None, None)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
