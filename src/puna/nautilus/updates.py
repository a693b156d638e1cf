"""Executions out of trade updates and activities: one shape for both, so that the second to come can fall away."""

from dataclasses import dataclass
from decimal import Decimal

import msgspec
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order

from puna.nautilus.instruments import instrument_id
from puna.wire.activities import Activity
from puna.wire.trading import TradeUpdate, UpdateLeg

__all__ = ["Fill", "fills_of"]

_ZERO = Decimal(0)
_LONGEST = 36  # of the framework's trade ids


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution.

    Args:
        order_id: the broker's order, of a multi-leg order its leg's own.
        execution_id: as the stream and the activities name it.
        symbol: what was traded; empty for a multi-leg order as a whole.
        side: bought or sold.
        qty: of this execution.
        price: of this execution; for a multi-leg order the net price of one unit.
        cumulative: filled so far, where it is told.
        ts_event: when, ns.
        position_after: what is held afterwards, where it is told.
        leg: which leg of a multi-leg order, from 1; 0 is none.
        whole: the multi-leg order as a whole.
    """

    order_id: str
    execution_id: str
    symbol: str
    side: OrderSide
    qty: Decimal
    price: Decimal
    cumulative: Decimal | None
    ts_event: int
    position_after: Decimal | None = None
    leg: int = 0
    whole: bool = False

    @property
    def key(self) -> str:
        """Under which fills of one order are counted."""
        return self.order_id

    def instrument(self, order: Order | None) -> InstrumentId | None:
        """What it is a fill of; a multi-leg order as a whole is known to the framework only by its own order."""
        if self.whole:
            return order.instrument_id if order is not None else None
        return instrument_id(self.symbol)

    @classmethod
    def of_activity(cls, activity: Activity) -> "Fill":
        """A row of type FILL; the execution's id stands behind its time in the row's id (facts.md 5.7)."""
        return cls(
            order_id=activity.order_id or "",
            execution_id=activity.id.rpartition("::")[2][:_LONGEST],
            symbol=activity.symbol or "",
            side=OrderSide.BUY if activity.side == "buy" else OrderSide.SELL,
            qty=activity.qty or _ZERO,
            price=activity.price or _ZERO,
            cumulative=activity.cum_qty,
            ts_event=int(activity.transaction_time or 0),
        )


def fills_of(update: TradeUpdate) -> list[Fill]:
    """What a trade update executed: nothing, one fill, or a multi-leg order as a whole and each of its legs."""
    if update.event not in ("fill", "partial_fill") or update.qty is None:
        return []
    order, ts = update.order, int(update.timestamp or update.at or 0)
    cumulative = order.filled_qty
    name = update.execution_id or update.event_id or f"{order.id[:18]}-{cumulative}"
    legs = update.legs if isinstance(update.legs, list) else []
    first = Fill(
        order_id=order.id,
        execution_id=name[:_LONGEST],
        symbol="" if order.order_class == "mleg" else order.symbol or "",
        side=OrderSide.SELL if order.side == "sell" else OrderSide.BUY,
        qty=update.qty,
        price=update.price if update.price is not None else order.filled_avg_price or _ZERO,
        cumulative=cumulative,
        ts_event=ts,
        position_after=update.position_qty,
        whole=order.order_class == "mleg",
    )
    return [first, *(_leg_fill(update, leg, number, ts) for number, leg in enumerate(legs, 1))]


def _leg_fill(update: TradeUpdate, leg: UpdateLeg, number: int, ts: int) -> Fill:
    sides = {each.id: each.side for each in update.order.legs or ()}
    after = None if isinstance(update.position_qtys, msgspec.UnsetType) else update.position_qtys.get(leg.symbol)
    return Fill(
        order_id=leg.order_id,
        execution_id=(leg.execution_id or f"{leg.order_id[:30]}-{number}")[:_LONGEST],
        symbol=leg.symbol,
        side=OrderSide.SELL if sides.get(leg.order_id) == "sell" else OrderSide.BUY,
        qty=leg.qty or _ZERO,
        price=leg.price or _ZERO,
        cumulative=None,
        ts_event=int(leg.timestamp or ts),
        position_after=after,
        leg=number,
    )
