"""The same two tasks with Puna: the bare client for the round trip, the whole engine for tick to order."""

import asyncio
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from benchmarks.processes import SPEED
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import Alpaca, AsyncAlpaca
from puna.alpaca.trading import get_account, submit_order
from puna.core.risk import RiskLimits
from puna.core.types import Bar, Quote
from puna.engine.outbound import Timing
from puna.engine.pacing import PacedClock
from puna.engine.strategy import Strategy
from puna.engine.trader import assemble
from puna.wire.trading import OrderRequest

__all__ = ["round_trips", "round_trips_sync", "tick_to_order", "tick_to_order_durable", "trade_bars"]

KEYS = Credentials.of("bench", "bench")
# The anchors have no limits at all; these are only wide enough not to refuse what they send.
WIDE = RiskLimits(
    max_open_orders=100_000,
    max_submits=100_000,
    max_quote_age_seconds=60 * SPEED,
    collar_passive_percent=Decimal(100),
    collar_percent=Decimal(100),
)
UNLIMITED = 0
# The exchange's time runs fast, so that a frame comes every few milliseconds; what Puna waits for runs as fast as ever.
CALM = Timing(settle=2 * SPEED, intent=30 * SPEED, transit=10 * SPEED, resting=300 * SPEED, refresh=5 * SPEED)


def _order(n: int) -> OrderRequest:
    return OrderRequest(
        symbol="AAPL",
        qty=Decimal(1),
        side="buy",
        type="limit",
        time_in_force="ioc",
        limit_price=Decimal("1.00"),
        client_order_id=f"puna-{n}",
    )


def round_trips(port: int, count: int) -> list[int]:
    """Nanoseconds of `await alpaca(submit_order(...))`, `count` times."""
    return asyncio.run(_round_trips(port, count))


async def _round_trips(port: int, count: int) -> list[int]:
    samples = []
    async with AsyncAlpaca(KEYS, _endpoints(port), trading_limit=UNLIMITED) as alpaca:
        await alpaca(get_account())
        for n in range(count):
            start = time.perf_counter_ns()
            await alpaca(submit_order(_order(n)))
            samples.append(time.perf_counter_ns() - start)
    return samples


def round_trips_sync(port: int, count: int) -> list[int]:
    """The same through the synchronous face."""
    samples = []
    with Alpaca(KEYS, _endpoints(port), trading_limit=UNLIMITED) as alpaca:
        alpaca(get_account())
        for n in range(count):
            start = time.perf_counter_ns()
            alpaca(submit_order(_order(n)))
            samples.append(time.perf_counter_ns() - start)
    return samples


def tick_to_order(port: int, count: int) -> None:
    """Strategy, risk, gateway and journal, the journal in memory."""
    asyncio.run(_trade(port, count, SPEED, None))


def tick_to_order_durable(port: int, count: int) -> None:
    """The same with the journal on disk: each order waits for its fsync."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_trade(port, count, SPEED, Path(folder) / "journal.sqlite"))


class Answering(Strategy):
    """Answers each quote with an order, `count` times."""

    symbols = ("AAPL",)
    name = "bench"

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count
        self.done = asyncio.Event()

    def on_quote(self, quote: Quote) -> None:
        if self.left:
            self.left -= 1
            self.buy(quote.symbol, 1, limit="1.00", tif="ioc", because="a quote came")
        else:
            self.done.set()


class Alternating(Strategy):
    """In with one bar, out with the next."""

    symbols = ("AAPL",)
    name = "bench"
    long = False

    def on_bar(self, bar: Bar) -> None:
        self.long = not self.long
        self.target(bar.symbol, Decimal("0.25") if self.long else 0, because="a bar came")


def trade_bars(port: int, seconds: float, speed: float, journal: Path) -> None:
    """Answers each bar with an order, for so long; the journal on disk."""

    async def run() -> None:
        trader = assemble(
            [Alternating()],
            _endpoints(port),
            KEYS,
            PacedClock(speed),
            journal=journal,
            limits=WIDE,
            timing=CALM,
            rate_limit=UNLIMITED,
        )
        running = asyncio.create_task(trader.run())
        await asyncio.wait([running], timeout=seconds)
        trader.stop()
        await running

    asyncio.run(run())


async def _trade(port: int, count: int, speed: float, journal: Path | None) -> None:
    strategy = Answering(count)
    trader = assemble(
        [strategy],
        _endpoints(port),
        KEYS,
        PacedClock(speed),
        journal=journal,
        limits=WIDE,
        timing=CALM,
        rate_limit=UNLIMITED,
    )
    run = asyncio.create_task(trader.run())
    await asyncio.wait([run, asyncio.create_task(strategy.done.wait())], return_when=asyncio.FIRST_COMPLETED)
    trader.stop()
    await run


def _endpoints(port: int) -> Endpoints:
    return Endpoints.at(f"http://127.0.0.1:{port}")
