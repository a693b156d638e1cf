"""The steps of an order's life: admitted, acknowledged, in the book, filled, replaced, ended; each step an event.

An order ends once: whatever was still to happen to it then finds it ended and does nothing. What ends or fills an order
of a group moves the group's other orders in the same instant (facts.md 5.3).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from puna.core import sessions
from puna.core.types import AssetClass
from puna.exchange.fees import kind
from puna.exchange.ledger import Entry, Ledger
from puna.exchange.log import EventLog
from puna.exchange.orders.agenda import Agenda
from puna.exchange.orders.blotter import Blotter
from puna.exchange.orders.book import Book, Books
from puna.exchange.orders.groups import Group
from puna.exchange.orders.hours import is_live, may_trade
from puna.exchange.orders.live import LiveOrder, amount, ulid, update
from puna.exchange.orders.multileg import net_price, units
from puna.exchange.terms import VenueOptions
from puna.seams import Ids
from puna.wire.codec import Amount, Nanos
from puna.wire.trading import TradeUpdate, UpdateLeg

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
        books: Books,
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
        self.halted: set[str] = set()
        self.bands: dict[str, tuple[Decimal | None, Decimal | None]] = {}
        self._told = self._tickets = 0

    def govern(self, options: VenueOptions) -> None:
        """From now on these terms hold."""
        self._options = options

    # In.

    def aged(self, order: LiveOrder) -> None:
        """Plans the end of an order that nobody has canceled (facts.md 5.2)."""
        over = order.body.expires_at or self._end
        if order.body.time_in_force == "gtc" and over <= self._end:
            self._agenda.at(over, lambda ts: self.end(order, "canceled", ts))

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
        if not order.legs:
            self._books[order.symbol].add(order)

    def _first_match(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """The first chance to fill; for ioc and fok the only one."""
        if order.is_open and order.ticket:
            yield from self.match_multileg(order, now) if order.legs else self.match(order.symbol, now)
            order.rested = True
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
        if symbol not in self.halted and is_live(book.quote, now, kind(symbol)):
            for order, qty, price in book.match(lambda each: self._may_fill(each, book, now)):
                yield from self.fill(order, qty, price, now)

    def _may_fill(self, order: LiveOrder, book: Book, now: int) -> bool:
        """Whether it may meet the quote: it is eligible, waits for no other, and the price is inside the band."""
        down, up = self.bands.get(order.symbol, (None, None))
        price = book.ask if order.is_buy else book.bid
        outside = price is not None and ((up is not None and price > up) or (down is not None and price < down))
        return self.is_eligible(order, now) and not order.waits and not outside

    def match_multileg(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """Fills all legs of an order together, at its net price or a better one, or none of them."""
        books = {leg.symbol: self._books[leg.symbol] for leg in order.legs}
        live = all(is_live(book.quote, now) for book in books.values()) and order.underlying not in self.halted
        if not live or not order.is_open or not self.is_eligible(order, now):
            return
        prices = [(_signed(leg), books[leg.symbol].bid, books[leg.symbol].ask) for leg in order.legs]
        net = net_price(prices)
        if net is not None and (order.limit is None or net <= order.limit) and (qty := units(order, books)) > 0:
            yield self._fill_legs(order, qty, net, now)

    def is_eligible(self, order: LiveOrder, now: int) -> bool:
        """Whether what the market tells now concerns it."""
        return order.matches_from <= now and may_trade(order.body, now, overnight=order.overnight)

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
        entry = self._book(order, qty, price, now)
        yield self.tell(
            "partial_fill" if order.is_open else "fill",
            order,
            now,
            execution_id=self._ids.uuid(),
            price=amount(price),
            qty=amount(qty),
            position_qty=amount(entry.position),
            settle_date=_settlement(order, now),
        )
        if order.group is not None:
            yield from self._after_fill(order, order.group, now)

    def _book(self, order: LiveOrder, qty: Decimal, price: Decimal, now: int) -> Entry:
        entry = self._ledger.trade(order.symbol, qty if order.is_buy else -qty, price, maker=order.rested)
        self._marks.setdefault(order.symbol, price)
        booked = {name: Amount(value) for name, value in entry._asdict().items() if name != "symbol"}
        self._log.append("fill", now, {"order": order.id, "symbol": order.symbol, **booked})
        return entry

    def _fill_legs(self, order: LiveOrder, qty: Decimal, net: Decimal, now: int) -> TradeUpdate:
        """Each leg at its own quote; the order at what they come to (facts.md 5.3 and 8)."""
        told = [self._fill_leg(leg, qty, now) for leg in order.legs]
        order.take(qty, net, now)
        if not order.is_open:
            self._retire(order)
        return self.tell(
            "partial_fill" if order.is_open else "fill",
            order,
            now,
            price=amount(net),
            qty=amount(qty),
            position_qtys={leg.symbol: amount(self._ledger.quantity(leg.symbol)) for leg in order.legs},
            legs=told,
            settle_date=_settlement(order.legs[0], now),
        )

    def _fill_leg(self, leg: LiveOrder, units_: Decimal, now: int) -> UpdateLeg:
        book, qty = self._books[leg.symbol], units_ * (leg.body.ratio_qty or 1)
        price = (book.ask if leg.is_buy else book.bid) or ZERO
        book.consume(qty, is_buy=leg.is_buy)
        leg.take(qty, price, now)
        self._book(leg, qty, price, now)
        return UpdateLeg(
            order_id=leg.id,
            symbol=leg.symbol,
            execution_id=self._ids.uuid(),
            qty=Amount(qty),
            price=amount(price),
            timestamp=Nanos(now),
        )

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
        if not order.legs:
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


def _signed(leg: LiveOrder) -> Decimal:
    ratio = leg.body.ratio_qty or Decimal(1)
    return ratio if leg.is_buy else -ratio


def _settlement(order: LiveOrder, now: int) -> str:
    """Stocks as of their time, options on the next trading day, coins at once."""
    today = sessions.date_of(now)
    if order.body.asset_class == AssetClass.CRYPTO:
        return today.isoformat()
    if order.body.asset_class == AssetClass.US_OPTION:
        return sessions.next_trading_day(today).date.isoformat()
    return sessions.settlement_date(today).isoformat()
