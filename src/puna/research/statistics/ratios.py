"""What a track of days amounts to: each ratio a pure function, its meaning the first line of its docstring.

Definitions are those of quantstats and empyrical where these have them (the tests hold them against quantstats and
against the formulas of empyrical). Nothing is taken off for a risk-free rate. A year is `track.year` days. What the
days do not tell is None, never a number made up.
"""

from collections.abc import Callable
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from puna.research.statistics import significance
from puna.research.statistics.bootstrap import Interval, Statistic, intervals
from puna.research.statistics.metrics import Metric, Unit, meaning
from puna.research.statistics.returns import Track, deepest, months
from puna.seams import seeded_rng

__all__ = ["FEWEST_DAYS", "RATIOS", "confidence", "deflated_sharpe_ratio", "measure_track", "rolling"]

FEWEST_DAYS = 20  # below this nothing is said about a year
Floats = NDArray[np.float64]
Ratio = Callable[[Track], float | int | None]


def days(track: Track) -> int:
    """Days with a value of equity."""
    return len(track.days)


def annual_return(track: Track) -> float | None:
    """What a year would return if all went on like this, compounded (CAGR)."""
    growth = _growth(track)
    if len(track.days) < FEWEST_DAYS or growth is None or growth <= 0:
        return None
    return _known(growth ** (track.year / len(track.days)) - 1)


def volatility(track: Track) -> float | None:
    """How far returns scatter: the standard deviation of daily returns, scaled to a year."""
    return _known(track.returns.std(ddof=1) * sqrt(track.year)) if len(track.days) >= 2 else None


def sharpe_ratio(track: Track) -> float | None:
    """Mean return for each unit of its scatter, scaled to a year."""
    return _known(significance.sharpe(track.returns) * sqrt(track.year)) if _many(track) else None


def sortino_ratio(track: Track) -> float | None:
    """Like the Sharpe ratio, but only losses count as scatter."""
    if not _many(track):
        return None
    below = np.minimum(track.returns, 0.0)
    scatter = sqrt(float(np.mean(below**2)))
    return _known(track.returns.mean() / scatter * sqrt(track.year)) if scatter else None


def calmar_ratio(track: Track) -> float | None:
    """Return a year for each unit of the deepest drawdown."""
    year, fall = annual_return(track), _deepest(track)
    return None if year is None or not fall else year / -fall


def probability_of_skill(track: Track) -> float | None:
    """How probable it is that the true Sharpe ratio is above zero, by its standard error (PSR)."""
    return _known(significance.probabilistic_sharpe(significance.moments(track.returns))) if _many(track) else None


def deflated_sharpe_ratio(track: Track, trials: float, deviation: float = 0.0) -> float | None:
    """How probable skill is when the luck of choosing the best of all trials is taken off (deflated Sharpe ratio).

    Args:
        track: of the run that was chosen.
        trials: how many independent ones there were.
        deviation: of their Sharpe ratios, per day; 0 takes what trials without skill differ by.
    """
    measured = significance.moments(track.returns)
    if not _moving(track):
        return None
    scatter = deviation or significance.unknown_deviation(measured.count)
    return _known(significance.deflated_sharpe(measured, max(1.0, trials), scatter))


def days_to_be_sure(track: Track) -> float | None:
    """How many days like these it takes to say with 95 % that the Sharpe ratio is above zero (MinTRL)."""
    return _known(significance.minimum_track_record(significance.moments(track.returns))) if _many(track) else None


def deepest_drawdown(track: Track) -> float | None:
    """The deepest fall below the highest point so far, at the end of days."""
    return _deepest(track) if track.days else None


def longest_drawdown(track: Track) -> int | None:
    """The most days in a row below the highest point so far."""
    if not track.days:
        return None
    falls = deepest(track.falls, len(track.days))
    spans = [(len(track.days) if fall.back is None else fall.back) - fall.top - 1 for fall in falls]
    return max(spans, default=0)


def ulcer_index(track: Track) -> float | None:
    """The root mean square of the drawdowns: deep and long ones weigh most."""
    return _known(sqrt(float(np.sum(track.falls**2)) / (len(track.days) - 1))) if len(track.days) >= 2 else None


def value_at_risk(track: Track) -> float | None:
    """The return of a bad day: on one day in twenty it was worse."""
    return _known(np.percentile(track.returns, 5)) if _many(track) else None


def expected_shortfall(track: Track) -> float | None:
    """The mean return of the worst twentieth of the days (CVaR)."""
    if not _many(track):
        return None
    worst = int((len(track.returns) - 1) * 0.05) + 1
    return _known(np.sort(track.returns)[:worst].mean())


def skewness(track: Track) -> float | None:
    """Whether large days are gains (above 0) or losses (below)."""
    return _known(significance.moments(track.returns).skew) if _moving(track) else None


def kurtosis(track: Track) -> float | None:
    """How often days are extreme; 3 for a normal law."""
    return _known(significance.moments(track.returns).kurtosis) if _moving(track) else None


def tail_ratio(track: Track) -> float | None:
    """A good day against a bad one: the 95th percentile over the 5th."""
    if not _many(track):
        return None
    low = float(np.percentile(track.returns, 5))
    return _known(abs(float(np.percentile(track.returns, 95)) / low)) if low else None


def omega_ratio(track: Track) -> float | None:
    """All gains of days for each unit of all losses."""
    lost = -float(np.sum(track.returns[track.returns < 0]))
    return _known(float(np.sum(track.returns[track.returns > 0])) / lost) if lost and _many(track) else None


def gain_to_pain(track: Track) -> float | None:
    """The sum of all daily returns for each unit of the losses among them (Schwager)."""
    lost = -float(np.sum(track.returns[track.returns < 0]))
    return _known(float(np.sum(track.returns)) / lost) if lost and _many(track) else None


def winning_days(track: Track) -> float | None:
    """Days with a gain, as a part of the days that moved at all."""
    moved = track.returns[track.returns != 0]
    return float(np.mean(moved > 0)) if len(moved) else None


def best_day(track: Track) -> float | None:
    """The largest return of one day."""
    return float(track.returns.max()) if track.days else None


def worst_day(track: Track) -> float | None:
    """The smallest return of one day."""
    return float(track.returns.min()) if track.days else None


def best_month(track: Track) -> float | None:
    """The largest return of one calendar month."""
    return max(_months(track), default=None)


def worst_month(track: Track) -> float | None:
    """The smallest return of one calendar month."""
    return min(_months(track), default=None)


def beta(track: Track) -> float | None:
    """How much the account moves when the benchmark moves by one."""
    both = _both(track)
    return None if both is None else _beta(*both)


def alpha(track: Track) -> float | None:
    """Return a year that beta times the benchmark does not explain."""
    both = _both(track)
    if both is None or (slope := _beta(*both)) is None:
        return None
    return _known((both[0].mean() - slope * both[1].mean()) * track.year)


def correlation(track: Track) -> float | None:
    """How much of the daily movement is shared with the benchmark: 1 all, 0 none."""
    both = _both(track)
    if both is None or not both[0].std() or not both[1].std():
        return None
    return _known(np.corrcoef(*both)[0, 1])


def information_ratio(track: Track) -> float | None:
    """Mean return above the benchmark for each unit of its scatter, scaled to a year."""
    both = _both(track)
    return None if both is None else _known(significance.sharpe(both[0] - both[1]) * sqrt(track.year))


RATIOS: tuple[tuple[Unit, Ratio], ...] = (
    ("count", days),
    ("fraction", annual_return),
    ("fraction", volatility),
    ("number", sharpe_ratio),
    ("number", sortino_ratio),
    ("number", calmar_ratio),
    ("part", probability_of_skill),
    ("days", days_to_be_sure),
    ("fraction", deepest_drawdown),
    ("days", longest_drawdown),
    ("fraction", ulcer_index),
    ("fraction", value_at_risk),
    ("fraction", expected_shortfall),
    ("number", skewness),
    ("number", kurtosis),
    ("number", tail_ratio),
    ("number", omega_ratio),
    ("number", gain_to_pain),
    ("part", winning_days),
    ("fraction", best_day),
    ("fraction", worst_day),
    ("fraction", best_month),
    ("fraction", worst_month),
    ("number", beta),
    ("fraction", alpha),
    ("number", correlation),
    ("number", information_ratio),
)


def measure_track(track: Track, *, sure: bool = True) -> list[Metric]:
    """Every ratio of the track, with an interval where one is known; without intervals when not `sure`."""
    around = confidence(track) if sure else {}
    return [Metric(each.__name__, each(track), unit, meaning(each), around.get(each.__name__)) for unit, each in RATIOS]


def confidence(track: Track) -> dict[str, Interval]:
    """Intervals of 95 % of the return, the Sharpe ratio, volatility and drawdown, by resampling days in blocks.

    Chance is seeded with a word, so that the same days give the same interval.
    """
    if not _moving(track) or len(track.days) < FEWEST_DAYS:
        return {}
    scale, number = sqrt(track.year), len(track.days)
    wanted: dict[str, Statistic] = {
        "annual_return": lambda draws: np.maximum(1 + draws, 0).prod(axis=-1) ** (track.year / number) - 1,
        "volatility": lambda draws: draws.std(axis=-1, ddof=1) * scale,
        "sharpe_ratio": lambda draws: significance.sharpe(draws) * scale,
        "deepest_drawdown": _deepest_of,
    }
    return intervals(track.returns, wanted, seeded_rng("report"))


def rolling(window: int, statistic: Callable[..., Floats], *series: Floats) -> Floats:
    """A statistic of each `window` days in a row, along the last axis; shape (days - window + 1,)."""
    views = [np.lib.stride_tricks.sliding_window_view(each, window) for each in series]
    return statistic(*views)


def _deepest_of(draws: Floats) -> Floats:
    worth = np.cumprod(np.maximum(1 + draws, 0), axis=-1)
    tops = np.maximum(np.maximum.accumulate(worth, axis=-1), 1.0)
    lowest: Floats = (worth / tops).min(axis=-1) - 1
    return lowest


def _growth(track: Track) -> float | None:
    return float(track.equity[-1]) / track.start if track.days and track.start > 0 else None


def _deepest(track: Track) -> float:
    return min(0.0, float(track.falls.min(initial=0.0)))


def _months(track: Track) -> list[float]:
    return [month.value for month in months(track.days, track.returns)] if _many(track) else []


def _many(track: Track) -> bool:
    """Two days are enough for a figure; whether to believe it is another question."""
    return len(track.days) >= 2


def _moving(track: Track) -> bool:
    return _many(track) and isfinite(float(significance.sharpe(track.returns)))


def _both(track: Track) -> tuple[Floats, Floats] | None:
    """Returns of the account and of the benchmark."""
    benchmark = track.holding_returns
    return None if benchmark is None or not _many(track) else (track.returns, benchmark)


def _beta(own: Floats, other: Floats) -> float | None:
    spread = float(np.var(other, ddof=1))
    return _known(float(np.cov(own, other)[0, 1]) / spread) if spread > 0 else None


def _known(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return number if isfinite(number) else None
