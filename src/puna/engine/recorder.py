"""Keeps what a run's report needs while it runs, and puts it together at the end."""

import sys
from decimal import Decimal
from math import fsum
from typing import NamedTuple

import puna
from puna.core.decimals import NANO
from puna.core.orders import Order, Status
from puna.core.parent import style_name
from puna.core.symbols import multiplier
from puna.core.types import ZERO, Bar, Leg, Quote
from puna.engine.blotter import Blotter, Booked, ParentOrder
from puna.engine.entries import Note, Refusal
from puna.engine.holdings import holdings
from puna.engine.market import MarketView
from puna.engine.record import (
    Books,
    DropRow,
    EquityPoint,
    FillRow,
    NoteRow,
    OrderRow,
    ParentRow,
    PositionRow,
    PricePoint,
    RunRecord,
)
from puna.engine.refused import worded

__all__ = ["HeardBar", "Recorder"]

MINUTE = 60_000_000_000
CENT = Decimal("0.01")


class HeardBar(NamedTuple):
    """A bar that strategies heard, or knew before their first event; and the quote that stood when they heard it.

    Attributes:
        timeframe: of the bar.
        bar: `ts_init` is when it was heard; of the past, when it was fetched.
        quote: None of the past, or where nothing was quoted.
        past: it was known before the first event.
    """

    timeframe: str
    bar: Bar
    quote: Quote | None = None
    past: bool = False


class Recorder:
    """A RunRecord in the making.

    Args:
        blotter: the books.
        market: for marks.

    Attributes:
        heard: the bars that strategies knew, in order: with them the day can be gone through again.
    """

    def __init__(self, blotter: Blotter, market: MarketView) -> None:
        self.equity: list[EquityPoint] = []
        self.prices: dict[str, list[PricePoint]] = {}
        self.drops: list[DropRow] = []
        self.books: Books | None = None
        self.heard: list[HeardBar] = []
        self._blotter = blotter
        self._market = market
        self._started_ts = 0
        self._start_cash = ZERO
        self._before: frozenset[str] = frozenset()
        self._skip = (0, 0, 0)

    def begin(self, ts: int, equity: Decimal | None) -> None:
        """From here on it counts: what was over before belongs to an earlier run."""
        blotter = self._blotter
        self._started_ts = ts
        self._start_cash = blotter.portfolio.cash
        self._before = frozenset(blotter.orders) - frozenset(blotter.open)
        self._skip = (len(blotter.booked), len(blotter.refusals), len(blotter.notes))
        self.point(ts, equity)

    def warm_up(self, timeframe: str, bar: Bar) -> None:
        """A bar of the past that strategies may ask for."""
        self.heard.append(HeardBar(timeframe, bar, past=True))

    def bar(self, bar: Bar) -> None:
        """A bar of a minute that strategies saw, beside the quote that stood then."""
        self.heard.append(HeardBar("1Min", bar, self._market.quotes.get(bar.symbol)))
        self.prices.setdefault(bar.symbol, []).append(PricePoint(bar.ts_init, bar.close))

    def point(self, ts: int, equity: Decimal | None) -> None:
        """Equity at this time; unknown is left out, and a second value of one instant takes the place of the first."""
        if equity is None:
            return
        if self.equity and self.equity[-1].ts == ts:
            self.equity.pop()
        self.equity.append(EquityPoint(ts, equity.quantize(CENT)))

    def record(self, mode: str, ended_ts: int, elapsed_seconds: float, *, outcome: str, state: str) -> RunRecord:
        """Everything, as of now."""
        blotter = self._blotter
        portfolio = blotter.portfolio
        booked, refusals, notes = (
            blotter.booked[self._skip[0] :],
            blotter.refusals[self._skip[1] :],
            blotter.notes[self._skip[2] :],
        )
        orders = [_order_row(order, blotter) for key, order in blotter.orders.items() if key not in self._before]
        orders += [_refusal_row(each) for each in refusals]
        return RunRecord(
            mode=mode,
            started_ts=self._started_ts,
            ended_ts=ended_ts,
            elapsed_seconds=elapsed_seconds,
            outcome=outcome,
            state=state,
            start_cash=self._start_cash,
            start_equity=self.equity[0].equity if self.equity else ZERO,
            cash=portfolio.cash,
            equity_end=self.equity[-1].equity if self.equity else ZERO,
            fees=portfolio.fees,
            realised=portfolio.realised,
            equity=self.equity,
            prices=self.prices,
            orders=sorted(orders, key=lambda row: row.ts_decision),
            fills=[_fill_row(each) for each in booked if each.fill.qty],
            parents=[
                self._parent_row(each)
                for each in blotter.parents.values()
                if each.ended is None or each.ended.ts >= self._started_ts
            ],
            positions=[
                PositionRow(symbol=each.symbol, qty=each.qty, cost=each.cost, mark=self._market.mark(each.symbol))
                for each in portfolio.positions.values()
            ],
            holdings=holdings(portfolio, self._market.quotes, ended_ts),
            drops=self.drops,
            notes=[_note_row(each) for each in notes],
            refusals=len(refusals),
            books=self.books,
            versions={"puna": puna.__version__, "python": ".".join(map(str, sys.version_info[:3]))},
        )

    def _parent_row(self, known: ParentOrder) -> ParentRow:
        """A parent and what became of its children."""
        begun, ended, parent = known.begun, known.ended, known.begun.parent
        names = self._blotter.children[begun.parent_id]
        children = [self._blotter.orders[name] for name in names]
        filled = sum((child.filled_qty for child in children), ZERO)
        paid = sum((child.filled_notional for child in children), ZERO)
        return ParentRow(
            parent_id=begun.parent_id,
            strategy=begun.strategy,
            symbol=parent.symbol,
            side=str(parent.side),
            qty=parent.qty,
            style=style_name(parent.style),
            ts_begin=begun.ts,
            cap=parent.cap,
            children=names,
            filled=filled,
            avg_price=(paid / filled).quantize(NANO) if filled else None,
            arrival_mid=begun.arrival,
            end_mid=ended.mid if ended else None,
            market_vwap=None if parent.legs else self._vwap(parent.symbol, begun.ts, ended.ts if ended else None),
            multiplier=int(multiplier(parent.symbols[0])),
            ts_end=ended.ts if ended else None,
            reason=ended.reason if ended else "",
            because=begun.because,
        )

    def _vwap(self, symbol: str, begin: int, end: int | None) -> float | None:
        """What the market paid on average in the minutes that lie in between, in whole or in part."""
        bars = [
            bar
            for bar in self._market.bars(symbol, "1Min")
            if bar.ts_event + MINUTE > begin and (end is None or bar.ts_event < end) and bar.volume
        ]
        volume = fsum(bar.volume for bar in bars)
        return fsum((bar.vwap or bar.close) * bar.volume for bar in bars) / volume if volume else None


def _order_row(order: Order, blotter: Blotter) -> OrderRow:
    intent, entry = order.intent, blotter.intents.get(order.client_order_id)
    code, text = _refusal(order)
    average = order.average_price
    return OrderRow(
        client_order_id=order.client_order_id,
        broker_id=order.broker_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        side=str(intent.side),
        qty=intent.qty,
        type=str(intent.type),
        tif=str(intent.time_in_force),
        status=str(order.status) if order.status is not Status.UNKNOWN else order.raw_status,
        ts_decision=intent.ts,
        ts_final=blotter.ended.get(order.client_order_id),
        limit=intent.limit_price,
        stop=intent.stop_price,
        filled_qty=order.filled_qty,
        avg_price=average,
        because=intent.because,
        arrival_mid=entry.mid if entry else None,
        refusal_code=code,
        refusal_text=text,
        replaces=intent.replaces,
        parent=intent.parent,
        leg_of=intent.leg_of,
        legs=[_leg(leg) for leg in intent.legs],
        crossed_qty=order.crossed_qty,
    )


def _leg(leg: Leg) -> str:
    """As in "-1 SPY260320P00480000"."""
    return f"{leg.side.sign * leg.ratio:+d} {leg.symbol}"


def _refusal(order: Order) -> tuple[str | None, str | None]:
    """The broker's code and words, when it said no at once or later."""
    if order.status not in (Status.REFUSED, Status.REJECTED):
        return None, None
    code, found, text = order.reason.partition(": ")
    return (code, text) if found and code.isdigit() else (None, order.reason or None)


def _refusal_row(refusal: Refusal) -> OrderRow:
    intent, breach = refusal.intent, refusal.breach
    quote = refusal.view.quote
    return OrderRow(
        client_order_id=intent.client_order_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        side=str(intent.side),
        qty=intent.qty,
        type=str(intent.type),
        tif=str(intent.time_in_force),
        status="refused",
        ts_decision=intent.ts,
        ts_final=refusal.ts,
        limit=intent.limit_price,
        stop=intent.stop_price,
        because=intent.because,
        arrival_mid=quote.mid if quote is not None and quote.usable else None,
        refusal_code=breach.code,
        refusal_text=worded(breach),
        replaces=intent.replaces,
        parent=intent.parent,
        legs=[_leg(leg) for leg in intent.legs],
    )


def _fill_row(booked: Booked) -> FillRow:
    fill = booked.fill
    return FillRow(
        ts=fill.ts_event,
        symbol=fill.symbol,
        side=str(fill.side),
        qty=fill.qty,
        price=fill.price,
        cid=fill.client_order_id,
        strategy=fill.strategy,
        mid=booked.mid,
        notional=fill.notional,
        internal=fill.internal,
    )


def _note_row(note: Note) -> NoteRow:
    return NoteRow(ts=note.ts, code=note.code, text=note.text)
