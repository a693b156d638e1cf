"""The ledger by itself: every entry balances, to the last decimal."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.exchange.ledger import FeeSchedule, Ledger

TRADES = st.tuples(
    st.sampled_from(["AAPL", "IBM"]),
    st.decimals(-1000, 1000, places=9).filter(bool),
    st.decimals("0.0001", "5000", places=4),
)
SPLITS = st.tuples(st.sampled_from(["AAPL", "IBM"]), st.integers(1, 10), st.integers(1, 10))


def _ledger(**rest: Any) -> Any:
    return Ledger(start=Decimal(100_000), **rest)


@given(st.lists(TRADES, max_size=30))
def test_cash_is_what_was_paid_and_positions_are_what_was_traded(trades: list[tuple[str, Decimal, Decimal]]) -> None:
    """Cash = start - sum(signed quantity * price), position = sum of quantities, and the trial balance is zero."""
    books = _ledger()
    for trade in trades:
        books.trade(*trade)
        assert books.imbalance == 0
    assert books.cash == 100_000 - sum((qty * price for _, qty, price in trades), Decimal(0))
    for symbol in ("AAPL", "IBM"):
        assert books.quantity(symbol) == sum((qty for name, qty, _ in trades if name == symbol), Decimal(0))
    assert all(qty for qty, _ in books.positions.values())


@given(st.lists(TRADES, max_size=20), SPLITS)
def test_a_split_moves_no_money(trades: list[tuple[str, Decimal, Decimal]], split: tuple[str, int, int]) -> None:
    """Cash, cost, realised profit and balance stay; less than a billionth of a share is lost."""
    books = _ledger()
    for trade in trades:
        books.trade(*trade)
    symbol, old_rate, new_rate = split
    cash, cost = books.cash, {name: each.cost for name, each in books.holdings.items()}
    shares = Fraction(books.quantity(symbol)) * new_rate / old_rate
    books.split(symbol, old_rate, new_rate)
    assert (books.cash, books.imbalance) == (cash, 0)
    assert all(each.cost == cost[name] for name, each in books.holdings.items())
    assert abs(Fraction(books.quantity(symbol)) - shares) < Fraction(1, 10**9)
    assert books.quantity(symbol) * int(shares > 0 or -1) >= 0


def test_a_dust_holding_that_a_split_rounds_away_is_a_loss() -> None:
    """A billionth of a share, one for ten: gone, and its cost is realised."""
    books = _ledger()
    books.trade("AAPL", Decimal("0.000000001"), Decimal(100))
    books.split("AAPL", 10, 1)
    assert (books.positions, books.imbalance, books.realised) == ({}, 0, Decimal("-0.0000001"))


def test_a_flip_closes_first_and_opens_the_rest() -> None:
    """Long 10 at 100, sell 15 at 110: realised 100, short 5 at 110."""
    books = _ledger()
    books.trade("AAPL", Decimal(10), Decimal(100))
    entry = books.trade("AAPL", Decimal(-15), Decimal(110))
    assert (entry.realised, entry.position) == (100, -5)
    assert books.positions == {"AAPL": (-5, 110)}


def test_average_entry_price_is_weighted_and_survives_a_partial_close() -> None:
    """Buys move it, sells do not (facts.md 5.5, AEP)."""
    books = _ledger()
    books.trade("AAPL", Decimal(100), Decimal(10))
    books.trade("AAPL", Decimal(50), Decimal(13))
    assert books.positions["AAPL"] == (150, 11)
    books.trade("AAPL", Decimal(-70), Decimal(20))
    assert books.positions["AAPL"] == (80, 11)
    assert books.realised == 70 * 9


def test_day_profit_counts_from_the_last_close() -> None:
    """What was held over night from yesterday's price, what was bought today from its own."""
    books = _ledger()
    books.trade("AAPL", Decimal(10), Decimal(100))
    books.begin_day({"AAPL": Decimal(104)})
    books.trade("AAPL", Decimal(10), Decimal(106))
    assert books.holdings["AAPL"].day_cost == 2100
    books.trade("AAPL", Decimal(-10), Decimal(110))
    assert books.holdings["AAPL"].day_cost == 1050
    assert books.holdings["AAPL"].cost == 1030


@pytest.mark.parametrize(
    ("qty", "price", "fees"),
    [
        (1000, 100, {"CAT": "0.01"}),
        (-1000, 100, {"CAT": "0.01", "SEC": "2.06", "TAF": "0.20"}),
        (-100_000, 1, {"CAT": "0.30", "SEC": "2.06", "TAF": "9.79"}),
        (-1, 1, {"CAT": "0.01", "SEC": "0.01", "TAF": "0.01"}),
    ],
)
def test_fees_are_totals_rounded_up_to_the_cent(qty: int, price: int, fees: dict[str, str]) -> None:
    """SEC and TAF on sells, CAT on both sides, TAF capped for an execution; charged once (facts.md 10)."""
    books = _ledger(schedule=FeeSchedule())
    books.trade("AAPL", Decimal(qty), Decimal(price))
    assert (books.fees, books.accrued > 0) == (0, True)
    before = books.cash
    assert {name: str(value) for name, value in books.charge_fees().items()} == fees
    assert books.fees == before - books.cash == sum(map(Decimal, fees.values()))
    assert (books.charge_fees(), books.accrued, books.imbalance) == ({}, 0, 0)


@given(st.lists(TRADES, max_size=20))
def test_fees_leave_the_books_balanced(trades: list[tuple[str, Decimal, Decimal]]) -> None:
    """Cash = start - sum(signed quantity * price) - fees, and fees are whole cents."""
    books = _ledger(schedule=FeeSchedule())
    for trade in trades:
        books.trade(*trade)
    books.charge_fees()
    assert books.imbalance == 0
    assert books.cash == 100_000 - sum((qty * price for _, qty, price in trades), Decimal(0)) - books.fees
    assert books.fees % Decimal("0.01") == 0
