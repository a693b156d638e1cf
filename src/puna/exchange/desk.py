"""The life of orders: accepted, acknowledged, in the book, filled, replaced, canceled, expired; each step an event.

What is asked is answered at once; what follows happens on the market's clock, after the latencies of the terms
(facts.md 5.4). An order ends once: whatever was still to happen to it then finds it ended and does nothing.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal

from puna.core import sessions
from puna.core.types import exact
from puna.exchange.book import Book
from puna.exchange.hours import expiry, is_live, may_trade
from puna.exchange.ledger import CALM, Ledger
from puna.exchange.live import BILLIONTH, LiveOrder, amount, new_body, ulid, update
from puna.exchange.log import EventLog
from puna.exchange.market import Market, MarketStep
from puna.exchange.refusals import Refusal, invalid, not_found, unprocessable
from puna.exchange.replacing import refuse_replacement, replacement
from puna.exchange.rules import refuse
from puna.exchange.situation import Situation, intent, is_opening, limit_of, value_price
from puna.exchange.statements import Standing, standing
from puna.exchange.terms import VenueOptions
from puna.seams import Ids
from puna.wire.codec import Amount, Nanos
from puna.wire.stream import QuoteMessage, TradeMessage
from puna.wire.trading import Asset, Order, OrderRequest, ReplaceRequest, TradeUpdate

__all__ = ["Desk"]

ZERO = Decimal(0)
_WAITING = ("pending_new", "accepted")

Deed = Callable[[int], Iterable[TradeUpdate]]


class Desk:
    """All orders, the books they rest in, and the ledger they end in.

    Args:
        market: prices, and which instruments there are.
        ids: for orders and executions.
        options: the terms.
        log: gets updates and bookings.
        marks: the last known price of each symbol; kept up to date here.
        end: market time after which nothing needs to be planned.
    """

    def __init__(
        self,
        market: Market,
        *,
        ids: Ids,
        options: VenueOptions,
        log: EventLog,
        marks: Mapping[str, Decimal],
        end: int,
    ) -> None:
        self.ledger = Ledger(start=options.cash, schedule=options.fees or CALM)
        self.assets: dict[str, Asset] = {each.symbol: each for each in market.assets()}
        self.marks = dict(marks)
        self.orders: dict[str, LiveOrder] = {}
        self.by_client_id: dict[str, LiveOrder] = {}
        self._names = {each.id: symbol for symbol, each in self.assets.items()} | {each: each for each in self.assets}
        self._open: dict[str, LiveOrder] = {}
        self._books = {
            symbol: Book(options.fills, stops_within_quote=options.stops_within_quote) for symbol in self.assets
        }
        self._ids = ids
        self._options = options
        self._log = log
        self._end = end
        self._plan: list[tuple[int, int, Deed]] = []
        self._planned = self._told = self._tickets = 0

    # Time.

    def next_due(self) -> int | None:
        """When the next planned step is due."""
        return self._plan[0][0] if self._plan else None

    def at(self, ts: int, deed: Deed) -> None:
        """Plans a step."""
        self._planned += 1
        heapq.heappush(self._plan, (ts, self._planned, deed))

    def step(self, now: int) -> Iterator[TradeUpdate]:
        """Does the next planned step."""
        yield from heapq.heappop(self._plan)[2](now)

    # Reads.

    def asset(self, name: str) -> Asset | None:
        """By symbol or by id."""
        return self.assets.get(self._names.get(name, ""))

    def open_orders(self, symbol: str | None = None) -> list[LiveOrder]:
        """Those that can still fill, oldest first."""
        return [order for order in self._open.values() if symbol in (None, order.symbol)]

    def claimed(self, symbol: str, without: LiveOrder | None = None) -> Decimal:
        """Shares of the position that open orders would take out of it; never more than there are."""
        held = self.ledger.quantity(symbol)
        against = [o for o in self.open_orders(symbol) if o.is_buy is (held < 0) and held]
        return min(sum((_more(order, without, _claim) for order in against if order is not without), ZERO), abs(held))

    def standing(self, without: LiveOrder | None = None) -> Standing:
        """The account's values now; `without` is an order that is about to be replaced."""
        taken = sum((_more(each, without, _value) for each in self._open.values() if each is not without), ZERO)
        return standing(self.ledger.cash, self.ledger.holdings, self.marks, self.assets, self._options, taken)

    def situation(self, name: str, now: int, without: LiveOrder | None = None) -> Situation:
        """All that acceptance of an order in this symbol depends on."""
        asset, here, account = self.asset(name), sessions.session_at(now), self.standing(without)
        symbol = asset.symbol if asset else ""
        held, book = self.ledger.quantity(symbol), self._books.get(symbol)
        live = book is not None and is_live(book.quote, now)
        return Situation(
            options=self._options,
            session=here,
            asset=asset,
            held=held,
            available=abs(held) - self.claimed(symbol, without),
            open_orders=[order for order in self.open_orders(symbol) if order is not without],
            known=self.by_client_id,
            buying_power=account.buying_power,
            equity=account.equity,
            bid=book.bid if book and live else None,
            ask=book.ask if book and live else None,
            last=self.marks.get(symbol),
        )

    # Commands.

    def submit(self, request: OrderRequest, now: int) -> Order | Refusal:
        """Accepts or refuses an order."""
        here = self.situation(request.symbol or "", now)
        if refusal := refuse(request, here):
            return refusal
        order = self._admit(request, here, now)
        if may_trade(order.body, now):
            self.at(now + self._options.ack_ns, lambda ts: self._tell_if(order, "pending_new", ts))
            self._plan_activation(order, now)
        else:
            order.body.status = "accepted"
            self.at(now + self._options.ack_ns, lambda ts: self._tell_if(order, "accepted", ts))
        return order.copy()

    def cancel(self, order_id: str, now: int) -> Refusal | None:
        """Takes the request; whether the order ends canceled or filled is seen later."""
        order = self.orders.get(order_id)
        if order is None:
            return not_found(f"order not found for {order_id}")
        if not order.is_open or order.body.status == "pending_replace":
            return unprocessable(f'order is already in "{order.body.status}" state')
        if order.body.status != "pending_cancel":
            order.turn("pending_cancel", now, "cancel_requested_at")
            soon = min(self._options.ack_ns, self._options.cancel_ns)
            self.at(now + soon, lambda ts: self._tell_if(order, "pending_cancel", ts))
            self.at(now + self._options.cancel_ns, lambda ts: self._end_if_open(order, "canceled", ts))
        return None

    def cancel_at_once(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """Cancels without delay, both events in one go."""
        order.turn("pending_cancel", now, "cancel_requested_at")
        yield self._tell("pending_cancel", order, now)
        yield from self._end_if_open(order, "canceled", now)

    def replace(self, order_id: str, change: ReplaceRequest, now: int) -> Order | Refusal:
        """Accepts a new order that shall take the place of an open one."""
        old = self.orders.get(order_id)
        if old is None:
            return not_found(f"order not found for {order_id}")
        request, here = replacement(old, change, self._options), self.situation(old.symbol, now, without=old)
        if refusal := refuse_replacement(old, change) or refuse(request, here):
            return refusal
        new = self._admit(request, here, now, replaces=old)
        old.turn("pending_replace", now)
        lag = max(0, self._options.match_ns - self._options.new_ns)
        self.at(now + self._options.ack_ns, lambda ts: self._tell_if(old, "pending_replace", ts))
        self.at(now + self._options.replace_ns, lambda ts: self._swap(old, new, ts))
        self.at(now + self._options.replace_ns + lag, lambda ts: self._first_match(new, ts))
        return new.copy()

    def close(self, name: str, qty: Decimal | None, percentage: Decimal | None, now: int) -> Order | Refusal:
        """A market order that closes a position, or a part of it."""
        asset = self.asset(name)
        held = self.ledger.quantity(asset.symbol) if asset else ZERO
        if asset is None or not held:
            return not_found("position does not exist")
        if qty is not None and percentage is not None:
            return invalid("only one of qty or percentage is accepted")
        if percentage is not None:
            if not 0 < percentage <= 100:
                return invalid("percentage must be > 0 and <= 100")
            qty = (abs(held) * percentage / 100).quantize(BILLIONTH, ROUND_FLOOR)
        request = OrderRequest(
            symbol=asset.symbol,
            qty=Amount(abs(held) if qty is None else qty),
            side="sell" if held > 0 else "buy",
            type="market",
            time_in_force="day",
        )
        return self.submit(request, now)

    # What the market does.

    def hear(self, step: MarketStep, now: int) -> Iterator[TradeUpdate]:
        """Takes in quotes and prints, and fills what they reach."""
        touched: dict[str, None] = {}
        for message in step.messages:
            if isinstance(message, QuoteMessage) and message.S in self._books:
                self._books[message.S].show(message)
                touched[message.S] = None
            elif isinstance(message, TradeMessage) and message.S in self._books:
                self.marks[message.S] = exact(message.p)
                self._books[message.S].hear(exact(message.p), now)
                touched[message.S] = None
        for symbol in touched:
            yield from self._match(symbol, now)

    def open_session(self, now: int) -> Iterator[TradeUpdate]:
        """Orders that have waited for a session that takes them go on."""
        for order in self.open_orders():
            if order.body.status == "accepted" and may_trade(order.body, now):
                self._plan_activation(order, now)
        yield from ()

    def expire(self, now: int) -> Iterator[TradeUpdate]:
        """Ends the orders whose time is over; a replacement that waits for its turn is judged by its turn."""
        over = [
            order
            for order in self.open_orders()
            if order.body.time_in_force != "gtc"
            and (order.body.expires_at or now) <= now
            and not (order.predecessor and order.predecessor.is_open)
        ]
        for order in over:
            yield from self._end_if_open(order, "expired", now)

    def split(self, symbol: str, old_rate: int, new_rate: int, now: int) -> Iterator[TradeUpdate]:
        """Shares are split before the open: holdings keep their value, open orders of the symbol are canceled."""
        for order in self.open_orders(symbol):
            yield from self._end_if_open(order, "canceled", now)
        self.ledger.split(symbol, old_rate, new_rate)
        if symbol in self.marks:
            self.marks[symbol] = self.marks[symbol] * old_rate / new_rate
        self._log.append("split", now, {"new_rate": new_rate, "old_rate": old_rate, "symbol": symbol})

    # Steps of an order's life.

    def _admit(self, request: OrderRequest, here: Situation, now: int, replaces: LiveOrder | None = None) -> LiveOrder:
        """An accepted order, not yet acknowledged."""
        asset, opening = here.asset, is_opening(request, here)
        if asset is None:
            raise AssertionError("an order without an asset has been accepted")
        notional_sell = request.notional is not None and not opening
        order = LiveOrder(
            body=new_body(request, asset, self._ids, now),
            opening=opening,
            value_price=value_price(request, here) or ZERO,
            limit=limit_of(request),
            stop=request.stop_price,
            predecessor=replaces,
            cap=here.available if notional_sell else None,
        )
        order.body.position_intent = intent(request, here)
        order.body.replaces = replaces.id if replaces else None
        order.body.expires_at = Nanos(expiry(request, now))
        self.orders[order.id] = self._open[order.id] = self.by_client_id[order.body.client_order_id or ""] = order
        if order.body.time_in_force == "gtc" and order.body.expires_at <= self._end:
            self.at(order.body.expires_at, lambda ts: self._end_if_open(order, "canceled", ts))
        return order

    def _plan_activation(self, order: LiveOrder, now: int) -> None:
        self.at(now + self._options.new_ns, lambda ts: self._activate(order, ts))
        self.at(now + self._options.match_ns, lambda ts: self._first_match(order, ts))

    def _activate(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """Into the book."""
        if order.body.status in _WAITING:
            order.turn("new", now)
            self._tickets += 1
            order.ticket = self._tickets
            order.matches_from = now + max(0, self._options.match_ns - self._options.new_ns)
            self._books[order.symbol].add(order)
            yield self._tell("new", order, now, execution_id=self._ids.uuid())

    def _first_match(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """The first chance to fill; for ioc and fok the only one."""
        if order.is_open and order.ticket:
            yield from self._match(order.symbol, now)
        if order.body.time_in_force in ("ioc", "fok") and order.ticket:
            yield from self._end_if_open(order, "canceled", now)

    def _swap(self, old: LiveOrder, new: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """The new order takes the old one's place, unless that has ended meanwhile."""
        if old.is_open and new.is_open:
            old.body.replaced_by = new.id
            yield from self._end_if_open(old, "replaced", now)
            yield from self._activate(new, now)
        else:
            if old.is_open:
                old.turn("partially_filled" if old.filled else "new", now)
            yield self._tell("order_replace_rejected", old, now)
            yield from self._end_if_open(new, "rejected", now)

    def _match(self, symbol: str, now: int) -> Iterator[TradeUpdate]:
        book = self._books[symbol]
        if not is_live(book.quote, now):
            return
        for order, qty, price in book.match(lambda each: each.matches_from <= now and may_trade(each.body, now)):
            yield self._fill(order, qty, price, now)

    def _fill(self, order: LiveOrder, qty: Decimal, price: Decimal, now: int) -> TradeUpdate:
        order.take(qty, price, now)
        if not order.is_open:
            self._retire(order)
        entry = self.ledger.trade(order.symbol, qty if order.is_buy else -qty, price)
        self.marks.setdefault(order.symbol, price)
        booked = {name: Amount(value) for name, value in entry._asdict().items() if name != "symbol"}
        self._log.append("fill", now, {"order": order.id, "symbol": order.symbol, **booked})
        return self._tell(
            "partial_fill" if order.is_open else "fill",
            order,
            now,
            execution_id=self._ids.uuid(),
            price=amount(price),
            qty=amount(qty),
            position_qty=amount(entry.position),
            settle_date=sessions.settlement_date(sessions.date_of(now)).isoformat(),
        )

    def _end_if_open(self, order: LiveOrder, status: str, now: int) -> Iterator[TradeUpdate]:
        if order.is_open:
            order.turn(status, now, _STAMPS[status])
            self._retire(order)
            yield self._tell(status, order, now)

    def _retire(self, order: LiveOrder) -> None:
        self._open.pop(order.id, None)
        self._books[order.symbol].remove(order)

    def _tell_if(self, order: LiveOrder, status: str, now: int) -> Iterator[TradeUpdate]:
        """An event of the same name as the status, if the order still has it."""
        if order.body.status == status:
            yield self._tell(status, order, now)

    def _tell(self, event: str, order: LiveOrder, now: int, **further: object) -> TradeUpdate:
        self._told += 1
        told = update(event, order, now, ulid(now, self._told), **further)
        self._log.append("update", now, told)
        return told


def _more(order: LiveOrder, without: LiveOrder | None, measure: Callable[[LiveOrder], Decimal]) -> Decimal:
    """What an order takes; of a replacement in waiting only what it takes more than its predecessor, still there."""
    before = order.predecessor
    if before is None or not before.is_open or before is without:
        return measure(order)
    return max(measure(order) - measure(before), ZERO)


def _claim(order: LiveOrder) -> Decimal:
    return order.claim


def _value(order: LiveOrder) -> Decimal:
    return order.value


_STAMPS = {
    "canceled": "canceled_at",
    "expired": "expired_at",
    "replaced": "replaced_at",
    "rejected": "failed_at",
}
