"""The last few answers of a pure function, for those who ask it the same of the same things several times in a row.

The checks of one decision look at one view, and many of them reckon the same from it. Arguments are the same when they
are the same objects: they are not compared, which for frozen structs of many fields costs more than reckoning.
"""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple

__all__ = ["remembered"]

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


def remembered(most: int) -> Callable[[Callable[[*Ts], T]], Callable[[*Ts], T]]:
    """Lets a function of frozen arguments keep its last `most` answers; errors are not kept.

    They are given by position, and held until they fall out, so no other object can come to stand in their place.
    """

    def keep(function: Callable[[*Ts], T]) -> Callable[[*Ts], T]:
        answers: dict[tuple[int, ...], tuple[tuple[object, ...], T]] = {}

        @wraps(function)
        def recall(*args: *Ts) -> T:
            key = tuple(map(id, args))
            if (known := answers.get(key)) is not None:
                return known[1]
            answer = function(*args)
            answers[key] = (args, answer)
            for oldest in list(answers)[:-most]:
                answers.pop(oldest, None)  # another thread may be doing the same
            return answer

        return recall

    return keep
