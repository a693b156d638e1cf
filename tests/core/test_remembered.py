"""Answers that are kept for the same arguments, and only for the same."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from puna.core.remembered import remembered


def test_the_same_objects_are_reckoned_once() -> None:
    """Identity decides: an equal object is another one."""
    asked: list[list[int]] = []

    @remembered(2)
    def total(numbers: list[int]) -> int:
        asked.append(numbers)
        return sum(numbers)

    one, equal, third = [1, 2], [1, 2], [3]
    assert [total(one), total(one), total(equal), total(one)] == [3, 3, 3, 3]
    assert len(asked) == 2
    assert (total(third), total(one)) == (3, 3)  # `one` fell out when the third came
    assert len(asked) == 4


def test_errors_are_not_kept() -> None:
    """Whoever asks again gets it again, freshly."""
    asked = 0

    @remembered(2)
    def fails(_: object) -> int:
        nonlocal asked
        asked += 1
        raise ArithmeticError

    thing = object()
    for _ in range(2):
        with pytest.raises(ArithmeticError):
            fails(thing)
    assert asked == 2


def test_threads_get_their_own_answers() -> None:
    """Whatever falls out meanwhile."""

    @remembered(2)
    def same(thing: object) -> object:
        return thing

    things = [object() for _ in range(50)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(same, things * 100)) == things * 100
