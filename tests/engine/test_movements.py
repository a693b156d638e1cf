"""What moved without an order: each kind of activity as a booking, once, with its reference; and a night of fees."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from puna.core.portfolio import Booking, Reason, enter, opening
from puna.core.sessions import at, next_trading_day
from puna.core.types import Position
from puna.engine.blotter import Blotter
from puna.engine.entries import Moved, Opening
from puna.engine.movements import bookings, told_later
from puna.exchange.account.terms import AccountTerms
from puna.exchange.fees import FeeSchedule
from puna.exchange.options import ExchangeConfig
from puna.exchange.scenarios import play_out
from puna.exchange.terms import VenueOptions
from puna.wire.activities import Activity
from puna.wire.codec import Amount, Nanos
from puna.wire.trading import OrderRequest

D = Decimal
CALL = "SPY260320C00500000"


def activity(kind: str, **terms: Any) -> Activity:
    numbers = {name: Amount(value) for name, value in terms.items() if name in ("qty", "price", "net_amount")}
    return Activity(id=terms.pop("id", "20260101000000000::a"), activity_type=kind, **(terms | numbers))


def books(**held: tuple[str, str]) -> Any:
    rows = [Position(symbol=symbol, qty=D(qty), cost=D(cost)) for symbol, (qty, cost) in held.items()]
    return opening(D(1000), rows)


def broker(**held: str) -> dict[str, Position]:
    return {symbol: Position(symbol=symbol, qty=D(qty), cost=D(0)) for symbol, qty in held.items()}


def after(ours: Any, *activities: Activity, there: dict[str, Position] | None = None) -> Any:
    for each in bookings(activities, ours, there or {}, 1):
        ours = enter(ours, each)
    return ours


@pytest.mark.parametrize(
    ("kind", "net", "field"),
    [
        ("FEE", "-1.25", "fees"), ("DIV", "3.10", "income"), ("DIVNRA", "-0.46", "income"), ("INT", "-2", "income"),
        ("CSD", "50", "transfers"), ("JNLC", "-50", "transfers"),
    ],
)  # fmt: skip
def test_cash_has_its_place(kind: str, net: str, field: str) -> None:
    """Fees, income and transfers are told apart, and cash is what the broker says."""
    found = after(books(AAPL=("10", "1000")), activity(kind, net_amount=net, symbol="AAPL"))
    assert found.cash == 1000 + D(net)
    assert getattr(found, field) == (-D(net) if field == "fees" else D(net))
    assert found.qty("AAPL") == 10


def test_a_coins_fee_is_taken_from_the_coin() -> None:
    """Bought 0.1, 0.00025 taken (R20), whatever sign the broker writes; the position's name is the canonical one."""
    held = {"BTC/USD": ("0.1", "5000")}
    for qty in ("-0.00025", "0.00025"):
        assert after(books(**held), activity("CFEE", symbol="BTCUSD", qty=qty)).qty("BTC/USD") == D("0.09975")


def test_a_split_is_what_the_position_became() -> None:
    """The broker's position decides, the cost stays; cash in lieu is realised (R31)."""
    ours = books(AAPL=("11", "1100"))
    found = after(ours, activity("SPLIT", symbol="AAPL", qty="999", net_amount="7.5"), there=broker(AAPL="22"))
    assert (found.qty("AAPL"), found.position("AAPL").cost, found.cash) == (22, 1100, D("1007.5"))
    assert after(ours, activity("SPLIT", symbol="AAPL", qty="11"), there=broker(AAPL="11")) == ours


@pytest.mark.parametrize("qty", ["-2", "2", None])
def test_an_option_that_expires_is_gone_with_what_it_cost(qty: str | None) -> None:
    """OPEXP: flat, its cost lost; never through flat, whatever number is told."""
    terms = {} if qty is None else {"qty": qty}
    found = after(books(**{CALL: ("2", "300")}), activity("OPEXP", symbol=CALL, **terms))
    assert (found.qty(CALL), found.realised, found.cash) == (0, -300, 1000)
    assert after(books(), activity("OPEXP", symbol=CALL, **terms)) == books()


def test_an_assignment_brings_or_takes_shares_at_the_strike() -> None:
    """OPASN takes the short call away, OPTRD the shares against the strike (NTA)."""
    ours = books(**{CALL: ("-1", "-400"), "SPY": ("100", "45000")})
    found = after(
        ours,
        activity("OPASN", symbol=CALL, qty="1", id="1::a"),
        activity("OPTRD", symbol="SPY", qty="-100", price="500", net_amount="50000", id="2::b"),
    )
    assert found.positions == {}
    assert (found.cash, found.realised) == (51_000, 5400)
    put = after(books(), activity("OPTRD", symbol="SPY", qty="100", price="480", net_amount="-48000"))
    assert (put.qty("SPY"), put.cash) == (100, -47_000)


def test_a_rename_carries_position_and_cost_over() -> None:
    """FB becomes META; nothing is realised."""
    found = after(books(FB=("10", "2000")), activity("NC", symbol="META", qty="10"), there=broker(META="10"))
    assert (found.qty("FB"), found.qty("META"), found.position("META").cost, found.realised) == (0, 10, 2000, 0)


def test_an_unknown_kind_explains_nothing() -> None:
    """What nobody here knows is not booked, so the difference stays to be seen (I27)."""
    assert bookings([activity("XYZ", symbol="AAPL", net_amount="5")], books(), {}, 1) == []


def test_what_was_before_the_books_is_in_their_opening() -> None:
    """By creation, to the nanosecond; without it by a later day only."""
    ts = 1_772_000_000_000_000_000  # 2026-02-25
    assert told_later(activity("FEE", created_at=Nanos(ts + 1)), ts)
    assert not told_later(activity("FEE", created_at=Nanos(ts)), ts)
    assert told_later(activity("FEE", date="2026-02-26"), ts)
    assert not told_later(activity("FEE", date="2026-02-25"), ts)
    assert not told_later(activity("FEE", date="soon"), ts)
    assert not told_later(activity("FEE"), ts)


async def test_fees_of_the_night_are_explained_and_booked_once(lab: Any) -> None:
    """Sold on the first day, charged after its close: the second day starts with equal books, the third as well."""
    schedule = VenueOptions(fees=FeeSchedule())
    market = lab.exchange(days=3, venue=schedule)
    deeds = {"m1": lambda s: s.buy("AAPL", 50), "m3": lambda s: s.sell("AAPL", 50)}
    first = market.trader(lab.scripted(**deeds), journal=lab.journal)
    record = await first.run()
    assert record.books is not None
    assert record.books.equal
    day = 24 * 60
    second = market.trader(lab.scripted(), minutes=day + 30, journal=lab.journal)
    record = await second.run()
    assert record.books is not None
    assert record.books.equal, record.books
    assert record.state == "active"
    moved = second.gateway.blotter.moved
    assert moved
    assert {each.reason for each in moved.values()} == {"fee"}
    assert second.gateway.blotter.portfolio.fees == market.thread.books().fees > 0
    third = market.trader(lab.scripted(), minutes=day + 60, journal=lab.journal)
    await third.run()
    assert third.gateway.blotter.moved == moved
    assert third.gateway.blotter.portfolio.cash == market.thread.books().cash


def test_sleeves_follow_a_split() -> None:
    """Two strategies hold 6 and 4 of 10; after two for one they hold 12 and 8."""
    blotter = Blotter()
    held = (Position(symbol="AAPL", qty=D(10), cost=D(1000)),)
    blotter.apply(1, Opening(ts=1, account_id="a", cash=D(0), positions=held, broker_ts=1, by="first start"))
    blotter.sleeves.update({("a", "AAPL"): D(6), ("b", "AAPL"): D(4), ("a", "MSFT"): D(1)})
    booking = Booking(reason=Reason.SPLIT, reference="x", ts=1, symbol="AAPL", qty=D(10))
    for seq in (2, 3):  # told twice, booked once
        blotter.apply(seq, Moved(ts=1, booking=booking))
    assert blotter.portfolio.qty("AAPL") == 20
    assert blotter.sleeves == {("a", "AAPL"): D(12), ("b", "AAPL"): D(8), ("a", "MSFT"): D(1)}


def test_sleeves_go_on_under_the_other_name() -> None:
    """Three and one of four contracts are six and two of eight, each at what it had cost; so does a rename."""
    blotter, old, half = Blotter(), "SPY260320C00500000", "SPY260320C00250000"
    held = (Position(symbol=old, qty=D(4), cost=D(1600)),)
    blotter.apply(1, Opening(ts=1, account_id="a", cash=D(0), positions=held, broker_ts=1, by="first start"))
    blotter.sleeves.update({("a", old): D(3), ("b", old): D(1)})
    mine = Position(symbol=old, qty=D(3), cost=D(1200))
    blotter.flows["a"] = replace(opening(D(0), [mine]), cash=D(-1200))
    rows = bookings([activity("OPCA", symbol=half, qty="8")], blotter.portfolio, broker(**{half: "8"}), 1)
    for seq, booking in enumerate([*rows, *rows], 2):  # told twice, booked once
        blotter.apply(seq, Moved(ts=1, booking=booking))
    assert {name: qty for name, qty in blotter.sleeves.items() if qty} == {("a", half): 6, ("b", half): 2}
    assert blotter.portfolio.position(half) == Position(symbol=half, qty=D(8), cost=D(1600))
    flow = blotter.flows["a"]
    assert flow.position(half) == Position(symbol=half, qty=D(6), cost=D(1200))
    assert (flow.cash, flow.realised, flow.qty(old)) == (D(-1200), D(0), D(0))


async def over_night(lab: Any, day: date, *, market: Any, **deeds: Any) -> Any:
    """Two sessions with one journal: what happened between them is explained when the second one ends."""
    for on in (day, next_trading_day(day).date):
        times = at(on, time(9, 30)), at(on, time(16))
        strategy = lab.scripted()
        if on == day:
            strategy.deeds = {int((times[0] - lab.OPEN) // lab.MINUTE) + n: deed for n, deed in ((1, deeds["first"]),)}
        trader = market.trader(strategy, until=times[1], journal=lab.journal)
        record = await trader.run()
        assert record.books is not None
        assert record.books.equal, record.books
    return trader


async def test_a_split_over_night_is_explained(lab: Any) -> None:
    """AAPL on 28 February 2005, two for one: twice the shares at the same cost, books equal, nothing realised."""
    day = date(2005, 2, 25)
    market = lab.exchange(day=day, days=2)
    trader = await over_night(lab, day, market=market, first=lambda s: s.buy("AAPL", 11))
    portfolio = trader.gateway.blotter.portfolio
    assert portfolio.qty("AAPL") == 22 == market.thread.books().positions["AAPL"][0]
    assert portfolio.realised == 0
    assert {each.reason for each in trader.gateway.blotter.moved.values()} == {"split"}
    assert trader.gateway.blotter.sleeve("scripted", "AAPL") == 22


async def test_options_on_what_splits_are_explained(lab: Any) -> None:
    """Two contracts held over that night are four at half the strike, at the same cost, and the books stay equal."""
    day = date(2005, 2, 25)
    market = lab.exchange(**play_out_split())
    bought = "AAPL050318C00085000"

    def buys(strategy: Any) -> None:
        strategy.buy("AAPL", 100)
        market.place(OrderRequest(symbol=bought, qty=Amount(2), side="buy", type="market", time_in_force="day"))

    trader = await over_night(lab, day, market=market, first=buys)
    portfolio = trader.gateway.blotter.portfolio
    adjusted = "AAPL050318C00042500"
    assert {symbol: each.qty for symbol, each in portfolio.positions.items()} == {"AAPL": 200, adjusted: 4}
    assert {symbol: qty for symbol, (qty, _) in market.thread.books().positions.items()} == {"AAPL": 200, adjusted: 4}
    assert portfolio.realised == 0
    reasons = sorted(str(each.reason) for each in trader.gateway.blotter.moved.values())
    assert reasons == ["corporate_action", "corporate_action", "split"]


def play_out_split() -> dict[str, Any]:
    """The configuration of `puna exchange --scenario split-overnight`."""
    config = play_out(ExchangeConfig(), ["split-overnight"])
    return {"day": config.day, "days": config.days}


def test_a_contract_that_was_adjusted_is_found_by_what_it_delivers() -> None:
    """Size times strike stays, or size and strike under another root; what fits twice, or nothing, is not explained."""
    old, half, odd = "SPY260320C00500000", "SPY260320C00250000", "SPY1260320C00500000"
    ours = books(**{old: ("-3", "-900"), "SPY260320P00500000": ("1", "50"), "QQQ260320C00500000": ("-3", "-900")})
    found = after(ours, activity("OPCA", symbol=half, qty="-6"))
    assert (found.qty(old), found.qty(half), found.position(half).cost, found.realised) == (0, -6, -900, 0)
    found = after(ours, activity("OPCA", symbol=odd, qty="-3"))
    assert (found.qty(old), found.qty(odd), found.position(odd).cost) == (0, -3, -900)
    for symbol, qty in ((half, "-5"), (half, "6"), (odd, "-6"), ("SPY260320C00200000", "-7"), ("SPY", "1")):
        assert after(ours, activity("OPCA", symbol=symbol, qty=qty)) == ours
    chain = books(**{old: ("3", "900"), half: ("1", "400")})
    rows = [("SPY260320C00125000", "2", "1::a"), (half, "6", "2::b")]
    found = after(chain, *(activity("OPCA", symbol=symbol, qty=qty, id=key) for symbol, qty, key in rows))
    assert {symbol: (each.qty, each.cost) for symbol, each in found.positions.items()} == {
        "SPY260320C00125000": (2, 400), half: (6, 900)
    }  # fmt: skip
    assert found.realised == 0


async def test_options_that_end_are_explained(lab: Any) -> None:
    """A put far from the money bought on its last day expires; a call in the money becomes 100 shares (NTA)."""
    day = date(2012, 9, 21)
    told = VenueOptions(account=AccountTerms(option_activities="at_once"))  # on paper the next day: until then it halts
    market = lab.exchange(day=day, days=2, cash=D(200_000), venue=told)

    def buys(_: Any) -> None:
        for symbol in ("AAPL120921P00600000", "AAPL120921C00600000"):
            request = OrderRequest(symbol=symbol, qty=Amount(1), side="buy", type="market", time_in_force="day")
            market.place(request)

    trader = await over_night(lab, day, market=market, first=buys)
    portfolio = trader.gateway.blotter.portfolio
    assert set(portfolio.positions) == {"AAPL"} == set(market.thread.books().positions)
    assert portfolio.qty("AAPL") == 100
    assert portfolio.cash == market.thread.books().cash
    reasons = sorted(str(each.reason) for each in trader.gateway.blotter.moved.values())
    assert reasons == ["exercise", "exercise", "expiry"]
