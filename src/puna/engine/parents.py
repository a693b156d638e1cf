"""Parent orders under way: `core.execution` decides, this asks, submits, cancels, reads again, and wakes it up.

Children go through the gateway like any other order: risk, journal, wire, evidence. A parent is durable before its
first child, and its state is nothing but its children's, so after a restart it is taken up where the journal left it.
Whoever calls holds the gateway's lock, as for every event.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from decimal import Decimal
from typing import Any

from puna.core import exits
from puna.core.execution import (
    Action,
    AskQuote,
    CancelChild,
    ChildChanged,
    ChildRead,
    ChildRefused,
    Done,
    Event,
    Parent,
    Participate,
    QuoteSeen,
    ReadChild,
    Stop,
    SubmitChild,
    Tick,
    VolumeSeen,
    WakeAt,
    market,
    step,
)
from puna.core.exits import ExitState
from puna.core.orders import Order
from puna.core.parent import Alarm, CancelEntry, Halted, Reached
from puna.core.symbols import asset_class, is_symbol
from puna.core.types import ZERO, AssetClass, Bar, OrderClass, OrderIntent, OrderType, Quote, TimeInForce, exact
from puna.engine.blotter import Change
from puna.engine.entries import ParentBegun, ParentEnded, ParentStopped
from puna.engine.gateway import Gateway
from puna.engine.quotes import latest_quotes
from puna.engine.watched_exits import WatchedExits
from puna.engine.working import NEVER_WAS, Working, taken_up
from puna.errors import PunaError

__all__ = ["Parents"]

NANOS = 1_000_000_000
RETRY_SECONDS = 1.0
_PASSING = frozenset({"R101", "R109", "R110", "R111", "R114"})  # a stream is down, a quote old, the minute full


class Parents:
    """All parent orders of a run.

    Args:
        gateway: takes the children.
        feed: of quotes asked for over REST; None leaves it to the broker.

    Attributes:
        on_done: hears of each that has ended.
        exits: those among them that are exits.
        over: the run is ending; exits are left as they are, for the next one to take up.
    """

    def __init__(self, gateway: Gateway, *, feed: str | None = None) -> None:
        self.on_done: Callable[[ParentBegun, ParentEnded], None] = lambda *_: None
        self.over = False
        self._gateway = gateway
        self._feed_name = feed
        self._live: dict[str, Working] = {}
        self._taken_up: list[tuple[str, tuple[Action, ...], str]] = []
        self.exits = WatchedExits(gateway, self._live.values, self._feed)

    def __iter__(self) -> Iterator[Working]:
        return iter(self._live.values())

    def begin(self, strategy: str, parent: Parent, because: str = "", entry: OrderIntent | None = None) -> str:
        """Starts to work a parent; gives its id. Exits are durable before the `entry` that they protect leaves."""
        gateway = self._gateway
        begun = ParentBegun(
            ts=gateway.clock.now(),
            parent_id=gateway.next_id(strategy),
            strategy=strategy,
            parent=parent,
            arrival=self._middle(parent),
            because=because,
        )
        gateway.enlist(begun)
        working = self._live[begun.parent_id] = Working(begun)
        if entry is not None:
            gateway.submit(entry)
        self.exits.tell(strategy, parent.symbol)
        for symbol in parent.symbols:
            if (quote := gateway.market.quotes.get(symbol)) is not None:
                self._feed(working, QuoteSeen(quote, quote.ts_init))
        self._feed(working, Tick())
        return begun.parent_id

    def stop(self, parent_id: str, reason: str) -> bool:
        """Lets one end: what works is cancelled. False when it has ended already."""
        working = self._live.get(parent_id)
        if working is None:
            return False
        if not working.state.stopped:
            now = self._gateway.clock.now()
            self._gateway.enlist(ParentStopped(ts=now, parent_id=parent_id, reason=reason))
        self._feed(working, Stop(reason))
        return True

    def stop_all(self, reason: str, strategy: str | None = None) -> None:
        """Lets all of a strategy, or of everybody, end. Exits go on: whoever fails or leaves stays protected."""
        for working in list(self._live.values()):
            if isinstance(working.state, ExitState):
                continue
            if strategy is None or working.begun.strategy == strategy:
                self.stop(working.id, reason)

    def take_up(self) -> None:
        """After a restart: every parent that the journal does not know the end of. `go_on` sets them to work."""
        blotter = self._gateway.blotter
        for known in blotter.parents.values():
            key = known.begun.parent_id
            if known.ended is not None and not known.stopped:
                self.exits.remember(known.begun)
            if known.ended is None and key not in self._live:
                self._live[key], actions = self._again(known.begun)
                self._taken_up.append((key, actions, known.stopped))

    def go_on(self) -> None:
        """Children that have ended are read again, and the parents that were taken up go on."""
        taken_up, self._taken_up = self._taken_up, []
        for key, actions, stopped in taken_up:
            working = self._live[key]
            self._do_all(working, actions)
            self.exits.tell(working.begun.strategy, working.parent.symbol)
            for symbol in working.parent.symbols:
                if (quote := self._gateway.market.quotes.get(symbol)) is not None:
                    self._feed(working, QuoteSeen(quote, quote.ts_init))
            self._feed(working, Stop(stopped) if stopped else Tick())

    # What happens.

    def hear_quote(self, quote: Quote) -> None:
        """A sound quote."""
        for working in list(self._live.values()) if self._live else ():
            if quote.symbol in working.parent.symbols:
                self._feed(working, QuoteSeen(quote))

    def hear_minute(self, bar: Bar) -> None:
        """A bar of one minute: what the market traded, less what we did ourselves."""
        for working in list(self._live.values()) if self._live else ():
            if isinstance(working.parent.style, Participate) and bar.symbol == working.parent.symbol:
                own = working.own.pop(bar.ts_event, ZERO)
                if bar.ts_event >= working.parent.start:
                    self._feed(working, VolumeSeen(max(ZERO, exact(bar.volume) - own)))

    def hear(self, change: Change) -> None:
        """A child changed; durable and booked."""
        intent = change.order.intent
        if change.fills and any(fill.qty for fill in change.fills):
            self._hear_entry(change.order)
        if not self._live:
            return
        self.exits.tell(intent.strategy, intent.symbol)
        working = self._live.get(intent.parent or "")
        if working is None or intent.leg_of is not None:
            return
        for fill in change.fills:
            working.count(fill)
        order, number = change.order, working.number(intent.client_order_id)
        if order.status in NEVER_WAS and not order.filled_qty:
            self._feed(working, ChildRefused(number, order.reason or str(order.status)))
        elif order.seen or order.is_terminal:  # what we only sent is no success yet
            self._feed(working, ChildChanged(number, order.filled_qty, order.is_terminal))

    def hear_refusal(self, intent: OrderIntent, code: str, reason: str) -> None:
        """A child was not sent. What passes by itself does not count against its parent."""
        self.exits.tell(intent.strategy, intent.symbol)
        working = self._live.get(intent.parent or "")
        if working is not None:
            passing = code in _PASSING and not self._gateway.halted
            number = working.number(intent.client_order_id)
            self._feed(working, ChildRefused(number, f"{code} {reason}", passing))

    # Inside.

    def _feed(self, working: Working, event: Event) -> None:
        """One event at a time, those that it causes after it."""
        working.events.append(event)
        if working.busy:
            return
        working.busy = True
        try:
            while working.events:
                self._step(working, working.events.popleft())
        finally:
            working.busy = False

    def _step(self, working: Working, event: Event) -> None:
        now = self._gateway.clock.now()
        if isinstance(working.state, ExitState):
            still = self.over or bool(self._gateway.halted)
            before = (Halted(still),) if still is not working.state.halted else ()
            for each in (*before, event):
                working.state, actions = exits.step(working.parent, working.state, each, now)
                self._do_all(working, actions)
            return
        if self._gateway.halted and not working.state.stopped:
            working.state, actions = step(working.parent, working.state, Stop("trading is halted"), now)
            self._do_all(working, actions)
        working.state, actions = step(working.parent, working.state, event, now)
        self._do_all(working, actions)

    def _do_all(self, working: Working, actions: Sequence[Action]) -> None:
        for action in actions:
            self._do(working, action)

    def _do(self, working: Working, action: Action) -> None:
        match action:
            case SubmitChild():
                self._submit(working, action)
            case CancelChild(number):
                self._gateway.cancel(working.children[number], "its parent order has moved on")
            case ReadChild(number):
                self._spawn(self._read(working, number), f"read {working.children[number]}")
            case AskQuote():
                self._spawn(self._ask(working), f"quote for {working.id}")
            case WakeAt(ts):
                self._wake(working, ts)
            case Done(filled, reason):
                self._end(working, filled, reason)
            case CancelEntry() | Reached() | Alarm():
                self.exits.do(working, action)

    def _submit(self, working: Working, action: SubmitChild) -> None:
        gateway, parent = self._gateway, working.parent
        assert action.number == len(working.children)  # noqa: S101 - children are numbered as they are sent
        key = gateway.next_id(working.begun.strategy)
        working.add(key)
        intent = OrderIntent(
            client_order_id=key,
            strategy=working.begun.strategy,
            symbol=parent.symbol,
            side=parent.side,
            qty=action.qty,
            type=_type(action),
            time_in_force=_time_in_force(parent.symbol, action),
            ts=gateway.clock.now(),
            limit_price=action.limit,
            stop_price=action.stop,
            extended_hours=action.extended,
            order_class=OrderClass.MLEG if parent.legs else OrderClass.SIMPLE,
            legs=parent.legs,
            parent=working.id,
            because=working.begun.because,
        )
        gateway.submit(intent)  # a refusal is told, and comes back as an event

    def _end(self, working: Working, filled: Decimal, reason: str) -> None:
        now = self._gateway.clock.now()
        ended = ParentEnded(
            ts=now, parent_id=working.id, filled=filled, reason=reason, mid=self._middle(working.parent)
        )
        self._live.pop(working.id, None)
        self.exits.end(working)
        self._gateway.enlist(ended)
        self.on_done(working.begun, ended)

    def _wake(self, working: Working, ts: int) -> None:
        if not working.wake or ts < working.wake:
            working.wake = ts
            self._spawn(self._sleep(working, ts), f"wake {working.id}")

    async def _sleep(self, working: Working, ts: int) -> None:
        clock = self._gateway.clock
        while (left := ts - clock.now()) > 0:
            await clock.sleep(left / NANOS)
        async with self._gateway.lock:
            if working.wake == ts and working.id in self._live:
                working.wake = 0
                self._feed(working, Tick())

    async def _read(self, working: Working, number: int) -> None:
        """Reads a child again, until the broker answers; what never was at the broker needs no reading."""
        gateway, key = self._gateway, working.children[number]
        while gateway.blotter.orders[key].seen and not await gateway.outbound.query(key):
            await gateway.clock.backoff(RETRY_SECONDS)
        async with gateway.lock:
            order = gateway.blotter.orders[key]
            self._feed(working, ChildRead(number, order.filled_qty, order.is_terminal))

    async def _ask(self, working: Working) -> None:
        """Fresh quotes of what the parent trades; without an answer the stream's next one has to do."""
        gateway, symbols = self._gateway, working.parent.symbols
        try:
            quotes = await latest_quotes(gateway.alpaca, gateway.clock, symbols, feed=self._feed_name)
        except PunaError as error:
            gateway.note(error.code, f"no fresh quote for {working.id}: {error.what}")
            return
        async with gateway.lock:
            for quote in quotes:
                gateway.market.take_quote(quote)
                if working.id in self._live:
                    self._feed(working, QuoteSeen(gateway.market.quotes[quote.symbol]))

    def _hear_entry(self, order: Order) -> None:
        """An entry that was filled after its exits had ended gets them back."""
        begun = self.exits.given_back(order)
        if begun is not None:
            working, actions = self._again(begun)
            self._gateway.enlist(begun)
            self._live[begun.parent_id] = working
            self._do_all(working, actions)

    def _again(self, begun: ParentBegun) -> tuple[Working, tuple[Action, ...]]:
        """As the journal left it, and what it asks for first."""
        known, key = self._gateway.blotter, begun.parent_id
        return taken_up(begun, [known.orders[name] for name in known.children[key]], known.parents[key].reached)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._gateway.tasks.spawn(work, name)

    def _middle(self, parent: Parent) -> float | None:
        sides = market(parent, self._gateway.market.quotes)
        return None if sides is None else float(sides.mid)


def _type(action: SubmitChild) -> OrderType:
    if action.stop is not None:
        return OrderType.STOP if action.limit is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if action.limit is None else OrderType.LIMIT


def _time_in_force(symbol: str, action: SubmitChild) -> TimeInForce:
    """Coins know no day; a safety net outlives the day where the broker lets it: whole quantities."""
    coin = is_symbol(symbol) and asset_class(symbol) is AssetClass.CRYPTO
    net = action.stop is not None and action.qty == action.qty.to_integral_value()
    return TimeInForce.GTC if coin or net else TimeInForce.DAY
