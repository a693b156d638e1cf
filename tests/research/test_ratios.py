"""Ratios of a track of days: quantstats and formulas of empyrical as oracles; empty, flat and short tracks; laws."""

from datetime import date, time
from decimal import Decimal
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pandas import DatetimeIndex, Series
from quantstats import stats as untyped

from puna.core import sessions
from puna.engine.record import EquityPoint, PricePoint, RunRecord
from puna.research.statistics import ratios
from puna.research.statistics.returns import Track, day_ends, deepest, held, months, track

qs: Any = untyped
DAYS = sessions.trading_days(date(2010, 1, 4), date(2011, 12, 30))


def record(returns: list[float], holding: list[float] | None = None, symbol: str = "AAPL") -> RunRecord:
    """A run that ends each trading day with these returns; its symbol moves by `holding`."""
    closes = [day.close for day in DAYS[: len(returns)]]
    worth = 1e9 * np.cumprod(1 + np.array(returns)) if returns else np.zeros(0)
    prices = 100 * np.cumprod(1 + np.array(holding if holding is not None else returns))
    first = PricePoint(DAYS[0].open, 100.0)
    return RunRecord(
        mode="backtest",
        symbols=[symbol],
        started_ts=DAYS[0].open,
        start_equity=Decimal(10**9),
        equity=[EquityPoint(ts, Decimal(repr(value))) for ts, value in zip(closes, worth.tolist(), strict=True)],
        prices={symbol: [first, *(PricePoint(*each) for each in zip(closes, prices.tolist(), strict=False))]},
    )


def noise(seed: int, size: int = 500) -> list[float]:
    """Fat-tailed daily returns."""
    made: list[float] = (np.random.default_rng(seed).standard_t(4, size=size) * 0.01 + 0.0004).tolist()
    return made


OWN, OTHER = noise(1), [0.5 * a + 0.5 * b for a, b in zip(noise(1), noise(2), strict=True)]
TRACK = track(record(OWN, OTHER))
DATED = Series(OWN, index=DatetimeIndex([day.date for day in DAYS[:500]]))
BENCHMARK = Series(OTHER, index=DATED.index)
GREEKS = qs.greeks(DATED, BENCHMARK)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (ratios.annual_return, (1 + DATED).prod() ** (252 / 500) - 1),  # empyrical.cagr
        (ratios.volatility, qs.volatility(DATED)),
        (ratios.sharpe_ratio, qs.sharpe(DATED)),
        (ratios.sortino_ratio, qs.sortino(DATED)),
        (ratios.deepest_drawdown, qs.max_drawdown(DATED)),
        (ratios.ulcer_index, qs.ulcer_index(DATED)),
        (ratios.tail_ratio, qs.tail_ratio(DATED)),
        (ratios.omega_ratio, qs.omega(DATED)),
        (ratios.gain_to_pain, qs.gain_to_pain_ratio(DATED)),
        (ratios.winning_days, qs.win_rate(DATED)),
        (ratios.best_day, qs.best(DATED)),
        (ratios.worst_day, qs.worst(DATED)),
        (ratios.best_month, qs.best(DATED, aggregate="ME")),
        (ratios.worst_month, qs.worst(DATED, aggregate="ME")),
        (ratios.beta, GREEKS["beta"]),
        (ratios.alpha, GREEKS["alpha"]),
        (ratios.correlation, DATED.corr(BENCHMARK)),
        (ratios.information_ratio, qs.information_ratio(DATED, BENCHMARK) * sqrt(252)),
        (ratios.value_at_risk, np.percentile(OWN, 5)),  # empyrical.value_at_risk
        (ratios.expected_shortfall, np.sort(OWN)[: int(499 * 0.05) + 1].mean()),  # empyrical.conditional_value_at_risk
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_ratios_are_those_of_quantstats_and_empyrical(ratio: ratios.Ratio, expected: float) -> None:
    """On 500 fat-tailed days."""
    assert ratio(TRACK) == pytest.approx(float(expected), rel=1e-6)


def test_calmar_is_return_over_drawdown() -> None:
    """Spelled out."""
    year, fall = ratios.annual_return(TRACK), ratios.deepest_drawdown(TRACK)
    assert year is not None
    assert fall is not None
    assert ratios.calmar_ratio(TRACK) == pytest.approx(year / abs(fall))


def test_the_longest_drawdown_counts_days_until_the_high_is_back() -> None:
    """Up, down twice, back: two days below; a fall that lasts to the end counts to the end."""
    assert ratios.longest_drawdown(track(record([0.1, -0.05, 0.01, 0.05, 0.01]))) == 2
    assert ratios.longest_drawdown(track(record([-0.05, 0.01, 0.01]))) == 3
    assert ratios.longest_drawdown(track(record([0.01, 0.01]))) == 0


def test_the_deepest_drawdowns_come_with_their_days() -> None:
    """Depth, day of the high, of the low, and when it was back; the start is a high too."""
    made = track(record([-0.10, 0.20, -0.50, 2.0, -0.01]))
    first, second, third = deepest(made.falls, 10)
    assert [each.depth for each in (first, second, third)] == pytest.approx([-0.5, -0.1, -0.01])
    assert [each[1:] for each in (first, second, third)] == [(1, 2, 3), (-1, 0, 1), (3, 4, None)]
    assert deepest(made.falls, 1) == [first]


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60))
@settings(max_examples=50)
def test_every_day_below_a_high_is_in_one_drawdown(returns: list[float]) -> None:
    """The drawdowns cover all days below a high and no other, and the deepest of them is the maximum drawdown."""
    made = track(record(returns))
    falls = deepest(made.falls, len(returns))
    covered = [day for fall in falls for day in range(fall.top + 1, len(returns) if fall.back is None else fall.back)]
    assert sorted(covered) == np.flatnonzero(made.falls < 0).tolist()
    assert ratios.deepest_drawdown(made) == min([fall.depth for fall in falls], default=0.0)


@given(st.lists(st.floats(-0.3, 0.3), max_size=45))
@settings(max_examples=50)
def test_no_track_breaks_a_ratio(returns: list[float]) -> None:
    """Empty, short, flat and ruined tracks give None or a finite number, and intervals that hold their places."""
    for metric in ratios.measure_track(track(record(returns))):
        assert metric.value is None or np.isfinite(float(metric.value))
        if metric.interval is not None:
            assert metric.interval.low <= metric.interval.high


def test_what_one_day_does_not_tell_is_not_told() -> None:
    """No scatter, no ratio, no interval from a single day or from none; what is there is there."""
    one = {metric.name: metric.value for metric in ratios.measure_track(track(record([0.01])))}
    assert one["days"] == 1
    assert one["best_day"] == pytest.approx(0.01)
    assert [name for name, value in one.items() if value is not None] == [
        "days", "deepest_drawdown", "longest_drawdown", "winning_days", "best_day", "worst_day"
    ]  # fmt: skip
    none = {metric.name: metric.value for metric in ratios.measure_track(track(record([])))}
    assert {name for name, value in none.items() if value is not None} == {"days"}


def test_intervals_hold_the_figure_and_come_again() -> None:
    """The Sharpe ratio lies inside its interval, and the same days give the same interval."""
    first, second = ratios.confidence(TRACK), ratios.confidence(track(record(OWN, OTHER)))
    assert first == second
    assert first.keys() == {"annual_return", "volatility", "sharpe_ratio", "deepest_drawdown"}
    sharpe = ratios.sharpe_ratio(TRACK)
    assert sharpe is not None
    assert first["sharpe_ratio"].low < sharpe < first["sharpe_ratio"].high
    assert first["deepest_drawdown"].high <= 0


def test_days_are_new_yorks_and_those_of_coins_utcs() -> None:
    """Half past eight in the evening is today in New York, and tomorrow in UTC."""
    evening = sessions.at(date(2012, 10, 18), time(20, 30))
    times = np.array([evening - 3600 * 10**9, evening, evening + 4 * 3600 * 10**9])
    assert day_ends(times)[0] == [date(2012, 10, 18), date(2012, 10, 19)]
    assert day_ends(times)[1].tolist() == [1, 2]
    assert day_ends(times, utc=True)[0] == [date(2012, 10, 18), date(2012, 10, 19)]
    assert day_ends(times, utc=True)[1].tolist() == [0, 2]
    coins = replace(record(OWN), symbols=["BTC/USD"])
    assert track(coins).days[0] == date(2010, 1, 4)


def test_a_year_is_252_days_or_365_or_what_the_bars_are() -> None:
    """Stocks, coins around the clock, weekly values."""
    assert TRACK.year == 252
    daily = record(noise(1, 20))
    ends = [EquityPoint(daily.equity[0].ts + n * 86_400 * 10**9, Decimal(1)) for n in range(20)]
    assert track(replace(daily, symbols=["BTC/USD"], equity=ends)).year == 365
    weekly = [EquityPoint(daily.equity[0].ts + n * 7 * 86_400 * 10**9, Decimal(1)) for n in range(20)]
    assert track(replace(daily, equity=weekly)).year == pytest.approx(52.18, abs=0.01)


def test_months_compound_their_days() -> None:
    """January 2010 has nineteen trading days."""
    made = track(record([0.01] * 25))
    first, second = months(made.days, made.returns)
    assert [each[:2] for each in (first, second)] == [(2010, 1), (2010, 2)]
    assert [first.value, second.value] == pytest.approx([1.01**19 - 1, 1.01**6 - 1])


def test_holding_starts_at_the_first_price() -> None:
    """Two symbols in equal parts: one doubles, one has no price until the second day and then falls by half."""
    run = replace(
        record([0.0, 0.0]),
        prices={
            "AAPL": [PricePoint(DAYS[0].open, 10.0), PricePoint(DAYS[1].close, 20.0)],
            "IBM": [PricePoint(DAYS[1].open, 10.0), PricePoint(DAYS[1].close, 5.0)],
        },
    )
    ends = np.array([DAYS[0].close, DAYS[1].close])
    assert held(run, ends) == pytest.approx([1e9, 1.25e9])
    assert held(replace(run, prices={}), ends) is None
    own = replace(run, benchmark=[PricePoint(DAYS[0].open, 3.0), PricePoint(DAYS[1].close, 6.0)])
    assert held(own, ends) == pytest.approx([1e9, 2e9])


def test_rolling_windows() -> None:
    """One value for each window, the last of them over the last days."""
    values = np.arange(6.0)
    assert ratios.rolling(3, lambda each: each.mean(axis=-1), values).tolist() == [1, 2, 3, 4]


def test_a_track_is_what_it_is_made_of() -> None:
    """Returns are measured from the start equity, falls from the highest point so far, the start included."""
    made = Track([date(2010, 1, 4)] * 3, np.arange(3), np.array([110.0, 99.0, 121.0]), 100.0, None, 252.0)
    assert made.returns == pytest.approx([0.1, -0.1, 22 / 99])
    assert made.falls == pytest.approx([0, -0.1, 0])
    assert made.holding_returns is None
