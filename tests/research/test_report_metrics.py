"""The metrics of a run, against numbers worked out by hand and laws that hold for every run."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.research.conftest import CLOSE, OPEN

from puna.engine.record import EquityPoint, FillRow, PositionRow, PricePoint, RunRecord
from puna.research.report.run_report import report
from puna.research.statistics import metrics
from puna.research.statistics.returns import held


def test_profit_is_what_equity_gained(run: RunRecord) -> None:
    """10,000.00 became 10,017.40 after a fee of 0.10."""
    assert metrics.pnl_after_costs(run) == Decimal("17.40")
    assert metrics.return_after_costs(run) == pytest.approx(0.00174)


def test_cost_against_mid_is_the_spread_paid(run: RunRecord) -> None:
    """10 x 0.10 above mid, 5 x 0.20 below it when selling, 5 x 0.10 above it."""
    assert metrics.cost_against_mid(run) == Decimal("2.50")


def test_the_worst_fill_is_the_dearest_in_basis_points(run: RunRecord) -> None:
    """A sale 0.50 below a mid of 200 is 25 bp; better prices than mid never win."""
    dear = replace(run.fills[1], price=Decimal("199.50"))
    lucky = replace(run.fills[2], price=Decimal(150))
    assert metrics.worst_fill_bp(replace(run, fills=[run.fills[0], dear, lucky])) == pytest.approx(25.0)


def test_a_fill_without_a_mid_tells_no_slippage(run: RunRecord) -> None:
    """Where no quote was known nothing is claimed."""
    blind = replace(run, fills=[replace(fill, mid=None) for fill in run.fills])
    assert metrics.worst_fill_bp(blind) is None
    assert metrics.cost_against_mid(blind) == 0


def test_the_drawdown_falls_from_the_highest_point(run: RunRecord) -> None:
    """From 10,100 to 9,999."""
    assert metrics.max_drawdown(run) == pytest.approx(9_999 / 10_100 - 1)
    assert [fall == 0 for _, fall in metrics.drawdowns(run)] == [True, True, False, False]


def test_the_start_counts_as_a_high_point(run: RunRecord) -> None:
    """A day that only loses has its drawdown from the start equity."""
    falling = replace(run, equity=[EquityPoint(run.started_ts, Decimal(9_900))])
    assert metrics.max_drawdown(falling) == pytest.approx(-0.01)


def test_turnover_exposure_and_counts(run: RunRecord) -> None:
    """Everything bought and sold over the start equity; the largest sum of long and short; orders sent and filled."""
    assert metrics.turnover(run) == pytest.approx((1001 + 999 + 1000.5) / 10_000)
    assert metrics.largest_exposure(run) == pytest.approx((1001 + 999) / 10_000)
    assert metrics.orders_sent(run) == 2
    assert metrics.trades(run) == 2


def test_holding_instead_is_the_mean_of_the_symbols(run: RunRecord) -> None:
    """AAPL gained 2 %, IBM lost 1 %."""
    assert metrics.hold_return(run) == pytest.approx(0.005)


def test_options_are_nothing_to_hold_instead(run: RunRecord) -> None:
    """A contract that grew tenfold is no benchmark; the stocks are, and the curve says the same as the figure."""
    run.prices["AAPL121019C00100000"] = [PricePoint(OPEN, 1.0), PricePoint(CLOSE, 10.0)]
    assert metrics.hold_return(run) == pytest.approx(0.005)
    curve = held(run, np.array([OPEN, CLOSE]))
    assert curve is not None
    assert curve[-1] / curve[0] - 1 == pytest.approx(0.005)


def test_what_is_not_realised_of_contracts_counts_a_hundred_times(run: RunRecord) -> None:
    """Two contracts bought for 3.00 at a mark of 4.50: 300 dollars, as the distrust says."""
    run.positions = [PositionRow(symbol="AAPL121221C00100000", qty=Decimal(2), cost=Decimal(600), mark=Decimal("4.50"))]
    told = [doubt.text for doubt in report(run).distrust if "still open" in doubt.short]
    assert told == ["+300.00 USD of the result is not realised; it stands at the last price."]


def test_strategies_and_fees_add_up_to_the_whole(run: RunRecord) -> None:
    """One made 19.00, two lost 1.50, the fee was 0.10: together 17.40."""
    parts = {result.name: result.pnl for result in metrics.by_strategy(run)}
    assert parts == {"one": Decimal("19.00"), "two": Decimal("-1.50")}
    assert sum(parts.values()) - run.fees == metrics.pnl_after_costs(run)
    assert sum(result.pnl for result in metrics.by_symbol(run)) == sum(parts.values())


def test_a_strategys_drawdown_is_its_own(run: RunRecord) -> None:
    """Two was never above zero before it had lost 1.50 of 10,000, when it stood at 200.10 against 199.80."""
    two = metrics.by_strategy(run)[1]
    assert two.max_drawdown == pytest.approx(-1.50 / 10_000)


def test_arrival_cost_is_against_the_mid_of_the_decision(run: RunRecord) -> None:
    """100.10 against 100.00 is 10 bp; without a fill there is none."""
    assert metrics.arrival_cost_bp(run.orders[0]) == pytest.approx(10.0)
    assert metrics.arrival_cost_bp(run.orders[2]) is None


def test_every_metric_says_what_it_means(run: RunRecord) -> None:
    """Names are unique, and each meaning is one sentence."""
    measured = metrics.measure(run)
    assert len({metric.name for metric in measured}) == len(measured)
    assert all(metric.meaning.endswith(".") and len(metric.meaning) > 20 for metric in measured)


def test_a_run_in_which_nothing_happened_has_metrics() -> None:
    """No equity, no fills, no prices: zeros and unknowns, no errors."""
    empty = {metric.name: metric.value for metric in metrics.measure(RunRecord(mode="sim"))}
    assert empty["pnl_after_costs"] == 0
    assert empty["max_drawdown"] == 0.0
    assert empty["turnover"] is None
    assert empty["worst_fill_bp"] is None


cents = st.decimals(min_value="0.01", max_value="1000", places=2)
some_fills = st.lists(
    st.builds(
        FillRow,
        ts=st.integers(0, 10**6),
        symbol=st.sampled_from(["A", "B"]),
        side=st.sampled_from(["buy", "sell"]),
        qty=st.integers(1, 500).map(Decimal),
        price=cents,
        cid=st.just("c"),
        strategy=st.sampled_from(["x", "y"]),
    ),
    max_size=20,
)


@given(some_fills, cents, cents)
def test_parts_always_sum_to_cash_and_marks(rows: list[FillRow], mark_a: Decimal, mark_b: Decimal) -> None:
    """Whatever was traded: the strategies' profits are the money that came in plus what is held at its mark."""
    marks, cash, held = {"A": mark_a, "B": mark_b}, Decimal(0), {"A": Decimal(0), "B": Decimal(0)}
    for row in rows:
        sign = 1 if row.side == "buy" else -1
        cash -= sign * row.qty * row.price
        held[row.symbol] += sign * row.qty
    record = RunRecord(
        mode="sim",
        strategies=["x", "y"],
        symbols=["A", "B"],
        start_equity=Decimal(1000),
        fills=rows,
        positions=[PositionRow(symbol=each, qty=held[each], cost=Decimal(0), mark=marks[each]) for each in held],
    )
    worth = cash + sum(held[each] * marks[each] for each in held)
    assert sum(result.pnl for result in metrics.by_strategy(record)) == worth
    assert sum(result.pnl for result in metrics.by_symbol(record)) == worth


@given(st.lists(st.decimals(min_value="1", max_value="1e6", places=2), min_size=1, max_size=30))
def test_a_drawdown_is_never_above_zero_nor_below_minus_one(values: list[Decimal]) -> None:
    """And it is zero exactly at a new high."""
    record = RunRecord(
        mode="sim", start_equity=values[0], equity=[EquityPoint(ts, value) for ts, value in enumerate(values)]
    )
    falls = [fall for _, fall in metrics.drawdowns(record)]
    assert all(-1 <= fall <= 0 for fall in falls)
    tops = [max(values[: at + 1]) for at in range(len(values))]
    assert [fall == 0 for fall in falls] == [value == top for value, top in zip(values, tops, strict=True)]


def test_a_run_that_goes_on_with_a_journal_is_told_apart(run: RunRecord) -> None:
    """Fills from before the start mean that strategies count from an earlier day than the account does."""
    assert not metrics.is_continued(run)
    assert metrics.is_continued(replace(run, started_ts=run.fills[0].ts + 1))


def test_a_package_counts_with_the_options_it_is_made_of(run: RunRecord) -> None:
    """Ordered once and filled once with its leg's fill, and no order of the stock that it is written on."""
    contract, stock, bought = "AAPL120817P00550000", run.orders[0], run.fills[0]
    package = replace(stock, client_order_id="package", legs=[contract])
    leg = replace(stock, client_order_id="leg", symbol=contract, leg_of="package")
    fills = [bought, replace(bought, symbol=contract, cid="leg")]
    record = replace(run, symbols=["AAPL"], orders=[package, leg, stock], fills=fills)
    counted = {each.name: (each.orders, each.trades, each.fills) for each in metrics.by_symbol(record)}
    assert counted == {"AAPL": (1, 1, 1), "AAPL options": (1, 1, 1)}
