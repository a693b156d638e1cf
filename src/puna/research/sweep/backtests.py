"""What a backtest tells a sweep: its returns day by day, and the metrics that cells are compared by."""

from math import isfinite, prod, sqrt

import numpy as np
from numpy.typing import NDArray

from puna.core.symbols import asset_class, multiplier
from puna.core.types import AssetClass
from puna.engine.record import RunRecord
from puna.errors import PunaError
from puna.research.backtest.run import BacktestResult
from puna.research.statistics import ratios
from puna.research.statistics.metrics import fees, is_refused, trades, turnover
from puna.research.statistics.ratios import FEWEST_DAYS
from puna.research.statistics.returns import Track, day_ends, held
from puna.research.statistics.significance import sharpe
from puna.research.sweep.cells import Outcome, Window

__all__ = ["METRICS", "outcome_of", "outcome_within"]

METRICS = ("sharpe", "return", "max_drawdown", "trades", "turnover", "fees", "sortino", "calmar", "refused", "holding")
"""What every cell tells, the larger the better; `holding` is the Sharpe ratio of holding the same symbols."""
_STOCKS, _COINS = 252.0, 365.0


def outcome_of(result: BacktestResult) -> Outcome:
    """Returns by day; by bar where there are fewer than twenty days.

    Raises:
        PunaError: E910, the strategy failed on the way: what it gained by then is no result.
    """
    record = _sound(result)
    coins, year = _kind(result)
    days, last = day_ends(result.times, utc=coins)
    ends = result.times[last]
    track = Track(days, ends, result.equity[last], float(result.equity[0]), held(record, ends), year)
    numbers = {
        "sharpe": ratios.sharpe_ratio(track),
        "return": prod([1.0, *map(float, track.returns + 1)]) - 1,
        "max_drawdown": ratios.deepest_drawdown(track),
        "trades": trades(record),
        "turnover": turnover(record),
        "fees": float(fees(record)),
        "sortino": ratios.sortino_ratio(track),
        "calmar": ratios.calmar_ratio(track),
        "refused": sum(map(is_refused, record.orders)),
        "holding": _annual(track.holding_returns, year),
    }
    if len(days) < FEWEST_DAYS:
        return _by_bar(result, numbers, year / max(1, len(days)))
    return _outcome(numbers, ends.tolist(), track.returns.tolist(), year)


def outcome_within(result: BacktestResult, window: Window) -> Outcome:
    """Of a run on a window: its periods after `window.after`, whatever was heard before that.

    Nothing is traded before, so what was traded, paid and refused was in the window.

    Raises:
        PunaError: E910, the strategy failed on the way.
    """
    record = _sound(result)
    coins, year = _kind(result)
    times, worth = result.times[1:], result.equity[1:]  # the first is the beginning
    places = day_ends(times, utc=coins)[1] if window.daily else np.arange(len(times))
    places = places[times[places] > window.after]
    equity = np.concatenate((result.equity[:1], worth[places]))
    returns = equity[1:] / equity[:-1] - 1
    days = len(day_ends(times[places], utc=coins)[0])
    a_year = year if window.daily else len(returns) * year / max(1, days)
    tops = np.maximum.accumulate(equity)
    numbers = {
        "sharpe": _annual(returns, a_year),
        "return": float(equity[-1] / equity[0]) - 1,
        "max_drawdown": float((equity / tops - 1).min()),
        "trades": trades(record),
        "turnover": turnover(record),
        "fees": float(fees(record)),
        "refused": sum(map(is_refused, record.orders)),
        "held": _exposure(result),
    }
    ends = times[places].tolist()
    return _outcome(numbers, ends, returns.tolist(), a_year, daily=window.daily)


def _sound(result: BacktestResult) -> RunRecord:
    """The record of a run in which no strategy failed."""
    record = result.record
    if failed := next((note.text for note in record.notes if note.code == "E910"), None):
        raise PunaError(failed, code="E910")
    return record


def _kind(result: BacktestResult) -> tuple[bool, float]:
    """Whether all are coins, and how many days their year has."""
    coins = all(asset_class(each) is AssetClass.CRYPTO for each in result.history.columns)
    return coins, _COINS if coins else _STOCKS


def _exposure(result: BacktestResult) -> float:
    """Everything that is held at the end, long and short, as a part of the equity."""
    closes = {symbol: float(each.close[-1]) for symbol, each in result.history.columns.items()}
    positions = result.moments[-1][1].positions.items()
    prices = {symbol: closes.get(symbol, 0.0) * float(multiplier(symbol)) for symbol, _ in positions}
    worth = sum(abs(float(each.qty)) * prices[symbol] for symbol, each in positions)
    return float(worth / result.equity[-1])


def _annual(returns: NDArray[np.float64] | None, periods: float) -> float | None:
    return None if returns is None or len(returns) < 2 else float(sharpe(returns)) * sqrt(periods)


def _by_bar(result: BacktestResult, numbers: dict[str, float | None], periods: float) -> Outcome:
    """Too short for days to say anything."""
    returns = result.equity[1:] / result.equity[:-1] - 1
    a_year = len(returns) * periods
    tops = np.maximum.accumulate(result.equity)
    own = {"sharpe": _annual(returns, a_year), "sortino": None, "max_drawdown": float((result.equity / tops - 1).min())}
    return _outcome({**numbers, **own}, result.times[1:].tolist(), returns.tolist(), a_year, daily=False)


def _outcome(
    numbers: dict[str, float | None], ends: list[int], returns: list[float], year: float, *, daily: bool = True
) -> Outcome:
    known = {name: None if value is None or not isfinite(value) else float(value) for name, value in numbers.items()}
    return Outcome(known, ends, returns, year, daily)
