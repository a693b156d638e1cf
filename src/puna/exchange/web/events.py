"""The feed of account activities: server-sent events, from a moment or an id on, until another or for good (SPEC-T).

Lines are `id:` and `data:`; a comment, a line that begins with a colon, keeps a silent feed alive, and says so when
messages were dropped for a reader that is too slow. Faults on "sse:activities" drop, double, hold back or cut.
"""

from collections import deque
from typing import NamedTuple

from aiohttp import web

from puna.exchange.account.activities import Record
from puna.exchange.floor import Floor
from puna.exchange.web.answers import RefusedRequest, moment
from puna.exchange.web.breakage import reset
from puna.exchange.web.requests import invalid
from puna.seams import Clock
from puna.wire.codec import encode

__all__ = ["EventsApi"]

_HEARTBEAT = b": heartbeat\n\n"
_TICK_SECONDS = 0.25
_BACKLOG = 10_000
_ULID_LENGTH = 26


class _Span(NamedTuple):
    """What a listener wants: from where, until when (ns) or which id."""

    since: int | None
    since_id: str | None
    until: int | None
    until_id: str | None

    def ends_before(self, record: Record) -> bool:
        """Whether this one lies beyond the end."""
        late = self.until is not None and record.ts > self.until
        return late or (self.until_id is not None and record.event.event_id > self.until_id)

    def is_over(self, now: int, last: str) -> bool:
        """Whether nothing can follow that is wanted."""
        late = self.until is not None and now >= self.until
        return late or (self.until_id is not None and last >= self.until_id)


class EventsApi:
    """GET /v2beta1/events/activities.

    Args:
        floor: market time, activities and faults.
        clock: wall time, for heartbeats.
        backlog: events that may wait for a slow reader; further ones are dropped, and a comment says how many.
    """

    def __init__(self, floor: Floor, clock: Clock, *, backlog: int = _BACKLOG) -> None:
        self._floor = floor
        self._clock = clock
        self._backlog = backlog

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2beta1/events/activities", self.activities)

    async def activities(self, request: web.Request) -> web.StreamResponse:
        span = _span(request)
        self._floor.catch_up()
        waiting: deque[Record] = deque()
        dropped = [0]

        def hear(record: Record) -> None:
            if len(waiting) < self._backlog:
                waiting.append(record)
            else:
                dropped[0] += 1

        activities = self._floor.venue.office.activities
        waiting.extend(activities.since(event_id=span.since_id, ts=span.since) if _historic(span) else ())
        stop = activities.listen(hear)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        try:
            await response.prepare(request)
            await self._tell(request, response, span, waiting, dropped)
        except ConnectionError:
            reset(request.transport)
        finally:
            stop()
        return response

    async def _tell(
        self,
        request: web.Request,
        response: web.StreamResponse,
        span: _Span,
        waiting: deque[Record],
        dropped: list[int],
    ) -> None:
        last, silent = "", 0.0
        beat = self._floor.venue.options.account.heartbeat_seconds
        while True:
            if dropped[0]:
                await response.write(f": you are reading too slowly, dropped {dropped[0]} messages\n\n".encode())
                dropped[0] = 0
            while waiting:
                record, silent = waiting.popleft(), 0.0
                if span.ends_before(record):
                    return
                await self._write(request, response, record)
                last = record.event.event_id
            self._floor.catch_up()
            if not waiting and span.is_over(self._floor.now, last):
                return
            await self._clock.sleep(_TICK_SECONDS)
            silent += _TICK_SECONDS
            if silent >= beat:
                await response.write(_HEARTBEAT)
                silent = 0.0

    async def _write(self, request: web.Request, response: web.StreamResponse, record: Record) -> None:
        """One event, or what a fault makes of it."""
        line = b"id: " + record.event.event_id.encode() + b"\ndata: " + encode(record.event) + b"\n\n"
        fault = self._floor.script.strike("sse:activities", self._floor.now)
        match fault.action if fault else "":
            case "lose":
                await response.write(b": you are reading too slowly, dropped 1 messages\n\n")
                return
            case "drop_socket":
                reset(request.transport)
                raise ConnectionResetError
            case "delay":
                await self._clock.sleep(fault.seconds if fault else 0.0)
            case "duplicate":
                await response.write(line)
        await response.write(line)


def _span(request: web.Request) -> _Span:
    """The bounds; which may go together is in the specification."""
    query = request.query
    since, until = moment(query, "since", invalid), moment(query, "until", invalid)
    since_id, until_id = _ulid(request, "since_id"), _ulid(request, "until_id")
    since_id = since_id or request.headers.get("Last-Event-ID") or None
    if since is not None and query.get("since_id"):
        raise RefusedRequest(invalid("since and since_id cannot be used together"))
    if until is not None and since is None:
        raise RefusedRequest(invalid("until requires since"))
    if until_id is not None and since_id is None:
        raise RefusedRequest(invalid("until_id requires since_id"))
    return _Span(since, since_id.upper() if since_id else None, until, until_id)


def _historic(span: _Span) -> bool:
    return span.since is not None or span.since_id is not None


def _ulid(request: web.Request, name: str) -> str | None:
    text = request.query.get(name, "").upper()
    if text and (len(text) != _ULID_LENGTH or not text.isalnum() or not text.isascii()):
        raise RefusedRequest(invalid(f"invalid {name}: {text[:40]}"))
    return text or None
