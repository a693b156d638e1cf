"""Round trips from flat to flat, packages as one, splits in between; the bridge adds up; figures worked out by hand."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.engine.record import ActionRow, FillRow, OrderRow, PositionRow, PricePoint, RunRecord
from puna.research.statistics.metrics import by_symbol, exposures
from puna.research.statistics.returns import held
from puna.research.statistics.round_trips import bridge, group_by, package_kind, round_trips
from puna.research.statistics.trip_figures import measure_trips

CONDOR = ["+1 AAPL120803P00550000", "-1 AAPL120803P00560000", "-1 AAPL120803C00600000", "+1 AAPL120803C00610000"]


def order(cid: str, because: str, arrival: float | None = 100.0, **terms: Any) -> OrderRow:
    known: dict[str, Any] = {"strategy": "s", "symbol": "AAPL", "side": "buy", "qty": Decimal(1), "type": "market"}
    known |= {"tif": "day", "status": "filled", "ts_decision": 0, "because": because, "arrival_mid": arrival}
    return OrderRow(client_order_id=cid, **(known | terms))


def fill(ts: int, units: int, price: float, mid: float | None = None, cid: str = "", symbol: str = "AAPL") -> FillRow:
    """Bought when `units` are positive, sold when negative."""
    side = "buy" if units > 0 else "sell"
    return FillRow(
        ts=ts,
        symbol=symbol,
        side=side,
        qty=Decimal(abs(units)),
        price=Decimal(str(price)),
        cid=cid,
        strategy="s",
        mid=mid,
    )


def run(fills: list[FillRow], orders: list[OrderRow] | None = None, **fields: Any) -> RunRecord:
    return RunRecord(mode="backtest", start_equity=Decimal(10_000), fills=fills, orders=orders or [], **fields)


def test_a_trip_goes_from_flat_to_flat() -> None:
    """Two buys and a sale of all are one trip; its reasons are those of the first and the last order."""
    orders = [order("a", "rose 3 %"), order("b", "rose on"), order("c", "fell 1.5 %")]
    (trip,) = round_trips(
        run([fill(1, 10, 100, cid="a"), fill(2, 10, 102, cid="b"), fill(5, -20, 103, cid="c")], orders)
    )
    assert (trip.side, trip.kind, trip.opened, trip.closed, trip.fills) == ("long", "shares", 1, 5, 3)
    assert (trip.pnl, trip.size) == (Decimal(40), Decimal(2040))
    assert (trip.why_in, trip.why_out) == ("rose 3 %", "fell 1.5 %")


def test_a_fill_that_turns_the_position_ends_one_trip_and_begins_the_next() -> None:
    """Long 10, then 25 sold: 10 close the first at a loss of 10, 15 are a short that is still held, marked at 95."""
    first, second = round_trips(
        run(
            [fill(1, 10, 100), fill(2, -25, 99)],
            positions=[PositionRow(symbol="AAPL", qty=Decimal(-15), cost=Decimal(-1485), mark=Decimal(95))],
        )
    )
    assert (first.side, first.pnl, first.closed) == ("long", Decimal(-10), 2)
    assert (second.side, second.pnl, second.closed, second.why_out) == ("short", Decimal(60), None, "")


def test_a_package_is_one_trip_with_its_credit() -> None:
    """An iron condor sold for 330.00 and bought back for 364.00: a loss of 34.00, by its name."""

    def filled(ts: int, cid: str, way: int, prices: list[float]) -> list[FillRow]:
        signs = (1, -1, -1, 1)
        names = [leg.split()[1] for leg in CONDOR]
        return [
            fill(ts, way * sign, price, cid=f"{cid}/{name}", symbol=name)
            for sign, name, price in zip(signs, names, prices, strict=True)
        ]

    turned = [leg.translate(str.maketrans("+-", "-+")) for leg in CONDOR]
    orders = [order("in", "credit 3.30", 570.0, legs=CONDOR), order("out", "the day ends", 573.0, legs=turned)]
    for whole in ("in", "out"):
        orders += [order(f"{whole}/{leg.split()[1]}", "", None, leg_of=whole) for leg in CONDOR]
    fills = filled(1, "in", 1, [2.76, 4.45, 3.40, 1.79]) + filled(9, "out", -1, [3.40, 5.80, 2.29, 1.05])
    (trip,) = round_trips(run(fills, orders))
    assert (trip.symbol, trip.kind, trip.side, trip.closed) == ("AAPL", "iron condor", "credit", 9)
    assert (trip.credit, trip.pnl) == (Decimal(330), Decimal(-34))
    assert (trip.why_in, trip.why_out) == ("credit 3.30", "the day ends")
    (group,) = group_by([trip], "kind")
    assert (group.name, group.trips, group.won, group.pnl, group.credit) == (
        "iron condor",
        1,
        0,
        Decimal(-34),
        Decimal(330),
    )


@pytest.mark.parametrize(
    ("legs", "name"),
    [
        (CONDOR, "iron condor"),
        (["-1 SPY260320P00470000", "+1 SPY260320P00480000"], "bear put"),
        (["+1 SPY260320P00470000", "+1 SPY260320C00470000"], "long straddle"),
        (["+1 SPY260320P00470000", "-1 SPY260417P00470000"], "2 legs"),
        (["+100 SPY", "-1 SPY260417C00470000"], "2 legs"),
        (["what is this"], "1 legs"),
    ],
)
def test_packages_have_the_names_of_their_shapes(legs: list[str], name: str) -> None:
    """By strikes, rights and ratios; a shape without a name is counted."""
    assert package_kind(order("a", "", legs=legs)) == name


def test_a_split_in_between_changes_shares_and_nobodys_money() -> None:
    """10 at 100, two for one, 20 at 51: a gain of 20, the same by symbol, and the exposure does not jump."""
    record = run(
        [fill(1, 10, 100), fill(9, -20, 51)],
        symbols=["AAPL"],
        actions=[ActionRow(ts=5, symbol="AAPL", kind="split", factor=Decimal(2))],
        prices={"AAPL": [PricePoint(2, 100.0), PricePoint(5, 50.0), PricePoint(9, 51.0)]},
    )
    (trip,) = round_trips(record)
    assert (trip.pnl, trip.closed) == (Decimal(20), 9)
    assert by_symbol(record)[0].pnl == Decimal(20)
    assert [gross for _, gross in exposures(record)] == pytest.approx([1000, 1000, 1000, 1000, 0, 0])
    assert by_symbol(record)[0].max_drawdown == 0
    assert held(record, np.array([2, 5, 9])) == pytest.approx([10_000, 10_000, 10_200])


def test_the_bridge_by_hand() -> None:
    """Two trips, the larger one wins: sizing helps; the market ran away by 0.10 a share, and the spread cost 0.05."""
    orders = [order(name, "") for name in "abcd"]
    orders[1] = order("b", "", 110.0)
    orders[3] = order("d", "", 95.0)
    record = run(
        [
            fill(1, 30, 100.15, 100.10, "a"),
            fill(2, -30, 110.00, 110.00, "b"),
            fill(3, 10, 100.00, 100.00, "c"),
            fill(4, -10, 95.00, 95.00, "d"),
        ],
        orders,
    )
    parts = bridge(round_trips(record))
    assert parts["slippage"] == Decimal("-3.00")
    assert parts["spread"] == Decimal("-1.50")
    # By size 3,004.50 and 1,000.00, mean 2,002.25: 300 / 3,004.50 - 50 / 1,000 of it is the signal.
    assert float(parts["signal"]) == pytest.approx(2002.25 * (300 / 3004.5 - 0.05), abs=1e-3)
    assert sum(parts.values()) == Decimal("245.50")


STEPS = st.lists(
    st.tuples(st.integers(-30, 30).filter(bool), st.floats(1, 200), st.none() | st.floats(1, 200)), max_size=25
)


@given(STEPS, st.floats(1, 200), st.sampled_from([None, 2, 7]))
@settings(max_examples=60)
def test_trips_share_out_the_profit_exactly(
    steps: list[tuple[int, float, float | None]], last: float, split: int | None
) -> None:
    """All trips together make what all fills make, the bridge adds up, and at most the last trip is open."""
    fills = [fill(n, units, round(price, 2), mid) for n, (units, price, mid) in enumerate(steps)]
    actions = [ActionRow(ts=split, symbol="AAPL", kind="split", factor=Decimal(3))] if split else []
    record = run(fills, prices={"AAPL": [PricePoint(99, round(last, 2))]}, actions=actions, symbols=["AAPL"])
    trips = round_trips(record)
    assert float(sum(trip.pnl for trip in trips)) == pytest.approx(float(by_symbol(record)[0].pnl), abs=0.01)
    assert float(sum(bridge(trips).values())) == pytest.approx(float(sum(trip.pnl for trip in trips)), abs=1e-6)
    assert all(trip.closed is not None for trip in trips[:-1])
    assert all(trip.size > 0 for trip in trips)


def test_reasons_that_differ_in_numbers_are_one() -> None:
    """Rose by 3 % and by 4.5 % are the same reason; "fell" is another."""
    orders = [order("a", "rose 3 %"), order("b", "rose 4.5 %"), order("c", "fell")]
    fills = [
        f for n, cid in enumerate("abc") for f in (fill(9 * n, 1, 100, cid=cid), fill(9 * n + 1, -1, 101, cid="c"))
    ]
    groups = group_by(round_trips(run(fills, orders)), "why_in")
    assert [(group.name, group.trips, group.won) for group in groups] == [("rose … %", 2, 2), ("fell", 1, 1)]


def test_figures_by_hand() -> None:
    """Gains of 10 and 20, losses of 5 and 10, in the order 10, -5, -10, 20; the last position is still open."""
    fills = []
    for n, gain in enumerate((10, -5, -10, 20)):
        fills += [fill(10 * n, 10, 100), fill(10 * n + 4, -10, 100 + gain / 10)]
    told = {metric.name: metric.value for metric in measure_trips(round_trips(run([*fills, fill(99, 1, 100)])))}
    assert told == {
        "finished_trips": 4,
        "winning_trips": 0.5,
        "profit_factor": 2.0,
        "payoff_ratio": 2.0,
        "expectancy": Decimal("3.75"),
        "best_trip": Decimal(20),
        "worst_trip": Decimal(-10),
        "mean_size": Decimal(820),
        "mean_holding_time": 4,
        "losing_streak": 2,
        "system_quality": pytest.approx(3.75 / np.std([10, -5, -10, 20], ddof=1) * 2),
    }


def test_without_a_trade_there_is_nothing_to_tell() -> None:
    """Counts are zero, everything else is not known."""
    assert round_trips(run([])) == []
    told = {metric.name: metric.value for metric in measure_trips([])}
    assert {name: value for name, value in told.items() if value is not None} == {"finished_trips": 0}
    assert set(bridge([]).values()) == {Decimal(0)}
