"""Training never sees the future: samples, folds, scores, and the check for features that look ahead."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from puna.core.features import FEATURES, BadBarError, FeatureComputer, FeatureParameters, FeatureSchema
from puna.core.types import Bar
from puna.engine.models import (
    Evaluation,
    FoldScore,
    ModelError,
    Samples,
    SchemaMismatchError,
    feature_table,
    folds,
    forward_returns,
    hit_rate,
    information_coefficient,
    look_ahead,
    samples,
    walk_forward,
)

MINUTE = 60_000_000_000
SHORT = FeatureSchema(("rsi", "dist_from_sma"), FeatureParameters(rsi=3, fast=3, slow=5, signal=3, sma=4))


def walk(symbol: str, count: int, seed: int = 1, step: int = MINUTE) -> list[Bar]:
    """A seeded random walk in bars."""
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    opens = np.concatenate([[100.0], closes[:-1]])
    return [
        Bar(symbol, o, max(o, c) * 1.0005, min(o, c) * 0.9995, c, 1000.0 + at % 7, at * step, (at + 1) * step, 0, 0.0)
        for at, (o, c) in enumerate(zip(opens.tolist(), closes.tolist(), strict=True))
    ]


def a_table(returns: Any, features: Any, horizon: int = 1) -> Samples:
    """Samples out of plain columns: one row a minute."""
    begin = np.arange(len(returns), dtype=np.int64) * MINUTE
    table = np.asarray(features, dtype=np.float64).reshape(len(returns), 1)
    schema = FeatureSchema(names=("rsi",))
    end = begin + horizon * MINUTE
    return Samples(schema, "1Min", horizon, ("X",), table, np.asarray(returns, dtype=np.float64), begin, end, "")


class Answer:
    """A model that answers its first feature, whatever it was trained on."""

    def __init__(self, schema: FeatureSchema) -> None:
        self.schema = schema

    def predict(self, features: Any) -> Any:
        return features[..., 0]


# Samples.


def test_labels_look_exactly_one_horizon_ahead() -> None:
    """A label is the return over the next `horizon` bars of its own symbol, and `end` is the last bar that it saw."""
    bars = [*walk("B", 30, 1), *walk("A", 25, 2)]
    rows = samples(bars, timeframe="1Min", horizon=3, schema=SHORT)
    assert rows.symbols == ("A", "B")
    warm_up = future = 3
    assert len(rows) == (30 - warm_up - future) + (25 - warm_up - future)
    closes = {(bar.symbol, bar.ts_event): bar.close for bar in bars}
    for at, (begin, end, known) in enumerate(zip(rows.begin, rows.end, rows.returns, strict=True)):
        assert end - begin == 3 * MINUTE
        assert known in {closes[s, end] / closes[s, begin] - 1 for s in "AB" if (s, end) in closes}
        assert at == 0 or begin >= rows.begin[at - 1]


def test_features_of_samples_are_those_of_the_computer() -> None:
    """Rows carry the bits that the batch computer gives at their bar."""
    bars = walk("A", 60)
    columns = np.array([(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]).T
    batch = FeatureComputer(SHORT.parameters).batch(*columns)[:, [1, 9]]
    rows = samples(bars, timeframe="1Min", horizon=1, schema=SHORT)
    assert np.array_equal(rows.features, batch[rows.begin // MINUTE])
    assert np.array_equal(feature_table(bars, SHORT), batch, equal_nan=True)


def test_a_longer_horizon_than_history_leaves_nothing() -> None:
    """Nothing to learn from is an error, not an empty table; so is a horizon of no bars."""
    with pytest.raises(ModelError, match="No sample"):
        samples(walk("A", 8), timeframe="1Min", horizon=8, schema=SHORT)
    with pytest.raises(ModelError, match="0 bars ahead"):
        samples(walk("A", 8), timeframe="1Min", horizon=0, schema=SHORT)
    assert np.isnan(forward_returns([1.0, 2.0], 5)).all()


def test_samples_refuse_bad_bars_and_unknown_features() -> None:
    """Time that goes back, and a schema that nobody computes."""
    bars = walk("A", 20)
    with pytest.raises(BadBarError):
        samples([*bars, bars[3]], timeframe="1Min", horizon=1, schema=SHORT)
    with pytest.raises(SchemaMismatchError, match="unknown: wisdom"):
        samples(bars, timeframe="1Min", horizon=1, schema=FeatureSchema(names=("rsi", "wisdom")))
    with pytest.raises(SchemaMismatchError, match="version 99"):
        samples(bars, timeframe="1Min", horizon=1, schema=FeatureSchema(version=99))


def test_the_data_hash_tells_data_apart() -> None:
    """The same bars in another order of symbols hash alike; one changed volume does not."""
    a, b = walk("A", 20, 1), walk("B", 20, 2)
    changed = [*a[:-1], Bar("A", a[-1].open, a[-1].high, a[-1].low, a[-1].close, 1.0, a[-1].ts_event, 0, 0, 0.0)]

    def digest(bars: Sequence[Bar]) -> str:
        return samples(bars, timeframe="1Min", horizon=1, schema=SHORT).data

    assert digest([*a, *b]) == digest([*b, *a])
    assert digest([*a, *b]) != digest([*changed, *b])


# Folds.


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 30)), min_size=2, max_size=150),
    st.integers(1, 8),
    st.integers(0, 40),
)
def test_training_never_overlaps_the_test(rows: list[tuple[int, int]], count: int, embargo: int) -> None:
    """For every fold, label windows of training end before the test begins, embargo included; and nothing else is lost.

    Rows have any times (several of one time, gaps) and labels of any length.
    """
    begin = np.array(sorted(start for start, _ in rows), dtype=np.int64)
    end = begin + np.array([length for _, length in rows], dtype=np.int64)
    try:
        found = folds(begin, end, count=count, embargo=embargo)
    except ModelError:
        return
    assert len(found) == count
    tested: set[int] = set()
    for fold in found:
        first, last = begin[fold.test].min(), begin[fold.test].max()
        assert (end[fold.train] + embargo < first).all()
        assert not tested & set(fold.test.tolist())
        tested |= set(fold.test.tolist())
        assert set(fold.test.tolist()) == set(np.flatnonzero((begin >= first) & (begin <= last)).tolist())
        left_out = np.setdiff1d(np.flatnonzero(begin < first), fold.train)
        assert (end[left_out] + embargo >= first).all()
    assert tested == set(np.flatnonzero(begin >= min(begin[found[0].test])).tolist())


def test_folds_are_found_where_there_is_enough() -> None:
    """A thousand minutes, four folds: each trains on all that lies wholly before it, less the embargo."""
    rows = a_table(np.zeros(1000), np.zeros(1000), horizon=10)
    plain = folds(rows.begin, rows.end, count=4)
    held_off = folds(rows.begin, rows.end, count=4, embargo=30 * MINUTE)
    assert [len(fold.test) for fold in plain] == [200, 200, 200, 200]
    assert [len(fold.train) for fold in plain] == [190, 390, 590, 790]
    assert [len(fold.train) for fold in held_off] == [160, 360, 560, 760]


@pytest.mark.parametrize(("count", "embargo"), [(0, 0), (10, 0), (3, -1), (3, 100 * MINUTE)])
def test_too_little_for_so_many_folds_is_said(count: int, embargo: int) -> None:
    """No folds, more folds than times, and an embargo that swallows the past are errors, not empty trainings."""
    rows = a_table(np.zeros(10), np.zeros(10))
    with pytest.raises(ModelError, match="do not suffice"):
        folds(rows.begin, rows.end, count=count, embargo=embargo)


def test_walk_forward_trains_on_the_past_alone() -> None:
    """What `train` is given ends before what its model is asked about."""
    rows = a_table(np.linspace(-1, 1, 120), np.linspace(-1, 1, 120), horizon=5)
    seen: list[tuple[int, int]] = []

    class Watched(Answer):
        def predict(self, features: Any) -> Any:
            asked = rows.begin[np.searchsorted(rows.features[:, 0], features[:, 0])]
            seen.append((self.knows, int(asked.min())))
            return super().predict(features)

        def __init__(self, past: Samples) -> None:
            super().__init__(past.schema)
            self.knows = int(past.end.max())

    evaluation = walk_forward(rows, Watched, count=5, embargo=2 * MINUTE)
    assert len(seen) == 5
    assert all(knows + 2 * MINUTE < asked for knows, asked in seen)
    assert [score.test_rows for score in evaluation.scores] == [20] * 5


# Scores.


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=60))
def test_the_information_coefficient_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    """It equals SciPy's, ties included; where that is undefined (a constant side) it is 0."""
    x, y = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    mine = information_coefficient(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert mine == 0.0
    else:
        assert mine == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_the_hit_rate_counts_opinions_only() -> None:
    """No opinion and no movement count neither way; without any there is no rate."""
    assert hit_rate(np.array([0.5, -0.5, 0.0, 0.1]), np.array([0.01, 0.01, 0.01, 0.0])) == 0.5
    assert math.isnan(hit_rate(np.zeros(3), np.ones(3)))


def test_a_planted_signal_is_found_and_pure_chance_is_not() -> None:
    """A feature that half explains the next return is found; over forty walks of noise, hardly ever anything is."""
    rng = np.random.default_rng(5)

    def found(share: float) -> Evaluation:
        feature = rng.uniform(-1, 1, 1200)
        rows = a_table(share * feature + rng.normal(0, 1, 1200), feature)
        return walk_forward(rows, lambda past: Answer(past.schema), count=6)

    planted = found(1.0)
    assert planted.found
    assert planted.verdict.startswith("Perhaps a signal 1 bars of 1Min ahead")
    assert "Costs are not in it" in planted.text()
    assert sum(found(0.0).found for _ in range(40)) <= 4


def test_the_verdict_does_not_talk_up() -> None:
    """One good fold among five is no signal, and two folds are too few whatever they say."""

    def with_coefficients(*values: float) -> Evaluation:
        scores = tuple(FoldScore(10, 10, 0, 1, 0.5, 0.5, value) for value in values)
        return Evaluation(scores, 5, "1Min")

    mixed = with_coefficients(0.4, -0.02, 0.01, 0.0, 0.03)
    assert not mixed.found
    assert mixed.verdict.startswith("No signal 5 bars of 1Min ahead: information coefficient +0.084 ± 0.079")
    assert mixed.verdict.endswith("Do not trade it.")
    assert with_coefficients(0.9, 0.9).verdict.startswith("Too few folds")
    assert not with_coefficients(-0.2, -0.21, -0.19).found


# Looking ahead.


def test_the_twelve_features_do_not_look_ahead() -> None:
    """Truncating the history changes no bit of any of them."""
    bars = walk("A", 120)
    assert look_ahead(lambda known: feature_table(known, FeatureSchema()), bars, FEATURES) == []


def _centred(closes: Any) -> Any:
    """A mean over the bar before, the bar and the bar after."""
    padded = np.concatenate([closes[:1], closes, closes[-1:]])
    return np.convolve(padded, np.ones(3) / 3, mode="valid")


PLANTED: dict[str, Callable[[Any], Any]] = {
    "next_close": lambda closes: np.append(closes[1:], np.nan),
    "centred_mean": _centred,
    "scaled_by_all": lambda closes: (closes - closes.mean()) / (closes.std() or 1.0),
    "highest_of_all": lambda closes: closes / closes.max(),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_look_ahead_is_found(name: str) -> None:
    """A shifted, a centred and two globally scaled features are found by name and row, an honest neighbour not."""
    bars = walk("A", 90)

    def compute(known: Sequence[Bar]) -> Any:
        closes = np.array([bar.close for bar in known])
        return np.column_stack([closes, PLANTED[name](closes)])

    (finding,) = look_ahead(compute, bars, ("close", name))
    assert finding.feature == name
    whole, truncated = compute(bars), compute(bars[: finding.cut])
    assert (finding.whole, finding.row < finding.cut) == (whole[finding.row, 1], True)
    assert finding.whole != finding.truncated
    np.testing.assert_equal(finding.truncated, truncated[finding.row, 1])
    assert f"{name} looks ahead: at row {finding.row} it is {finding.whole!r}" in str(finding)


def test_a_table_of_the_wrong_shape_is_no_answer() -> None:
    """Rows lost or columns gained would shift values against each other."""
    with pytest.raises(ModelError, match="shape"):
        look_ahead(lambda known: np.zeros((len(known) - 1, 1)), walk("A", 9), ("x",))
