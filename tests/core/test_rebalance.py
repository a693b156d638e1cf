"""Rebalancing: a plan never spends what is not there, sells first, and applied to itself is empty."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.rebalance import Holding, Plan, Priced, RebalanceRules, affordable, apply, rebalance
from puna.core.types import Side
from puna.errors import DataError

NOW = 1_000_000_000_000
SYMBOLS = ("AAPL", "IBM", "MSFT", "XYZ")


def priced(**prices: str) -> dict[str, Priced]:
    return {symbol: Priced(Decimal(price), NOW) for symbol, price in prices.items()}


def weights(**targets: str) -> dict[str, Decimal]:
    return {symbol: Decimal(weight) for symbol, weight in targets.items()}


def test_cash_becomes_positions_in_whole_lots() -> None:
    """Half of 10,000 in a stock at 33 is 151 shares, and the rest stays cash."""
    plan = rebalance(weights(AAPL="0.5"), Holding({}, Decimal(10_000)), priced(AAPL="33"), NOW)
    (buy,) = plan.buys
    assert (buy.symbol, buy.side, buy.qty) == ("AAPL", Side.BUY, Decimal(151))
    assert plan.cash_after == 10_000 - 151 * 33


def test_what_is_held_and_not_wanted_is_sold_first() -> None:
    """A symbol without a target is closed, odd lots included, and pays for the buy."""
    holding = Holding({"IBM": Decimal("10.5")}, Decimal(0))
    plan = rebalance(weights(AAPL="1"), holding, priced(AAPL="10", IBM="100"), NOW)
    assert [(t.symbol, t.qty) for t in plan.trades] == [("IBM", Decimal("10.5")), ("AAPL", Decimal(105))]


def test_buys_are_held_back_when_sells_fail() -> None:
    """Without the proceeds nothing is bought; with half of them, half is."""
    holding = Holding({"IBM": Decimal(10)}, Decimal(0))
    plan = rebalance(weights(AAPL="1"), holding, priced(AAPL="10", IBM="100"), NOW)
    assert affordable(plan, Decimal(0)) == ()
    assert [t.qty for t in affordable(plan, Decimal(500))] == [50]


def test_a_position_never_flips_in_one_order() -> None:
    """Long to short closes first; the plan says that the short opens next time (fact sheet 5.2)."""
    rules = RebalanceRules(allow_short=True)
    plan = rebalance(weights(AAPL="-0.5"), Holding({"AAPL": Decimal(5)}, Decimal(1000)), priced(AAPL="10"), NOW, rules)
    assert [(t.side, t.qty) for t in plan.trades] == [(Side.SELL, Decimal(5))]
    assert "closes first" in plan.skipped[0].reason


def test_nothing_is_traded_against_an_open_order() -> None:
    """An own resting sell keeps the symbol from being bought (wash rule, PROT)."""
    holding = Holding({}, Decimal(1000))
    resting = [("AAPL", Side.SELL)]
    plan = rebalance(weights(AAPL="1"), holding, priced(AAPL="10"), NOW, resting=resting)
    assert plan.trades == ()
    assert plan.skipped[0].reason == "an order of the other side is open"


def test_drift_band_and_turnover_cap() -> None:
    """Small drifts are left alone, and one plan trades no more than its cap."""
    holding = Holding({"AAPL": Decimal(48)}, Decimal(520))
    calm = rebalance(weights(AAPL="0.5"), holding, priced(AAPL="10"), NOW, RebalanceRules(drift_band=Decimal("0.05")))
    assert calm.trades == ()
    capped = rebalance(weights(AAPL="1"), holding, priced(AAPL="10"), NOW, RebalanceRules(turnover_cap=Decimal("0.1")))
    assert [t.qty for t in capped.trades] == [10]


@pytest.mark.parametrize(
    ("targets", "prices", "says"),
    [
        ({"AAPL": Decimal("0.5")}, {}, "no usable price"),
        ({"AAPL": Decimal("0.5")}, {"AAPL": Priced(Decimal("NaN"), NOW)}, "no usable price"),
        ({"AAPL": Decimal("0.5")}, {"AAPL": Priced(Decimal(10), NOW - 61_000_000_000)}, "61 s old"),
        ({"AAPL": Decimal("1.01")}, {"AAPL": Priced(Decimal(10), NOW)}, "add up to"),
        ({"AAPL": Decimal("-0.1")}, {"AAPL": Priced(Decimal(10), NOW)}, "shorts are not allowed"),
        ({"AAPL": Decimal("NaN")}, {"AAPL": Priced(Decimal(10), NOW)}, "target weight"),
    ],
)
def test_half_of_the_facts_is_no_plan(targets: dict[str, Decimal], prices: dict[str, Priced], says: str) -> None:
    """Missing, stale or impossible input refuses the whole plan with its reason."""
    with pytest.raises(DataError, match=says):
        rebalance(targets, Holding({}, Decimal(1000)), prices, NOW)


amounts = st.integers(0, 400).map(Decimal)
cents = st.integers(100, 50_000).map(lambda n: Decimal(n) / 100)
books = st.fixed_dictionaries(dict.fromkeys(SYMBOLS, amounts))
quotes = st.fixed_dictionaries({s: cents.map(lambda p: Priced(p, NOW)) for s in SYMBOLS})
shares_of_ten = st.lists(st.integers(0, 10), min_size=len(SYMBOLS), max_size=len(SYMBOLS))
rule_sets = st.builds(
    RebalanceRules,
    lot=st.sampled_from([Decimal(1), Decimal(10), Decimal("0.001")]),
    minimum_trade=st.sampled_from([Decimal(1), Decimal(250)]),
    drift_band=st.sampled_from([Decimal(0), Decimal("0.02")]),
    deployment=st.sampled_from([Decimal(1), Decimal("0.9")]),
    cash_buffer=st.sampled_from([Decimal(0), Decimal(100)]),
)


def as_weights(parts: list[int]) -> dict[str, Decimal]:
    total = max(10, sum(parts))
    return {symbol: Decimal(part) / total for symbol, part in zip(SYMBOLS, parts, strict=True)}


@given(shares_of_ten, books, cents, quotes, rule_sets)
def test_a_plan_applied_to_itself_is_empty(
    parts: list[int], held: dict[str, Decimal], cash: Decimal, prices: dict[str, Priced], rules: RebalanceRules
) -> None:
    """Once its trades have filled at their prices, there is nothing left to do."""
    holding = Holding(held, cash)
    plan = rebalance(as_weights(parts), holding, prices, NOW, rules)
    assert rebalance(as_weights(parts), apply(plan, holding), prices, NOW, rules).trades == ()


@given(shares_of_ten, books, cents, quotes, rule_sets, st.integers(0, 100))
def test_cash_is_never_exceeded(
    parts: list[int],
    held: dict[str, Decimal],
    cash: Decimal,
    prices: dict[str, Priced],
    rules: RebalanceRules,
    luck: int,
) -> None:
    """Neither the plan nor what is affordable after sells that filled in part spends more than there is."""
    holding = Holding(held, cash)
    plan = rebalance(as_weights(parts), holding, prices, NOW, rules)
    assert apply(plan, holding).cash == plan.cash_after >= min(cash, Decimal(0))
    got = cash + sum((t.value * luck / 100 for t in plan.sells), Decimal(0))
    assert sum((t.value for t in affordable(plan, got, rules)), Decimal(0)) <= max(Decimal(0), got - rules.cash_buffer)


@given(shares_of_ten, books, cents, quotes, rule_sets)
def test_value_is_conserved(
    parts: list[int], held: dict[str, Decimal], cash: Decimal, prices: dict[str, Priced], rules: RebalanceRules
) -> None:
    """At one price a symbol, trading changes the form of the equity and not its amount."""
    holding = Holding(held, cash)
    plan = rebalance(as_weights(parts), holding, prices, NOW, rules)
    after = apply(plan, holding)
    assert after.cash + sum(qty * prices[s].price for s, qty in after.positions.items()) == plan.equity


signed_tenths = st.lists(st.integers(-5, 5), min_size=len(SYMBOLS), max_size=len(SYMBOLS))
signed_books = st.fixed_dictionaries(dict.fromkeys(SYMBOLS, st.integers(-200, 400).map(Decimal)))
plentiful = st.integers(50_000_00, 500_000_00).map(lambda n: Decimal(n) / 100)


def signed_weights(parts: list[int]) -> dict[str, Decimal]:
    total = max(10, sum(map(abs, parts)))
    return {symbol: Decimal(part) / total for symbol, part in zip(SYMBOLS, parts, strict=True)}


def planned(
    parts: list[int], holding: Holding, prices: dict[str, Priced], rules: RebalanceRules, power: Decimal | None = None
) -> Plan | None:
    """A plan, or None where there is no equity to divide."""
    try:
        return rebalance(signed_weights(parts), holding, prices, NOW, rules, buying_power=power)
    except DataError:
        return None


@given(signed_tenths, signed_books, plentiful, quotes, rule_sets)
def test_long_and_short_come_to_rest_in_two_plans(
    parts: list[int], held: dict[str, Decimal], cash: Decimal, prices: dict[str, Priced], rules: RebalanceRules
) -> None:
    """The first closes what has to change sides, the second opens the other side, and then nothing is left to do."""
    rules = msgspec.structs.replace(rules, allow_short=True)
    holding = Holding(held, cash)
    for _ in range(2):
        plan = planned(parts, holding, prices, rules)
        if plan is None:
            return
        after = apply(plan, holding)
        assert all(after.positions.get(s, 0) * q >= 0 for s, q in holding.positions.items())  # nothing flips at once
        holding = after
    final = planned(parts, holding, prices, rules)
    assert final is not None
    short_of_cash = {each.symbol for each in final.skipped if "cash" in each.reason}
    assert {trade.symbol for trade in final.trades} <= short_of_cash


@given(signed_tenths, signed_books, plentiful, quotes, rule_sets, st.integers(0, 100_000).map(Decimal))
def test_buying_power_is_never_exceeded(
    parts: list[int],
    held: dict[str, Decimal],
    cash: Decimal,
    prices: dict[str, Priced],
    rules: RebalanceRules,
    power: Decimal,
) -> None:
    """What opens is worth no more than the buying power, shorts at 1.03; what closes is never cut by it."""
    rules = msgspec.structs.replace(rules, allow_short=True)
    plan = planned(parts, Holding(held, cash), prices, rules, power)
    free = planned(parts, Holding(held, cash), prices, rules)
    if plan is None or free is None:
        return
    weights = {Side.BUY: Decimal(1), Side.SELL: Decimal("1.03")}
    assert sum((t.value * weights[t.side] for t in plan.trades if t.opens), Decimal(0)) <= power
    closing = {(t.symbol, t.qty) for t in free.sells if not t.opens}
    assert closing <= {(t.symbol, t.qty) for t in plan.sells if not t.opens}


@given(signed_tenths, signed_books, plentiful, quotes, rule_sets, st.integers(1, 100))
def test_turnover_band_and_smallest_trade_hold(
    parts: list[int],
    held: dict[str, Decimal],
    cash: Decimal,
    prices: dict[str, Priced],
    rules: RebalanceRules,
    cap: int,
) -> None:
    """No plan trades more than its cap, less than its smallest trade, or against the direction of its target."""
    rules = msgspec.structs.replace(rules, allow_short=True, turnover_cap=Decimal(cap) / 100)
    plan = planned(parts, Holding(held, cash), prices, rules)
    if plan is None:
        return
    assert plan.turnover <= Decimal(cap) / 100
    assert all(trade.value >= rules.minimum_trade for trade in plan.trades)
    for trade in plan.trades:
        price, goal = prices[trade.symbol].price, signed_weights(parts)[trade.symbol] * rules.deployment * plan.equity
        before = held[trade.symbol] * price
        after = before + trade.side.sign * trade.value
        flips = before * goal < 0
        assert abs((Decimal(0) if flips else goal) - after) <= abs((Decimal(0) if flips else goal) - before)
        assert flips or not goal or abs(goal - before) >= rules.drift_band * plan.equity


@given(signed_tenths, signed_books, plentiful, quotes, st.data())
def test_nothing_meets_an_open_order_of_ours(
    parts: list[int], held: dict[str, Decimal], cash: Decimal, prices: dict[str, Priced], data: st.DataObject
) -> None:
    """For any set of open orders, no trade of the plan is opposite to one in its symbol (wash rule)."""
    resting = data.draw(st.lists(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(list(Side)))))
    rules = RebalanceRules(allow_short=True)
    try:
        plan = rebalance(signed_weights(parts), Holding(held, cash), prices, NOW, rules, resting=resting)
    except DataError:
        return
    assert not {(trade.symbol, trade.side.opposite) for trade in plan.trades} & set(resting)
