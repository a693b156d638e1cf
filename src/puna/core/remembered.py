"""The last few answers of a pure function, for those who ask it the same of the same things several times in a row.

The checks of one decision look at one view, and many of them reckon the same from it. Arguments are the same when they
are the same objects: they are not compared, which for frozen structs of many fields costs more than reckoning.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["remembered"]

P = ParamSpec("P")
T = TypeVar("T")


def remembered(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Lets a function of frozen arguments keep its last `most` answers; errors are not kept.

    The arguments are held until they fall out, so no other object can come to stand in their place.
    """

    def keep(function: Callable[P, T]) -> Callable[P, T]:
        answers: dict[tuple[int, ...], tuple[tuple[object, ...], T]] = {}

        @wraps(function)
        def recall(*args: P.args, **kwargs: P.kwargs) -> T:
            if kwargs:
                return function(*args, **kwargs)
            key = tuple(map(id, args))
            if (known := answers.get(key)) is not None:
                return known[1]
            answer = function(*args, **kwargs)
            answers[key] = (args, answer)
            if len(answers) > most:
                with suppress(StopIteration, RuntimeError):  # another thread is doing the same
                    answers.pop(next(iter(answers)), None)
            return answer

        return recall

    return keep
