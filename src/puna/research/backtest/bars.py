"""The loop over bars: which strategies hear which bar when, and how orders meet the market inside of one.

A bar is told at its end. Orders that come of it reach the venue then and meet the market from the next bar's open on.
A symbol without open orders costs nothing inside its bars; one with orders is walked along a path (`backtest_fills`)
that stops wherever one of its orders has a price, so a stop fills at its stop, not at the bar's low.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from math import floor
from typing import Any

import numpy as np

from puna.core.protections import armed
from puna.core.types import Bar, Quote, exact
from puna.engine.strategy import Strategy
from puna.exchange.commands import Command, Submit
from puna.exchange.orders.live import LiveOrder
from puna.exchange.prices.market import MarketStep
from puna.research.backtest.data import Columns, History
from puna.research.backtest.fills import BarShape
from puna.research.backtest.house import BarHouse
from puna.research.backtest.market import ANY_SIZE, BarMarket, Glass, down, up
from puna.research.backtest.tape import Tape
from puna.research.backtest.ticks import Ticks, is_ticking
from puna.research.backtest.view import HistoryView

__all__ = ["BarLoop", "Progress"]

CHUNK = 8192
"""Bars that are made at a time: objects for all of them would cost memory and nothing else."""
PHASES = 4
MILLION = 1_000_000

Progress = Callable[[int, int], None]
"""Hears how many bars are done, of how many."""


class BarLoop:
    """Plays a history to a house.

    Args:
        house: strategies, gateway and venue.
        market: the bars.
        view: what the gateway sees of them.
        glasses: the fill model, by symbol.
        progress: hears of it now and then.
    """

    def __init__(
        self,
        house: BarHouse,
        market: BarMarket,
        view: HistoryView,
        glasses: dict[str, Glass],
        progress: Progress = lambda *_: None,
    ) -> None:
        self._house = house
        self._market = market
        self._view = view
        self._glasses = glasses
        self._progress = progress
        self._frames = _Frames(market.history)
        self._shown: dict[str, int] = {}
        self._listeners: list[list[Callable[[Bar], None]]] = []
        self._owners: dict[Callable[[Bar], None], Strategy] = {}
        self._armed = armed(house.gateway.limits)
        self._plain = True
        self._packaged: dict[tuple[str, bool], float] = {}
        self._ticks: Ticks | None = None
        self._ticking = False
        house.before = self._show_for

    def play(self) -> None:
        """Every bar, from the first to the last."""
        total = len(self._frames)
        self._listen()
        done = 0
        while done < total:
            self._begin_frame(done)
            done = self._tell(done)
            self._progress(done, total)
        self._house.gateway.guard.look()

    # Telling.

    def _tell(self, first: int) -> int:
        """Bars from `first` on, until something besides bars happens or much is done; the number of the next one.

        The next frame begins there: the one right after, or one many later where nobody has orders.
        """
        house, frames = self._house, self._frames
        generic = not self._plain or bool([*house.desk.parents])
        if generic or self._armed or house.venue.open_orders():
            last = frames.bounds(first)[1]
        else:
            last = max(frames.bounds(first)[1], frames.until(house.next_due(), first + CHUNK))
        told = self._tell_slowly(first, last) if generic else self._tell_fast(first, last)
        house.settle()
        return told

    def _tell_slowly(self, first: int, last: int) -> int:
        """One frame, by the desk's own way: quotes, parent orders, longer bars."""
        market, desk, view = self._market, self._house.desk, self._view
        for _, _, name, row, bar in self._frames.stream(last - first):
            market.at[name] = row
            if not self._ticking and (quote := view.look(name)) is not None:
                desk.hear_quote(quote)
            if name not in market.chain:
                desk.hear_bar(market.history.timeframe, bar)
        return last

    def _tell_fast(self, first: int, last: int) -> int:
        """Frames in which nothing is due and nobody has orders, up to the first in which a strategy does something."""
        frames, at, clock, listeners = self._frames, self._market.at, self._house.clock, self._listeners
        jobs, ready = self._house.line.jobs, self._house.turns.ready
        index, now = first, frames.known_at(first)
        clock.time = now
        for item in frames.stream(last - first):
            known, sid, name, row, bar = item
            if known != now:
                if jobs or ready:
                    frames.give_back(item)
                    break
                clock.time = now = known
            at[name] = row
            index += 1
            try:
                for hear in listeners[sid]:
                    hear(bar)
            except Exception as error:  # noqa: BLE001 - a user's code may raise anything
                self._failed(hear, error, sid, bar)
        return index

    def _failed(self, hear: Callable[[Bar], None], error: Exception, sid: int, bar: Bar) -> None:
        """A strategy has raised: it hears no more, and those after it hear the bar."""
        desk, here = self._house.desk, self._listeners[sid]
        rest = here[here.index(hear) + 1 :]
        desk.fail(self._owners[hear], "on_bar", error)
        for listeners in self._listeners:
            listeners[:] = [other for other in listeners if other != hear]
        for each in rest:
            desk.call(self._owners[each], each, bar)

    def _listen(self) -> None:
        """Who hears a bar without further ado: those who want this timeframe and no quotes."""
        team, timeframe = list(self._house.desk.strategies.values()), self._market.history.timeframe
        self._plain = all(each.timeframe == timeframe and type(each).on_quote is Strategy.on_quote for each in team)
        if is_ticking(team, self._market):
            self._plain = False
            self._ticks = Ticks(self._house, self._market, self._view, self._glasses, self.mark)
        self._owners = {each.on_bar: each for each in team}
        self._listeners = [
            [each.on_bar for each in team if name in each.symbols and each.timeframe == timeframe]
            if name not in self._market.chain
            else []
            for name in self._frames.names
        ]

    # Inside of a frame.

    def _begin_frame(self, index: int) -> None:
        """Market time goes to the end of the next bars; orders that are open meet what lies in between."""
        house, frames = self._house, self._frames
        first, last = frames.bounds(index)
        opens, known = frames.opens_at(first, last), frames.known_at(index)
        house.pass_to(opens, self.mark)
        self._ticking = self._ticks is not None and self._ticks.covers(known)
        if self._ticks is not None and self._ticking:
            self._ticks.play(dict(frames.rows(first, last)), opens, known)
        elif orders := house.venue.open_orders():
            wanted = {part.symbol for each in orders for part in (each.legs or (each,))}
            rows = {name: row for name, row in frames.rows(first, last) if name in wanted}
            self._walk(rows, [each for each in orders if each.legs and {leg.symbol for leg in each.legs} <= {*rows}])
        house.pass_to(known - 1, self.mark)
        self._market.at.update(frames.rows(first, last))
        house.gateway.guard.look()
        house.pass_to(known, self.mark)

    def _walk(self, rows: dict[str, int], packages: Sequence[LiveOrder] = ()) -> None:
        """Through the bars of those who have orders, all symbols phase by phase.

        Args:
            rows: symbol -> its bar.
            packages: multi-leg orders all of whose legs have a bar; they meet the opens of these, and nothing else.
        """
        columns = self._market.history.columns
        walks = [Walk(self, columns[name], row, self._glasses[name]) for name, row in rows.items()]
        self._packaged = packaged(packages)
        late = sorted((walk for walk in walks if walk.is_late), key=lambda walk: walk.opens)
        self._open([walk for walk in walks if not walk.is_late], packages)
        for walk in late:
            self._house.pass_to(walk.opens - 1, self.mark)
            self._open([walk], ())
        for phase in range(1, PHASES):
            for walk in walks:
                walk.go(phase)
        for walk in walks:
            self._view.live.pop(walk.symbol, None)
            self._put_away(walk)

    def _open(self, walks: "Sequence[Walk]", packages: Sequence[LiveOrder]) -> None:
        """All opens at once: what was ordered for them meets them in the same instant."""
        if not walks:
            return
        house = self._house
        ts = max(house.clock.time, min(walk.opens for walk in walks))
        shown = {walk.symbol: walk for walk in walks}
        for symbol in sorted(shown, key=self._market.chain.__contains__, reverse=True):  # underlyings after options
            self._put(ts, *shown[symbol].opening())
        for root in {each.underlying: None for each in packages if each.underlying not in shown}:
            self._touch(root, ts)
        self._let_go(ts)
        if self._packaged:
            self._take_away(walks)
        for walk in walks:
            walk.serve(0)

    def _touch(self, root: str, ts: int) -> None:
        """The venue looks at packages when their underlying is quoted: after the legs, and with nothing to be had."""
        quote, price = self._view.look(root), self._market.last(root) if root in self._glasses else None
        if quote is not None and price is not None:
            self._market.put(self._glasses[root].step(ts, price, quote.bid, quote.ask, 0.0, printed=False))

    def _take_away(self, walks: "Sequence[Walk]") -> None:
        """After the open, what legs showed is there for packages no more."""
        legs, self._packaged = {symbol for symbol, _ in self._packaged}, {}
        now = self._house.clock.time
        for walk in walks:
            if walk.symbol in legs and not self.open_orders(walk.symbol):
                self._market.put(walk.last(now))
        self._house.advance(now)

    def show(self, glass: Glass, ts: int, price: float, bid: float, ask: float, size: float) -> None:
        """A step of the market that orders may meet, and all that follows from it."""
        house = self._house
        ts = max(ts, house.clock.time + 1)
        house.pass_to(ts - 1, self.mark)
        self._put(ts, glass, price, bid, ask, size)
        self._let_go(ts)

    def _put(self, ts: int, glass: Glass, price: float, bid: float, ask: float, size: float) -> None:
        self._view.live[glass.symbol] = Quote(glass.symbol, bid, size, ask, size, ts, ts)
        self._market.put(glass.step(ts, price, bid, ask, size))

    def _let_go(self, ts: int) -> None:
        """The venue sees what was put, and orders that came just before meet it."""
        house, live = self._house, self._view.live
        house.clock.time = ts
        house.advance(ts)
        house.pass_to(ts + 1, self.mark)
        if any(True for _ in house.desk.parents):
            for quote in [each for each in live.values() if each.ts_event == ts]:
                house.desk.parents.hear_quote(quote)
        house.settle()

    def _put_away(self, walk: "Walk") -> None:
        """The bar is over: its last price can be looked at, and nothing fills at it any more."""
        if not self._house.venue.open_orders(walk.symbol):
            return  # whoever orders next is shown the last price first
        now = self._house.clock.time
        self._market.put(walk.last(now))
        self._house.advance(now)

    # What the venue must know when somebody asks it for something.

    def _show_for(self, command: Command) -> None:
        """The last prices of what an order is about, and of all that is held; nothing fills at them."""
        now = self._house.clock.time
        self._mark(now)
        if isinstance(command, Submit):
            for symbol in (command.request.symbol, *(leg.symbol for leg in command.request.legs or ())):
                if symbol in self._glasses:
                    self._look(str(symbol), now)

    def mark(self, now: int) -> None:
        """Before something is due: what is held, and what options end at, at the prices of just before."""
        for symbol in self._mark(now - 1):
            if (settles := self._market.chain.settlement(symbol, now)) is not None:
                self._settle(settles, now - 1)

    def _mark(self, now: int) -> list[str]:
        """Of all that is held the last price; what is held."""
        held = list(self._house.venue.ledger.holdings)
        for symbol in held:
            for name in (symbol, self._market.chain.underlying(symbol)):
                if name in self._glasses:
                    self._look(str(name), now)
        return held

    def _settle(self, root: str, now: int) -> None:
        """On the evening of their last day options end at the close of the session, whatever came after it."""
        if root not in self._glasses or (price := self._market.close_of_day(root, now)) is None:
            return
        self._shown.pop(root, None)
        self._market.put(self._glasses[root].step(now, price, price, price, 0.0))
        self._house.take(self._house.venue.advance(now))

    def _look(self, symbol: str, now: int) -> None:
        at = self._market.at[symbol]
        if symbol in self._view.live or self._shown.get(symbol) == at:
            return
        quote = self._view.look(symbol)
        price = self._market.last(symbol)
        if quote is None or price is None:
            return
        self._shown[symbol] = at
        glass = self._glasses[symbol]
        self._market.put(glass.step(now, price, quote.bid, quote.ask, 0.0))
        self._house.take(self._house.venue.advance(now))

    def resumes(self, symbol: str, opens: int, known: int) -> int:
        """When a bar's first print may be: at the end of a halt that it begins in, if it is not over then."""
        resumes = self._market.resumes(symbol, opens)
        return resumes if resumes < known else opens

    def packaged(self, symbol: str, *, is_buy: bool) -> float:
        """How many contracts packages want at this open."""
        return self._packaged.get((symbol, is_buy), 0.0)

    def open_orders(self, symbol: str) -> list[LiveOrder]:
        """The open orders in a symbol at the venue, held ones among them."""
        return self._house.venue.open_orders(symbol)

    def stood(self, columns: Columns, row: int, ts: int) -> tuple[float, float] | None:
        """The quote that stood before a bar, where it was noted down; of stored ones that of a moment inside of it."""
        return self._market.history.stood(columns.symbol, int(columns.known[row - 1]) if row else 0, ts)

    def tape(self, symbol: str) -> Tape | None:
        """Stored quotes and prints, where there are some."""
        return self._market.history.tapes.get(symbol)

    def extremes(self, symbol: str, begin: int, end: int, shape: BarShape) -> tuple[int, int] | None:
        """When a bar was at its high and its low, where prints are stored that tell."""
        tape = self.tape(symbol)
        return None if tape is None else tape.extremes(begin, end, shape.high, shape.low)

    def held(self, symbol: str) -> int:
        """The sign of what the account holds."""
        qty = self._house.venue.ledger.quantity(symbol)
        return (qty > 0) - (qty < 0)

    def filled(self, symbol: str) -> float:
        """What was filled so far."""
        return self._house.filled.get(symbol, 0.0)


class Walk:
    """The way through one bar of one symbol."""

    def __init__(self, loop: BarLoop, columns: Columns, row: int, glass: Glass) -> None:
        self.symbol = glass.symbol
        opens, self._known = int(columns.opens[row]), int(columns.known[row])
        self.opens = loop.resumes(glass.symbol, opens, self._known)
        self.is_late = self.opens > opens
        self._loop = loop
        self._glass = glass
        self._shape = glass.shape(columns, row)
        self._price = self._shape.open
        self._done: set[str] = set()
        self._ticks = 0
        self._room = glass.room(self._shape)
        self._before = loop.filled(glass.symbol)
        self._first: bool | None = None
        self._columns, self._row = columns, row
        quarter = (self._known - self.opens) // PHASES
        self._moments = [self.opens + phase * quarter for phase in range(PHASES)]

    def opening(self) -> tuple[Glass, float, float, float, float]:
        """The step at the open; where somebody noted or stored the quote that stood then, that is met."""
        stood = self._loop.stood(self._columns, self._row, self.opens)
        sides = self._sides(self._price, 0) if stood is None else self._moved(*stood, self._price)
        return self._glass, self._price, *sides, self._left

    def last(self, now: int) -> MarketStep:
        """The step that takes all size away."""
        return self._glass.step(now, self._price, *self._glass.sides(self._price, self._shape), 0.0)

    def go(self, phase: int) -> None:
        """One of the parts after the open: the first extreme, the second, the close."""
        if not self._loop.open_orders(self.symbol):
            self._price = self._shape.close
            return
        self._ticks = 0
        target = self._target(phase)
        while (level := self._next_level(target)) is not None:
            price, order = level
            self._done.add(order.id)
            self._meet(order, price, phase)
        self._step(target, phase)
        self.serve(phase)

    def serve(self, phase: int) -> None:
        """What the last step has reached: stops that came too late for its print, limits that its spread kept off."""
        if any(self._elected(order, self._price) for order in self._loop.open_orders(self.symbol)):
            self._step(self._price, phase)
        for order in self._loop.open_orders(self.symbol):
            if order.id not in self._done and _is_resting(order) and self._reached(order, self._price):
                self._done.add(order.id)
                self._meet(order, self._price, phase)

    def _target(self, phase: int) -> float:
        shape = self._shape
        if phase == PHASES - 1:
            return shape.close
        if self._first is None:
            self._first = self._order_of_extremes()
        return shape.high if self._first is (phase == 1) else shape.low

    def _order_of_extremes(self) -> bool:
        """Whether the high comes before the low: as stored prints tell, with its moments, or as the model guesses."""
        told = self._loop.extremes(self.symbol, self.opens, self._known, self._shape)
        if told is None:
            return self._glass.fills.high_first(self._shape, self._loop.held(self.symbol))
        self._moments[1:3] = sorted(told)
        return told[0] <= told[1]

    def _next_level(self, target: float) -> tuple[float, LiveOrder] | None:
        """The nearest price on the way to `target` at which one of the orders has something to do."""
        here, found = self._price, list[tuple[float, LiveOrder]]()
        for order in self._loop.open_orders(self.symbol):
            level = self._level(order)
            if level is None or order.id in self._done or order.waits:
                continue
            falls = order.is_buy is not order.is_stop  # a buy limit and a sell stop wait for lower prices
            if (target <= level < here) if falls else (here < level <= target):
                found.append((level, order))
        return min(found, key=lambda each: abs(each[0] - here), default=None)

    def _level(self, order: LiveOrder) -> float | None:
        """Where the path must be for an order to be elected or filled."""
        if order.is_stop:
            return None if order.stop is None else float(order.stop)
        if order.limit is None:
            return None
        beyond = self._glass.fills.through(self._shape)
        return float(order.limit) - beyond if order.is_buy else float(order.limit) + beyond

    def _elected(self, order: LiveOrder, price: float) -> bool:
        """Whether a print at this price elects a stop."""
        if not order.is_stop or order.stop is None or order.waits:
            return False
        return price >= order.stop if order.is_buy else price <= order.stop

    def _reached(self, order: LiveOrder, price: float) -> bool:
        level = self._level(order)
        return level is not None and (price <= level if order.is_buy else price >= level)

    def _meet(self, order: LiveOrder, price: float, phase: int) -> None:
        """A step at an order's own price: a limit fills there and no better, a stop is elected there."""
        if order.is_stop:
            self._step(price, phase)
            return
        bid, ask = self._glass.sides(price, self._shape)
        limit = float(order.limit or 0)
        sides = (min(bid, limit), limit) if order.is_buy else (limit, max(ask, limit))
        self._show(price, *sides, phase)

    def _step(self, price: float, phase: int) -> None:
        """A step at a price, with the spread and what our own orders move."""
        self._show(price, *self._sides(price, phase), phase)

    def _sides(self, price: float, phase: int) -> tuple[float, float]:
        """Bid and ask around a price, as far apart as those that are stored were then, or as the model guesses."""
        quoted = self._loop.tape(self.symbol)
        stood = quoted.stood(self._moments[phase]) if quoted is not None and phase else None
        if stood is None:
            return self._moved(*self._glass.sides(price, self._shape), price)
        half, step = (stood[1] - stood[0]) / 2, self._shape.tick
        return self._moved(max(step, down(price - half, step)), up(price + half, step), price)

    def _moved(self, bid: float, ask: float, price: float) -> tuple[float, float]:
        """What our own orders make of a quote."""
        buying, selling = self._wanted(price, is_buy=True), self._wanted(price, is_buy=False)
        impact, shape = self._glass.fills.impact, self._shape
        if buying and (moved := impact(min(buying, self._left), shape)):
            ask = up(ask + moved, shape.tick)
        if selling and (moved := impact(min(selling, self._left), shape)):
            bid = max(shape.tick, down(bid - moved, shape.tick))
        return bid, ask

    def _wanted(self, price: float, *, is_buy: bool) -> float:
        """How much will be taken at once here: market orders, and stops that this price elects."""
        total = 0.0
        for order in self._loop.open_orders(self.symbol):
            if order.is_buy is not is_buy or order.waits or _is_resting(order):
                continue
            if order.is_stop and not self._elected(order, price):
                continue
            total += float(order.leaves(exact(price)))
        return total + self._loop.packaged(self.symbol, is_buy=is_buy)

    @property
    def _left(self) -> float:
        """How much of this bar's volume is still ours."""
        if self._room >= ANY_SIZE:
            return ANY_SIZE
        left = self._room - (self._loop.filled(self.symbol) - self._before)
        return max(0.0, floor(left * MILLION) / MILLION)  # what floats leave over is nothing to trade

    def _show(self, price: float, bid: float, ask: float, phase: int) -> None:
        ts = self._moments[phase] + 2 * self._ticks
        self._ticks += 1
        self._price = price
        self._loop.show(self._glass, ts, price, bid, ask, self._left)


def packaged(packages: Sequence[LiveOrder]) -> dict[tuple[str, bool], float]:
    """A leg and whether it is bought -> how many contracts."""
    wanted: dict[tuple[str, bool], float] = {}
    for leg in (leg for each in packages for leg in each.legs):
        key = leg.symbol, leg.is_buy
        wanted[key] = wanted.get(key, 0.0) + float(leg.leaves(exact(0)))
    return wanted


def _is_resting(order: LiveOrder) -> bool:
    """A limit order, or what an elected stop-limit has become."""
    return not order.is_stop and order.limit is not None


class _Frames:
    """All bars of all symbols in order of the time at which they are known; a frame is what is known at one instant.

    Attributes:
        names: the symbols, by their number.
    """

    def __init__(self, history: History) -> None:
        self.names = list(history.order)
        columns = [history.columns[name] for name in self.names]
        known = np.concatenate([each.known for each in columns])
        sids = np.concatenate([np.full(len(each), sid, dtype=np.int64) for sid, each in enumerate(columns)])
        order = np.lexsort((sids, known)) if len(columns) > 1 else np.arange(len(known))
        rows = np.concatenate([np.arange(len(each), dtype=np.int64) for each in columns])
        self._sids, self._rows = sids[order], rows[order]
        parts = zip(*(each[1:] for each in columns), strict=True)
        self._columns = tuple(np.concatenate(part)[order] for part in parts)
        self._known = known[order]
        self._back: list[_Item] = []
        self._rest = self._streamed()

    def __len__(self) -> int:
        return len(self._known)

    def bounds(self, index: int) -> tuple[int, int]:
        """The first bar of the frame of a bar, and the first one after it."""
        ts = self._known[index]
        first = last = index
        while first and self._known[first - 1] == ts:
            first -= 1
        count = len(self._known)
        while last < count and self._known[last] == ts:
            last += 1
        return first, last

    def known_at(self, index: int) -> int:
        return int(self._known[index])

    def opens_at(self, first: int, last: int) -> int:
        """The earliest first print of these bars."""
        opens: Any = self._columns[1][first:last]
        return int(opens.min())

    def rows(self, first: int, last: int) -> Iterator[tuple[str, int]]:
        """Symbol and row of the bars from `first` to before `last`."""
        names = map(self.names.__getitem__, self._sids[first:last].tolist())
        return zip(names, self._rows[first:last].tolist(), strict=True)

    def until(self, due: int, most: int) -> int:
        """The first bar that is known at `due` or later, at most the first of the frame of bar number `most`."""
        return min(int(np.searchsorted(self._known, due)), self.bounds(most)[0] if most < len(self) else len(self))

    def stream(self, count: int) -> "Iterator[_Item]":
        """So many of the bars that are left, each once: end, symbol number, symbol, row, bar."""
        back, self._back = self._back, []
        return islice(chain(back, self._rest), count)

    def give_back(self, item: "_Item") -> None:
        """The stream begins with this one again."""
        self._back.append(item)

    def _streamed(self) -> "Iterator[_Item]":
        return chain.from_iterable(self._bars(lo, lo + CHUNK) for lo in range(0, len(self), CHUNK))

    def _bars(self, first: int, last: int) -> "Iterator[_Item]":
        begin, _, known, open_, high, low, close, volume, trades, vwap = (
            column[first:last].tolist() for column in self._columns
        )
        sids, rows = self._sids[first:last].tolist(), self._rows[first:last].tolist()
        names = [self.names[0]] * len(sids) if len(self.names) == 1 else [*map(self.names.__getitem__, sids)]
        made = map(Bar, names, open_, high, low, close, volume, begin, known, trades, vwap)
        return zip(known, sids, names, rows, made)  # noqa: B905 - of one length; `strict` costs in the innermost loop


_Item = tuple[int, int, str, int, Bar]
