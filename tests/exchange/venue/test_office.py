"""The back office: activities, portfolio history, configurations, locates, as days go by."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.account.activities import Query
from puna.exchange.account.commands import Configure, RequestLocate
from puna.exchange.account.history import Ask
from puna.exchange.ledger import FeeSchedule
from puna.wire.account import ConfigurationsChange
from puna.wire.codec import Amount
from puna.wire.locates import Locate, LocateRequest

DAYS = (date(2012, 9, 17), date(2012, 9, 18))
HOUR, CLOSE, NIGHT = 3600.0, 6.5 * 3600.0, 24 * 3600.0


def _activities(w: Any, **query: Any) -> list[Any]:
    found: list[Any] = w.venue.office.activities.find(Query(**query))
    return found


def test_each_execution_is_an_activity(world: Any) -> None:
    """Its id is New York time and the execution's id; a partial fill says what is left (facts.md 5.7)."""
    w = world((0, "AAPL", 99.98, 100.0, 60), (5, "AAPL", 99.98, 100.0, 60))
    w.to(1)
    order = w.order(qty=100)
    w.to(10)
    fills = [update for update in w.updates if update.qty]
    rows = _activities(w, types={"FILL"}, ascending=True)
    assert [(each.type, each.qty, each.cum_qty, each.leaves_qty) for each in rows] == [
        ("partial_fill", 60, 60, 40),
        ("fill", 40, 100, 0),
    ]
    assert {each.order_id for each in rows} == {order.id}
    for row, fill in zip(rows, fills, strict=True):
        assert row.id.startswith("201209170930")
        assert row.id.endswith(f"::{fill.execution_id}")
        assert (row.transaction_time, row.price, row.side, row.symbol) == (fill.timestamp, 100, "buy", "AAPL")


def test_activities_page_by_the_last_id_in_both_directions(world: Any) -> None:
    """Every item once, in order, whatever the size of a page."""
    w = world()
    w.to(1)
    for _ in range(7):
        w.order()
        w.to((w.now - w.open) / 1e9 + 1)
    everything = [each.id for each in _activities(w, ascending=True)]
    assert len(everything) == 8  # seven fills and the deposit
    for ascending in (True, False):
        seen: list[str] = []
        while page := _activities(w, ascending=ascending, size=3, token=seen[-1] if seen else None):
            seen += [each.id for each in page]
        assert seen == (everything if ascending else everything[::-1])


def test_activities_are_found_by_type_order_and_time(world: Any) -> None:
    """Times are excluded bounds on when they were booked (SPEC-T)."""
    w = world()
    w.to(1)
    first, _ = w.order(), w.to(2)
    w.order()
    w.to(3)
    [one] = _activities(w, order_id=first.id)
    assert [each.activity_type for each in _activities(w, types={"JNLC"})] == ["JNLC"]
    assert len(_activities(w, after=one.transaction_time)) == 1
    assert len(_activities(w, until=one.transaction_time)) == 1


def test_fees_and_coins_are_activities_at_the_end_of_the_day(world: Any, make_asset: Any) -> None:
    """One FEE for each kind, in Alpaca's words, net of cash; together with fills they are all that moved cash."""
    w = world(fees=FeeSchedule())
    w.to(1)
    w.order(qty=100)
    w.to(2)
    w.order(side="sell", qty=100)
    w.to(CLOSE + 4 * HOUR)
    rows = {each.activity_sub_type: each.net_amount for each in _activities(w, types={"FEE"})}
    assert rows == {"CAT": Decimal("-0.01"), "REG": Decimal("-0.21"), "TAF": Decimal("-0.02")}
    assert w.venue.ledger.cash == 100_000 - 2 + sum(rows.values())


def test_a_days_history_is_what_the_account_was_worth(world: Any) -> None:
    """Minute by minute, profit from the close before; windows that are over never change again."""
    rows = [(second, "AAPL", price) for second, price in ((60, 101.0), (121, 102.0), (3600, 103.0))]
    w = world((0, "AAPL", 99.98, 100.0), *rows)
    w.to(1)
    w.order(qty=100)
    w.to(200)
    body = w.venue.office.history(Ask(period="1D", timeframe="1Min"), w.now)
    assert body["timestamp"][:2] == [w.open // 10**9, w.open // 10**9 + 60]
    assert body["equity"] == [99_900, 100_100, 100_200, 100_200]  # marked at the last close until it prints
    w.to(CLOSE)
    later = w.venue.office.history(Ask(period="1D", timeframe="15Min"), w.now)
    assert later["equity"][:6] == [100_200, 100_200, 100_200, 100_200, 100_300, 100_300]
    assert later["profit_loss"][4] == 100
    assert len(later["timestamp"]) == 27


def test_days_have_their_closes_and_profits_from_day_to_day(world: Any) -> None:
    """As in the specification's example; without a close before, the first item is the base (SPEC-T)."""
    rows = [(0, "AAPL", 99.98, 100.0), (60, "AAPL", 101.0), (NIGHT, "AAPL", 104.0)]
    w = world(*rows, days=DAYS)
    w.to(1)
    w.order(qty=100)
    w.to(NIGHT + CLOSE)
    body = w.venue.office.history(Ask(period="1M"), w.now)
    assert (body["timeframe"], body["equity"]) == ("1D", [100_100, 100_400])
    assert (body["profit_loss"], body["profit_loss_pct"]) == ([0, 300], [0, 0.003])
    assert (body["base_value"], "base_value_asof" in body) == (100_100, False)
    intraday = w.venue.office.history(Ask(period="1D", timeframe="1H"), w.now)
    assert (intraday["base_value"], intraday["base_value_asof"]) == (100_100, "2012-09-17")
    assert set(intraday["profit_loss"]) == {300}
    flows = w.venue.office.history(Ask(period="1M", cashflows=("FEE",)), w.now)
    assert flows["cashflow"] == {"FEE": [0, 0]}


@pytest.mark.parametrize("reporting", ["market_hours", "extended_hours", "continuous"])
def test_reporting_chooses_the_hours(world: Any, reporting: str) -> None:
    """Core session, the whole session, or all of the day (SPEC-T)."""
    w = world(days=DAYS)
    w.to(NIGHT + CLOSE)
    body = w.venue.office.history(Ask(period="1D", timeframe="1H", reporting=reporting), w.now)
    hours = len(body["timestamp"])
    assert hours == {"market_hours": 7, "extended_hours": 13, "continuous": 13}[reporting]


@pytest.mark.parametrize(
    ("change", "attribute", "value"),
    [
        ({"no_shorting": True}, "shorting_enabled", False),
        ({"suspend_trade": True}, "trade_suspended_by_user", True),
        ({"max_margin_multiplier": Amount(1)}, "multiplier", 1),
        ({"max_options_trading_level": 1}, "options_trading_level", "1"),
    ],
)
def test_configurations_show_in_the_account(world: Any, change: Any, attribute: str, value: Any) -> None:
    """They restrict, and can be taken back."""
    w = world()
    before = getattr(w.venue.account(0), attribute)
    w.do(Configure(ConfigurationsChange(**change)))
    assert str(getattr(w.venue.account(0), attribute)) == str(value)
    known = {name: getattr(w.venue.office.configurations, name) for name in change}
    assert known == change
    back: dict[str, Any] = {"no_shorting": False, "suspend_trade": False, "max_margin_multiplier": Amount(4)}
    w.do(Configure(ConfigurationsChange(**back, max_options_trading_level=3)))
    assert getattr(w.venue.account(0), attribute) == before


def test_no_shorting_refuses_shorts(world: Any) -> None:
    """The account becomes long-only (SPEC-T)."""
    w = world()
    w.to(1)
    w.do(Configure(ConfigurationsChange(no_shorting=True)))
    assert w.refused(side="sell").message == "account is not allowed to short"


def test_a_locate_costs_ends_at_eight_and_is_given_once(world: Any, make_asset: Any) -> None:
    """Round lots of a hard-to-borrow stock; the same key gives the same locate (SPEC-T)."""
    w = world(assets=[make_asset("AAPL", easy_to_borrow=False)])
    w.to(1)
    request = LocateRequest(symbol="AAPL", qty=300)
    made = w.do(RequestLocate(request, "key"))
    assert isinstance(made, Locate)
    assert (made.status, made.located_qty, made.total_fee) == ("active", 300, 300 * (made.located_price or 0))
    assert w.venue.ledger.cash == 100_000 - (made.total_fee or 0)
    assert w.do(RequestLocate(request, "key")) == made
    assert w.do(RequestLocate(LocateRequest(symbol="AAPL", qty=100), "key")).code == "idempotency_key_conflict"
    cheap = w.do(RequestLocate(LocateRequest(symbol="AAPL", qty=100, limit_price=Amount(0))))
    assert (cheap.status, cheap.rejection_reason) == ("rejected", "limit_price_exceeded")
    rest = w.do(RequestLocate(LocateRequest(symbol="AAPL", qty=99_000)))
    assert rest.located_qty == 9700
    w.to(11 * HOUR)
    assert {
        each.status for each in w.venue.office.locates.all(w.now, status="expired", symbol=None, start=None, end=None)
    }
    assert w.venue.ledger.imbalance == 0
