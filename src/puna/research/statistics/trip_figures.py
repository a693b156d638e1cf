"""What the round trips of a run say together: each figure a pure function, its docstring begins with its meaning."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from math import sqrt

from puna.core.types import ZERO
from puna.research.statistics.metrics import Metric, Unit, meaning
from puna.research.statistics.round_trips import RoundTrip

__all__ = ["TRIPS", "measure_trips"]

_FINE = Decimal("0.0001")
Figure = Callable[[Sequence[RoundTrip]], Decimal | float | int | None]


def finished_trips(trips: Sequence[RoundTrip]) -> int:
    """Times that a position was opened and closed again."""
    return len(_closed(trips))


def winning_trips(trips: Sequence[RoundTrip]) -> float | None:
    """Round trips with a gain, before fees, as a part of all that were closed."""
    closed = _closed(trips)
    return sum(trip.pnl > 0 for trip in closed) / len(closed) if closed else None


def profit_factor(trips: Sequence[RoundTrip]) -> float | None:
    """What all winning round trips made for each dollar that the losing ones lost."""
    closed = _closed(trips)
    lost = -sum((trip.pnl for trip in closed if trip.pnl < 0), ZERO)
    return float(sum((trip.pnl for trip in closed if trip.pnl > 0), ZERO) / lost) if lost else None


def payoff_ratio(trips: Sequence[RoundTrip]) -> float | None:
    """The mean gain of a winning round trip for each dollar of the mean loss of a losing one."""
    won, lost = ([trip.pnl for trip in _closed(trips) if trip.pnl * way > 0] for way in (1, -1))
    return float((sum(won, ZERO) / len(won)) / (-sum(lost, ZERO) / len(lost))) if won and lost else None


def expectancy(trips: Sequence[RoundTrip]) -> Decimal | None:
    """What a round trip made on average, before fees."""
    closed = _closed(trips)
    return (sum((trip.pnl for trip in closed), ZERO) / len(closed)).quantize(_FINE) if closed else None


def best_trip(trips: Sequence[RoundTrip]) -> Decimal | None:
    """The largest gain of one round trip, before fees."""
    return max((trip.pnl for trip in _closed(trips)), default=None)


def worst_trip(trips: Sequence[RoundTrip]) -> Decimal | None:
    """The largest loss of one round trip, before fees."""
    return min((trip.pnl for trip in _closed(trips)), default=None)


def mean_size(trips: Sequence[RoundTrip]) -> Decimal | None:
    """The money in a round trip at its largest, on average."""
    return (sum((trip.size for trip in trips), ZERO) / len(trips)).quantize(_FINE) if trips else None


def mean_holding_time(trips: Sequence[RoundTrip]) -> int | None:
    """How long a round trip lasted on average."""
    lasted = [trip.closed - trip.opened for trip in trips if trip.closed is not None]
    return sum(lasted) // len(lasted) if lasted else None


def losing_streak(trips: Sequence[RoundTrip]) -> int | None:
    """The most round trips in a row, by the time of their end, that lost."""
    closed = sorted(_closed(trips), key=lambda trip: trip.closed or 0)
    runs = (len(list(run)) for lost, run in groupby(closed, lambda trip: trip.pnl < 0) if lost)
    return max(runs, default=0) if closed else None


def system_quality(trips: Sequence[RoundTrip]) -> float | None:
    """Mean gain of a round trip over its scatter, times the root of their number (Van Tharp's SQN)."""
    made = [float(trip.pnl) for trip in _closed(trips)]
    if len(made) < 2:
        return None
    mean = sum(made) / len(made)
    scatter = sqrt(sum((each - mean) ** 2 for each in made) / (len(made) - 1))
    return mean / scatter * sqrt(len(made)) if scatter > abs(mean) * 1e-12 else None


TRIPS: tuple[tuple[Unit, Figure], ...] = (
    ("count", finished_trips),
    ("part", winning_trips),
    ("number", profit_factor),
    ("number", payoff_ratio),
    ("USD", expectancy),
    ("USD", best_trip),
    ("USD", worst_trip),
    ("USD", mean_size),
    ("ns", mean_holding_time),
    ("count", losing_streak),
    ("number", system_quality),
)


def measure_trips(trips: Sequence[RoundTrip]) -> list[Metric]:
    """Every figure of the round trips."""
    return [Metric(each.__name__, each(trips), unit, meaning(each)) for unit, each in TRIPS]


def _closed(trips: Iterable[RoundTrip]) -> list[RoundTrip]:
    return [trip for trip in trips if trip.closed is not None]
