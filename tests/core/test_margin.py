"""Options margin: the broker's worked examples, the laws of the universal spread rule, and brute force."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.margin import (
    OptionPosition,
    Right,
    UnlimitedRisk,
    check_order,
    equity_initial_margin,
    equity_maintenance_margin,
    maintenance_margin,
    order_cost_basis,
    payoff,
)

EXAMPLES = Path(__file__).parents[3] / "shared" / "alpaca" / "margin-examples.json"
JUNE, JULY = date(2026, 6, 19), date(2026, 7, 17)


def option(
    right: str, strike: int | str, quantity: int, expiry: date = JUNE, underlying: str = "AAPL"
) -> OptionPosition:
    return OptionPosition(underlying, expiry, Right(right), Decimal(strike), quantity)


def legs_of(example: dict[str, Any]) -> list[OptionPosition]:
    return [
        option(leg["right"], leg["strike"], leg["qty"] * (1 if leg["side"] == "long" else -1))
        for leg in example["legs"]
    ]


LEVEL_3 = "https://docs.alpaca.markets/us/docs/options-level-3-trading"
ORDERS = "https://docs.alpaca.markets/docs/options-orders"
WORKED = [
    (LEVEL_3, "docs-usr-offset", "100C +1, 110C -1, 190C -1, 200C +1", {"maintenance_margin": "0"}),
    (LEVEL_3, "docs-credit-call-spread-cost-basis", "190C -1, 200C +1",
     {"maintenance_margin": "1000", "cost_basis": "500"}),
    (LEVEL_3, "docs-credit-call-spread-margin", "190C -1, 200C +1", {"maintenance_margin": "1000"}),
    (LEVEL_3, "docs-debit-call-spread-margin", "100C +1, 110C -1", {"maintenance_margin": "0"}),
    (ORDERS, "docs-long-call", "190C +1", {"buying_power_required": "510.00"}),
    (ORDERS, "docs-long-put", "170P +1", {"buying_power_required": "104.00"}),
    (ORDERS, "docs-cash-secured-put", "175P -1", {"buying_power_required": "17500"}),
    (ORDERS, "docs-covered-call", "195C -2", {"underlying_shares_required": "200"}),
]  # fmt: skip
"""Alpaca's worked examples: page, name, legs, what the page says comes out."""
PAID = {"docs-long-call": "5.10", "docs-long-put": "1.04", "docs-credit-call-spread-cost-basis": "-5"}


def read(text: str) -> list[OptionPosition]:
    """`190C -1, 200C +1` as positions in AAPL."""
    parts = [part.split() for part in text.split(",")]
    return [option("call" if s[-1] == "C" else "put", s[:-1], int(n)) for s, n in parts]


@pytest.mark.parametrize(("page", "name", "legs", "expected"), WORKED, ids=[row[1] for row in WORKED])
def test_the_brokers_worked_examples(page: str, name: str, legs: str, expected: dict[str, str]) -> None:
    """Every worked example of Alpaca's documentation comes out to the cent."""
    book, paid = read(legs), Decimal(PAID.get(name, "0"))
    if margin := expected.get("maintenance_margin"):
        assert maintenance_margin(book) == Decimal(margin), page
    if cost := expected.get("cost_basis") or expected.get("buying_power_required"):
        assert order_cost_basis(book, paid, 1) == Decimal(cost), page
        assert check_order(book, paid, 1, buying_power=Decimal(cost)).allowed
        assert not check_order(book, paid, 1, buying_power=Decimal(cost) - Decimal("0.01")).allowed
    if shares := expected.get("underlying_shares_required"):
        assert maintenance_margin(book, {"AAPL": int(shares)}) == 0
        with pytest.raises(UnlimitedRisk):
            maintenance_margin(book, {"AAPL": int(shares) - 1})


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the file that the examples were taken from is not here")
def test_the_examples_are_the_files() -> None:
    """What stands above is what the file says: the same legs, the same numbers, none left out."""
    for example, (page, name, legs, expected) in zip(json.loads(EXAMPLES.read_text())["examples"], WORKED, strict=True):
        assert (example["id"], example["source"]) == (name, page)
        assert sorted(legs_of(example), key=repr) == sorted(read(legs), key=repr)
        assert expected.items() <= example["expected"].items()
        prices = example.get("prices", {}).get("net_price_per_share") or example["legs"][0].get("premium")
        assert name not in PAID or PAID[name] == prices


def test_a_credit_call_spread_costs_its_width_less_its_credit() -> None:
    """190/200 for a credit of 5.00: margin 1,000 and cost basis 500 (L3)."""
    legs = [option("call", 190, -1), option("call", 200, 1)]
    assert maintenance_margin(legs) == 1000
    assert order_cost_basis(legs, Decimal("-5.00"), 1) == 500


def test_an_iron_condor_requires_its_wider_wing() -> None:
    """Only one side can lose, so the wider wing counts, not the sum (L3)."""
    condor = [option("put", 470, 1), option("put", 480, -1), option("call", 520, -1), option("call", 535, 1)]
    assert maintenance_margin(condor) == 1500


def test_over_expirations_the_largest_counts() -> None:
    """Two spreads in two months require the larger of the two, not their sum (L3)."""
    june = [option("put", 100, -1), option("put", 95, 1)]
    july = [option("put", 100, -1, JULY), option("put", 92, 1, JULY)]
    assert maintenance_margin(june + july) == 800


def test_a_naked_call_is_a_branch_and_not_a_big_number() -> None:
    """A falling line beyond the last strike is refused, and 100 shares make it a covered call."""
    with pytest.raises(UnlimitedRisk):
        maintenance_margin([option("call", 100, -1)])
    assert maintenance_margin([option("call", 100, -1)], {"AAPL": 100}) == 0


def test_shares_cannot_cover_two_expirations_at_once() -> None:
    """100 shares deliver once."""
    calls = [option("call", 100, -1), option("call", 100, -1, JULY)]
    with pytest.raises(UnlimitedRisk):
        maintenance_margin(calls, {"AAPL": 100})
    assert maintenance_margin(calls, {"AAPL": 200}) == 0


strikes = st.integers(1, 40).map(lambda n: n * 5)
positions = st.builds(
    option,
    st.sampled_from(["call", "put"]),
    strikes,
    st.integers(-3, 3).filter(bool),
    st.sampled_from([JUNE, JULY]),
    st.sampled_from(["AAPL", "SPY"]),
)
books = st.lists(positions, min_size=1, max_size=8)


def outcome(book: list[OptionPosition], shares: dict[str, int] | None = None) -> Decimal | None:
    """The requirement, or None where it has no bound."""
    try:
        return maintenance_margin(book, shares or {})
    except UnlimitedRisk:
        return None


@given(books)
def test_brute_force_over_a_price_grid_agrees(book: list[OptionPosition]) -> None:
    """The worst of every whole price from 0 to far beyond the last strike is the requirement, or it keeps falling."""
    required = Decimal(0)
    for name in {p.underlying for p in book}:
        worst = Decimal(0)
        for expiry in {p.expiry for p in book if p.underlying == name}:
            month = [p for p in book if (p.underlying, p.expiry) == (name, expiry)]
            line = [payoff(month, Decimal(price)) for price in range(1001)]
            if line[1000] < line[999]:
                assert outcome(book) is None
                return
            worst = max(worst, -min(line))
        required += worst
    assert outcome(book) == required


@given(books, st.integers(1, 7))
def test_it_is_linear_in_quantity(book: list[OptionPosition], n: int) -> None:
    """Any n times the book requires n times the margin, exactly."""
    once = outcome(book)
    assert outcome([p.times(n) for p in book]) == (None if once is None else once * n)


@given(books)
def test_it_is_never_negative(book: list[OptionPosition]) -> None:
    """A requirement is zero or more."""
    assert (outcome(book) or Decimal(0)) >= 0


@given(books, positions, st.integers(0, 300))
def test_a_long_leg_never_raises_it(book: list[OptionPosition], extra: OptionPosition, shares: int) -> None:
    """What pays and never costs cannot make the requirement larger, shares held or not."""
    long = extra if extra.quantity > 0 else extra.times(-1)
    before, after = outcome(book, {"AAPL": shares}), outcome([*book, long], {"AAPL": shares})
    assert before is None or (after is not None and after <= before)


@given(books, books)
def test_underlyings_add_up(one: list[OptionPosition], two: list[OptionPosition]) -> None:
    """Different underlyings never offset each other."""
    left = [option(p.right, int(p.strike), p.quantity, p.expiry, "AAPL") for p in one]
    right = [option(p.right, int(p.strike), p.quantity, p.expiry, "SPY") for p in two]
    a, b = outcome(left), outcome(right)
    assert outcome(left + right) == (None if a is None or b is None else a + b)


@given(books, st.integers(0, 500), st.integers(0, 500))
def test_more_shares_never_raise_it(book: list[OptionPosition], few: int, more: int) -> None:
    """Shares cover; they never cost margin here."""
    before, after = outcome(book, {"AAPL": few}), outcome(book, {"AAPL": few + more})
    assert before is None or (after is not None and after <= before)


def test_a_check_says_all_there_is_to_know() -> None:
    """An order too large is refused with its shortfall, the size that fits, and the pairing."""
    legs = [option("put", 470, 1), option("put", 480, -1), option("call", 520, -1), option("call", 530, 1)]
    check = check_order(legs, Decimal("-1.60"), 10, buying_power=Decimal(5000))
    assert not check.allowed
    assert [check.margin_before, check.margin_after, check.cost_basis] == [Decimal(n) for n in (0, 10_000, 8_400)]
    assert check.shortfall == 3_400
    assert check.largest_quantity == 5
    pairs = {(int(p.short.strike), int(p.covered_by.strike)) for p in check.pairs if p.covered_by}
    assert pairs == {(480, 470), (520, 530)}


@pytest.mark.parametrize(
    ("legs", "says"),
    [
        ([option("call", 100, 2), option("call", 110, -2)], "relatively prime"),
        ([option("call", 100, 1), option("call", 100, -1)], "twice"),
        ([option("call", 100, 1), option("call", 110, -1, underlying="SPY")], "same underlying"),
        ([option("call", s, 1) for s in (1, 2, 3, 4, 5)], "1 to 4 legs"),
        ([option("put", 100, -1), option("put", 90, 1, JULY)], "uncovered"),
    ],
)
def test_malformed_orders_are_named(legs: list[OptionPosition], says: str) -> None:
    """Each admission rule of multi-leg orders refuses with its own words (L3)."""
    check = check_order(legs, Decimal(1), 1, buying_power=Decimal(10**6))
    assert not check.allowed
    assert any(says in reason for reason in check.reasons)
    assert check.largest_quantity == 0


@pytest.mark.parametrize(
    ("legs", "price", "says"),
    [
        ("480P -1, 470P +1", "1.60", "a credit is a negative price"),
        ("480P -1, 470P +1", "-1.60", ""),
        ("480P +1, 470P -1", "-1.60", "a debit is a positive price"),
        ("480P +1, 470P -1", "1.60", ""),
        ("480P -1, 470P +1, 520C -1, 530C +1", "1.60", "a credit is a negative price"),
        ("480C +1", "-3", "a debit is a positive price"),
        ("470P -1, 480P -1, 490P +2, 520C +1", "-1", "a debit is a positive price"),
        ("100C +1, 110C -1, 190C -1, 200C +1", "-1", "a debit is a positive price"),
        ("100C +2, 110C -1, 130C -1", "1", ""),
        ("480P -1, 470P +1", "0", ""),
    ],
)
def test_a_price_of_the_wrong_sign_is_named(legs: str, price: str, says: str) -> None:
    """Where the payoff tells that it must be a credit or a debit, a price of the other sign is refused (L3)."""
    check = check_order(read(legs), Decimal(price), 1, buying_power=Decimal(10**6))
    assert check.allowed == (not says)
    assert any(says in reason for reason in check.reasons) or not says


def test_single_short_calls_need_free_shares() -> None:
    """A long call held does not cover a call sold alone, shares locked by one call do not cover another (OPT)."""
    sold, power = [option("call", 110, -1)], Decimal(10**6)
    refused = check_order(sold, Decimal(-1), 1, buying_power=power, positions=[option("call", 120, 1)])
    assert "insufficient underlying qty available" in refused.reasons[0]
    locked = [option("call", 100, -1, JULY)]
    assert not check_order(sold, Decimal(-1), 1, buying_power=power, positions=locked, shares={"AAPL": 100}).allowed
    enough = check_order(sold, Decimal(-1), 1, buying_power=power, positions=locked, shares={"AAPL": 350}, level=1)
    assert (enough.allowed, enough.largest_quantity, enough.change) == (True, 2, Decimal(0))
    assert {pair.how for pair in enough.pairs} == {"covered by shares"}


def test_closing_needs_no_level_and_opening_behind_it_does() -> None:
    """Selling the two calls that are held is closing; the third would be opening, and uncovered."""
    held = [option("call", 100, 2)]
    assert check_order(
        [option("call", 100, -1)], Decimal(-3), 2, buying_power=Decimal(0), level=1, positions=held
    ).allowed
    third = check_order([option("call", 100, -1)], Decimal(-3), 3, buying_power=Decimal(0), level=1, positions=held)
    assert (third.allowed, third.largest_quantity) == (False, 2)


def test_what_shrinks_a_deficit_fits_though_one_unit_would_not() -> None:
    """With negative buying power only an order that frees enough is allowed; the largest such size is found."""
    held = [option("put", 480, -5), option("put", 470, 5)]
    back = [option("put", 480, 1), option("put", 470, -1)]
    check = check_order(back, Decimal(2), 3, buying_power=Decimal(-2000), positions=held)
    assert (check.allowed, check.cost_basis, check.largest_quantity) == (True, Decimal(-2400), 15)


@given(books, st.integers(1, 6), st.integers(0, 4), st.integers(-500, 3000), st.integers(0, 300))
def test_the_largest_quantity_fits_and_one_more_does_not(
    held: list[OptionPosition], quantity: int, price: int, power: int, shares: int
) -> None:
    """For a bull put spread on any book: allowed exactly up to the largest quantity."""
    legs, credit = [option("put", 100, -1), option("put", 90, 1)], Decimal(-price)
    if outcome(held, {"AAPL": shares}) is None:
        return
    terms: dict[str, Any] = {"buying_power": Decimal(power), "positions": held, "shares": {"AAPL": shares}}
    largest = check_order(legs, credit, quantity, **terms).largest_quantity
    assert largest == 0 or check_order(legs, credit, largest, **terms).allowed
    assert largest == 10_000 or not check_order(legs, credit, largest + 1, **terms).allowed


def test_a_common_factor_is_offered_simplified() -> None:
    """2:2 times 1 is offered as 1:1 times 2."""
    check = check_order([option("call", 100, 2), option("call", 110, -2)], Decimal(1), 1, buying_power=Decimal(10**6))
    assert check.simplified == ((option("call", 100, 1), option("call", 110, -1)), 2)


@pytest.mark.parametrize(("level", "allowed"), [(0, False), (1, False), (2, True), (3, True)])
def test_long_options_need_level_two(level: int, allowed: bool) -> None:
    """Levels 0 to 3 (OPT)."""
    check = check_order([option("call", 100, 1)], Decimal(5), 1, buying_power=Decimal(500), level=level)
    assert check.allowed is allowed


@pytest.mark.parametrize(
    ("price", "quantity", "leverage", "required"),
    [
        ("50", 100, -3, "3750"), ("2", 100, 2, "200"),
        ("2.49", 100, 1, "249"), ("2.50", 100, 1, "125"), ("6.00", 100, 1, "300"), ("6.01", 100, 1, "180.30"),
        ("50", 100, 2, "2500"), ("50", 100, 3, "3750"), ("4", -100, 1, "400"), ("2", -100, 1, "250"),
        ("10", -100, 1, "500"), ("100", -100, 1, "3000"),
    ],
)  # fmt: skip
def test_the_equity_table(price: str, quantity: int, leverage: int, required: str) -> None:
    """Price bands, leveraged funds and shorts (MARG, 2026-09-17)."""
    assert equity_maintenance_margin(Decimal(price), Decimal(quantity), leverage=leverage) == Decimal(required)


def test_one_large_position_on_debit_requires_half() -> None:
    """70 % of all equities with 100,000 of debit: 50 % on it, and never less than its own rate (MARG)."""
    assert equity_maintenance_margin(Decimal(50), Decimal(100), concentrated=True) == 2500
    assert equity_maintenance_margin(Decimal(50), Decimal(100), concentrated=True, leverage=3) == 3750
    assert equity_maintenance_margin(Decimal(50), Decimal(100), marginable=False) == 5000


def test_initial_margin_of_equities() -> None:
    """Half of the value, or all of it where the asset is not marginable (MARG)."""
    assert equity_initial_margin(Decimal(10), Decimal(100)) == 500
    assert equity_initial_margin(Decimal(10), Decimal(-100), marginable=False) == 1000
