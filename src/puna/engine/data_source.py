"""Where a trader's market data comes from."""

from collections.abc import AsyncIterator
from typing import Protocol

from puna.alpaca.frames import Frame, Subscription
from puna.alpaca.session import MarketMessage

__all__ = ["DataSource"]


class DataSource(Protocol):
    """Where market data comes from: Alpaca's stream, or another process that has it."""

    @property
    def connected(self) -> bool:
        """Whether data flows, as far as can be known."""

    async def want(self, subscription: Subscription) -> None:
        """Says what is to come."""

    async def ready(self) -> None:
        """Returns when it is connected."""

    def __aiter__(self) -> AsyncIterator[Frame[MarketMessage]]:
        """Frames, until it is closed."""

    async def close(self) -> None:
        """Ends it."""
