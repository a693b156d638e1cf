"""A trading process: two streams, the gateway, the strategies; from reconciliation to reconciliation.

Each stream has a consumer, and whoever handles an event holds the gateway's lock, so events are handled one at a time.
New risk waits until both streams are up and, after every gap, until the books were reconciled (R4); reductions and
cancels do not wait. On a driven clock everything that touches wire or disk is `busy`, so a day has one order of events.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from puna.alpaca import mapping
from puna.alpaca.frames import Frame, Gap, StreamOptions, Subscription
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars, get_latest_quotes
from puna.alpaca.session import MarketMessage, UpdateMessage
from puna.alpaca.stream import Stream, market_data, trade_updates
from puna.alpaca.trading import get_asset, get_clock
from puna.core import sessions
from puna.core.orders import Status
from puna.core.risk import Listing, RiskLimits, TradingState
from puna.core.types import AssetClass, Bar, TimeInForce
from puna.engine.desk import StrategyDesk
from puna.engine.gateway import Gateway
from puna.engine.journal import Journal, open_journal
from puna.engine.market import MarketView
from puna.engine.outbound import Timing
from puna.engine.probes import wire_points
from puna.engine.reconcile import Reconciliation, reconcile
from puna.engine.record import DropRow, RunRecord
from puna.engine.recorder import Recorder
from puna.engine.sighting import Sighting
from puna.engine.strategy import Strategy
from puna.engine.timeframe import MINUTE, minutes
from puna.errors import BooksDifferError, ConfigError, JournalError, NotFoundError, PunaError
from puna.seams import Clock, DrivenClock, Probe, Rng, no_probe, system_rng
from puna.wire import trading
from puna.wire.stream import BarMessage, QuoteMessage, StatusMessage, TradeMessage, UnknownMessage, UpdatedBarMessage

__all__ = ["Progress", "Trader", "assemble"]

NANOS = 1_000_000_000
DAY = 86_400 * NANOS
GRACE = 2.0  # seconds of market time after the close in which the last minute's bars come
QUIET_TRIES = 40
QUIET_SECONDS = 0.25
RETRY_SECONDS = 1.0


class Progress(NamedTuple):
    """Where a run stands: market time, its end, equity, cash, state, orders and fills so far."""

    now: int
    end: int
    equity: Decimal | None
    cash: Decimal
    state: TradingState
    orders: int
    fills: int
    refusals: int


class Trader:
    """Runs strategies on one account. Make it with `assemble`.

    Args:
        strategies: each with a name of its own.
        gateway: on a journal that nobody else has.
        data: market data; its subscription is set here.
        updates: the trading stream.
        rng: jitter of what is retried.
        mode: sim or paper, for the record.
        feed: of bars and quotes asked for over REST; None leaves it to the broker.
        until: market time at which the run ends; None is the next close.
        accept_books: a person accepts the broker's books where they differ from ours.
        resume: a person ends a halt.

    Attributes:
        say: hears one line about everything notable: market time, text.
        reconciliation: what the start found.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        gateway: Gateway,
        data: Stream[MarketMessage],
        updates: Stream[UpdateMessage],
        *,
        mode: str = "paper",
        feed: str | None = None,
        until: int | None = None,
        accept_books: bool = False,
        resume: bool = False,
    ) -> None:
        self.gateway = gateway
        self.desk = StrategyDesk(strategies, gateway)
        self.say: Callable[[int, str], None] = lambda *_: None
        self.reconciliation: Reconciliation | None = None
        self._data = data
        self._updates = updates
        self._mode = mode
        self._feed = feed
        self._end = until
        self._accept_books = accept_books
        self._resume = resume
        self._clock = gateway.clock
        self._market = gateway.market
        self._recorder = Recorder(gateway.blotter, gateway.market)
        self._stopped = asyncio.Event()
        self._last_bars = asyncio.Event()
        self._reconciled = -1
        self._over = False
        self._began = self._clock.monotonic()
        self.desk.on_failure = lambda _, text: self._speak(text)
        gateway.gate = self._gate

    async def run(self) -> RunRecord:
        """From the start to the end of the session, or until `stop`.

        Raises:
            BooksDifferError: our books and the broker's do not agree; nothing was sent.
            PunaError: it cannot be started, or cannot go on; what was sent stands in the journal.
        """
        try:
            await self._begin()
            await self._trade()
            await self._finish()
        finally:
            await self._close()
        return self.record()

    def stop(self) -> None:
        """Ends the run: strategies are told, their orders cancelled or left, books compared."""
        self._stopped.set()

    def progress(self) -> Progress:
        """Where it stands."""
        blotter = self.gateway.blotter
        return Progress(
            self._clock.now(),
            self._end or 0,
            self.desk.equity(),
            blotter.portfolio.cash,
            self.gateway.state,
            len(blotter.orders),
            len(blotter.booked),
            len(blotter.refusals),
        )

    def record(self) -> RunRecord:
        """What the report needs, as of now."""
        gateway = self.gateway
        state = TradingState.HALTED if gateway.halted else gateway.blotter.state
        stopped = "completed" if self._over else "stopped"
        record = self._recorder.record(
            self._mode,
            self._clock.now(),
            (self._clock.monotonic() - self._began) / NANOS,
            outcome="halted" if gateway.halted else stopped,
            state=str(state),
        )
        record.symbols = self.desk.symbols
        record.strategies = list(self.desk.strategies)
        record.journal_hash = gateway.journal.head
        record.day = sessions.date_of(record.started_ts).isoformat() if record.started_ts else ""
        return record

    # The three parts of a run.

    async def _begin(self) -> None:
        gateway = self.gateway
        broker = await gateway.alpaca(get_clock())
        if isinstance(self._clock, DrivenClock) and self._clock.now() < broker.timestamp:
            await self._clock.advance(int(broker.timestamp))
        self._end = self._end or int(broker.next_close)
        await gateway.start()
        self.reconciliation = await reconcile(gateway, accept=self._accept_books)
        for line in self.reconciliation.lines():
            self._speak(line)
        if self._resume and self.reconciliation.equal:
            await gateway.decide(TradingState.ACTIVE, "resumed", "operator")
        await self._refuse_halted()
        with self._clock.busy():
            await self._look_around()
            await self._connect()
            self._recorder.begin(self._clock.now(), self.desk.equity())
            async with gateway.lock:
                self.desk.start()
            gateway.tasks.spawn(self._follow_data(), "market data")
            gateway.tasks.spawn(self._follow_updates(), "trade updates")

    async def _trade(self) -> None:
        """Returns at the end of the session or when stopped; raises what makes it impossible to go on."""
        end = asyncio.create_task(self._until_end())
        stop = asyncio.create_task(self._stopped.wait())
        failed = asyncio.create_task(self.gateway.tasks.failed())
        tasks = [end, stop, failed]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
            self._over = end.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self) -> None:
        """Strategies are told, what they leave open ends, and the books are compared for the last time."""
        async with self.gateway.lock:
            self.desk.stop(over=self._over)
        await self.gateway.line.idle()
        await self._quiet()
        with self._clock.busy():
            final = await reconcile(self.gateway)
            self._recorder.books = final.books
            self._recorder.point(self._clock.now(), self.desk.equity())
            self._speak(final.summary)
            await self._hang_up()

    async def _close(self) -> None:
        await self._hang_up()
        await self.gateway.stop()
        await self.gateway.alpaca.close()

    async def _hang_up(self) -> None:
        await self._data.close()
        await self._updates.close()

    # Beginning.

    async def _refuse_halted(self) -> None:
        """A halt outlives the process; cancels that were asked for are finished, and nothing else is begun."""
        gateway = self.gateway
        if not gateway.halted:
            return
        await gateway.settled()
        if self.reconciliation is not None and not self.reconciliation.equal:
            raise BooksDifferError(
                "Our books and the broker's differ.",
                why=self.reconciliation.summary,
                state="Trading is halted: nothing was sent but cancels that were asked for before.",
                remedy="Find out why (trades by hand, fees, dividends). To go on with the broker's: --accept-books.",
            )
        raise PunaError(
            "Trading is halted.",
            why=gateway.halted,
            state="Nothing was sent but cancels that were asked for before.",
            remedy="When the reason is gone: --resume.",
            code="E520",
        )

    async def _look_around(self) -> None:
        """Listings, warm-up bars and the latest quotes of everything that is traded or held."""
        held = set(self.gateway.blotter.portfolio.positions)
        for symbol in sorted({*self.desk.symbols, *held}):
            await self._list(symbol)
        for each in self.desk.strategies.values():
            for timeframe, count in each.warmup.items():
                await self._warm_up(list(each.symbols), timeframe, count)
        await self._latest_quotes(sorted({*self.desk.symbols, *held}))

    async def _list(self, symbol: str) -> None:
        try:
            asset = await self.gateway.alpaca(get_asset(symbol))
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
        now = self._clock.now()
        call = get_bars(symbols, timeframe, now - _reach(timeframe, count), now, adjustment="split", feed=self._feed)
        found: dict[str, deque[Bar]] = {}
        async for symbol, body in self.gateway.alpaca(call):
            bar = mapping.bar_of(symbol, body, now)
            if _is_complete(bar.ts_event, timeframe, now):
                found.setdefault(symbol, deque(maxlen=count)).append(bar)
        for bar in (bar for bars in found.values() for bar in bars):
            self._market.take_bar(timeframe, bar)

    async def _latest_quotes(self, symbols: list[str]) -> None:
        quotes = await self.gateway.alpaca(get_latest_quotes(symbols, feed=self._feed)) if symbols else {}
        for symbol, body in quotes.items():
            self._market.take_quote(mapping.quote_of(symbol, body, self._clock.now()))

    async def _connect(self) -> None:
        """Both streams, and then what happened between the first look and their first message."""
        symbols = sorted({*self.desk.symbols, *self.gateway.blotter.portfolio.positions})
        await self._data.want(
            Subscription.of(quotes=symbols, bars=symbols, updated_bars=symbols, trades=self.desk.wants_trades)
        )
        await self._data.ready()
        await self._updates.ready()
        await self._reconcile()

    # While it runs.

    def _gate(self) -> TradingState:
        """Only reductions while a stream is down, or came back and the books were not compared since (R4)."""
        sure = self._reconciled == self._updates.status.reconnects
        up = self._updates.connected and self._data.connected
        return TradingState.ACTIVE if up and sure else TradingState.REDUCING

    async def _follow_data(self) -> None:
        async for frame in self._data:
            bars = await self._fill_gap(frame.gap) if frame.gap is not None else 0
            if frame.gap is not None and frame.gap.reason == "reconnect":
                self._dropped("data", frame.gap, bars)
            async with self.gateway.lock:
                self._hear(frame)

    async def _follow_updates(self) -> None:
        async for frame in self._updates:
            if frame.gap is not None:
                before = len(self.gateway.blotter.booked)
                await self._reconcile()
                found = len(self.gateway.blotter.booked) - before
                if frame.gap.reason == "reconnect":
                    self._dropped("trading", frame.gap, 0, f"{found} fills found by asking")
            updates = [each for each in frame.messages if isinstance(each, trading.TradeUpdate)]
            if updates:
                await self.gateway.absorb([Sighting.of("stream", each) for each in updates])
            for each in frame.messages:
                if isinstance(each, UnknownMessage):
                    self.gateway.note("E300", f"a trade update could not be read: {each.why}")

    def _hear(self, frame: Frame[MarketMessage]) -> None:
        """One frame of market data. The lock is held."""
        minute = False
        for message in frame.messages:
            match message:
                case QuoteMessage():
                    self.desk.hear_quote(mapping.quote(message, frame.ts_init))
                case TradeMessage():
                    self.desk.hear_trade(mapping.trade(message, frame.ts_init))
                case UpdatedBarMessage():
                    self._market.revise_bar("1Min", mapping.bar(message, frame.ts_init))
                case BarMessage():
                    minute = self._hear_minute(message, frame.ts_init) or minute
                case StatusMessage():
                    self._hear_status(message)
                case _:
                    pass
        if minute:
            self._recorder.point(frame.ts_init, self.desk.equity())

    def _hear_minute(self, message: BarMessage, ts_init: int) -> bool:
        bar = mapping.bar(message, ts_init)
        if not self.desk.hear_minute(bar):
            return False
        self._recorder.bar(bar)
        if self._end is not None and bar.ts_event + MINUTE >= self._end:
            self._last_bars.set()
        return True

    def _hear_status(self, message: StatusMessage) -> None:
        listing = self._market.listings.get(message.S)
        if listing is not None and message.sc in ("H", "T"):
            halted = message.sc == "H"
            self._market.list([Listing(**{name: getattr(listing, name) for name in listing.__struct_fields__}
                                       | {"halted": halted})])  # fmt: skip

    async def _fill_gap(self, gap: Gap) -> int:
        """The bars that were missed, in order, to whoever waits for them."""
        if gap.reason == "unreadable":
            return 0
        last = [bar.ts_event for symbol in self.desk.symbols if (bar := self._market.last_bar(symbol, "1Min"))]
        start, now = min(last, default=gap.start), self._clock.now()
        try:
            call = get_bars(self.desk.symbols, "1Min", start, now, feed=self._feed)
            missed = [mapping.bar_of(symbol, body, now) async for symbol, body in self.gateway.alpaca(call)]
            await self._latest_quotes(self.desk.symbols)
        except PunaError as error:  # the hole stays marked, and stale quotes refuse new risk
            self.gateway.note(error.code, f"the bars of a gap could not be fetched: {error.what}")
            return 0
        async with self.gateway.lock:
            complete = sorted(
                (bar for bar in missed if bar.ts_event + MINUTE <= now), key=lambda bar: (bar.ts_event, bar.symbol)
            )
            taken = [bar for bar in complete if self.desk.hear_minute(bar)]
            for bar in taken:
                self._recorder.bar(bar)
        return len(taken)

    async def _reconcile(self) -> None:
        """Until it succeeds: only then does the gate open again."""
        while True:
            seen = self._updates.status.reconnects
            try:
                await reconcile(self.gateway)
            except JournalError:
                raise
            except PunaError as error:
                self.gateway.note(error.code, f"reconciliation has to wait: {error.what}")
                await self._clock.backoff(RETRY_SECONDS)
            else:
                self._reconciled = seen
                return

    def _dropped(self, stream: str, gap: Gap, bars: int, text: str = "") -> None:
        self._recorder.drops.append(DropRow(stream=stream, ts_down=gap.start, ts_up=gap.end, bars=bars))
        self._speak(f"{stream} stream lost and back: {text or f'{bars} bars fetched'}")

    # Ending.

    async def _until_end(self) -> None:
        """The end of the session, and the bars of its last minute."""
        while (left := (self._end or 0) - self._clock.now()) > 0:
            await self._clock.sleep(left / NANOS)
        last = asyncio.create_task(self._last_bars.wait())
        late = asyncio.create_task(self._late())
        await asyncio.wait([last, late], return_when=asyncio.FIRST_COMPLETED)
        for task in (last, late):
            task.cancel()
        await asyncio.gather(last, late, return_exceptions=True)

    async def _late(self) -> None:
        await self._clock.backoff(GRACE)

    async def _quiet(self) -> None:
        """Returns when no order moves any more, or nothing moves at all."""
        for _ in range(QUIET_TRIES):
            if not any(self._moves(order.status, order.intent.time_in_force) for order in self.gateway.open_orders()):
                return
            before = self._clock.now()
            await self._clock.backoff(QUIET_SECONDS)
            if self._clock.now() == before:
                return

    def _moves(self, status: Status, tif: TimeInForce) -> bool:
        """An order whose end is to be expected: a day order after the close, or one that was cancelled."""
        waiting = status not in (Status.NEW, Status.HELD, Status.PARTIALLY_FILLED, Status.ACCEPTED)
        return waiting or (self._over and tif is TimeInForce.DAY)

    def _speak(self, text: str) -> None:
        self.say(self._clock.now(), text)


def assemble(
    strategies: Sequence[Strategy],
    endpoints: Endpoints,
    credentials: Credentials,
    clock: Clock,
    *,
    journal: Path | Journal | None = None,
    limits: RiskLimits | None = None,
    timing: Timing | None = None,
    rng: Rng | None = None,
    probe: Probe = no_probe,
    prefix: str = "puna",
    mode: str = "sim",
    feed: str | None = None,
    until: int | None = None,
    deadline: float = 10.0,
    rate_limit: int = 200,
    accept_books: bool = False,
    resume: bool = False,
) -> Trader:
    """A whole trading process, ready to `run`. Nothing is sent and nothing dialled here; call it inside a running loop.

    Args:
        strategies: what trades.
        endpoints: paper, or an exchange on loopback.
        credentials: its keys.
        clock: SystemClock, or a DrivenClock where an exchange runs in lockstep.
        journal: the file, or an open journal; None keeps it in memory.
        limits: risk limits.
        timing: how long to wait for what.
        rng: jitter.
        probe: named points, for tests that stop the process.
        prefix: of client_order_ids.
        mode: sim or paper, for the record.
        feed: market-data feed for REST.
        until: market time at which to end; None is the next close.
        deadline: seconds of wall time for one request.
        rate_limit: requests in any 60 s, for each API; 0 is no limit.
        accept_books: a person accepts the broker's books where they differ.
        resume: a person ends a halt.

    Raises:
        JournalError: the journal cannot be opened, is damaged, or in use.
        ConfigError: the strategies cannot run together.
    """
    rng = rng or system_rng()
    traces = () if probe is no_probe else (wire_points(probe),)
    alpaca = AsyncAlpaca(
        credentials,
        endpoints,
        clock=clock,
        rng=rng,
        deadline=deadline,
        trading_limit=rate_limit,
        data_limit=rate_limit,
        trace_configs=traces,
    )
    opened = journal if isinstance(journal, Journal) else open_journal(journal, clock)
    gateway = Gateway(
        alpaca, opened, MarketView(), limits or RiskLimits(), clock, timing=timing, prefix=prefix, probe=probe
    )
    try:
        return Trader(
            strategies,
            gateway,
            market_data(endpoints, credentials, Subscription(), _options(clock, rng, alpaca, "data")),
            trade_updates(endpoints, credentials, _options(clock, rng, alpaca, "trading")),
            mode=mode,
            feed=feed,
            until=until,
            accept_books=accept_books,
            resume=resume,
        )
    except ConfigError:
        opened.close()
        raise


def _options(clock: Clock, rng: Rng, alpaca: AsyncAlpaca, api: str) -> StreamOptions:
    turnstile = alpaca.turnstiles["data" if api == "data" else "trading"]
    return StreamOptions(clock=clock, rng=rng, turnstile=turnstile)


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


def _reach(timeframe: str, count: int) -> int:
    """How far back `count` bars may lie: nights, weekends and holidays are in between."""
    if timeframe.endswith("Min"):
        return (count * minutes(timeframe) // 390 + 1) * 2 * DAY + 5 * DAY
    days = {"Hour": count // 6 + 1, "Day": count, "Week": 7 * count, "Month": 31 * count}
    unit = next((name for name in days if timeframe.endswith(name)), "Month")
    factor = int(timeframe.removesuffix(unit) or 1)
    return (days[unit] * factor * 8 // 5 + 10) * DAY


def _is_complete(ts_event: int, timeframe: str, now: int) -> bool:
    """Whether a bar that begins then has ended by now."""
    if timeframe.endswith("Min"):
        return ts_event + minutes(timeframe) * MINUTE <= now
    if timeframe.endswith("Hour"):
        return ts_event + int(timeframe.removesuffix("Hour") or 1) * 60 * MINUTE <= now
    return sessions.date_of(ts_event) < sessions.date_of(now)
