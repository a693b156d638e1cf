"""Options at the venue: levels, cover, prices, fills, and multi-leg orders whole (facts.md 5.2, 5.3 and 11)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.account.activities import Query
from puna.exchange.orders.book import Paper
from puna.exchange.venue import Refusal
from puna.seams import seeded_rng
from puna.wire.trading import Order

C100, C105, C110 = "AAPL121019C00100000", "AAPL121019C00105000", "AAPL121019C00110000"
P90, P95, P100 = "AAPL121019P00090000", "AAPL121019P00095000", "AAPL121019P00100000"
LATER = "AAPL121116P00095000"
IBM = "IBM121019C00200000"
CONTRACTS = dict.fromkeys((C100, C105, C110, P90, P95, P100, LATER, "AAPL120921C00100000"), True) | {IBM: False}
QUOTES = {
    C100: (3.0, 3.1),
    C105: (1.4, 1.5),
    C110: (0.5, 0.6),
    P90: (0.3, 0.4),
    P95: (1.2, 1.3),
    P100: (2.9, 3.0),
    LATER: (2.0, 2.1),
    IBM: (5.0, 5.2),
}
HOUR = 3600.0
CLOSE = 6.5 * HOUR


def rows(seconds: float = 0, size: int = 100, changed: Any = None) -> list[tuple[Any, ...]]:
    """Quotes of all contracts, then of the stocks that they stand on."""
    known = QUOTES | (changed or {})
    listed = [(seconds, symbol, *sides, size) for symbol, sides in known.items()]
    return [*listed, (seconds, "AAPL", 99.98, 100.0, 10_000), (seconds, "IBM", 199.9, 200.0, 10_000)]


@pytest.fixture
def here(world: Any) -> Any:
    """A venue in core hours, with quotes of seven contracts on AAPL and one on IBM."""
    w = world(*rows(), contracts=CONTRACTS)
    w.to(1)
    return w


def refusal(message: str, code: int = 42210000, status: int = 422, **details: object) -> Refusal:
    return Refusal(status, code, message, details)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"qty": "0.5"}, "qty must be integer for options trading"),
    ({"qty": None, "notional": 100}, "notional orders are not supported for options trading"),
    ({"type": "trailing_stop", "trail_price": 1}, "invalid order type for options trading"),
    ({"time_in_force": "ioc"}, "order_time_in_force provided not supported for options trading"),
    ({"time_in_force": "opg"}, "order_time_in_force provided not supported for options trading"),
    (
        {"type": "limit", "limit_price": 3, "extended_hours": True},
        "extended hours is not supported for options trading",
    ),
    (
        {"order_class": "bracket", "take_profit": 9, "stop_loss": 1},
        "complex orders not supported for options trading",
    ),
    ({"symbol": "AAPL121019C00101000"}, 'contract "AAPL121019C00101000" not found'),
    ({"symbol": "AAPL110121C00100000"}, 'contract "AAPL110121C00100000" is expired'),
    ({"type": "limit", "limit_price": "3.01"}, "invalid limit_price 3.01. price must be a multiple of 0.05"),
    ({"type": "limit", "limit_price": "2.995"}, "invalid limit_price 2.995. price must be a multiple of 0.01"),
    (
        {"symbol": IBM, "type": "limit", "limit_price": "5.05"},
        "invalid limit_price 5.05. price must be a multiple of 0.10",
    ),
    ({"position_intent": "buy_to_close"}, "position intent mismatch, inferred: buy_to_open, specified: buy_to_close"),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED)
def test_an_option_order_that_makes_no_sense(here: Any, asked: dict[str, Any], message: str) -> None:
    """422 42210000 in the docs' own words; the tick's are INF."""
    assert here.refused(**{"symbol": C100, **asked}) == refusal(message)
    assert here.venue.orders(status="all") == []


def test_a_market_order_needs_the_market(world: Any) -> None:
    """Only while it is open; a limit order waits for the open and fills then (facts.md 5.2)."""
    w = world(*rows(), contracts=CONTRACTS, closes={"AAPL": 99.0, C100: 3.0})
    w.to(-HOUR)
    assert w.refused(symbol=C100) == refusal("options market orders are only allowed during market hours")
    order = w.limit("3.10", symbol=C100)
    assert order.status == "accepted"
    w.to(2)
    assert w.fills(order) == [(1, Decimal("3.1"))]


@pytest.mark.parametrize(
    ("level", "asked", "message"),
    [
        (0, {"symbol": C100}, "account not authorized to trade options"),
        (1, {"symbol": C100}, "account not eligible to trade long option contracts"),
        (1, {"symbol": P95, "side": "sell"}, None),
        (2, {"symbol": C100}, None),
    ],
)
def test_levels(world: Any, level: int, asked: dict[str, Any], message: str | None) -> None:
    """0 nothing, 1 what is covered, 2 long options, 3 spreads (facts.md 11)."""
    w = world(*rows(), contracts=CONTRACTS, options_level=level)
    w.to(1)
    reply = w.submit(**asked)
    assert isinstance(reply, Order) if message is None else reply == refusal(message, 40310000, 403)
    assert w.venue.account(w.now).options_trading_level == str(level)
    if level < 3:
        said = "authorized to trade options" if not level else "eligible to trade spreads or uncovered contracts"
        assert w.multileg(f"buy {C100}", f"sell {C105}", limit_price=2).message == f"account not {said}"


def test_a_long_option_is_paid_from_options_buying_power(here: Any) -> None:
    """A hundred times its price, whole; the position is worth a hundred times its mark (facts.md 11)."""
    before = here.venue.account(here.now).options_buying_power
    order = here.limit("3.10", symbol=C100, qty=2)
    assert here.venue.account(here.now).options_buying_power == before - 620
    here.to(2)
    assert here.fills(order) == [(2, Decimal("3.1"))]
    position, account = here.venue.position(C100), here.venue.account(here.now)
    assert (position.qty, position.market_value, position.cost_basis) == (2, 610, 620)
    assert (account.cash, account.options_buying_power, account.equity) == (99_380, 99_380, 99_990)
    assert position.asset_class == "us_option"
    told = here.refused(symbol=C100, type="limit", limit_price=4, qty=300)
    assert told == refusal("insufficient options buying power (required: 120000, available: 99380)", 40310000, 403)


def test_what_is_sold_beyond_what_is_held_is_uncovered(here: Any) -> None:
    """The observed answer, also when another order holds the contracts (find_string 60416579289)."""
    here.order(symbol=C100, qty=2)
    here.to(2)
    here.limit(5, symbol=C100, side="sell", qty=2)
    assert here.venue.position(C100).qty_available == 0
    uncovered = refusal("account not eligible to trade uncovered option contracts", 40310000, 403)
    assert here.refused(symbol=C100, side="sell") == uncovered
    assert here.refused(symbol=C100, side="sell", type="limit", limit_price=6, qty=3) == uncovered


def test_a_covered_call_locks_its_shares(here: Any) -> None:
    """A hundred for each; while the order is open, and while the call is held (facts.md 5.5 and 11)."""
    told = here.refused(symbol=C105, side="sell", qty=2)
    details = {
        "available_qty": "0",
        "required_qty": "200",
        "symbol": "AAPL",
        "underlying_asset_id": "id-of-AAPL",
    }
    words = "insufficient underlying qty available for covered call (required: 200, available: 0)"
    assert told == refusal(words, 40310000, 403, **details)
    here.order(qty=250)
    here.to(2)
    order = here.limit(2, symbol=C105, side="sell", qty=2)
    assert here.venue.position("AAPL").qty_available == 50
    assert here.refused(symbol=C100, side="sell").details["available_qty"] == "50"
    assert here.refused(side="sell", qty=51).details["available"] == "50"
    here.cancel(order.id)
    here.to(3)
    assert here.venue.position("AAPL").qty_available == 250
    here.order(symbol=C105, side="sell", qty=2)
    here.to(4)
    assert here.venue.position("AAPL").qty_available == 50
    assert (here.venue.position(C105).qty, here.venue.position(C105).market_value) == (-2, -290)
    here.order(symbol=C105, qty=2, position_intent="buy_to_close")
    here.to(5)
    assert here.venue.position("AAPL").qty_available == 250


def test_a_put_is_secured_by_cash(here: Any) -> None:
    """Strike times a hundred, from the order on; the premium comes on top (facts.md 11)."""
    order = here.limit("1.3", symbol=P95, side="sell", qty=5)
    assert here.venue.account(here.now).options_buying_power == 100_000 - 47_500
    here.cancel(order.id)
    here.to(2)
    here.order(symbol=P95, side="sell", qty=5)
    here.to(3)
    account = here.venue.account(here.now)
    assert (account.cash, account.options_buying_power) == (100_600, 100_600 - 47_500)
    told = here.refused(symbol=P95, side="sell", qty=6)
    assert told.message == "insufficient options buying power (required: 57000, available: 53100)"


def test_stops_of_options_are_elected_by_prints(world: Any) -> None:
    """A print of the contract at the stop or below sells it at the bid of that moment (facts.md 5.2)."""
    later = [(5, C100, 2.0, 2.1, 100), (5, C100, 2.0), *rows(5, changed={C100: (2.0, 2.1)})]
    w = world(*rows(), *later, contracts=CONTRACTS)
    w.to(1)
    w.order(symbol=C100)
    w.to(2)
    order = w.order(symbol=C100, side="sell", type="stop", stop_price="2.5")
    w.to(4)
    assert w.statuses(order) == ["new"]
    w.to(6)
    assert w.fills(order) == [(1, 2)]


def test_open_orders_and_marks_follow_the_underlying(world: Any) -> None:
    """Its quote is what brings the options' quotes along; a resting limit fills, a position has another value."""
    w = world(*rows(), *rows(10, changed={C100: (2.5, 2.6)}), contracts=CONTRACTS)
    w.to(1)
    w.order(symbol=C100)
    order = w.limit("2.6", symbol=C100)
    w.to(9)
    assert (w.statuses(order), w.venue.position(C100).current_price) == (["new"], Decimal("3.05"))
    w.to(11)
    assert (w.fills(order), w.venue.position(C100).current_price) == ([(1, Decimal("2.6"))], Decimal("2.55"))


# Multi-leg orders.

SPREAD = (f"buy {C100}", f"sell {C105}")
CONDOR = (f"buy_to_open {P90}", f"sell_to_open {P95}", f"sell_to_open {C105}", f"buy_to_open {C110}")


def test_a_spread_fills_all_legs_together(here: Any, recorded: Any, plain: Any) -> None:
    """At the net of ask and bid, one update for all, shaped as documented (facts.md 5.3 and 8)."""
    order = here.multileg(*SPREAD, qty=2, limit_price="1.80")
    assert (order.symbol, order.asset_class, order.order_class, order.side) == ("", "", "mleg", "buy")
    assert [(each.qty, each.ratio_qty, each.type, each.limit_price) for each in order.legs] == [(2, 1, "", None)] * 2
    here.to(2)
    assert here.events() == ["pending_new", "new", "fill"]
    fill = here.updates[-1]
    assert (fill.price, fill.qty, fill.execution_id, fill.position_qty) == (Decimal("1.7"), 2, None, None)
    assert fill.position_qtys == {C100: 2, C105: -2}
    assert [(each.symbol, each.qty, each.price) for each in fill.legs] == [
        (C100, 2, Decimal("3.1")),
        (C105, 2, Decimal("1.4")),
    ]
    assert (here.shown(order).filled_avg_price, here.shown(order).status) == (Decimal("1.7"), "filled")
    assert [each.status for each in here.shown(order).legs] == ["filled", "filled"]
    assert here.venue.ledger.cash == 100_000 - 340
    rows = here.venue.office.activities.find(Query(types={"FILL"}, ascending=True))
    assert [(row.symbol, row.side, row.qty, row.price) for row in rows] == [
        (C100, "buy", 2, Decimal("3.1")),
        (C105, "sell", 2, Decimal("1.4")),
    ]
    real = next(
        each["body"]["data"]
        for each in recorded("trade_updates_events")
        if each["body"].get("data", {}).get("position_qtys")
    )
    ours = plain(fill)
    assert {key for key, value in ours.items() if value is not None} - {"settle_date"} == set(real)
    assert set(ours["legs"][0]) == set(real["legs"][0])
    assert set(real["order"]["legs"][0]) <= set(ours["order"]["legs"][0])


def test_a_credit_is_a_negative_limit(here: Any) -> None:
    """An iron condor for a credit of 1.60: a hundred times five of width, less the credit, is what it costs."""
    refused = here.multileg(*CONDOR, qty=1000, limit_price="-1.60")
    assert refused.message == "insufficient options buying power (required: 340000, available: 100000)"
    order = here.multileg(*CONDOR, limit_price="-1.70")
    assert (order.side, order.limit_price) == ("sell", Decimal("-1.7"))
    here.to(2)
    assert here.statuses(order) == ["new"]
    better = here.replace(order.id, limit_price="-1.60")
    here.to(3)
    assert here.statuses(order, better) == ["replaced", "filled"]
    assert here.updates[-1].price == Decimal("-1.6")
    account = here.venue.account(here.now)
    assert (account.cash, account.options_buying_power) == (100_160, 100_160 - 500)
    assert len(here.venue.positions()) == 4


def test_a_condor_is_closed_by_its_opposite(here: Any) -> None:
    """Closing legs are inferred; afterwards nothing is held and nothing locked."""
    here.multileg(*CONDOR, limit_price="-1.60")
    here.to(2)
    back = [f"{'sell' if leg.startswith('buy') else 'buy'}_to_close {leg.split()[1]}" for leg in CONDOR]
    order = here.multileg(*back, type="market")
    assert [each.position_intent for each in order.legs] == [leg.split()[0] for leg in back]
    here.to(3)
    assert (here.statuses(order), here.venue.positions()) == (["filled"], [])
    account = here.venue.account(here.now)
    assert account.options_buying_power == account.cash == here.venue.ledger.cash
    assert here.venue.ledger.imbalance == 0


def test_sizes_bind_the_legs_together(world: Any) -> None:
    """Seven are shown of each: with a ratio of two, three units fill, and the rest with the next quotes."""
    w = world(*rows(size=7), *rows(10, size=7), contracts=CONTRACTS)
    w.to(1)
    order = w.multileg(f"buy 2 {C110}", f"buy {P95}", qty=5, limit_price=3)
    w.to(2)
    assert (w.shown(order).filled_qty, w.statuses(order)) == (3, ["partially_filled"])
    assert [each.filled_qty for each in w.shown(order).legs] == [6, 3]
    w.to(11)
    assert [each.filled_qty for each in w.shown(order).legs] == [10, 5]
    assert w.events(order) == ["pending_new", "new", "partial_fill", "fill"]


def test_paper_looks_at_no_size(world: Any) -> None:
    """A hundred units of what is shown once."""
    w = world(*rows(size=1), contracts=CONTRACTS, fills=Paper(seeded_rng(1), partial=0.0))
    w.to(1)
    order = w.multileg(*SPREAD, qty=100, limit_price=2)
    w.to(2)
    assert w.statuses(order) == ["filled"]


MULTILEG: list[tuple[tuple[str, ...], dict[str, Any], Refusal]] = [
    ((f"buy {C100}",), {}, refusal("mleg orders must have at least 2 legs and at most 4 legs")),
    (
        (f"buy {C100}", f"sell {C105}", f"buy {C110}", f"buy {P90}", f"buy {P95}"),
        {},
        refusal("mleg orders must have at least 2 legs and at most 4 legs"),
    ),
    ((f"buy {C100}", f"sell {C100}"), {}, refusal("mleg orders must have unique legs")),
    (
        (f"buy 2 {C100}", f"sell 2 {C105}"),
        {},
        refusal("leg ratio quantities should be relatively prime: GCD[2 2] = 2"),
    ),
    ((f"buy 1.5 {C100}", f"sell {C105}"), {}, refusal("leg.0 ratio_qty must be a positive integer")),
    ((f"buy {C100}", f"_ {C105}"), {}, refusal("leg.1 position intent is required")),
    ((f"buy {C100}", f"sell {IBM}"), {}, refusal("underlying asset mismatch: AAPL != IBM")),
    ((f"buy {C100}", "sell AAPL121019C00101000"), {}, refusal("asset not found for AAPL121019C00101000")),
    ((f"buy {C100}", "sell AAPL110121C00100000"), {}, refusal('contract "AAPL110121C00100000" is expired')),
    (
        (f"buy {C100}", "sell AAPL"),
        {},
        refusal("equity legs are allowed only with a corresponding amount of call contracts"),
    ),
    (
        (f"buy {C100}", f"sell_to_close {C105}"),
        {},
        refusal("position intent mismatch, inferred: sell_to_open, specified: sell_to_close"),
    ),
    (
        (f"buy {C100}", f"sell 2 {C105}"),
        {},
        refusal("mleg uncovered short contracts not allowed, please use single leg order", 40310000, 403),
    ),
    (
        (f"buy {P95}", f"sell {LATER}"),
        {},
        refusal("mleg uncovered short contracts not allowed, please use single leg order", 40310000, 403),
    ),
    (SPREAD, {"limit_price": None}, refusal("limit price is required for limit orders")),
    (SPREAD, {"type": "market"}, refusal("limit price is only valid for limit orders")),
    (SPREAD, {"limit_price": "1.805"}, refusal("invalid limit price")),
    (SPREAD, {"time_in_force": "gtc"}, refusal("invalid time in force")),
    (SPREAD, {"type": "stop", "stop_price": 1}, refusal("invalid order type for options trading")),
    (SPREAD, {"qty": None}, refusal("qty is required", 40010001)),
    (SPREAD, {"qty": 0}, refusal("qty must be > 0", 40010001)),
    (SPREAD, {"qty": "1.5"}, refusal("qty must be integer for options trading")),
    (SPREAD, {"extended_hours": True}, refusal("extended hours is not supported for options trading")),
]


@pytest.mark.parametrize(("legs", "fields", "expected"), MULTILEG)
def test_a_multi_leg_order_that_makes_no_sense(
    here: Any, legs: tuple[str, ...], fields: dict[str, Any], expected: Refusal
) -> None:
    """Each in its own words; nothing of it is done."""
    assert here.multileg(*legs, **{"limit_price": 2, **fields}) == expected
    assert here.venue.orders(status="all") == []


def test_what_the_sources_leave_open_can_be_chosen(world: Any) -> None:
    """The parent's side, and whether gtc is taken (facts.md 13.5 and 13.10)."""
    w = world(*rows(), contracts=CONTRACTS, multileg_side="blank", multileg_gtc=True, option_gtc="limit")
    w.to(1)
    order = w.multileg(*SPREAD, limit_price=1, time_in_force="gtc")
    assert (order.side, order.time_in_force) == ("", "gtc")
    assert isinstance(w.submit(symbol=C100, type="limit", limit_price=1, time_in_force="gtc"), Order)
    assert isinstance(w.submit(symbol=C100, time_in_force="gtc"), Refusal)


def test_a_spread_is_no_more_than_its_legs_in_lists(here: Any) -> None:
    """Legs stand below their parent, nested or not, and are found by their own ids; a leg's cancel is the order's."""
    order = here.multileg(*SPREAD, limit_price=1)
    here.to(2)
    for nested in (False, True):
        (listed,) = here.venue.orders(nested=nested)
        assert [each.id for each in listed.legs] == [each.id for each in order.legs]
    assert here.venue.order(order.legs[0].id).symbol == C100
    assert [each.id for each in here.venue.orders(symbols=["AAPL"])] == [order.id]
    assert here.cancel(order.legs[1].id) is None
    here.to(3)
    assert here.statuses(order, *order.legs) == ["canceled"] * 3
    assert here.events(order)[-2:] == ["pending_cancel", "canceled"]


def test_the_cover_of_a_short_is_not_sold_alone(here: Any) -> None:
    """Without its long leg the spread's short call would be uncovered (find_string 63197546347)."""
    here.multileg(*SPREAD, limit_price=2)
    here.to(2)
    uncovered = refusal("account not eligible to trade uncovered option contracts", 40310000, 403)
    assert here.refused(symbol=C100, side="sell") == uncovered
    assert here.close(C100) == uncovered
    here.order(symbol=C105, position_intent="buy_to_close")
    here.to(3)
    assert isinstance(here.close(C100), Order)


def test_an_open_spread_takes_what_it_costs(here: Any) -> None:
    """The cost basis of the order: nothing locked beyond its debit, or its margin less its credit."""
    here.multileg(*SPREAD, limit_price="1.00", qty=3)
    assert here.venue.account(here.now).options_buying_power == 100_000 - 300
    here.multileg(f"sell {P95}", f"buy {P90}", limit_price="-1.00", qty=2)
    assert here.venue.account(here.now).options_buying_power == 100_000 - 300 - 800


def test_day_orders_in_options_expire(here: Any) -> None:
    """At the close, single and multi-leg, legs with it."""
    single, spread = here.limit(1, symbol=C100), here.multileg(*SPREAD, limit_price=1)
    here.to(CLOSE + 1)
    assert here.statuses(single, spread, *spread.legs) == ["expired"] * 4


def test_contracts_of_today_trade_until_the_close(world: Any) -> None:
    """Afterwards they have expired."""
    name = "AAPL120921C00100000"
    w = world((0, name, 1.0, 1.1), (0, "AAPL", 99.98, 100.0), contracts=CONTRACTS, days=(date(2012, 9, 21),))
    w.to(1)
    assert isinstance(w.submit(symbol=name), Order)
    w.to(CLOSE + 1)
    assert w.refused(symbol=name, type="limit", limit_price=1) == refusal(f'contract "{name}" is expired')


def test_a_gtc_order_ends_with_its_contract(world: Any) -> None:
    """It does not outlive the contract's last session, though it could have lived for ninety days."""
    name = "AAPL120921C00100000"
    days = (date(2012, 9, 21), date(2012, 9, 24))
    w = world((0, name, 1.0, 1.1), (0, "AAPL", 99.98, 100.0), contracts=CONTRACTS, days=days)
    w.to(1)
    order = w.limit("0.5", symbol=name, time_in_force="gtc")
    assert order.expires_at == w.open + CLOSE * 10**9
    w.to(CLOSE - 1)
    assert w.statuses(order) == ["new"]
    w.to(CLOSE + 1)
    assert w.statuses(order) == ["canceled"]
