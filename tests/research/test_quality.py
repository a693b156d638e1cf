"""Execution quality: each figure by hand, and the laws that hold for all parents."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.engine.record import FillRow, OrderRow, ParentRow, RunRecord
from puna.research.report.quality import by_type, execution, of, parents


def parent(**changes: Any) -> ParentRow:
    """A buy of 100 at 10.02 on average, decided at 10.00, done when the market was at 10.10."""
    terms: dict[str, Any] = {
        "parent_id": "p", "strategy": "s", "symbol": "AAPL", "side": "buy", "qty": Decimal(100), "style": "TWAP",
        "ts_begin": 0, "children": ["a", "b"], "filled": Decimal(100), "avg_price": Decimal("10.02"),
        "arrival_mid": 10.0, "end_mid": 10.1, "market_vwap": 10.05, "ts_end": 60, "reason": "filled",
    }  # fmt: skip
    return ParentRow(**(terms | changes))


def fill(price: str, mid: float, qty: int, cid: str = "a") -> FillRow:
    return FillRow(ts=1, symbol="AAPL", side="buy", qty=Decimal(qty), price=Decimal(price), cid=cid, mid=mid)


def test_a_buy_by_hand() -> None:
    """20 bp above arrival, 30 bp below the market's average, 2 dollars of shortfall, 10 bp of spread on the fills."""
    found = of(parent(), [fill("10.01", 10.0, 50), fill("10.01", 10.0, 50, "b"), fill("99", 10.0, 9, "another's")])
    assert found.arrival_bp is not None
    assert found.vwap_bp is not None
    assert found.mid_bp is not None
    assert round(found.arrival_bp, 6) == 20
    assert round(found.vwap_bp, 2) == -29.85
    assert round(found.mid_bp, 6) == 10
    assert (found.shortfall, found.shortfall_bp) == (Decimal("2.00"), 20.0)


def test_what_was_left_undone_costs_what_the_market_moved() -> None:
    """Half done at 10.02, and the other half has become ten cents dearer: 1 + 5 dollars."""
    assert of(parent(filled=Decimal(50)), []).shortfall == Decimal("6.00")
    assert of(parent(filled=Decimal(0), avg_price=None), []).shortfall == Decimal("10.00")
    assert of(parent(filled=Decimal(50), end_mid=None), []).shortfall is None


def test_a_credit_that_is_smaller_than_at_arrival_is_a_cost() -> None:
    """A package sold for 1.50 where 1.60 was the middle: ten cents a share, ten dollars a package."""
    package = parent(symbol="SPY", qty=Decimal(1), filled=Decimal(1), avg_price=Decimal("-1.50"), arrival_mid=-1.60,
                     end_mid=-1.55, market_vwap=None, multiplier=100)  # fmt: skip
    found = of(package, [])
    assert found.shortfall == Decimal("10.00")
    assert found.arrival_bp is not None
    assert round(found.arrival_bp) == 625


prices = st.integers(100, 5000).map(lambda cents: Decimal(cents) / 100)


@given(prices, prices, prices, st.integers(0, 100))
def test_buying_and_selling_mirror_each_other(arrival: Decimal, paid: Decimal, end: Decimal, done: int) -> None:
    """What a purchase costs, a sale at the same prices gains."""
    terms: dict[str, Any] = {"arrival_mid": float(arrival), "end_mid": float(end), "filled": Decimal(done)}
    average = paid if done else None
    bought, sold = (of(parent(side=side, avg_price=average, **terms), []) for side in ("buy", "sell"))
    assert bought.shortfall is not None
    assert sold.shortfall == -bought.shortfall


def test_the_section_is_there_only_when_there_were_parents() -> None:
    """A run without parent orders says nothing about them."""
    assert parents(RunRecord(mode="sim")) is None
    shown = str(parents(RunRecord(mode="sim", parents=[parent()])))
    assert "BUY 100 AAPL" in shown
    assert "+20.0" in shown


def test_orders_by_type_by_hand() -> None:
    """Market orders of 100 and 300 dollars, 10 and 30 bp worse than at the decision: 25 bp by value."""

    def sent(cid: str, kind: str, price: str | None, qty: int, lasted: int | None) -> OrderRow:
        return OrderRow(
            client_order_id=cid, strategy="s", symbol="AAPL", side="buy", qty=Decimal(qty), type=kind, tif="day",
            status="filled" if price else "new", ts_decision=0, ts_final=lasted, arrival_mid=100.0,
            filled_qty=Decimal(qty if price else 0), avg_price=None if price is None else Decimal(price),
        )  # fmt: skip

    record = RunRecord(
        mode="sim",
        orders=[
            sent("a", "market", "100.10", 1, 4),
            sent("b", "market", "100.30", 3, 6),
            sent("c", "trailing_stop", None, 5, None),
            sent("d", "market", None, 5, 9),
        ],
        fills=[
            FillRow(ts=1, symbol="AAPL", side="buy", qty=Decimal(1), price=Decimal("100.10"), cid="a", mid=100.0),
            FillRow(ts=2, symbol="AAPL", side="buy", qty=Decimal(3), price=Decimal("100.30"), cid="b", mid=100.3),
        ],
    )
    market, trailing = by_type(record)
    assert (market.name, market.orders, market.filled, market.lasted) == ("market", 3, 2, 6)
    assert market.arrival_bp == pytest.approx(25.0)
    assert market.mid_bp == pytest.approx(0.10 / (100 + 3 * 100.3) * 1e4)
    assert (trailing.name, trailing.filled, trailing.arrival_bp) == ("trailing stop", 0, None)
    assert "67" in str(execution(record))
    assert execution(RunRecord(mode="sim")) is None
