"""Cover: whether what strategies hold has a protective stop, and since when it has none (BRK-13, BRK-15).

Covered is what stops at the broker and exits watched here close together, as far as they may still fill. Stocks and
coins only: what packages of options can lose is bounded from the start.
"""

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from puna.core.parent import Protect
from puna.core.symbols import asset_class, is_symbol
from puna.core.types import ZERO, AssetClass, OrderType
from puna.engine.attribution import EXTERNAL

if TYPE_CHECKING:
    from puna.engine.blotter import Blotter

__all__ = ["Cover"]

NANOS = 1_000_000_000
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
_Where = tuple[str, str]


class Cover:
    """The cover of one gateway's positions.

    Args:
        blotter: the books.
    """

    def __init__(self, blotter: "Blotter") -> None:
        self._blotter = blotter
        self._bare: dict[_Where, int] = {}

    def look(self, now: int) -> list[tuple[str, str, float]]:
        """Strategy, symbol and seconds of everything that is not covered as a whole."""
        covered = self._covered()
        bare = [
            where
            for where, qty in self._blotter.sleeves.items()
            if qty and where[0] != EXTERNAL and _needs_cover(where[1]) and covered[where] < abs(qty)
        ]
        self._bare = {where: self._bare.get(where, now) for where in bare}
        return [(*where, (now - since) / NANOS) for where, since in self._bare.items()]

    def seconds(self, strategy: str, now: int) -> float:
        """How long a strategy's longest uncovered position has been so, as of the last look; 0: all is covered."""
        since = min((ts for (name, _), ts in self._bare.items() if name == strategy), default=now)
        return (now - since) / NANOS

    def _covered(self) -> defaultdict[_Where, Decimal]:
        """What stops would close, by strategy and symbol; the stop behind a watched exit counts with the exit."""
        found: defaultdict[_Where, Decimal] = defaultdict(lambda: ZERO)
        for order in self._blotter.open.values():
            intent = order.intent
            held = self._blotter.sleeve(intent.strategy, intent.symbol)
            if intent.type in _STOPS and intent.parent is None and held * intent.side.sign < 0:
                found[intent.strategy, intent.symbol] += order.leaves
        for known in self._blotter.working.values():
            parent, where = known.begun.parent, (known.begun.strategy, known.begun.parent.symbol)
            if isinstance(parent.style, Protect) and _stops(parent.style):
                found[where] += parent.qty
        return found


def _stops(style: Protect) -> bool:
    return (style.stop or style.trail or style.trail_percent) is not None


def _needs_cover(symbol: str) -> bool:
    return is_symbol(symbol) and asset_class(symbol) is not AssetClass.US_OPTION
