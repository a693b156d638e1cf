"""Candles, timeframes and split adjustment, by Alpaca's words."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import DataError
from puna.exchange.data import Split
from puna.exchange.prices.bars import (
    MINUTE,
    SECOND,
    Candle,
    Timeframe,
    adjusts_splits,
    candle,
    fold,
    midnight,
    split_adjusted,
    vwap,
    wire_bar,
)

FRAMES = [
    *(f"{number}Min" for number in (1, 2, 5, 7, 15, 30, 59)),
    *(f"{number}Hour" for number in (1, 4, 23)),
    "1Day",
    "1Week",
    *(f"{number}Month" for number in (1, 2, 3, 4, 6, 12)),
]


def ns(text: str) -> int:
    """An ISO timestamp in UTC as ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


moments = st.integers(ns("2000-03-01T00:00:00") // SECOND, ns("2030-06-01T00:00:00") // SECOND).map(
    lambda second: second * SECOND
)


@pytest.mark.parametrize(
    ("short", "long"), [("15T", "15Min"), ("4H", "4Hour"), ("1D", "1Day"), ("1W", "1Week"), ("6M", "6Month")]
)
def test_short_words_mean_the_long_ones(short: str, long: str) -> None:
    """T, H, D, W and M are other spellings."""
    assert Timeframe.parse(short) == Timeframe.parse(long)


@pytest.mark.parametrize(
    "text",
    ["", "0Min", "60Min", "100Min", "01Min", "24Hour", "2Day", "2Week", "5Month", "1min", "1 Day", "Min", "1٣Min"],
)
def test_other_words_are_refused(text: str) -> None:
    """What facts.md 6 does not list is a DataError that quotes it."""
    with pytest.raises(DataError, match="is not a timeframe") as caught:
        Timeframe.parse(text)
    assert caught.value.code == "E613"


@pytest.mark.parametrize(
    ("frame", "moment", "start"),
    [
        ("1Min", "2012-10-18T13:31:59", "2012-10-18T13:31:00"),
        ("15Min", "2012-10-18T13:59:00", "2012-10-18T13:45:00"),
        ("1Hour", "2012-10-18T13:59:00", "2012-10-18T13:00:00"),
        ("4Hour", "2012-10-18T13:59:00", "2012-10-18T12:00:00"),
        ("4Hour", "2012-12-18T14:59:00", "2012-12-18T13:00:00"),
        ("1Day", "2012-10-18T13:59:00", "2012-10-18T04:00:00"),
        ("1Day", "2012-12-18T03:59:00", "2012-12-17T05:00:00"),
        ("1Week", "2012-10-18T13:59:00", "2012-10-15T04:00:00"),
        ("1Month", "2012-03-28T14:00:00", "2012-03-01T05:00:00"),
        ("3Month", "2012-06-28T14:00:00", "2012-04-01T04:00:00"),
        ("12Month", "2012-06-28T14:00:00", "2012-01-01T05:00:00"),
    ],
)
def test_windows_begin_where_new_york_says(frame: str, moment: str, start: str) -> None:
    """Minutes and hours count from midnight in New York, days begin there, weeks on Monday, months on the first."""
    assert Timeframe.parse(frame).start(ns(moment)) == ns(start)


@given(frame=st.sampled_from(FRAMES).map(Timeframe.parse), ts=moments)
def test_a_moment_is_in_its_window(frame: Timeframe, ts: int) -> None:
    """A moment is not before its window's start and before its end, and a window's own edge begins it."""
    start = frame.start(ts)
    assert start <= ts < frame.end(start)
    assert frame.start(start) == start


@given(frame=st.sampled_from(FRAMES).map(Timeframe.parse).filter(lambda frame: not frame.intraday), ts=moments)
def test_a_window_ends_where_the_next_begins(frame: Timeframe, ts: int) -> None:
    """The end of a window of days or more is the start of the next, over changes of the clock too."""
    end = frame.end(frame.start(ts))
    assert frame.start(end) == end
    assert frame.start(end - 1) == frame.start(ts)


prints = st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**6)), max_size=30)


@given(prints=prints)
def test_a_candle_is_its_prints(prints: list[tuple[int, int]]) -> None:
    """First, highest, lowest and last price, sum and number of prints; one of size 0 is none; without any, nothing."""
    made = candle(0, [price for price, _ in prints], [size for _, size in prints])
    traded = [price for price, size in prints if size]
    if made is None:
        assert not traded
        return
    assert made[1:5] == (traded[0], max(traded), min(traded), traded[-1])
    assert made.volume == sum(size for _, size in prints)
    assert made.prints == len(traded)
    assert min(traded) / 10_000 - 1e-6 <= vwap(made) <= max(traded) / 10_000 + 1e-6


@given(groups=st.lists(prints, min_size=1, max_size=40), frame=st.sampled_from(FRAMES).map(Timeframe.parse))
def test_folding_loses_nothing(groups: list[list[tuple[int, int]]], frame: Timeframe) -> None:
    """Windows come in order, each is the candle of its own prints, and together they hold all the volume."""
    first = ns("2012-10-18T13:30:00")
    minutes = [
        each
        for minute, group in enumerate(groups)
        if (each := candle(first + minute * MINUTE, [price for price, _ in group], [size for _, size in group]))
    ]
    folded = list(fold(minutes, frame))
    assert all(before.start < after.start for before, after in pairwise(folded))
    for each in folded:
        inside = [
            one
            for minute, group in enumerate(groups)
            if frame.start(first + minute * MINUTE) == each.start
            for one in group
        ]
        assert each == candle(each.start, [price for price, _ in inside], [size for _, size in inside])
    assert sum(each.volume for each in folded) == sum(each.volume for each in minutes)


def test_what_was_not_recorded_is_not_made_up() -> None:
    """A week with one day of unknown trades has no trade count and no volume-weighted price; its volume is known."""
    monday = Candle(midnight(date(2012, 10, 15)), 10, 12, 9, 11, 100)
    tuesday = Candle(midnight(date(2012, 10, 16)), 11, 15, 11, 14, 100, 5, 1200)
    (week,) = fold([monday, tuesday], Timeframe(1, "Week"))
    assert week == Candle(monday.start, 10, 15, 9, 14, 200, 0, 0)
    assert wire_bar(week).vw == 0.0


def test_prices_are_printed_as_decimals() -> None:
    """A candle's whole numbers become the floats that are printed with the same decimals, the vwap with six."""
    bar = wire_bar(Candle(0, 1_185_600, 1_320_650, 1_185_001, 1_303_100, 3, 2, 3_606_200))
    assert (repr(bar.o), repr(bar.h), repr(bar.l), repr(bar.c)) == ("118.56", "132.065", "118.5001", "130.31")
    assert repr(bar.vw) == "120.206667"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("raw", False),
        ("split", True),
        ("all", True),
        ("dividend", False),
        ("split,dividend", True),
        ("spin-off", False),
    ],
)
def test_adjustment_words(words: str, answer: object) -> None:
    """The words split and all take splits out; the other words are known and change nothing here."""
    assert adjusts_splits(words) is answer


@pytest.mark.parametrize("words", ["", "splits", "raw;split", "split, dividend"])
def test_other_adjustments_are_refused(words: str) -> None:
    """A word that Alpaca does not have is a DataError."""
    with pytest.raises(DataError, match="is not an adjustment"):
        adjusts_splits(words)


SPLITS = (Split("X", date(2000, 6, 21), 1, 2), Split("X", date(2005, 2, 28), 2, 3), Split("X", date(2009, 5, 4), 10, 1))


@pytest.mark.parametrize(
    ("on", "as_of", "price", "volume"),
    [
        pytest.param(date(2000, 6, 20), date(2000, 6, 20), 1_000_000, 600, id="not yet known"),
        pytest.param(date(2000, 6, 20), date(2000, 6, 21), 500_000, 1200, id="known"),
        pytest.param(date(2000, 6, 21), date(2004, 1, 1), 1_000_000, 600, id="already in the price"),
        pytest.param(date(2000, 6, 20), date(2005, 2, 28), 333_333, 1800, id="two, rounded"),
        pytest.param(date(2008, 6, 20), date(2010, 1, 1), 10_000_000, 60, id="reverse"),
    ],
)
def test_splits_are_taken_out(on: date, as_of: date, price: int, volume: int) -> None:
    """A price before a split is divided by it and the volume multiplied, as far as the split is known by then."""
    adjusted = split_adjusted(
        Candle(midnight(on), 1_000_000, 1_000_000, 1_000_000, 1_000_000, 600, 3, 600_000_000), SPLITS, as_of
    )
    assert adjusted == Candle(midnight(on), price, price, price, price, volume, 3, 600_000_000)
