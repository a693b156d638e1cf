"""All of a backtest but its bars: clock, venue, broker, gateway, desk and books, put together as `assemble` does.

What is real: strategies, portfolio, risk, gateway, journal entries, evidence, reconciliation, the venue with matching,
ledger, fees, corporate actions, expiry. What is left out: HTTP, WebSockets, JSON, the journal's disk, and whoever
watches for what a wire can lose.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from puna.core.decimals import NANO, plain
from puna.core.portfolio import Portfolio
from puna.core.risk import RiskLimits, TradingState
from puna.core.types import Position
from puna.engine.desk import StrategyDesk
from puna.engine.entries import Entry, Moved, Told
from puna.engine.feed import Feed
from puna.engine.gateway import Gateway
from puna.engine.journal import Journal, MemoryStorage
from puna.engine.market import MarketView
from puna.engine.movements import bookings
from puna.engine.reconcile import reconcile
from puna.engine.record import BookRow, Books
from puna.engine.recorder import Recorder
from puna.engine.sighting import Sighting
from puna.engine.strategy import Strategy
from puna.engine.timeframe import minutes
from puna.errors import PunaError
from puna.exchange.account.activities import Record as ActivityRecord
from puna.exchange.commands import Command, Event, Submit
from puna.exchange.faults import FaultScript
from puna.exchange.floor import Floor
from puna.exchange.ledger import Cause
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.market import Market
from puna.exchange.terms import VenueOptions
from puna.research.backtest.broker import InProcess
from puna.research.backtest.quiet import Quiet, QuietVenue
from puna.research.backtest.stage import NEVER, PromptLine, Turns, VirtualClock
from puna.seams import SeededIds, seeded_rng
from puna.wire.activities import Activity
from puna.wire.trading import Order, TradeUpdate

__all__ = ["BarHouse", "EntryJournal", "House"]

HALF_A_CENT = Decimal("0.005")


class EntryJournal(Journal):
    """A journal whose entries stay what they are: no JSON, no chain of hashes, no disk.

    Attributes:
        entries: all of them, from the first on.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(MemoryStorage(), clock)
        self.entries: list[Entry] = []

    async def append(self, *entries: Entry) -> int:
        self.entries += entries
        return len(self.entries)


def _repeats(event: Event, shown: Order) -> bool:
    return isinstance(event, TradeUpdate) and event.event in ("pending_new", "new") and event.order.id == shown.id


class House:
    """One trading process and its broker, on one virtual clock.

    Args:
        strategies: each with a name of its own.
        floor: the venue, and its market time.
        view: what the gateway sees of the market.
        clock: market time, at the beginning.
        limits: risk limits.
        config: what the exchange's routes go by.
        netting: whether opposite orders of two strategies are crossed inside the account.
        check: whether a strategy's timeframe can be run; raises what a configuration error is.

    Attributes:
        moments: when the portfolio changed, and what it was then.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        floor: Floor,
        view: MarketView,
        clock: VirtualClock,
        *,
        limits: RiskLimits,
        config: ExchangeConfig,
        netting: bool = True,
        check: Callable[[str], object] = minutes,
    ) -> None:
        self.clock = clock
        self.floor = floor
        self.venue = floor.venue
        self.journal = EntryJournal(clock)
        alpaca = InProcess(floor, config, clock, self.execute)
        self.gateway = Gateway(alpaca, self.journal, view, limits, clock, netting=netting)
        self.turns = Turns(clock)
        self.line = PromptLine()
        self.gateway.tasks, self.gateway.line = self.turns, self.line
        self.desk = StrategyDesk(strategies, self.gateway, check=check)
        self.recorder = Recorder(self.gateway.blotter, view)
        self.feed = Feed(self.gateway, self.desk, self.recorder, feed=None)
        self.moments: list[tuple[int, Portfolio]] = []
        self._movements: list[Activity] = []
        self.venue.office.activities.listen(self._hear_movement)

    def execute(self, command: Command) -> object:
        """The venue's answer now."""
        return self.floor.execute(command)

    def settle(self) -> None:
        """Until nothing moves any more at the present market time: jobs in the line, and turns."""
        while True:
            if self.turns.ready:
                self.turns.run()
            elif self.line.jobs:
                self.turns.start(self.line.idle(), "line")
            else:
                self.remember()
                return

    def absorb(self, updates: Iterable[TradeUpdate]) -> None:
        """What the trading stream tells."""
        self.turns.finish(self.gateway.absorb([Sighting.of("stream", each) for each in updates]), "evidence")

    def remember(self) -> None:
        """The portfolio, whenever it has changed."""
        portfolio = self.gateway.blotter.portfolio
        if not self.moments or self.moments[-1][1] is not portfolio:
            self.moments.append((self.clock.time, portfolio))

    def _hear_movement(self, record: ActivityRecord) -> None:
        if record.activity.activity_type != "FILL":
            self._movements.append(record.activity)

    def book_movements(self) -> None:
        """Books what moved without an order: fees, splits, dividends, options that ended; as reconciliation would.

        The venue's activities explain it, as the broker's do live; only nobody has to ask for them.
        """
        if not self._movements:
            return
        told, self._movements = self._movements, []
        holdings = self.venue.ledger.holdings.items()
        held = {
            symbol: Position(symbol=symbol, qty=plain(each.qty), cost=plain(each.cost)) for symbol, each in holdings
        }
        rows = bookings(told, self.gateway.blotter.portfolio, held, self.clock.time)
        if rows:
            self.turns.finish(self.gateway.record(*(Moved(ts=each.ts, booking=each) for each in rows)), "movements")
        self.remember()

    def reconcile(self) -> None:
        """As at the start of every trading process."""
        self.turns.finish(reconcile(self.gateway), "reconcile")
        self.settle()

    def compare(self) -> Books:
        """Cash and positions, ours beside those of the venue's ledger."""
        ours, ledger = self.gateway.blotter.portfolio, self.venue.ledger
        symbols = sorted({*ours.positions, *ledger.holdings})
        # A coin's fee leaves dust below the ninth decimal, which no position shows.
        held = {each: plain(ledger.quantity(each).quantize(NANO)) for each in symbols}
        rows = [BookRow(item=each, ours=ours.qty(each), broker=held[each]) for each in symbols]
        close = abs(ledger.cash - ours.cash) < HALF_A_CENT  # averages are told rounded
        rows.insert(0, BookRow(item="cash", ours=ours.cash, broker=ours.cash if close else plain(ledger.cash)))
        self.recorder.books = Books(equal=all(row.equal for row in rows), rows=rows)
        return self.recorder.books

    def bring(self, holding: Mapping[str, tuple[Decimal, Decimal]]) -> None:
        """What the account holds already, symbol -> quantity and average price; before `begin`, and beside the cash."""
        ledger = self.venue.ledger
        for symbol, (qty, price) in holding.items():
            before = ledger.cash
            ledger.move(Cause.JOURNAL, symbol, qty, price)
            ledger.pay(Cause.JOURNAL, before - ledger.cash, symbol)

    def begin(self) -> None:
        """The journal opens, the books begin, listings and warm-up are asked for, strategies start.

        Raises:
            PunaError: a symbol is not known, or the books cannot begin.
        """
        self.turns.finish(self.gateway.start(), "start")
        self.turns.run()
        self.reconcile()
        self.turns.finish(self.feed.look_around(), "look around")
        self.recorder.begin(self.clock.time, self.desk.equity())
        self.desk.start()
        self.settle()

    def end(self, *, over: bool) -> None:
        """Strategies are told, what they leave open ends."""
        self.settle()
        self.desk.stop(over=over)
        self.settle()

    def close(self) -> None:
        """The last word to the journal."""
        gateway = self.gateway
        if gateway.blotter.seq > gateway.blotter.told:
            self.turns.finish(gateway.record(Told(ts=self.clock.time, up_to=gateway.blotter.seq)), "told")
        self.turns.finish(self.turns.close(), "close")
        self.journal.close()

    @property
    def outcome(self) -> str:
        return "halted" if self.gateway.halted else "completed"

    @property
    def state(self) -> TradingState:
        return TradingState.HALTED if self.gateway.halted else self.gateway.blotter.state

    def check_conservation(self) -> None:
        """The venue's double entry and our books.

        Raises:
            PunaError: E672, cash or positions were made or lost.
        """
        imbalance, books = self.venue.ledger.imbalance, self.compare()
        differing = [row for row in books.rows if not row.equal]
        if abs(imbalance) > HALF_A_CENT or differing:
            raise PunaError(
                "The books of this backtest do not add up.",
                why=f"imbalance {imbalance}; " + ", ".join(f"{r.item} {r.ours} / {r.broker}" for r in differing),
                state="The result is worth nothing.",
                remedy="Please report it, with the strategy and the data.",
                code="E672",
            )


class BarHouse(House):
    """A house whose market is made bar by bar, by whoever drives it.

    Attributes:
        filled: shares that were filled so far, by symbol.
        owed: what fees of coins have taken at the venue and the books do not know yet, or know now (negative): when, of
            what, so many coins, so many dollars.
        before: hears of a command before the venue does.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        market: Market,
        view: MarketView,
        clock: VirtualClock,
        *,
        options: VenueOptions,
        limits: RiskLimits,
        config: ExchangeConfig,
        seed: int,
        netting: bool = True,
        check: Callable[[str], object] = minutes,
    ) -> None:
        self._quiet = venue = QuietVenue(
            market, ids=SeededIds(seeded_rng(f"venue {seed}")), options=options, log=Quiet()
        )
        floor = Floor(venue, market, FaultScript((), seeded_rng(f"faults {seed}")), start=clock.time)
        super().__init__(strategies, floor, view, clock, limits=limits, config=config, netting=netting, check=check)
        self.before: Callable[[Command], None] = lambda _: None
        self.filled: dict[str, float] = {}
        self.owed: list[tuple[int, str, Decimal, Decimal]] = []
        self._changes = self._known = 0
        self._inbox: list[TradeUpdate] = []

    def execute(self, command: Command) -> object:
        """The venue's answer now; what follows from it is in the inbox."""
        self.floor.now = now = self.clock.time
        self.before(command)
        reply, events = self.venue.handle(command, now)
        self.take(events)
        if isinstance(command, Submit) and isinstance(reply, Order):
            return self._acknowledged(reply, now)
        return reply

    def _acknowledged(self, reply: Order, now: int) -> Order:
        """The order as it is when all that is due at once has happened; what the answer shows is not told once more."""
        events = self.venue.advance(now)
        shown = self.venue.order(reply.id, nested=True)
        if shown is None or shown.status != "new":
            self.take(events)
            return reply
        self.take(each for each in events if not _repeats(each, shown))
        return shown

    def take(self, events: Iterable[object]) -> None:
        """Keeps what the trading stream would tell."""
        for event in events:
            if isinstance(event, TradeUpdate):
                self._inbox.append(event)
                if event.qty is not None and event.order.symbol:
                    symbol = event.order.symbol
                    self.filled[symbol] = self.filled.get(symbol, 0.0) + float(event.qty)
                    if "/" in symbol:
                        self._owe()

    def _owe(self) -> None:
        """A coin's fee leaves the account with its trade; the activity by which the books know comes with the night."""
        changes = self.venue.ledger.changes
        for each in changes[self._changes :]:
            if each.cause is Cause.COIN_FEE:
                self.owed.append((self.clock.time, each.symbol, -each.qty, -each.cash))
        self._changes = len(changes)

    def book_movements(self) -> None:
        charged = any(each.activity_type == "CFEE" for each in self._movements)
        super().book_movements()
        if charged:
            self.owed += [(self.clock.time, symbol, -qty, -cash) for _, symbol, qty, cash in self.owed[self._known :]]
            self._known = len(self.owed)

    def advance(self, to: int) -> None:
        """Lets the venue do what is due up to `to`."""
        self.floor.now = to
        self.take(self.venue.advance(to))

    def settle(self) -> None:
        """Until nothing moves any more at the present market time: evidence, jobs, turns, and what is due at once."""
        while True:
            if self._inbox:
                told, self._inbox = self._inbox, []
                self.absorb(told)
            elif self.turns.ready:
                self.turns.run()
            elif self.line.jobs:
                self.turns.start(self.line.idle(), "line")
            else:
                if self._due() > self.clock.time:
                    self.remember()
                    return
                self.advance(self.clock.time)

    def next_due(self) -> int:
        """When the venue has something to do that leaves a trace, or a sleeper."""
        return min(self._due(), self.turns.next_due())

    def _due(self) -> int:
        due = self._quiet.next_trace()
        return NEVER if due is None else due

    def pass_to(self, to: int, before: Callable[[int], None] = lambda _: None) -> None:
        """Moves market time to `to`, through everything that is due until then; `before` hears of each instant."""
        while (due := self.next_due()) <= to:
            self.clock.time = max(self.clock.time, due)
            before(self.clock.time)
            self.advance(self.clock.time)
            self.turns.wake(self.clock.time)
            self.settle()
            self.book_movements()
        self.clock.time = max(self.clock.time, to)
