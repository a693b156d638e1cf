"""Server-sent events that come back: account activities and corporate actions as frames of events.

A connection that was lost goes on behind the last event that came, so nothing is missed and nothing comes twice. When
the server says that it dropped events, the hole is marked, and the connection is made anew from the last event before
it (PRO-22); what rests on the feed alone then asks over REST for all of it. `applied` is the id from which another
process may go on. In lockstep the feed comes when it comes: it has no pings, and no part in the barrier.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import aiohttp
import msgspec
from yarl import URL

from puna.alpaca import tls
from puna.alpaca.endings import EndedError, lost
from puna.alpaca.events import Events
from puna.alpaca.frames import Frame, Gap, StreamOptions
from puna.alpaca.hosts import Credentials, Endpoints, check_host
from puna.alpaca.reception import Reception
from puna.alpaca.refusals import error_of
from puna.alpaca.request import Lane
from puna.alpaca.session import Failure
from puna.alpaca.sse import Comment, Event, EventReader
from puna.errors import NetworkError, OutageError, ProtocolError, RateLimitError
from puna.wire.codec import decode

__all__ = ["EventFeed"]

E = TypeVar("E")

SILENCE = "events"  # the channel's name in `stale_after`
REMEMBERED = 10_000
ERROR_CAP = 1 << 16
CROWDED_SECONDS = 1.0

_several = msgspec.json.Decoder(list[msgspec.Raw])


class EventFeed(Reception[E]):
    """An async iterator over frames of events; `async with` or `close` ends it.

    Args:
        endpoints: where.
        credentials: key and secret.
        events: what to follow: `get_activity_events(since_id=...)`, `get_corporate_action_events()`.
        options: backoff and deadlines; `stale_after={"events": 90}` takes silence, comments included, for a failure.

    Attributes:
        applied: the id of the last event whose consumer has come back for more; None before the first.
    """

    def __init__(
        self, endpoints: Endpoints, credentials: Credentials, events: Events[E], options: StreamOptions | None = None
    ) -> None:
        headers = {
            "APCA-API-KEY-ID": credentials.key.reveal(),
            "APCA-API-SECRET-KEY": credentials.secret.reveal(),
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
        }
        super().__init__(f"events {events.path}", options or StreamOptions(), lossless=True, headers=headers)
        self.applied: str | None = None
        self._events = events
        self._root = {"trading": endpoints.trading, "data": endpoints.data}[events.api]
        self._latest: str | None = None
        self._given: str | None = None
        self._known: dict[str, None] = {}

    @property
    def latest(self) -> str | None:
        """The id of the last event of the frame that was given last; None before the first."""
        return self._given

    async def __anext__(self) -> Frame[E]:
        self.applied = self._given or self.applied
        frame = await super().__anext__()
        if frame.messages:
            self._given = self._events.key(frame.messages[-1])
        return frame

    async def _connection(self, http: aiohttp.ClientSession) -> Failure | None:
        if self._options.turnstile is not None:
            await self._options.turnstile.enter(Lane.READ)
        url = check_host(URL(self._root + self._events.target(self._latest), encoded=True))
        try:
            async with self._clock.deadline(self._options.connect_deadline):
                response = await http.get(
                    url, allow_redirects=False, ssl=tls.trust() if url.scheme == "https" else True
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return lost(error)
        try:
            failure = await self._received(response)
        except (aiohttp.ClientError, OSError) as error:
            failure = self._mute() if isinstance(error, TimeoutError) else lost(error)
        finally:
            self._left()
            response.close()
        return failure

    async def _received(self, response: aiohttp.ClientResponse) -> Failure | None:
        """Everything of one connection, and why it ended; None when all has come."""
        if (failure := await self._objection(response)) is not None:
            return failure
        self._arrived()
        try:
            await self._pump(response)
        except EndedError as error:
            return error.failure
        except ProtocolError as error:
            return Failure(error, permanent=False)
        if self._events.ends:
            return None
        return Failure(NetworkError("The event feed ended.", state="It tries again by itself."), permanent=False)

    async def _objection(self, response: aiohttp.ClientResponse) -> Failure | None:
        """Why this answer is no feed."""
        if response.status != 200:
            async with self._clock.deadline(self._options.connect_deadline):
                body = await response.content.read(ERROR_CAP)
            error = error_of(response.status, body, f"GET {self._events.path}")
            passing = isinstance(error, (OutageError, RateLimitError))
            return Failure(error, permanent=not passing, floor=CROWDED_SECONDS if passing else 0.0)
        if response.content_type != "text/event-stream" or response.headers.get("Content-Encoding"):
            why = f"content type {response.content_type[:60]!r}"
            return Failure(ProtocolError("The answer is no event feed.", why=why), permanent=False)
        return None

    def _mute(self) -> Failure:
        limit = self._options.stale_after.get(SILENCE, 0)
        return Failure(NetworkError(f"The event feed is mute: nothing for {limit:g} s."), permanent=False)

    def _arrived(self) -> None:
        """Without a hole when it goes on behind a known event."""
        if self._latest is not None and self._lost_at is not None:
            self.status.reconnects += 1
            self._lost_at = None
        super()._arrived()

    async def _pump(self, response: aiohttp.ClientResponse) -> None:
        reader = EventReader()
        silence = self._options.stale_after.get(SILENCE)
        while True:
            await self._mailbox.room()
            if silence is None:
                chunk = await response.content.readany()
            else:
                async with self._clock.deadline(silence):
                    chunk = await response.content.readany()
            if not chunk:
                return
            for each in reader.feed(chunk):
                self._take(each)

    def _take(self, each: Event | Comment) -> None:
        now = self._clock.now()
        self.status.last_message_at = now
        if isinstance(each, Comment):
            if "dropped" in each.text:
                self._mailbox.put(Frame([], now, Gap(now, now, "dropped")))
                said = NetworkError("The event feed dropped events.", why=f"it said {each.text[:100]!r}")
                raise EndedError(Failure(said, permanent=False))
            return
        try:
            events = self._read(each.data)
        except ProtocolError as error:
            self.status.unreadable += 1
            self.status.last_error = error
            self._mailbox.put(Frame([], now, Gap(now, now, "unreadable")))
            return
        if fresh := [event for event in events if self._is_new(self._events.key(event))]:
            self._mailbox.put(Frame(fresh, now))

    def _read(self, data: bytes) -> Sequence[E]:
        """One event; a list of them, as the specification shows it, is taken as well."""
        if data.lstrip().startswith(b"["):
            raws: list[Any] = decode(_several, data)
            return [self._events.read(bytes(raw)) for raw in raws]
        return [self._events.read(data)]

    def _is_new(self, key: str) -> bool:
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        self._latest = key
        return True
