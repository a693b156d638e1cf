"""Option values, Greeks, implied volatility and a scenario grid for what is held.

European values by Black and Scholes with a continuous dividend yield; American values by the Cox-Ross-Rubinstein tree,
because US stock options may be exercised early. float64 in and out: these are estimates, never money.
Units: prices in dollars a share, volatility and rates as fractions a year, `years` to expiration (days / 365).
Greeks as traders quote them: delta a dollar of the underlying, gamma a dollar squared, theta a calendar day, vega and
rho a percentage point.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from puna.errors import DataError

__all__ = [
    "DAYS_A_YEAR",
    "Contract",
    "Greeks",
    "Held",
    "american_value",
    "black_scholes",
    "book_greeks",
    "early_exercise_pays",
    "greeks",
    "implied_volatility",
    "scenario_grid",
]

DAYS_A_YEAR: Final = 365.0
_SQRT_2PI: Final = math.sqrt(2.0 * math.pi)


class Contract(NamedTuple):
    """What is valued: `call` or put, at `strike`, with `years` left."""

    call: bool
    strike: float
    years: float


class Greeks(NamedTuple):
    """How the value moves; see the module for the units."""

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


class Held(NamedTuple):
    """So many contracts (negative when short) at an implied volatility."""

    contract: Contract
    quantity: float
    volatility: float
    multiplier: float = 100.0


def black_scholes(c: Contract, spot: float, volatility: float, rate: float = 0.0, dividend: float = 0.0) -> float:
    """The European value; at expiration, or without volatility, the discounted intrinsic value of the forward.

    Raises:
        DataError: a price is not positive, or something is not finite.
    """
    _check(c, spot, volatility, rate, dividend)
    grown, owed = spot * math.exp(-dividend * c.years), c.strike * math.exp(-rate * c.years)
    sign = 1.0 if c.call else -1.0
    if c.years <= 0 or volatility <= 0:
        return max(sign * (grown - owed), 0.0)
    d1, d2 = _d(c, spot, volatility, rate, dividend)
    return max(sign * (grown * _cdf(sign * d1) - owed * _cdf(sign * d2)), 0.0)


def greeks(c: Contract, spot: float, volatility: float, rate: float = 0.0, dividend: float = 0.0) -> Greeks:
    """The Greeks of the European value; at expiration delta is 0 or 1 (-1) and the others are 0.

    Raises:
        DataError: a price is not positive, or something is not finite.
    """
    _check(c, spot, volatility, rate, dividend)
    sign = 1.0 if c.call else -1.0
    if c.years <= 0 or volatility <= 0:
        return Greeks(sign if sign * (spot - c.strike) > 0 else 0.0, 0.0, 0.0, 0.0, 0.0)
    d1, d2 = _d(c, spot, volatility, rate, dividend)
    fade, owed = math.exp(-dividend * c.years), c.strike * math.exp(-rate * c.years)
    density, root = _density(d1), math.sqrt(c.years)
    decay = spot * fade * density * volatility / (2.0 * root)
    carry = sign * (dividend * spot * fade * _cdf(sign * d1) - rate * owed * _cdf(sign * d2))
    return Greeks(
        delta=sign * fade * _cdf(sign * d1),
        gamma=fade * density / (spot * volatility * root),
        theta=(carry - decay) / DAYS_A_YEAR,
        vega=spot * fade * density * root / 100.0,
        rho=sign * c.years * owed * _cdf(sign * d2) / 100.0,
    )


def implied_volatility(
    c: Contract, spot: float, price: float, rate: float = 0.0, dividend: float = 0.0
) -> float | None:
    """The volatility at which the European value is `price`, to 1e-10; None where there is none.

    There is none at or below the discounted intrinsic value, at or above the most an option can be worth, at
    expiration, and for a price of zero: a missing answer stays missing (fact sheet section 6, FAQ).
    """
    _check(c, spot, 0.0, rate, dividend)
    ceiling = spot * math.exp(-dividend * c.years) if c.call else c.strike * math.exp(-rate * c.years)
    floor = black_scholes(c, spot, 0.0, rate, dividend)
    if c.years <= 0 or not floor < price < ceiling:
        return None
    low, high = 0.0, 1.0
    while black_scholes(c, spot, high, rate, dividend) < price:
        low, high = high, high * 2.0
        if high > _HIGHEST_VOLATILITY:
            return None
    return _bisected(c, spot, price, rate, dividend, low, high)


_HIGHEST_VOLATILITY: Final = 64.0


def _bisected(
    c: Contract, spot: float, price: float, rate: float, dividend: float, low: float, high: float
) -> float | None:
    """Halving: slower than Newton, and it cannot run away where vega is nothing."""
    while high - low > 1e-10:
        middle = (low + high) / 2.0
        if black_scholes(c, spot, middle, rate, dividend) < price:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def american_value(
    c: Contract, spot: float, volatility: float, rate: float = 0.0, dividend: float = 0.0, steps: int = 400
) -> float:
    """The American value on a Cox-Ross-Rubinstein tree (J. Financial Economics 7, 1979) of `steps` steps.

    Raises:
        DataError: a price is not positive, something is not finite, or there are too few steps for so little
            volatility (the tree's probabilities would leave 0 to 1).
    """
    _check(c, spot, volatility, rate, dividend)
    sign = 1.0 if c.call else -1.0
    if c.years <= 0 or volatility <= 0:
        return max(black_scholes(c, spot, volatility, rate, dividend), sign * (spot - c.strike), 0.0)
    step = c.years / steps
    up = math.exp(volatility * math.sqrt(step))
    chance = (math.exp((rate - dividend) * step) - 1.0 / up) / (up - 1.0 / up)
    if not 0.0 <= chance <= 1.0:
        raise DataError(f"A tree of {steps} steps cannot hold a volatility of {volatility}.", remedy="Use more steps.")
    discount = math.exp(-rate * step)
    prices = [spot * up ** (2 * n - steps) for n in range(steps + 1)]
    values = [max(sign * (price - c.strike), 0.0) for price in prices]
    for level in range(steps - 1, -1, -1):
        prices = [price * up for price in prices[: level + 1]]
        values = [
            max(discount * (chance * values[n + 1] + (1.0 - chance) * values[n]), sign * (prices[n] - c.strike))
            for n in range(level + 1)
        ]
    return values[0]


def early_exercise_pays(c: Contract, spot: float, price: float, dividend: float) -> bool:
    """Whether the holder of a call gains by exercising before a cash `dividend`: it exceeds the time value he gives up.

    This is when a short call must expect its assignment.
    """
    return c.call and spot > c.strike and dividend > price - (spot - c.strike)


def book_greeks(held: Iterable[Held], spot: float, rate: float = 0.0, dividend: float = 0.0) -> Greeks:
    """The Greeks of everything held in one underlying, in dollars of the whole position: each leg's times its size."""
    total = [0.0] * len(Greeks._fields)
    for item in held:
        each = greeks(item.contract, spot, item.volatility, rate, dividend)
        total = [so_far + value * item.quantity * item.multiplier for so_far, value in zip(total, each, strict=True)]
    return Greeks(*total)


def scenario_grid(
    held: Iterable[Held],
    spot: float,
    moves: Sequence[float],
    volatility_shifts: Sequence[float] = (0.0,),
    days: Sequence[float] = (0.0,),
    rate: float = 0.0,
) -> list[list[list[float]]]:
    """Profit against now, in dollars, as [days][volatility shift][move]; moves are fractions, shifts are absolute."""
    book = list(held)
    now = _worth(book, spot, 0.0, 0.0, rate)
    return [
        [[_worth(book, spot * (1.0 + move), shift, day, rate) - now for move in moves] for shift in volatility_shifts]
        for day in days
    ]


def _worth(book: Iterable[Held], spot: float, shift: float, day: float, rate: float) -> float:
    total = 0.0
    for item in book:
        left = item.contract._replace(years=max(item.contract.years - day / DAYS_A_YEAR, 0.0))
        value = black_scholes(left, spot, max(item.volatility + shift, 0.0), rate)
        total += value * item.quantity * item.multiplier
    return total


def _d(c: Contract, spot: float, volatility: float, rate: float, dividend: float) -> tuple[float, float]:
    spread = volatility * math.sqrt(c.years)
    d1 = (math.log(spot / c.strike) + (rate - dividend + volatility * volatility / 2.0) * c.years) / spread
    return d1, d1 - spread


def _cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2.0)) / 2.0


def _density(x: float) -> float:
    return math.exp(-x * x / 2.0) / _SQRT_2PI


def _check(c: Contract, spot: float, volatility: float, rate: float, dividend: float) -> None:
    if not (0 < spot < math.inf and 0 < c.strike < math.inf):
        raise DataError(f"An option needs positive prices: spot {spot}, strike {c.strike}.")
    if not all(map(math.isfinite, (c.years, volatility, rate, dividend))):
        raise DataError("An option needs finite time, volatility, rate and dividend.")
