"""The activities feed over a real socket: history, what follows, ends, comments, faults (SPEC-T)."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from puna.exchange.account.terms import AccountTerms
from puna.exchange.faults import Fault
from puna.exchange.server import Speed
from puna.exchange.venue import VenueOptions

FEED = "/v2beta1/events/activities"
OPEN = {"pacing": Speed(60), "wait_for": (), "lead_seconds": 0}
PATIENCE = 30.0


async def _events(raw: Any, query: str, count: int) -> tuple[list[dict[str, Any]], list[str]]:
    """So many events, and the comments between them."""
    events: list[dict[str, Any]] = []
    comments: list[str] = []
    async with asyncio.timeout(PATIENCE), raw.session.get(f"{raw.server.url}{FEED}{query}") as response:
        assert response.content_type == "text/event-stream"
        async for line in response.content:
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                comments.append(text)
            elif text.startswith("data: "):
                events.append(json.loads(text.removeprefix("data: ")))
            if len(events) + len(comments) >= count:
                break
    return events, comments


async def test_the_feed_tells_history_and_then_what_happens(exchange: Any) -> None:
    """From `since` on; ids rise, a fill carries its execution's id, and `since_id` goes on behind an id."""
    async with exchange(**OPEN) as raw:
        await raw.order()
        events, _ = await _events(raw, "?since=2012-09-19T00:00:00Z", 2)
        deposit, fill = events
        assert (deposit["activity_type"], deposit["net_amount"]) == ("JNLC", "100000")
        assert (fill["activity_type"], fill["details"]["symbol"], fill["qty"]) == ("FILL", "AAPL", "1")
        assert deposit["event_id"] < fill["event_id"]
        _, rows = await raw.call("GET", "/v2/account/activities/FILL")
        assert rows[0]["id"].endswith(f"::{fill['ref_id']}")
        again, _ = await _events(raw, f"?since_id={deposit['event_id']}", 1)
        assert again == [fill]


async def test_the_feed_ends_where_it_shall(exchange: Any) -> None:
    """With `until` or `until_id` it ends by itself, with status 200."""
    async with exchange(**OPEN) as raw:
        await raw.order()
        events, _ = await _events(raw, "?since=2012-09-19T00:00:00Z&until=2012-09-19T12:00:00Z", 9)
        assert [each["activity_type"] for each in events] == ["JNLC"]
        first = events[0]["event_id"]
        events, _ = await _events(raw, f"?since_id={'0' * 26}&until_id={first}", 9)
        assert [each["event_id"] for each in events] == [first]


@pytest.mark.parametrize(
    "query",
    [
        "?until=2012-09-19T12:00:00Z",
        f"?until_id={'0' * 26}",
        f"?since=2012-09-19&since_id={'0' * 26}",
        "?since_id=short",
        "?since=never",
    ],
)
async def test_the_feed_refuses_bounds_that_do_not_go_together(exchange: Any, query: str) -> None:
    """As the specification says."""
    async with exchange() as raw:
        assert (await raw.call("GET", FEED + query))[0] == 422


async def test_a_silent_feed_beats(exchange: Any) -> None:
    """A comment, and no data."""
    options = replace(VenueOptions(), account=AccountTerms(heartbeat_seconds=0.25))
    async with exchange(venue=options) as raw:
        assert await _events(raw, "", 1) == ([], [": heartbeat"])


@pytest.mark.parametrize(("action", "events", "comments"), [("duplicate", 2, 0), ("lose", 0, 1)])
async def test_faults_befall_the_feed(exchange: Any, action: str, events: int, comments: int) -> None:
    """Doubled; or dropped, which a comment says, as the broker's does for a slow reader."""
    fault = Fault(on="sse:activities", action=action)
    async with exchange(faults=(fault,)) as raw:
        heard = await _events(raw, "?since=2012-09-19T00:00:00Z", events + comments)
        assert (len(heard[0]), len(heard[1])) == (events, comments)
        assert all("dropped 1" in each for each in heard[1])
