"""A refusal in words, for terminals, strategies and reports; the exact numbers stand in the journal."""

from decimal import Decimal

from puna.core.risk import Breach

__all__ = ["worded"]

LARGE = 10_000


def worded(breach: Breach) -> str:
    """In one line: what was seen beside the limit, where both are numbers."""
    seen, limit = _number(breach.observed), _number(breach.limit)
    return f"{breach.message}: {seen} against {limit}" if seen and limit else breach.message


def _number(text: str) -> str:
    """As people write it, to the cent: 25501.1520 is 25,501.15; what holds no digit is nothing."""
    if not any(map(str.isdigit, text)):
        return ""
    try:
        value = Decimal(text)
    except ArithmeticError:
        return text
    long = len(text.partition(".")[2]) > 2 and abs(value) >= 1
    return f"{value:,.2f}" if long or abs(value) >= LARGE else text
