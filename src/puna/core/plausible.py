"""Whether a price can be believed beside the last one: a hundredfold quote is a mistake, a crash is not (DAT-01).

A price ten times as high as what was known within the hour, or a tenth of it, is doubted; when prices stay there for
half a minute, it was true. After an hour, a night, or a halt that long anything may be (splits happen over night).
"""

from collections.abc import Callable

__all__ = ["FACTOR", "MEMORY", "PERSISTS", "Plausibility"]

FACTOR = 10.0
MEMORY = 3600 * 1_000_000_000
PERSISTS = 30 * 1_000_000_000


class Plausibility:
    """What was last believed of each symbol, and what is doubted.

    Args:
        judges: the symbols that are looked at; of others everything is believed.
    """

    def __init__(self, judges: Callable[[str], bool] = lambda _: True) -> None:
        self._judges = judges
        self._known: dict[str, tuple[int, float]] = {}
        self._doubted: dict[str, tuple[int, float]] = {}

    def believes(self, symbol: str, ts: int, price: float) -> bool:
        """Takes a positive price of that time (ns); False when it is doubted, and then nothing else should change."""
        known = self._known.get(symbol)
        if known is None or ts - known[0] > MEMORY or _near(price, known[1]) or not self._judges(symbol):
            self._known[symbol] = (ts, price)
            return True
        since = self._doubted.get(symbol)
        if since is None or not _near(price, since[1]):
            self._doubted[symbol] = (ts, price)
            return False
        if ts - since[0] < PERSISTS:
            return False
        del self._doubted[symbol]
        self._known[symbol] = (ts, price)
        return True


def _near(price: float, other: float) -> bool:
    return other < price * FACTOR and price < other * FACTOR
