"""Positions that lag behind orders: what a holding was before its latest changes, for as long as it shows."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from puna.exchange.ledger import Holding

__all__ = ["Lag"]


class _Before(NamedTuple):
    until: int
    symbol: str
    holding: Holding | None


@dataclass
class Lag:
    """What is shown of holdings.

    Args:
        ns: how long a change stays hidden.
    """

    ns: int
    _hidden: deque[_Before] = field(default_factory=deque)

    def keep(self, symbol: str, before: Holding | None, now: int) -> None:
        """A holding is about to change; None where there was none."""
        self._hidden.append(_Before(now + self.ns, symbol, before))

    def shown(self, holdings: Mapping[str, Holding], now: int) -> dict[str, Holding]:
        """Holdings by symbol, each as it was before its first change that is still hidden."""
        while self._hidden and self._hidden[0].until <= now:
            self._hidden.popleft()
        shown = dict(holdings)
        for each in reversed(self._hidden):
            if each.holding is None:
                shown.pop(each.symbol, None)
            else:
                shown[each.symbol] = each.holding
        return shown
