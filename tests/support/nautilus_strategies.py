"""Strategies of the framework that tests drive by hand."""

from decimal import Decimal
from typing import Any

from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import ClientId, InstrumentId
from nautilus_trader.trading.strategy import Strategy

__all__ = ["ByHand"]


class ByHand(Strategy):
    """Does nothing by itself, and keeps the events of its orders."""

    def __init__(self, name: str = "hand") -> None:
        super().__init__(StrategyConfig(strategy_id=f"ByHand-{name}", external_order_claims=None))
        self.events: list[Any] = []

    def on_event(self, event: Any) -> None:
        self.events.append(event)

    def named(self, kind: str) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if type(event).__name__ == kind]

    def market(self, instrument: InstrumentId, qty: str, tif: TimeInForce = TimeInForce.DAY, **params: Any) -> Any:
        """Buys, or sells a negative quantity, at market."""
        client = params.pop("client", None)
        order = self.order_factory.market(instrument, _side(qty), self._size(instrument, qty), time_in_force=tif)
        self.submit_order(order, client_id=ClientId(client) if client else None, params=params or None)
        return order

    def limit(
        self, instrument: InstrumentId, qty: str, price: str, tif: TimeInForce = TimeInForce.DAY, **params: Any
    ) -> Any:
        """Buys, or sells a negative quantity, with a limit."""
        made = self.cache.instrument(instrument).make_price(Decimal(price))
        order = self.order_factory.limit(instrument, _side(qty), self._size(instrument, qty), made, time_in_force=tif)
        self.submit_order(order, params=params or None)
        return order

    def _size(self, instrument: InstrumentId, qty: str) -> Any:
        return self.cache.instrument(instrument).make_qty(abs(Decimal(qty)))


def _side(qty: str) -> OrderSide:
    return OrderSide.BUY if Decimal(qty) > 0 else OrderSide.SELL
