"""The books in memory: orders, portfolio, trading state, all of it a fold over the journal's entries.

The running process and a replay call the same `apply` with the same entries, so state(replay(journal)) is the live
state by construction (I17); `digest` shows it.
"""

from collections import defaultdict
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

import msgspec

from puna.core.decimals import plain
from puna.core.netting import crossed
from puna.core.orders import Order, Status, from_intent, reduce
from puna.core.portfolio import Booking, Portfolio, Reason, book, enter, opening
from puna.core.risk import Lock, Tally, TradingState
from puna.core.sleeves import Sleeve
from puna.core.types import ZERO, Fill
from puna.engine.alarms import Alarms
from puna.engine.attribution import EXTERNAL, attributed
from puna.engine.entries import (
    Acknowledged,
    Adoption,
    Alerted,
    CancelAsked,
    Crossed,
    Decision,
    Entry,
    Epoch,
    Evidence,
    FeedReached,
    Intent,
    Locked,
    Moved,
    Note,
    Opening,
    ParentBegun,
    ParentEnded,
    ParentReached,
    ParentStopped,
    Reconciled,
    Refusal,
    StateChange,
    Tallied,
    Told,
)
from puna.engine.movements import BACK

__all__ = ["EXTERNAL", "Blotter", "Booked", "Change", "ParentOrder"]

FINEST = Decimal("1e-9")
_NO = (Status.REJECTED, Status.REFUSED)


class Change(NamedTuple):
    """What one entry did to an order."""

    order: Order
    fills: tuple[Fill, ...] = ()


class Booked(NamedTuple):
    """A fill, the record that brought it, when we knew (market time), the quote's middle then, what it realised.

    What closes a position of the strategy's own realises that one's profit, also where it was bought inside; what
    closes anything else, the account's.
    """

    seq: int
    fill: Fill
    ts: int
    mid: float | None
    realised: Decimal = ZERO


class ParentOrder(msgspec.Struct):
    """A parent as the journal knows it; `ended` is None while it is worked."""

    begun: ParentBegun
    stopped: str = ""
    reached: Decimal | None = None
    ended: ParentEnded | None = None


class Blotter:
    """Everything the journal says, added up."""

    def __init__(self) -> None:
        self.seq = 0
        self.epoch: Epoch | None = None
        self.opening: Opening | None = None
        self.orders: dict[str, Order] = {}
        self.open: dict[str, Order] = {}
        self.intents: dict[str, Intent] = {}
        self.sent: list[Intent] = []
        self.ended: dict[str, int] = {}
        self.portfolio = Portfolio(cash=ZERO)
        self.sleeves: dict[tuple[str, str], Decimal] = {}
        self.flows: dict[str, Portfolio] = {}
        self.common = ZERO
        self.states: dict[str, StateChange] = {}
        self.moved: dict[str, Booking] = {}
        self.locks: dict[tuple[str, str], Lock] = {}
        self.tally: Tally | None = None
        self.cancels: set[str] = set()
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.alarms = Alarms()
        self.parents: dict[str, ParentOrder] = {}
        self.working: dict[str, ParentOrder] = {}
        self.children: defaultdict[str, list[str]] = defaultdict(list)
        self.booked: list[Booked] = []
        self.refused: list[tuple[int, str]] = []
        self.told = 0
        self.broker_ts = 0
        self.compared: Reconciled | None = None
        self.activity = ""
        self.stamp = 0
        self._leaving: tuple[Decimal, dict[str, Decimal]] = (FINEST, {})
        self._by_broker_id: dict[str, str] = {}
        self._legs: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._kin: dict[str, set[str]] = {}

    @property
    def state(self) -> TradingState:
        """The account's trading state, as it was decided."""
        decided = self.states.get("")
        return decided.state if decided else TradingState.ACTIVE

    @property
    def state_reason(self) -> str:
        """Why the account's trading state is what it is."""
        decided = self.states.get("")
        return decided.reason if decided else ""

    def find(self, client_order_id: str, broker_id: str) -> Order | None:
        """An order by either of its ids; the broker's decides where ours is missing."""
        return self.orders.get(client_order_id) or self.orders.get(self._by_broker_id.get(broker_id, ""))

    def legs_of(self, key: str) -> list[Order]:
        """The orders that the broker made out of one: a package's legs, or exits."""
        return [self.orders[each] for each in self._legs.get(key, ())]

    def kin(self, key: str) -> dict[str, Order]:
        """An order with all that it replaced, and that replaced it, whoever said so."""
        names = self._kin.get(key, {key})
        return {each: self.orders[each] for each in names if each in self.orders}

    def sleeve(self, strategy: str, symbol: str) -> Decimal:
        """What a strategy holds by its own fills, negative when short."""
        return self.sleeves.get((strategy, symbol), ZERO)

    def sleeve_of(self, strategy: str, share: Decimal) -> Sleeve:
        """A strategy's part of the account, begun with its share of what the books began with, positions at cost.

        Of money that moved since without an order, each has its share too, and of dividends what it holds.
        """
        begun = self.opening
        worth = self.common + (begun.cash + sum((each.cost for each in begun.positions), ZERO) if begun else ZERO)
        start, flow = share * worth, self._flow(strategy)
        return Sleeve(share=share, start=start, book=msgspec.structs.replace(flow, cash=flow.cash + start))

    def apply(self, seq: int, entry: Entry) -> tuple[Change, ...]:
        """Takes one entry in; what it did to orders, if it is about any: one, or both that were crossed."""
        self.seq = max(self.seq, seq)
        match entry:
            case Evidence():
                change = self._evidence(seq, entry)
                return (change,) if change else ()
            case Decision():
                return ()  # its intent says what follows
            case Intent():
                return (self._intend(entry),)
            case Adoption():
                return (self._adopt(seq, entry),)
            case Crossed():
                return tuple(self._cross(seq, entry, key) for key in entry.keys)
        self._note(entry)
        return ()

    def _note(self, entry: Entry) -> None:
        """What is about no order in particular."""
        match entry:
            case Told() | FeedReached() | Reconciled():
                self._reach(entry)
            case Epoch():
                self.epoch = entry
            case Opening() | Moved():
                self._open(entry) if isinstance(entry, Opening) else self._move(entry.booking)
            case Refusal():
                self.refusals.append(entry)
            case CancelAsked():
                self.cancels.add(entry.client_order_id)
            case ParentBegun() | ParentStopped() | ParentReached() | ParentEnded():
                self._parent(entry)
            case StateChange() | Locked() | Tallied():
                self._restrict(entry)
                self.alarms.take(self.seq, entry)
            case Note():
                self.notes.append(entry)
                self.alarms.take(self.seq, entry)
            case Alerted() | Acknowledged():
                self.alarms.take(self.seq, entry)

    def _reach(self, entry: Told | FeedReached | Reconciled) -> None:
        if isinstance(entry, Told):
            self.told = entry.up_to
        elif isinstance(entry, FeedReached):
            self.activity = entry.event_id
        else:
            self.broker_ts, self.compared = entry.broker_ts, entry

    def _parent(self, entry: ParentBegun | ParentStopped | ParentReached | ParentEnded) -> None:
        if isinstance(entry, ParentBegun):
            self.parents[entry.parent_id] = self.working[entry.parent_id] = ParentOrder(entry)
        elif (known := self.parents.get(entry.parent_id)) is not None:
            if isinstance(entry, ParentStopped):
                known.stopped = entry.reason
            elif isinstance(entry, ParentReached):
                known.reached = entry.price
            else:
                known.ended = entry
                self.working.pop(entry.parent_id, None)

    def digest(self) -> str:
        """A hash of orders, portfolio and state; equal books have equal digests."""
        parts = (
            sorted(self.orders.values(), key=lambda order: order.client_order_id),
            self.portfolio,
            sorted((strategy, symbol, f"{qty:f}") for (strategy, symbol), qty in self.sleeves.items()),
            sorted((scope, each.state) for scope, each in self.states.items()),
            sorted(self.cancels),
        )
        return sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()

    def _move(self, booking: Booking) -> None:
        """Once for each reference; strategies' shares of what is held change with it."""
        if booking.reference in self.moved:
            return
        before = self.portfolio.qty(booking.symbol)
        self.moved[booking.reference] = booking
        self.portfolio = enter(self.portfolio, booking)
        after = self.portfolio.qty(booking.symbol)
        if before and booking.qty and (booking.reason is Reason.SPLIT or abs(after) < abs(before)):
            if booking.reason is Reason.CORPORATE_ACTION:
                self._leaving = (booking.qty, self._shares(booking.symbol))
            self._move_sleeves(booking, after / before)
        elif booking.reason is Reason.CORPORATE_ACTION and booking.reference.endswith(BACK):
            self._carry(booking)
        elif booking.cash and not booking.qty:
            self._pay(booking, before)

    def _pay(self, booking: Booking, held: Decimal) -> None:
        """Money alone: about a symbol that is held it is of those who hold it, else of all by their shares."""
        if not held:
            self.common += booking.cash
            return
        for strategy, qty in self._shares(booking.symbol).items():
            part = plain((booking.cash * qty / held).quantize(FINEST))
            self.flows[strategy] = enter(self._flow(strategy), msgspec.structs.replace(booking, cash=part))

    def _shares(self, symbol: str) -> dict[str, Decimal]:
        return {strategy: qty for (strategy, name), qty in self.sleeves.items() if name == symbol and qty}

    def _carry(self, booking: Booking) -> None:
        """What left under another symbol comes to the strategies that it left."""
        gone, held = self._leaving
        for strategy, qty in held.items():
            part = msgspec.structs.replace(
                booking, qty=plain((-qty * booking.qty / gone).quantize(FINEST)), cash=-booking.cash * qty / gone
            )
            where = (strategy, booking.symbol)
            self.sleeves[where] = self.sleeves.get(where, ZERO) + part.qty
            if strategy in self.flows:
                self.flows[strategy] = enter(self.flows[strategy], part)

    def _move_sleeves(self, booking: Booking, factor: Decimal) -> None:
        """Each strategy that holds the symbol takes its part of what happened to the whole."""
        for (strategy, symbol), qty in list(self.sleeves.items()):
            if symbol != booking.symbol or not qty:
                continue
            now = plain((qty * factor).quantize(FINEST))
            part = msgspec.structs.replace(booking, qty=now - qty, cash=booking.cash * (now - qty) / booking.qty)
            self.sleeves[strategy, symbol] = now
            if strategy in self.flows:
                self.flows[strategy] = enter(self.flows[strategy], part)

    def _restrict(self, entry: StateChange | Locked | Tallied) -> None:
        """What may be sent from here on, and what protections count from."""
        if isinstance(entry, Tallied):
            self.tally = entry.tally
        elif isinstance(entry, Locked):
            self.locks[entry.lock.scope, entry.lock.cause] = entry.lock
        else:
            self._set_state(entry)

    def _set_state(self, entry: StateChange) -> None:
        """The account's last decision stays, with its reason; of a strategy or symbol only what restricts it."""
        if entry.state is TradingState.ACTIVE:  # a person has looked at what was locked
            for key in [each for each in self.locks if not entry.scope or each[0] == entry.scope]:
                del self.locks[key]
        if entry.scope and entry.state is TradingState.ACTIVE:
            self.states.pop(entry.scope, None)
        else:
            self.states[entry.scope] = entry

    def _intend(self, entry: Intent) -> Change:
        intent = entry.intent
        self.intents[intent.client_order_id] = entry
        self.sent.append(entry)
        if intent.parent is not None:
            self.children[intent.parent].append(intent.client_order_id)
        return self._keep(from_intent(intent), (), 0, entry.ts, None)

    def _evidence(self, seq: int, entry: Evidence) -> Change | None:
        known = self.orders.get(entry.update.client_order_id)
        if known is None:
            return None
        if entry.update.source == "local":
            self.stamp = max(self.stamp, entry.update.ts)
        order, fills = reduce(known, entry.update)
        return self._keep(order, fills, seq, entry.ts, entry.mid)

    def _cross(self, seq: int, entry: Crossed, key: str) -> Change:
        order, fill = crossed(self.orders[key], entry.cross, entry.ts)
        return self._keep(order, (fill,) if fill else (), seq, entry.ts, entry.quote.mid)

    def _adopt(self, seq: int, entry: Adoption) -> Change:
        order, fills = reduce(self.orders.get(entry.key) or from_intent(entry.intent), entry.update)
        return self._keep(order, fills if entry.booked else (), seq, entry.ts, None)

    def _keep(self, order: Order, fills: tuple[Fill, ...], seq: int, ts: int, mid: float | None) -> Change:
        key = order.client_order_id
        self.orders[key] = order
        if order.intent.leg_of is not None:
            self._legs[order.intent.leg_of][key] = None
        if order.intent.legs:
            fills = ()  # what a package moves, its legs do
        for broker_id in order.broker_ids:
            self._by_broker_id[broker_id] = key
        self._relate(order)
        if not order.is_terminal:
            self.open[key] = order
            self.ended.pop(key, None)
        else:
            self.open.pop(key, None)
            if order.status in _NO and key not in self.ended:
                self.refused.append((ts, key))
            self.ended.setdefault(key, ts)
        for fill in fills:
            closes = self.sleeve(fill.strategy, fill.symbol) * fill.side.sign < 0 and fill.strategy != EXTERNAL
            before = self._flow(fill.strategy) if closes else self.portfolio
            self._book(fill)
            after = self._flow(fill.strategy) if closes else self.portfolio
            self.booked.append(Booked(seq, fill, ts, mid, after.realised - before.realised))
        return Change(order, fills)

    def _relate(self, order: Order) -> None:
        """Joins what is linked by replaces. Ids of the broker stand in between: who bears one may still be to come."""
        if not (self._kin or order.replaces or order.replaced_by or order.intent.replaces):
            return
        links = {*order.replaces, *order.replaced_by, *filter(None, [order.intent.replaces])}
        names = {order.client_order_id, *order.broker_ids, *links}
        if not links and self._kin.keys().isdisjoint(names):
            return
        names |= {self._by_broker_id[link] for link in links if link in self._by_broker_id}
        groups = [self._kin[name] for name in names if name in self._kin]
        largest = max(groups, key=len, default=set[str]())
        for group in ({*names}, *groups):
            if group is not largest and not group <= largest:
                largest |= group
                self._kin.update(dict.fromkeys(group, largest))

    def _book(self, fill: Fill) -> None:
        """Into the account's books, unless it was crossed inside, and into those of whose it is."""
        held = self.portfolio.qty(fill.symbol)
        if not fill.internal:
            self.portfolio = book(self.portfolio, fill)
        for part in attributed(fill, held, self.sleeves) if fill.strategy == EXTERNAL else (fill,):
            where = (part.strategy, part.symbol)
            self.sleeves[where] = self.sleeves.get(where, ZERO) + part.side.sign * part.qty
            self.flows[part.strategy] = book(self._flow(part.strategy), part)

    def _flow(self, strategy: str) -> Portfolio:
        """What a strategy's own fills have moved."""
        return self.flows.get(strategy) or Portfolio(cash=ZERO)

    def _open(self, entry: Opening) -> None:
        """The books begin, or begin anew: what was filled until now is in these figures."""
        self.opening = entry
        self.portfolio = opening(entry.cash, entry.positions)
        self.sleeves.clear()
        self.flows.clear()
        self.common = ZERO
        self.broker_ts = entry.broker_ts
