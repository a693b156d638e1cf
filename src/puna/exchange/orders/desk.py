"""The desk: takes orders in, has them canceled, replaced and closed, and lets them hear what the market does.

What is asked is answered at once; what follows happens on the market's clock, after the latencies of the terms
(facts.md 5.4), step by step as `life` has it.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_FLOOR, Decimal

from puna.core import sessions
from puna.core.types import AssetClass, exact
from puna.exchange.acceptance.rules import refuse, refuse_change
from puna.exchange.ledger import CALM, Ledger
from puna.exchange.log import EventLog
from puna.exchange.option_margin import HUNDRED, as_option
from puna.exchange.orders.adjusted import Adjusted, Deliverable, adjusted, free_root
from puna.exchange.orders.adjusting import adjust, is_adjustable
from puna.exchange.orders.admission import Admission
from puna.exchange.orders.agenda import Agenda, Deed
from puna.exchange.orders.blotter import Blotter
from puna.exchange.orders.book import Books
from puna.exchange.orders.hours import AUCTIONS, may_work
from puna.exchange.orders.instruments import Instruments
from puna.exchange.orders.life import Life
from puna.exchange.orders.live import BILLIONTH, LiveOrder
from puna.exchange.orders.multileg import LegHere
from puna.exchange.orders.replacing import refuse_replacement, replacement
from puna.exchange.orders.situation import Situation
from puna.exchange.orders.survey import Survey
from puna.exchange.orders.trailing import follow, is_trailing
from puna.exchange.prices.market import Market, MarketStep
from puna.exchange.refusals import Refusal, invalid, not_found, unprocessable
from puna.exchange.statements import Standing
from puna.exchange.terms import VenueOptions
from puna.seams import Ids
from puna.wire.codec import Amount
from puna.wire.stream import LuldMessage, QuoteMessage, StatusMessage, TradeMessage
from puna.wire.trading import Asset, Order, OrderRequest, ReplaceRequest, TradeUpdate

__all__ = ["Desk"]

ZERO = Decimal(0)
_HALTS = frozenset({"H", "P", "2", "M"})
"""Halt and pause of Nasdaq's tape, halt and volatility pause of the others' (facts.md 7)."""
_TRADING = frozenset({"T", "3"})


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
        self.ledger = Ledger(
            start=options.cash,
            schedule=options.fees or CALM,
            compressed=options.account.compressed_fifo,
            coin_fees_at=options.account.coin_fees_at,
        )
        self.marks = dict(marks)
        self.blotter = Blotter()
        self.instruments = Instruments(market)
        self._market = market
        self._books = Books(options.fills, stops_within_quote=options.stops_within_quote)
        self._opened: dict[str, date] = {}
        self._printed: dict[str, int] = {}
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

        self._admission = Admission(self.blotter, options, ids, self._life.aged)
        self.survey = Survey(
            market,
            self.instruments,
            blotter=self.blotter,
            books=self._books,
            ledger=self.ledger,
            marks=self.marks,
            halted=self._life.halted,
            options=options,
        )

    # Time.

    def next_due(self) -> int | None:
        """When the next planned step is due."""
        return self._agenda.next_due()

    def at(self, ts: int, deed: Deed) -> None:
        """Plans a step."""
        self._agenda.at(ts, deed)

    def drop(self, before: int) -> None:
        """Forgets what is planned earlier: whoever calls knows that nothing would come of it."""
        self._agenda.drop(before)

    def step(self, now: int) -> Iterator[TradeUpdate]:
        """Does the next planned step."""
        yield from self._agenda.step(now)

    def govern(self, options: VenueOptions) -> None:
        """From now on these terms hold."""
        self._options = options
        self._life.govern(options)
        self._admission.govern(options)
        self.survey.govern(options)

    # Reads.

    @property
    def assets(self) -> Mapping[str, Asset]:
        """By symbol: stocks, coins, and the option contracts that have been named so far."""
        return self.instruments.assets

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
        return self.instruments.known(name)

    def open_orders(self, symbol: str | None = None) -> list[LiveOrder]:
        """Those that can still fill and are not held, oldest first."""
        return self.blotter.open(symbol)

    def claimed(self, symbol: str) -> Decimal:
        """Of the position what open orders would take out of it, and what written calls lock; never more than it."""
        return self.survey.claimed(symbol)

    def standing(self) -> Standing:
        """The account's values now."""
        return self.survey.standing()

    # Commands.

    def submit(self, request: OrderRequest, now: int) -> Order | Refusal:
        """Accepts or refuses an order."""
        legs = self.survey.legs(request, now)
        here = self.survey.situation(request.symbol or "", now, underlying=_underlying(legs))
        if refusal := refuse(request, here, legs):
            return refusal
        order = self._admit(request, legs, here, now)
        if is_trailing(order) and here.last is not None:
            follow(order, here.last)
        if may_work(order.body, now, overnight=order.overnight):
            self._life.acknowledge(order, now)
        else:
            order.body.status = "accepted"
            self.at(now + self._options.ack_ns, lambda ts: self._life.tell_if(order, "accepted", ts))
        return order.shown(nested=True)

    def _admit(
        self,
        request: OrderRequest,
        legs: Sequence[LegHere],
        here: Situation,
        now: int,
        replaces: LiveOrder | None = None,
    ) -> LiveOrder:
        if legs:
            return self._admission.multileg(request, legs, here, now, replaces)
        return self._admission.single(request, here, now, replaces)

    def cancel(self, order_id: str, now: int) -> Refusal | None:
        """Takes the request; whether the order ends canceled or filled is seen later."""
        order = self.orders.get(order_id)
        if order is None:
            return not_found(f"order not found for {order_id}")
        if not order.is_open or order.body.status == "pending_replace":
            return unprocessable(f'order is already in "{order.body.status}" state')
        if order.parent is not None:
            return self.cancel(order.parent.id, now)
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
        if refusal := refuse_replacement(old, change):
            return refusal
        request = replacement(old, change, self._options)
        legs = self.survey.legs(request, now, old)
        here = self.survey.situation(old.symbol, now, without=old, underlying=_underlying(legs))
        if refusal := refuse_change(request, here, old, legs):
            return refusal
        new = self._admit(request, legs, here, now, replaces=old)
        self._life.plan_swap(old, new, now)
        return new.shown(nested=False)

    def close(self, name: str, qty: Decimal | None, percentage: Decimal | None, now: int) -> Order | Refusal:
        """A market order that closes a position, or a part of it."""
        asset = self.position_asset(name)
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
            time_in_force="gtc" if asset.asset_class == AssetClass.CRYPTO else "day",
        )
        return self.submit(request, now)

    def position_asset(self, name: str) -> Asset | None:
        """Of a position: a pair is called there without its slash, and not with it (facts.md 5.5, alpaca-py#537)."""
        return None if "/" in name else self.asset(name)

    # What the market does.

    def hear(self, step: MarketStep, now: int) -> Iterator[TradeUpdate]:
        """Takes in quotes, prints and halts, and fills what they reach."""
        touched: dict[str, None] = {}
        for message in step.messages:
            if isinstance(message, StatusMessage | LuldMessage):
                self._hear_status(message)
            elif isinstance(message, QuoteMessage) and message.S in self.assets:
                self._books[message.S].show(message)
                touched[message.S] = None
            elif isinstance(message, TradeMessage) and message.S in self.assets:
                touched[message.S] = None
                yield from self._hear_print(message.S, exact(message.p), now)
        for symbol in touched:
            yield from self._life.match(symbol, now)
        yield from self._hear_options(touched, now)

    def _hear_status(self, message: StatusMessage | LuldMessage) -> None:
        """A halt holds all orders of the symbol until it trades again; outside of its band nothing trades (facts.md 7).

        The codes are those of both tapes; a side of the band that is 0 is none.
        """
        if isinstance(message, LuldMessage):
            self._life.bands[message.S] = (exact(message.d) or None, exact(message.u) or None)
        elif message.sc in _HALTS:
            self._life.halted.add(message.S)
        elif message.sc in _TRADING:
            self._life.halted.discard(message.S)

    def _hear_options(self, touched: Container[str], now: int) -> Iterator[TradeUpdate]:
        """Options follow their underlyings: those that are held get a new mark, those with orders are matched."""
        orders = [each for each in self.open_orders() if each.is_cash and each.underlying in touched]
        parts = [part.symbol for each in orders for part in (each.legs or (each,))]
        held = [each for each in self.ledger.holdings if (option := as_option(each)) and option.root in touched]
        for symbol in dict.fromkeys((*parts, *held)):
            self.survey.look(symbol, now)
        for symbol in dict.fromkeys(each.symbol for each in orders if as_option(each.symbol)):
            yield from self._hear_option_print(symbol, now)
            yield from self._life.match(symbol, now)
        for order in orders:
            if order.legs:
                yield from self._life.match_multileg(order, now)

    def _hear_option_print(self, symbol: str, now: int) -> Iterator[TradeUpdate]:
        """A print of a contract with open stops, if there is a new one."""
        if not any(each.is_stop for each in self._books[symbol].orders.values()):
            return
        trade = self._market.trade(symbol)
        if trade is not None and trade.t > self._printed.get(symbol, now - 1):
            for order in self._books[symbol].hear(exact(trade.p), lambda each: self._life.may_elect(each, now)):
                yield from self._life.elect(order, now)
        self._printed[symbol] = max(trade.t if trade else 0, self._printed.get(symbol, now - 1))

    def _hear_print(self, symbol: str, price: Decimal, now: int) -> Iterator[TradeUpdate]:
        self.marks[symbol] = price
        if symbol in self._life.halted:
            return
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
            if order.body.status == "accepted" and may_work(order.body, now, overnight=order.overnight):
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
        """Shares are split before the open: holdings keep their value, open orders are canceled or adjusted."""
        roots = self.instruments.roots(symbol)
        for order in [each for each in self.blotter.every_open() if each.underlying in roots]:
            if self._options.account.split_orders == "adjust" and is_adjustable(order):
                self._books[symbol].remove(order)
                adjust(order, old_rate, new_rate)
                if order.ticket:
                    self._books[symbol].add(order)
            else:
                yield from self._life.end(order, "canceled", now)
        if symbol in self.marks:
            self.marks[symbol] = self.marks[symbol] * old_rate / new_rate
        in_lieu = self.marks.get(symbol) if self._options.account.cash_in_lieu else None
        whole = self.ledger.quantity(symbol) % 1 == 0
        paid = self.ledger.split(symbol, old_rate, new_rate, in_lieu if whole else None)
        told = {"new_rate": new_rate, "old_rate": old_rate, "symbol": symbol}
        self._log.append("split", now, {**told, "paid": Amount(paid)} if paid else told)

    def adjust_contracts(self, symbol: str, old_rate: int, new_rate: int, now: int) -> list[Adjusted]:
        """What a split makes of the option contracts that are held; what they are worth does not change."""
        known, root = self.instruments.deliverables, free_root(symbol, self.instruments.deliverables)
        for name in self.instruments.roots(symbol)[1:]:
            known[name] = Deliverable(symbol, known[name].shares * new_rate / old_rate)
        found = [
            adjusted(held, old_rate, new_rate, root)
            for held, option in sorted((name, as_option(name)) for name in self.ledger.holdings)
            if option is not None and option.root == symbol
        ]
        for each in found:
            if not each.is_standard:
                known[root] = Deliverable(symbol, HUNDRED * new_rate / old_rate)
        marks = {each.new: self.marks[each.old] / each.ratio for each in found}
        for each in found:
            self.instruments.adjust(each, now)
        self.marks.update(marks)
        self.ledger.adjust({each.old: (each.new, each.ratio) for each in found})
        if found:
            self._log.append("adjusted", now, {each.old: each.new for each in found})
        return found

    def rename(self, old: str, new: str, now: int) -> Iterator[TradeUpdate]:
        """What is held as `old` is held as `new`; open orders are canceled. Prices come under the new name."""
        for order in self.blotter.every_open(old):
            yield from self._life.end(order, "canceled", now)
        self.ledger.rename(old, new)
        if old in self.marks:
            self.marks[new] = self.marks[old]
        self.instruments.rename(old, new, now)
        self._log.append("rename", now, {"new": new, "old": old})


def _underlying(legs: Sequence[LegHere]) -> str:
    """Of the first leg that is an option."""
    options = [option.root for leg in legs if (option := as_option(leg.symbol))]
    return options[0] if options else ""
