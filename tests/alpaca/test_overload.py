"""Ten times too many orders: no minute at the exchange holds more requests than allowed, and cancels hardly wait."""

import asyncio
from typing import Any

from puna.alpaca.frames import StreamOptions, Subscription
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.stream import market_data
from puna.alpaca.trading import cancel_order, submit_order
from puna.exchange.faults import Fault
from puna.exchange.server import ExchangeConfig, ExchangeServer
from puna.seams import DrivenClock, seeded_rng
from puna.wire.codec import amount
from puna.wire.trading import OrderRequest

SECOND = 1_000_000_000
LIMIT = 200
EACH_SECOND = 34  # 2,040 a minute, ten times the limit
MINUTES = 3
KEYS = Credentials.of("KEY", "SECRET")
NOTED = Fault(on="* /v2/*", action="delay", times=0)  # late by nothing: the exchange notes when each request came
REQUEST = OrderRequest(
    symbol="AAPL", qty=amount(1), side="buy", type="limit", time_in_force="day", limit_price=amount(400)
)


class Flood:
    """Wants far too much, and every second and a half to cancel one of the orders that have been placed."""

    def __init__(self, alpaca: AsyncAlpaca, clock: DrivenClock) -> None:
        self.placed: list[str] = []
        self.wanted = 0
        self.waits: list[int] = []
        self._alpaca = alpaca
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def want(self, second: int) -> None:
        """A second's wishes."""
        self.wanted += EACH_SECOND
        self._tasks += [asyncio.create_task(self._place()) for _ in range(EACH_SECOND)]
        if second % 3 != 2 and self.placed:
            self._tasks.append(asyncio.create_task(self._cancel(self.placed.pop())))

    async def end(self) -> None:
        """Nobody waits any more; what has failed is raised."""
        done = [task for task in self._tasks if task.done()]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _place(self) -> None:
        order = await self._alpaca(submit_order(REQUEST))
        self.placed.append(order.id)

    async def _cancel(self, order_id: str) -> None:
        asked = self._clock.now()
        await self._alpaca(cancel_order(order_id))
        self.waits.append(self._clock.now() - asked)


def busiest(seen: list[int], window: int = 60 * SECOND) -> int:
    """The most requests in any sliding window."""
    most = start = 0
    for end, ts in enumerate(seen):
        while seen[start] <= ts - window:
            start += 1
        most = max(most, end - start + 1)
    return most


async def test_ten_times_too_many_orders() -> None:
    """No 60 s that the exchange saw hold more than the limit; cancels wait a second at most while thousands queue."""
    config = ExchangeConfig(
        symbols=("AAPL",), step_seconds=1, wait_for=("data",), rate_limit=LIMIT, faults=(NOTED,), lead_seconds=1
    )
    async with ExchangeServer(config) as server:
        clock = DrivenClock(0)
        endpoints = Endpoints.at(server.url)
        alpaca = AsyncAlpaca(KEYS, endpoints, clock=clock, rng=seeded_rng(1), trading_limit=LIMIT)
        outcomes: list[str] = []
        alpaca.on_call = lambda _, outcome, __: outcomes.append(outcome)
        data: Any = market_data(
            endpoints, KEYS, Subscription.of(quotes=["AAPL"]), StreamOptions(clock=clock, rng=seeded_rng(2))
        )
        flood, second = Flood(alpaca, clock), 0
        async with alpaca:
            async for _ in data:
                flood.want(second)
                second += 1
                if second == MINUTES * 60:
                    break
            waiting = alpaca.turnstiles["trading"].waiting
            await flood.end()
            await data.close()
        seen = [ts for ts, _, _ in server.struck]
    assert set(outcomes) == {"ok"}
    assert busiest(seen) <= LIMIT
    assert len(seen) > MINUTES * LIMIT * 0.6  # and the limit is used
    assert waiting > flood.wanted / 2
    assert len(flood.waits) > MINUTES * 35
    assert max(flood.waits) <= SECOND
