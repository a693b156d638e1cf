"""Bars to samples: features that were known at a bar, and what the price did over the next bars."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import ArrayLike, NDArray

from puna.core.features import FeatureComputer, FeatureSchema
from puna.core.types import Bar
from puna.engine.models.protocol import Column, ModelError, check_schema, columns

__all__ = ["Samples", "Times", "by_symbol", "feature_table", "forward_returns", "samples"]

Times = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows to learn from, by time, then by symbol.

    Attributes:
        schema: the columns of `features`.
        timeframe: of the bars.
        horizon: how many bars ahead `returns` look.
        symbols: whose bars they are.
        features: (n, columns), all warm.
        returns: close after `horizon` bars / close - 1.
        begin: the left edge of the bar at whose end the features were known, ns.
        end: the left edge of the last bar that the return looks at, ns.
        data: SHA-256 of all the bars that they were made of.
    """

    schema: FeatureSchema
    timeframe: str
    horizon: int
    symbols: tuple[str, ...]
    features: Column
    returns: Column
    begin: Times
    end: Times
    data: str

    def __len__(self) -> int:
        return len(self.returns)

    def take(self, rows: NDArray[np.intp]) -> "Samples":
        """Some of the rows."""
        return replace(
            self,
            features=self.features[rows],
            returns=self.returns[rows],
            begin=self.begin[rows],
            end=self.end[rows],
        )


def samples(bars: Iterable[Bar], *, timeframe: str, horizon: int, schema: FeatureSchema | None = None) -> Samples:
    """The samples of these bars; rows that are not warm, or whose return is not known yet, are left out.

    Args:
        bars: of one timeframe, of any symbols, each in its order; raw or adjusted, but not mixed.
        timeframe: theirs.
        horizon: how many bars the label looks ahead, at least 1; it may look across a night.
        schema: which features, with which windows.

    Raises:
        BadBarError: a bar is none, or time goes back.
        ModelError: nothing is left, or the horizon is none.
        SchemaMismatchError: the schema names features that are not computed here.
    """
    schema = schema or FeatureSchema()
    check_schema(schema)
    if horizon < 1:
        raise ModelError(f"A label cannot look {horizon} bars ahead.", remedy="Use a whole number from 1 on.")
    found = by_symbol(bars)
    parts = [_of_symbol(each, schema, horizon) for each in found.values()]
    if not sum(len(begin) for *_, begin, _ in parts):
        raise ModelError(
            "No sample is left.", why="features are not warm, or labels not known", remedy="Use more bars."
        )
    features, returns, begin, end = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(begin, kind="stable")  # parts stand by symbol already
    return Samples(
        schema,
        timeframe,
        horizon,
        tuple(found),
        features[order],
        returns[order],
        begin[order],
        end[order],
        _digest(found),
    )


def by_symbol(bars: Iterable[Bar]) -> dict[str, list[Bar]]:
    """The bars of each symbol, symbols sorted."""
    found: dict[str, list[Bar]] = {}
    for bar in bars:
        found.setdefault(bar.symbol, []).append(bar)
    return dict(sorted(found.items()))


def feature_table(bars: Sequence[Bar], schema: FeatureSchema) -> Column:
    """The schema's features after each bar of one symbol, (n, columns): what a live run over the same bars computes.

    Raises:
        BadBarError: a bar is none, or time goes back.
    """
    computer, table = FeatureComputer(schema.parameters), np.empty((len(bars), len(schema.names)))
    chosen = columns(schema)
    for row, bar in enumerate(bars):
        computer.update(bar.symbol, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ts_event)
        table[row] = computer.values[chosen]
    return table


def forward_returns(close: ArrayLike, horizon: int) -> Column:
    """close[i + horizon] / close[i] - 1; NaN where the future is not known."""
    prices = np.asarray(close, dtype=np.float64)
    returns = np.full(len(prices), np.nan)
    returns[: max(len(prices) - horizon, 0)] = prices[horizon:] / prices[: max(len(prices) - horizon, 0)] - 1.0
    return returns


def _of_symbol(bars: Sequence[Bar], schema: FeatureSchema, horizon: int) -> tuple[Column, Column, Times, Times]:
    features = feature_table(bars, schema)
    returns = forward_returns([bar.close for bar in bars], horizon)
    begin = np.array([bar.ts_event for bar in bars], dtype=np.int64)
    rows = np.flatnonzero(np.isfinite(features).all(axis=1) & np.isfinite(returns))
    return features[rows], returns[rows], begin[rows], begin[rows + horizon]


def _digest(found: Mapping[str, Sequence[Bar]]) -> str:
    """Over every number of every bar, so that it can be told whether two models saw the same data."""
    digest = sha256()
    for symbol, bars in found.items():
        digest.update(f"{symbol} {len(bars)}\n".encode())
        digest.update(np.array([bar.ts_event for bar in bars], dtype="<i8").tobytes())
        rows = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
        digest.update(np.array(rows, dtype="<f8").tobytes())
    return digest.hexdigest()
