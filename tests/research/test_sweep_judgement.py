"""Judging a sweep: noise is called noise, an edge is not, a lonely peak is told from a plateau, past from future."""

import math
from collections.abc import Mapping
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_trials import Crossing, Noise, outcome

from puna.errors import ConfigError, PunaError
from puna.research.sweep.axes import Axis, Value, read_axes, typed
from puna.research.sweep.cells import Cell, Failure, Outcome, Row, Trial
from puna.research.sweep.forward import Folding
from puna.research.sweep.heat import heats
from puna.research.sweep.judgement import Judgement, judge
from puna.research.sweep.neighbours import Neighbours, at_edge
from puna.research.sweep.page import Page, html, json
from puna.research.sweep.run import sweep
from puna.research.sweep.search import Grid, Random
from puna.research.sweep.store import Plan, stored
from puna.research.sweep.words import doubts, headline, verdict
from puna.research.sweep.workers import Here


def axes(*words: str) -> list[Axis]:
    return [typed(each, "whole") for each in read_axes(words)]


GRID = axes("a=1..8", "b=1..5")


def swept(trial: Trial, over: list[Axis] = GRID) -> list[Row]:
    with stored(None) as store, Here(trial) as here:
        return sweep(Grid(over), here, store)


def cell(**values: Value) -> Cell:
    return Cell(0, values)


def test_sweeps_on_noise_are_reported_as_noise() -> None:
    """Twenty sweeps of forty cells whose returns have nothing to do with their values; the best of each looks fine."""
    judged = [judge(GRID, swept(Noise(seed=seed))) for seed in range(20)]
    assert median(each.peak.score or 0 for each in judged) > 1  # a Sharpe ratio that people would trade
    called = [each for each in judged if each.noise]
    assert len(called) >= 18  # at 95 %, one of twenty may slip through
    assert all("noise" in headline(each) and "Do not trade it" in verdict(each) for each in called)


def test_an_edge_is_not_called_noise() -> None:
    """Where every cell earns a real tenth of a percent a day, the best of them is no luck."""
    judged = judge(GRID, swept(Noise(edge=0.002)))
    assert not judged.noise
    assert (judged.best.deflated or 0) > 0.95
    assert "noise" not in headline(judged)


def test_choosing_among_equals_is_told_to_be_chance() -> None:
    """An edge that all cells share: there is skill, and none in the choice of the cell."""
    found = [judge(GRID, swept(Noise(edge=0.003, seed=seed))) for seed in range(8)]
    assert not any(each.noise for each in found)
    chances = [each.overfit.probability for each in found if each.overfit]
    assert 0.3 < median(chances) < 0.8


def _ridge(values: Mapping[str, Value]) -> Outcome:
    """A plateau around a = 3, and one lonely cell that is better than all of it."""
    a, b = int(values["a"]), int(values["b"])
    edge = 0.010 if (a, b) == (8, 1) else 0.006 - 0.001 * abs(a - 3)
    return outcome([edge + (0.01 if n % 2 else -0.01) for n in range(200)])


def test_a_cell_is_judged_by_its_neighbours() -> None:
    """The lonely peak is not the best; it is named as what it is."""
    judged = judge(GRID, swept(_ridge))
    assert judged.best.cell.values["a"] == 3
    assert judged.peak.cell.values == {"a": 8, "b": 1}
    assert any("stands alone" in each for each in doubts(judged))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.data())
def test_the_neighbourhood_of_a_grid_is_the_box_around_a_cell(lengths: list[int], data: st.DataObject) -> None:
    """All cells within a step on every axis, and no others; the median is over those that have a score."""
    over = axes(*(f"k{n}=1..{length}" for n, length in enumerate(lengths)))
    cells = list(Grid(over).ask([]))
    neighbours = Neighbours(over, cells)
    scores = data.draw(st.lists(st.none() | st.floats(-5, 5), min_size=len(cells), max_size=len(cells)))
    medians = neighbours.medians(scores)
    for n, one in enumerate(cells):
        near = {
            m
            for m, other in enumerate(cells)
            if all(abs(int(one.values[key]) - int(other.values[key])) <= 1 for key in one.values)
        }
        assert set(neighbours.of(n)) == near
        assert neighbours.of(n)[0] == n
        known = [score for m in near if (score := scores[m]) is not None]
        assert medians[n] == (None if scores[n] is None else pytest.approx(median(known)))


def test_names_have_no_steps_between_them() -> None:
    """Cells of another name are no neighbours, however near they stand in the list."""
    over = [typed(read_axes(["how=market,twap,vwap"])[0], "text"), *axes("n=1..3")]
    cells = list(Grid(over).ask([]))
    near = Neighbours(over, cells).of(4)
    assert {cells[n].values["how"] for n in near} == {"twap"}
    assert len(near) == 3


def test_cells_that_were_drawn_have_neighbours_too() -> None:
    """Where a step holds too few of them, the nearest ones count."""
    over = [typed(each, "number") for each in read_axes(["x=0.0..1.0", "y=0.0..1.0"])]
    cells = list(Random(over, 12, 3).ask([]))
    neighbours = Neighbours(over, cells)
    assert all(len(neighbours.of(n)) >= 3 for n in range(len(cells)))


def test_the_edge_of_the_grid_is_told() -> None:
    """What is best at the end of an axis may be better beyond it; two values have no middle, and names no end."""
    over = [*axes("a=1..5", "b=1,2"), typed(read_axes(["how=x,y,z"])[0], "text")]
    assert at_edge(over, cell(a=5, b=1, how="x")) == ["a"]
    assert at_edge(over, cell(a=3, b=1, how="x")) == []


def test_walk_forward_looks_at_what_comes_after() -> None:
    """What was good in the first half only is chosen by the past and fails in the future; it is seen."""

    def turning(values: Mapping[str, Value]) -> Outcome:
        sign = 1 if int(values["a"]) <= 2 else -1
        return outcome([sign * (0.004 if n < 100 else -0.004) + (0.01 if n % 2 else -0.01) for n in range(200)])

    judged = judge(axes("a=1..4"), swept(turning, axes("a=1..4")), folding=Folding(1))
    assert judged.forward
    (stretch,) = judged.forward.stretches
    assert stretch.values == {"a": 1}
    assert (stretch.inside or 0) > 3
    assert (stretch.outside or 0) < -3
    assert any("walk-forward is below zero" in each for each in doubts(judged))


def test_walk_forward_is_an_independent_calculation_s() -> None:
    """On IBM's real prices, fold by fold: the same choice and the same Sharpe ratio as a plain loop finds."""
    over = axes("fast=2..6:2", "slow=20..60:20")
    rows = swept(Crossing(), over)
    judged = judge(over, rows, folding=Folding(4, purge=5, embargo=3))
    assert judged.forward
    returns = {row.cell.key: row.result.returns for row in rows if isinstance(row.result, Outcome)}
    days = len(rows[0].result.returns) if isinstance(rows[0].result, Outcome) else 0
    joined: list[float] = []
    for n, stretch in enumerate(judged.forward.stretches, 1):
        first, last = days * n // 5, days * (n + 1) // 5
        ratios = {key: _plain_sharpe(each[: first - 8]) for key, each in returns.items()}

        def near(row: Row, ratios: dict[str, float] = ratios) -> float:
            return median(
                ratios[other.cell.key]
                for other in rows
                if abs(int(other.cell.values["fast"]) - int(row.cell.values["fast"])) <= 2
                and abs(int(other.cell.values["slow"]) - int(row.cell.values["slow"])) <= 20
            )

        best = max(rows, key=near)
        assert stretch.values == best.cell.values
        test = returns[best.cell.key][first:last]
        assert stretch.outside == pytest.approx(_plain_sharpe(test))
        joined += test
    assert judged.forward.returns == pytest.approx(joined)
    assert judged.forward.sharpe == pytest.approx(_plain_sharpe(joined))


def test_the_past_chooses_by_what_cells_are_compared_by() -> None:
    """By return it takes the one that made most, by drawdown the one that fell least, by Sharpe ratio the steadiest."""
    ways = {1: (0.004, 0.030), 2: (0.002, 0.004), 3: (0.00005, 0.0002)}  # mean and swing of each cell

    def swinging(values: Mapping[str, Value]) -> Outcome:
        mean, swing = ways[int(values["a"])]
        return outcome([mean + swing * (1 if n % 2 else -1) for n in range(120)])

    over = [typed(read_axes(["a=1,3,2"])[0], "whole")]  # out of order: no neighbours
    rows = swept(swinging, over)
    for by, best in (("return", 1), ("sharpe", 2), ("max_drawdown", 3), ("turnover", 2)):
        forward = judge(over, rows, folding=Folding(3, by=by)).forward
        assert forward is not None
        assert {each.values["a"] for each in forward.stretches} == {best}, by


def test_walk_forward_on_noise_finds_no_edge() -> None:
    """Ten sweeps without an edge: the interval of the stitched Sharpe ratio holds zero but once; with one, never."""
    over = axes("a=1..4", "b=1..3")
    noise = [judge(over, swept(Noise(seed=seed), over), folding=Folding(4)).forward for seed in range(10)]
    edge = [judge(over, swept(Noise(seed=seed, edge=0.003), over), folding=Folding(4)).forward for seed in range(3)]
    assert all(each and each.interval for each in (*noise, *edge))
    assert sum(each.interval.low > 0 for each in noise if each and each.interval) <= 1
    assert all(each.interval.low > 0 for each in edge if each and each.interval)


def _plain_sharpe(returns: list[float]) -> float:
    mean = sum(returns) / len(returns)
    variance = sum((each - mean) ** 2 for each in returns) / (len(returns) - 1)
    return mean / math.sqrt(variance) * math.sqrt(252)


def test_a_sweep_without_a_result_is_an_error() -> None:
    """E687, with the first reason."""
    rows = [Row(cell(a=1), Failure("E683", "ValueError: no such luck"))]
    with pytest.raises(PunaError, match="no such luck") as caught:
        judge(axes("a=1"), rows)
    assert caught.value.code == "E687"


def test_cells_are_compared_by_what_they_tell() -> None:
    """Another metric is E681 and lists what there is; cells of different days are E688."""
    rows = swept(Noise(periods=50))
    with pytest.raises(ConfigError, match="return, sharpe") as caught:
        judge(GRID, rows, by="beauty")
    assert caught.value.code == "E681"
    other = Row(rows[1].cell, outcome([0.0, 0.1]))
    with pytest.raises(ConfigError) as caught:
        judge(GRID, [rows[0], other])
    assert caught.value.code == "E688"
    judged = judge(GRID, rows, by="return")
    assert judged.peak.score == max(
        row.result.metrics["return"] or 0 for row in rows if isinstance(row.result, Outcome)
    )


@pytest.mark.parametrize("returns", [[], [0.01], [0.0] * 30, [0.01] * 30], ids=["none", "one", "flat", "steady"])
def test_cells_that_tell_next_to_nothing_are_judged_without_a_number(returns: list[float]) -> None:
    """No period, one, or none that differs: no claim, no crash, and a page that says so."""
    made = Outcome({"sharpe": None}, list(range(len(returns))), returns)
    rows = [Row(Cell(n, {"a": n}), made) for n in range(3)]
    judged = judge(axes("a=0..2"), rows)
    assert judged.noise
    assert headline(judged).startswith("Nothing to judge")
    page = _page(judged, rows, axes("a=0..2"))
    assert page.maps == []
    assert b"Nothing to judge" in html(page)
    assert b"Luck alone" not in html(page)
    assert doubts(judged) == []


def test_one_cell_is_no_choice() -> None:
    """Nothing is said of neighbours, maps and overfitting where there was nothing to choose from."""
    over = axes("a=1")
    rows = [*swept(Noise(periods=80), over), Row(Cell(1, {"a": 2}), Failure("E683", "no"))]
    judged = judge(over, rows)
    assert verdict(judged).startswith("One cell gave a result, a 1; one other failed.")
    page = _page(judged, rows, over)
    assert page.maps == []
    assert b"Overfitting" not in html(page)
    assert not any("Overfitting" in each for each in doubts(judged))


def test_cells_that_failed_alike_are_told_together() -> None:
    """One line for each reason, with how many and the first of them; reasons beyond ten are counted."""
    good = swept(Noise(periods=80), axes("a=1..2"))
    failed = [Row(Cell(n, {"a": n}), Failure("E683", f"reason {max(10, n)}")) for n in range(3, 25)]
    rows = [*good, *failed]
    page = html(_page(judge(axes("a=1..24"), rows), rows, axes("a=1..24"))).decode()
    assert page.count("reason 10 ") == 1
    assert '<td class="n">8</td><td>a 3</td>' in page
    assert "22 of 24 cells, for 15 reasons, the first 10 of them." in page


def _page(judged: Judgement, rows: list[Row], over: list[Axis]) -> Page:
    scores = [each.score for each in judged.standings]
    maps = heats(over, [each.cell for each in judged.standings], scores, judged.best.cell)
    return Page("a sweep", Plan(["a=1"], {"by": judged.by}), judged, rows, maps, "puna sweep bot.toml a=1")


def test_a_map_holds_the_median_of_what_it_leaves_out() -> None:
    """Three axes: a map for each pair, each field the median over the third."""
    over = axes("a=1..3", "b=1..2", "c=1..4")
    cells = list(Grid(over).ask([]))
    scores = [float(int(each.values["a"]) * 100 + int(each.values["b"]) * 10 + int(each.values["c"])) for each in cells]
    found = heats(over, cells, scores, cells[0])
    assert [(heat.x, heat.y) for heat in found] == [("a", "b"), ("c", "a"), ("c", "b")]
    first = found[0]
    assert [[each.value for each in row] for row in first.rows] == [
        [a * 100 + b * 10 + 2.5 for a in (1, 2, 3)] for b in (1, 2)
    ]
    assert [each.best for row in first.rows for each in row] == [True] + [False] * 5


def test_the_page_needs_nothing_from_outside_and_cannot_be_injected_into() -> None:
    """One file, no script, no address to fetch; what strategies call themselves is text."""
    rows = swept(Noise(periods=80))
    rows[3] = Row(rows[3].cell, Failure("E683", "<script>alert(1)</script>"))
    judged = judge(GRID, rows, folding=Folding(3, 1, 1))
    page = html(_page(judged, rows, GRID)).decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "url(" not in page
    assert page.count("<svg") == 4  # the map and the walk-forward chart, wide and narrow
    assert "walk-forward" in page.lower()


def test_json_and_page_hold_every_cell_and_the_same_numbers() -> None:
    """The verdict, and for each cell its values, metrics, neighbourhood and deflated Sharpe ratio."""
    rows = swept(Noise(periods=80))
    judged = judge(GRID, rows)
    told = msgspec.json.decode(json(_page(judged, rows, GRID)))
    assert told["verdict"] == verdict(judged)
    assert [each["values"] for each in told["rows"]] == [row.cell.values for row in rows]
    best = next(each for each in told["rows"] if each["values"] == judged.best.cell.values)
    assert best["deflated"] == judged.best.deflated
    assert best["neighbourhood"] == judged.best.neighbourhood
    assert told["overfit"]["probability"] == judged.overfit.probability if judged.overfit else False
