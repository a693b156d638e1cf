"""Pre-trade risk: each check by example."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from collections.abc import Callable
from datetime import date, time
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from risk_cases import (
    BUY,
    DAY_OF,
    LIMIT,
    NAN,
    NOON,
    SECOND,
    SELL,
    STOP,
    STOP_LIMIT,
    D,
    code,
    holding,
    order,
    quote,
    resting,
    view,
)

from puna.core.portfolio import Portfolio, opening
from puna.core.risk import (
    BINDING,
    CHECKS,
    Breach,
    Listing,
    Reservation,
    RiskLimits,
    RiskView,
    Submit,
    TradingState,
    check,
    protected_price,
)
from puna.core.sessions import at
from puna.core.types import OrderClass, OrderIntent, OrderType, Position, Quote, TimeInForce

# --- each check -------------------------------------------------------------------------------------------------------


def test_an_ordinary_order_passes() -> None:
    """The defaults let a small order of an account of 100,000 through, at the market or with a limit."""
    assert code(order()) is None
    assert code(order(limit="100.05")) is None


def test_catalogue_is_complete() -> None:
    """Every code of R101 to R129 is there once, with a text that names its row of the table."""
    assert sorted(each.code for each in CHECKS) == [f"R{n}" for n in range(101, 130)]
    assert all(each.text.startswith("Row ") for each in CHECKS)
    assert {each.code for each in BINDING} == {"R101", "R103", "R109", "R111"}
    assert len({each.name for each in CHECKS}) == len(CHECKS)


def test_r101_trading_state() -> None:
    """Row 1, I9: HALTED sends nothing, REDUCING reductions only."""
    long = holding(AAPL=20)
    for state, side, expected in (
        (TradingState.HALTED, BUY, "R101"),
        (TradingState.HALTED, SELL, "R101"),
        (TradingState.REDUCING, BUY, "R101"),
        (TradingState.REDUCING, SELL, None),
        (TradingState.ACTIVE, SELL, None),
    ):
        assert code(order(side), view(state=state, portfolio=long)) == expected


@pytest.mark.parametrize(
    "listing",
    [
        None,
        Listing(symbol="MSFT"),
        Listing(symbol="AAPL", tradable=False),
        Listing(symbol="AAPL", halted=True),
    ],
)
def test_r102_instrument(listing: Listing | None) -> None:
    """Row 2, I11: unknown, not tradable or halted refuses; a reduction passes."""
    assert code(order(), view(instrument=listing)) == "R102"
    assert code(order(SELL), view(instrument=listing, portfolio=holding(AAPL=10))) is None


def test_r102_lists() -> None:
    """Row 2: deny list, and allow list where there is one."""
    assert code(order(), denied=("AAPL",)) == "R102"
    assert code(order(), allowed=("MSFT",)) == "R102"
    assert code(order(), allowed=("AAPL",)) is None


@pytest.mark.parametrize(
    ("change", "ok"),
    [
        ({"limit_price": D("100.001"), "type": LIMIT}, False),  # sub-penny, BRK-23, R19
        ({"limit_price": D("100.01"), "type": LIMIT}, True),
        ({"type": LIMIT}, False),
        ({"limit_price": D(100)}, False),
        ({"limit_price": D("NaN"), "type": LIMIT}, False),
        ({"limit_price": D(-5), "type": LIMIT}, False),
        ({"type": STOP}, False),
        ({"type": STOP, "stop_price": D("101.001")}, False),
        ({"type": STOP, "stop_price": D(101)}, True),
        ({"type": STOP_LIMIT, "stop_price": D(101), "limit_price": D(102)}, True),
        ({"type": STOP_LIMIT, "limit_price": D(102)}, False),
        ({"type": OrderType.TRAILING_STOP}, False),
        ({"order_class": OrderClass.BRACKET}, False),
        ({"qty": D(0)}, False),
        ({"qty": D(-1)}, False),
        ({"qty": D("NaN")}, False),
        ({"qty": D("Infinity")}, False),
        ({"qty": D("1.5")}, False),  # not fractionable
        ({"time_in_force": TimeInForce.OPG}, False),  # noon is after 9:28
        ({"time_in_force": TimeInForce.CLS}, True),
        ({"time_in_force": TimeInForce.CLS, "type": STOP, "stop_price": D(101)}, False),
        ({"time_in_force": TimeInForce.IOC}, True),
        ({"extended_hours": True}, False),
        ({"extended_hours": True, "type": LIMIT, "limit_price": D(100)}, True),
        ({"extended_hours": True, "type": LIMIT, "limit_price": D(100), "time_in_force": TimeInForce.IOC}, False),
        ({"client_order_id": ""}, False),
        ({"client_order_id": "x" * 49}, False),
        ({"symbol": "aapl; drop"}, False),
        ({"symbol": "BTC/USD"}, False),
    ],
)
def test_r103_order_rules(change: dict[str, Any], ok: bool) -> None:
    """Row 3, BRK-22: the table of facts.md 5.2; what breaks it is refused, reductions too."""
    assert code(order(**change)) == (None if ok else "R103")
    if "symbol" not in change:
        assert code(order(SELL, **change), view(portfolio=holding(AAPL=50))) == (None if ok else "R103")


@pytest.mark.parametrize(
    ("change", "ok"),
    [
        ({"qty": D("1.5")}, True),
        ({"qty": D("1.5"), "time_in_force": TimeInForce.GTC}, False),
        ({"qty": D("1.5"), "extended_hours": True, "type": LIMIT, "limit_price": D(100)}, False),
        ({"qty": D("0.0000000001")}, False),
    ],
)
def test_r103_fractions(change: dict[str, Any], ok: bool) -> None:
    """Row 3: fractions where the asset has them, as day orders of the core session, to nine decimals."""
    seen = view(instrument=Listing(symbol="AAPL", fractionable=True))
    assert code(order(**change), seen) == (None if ok else "R103")


@pytest.mark.parametrize(
    ("wall", "extended", "overnight", "tif", "ok"),
    [
        (time(9, 29, 59), False, False, "day", False),
        (time(9, 30), False, False, "day", True),
        (time(15, 59, 59), False, False, "gtc", True),
        (time(16), False, False, "day", False),
        (time(4), True, False, "day", True),
        (time(19, 59), True, False, "gtc", True),
        (time(3, 59), True, False, "day", False),
        (time(3, 59), True, True, "day", True),
        (time(9, 27), False, False, "opg", True),
        (time(9, 28), False, False, "opg", False),
        (time(19), False, False, "opg", True),
        (time(15, 49), False, False, "cls", True),
        (time(15, 50), False, False, "cls", False),
    ],
)
def test_r103_sessions(wall: time, extended: bool, overnight: bool, tif: str, ok: bool) -> None:
    """Row 3, BRK-21: what would wait for a later session is refused unless asked for; auctions have their cut-offs."""
    now = at(DAY_OF, wall)
    seen = view(
        now=now,
        quote=replace(quote(), ts_event=now),
        instrument=Listing(symbol="AAPL", overnight=overnight),
    )
    intent = order(limit="100", extended_hours=extended, time_in_force=TimeInForce(tif))
    assert code(intent, seen) == (None if ok else "R103")
    assert code(intent, seen, allow_queued=True) == (None if ok or tif in ("day", "gtc") else "R103")


def test_r103_weekends_and_dates_without_calendar() -> None:
    """Row 3, I24: closed days queue, and a date beyond the calendar is not guessed."""
    for day in (date(2013, 3, 9), date(2013, 3, 29)):
        assert code(order(), view(now=at(day, time(12)))) == "R103"
    assert code(order(), view(now=at(date(2035, 1, 1), time(12)))) == "R103"


def test_r104_position_cap_counts_open_orders() -> None:
    """Row 13: position, every open buy and this one, at the protected price."""
    seen = view(portfolio=holding(AAPL=30), open=(resting("a", BUY, 30),))
    assert code(order(qty=40), seen, max_position_value=10_300) is None
    assert code(order(qty=41), seen, max_position_value=10_300) == "R104"
    assert code(order(qty=41), seen, max_position_percent=10) == "R104"


def test_r104_replacing_counts_the_larger() -> None:
    """Row 13: until the replace is done the old order may still fill, so a smaller one frees nothing yet."""
    seen = view(open=(resting("a", BUY, 30),))
    assert code(order(qty=5, limit="100", replaces="a"), seen, max_position_value=3000) is None
    assert code(order(qty=5, limit="100", replaces="a"), seen, max_position_value=2999) == "R104"


def test_r105_order_quantity() -> None:
    """Row 4: at most so many units."""
    assert code(order(qty=11), max_order_qty=10) == "R105"
    assert code(order(qty=10), max_order_qty=10) is None


def test_r106_order_value() -> None:
    """Row 5, I11: a market order is valued at the protected price, a limit order at its limit."""
    assert code(order(qty=10), max_order_value=1030) is None
    assert code(order(qty=10), max_order_value=1029) == "R106"
    assert code(order(qty=10, limit="99"), max_order_value=990) is None
    assert code(order(qty=10), max_order_percent=D("1.02")) == "R106"


def test_r107_gross_and_net() -> None:
    """Row 14: the worst case over all symbols, at marks and reserved prices."""
    seen = view(
        portfolio=holding(AAPL=100, MSFT=-100),
        open=(resting("a", BUY, 10, symbol="MSFT"), resting("b", SELL, 50, symbol="MSFT")),
    )
    intent = order(qty=10, limit="100")
    assert code(intent, seen, max_gross_value=26_000) is None
    assert code(intent, seen, max_gross_value=25_999) == "R107"
    assert code(intent, seen, max_gross_percent=25) == "R107"
    assert code(intent, seen, max_net_value=2_000) is None
    assert code(intent, seen, max_net_value=1_999) == "R107"
    assert code(intent, replace(seen, marks={"AAPL": D(100)})) is not None


def test_r107_net_short() -> None:
    """Row 14: what is short and what could be sold add up against the net limit as well."""
    seen = view(portfolio=holding(MSFT=-100), open=(resting("b", SELL, 20, symbol="MSFT"),))
    intent = order(SELL, 10)
    assert code(intent, seen, allow_short=True, max_net_value=13_030) is None
    assert code(intent, seen, allow_short=True, max_net_value=13_029) == "R107"


@pytest.mark.parametrize(
    ("terms", "ok"),
    [
        ({"limit": "104.94"}, True),
        ({"limit": "105.00"}, False),
        ({"limit": "50"}, True),
        ({"limit": "10"}, False),
        ({"type": STOP, "stop_price": D(140)}, True),
        ({"type": STOP, "stop_price": D(1400)}, False),
        ({"type": STOP_LIMIT, "stop_price": D(140), "limit_price": D(146)}, True),
        ({"type": STOP_LIMIT, "stop_price": D(140), "limit_price": D(160)}, False),
    ],
)
def test_r108_price_collar(terms: dict[str, Any], ok: bool) -> None:
    """Row 6: near the market on the side that costs, not absurd on the side that waits."""
    assert code(order(**terms)) == (None if ok else "R108")


def test_r108_wider_outside_hours() -> None:
    """Row 6: ten per cent before and after the core session."""
    now = at(DAY_OF, time(8))
    seen = view(now=now, quote=replace(quote(), ts_event=now))
    assert code(order(limit="109", extended_hours=True), seen) is None
    assert code(order(limit="111", extended_hours=True), seen) == "R108"


def test_r109_duplicates() -> None:
    """Row 9, I1: an id is used once; an equal order waits for the window."""
    assert code(order(), view(id_used=True)) == "R109"
    before = order(client_order_id="old")
    assert code(order(), view(recent=(Submit(NOON - SECOND + 1, before),))) == "R109"
    assert code(order(), view(recent=(Submit(NOON - SECOND, before),))) is None
    assert code(order(qty=11), view(recent=(Submit(NOON, before),))) is None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        quote(symbol="MSFT"),
        quote(0.0),
        quote(ask=0.0),
        quote(101.0),
        quote(NAN),
        quote(ask=NAN),
        quote(ask=float("inf")),
        quote(age=60.1),
        quote(age=-60.1),
    ],
)
def test_r110_quote(bad: Quote | None) -> None:
    """Row 8, R30, I11: missing, one-sided, crossed, NaN, stale or future quotes refuse new risk and no reduction."""
    assert code(order(), view(quote=bad)) == "R110"
    assert code(order(limit="100"), view(quote=bad)) == "R110"
    assert code(order(SELL), view(quote=bad, portfolio=holding(AAPL=10))) is None


def test_r111_message_rate() -> None:
    """Row 11, I13: so many submits in any sliding window."""
    assert code(order(), view(submits=5), max_submits=5) == "R111"
    assert code(order(), view(submits=5), max_submits=6) is None


def test_r112_open_orders() -> None:
    """Row 12: count and value of what is open, this one included; a replacement takes the place of its original."""
    seen = view(open=(resting("a", BUY, 10), resting("b", BUY, 10, symbol="MSFT")))
    assert code(order(), seen, max_open_orders=2) == "R112"
    assert code(order(replaces="a"), seen, max_open_orders=2) is None
    assert code(order(), seen, max_open_value=3029) == "R112"
    assert code(order(), seen, max_open_value=3030) is None


def test_r113_buying_power() -> None:
    """Row 16, I12: reservations the broker does not know of yet, and this order, less the buffer."""
    unknown, known = resting("a", BUY, 10), replace(resting("b", BUY, 10), counted=True)
    seen = view(open=(unknown, known), buying_power=D(2130))
    assert code(order(), seen) is None
    assert code(order(), replace(seen, buying_power=D(2129))) == "R113"
    assert code(order(), replace(seen, buying_power=None)) == "R113"
    assert code(order(), replace(seen, buying_power=D("NaN"))) == "R113"


def test_r113_exits_need_no_buying_power() -> None:
    """Row 16: an open order that closes a position reserves none."""
    seen = view(open=(resting("a", SELL, 10, symbol="MSFT"),), portfolio=holding(MSFT=10), buying_power=D(1130))
    assert code(order(), seen) is None
    assert code(order(), replace(seen, portfolio=holding(MSFT=-1))) == "R113"


def test_r113_replacing_counts_the_difference() -> None:
    """Row 16: the broker holds the larger of an order and its replacement (facts.md 5.4)."""
    seen = view(open=(replace(resting("a", BUY, 10), counted=True),), buying_power=D(300))
    assert code(order(qty=12, limit="100", replaces="a"), seen) is None
    assert code(order(qty=13, limit="100", replaces="a"), seen) == "R113"


@pytest.mark.parametrize(
    ("rests", "terms", "ok"),
    [
        ({"limit": "101"}, {"limit": "100.99"}, True),
        ({"limit": "101"}, {"limit": "101"}, False),
        ({"limit": "101"}, {}, False),
        ({"limit": None}, {"limit": "90"}, False),
        ({"limit": None, "type": STOP, "stop_price": D(90)}, {"limit": "90"}, False),
        ({"limit": "89", "type": STOP_LIMIT, "stop_price": D(90)}, {"limit": "88"}, True),
        ({"limit": "89", "type": STOP_LIMIT, "stop_price": D(90)}, {"limit": "90"}, False),
        ({"limit": "99", "order_class": OrderClass.BRACKET}, {}, True),
        ({"limit": None, "type": OrderType.TRAILING_STOP}, {}, True),
        ({"limit": "99", "symbol": "MSFT"}, {}, True),
    ],
)
def test_r114_self_match(rests: dict[str, Any], terms: dict[str, Any], ok: bool) -> None:
    """Row 20, BRK-17: never against an open order of our own; the broker's exemptions are ours."""
    seen = view(portfolio=holding(AAPL=20, MSFT=20), open=(resting("a", SELL, 10, **rests),))
    assert code(order(**terms), seen) == (None if ok else "R114")


def test_r115_deadline() -> None:
    """Row 26, R25: not after its deadline."""
    assert code(order(deadline=NOON - 1)) == "R115"
    assert code(order(deadline=NOON)) is None


def test_r116_no_flip_in_one_order() -> None:
    """Row 19: a sale of more than is available, open sales counted, is refused; so is a buy beyond a short."""
    long = view(portfolio=holding(AAPL=10), open=(resting("a", SELL, 4, "120"),))
    assert code(order(SELL, 6), long, allow_short=True) is None
    assert code(order(SELL, 7), long, allow_short=True) == "R116"
    short = view(portfolio=holding(AAPL=-10))
    assert code(order(BUY, 10), short) is None
    assert code(order(BUY, 11), short) == "R116"


@pytest.mark.parametrize(
    ("listing", "qty", "cash", "ok"),
    [
        (Listing(symbol="AAPL", shortable=True, easy_to_borrow=True), "10", 100_000, True),
        (Listing(symbol="AAPL", shortable=False, easy_to_borrow=True), "10", 100_000, False),
        (Listing(symbol="AAPL", shortable=True, easy_to_borrow=False), "10", 100_000, False),
        (Listing(symbol="AAPL", shortable=True, easy_to_borrow=True, fractionable=True), "1.5", 100_000, False),
        (Listing(symbol="AAPL", shortable=True, easy_to_borrow=True), "1", 1999, False),
    ],
)
def test_r117_short_sales(listing: Listing, qty: str, cash: int, ok: bool) -> None:
    """Row 18: off by default; when on, whole shares that can be borrowed, with 2,000 of equity."""
    seen = view(instrument=listing, portfolio=opening(D(cash)))
    assert code(order(SELL, qty), seen) == "R117"
    assert code(order(SELL, qty), seen, allow_short=True) == (None if ok else "R117")


def test_a_replacement_keeps_symbol_and_side() -> None:
    """Row 3, I10: otherwise it could hide behind the reservation of an order that it does not replace."""
    seen = view(open=(resting("a", SELL, 10, symbol="MSFT"),), portfolio=holding(MSFT=10))
    assert code(order(replaces="a"), seen) == "R103"


def test_repricing_an_exit_stays_a_reduction() -> None:
    """I26: replacing the order that closes everything is no second exit."""
    seen = view(
        portfolio=holding(AAPL=10), open=(resting("a", SELL, 10, "120"),), state=TradingState.REDUCING, quote=None
    )
    assert code(order(SELL, 10, "119", replaces="a"), seen) is None
    assert code(order(SELL, 1, "119"), seen) == "R101"


def test_breach_says_what_was_seen() -> None:
    """A refusal has a stable code and name, words, and both numbers; it is journaled as JSON."""
    breach = check(order(qty=11), view(), RiskLimits(max_order_qty=D(10)))
    assert breach == Breach("R105", "order_quantity", "the order is for too many units", "11", "10")
    assert msgspec.json.decode(msgspec.json.encode(breach), type=Breach) == breach


def test_view_and_limits_are_data() -> None:
    """I17, I29: a decision's inputs survive JSON; unknown or nonsensical limits are errors."""
    seen = view(portfolio=holding(AAPL=3), open=(resting("a", BUY, 3),), recent=(Submit(NOON, order()),))
    assert msgspec.json.decode(msgspec.json.encode(seen), type=RiskView) == seen
    with pytest.raises(msgspec.ValidationError, match="max_ordr_qty"):
        msgspec.convert({"max_ordr_qty": 5}, RiskLimits)
    for number in ("NaN", "-1", "Infinity"):
        with pytest.raises(ValueError, match="max_order_qty"):
            RiskLimits(max_order_qty=D(number))
    with pytest.raises(ValueError, match="max_quote_age"):
        RiskLimits(max_quote_age_seconds=NAN)


def test_no_check_lets_nonsense_through() -> None:
    """I11: each check by itself refuses or passes amounts that are no numbers; none of them raises."""
    odd = view(
        portfolio=Portfolio(cash=D(1), positions={"AAPL": Position(symbol="AAPL", qty=D("NaN"), cost=D(0))}),
        marks={"AAPL": D("sNaN")},
        open=(Reservation(intent=order(client_order_id="a"), leaves=D("NaN"), price=D("NaN")),),
    )
    for each in CHECKS:
        each(order(), odd, RiskLimits())
        each(order(qty="NaN"), view(), RiskLimits())
    assert check(order(qty="5"), odd, RiskLimits()) is not None


@pytest.mark.parametrize(
    ("intent", "price"),
    [
        (order(limit="98"), "98"),
        (order(), "103"),
        (order(SELL), "103"),
        (order(SELL, limit="98"), "103"),
        (order(SELL, limit="110"), "110"),
        (order(type=STOP, stop_price=D(120)), "123.6"),
        (order(type=STOP_LIMIT, stop_price=D(120), limit_price=D(121)), "121"),
        (order(SELL, type=STOP, stop_price=D(90)), "103"),
    ],
)
def test_protected_price(intent: OrderIntent, price: str) -> None:
    """Row 5: the most a unit can plausibly trade for, never 0."""
    assert protected_price(intent, quote(), RiskLimits()) == D(price)


def test_protected_price_of_cheap_buy_stops() -> None:
    """Facts 5.2: below 50 the broker turns a buy stop into a stop-limit with 4 % of room."""
    stop = order(type=STOP, stop_price=D(40))
    assert protected_price(stop, quote(38.0, 38.1), RiskLimits()) == D("41.6")
    assert protected_price(order(), None, RiskLimits()) is None
    assert protected_price(order(), quote(NAN), RiskLimits()) is None


def test_rules_are_pure_functions() -> None:
    """Architecture 1.1: the same question has the same answer, and asking changes nothing."""
    seen = view(open=(resting("a", BUY, 3),))
    ask: Callable[[], Breach | None] = lambda: check(order(qty=5000), seen, RiskLimits())  # noqa: E731 - asked twice
    before = msgspec.json.encode(seen)
    assert ask() == ask() is not None
    assert msgspec.json.encode(seen) == before
