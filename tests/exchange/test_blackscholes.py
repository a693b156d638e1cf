"""The exchange's own Black-Scholes and its surface, against vollib and against what no price may break."""

from itertools import pairwise
from math import erfc, exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vollib.black_scholes import black_scholes
from vollib.black_scholes.greeks import analytical

from puna.exchange.prices import blackscholes, surface
from puna.exchange.prices.blackscholes import Contract, implied_volatility, sensitivities, value

prices = st.floats(1.0, 2_000.0)
years = st.floats(1 / 365, 2.5)
volatilities = st.floats(0.05, 1.5)


@given(st.floats(-600.0, 600.0))
def test_exponentials_are_those_of_libm(x: float) -> None:
    """Without libm, and within its last digits."""
    assert blackscholes.exp(x) == pytest.approx(exp(x), rel=1e-14)


@given(st.floats(1e-12, 1e12))
def test_logarithms_are_those_of_libm(x: float) -> None:
    """Without libm, and within its last digits."""
    assert blackscholes.log(x) == pytest.approx(log(x), rel=1e-14, abs=1e-15)


@given(st.floats(-30.0, 30.0))
def test_probabilities_are_those_of_libm(x: float) -> None:
    """To fifteen decimals, and in proportion in the left tail."""
    exact = 0.5 * erfc(-x / sqrt(2.0))
    assert blackscholes.probability(x) == pytest.approx(exact, abs=1e-15, rel=1e-9 if x < 0 else 1e-15)


@given(st.booleans(), prices, prices, years, volatilities)
def test_values_are_vollibs(call: bool, spot: float, strike: float, left: float, sigma: float) -> None:
    """The value of every option at a rate of zero."""
    theirs = black_scholes("c" if call else "p", spot, strike, left, 0.0, sigma)
    assert value(Contract(call, spot, strike, left), sigma) == pytest.approx(theirs, abs=1e-8, rel=1e-9)


@given(st.booleans(), prices, st.floats(0.7, 1.4), st.floats(0.02, 2.0), st.floats(0.1, 1.0))
def test_greeks_are_vollibs(call: bool, spot: float, moneyness: float, left: float, sigma: float) -> None:
    """Vega and rho for one point, theta for one day, as the oracle has them."""
    strike = spot * moneyness
    ours = sensitivities(Contract(call, spot, strike, left), sigma)
    for name in ours._fields:
        theirs = getattr(analytical, name)("c" if call else "p", spot, strike, left, 0.0, sigma)
        assert getattr(ours, name) == pytest.approx(theirs, rel=1e-6, abs=1e-9), name


@given(st.booleans(), prices, st.floats(0.8, 1.25), st.floats(0.05, 2.0), st.floats(0.1, 1.0))
def test_implied_volatility_inverts_the_value(
    call: bool, spot: float, moneyness: float, left: float, sigma: float
) -> None:
    """The volatility that went in comes out, where the price says anything about it."""
    contract = Contract(call, spot, spot * moneyness, left)
    found = implied_volatility(contract, value(contract, sigma))
    if sensitivities(contract, sigma).vega > 1e-3:
        assert found == pytest.approx(sigma, abs=1e-6)


@pytest.mark.parametrize("price", [0.0, 19.9, 101.0])
def test_prices_outside_all_bounds_imply_nothing(price: float) -> None:
    """Below what it would bring now, or above the stock itself, there is no volatility (FAQ: none shown)."""
    assert implied_volatility(Contract(call=True, spot=100.0, strike=80.0, years=0.5), price) is None


@given(st.floats(0.1, 1.5), st.floats(5.0, 1_000.0), st.floats(1 / 365, 2.2))
def test_the_smile_offers_no_free_butterfly(level: float, spot: float, left: float) -> None:
    """Over strikes, calls fall no faster than the strike rises, and bend upwards: nothing can be had for nothing."""
    deviation = level * sqrt(left)
    strikes = [spot * exp(deviation * step / 4) for step in range(-12, 13)]
    calls = [
        value(Contract(call=True, spot=spot, strike=each, years=left), surface.volatility(level, spot, each, left))
        for each in strikes
    ]
    slopes = [
        (right - left_) / (above - below)
        for left_, right, below, above in zip(calls, calls[1:], strikes, strikes[1:], strict=False)
    ]
    assert all(-1.0 - 1e-9 <= slope <= 1e-9 for slope in slopes)
    assert all(after >= before - 1e-9 for before, after in pairwise(slopes))


def test_a_level_comes_from_the_past() -> None:
    """A percent a day is about 18 percent a year with the usual premium; a new stock counts as lively."""
    closes = [100.0 * (1.01 if step % 2 else 1.0) for step in range(61)]
    assert surface.level(closes) == pytest.approx(1.15 * 0.01 * sqrt(252), rel=0.01)
    assert surface.level(closes[:5]) == 0.45
