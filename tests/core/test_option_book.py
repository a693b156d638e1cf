"""What is held by underlying: sums that agree with their parts, and nothing guessed where a quote is missing."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.margin import OptionPosition, Right, UnlimitedRisk, maintenance_margin, payoff
from puna.core.option_book import MOVES, SHIFTS, OptionBook, option_books
from puna.core.option_calendar import Dividend, Outcome
from puna.core.options import Contract, black_scholes
from puna.core.sessions import day
from puna.core.symbols import Option
from puna.core.types import Position, Quote

D = Decimal
EXPIRIES = (date(2026, 3, 20), date(2026, 4, 17))
ON = date(2026, 3, 2)
NOW = day(ON).open  # type: ignore[union-attr]
DAY = 86_400_000_000_000
RATE = 0.04


def occ(strike: int, right: str, expiry: date = EXPIRIES[0]) -> str:
    return str(Option(root="SPY", expiration=expiry, right=right, strike=D(strike)))


def quote(symbol: str, middle: float) -> Quote:
    """As narrow as it can be."""
    return Quote(symbol=symbol, bid=middle, bid_size=1, ask=middle, ask_size=1, ts_event=NOW, ts_init=NOW)


def held(symbol: str, qty: int, cost: int = 0) -> Position:
    return Position(symbol=symbol, qty=D(qty), cost=D(cost))


def worth(strike: int, right: str, expiry: date, spot: float, volatility: float) -> float:
    closes = day(expiry).close  # type: ignore[union-attr]
    return black_scholes(Contract(right == "C", strike, (closes - NOW) / DAY / 365), spot, volatility, RATE)


def one(positions: list[Position], quotes: list[Quote], **more: object) -> OptionBook:
    (book,) = option_books(positions, {each.symbol: each for each in quotes}, NOW, RATE, **more)  # type: ignore[arg-type]
    return book


Row = tuple[int, str, date, int, float]
rows = st.lists(
    st.tuples(
        st.integers(18, 22).map(lambda n: n * 25),
        st.sampled_from("CP"),
        st.sampled_from(EXPIRIES),
        st.integers(-3, 3).filter(bool),
        st.floats(0.1, 0.6),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row[:3],
)


@given(rows, st.sampled_from((0, 100, 250, -100)), st.integers(300, 700))
def test_the_whole_is_the_sum_of_its_parts(given_rows: list[Row], shares: int, price: int) -> None:
    """Volatilities come back out of the prices; Greeks, requirement, payoff and grid are those of the positions."""
    positions = [held(occ(k, right, expiry), qty, qty * 100) for k, right, expiry, qty, _ in given_rows]
    positions += [held("SPY", shares, shares * 490)] if shares else []
    quotes = [quote(occ(k, r, e), max(worth(k, r, e, 500, v), 0.01)) for k, r, e, _, v in given_rows]
    book = one(positions, [*quotes, quote("SPY", 500)])
    assert [line.symbol for line in book.lines] == sorted(
        (each.symbol for each in positions if each.symbol != "SPY"), key=lambda name: (name[3:9], name[9], name[10:])
    )
    contracts = [
        OptionPosition("SPY", e, Right.CALL if r == "C" else Right.PUT, D(k), n) for k, r, e, n, _ in given_rows
    ]
    try:
        assert book.requirement == maintenance_margin(contracts, {"SPY": max(shares, 0)})
    except UnlimitedRisk:
        assert book.requirement is None
    paid = sum((each.cost for each in positions), D(0))
    assert book.profit(D(price)) == payoff(contracts, D(price)) + shares * D(price) - paid
    wanted = {occ(k, r, e): v for k, r, e, _, v in given_rows if worth(k, r, e, 500, v) > 1}
    for line in book.lines:
        if line.symbol in wanted and line.volatility is not None:
            assert line.volatility == pytest.approx(wanted[line.symbol], abs=0.02)
    if book.total is None or book.grid is None:
        assert book.missing
        return
    parts = [line.greeks for line in book.lines if line.greeks is not None]
    assert book.total.delta == pytest.approx(sum(each.delta for each in parts) + shares, abs=1e-6)
    assert book.total.vega == pytest.approx(sum(each.vega for each in parts), abs=1e-6)
    assert len(book.grid) == len(book.days) == 3
    assert book.grid[0][SHIFTS.index(0.0)][MOVES.index(0.0)] == pytest.approx(0.0, abs=1e-6)
    last = [book.profit(D(str(500 * (1 + move)))) for move in MOVES]
    if len({e for _, _, e, _, _ in given_rows}) == 1:  # then all end on the last day of the grid
        ends = [value - book.grid[-1][0][0] for value in book.grid[-1][0]]
        assert ends == pytest.approx([float(each - last[0]) for each in last], abs=0.05)


def test_what_is_not_known_is_named_and_not_guessed() -> None:
    """Without a quote of one option: no total and no grid; the requirement, payoff and calendar need none."""
    positions = [held(occ(480, "P"), -1, -300), held(occ(470, "P"), 1, 200)]
    book = one(positions, [quote("SPY", 500), quote(occ(480, "P"), 4.0)])
    assert book.missing == (f"{occ(470, 'P')} has no usable quote",)
    assert (book.total, book.grid) == (None, None)
    assert book.requirement == 1000
    assert [each.outcome for each in book.calendar] == [Outcome.WORTHLESS] * 2
    assert book.lines[1].greeks is not None
    assert book.lines[0].value is None
    nothing = one(positions, [])
    assert nothing.missing[0] == "SPY has no usable quote"
    assert len(nothing.missing) == 3
    assert [each.outcome for each in nothing.calendar] == [Outcome.UNKNOWN] * 2


def test_a_price_that_no_volatility_explains_is_named() -> None:
    """Below what it is worth at once: told with the price, and no Greeks."""
    book = one([held(occ(480, "C"), 1)], [quote("SPY", 500), quote(occ(480, "C"), 15.0)])
    assert "no volatility explains 15" in book.missing[0]
    assert book.total is None


def test_crossed_one_sided_and_worthless_quotes_are_none() -> None:
    """A quote for which nobody bids is not half of its ask."""
    unbid = Quote(symbol=occ(600, "C"), bid=0.0, bid_size=0, ask=0.05, ask_size=1, ts_event=NOW, ts_init=NOW)
    assert one([held(occ(600, "C"), -1)], [quote("SPY", 500), unbid]).lines[0].price is None


def test_a_short_call_before_a_dividend_is_warned_of() -> None:
    """Its time value is less than the dividend: the evening before the ex-date, by the account's own quotes."""
    paid = {"SPY": [Dividend(EXPIRIES[0] - timedelta(days=2), D("1.75"))]}
    quotes = [quote("SPY", 500), quote(occ(450, "C"), 51.7)]
    book = one([held(occ(450, "C"), -1), held("SPY", 100)], quotes, dividends=paid)
    (warning,) = book.warnings
    assert warning.by == EXPIRIES[0] - timedelta(days=3)
    assert book.requirement == 0
    assert not one([held(occ(450, "C"), -1)], [quote("SPY", 500)], dividends=paid).warnings


def test_shares_alone_have_a_book_and_coins_have_none() -> None:
    """Stock: a delta, its margin by the table, no payoff to draw; a coin is left out; nothing held is no book."""
    book = one([held("SPY", 10, 4900), held("BTC/USD", 1)], [quote("SPY", 500)])
    assert book.lines == ()
    assert book.strikes == []
    assert book.shares_requirement == D(1500)
    assert book.total is not None
    assert book.total.delta == 10
    assert option_books([], {}, NOW, RATE) == []
