"""A trading process: two streams, the gateway, the strategies; from reconciliation to reconciliation.

Each stream has a consumer, and whoever handles an event holds the gateway's lock, so events are handled one at a time.
New risk waits until both streams are up and, after every gap, until the books were reconciled (R4); reductions and
cancels do not wait. On a driven clock everything that touches wire or disk is `busy`, so a day has one order of events.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from puna.alpaca.events import Events
from puna.alpaca.feed import EventFeed
from puna.alpaca.frames import Gap, StreamOptions, StreamStatus, Subscription
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.session import UpdateMessage
from puna.alpaca.stream import Stream, market_data, trade_updates
from puna.alpaca.trading import get_clock
from puna.core import sessions
from puna.core.orders import Order, Status
from puna.core.risk import RiskLimits, TradingState
from puna.core.types import TimeInForce
from puna.engine.activities import SILENCE_SECONDS, ActivityFollower, OpenFeed
from puna.engine.alerts import Alerts, AlertTerms, restriction
from puna.engine.data_source import DataSource
from puna.engine.desk import StrategyDesk
from puna.engine.dialling import until_up
from puna.engine.explained import explanation
from puna.engine.feed import Feed, latest
from puna.engine.gateway import Gateway
from puna.engine.journal import Journal, open_journal
from puna.engine.killswitch import KillSwitch
from puna.engine.market import MarketView
from puna.engine.outbound import Timing
from puna.engine.pacing import PacedClock
from puna.engine.probes import wire_points
from puna.engine.progress import Progress
from puna.engine.reconcile import Reconciliation, reconcile
from puna.engine.record import DropRow, RunRecord
from puna.engine.recorder import HeardBar, Recorder
from puna.engine.sighting import Sighting
from puna.engine.strategy import Strategy
from puna.errors import BooksDifferError, ConfigError, JournalError, PunaError, RateLimitError
from puna.seams import Clock, DrivenClock, Probe, Rng, no_probe, system_rng
from puna.wire.activities import ActivityEvent
from puna.wire.stream import UnknownMessage

__all__ = ["Trader", "assemble"]

T = TypeVar("T")

NANOS = 1_000_000_000
DAY = 86_400 * NANOS
GRACE = 2.0  # seconds of market time after the close in which the last minute's bars come
QUIET_TRIES = 40
QUIET_SECONDS = 0.25
RETRY_SECONDS = 1.0


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
        activities: opens the feed of account activities; None leaves it alone.
        alerts: who is told of alarms.

    Attributes:
        activities: who follows that feed, if anybody does.
        say: hears one line about everything notable: market time, text.
        say_order: hears one line about each fill, refusal and end of an order.
        reconciliation: what the start found.
        switch: the kill switch.
        alerts: who tells people of alarms.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        gateway: Gateway,
        data: DataSource,
        updates: Stream[UpdateMessage],
        *,
        mode: str = "paper",
        feed: str | None = None,
        until: int | None = None,
        accept_books: bool = False,
        resume: bool = False,
        activities: OpenFeed | None = None,
        alerts: AlertTerms | None = None,
    ) -> None:
        self.gateway = gateway
        self.desk = StrategyDesk(strategies, gateway, feed=feed)
        self.say: Callable[[int, str], None] = lambda *_: None
        self.say_order: Callable[[int, str], None] = lambda *_: None
        self.reconciliation: Reconciliation | None = None
        self._data = data
        self._updates = updates
        self._mode = mode
        self._end = until
        self._accept_books = accept_books
        self._resume = resume
        self._clock = gateway.clock
        self._market = gateway.market
        self._recorder = Recorder(gateway.blotter, gateway.market)
        self._feed = Feed(gateway, self.desk, self._recorder, feed=feed)
        self._stopped = asyncio.Event()
        self._reconciled = -1
        self._comparing = asyncio.Lock()
        self.activities = ActivityFollower(gateway, activities, self._reconcile) if activities is not None else None
        self._completed = False
        self._held = ExitStack()
        self._holding = False
        self._over = False
        self._closed = False
        self._began = self._clock.monotonic()
        self.desk.on_failure = lambda _, text: self._speak(text)
        self.desk.on_order = lambda text: self.say_order(self._clock.now(), text)
        gateway.gate = self._gate
        self.switch = KillSwitch(gateway, self._unfit)
        self.switch.say = self._speak
        self.alerts = Alerts(gateway, alerts or AlertTerms(), self._restricted)

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
        except Exception as error:
            await self._close(error)
            raise
        finally:
            await self._close()
        return self.record()

    def stop(self) -> None:
        """Ends the run: strategies are told, their orders cancelled or left, books compared."""
        self._hold()
        self._stopped.set()

    @property
    def updates(self) -> StreamStatus:
        """Facts about the trading stream."""
        return self._updates.status

    @property
    def reconciled(self) -> bool:
        """The books were compared since both streams came up, or came back."""
        return self._reconciled == self._updates.status.reconnects

    @property
    def start_equity(self) -> Decimal | None:
        """What the account was worth when this run began."""
        return self._recorder.equity[0].equity if self._recorder.equity else None

    @property
    def heard(self) -> Sequence[HeardBar]:
        """The bars that the strategies knew, each beside the quote that stood then."""
        return self._recorder.heard

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
        stopped = "completed" if self._completed else "stopped"
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
        broker = await self._patiently(lambda: gateway.alpaca(get_clock()))
        if isinstance(self._clock, DrivenClock) and self._clock.now() < broker.timestamp:
            await self._clock.advance(int(broker.timestamp))
        if isinstance(self._clock, PacedClock):
            self._clock.set(int(broker.timestamp))
        self._end = self._feed.end = self._end or int(broker.next_close)
        await gateway.start()
        if gateway.journal.path is not None:
            gateway.tasks.spawn(self.switch.watch(), "kill switch")
            gateway.tasks.spawn(self.alerts.watch(), "alerts")
        if gateway.loosened:
            self._speak(f"limits loosened: {gateway.loosened}")
        if standing := gateway.blotter.alarms.standing:
            self._speak(f"{len(standing)} alarms stand, the last: {[*standing.values()][-1].text}; puna alarms")
        self.reconciliation = await self._patiently(lambda: reconcile(gateway, accept=self._accept_books))
        for line in self.reconciliation.lines():
            self._speak(line)
        if gateway.disagreement:
            self._speak(f"only reductions may be sent: {gateway.disagreement}")
        if self._resume and self.reconciliation.equal:
            await gateway.decide(TradingState.ACTIVE, "resumed", "operator")
            gateway.latch.lift("")
        await self._refuse_halted()
        with self._clock.busy():
            await self._patiently(self._feed.look_around)
        await self._connect()  # may have to wait in market time, so a driven clock must be free to move
        with self._clock.busy():
            await self._reconcile()  # what happened between the first look and the streams' first message
            self._recorder.begin(self._clock.now(), self.desk.equity())
            async with gateway.lock:
                self.desk.start()
            gateway.tasks.spawn(self._follow_data(), "market data")
            gateway.tasks.spawn(self._follow_updates(), "trade updates")
            self.switch.connected = lambda: self._gate() is TradingState.ACTIVE
        if self.activities is not None:
            gateway.tasks.spawn(self.activities.follow(), "activities")

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
            self._completed = end.done()
            # Whether day orders end by themselves: the run may have been told to end within a session.
            self._over = self._completed and sessions.session_at(self._end or 0) is not sessions.Session.CORE
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self) -> None:
        """Strategies are told, what they leave open ends, and the books are compared for the last time."""
        await self.gateway.line.idle()  # what was asked for before the end leaves before it
        async with self.gateway.lock:
            self.desk.stop(over=self._over)
        await self.gateway.line.idle()
        self._held.close()
        await self._quiet()
        with self._clock.busy():
            await self._hang_up()
        await self._compare_last()
        self._end_beat()
        self._recorder.point(self._clock.now(), self.desk.equity())

    def _end_beat(self) -> None:
        """What was to be cancelled is: nobody need look after this run any more."""
        self.switch.connected = None
        if self.gateway.journal.path is not None:
            self.gateway.latch.still()

    async def _compare_last(self) -> None:
        try:
            final = await reconcile(self.gateway)
        except JournalError:
            raise
        except PunaError as error:  # the run is over all the same, and its record says that nobody compared
            self.gateway.note(error.code, f"the books could not be compared at the end: {error.what}")
            self._speak(f"the books could not be compared: {error.what}")
        else:
            self._recorder.books = final.books
            self._speak(final.summary)

    async def _close(self, error: Exception | None = None) -> None:
        if self._closed:
            return
        self._closed = True
        self._held.close()
        await self._hang_up()
        await self.alerts.last(error, traded=self.switch.connected is not None)
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
        text = explanation(gateway.blotter)
        raise PunaError(
            "Trading is halted.",
            why=f"{gateway.halted}; {text}" if text else gateway.halted,
            state="Nothing was sent but cancels that were asked for before.",
            remedy="When the reason is gone: --resume.",
            code="E520",
        )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What is needed for the start, however often the broker wants us to wait (429): that ends by itself."""
        while True:
            try:
                return await ask()
            except RateLimitError as error:
                if self._stopped.is_set():
                    raise
                self._speak(f"the broker wants us to wait (429), and so we do: {error.message or error.what}")
                await self._clock.backoff(RETRY_SECONDS)

    async def _connect(self) -> None:
        """Both streams."""
        await self._data.want(self._feed.subscription)
        await until_up(self._data, self._updates, self._stopped, self._clock, self._speak)

    # While it runs.

    def _gate(self) -> TradingState:
        """Only reductions while a stream is down, or came back and the books were not compared since (R4).

        So it is while the broker's clock and our calendar disagree.
        """
        sure = self._reconciled == self._updates.status.reconnects
        up = self._updates.connected and self._data.connected
        agreed = not self.gateway.disagreement
        return TradingState.ACTIVE if up and sure and agreed else TradingState.REDUCING

    def _restricted(self) -> str:
        """Why only reductions may be sent while this run trades, in words; empty when there is no such reason."""
        if self.switch.connected is None or self._clock.driven or self._gate() is TradingState.ACTIVE:
            return ""
        return restriction(self._data.connected, self._updates.connected, self.gateway.disagreement)

    async def _follow_data(self) -> None:
        async for frame in self._data:
            bars = await self._feed.fill_gap(frame.gap) if frame.gap is not None else 0
            if frame.gap is not None and frame.gap.reason == "reconnect":
                self._dropped("data", frame.gap, bars)
            if frame.messages and isinstance(self._clock, PacedClock):
                self._clock.observe(latest(frame))
            async with self.gateway.lock:
                self.gateway.guard.look()  # what is decided on this frame is decided with the protections in place
                self._feed.hear(frame)

    async def _follow_updates(self) -> None:
        async for frame in self._updates:
            if frame.gap is not None:
                before = len(self.gateway.blotter.booked)
                await self._reconcile()
                found = len(self.gateway.blotter.booked) - before
                if frame.gap.reason == "reconnect":
                    self._dropped("trading", frame.gap, 0, f"{found} fills found by asking")
            if sightings := [seen for each in frame.messages if (seen := self._seen(each)) is not None]:
                await self.gateway.absorb(sightings)
            if len(sightings) < len(frame.messages) and frame.gap is None:
                await self._reconcile()

    def _seen(self, message: UpdateMessage) -> Sighting | None:
        """The evidence that a trade update is; None when it cannot be read, and then the broker is asked instead."""
        if isinstance(message, UnknownMessage):
            self.gateway.note("E300", f"a trade update could not be read: {message.why}")
            return None
        try:
            return Sighting.of("stream", message)
        except PunaError as error:
            self.gateway.note(error.code, f"{error.what} {error.why}")
            return None

    async def _reconcile(self) -> None:
        """Until it succeeds: only then does the gate open again."""
        while True:
            seen = self._updates.status.reconnects
            try:
                async with self._comparing:
                    await reconcile(self.gateway)
            except JournalError:
                raise
            except PunaError as error:
                self.gateway.note(error.code, f"reconciliation has to wait: {error.what}")
                await self._clock.backoff(RETRY_SECONDS)
            else:
                self._reconciled = seen
                return

    async def _unfit(self) -> tuple[str, str]:
        """Why trading must not be resumed; or nothing, and what has explained the difference that it was halted for."""
        found = await reconcile(self.gateway)
        if not found.equal:
            return f"our books and the broker's differ: {found.summary}", ""
        text = explanation(self.gateway.blotter)
        return "", f"; {text}" if text else ""

    def _dropped(self, stream: str, gap: Gap, bars: int, text: str = "") -> None:
        self._recorder.drops.append(DropRow(stream=stream, ts_down=gap.start, ts_up=gap.end, bars=bars))
        self._speak(f"{stream} stream lost and back: {text or f'{bars} bars fetched'}")

    # Ending.

    async def _until_end(self) -> None:
        """The end of the session, and the bars of its last minute."""
        while (left := (self._end or 0) - self._clock.now()) > 0:
            await self._clock.sleep(left / NANOS)
        last = asyncio.create_task(self._feed.last_bars.wait())
        late = asyncio.ensure_future(self._clock.backoff(GRACE))
        await asyncio.wait([last, late], return_when=asyncio.FIRST_COMPLETED)
        self._hold()
        for task in (last, late):
            task.cancel()
        await asyncio.gather(last, late, return_exceptions=True)

    def _hold(self) -> None:
        """Keeps a driven clock where it is until what the end asks for has left."""
        if not self._holding:
            self._holding = True
            self._held.enter_context(self._clock.busy())

    async def _quiet(self) -> None:
        """Returns when no order moves any more, or nothing moves at all."""
        for _ in range(QUIET_TRIES):
            if not any(self._moves(order) for order in self.gateway.open_orders()):
                return
            before = self._clock.now()
            await self._clock.backoff(QUIET_SECONDS)
            if self._clock.now() == before:
                return

    def _moves(self, order: Order) -> bool:
        """An order whose end is to be expected: one that is on its way, was cancelled, or ends with its day."""
        waiting = order.status not in (Status.NEW, Status.HELD, Status.PARTIALLY_FILLED, Status.ACCEPTED)
        asked = order.client_order_id in self.gateway.blotter.cancels
        return waiting or asked or (self._over and order.intent.time_in_force is TimeInForce.DAY)

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
    netting: bool = True,
    mode: str = "sim",
    feed: str | None = None,
    until: int | None = None,
    deadline: float = 10.0,
    rate_limit: int = 200,
    accept_books: bool = False,
    resume: bool = False,
    data: DataSource | None = None,
    activities: bool = False,
    alerts: AlertTerms | None = None,
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
        netting: whether opposite orders of two strategies are crossed inside the account (`core.netting`).
        mode: sim or paper, for the record.
        feed: market-data feed for REST.
        until: market time at which to end; None is the next close.
        deadline: seconds of wall time for one request.
        rate_limit: requests in any 60 s, for each API; 0 is no limit.
        accept_books: a person accepts the broker's books where they differ.
        resume: a person ends a halt.
        data: where market data comes from; None is Alpaca's stream.
        activities: follow the feed of account activities too; never on a driven clock.
        alerts: who is told of alarms.

    Raises:
        JournalError: the journal cannot be opened, is damaged, or in use.
        ConfigError: the strategies cannot run together, or the limits do not fit a live account.
    """
    rng = rng or system_rng()
    alpaca = AsyncAlpaca(
        credentials,
        endpoints,
        clock=clock,
        rng=rng,
        deadline=deadline,
        trading_limit=rate_limit,
        data_limit=rate_limit,
        on_wire=None if probe is no_probe else wire_points(probe),
    )
    opened = journal if isinstance(journal, Journal) else open_journal(journal, clock)

    def opens(events: Events[ActivityEvent]) -> EventFeed[ActivityEvent]:
        heard = replace(_options(clock, rng, alpaca, "trading"), stale_after={"events": SILENCE_SECONDS})
        return EventFeed(endpoints, credentials, events, heard)

    try:
        return Trader(
            strategies,
            Gateway(
                alpaca,
                opened,
                MarketView(),
                limits or RiskLimits(),
                clock,
                timing=timing,
                prefix=prefix,
                netting=netting,
                probe=probe,
                live=mode == "live" or endpoints.live,
            ),
            data or market_data(endpoints, credentials, Subscription(), _options(clock, rng, alpaca, "data")),
            trade_updates(endpoints, credentials, _options(clock, rng, alpaca, "trading")),
            mode=mode,
            feed=feed,
            until=until,
            accept_books=accept_books,
            resume=resume,
            activities=opens if activities and not clock.driven else None,
            alerts=alerts,
        )
    except ConfigError:
        opened.close()
        raise


def _options(clock: Clock, rng: Rng, alpaca: AsyncAlpaca, api: str) -> StreamOptions:
    turnstile = alpaca.turnstiles["data" if api == "data" else "trading"]
    return StreamOptions(clock=clock, rng=rng, turnstile=turnstile)
