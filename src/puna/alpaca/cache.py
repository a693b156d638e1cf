"""Short memories of answers, with their age said: account, positions, assets, calendars.

Never for what an order depends on: whoever needs the truth of now calls the client itself.
"""

import asyncio
from typing import Any, Generic, NamedTuple, TypeVar

from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.request import Request

__all__ = ["Cache", "Dated"]

T = TypeVar("T")

NANOS = 1_000_000_000
MOST = 1_000


class Dated(NamedTuple, Generic[T]):
    """An answer, and how old it is, in seconds of market time."""

    value: T
    age: float


class Cache:
    """Answers of one client; who asks at the same time for the same thing shares one call.

    Args:
        alpaca: asks.
    """

    def __init__(self, alpaca: AsyncAlpaca) -> None:
        self._alpaca = alpaca
        self._known: dict[tuple[str, str], tuple[int, Any]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def read(self, call: Request[T], max_age: float) -> Dated[T]:
        """The answer, not older than `max_age` seconds; raises what the call raises, which is not remembered.

        Raises:
            ValueError: a call that may change something.
        """
        if call.mutating:
            raise ValueError(f"{call.method} {call.target} is nothing to remember")
        name = (call.api, call.target)
        clock = self._alpaca.clock
        if name in self._known and clock.now() - self._known[name][0] <= max_age * NANOS:
            at, value = self._known[name]
            return Dated(value, (clock.now() - at) / NANOS)
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.ensure_future(self._ask(call, name))
        return Dated(await asyncio.shield(task), 0.0)

    def forget(self) -> None:
        """Everything, as after an order of one's own."""
        self._known.clear()

    async def _ask(self, call: Request[T], name: tuple[str, str]) -> T:
        try:
            at = self._alpaca.clock.now()
            value = await self._alpaca(call)
        finally:
            del self._asking[name]
        self._known[name] = (at, value)
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return value
