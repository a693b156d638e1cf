"""A piece of evidence on its way to the reducer, with the order as the broker showed it."""

from typing import NamedTuple

from puna.alpaca import mapping
from puna.core.orders import Source, Update
from puna.errors import ProtocolError
from puna.wire import trading

__all__ = ["Sighting"]


class Sighting(NamedTuple):
    """A piece of evidence, and the order as the broker showed it, where it did."""

    update: Update
    shown: trading.Order | None = None

    @classmethod
    def of(cls, source: Source, body: trading.Order | trading.TradeUpdate) -> "Sighting":
        """What a REST answer or a trade update shows.

        Raises:
            ProtocolError: it cannot be true: a negative quantity or price.
        """
        shown = body if isinstance(body, trading.Order) else body.order
        try:
            return cls(mapping.update(source, body), shown)
        except ValueError as error:
            raise ProtocolError(
                f"What the broker says about order {shown.id} cannot be true.",
                why=str(error),
                state="It was not used.",
                remedy="It is asked for again; if it stays, look at the order in the broker's own pages.",
            ) from error
