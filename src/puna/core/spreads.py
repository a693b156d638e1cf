"""Option strategies by name, as the legs that they are made of.

    vertical        bull_put (credit), bear_call (credit), bull_call (debit), bear_put (debit): two strikes
    volatility      long_straddle: one strike; long_strangle: two
    ranges          iron_condor: put wing, put, call, call wing; iron_butterfly: wing, body, wing; call_butterfly,
                    put_butterfly: wing, body, wing

Strikes are given from the lowest to the highest; every leg opens. A closing order has the same legs, turned round
(`closing`). Every short leg is covered by a long one of the same package, as the broker demands (facts.md 5.3).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from puna.core.symbols import Option
from puna.core.types import Leg, PositionIntent, Side

__all__ = ["SHAPES", "closing", "spread"]

_Shape = tuple[tuple[int, str, int], ...]
"""Which strike, put or call, how many: negative is sold."""

SHAPES: Mapping[str, _Shape] = {
    "bull_put": ((0, "P", 1), (1, "P", -1)),
    "bear_call": ((0, "C", -1), (1, "C", 1)),
    "bull_call": ((0, "C", 1), (1, "C", -1)),
    "bear_put": ((0, "P", -1), (1, "P", 1)),
    "long_straddle": ((0, "P", 1), (0, "C", 1)),
    "long_strangle": ((0, "P", 1), (1, "C", 1)),
    "iron_condor": ((0, "P", 1), (1, "P", -1), (2, "C", -1), (3, "C", 1)),
    "iron_butterfly": ((0, "P", 1), (1, "P", -1), (1, "C", -1), (2, "C", 1)),
    "call_butterfly": ((0, "C", 1), (1, "C", -2), (2, "C", 1)),
    "put_butterfly": ((0, "P", 1), (1, "P", -2), (2, "P", 1)),
}

_OPENS = {Side.BUY: PositionIntent.BUY_TO_OPEN, Side.SELL: PositionIntent.SELL_TO_OPEN}
_CLOSES = {Side.BUY: PositionIntent.BUY_TO_CLOSE, Side.SELL: PositionIntent.SELL_TO_CLOSE}


def spread(kind: str, underlying: str, expiry: date, strikes: Sequence[Decimal]) -> tuple[Leg, ...]:
    """The legs of a strategy.

    Raises:
        ValueError: no such strategy, the wrong number of strikes, or strikes that do not rise.
    """
    shape = SHAPES.get(kind)
    if shape is None:
        raise ValueError(f"there is no {kind!r}; there are {', '.join(sorted(SHAPES))}")
    needed = 1 + max(at for at, _, _ in shape)
    if len(strikes) != needed or list(strikes) != sorted(set(strikes)):
        raise ValueError(f"{kind} takes {needed} rising strikes, not {', '.join(f'{each:f}' for each in strikes)}")
    return tuple(_leg(Option(underlying, expiry, right, strikes[at]), count) for at, right, count in shape)


def closing(legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """The legs that end what these have opened."""
    return tuple(Leg(leg.symbol, leg.side.opposite, leg.ratio, _CLOSES[leg.side.opposite]) for leg in legs)


def _leg(option: Option, count: int) -> Leg:
    side = Side.BUY if count > 0 else Side.SELL
    return Leg(str(option), side, abs(count), _OPENS[side])
