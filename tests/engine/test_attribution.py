"""Whose position somebody else's order has closed: the parts add up, and nobody is left with what is gone."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from puna.core.types import Fill, Side
from puna.engine.attribution import EXTERNAL, attributed
from puna.wire.codec import Amount
from puna.wire.trading import OrderRequest

D = Decimal


def fill(side: Side, qty: int | str, price: str = "10") -> Fill:
    return Fill(
        client_order_id="x", strategy=EXTERNAL, symbol="AAPL", side=side, qty=D(qty), price=D(price), cum_qty=D(qty),
        ts_event=1, fee=D("0.5"), adjustment=D("1e-9"),
    )  # fmt: skip


sleeves_of = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(-30, 30), max_size=3)


@given(sleeves_of, st.integers(-40, 40), st.sampled_from(Side), st.integers(1, 120))
def test_the_parts_are_the_fill_and_never_more_than_anybody_holds(
    held: dict[str, int], nobody: int, side: Side, qty: int
) -> None:
    """Quantity, value and fee add up; what nobody owns goes first; each strategy gives at most what it holds, whole."""
    sleeves = {(name, "AAPL"): D(n) for name, n in held.items()} | {("a", "MSFT"): D(99), (EXTERNAL, "AAPL"): D(3)}
    account = D(sum(held.values()) + nobody)
    whole = fill(side, qty)
    parts = attributed(whole, account, sleeves)
    assert sum(part.qty for part in parts) == whole.qty
    assert sum(part.notional for part in parts) == whole.notional
    assert sum(part.fee for part in parts) == whole.fee
    for part in parts:
        if part.strategy != EXTERNAL:
            before = sleeves[part.strategy, "AAPL"]
            after = before + side.sign * part.qty
            assert abs(after) < abs(before)
            assert after * before >= 0
            assert part.qty == part.qty.to_integral_value()


def test_unowned_shares_go_first() -> None:
    """15 are held, 10 by a strategy: a sale of 5 is nobody's, one of 8 takes 3 of the strategy, one of 15 all."""
    sleeves = {("a", "AAPL"): D(10)}
    for qty, taken in ((5, 0), (8, 3), (15, 10)):
        parts = attributed(fill(Side.SELL, qty), D(15), sleeves)
        assert sum(part.qty for part in parts if part.strategy == "a") == taken


async def test_a_strategy_knows_that_its_position_was_closed_by_hand(lab: Any) -> None:
    """Somebody sells what it bought: afterwards it holds nothing, also after a restart, and the sleeves add up."""
    market = lab.exchange()

    def by_hand(_: Any) -> None:
        request = OrderRequest(symbol="AAPL", qty=Amount(10), side="sell", type="market", time_in_force="day")
        market.place(request)

    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10), m3=by_hand, m5=lambda s: s.position("AAPL"))
    trader = market.trader(strategy, minutes=8, journal=lab.journal)
    record = await trader.run()
    assert record.books is not None
    assert record.books.equal
    assert strategy.results[-1] == 0
    again = lab.scripted(m9=lambda s: s.position("AAPL"))
    await market.trader(again, minutes=11, journal=lab.journal).run()
    assert again.results == [0]
