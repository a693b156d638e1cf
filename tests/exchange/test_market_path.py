"""The path through a day meets the day's bar exactly, from random bits alone."""

import hashlib
from collections import Counter
from datetime import date
from statistics import fmean

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from puna.errors import DataError
from puna.exchange.data import SYMBOLS, DailyBar, tape
from puna.exchange.prices.path import MIN_STEPS, Path, _inside, intraday
from puna.seams import Rng, seeded_rng


class BitsOnly:
    """Chance that gives bits and nothing else."""

    def __init__(self, seed: int | str) -> None:
        self._rng = seeded_rng(seed)

    def getrandbits(self, k: int) -> int:
        return self._rng.getrandbits(k)

    def random(self) -> float:
        raise AssertionError("a float was drawn")

    def randrange(self, start: int, stop: int) -> int:
        raise AssertionError("a range was drawn")


@st.composite
def real_days(draw: st.DrawFn) -> DailyBar:
    """Any day of the shipped data."""
    return draw(st.sampled_from(list(tape(draw(st.sampled_from(SYMBOLS))).days.values())))


@st.composite
def any_days(draw: st.DrawFn) -> DailyBar:
    """Any day that can be: flat ones, penny stocks and days on which hardly anything trades."""
    low = draw(st.integers(1, 1_000_000))
    high = low + draw(st.integers(0, 5) | st.integers(0, low // 2))
    inside = st.integers(low, high) | st.sampled_from([low, high])
    volume = draw(st.integers(MIN_STEPS, 50) | st.integers(MIN_STEPS, 10**9))
    return DailyBar(draw(inside), high, low, draw(inside), volume)


steps_of_a_day = st.sampled_from([MIN_STEPS, 5, 210, 390, 840, 1560]) | st.integers(MIN_STEPS, 2000)


def bar_of(path: Path) -> DailyBar:
    """What the prints add up to, by the exchange's own definition of a bar."""
    prices = [price for price, size in zip(path.price, path.size, strict=True) if size]
    assert all(price % 100 == 0 for price in (prices[0], max(prices), min(prices), prices[-1]))
    return DailyBar(prices[0] // 100, max(prices) // 100, min(prices) // 100, prices[-1] // 100, sum(path.size))


@given(day=real_days() | any_days(), steps=steps_of_a_day, seed=st.integers(0, 2**32))
@example(day=DailyBar(1, 1, 1, 1, 4), steps=4, seed=0)
@example(day=DailyBar(3, 3, 1, 1, 4), steps=4, seed=0)
@example(day=DailyBar(2, 3, 1, 2, 4), steps=4, seed=0)
def test_a_path_meets_its_day_exactly(day: DailyBar, steps: int, seed: int) -> None:
    """For any day, number of steps and seed the prints' open, high, low, close and volume are the day's."""
    path = intraday(day, steps, BitsOnly(seed))
    assert bar_of(path) == day
    assert path.size[0] > 0
    assert path.size[-1] > 0
    assert min(path.size) >= 0
    assert {len(column) for column in path} == {steps}


@given(day=real_days() | any_days(), steps=steps_of_a_day, seed=st.integers(0, 2**32))
def test_quotes_stand_on_ticks_around_the_print(day: DailyBar, steps: int, seed: int) -> None:
    """At every step the bid is a positive number of cents below the ask, the price is neither under nor over them."""
    path = intraday(day, steps, BitsOnly(seed))
    for price, size, bid, ask in zip(path.price, path.size, path.bid, path.ask, strict=True):
        assert type(bid) is type(ask) is int
        assert 0 < bid < ask <= bid + 6
        assert not size or bid * 100 <= price <= ask * 100
    for shares in (*path.bid_size, *path.ask_size):
        assert shares > 0
        assert shares % 100 == 0


def test_quotes_keep_to_the_range_of_the_day() -> None:
    """Even where steps are few and so leaps are long, no bid is above the day's high and no ask below its low."""
    day = DailyBar(5000, 5200, 4800, 5100, 10_000)
    for seed in range(3000):
        path = intraday(day, 8, seeded_rng(seed))
        assert max(path.bid) <= day.high
        assert min(path.ask) >= day.low


@given(price=st.integers(-1000, 1000), low=st.integers(-100, 0), high=st.integers(0, 100))
def test_reflection_ends_inside(price: int, low: int, high: int) -> None:
    """A leap of any length is turned back into the range, and one that stays inside is left alone."""
    inside = _inside(price, low, high)
    assert low <= inside <= high
    assert inside == price or not low <= price <= high


@given(day=real_days(), seed=st.integers(0, 2**32))
def test_a_seed_is_a_path(day: DailyBar, seed: int) -> None:
    """The same seed leads the same way, another seed another."""
    assert intraday(day, 390, seeded_rng(seed)) == intraday(day, 390, seeded_rng(seed))
    assert intraday(day, 390, seeded_rng(seed)) != intraday(day, 390, seeded_rng(seed + 1))


def test_the_path_is_the_same_everywhere() -> None:
    """A day of Apple with a known key has a known digest: whole numbers and bits do not depend on the machine."""
    on = date(2012, 10, 18)
    path = intraday(tape("AAPL").days[on], 1560, seeded_rng(f"7:AAPL:{on}"))
    digest = hashlib.sha256("\n".join(map(str, path)).encode()).hexdigest()
    assert digest == "78a88b6d29c59a682a04446ec6ed95b31fd02d1e5daabe80ecdb97e4cf2c09f9"


def sample(rng: Rng) -> list[Path]:
    """A hundred days of Microsoft."""
    return [intraday(day, 390, rng) for day in list(tape("MSFT").days.values())[:100]]


def test_volume_is_u_shaped() -> None:
    """Over many days the first and the last half hour each trade more than twice what a half hour at noon trades."""
    totals = [sum(column) for column in zip(*(path.size for path in sample(seeded_rng(1))), strict=True)]
    noon = sum(totals[180:210])
    assert sum(totals[:30]) > 2 * noon
    assert sum(totals[-30:]) > 2 * noon


def test_spreads_are_wider_near_the_open() -> None:
    """Over many days the average spread of the first five minutes is at least a cent and a half above the rest's."""
    widths = [[ask - bid for bid, ask in zip(path.bid, path.ask, strict=True)] for path in sample(seeded_rng(2))]
    opening, later = fmean(w for day in widths for w in day[:5]), fmean(w for day in widths for w in day[60:])
    assert opening > later + 1.5
    assert 1 <= later < 2


def test_extremes_come_at_all_times() -> None:
    """Over many days highs and lows fall into every third of the day, mostly the outer ones, and in either order."""
    days = [(path.price.index(max(path.price)), path.price.index(min(path.price))) for path in sample(seeded_rng(3))]
    thirds = Counter(step // 130 for day in days for step in day)
    assert min(thirds[0], thirds[2]) > thirds[1] >= 10
    assert 30 <= sum(high < low for high, low in days) <= 70


def test_extremes_are_turning_points() -> None:
    """Over many days the price spends less than one time in thirty within a fiftieth of the range from its ends."""
    at_the_edge = [
        sum(50 * min(price - low, high - price) <= high - low for price in path.price) / len(path.price)
        for path in sample(seeded_rng(5))
        for low, high in [(min(path.price), max(path.price))]
    ]
    assert fmean(at_the_edge) < 1 / 30


def test_some_prints_are_below_a_cent() -> None:
    """Prints between bid and ask occur at fractions of a cent, and are few."""
    prices = [price for path in sample(seeded_rng(4)) for price in path.price]
    assert 0.05 < fmean(price % 100 != 0 for price in prices) < 0.2


@pytest.mark.parametrize(
    ("day", "steps"),
    [
        pytest.param(DailyBar(10, 9, 8, 9, 100), 390, id="open above high"),
        pytest.param(DailyBar(9, 10, 8, 7, 100), 390, id="close below low"),
        pytest.param(DailyBar(0, 0, 0, 0, 100), 390, id="no price"),
        pytest.param(DailyBar(9, 10, 8, 9, 3), 390, id="too few shares"),
        pytest.param(DailyBar(9, 10, 8, 9, 100), 3, id="too few steps"),
    ],
)
def test_an_impossible_day_is_refused(day: DailyBar, steps: int) -> None:
    """A day whose prices contradict each other, or that cannot print all four, is a DataError."""
    with pytest.raises(DataError) as caught:
        intraday(day, steps, seeded_rng(0))
    assert caught.value.code == "E614"
