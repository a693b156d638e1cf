"""The data client: subscriptions to streams, requests to REST, and the hole after a reconnect filled."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.data.messages import (
    RequestBars,
    RequestInstrument,
    RequestInstruments,
    RequestOrderBookSnapshot,
    RequestQuoteTicks,
    RequestTradeTicks,
    SubscribeBars,
    SubscribeInstrument,
    SubscribeInstruments,
    SubscribeInstrumentStatus,
    SubscribeOrderBook,
    SubscribeQuoteTicks,
    SubscribeTradeTicks,
    UnsubscribeBars,
    UnsubscribeInstrument,
    UnsubscribeInstruments,
    UnsubscribeInstrumentStatus,
    UnsubscribeOrderBook,
    UnsubscribeQuoteTicks,
    UnsubscribeTradeTicks,
)
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.model.data import BarType, DataType, OrderBookDeltas
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import ClientId, InstrumentId
from nautilus_trader.model.instruments import Instrument

from puna.alpaca.frames import Gap, StreamOptions, Subscription
from puna.alpaca.stream import Stream
from puna.alpaca.trading import get_clock
from puna.errors import DataError, PunaError
from puna.nautilus import history
from puna.nautilus.config import AlpacaDataClientConfig
from puna.nautilus.connection import Connection
from puna.nautilus.constants import ALPACA_VENUE
from puna.nautilus.instruments import instrument_id, symbol_of
from puna.nautilus.parsing import bar_of, book_of, levels_of, quote_of, status_of, timeframe_of, trade_of
from puna.nautilus.providers import AlpacaInstrumentProvider
from puna.nautilus.subscriptions import Kind, Subscriptions, kind_of
from puna.wire.stream import (
    BarMessage,
    DailyBarMessage,
    OrderbookMessage,
    QuoteMessage,
    StatusMessage,
    TradeMessage,
    UpdatedBarMessage,
)

__all__ = ["AlpacaDataClient"]

_STREAMED = {"1Min": "bars", "1Day": "daily_bars"}


class AlpacaDataClient(LiveMarketDataClient):
    """Market data of stocks, options and crypto.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The event loop.
    connection : Connection
        To the broker; may be shared.
    msgbus, cache, clock
        The framework's.
    instrument_provider : AlpacaInstrumentProvider
        What can be traded.
    config : AlpacaDataClientConfig
        Settings.
    name : str
        The client's id.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        instrument_provider: AlpacaInstrumentProvider,
        config: AlpacaDataClientConfig,
        name: str,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=ClientId(name),
            venue=ALPACA_VENUE,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=instrument_provider,
            config=config,
        )
        self._config = config
        self._provider = instrument_provider
        self._connection = connection
        self._alpaca = connection.alpaca
        self._feeds = {kind: self._feed(kind) for kind in Kind}
        self._instruments: dict[str, Instrument] = {}
        self._bar_types: dict[tuple[str, str], BarType] = {}
        self._latest: dict[tuple[str, str], int] = {}
        self._jobs: set[asyncio.Task[Any]] = set()

    # Life.

    async def _connect(self) -> None:
        self._connection.use()
        await self._provider.initialize()
        self._send_instruments()
        if self._config.update_instruments_interval_mins:
            self._spawn(self._refresh(self._config.update_instruments_interval_mins * 60.0), "instruments")

    async def _disconnect(self) -> None:
        for job in tuple(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        for feed in self._feeds.values():
            await feed.close()
        await self._connection.release()

    def _spawn(self, work: Any, name: str) -> None:
        task = self.create_task(work, log_msg=name)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    def _send_instruments(self) -> None:
        for currency in self._provider.currencies().values():
            self._cache.add_currency(currency)
        for instrument in self._provider.get_all().values():
            self._handle_data(instrument)

    async def _refresh(self, seconds: float) -> None:
        while True:
            await self._alpaca.clock.sleep(seconds)
            try:
                await self._provider.initialize(reload=True)
            except PunaError as error:
                self._log.warning(f"Instruments could not be loaded anew: {error.what}")
            else:
                self._instruments.clear()
                self._send_instruments()

    # Streams.

    def _feed(self, kind: Kind) -> Subscriptions:
        def open_stream(subscription: Subscription) -> Stream[Any]:
            return history.open_stream(
                kind, self._connection, self._config, subscription, self._options(kind, subscription)
            )

        def deliver(message: Any) -> None:
            try:
                self._deliver(message)
            except Exception as error:  # noqa: BLE001 - one message must not end the stream of all others
                self._log.exception(f"A message of the {kind} stream is left out", error)

        async def mend(gap: Gap) -> None:
            await self._fill(kind, gap)

        return Subscriptions(open_stream, deliver, mend)

    def _options(self, kind: Kind, subscription: Subscription) -> StreamOptions:
        """Silence on quotes or trades is a failure after a while, unless the market is closed (R1)."""
        seconds = self._config.stale_after_secs
        stale = {name: seconds for name in ("quotes", "trades") if seconds and getattr(subscription, name)}
        probe = None if kind is Kind.CRYPTO else self._is_closed
        return self._connection.stream_options("data", stale_after=stale, probe=probe)

    async def _is_closed(self, _: str) -> bool:
        return not (await self._alpaca(get_clock())).is_open

    async def _want(self, channel: str, symbol: str) -> None:
        feed = self._feeds[kind_of(symbol)]
        if await feed.subscribe(channel, symbol):
            self._spawn(feed.follow(), f"{kind_of(symbol)} stream")

    async def _unwant(self, channel: str, symbol: str) -> None:
        await self._feeds[kind_of(symbol)].unsubscribe(channel, symbol)

    def _deliver(self, message: Any) -> None:
        """One message of a stream, as the framework's data; what is no usable tick is left out."""
        symbol = getattr(message, "S", "")
        instrument = self._instrument(symbol)
        if instrument is None:
            return
        now = self._clock.timestamp_ns()
        if isinstance(message, QuoteMessage):
            self._pass_on(quote_of(message, instrument, now))
        elif isinstance(message, TradeMessage):
            self._latest[symbol, "trades"] = int(message.t)
            self._pass_on(trade_of(message, instrument, now))
        elif isinstance(message, BarMessage | DailyBarMessage | UpdatedBarMessage):
            self._deliver_bar(message, symbol, instrument, now)
        elif isinstance(message, OrderbookMessage):
            bids, asks = levels_of(message.b), levels_of(message.a)
            self._pass_on(book_of(bids, asks, instrument, int(message.t), now, whole=message.r is True))
        elif isinstance(message, StatusMessage):
            self._pass_on(status_of(message, instrument.id, now))

    def _deliver_bar(
        self, message: BarMessage | DailyBarMessage | UpdatedBarMessage, symbol: str, instrument: Instrument, now: int
    ) -> None:
        revised = isinstance(message, UpdatedBarMessage)
        step = "1Day" if isinstance(message, DailyBarMessage) else "1Min"
        bar_type = self._bar_types.get((symbol, step))
        if bar_type is None or (revised and not self._config.handle_revised_bars):
            return
        if not revised:
            self._latest[symbol, step] = int(message.t)
        on_close = self._config.bars_timestamp_on_close
        self._pass_on(bar_of(message, bar_type, instrument, now, on_close=on_close, revision=revised))

    def _pass_on(self, data: Any) -> None:
        if data is not None:
            self._handle_data(data)

    async def _fill(self, kind: Kind, gap: Gap) -> None:
        """Minute bars and trades from the last that was heard on; quotes that are past are of no use any more."""
        self._log.warning(f"The {kind} stream had a hole ({gap.reason}); minute bars and trades are fetched")
        for (symbol, step), bar_type in tuple(self._bar_types.items()):
            if step == "1Min" and kind_of(symbol) is kind and (since := self._latest.get((symbol, step))):
                await self._mend(
                    symbol, step, history.bars(self._alpaca, symbol, bar_type.spec, self._config, since + 1)
                )
        for symbol in self._feeds[kind].subscription.trades:
            if since := self._latest.get((symbol, "trades")):
                await self._mend(symbol, "trades", history.trades(self._alpaca, symbol, self._config, since + 1))

    async def _mend(self, symbol: str, what: str, missed: AsyncIterator[Any]) -> None:
        instrument, now = self._instrument(symbol), self._clock.timestamp_ns()
        try:
            async for item in missed:
                if instrument is None or int(item.t) <= self._latest[symbol, what]:
                    continue
                self._latest[symbol, what] = int(item.t)
                if what == "trades":
                    self._pass_on(trade_of(item, instrument, now))
                else:
                    bar_type, on_close = self._bar_types[symbol, what], self._config.bars_timestamp_on_close
                    self._pass_on(bar_of(item, bar_type, instrument, now, on_close=on_close))
        except PunaError as error:
            self._log.error(f"The hole in the {what} of {symbol} could not be filled: {error.what}")

    # Subscriptions.

    async def _subscribe_instruments(self, command: SubscribeInstruments) -> None:
        """Instruments come anew with each refresh."""
        del command

    async def _subscribe_instrument(self, command: SubscribeInstrument) -> None:
        """The same; what is known is sent at once."""
        await self._provider.load_async(command.instrument_id)
        if (found := self._provider.find(command.instrument_id)) is not None:
            self._handle_data(found)

    async def _subscribe_quote_ticks(self, command: SubscribeQuoteTicks) -> None:
        await self._want("quotes", await self._ready(command.instrument_id))

    async def _subscribe_trade_ticks(self, command: SubscribeTradeTicks) -> None:
        await self._want("trades", await self._ready(command.instrument_id))

    async def _subscribe_bars(self, command: SubscribeBars) -> None:
        step = self._step(command.bar_type)
        symbol = await self._ready(command.bar_type.instrument_id)
        self._bar_types[symbol, step] = command.bar_type.standard()
        await self._want(_STREAMED[step], symbol)
        if step == "1Min" and self._config.handle_revised_bars:
            await self._want("updated_bars", symbol)

    async def _subscribe_order_book_deltas(self, command: SubscribeOrderBook) -> None:
        if kind_of(symbol_of(command.instrument_id)) is not Kind.CRYPTO or command.book_type is not BookType.L2_MBP:
            raise DataError("Alpaca has order books of crypto only, by price (L2_MBP).", code="E614")
        await self._want("orderbooks", await self._ready(command.instrument_id))

    async def _subscribe_instrument_status(self, command: SubscribeInstrumentStatus) -> None:
        if kind_of(symbol_of(command.instrument_id)) is not Kind.STOCK:
            raise DataError("Alpaca tells the status of stocks only.", code="E614")
        await self._want("statuses", await self._ready(command.instrument_id))

    async def _unsubscribe_instruments(self, command: UnsubscribeInstruments) -> None:
        del command

    async def _unsubscribe_instrument(self, command: UnsubscribeInstrument) -> None:
        del command

    async def _unsubscribe_quote_ticks(self, command: UnsubscribeQuoteTicks) -> None:
        await self._unwant("quotes", symbol_of(command.instrument_id))

    async def _unsubscribe_trade_ticks(self, command: UnsubscribeTradeTicks) -> None:
        await self._unwant("trades", symbol_of(command.instrument_id))

    async def _unsubscribe_bars(self, command: UnsubscribeBars) -> None:
        step, symbol = self._step(command.bar_type), symbol_of(command.bar_type.instrument_id)
        self._bar_types.pop((symbol, step), None)
        await self._unwant(_STREAMED[step], symbol)
        if step == "1Min" and self._config.handle_revised_bars:
            await self._unwant("updated_bars", symbol)

    async def _unsubscribe_order_book_deltas(self, command: UnsubscribeOrderBook) -> None:
        await self._unwant("orderbooks", symbol_of(command.instrument_id))

    async def _unsubscribe_instrument_status(self, command: UnsubscribeInstrumentStatus) -> None:
        await self._unwant("statuses", symbol_of(command.instrument_id))

    def _step(self, bar_type: BarType) -> str:
        step = timeframe_of(bar_type.spec)
        if step not in _STREAMED:
            raise DataError(
                f"Alpaca streams no bars of {bar_type.spec}.",
                why="it streams minute bars and the day so far",
                remedy="Let the framework aggregate them: a bar type that ends in INTERNAL.",
                code="E613",
            )
        return step

    # Requests.

    async def _request_instrument(self, request: RequestInstrument) -> None:
        await self._provider.load_async(request.instrument_id)
        found = self._provider.find(request.instrument_id)
        if found is None:
            self._log.error(f"{request.instrument_id} cannot be loaded")
            return
        self._handle_instrument(found, request.id, request.start, request.end, request.params)

    async def _request_instruments(self, request: RequestInstruments) -> None:
        filters = (request.params or {}).get("filters")
        if filters or not self._provider.count:
            await self._provider.load_all_async(filters)
        found = list(self._provider.get_all().values())
        self._handle_instruments(
            request.venue or ALPACA_VENUE, found, request.id, request.start, request.end, request.params
        )

    async def _request_quote_ticks(self, request: RequestQuoteTicks) -> None:
        symbol, instrument = await self._loaded(request.instrument_id)
        now = self._clock.timestamp_ns()
        source = history.quotes(self._alpaca, symbol, self._config, *_span(request))
        rows = await history.take(source, request.limit)
        ticks = [tick for row in rows if (tick := quote_of(row, instrument, now)) is not None]
        self._handle_quote_ticks(request.instrument_id, ticks, request.id, request.start, request.end, request.params)

    async def _request_trade_ticks(self, request: RequestTradeTicks) -> None:
        symbol, instrument = await self._loaded(request.instrument_id)
        now = self._clock.timestamp_ns()
        source = history.trades(self._alpaca, symbol, self._config, *_span(request))
        rows = await history.take(source, request.limit)
        ticks = [tick for row in rows if (tick := trade_of(row, instrument, now)) is not None]
        self._handle_trade_ticks(request.instrument_id, ticks, request.id, request.start, request.end, request.params)

    async def _request_bars(self, request: RequestBars) -> None:
        bar_type = request.bar_type
        symbol, instrument = await self._loaded(bar_type.instrument_id)
        now, on_close = self._clock.timestamp_ns(), self._config.bars_timestamp_on_close
        adjustment = (request.params or {}).get("adjustment", "raw")
        source = history.bars(self._alpaca, symbol, bar_type.spec, self._config, *_span(request), adjustment=adjustment)
        rows = await history.take(source, request.limit)
        bars = [bar for row in rows if (bar := bar_of(row, bar_type, instrument, now, on_close=on_close)) is not None]
        self._handle_bars(bar_type, bars, request.id, request.start, request.end, request.params)

    async def _request_order_book_snapshot(self, request: RequestOrderBookSnapshot) -> None:
        symbol, instrument = await self._loaded(request.instrument_id)
        if kind_of(symbol) is not Kind.CRYPTO:
            raise DataError("Alpaca has order books of crypto only.", code="E614")
        book = await history.book(self._alpaca, symbol)
        depth = request.limit or None
        bids, asks = levels_of(book.b)[:depth], levels_of(book.a)[:depth]
        deltas = book_of(bids, asks, instrument, int(book.t), self._clock.timestamp_ns(), whole=True)
        self._handle_data_response(
            data_type=DataType(OrderBookDeltas, metadata={"instrument_id": request.instrument_id}),
            data=[deltas] if deltas is not None else [],
            correlation_id=request.id,
            start=None,
            end=None,
            params=request.params,
        )

    # What is known.

    async def _ready(self, wanted: InstrumentId) -> str:
        symbol, _ = await self._loaded(wanted)
        return symbol

    async def _loaded(self, wanted: InstrumentId) -> tuple[str, Instrument]:
        """Alpaca's symbol and the instrument, loaded now if it was not.

        Raises:
            DataError: there is no such instrument.
        """
        if self._find(wanted) is None:
            await self._provider.load_async(wanted)
            if (loaded := self._provider.find(wanted)) is not None:
                self._handle_data(loaded)
        if (found := self._find(wanted)) is None:
            raise DataError(f"Alpaca knows no {wanted}.", remedy="Check the symbol.", code="E630")
        return symbol_of(wanted), found

    def _find(self, wanted: InstrumentId) -> Instrument | None:
        return self._provider.find(wanted) or self._cache.instrument(wanted)

    def _instrument(self, symbol: str) -> Instrument | None:
        found = self._instruments.get(symbol)
        if found is None and symbol:
            found = self._find(instrument_id(symbol))
            if found is not None:
                self._instruments[symbol] = found
        return found


def _span(request: Any) -> tuple[int | None, int | None]:
    return _ns(request.start), _ns(request.end)


def _ns(moment: Any) -> int | None:
    return None if moment is None else int(pd.Timestamp(moment).value)
