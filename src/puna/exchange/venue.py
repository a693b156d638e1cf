"""A venue: commands in, replies and events out, on market time that somebody else moves. No HTTP, no clock, no chance.

`handle` answers a command; `advance` does all that is due, in time order: planned steps of orders first, then the
market's step of the same instant. A day has three boundaries: at 04:00 New York it begins (the last day's closing
values become `last_equity` and `lastday_price`, splits are applied), at the close day orders expire and the closing
values are taken, at the end of after-hours the rest of the day orders expires and fees are charged.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from puna.core import sessions
from puna.core.sessions import TradingDay
from puna.core.types import exact
from puna.exchange.account.office import BackOffice
from puna.exchange.calendars import calendar_days, clock
from puna.exchange.commands import (
    Cancel,
    CancelAll,
    CloseAllPositions,
    ClosePosition,
    Command,
    DataFrame,
    Event,
    Replace,
    Reply,
    Submit,
)
from puna.exchange.lagging import Lag
from puna.exchange.ledger import Holding, Ledger
from puna.exchange.log import EventLog
from puna.exchange.orders.desk import Desk
from puna.exchange.orders.instruments import Renamed
from puna.exchange.orders.listing import Wanted, listed
from puna.exchange.orders.live import LiveOrder
from puna.exchange.prices.market import Market, MarketMessage, MarketStep
from puna.exchange.refusals import Refusal, not_found
from puna.exchange.statements import account_body, position_body
from puna.exchange.terms import VenueOptions
from puna.seams import Ids
from puna.wire.codec import Amount, encode
from puna.wire.trading import (
    Account,
    Asset,
    CalendarDay,
    CancelResult,
    Clock,
    CloseResult,
    Order,
    Position,
    ReplaceRequest,
    TradeUpdate,
)

__all__ = [
    "Cancel",
    "CancelAll",
    "CloseAllPositions",
    "ClosePosition",
    "Command",
    "DataFrame",
    "Event",
    "Refusal",
    "Replace",
    "Reply",
    "Submit",
    "Venue",
    "VenueOptions",
]

_MINUTE = 60 * 1_000_000_000
_TWO_WEEKS = 14 * 86_400 * 1_000_000_000


class Venue:
    """One account's exchange.

    Args:
        market: its prices.
        ids: names orders, executions and the account.
        options: the terms.
        log: gets every command and every event.
    """

    def __init__(self, market: Market, *, ids: Ids, options: VenueOptions, log: EventLog) -> None:
        self._market = market
        self._options = options
        self._log = log
        self._now = self._happened = 0
        self._account_id = ids.uuid()
        days = [day for each in market.sessions if (day := sessions.day(each.date))]
        self._opened_at = days[0].pre_open
        self._desk = Desk(
            market, ids=ids, options=options, log=log, marks=_last_closes(market), end=days[-1].post_close
        )
        self._closes = dict(self._desk.marks)
        self._closing = self._last = self._desk.standing()
        self.office = BackOffice(
            account_id=self._account_id,
            opened=self._opened_at,
            desk=self._desk,
            market=market,
            options=options,
            log=log,
            govern=self._govern,
        )
        self._lag = Lag(options.account.positions_lag_ns)
        if self._lag.ns:
            self.ledger.witness = lambda symbol, before: self._lag.keep(symbol, before, self._now)
        for day in days:
            self._plan(day)

    @property
    def ledger(self) -> Ledger:
        """The venue's own books."""
        return self._desk.ledger

    @property
    def options(self) -> VenueOptions:
        """The terms, as configurations have left them."""
        return self._options

    def handle(self, command: Command, now: int) -> tuple[Reply, list[Event]]:
        """Does what is due, then answers. Most of what follows comes later, from `advance`."""
        events = self.advance(now)
        self._log.append("command", now, {"name": type(command).__name__, **_plain(command)})
        reply, told = self._answer(command, now)
        self._hear_fills(told)
        if isinstance(reply, Refusal):
            self._log.append("refusal", now, {"status": reply.status, **reply.body})
        return reply, [*events, *told]

    def next_due(self) -> int | None:
        """When `advance` has something to do; None when nothing will ever happen by itself."""
        planned, told = self._desk.next_due(), self._market.next_due()
        if planned is None or told is None:
            return told if planned is None else planned
        return min(planned, told)

    def advance(self, now: int) -> list[Event]:
        """Does everything that is due up to `now`."""
        events: list[Event] = []
        while (due := self.next_due()) is not None and due <= now:
            self._note(due)
            self._now = self._happened = max(self._now, due)
            told = list(self._desk.step(self._now)) if due == self._desk.next_due() else self._hear()
            self._hear_fills(told)
            events.extend(told)
        self._now = max(self._now, now)
        self._note(self._now)
        return events

    # Reads: they change nothing and are not logged.

    def account(self, now: int) -> Account:  # noqa: ARG002 - values are as of the last step
        """GET /v2/account."""
        return account_body(
            self._desk.standing(),
            self._last,
            self._options,
            self.ledger.accrued,
            self._account_id,
            self._opened_at,
            approved=self.office.approved_level,
            asof=sessions.previous_trading_day(sessions.date_of(max(self._now, self._opened_at))).date.isoformat(),
        )

    def orders(self, **wanted: Any) -> list[Order]:
        """GET /v2/orders; what can be asked for: `listing.Wanted`."""
        return listed((each for each in self._desk.orders.values() if self._is_visible(each)), Wanted(**wanted))

    def order(self, order_id: str, *, nested: bool = False) -> Order | None:
        """GET /v2/orders/{id}."""
        return self._shown(self._desk.orders.get(order_id), nested=nested)

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """GET /v2/orders:by_client_order_id."""
        return self._shown(self._desk.by_client_id.get(client_order_id), nested=False)

    def positions(self) -> list[Position]:
        """GET /v2/positions; where they lag, as they were before the latest changes."""
        shown = self._lag.shown(self.ledger.holdings, self._now)
        return [self._position(symbol, each) for symbol, each in sorted(shown.items())]

    def position(self, name: str) -> Position | None:
        """GET /v2/positions/{symbol or asset id}."""
        asset = self._desk.position_asset(name)
        shown = self._lag.shown(self.ledger.holdings, self._now)
        return self._position(asset.symbol, shown[asset.symbol]) if asset and asset.symbol in shown else None

    def open_orders(self, symbol: str | None = None) -> list[LiveOrder]:
        """What may still fill, held exits among it, oldest first: for whoever makes the market of it."""
        return self._desk.blotter.every_open(symbol)

    def asset(self, name: str) -> Asset | None:
        """GET /v2/assets/{symbol or id}."""
        return self._desk.asset(name)

    def clock(self, now: int) -> Clock:
        """GET /v2/clock."""
        return clock(now)

    def calendar(self, start: date | None = None, end: date | None = None) -> list[CalendarDay]:
        """GET /v2/calendar, as far as the session table reaches."""
        return calendar_days(start, end)

    # Commands.

    def _answer(self, command: Command, now: int) -> tuple[Reply, list[Event]]:
        told: list[Event] = []
        match command:
            case CloseAllPositions(cancel_orders):
                told = self._cancel_all_at_once(now) if cancel_orders else []
                reply: Reply = [self._close_row(symbol, now) for symbol in self.ledger.positions]
            case Submit(request):
                reply = self._desk.submit(request, now)
                self.office.submitted(reply, now)
            case Replace(order_id, change):
                reply = self._replace(order_id, change, now)
            case Cancel(order_id):
                reply = self._cancel(order_id, now)
            case CancelAll():
                reply = [self._cancel_row(each, now) for each in self._desk.open_orders()]
            case ClosePosition(symbol, qty, percentage):
                reply = self._desk.close(symbol, qty, percentage, now)
            case _:
                reply = self.office.answer(command, now)
        return reply, told

    def _replace(self, order_id: str, change: ReplaceRequest, now: int) -> Order | Refusal:
        if self.order(order_id) is None:
            return not_found(f"order not found for {order_id}")
        return self._desk.replace(order_id, change, now)

    def _cancel(self, order_id: str, now: int) -> Refusal | None:
        if self.order(order_id) is None:
            return not_found(f"order not found for {order_id}")
        return self._desk.cancel(order_id, now)

    def _cancel_row(self, order: LiveOrder, now: int) -> CancelResult:
        """A row of the 207: 200, or 500 when it cannot be canceled (facts.md 5.4, SPEC-T)."""
        refusal = self._desk.cancel(order.id, now)
        if refusal is None:
            return CancelResult(id=order.id, status=200)
        return CancelResult(id=order.id, status=500, body=msgspec.Raw(encode(refusal.body)))

    def _cancel_all_at_once(self, now: int) -> list[Event]:
        """What is held for open orders must be free before the positions are closed."""
        return [told for each in self._desk.open_orders() for told in self._desk.cancel_at_once(each, now)]

    def _close_row(self, symbol: str, now: int) -> CloseResult:
        name = symbol.replace("/", "")
        reply = self._desk.close(name, None, None, now)
        status, body = (reply.status, reply.body) if isinstance(reply, Refusal) else (200, reply)
        return CloseResult(symbol=name, status=int(status), body=msgspec.Raw(encode(body)))

    # Time.

    def _plan(self, day: TradingDay) -> None:
        """The boundaries of a day."""
        early = self._options.account.sell_out_minutes * _MINUTE
        self._desk.at(day.pre_open, lambda now: self._begin_day(day.date, now))
        self._desk.at(day.open, self._desk.open_session)
        self._desk.at(day.close - early, lambda now: self._sell_out(day.date, now))
        self._desk.at(day.close, self._close_day)
        self._desk.at(day.post_close, lambda now: self._end_day(day.date, now))

    def _begin_day(self, on: date, now: int) -> list[TradeUpdate]:
        """The last day's closing values become history; what the day brings is applied before anybody trades."""
        told: list[TradeUpdate] = []
        if now > self._opened_at:
            told = self.office.begin_day(on, now)
            self._rebase(on)
        self._last = self._closing
        self.ledger.begin_day(self._closes)
        values = {"cash": Amount(self.ledger.cash), "last_equity": Amount(self._last.equity)}
        self._log.append("day", now, {"date": on, **values})
        return [*told, *self._desk.open_session(now)]

    def _rebase(self, on: date) -> None:
        """Yesterday's closes in today's shares, under today's names."""
        for event in self.office.corporate.on(on):
            if event.symbol in self._closes and event.kind == "split":
                self._closes[event.symbol] = self._closes[event.symbol] * event.old_rate / event.new_rate
            elif event.symbol in self._closes and event.kind == "rename":
                self._closes[event.new_symbol] = self._closes[event.symbol]
        adjusted = self.office.corporate.adjusted
        closes = {each.new: self._closes[each.old] / each.ratio for each in adjusted if each.old in self._closes}
        self._closes |= closes

    def _sell_out(self, on: date, now: int) -> list[TradeUpdate]:
        self.office.sell_out(on, now)
        return []

    def _close_day(self, now: int) -> list[TradeUpdate]:
        told = list(self._desk.expire(now))
        self._closes = dict(self._desk.marks)
        self._closing = self._desk.standing()
        self.office.curve.close(sessions.date_of(now), self._closing.equity)
        return told

    def _end_day(self, on: date, now: int) -> list[TradeUpdate]:
        told = list(self._desk.expire(now))
        self.office.end_day(on, now)
        return told

    def _govern(self, options: VenueOptions) -> None:
        """The terms have changed, because a configuration has."""
        self._options = options
        self._desk.govern(options)

    def _note(self, now: int) -> None:
        """What the account was worth at the end of the last minute in which anything happened, once that is over."""
        end = self._happened - self._happened % _MINUTE + _MINUTE
        if end <= now and end > self.office.curve.last:
            self.office.curve.note(end, self._desk.standing().equity)

    def _hear_fills(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TradeUpdate):
                self.office.activities.heard(event)

    def _hear(self) -> list[Event]:
        step = self._market.step(self._now)
        if step is None:
            return []
        if self._desk.instruments.renamed:
            step = MarketStep(step.ts, tuple(map(self._today, step.messages)))
        frame = DataFrame(step.ts, step.messages)
        self._log.append("frame", step.ts, frame.messages)
        return [*self._desk.hear(step, self._now), frame]

    def _today(self, message: MarketMessage) -> MarketMessage:
        """What the market tells under an old name, under today's."""
        name = self._desk.instruments.renamed.get(message.S)
        return message if name is None else msgspec.structs.replace(message, S=name)

    @property
    def renames(self) -> Sequence[Renamed]:
        """The names of stocks that have changed so far, oldest first."""
        return self._desk.instruments.renames

    # What is shown.

    def _is_visible(self, order: LiveOrder) -> bool:
        return self._now >= (order.body.created_at or 0) + self._options.visibility_ns

    def _shown(self, order: LiveOrder | None, *, nested: bool) -> Order | None:
        return order.shown(nested=nested) if order is not None and self._is_visible(order) else None

    def _position(self, symbol: str, holding: Holding) -> Position:
        price = self._desk.marks[symbol]
        close = self._closes.get(symbol, price)
        return position_body(self._desk.assets[symbol], holding, price, close, self._desk.claimed(symbol))


def _last_closes(market: Market) -> dict[str, Decimal]:
    """What each symbol closed at on the day before the first, as far as the market knows."""
    before = market.sessions[0].open_ns - 1
    known = {each: market.bars(each, "1Day", before - _TWO_WEEKS, None, before, "split") for each in market.symbols}
    return {symbol: exact(bars[-1].c) for symbol, bars in known.items() if bars}


def _plain(command: Command) -> dict[str, object]:
    return {each.name: getattr(command, each.name) for each in fields(command)}
