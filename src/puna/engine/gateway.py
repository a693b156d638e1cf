"""The sole owner of the wire: risk, reservation, journal, then the broker; and all evidence on its way back.

An order is checked and reserved in one synchronous step (I10), becomes durable together with the decision, and only
then leaves (`engine.outbound`). Evidence of every source goes through one reducer, is durable before it counts, and
counts before a strategy hears of it (R33). There is no way around any of this: what a strategy holds is a desk whose
orders end here.

The trading state is durable. When the journal cannot be written nothing new leaves; cancels still do (RES-01).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from puna import __version__
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.request import Lane
from puna.core.lineage import lineage
from puna.core.orders import Order, Status, from_intent, noted
from puna.core.risk import (
    Breach,
    Reservation,
    RiskLimits,
    RiskView,
    TradingState,
    check,
    protected_price,
    reduces,
)
from puna.core.risk_ceilings import unfit_for_live
from puna.core.types import OrderClass, OrderIntent
from puna.engine.blotter import Blotter, Booked, Change
from puna.engine.crossings import Crossings
from puna.engine.entries import (
    Adoption,
    CancelAsked,
    Crossed,
    Decision,
    Entry,
    Epoch,
    Evidence,
    Intent,
    Note,
    Opening,
    ParentBegun,
    ParentEnded,
    ParentReached,
    ParentStopped,
    Refusal,
    StateChange,
    Told,
)
from puna.engine.guard import Guard
from puna.engine.intake import Intake
from puna.engine.journal import Journal
from puna.engine.latch import Latch, scopes_of
from puna.engine.loosened import Confirmation
from puna.engine.market import MarketView
from puna.engine.means import Means
from puna.engine.outbound import Outbound, Timing
from puna.engine.probes import durable_points, seen_points
from puna.engine.recent import Recent
from puna.engine.refused import worded
from puna.engine.sighting import Sighting
from puna.engine.tasks import Line, Rank, Tasks
from puna.errors import ConfigError, JournalError
from puna.seams import Clock, Probe, no_probe

__all__ = ["Gateway"]

NANOS = 1_000_000_000
UNKNOWN_PRICE = Decimal("NaN")  # refuses whatever has to be compared with it (I11)
_EVIDENCE = frozenset({Evidence, Adoption})
_SEVERITY = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class Gateway:
    """Orders in, evidence back.

    Args:
        alpaca: the client; nobody else sends orders through it.
        journal: opened, and not yet replayed.
        market: what risk sees of the market.
        limits: what is allowed.
        clock: market time.
        timing: see `Timing`.
        prefix: the first part of our client_order_ids.
        netting: whether opposite orders of two strategies are crossed inside the account.
        probe: named points for tests that stop the process.
        live: it is a live account, and no limits above its ceilings are taken.

    Raises:
        ConfigError: E007, the limits do not fit a live account.

    Attributes:
        blotter: the books.
        gate: the strictest state that circumstances allow, such as a stream that is down (R4).
        tell: hears of every change, after it is durable and booked; synchronous, one caller at a time. While there is
            nobody to tell, what is booked stays untold.
        tell_refusal: hears of orders that were not sent: the intent, a code, the reason.
        watch: hears of every durable entry with its number, after it was taken in, and what it did to orders.
        sight: what the strategy of an order looked at, by name; written down with the decision.
        disagreement: where the broker's clock and our calendar differ; only reductions while it is not empty.
        lock: whoever handles an event holds it, so events are handled one at a time.
        confirmed: who says that limits may be looser than those of the run before; `loosened` is what is, and by whom.
    """

    def __init__(
        self,
        alpaca: AsyncAlpaca,
        journal: Journal,
        market: MarketView,
        limits: RiskLimits,
        clock: Clock,
        *,
        timing: Timing | None = None,
        prefix: str = "puna",
        netting: bool = True,
        probe: Probe = no_probe,
        live: bool = False,
    ) -> None:
        self._live = live
        self.alpaca = alpaca
        self.journal = journal
        self.market = market
        self.limits = limits
        self.clock = clock
        self.timing = timing or Timing()
        self.probe = probe
        self.blotter = Blotter()
        self.gate: Callable[[], TradingState] = lambda: TradingState.ACTIVE
        self.tell: Callable[[Sequence[Change]], None] | None = None
        self.tell_refusal: Callable[[OrderIntent, str, str], None] = lambda *_: None
        self.watch: Callable[[int, Entry, Sequence[Change]], None] | None = None
        self.sight: Callable[[OrderIntent], Mapping[str, float]] = lambda _: {}
        self.lock = asyncio.Lock()
        self.confirmed, self.loosened = Confirmation(), ""
        self.line = Line(lambda: alpaca.turnstiles["trading"].pause(Lane.ORDER), clock.backoff)
        self.tasks = Tasks()
        self.latch = Latch(journal.path)
        self.guard = Guard(self)
        self.outbound = Outbound(self)
        self.intake = Intake(self, prefix)
        self.crossings = Crossings(self, on=netting)
        self.heard: dict[str, int] = {}
        self._prefix = prefix
        self._count = 0
        self._reserved: dict[str, Intent] = {}
        self.recent = Recent()
        self._halted = ""
        self.means = Means(self)
        self.skew: float | None = None
        self.disagreement = ""
        self._heard_of = 0
        self._strange: set[str] = set()
        self._writing: set[asyncio.Task[object]] = set()

    @property
    def limits(self) -> RiskLimits:
        """What is allowed."""
        return self._limits

    @limits.setter
    def limits(self, limits: RiskLimits) -> None:
        if self._live and (against := unfit_for_live(limits)):
            raise ConfigError(
                "These limits do not fit a live account.",
                why="; ".join(against),
                state="Nothing was changed, and nothing was sent.",
                remedy="Lower them: the ceilings of a live account are compiled in. More: docs/risk.md.",
            )
        self._limits = limits

    # Life

    async def start(self) -> None:
        """Replays the journal, opens an epoch, and starts to work off the line.

        Raises:
            JournalError: the journal cannot be understood or written; nothing was sent.
            ConfigError: E530, the limits of a live account are looser than before, and nobody has confirmed them.
        """
        for seq, entry in self.journal.read():
            self.blotter.apply(seq, entry)
        self._heard_of = self.blotter.told
        for each in self.blotter.intents.values():
            self.recent.add(each.ts, each.intent, self.limits)
        last, now = self.blotter.epoch, self.clock.now()
        looser = self.loosened = self.confirmed.of(last.limits if last else None, self.limits, live=self._live)
        before = last.number if last else 0
        # At least the second of its start: also a new journal of an old account never makes an old id.
        number = max(before + 1, now // NANOS)
        epoch = Epoch(ts=now, number=number, prefix=self._prefix, version=__version__, limits=self.limits)
        await self.record(epoch, *([Note(ts=now, code="E530", text=f"limits loosened: {looser}")] if looser else []))
        if self.journal.failure is not None:
            raise self.journal.failure
        for wish in self.latch.all():
            self.hold(wish.state, wish.reason, wish.by, wish.scope)
        self.guard.begin()
        self.tasks.spawn(self.line.work(), "line")

    async def stop(self) -> None:
        """Ends all that runs, and closes the journal."""
        await self.noted()
        await self.tasks.close()
        if self._halted and self.blotter.state is not TradingState.HALTED:
            await self.decide(TradingState.HALTED, self._halted, "gateway")
        if self._heard_of > self.blotter.told:
            await self.record(Told(ts=self.clock.now(), up_to=self._heard_of))
        self.journal.close()

    # State

    @property
    def state(self) -> TradingState:
        """What may be sent now: the strictest of what was decided, the latch, and what circumstances allow."""
        decided = TradingState.HALTED if self._halted else self.blotter.state
        latched = self.latch.standing("")
        return _strictest(decided, self.gate(), latched.state if latched else TradingState.ACTIVE)

    def state_of(self, intent: OrderIntent) -> TradingState:
        """What may be sent of this order's strategy and symbol: never more than of the account."""
        state, decided = self.state, self.blotter.states
        for scope in scopes_of(intent.strategy, intent.symbol)[1:]:
            if scope in decided:
                state = _strictest(state, decided[scope].state)
            if (latched := self.latch.standing(scope)) is not None:
                state = _strictest(state, latched.state)
        return state

    def why(self, intent: OrderIntent) -> str:
        """Why not everything may be sent of this order's strategy and symbol, in words."""
        for scope in scopes_of(intent.strategy, intent.symbol):
            decided, latched = self.blotter.states.get(scope), self.latch.standing(scope)
            if not scope and self._halted:
                return self._halted
            if decided is not None and decided.state is not TradingState.ACTIVE:
                return decided.reason
            if latched is not None:
                return latched.reason
        return self.disagreement or "circumstances"

    @property
    def halted(self) -> str:
        """Why trading is halted; empty when it is not."""
        if self._halted:
            return self._halted
        latched = self.latch.standing("")
        if latched is not None and latched.state is TradingState.HALTED:
            return latched.reason
        return self.blotter.state_reason if self.blotter.state is TradingState.HALTED else ""

    def halt(self, reason: str, by: str = "gateway") -> None:
        """From now on nothing new leaves; cancels do. Only a person takes it back (I28)."""
        if not self.halted:
            self.hold(TradingState.HALTED, reason, by)

    def hold(self, state: TradingState, reason: str, by: str, scope: str = "") -> None:
        """Restricts at once, and writes it down; never loosens."""
        known = self.blotter.states.get(scope)
        if known is not None and _SEVERITY[known.state] >= _SEVERITY[state]:
            return
        if state is TradingState.HALTED and not scope:
            self._halted = self._halted or reason
        self.note_down(StateChange(ts=self.clock.now(), state=state, reason=reason, by=by, scope=scope))

    async def decide(self, state: TradingState, reason: str, by: str, scope: str = "") -> None:
        """Sets the trading state, durably."""
        await self.record(StateChange(ts=self.clock.now(), state=state, reason=reason, by=by, scope=scope))
        if self.journal.failure is None and not scope:
            self._halted = ""
        if state is TradingState.ACTIVE:
            self.guard.lifted()

    def heed(self, disagreement: str) -> None:
        """What the broker's clock and our calendar say differently; while they do, only reductions (TIM-04)."""
        if disagreement != self.disagreement:
            self.note("E621", disagreement or "the broker's clock and the calendar here agree again")
        self.disagreement = disagreement

    def note(self, code: str, text: str) -> None:
        """Writes down something that a person should know."""
        self.note_down(Note(ts=self.clock.now(), code=code, text=text))

    # Orders

    def next_id(self, strategy: str) -> str:
        """A client_order_id that was never used."""
        self._count += 1
        epoch = self.blotter.epoch.number if self.blotter.epoch else 0
        return f"{self._prefix}-{epoch}-{strategy}-{self._count}"

    def order(self, client_order_id: str) -> Order | None:
        """An order, also while it is only reserved."""
        held = self._reserved.get(client_order_id)
        return self.blotter.orders.get(client_order_id) or (from_intent(held.intent) if held else None)

    def open_orders(self) -> list[Order]:
        """All that may still fill, those that are only reserved among them."""
        waiting = [from_intent(each.intent) for key, each in self._reserved.items() if key not in self.blotter.orders]
        return [*self.blotter.open.values(), *waiting]

    def submit(self, intent: OrderIntent) -> Breach | None:
        """Checks and reserves, at once; the order then takes its way. A breach means that nothing is sent."""
        self.probe("signal")
        view = self.view(intent)
        netting = self.crossings.plan(intent, view)
        if netting.netted:
            view = replace(view, netted=netting.netted)
        breach = check(intent, view, self._limits)
        if breach is not None:
            breach = _with_obstacle(breach, netting.obstacle)
            self.refuse(intent, breach, view)
            return breach
        price = protected_price(intent, view.quote, self._limits)
        entry = Intent(
            ts=view.now,
            intent=intent,
            price=UNKNOWN_PRICE if price is None else price,
            mid=view.quote.mid if view.quote is not None and view.quote.usable else None,
        )
        self._reserved[intent.client_order_id] = entry
        self.recent.add(view.now, intent, self._limits)
        self.outbound.in_hand.add(intent.client_order_id)
        self.probe("risk-reserved")
        bar, seen = self.market.last_bar(intent.symbol, "1Min"), dict(self.sight(intent))
        decision = Decision(ts=view.now, client_order_id=intent.client_order_id, view=view, bar=bar, seen=seen)
        self.crossings.ask(intent.client_order_id, (decision, entry), netting.crosses, view.quote)
        self.line.put(Rank.ORDER, lambda: self._send(decision, entry))
        return None

    def enlist(self, entry: ParentBegun | ParentStopped | ParentReached | ParentEnded) -> None:
        """Writes down what is about a parent order, before any of its children that are submitted from now on."""
        ticket = self.crossings.enlist(entry)
        self.line.put(Rank.ORDER, lambda: self.written(ticket))

    def refuse(self, intent: OrderIntent, breach: Breach, view: RiskView | None = None) -> None:
        """Writes down that an order was not sent, and tells."""
        view = view or self.view(intent)
        self.note_down(self._refusal(intent, breach, view))
        self.tell_refusal(intent, breach.code, worded(breach))

    def _refusal(self, intent: OrderIntent, breach: Breach, view: RiskView) -> Refusal:
        bar, seen = self.market.last_bar(intent.symbol, "1Min"), dict(self.sight(intent))
        return Refusal(ts=view.now, intent=intent, breach=breach, view=view, bar=bar, seen=seen)

    def replace(self, client_order_id: str, intent: OrderIntent) -> Breach | None:
        """Lets `intent` take the place of an order, if that is open and has no fills (R10)."""
        old = self.blotter.orders.get(client_order_id)
        if old is None or not old.replaceable or client_order_id in self.blotter.cancels:
            status = "unknown" if old is None else str(old.status)
            breach = Breach("R103", "order_rules", "this order cannot be replaced now: cancel it and send anew", status)
            self.refuse(intent, breach)
            return breach
        return self.submit(replace(intent, replaces=client_order_id))

    def cancel(self, client_order_id: str, because: str = "") -> bool:
        """Asks for the end of an order; False when there is nothing to cancel. What comes of it is told as evidence."""
        order = self.order(client_order_id)
        if order is None or order.is_terminal:
            return False
        asked = CancelAsked(ts=self.clock.now(), client_order_id=client_order_id, because=because)
        self.line.put(Rank.CANCEL, lambda: self._cancel(asked))
        return True

    def objection(self, intent: OrderIntent) -> str:
        """Why an approved order must not leave now, or leave again; empty when it may."""
        if intent.client_order_id in self.blotter.cancels:
            return "it was canceled before it was sent"
        if doomed := self.crossings.doomed(intent.client_order_id):
            return doomed
        state = self.state_of(intent)
        if state is TradingState.HALTED:
            return f"trading was halted before it was sent: {self.why(intent)}"
        if state is TradingState.REDUCING and not reduces(intent, self.view(intent)):
            return "only reductions may be sent now"
        deadline = intent.deadline or intent.ts + round(self.timing.intent * NANOS)
        return "its deadline passed before it was sent" if self.clock.now() > deadline else ""

    def view(self, intent: OrderIntent) -> RiskView:
        """All that a decision about `intent` depends on."""
        now, portfolio, key = self.clock.now(), self.blotter.portfolio, intent.client_order_id
        return RiskView(
            now=now,
            state=self.state_of(intent),
            portfolio=portfolio,
            instrument=self.market.listings.get(intent.symbol),
            quote=self.market.quotes.get(intent.symbol),
            open=tuple(self._reservations()),
            recent=self.recent.alike(intent, now, self._limits),
            submits=self.recent.count(now, self._limits),
            buying_power=self.means.power_for(intent),
            id_used=key in self.blotter.orders or key in self._reserved,
            locks=self.guard.locks(),
            tally=self.guard.tally,
            maintenance=self.means.maintenance,
            option_level=self.means.option_level,
            skew=self.skew,
            **self.guard.asked_for(intent, now),
        )

    def untold(self) -> list[Booked]:
        """Fills that are booked and of which no strategy is known to have heard; now they count as told."""
        found = [each for each in self.blotter.booked if each.seq > self._heard_of]
        self._heard_of = self.blotter.seq
        return found

    # Evidence

    async def absorb(self, sightings: Iterable[Sighting], *, booked: bool = True) -> list[Change]:
        """Takes evidence in: durable first, then booked, then told. What is known already changes nothing.

        Orders that nobody knows are adopted, ours by their prefix, others as external; `booked` says whether their
        fills are still to be booked.
        """
        sightings = list(sightings)
        if self.probe is not no_probe:
            for point in seen_points(sightings):
                self.probe(point)
        async with self.lock:
            entries = self.intake.entries(sightings, booked=booked)
            return await self._keep(entries) if entries else []

    async def open_books(self, opening: Opening, sightings: Iterable[Sighting]) -> None:
        """Begins the books: in one commit the figures, and the orders whose fills they hold already."""
        async with self.lock:
            await self._keep([*self.intake.entries(sightings, booked=False), opening])

    async def record(self, *entries: Entry) -> list[Change]:
        """Writes entries and takes them in. If they cannot be written, trading halts, and facts count all the same."""
        async with self.lock:
            return await self._keep(entries)

    def local(self, client_order_id: str, word: str, reason: str = "") -> Sighting:
        """A record of our own doing, stamped later than any before it."""
        self.blotter.stamp = max(self.blotter.stamp + 1, self.clock.now())
        return Sighting(noted(client_order_id, word, self.blotter.stamp, reason))

    async def settled(self) -> None:
        """Returns when nothing is on its way: no job in the line, no order in doubt that is being asked about."""
        while True:
            await self.line.idle()
            if not await self.outbound.resolved():
                return

    async def written(self, key: str) -> None:
        """Writes down what is to be durable before `key` may leave: it, and what it is crossed with."""
        while entries := self.crossings.due(key):
            await self.record(*entries)

    # Inside

    async def _send(self, decision: Decision, entry: Intent) -> None:
        """Journal, then wire."""
        key = entry.intent.client_order_id
        await self.written(key)
        self.crossings.leave(key)
        failure = self.journal.failure
        if failure is not None and key not in self.blotter.intents:
            self.outbound.in_hand.discard(key)
            self._reserved.pop(key, None)  # it was never durable and never sent: there is nothing to wait for
            self.refuse(entry.intent, Breach(failure.code, "journal", failure.what), decision.view)
            return
        self.probe("replace-durable" if entry.intent.replaces else "intent-durable")
        await self.outbound.send(key)

    async def _cancel(self, asked: CancelAsked) -> None:
        await self.record(asked)  # a cancel needs no record: it goes out also when there can be none (RES-01)
        self.probe("cancel-durable")
        await self.outbound.cancel(asked.client_order_id)

    def _reservations(self) -> Iterable[Reservation]:
        for key, order in self.blotter.open.items():
            if _counts_elsewhere(order):
                continue
            known = self.blotter.intents.get(key)
            price = known.price if known else self._guessed_price(order)
            yield Reservation(intent=order.intent, leaves=order.leaves, price=price, counted=key in self.means.counted)
        for key, entry in self._reserved.items():
            if key not in self.blotter.orders:
                yield Reservation(intent=entry.intent, leaves=entry.intent.qty, price=entry.price)

    def _guessed_price(self, order: Order) -> Decimal:
        price = protected_price(order.intent, self.market.quotes.get(order.intent.symbol), self.limits)
        return UNKNOWN_PRICE if price is None else price

    async def _keep(self, entries: Sequence[Entry]) -> list[Change]:
        """Durable, then applied, then told. The lock is held."""
        if self._heard_of > self.blotter.told and not _EVIDENCE.isdisjoint(map(type, entries)):
            entries = (Told(ts=self.clock.now(), up_to=self._heard_of), *entries)
        durable = await self._write(entries)
        self.crossings.settle(entries)
        if not durable:  # facts count all the same; wishes do not
            entries = [entry for entry in entries if not isinstance(entry, Intent | Crossed)]
        first = self.blotter.seq + 1
        changes = list[Change]()
        for seq, entry in enumerate(entries, first):
            done = self.blotter.apply(seq, entry)
            changes += done
            if durable and self.watch is not None:
                self.watch(seq, entry, done)
        for change in changes:
            self._reserved.pop(change.order.client_order_id, None)
            self._attend(change)
        filled = [change for change in changes if change.fills]
        if filled:
            self.probe("fill-projected")
        if durable and changes and self.tell is not None:
            self.tell(changes)
            self._heard_of = self.blotter.seq
            if filled:
                self.probe("strategy-told")
        return changes

    def note_down(self, entry: Entry) -> None:
        """Records an entry soon; whoever asks for it does not wait, and `stop` does."""
        task = self.tasks.spawn(self.record(entry), "record")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def noted(self) -> None:
        """Returns when all that was noted down is written, or cannot be."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write(self, entries: Sequence[Entry]) -> bool:
        """False when the journal cannot be written; trading is halted then."""
        try:
            await self.journal.append(*entries)
        except JournalError as error:
            if not self.halted:
                self._halted = error.what
            return False
        if self.probe is not no_probe:
            for point in durable_points(entries):
                self.probe(point)
        return True

    def _attend(self, change: Change) -> None:
        """What a change asks for: an alarm, a watch, a cancel that was waiting."""
        order = change.order
        key = order.client_order_id
        if order.overfill or len(order.broker_ids) > 1:
            self.halt(f"{key} was filled beyond its quantity, or lives twice at the broker: {order.broker_ids}")
        elif change.fills and order.replaces and lineage(self.blotter.kin(key), key).overfill:
            self.halt(f"{key} and the orders that it replaced were filled beyond what was wanted")
        if order.intent.order_class is OrderClass.MLEG and (
            head := self.blotter.orders.get(order.intent.leg_of or key)
        ):
            self.outbound.gather(head)
        for word in order.strange:
            if (mark := f"{key} {word}") not in self._strange:
                self._strange.add(mark)
                self.note("E300", f"the broker used a word that nobody here knows about {key}: {word}")
        if order.seen and not order.is_terminal:
            self.outbound.attend(key)
        for fill in change.fills:
            if not fill.internal:  # the broker's figures know nothing of it
                self.means.take(fill)


def _strictest(*states: TradingState) -> TradingState:
    return max(states, key=_SEVERITY.__getitem__)


def _counts_elsewhere(order: Order) -> bool:
    """A leg of a package counts with its head; an exit that is held cannot fill while the other one works."""
    intent = order.intent
    return intent.leg_of is not None and (intent.order_class is OrderClass.MLEG or order.status is Status.HELD)


def _with_obstacle(breach: Breach, obstacle: str) -> Breach:
    """R114 with the reason why both were not crossed inside instead."""
    if breach.code != "R114" or not obstacle:
        return breach
    return replace(breach, message=f"{breach.message}, and cannot be crossed with it: {obstacle}")
