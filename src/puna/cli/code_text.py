"""The form of a code's text."""

from typing import NamedTuple

__all__ = ["Text"]


class Text(NamedTuple):
    """A title, what it means and in which state you are, and what to do."""

    title: str
    meaning: str
    remedy: str
