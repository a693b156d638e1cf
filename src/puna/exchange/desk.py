"""The desk: takes orders in, has them canceled, replaced and closed, and lets them hear what the market does.

What is asked is answered at once; what follows happens on the market's clock, after the latencies of the terms
(facts.md 5.4), step by step as `life` has it.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import ROUND_FLOOR, Decimal

from puna.core import sessions
from puna.core.types import exact
from puna.exchange.agenda import Agenda, Deed
from puna.exchange.blotter import Blotter
from puna.exchange.book import Book
from puna.exchange.hours import AUCTIONS, is_live, may_work
from puna.exchange.ledger import CALM, Ledger
from puna.exchange.life import Life
from puna.exchange.live import BILLIONTH, LiveOrder
from puna.exchange.log import EventLog
from puna.exchange.market import Market, MarketStep
from puna.exchange.refusals import Refusal, invalid, not_found, unprocessable
from puna.exchange.replacing import refuse_replacement, replacement
from puna.exchange.rules import refuse, refuse_change
from puna.exchange.situation import Situation
from puna.exchange.statements import Standing, standing
from puna.exchange.terms import VenueOptions
from puna.exchange.trailing import follow, is_trailing
from puna.seams import Ids
from puna.wire.codec import Amount
from puna.wire.stream import QuoteMessage, TradeMessage
from puna.wire.trading import Asset, Order, OrderRequest, ReplaceRequest, TradeUpdate

__all__ = ["Desk"]

ZERO = Decimal(0)


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
        self.blotter = Blotter()
        self._names = {each.id: symbol for symbol, each in self.assets.items()} | {each: each for each in self.assets}
        self._books = {
            symbol: Book(options.fills, stops_within_quote=options.stops_within_quote) for symbol in self.assets
        }
        self._opened: dict[str, date] = {}
        self._options = options
        self._log = log
        self._agenda = Agenda()
        self._life = Life(
            agenda=self._agenda,
            blotter=self.blotter,
            books=self._books,
            ledger=self.ledger,
            marks=self.marks,
            options=options,
            ids=ids,
            log=log,
            end=end,
        )

    # Time.

    def next_due(self) -> int | None:
        """When the next planned step is due."""
        return self._agenda.next_due()

    def at(self, ts: int, deed: Deed) -> None:
        """Plans a step."""
        self._agenda.at(ts, deed)

    def step(self, now: int) -> Iterator[TradeUpdate]:
        """Does the next planned step."""
        yield from self._agenda.step(now)

    def govern(self, options: VenueOptions) -> None:
        """From now on these terms hold."""
        self._options = options

    # Reads.

    @property
    def orders(self) -> Mapping[str, LiveOrder]:
        """Every order there ever was, by id."""
        return self.blotter.orders

    @property
    def by_client_id(self) -> Mapping[str, LiveOrder]:
        """The same, by client order id."""
        return self.blotter.by_client_id

    def asset(self, name: str) -> Asset | None:
        """By symbol or by id."""
        return self.assets.get(self._names.get(name, ""))

    def open_orders(self, symbol: str | None = None) -> list[LiveOrder]:
        """Those that can still fill and are not held, oldest first."""
        return self.blotter.open(symbol)

    def claimed(self, symbol: str, without: LiveOrder | None = None) -> Decimal:
        """Shares of the position that open orders would take out of it; never more than there are."""
        return self.blotter.claimed(symbol, self.ledger.quantity(symbol), without)

    def standing(self, without: LiveOrder | None = None) -> Standing:
        """The account's values now; `without` is an order that is about to be replaced."""
        taken = self.blotter.taken(without)
        return standing(self.ledger.cash, self.ledger.holdings, self.marks, self.assets, self._options, taken)

    def situation(self, name: str, now: int, without: LiveOrder | None = None) -> Situation:
        """All that acceptance of an order in this symbol depends on."""
        asset, account = self.asset(name), self.standing(without)
        symbol = asset.symbol if asset else ""
        held, book = self.ledger.quantity(symbol), self._books.get(symbol)
        live = book is not None and is_live(book.quote, now)
        return Situation(
            options=self._options,
            now=now,
            session=sessions.session_at(now),
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
        order = self._life.admit(request, here, now)
        if is_trailing(order) and here.last is not None:
            follow(order, here.last)
        if may_work(order.body, now):
            self._life.acknowledge(order, now)
        else:
            order.body.status = "accepted"
            self.at(now + self._options.ack_ns, lambda ts: self._life.tell_if(order, "accepted", ts))
        return order.shown(nested=True)

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
            self.at(now + soon, lambda ts: self._life.tell_if(order, "pending_cancel", ts))
            self.at(now + self._options.cancel_ns, lambda ts: self._life.end(order, "canceled", ts))
        return None

    def cancel_at_once(self, order: LiveOrder, now: int) -> Iterator[TradeUpdate]:
        """Cancels without delay, both events in one go."""
        if order.is_open:
            order.turn("pending_cancel", now, "cancel_requested_at")
            yield self._life.tell("pending_cancel", order, now)
            yield from self._life.end(order, "canceled", now)

    def replace(self, order_id: str, change: ReplaceRequest, now: int) -> Order | Refusal:
        """Accepts a new order that shall take the place of an open one."""
        old = self.orders.get(order_id)
        if old is None:
            return not_found(f"order not found for {order_id}")
        request, here = replacement(old, change, self._options), self.situation(old.symbol, now, without=old)
        if refusal := refuse_replacement(old, change) or refuse_change(request, here, old):
            return refusal
        new = self._life.admit(request, here, now, replaces=old)
        self._life.plan_swap(old, new, now)
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
                touched[message.S] = None
                yield from self._hear_print(message.S, exact(message.p), now)
        for symbol in touched:
            yield from self._life.match(symbol, now)

    def _hear_print(self, symbol: str, price: Decimal, now: int) -> Iterator[TradeUpdate]:
        self.marks[symbol] = price
        if self._opens(symbol, now):
            yield from self._auction(symbol, "opg", now)
        for order in self._books[symbol].hear(price, lambda each: self._life.may_elect(each, now)):
            yield from self._life.elect(order, now)

    def _opens(self, symbol: str, now: int) -> bool:
        """Whether this is the first print of the symbol's core session."""
        today = sessions.date_of(now)
        if sessions.session_at(now) is not sessions.Session.CORE or self._opened.get(symbol) == today:
            return False
        self._opened[symbol] = today
        return True

    def _auction(self, symbol: str, kind: str, now: int) -> Iterator[TradeUpdate]:
        """At the print that opens or closes the session; without a session there is no price, and no fill."""
        yield from self._life.auction(symbol, kind, self._prices(symbol, now), now)

    def _prices(self, symbol: str, now: int) -> Mapping[bool, Decimal | None]:
        """What buyers (True) and sellers get in an auction."""
        book = self._books[symbol]
        if self._opened.get(symbol) != sessions.date_of(now):
            return {True: None, False: None}
        if self._options.auction_price == "quote":
            return {True: book.ask, False: book.bid}
        return dict.fromkeys((True, False), self.marks[symbol])

    def open_session(self, now: int) -> Iterator[TradeUpdate]:
        """Orders that have waited for a session that takes them go on."""
        for order in self.open_orders():
            if order.body.status == "accepted" and may_work(order.body, now):
                self._life.go_on(order, now)
        yield from ()

    def expire(self, now: int) -> Iterator[TradeUpdate]:
        """Holds the closing auction, and ends the orders whose time is over.

        A replacement that waits for its turn is judged by its turn.
        """
        for symbol in dict.fromkeys(each.symbol for each in self.open_orders() if each.body.time_in_force == "cls"):
            yield from self._auction(symbol, "cls", now)
        over = [
            order
            for order in self.blotter.every_open()
            if order.body.time_in_force != "gtc"
            and (order.body.expires_at or now) <= now
            and not (order.predecessor and order.predecessor.is_open)
        ]
        for order in over:
            yield from self._life.end(order, "canceled" if order.body.time_in_force in AUCTIONS else "expired", now)

    def split(self, symbol: str, old_rate: int, new_rate: int, now: int) -> Iterator[TradeUpdate]:
        """Shares are split before the open: holdings keep their value, open orders of the symbol are canceled."""
        for order in self.blotter.every_open(symbol):
            yield from self._life.end(order, "canceled", now)
        self.ledger.split(symbol, old_rate, new_rate)
        if symbol in self.marks:
            self.marks[symbol] = self.marks[symbol] * old_rate / new_rate
        self._log.append("split", now, {"new_rate": new_rate, "old_rate": old_rate, "symbol": symbol})
