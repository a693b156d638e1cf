"""The words of a sweep: lists, ranges and steps become axes of the right type, and nonsense one clear error."""

from decimal import Decimal
from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import ConfigError
from puna.research.sweep.axes import Axis, Kind, Span, Value, read_axes, size, typed
from puna.research.sweep.search import Grid, Random


def axis(word: str, kind: Kind = "whole") -> Axis:
    return typed(read_axes([word])[0], kind)


@pytest.mark.parametrize(
    ("word", "kind", "values"),
    [
        ("n=5,10,20", "whole", (5, 10, 20)),
        ("n=1..4", "whole", (1, 2, 3, 4)),
        ("n=1..10:4", "whole", (1, 5, 9)),
        ("n=-2..2:2", "whole", (-2, 0, 2)),
        ("n=1..3,10,20..30:5", "whole", (1, 2, 3, 10, 20, 25, 30)),
        ("n=3,1..4,3", "whole", (3, 1, 2, 4)),
        ("x=0.1..0.5:0.1", "number", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("x=1,2.5", "number", (1.0, 2.5)),
        ("x=1e-3,.5", "number", (0.001, 0.5)),
        ("risk.max_position=5%..15%:5%", "exact", ("5%", "10%", "15%")),
        ("x=0.10,500", "exact", ("0.10", "500")),
        ("on=true,False", "flag", (True, False)),
        ("how=market,twap", "text", ("market", "twap")),
        ("how=1..3", "text", ("1..3",)),
    ],
)
def test_words_become_values(word: str, kind: Kind, values: tuple[Value, ...]) -> None:
    """Lists, ranges with and without steps, and both together; each value once, in the order given."""
    found = axis(word, kind).values
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


def test_a_range_of_numbers_without_a_step_is_drawn_from() -> None:
    """It has no values of its own, and the grid says so."""
    assert axis("x=0.1..0.5", "number") == Axis("x", span=Span(0.1, 0.5))
    with pytest.raises(ConfigError, match="x has no steps") as caught:
        Grid([axis("x=0.1..0.5", "number")])
    assert caught.value.code == "E680"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "nothing to vary"),
        (["lookback"], "is not key=values"),
        (["=5"], "is not key=values"),
        (["a b=5"], "is not key=values"),
        (["n="], "n has no value"),
        (["n=1,,2"], "empty value"),
        (["n=1", "n=2"], "n is given twice"),
    ],
)
def test_words_that_cannot_be_read(words: list[str], what: str) -> None:
    """E680 with exit code 3, and it says which word."""
    with pytest.raises(ConfigError, match=what) as caught:
        read_axes(words)
    assert (caught.value.code, caught.value.exit_code) == ("E680", 3)


@pytest.mark.parametrize(
    ("word", "kind", "code", "what"),
    [
        ("n=1.5", "whole", "E682", "whole number"),
        ("n=ten", "whole", "E682", "whole number"),
        ("n=1..3:0.5", "whole", "E682", "whole number"),
        ("n=5%", "whole", "E682", "whole number"),
        ("x=nan", "number", "E682", "a number"),
        ("x=inf", "exact", "E682", "a number"),
        ("on=yes", "flag", "E682", "true or false"),
        ("n=5..1", "whole", "E680", "is empty"),
        ("n=1..5:0", "whole", "E680", "greater than 0"),
        ("n=1..9999999", "whole", "E680", "9,999,999 values"),
        ("x=0.5..0.5", "number", "E680", "is empty"),
        ("x=0.1..0.5,1", "number", "E680", "stands alone"),
        ("x=5%..20%", "exact", "E680", "needs a step"),
        ("x=5%..20:5", "exact", "E682", "percentage"),
    ],
)
def test_values_that_do_not_fit(word: str, kind: Kind, code: str, what: str) -> None:
    """A wrong type is E682, a range that holds nothing or too much E680."""
    with pytest.raises(ConfigError) as caught:
        axis(word, kind)
    assert caught.value.code == code
    assert what in str(caught.value)


def test_a_grid_of_millions_is_refused() -> None:
    """Before a single cell is made."""
    with pytest.raises(ConfigError, match="4,000,000 cells"):
        size([axis("a=1..2000"), axis("b=1..2000")])


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9))
def test_ranges_of_steps_are_pythons(low: int, width: int, step: int) -> None:
    """A whole range is Python's `range` with its end; a range in tenths is the same, divided by ten exactly."""
    expected = list(range(low, low + width + 1, step))
    assert list(axis(f"n={low}..{low + width}:{step}").values) == expected
    tenths = axis(f"x={Decimal(low) / 10}..{Decimal(low + width) / 10}:{Decimal(step) / 10}", "number").values
    assert tenths == tuple(float(Decimal(each) / 10) for each in expected)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_grid_is_every_combination_once(lengths: list[int]) -> None:
    """The product of the axes, the last one fastest, numbered from 0."""
    axes = [axis(f"k{n}=1..{length}") for n, length in enumerate(lengths)]
    cells = Grid(axes).ask([])
    assert [tuple(cell.values.values()) for cell in cells] == list(product(*(each.values for each in axes)))
    assert [cell.number for cell in cells] == list(range(prod(lengths))) == list(range(Grid(axes).total))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 150), st.integers(0, 99))
def test_random_cells_are_different_ones_of_the_grid(lengths: list[int], count: int, seed: int) -> None:
    """Never one twice, never one that the grid has not; all of it where it is smaller; the same for the same seed."""
    axes = [axis(f"k{n}=1..{length}") for n, length in enumerate(lengths)]
    keys = [cell.key for cell in Random(axes, count, seed).ask([])]
    assert len(set(keys)) == len(keys) == min(count, prod(lengths))
    assert set(keys) <= {cell.key for cell in Grid(axes).ask([])}
    assert keys == [cell.key for cell in Random(axes, count, seed).ask([])]


@given(st.integers(0, 99))
def test_random_cells_lie_within_the_range(seed: int) -> None:
    """Where a step is missing, numbers are drawn from the whole range."""
    axes = [axis("x=0.1..0.5", "number"), axis("n=1..3")]
    cells = Random(axes, 40, seed).ask([])
    assert len(cells) == 40
    assert all(0.1 <= float(cell.values["x"]) <= 0.5 and cell.values["n"] in (1, 2, 3) for cell in cells)
