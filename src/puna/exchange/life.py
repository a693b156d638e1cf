"""The steps of an order's life: admitted, acknowledged, in the book, filled, replaced, ended; each step an event.

An order ends once: whatever was still to happen to it then finds it ended and does nothing. What ends or fills an order
of a group moves the group's other orders in the same instant (facts.md 5.3).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from puna.core import sessions
from puna.exchange.agenda import Agenda
from puna.exchange.blotter import Blotter
from puna.exchange.book import Book
from puna.exchange.groups import CLASSES, Group, exit_requests, head_request
from puna.exchange.hours import expiry, is_live, may_trade
from puna.exchange.ledger import Ledger
from puna.exchange.live import LiveOrder, amount, new_body, ulid, update
from puna.exchange.log import EventLog
from puna.exchange.situation import Situation, intent, is_opening, limit_of, value_price
from puna.exchange.terms import VenueOptions
from puna.exchange.trailing import follow, is_trailing
from puna.seams import Ids
from puna.wire.codec import Amount, Nanos
from puna.wire.trading import Asset, OrderRequest, TradeUpdate

__all__ = ["Life"]

ZERO = Decimal(0)
_WAITING = ("pending_new", "accepted", "held")
_STAMPS = {"canceled": "canceled_at", "expired": "expired_at", "replaced": "replaced_at", "rejected": "failed_at"}


class Life:
    """What happens to orders, step by step.

    Args:
        agenda: where later steps are planned.
        blotter: all orders.
        books: the resting ones, by symbol.
        ledger: what fills are booked in.
        marks: the last known price of each symbol.
        options: the terms.
        ids: for orders and executions.
        log: gets updates and bookings.
        end: market time after which nothing needs to be planned.
    """

    def __init__(
        self,
        *,
        agenda: Agenda,
        blotter: Blotter,
        books: dict[str, Book],
        ledger: Ledger,
        marks: dict[str, Decimal],
        options: VenueOptions,
        ids: Ids,
        log: EventLog,
        end: int,
    ) -> None:
        self._agenda = agenda
        self._blotter = blotter
        self._books = books
        self._ledger = ledger
        self._marks = marks
        self._options = options
        self._ids = ids
        self._log = log
        self._end = end
        self._told = self._tickets = 0

    # In.

    def admit(self, request: OrderRequest, here: Situation, now: int, replaces: LiveOrder | None = None) -> LiveOrder:
        """An accepted order, not yet acknowledged, with the exits that it brings."""
        if here.asset is None:
            raise AssertionError("an order without an asset has been accepted")
        head = head_request(request)
        opening = is_opening(head, here)
        order = self._enter(head, here.asset, now, opening=opening)
        order.value_price = value_price(head, here) or ZERO
        order.cap = here.available if request.notional is not None and not opening else None
        order.body.position_intent = intent(head, here)
        if replaces is not None:
            self._succeed(order, replaces)
        elif request.order_class in CLASSES:
            self._gather(order, request, here.asset, now)
        return order

    def _enter(self, request: OrderRequest, asset: Asset, now: int, *, opening: bool) -> LiveOrder:
        order = LiveOrder(
            body=new_body(request, asset, self._ids, now),
            opening=opening,
            value_price=ZERO,
            limit=limit_of(request, self._options),
            stop=request.stop_price,
            is_stop=request.type in ("stop", "stop_limit", "trailing_stop"),
        )
        order.body.expires_at = Nanos(expiry(request, now))
        self._blotter.add(order)
        if order.body.time_in_force == "gtc" and order.body.expires_at <= self._end:
            self._agenda.at(order.body.expires_at, lambda ts: self.end(order, "canceled", ts))
        return order

    def _succeed(self, order: LiveOrder, old: LiveOrder) -> None:
        order.predecessor, order.body.replaces = old, old.id
        order.group, order.body.group_id, order.body.group_role = old.group, old.body.group_id, old.body.group_role
        if is_trailing(order) and old.body.hwm is not None:
            follow(order, old.body.hwm)

    def _gather(self, head: LiveOrder, request: OrderRequest, asset: Asset, now: int) -> None:
        """Makes a group of an order and the exits that its request names."""
        group = Group(self._ids.uuid())
        group.put(head, "take_profit" if request.order_class == "oco" else "entry")
        for role, asked in exit_requests(request).items():
            leg = self._enter(asked, asset, now, opening=False)
            leg.body.status = "held"
            leg.body.position_intent = f"{asked.side}_to_close"
            group.put(leg, role)

    def acknowledge(self, order: LiveOrder, now: int) -> None:
        """Plans `pending_new`, `new` and the first matching."""
        self._agenda.at(now + self._options.ack_ns, lambda ts: self.tell_if(order, "pending_new", ts))
        self.go_on(order, now)

    def go_on(self, order: LiveOrder, now: int) -> None:
        """Plans `new` and the first matching."""
        self._agenda.at(now + self._options.new_ns, lambda ts: self._activate(order, ts))
        self._agenda.at(now + self._options.match_ns, lambda ts: self._first_match(order, ts))

    def _activate(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """Into the book."""
        if order.body.status in _WAITING:
            order.turn("new", now)
            self._place(order, now)
            yield self.tell("new", order, now, execution_id=self._ids.uuid())
            if order.group is not None and order.group.entry is None:
                self._arm(order.group, now)

    def _place(self, order: LiveOrder, now: int) -> None:
        if not order.ticket:
            self._tickets += 1
            order.ticket = self._tickets
            order.matches_from = now + max(0, self._options.match_ns - self._options.new_ns)
        self._books[order.symbol].add(order)

    def _first_match(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """The first chance to fill; for ioc and fok the only one."""
        if order.is_open and order.ticket:
            yield from self.match(order.symbol, now)
        if order.body.time_in_force in ("ioc", "fok") and order.ticket:
            yield from self.end(order, "canceled", now)

    # Replacing.

    def plan_swap(self, old: LiveOrder, new: LiveOrder, now: int) -> None:
        """Plans that `new` takes the place of `old`."""
        old.turn("pending_replace", now)
        lag = max(0, self._options.match_ns - self._options.new_ns)
        self._agenda.at(now + self._options.ack_ns, lambda ts: self.tell_if(old, "pending_replace", ts))
        self._agenda.at(now + self._options.replace_ns, lambda ts: self._swap(old, new, ts))
        self._agenda.at(now + self._options.replace_ns + lag, lambda ts: self._first_match(new, ts))

    def _swap(self, old: LiveOrder, new: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """The new order takes the old one's place, unless that has ended meanwhile."""
        if old.is_open and new.is_open:
            old.body.replaced_by = new.id
            if old.group is not None:
                old.group.put(new, old.body.group_role or "")
            yield from self.end(old, "replaced", now)
            yield from self._settle(new, now)
            return
        if old.is_open:
            yield from self._restore(old, now)
        yield self.tell("order_replace_rejected", old, now)
        yield from self.end(new, "rejected", now)

    def _restore(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """The order goes on as if nobody had wanted to replace it."""
        if order.ticket and not order.waits:
            order.turn("partially_filled" if order.filled else "new", now)
        else:
            order.turn("pending_new", now)
            yield from self._settle(order, now)

    def _settle(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """Puts an order where it belongs: into the book, or back to those that are held."""
        if not order.waits:
            yield from self._activate(order, now)
        elif order.body.status in _WAITING:
            order.turn("held", now)
            if order.group is not None and order.group.is_armed:
                self._place(order, now)

    # Fills.

    def match(self, symbol: str, now: int) -> Iterator[TradeUpdate]:
        """Fills what the quote reaches."""
        book = self._books[symbol]
        if is_live(book.quote, now):
            for order, qty, price in book.match(lambda each: self.is_eligible(each, now) and not each.waits):
                yield from self.fill(order, qty, price, now)

    def is_eligible(self, order: LiveOrder, now: int) -> bool:
        """Whether what the market tells now concerns it."""
        return order.matches_from <= now and may_trade(order.body, now)

    def may_elect(self, order: LiveOrder, now: int) -> bool:
        """The same for its stop; an exit that is being canceled is elected no more, the other one may be at work."""
        leaving = order.group is not None and order.body.status == "pending_cancel"
        return self.is_eligible(order, now) and not leaving

    def elect(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """A stop has been elected; one that was held takes the place of the take-profit."""
        group = order.group
        if group is not None and group.stop_loss is order and group.take_profit is not None:
            if self._options.stopped_profit_ends == "replaced" and group.take_profit.is_open:
                group.take_profit.body.replaced_by = order.id
            yield from self.end(group.take_profit, self._options.stopped_profit_ends, now, alone=True)
            yield from self._activate(order, now)

    def auction(self, symbol: str, kind: str, prices: Mapping[bool, Decimal | None], now: int) -> Iterator[TradeUpdate]:
        """Fills what takes part in an auction, and cancels what it left over (facts.md 5.2, SPEC-T).

        Args:
            symbol: what is auctioned.
            kind: opg or cls.
            prices: what buyers (True) and sellers (False) get; None when there is no auction.
            now: market time.
        """
        for order in self._blotter.open(symbol):
            if order.body.time_in_force == kind and (order.body.expires_at or 0) <= now:
                price = prices[order.is_buy]
                if price is not None and order.ticket and order.accepts(price):
                    yield from self.fill(order, order.leaves(price), price, now)
                yield from self.end(order, "canceled", now)

    def fill(self, order: LiveOrder, qty: Decimal, price: Decimal, now: int) -> Iterator[TradeUpdate]:
        """Books an execution, and tells it."""
        order.take(qty, price, now)
        if not order.is_open:
            self._retire(order)
        entry = self._ledger.trade(order.symbol, qty if order.is_buy else -qty, price)
        self._marks.setdefault(order.symbol, price)
        booked = {name: Amount(value) for name, value in entry._asdict().items() if name != "symbol"}
        self._log.append("fill", now, {"order": order.id, "symbol": order.symbol, **booked})
        yield self.tell(
            "partial_fill" if order.is_open else "fill",
            order,
            now,
            execution_id=self._ids.uuid(),
            price=amount(price),
            qty=amount(qty),
            position_qty=amount(entry.position),
            settle_date=sessions.settlement_date(sessions.date_of(now)).isoformat(),
        )
        if order.group is not None:
            yield from self._after_fill(order, order.group, now)

    # Groups.

    def _after_fill(self, order: LiveOrder, group: Group, now: int) -> Iterator[TradeUpdate]:
        if order is group.entry:
            if not order.is_open:
                yield from self._release(group, now)
        elif order.is_open:
            group.shrink()
        else:
            yield from self._end_others(order, "canceled", now, silent=not self._options.tell_stop_cancels)

    def _release(self, group: Group, now: int) -> Iterator[TradeUpdate]:
        """The entry is filled: one exit works from now on, the other watches. Without the shares there are no exits."""
        working = group.working_exit
        if working is None or not self._is_there(working):
            for each in group.exits:
                yield from self.end(each, "canceled", now, alone=True)
            return
        if working.is_held:
            yield from self._activate(working, now)
            self._agenda.at(now + self._options.match_ns, lambda ts: self._first_match(working, ts))
        self._arm(group, now)

    def _arm(self, group: Group, now: int) -> None:
        """The held stop-loss watches the market."""
        stop = group.stop_loss
        if stop is not None and stop.is_held:
            self._place(stop, now)

    def _is_there(self, order: LiveOrder) -> bool:
        held = self._ledger.quantity(order.symbol)
        free = abs(held) - self._blotter.claimed(order.symbol, held)
        return order.is_buy is (held < 0) and free >= (order.body.qty or 0)

    def _end_others(self, order: LiveOrder, status: str, now: int, *, silent: bool = False) -> Iterator[TradeUpdate]:
        for each in order.group.others(order) if order.group is not None else ():
            told = list(self.end(each, status, now, alone=True))
            yield from () if silent else told

    # Out.

    def end(self, order: LiveOrder, status: str, now: int, *, alone: bool = False) -> Iterator[TradeUpdate]:
        """Ends an open order; what ends one of a group ends the others (facts.md 5.3), unless it ends `alone`."""
        if not order.is_open:
            return
        order.turn(status, now, _STAMPS[status])
        self._retire(order)
        yield self.tell(status, order, now)
        if not alone and status != "replaced":
            yield from self._end_others(order, "expired" if status == "expired" else "canceled", now)

    def _retire(self, order: LiveOrder) -> None:
        self._blotter.retire(order)
        self._books[order.symbol].remove(order)

    # Telling.

    def tell_if(self, order: LiveOrder, status: str, now: int) -> Iterator[TradeUpdate]:
        """An event of the same name as the status, if the order still has it."""
        if order.body.status == status:
            yield self.tell(status, order, now)

    def tell(self, event: str, order: LiveOrder, now: int, **further: object) -> TradeUpdate:
        self._told += 1
        told = update(event, order, now, ulid(now, self._told), **further)
        self._log.append("update", now, told)
        return told
