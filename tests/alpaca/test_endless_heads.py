"""An answer whose head never ends is left after a few hundred fields, by every kind of connection (PRO-24)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rawserver import serving

from puna.alpaca.events import get_activity_events
from puna.alpaca.feed import EventFeed
from puna.alpaca.http import AsyncAlpaca, Endpoints
from puna.alpaca.pace import Backoff
from puna.alpaca.stream import StreamOptions, Subscription, market_data
from puna.alpaca.trading import get_account
from puna.errors import ProtocolError
from puna.seams import seeded_rng

FIELDS = 1_000_000


@pytest.fixture
async def endless() -> AsyncIterator[tuple[Endpoints, list[int]]]:
    """A server that says a million header fields, and how many of them it got rid of."""
    sent: list[int] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(0)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(FIELDS // 1_000):
            writer.write(b"".join(b"X-%d: y\r\n" % (number * 1_000 + each) for each in range(1_000)))
            await writer.drain()
            sent[-1] += 1_000

    async with serving(serve) as port:
        yield Endpoints.at(f"http://127.0.0.1:{port}"), sent


async def test_a_call_gives_up_soon(endless: tuple[Endpoints, list[int]], credentials: Any) -> None:
    """One typed error, long before a million fields."""
    endpoints, sent = endless
    async with AsyncAlpaca(credentials, endpoints, retries=Backoff(retries=0)) as alpaca:
        with pytest.raises(ProtocolError):
            await alpaca(get_account())
    assert sent[0] < FIELDS


async def test_a_stream_and_a_feed_give_up_soon(endless: tuple[Endpoints, list[int]], credentials: Any) -> None:
    """They try again, as after any connection that was none."""
    endpoints, sent = endless
    options = StreamOptions(rng=seeded_rng(1), backoff=Backoff(base=0.01, cap=0.02))
    wanted = Subscription.of(quotes=["AAPL"])
    async with (
        market_data(endpoints, credentials, wanted, options) as stream,
        EventFeed(endpoints, credentials, get_activity_events(), options) as feed,
    ):
        while stream.status.last_error is None or feed.status.last_error is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert max(sent) < FIELDS
