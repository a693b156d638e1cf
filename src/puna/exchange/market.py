"""Prices: what a venue asks of a market, and a replay of real days.

A venue sees a market through the protocol `Market` and nothing else, so another kind of asset, a recorded day or a halt
is another market, or another message in a step, and changes nothing here.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, Protocol, TypeAlias

from puna.wire.market import Bar
from puna.wire.stream import BarMessage, QuoteMessage, TradeMessage
from puna.wire.trading import Asset

__all__ = ["Market", "MarketMessage", "MarketStep", "Session", "Split"]

MarketMessage: TypeAlias = QuoteMessage | TradeMessage | BarMessage


class MarketStep(NamedTuple):
    """Everything that happens in the market at one instant: one frame's worth of messages."""

    ts: int
    messages: tuple[MarketMessage, ...]


class Session(NamedTuple):
    """One core session of the market, ns."""

    open_ns: int
    close_ns: int
    date: date


class Split(NamedTuple):
    """`old_rate` shares become `new_rate` shares before the open of `ex_date`."""

    symbol: str
    ex_date: date
    old_rate: int
    new_rate: int


class Market(Protocol):
    """What a venue asks of its prices. Times are ns; nothing that is later than the last step taken is ever told."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The instruments, sorted."""

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that will be played, in order."""

    def next_due(self) -> int | None:
        """When the next step is due, or None when the market has nothing more to tell."""

    def step(self, now: int) -> MarketStep | None:
        """The next step, if it is due by `now`. Call until None to catch up."""

    def quote(self, symbol: str) -> QuoteMessage | None:
        """The current quote; None before the first."""

    def trade(self, symbol: str) -> TradeMessage | None:
        """The last print; None before the first."""

    def bars(  # noqa: PLR0917 - what, which, from, to, as of: the order in which one says it
        self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int, adjustment: str = "raw"
    ) -> list[Bar]:
        """Bars whose left edge lies in [start, end], as far as they are known at `now`, oldest first.

        Raises:
            DataError: the timeframe or the adjustment is not one of Alpaca's words.
        """

    def assets(self) -> list[Asset]:
        """The instruments as GET /v2/assets shows them."""

    def splits(self, symbol: str) -> Sequence[Split]:
        """Every split of the instrument, oldest first."""
