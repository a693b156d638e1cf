"""Market data on its way in: listings, warm-up, live frames, and the bars that a gap has swallowed."""

import asyncio
from collections import deque
from contextlib import suppress
from datetime import timedelta

from msgspec.structs import replace

from puna.alpaca import mapping
from puna.alpaca.contracts import get_contracts
from puna.alpaca.frames import Frame, Gap, Subscription
from puna.alpaca.market import get_bars
from puna.alpaca.session import MarketMessage
from puna.alpaca.trading import get_asset
from puna.core import sessions
from puna.core.risk import Listing
from puna.core.symbols import asset_class, underlying
from puna.core.types import AssetClass, Bar
from puna.engine.desk import StrategyDesk
from puna.engine.gateway import Gateway
from puna.engine.past import bars_between, is_complete, reach
from puna.engine.quotes import latest_quotes
from puna.engine.recorder import Recorder
from puna.engine.timeframe import MINUTE
from puna.errors import ConfigError, NotFoundError, PunaError
from puna.wire import trading
from puna.wire.stream import BarMessage, QuoteMessage, StatusMessage, TradeMessage, UpdatedBarMessage

__all__ = ["Feed", "latest"]

ASK_EVERY = 30_000_000_000
"""Between two questions for quotes that no stream brings: at the next bar the answer is fresher than risk demands."""


class Feed:
    """Market data of a run.

    Args:
        gateway: whose view of the market is filled, and whose client asks.
        desk: who hears of it.
        recorder: keeps prices and equity.
        feed: of what is asked for over REST; None leaves it to the broker.

    Attributes:
        end: market time of the end of the session; 0 while it is not known.
        last_bars: set when a bar of the session's last minute has come.
    """

    def __init__(self, gateway: Gateway, desk: StrategyDesk, recorder: Recorder, *, feed: str | None) -> None:
        self.end = 0
        self.last_bars = asyncio.Event()
        self._gateway = gateway
        self._desk = desk
        self._recorder = recorder
        self._market = gateway.market
        self._feed = feed
        self._asked = 0

    @property
    def symbols(self) -> list[str]:
        """What is traded, and what is held."""
        return sorted({*self._desk.symbols, *self._gateway.blotter.portfolio.positions})

    @property
    def subscription(self) -> Subscription:
        """What the stream is to send: stocks. Options are asked for twice a minute."""
        names = [symbol for symbol in self.symbols if asset_class(symbol) is AssetClass.US_EQUITY]
        return Subscription.of(
            quotes=names, bars=names, updated_bars=names, statuses=names, trades=self._desk.wants_trades
        )

    @property
    def _streamed(self) -> list[str]:
        """Of what is traded, that whose bars the stream brings."""
        return [symbol for symbol in self._desk.symbols if asset_class(symbol) is AssetClass.US_EQUITY]

    async def look_around(self) -> None:
        """Listings, warm-up bars and the latest quotes of everything that is traded or held."""
        for symbol in self.symbols:
            await self._list(symbol)
        for each in self._desk.strategies.values():
            for timeframe, count in each.warmup.items():
                await self._warm_up(list(each.symbols), timeframe, count)
        for each in self._desk.strategies.values():
            for root, days in each.option_days.items():
                await self._contracts(root, days)
        await self._latest_quotes()

    async def _contracts(self, root: str, days: int) -> None:
        """What options there are on it, up to so many days ahead."""
        today = sessions.date_of(self._gateway.clock.now())
        call = get_contracts([root], expiration_date_gte=today, expiration_date_lte=today + timedelta(days=days))
        found = [body.symbol async for body in self._gateway.alpaca(call) if body.tradable is not False]
        self._market.list_options(root, found)

    async def ask_options(self) -> None:
        """The quotes of options that are held or watched; nothing brings them by itself."""
        wanted = self._desk.options
        if not wanted:
            return
        try:
            quotes = await latest_quotes(self._gateway.alpaca, self._gateway.clock, wanted)
        except PunaError as error:
            self._gateway.note(error.code, f"the quotes of options could not be fetched: {error.what}")
            return
        async with self._gateway.lock:
            for quote in quotes:
                self._desk.hear_quote(quote)

    async def _list(self, symbol: str) -> None:
        if asset_class(symbol) is AssetClass.US_OPTION:
            self._market.list_options(underlying(symbol), [symbol])
            return
        try:
            asset = await self._gateway.alpaca(get_asset(symbol))
        except NotFoundError as error:
            raise ConfigError(
                f"The broker does not know {symbol}.",
                why=error.message or error.why,
                state="Nothing was sent.",
                remedy="Correct the symbols of the strategy; stocks look like AAPL or BRK.B.",
                code="E610",
            ) from error
        self._market.list([_listing(symbol, asset)])

    async def _warm_up(self, symbols: list[str], timeframe: str, count: int) -> None:
        """The last `count` complete bars; no strategy hears of them."""
        now = self._gateway.clock.now()
        since, alpaca = now - reach(timeframe, count), self._gateway.alpaca
        found: dict[str, deque[Bar]] = {}
        async for symbol, body in bars_between(alpaca, symbols, timeframe, since, now, feed=self._feed):
            bar = mapping.bar_of(symbol, body, now)
            if is_complete(bar.ts_event, timeframe, now):
                found.setdefault(symbol, deque(maxlen=count)).append(bar)
        for bar in (bar for bars in found.values() for bar in bars):
            self._market.take_bar(timeframe, bar)
            self._recorder.warm_up(timeframe, bar)

    async def _latest_quotes(self) -> None:
        gateway = self._gateway
        for quote in await latest_quotes(gateway.alpaca, gateway.clock, self.symbols, feed=self._feed):
            self._market.take_quote(quote)

    def hear(self, frame: Frame[MarketMessage]) -> None:
        """One frame of market data. The lock is held."""
        minute = False
        for message in frame.messages:
            match message:
                case QuoteMessage():
                    self._desk.hear_quote(mapping.quote(message, frame.ts_init))
                case TradeMessage():
                    self._desk.hear_trade(mapping.trade(message, frame.ts_init))
                case UpdatedBarMessage():
                    self._market.revise_bar("1Min", mapping.bar(message, frame.ts_init))
                case BarMessage():
                    minute = self._hear_minute(message, frame.ts_init) or minute
                case StatusMessage():
                    self._hear_status(message)
                case _:
                    pass
        if minute or frame.ts_init - self._asked >= ASK_EVERY:
            self._asked = frame.ts_init
            if self._desk.options:
                self._gateway.tasks.spawn(self.ask_options(), "option quotes")
        if minute:
            self._recorder.point(frame.ts_init, self._desk.equity())

    def _hear_minute(self, message: BarMessage, ts_init: int) -> bool:
        bar = mapping.bar(message, ts_init)
        if not self._desk.hear_minute(bar):
            return False
        self._recorder.bar(bar)
        if self.end and bar.ts_event + MINUTE >= self.end:
            self.last_bars.set()
        return True

    def _hear_status(self, message: StatusMessage) -> None:
        listing = self._market.listings.get(message.S)
        if listing is not None and message.sc in ("H", "T"):
            self._market.list([replace(listing, halted=message.sc == "H")])

    async def fill_gap(self, gap: Gap) -> int:
        """The bars that were missed, in order, to whoever waits for them."""
        if gap.reason == "unreadable":
            return 0
        last = [bar.ts_event for symbol in self._streamed if (bar := self._market.last_bar(symbol, "1Min"))]
        start, now = min(last, default=gap.start), self._gateway.clock.now()
        try:
            call = get_bars(self._streamed, "1Min", start, now, feed=self._feed)
            missed = [mapping.bar_of(symbol, body, now) async for symbol, body in self._gateway.alpaca(call)]
            await self._latest_quotes()
        except PunaError as error:  # the hole stays marked, and stale quotes refuse new risk
            self._gateway.note(error.code, f"the bars of a gap could not be fetched: {error.what}")
            return 0
        async with self._gateway.lock:
            complete = sorted(
                (bar for bar in missed if bar.ts_event + MINUTE <= now), key=lambda bar: (bar.ts_event, bar.symbol)
            )
            taken = [bar for bar in complete if self._desk.hear_minute(bar)]
            for bar in taken:
                self._recorder.bar(bar)
        return len(taken)


def _listing(symbol: str, asset: trading.Asset) -> Listing:
    """What risk wants to know of an asset; what the broker does not say is not assumed."""
    with suppress(ValueError):
        return Listing(
            symbol=symbol,
            asset_class=AssetClass(asset.asset_class),
            tradable=bool(asset.tradable) and asset.status in (None, "active"),
            shortable=bool(asset.shortable),
            easy_to_borrow=bool(asset.easy_to_borrow),
            fractionable=bool(asset.fractionable),
            overnight="overnight_tradable" in (asset.attributes or ()),
        )
    return Listing(symbol=symbol, tradable=False)


def latest(frame: Frame[MarketMessage]) -> int:
    """When the last of its quotes and prints happened; a bar is stamped with its beginning."""
    return max((int(each.t) for each in frame.messages if isinstance(each, QuoteMessage | TradeMessage)), default=0)
