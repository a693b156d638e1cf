"""A secret that does not leak: no repr, str, format, pickle, copy, JSON or timing shows what it holds."""

import hmac
from typing import Any, NoReturn

__all__ = ["Secret"]

MASK = "***"


class Secret:
    """Text that must not be seen; only `reveal()` gives it, and only the wire calls that."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied")

    def __bool__(self) -> bool:
        return bool(self.reveal())
