"""Pre-trade risk: each check by example, all of them against a reference, and no way to be trapped."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

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
    reduces,
)
from puna.core.sessions import at
from puna.core.types import OrderClass, OrderIntent, OrderType, Position, Quote, Side, TimeInForce

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT, STOP, STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT
DAY_OF = date(2013, 3, 6)
NOON = at(DAY_OF, time(12))
SECOND = 1_000_000_000
NAN = float("nan")


def order(side: Side = BUY, qty: str | int = 10, limit: str | None = None, **terms: Any) -> OrderIntent:
    chosen: dict[str, Any] = {
        "client_order_id": "new",
        "strategy": "s",
        "symbol": "AAPL",
        "side": side,
        "qty": D(qty),
        "type": LIMIT if limit else MARKET,
        "time_in_force": TimeInForce.DAY,
        "ts": NOON,
        "limit_price": D(limit) if limit else None,
    }
    return OrderIntent(**(chosen | terms))


def quote(bid: float = 99.9, ask: float = 100.0, *, symbol: str = "AAPL", age: float = 1) -> Quote:
    ts = NOON - round(age * SECOND)
    return Quote(symbol=symbol, bid=bid, bid_size=1, ask=ask, ask_size=1, ts_event=ts, ts_init=ts)


def holding(**quantities: int) -> Portfolio:
    rows = [Position(symbol=symbol, qty=D(n), cost=D(n) * 100) for symbol, n in quantities.items()]
    return opening(D(100_000) - sum(row.cost for row in rows), rows)


def view(**terms: Any) -> RiskView:
    chosen: dict[str, Any] = {
        "now": NOON,
        "state": TradingState.ACTIVE,
        "portfolio": holding(),
        "instrument": Listing(symbol="AAPL", shortable=True, easy_to_borrow=True),
        "quote": quote(),
        "marks": {"AAPL": D(100), "MSFT": D(100)},
        "buying_power": D(200_000),
    }
    return RiskView(**(chosen | terms))


def resting(name: str, side: Side, leaves: int, limit: str | None = "100", **terms: Any) -> Reservation:
    intent = order(side, leaves, limit, client_order_id=name, **terms)
    return Reservation(intent=intent, leaves=D(leaves), price=D(limit or 103))


def code(intent: OrderIntent, seen: RiskView | None = None, **limits: Any) -> str | None:
    breach = check(intent, seen or view(), RiskLimits(**limits))
    return breach.code if breach else None


# --- each check -------------------------------------------------------------------------------------------------------


def test_an_ordinary_order_passes() -> None:
    """The defaults let a small order of an account of 100,000 through, at the market or with a limit."""
    assert code(order()) is None
    assert code(order(limit="100.05")) is None


def test_catalogue_is_complete() -> None:
    """Every code of R101 to R117 is there once, with a text that names its row of the table."""
    assert sorted(each.code for each in CHECKS) == [f"R{n}" for n in range(101, 118)]
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
    recent = tuple(Submit(NOON - n * SECOND, order(qty=100 + n)) for n in range(5))
    assert code(order(), view(recent=recent), max_submits=5) == "R111"
    assert code(order(), view(recent=recent), max_submits=6) is None
    assert code(order(), view(recent=recent), max_submits=5, submit_window_seconds=4) is None


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


# --- against a reference ----------------------------------------------------------------------------------------------


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 24).flatmap(lambda n: odd if n == 13 else usual)


@st.composite
def intents(draw: st.DrawFn) -> OrderIntent:
    kind = draw(mostly(st.sampled_from((MARKET, LIMIT)), st.sampled_from(list(OrderType))))
    limit = draw(mostly(st.sampled_from(("99.9", "100", "100.5")), st.sampled_from(("100.005", "120", "40"))))
    return order(
        draw(st.sampled_from(Side)),
        draw(mostly(st.integers(1, 30).map(str), st.sampled_from(("0", "1.5", "400", "NaN")))),
        type=kind,
        limit_price=D(limit) if kind in (LIMIT, STOP_LIMIT) else None,
        stop_price=D(draw(st.sampled_from(("98", "101", "300")))) if kind in (STOP, STOP_LIMIT) else None,
        time_in_force=draw(mostly(st.just(TimeInForce.DAY), st.sampled_from(TimeInForce))),
        extended_hours=draw(mostly(st.just(False), st.booleans())),
        deadline=draw(mostly(st.none(), st.sampled_from((NOON - 1, NOON)))),
        replaces=draw(mostly(st.none(), st.sampled_from(("o0", "o1", "gone")))),
    )


@st.composite
def views(draw: st.DrawFn) -> RiskView:
    held = {"AAPL": draw(st.sampled_from((0, 0, 5, 20, -5, -20))), "MSFT": draw(st.integers(-5, 5))}
    rests = []
    for n in range(draw(st.integers(0, 3))):
        limit = draw(mostly(st.sampled_from(("99", "100", "101")), st.none()))
        symbol = draw(mostly(st.just("AAPL"), st.just("MSFT")))
        side = draw(mostly(st.just(BUY if held["AAPL"] >= 0 else SELL), st.sampled_from(Side)))
        one = resting(f"o{n}", side, draw(st.integers(1, 9)), limit, symbol=symbol)
        rests.append(replace(one, counted=draw(st.booleans())))
    ages = st.sampled_from((0, SECOND // 2, SECOND, 30 * SECOND))
    sent = draw(st.lists(st.builds(Submit, ages.map(lambda age: NOON - age), intents()), max_size=3))
    bad = (None, quote(0.0), quote(101.0), quote(NAN), quote(age=61), quote(symbol="MSFT"))
    listing = Listing(
        symbol="AAPL",
        tradable=draw(mostly(st.just(True), st.booleans())),
        halted=draw(mostly(st.just(False), st.booleans())),
        shortable=draw(mostly(st.just(True), st.booleans())),
        easy_to_borrow=True,
        fractionable=draw(st.booleans()),
    )
    return view(
        state=draw(mostly(st.just(TradingState.ACTIVE), st.sampled_from(TradingState))),
        portfolio=holding(**{symbol: n for symbol, n in held.items() if n}),
        instrument=draw(mostly(st.just(listing), st.none())),
        quote=draw(mostly(st.just(quote()), st.sampled_from(bad))),
        marks=draw(mostly(st.just({"AAPL": D(100), "MSFT": D(50)}), st.just({"AAPL": D(100)}))),
        open=tuple(rests),
        recent=tuple(sent),
        buying_power=draw(mostly(st.integers(5, 90).map(lambda n: D(n * 100)), st.none())),
        id_used=draw(mostly(st.just(False), st.booleans())),
    )


limits_of = st.builds(
    RiskLimits,
    denied=mostly(st.just(()), st.just(("AAPL",))),
    max_order_qty=st.sampled_from((D(10), D(500), D(500))),
    max_order_value=st.sampled_from((D(1500), D(50_000), D(50_000))),
    max_position_value=st.sampled_from((D(2000), D(60_000))),
    max_position_percent=st.sampled_from((D(2), D(60))),
    max_gross_value=st.sampled_from((D(3000), D(200_000), D(200_000))),
    max_net_value=st.sampled_from((D(1000), D(150_000), D(150_000))),
    max_open_orders=st.sampled_from((2, 50)),
    max_open_value=st.sampled_from((D(2000), D(200_000))),
    max_submits=mostly(st.just(100), st.just(2)),
    allow_short=st.booleans(),
)


def is_reduction(intent: OrderIntent, seen: RiskView) -> bool:
    """The reference: opposite to the position, and with the open orders of its side not larger than it."""
    position = seen.portfolio.positions.get("AAPL")
    held = int(position.qty) if position else 0
    if intent.qty.is_nan() or intent.qty <= 0 or held == 0 or (held > 0) == (intent.side is BUY):
        return False
    total = intent.qty
    for each in seen.open:
        if each.intent.symbol == "AAPL" and each.intent.side is intent.side:
            if each.intent.client_order_id == intent.replaces:
                total += max(D(0), each.leaves - intent.qty)
            else:
                total += each.leaves
    return total <= abs(held)


def malformed(intent: OrderIntent, seen: RiskView) -> bool:  # noqa: PLR0911 - one line a rule
    """The reference for noon of a trading day and the terms that `intents` makes."""
    for each in seen.open:
        kept = each.intent.symbol == "AAPL" and each.intent.side is intent.side
        if each.intent.client_order_id == intent.replaces and not kept:
            return True
    if intent.type is OrderType.TRAILING_STOP or intent.qty.is_nan() or intent.qty <= 0:
        return True
    fractional = intent.qty == D("1.5")
    if fractional and seen.instrument is not None and not seen.instrument.fractionable:
        return True
    if fractional and (intent.time_in_force != "day" or intent.extended_hours):
        return True
    if intent.limit_price == D("100.005") or intent.time_in_force == "opg":
        return True
    if intent.time_in_force == "cls" and intent.type in (STOP, STOP_LIMIT):
        return True
    return intent.extended_hours and (intent.type is not LIMIT or intent.time_in_force not in ("day", "gtc"))


def refused(intent: OrderIntent, seen: RiskView, limits: RiskLimits) -> bool:
    """The reference: the rules once more, as plainly as they can be said, for a quote of 99.9 x 100."""
    reduction = is_reduction(intent, seen)
    if seen.state == "halted" or (seen.state == "reducing" and not reduction):
        return True
    if malformed(intent, seen) or seen.id_used:
        return True
    if any(
        NOON - sent.ts < SECOND
        and (sent.intent.side, sent.intent.qty, sent.intent.type) == (intent.side, intent.qty, intent.type)
        and (sent.intent.limit_price, sent.intent.stop_price) == (intent.limit_price, intent.stop_price)
        for sent in seen.recent
    ):
        return True
    if len(seen.recent) + 1 > limits.max_submits:
        return True
    if reduction:
        return False
    return opening_refused(intent, seen, limits)


def opening_refused(intent: OrderIntent, seen: RiskView, limits: RiskLimits) -> bool:  # noqa: PLR0911 - one line a rule
    """What holds for everything that is no reduction."""
    held = {symbol: position.qty for symbol, position in seen.portfolio.positions.items()}
    mine, qty, buy = held.get("AAPL", D(0)), intent.qty, intent.side is BUY
    listing = seen.instrument
    if listing is None or not listing.tradable or listing.halted or limits.denied:
        return True
    if (intent.deadline is not None and intent.deadline < NOON) or (mine < 0 and buy) or (mine > 0 and not buy):
        return True  # late; or against the position, and no reduction: through flat
    if not buy and (not limits.allow_short or not listing.shortable or qty == D("1.5")):
        return True
    if seen.quote != quote() or any(symbol not in seen.marks for symbol in held) or seen.buying_power is None:
        return True
    limit, stop = intent.limit_price, intent.stop_price
    if stop == 300 or (stop is None and limit in (D(120), D(40)) and ((limit == 120) == buy or limit == 40)):
        return True
    dear, cheap = (D("1.05"), D("0.5")) if buy else (D("1.5"), D("0.95"))
    if stop is not None and limit is not None and not stop * cheap <= limit <= stop * dear:
        return True
    price = limit if buy and limit else max(D(103), (stop or D(0)) * (D("1.03") if buy else 1), limit or D(0))
    equity = seen.portfolio.cash + sum(n * seen.marks[symbol] for symbol, n in held.items())
    if qty > limits.max_order_qty or qty * price > min(limits.max_order_value, equity / 2):
        return True
    # What is under way, this order included: (symbol, side) -> rows of quantity, price, value the broker knows of.
    rows = [(intent.symbol, intent.side, qty, price, D(0))]
    for each in seen.open:
        known = each.leaves * each.price if each.counted else D(0)
        if each.intent.client_order_id == intent.replaces:
            rows[0] = ("AAPL", intent.side, max(qty, each.leaves), max(price, each.price), known)
        else:
            rows.append((each.intent.symbol, each.intent.side, each.leaves, each.price, known))
    at_most = max(price, D(100))
    reached = abs(mine) + sum(n for symbol, side, n, _, _ in rows if symbol == "AAPL" and side is intent.side)
    if reached * at_most > min(limits.max_position_value, equity * limits.max_position_percent / 100):
        return True
    priced = [(*rows[0][:3], max(rows[0][3], at_most), D(0)), *rows[1:]]
    gross = D(0)
    for symbol in {*held, *(row[0] for row in rows)}:
        now = held.get(symbol, D(0))
        buys = sum(row[2] for row in rows if row[0] == symbol and row[1] is BUY)
        sells = sum(row[2] for row in rows if row[0] == symbol and row[1] is SELL)
        prices = [row[3] for row in priced if row[0] == symbol] + ([seen.marks[symbol]] if symbol in held else [])
        gross += max(abs(now + buys), abs(now - sells)) * max(prices)
    if gross > min(limits.max_gross_value, 2 * equity):
        return True
    net = sum(n * seen.marks[symbol] for symbol, n in held.items()) * intent.side.sign
    net += sum(n * p for _, side, n, p, _ in priced if side is intent.side)
    if net > min(limits.max_net_value, equity * D("1.5")):
        return True
    if len(rows) > limits.max_open_orders or sum(n * p for _, _, n, p, _ in rows) > min(
        limits.max_open_value, 2 * equity
    ):
        return True
    needed = D(0)
    for symbol, side, n, p, known in rows:
        if held.get(symbol, D(0)) * side.sign >= 0:
            needed += max(D(0), n * p - known)
    if needed > seen.buying_power - 100:
        return True
    for each in seen.open:
        if each.intent.symbol == "AAPL" and each.intent.side is not intent.side:
            theirs = each.intent.limit_price
            if limit is None or theirs is None or (limit >= theirs if buy else limit <= theirs):
                return True
    return False


@given(intents(), views(), limits_of)
@settings(max_examples=500)
def test_refused_exactly_when_the_reference_says_so(intent: OrderIntent, seen: RiskView, limits: RiskLimits) -> None:
    """Reliability 4: for random state and order, refused if and only if the reference predicate says so."""
    assert reduces(intent, seen) == is_reduction(intent, seen)
    breach = check(intent, seen, limits)
    assert (breach is not None) == refused(intent, seen, limits), breach


@given(
    views(),
    st.integers(1, 20),
    st.builds(RiskLimits, **{name: st.just(0) for name in ("max_order_qty", "max_position_value", "max_open_orders")}),
)
def test_no_trapped_position(seen: RiskView, qty: int, limits: RiskLimits) -> None:
    """I26: unless halted, what is available can be sold at the market, whatever limits, quotes or marks are."""
    held = seen.portfolio.qty("AAPL")
    side = SELL if held > 0 else BUY
    under_way = sum(each.leaves for each in seen.open if (each.intent.symbol, each.intent.side) == ("AAPL", side))
    free = abs(held) - under_way
    way_out = order(side, int(min(D(qty), free)))
    calm = replace(seen, recent=(), id_used=False)
    if free > 0 and seen.state is not TradingState.HALTED:
        assert check(way_out, calm, limits) is None


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 40)), max_size=12), st.sampled_from((2000, 5000)))
def test_concurrent_orders_cannot_jointly_pass_a_limit(rows: list[tuple[Side, int]], cap: int) -> None:
    """I10: with a reservation for each order that passes, no subset of them can take the position beyond the cap."""
    limits = RiskLimits(max_position_value=D(cap), allow_short=True)
    rests: tuple[Reservation, ...] = ()
    for n, (side, qty) in enumerate(rows):
        intent = order(side, qty, "90" if side is BUY else "110", client_order_id=f"n{n}")
        if check(intent, view(open=rests), limits) is None:
            rests += (Reservation(intent=intent, leaves=intent.qty, price=D(103)),)
    for side in Side:
        assert sum(each.leaves for each in rests if each.intent.side is side) * 100 <= cap


def test_rules_are_pure_functions() -> None:
    """Architecture 1.1: the same question has the same answer, and asking changes nothing."""
    seen = view(open=(resting("a", BUY, 3),))
    ask: Callable[[], Breach | None] = lambda: check(order(qty=5000), seen, RiskLimits())  # noqa: E731 - asked twice
    before = msgspec.json.encode(seen)
    assert ask() == ask() is not None
    assert msgspec.json.encode(seen) == before
