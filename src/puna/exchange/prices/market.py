"""What a venue asks of a market: steps in time, quotes, prints, bars, books, chains.

A venue sees a market through the protocol `Market` and nothing else, so another kind of asset, a recorded day or a halt
is another market, or another message in a step, and changes nothing here.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from puna.exchange.data import Split
from puna.exchange.prices.blackscholes import Greeks
from puna.exchange.prices.playback import Session
from puna.wire.contracts import OptionContract
from puna.wire.crypto import CryptoOrderbook
from puna.wire.market import Bar, DailyAuctions
from puna.wire.stream import BarMessage, LuldMessage, QuoteMessage, StatusMessage, TradeMessage, UpdatedBarMessage
from puna.wire.trading import Asset

__all__ = ["BAR_DELAY", "LATE_BY", "Market", "MarketMessage", "MarketStep", "Session", "Split"]

MarketMessage: TypeAlias = QuoteMessage | TradeMessage | BarMessage | UpdatedBarMessage | StatusMessage | LuldMessage

BAR_DELAY = 500_000_000
"""A minute's bar is known, on the stream and over REST, half a second after the minute (facts.md 7, OBS)."""

LATE_BY = 29_000_000_000
"""A bar with a late print is revised 29 seconds after its minute (facts.md 7, OBS)."""


class MarketStep(NamedTuple):
    """Everything that happens in the market at one instant: one frame's worth of messages."""

    ts: int
    messages: tuple[MarketMessage, ...]


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
        """The current quote of a stock, a coin or an option; None before the first, or without such an instrument.

        An option's is computed now, from its underlying's current quote.
        """

    def trade(self, symbol: str) -> TradeMessage | None:
        """The last print of a stock, a coin or an option; None before the first."""

    def bars(
        self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int, adjustment: str = "raw"
    ) -> list[Bar]:
        """Bars whose left edge lies in [start, end], as far as they are known at `now`, oldest first.

        Raises:
            DataError: the timeframe or the adjustment is not one of Alpaca's words.
        """

    def quotes(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[QuoteMessage]:
        """A stock's or a coin's quotes with times in [start, end], as far as they are known at `now`, oldest first.

        There are none of options (facts.md 6).
        """

    def trades(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[TradeMessage]:
        """The prints with times in [start, end], as far as they are known at `now`, oldest first."""

    def auctions(self, symbol: str, start: int, end: int | None, now: int) -> list[DailyAuctions]:
        """A stock's opening and closing auctions on the days from `start` to `end`, as far as they are over."""

    def assets(self) -> list[Asset]:
        """The instruments as GET /v2/assets shows them: stocks and coins. Options have `contracts`."""

    def splits(self, symbol: str) -> Sequence[Split]:
        """Every split of the instrument, oldest first."""

    def orderbook(self, symbol: str) -> CryptoOrderbook | None:
        """A coin's book as it is now, ten levels a side; its best levels are the quote. None for anything else."""

    def contracts(self, underlying: str, now: int) -> list[OptionContract]:
        """The option chain of a stock as it is listed on the day of `now`, by symbol; empty where there is none."""

    def listed(self, underlying: str, now: int) -> tuple[str, ...]:
        """The symbols of that chain, which cost less than the contracts."""

    def contract(self, name: str, now: int) -> OptionContract | None:
        """One option contract, by its OCC symbol or by its id."""

    def prints_at(self, underlying: str, ts: int) -> list[TradeMessage]:
        """The prints of a stock's listed options at exactly that moment."""

    def greeks(self, symbol: str) -> Greeks | None:
        """What an option's current quote implies; None where that cannot be computed (facts.md 6)."""
