"""Charts as hand-drawn SVG, without a script: a line or an area over time, marks for fills, values where one points.

A chart is drawn for a width in pixels, once wide and once narrow, so that its text keeps its size on a phone; the
stylesheet shows one of the two. Colours come from the page's classes; shapes tell a buy from a sell without them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from puna.research.report.axes import LogScale, Scale, log_ticks, time_form, time_ticks, value_ticks
from puna.research.report.formats import wall
from puna.research.report.markup import Html, join, tag

__all__ = ["NARROW", "WIDE", "Bar", "Chart", "Line", "Mark", "Point", "bars", "draw", "life_line"]

WIDE, NARROW = 1040, 358
_TOP, _BOTTOM, _RIGHT = 14, 26, 12
_CHARACTER = 6.9  # widest digit of the 12 px figures
_READINGS = 78  # places on the time axis where a value can be read: every five minutes of a day
_LABEL = 54  # room for one time


class Point(NamedTuple):
    """A value at a time, ns."""

    ts: int
    value: float


class Mark(NamedTuple):
    """A fill on the chart; `text` is told where one points at it."""

    ts: int
    value: float
    buy: bool
    text: str


class Line(NamedTuple):
    """A further line on a chart: `kind` is its class in the stylesheet, `name` what the legend calls it."""

    name: str
    kind: str
    points: Sequence[Point]


class Bar(NamedTuple):
    """How often a value between `low` and `high` came."""

    low: float
    high: float
    number: int


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What is drawn.

    Args:
        name: unique on the page; part of ids.
        title: for readers who do not see it.
        points: in the order of time, at least one.
        tell: how a value reads, with a number of decimals.
        places: decimals of a value that is read off.
        base: a value with a dashed line of its own, such as the start equity.
        area: filled between line and base.
        marks: fills.
        others: further lines, below the first one.
        height: pixels of the whole.
        gutter: room left of the axis, at least; charts below each other share it.
        log: equal ratios are equal distances; for values above zero.
    """

    name: str
    title: str
    points: Sequence[Point]
    tell: Callable[[float, int], str]
    places: int = 2
    base: float | None = None
    area: bool = False
    marks: Sequence[Mark] = field(default=())
    others: Sequence[Line] = field(default=())
    height: int = 240
    gutter: float = 0.0
    log: bool = False


def draw(chart: Chart, wide: int = WIDE, narrow: int = NARROW) -> Html:
    """The chart for a wide page and for a phone."""
    return tag("div", _svg(chart, wide, "wide"), _svg(chart, narrow, "narrow"), class_="chart")


def life_line(start: int, end: int, span: tuple[int, int], steps: Sequence[int], title: str) -> Html:
    """An order's life within the day: a bar from decision to end, a stroke for each fill."""
    width, middle = 120.0, 7.0
    x = Scale(span[0], max(span[1], span[0] + 1), 1, width - 1)
    left, right = x(start), max(x(end), x(start) + 2)
    fills = [
        tag("line", x1=x(ts), x2=x(ts), y1=2.0, y2=12.0, class_="step") for ts in dict.fromkeys(_seen(steps, x.low))
    ]
    return tag(
        "svg",
        tag("title", title),
        tag("line", x1=0.0, x2=width, y1=middle, y2=middle, class_="grid"),
        tag("line", x1=left, x2=right, y1=middle, y2=middle, class_="life"),
        *fills,
        class_="lifeline",
        viewbox="0 0 120 14",
        width=120,
        height=14,
        role="img",
    )


def _seen(steps: Sequence[int], low: float) -> Iterator[int]:
    return (ts for ts in steps if ts >= low)


class _Frame(NamedTuple):
    """The axes of one drawing."""

    x: Scale
    y: Scale | LogScale
    ticks: list[float]
    places: int
    width: int
    height: int
    form: str


def _frame(chart: Chart, width: int) -> _Frame:
    values = [point.value for point in chart.points] + [mark.value for mark in chart.marks]
    values += [point.value for line in chart.others for point in line.points]
    values += [] if chart.base is None else [chart.base]
    low, high = _room(chart, min(values), max(values))
    ticks, places = value_ticks(low, high, max(3, chart.height // 45))
    if chart.log:
        low, high = min(values) * 0.97, max(values) * 1.03
        ticks, places = log_ticks(low, high), 0
    left = max([chart.gutter, *(len(chart.tell(tick, places)) * _CHARACTER + 8 for tick in ticks)])
    first, last = _span(chart)
    return _Frame(
        x=Scale(first, last, left, width - _RIGHT),
        y=(LogScale if chart.log else Scale)(low, high, float(chart.height - _BOTTOM), float(_TOP)),
        ticks=ticks,
        places=places,
        width=width,
        height=chart.height,
        form=time_form(first, last),
    )


def _room(chart: Chart, low: float, high: float) -> tuple[float, float]:
    """The range of values drawn: a little air, more where marks stand below and above the line, none at a base of 0."""
    air = (high - low or max(abs(high), 1.0) * 1e-3) * (0.14 if chart.marks else 0.06)
    return low - air, high if chart.base == high else high + air


def _span(chart: Chart) -> tuple[int, int]:
    """From the first to the last time, never empty."""
    times = [point.ts for point in chart.points] + [mark.ts for mark in chart.marks]
    times += [point.ts for line in chart.others for point in line.points]
    first, last = min(times), max(times)
    return (first, last) if last > first else (first - 60_000_000_000, last + 60_000_000_000)


def _svg(chart: Chart, width: int, kind: str) -> Html:
    frame, name = _frame(chart, width), f"{chart.name}-{kind}"
    return tag(
        "svg",
        tag("title", chart.title, id=f"{name}-title"),
        tag("desc", _summary(chart, frame.form), id=f"{name}-desc"),
        _value_axis(chart, frame),
        tag("line", x1=frame.x.start, x2=frame.x.end, y1=frame.y.start, y2=frame.y.start, class_="axis"),
        _time_axis(frame),
        _base(chart, frame),
        *(tag("path", d=_path(line.points, frame), class_=f"line {line.kind}") for line in chart.others if line.points),
        _curve(chart, frame),
        _readings(chart, frame),
        join(_triangle(mark, frame) for mark in chart.marks),
        class_=kind,
        viewbox=f"0 0 {width} {chart.height}",
        width=width,
        height=chart.height,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _summary(chart: Chart, form: str) -> str:
    """The chart in one sentence."""
    first, last = chart.points[0], chart.points[-1]
    low, high = (pick(chart.points, key=lambda point: point.value) for pick in (min, max))

    def said(point: Point) -> str:
        return f"{chart.tell(point.value, chart.places)} at {wall(point.ts, form)}"

    return f"From {said(first)} to {said(last)}; lowest {said(low)}, highest {said(high)}."


def _value_axis(chart: Chart, frame: _Frame) -> Html:
    left, right = frame.x.start, frame.x.end
    return join(
        join(
            (
                tag("line", x1=left, x2=right, y1=frame.y(tick), y2=frame.y(tick), class_="grid"),
                tag(
                    "text",
                    chart.tell(tick, frame.places),
                    x=left - 8,
                    y=frame.y(tick) + 4,
                    class_="tick",
                    text_anchor="end",
                ),
            )
        )
        for tick in frame.ticks
    )


def _time_axis(frame: _Frame) -> Html:
    low, floor = frame.height - 8, frame.y.start
    most = max(2, int((frame.x.end - frame.x.start) / _LABEL))
    return join(
        join(
            (
                tag("line", x1=frame.x(tick.at), x2=frame.x(tick.at), y1=floor, y2=floor + 4, class_="axis"),
                tag("text", tick.label, x=_inside(frame, tick.at), y=low, class_="tick", text_anchor="middle"),
            )
        )
        for tick in time_ticks(round(frame.x.low), round(frame.x.high), most)
    )


def _inside(frame: _Frame, ts: float) -> float:
    """The place of a label that must not leave the picture."""
    return min(frame.x(ts), frame.width - 18.0)


def _base(chart: Chart, frame: _Frame) -> Html | None:
    if chart.base is None:
        return None
    y = frame.y(chart.base)
    return tag("line", x1=frame.x.start, x2=frame.x.end, y1=y, y2=y, class_="base")


def _curve(chart: Chart, frame: _Frame) -> Html:
    """The line, its last point as a dot, and the area down to the base."""
    path = _path(chart.points, frame)
    first, last = chart.points[0], chart.points[-1]
    ground = frame.y(chart.base) if chart.base is not None else frame.y.start
    filled = f"{path}L{frame.x(last.ts):.1f} {ground:.1f}L{frame.x(first.ts):.1f} {ground:.1f}Z"
    return join(
        (
            tag("path", d=filled, class_="area") if chart.area else None,
            tag("path", d=path, class_="line"),
            tag("circle", cx=frame.x(last.ts), cy=frame.y(last.value), r=2.5, class_="end"),
        )
    )


def _path(points: Sequence[Point], frame: _Frame) -> str:
    """The line; where many points share a pixel its first, lowest, highest and last ones, so that nothing is hidden."""
    if len(points) <= 4 * frame.width:
        seen = list(points)
    else:
        seen = [point for _, column in groupby(points, lambda point: int(frame.x(point.ts))) for point in _ends(column)]
    return "M" + "L".join(f"{frame.x(point.ts):.1f} {frame.y(point.value):.1f}" for point in seen)


def _ends(column: Iterable[Point]) -> list[Point]:
    points = list(column)
    picked = (points[0], min(points, key=_value), max(points, key=_value), points[-1])
    return sorted(dict.fromkeys(picked))


def _value(point: Point) -> float:
    return point.value


def _readings(chart: Chart, frame: _Frame) -> Html:
    """Bands in which a value shows when one points at them, without a script."""
    band = (frame.x.end - frame.x.start) / _READINGS

    def column(point: Point) -> int:
        return int((frame.x(point.ts) - frame.x.start) / band)

    return join(
        _reading(chart, frame, list(points)[-1], frame.x.start + number * band, band)
        for number, points in groupby(chart.points, column)
    )


def _reading(chart: Chart, frame: _Frame, point: Point, left: float, band: float) -> Html:
    x, y = frame.x(point.ts), frame.y(point.value)
    text = f"{wall(point.ts, frame.form)}  {chart.tell(point.value, chart.places)}"
    half = len(text) * _CHARACTER / 2
    middle = min(max(x, frame.x.start + half), frame.x.end - half)
    return tag(
        "g",
        tag("rect", x=left, y=0.0, width=band, height=frame.y.start, class_="hit"),
        tag("line", x1=x, x2=x, y1=float(_TOP), y2=frame.y.start, class_="rule"),
        tag("circle", cx=x, cy=y, r=3.0, class_="dot"),
        tag("text", text, x=middle, y=10.0, class_="value", text_anchor="middle"),
        class_="reading",
    )


def _triangle(mark: Mark, frame: _Frame) -> Html:
    """A buy points up from below the price, filled; a sell points down from above it, hollow."""
    x, y = frame.x(mark.ts), frame.y(mark.value)
    tip, base = (y + 3, y + 12) if mark.buy else (y - 3, y - 12)
    path = f"M{x:.1f} {tip:.1f}L{x - 5:.1f} {base:.1f}L{x + 5:.1f} {base:.1f}Z"
    return tag("path", tag("title", mark.text), d=path, class_="buy" if mark.buy else "sell")


def bars(name: str, title: str, given: Sequence[Bar], tell: Callable[[float, int], str], zero: float = 0.0) -> Html:
    """A histogram, wide and narrow; bars below `zero` have a class of their own."""
    return tag(
        "div",
        *(_bars(f"{name}-{kind}", title, given, tell, zero, width, kind) for width, kind in _WIDTHS),
        class_="chart",
    )


_WIDTHS = ((WIDE, "wide"), (NARROW, "narrow"))


def _bars(
    name: str,
    title: str,
    given: Sequence[Bar],
    tell: Callable[[float, int], str],
    zero: float,
    width: int,
    kind: str,
) -> Html:
    height = 200
    x = Scale(given[0].low, given[-1].high, 8.0, width - 8.0)
    y = Scale(0.0, float(max(bar.number for bar in given)), float(height - _BOTTOM), float(_TOP))
    ticks, places = value_ticks(x.low, x.high, max(3, width // 110))
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        *(_column(bar, x, y, tell, places + 1, below=bar.high <= zero) for bar in given if bar.number),
        tag("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis"),
        *(
            tag("text", tell(tick, places), x=x(tick), y=height - 8.0, class_="tick", text_anchor="middle")
            for tick in ticks
            if x.start + 20 <= x(tick) <= x.end - 20
        ),
        class_=kind,
        viewbox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title",
    )


def _column(bar: Bar, x: Scale, y: Scale, tell: Callable[[float, int], str], places: int, *, below: bool) -> Html:
    told = f"{bar.number:,} between {tell(bar.low, places)} and {tell(bar.high, places)}"
    left, right, top = x(bar.low) + 0.5, x(bar.high) - 0.5, min(y(bar.number), y.start - 1)
    return tag(
        "rect",
        tag("title", told),
        x=left,
        y=top,
        width=max(0.5, right - left),
        height=y.start - top,
        class_="bin below" if below else "bin",
    )
