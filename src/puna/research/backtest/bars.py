"""The loop over bars: which strategies hear which bar when, and how orders meet the market inside of one.

A bar is told at its end. Orders that come of it reach the venue then and meet the market from the next bar's open on.
A symbol without open orders costs nothing inside its bars; one with orders is walked along a path (`backtest_fills`)
that stops wherever one of its orders has a price, so a stop fills at its stop, not at the bar's low.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from puna.core.protections import armed
from puna.core.types import Bar, Quote
from puna.engine.strategy import Strategy
from puna.exchange.commands import Command, Submit
from puna.exchange.orders.live import LiveOrder
from puna.research.backtest.data import Columns
from puna.research.backtest.fills import BarShape
from puna.research.backtest.frames import Frames
from puna.research.backtest.house import BarHouse
from puna.research.backtest.market import BarMarket, Glass
from puna.research.backtest.tape import Tape
from puna.research.backtest.ticks import Ticks, is_ticking
from puna.research.backtest.view import HistoryView
from puna.research.backtest.walk import PHASES, Walk, packaged

__all__ = ["BarLoop", "Progress"]

MOST = 8192
"""So many bars are told before somebody hears of the progress."""

Ear = Callable[[Bar], None]
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
        self._frames = Frames(market.history)
        self._shown: dict[str, int] = {}
        self._ears: dict[str, Ear] = {}
        self._listeners: dict[str, list[Ear]] = {}
        self._owners: dict[Ear, Strategy] = {}
        self._stopped = -1
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
        if is_ticking([*self._house.desk.strategies.values()], self._market):
            self._ticks = Ticks(self._house, self._market, self._view, self._glasses, self.mark)
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
        if len(house.desk.stopped) != self._stopped:
            self._listen()
        generic = not self._plain or self._ticks is not None or _any(house.desk.parents)
        last = frames.bounds(first)[1]
        if not (generic or self._armed or house.venue.open_orders()):
            last = max(last, frames.until(house.next_due(), first + MOST))
        tell = self._tell_slowly if generic else self._tell_one if frames.of_one else self._tell_many
        done = tell(first, last)
        if house.line.jobs or house.turns.ready:
            house.advance(house.clock.time)  # days that went by without a trace are over before anybody asks
        house.settle()
        return done

    def _tell_one(self, first: int, last: int) -> int:
        """Bars of the only symbol while nothing is due and nobody has orders, up to the first that somebody acts on."""
        clock, at, hear = self._house.clock, self._market.at, self._ears[self._frames.names[0]]
        jobs, ready = self._house.line.jobs, self._house.turns.ready
        for index, bar in zip(range(first, last), self._frames.bars):  # noqa: B905 - the bars go on after `last`
            clock.time = at.time = bar.ts_init
            try:
                hear(bar)
            except Exception as error:  # noqa: BLE001 - a user's code may raise anything
                self._failed(hear, error)
                return index + 1
            if jobs or ready:
                return index + 1
        return last

    def _tell_many(self, first: int, last: int) -> int:
        """Frames of many symbols, likewise."""
        clock, at, ears, left = self._house.clock, self._market.at, self._ears, self._frames.left
        jobs, ready = self._house.line.jobs, self._house.turns.ready
        index = first
        while True:
            bars = next(left)
            clock.time = at.time = bars[0].ts_init
            for bar in bars:
                try:
                    ears[bar.symbol](bar)
                except Exception as error:  # noqa: BLE001 - a user's code may raise anything
                    self._failed(ears[bar.symbol], error)
            index += len(bars)
            if index >= last or jobs or ready:
                return index

    def _tell_slowly(self, _: int, last: int) -> int:
        """One frame, by the desk's own way: quotes, parent orders, longer bars."""
        timeframe, chain, desk, view = self._market.history.timeframe, self._market.chain, self._house.desk, self._view
        for bar in self._frames.take():
            if not self._ticking and (quote := view.look(bar.symbol)) is not None:
                desk.hear_quote(quote)
            if bar.symbol not in chain:
                desk.hear_bar(timeframe, bar)
        return last

    def _listen(self) -> None:
        """Who hears a bar without further ado: those who want this timeframe and no quotes, and have not failed."""
        desk, timeframe = self._house.desk, self._market.history.timeframe
        self._stopped = len(desk.stopped)
        team = list(desk.strategies.values())
        self._plain = all(each.timeframe == timeframe and type(each).on_quote is Strategy.on_quote for each in team)
        team = [each for each in team if each.name not in desk.stopped]
        self._owners = {each.on_bar: each for each in team}
        for name in self._frames.names:
            here = self._listeners.setdefault(name, [])
            mine = team if name not in self._market.chain else ()
            here[:] = (each.on_bar for each in mine if name in each.symbols and each.timeframe == timeframe)
            self._ears[name] = here[0] if len(here) == 1 else partial(self._tell_all, here)

    def _tell_all(self, here: Sequence[Ear], bar: Bar) -> None:
        """Several who listen to one symbol, or nobody."""
        for each in (*here,):
            try:
                each(bar)
            except Exception as error:  # noqa: BLE001 - a user's code may raise anything
                self._failed(each, error)

    def _failed(self, ear: Ear, error: Exception) -> None:
        """A strategy has raised: it hears no more, the others do."""
        self._house.desk.fail(self._owners[ear], "on_bar", error)
        self._listen()

    # Inside of a frame.

    def _begin_frame(self, index: int) -> None:
        """Market time goes to the end of the next bars; orders that are open meet what lies in between."""
        house, frames = self._house, self._frames
        first, last = frames.bounds(index)
        opens, known = frames.opens_at(first, last), int(frames.known[index])
        house.pass_to(opens, self.mark)
        self._ticking = self._ticks is not None and self._ticks.covers(known)
        if self._ticks is not None and self._ticking:
            self._ticks.play(frames.rows(first, last), opens, known)
        elif orders := house.venue.open_orders():
            wanted = {part.symbol for each in orders for part in (each.legs or (each,))}
            rows = frames.rows(first, last, wanted)
            self._walk(rows, [each for each in orders if each.legs and {leg.symbol for leg in each.legs} <= {*rows}])
        house.pass_to(known - 1, self.mark)
        self._market.at.time = known
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

    def _open(self, walks: Sequence[Walk], packages: Sequence[LiveOrder]) -> None:
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

    def _take_away(self, walks: Sequence[Walk]) -> None:
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
        if _any(house.desk.parents):
            for quote in [each for each in live.values() if each.ts_event == ts]:
                house.desk.parents.hear_quote(quote)
        house.settle()

    def _put_away(self, walk: Walk) -> None:
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


def _any(those: Iterable[object]) -> bool:
    return any(True for _ in those)
