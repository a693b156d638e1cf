"""A market clock that runs a number of times as fast as the wall's, for exchanges that run free at a speed."""

import asyncio
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress

from puna.seams import SystemClock

__all__ = ["PacedClock"]

NANOS = 1_000_000_000
LEAP = 60 * NANOS


class PacedClock:
    """Market time as a multiple of wall time, set by what the exchange says.

    Args:
        factor: market seconds in a second.
    """

    driven = False
    moving = True

    def __init__(self, factor: float) -> None:
        self._wall = SystemClock()
        self.factor = factor
        self._base = 0
        self._since = self._wall.monotonic()
        self._leap = asyncio.Event()

    def set(self, ts: int) -> None:
        """It is `ts` now; whoever sleeps looks at the clock again."""
        self._base, self._since = ts, self._wall.monotonic()
        self._leap.set()
        self._leap = asyncio.Event()

    def observe(self, ts: int) -> None:
        """Something happened at `ts`: if that lies well ahead, the exchange has leapt over a night, and so do we."""
        if ts > self.now() + LEAP:
            self.set(ts)

    def now(self) -> int:
        return self._base + round((self._wall.monotonic() - self._since) * self.factor)

    def monotonic(self) -> int:
        return self._wall.monotonic()

    async def sleep(self, seconds: float) -> None:
        until = self.now() + round(seconds * NANOS)
        while (left := until - self.now()) > 0:
            with suppress(TimeoutError):
                async with self._wall.deadline(left / NANOS / self.factor):
                    await self._leap.wait()

    async def backoff(self, seconds: float) -> None:
        await self.sleep(seconds)

    def driver(self) -> AbstractContextManager[object]:
        return nullcontext()

    def deadline(self, seconds: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return self._wall.deadline(seconds)

    def busy(self) -> AbstractContextManager[object]:
        return nullcontext()
