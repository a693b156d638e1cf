"""What a run came to, in short, to stand beside others: under another fill model, or another run."""

import msgspec
import numpy as np

from puna.engine.record import EquityPoint, RunRecord
from puna.research.statistics import metrics, ratios
from puna.research.statistics.metrics import Metric
from puna.research.statistics.returns import day_ends, is_around_the_clock, track

__all__ = ["SHOWN", "Variant", "variant"]

SHOWN = {
    "pnl_after_costs": "P&L after costs",
    "return_after_costs": "Return",
    "annual_return": "Return a year",
    "sharpe_ratio": "Sharpe ratio",
    "max_drawdown": "Maximum drawdown",
    "cost_against_mid": "Cost against mid",
    "fees": "Fees",
    "orders_sent": "Orders sent",
    "trades": "Orders filled",
}
_MANY_DAYS = 10


class Variant(msgspec.Struct, frozen=True):
    """What a run came to under one fill model, or one run of several.

    `curve` is equity at each day's end, or at every point of a short run.
    """

    name: str
    text: str
    metrics: list[Metric]
    curve: list[EquityPoint]


def variant(record: RunRecord, name: str = "") -> Variant:
    """A run, as far as it is compared with others."""
    measured = [*metrics.measure(record), *ratios.measure_track(track(record), sure=False)]
    return Variant(
        name=name or record.fill_model or record.run_id or record.mode,
        text=record.assumptions.get("fills", ""),
        metrics=[metric for metric in measured if metric.name in SHOWN],
        curve=_curve(record),
    )


def _curve(record: RunRecord) -> list[EquityPoint]:
    times = np.array([point.ts for point in record.equity], np.int64)
    days, ends = day_ends(times, utc=is_around_the_clock(record))
    return [record.equity[at] for at in ends.tolist()] if len(days) >= _MANY_DAYS else record.equity
