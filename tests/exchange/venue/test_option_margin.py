"""What options must be covered by: the documented examples, and laws of the arithmetic (facts.md 11, L3)."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.exchange.option_margin import needs

STRIKES = st.integers(1, 40).map(lambda each: each * 5)
LEGS = st.dictionaries(
    st.builds(
        lambda right, strike, day: f"SPY2603{day}{right}{strike * 1000:08d}",
        st.sampled_from("CP"),
        STRIKES,
        st.sampled_from([20, 27]),
    ),
    st.integers(-5, 5).map(Decimal),
    max_size=6,
)


def _examples() -> list[dict[str, Any]]:
    file = Path(__file__).parents[4] / "shared" / "alpaca" / "margin-examples.json"
    found: list[dict[str, Any]] = json.loads(file.read_text())["examples"] if file.exists() else []
    return found


def test_the_documented_examples() -> None:
    """Margin, and shares of a covered call, of every example of the documentation that names one."""
    examples = _examples()
    if not examples:
        pytest.skip("the examples of the documentation are not here")
    for example in examples:
        held = {}
        for leg in example["legs"]:
            day = leg.get("expiration", "2026-03-20").replace("-", "")[2:]
            sign = 1 if leg["side"] == "long" else -1
            held[f"AAPL{day}{leg['right'][0].upper()}{int(leg['strike']) * 1000:08d}"] = Decimal(sign * leg["qty"])
        found, expected = needs(held), example["expected"]
        if "maintenance_margin" in expected:
            assert found.cash == Decimal(expected["maintenance_margin"]), example["id"]
        if "underlying_shares_required" in expected:
            assert found.shares == Decimal(expected["underlying_shares_required"])
            assert not found.cash
        if example["id"] == "docs-cash-secured-put":
            assert found.cash == Decimal(expected["buying_power_required"])


@given(LEGS)
def test_it_is_the_worst_point_of_the_payoff(held: dict[str, Decimal]) -> None:
    """Walked cent by cent in an oracle of its own: no price costs more than what is needed, and one costs as much."""
    found = needs(held, largest=False)
    total = Decimal(0)
    for day in ("20", "27"):
        legs = {symbol: qty for symbol, qty in held.items() if symbol.startswith(f"SPY2603{day}")}
        for symbol, qty in needs(legs).covered.items():
            legs[symbol] += qty
        worst = min(_payoff(legs, at) for at in range(0, 1000, 5))
        total += max(-worst, Decimal(0))
    assert found.cash == total * 100


def _payoff(legs: dict[str, Decimal], at: int) -> Decimal:
    total = Decimal(0)
    for symbol, qty in legs.items():
        strike = int(symbol[10:]) // 1000
        total += qty * max(at - strike if symbol[9] == "C" else strike - at, 0)
    return total


@given(LEGS, st.integers(2, 5))
def test_it_is_linear_and_a_long_never_costs(held: dict[str, Decimal], times: int) -> None:
    """Twice the contracts need twice as much; one more long option never needs more."""
    found = needs(held)
    more = needs({symbol: qty * times for symbol, qty in held.items()})
    assert (more.cash, more.shares) == (found.cash * times, found.shares * times)
    safer = needs({**held, "SPY260320P00300000": Decimal(1), "SPY260320C00300000": Decimal(1)})
    assert safer.cash <= found.cash + 0 or safer.shares < found.shares
    assert safer.shares <= found.shares


@given(LEGS)
def test_of_two_expirations_the_larger_counts(held: dict[str, Decimal]) -> None:
    """Largest, or the sum where the terms say so."""
    parts = [needs({s: q for s, q in held.items() if s.startswith(f"SPY2603{day}")}).cash for day in ("20", "27")]
    assert needs(held).cash == max(parts)
    assert needs(held, largest=False).cash == sum(parts)
