"""Sleeves add up to the account, whatever is filled, and are never more than the account."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.portfolio import Portfolio, book, equity
from puna.core.sleeves import check_shares, opened
from puna.core.types import Fill, Side
from puna.errors import ConfigError

NAMES = ("trend", "pairs", "somebody")
SYMBOLS = ("AAPL", "MSFT", "SPY260320P00480000")

fills = st.lists(
    st.builds(
        Fill,
        client_order_id=st.just("c"),
        strategy=st.sampled_from(NAMES),
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(list(Side)),
        qty=st.integers(1, 50).map(Decimal),
        price=st.integers(1, 90_000).map(lambda cents: Decimal(cents) / 100),
        cum_qty=st.just(Decimal(1)),
        ts_event=st.just(0),
        fee=st.integers(0, 200).map(lambda cents: Decimal(cents) / 100),
    ),
    max_size=30,
)
parts = st.integers(0, 50).map(lambda percent: Decimal(percent) / 100)


@given(fills, parts, parts, st.integers(0, 10**7).map(Decimal))
def test_sleeves_add_up_to_the_account(done: list[Fill], one: Decimal, two: Decimal, worth: Decimal) -> None:
    """Cash and every position, exactly: the account's is that of all sleeves and of what belongs to nobody."""
    account, nobody = Portfolio(cash=worth), Portfolio(cash=worth * (1 - one - two))
    for fill in done:
        account = book(account, fill)
        nobody = book(nobody, fill) if fill.strategy == "somebody" else nobody
    sleeves = opened({"trend": one, "pairs": two}, worth, done)
    books = [nobody, *(each.book for each in sleeves.values())]
    assert account.cash == sum((each.cash for each in books), Decimal(0))
    for symbol in SYMBOLS:
        assert account.qty(symbol) == sum((each.qty(symbol) for each in books), Decimal(0))
    marks = dict.fromkeys(SYMBOLS, Decimal("12.34"))
    assert equity(account, marks) == sum((equity(each, marks) for each in books), Decimal(0))


@given(fills, parts)
def test_a_sleeve_is_what_it_began_with_and_its_profit(done: list[Fill], share: Decimal) -> None:
    """Equity = start + profit - fees, for every mark; without a mark nobody guesses."""
    sleeve = opened({"trend": share}, Decimal(100_000), done)["trend"]
    marks = dict.fromkeys(SYMBOLS, Decimal(7))
    gained = sleeve.profit(marks)
    assert gained is not None
    assert sleeve.equity(marks) == sleeve.start + gained - sleeve.book.fees
    if sleeve.book.positions:
        assert sleeve.equity({}) is None


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({"a": Decimal("0.7"), "b": Decimal("0.4")}, "110%"),
        ({"a": Decimal("-0.1")}, "capital of a"),
        ({"a": Decimal("NaN")}, "capital of a"),
    ],
)
def test_budgets_are_parts_of_one_account(shares: dict[str, Decimal], says: str) -> None:
    """Together at most the whole."""
    with pytest.raises(ConfigError, match=says):
        check_shares(shares)
