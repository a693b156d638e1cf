"""Three ways to guess what bars do not tell: spread, depth, who was first, how much a fill of ours moves the price.

A bar says where a market was, not who could have traded there. Each model is a handful of plain functions of the bar
and the order; the venue does the rest (priority, limits, partial fills, fees) as it does live. Run all three: what
survives the pessimistic one does not hang on a guess, and what needs the optimistic one does.

    market orders    the next bar's open, plus half a spread, plus impact; never a price that was known at decision
    stops            elected where the bar's path reaches them; at the open where a gap jumped over them
    limits           filled where the path goes through them by `through`; better only where the open gaps past them
    size             at most `share` of the bar's volume, the rest waits for the next bar
    path             open, then the extreme that is `first`, then the other one, then close
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

__all__ = ["FILLS", "OPTIMISTIC", "PESSIMISTIC", "REALISTIC", "BarShape", "Fills", "fills"]

BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True)
class BarShape:
    """What a fill model sees of a bar; prices in dollars, `tick` the smallest step of price, `option`: it is one."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    tick: float
    option: bool = False


@dataclass(frozen=True, slots=True)
class Fills:
    """A fill model.

    Args:
        name: optimistic, realistic, pessimistic, or one of your own.
        half_spread: a bar -> half the distance of bid and ask, in dollars.
        share: the part of a bar's volume that is ours at most; None: no end of it.
        impact: an order's size and a bar -> by how much it moves its own price, in dollars.
        through: a bar -> how far the price must go beyond a limit before that fills, in dollars.
        high_first: a bar, our net position's sign -> whether the path goes to the high before the low.
        text: what it assumes, in one sentence.
    """

    name: str
    half_spread: Callable[[BarShape], float]
    share: float | None
    impact: Callable[[float, BarShape], float]
    through: Callable[[BarShape], float]
    high_first: Callable[[BarShape, int], bool]
    text: str


def no_spread(_: BarShape) -> float:
    """Bid and ask are the last price."""
    return 0.0


def usual_spread(bar: BarShape) -> float:
    """Half a tick, or a twentieth of the bar's own range where that is more, at most 10 basis points of the price.

    Quoted spreads of liquid stocks are a tick or two; ranges grow with spreads where they are not (Corwin and Schultz
    2012 read the spread from high and low; this takes a fixed part of the range, which needs one bar only). Options are
    quoted wider, and a bar of one print has no range: a tick, or a hundredth of the price where that is more.
    """
    if bar.option:
        return max(bar.tick, (bar.high - bar.low) / 20, bar.open / 100)
    return min(max(bar.tick / 2, (bar.high - bar.low) / 20), max(bar.tick / 2, bar.open * 10 * BASIS_POINT))


def wide_spread(bar: BarShape) -> float:
    """Twice the usual one, and no less than a tick."""
    return max(bar.tick, 2 * usual_spread(bar))


def no_impact(_: float, __: BarShape) -> float:
    """The market does not notice us."""
    return 0.0


def square_root(size: float, bar: BarShape) -> float:
    """Half the bar's range times the root of our part of its volume: the square-root law (Almgren et al. 2005)."""
    part = min(1.0, size / bar.volume) if bar.volume > 0 else 1.0
    return (bar.high - bar.low) / 2 * sqrt(part)


def whole_range(size: float, bar: BarShape) -> float:
    """The same with the bar's whole range."""
    return 2 * square_root(size, bar)


def at_touch(_: BarShape) -> float:
    """A limit that is touched fills."""
    return 0.0


def one_tick(bar: BarShape) -> float:
    """We are last in the queue: a tick beyond the limit must have traded."""
    return bar.tick


def two_ticks(bar: BarShape) -> float:
    """Two ticks beyond the limit must have traded."""
    return 2 * bar.tick


def shorter_way(bar: BarShape, _: int) -> bool:
    """The nearer extreme first: the path is as short as it can be. At equal distances the low."""
    return bar.high - bar.open < bar.open - bar.low


def kind_way(bar: BarShape, position: int) -> bool:
    """What helps our position first; without one the shorter way."""
    return position > 0 if position else shorter_way(bar, position)


def cruel_way(bar: BarShape, position: int) -> bool:
    """What hurts our position first; without one the shorter way."""
    return position < 0 if position else shorter_way(bar, position)


OPTIMISTIC = Fills(
    name="optimistic",
    half_spread=no_spread,
    share=None,
    impact=no_impact,
    through=at_touch,
    high_first=kind_way,
    text="no spread, no impact, any size, limits fill at a touch, the kinder extreme comes first",
)
REALISTIC = Fills(
    name="realistic",
    half_spread=usual_spread,
    share=0.1,
    impact=square_root,
    through=one_tick,
    high_first=shorter_way,
    text="a usual spread, square-root impact, a tenth of the volume, limits need a tick more, the nearer extreme first",
)
PESSIMISTIC = Fills(
    name="pessimistic",
    half_spread=wide_spread,
    share=0.025,
    impact=whole_range,
    through=two_ticks,
    high_first=cruel_way,
    text="twice the spread and impact, a fortieth of the volume, limits need two ticks, the crueller extreme first",
)
FILLS: dict[str, Fills] = {each.name: each for each in (OPTIMISTIC, REALISTIC, PESSIMISTIC)}


def fills(name: str | Fills) -> Fills:
    """A model by its name.

    Raises:
        KeyError: there is none of that name.
    """
    return name if isinstance(name, Fills) else FILLS[name]
