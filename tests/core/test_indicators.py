"""The further features: TA-Lib's numbers where it has them, their definitions by plain NumPy where it has none."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from talib._ta_lib import MA_Type

from puna.core.indicators import INDICATORS, BarRow, QuoteFeatures, batch, indicator
from puna.core.types import Quote
from puna.errors import DataError

Column = NDArray[np.float64]
SIMPLE = MA_Type.SMA


def walk(seed: int, length: int = 300) -> list[BarRow]:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, length)))
    open_ = close * (1 + rng.normal(0, 0.003, length))
    high = np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.004, length)))
    low = np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.004, length)))
    volume = np.floor(rng.random(length) * 1e5)
    rows = np.column_stack([open_, high, low, close, volume]).tolist()
    return [BarRow(o, h, lo, c, v) for o, h, lo, c, v in rows]


def columns(bars: list[BarRow]) -> dict[str, Column]:
    return {name: np.array([getattr(bar, name) for bar in bars]) for name in ("high", "low", "close", "volume")}


ORACLES: dict[str, Callable[[dict[str, Column]], tuple[Column, ...]]] = {
    "atr": lambda c: (talib.ATR(c["high"], c["low"], c["close"], 14),),
    "true_range": lambda c: (talib.TRANGE(c["high"], c["low"], c["close"]),),
    "bollinger": lambda c: tuple(reversed(talib.BBANDS(c["close"], 20, 2.0, 2.0))),
    "stochastic": lambda c: talib.STOCH(c["high"], c["low"], c["close"], 14, 3, SIMPLE, 3, SIMPLE),
    "momentum": lambda c: (talib.ROCP(c["close"], 20),),
    "adx": lambda c: (
        talib.PLUS_DI(c["high"], c["low"], c["close"], 14),
        talib.MINUS_DI(c["high"], c["low"], c["close"], 14),
        talib.ADX(c["high"], c["low"], c["close"], 14),
    ),
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("seed", range(3))
def test_ta_lib_agrees(name: str, seed: int) -> None:
    """Where TA-Lib is defined, so are we, and to 1e-9."""
    bars = walk(seed)
    table = batch(indicator(name), bars)
    for at, theirs in enumerate(ORACLES[name](columns(bars))):
        defined = ~np.isnan(theirs)
        np.testing.assert_allclose(table[defined, at], theirs[defined], rtol=1e-9, atol=1e-9)


def test_parkinson_vwap_zscore_and_log_return_follow_their_definitions() -> None:
    """The four that TA-Lib lacks, written out with NumPy over the whole series."""
    bars = walk(7)
    c = columns(bars)
    squares = np.log(c["high"] / c["low"]) ** 2
    parkinson = math.sqrt(squares[-20:].mean() / (4 * math.log(2)))
    typical = (c["high"] + c["low"] + c["close"]) / 3
    last = c["close"][-20:]
    assert batch(indicator("parkinson"), bars)[-1, 0] == pytest.approx(parkinson, rel=1e-12)
    assert batch(indicator("vwap"), bars)[-1, 0] == pytest.approx(np.average(typical, weights=c["volume"]), rel=1e-12)
    assert batch(indicator("zscore"), bars)[-1, 0] == pytest.approx((last[-1] - last.mean()) / last.std(), rel=1e-9)
    assert batch(indicator("log_return"), bars)[-1, 0] == pytest.approx(math.log(last[-1] / last[-2]), rel=1e-12)


def test_vwap_starts_anew_each_session() -> None:
    """The first bar of a New York day has its own typical price as VWAP."""
    day = 24 * 3600 * 1_000_000_000
    vwap = indicator("vwap")
    vwap.update(BarRow(10, 12, 8, 10, 100, ts=0))
    assert vwap.update(BarRow(20, 24, 16, 20, 50, ts=day)) == (20.0,)


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_answers_one_value_for_each_output(name: str) -> None:
    """As many values as names, all of them numbers once three hundred bars have passed."""
    table = batch(indicator(name), walk(1))
    assert table.shape == (300, len(indicator(name).outputs))
    assert not np.isnan(table[-1]).any()


@pytest.mark.parametrize("call", [("nonsense",), ("atr", 0), ("atr", 14, 3)])
def test_what_does_not_exist_is_refused_by_name(call: tuple[str, float]) -> None:
    """Unknown names, windows below one and surplus parameters give one typed error."""
    with pytest.raises(DataError):
        indicator(*call)


prices = st.integers(1, 10_000).map(lambda n: n / 100)
sizes = st.integers(0, 1000).map(float)


@given(prices, st.integers(0, 50), sizes, sizes)
def test_quote_features_stay_inside_the_quote(bid: float, cents: int, bid_size: float, ask_size: float) -> None:
    """Mid and microprice lie between bid and ask, imbalance between -1 and 1."""
    quote = Quote("AAPL", bid, bid_size, bid + cents / 100, ask_size, 0, 0)
    spread, bps, mid, micro, imbalance, flow = QuoteFeatures().update(quote)
    assert spread >= 0
    assert bps >= 0
    assert bid <= mid <= quote.ask
    assert bid - 1e-9 <= micro <= quote.ask + 1e-9
    assert -1 <= imbalance <= 1
    assert flow == 0


def test_order_flow_counts_what_a_quote_adds_to_demand_and_supply() -> None:
    """A bid that rises adds its whole size; an ask that rises takes the old one's away; unusable quotes are skipped."""
    features = QuoteFeatures()
    features.update(Quote("AAPL", 10.00, 300, 10.02, 200, 0, 0))
    assert math.isnan(features.update(Quote("AAPL", 10.05, 1, 10.02, 1, 1, 1))[0])
    assert features.update(Quote("AAPL", 10.01, 100, 10.03, 500, 2, 2))[-1] == 100 + 200
    assert features.update(Quote("AAPL", 10.01, 40, 10.03, 500, 3, 3))[-1] == -60
