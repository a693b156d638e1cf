"""Positions and cash: exact identities, average cost, and what is no trade."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.decimals import exactly, plain
from puna.core.portfolio import (
    Booking,
    Portfolio,
    Reason,
    book,
    drawdown,
    enter,
    equity,
    exposure,
    max_drawdown,
    opening,
    profit,
    split_quantity,
    unrealised,
)
from puna.core.types import ZERO, Fill, Position, Side
from puna.errors import DataError
from puna.wire.codec import Amount

D = Decimal
SYMBOLS = ("AAPL", "MSFT", "AAPL250620C00100000", "BTC/USD")


def fill(side: Side, qty: str, price: str, *, symbol: str = "AAPL", fee: str = "0", adjustment: str = "0") -> Fill:
    return Fill(
        client_order_id="a",
        strategy="s",
        symbol=symbol,
        side=side,
        qty=D(qty),
        price=D(price),
        cum_qty=D(1),
        ts_event=1,
        fee=D(fee),
        adjustment=D(adjustment),
    )


def noted(reason: Reason, **terms: object) -> Booking:
    return msgspec.convert({"reason": reason, "reference": "r1", "ts": 1, **terms}, Booking)


def held(portfolio: Portfolio, symbol: str = "AAPL") -> tuple[Decimal, Decimal]:
    position = portfolio.position(symbol)
    return position.qty, position.average_price


BUY, SELL = Side.BUY, Side.SELL
amounts = st.decimals("-99999999", "99999999", places=9)
positive = st.decimals("0.000000001", "9999999", places=9)
fills = st.builds(
    Fill,
    client_order_id=st.just("a"),
    strategy=st.just("s"),
    symbol=st.sampled_from(SYMBOLS),
    side=st.sampled_from(Side),
    qty=st.one_of(positive, positive.map(lambda q: -q), st.just(ZERO), st.integers(1, 9).map(D)),
    price=positive,
    cum_qty=positive,
    ts_event=st.just(1),
    fee=st.one_of(st.just(ZERO), positive),
    adjustment=st.one_of(st.just(ZERO), amounts),
)
bookings = st.builds(
    Booking,
    reason=st.sampled_from(Reason),
    reference=st.just("r"),
    ts=st.just(1),
    cash=st.one_of(st.just(ZERO), amounts),
    symbol=st.sampled_from(SYMBOLS),
    qty=st.one_of(st.just(ZERO), amounts),
    price=positive,
)


@exactly
def balance(portfolio: Portfolio, marks: dict[str, Decimal], start: Decimal) -> Decimal:
    return start + portfolio.transfers + profit(portfolio, marks) - portfolio.fees - equity(portfolio, marks)


@given(amounts, st.lists(st.one_of(fills, bookings), max_size=20), st.tuples(positive, positive, positive, positive))
def test_cash_plus_marks_is_start_plus_profit_less_fees(
    start: Decimal, events: list[Fill | Booking], prices: tuple[Decimal, ...]
) -> None:
    """I4: exact to the last digit after every event, fills, busts, corrections and bookings, at any marks."""
    marks = dict(zip(SYMBOLS, prices, strict=True))
    portfolio = opening(start)
    for event in events:
        portfolio = book(portfolio, event) if isinstance(event, Fill) else enter(portfolio, event)
        assert balance(portfolio, marks, start) == 0
        assert all(position.qty for position in portfolio.positions.values())


@given(st.lists(fills, max_size=20))
def test_position_and_cash_are_the_sums_of_their_terms(events: list[Fill]) -> None:
    """I3, I4: position = sum of fills less busts; cash = opening less signed notional times multiplier less fees."""
    portfolio = opening(D(0))
    for event in events:
        portfolio = book(portfolio, event)
    multiplier = {symbol: 100 if len(symbol) > 10 else 1 for symbol in SYMBOLS}
    for symbol in SYMBOLS:
        total = exactly(sum)((e.qty * e.side.sign for e in events if e.symbol == symbol), ZERO)
        assert portfolio.qty(symbol) == total

    @exactly
    def paid() -> Decimal:
        return sum((e.side.sign * e.notional * multiplier[e.symbol] + e.fee for e in events), ZERO)

    assert exactly(D.__add__)(portfolio.cash, paid()) == 0


@given(st.lists(st.one_of(fills, bookings), max_size=8))
def test_the_journal_gives_back_the_same_portfolio(events: list[Fill | Booking]) -> None:
    """I17: JSON and back is exact, for the portfolio and for bookings."""
    portfolio = opening(D("0.1"))
    for event in events:
        portfolio = book(portfolio, event) if isinstance(event, Fill) else enter(portfolio, event)
        assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
    assert msgspec.json.decode(msgspec.json.encode(portfolio), type=Portfolio) == portfolio


def test_average_cost_and_realised() -> None:
    """Buying more averages; selling a part realises against the average and leaves it as it was."""
    portfolio = book(book(opening(D(10_000)), fill(BUY, "100", "10")), fill(BUY, "100", "12"))
    assert held(portfolio) == (200, 11)
    portfolio = book(portfolio, fill(SELL, "50", "13", fee="0.07"))
    assert (*held(portfolio), portfolio.realised, portfolio.fees) == (150, 11, 100, D("0.07"))
    assert portfolio.cash == D(10_000) - 1000 - 1200 + 650 - D("0.07")
    assert unrealised(portfolio, {"AAPL": D(12)}) == 150


def test_a_third_of_a_position_loses_nothing_to_division() -> None:
    """I4: what rounding takes from the part that leaves stays with the part that remains."""
    portfolio = book(opening(D(0)), fill(BUY, "3", "10", adjustment="0.01"))
    for _ in range(3):
        portfolio = book(portfolio, fill(SELL, "1", "11"))
    assert (portfolio.positions, portfolio.realised, portfolio.cash) == ({}, D("2.99"), D("2.99"))


def test_crossing_flat() -> None:
    """One fill through zero closes at its price and opens the rest at its price; so does the way back."""
    portfolio = book(book(opening(D(0)), fill(BUY, "10", "10")), fill(SELL, "15", "12"))
    assert (*held(portfolio), portfolio.realised) == (-5, 12, 20)
    portfolio = book(portfolio, fill(BUY, "6", "11"))
    assert (*held(portfolio), portfolio.realised) == (1, 11, 25)


def test_short_position() -> None:
    """A short gains when the mark falls, and its value is negative."""
    portfolio = book(opening(D(1000)), fill(SELL, "10", "20"))
    assert (portfolio.cash, *held(portfolio)) == (1200, -10, 20)
    assert equity(portfolio, {"AAPL": D(18)}) == 1020
    assert exposure(portfolio, {"AAPL": D(18)}) == ({"AAPL": D(-180)}, 180, -180)


def test_options_cost_a_hundredfold() -> None:
    """A contract's premium is per share: cost, value and cash carry the multiplier of the symbol."""
    contract = "AAPL250620C00100000"
    portfolio = book(opening(D(1000)), fill(BUY, "2", "3", symbol=contract))
    assert (portfolio.cash, equity(portfolio, {contract: D(4)})) == (400, 1200)


def test_bust_is_taken_back() -> None:
    """BRK-31: a step of negative quantity restores position and cash; a closed trade's P&L is restated in the sum."""
    start = opening(D(1000))
    assert book(book(start, fill(BUY, "40", "10")), fill(BUY, "-40", "10")) == start
    closed = book(book(start, fill(BUY, "40", "10")), fill(SELL, "40", "12"))
    after = book(closed, fill(BUY, "-40", "10"))
    assert (after.cash, *held(after)) == (1480, -40, 10)
    assert equity(after, {"AAPL": D(12)}) == 1000


def test_correction_of_a_price() -> None:
    """R34: the difference goes to the open cost, or, when nothing of that side is open any more, to realised."""
    portfolio = book(opening(D(0)), fill(BUY, "10", "10"))
    dearer = book(portfolio, fill(BUY, "0", "10", adjustment="5"))
    assert (dearer.cash, dearer.position("AAPL").cost, dearer.realised) == (-105, 105, 0)
    closed = book(book(portfolio, fill(SELL, "10", "10")), fill(BUY, "0", "10", adjustment="5"))
    assert (closed.cash, closed.positions, closed.realised) == (-5, {}, -5)


def test_correction_of_a_closing_price_is_realised() -> None:
    """R34: what a sale brought was other than booked; the cost of what is still long does not change."""
    portfolio = book(book(opening(D(0)), fill(BUY, "10", "10")), fill(SELL, "4", "12"))
    after = book(portfolio, fill(SELL, "0", "12", adjustment="2"))
    assert (after.cash - portfolio.cash, after.realised - portfolio.realised) == (2, 2)
    assert after.position("AAPL") == portfolio.position("AAPL")


def test_a_cost_without_a_quantity_is_realised() -> None:
    """I4: shares that vanish without pay are a loss, not a position of nothing."""
    portfolio = book(opening(D(500)), fill(BUY, "10", "30"))
    after = enter(portfolio, noted(Reason.SPLIT, symbol="AAPL", qty="-10"))
    assert (after.positions, after.realised, balance(after, {}, D(500))) == ({}, -300, 0)


@pytest.mark.parametrize(("new", "old", "after"), [("2", "1", "20"), ("1", "10", "1"), ("3", "2", "15")])
def test_split_is_value_neutral(new: str, old: str, after: str) -> None:
    """BRK-26, I3: quantity and average move against each other; cost, P&L and equity do not."""
    portfolio = book(opening(D(1000)), fill(BUY, "10", "30"))
    change = split_quantity(D(10), D(new), D(old))
    split = enter(portfolio, noted(Reason.SPLIT, symbol="AAPL", qty=change))
    assert (split.qty("AAPL"), split.position("AAPL").cost) == (D(after), 300)
    mark = D(60)
    assert equity(split, {"AAPL": mark * D(old) / D(new)}) == equity(portfolio, {"AAPL": mark})
    assert (split.cash, split.realised) == (portfolio.cash, portfolio.realised)


def test_reverse_split_with_cash_in_lieu() -> None:
    """BRK-26: what does not make a whole share is cut to nine decimals and sold for the cash that the broker pays."""
    portfolio = book(opening(D(0)), fill(BUY, "10", "3"))
    portfolio = enter(portfolio, noted(Reason.SPLIT, symbol="AAPL", qty=split_quantity(D(10), D(1), D(3))))
    assert portfolio.qty("AAPL") == D("3.333333333")
    portfolio = enter(portfolio, noted(Reason.CASH_IN_LIEU, symbol="AAPL", qty="-0.333333333", cash="3.10"))
    assert (portfolio.qty("AAPL"), portfolio.cash) == (3, D("-26.90"))
    assert balance(portfolio, {"AAPL": D(9)}, D(0)) == 0
    assert abs(portfolio.realised - D("0.10")) < D("0.000001")


def test_fee_in_coin() -> None:
    """R20, BRK-24: the coin that was taken leaves at its cost, as a fee; the average price stays."""
    portfolio = book(opening(D(5000)), fill(BUY, "0.1", "30000", symbol="BTC/USD"))
    after = enter(portfolio, noted(Reason.FEE_IN_KIND, symbol="BTC/USD", qty="-0.00025"))
    assert (*held(after, "BTC/USD"), after.fees, after.cash) == (D("0.09975"), 30000, D("7.5"), 2000)


def test_dividend_interest_fee_and_transfer() -> None:
    """I3: each has its own total, and only transfers are no P&L."""
    portfolio = opening(D(100))
    for reason, cash in ((Reason.DIVIDEND, "5"), (Reason.INTEREST, "-2"), (Reason.FEE, "-1"), (Reason.TRANSFER, "50")):
        portfolio = enter(portfolio, noted(reason, cash=cash))
    assert (portfolio.cash, portfolio.income, portfolio.fees) == (152, 3, 1)
    assert (portfolio.transfers, profit(portfolio, {})) == (50, 3)
    moved = enter(portfolio, noted(Reason.TRANSFER, symbol="AAPL", qty="10", price="7"))
    assert (*held(moved), moved.cash, moved.transfers) == (10, 7, 152, 120)


def test_expiry_and_assignment() -> None:
    """R32, BRK-29: a worthless option realises its loss; an assigned one brings stock at the strike."""
    call = "AAPL250620C00100000"
    portfolio = book(opening(D(0)), fill(SELL, "1", "2", symbol=call))
    gone = enter(portfolio, noted(Reason.EXPIRY, symbol=call, qty="1"))
    assert (gone.positions, gone.realised, gone.cash) == ({}, 200, 200)
    assigned = enter(gone, noted(Reason.ASSIGNMENT, symbol="AAPL", qty="-100", cash="10000"))
    assert (*held(assigned), assigned.cash) == (-100, 100, 10_200)


def test_no_term_without_a_reference() -> None:
    """I3: each term carries the broker's reference, and a quantity belongs to a symbol."""
    with pytest.raises(ValueError, match="reference"):
        Booking(reason=Reason.FEE, reference="", ts=1)
    with pytest.raises(ValueError, match="nothing"):
        Booking(reason=Reason.EXPIRY, reference="r", ts=1, qty=D(1))
    with pytest.raises(ValueError, match="amount"):
        Booking(reason=Reason.FEE, reference="r", ts=1, cash=D("NaN"))


@pytest.mark.parametrize("marks", [{}, {"MSFT": D(1)}, {"AAPL": D("NaN")}, {"AAPL": D("Infinity")}])
def test_no_value_without_a_mark(marks: dict[str, Decimal]) -> None:
    """I11: what is held and has no price is an error, never nothing."""
    with pytest.raises(DataError, match="no mark for AAPL"):
        equity(book(opening(D(0)), fill(BUY, "1", "1")), marks)


def test_opening_positions() -> None:
    """R21: a portfolio can begin with the broker's positions, under canonical symbols; flat ones are dropped."""
    rows = [
        Position(symbol="BTCUSD", qty=Amount("10.0"), cost=Amount(100)),
        Position(symbol="MSFT", qty=D(0), cost=D(0)),
    ]
    portfolio = opening(D("5.00"), rows)
    assert (list(portfolio.positions), equity(portfolio, {"BTC/USD": D(11)})) == (["BTC/USD"], 115)
    assert msgspec.json.decode(msgspec.json.encode(portfolio), type=Portfolio) == portfolio


def test_drawdown() -> None:
    """The deepest fall is measured from the highest peak before it."""
    assert max_drawdown(D(n) for n in (100, 120, 90, 130, 104)) == D("0.25")
    assert (drawdown(D(100), D(80)), drawdown(D(100), D(110)), drawdown(D(0), D(-5))) == (D("0.2"), 0, 0)
    assert max_drawdown([]) == 0


@pytest.mark.parametrize("spelling", ["40", "40.000", "4E+1", "0.4E+2"])
def test_one_spelling(spelling: str) -> None:
    """Equal amounts are written alike, so that equal states are equal bytes."""
    assert str(plain(D(spelling))) == "40"
    assert str(plain(D("-0.00"))) == "0"


def test_a_booking_writes_all_its_amounts_down() -> None:
    """Also those that are 0, so that the journal's records keep their bytes."""
    written = msgspec.json.encode(Booking(reason=Reason.FEE, reference="r", ts=1, cash=ZERO))
    assert written == b'{"reason":"fee","reference":"r","ts":1,"cash":"0","qty":"0","price":"0"}'
