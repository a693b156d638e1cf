"""Option strategies by name: covered, on one underlying, and taken back by their closing legs."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.margin import maintenance_margin
from puna.core.spread_rule import OptionPosition, Right
from puna.core.spreads import SHAPES, closing, spread
from puna.core.symbols import Option, parse
from puna.core.types import Leg, Side

EXPIRY = date(2026, 3, 20)


def held(legs: tuple[Leg, ...]) -> list[OptionPosition]:
    """What the legs open."""
    options = [(parse(leg.symbol), leg) for leg in legs]
    return [
        OptionPosition(
            option.root,
            option.expiration,
            {"C": Right.CALL, "P": Right.PUT}[option.right],
            option.strike,
            leg.side.sign * leg.ratio,
        )
        for option, leg in options
        if isinstance(option, Option)
    ]


def test_a_condor() -> None:
    """Put wing, put, call, call wing; the inner two are sold."""
    legs = spread("iron_condor", "SPY", EXPIRY, [Decimal(each) for each in (470, 480, 520, 530)])
    assert [(leg.symbol[9], leg.symbol[10:13], leg.side) for leg in legs] == [
        ("P", "004", Side.BUY), ("P", "004", Side.SELL), ("C", "005", Side.SELL), ("C", "005", Side.BUY)
    ]  # fmt: skip
    assert [str(leg.position_intent) for leg in closing(legs)] == [
        "sell_to_close", "buy_to_close", "buy_to_close", "sell_to_close"
    ]  # fmt: skip


@given(st.sampled_from(sorted(SHAPES)), st.lists(st.integers(100, 900), min_size=4, max_size=4, unique=True))
def test_every_strategy_has_a_bounded_loss(kind: str, strikes: list[int]) -> None:
    """No short leg is left uncovered: the universal spread rule gives a margin and never unlimited risk."""
    needed = 1 + max(at for at, _, _ in SHAPES[kind])
    legs = spread(kind, "SPY", EXPIRY, [Decimal(each) for each in sorted(strikes)[:needed]])
    assert 0 <= maintenance_margin(held(legs)) <= 100 * (max(strikes) - min(strikes))
    assert closing(closing(legs))[0].side is legs[0].side


@pytest.mark.parametrize(
    ("kind", "strikes", "says"),
    [("condor", [1, 2], "there is no"), ("bull_put", [1], "2 rising"), ("bull_put", [2, 1], "rising")],
)
def test_what_is_no_strategy(kind: str, strikes: list[int], says: str) -> None:
    """A wrong name, a wrong number of strikes, a wrong order."""
    with pytest.raises(ValueError, match=says):
        spread(kind, "SPY", EXPIRY, [Decimal(each) for each in strikes])
