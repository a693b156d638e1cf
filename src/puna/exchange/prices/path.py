"""A seeded path through one day that meets its open, high, low, close and volume exactly.

A bridge of random steps runs from the open over both extremes to the close. It stays inside the day's range, and its
clock runs faster near the open and the close, where days are livelier. Quotes stand around it on cents; prints are at
the bid, at the ask, or between them.

Everything is whole numbers and random bits: no floats, no libm, no NumPy. The same key gives the same path on every
machine and every Python. Units: `Path.price` in 1/10000 dollar, quotes in cents, sizes in shares.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, pairwise
from math import isqrt
from typing import NamedTuple

from puna.errors import DataError
from puna.exchange.data import DailyBar
from puna.seams import Rng

__all__ = ["MIN_STEPS", "Path", "intraday"]

MIN_STEPS = 4
"""Open, high, low and close need a step, and a share, each."""

_CENT = 100  # in units of 1/10000 dollar


class Path(NamedTuple):
    """One day, step by step. A step of size 0 has no print; its price is then the price that nobody traded at."""

    price: list[int]
    size: list[int]
    bid: list[int]
    ask: list[int]
    bid_size: list[int]
    ask_size: list[int]


class _Anchor(NamedTuple):
    step: int
    price: int


def intraday(day: DailyBar, steps: int, rng: Rng) -> Path:
    """A path of `steps` steps through `day`.

    Raises:
        DataError: the day's prices are out of order, or too few steps or shares to print open, high, low and close.
    """
    _check(day, steps)
    anchors = _anchors(day, steps, rng)
    fair = _bridge(anchors, day, steps, rng)
    bid, ask = _quotes(fair, day, rng)
    price = _prints(bid, ask, day, rng)
    for anchor in anchors:
        price[anchor.step] = anchor.price
    size = _sizes(day.volume, [anchor.step for anchor in anchors], _pace(steps), rng)
    depth = max(1, day.volume // (steps * 400))
    return Path(price, size, bid, ask, _depths(depth, steps, rng), _depths(depth, steps, rng))


def _check(day: DailyBar, steps: int) -> None:
    in_order = 0 < day.low <= min(day.open, day.close) <= max(day.open, day.close) <= day.high
    if not in_order or steps < MIN_STEPS or day.volume < MIN_STEPS:
        raise DataError(f"No path of {steps} steps leads through a day like {day}.", code="E614")


@lru_cache(maxsize=8)
def _pace(steps: int) -> tuple[int, ...]:
    """How lively each step is: a U over the day, with a peak right after the open."""
    last = steps - 1
    return tuple(
        1000 + 2500 * (2 * step - last) ** 2 // last**2 + 4000 * last // (last + 60 * step) for step in range(steps)
    )


@lru_cache(maxsize=8)
def _elapsed(steps: int) -> tuple[int, ...]:
    """The day's own time, at each step: what `_pace` has added up to."""
    return tuple(accumulate(_pace(steps)))


def _anchors(day: DailyBar, steps: int, rng: Rng) -> list[_Anchor]:
    """Where the path meets the open, both extremes and the close: each step once, in order of time."""
    first, second = (day.high, day.low) if _high_first(day, rng) else (day.low, day.high)
    legs = [abs(first - day.open), abs(second - first), abs(day.close - second)]
    early, late = _times(legs, steps, rng)
    places = {0: day.open, steps - 1: day.close, early: first, late: second}
    return [_Anchor(step, price * _CENT) for step, price in sorted(places.items())]


def _high_first(day: DailyBar, rng: Rng) -> bool:
    """Chance decides, in favour of the order that makes the shorter way; a high that is the open leaves no choice."""
    bits = rng.getrandbits(32)
    if day.open == day.high or day.close == day.low:
        return True
    if day.open == day.low or day.close == day.high:
        return False
    by_high = (day.high - day.open) + (day.close - day.low)
    by_low = (day.open - day.low) + (day.high - day.close)
    return bits * (by_high**2 + by_low**2) < by_low**2 << 32


def _times(legs: list[int], steps: int, rng: Rng) -> tuple[int, int]:
    """The steps of the first and the second extreme: a longer leg takes longer, more or less."""
    elapsed = _elapsed(steps)
    weights = [leg * (16 + rng.getrandbits(6)) ** 2 for leg in legs]
    total = sum(weights) or 1
    early = bisect_left(elapsed, elapsed[-1] * weights[0] // total)
    late = bisect_left(elapsed, elapsed[-1] * (weights[0] + weights[1]) // total)
    early = min(max(early, 1), steps - (3 if legs[2] else 2)) if legs[0] else 0
    return early, (min(max(late, early + 1), steps - 2) if legs[2] else steps - 1)


def _bridge(anchors: list[_Anchor], day: DailyBar, steps: int, rng: Rng) -> list[int]:
    """The price that nobody knows, step by step, through all anchors and never outside the day's range."""
    fair = [anchors[0].price]
    for here, there in pairwise(anchors):
        fair.extend(_leg(here, there, day, steps, rng))
        fair.append(there.price)
    return fair


def _leg(here: _Anchor, there: _Anchor, day: DailyBar, steps: int, rng: Rng) -> Iterator[int]:
    """The steps between two anchors: a walk that is drawn to the second, and turned away by the ends of the range."""
    pace, elapsed, price = _pace(steps), _elapsed(steps), here.price
    low, high = day.low * _CENT, day.high * _CENT
    # A random walk's range is about 1.6 times its deviation; the walk is 5/8 of the range wide, pinned as it is.
    variance = ((high - low) * 5 // 8) ** 2
    for step in range(here.step + 1, there.step):
        left = elapsed[there.step] - elapsed[step - 1]
        spread = isqrt(variance * pace[step] * (left - pace[step]) // (left * elapsed[-1]))
        # The count of ones in 64 random bits: a normal deviate of mean 32 and deviation 4.
        jitter = (rng.getrandbits(64).bit_count() - 32) * spread // 4
        drawn = (there.price - price) * pace[step] // left
        # A walk that may not pass its extreme leaves it quickly, as a Bessel process does: no long rides on the edge.
        repelled = spread**2 // (price - low + spread + 1) - spread**2 // (high - price + spread + 1)
        price = _inside(price + drawn + repelled + jitter, low, high)
        yield price


def _inside(price: int, low: int, high: int) -> int:
    """Reflects a price at the ends of the day's range."""
    if price > high:
        return max(low, 2 * high - price)
    if price < low:
        return min(high, 2 * low - price)
    return price


def _quotes(fair: list[int], day: DailyBar, rng: Rng) -> tuple[list[int], list[int]]:
    """Bids and asks on cents, the fair price between them or at one of them."""
    bids, asks = [], []
    for price, spread in zip(fair, _spreads(len(fair), day, rng), strict=True):
        # An odd spread around a whole cent leans to one side or the other, by chance.
        lean = rng.getrandbits(1) if spread & 1 and price % _CENT == 0 else 0
        bid = max(1, (price - 50 * spread + 50) // _CENT - lean)
        bids.append(bid)
        asks.append(bid + spread)
    return bids, asks


def _spreads(steps: int, day: DailyBar, rng: Rng) -> Iterator[int]:
    """1 to 3 cents by price and liquidity, now and then one more, and up to three more near the open."""
    liquid = day.close < 100_00 or day.volume >= 10_000_000
    usual = 1 if liquid else 2 if day.close < 300_00 else 3
    opening, morning = steps // 78, steps // 13  # 5 and 30 minutes of a whole day
    for step in range(steps):
        chance = rng.getrandbits(3)
        yield usual + (2 if step < opening else 0) + (chance < 4 if step < morning else chance == 0)


def _prints(bids: list[int], asks: list[int], day: DailyBar, rng: Rng) -> list[int]:
    """Where each step trades: at the bid or the ask or, one time in eight, between them, mostly in the middle."""
    low, high = day.low * _CENT, day.high * _CENT
    prices = []
    for bid, ask in zip(bids, asks, strict=True):
        chance = rng.getrandbits(16)
        if chance & 7:
            price = (ask if chance & 8 else bid) * _CENT
        elif chance & 24:
            price = (bid + ask) * _CENT // 2
        else:
            price = bid * _CENT + 1 + (chance >> 5) % ((ask - bid) * _CENT - 1)
        prices.append(min(max(price, low), high))
    return prices


def _sizes(volume: int, anchors: list[int], pace: tuple[int, ...], rng: Rng) -> list[int]:
    """Shares of each print, adding up to `volume`: by pace and chance, with a cross at the open and at the close."""
    shares = [weight * (1 + rng.getrandbits(4)) * (1 + rng.getrandbits(4)) for weight in pace]
    total = sum(shares)
    shares[0] += total // 100
    shares[-1] += total * 3 // 100
    # Each anchor must print, so it has one share for sure; cumulative division gives the rest out without remainder.
    rest, total = volume - len(anchors), sum(shares)
    reached = [rest * run // total for run in accumulate(shares)]
    sizes = [after - before for before, after in pairwise([0, *reached])]
    for step in anchors:
        sizes[step] += 1
    return sizes


def _depths(depth: int, steps: int, rng: Rng) -> list[int]:
    """Shares shown at a quote, in round lots: more where more is traded."""
    return [100 * (1 + (rng.getrandbits(5) * depth >> 4)) for _ in range(steps)]
