"""A piece of evidence on its way to the reducer, with the order as the broker showed it."""

from decimal import Decimal
from typing import NamedTuple

from puna.alpaca import mapping
from puna.core.orders import Source, Update
from puna.core.types import ZERO
from puna.errors import ProtocolError
from puna.wire import trading

__all__ = ["Sighting"]


class Sighting(NamedTuple):
    """A piece of evidence, and the order as the broker showed it, where it did.

    Attributes:
        head: the order whose leg this is about, where only that is known.
        symbol: of a leg that is known by an execution only.
        executions: of the legs of a package, one for each.
    """

    update: Update
    shown: trading.Order | None = None
    head: str = ""
    symbol: str = ""
    executions: tuple["Sighting", ...] = ()

    @classmethod
    def of(cls, source: Source, body: trading.Order | trading.TradeUpdate) -> "Sighting":
        """What a REST answer or a trade update shows.

        Raises:
            ProtocolError: it cannot be true: a negative quantity or price.
        """
        shown = body if isinstance(body, trading.Order) else body.order
        try:
            parts = () if isinstance(body, trading.Order) else _executions(body)
            return cls(mapping.update(source, body), shown, executions=parts)
        except ValueError as error:
            raise ProtocolError(
                f"What the broker says about order {shown.id} cannot be true.",
                why=str(error),
                state="It was not used.",
                remedy="It is asked for again; if it stays, look at the order in the broker's own pages.",
            ) from error


def _executions(update: trading.TradeUpdate) -> tuple[Sighting, ...]:
    """The parts of a package's fill, each an execution of one leg.

    The cumulative quantity of a leg is that of the package times the leg's ratio, which is that of both executions.
    """
    legs, units, done = update.legs, update.qty, update.order.filled_qty
    if not isinstance(legs, list) or not units or not done:
        return ()
    return tuple(_execution(update, leg, done / units) for leg in legs if leg.qty is not None and leg.price is not None)


def _execution(update: trading.TradeUpdate, leg: trading.UpdateLeg, times: Decimal) -> Sighting:
    said = Update(
        client_order_id="",
        source="stream",
        ts=leg.timestamp or update.timestamp or update.at or 0,
        broker_id=leg.order_id,
        cum_qty=(leg.qty or ZERO) * times,
        last_qty=leg.qty,
        last_price=leg.price,
        execution_id=leg.execution_id,
    )
    return Sighting(said, symbol=leg.symbol)
