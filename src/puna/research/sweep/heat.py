"""Two axes of a sweep as a map of colours: what each pair of values scores, the median over all other axes.

The same map is drawn as SVG for the page and as text for the terminal (`puna.cli.sweep_view`). Colour is blue above
zero and orange below it, the stronger the further away; the number stands in each field that has room for it, and is
told where one points.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import median

import msgspec

from puna.research.report.charts import NARROW, WIDE
from puna.research.report.markup import Html, join, tag
from puna.research.sweep.axes import Axis, Value
from puna.research.sweep.cells import Cell
from puna.research.sweep.neighbours import TENTHS

__all__ = ["Field", "Heat", "draw", "heats"]

_MOST = 6  # maps on one page
_ROW, _TOP, _HEAD, _FOOT = 30.0, 8.0, 12.0, 46.0
_FEWEST = 3  # labels below a map, where there are as many columns
_LABELS = 0.4  # of the width, at most, for the labels of the vertical axis
_CHARACTER = 6.9  # widest digit of the 12 px figures
_WEAKEST, _STRONGEST = 0.06, 0.5  # opacity at which text is still read on it, light and dark


class Field(msgspec.Struct, frozen=True):
    """What one pair of values scores; None where nothing was run or told."""

    value: float | None
    cells: int
    best: bool


class Heat(msgspec.Struct, frozen=True):
    """A map: `rows[y][x]`; a sweep over one axis is a map of one row.

    Args:
        x: key of the horizontal axis.
        y: key of the vertical axis; "" where there is only one.
        columns: how the values of x read.
        lines: how the values of y read, from below.
        rows: the fields, from below.
    """

    x: str
    y: str
    columns: list[str]
    lines: list[str]
    rows: list[list[Field]]

    def strength(self, value: float) -> float:
        """How strong a field is coloured, 0 to 1: from zero on, or from the nearest value where zero lies outside."""
        known = [each.value for row in self.rows for each in row if each.value is not None]
        nearest = min(map(abs, known)) if min(known) > 0 or max(known) < 0 else 0.0
        furthest = max(map(abs, known))
        return (abs(value) - nearest) / (furthest - nearest) if furthest > nearest else 0.5


def heats(axes: Sequence[Axis], cells: Sequence[Cell], scores: Sequence[float | None], best: Cell) -> list[Heat]:
    """A map for each pair of axes that have more than one value, at most six; none where nothing can be compared.

    Args:
        axes: what was varied.
        cells: what was run.
        scores: of each cell.
        best: the cell that is marked.
    """
    varied = [axis for axis in axes if len(_labels(axis)) > 1]
    if not varied or all(score is None for score in scores):
        return []
    if len(varied) == 1:
        return [_heat(varied[0], None, cells, scores, best)]
    pairs = [_lying(*pair) for pair in combinations(varied, 2)][:_MOST]
    return [_heat(x, y, cells, scores, best) for x, y in pairs]


def draw(heat: Heat, name: str, tell: Callable[[float], str]) -> Html:
    """The map for a wide page and for a phone.

    Args:
        heat: what is drawn.
        name: unique on the page; part of ids.
        tell: how a value reads.
    """
    return tag(
        "div", _svg(heat, f"{name}-wide", WIDE, tell), _svg(heat, f"{name}-narrow", NARROW, tell), class_="chart"
    )


def _lying(one: Axis, other: Axis) -> tuple[Axis, Axis]:
    """The longer axis lies; of equal ones the one that was typed first."""
    return (one, other) if len(_labels(one)) >= len(_labels(other)) else (other, one)


def _heat(x: Axis, y: Axis | None, cells: Sequence[Cell], scores: Sequence[float | None], best: Cell) -> Heat:
    columns, lines = _labels(x), _labels(y) if y else [""]
    found: dict[tuple[int, int], list[float]] = {}
    for cell, score in zip(cells, scores, strict=True):
        if score is not None:
            found.setdefault(_place(x, y, cell), []).append(score)
    marked = _place(x, y, best)
    return Heat(
        x=x.key,
        y=y.key if y else "",
        columns=columns,
        lines=lines,
        rows=[
            [_field(found.get((row, column), []), best=marked == (row, column)) for column in range(len(columns))]
            for row in range(len(lines))
        ],
    )


def _field(values: list[float], *, best: bool) -> Field:
    return Field(median(values) if values else None, len(values), best)


def _place(x: Axis, y: Axis | None, cell: Cell) -> tuple[int, int]:
    return _step(y, cell.values[y.key]) if y else 0, _step(x, cell.values[x.key])


def _step(axis: Axis, value: Value) -> int:
    if axis.span is None:
        return axis.values.index(value)
    part = (float(value) - axis.span.low) / (axis.span.high - axis.span.low)
    return min(TENTHS - 1, int(part * TENTHS))


def _labels(axis: Axis) -> list[str]:
    """Each value; of a range without steps, the middle of each tenth."""
    if axis.span is None:
        return [str(value) for value in axis.values]
    width = (axis.span.high - axis.span.low) / TENTHS
    return [f"{axis.span.low + width * (n + 0.5):.3g}" for n in range(TENTHS)]


def _svg(heat: Heat, name: str, width: int, tell: Callable[[float], str]) -> Html:
    lines = [_short(line, width * _LABELS) for line in heat.lines]
    left = max(len(line) for line in lines) * _CHARACTER + _TOP
    field = min((width - left - _TOP) / len(heat.columns), 96.0)
    height = _TOP + _HEAD + _ROW * len(heat.lines) + _FOOT
    return tag(
        "svg",
        tag("title", _title(heat), id=f"{name}-title"),
        tag("desc", _summary(heat, tell), id=f"{name}-desc"),
        tag("text", _short(heat.y, width), x=0.0, y=_HEAD, class_="tick") if heat.y else None,
        *(_line(heat, row, lines[row], (left, field), tell) for row in range(len(lines))),
        *_columns(heat, left, field, height - _FOOT + 16),
        _below(_short(heat.x, width), left + field * len(heat.columns), height - 10),
        class_=name.rpartition("-")[2],
        viewbox=f"0 0 {width} {height:.0f}",
        width=width,
        height=round(height),
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _short(text: str, room: float) -> str:
    """As much of it as there is room for; begin and end say more than the middle."""
    most = max(3, int(room / _CHARACTER))
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - (most - 1) // 2 :]}"


def _below(text: str, right: float, y: float) -> Html:
    """The key of the horizontal axis: at its right end, or from the left on where it is longer than the map."""
    if len(text) * _CHARACTER > right:
        return tag("text", text, x=0.0, y=y, class_="tick")
    return tag("text", text, x=right, y=y, class_="tick", text_anchor="end")


def _line(heat: Heat, row: int, name: str, across: tuple[float, float], tell: Callable[[float], str]) -> Html:
    """One row, the first one at the bottom."""
    left, field = across
    top = _TOP + _HEAD + _ROW * (len(heat.lines) - 1 - row)
    label = tag("text", name, x=left - 8, y=top + 19, class_="tick", text_anchor="end")
    fields = [
        _drawn(heat, row, column, (left + field * column, top), field, tell) for column in range(len(heat.columns))
    ]
    # The mark lies above its neighbours.
    return join((label, *sorted(fields, key=lambda each: 'class="heat best"' in each)))


def _drawn(
    heat: Heat, row: int, column: int, at: tuple[float, float], width: float, tell: Callable[[float], str]
) -> Html:
    found, (x, y) = heat.rows[row][column], at
    where = f"{heat.x} {heat.columns[column]}" + (f", {heat.y} {heat.lines[row]}" if heat.y else "")
    if found.value is None:
        return tag("g", tag("title", f"{where}: nothing"), _box(x, y, width, "heat none", 0))
    text = tell(found.value)
    strength = _WEAKEST + heat.strength(found.value) * (_STRONGEST - _WEAKEST)
    kind = "heat gain" if found.value >= 0 else "heat loss"
    fits = len(text) * _CHARACTER < width - 4
    of = f", median of {found.cells} cells" if found.cells > 1 else ""
    return tag(
        "g",
        tag("title", f"{where}: {text}{of}{', the best' if found.best else ''}"),
        _box(x, y, width, kind, strength),
        _box(x, y, width, "heat best", 0) if found.best else None,
        tag("text", text, x=x + width / 2, y=y + 19, class_="figure", text_anchor="middle") if fits else None,
    )


def _box(x: float, y: float, width: float, kind: str, strength: float) -> Html:
    return tag(
        "rect",
        x=x + 0.5,
        y=y + 0.5,
        width=max(1.0, width - 1),
        height=_ROW - 1,
        class_=kind,
        fill_opacity=f"{strength:.2f}",
    )


def _columns(heat: Heat, left: float, field: float, y: float) -> list[Html]:
    """Labels below, as many as find room; long ones are cut, so that there are at least a few."""
    names = [_short(label, field * max(1, len(heat.columns) // _FEWEST) - 6) for label in heat.columns]
    longest = max(len(label) for label in names) * _CHARACTER + 6
    each = max(1, -int(-longest // field))
    return [
        tag("text", label, x=left + field * (n + 0.5), y=y, class_="tick", text_anchor="middle")
        for n, label in enumerate(names)
        if n % each == 0
    ]


def _title(heat: Heat) -> str:
    return f"{heat.y} against {heat.x}" if heat.y else heat.x


def _summary(heat: Heat, tell: Callable[[float], str]) -> str:
    """The map in one sentence."""
    known = [
        (each.value, heat.columns[x], heat.lines[y])
        for y, row in enumerate(heat.rows)
        for x, each in enumerate(row)
        if each.value is not None
    ]
    if not known:
        return "No field has a value."
    low, high = min(known), max(known)

    def said(found: tuple[float, str, str]) -> str:
        return f"{tell(found[0])} at {heat.x} {found[1]}" + (f" and {heat.y} {found[2]}" if heat.y else "")

    return f"Lowest {said(low)}; highest {said(high)}."
