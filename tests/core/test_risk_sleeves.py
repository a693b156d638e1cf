"""What a strategy may sell where several share an account: what it holds, always; what others hold, never."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from risk_cases import BUY, SELL, D, code, holding, order, resting, view

from puna.core.risk import RiskView, TradingState, reduces


def shared(own: int, others: int, nobody: int, mine: int = 0, theirs: int = 0) -> RiskView:
    """An account of which so much is this strategy's, others', and nobody's; both have open sales."""
    account = own + others + nobody
    rests = [resting("mine", SELL, mine, "103", strategy="s"), resting("theirs", SELL, theirs, "103", strategy="other")]
    return view(
        portfolio=holding(AAPL=account),
        open=tuple(each for each in rests if each.leaves),
        sellable=Decimal(max(own, account - others)),
    )


few = st.integers(0, 12)


@given(few, few, few, few, st.integers(1, 30))
def test_a_sale_is_refused_exactly_when_it_takes_from_another(
    own: int, others: int, nobody: int, mine: int, qty: int
) -> None:
    """With all that it has for sale, no more than it holds and nobody does; then it is a true reduction."""
    seen = shared(own, others, nobody, min(mine, own))
    allowed = min(mine, own) + qty <= own + nobody
    refusal = code(order(SELL, qty, "102"), seen)
    if own + others + nobody:
        assert (refusal == "R116") is not allowed
        assert reduces(order(SELL, qty, "102"), seen) is allowed


@given(st.integers(1, 12), few, few)
def test_what_it_holds_it_may_sell_whatever_others_do(own: int, others: int, theirs: int) -> None:
    """No reduction is trapped: not by what others hold or sell, nor while only reductions may be sent."""
    seen = replace(shared(own, others, 0, theirs=min(theirs, others)), state=TradingState.REDUCING)
    assert code(order(SELL, own, "102"), seen) is None


def test_purchases_and_single_strategies_are_not_asked() -> None:
    """Who buys takes nothing from anybody; and where there is nobody else only the account counts."""
    assert code(order(BUY, 5, "100"), shared(0, 10, 0)) is None
    assert code(order(SELL, 5, "102"), replace(shared(0, 10, 0), sellable=None)) is None
    assert D(0) == shared(0, 10, 0).sellable
