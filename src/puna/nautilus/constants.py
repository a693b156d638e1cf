"""The names under which NautilusTrader knows Alpaca."""

from typing import Final

from nautilus_trader.model.identifiers import ClientId, Venue

__all__ = ["ALPACA", "ALPACA_CLIENT_ID", "ALPACA_VENUE"]

ALPACA: Final = "ALPACA"
ALPACA_VENUE: Final = Venue(ALPACA)
ALPACA_CLIENT_ID: Final = ClientId(ALPACA)
