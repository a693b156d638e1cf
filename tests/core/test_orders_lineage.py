"""Lineages of replaces, and the worst case that open orders leave."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.lineage import Lineage, Pending, lineage, open_orders, pending, roots, worst_case
from puna.core.orders import Order, Update, from_intent, noted, reduce
from puna.core.types import OrderIntent, OrderType, Side, TimeInForce

D = Decimal


def made(
    name: str, qty: int = 100, *, replaces: str | None = None, symbol: str = "AAPL", side: Side = Side.BUY
) -> OrderIntent:
    return OrderIntent(
        client_order_id=name,
        strategy="mean",
        symbol=symbol,
        side=side,
        qty=D(qty),
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        ts=ord(name[0]),
        limit_price=D(10),
        replaces=replaces,
    )


def order(intent: OrderIntent, status: str = "new", filled: int = 0, **ids: str) -> Order:
    name = intent.client_order_id
    update = Update(
        client_order_id=name,
        source="rest",
        status=status,
        ts=5,
        broker_id=f"broker-{name}",
        cum_qty=D(filled),
        avg_price=D(10) if filled else None,
        replaces=ids.get("replaces"),
        replaced_by=ids.get("replaced_by"),
    )
    return reduce(from_intent(intent), update)[0]


def among(*orders: Order) -> dict[str, Order]:
    return {each.client_order_id: each for each in orders}


def one(*orders: Order) -> Lineage:
    return lineage(among(*orders), orders[0].client_order_id)


def test_linked_by_intents_or_by_broker_ids() -> None:
    """R12, R37: either side's `replaces`, `replaced_by` or the intent joins the lineage; others stay out."""
    first = order(made("a"), "replaced", replaced_by="broker-b")
    second, third = order(made("b"), "replaced"), order(made("c"), replaces="broker-b")
    fourth, other = order(made("d", replaces="c")), order(made("e"))
    orders = among(other, fourth, third, second, first)
    for name in "abcd":
        found = lineage(orders, name)
        assert [each.client_order_id for each in found.orders] == ["a", "b", "c", "d"]
    assert lineage(orders, "e").orders == (other,)
    assert found.tip is fourth


def test_a_circle_of_replaces_ends() -> None:
    """I1: nonsense from outside cannot hang the reckoning."""
    found = one(order(made("a", replaces="b")), order(made("b", replaces="a")))
    assert {each.client_order_id for each in found.orders} <= {"a", "b"}
    assert roots([made("a", replaces="b"), made("b", replaces="a")]).keys() == {"a", "b"}


def test_fills_of_a_lineage_add_up() -> None:
    """I2, R10: every order counts from 0; the original quantity as the new total is flagged before it overfills."""
    found = one(order(made("a"), "replaced", 40), order(made("b", replaces="a")))
    assert (found.filled_qty, found.filled_notional, found.intended) == (40, 400, 100)
    assert (found.at_risk, found.overfill, found.is_open) == (40, 0, True)
    over = one(order(made("a"), "replaced", 40), order(made("b", replaces="a"), "filled", 100))
    assert (over.filled_qty, over.overfill, over.at_risk, over.is_open) == (140, 40, 40, False)


def test_no_flag_without_a_race() -> None:
    """R10: a replace of an unfilled order, up or down, is within what is wanted."""
    for qty in (50, 100, 150):
        found = one(order(made("a"), "replaced"), order(made("b", qty, replaces="a"), "partially_filled", 20))
        assert (found.intended, found.overfill, found.at_risk) == (qty, 0, 0)


def test_shrinking_below_what_is_filled_is_no_overfill_by_itself() -> None:
    """I2: 80 of 100 were filled when the wish shrank to 50: what follows is too much, what was is not."""
    old = order(made("a"), "replaced", 80)
    assert one(old, order(made("b", 50, replaces="a"), "canceled")).overfill == 0
    assert one(old, order(made("b", 50, replaces="a"), "canceled", 10)).overfill == 10


@pytest.mark.parametrize("failed", ["rejected", "refused"])
def test_a_failed_replacement_leaves_the_old_wish(failed: str) -> None:
    """BRK-09, R11: the replacement was turned down; the old order and its quantity stand."""
    new = made("b", 500, replaces="a")
    second = order(new, failed) if failed == "rejected" else reduce(from_intent(new), noted("b", failed, 4))[0]
    found = one(order(made("a")), second)
    assert (found.intended, found.tip.client_order_id) == (100, "a")


def test_an_in_doubt_replacement_counts_once_and_larger() -> None:
    """R11, BRK-11: until the broker decides, the larger of both quantities is under way (facts.md 5.4)."""
    new = reduce(from_intent(made("b", 150, replaces="a")), noted("b", "in_doubt", 4))[0]
    assert pending([order(made("a")), new]) == {"AAPL": Pending(D(150), D(0))}


def test_pending_counts_what_may_still_fill() -> None:
    """I10: open orders by symbol and side; what has ended counts nothing, what is in doubt counts whole."""
    orders = [
        order(made("a"), "partially_filled", 30),
        order(made("b", 5), "canceled", 1),
        order(made("c", 7, side=Side.SELL)),
        reduce(from_intent(made("d", 9, symbol="MSFT")), noted("d", "in_doubt", 4))[0],
        order(made("e", 3), "pending_review"),
        reduce(from_intent(made("f", 11)), noted("f", "refused", 4))[0],
    ]
    assert pending(orders) == {"AAPL": Pending(D(73), D(7)), "MSFT": Pending(D(9), D(0))}
    assert [each.client_order_id for each in open_orders(orders)] == ["a", "c", "d", "e"]
    assert (pending(orders)["AAPL"].of(Side.BUY), pending(orders)["AAPL"].of(Side.SELL)) == (73, 7)


def test_a_replacement_of_another_side_or_symbol_is_none() -> None:
    """I10: an intent cannot hide behind an order that it does not replace."""
    leaves = [(made("a"), D(100)), (made("b", replaces="a", side=Side.SELL), D(60)), (made("c", replaces="a"), D(20))]
    assert worst_case(leaves) == {"AAPL": Pending(D(100), D(60))}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8))
def test_worst_case_lies_between_the_largest_and_the_sum(rows: list[tuple[int, int]]) -> None:
    """Folding lineages never hides more than the replaced part, whatever the links are."""
    intents = [made(chr(97 + n), 10, replaces=chr(97 + up) if up < n else None) for n, (up, _) in enumerate(rows)]
    total = worst_case((intent, D(left)) for intent, (_, left) in zip(intents, rows, strict=True))
    buy = total.get("AAPL", Pending()).buy
    assert max((left for _, left in rows), default=0) <= buy <= sum(left for _, left in rows)
