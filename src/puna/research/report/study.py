"""A run, and what is worked out of it once for all parts of the report: days, round trips, faults of its data."""

from collections.abc import Sequence
from functools import cached_property

from puna.engine.record import RunRecord
from puna.research.history import data_faults
from puna.research.report.variants import Variant
from puna.research.statistics import ratios, trip_figures
from puna.research.statistics.metrics import Metric, Result, by_symbol, meaning, measure
from puna.research.statistics.returns import Track, track
from puna.research.statistics.round_trips import RoundTrip, round_trips

__all__ = ["Study"]


class Study:
    """What the report is made from.

    Args:
        record: the run.
        variants: the same run under each fill model, this one included; empty when there was only one.
    """

    def __init__(self, record: RunRecord, variants: Sequence[Variant] = ()) -> None:
        self.record = record
        self.variants = list(variants)

    @cached_property
    def track(self) -> Track:
        """Equity by day."""
        return track(self.record)

    @property
    def many_days(self) -> bool:
        """Whether the run is longer than a day, so that days can be compared."""
        return len(self.track.days) > 1

    @cached_property
    def trips(self) -> list[RoundTrip]:
        """From flat to flat."""
        return round_trips(self.record)

    @cached_property
    def symbols(self) -> list[Result]:
        """Each symbol's part."""
        return by_symbol(self.record)

    @cached_property
    def jumps(self) -> list[data_faults.Jump]:
        """Jumps of prices like splits."""
        return data_faults.jumps(self.record)

    @cached_property
    def gaps(self) -> list[data_faults.Gap]:
        """Prices that are not there."""
        return data_faults.gaps(self.record)

    @cached_property
    def metrics(self) -> list[Metric]:
        """Every figure: of the account, of its days, of its round trips."""
        return [
            *measure(self.record),
            *ratios.measure_track(self.track),
            *self._deflated,
            *trip_figures.measure_trips(self.trips),
        ]

    @property
    def _deflated(self) -> list[Metric]:
        """Beside the Sharpe ratio of a run that was chosen from several."""
        record, name = self.record, ratios.deflated_sharpe_ratio
        if record.trials <= 1:
            return []
        value = name(self.track, record.trials_effective or record.trials, record.trial_deviation)
        return [Metric(name.__name__, value, "part", meaning(name))]

    def metric(self, name: str) -> Metric:
        """One of them."""
        return next(metric for metric in self.metrics if metric.name == name)
