"""The last few answers of a pure function, for those who ask it the same of the same things several times in a row.

The checks of one decision look at one view, and many of them reckon the same from it. Arguments are the same when they
are the same objects: nothing is hashed or compared, which for frozen structs of many fields costs more than reckoning.
"""

from collections.abc import Callable
from functools import wraps
from operator import is_
from typing import ParamSpec, TypeVar

__all__ = ["remembered"]

P = ParamSpec("P")
T = TypeVar("T")


def remembered(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Lets a function of frozen arguments keep its last `most` answers; errors are not kept.

    The arguments are held until they fall out, so no other object can come to stand in their place.
    """

    def keep(function: Callable[P, T]) -> Callable[P, T]:
        answers: tuple[tuple[tuple[object, ...], T], ...] = ()

        @wraps(function)
        def recall(*args: P.args, **kwargs: P.kwargs) -> T:
            nonlocal answers
            for known, answer in answers if not kwargs else ():
                if all(map(is_, known, args)):
                    return answer
            answer = function(*args, **kwargs)
            if not kwargs:
                answers = ((args, answer), *answers[: most - 1])
            return answer

        return recall

    return keep
