"""A piece of evidence on its way to the reducer, with the order as the broker showed it."""

from typing import NamedTuple

from puna.alpaca import mapping
from puna.core.orders import Source, Update
from puna.wire import trading

__all__ = ["Sighting"]


class Sighting(NamedTuple):
    """A piece of evidence, and the order as the broker showed it, where it did."""

    update: Update
    shown: trading.Order | None = None

    @classmethod
    def of(cls, source: Source, body: trading.Order | trading.TradeUpdate) -> "Sighting":
        """What a REST answer or a trade update shows."""
        return cls(mapping.update(source, body), body if isinstance(body, trading.Order) else body.order)
