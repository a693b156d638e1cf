"""Figures in the report: the key ones in boxes, all of them in a table, each with its interval and its meaning."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from puna.research.report.formats import MINUS, bp, count, duration, percent, share, signed
from puna.research.report.markup import Html, tag
from puna.research.report.sections import table
from puna.research.statistics.metrics import Metric, Unit

__all__ = ["every_figure", "figures", "told"]

_TITLES = {
    "pnl_after_costs": "P&L after costs",
    "return_after_costs": "Return",
    "hold_return": "Holding instead",
    "max_drawdown": "Maximum drawdown",
    "worst_fill_bp": "Worst fill against mid",
    "turnover": "Turnover",
    "largest_exposure": "Largest exposure",
    "trades": "Orders filled",
}
_TITLES_OF_DAYS = {
    "pnl_after_costs": "P&L after costs",
    "return_after_costs": "Return",
    "hold_return": "Holding instead",
    "annual_return": "Return a year",
    "sharpe_ratio": "Sharpe ratio",
    "deflated_sharpe_ratio": "Deflated Sharpe ratio",
    "volatility": "Volatility a year",
    "max_drawdown": "Maximum drawdown",
    "probability_of_skill": "Probability of skill",
    "winning_trips": "Winning round trips",
    "profit_factor": "Profit factor",
    "turnover": "Turnover",
    "trades": "Orders filled",
}
_UNSIGNED = {"largest_exposure", "volatility", "ulcer_index"}


def figures(measured: Sequence[Metric], *, many_days: bool) -> Html:
    """The key figures, each with what it means; of more than one day, those of the days as well."""
    titles = _TITLES_OF_DAYS if many_days else _TITLES
    by_name = {metric.name: metric for metric in measured}
    shown = (_figure(by_name[name], title) for name, title in titles.items() if name in by_name)
    return tag("dl", *shown, class_="figures")


def _figure(metric: Metric, title: str) -> Html:
    return tag(
        "div",
        tag("dt", title),
        tag("dd", told(metric), class_="number"),
        tag("dd", f"95 %: {_between(metric)}", class_="between") if metric.interval is not None else None,
        tag("dd", metric.meaning, class_="meaning"),
    )


def every_figure(measured: Sequence[Metric]) -> Html:
    """All figures in a table, folded away."""
    rows = [(metric.name.replace("_", " "), told(metric), _between(metric), metric.meaning) for metric in measured]
    summary = tag("summary", f"All {count(len(rows), 'figure')} and what they mean")
    return tag("details", summary, table(("Figure", "Value", "95 % interval", "What it means"), rows, numbers=(1, 2)))


def _between(metric: Metric) -> str:
    """The interval, in the unit of the figure."""
    if metric.interval is None:
        return ""
    low, high = (told(replace(metric, value=value)) for value in (metric.interval.low, metric.interval.high))
    return f"{low} to {high}"


def told(metric: Metric) -> str:
    """The value with its unit, as people read it."""
    if metric.value is None:
        return "not known"
    text = _WORDS[metric.unit](metric.value)
    return text.removeprefix("+") if metric.name in _UNSIGNED else text


_WORDS: Mapping[Unit, Callable[[Any], str]] = {
    "USD": lambda value: f"{signed(value)} USD",
    "fraction": percent,
    "bp": lambda value: bp(float(value)),
    "times": lambda value: f"{value:,.2f}\N{MULTIPLICATION SIGN}",
    "count": lambda value: f"{value:,}",
    "number": lambda value: f"{float(value):,.2f}".replace("-", MINUS),
    "part": lambda value: share(float(value), 1),
    "days": lambda value: f"{round(value):,} {'day' if round(value) == 1 else 'days'}",
    "ns": lambda value: duration(int(value)),
}
