"""The strategy of a crash campaign: a fixed list of steps that passes through every point of an order's life.

Each step knows from the books whether it was done, so a process that starts again goes on where the last one was
killed: what was lost before it was written down is asked for again, and nothing is asked for twice. What the strategy
is told goes to a file, line by line.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec
from verdict import Memory

from puna.core.orders import Order, Status
from puna.core.types import Fill, OrderIntent, Quote
from puna.engine.blotter import Blotter
from puna.engine.strategy import Strategy

__all__ = ["SCRIPTS", "Scripted", "Step"]

TICK = 15_000_000_000
PATIENCE = 2
End = Literal["live", "ended", "refused", "washed", "done"]
_UNDONE = frozenset({Status.REFUSED, Status.ABANDONED, Status.REJECTED})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that the strategy does.

    Args:
        name: stands in the order as its reason.
        tick: of the market, 15 seconds each, counted from the open; it is done then or as soon as possible after.
        symbol: what is traded; empty for a cancel.
        qty: negative to sell.
        limit: None is a market order.
        offset: a limit this far from the quote's other side instead; positive reaches it.
        stop: a stop price.
        tif: time in force.
        of: for a cancel or a replace, the step whose order it is about.
        replaces: the order takes the place of the one of `of`.
        after: steps whose orders must have ended.
        end: how the order has to stand when the session is over: "live", "ended", "refused" by risk, or "washed",
            which is refused by the exchange; "done" is filled, at the exchange or inside the account.
        sleeve: the strategy that does it.
    """

    name: str
    tick: int
    symbol: str = ""
    qty: int = 0
    limit: str | None = None
    offset: str | None = None
    stop: str | None = None
    tif: str = "day"
    of: str = ""
    replaces: bool = False
    after: tuple[str, ...] = ()
    end: End = "ended"
    sleeve: str = "scripted"

    @property
    def cancels(self) -> bool:
        return bool(self.of) and not self.qty


LIFE = (
    Step(name="market", tick=1, symbol="MSFT", qty=100),
    Step(name="rest", tick=1, symbol="IBM", qty=10, limit="150"),
    Step(name="large", tick=2, symbol="IBM", qty=1500, offset="1"),
    Step(name="too large", tick=2, symbol="MSFT", qty=1_000_000, end="refused"),
    Step(name="cancel rest", tick=3, of="rest"),
    Step(name="old", tick=3, symbol="MSFT", qty=20, limit="25", after=("market",)),
    Step(name="new", tick=4, symbol="MSFT", qty=30, limit="26", of="old", replaces=True),
    Step(name="wash", tick=5, symbol="MSFT", qty=-10, of="new", end="washed"),
    Step(name="newer", tick=6, symbol="MSFT", qty=30, limit="31.50", of="new", replaces=True, after=("wash",)),
    Step(name="huge", tick=7, symbol="IBM", qty=9000, offset="0.50"),
    Step(name="sell", tick=8, symbol="MSFT", qty=-50, after=("newer",)),
    Step(name="cancel huge", tick=9, of="huge"),
    Step(name="stop", tick=9, symbol="MSFT", qty=-20, stop="28", tif="gtc", after=("newer",), end="live"),
    Step(name="left", tick=9, symbol="MSFT", qty=-5, limit="40", tif="gtc", after=("newer",), end="live"),
    Step(name="reduce", tick=10, symbol="IBM", qty=-300, after=("large", "huge")),
)

ONE, TWO = "one", "two"
SLEEVES = (
    Step(name="one buys", tick=1, symbol="MSFT", qty=100, end="done", sleeve=ONE),
    Step(name="two buys", tick=1, symbol="IBM", qty=50, end="done", sleeve=TWO),
    Step(name="one sells", tick=3, symbol="MSFT", qty=-60, after=("one buys",), end="done", sleeve=ONE),
    Step(name="two takes", tick=3, symbol="MSFT", qty=20, end="done", sleeve=TWO),
    Step(name="two sells", tick=5, symbol="IBM", qty=-30, after=("two buys",), end="done", sleeve=TWO),
    Step(name="one takes", tick=5, symbol="IBM", qty=30, end="done", sleeve=ONE),
    Step(name="two gives", tick=7, symbol="MSFT", qty=-20, after=("two takes",), end="done", sleeve=TWO),
    Step(name="one adds", tick=7, symbol="MSFT", qty=45, after=("one sells",), end="done", sleeve=ONE),
)
"""Two strategies that cross three times: a part of an order, two whole ones, a whole one against a part."""

SCRIPTS: Mapping[str, Sequence[Step]] = {"life": LIFE, "sleeves": SLEEVES}


class Scripted(Strategy):
    """Does the steps of a script.

    Args:
        steps: what to do; all of one sleeve.
        open_ns: when the session opens.
        folder: where to write down what it is told.
        life: which process of the trial this is.
    """

    name = "scripted"
    symbols = ("IBM", "MSFT")
    when_stopped = "leave"

    def __init__(self, steps: Sequence[Step], open_ns: int, folder: Path, life: int) -> None:
        self._steps = steps
        self.name = steps[0].sleeve
        self._open = open_ns
        self._life = life
        self._asked: set[str] = set()
        self._tried: Counter[str] = Counter()
        self._told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.books: Callable[[], Blotter] = Blotter

    def on_quote(self, quote: Quote) -> None:
        if quote.symbol != self.symbols[-1]:  # the last of a frame, so that all of them are known
            return
        self._cancel_strangers()
        tick = (quote.ts_event - self._open) // TICK
        for step in self._steps:
            if step.tick <= tick and not self._is_done(step) and self._is_possible(step):
                self._do(step)

    def on_fill(self, fill: Fill) -> None:
        self._write(
            Memory(
                life=self._life,
                told="fill",
                key=fill.client_order_id,
                cum_qty=fill.cum_qty,
                qty=fill.qty,
                price=fill.price,
            )
        )

    def on_order(self, order: Order) -> None:
        self._write(Memory(life=self._life, told="order", key=order.client_order_id, status=str(order.status)))
        if order.status in _UNDONE:
            self._asked.discard(order.intent.because)
            self._try_again(order.intent.because)

    def on_refused(self, intent: OrderIntent, code: str, reason: str) -> None:
        self._write(Memory(life=self._life, told="refused", key=intent.because, status=f"{code} {reason}"))
        self._asked.discard(intent.because)

    def _try_again(self, name: str) -> None:
        """Wants at once again what it was told will not happen: whoever tells so too early gets two orders."""
        for step in self._steps:
            if (
                step.name == name
                and self._tried[name] < PATIENCE
                and not self._is_done(step)
                and self._is_possible(step)
            ):
                self._tried[name] += 1
                self._do(step)

    def _write(self, memory: Memory) -> None:
        os.write(self._told, msgspec.json.encode(memory) + b"\n")

    def _cancel_strangers(self) -> None:
        """Ends orders that were found at the broker: what they were for is lost with the end of the journal."""
        names = {step.name for step in self._steps}
        for order in self.orders():
            if order.intent.because not in names and order.client_order_id not in self.books().cancels:
                self.cancel(order.client_order_id)

    def _is_done(self, step: Step) -> bool:
        """By the books, or because it was asked for a moment ago."""
        if step.name in self._asked:
            return True
        if step.cancels:
            order = self._order_of(step.of)
            return order is not None and (order.is_terminal or order.client_order_id in self.books().cancels)
        if step.end == "refused":
            return any(refusal.intent.because == step.name for refusal in self.books().refusals)
        return self._order_of(step.name, refused=step.end == "washed") is not None

    def _is_possible(self, step: Step) -> bool:
        """An order can be canceled or replaced once it is known to live."""
        before = [self._order_of(name, refused=name == "wash") for name in step.after]
        if not all(order is not None and order.is_terminal for order in before):
            return False
        if step.offset is not None:
            quote = self.quote(step.symbol)
            return quote is not None and quote.usable
        order = self._order_of(step.of)
        if step.cancels:
            return order is not None and order.cancelable
        return not step.of or (order is not None and order.status == Status.NEW)

    def _order_of(self, name: str, *, refused: bool = False) -> Order | None:
        """The order of a step, unless it was given up or refused."""
        for order in self.books().orders.values():
            if order.intent.because == name and (order.status not in _UNDONE or refused):
                return order
        return None

    def _do(self, step: Step) -> None:
        self._asked.add(step.name)
        order = self._order_of(step.of)
        if step.cancels and order is not None:
            self.cancel(order.client_order_id, because=step.name)
        elif step.replaces and order is not None:
            self.replace(order.client_order_id, qty=step.qty, limit=step.limit, because=step.name)
        else:
            trade = self.buy if step.qty > 0 else self.sell
            limit = self._limit(step)
            trade(step.symbol, abs(step.qty), limit=limit, stop=step.stop, tif=step.tif, because=step.name)

    def _limit(self, step: Step) -> Decimal | str | None:
        quote = self.quote(step.symbol)
        if step.offset is None or quote is None:
            return step.limit
        side = quote.ask if step.qty > 0 else quote.bid
        return Decimal(repr(side)) + (1 if step.qty > 0 else -1) * Decimal(step.offset)
