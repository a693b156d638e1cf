"""Whole trading processes against the real exchange over loopback, in lockstep."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from puna.alpaca.hosts import Credentials, Endpoints
from puna.engine.entries import Entry, from_record
from puna.engine.outbound import Timing
from puna.engine.storage import records
from puna.engine.strategy import Strategy
from puna.engine.trader import Trader, assemble
from puna.exchange.faults import Fault
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.exchange.venue import Submit
from puna.seams import DrivenClock, seeded_rng
from puna.wire.codec import parse_time
from puna.wire.trading import Order, OrderRequest

OPEN = parse_time("2012-09-19T09:30:00-04:00")
CLOSE = parse_time("2012-09-19T16:00:00-04:00")
MINUTE = 60_000_000_000
KEYS = Credentials.of("KEY", "SECRET")
FAST = Timing(settle=0.1, misses=2, transit=1.0, resting=60.0, refresh=1.0)


class Scripted(Strategy):
    """Does what a test says when a minute of the first symbol is complete: `deeds[minute](strategy)`."""

    symbols = ("AAPL",)
    name = "scripted"

    def __init__(self, **deeds: Callable[["Scripted"], object]) -> None:
        self.deeds = {int(minute.removeprefix("m")): deed for minute, deed in deeds.items()}
        self.told: list[Any] = []
        self.fills: list[Any] = []
        self.refused: list[tuple[str, str]] = []
        self.results: list[Any] = []

    def on_bar(self, bar: Any) -> None:
        deed = self.deeds.pop((bar.ts_event - OPEN) // MINUTE, None)
        if bar.symbol == self.symbols[0] and deed is not None:
            self.results.append(deed(self))

    def on_order(self, order: Any) -> None:
        self.told.append(order)

    def on_fill(self, fill: Any) -> None:
        self.fills.append(fill)

    def on_refused(self, intent: Any, code: str, reason: str) -> None:
        self.refused.append((code, reason))


class Market:
    """An exchange in a thread, and the ways to look at it from outside."""

    def __init__(self, thread: ExchangeThread) -> None:
        self.thread = thread

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints.at(self.thread.url)

    def orders(self) -> list[Any]:
        """All orders that the venue ever had."""
        return self.thread.call(lambda server: server.venue.orders(status="all", limit=500, direction="asc"))

    def place(self, request: OrderRequest) -> None:
        """An order by somebody else."""
        reply = self.thread.call(lambda server: server._floor.execute(Submit(request)))
        assert isinstance(reply, Order), reply

    def pay(self, amount: Decimal) -> None:
        """Money that comes to the account from nowhere."""

        def pay(server: Any) -> None:
            server.venue.ledger.cash += amount

        self.thread.call(pay)

    def trader(self, *strategies: Strategy, minutes: int = 390, **chosen: Any) -> Trader:
        """A process that ends after so many minutes of the session."""
        until = OPEN + minutes * MINUTE
        options: dict[str, Any] = {"timing": FAST, "rate_limit": 0, "deadline": 0.4, "until": until} | chosen
        clock = options.pop("clock", None) or DrivenClock(0)
        return assemble(strategies, self.endpoints, KEYS, clock, rng=seeded_rng(1), **options)


class CrashError(BaseException):
    """Stands for the end of a process at a named point."""


class Lab:
    """What the tests of the engine work with."""

    OPEN, CLOSE, MINUTE, FAST = OPEN, CLOSE, MINUTE, FAST
    Crash, Speed = CrashError, Speed

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.journal = folder / "journal.sqlite"
        self._stack = stack

    def exchange(self, **config: Any) -> Market:
        """Starts an exchange; it ends with the test."""
        chosen = {"symbols": ("AAPL", "MSFT")} | config
        return Market(self._stack.enter_context(ExchangeThread(ExchangeConfig(**chosen))))

    def fault(self, **terms: Any) -> Fault:
        """Something that goes wrong at the exchange."""
        return Fault(**terms)

    def entries(self) -> list[tuple[int, Entry]]:
        """What the journal holds, also while it is written."""
        return [(seq, from_record(seq, record)) for seq, record in records(self.journal)]

    def scripted(self, **deeds: Callable[[Scripted], object]) -> Scripted:
        """`scripted(m3=lambda s: s.buy("AAPL", 1))` buys when the fourth minute is complete."""
        return Scripted(**deeds)

    def crash_at(self, point: str, nth: int = 1) -> Callable[[str], None]:
        """A probe that ends the process at the nth passing of a point, and once only."""
        passed = 0

        def probe(name: str) -> None:
            nonlocal passed
            passed += name == point
            if name == point and passed == nth:
                raise CrashError(point)

        return probe


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Exchanges, scripted strategies, crashes, and a place for a journal."""
    with ExitStack() as stack:
        yield Lab(stack, tmp_path)
