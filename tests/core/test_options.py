"""Option values and Greeks against vollib (European) and QuantLib (American), and the laws they must keep."""

import math

import pytest
import QuantLib as ql  # noqa: N813 - the name its own documentation gives it
from hypothesis import assume, given
from hypothesis import strategies as st
from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks import analytical

from puna.core.options import (
    Contract,
    Held,
    american_value,
    black_scholes,
    book_greeks,
    early_exercise_pays,
    greeks,
    implied_volatility,
    scenario_grid,
)
from puna.errors import DataError

contracts = st.builds(Contract, st.booleans(), st.floats(50, 200), st.floats(0.02, 2))
spots, volatilities = st.floats(50, 200), st.floats(0.05, 1.5)
rates, dividends = st.floats(0, 0.08), st.floats(0, 0.05)


@given(contracts, spots, volatilities, rates, dividends)
def test_european_values_are_vollibs(c: Contract, spot: float, vol: float, rate: float, dividend: float) -> None:
    """To 1e-9 dollars, with dividends."""
    theirs = black_scholes_merton("c" if c.call else "p", spot, c.strike, c.years, rate, vol, dividend)
    assert black_scholes(c, spot, vol, rate, dividend) == pytest.approx(theirs, abs=1e-9)


@given(contracts, spots, volatilities, rates, dividends)
def test_greeks_are_vollibs(c: Contract, spot: float, vol: float, rate: float, dividend: float) -> None:
    """Delta, gamma, theta a day, vega and rho a percentage point, each to 1e-8."""
    flag = "c" if c.call else "p"
    ours = greeks(c, spot, vol, rate, dividend)
    for name in ours._fields:
        theirs = getattr(analytical, name)(flag, spot, c.strike, c.years, rate, vol, dividend)
        assert getattr(ours, name) == pytest.approx(theirs, abs=1e-8), name


@given(contracts, spots, volatilities, rates)
def test_implied_volatility_gives_the_price_back(c: Contract, spot: float, vol: float, rate: float) -> None:
    """The volatility found has the value it was found from; where vega is alive it is the one we started with."""
    price = black_scholes(c, spot, vol, rate)
    found = implied_volatility(c, spot, price, rate)
    assume(found is not None)
    assert found is not None
    assert black_scholes(c, spot, found, rate) == pytest.approx(price, abs=1e-7)
    if greeks(c, spot, vol, rate).vega > 1e-3:
        assert found == pytest.approx(vol, abs=1e-6)


@given(contracts, spots, st.floats(0.1, 1.0), st.floats(0, 0.08))
def test_put_call_parity(c: Contract, spot: float, vol: float, rate: float) -> None:
    """Call - put = spot - discounted strike."""
    call, put = (black_scholes(c._replace(call=side), spot, vol, rate) for side in (True, False))
    assert call - put == pytest.approx(spot - c.strike * math.exp(-rate * c.years), abs=1e-9)


@pytest.mark.parametrize("call", [True, False])
@pytest.mark.parametrize("strike", [80.0, 100.0, 120.0])
@pytest.mark.parametrize("dividend", [0.0, 0.04])
def test_american_values_are_quantlibs(call: bool, strike: float, dividend: float) -> None:
    """The tree is within a cent of QuantLib's finite differences."""
    day = ql.Date(1, 1, 2026)
    ql.Settings.instance().evaluationDate = day
    count = ql.Actual365Fixed()
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(100.0)),
        ql.YieldTermStructureHandle(ql.FlatForward(day, dividend, count)),
        ql.YieldTermStructureHandle(ql.FlatForward(day, 0.05, count)),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(day, ql.NullCalendar(), 0.3, count)),
    )
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if call else ql.Option.Put, strike)
    option = ql.VanillaOption(payoff, ql.AmericanExercise(day, day + 365))
    option.setPricingEngine(ql.FdBlackScholesVanillaEngine(process, 400, 400))
    assert american_value(Contract(call, strike, 1.0), 100.0, 0.3, 0.05, dividend) == pytest.approx(
        option.NPV(), abs=0.01
    )


@given(contracts, spots, st.floats(0.1, 1.0), st.floats(0, 0.08))
def test_an_american_option_is_worth_the_european_one_and_its_intrinsic_value(
    c: Contract, spot: float, vol: float, rate: float
) -> None:
    """Never less than exercising now; never less than the European one by more than the tree's own error."""
    value = american_value(c, spot, vol, rate, steps=100)
    intrinsic = max(spot - c.strike, 0.0) if c.call else max(c.strike - spot, 0.0)
    assert value >= intrinsic - 1e-9
    assert value >= black_scholes(c, spot, vol, rate) * 0.98 - 0.05


@pytest.mark.parametrize(("price", "years"), [(0.0, 1.0), (9.9, 1.0), (100.0, 1.0), (12.0, 0.0)])
def test_a_price_without_a_volatility_has_none(price: float, years: float) -> None:
    """Zero, at or below intrinsic, above the most it can be worth, or expired: missing stays missing."""
    assert implied_volatility(Contract(call=True, strike=90.0, years=years), 100.0, price) is None


def test_at_expiration_only_the_intrinsic_value_is_left() -> None:
    """No time, no Greeks but delta."""
    call = Contract(call=True, strike=90.0, years=0.0)
    assert black_scholes(call, 100.0, 0.3) == 10.0
    assert greeks(call, 100.0, 0.3) == (1.0, 0.0, 0.0, 0.0, 0.0)
    assert american_value(call, 100.0, 0.3) == 10.0


def test_a_dividend_larger_than_the_time_value_calls_for_exercise() -> None:
    """Deep in the money with 5 cents of time value, a dividend of 20 cents pays the holder to exercise."""
    deep = Contract(call=True, strike=80.0, years=0.05)
    assert early_exercise_pays(deep, 100.0, 20.05, 0.20)
    assert not early_exercise_pays(deep, 100.0, 20.50, 0.20)
    assert not early_exercise_pays(deep._replace(call=False), 100.0, 20.05, 0.20)


def test_the_grid_is_profit_against_now() -> None:
    """No move, no shift, no day: nothing; at expiration a long call has its payoff less what it is worth now."""
    held = [Held(Contract(call=True, strike=100.0, years=30 / 365), 2, 0.25)]
    grid = scenario_grid(held, 100.0, [-0.1, 0.0, 0.1], [0.0, 0.05], [0.0, 30.0])
    worth = black_scholes(held[0].contract, 100.0, 0.25) * 200
    assert grid[0][0][1] == 0.0
    assert grid[1][0] == pytest.approx([-worth, -worth, 2000 - worth])
    assert grid[0][1][1] > 0


@given(st.lists(st.tuples(contracts, st.integers(-5, 5)), max_size=5), spots, rates)
def test_the_greeks_of_a_book_are_the_slopes_of_its_worth(
    rows: list[tuple[Contract, int]], spot: float, rate: float
) -> None:
    """The book's delta and vega in dollars are what the grid gains for a small move, and a small shift."""
    book = [Held(contract, quantity, 0.3) for contract, quantity in rows]
    total, small = book_greeks(book, spot, rate), 1e-4
    up, down = scenario_grid(book, spot, [small, -small], rate=rate)[0][0]
    assert total.delta == pytest.approx((up - down) / (2 * small * spot), abs=0.05)
    higher = scenario_grid(book, spot, [0.0], [small], rate=rate)[0][0][0]
    lower = scenario_grid(book, spot, [0.0], [-small], rate=rate)[0][0][0]
    assert total.vega == pytest.approx((higher - lower) / (2 * small * 100), abs=0.05)


@pytest.mark.parametrize("bad", [(0.0, 100.0, 0.2), (100.0, -1.0, 0.2), (100.0, 100.0, math.nan), (math.inf, 1.0, 0.2)])
def test_nonsense_is_refused(bad: tuple[float, float, float]) -> None:
    """Prices that are not positive and volatilities that are no numbers give one typed error."""
    spot, strike, vol = bad
    with pytest.raises(DataError):
        black_scholes(Contract(call=True, strike=strike, years=1.0), spot, vol)
