"""The event feeds over real sockets: nothing is missed, nothing comes twice, and what ends them is told apart."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from puna.alpaca.events import get_activity_events, get_corporate_action_events
from puna.alpaca.feed import EventFeed
from puna.alpaca.hosts import Credentials
from puna.alpaca.pace import Backoff
from puna.alpaca.sse import LINE_CAP, Comment, Event, EventReader
from puna.alpaca.stream import StreamOptions
from puna.errors import AuthError, OutageError, ProtocolError
from puna.seams import seeded_rng
from puna.wire.corporate import ForwardSplit, action_of

AT = "2026-03-02T15:00:00Z"
Script = Callable[[web.StreamResponse], Awaitable[None]]


def activity(number: int) -> bytes:
    """A fill as it stands in the feed."""
    return (
        f'data: {{"event_id":"01J{number:023d}","activity_type":"FILL","at":"{AT}","qty":"1","price":"10.5",'
        f'"details":{{"order_id":"o","side":"buy","symbol":"AAPL","execution_type":"fill"}}}}\n\n'
    ).encode()


def key(number: int) -> str:
    return f"01J{number:023d}"


def answering(script: Script, status: int = 200) -> Callable[[web.Request], Any]:
    """A feed that runs a script."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if status != 200:
            return web.json_response({"message": "no"}, status=status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await script(response)
        return response

    return answer


def saying(*chunks: bytes, stay: bool = False, cut: bool = False) -> Script:
    """Says these, then ends, stays, or cuts the connection."""

    async def script(response: web.StreamResponse) -> None:
        for chunk in chunks:
            await response.write(chunk)
        if stay:
            await asyncio.sleep(60)
        if cut:
            assert response._req is not None
            assert response._req.transport is not None
            response._req.transport.abort()

    return script


def options(**changes: Any) -> StreamOptions:
    """Quick backoff, seeded jitter."""
    return StreamOptions(**{"rng": seeded_rng(1), "backoff": Backoff(base=0.01, cap=0.02), **changes})


async def take(feed: EventFeed[Any], count: int) -> list[Any]:
    """The next events, whatever frames they come in."""
    found: list[Any] = []
    while len(found) < count:
        found += (await anext(feed)).messages
    return found


async def test_a_lost_feed_goes_on_behind_the_last_event(broker: Any, credentials: Credentials) -> None:
    """The second connection asks with since_id; the event that comes again is not given twice; there is no hole."""
    broker.answers = [
        answering(saying(activity(1), activity(2), cut=True)),
        answering(saying(b": hello\n\n", activity(2), activity(3), stay=True)),
    ]
    async with EventFeed(broker.endpoints, credentials, get_activity_events(), options()) as feed:
        events = await take(feed, 3)
        assert [each.event_id for each in events] == [key(1), key(2), key(3)]
        assert (feed.status.gaps, feed.status.reconnects) == (0, 1)
        assert feed.applied == key(2)  # the third has been given, and nobody has come back for more
    assert broker.calls == [
        "GET /v2beta1/events/activities",
        f"GET /v2beta1/events/activities?since_id={key(2)}",
    ]
    assert broker.requests[0][3]["APCA-API-KEY-ID"] == "PKCANARYKEY"


async def test_dropped_events_are_marked_and_asked_for_again(broker: Any, credentials: Credentials) -> None:
    """PRO-22: a drop notice makes a gap, and the feed goes on from the last event before it."""
    dropped = b": you are reading too slowly, dropped 10000 messages\n"
    broker.answers = [
        answering(saying(activity(1), dropped, activity(5), stay=True)),
        answering(saying(activity(2), activity(3), activity(4), activity(5), stay=True)),
    ]
    async with EventFeed(broker.endpoints, credentials, get_activity_events(since_id="0"), options()) as feed:
        frames = [await anext(feed) for _ in range(6)]
    assert [frame.messages[0].event_id for frame in frames if frame.messages] == [key(n) for n in (1, 2, 3, 4, 5)]
    assert [frame.gap.reason for frame in frames if frame.gap] == ["dropped"]
    assert frames[1].gap is not None
    assert broker.calls[1].endswith(f"since_id={key(1)}")


async def test_a_feed_with_an_end_ends(broker: Any, credentials: Credentials) -> None:
    """With until, the server's last byte is the last one, and the iterator stops."""
    broker.answers = [answering(saying(activity(1)))]
    events = get_activity_events(since_id="0", until_id="9")
    async with EventFeed(broker.endpoints, credentials, events, options()) as feed:
        found = [event async for frame in feed for event in frame.messages]
    assert len(found) == 1


@pytest.mark.parametrize(("status", "kind"), [(401, AuthError), (404, Exception)])
async def test_a_refused_feed_ends_with_the_reason(
    broker: Any, credentials: Credentials, status: int, kind: type[Exception]
) -> None:
    """Wrong keys and a missing feed are not tried again."""
    broker.answers = [answering(saying(), status)]
    feed = EventFeed(broker.endpoints, credentials, get_activity_events(), options())
    with pytest.raises(kind):
        await feed.ready()
    await feed.close()
    assert len(broker.requests) == 1


async def test_an_outage_passes(broker: Any, credentials: Credentials) -> None:
    """A 503 is tried again."""
    broker.answers = [answering(saying(), 503), answering(saying(activity(1), stay=True))]
    async with EventFeed(broker.endpoints, credentials, get_activity_events(), options()) as feed:
        await take(feed, 1)
        assert isinstance(feed.status.last_error, OutageError)


async def test_silence_is_a_failure(broker: Any, credentials: Credentials) -> None:
    """Comments are signs of life; without any the connection is made anew."""
    broker.answers = [answering(saying(b": ping\n", stay=True)), answering(saying(activity(1), stay=True))]
    feed = EventFeed(broker.endpoints, credentials, get_activity_events(), options(stale_after={"events": 0.1}))
    async with feed:
        await take(feed, 1)
        assert "mute" in str(feed.status.last_error)


async def test_an_unreadable_event_costs_only_itself(broker: Any, credentials: Credentials) -> None:
    """It is counted and marked, and the others come."""
    broker.answers = [answering(saying(activity(1), b'data: {"event_id": 7}\n\n', activity(2), stay=True))]
    async with EventFeed(broker.endpoints, credentials, get_activity_events(), options()) as feed:
        frames = [await anext(feed) for _ in range(3)]
    assert [frame.gap.reason if frame.gap else "" for frame in frames] == ["", "unreadable", ""]


async def test_corporate_actions_come_typed(broker: Any, credentials: Credentials) -> None:
    """An event of the data API's feed, whose action is read by its type."""
    event = (
        b'event: message\nid: 1\ndata: {"event_id":"01K","event_type":"forward_split_corporateaction_event",\n'
        b'data: "at":"2026-03-19T22:50:11Z","action":"update","region":"us","ca":{"id":"1","process_date":"2026-06-07",'
        b'"symbol":"NVDA","old_rate":"1","new_rate":"10"}}\n\n'
    )
    broker.answers = [answering(saying(event, stay=True))]
    async with EventFeed(broker.endpoints, credentials, get_corporate_action_events(), options()) as feed:
        [found] = await take(feed, 1)
    action = action_of(found)
    assert isinstance(action, ForwardSplit)
    assert (action.symbol, action.new_rate) == ("NVDA", Decimal(10))


@given(st.integers(0, 2**32))
def test_events_do_not_depend_on_how_bytes_arrive(seed: int) -> None:
    """Cut anywhere, with any of the three line ends, the same events come out."""
    rng = random.Random(seed)
    text = b"\xef\xbb\xbf: hi\n\nid: 7\nevent: x\ndata: a\ndata:b\n\ndata\n\nunknown: 1\ndata: c\n\n"
    text = text.replace(b"\n", rng.choice([b"\n", b"\r\n", b"\r"])) + b"\n"
    reader, found, at = EventReader(), [], 0
    while at < len(text):
        to = at + rng.randint(1, 9)
        found += reader.feed(text[at:to])
        at = to
    assert found == [Comment("hi"), Event(b"a\nb", "7", "x"), Event(b"", "7"), Event(b"c", "7")]


@pytest.mark.parametrize("endless", [b"data: " + b"x" * LINE_CAP, b"x" * (LINE_CAP + 1)])
def test_an_endless_line_is_cut_off(endless: bytes) -> None:
    """One typed error, at a small cap."""
    with pytest.raises(ProtocolError):
        swallow([endless[at : at + 65536] for at in range(0, len(endless), 65536)])


def test_an_endless_event_is_cut_off() -> None:
    """Many short lines are as bad as a long one."""
    with pytest.raises(ProtocolError):
        swallow([b"data: " + b"x" * 100 + b"\n"] * 100_000)


def swallow(chunks: list[bytes]) -> None:
    """Feeds them all to one reader."""
    reader = EventReader()
    for chunk in chunks:
        reader.feed(chunk)


def test_bounds_that_make_no_sense_are_refused() -> None:
    """By times or by ids, and an end needs a beginning."""
    for bad in ({"since": 1, "since_id": "x"}, {"until": 1}, {"until_id": "x"}):
        with pytest.raises(ValueError, match=r"bounded|beginning"):
            get_activity_events(**bad)
