"""What a set of options on one underlying must be covered by: cash and shares. The venue's own plain arithmetic.

The universal spread rule (facts.md 11, L3): premiums are ignored; for each expiration the intrinsic payoffs are added
up as a function of the underlying's price, and the worst point is what must be held. The sum is a broken line, so its
worst point is at zero, at a strike, or, where the line falls for ever, nowhere: such short calls need shares, a hundred
each, and what shares cover needs nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache

from puna.core import sessions
from puna.core.symbols import Option, is_symbol, parse

__all__ = ["HUNDRED", "Needs", "as_option", "last_moment", "needs"]

ZERO, HUNDRED = Decimal(0), Decimal(100)


@dataclass(frozen=True)
class Needs:
    """Dollars that must lie ready, shares of the underlying that must not be sold, and the short calls they cover."""

    cash: Decimal = ZERO
    shares: Decimal = ZERO
    covered: Mapping[str, Decimal] = field(default_factory=dict)


def needs(held: Mapping[str, Decimal], *, largest: bool = True) -> Needs:
    """What these options (symbol -> contracts, negative when short) of one underlying need.

    Args:
        held: the contracts.
        largest: of several expirations the one that needs most cash counts (L3); else they add up. Shares add up.
    """
    by_date: dict[date, list[tuple[Option, Decimal]]] = {}
    for symbol, qty in held.items():
        option = as_option(symbol)
        if option is not None and qty:
            by_date.setdefault(option.expiration, []).append((option, qty))
    each = [_of_one_expiration(legs) for legs in by_date.values()]
    cash = [one.cash for one in each]
    covered = {symbol: qty for one in each for symbol, qty in one.covered.items()}
    return Needs(
        max(cash, default=ZERO) if largest else sum(cash, ZERO), sum(covered.values(), ZERO) * HUNDRED, covered
    )


@lru_cache(maxsize=4096)  # asked of every symbol at every step of the market
def as_option(symbol: str) -> Option | None:
    """The contract that a symbol names, if it names one."""
    found = parse(symbol) if is_symbol(symbol) else None
    return found if isinstance(found, Option) else None


def last_moment(symbol: str) -> int | None:
    """The close of the last session of an option, ns; None for anything else."""
    option = as_option(symbol)
    day = sessions.day(option.expiration) if option else None
    return day.close if day else None


def _of_one_expiration(legs: list[tuple[Option, Decimal]]) -> Needs:
    covered = _covered(legs)
    rest = [(option, qty + covered.get(str(option), ZERO)) for option, qty in legs]
    points = {ZERO, *(option.strike for option, _ in rest)}
    worst = min((sum((_payoff(option, qty, at) for option, qty in rest), ZERO) for at in points), default=ZERO)
    return Needs(max(-worst, ZERO) * HUNDRED, sum(covered.values(), ZERO) * HUNDRED, covered)


def _covered(legs: Iterable[tuple[Option, Decimal]]) -> dict[str, Decimal]:
    """The short calls that no long call covers, those of the lowest strikes, which cost most."""
    calls = sorted(((option.strike, str(option), qty) for option, qty in legs if option.right == "C"))
    left = max(-sum((qty for *_, qty in calls), ZERO), ZERO)
    found: dict[str, Decimal] = {}
    for _, symbol, qty in calls:
        if qty < 0 and left:
            found[symbol] = min(left, -qty)
            left -= found[symbol]
    return found


def _payoff(option: Option, qty: Decimal, at: Decimal) -> Decimal:
    inside = at - option.strike if option.right == "C" else option.strike - at
    return qty * max(inside, ZERO)
