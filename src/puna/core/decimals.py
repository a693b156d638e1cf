"""Decimal arithmetic that does not round: wide enough that sums and products of money and quantities stay exact.

The default context keeps 28 digits. A quantity and a price have up to 15 digits before and 9 after the point each
(architecture 8.5), so a product has up to 48 and a sum of a million of them 54; 64 hold them all. Division is the one
operation that may round here, and whoever divides says where the rest goes.
"""

from collections.abc import Callable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["EXACT", "NANO", "exactly", "plain"]

P = ParamSpec("P")
T = TypeVar("T")

EXACT = Context(prec=64, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
NANO = Decimal("0.000000001")  # the ninth decimal, the last that the broker prints
_DIGITS = EXACT.prec
_WIDEST = 30  # digits before the point beyond which no amount is believed
_ZERO, _ONE = Decimal(0), Decimal(1)


def exactly(function: Callable[P, T]) -> Callable[P, T]:
    """Runs `function` in the wide context, whatever the caller's is; a nested call is in it already."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        outer = getcontext()
        if outer.prec == _DIGITS:
            return function(*args, **kwargs)
        setcontext(EXACT)  # nobody changes it, so nobody needs a copy of his own
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(outer)

    return inside


def plain(amount: Decimal) -> Decimal:
    """The same number in its one spelling: no trailing zeros, no exponent, no negative zero, no subclass.

    It is another object than the amount: a field that holds it is written down, also where it equals the default.

    Raises:
        ValueError: not finite, or absurdly large.
    """
    text = str(amount)
    if text.isdigit() and len(text) <= _WIDEST:
        return Decimal(text)
    if not amount.is_finite() or abs(amount.adjusted()) > _WIDEST:
        raise ValueError(f"not an amount: {text[:40]}")
    if not amount:
        return _ZERO
    short = amount.normalize(EXACT)
    return EXACT.quantize(short, _ONE) if "+" in str(short) else short  # 1E+2 is spelled 100
