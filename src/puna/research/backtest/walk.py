"""The way through one bar of one symbol in which somebody has orders: open, the two extremes, close.

The path stops wherever one of the orders has a price, so a stop fills at its stop, not at the bar's low.
"""

from collections.abc import Sequence
from math import floor
from typing import TYPE_CHECKING

from puna.core.types import exact
from puna.exchange.orders.live import LiveOrder
from puna.exchange.prices.market import MarketStep
from puna.research.backtest.data import Columns
from puna.research.backtest.market import ANY_SIZE, Glass, down, up

if TYPE_CHECKING:
    from puna.research.backtest.bars import BarLoop

__all__ = ["PHASES", "Walk", "packaged"]

PHASES = 4
MILLION = 1_000_000


class Walk:
    """The way through one bar of one symbol."""

    def __init__(self, loop: "BarLoop", columns: Columns, row: int, glass: Glass) -> None:
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
