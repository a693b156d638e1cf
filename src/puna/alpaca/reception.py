"""What comes back by itself: an async iterator over frames that a reader of its own fills, whatever it reads from.

WebSockets (`puna.alpaca.stream`) and server-sent events (`puna.alpaca.feed`) are both received so: a lost connection is
made anew with full-jitter backoff, the hole is marked, and only what is permanent ends it with an error.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

import aiohttp

from puna.alpaca.endings import closed, lost
from puna.alpaca.frames import Frame, Gap, StreamOptions, StreamStatus
from puna.alpaca.mailbox import Mailbox
from puna.alpaca.pace import NANOS
from puna.alpaca.session import Failure
from puna.alpaca.transport import open_session
from puna.errors import PunaError, TlsError

__all__ = ["Reception"]

M = TypeVar("M")

STEADY_SECONDS = 10.0  # a connection that lived that long starts the backoff anew


class Reception(Generic[M]):
    """An async iterator over frames; `async with` or `close` ends it.

    Args:
        name: of the reader's task.
        options: backoff, deadlines, capacity.
        lossless: nothing may be dropped; a full mailbox holds the reader up instead.
        headers: of the handshake or the request.
    """

    def __init__(
        self, name: str, options: StreamOptions, *, lossless: bool, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = StreamStatus()
        self._name = name
        self._options = options
        self._headers = dict(headers or {})
        self._clock = options.clock
        self._lossless = lossless
        self._mailbox: Mailbox[M] = Mailbox(options.capacity, lossless=lossless)
        self._live = asyncio.Event()
        self._connected_at = 0
        self._lost_at: int | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self.status.connected

    def age(self) -> int | None:
        """Market time since the last message, ns; None before the first."""
        return self._clock.now() - self.status.last_message_at if self.status.last_message_at else None

    async def ready(self) -> None:
        """Returns when it is connected and has what it asked for.

        Raises:
            AuthError: the keys are not accepted.
            RefusedError: what it asks for is not accepted.
        """
        reader = self._start()
        live = asyncio.ensure_future(self._live.wait())
        try:
            await asyncio.wait([reader, live], return_when=asyncio.FIRST_COMPLETED)
        finally:
            live.cancel()
        if reader.done() and not self.connected:
            raise self.status.last_error or closed()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame[M]:
        self._start()
        frame = await self._mailbox.get()
        self.status.dropped = self._mailbox.dropped
        if frame.gap is not None:
            self.status.gaps += 1
        return frame

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends it; its iterator ends as well."""
        reader = self._reader
        if reader is not None and not reader.done():
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
        self._mailbox.end(StopAsyncIteration())

    def _start(self) -> asyncio.Task[None]:
        if self._reader is None:
            self._reader = asyncio.create_task(self._run(), name=self._name)
        return self._reader

    async def _run(self) -> None:
        http = open_session(self._headers, self._options.connect_deadline)
        try:
            await self._reconnecting(http)
            self._mailbox.end(StopAsyncIteration())
        except Exception as error:  # noqa: BLE001 - whatever it is, the consumer is to know
            self.status.last_error = error if isinstance(error, PunaError) else lost(error).error
            self._mailbox.end(error)
        finally:
            self.status.connected = False
            await http.close()

    async def _reconnecting(self, http: aiohttp.ClientSession) -> None:
        """Connects, again and again; returns when there is no more to come, raises what is permanent."""
        attempt = 0
        while True:
            began = self._clock.now()
            failure = await self._connection(http)
            if failure is None:
                return
            self.status.last_error = failure.error
            if failure.permanent and not self._was_live(failure):
                raise failure.error
            if self._clock.now() - began > STEADY_SECONDS * NANOS:
                attempt = 0
            wait = self._options.backoff.wait(attempt, self._options.rng)
            await self._clock.backoff(max(failure.floor, wait))
            attempt += 1

    def _was_live(self, failure: Failure) -> bool:
        """Whether it is a handshake that failed where earlier ones did not: something came in between, and may go."""
        return isinstance(failure.error, TlsError) and self._connected_at > 0

    async def _connection(self, http: aiohttp.ClientSession) -> Failure | None:
        """One connection, from the dial to its end, and why it ended; None when all has come."""
        raise NotImplementedError

    def _arrived(self) -> None:
        """Live: the gap since the last connection is marked, and whoever waits for `ready` goes on."""
        now = self._clock.now()
        self._connected_at = now
        self.status.connected = True
        self._live.set()
        if self._lost_at is not None:
            self.status.reconnects += 1
            self._mailbox.put(Frame([], now, Gap(self._lost_at, now, "reconnect")))
            self._lost_at = None

    def _left(self) -> None:
        """The connection is gone; what was missed will be marked when there is another."""
        if self.status.connected:
            self._lost_at = max(self.status.last_message_at, self._connected_at)
        self.status.connected = False
        self._live.clear()
