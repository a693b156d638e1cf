"""The start of a run's two streams: until both are up, or somebody stops it; what it waits for is told."""

import asyncio
from collections.abc import Callable
from typing import Any

from puna.alpaca.stream import Stream
from puna.engine.data_source import DataSource
from puna.errors import PunaError
from puna.seams import Clock

__all__ = ["until_up"]

PATIENCE = 5.0  # seconds of market time after which it is said what is waited for


async def until_up(
    data: DataSource, updates: Stream[Any], stopped: asyncio.Event, clock: Clock, say: Callable[[str], None]
) -> None:
    """Returns when both are connected.

    Raises:
        PunaError: E051, it was stopped before that; whatever else makes it impossible.
    """
    told: dict[str, str] = {}
    ready = asyncio.create_task(_ready(data, updates))
    tasks: list[asyncio.Task[Any]] = [
        ready,
        asyncio.create_task(stopped.wait()),
        asyncio.create_task(_tell({"market-data": data, "trading": updates}, clock, say, told)),
    ]
    try:
        await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            raise PunaError(
                "The run was stopped before it began.",
                why="; ".join(told.values()),
                state="No strategy was started. Orders of an earlier run are as they were.",
                code="E051",
            )
        ready.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ready(data: DataSource, updates: Stream[Any]) -> None:
    await data.ready()
    await updates.ready()


async def _tell(
    streams: dict[str, DataSource | Stream[Any]], clock: Clock, say: Callable[[str], None], told: dict[str, str]
) -> None:
    """Says, once for each reason, what is waited for: such as who has the one data stream of these keys (406)."""
    while not clock.driven:
        await clock.backoff(PATIENCE)
        for name, stream in streams.items():
            if isinstance(stream, Stream) and not stream.connected and (error := stream.status.last_error):
                text = " ".join(filter(None, (f"waiting for the {name} stream:", error.what, error.why, error.remedy)))
                if told.get(name) != text:
                    told[name] = text
                    say(text)
