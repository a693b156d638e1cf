"""The charts: ticks on round values and whole New York times, everything inside the picture, shapes that tell sides."""

import re
import xml.etree.ElementTree as ET
from datetime import date, time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.sessions import at, new_york
from puna.research.report.axes import LogScale, log_ticks, time_ticks, value_ticks
from puna.research.report.charts import NARROW, WIDE, Bar, Chart, Line, Mark, Point, bars, draw, life_line
from puna.research.report.formats import dollars

OPEN, CLOSE = at(date(2012, 10, 18), time(9, 30)), at(date(2012, 10, 18), time(16))
MINUTE = 60_000_000_000


def chart(points: list[Point], **fields: object) -> Chart:
    return Chart(name="c", title="a title", points=points, tell=dollars, **fields)  # type: ignore[arg-type]


def drawn(what: Chart) -> list[ET.Element]:
    """Both pictures, parsed: what is no XML fails here."""
    return list(ET.fromstring(draw(what)))  # noqa: S314 - our own drawing


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 8))
def test_value_ticks_are_round_and_inside(low: float, span: float, most: int) -> None:
    """Steps are 1, 2 or 5 times a power of ten, ticks lie in the range, at least three, and not too many."""
    ticks, _ = value_ticks(low, low + span, most)
    slack = span * 1e-6 + 1e-9
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)
    assert 3 <= len(ticks) <= max(most + 1, 8)
    for one, two in pairwise(ticks):
        assert f"{two - one:.0e}"[0] in "125"


@given(st.floats(-1e5, 1e5), st.floats(0.01, 1e5), st.integers(2, 8))
def test_value_ticks_have_the_decimals_that_tell_them_apart(low: float, span: float, most: int) -> None:
    """No two labels are the same."""
    ticks, places = value_ticks(low, low + span, most)
    assert len({f"{tick:.{places}f}" for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(("most", "labels"), [(14, "09:30 10:00 10:30"), (5, "10:00 12:00 14:00")])
def test_time_ticks_are_whole_new_york_times(most: int, labels: str) -> None:
    """A day shows half hours where there is room, and two hours where there is little."""
    assert " ".join(tick.label for tick in time_ticks(OPEN, CLOSE, most)).startswith(labels)


@given(
    st.dates(date(2005, 1, 1), date(2020, 12, 31)),
    st.integers(0, 23 * 60),
    st.integers(1, 90 * 1440) | st.integers(90 * 1440, 5000 * 1440),
    st.integers(2, 12),
)
def test_time_ticks_stand_where_their_labels_say(day: date, minute: int, length: int, most: int) -> None:
    """Also across a change of the clocks: at its instant New York reads what the label says."""
    first = at(day, time(minute // 60, minute % 60))
    for tick in time_ticks(first, first + length * MINUTE, most):
        moment = new_york(int(tick.at))
        assert tick.label in {moment.strftime(form) for form in ("%H:%M", "%d %b", "%b", "%Y")}
        assert first <= tick.at <= first + length * MINUTE


@given(
    st.lists(st.tuples(st.integers(0, 390), st.floats(0.01, 1e6)), min_size=1, max_size=40, unique_by=lambda p: p[0]),
    st.none() | st.floats(0.01, 1e6),
    st.booleans(),
)
def test_everything_is_inside_the_picture(values: list[tuple[int, float]], base: float | None, log: bool) -> None:
    """Whatever the points, every line, dot and path stays within the viewBox of both pictures, on both scales."""
    points = [Point(OPEN + minute * MINUTE, value) for minute, value in sorted(values)]
    others = [Line("another", "second", [Point(OPEN - MINUTE, 3.0), Point(CLOSE + MINUTE, 4.0)])]
    given = chart(points, base=base, area=True, others=others, log=log)
    for svg, width in zip(drawn(given), (WIDE, NARROW), strict=True):
        for element in svg.iter():
            for name in ("x", "x1", "x2", "cx"):
                assert -1 <= float(element.get(name, "0")) <= width + 1
            for name in ("y", "y1", "y2", "cy"):
                assert -1 <= float(element.get(name, "0")) <= 241
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", element.get("d", "")):
                assert -1 <= float(x) <= width + 1
                assert -1 <= float(y) <= 241


def test_the_picture_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    """A title, and a description with first, last, lowest and highest value."""
    wide = drawn(chart([Point(OPEN, 100.0), Point(OPEN + MINUTE, 98.0), Point(CLOSE, 101.0)]))[0]
    names = wide.get("aria-labelledby", "").split()
    told = [element.text for element in wide if element.get("id") in names]
    assert told == [
        "a title",
        "From 100.00 at 09:30 to 101.00 at 16:00; lowest 98.00 at 09:31, highest 101.00 at 16:00.",
    ]


def test_a_buy_points_up_and_a_sell_points_down() -> None:
    """The first corner is the tip: above its base for a buy, below it for a sell."""
    points = [Point(OPEN, 100.0), Point(CLOSE, 101.0)]
    marks = [Mark(OPEN, 100.0, True, "bought"), Mark(CLOSE, 101.0, False, "sold")]
    for svg in drawn(chart(points, marks=marks)):
        tips = {}
        for path in svg.iter("path"):
            if path.get("class") in {"buy", "sell"}:
                corners = re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", path.get("d", ""))
                tips[path.get("class")] = float(corners[0]) - float(corners[1])
        assert tips["buy"] < 0 < tips["sell"]


def test_a_value_can_be_read_in_every_part_of_the_day() -> None:
    """One reading for five minutes, with time and value, without a script."""
    points = [Point(OPEN + minute * MINUTE, 100.0 + minute) for minute in range(391)]
    texts = [g.findtext("text") for g in drawn(chart(points))[0].iter("g") if g.get("class") == "reading"]
    assert 75 <= len(texts) <= 80
    assert texts[0] in {"09:34  104.00", "09:35  105.00"}


def test_a_life_is_a_bar_with_a_stroke_for_each_fill() -> None:
    """An order of the second half of the day has its bar there."""
    noon = OPEN + 195 * MINUTE
    svg = ET.fromstring(life_line(noon, CLOSE, (OPEN, CLOSE), [noon, noon, CLOSE], "told"))  # noqa: S314 - our own drawing
    lines = {line.get("class"): line for line in svg.iter("line")}
    assert float(lines["life"].get("x1", "0")) == pytest.approx(60, abs=1)
    assert sum(line.get("class") == "step" for line in svg.iter("line")) == 2


def test_equal_ratios_are_equal_distances() -> None:
    """On a logarithmic scale; its ticks are 1, 2 and 5 times powers of ten."""
    scale = LogScale(10.0, 1000.0, 0.0, 100.0)
    assert [scale(10.0), scale(100.0), scale(1000.0)] == pytest.approx([0, 50, 100])
    assert log_ticks(90, 1100) == [100, 200, 500, 1000]
    assert log_ticks(5, 1e6) == [10, 100, 1000, 1e4, 1e5, 1e6]


def test_a_long_series_keeps_its_extremes() -> None:
    """100,000 points make a path of a few thousand, and a spike of a single point is still in it."""
    points = [Point(OPEN + n * MINUTE, 101.0 if n == 54_321 else 100.0 + n % 2 * 0.1) for n in range(100_000)]
    wide = drawn(chart(points))[0]
    path = next(each.get("d", "") for each in wide.iter() if each.get("class") == "line")
    heights = [float(y) for _, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]
    assert len(heights) < 5 * WIDE
    assert min(heights) < sorted(heights)[1] - 50


def test_a_histogram_counts() -> None:
    """A bar for each range that came, as high as it came often; losses have a class of their own."""
    made = bars(
        "days", "Days", [Bar(-2, -1, 1), Bar(-1, 0, 0), Bar(0, 1, 4)], lambda value, places: f"{value:.{places}f}"
    )
    wide = next(iter(ET.fromstring(made)))  # noqa: S314 - our own drawing
    found = [each for each in wide.iter() if (each.get("class") or "").startswith("bin")]
    assert [each.get("class") for each in found] == ["bin below", "bin"]
    low, high = (float(each.get("height", "0")) for each in found)
    assert high == pytest.approx(4 * low, abs=0.2)
    assert ["".join(each.itertext()) for each in found] == ["1 between -2.00 and -1.00", "4 between 0.00 and 1.00"]
