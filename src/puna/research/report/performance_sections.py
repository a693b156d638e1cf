"""The parts of report.html that need more than one day: equity against holding, drawdowns, months, rolling ratios."""

from calendar import month_abbr
from collections.abc import Callable, Iterable
from math import ceil, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from puna.engine.record import RunRecord
from puna.research.report.charts import Bar, Chart, Line, Point, bars, draw
from puna.research.report.formats import MINUS, count, dollars, percent, share, signed
from puna.research.report.markup import Html, join, tag
from puna.research.report.sections import table
from puna.research.statistics import ratios, significance
from puna.research.statistics.metrics import exposures, turnover
from puna.research.statistics.returns import Track, deepest, months

__all__ = ["distribution", "equity", "exposure", "falls", "legend", "monthly", "rolling", "underwater"]

Floats = NDArray[np.float64]
_GUTTER = 62.0
_WINDOW = 126  # trading days in half a year
_SHORTEST = 20
_SHADES = 5
_WIDE = 5.0  # from here on a straight scale hides what is small
_NOTHING = 1e-9  # rounding of sums that go back to zero
_MOST_FALLS = 8
_FEWEST_MONTHS = 2


def equity(record: RunRecord, track: Track) -> Html:
    """Equity at each day's end, and what holding would have made of the same money."""
    name = record.benchmark_name or "holding every symbol in equal parts"
    others = [] if track.holding is None else [Line(name, "held", _points(track, track.holding))]
    values = [*track.equity.tolist(), *([] if track.holding is None else track.holding.tolist()), track.start]
    wide = min(values) > 0 and max(values) > _WIDE * min(values)
    chart = Chart(
        name="equity",
        title="Equity in USD, by day",
        log=wide,
        points=_points(track, track.equity),
        tell=dollars,
        base=track.start,
        others=others,
        height=290,
        gutter=_GUTTER,
    )
    note = "Cash and positions at their last price at each day's end, in USD. The dashed line is the start."
    note += " The scale is logarithmic: equal steps are equal ratios." if wide else ""
    keys = legend(("line", "this run"), ("line held", f"{name}, without costs")) if others else None
    return join((tag("p", note, class_="note"), keys, draw(chart)))


def legend(*keys: tuple[str, str]) -> Html:
    """What the lines of a chart are: class and words."""
    return tag(
        "p",
        *(
            tag(
                "span",
                tag("svg", tag("path", d="M0 6H20", class_=kind), width=20, height=12, aria_hidden="true"),
                words,
            )
            for kind, words in keys
        ),
        class_="legend lines",
    )


def underwater(track: Track) -> Html:
    """How far equity stood below its highest point so far, by day."""
    chart = Chart(
        name="drawdown",
        title="Drawdown in percent, by day",
        points=_points(track, track.falls * 100),
        tell=_percent,
        base=0.0,
        area=True,
        height=160,
        gutter=_GUTTER,
    )
    note = "How far equity stood below its highest point so far, at each day's end."
    return tag("div", tag("p", note, class_="note"), draw(chart), class_="fall")


def falls(track: Track) -> Html:
    """The deepest drawdowns: when they began, when they were deepest, when they were over."""
    found = deepest(track.falls, _MOST_FALLS)
    if not found:
        return tag("p", "Equity never stood below its highest point at the end of a day.", class_="note")
    rows = []
    for fall in found:
        top = "the start" if fall.top < 0 else _day(track, fall.top)
        back = "not yet" if fall.back is None else _day(track, fall.back)
        lasted = (len(track.days) if fall.back is None else fall.back) - fall.top - 1
        rows.append((percent(fall.depth), top, _day(track, fall.bottom), back, count(lasted, "day")))
    return table(("Depth", "From the high of", "Deepest on", "Back on", "Below"), rows)


def monthly(track: Track) -> Html | None:
    """A grid of years and months, each with its return; None for less than two months."""
    found = months(track.days, track.returns)
    if len(found) < _FEWEST_MONTHS:
        return None
    largest = max(abs(month.value) for month in found) or 1.0
    by_year: dict[int, dict[int, float]] = {}
    for year, month, value in found:
        by_year.setdefault(year, {})[month] = value
    head = tag("tr", tag("th", "Year"), *(tag("th", month_abbr[n], class_="n") for n in range(1, 13)), _year_head())
    body = (
        tag("tr", tag("th", year), *(_month(values.get(n), largest) for n in range(1, 13)), _year(values.values()))
        for year, values in by_year.items()
    )
    note = "Return of each calendar month in percent, days compounded; the first and the last may be parts of months."
    grid = tag("table", tag("thead", head), tag("tbody", *body), class_="months")
    return join((tag("p", note, class_="note"), tag("div", grid, class_="scroll")))


def _year_head() -> Html:
    return tag("th", "Year", class_="n whole-year")


def _month(value: float | None, largest: float) -> Html:
    if value is None:
        return tag("td", class_="n")
    shade = min(_SHADES, ceil(abs(value) / largest * _SHADES)) if value else 0
    word = f"{'up' if value > 0 else 'down'}{shade}" if shade else None
    return tag("td", signed(value * 100, 1), class_=" ".join(["n", *([word] if word else [])]))


def _year(values: Iterable[float]) -> Html:
    grown = float(np.prod([1 + value for value in values]))
    return tag("td", signed((grown - 1) * 100, 1), class_="n whole-year")


def rolling(track: Track) -> Html:
    """Sharpe ratio, volatility and beta over the last days at each day."""
    window = min(_WINDOW, len(track.days) // 3)
    if window < _SHORTEST:
        needed = 3 * _SHORTEST
        return tag("p", f"Windows need {needed} days; this run has {len(track.days):,}.", class_="note")
    times = track.times[window - 1 :]
    scale = sqrt(track.year)

    def ratio(each: Floats) -> Floats:
        return significance.sharpe(each) * scale

    def scatter(each: Floats) -> Floats:
        return np.asarray(each.std(axis=-1, ddof=1) * scale * 100)

    panels = [
        _panel(
            "rolling-sharpe", "Sharpe ratio, a year", times, ratios.rolling(window, ratio, track.returns), _plain, 0
        ),
        _panel(
            "rolling-volatility", "Volatility, a year", times, ratios.rolling(window, scatter, track.returns), _percent
        ),
    ]
    if (holding := track.holding_returns) is not None:
        values = ratios.rolling(window, _betas, track.returns, holding)
        panels.append(_panel("rolling-beta", "Beta against holding", times, values, _plain, 0))
    note = f"Each point looks back over {window} days."
    return join((tag("p", note, class_="note"), tag("div", *panels, class_="panels")))


def _betas(own: Floats, other: Floats) -> Floats:
    away = other - other.mean(axis=-1, keepdims=True)
    spread = (away**2).sum(axis=-1)
    shared = ((own - own.mean(axis=-1, keepdims=True)) * away).sum(axis=-1)
    return np.where(spread > 0, shared / np.where(spread > 0, spread, 1.0), np.nan)


def _panel(
    name: str,
    title: str,
    times: NDArray[np.int64],
    values: Floats,
    tell: Callable[[float, int], str],
    base: float | None = None,
) -> Html:
    points = [Point(ts, value) for ts, value in zip(times.tolist(), values.tolist(), strict=True) if isfinite(value)]
    if not points:
        return tag("div", tag("h3", title), tag("p", "Not known: nothing moved.", class_="note"), class_="panel")
    chart = Chart(name=name, title=title, points=points, tell=tell, base=base, height=190)
    last = tag("span", f" {tell(points[-1].value, 2)} at the end")
    return tag("div", tag("h3", title, last), draw(chart, wide=504), class_="panel")


def distribution(track: Track) -> Html:
    """How often a day returned how much."""
    moved = track.returns[track.returns != 0]
    if len(moved) < _SHORTEST or moved.min() == moved.max():
        return tag("p", f"Only {count(len(moved), 'day')} moved equity: too few to draw.", class_="note")
    low, high = float(moved.min()) * 100, float(moved.max()) * 100
    step = _step(moved * 100)
    edges = np.arange(np.floor(low / step), np.ceil(high / step) + 1.5) * step
    numbers, _ = np.histogram(moved * 100, edges)
    given = [Bar(float(a), float(b), int(n)) for a, b, n in zip(edges, edges[1:], numbers, strict=False)]
    still = len(track.returns) - len(moved)
    left_out = f" {count(still, 'day')} without a change are left out.".replace(" no ", " No ") if still else ""
    note = f"Daily returns in percent.{left_out}"
    return join((tag("p", note, class_="note"), bars("distribution", "Daily returns in percent", given, _percent)))


def _step(values: Floats) -> float:
    """A width of bars by Freedman and Diaconis, between 12 and 60 of them."""
    span = float(values.max() - values.min())
    high, low = np.percentile(values, (75, 25)).tolist()
    width = 2 * (high - low) / len(values) ** (1 / 3)
    return float(min(span / 12, max(span / 60, width)))


def exposure(record: RunRecord, track: Track) -> Html:
    """Positions as a part of equity, and how much was bought and sold, by day."""
    if not record.fills:
        return tag("p", "Nothing was held and nothing was traded.", class_="note")
    held = _by_day(record, track)
    chart = Chart(
        name="exposure",
        title="Positions in percent of equity, by day",
        points=_points(track, held * 100),
        tell=lambda value, places: f"{dollars(value, places)} %",
        base=0.0,
        area=True,
        height=160,
        places=1,
        gutter=_GUTTER,
    )
    some, mean = float(np.mean(held > _NOTHING)), float(held.mean())
    told = f"At the end of {share(some)} of the days something was held; on average {share(mean)} of equity. "
    traded, years = turnover(record), max(1, len(track.days)) / track.year
    if traded is not None:
        told += f"Bought and sold: {traded:,.1f} times the start equity, {traded / years:,.1f} times a year."
    note = "All positions, long and short added, as a part of equity at each day's end. "
    return join((tag("p", note, told, class_="note"), draw(chart)))


def _by_day(record: RunRecord, track: Track) -> Floats:
    """Gross exposure at each day's end, as a part of equity."""
    walked = list(exposures(record))
    times = np.array([ts for ts, _ in walked], np.int64)
    gross = np.array([value for _, value in walked])
    at = np.searchsorted(times, track.times, side="right") - 1
    worth = np.where(at >= 0, gross[np.maximum(at, 0)], 0.0)
    return np.where(track.equity > 0, worth / np.where(track.equity > 0, track.equity, 1.0), 0.0)


def _points(track: Track, values: Floats) -> list[Point]:
    return [Point(ts, value) for ts, value in zip(track.times.tolist(), values.tolist(), strict=True)]


def _day(track: Track, at: int) -> str:
    on = track.days[at]
    return f"{on.day} {on:%b %Y}"


def _percent(value: float, places: int) -> str:
    return f"{dollars(value, places)} %"


def _plain(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", MINUS)
