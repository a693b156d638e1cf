"""execution: the only trading key, the gateway, the journal. Signals and intents in, orders out, evidence back.

It trades session by session with the engine's own Trader: start is reconciliation, strategies of the configuration and
one follower for each model run in it. What comes over the control plane is answered when it is durable. Limits and
halts come from the risk process; when its word grows old, only what reduces risk may leave.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec

from puna import __version__
from puna.bus.boxes import Inbox
from puna.bus.control import ControlServer
from puna.bus.keys import Authenticator
from puna.bus.messages import (
    SCHEMA,
    Ack,
    CancelRequest,
    EventsAfter,
    Hello,
    IntentRequest,
    Message,
    RiskState,
    Shutdown,
    Signal,
    Welcome,
)
from puna.bus.publisher import Publisher
from puna.bus.subscriber import Subscriber
from puna.config import Mode
from puna.core.orders import Status
from puna.core.risk import TradingState
from puna.core.sessions import trading_days
from puna.engine.alerts import terms_of
from puna.engine.blotter import Change
from puna.engine.entries import Entry, Intent, Reconciled
from puna.engine.journal import open_journal
from puna.engine.outbound import Timing
from puna.engine.pacing import PacedClock
from puna.engine.reconcile import reconcile
from puna.engine.strategy import Strategy
from puna.engine.tasks import Tasks
from puna.engine.trader import Trader, assemble
from puna.errors import BooksDifferError, JournalError, PunaError
from puna.services.broker import CallFacts
from puna.services.events import Events, events_of, topic_of
from puna.services.follower import Follower
from puna.services.guard import Guard
from puna.services.health import Fact
from puna.services.market_feed import MarketFeed
from puna.services.place import Place
from puna.services.serve import Component
from puna.services.takings import Takings
from puna.services.views import account_state, execution_numbers

__all__ = ["Execution"]

NANOS = 1_000_000_000
RETRY_SECONDS = 1.0
RECONCILE_SECONDS = {Mode.SIM: 3.0, Mode.PAPER: 30.0, Mode.LIVE: 30.0}
DOUBT_SECONDS = 10.0
BUSY = 500
RECENT_SECONDS = 60.0
HALTED = ("E510", "E520")


class Execution(Component):
    """Makes orders of what others want.

    Args:
        place: where it lives.
        strategies: of the configuration, beside the followers of its models.
    """

    def __init__(self, place: Place, strategies: Sequence[Strategy] = ()) -> None:
        super().__init__(place)
        stale = place.config.services.stale_seconds
        self.guard = Guard(place.wall, stale)
        self.trader: Trader | None = None
        self.trouble = "it has not begun yet"
        self.over = False
        self.reconciled_at = 0
        self.events = Events()
        self.followers = {each.name: Follower(each) for each in place.config.model}
        self.calls: CallFacts | None = None
        self._strategies = tuple(strategies)
        self._fatal = ""
        self._bus: Subscriber | None = None
        self._feed: MarketFeed | None = None
        self._publisher: Publisher | None = None
        self.server: ControlServer | None = None
        self._takings = Takings(self)
        self._gaps = 0
        self._gap_at = 0
        self._doubts: dict[str, int] = {}

    async def work(self) -> None:
        """The bus, then session after session, until it is to stop."""
        place, tasks = self.place, Tasks()
        market, events = place.market_bus, place.events_bus
        inbox = Inbox(place.folder / "execution.inbox")
        async with Authenticator(place.context, place.keys) as authenticator:
            server = ControlServer(
                place.context,
                place.control_bus,
                self.take,
                inbox,
                curve=place.keys.server(place.name),
                authenticator=authenticator,
                clock=place.wall,
            )
            publisher = Publisher(
                place.context, events, name=place.name, curve=place.data_server(events), beat=0.5, clock=place.wall
            )
            bus = Subscriber(
                place.context,
                market,
                ["market", "system.heartbeat"],
                curve=place.data_client(market, "market-data"),
                conflate=("market.quote",),
                clock=place.wall,
            )
            async with server, publisher, bus:
                self.server, self._publisher, self._bus = server, publisher, bus
                self._authenticator = authenticator
                tasks.spawn(self._tell(publisher), "account")
                tasks.spawn(self._compare(), "reconciliation")
                try:
                    await self._sessions(bus)
                finally:
                    publisher.publish("system.shutdown", Shutdown(place.name, "stopped", place.wall.now()))
                    await tasks.close()

    async def take(self, peer: str, message: Message) -> Ack | Message:
        """What a peer sends over the control plane."""
        self.processed += 1
        match message:
            case RiskState():
                self._govern(message)
                answer: Ack | Message = Ack(0, "taken")
            case Hello():
                roles = tuple(self._authenticator.roles(peer))
                answer = Welcome(peer, roles, self.events.head, SCHEMA, __version__, self.place.version)
            case EventsAfter():
                answer = self.events.page(message.journal, message.limit)
            case Signal():
                answer = await self._takings.signal(message)
            case IntentRequest():
                answer = await self._takings.intent(peer, message)
            case CancelRequest():
                answer = await self._takings.cancel(peer, message)
            case _:
                answer = Ack(0, "refused", "E705", "nobody sends this here")
        return answer

    def facts(self) -> list[Fact]:
        """Reconciled, streams fresh, risk heard, not halted, journal and broker there."""
        trader = self.trader
        gateway = trader.gateway if trader else None
        failure = gateway.journal.failure if gateway else None
        halted = gateway.halted if gateway else self._fatal
        up = trader is not None and trader.updates.connected
        standing = len(gateway.blotter.alarms.standing) if gateway else 0
        return [
            Fact("journal", failure is None, failure.what if failure else "", fatal=True),
            Fact("reconciled", trader is not None and trader.reconciled, self.trouble),
            Fact("trading stream", up, "it is not connected"),
            Fact("market data", self._feed is not None and self._feed.connected, "market-data is silent or not ready"),
            Fact("risk", self.guard.fresh, "the risk process is silent: only reductions leave"),
            Fact("halted", not halted and self.guard.state is not TradingState.HALTED, f"trading is halted: {halted}"),
            Fact("broker", self.calls is None or self.calls.reachable, "the broker does not answer"),
            Fact("doubt", not self._in_doubt_long(), "an order's fate is not known for too long", ready=False),
            Fact("queue", self.waiting < BUSY, f"{self.waiting} messages wait", ready=False),
            Fact("alarms", not standing, f"{standing} alarms stand: puna alarms", ready=False),
            Fact("gaps", not self._gap_lately(), "market data was lost a moment ago", ready=False),
        ]

    def numbers(self) -> dict[str, Any]:
        return execution_numbers(self, self._bus, self._publisher)

    @property
    def waiting(self) -> int:
        """Messages that are being worked on, and jobs in the line."""
        line = self.trader.gateway.line.waiting if self.trader else 0
        return line + (self.server.under_way if self.server else 0)

    # Sessions.

    async def _sessions(self, bus: Subscriber) -> None:
        """Trades until the days are over, then stays and tells."""
        while not self.stopping.is_set():
            try:
                await self._session(bus)
                self._fatal = ""
            except BooksDifferError as error:
                self._wait_for_a_person(error)
            except JournalError:
                raise
            except PunaError as error:
                self._wait_for_a_person(error)
            finally:
                self.trader = None
            if self.over:
                await self.stopping.wait()
            await self.pause(RETRY_SECONDS)

    def _wait_for_a_person(self, error: PunaError) -> None:
        """Halted, or the broker is away: it tries again, and health says why."""
        self.trouble = f"{error.what} {error.why}".strip()
        self._fatal = error.why or error.what if error.code in HALTED else ""
        self.log.warning("no trading", code=error.code, what=error.what, why=error.why)

    async def _session(self, bus: Subscriber) -> None:
        trader = self._assembled(bus)
        self.trader = trader
        run = asyncio.create_task(trader.run())
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait([run, stop], return_when=asyncio.FIRST_COMPLETED)
            if not run.done():
                trader.stop()
            record = await run
        finally:
            stop.cancel()
            if not run.done():
                run.cancel()
                with suppress(asyncio.CancelledError, PunaError):
                    await run
        if not self.stopping.is_set():
            self.trouble = "the session is over"
            self.over = self.place.config.account.mode is Mode.SIM
        record.run_id, record.seed = self.place.folder.name, self.place.config.sim.seed
        target = self.place.folder / "record.json"
        target.write_bytes(msgspec.json.encode(record))
        books = record.books
        self.log.info(
            "session", outcome=record.outcome, books=books is not None and books.equal, fills=len(record.fills)
        )

    def _assembled(self, bus: Subscriber) -> Trader:
        place, config = self.place, self.place.config
        sim = config.account.mode is Mode.SIM
        path = config.beside(config.journal.path) if config.journal.path else place.folder / "journal.sqlite"
        journal = open_journal(path, place.clock)
        self.events.replay(journal.read())
        self._feed = MarketFeed(bus, place.clock, config.services.stale_seconds)
        trader = assemble(
            [*self._strategies, *self.followers.values()],
            place.endpoints,
            place.credentials,
            place.clock,
            journal=journal,
            limits=self.guard.limits or config.risk,
            netting=config.sleeves.netting,
            timing=_timing(place),
            rng=place.rng,
            mode=str(config.account.mode),
            feed=None if sim else config.data.feed,
            until=_until(place) if sim else None,
            rate_limit=0 if sim else 200,
            data=self._feed,
            activities=config.account.activities_feed,
            alerts=terms_of(config, place.folder.name),
        )
        gateway, inner = trader.gateway, trader.gateway.gate
        gateway.gate = lambda: _strictest(inner(), self.guard.state)
        gateway.watch = self._watched
        calls = CallFacts(gateway.alpaca, self.metrics, placements=True)
        if self.calls is not None:
            calls.adopt(self.calls)
        self.calls = calls
        trader.say = lambda _, text: self.log.info("trader", text=text)
        trader.say_order = lambda _, text: self.log.info("order", text=text)
        return trader

    def _watched(self, seq: int, entry: Entry, changes: Sequence[Change]) -> None:
        """A durable record: told to the bus and to whoever waits for it."""
        trader = self.trader
        if isinstance(entry, Reconciled) and entry.equal:
            self.reconciled_at = self.place.wall.monotonic()
        if isinstance(entry, Intent):
            self.traces.begin(entry.intent)
            self._takings.durable(entry.key)
        for change in changes:
            self.traces.change(change.order, change.fills)
        if trader is None or self._publisher is None:
            return
        made = list(events_of(seq, entry, changes, trader.gateway.blotter))
        self.events.take(seq, made)
        for event in made:
            self._publisher.publish(topic_of(event), event)
        for change in changes:
            order = change.order
            self.log.debug("order", client_order_id=order.client_order_id, status=str(order.status), journal=seq)

    def _govern(self, state: RiskState) -> None:
        """The word of the risk process, in force from the next decision on."""
        before = self.guard.version
        self.guard.take(state)
        if self.trader is None:
            return
        gateway = self.trader.gateway
        if state.version != before:
            self.log.info("limits", version=state.version)
        gateway.limits = state.limits
        if state.state is TradingState.HALTED:
            gateway.halt(state.reason or "risk says so", by="risk")

    # What goes on beside.

    async def _tell(self, publisher: Publisher) -> None:
        """Twice a second: the account, and whether this is fit for work."""
        clock = self.place.clock
        while True:
            factor = clock.factor if isinstance(clock, PacedClock) else 1.0
            publisher.describe(market=clock.now(), factor=factor, ready=self.verdict().ready, config=self.place.version)
            publisher.publish("position.account", account_state(self))
            self._note_doubts()
            self._note_gaps()
            await self.place.wall.sleep(0.5)

    async def _compare(self) -> None:
        """Our books against the broker's, again and again: a stream that looks healthy is no evidence."""
        every = RECONCILE_SECONDS[self.place.config.account.mode]
        while not await self.pause(every):
            trader = self.trader
            if trader is None or not trader.reconciled or self._in_doubt():
                continue
            try:
                await reconcile(trader.gateway)
            except PunaError as error:
                self.log.warning("reconciliation has to wait", code=error.code, what=error.what)

    def _note_gaps(self) -> None:
        gaps = self._bus.status.gaps if self._bus else 0
        if gaps > self._gaps:
            self._gaps, self._gap_at = gaps, self.place.wall.monotonic()

    def _gap_lately(self) -> bool:
        return bool(self._gap_at) and self.place.wall.monotonic() - self._gap_at < RECENT_SECONDS * NANOS

    def _note_doubts(self) -> None:
        now = self.place.wall.monotonic()
        self._doubts = {key: self._doubts.get(key, now) for key in self._in_doubt()}

    def _in_doubt(self) -> list[str]:
        """Orders whose fate is not known."""
        orders = self.trader.gateway.blotter.open if self.trader else {}
        return [key for key, order in orders.items() if order.status is Status.IN_DOUBT]

    def _in_doubt_long(self) -> bool:
        now = self.place.wall.monotonic()
        return any(now - since > DOUBT_SECONDS * NANOS for since in self._doubts.values())


def _strictest(*states: TradingState) -> TradingState:
    order = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)
    return max(states, key=order.index)


def _timing(place: Place) -> Timing:
    """Waits are in market time, and answers take wall time: at a speed, no wait is shorter than a second of that."""
    factor, usual = place.clock.factor if isinstance(place.clock, PacedClock) else 0.0, Timing()
    return Timing(
        settle=max(usual.settle, factor),
        intent=max(usual.intent, 5 * factor),
        transit=max(usual.transit, 2 * factor),
        resting=max(usual.resting, 10 * factor),
        refresh=max(usual.refresh, factor),
    )


def _until(place: Place) -> int:
    """The end of the last day that the exchange replays."""
    sim = place.config.sim
    days = trading_days(sim.day, sim.day + timedelta(days=2 * sim.days + 10))
    return days[sim.days - 1].close
