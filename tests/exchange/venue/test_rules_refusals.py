"""Every refusal of an order, each with its status, code, words and further keys (facts.md 3 and 5.2)."""

from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.venue import Refusal
from puna.wire.trading import AdvancedInstructions, LegRequest, Order

SUB_PENNY = "sub-penny increment does not fulfill minimum pricing criteria"
LIMIT = {"type": "limit", "limit_price": 90}

# (facts key, what is asked, status, code, message)
PLAIN: list[tuple[str, dict[str, Any], int, int, str]] = [
    ("3 ERR", {"qty": None}, 422, 40010001, "qty or notional is required"),
    ("3 ERR", {"notional": 10}, 422, 40010001, "only one of qty or notional is accepted"),
    ("3 ERR", {"qty": 0}, 422, 40010001, "qty must be > 0"),
    ("3 ERR", {"qty": -1}, 422, 40010001, "qty must be > 0"),
    ("3 ERR", {"qty": None, "notional": 0}, 422, 40010001, "notional must be > 0"),
    ("5.1", {"qty": "0.0000000001"}, 422, 40010001, "qty must be limited to 9 decimal places"),
    ("INF", {"symbol": None}, 422, 40010001, "symbol is required"),
    ("INF", {"side": None}, 422, 40010001, "invalid side"),
    ("INF", {"side": "short"}, 422, 40010001, "invalid side"),
    ("INF", {"type": "iceberg"}, 422, 40010001, "invalid order type"),
    ("INF", {"time_in_force": "gtd"}, 422, 40010001, "invalid time_in_force"),
    ("INF", {"order_class": "trio"}, 422, 40010001, "invalid order_class"),
    ("3 ERR", {"type": "limit"}, 422, 40010001, "limit orders require a limit price"),
    ("3 ERR", {"limit_price": 9}, 422, 40010001, "market orders require no stop or limit price"),
    ("3 ERR", {"stop_price": 9}, 422, 40010001, "market orders require no stop or limit price"),
    ("INF", {"type": "stop"}, 422, 40010001, "stop orders require a stop price"),
    ("INF", {"type": "stop", "stop_price": 101, "limit_price": 9}, 422, 40010001, "stop orders require no limit price"),
    ("INF", {**LIMIT, "stop_price": 9}, 422, 40010001, "limit orders require no stop price"),
    (
        "3 ERR",
        {"type": "stop_limit", "stop_price": 9},
        422,
        40010001,
        "stop limit orders require both stop and limit price",
    ),
    (
        "3 ERR",
        {"type": "stop_limit", "limit_price": 9},
        422,
        40010001,
        "stop limit orders require both stop and limit price",
    ),
    ("INF", {"type": "limit", "limit_price": 0}, 422, 40010001, "limit price must be > 0"),
    ("INF", {"type": "stop", "stop_price": -1}, 422, 40010001, "stop price must be > 0"),
    ("3 ERR", {"client_order_id": "x" * 129}, 422, 40010001, "client_order_id must be no more than 128 characters"),
    ("3 ERR", {"symbol": "NOPE"}, 422, 42210000, 'asset "NOPE" not found'),
    ("OPT", {"symbol": "AAPL250620C00100000"}, 422, 42210000, 'contract "AAPL250620C00100000" not found'),
    ("OPT", {"symbol": "AAPL100618C00100000"}, 422, 42210000, 'contract "AAPL100618C00100000" is expired'),
    ("3 ERR", {"symbol": "BTC/USD"}, 422, 42210000, 'asset "BTC/USD" not found'),
    (
        "INF",
        {"legs": [LegRequest(symbol="X", ratio_qty=Decimal(1))]},
        422,
        42210000,
        "legs require order_class mleg",
    ),
    ("3 ERR", {"symbol": "no such thing"}, 422, 42210000, 'asset "no such thing" not found'),
    ("INF", {"symbol": "DEAD"}, 422, 42210000, 'asset "DEAD" is not tradable'),
    ("5.2 ORD", {**LIMIT, "limit_price": "290.123"}, 422, 42210000, f"invalid limit_price 290.123. {SUB_PENNY}"),
    (
        "5.2 ORD",
        {"type": "stop", "stop_price": "290.123"},
        422,
        42210000,
        f"invalid stop_price 290.123. {SUB_PENNY}",
    ),
    ("5.2 ORD", {**LIMIT, "limit_price": "0.12345"}, 422, 42210000, f"invalid limit_price 0.12345. {SUB_PENNY}"),
    (
        "3 ERR",
        {"qty": "0.5", "time_in_force": "gtc"},
        422,
        42210000,
        "fractional orders must be DAY orders",
    ),
    (
        "3 ERR",
        {"qty": None, "notional": 10, "time_in_force": "ioc"},
        422,
        42210000,
        "fractional orders must be DAY orders",
    ),
    ("3 ERR", {"qty": "0.5", "order_class": "bracket"}, 422, 42210000, "fractional orders must be simple orders"),
    ("3 ERR", {"qty": "0.5", "symbol": "WHOLE"}, 403, 40310000, 'asset "WHOLE" is not fractionable'),
    ("3 ERR", {"qty": None, "notional": "0.99"}, 403, 40310000, "cost basis must be >= minimal amount of order 1"),
    ("3 ERR", {"qty": "0.009"}, 403, 40310000, "cost basis must be >= minimal amount of order 1"),
    ("3 ERR", {"extended_hours": True}, 422, 42210000, "extended hours order must be DAY or GTC limit orders"),
    (
        "3 ERR",
        {**LIMIT, "time_in_force": "ioc", "extended_hours": True},
        422,
        42210000,
        "extended hours order must be DAY or GTC limit orders",
    ),
    (
        "3 ERR",
        {"position_intent": "buy_to_close"},
        422,
        42210000,
        "position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
    ),
    (
        "find_string 54650649426",
        {"side": "sell", "qty": "0.5"},
        422,
        42210000,
        "fractional orders cannot be sold short",
    ),
    ("find_string 68905162627", {"side": "sell", "symbol": "HARD"}, 422, 42210000, 'asset "HARD" cannot be sold short'),
    ("INF", {"symbol": "SILENT"}, 422, 42210000, 'no price is known for asset "SILENT"'),
    (
        "find_string 52694518797",
        {"type": "trailing_stop"},
        422,
        40010001,
        "trailing stop orders must specify one of trail_price or trail_percent",
    ),
    (
        "find_string 52694518797",
        {"type": "trailing_stop", "trail_price": 1, "trail_percent": 1},
        422,
        40010001,
        "trailing stop orders must specify one of trail_price or trail_percent",
    ),
    (
        "3 ERR",
        {"type": "trailing_stop", "trail_percent": "0.09"},
        422,
        40010001,
        "trail_percent must be greater than or equal to 0.1",
    ),
    ("INF", {"type": "trailing_stop", "trail_percent": 100}, 422, 40010001, "trail_percent must be less than 100"),
    ("INF", {"type": "trailing_stop", "trail_price": 0}, 422, 40010001, "trail_price must be > 0"),
    (
        "INF",
        {"type": "trailing_stop", "trail_price": 1, "stop_price": 9},
        422,
        40010001,
        "trailing stop orders require no stop or limit price",
    ),
    ("find_string 62591221107", {"trail_price": 1}, 422, 40010001, "market orders must not have trail_price"),
    (
        "5.2",
        {"type": "trailing_stop", "trail_price": 1, "time_in_force": "ioc"},
        422,
        42210000,
        "trailing stop orders must be DAY or GTC orders",
    ),
    (
        "INF",
        {"type": "trailing_stop", "trail_price": 1, "qty": "0.5"},
        422,
        42210000,
        "fractional orders cannot be trailing stop orders",
    ),
    (
        "5.2",
        {"type": "trailing_stop", "trail_price": 1, "extended_hours": True},
        422,
        42210000,
        "extended hours order must be DAY or GTC limit orders",
    ),
    (
        "3 ERR",
        {"time_in_force": "opg"},
        403,
        40310000,
        "opg orders must be submitted after 7:00pm and before 9:28am",
    ),
    (
        "INF",
        {"time_in_force": "cls", "type": "stop", "stop_price": 120},
        422,
        42210000,
        "cls orders must be market or limit orders",
    ),
    (
        "SPEC-T",
        {**LIMIT, "qty": "0.5", "extended_hours": True},
        422,
        42210000,
        'asset "AAPL" is not fractionable in extended hours',
    ),
    (
        "find_string 62591221107",
        {"advanced_instructions": AdvancedInstructions(algorithm="VWAP")},
        403,
        40310000,
        "account not allowed to use advanced_instructions",
    ),
]


@pytest.fixture
def here(world: Any, make_asset: Any) -> Any:
    """A venue in the middle of trading, with one asset for each way in which an asset can be difficult."""
    w = world(
        *((second, "AAPL", 99.98, 100.0) for second in range(60)),
        assets=[
            make_asset("AAPL"),
            make_asset("DEAD", tradable=False),
            make_asset("WHOLE", fractionable=False),
            make_asset("HARD", shortable=False),
            make_asset("SILENT"),
        ],
        closes={"AAPL": 99.0, "HARD": 50.0, "WHOLE": 50.0},
    )
    w.to(1)
    return w


@pytest.mark.parametrize(("source", "asked", "status", "code", "message"), PLAIN)
def test_a_request_that_makes_no_sense(
    here: Any, source: str, asked: dict[str, Any], status: int, code: int, message: str
) -> None:
    """It is refused with exactly this answer, nothing of it is done, and the log has it."""
    before = here.venue.account(here.now)
    assert here.refused(**asked) == Refusal(status, code, message), source
    assert here.venue.orders(status="all") == []
    assert here.venue.account(here.now) == before
    assert '"kind":"refusal"' in here.lines[-1]


def test_prices_below_a_dollar_have_four_decimals(here: Any) -> None:
    """0.1234 is a price; trailing zeros do not count."""
    assert here.limit("0.1234").limit_price == Decimal("0.1234")
    assert here.limit("90.1000").status == "pending_new"


def test_a_client_order_id_is_used_once_and_for_good(here: Any) -> None:
    """Also after its order has ended, and for a replacement (recorded)."""
    unique = Refusal(422, 40010001, "client_order_id must be unique")
    first = here.limit(90, client_order_id="mine")
    here.to(2)
    other = here.limit(91, client_order_id="other")
    here.to(3)
    here.cancel(first.id)
    here.to(4)
    assert here.refused(client_order_id="mine") == unique
    assert here.replace(other.id, limit_price=92, client_order_id="mine") == unique
    assert here.refused(client_order_id="other") == unique


def test_the_length_of_a_client_order_id_can_be_set(world: Any) -> None:
    """48 characters, as it was in 2023 (facts.md 5.1)."""
    w = world(client_order_id_length=48)
    w.to(1)
    assert w.refused(client_order_id="x" * 49).message == "client_order_id must be no more than 48 characters"
    assert w.order(client_order_id="x" * 48)


def test_insufficient_buying_power(here: Any) -> None:
    """403 with `buying_power` and `cost_basis` as text; the ask counts for a market order (facts.md 5.2)."""
    refusal = here.refused(qty=4001)
    assert (refusal.status, refusal.code, refusal.message) == (403, 40310000, "insufficient buying power")
    assert refusal.details == {"buying_power": "400000", "cost_basis": "400100"}
    assert here.order(qty=4000)
    assert here.refused(qty=1).details == {"buying_power": "0", "cost_basis": "100"}


def test_an_absurd_order_is_refused_like_any_other(here: Any) -> None:
    """Fifteen digits times fifteen digits overflow nothing."""
    refusal = here.refused(
        type="limit", qty="999999999999999.999999999", limit_price="999999999999999.99", time_in_force="day"
    )
    assert refusal.message == "insufficient buying power"
    assert set(refusal.details["cost_basis"]) <= set("0123456789.")


def test_insufficient_quantity(here: Any) -> None:
    """403 with what is available, held, and by which orders; a long is never turned into a short."""
    here.order(qty=10)
    here.to(2)
    resting = here.limit(200, side="sell", qty=6)
    refusal = here.refused(side="sell", qty=5)
    assert refusal.message == "insufficient qty available for order (requested: 5, available: 4)"
    assert (refusal.status, refusal.code) == (403, 40310000)
    assert refusal.details == {
        "available": "4",
        "existing_qty": "10",
        "held_for_orders": "6",
        "related_orders": [resting.id],
        "symbol": "AAPL",
    }
    assert here.order(side="sell", qty=4)


@pytest.mark.parametrize("flip", [False, True])
def test_a_short_is_covered_before_it_is_turned(world: Any, flip: bool) -> None:
    """A buy beyond the short is refused too, unless the terms say otherwise."""
    w = world(flip_to_long=flip)
    w.to(1)
    w.order(side="sell", qty=10)
    w.to(2)
    reply = w.submit(qty=15)
    assert isinstance(reply, Order if flip else Refusal)
    w.to(3)
    assert w.venue.ledger.positions["AAPL"][0] == (5 if flip else -10)


WASHES: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    ({**LIMIT, "limit_price": 90}, {**LIMIT, "limit_price": 90, "side": "sell"}, "opposite side limit order exists"),
    ({**LIMIT, "limit_price": 90}, {**LIMIT, "limit_price": "90.01", "side": "sell"}, None),
    ({**LIMIT, "limit_price": 90}, {"side": "sell"}, "opposite side market/stop order exists"),
    (
        {**LIMIT, "limit_price": 90},
        {"side": "sell", "type": "stop", "stop_price": 80},
        "opposite side market/stop order exists",
    ),
    (
        {"type": "stop", "stop_price": 120},
        {**LIMIT, "limit_price": 300, "side": "sell"},
        "opposite side market/stop order exists",
    ),
    (
        {"type": "stop_limit", "stop_price": 120, "limit_price": 121},
        {**LIMIT, "limit_price": 121, "side": "sell"},
        "opposite side limit order exists",
    ),
    (
        {"type": "stop_limit", "stop_price": 120, "limit_price": 121},
        {**LIMIT, "limit_price": 122, "side": "sell"},
        None,
    ),
]


@pytest.mark.parametrize(("first", "second", "reason"), WASHES)
def test_wash_trades(here: Any, first: dict[str, Any], second: dict[str, Any], reason: str | None) -> None:
    """Always if either is market or stop; limits only when they could meet (facts.md 5.2, PROT)."""
    resting = here.order(**first)
    reply = here.submit(**second)
    if reason is None:
        assert isinstance(reply, Order)
    else:
        words = "potential wash trade detected. use complex orders"
        assert reply == Refusal(403, 40310000, words, {"existing_order_id": resting.id, "reject_reason": reason})


def test_wash_trades_end_with_the_order_and_can_be_allowed(world: Any) -> None:
    """Another symbol, the same side and an ended order are no reason; nor is anything when the rule is off."""
    rows = [(0, symbol, 99.98, 100.0) for symbol in ("AAPL", "IBM")]
    w = world(*rows)
    w.to(1)
    resting = w.limit(90)
    assert w.order(symbol="IBM", side="sell")
    assert w.limit(95)
    w.to(2)
    w.cancel_all()
    w.to(3)
    assert w.shown(resting).status == "canceled"
    assert w.order(side="sell")
    w = world(refuse_wash_trades=False)
    w.to(1)
    w.limit(90)
    assert w.order(side="sell")


BLOCKED: list[tuple[dict[str, Any], Refusal]] = [
    ({"trade_suspended_by_user": True}, Refusal(403, 40310000, "new orders are rejected by user request")),
    ({"trading_blocked": True}, Refusal(422, 40010001, "us_equity orders not allowed for account")),
    ({"account_blocked": True}, Refusal(422, 40010001, "us_equity orders not allowed for account")),
]


@pytest.mark.parametrize(("options", "refusal"), BLOCKED)
def test_an_account_that_may_not_trade(world: Any, options: dict[str, Any], refusal: Refusal) -> None:
    """Suspended by the user, or blocked by the broker: no order, and the account says so."""
    w = world(**options)
    w.to(1)
    assert w.refused() == refusal
    assert getattr(w.venue.account(w.now), next(iter(options))) is True


@pytest.mark.parametrize("options", [{"shorting_enabled": False}, {"cash": Decimal(1999)}, {"multiplier": 1}])
def test_an_account_that_may_not_short(world: Any, options: dict[str, Any]) -> None:
    """Switched off, under 2,000 of equity, or without margin (facts.md 5.2, MARG)."""
    w = world(**options)
    w.to(1)
    assert w.refused(side="sell") == Refusal(403, 40310000, "account is not allowed to short")
    assert w.venue.account(w.now).shorting_enabled is False
    assert w.order(side="buy")


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ({"type": "limit", "limit_price": 110}, 110),
        ({"type": "limit", "limit_price": 100}, 103),
        ({}, 103),
    ],
)
def test_what_an_opening_short_counts_as(here: Any, asked: dict[str, Any], value: int) -> None:
    """The larger of its limit and 1.03 times the ask (facts.md 5.2)."""
    here.order(side="sell", qty=10, **asked)
    assert here.venue.account(here.now).buying_power == 400_000 - 10 * value


@pytest.mark.parametrize(("seconds", "value"), [(-7200, 99), (-3600, Decimal("100.5")), (1, 101), (7 * 3600, 105)])
def test_what_a_market_buy_counts_as(world: Any, seconds: int, value: Decimal) -> None:
    """The ask in core hours, the midpoint in extended hours, the last price when there is no quote (facts.md 5.2)."""
    w = world((-5400, "AAPL", 100.0, 101.0), (0, "AAPL", 100.0, 101.0), (5, "AAPL", 105.0))
    w.to(seconds)
    w.order(qty=10)
    assert w.venue.account(w.now).buying_power == 400_000 - 10 * value


def test_what_a_stop_buy_counts_as(here: Any) -> None:
    """The limit it turns into: 4 % above a stop below 50, else 2.5 % (facts.md 5.2, ORD)."""
    here.order(type="stop", stop_price=110, qty=10)
    assert here.venue.account(here.now).buying_power == 400_000 - Decimal("1127.5")
    here.order(type="stop", stop_price=40, qty=10)
    assert here.venue.account(here.now).buying_power == 400_000 - Decimal("1127.5") - 416


def test_closing_orders_take_no_buying_power(here: Any) -> None:
    """Neither selling what is held nor covering a short (facts.md 5.2)."""
    here.order(qty=10)
    here.to(2)
    before = here.venue.account(here.now).buying_power
    here.limit(200, side="sell", qty=10)
    assert here.venue.account(here.now).buying_power == before


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], Refusal]] = [
    ("recorded", LIMIT, {"limit_price": 90}, Refusal(422, 42210000, "order parameters are not changed")),
    ("recorded", LIMIT, {}, Refusal(422, 42210000, "order parameters are not changed")),
    (
        "INF",
        LIMIT,
        {"client_order_id": "new"},
        Refusal(422, 42210000, "order parameters are not changed"),
    ),
    ("recorded", LIMIT, {"qty": "1.5"}, Refusal(422, 40010001, "qty must be integer")),
    ("recorded", LIMIT, {"limit_price": "90.123"}, Refusal(422, 42210000, f"invalid limit_price 90.123. {SUB_PENNY}")),
    ("3 ERR", LIMIT, {"stop_price": 80}, Refusal(422, 40010001, "limit orders require no stop price")),
    ("3 ERR", LIMIT, {"qty": 0}, Refusal(422, 40010001, "qty must be > 0")),
    (
        "INF",
        {**LIMIT, "qty": "1.5"},
        {"qty": 2},
        Refusal(422, 42210000, "qty of a fractional order cannot be changed"),
    ),
    (
        "INF",
        {**LIMIT, "qty": None, "notional": 50},
        {"limit_price": 91},
        Refusal(422, 42210000, "notional orders cannot be replaced"),
    ),
    ("INF", LIMIT, {"trail": 1}, Refusal(422, 40010001, "trail is only valid for trailing stop orders")),
    (
        "3 ERR",
        LIMIT,
        {"time_in_force": "opg"},
        Refusal(403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am"),
    ),
]


@pytest.mark.parametrize(("source", "asked", "change", "refusal"), CHANGES)
def test_a_replacement_that_is_refused(
    here: Any, source: str, asked: dict[str, Any], change: dict[str, Any], refusal: Refusal
) -> None:
    """The old order stays as it was (facts.md 5.4)."""
    order = here.order(**asked)
    here.to(2)
    assert here.replace(order.id, **change) == refusal, source
    assert here.shown(order).status == "new"
    assert [each.id for each in here.venue.orders(status="all")] == [order.id]


def test_a_replacement_must_be_paid_for_too_and_holds_the_larger_of_both(here: Any) -> None:
    """Its own predecessor does not count against it, and while both wait the larger one counts (facts.md 5.4)."""
    order = here.limit(90, qty=4000)
    here.to(2)
    free = 400_000 - 90 * 4000
    assert here.venue.account(here.now).buying_power == free
    refusal = here.replace(order.id, qty=5000)
    assert refusal.details == {"buying_power": "400000", "cost_basis": "450000"}
    assert isinstance(here.replace(order.id, qty=4200), Order)
    assert here.venue.account(here.now).buying_power == 400_000 - 90 * 4200
    here.to(3)
    assert here.venue.account(here.now).buying_power == 400_000 - 90 * 4200
    order = here.venue.orders()[0]
    here.replace(order.id, qty=100)
    assert here.venue.account(here.now).buying_power == 400_000 - 90 * 4200
    here.to(4)
    assert here.venue.account(here.now).buying_power == 400_000 - 90 * 100


@pytest.mark.parametrize("do", ["cancel", "replace"])
def test_an_order_that_does_not_exist(here: Any, do: str) -> None:
    """404 40410000 (facts.md 3)."""
    assert getattr(here, do)("nobody") == Refusal(404, 40410000, "order not found for nobody")
