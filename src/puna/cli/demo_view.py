"""The day as it passes: a live screen on a terminal, a line now and then elsewhere, nothing under --json."""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from puna.core.orders import Order
from puna.core.risk import TradingState
from puna.core.types import ZERO, OrderClass
from puna.engine.progress import Progress
from puna.engine.trader import Trader
from puna.research.report.formats import count, dollars, percent, plain, price, quantity, signed, wall

__all__ = ["Lines", "Nothing", "Screen", "View", "choose"]

_REDRAW = 80_000_000  # ns of wall time: about twelve pictures a second
_HOUR = 3600_000_000_000
_LAST = 6
_STREAMS = {TradingState.ACTIVE: "both streams up", TradingState.REDUCING: "a stream is down: only reductions"}
_SPARKS = "▁▂▃▄▅▆▇█"
_BESIDE_SPARK = 44


class View(Protocol):
    """Somebody who watches."""

    def open(self) -> AbstractContextManager[object]:
        """Watches until the body ends."""

    def hear(self, ts: int, text: str) -> None:
        """Something notable happened."""

    def look(self, trader: Trader, wall_ns: int) -> None:
        """Market time has moved on; `wall_ns` is wall time."""


def choose(title: str, *, as_json: bool) -> View:
    """What fits: a terminal without NO_COLOR gets the screen, a pipe gets lines, --json silence."""
    if as_json:
        return Nothing()
    plain_terminal = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return Lines() if plain_terminal or not sys.stderr.isatty() else Screen(title)


class Nothing:
    """Nobody watches."""

    def open(self) -> AbstractContextManager[object]:
        return nullcontext()

    def hear(self, ts: int, text: str) -> None:
        """Is not told."""

    def look(self, trader: Trader, wall_ns: int) -> None:
        """Does not look."""


class Lines:
    """A line for each hour of the day, and for everything notable, on stderr."""

    def __init__(self) -> None:
        self._next = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        yield
        click.echo(err=True)

    def hear(self, ts: int, text: str) -> None:
        click.echo(f"  {wall(ts)}  {text}", err=True)

    def look(self, trader: Trader, wall_ns: int) -> None:  # noqa: ARG002 - market time alone decides
        now = trader.progress()
        if not self._next and now.end:
            self._next = now.now // _HOUR * _HOUR + _HOUR
        if self._next and now.now >= self._next:
            self._next += _HOUR
            click.echo(f"  {wall(now.now, '%H:%M')}     {_books_of(trader, now)}", err=True)


class Screen:
    """The live picture: time, equity, positions, the last orders, what happened."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._live = Live(console=console or Console(stderr=True), auto_refresh=False, transient=True)
        self._drawn = 0
        self._start: tuple[int, Decimal] | None = None
        self._curve: list[float] = []
        self._said: deque[str] = deque(maxlen=3)

    def open(self) -> AbstractContextManager[object]:
        return self._live

    def hear(self, ts: int, text: str) -> None:
        self._said.append(f"{wall(ts)}  {text}")

    def look(self, trader: Trader, wall_ns: int) -> None:
        if wall_ns - self._drawn < _REDRAW:
            return
        self._drawn = wall_ns
        now = trader.progress()
        if self._start is None and now.equity is not None and now.end:
            self._start = (now.now, now.equity)
        if self._start is not None and now.equity is not None:
            self._curve.append(float(now.equity))
            self._live.update(self._picture(trader, now, *self._start), refresh=True)

    def _picture(self, trader: Trader, now: Progress, began: int, start: Decimal) -> Panel:
        return Panel(
            Group(
                self._time(now, began),
                self._equity(trader, now, start),
                Text(f" {_positions(trader)}", "dim", overflow="ellipsis", no_wrap=True),
                Text(),
                _orders(_shown(trader.gateway.blotter.orders.values())[-_LAST:]),
                Text(),
                *(Text(f" {line}", "yellow") for line in self._said),
            ),
            title=Text.assemble((" SIM ", "bold white on grey37"), f" {self._title} "),
            title_align="left",
            border_style="grey50",
            height=_LAST + 11,
        )

    def _time(self, now: Progress, began: int) -> Table:
        done, whole = max(0, now.now - began), max(1, now.end - began)
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=18)
        row.add_column(ratio=1)
        row.add_column(width=6, justify="right")
        bar = ProgressBar(total=whole, completed=min(done, whole), complete_style="cyan", finished_style="cyan")
        row.add_row(f" {wall(now.now)} NY", bar, f"{min(100, 100 * done // whole)} %")
        return row

    def _equity(self, trader: Trader, now: Progress, start: Decimal) -> Text:
        equity = now.equity if now.equity is not None else start
        change = equity - start
        return Text.assemble(
            (f" {dollars(equity)} USD  ", "bold"),
            (f"{signed(change)}  {percent(change / start if start else ZERO)}", "green" if change >= 0 else "red"),
            ("  " + _spark(self._curve, max(8, self._live.console.width - _BESIDE_SPARK)), "cyan"),
            f"\n {_counts(trader, now)}",
        )


def _books_of(trader: Trader, now: Progress) -> str:
    worth = dollars(now.equity) if now.equity is not None else "not known"
    return f"equity {worth}, {_counts(trader, now)}"


def _counts(trader: Trader, now: Progress) -> str:
    refused = f", {count(now.refusals, 'order')} refused" if now.refusals else ""
    streams = _STREAMS.get(now.state, str(now.state))
    fills = sum(booked.fill.qty != 0 for booked in trader.gateway.blotter.booked)
    sent = sum(order.intent.leg_of is None for order in trader.gateway.blotter.orders.values())  # as the report counts
    return f"{sent} orders, {fills} fills{refused}, {streams}"


def _positions(trader: Trader) -> str:
    held = trader.gateway.blotter.portfolio.positions.values()
    return "holds " + (", ".join(f"{quantity(each.qty)} {each.symbol}" for each in held) or "nothing")


def _shown(orders: Iterable[Order]) -> list[Order]:
    """Without the legs of packages, which stand in these."""
    return [each for each in orders if each.intent.leg_of is None or each.intent.order_class is not OrderClass.MLEG]


def _orders(orders: list[Order]) -> Table:
    table = Table.grid(padding=(0, 2))
    for width in (9, 10, 18, 14, 18):
        table.add_column(min_width=width, no_wrap=True)
    for row in map(_cells, orders):
        table.add_row(*row)
    for _ in range(_LAST - len(orders)):
        table.add_row()
    return table


def _cells(order: Order) -> Iterator[str]:
    intent, at = order.intent, order.intent.limit_price or order.intent.stop_price
    yield f" {wall(intent.ts)}"
    yield intent.strategy
    yield f"{intent.side.upper()} {quantity(intent.qty)} {intent.symbol}{' package' if intent.legs else ''}"
    yield f"{plain(intent.type)}{f' {price(at)}' if at is not None else ''}"
    average = order.average_price
    yield plain(str(order.status)) + (f" at {price(average)}" if average is not None else "")


def _spark(values: list[float], width: int) -> str:
    """The curve so far in one line of blocks."""
    step = max(1, -(-len(values) // width))
    shown = values[::step]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    return "".join(_SPARKS[round((value - low) / (high - low or 1.0) * 7)] for value in shown)
