"""How the venue says no: an HTTP status, Alpaca's eight-digit code, its words, and further keys (facts.md 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Refusal", "forbidden", "invalid", "not_found", "unprocessable"]


@dataclass(frozen=True)
class Refusal:
    """A refused command; nothing of it was done. The code is a number; for locates it is a word (SPEC-T)."""

    status: int
    code: int | str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, object]:
        """As it stands on the wire; where keys are equal, the code and the message win."""
        return {**self.details, "code": self.code, "message": self.message}


def invalid(message: str) -> Refusal:
    """422 with 40010001: a parameter makes no sense by itself."""
    return Refusal(422, 40010001, message)


def unprocessable(message: str) -> Refusal:
    """422 with 42210000: a rule of the business forbids it."""
    return Refusal(422, 42210000, message)


def forbidden(message: str, **details: object) -> Refusal:
    """403 with 40310000: this account may not, or not now."""
    return Refusal(403, 40310000, message, details)


def not_found(message: str) -> Refusal:
    """404 with 40410000."""
    return Refusal(404, 40410000, message)
