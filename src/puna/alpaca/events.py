"""Server-sent events: account activities, and changes of corporate actions. Each call answers a value to be followed.

`puna.alpaca.feed` follows it. An event has an id (ULID), from which a later connection goes on. Source: SPEC-T, SPEC-D.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from puna.alpaca.operations import operation
from puna.alpaca.request import Api, Moment, Parameter, moment, query_string, reading
from puna.wire.activities import ActivityEvent
from puna.wire.codec import decoder
from puna.wire.corporate import CorporateActionEvent

__all__ = ["Events", "get_activity_events", "get_corporate_action_events"]

E = TypeVar("E")

_activity = reading(decoder(ActivityEvent))
_corporate_action = reading(decoder(CorporateActionEvent))


@dataclass(frozen=True, slots=True)
class Events(Generic[E]):
    """A stream of events.

    Args:
        path: where it is.
        parameters: of the first connection.
        read: makes an E of the data of one event; raises ProtocolError.
        key: the id of an event.
        api: which host it comes from.
    """

    path: str
    parameters: Mapping[str, Parameter]
    read: Callable[[bytes], E]
    key: Callable[[E], str]
    api: Api

    @property
    def ends(self) -> bool:
        """It has an end of its own."""
        return self.parameters.get("until") is not None or self.parameters.get("until_id") is not None

    def target(self, after: str | None = None) -> str:
        """Path and query; `after` is the last event that needs not come again."""
        given = dict(self.parameters)
        if after is not None:
            given |= {"since": None, "since_id": after}
        return f"{self.path}{query_string(**given)}"


@operation("GET /v2beta1/events/activities", "subscribeToActivitiesSSE")
def get_activity_events(
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    since_id: str | None = None,
    until_id: str | None = None,
) -> Events[ActivityEvent]:
    """Account activities as they happen; with `since` or `since_id` those of the past come first.

    Raises:
        ValueError: both kinds of bounds, or an end without a beginning.
    """
    span = _span(since, until, since_id, until_id)
    return Events("/v2beta1/events/activities", span, _activity, lambda event: event.event_id, "trading")


@operation("GET /v1beta1/events/corporate-actions", "SubscribeToCorporateActionsEventsSSE")
def get_corporate_action_events(
    types: Iterable[str] | None = None,
    *,
    region: Literal["all", "us", "non_us"] | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    since_id: str | None = None,
    until_id: str | None = None,
) -> Events[CorporateActionEvent]:
    """Corporate actions as they are entered, changed and deleted; `types` are event types, all when not given.

    Raises:
        ValueError: both kinds of bounds, or an end without a beginning.
    """
    span = _span(since, until, since_id, until_id)
    parameters = {"type": None if types is None else ",".join(types), "region": region, **span}
    return Events(
        "/v1beta1/events/corporate-actions", parameters, _corporate_action, lambda event: event.event_id, "data"
    )


def _span(
    since: Moment | None, until: Moment | None, since_id: str | None, until_id: str | None
) -> dict[str, Parameter]:
    if (since is not None or until is not None) and (since_id is not None or until_id is not None):
        raise ValueError("events are bounded by times or by ids, not by both")
    if (until is not None and since is None) or (until_id is not None and since_id is None):
        raise ValueError("an end needs a beginning of its kind")
    return {"since": moment(since), "until": moment(until), "since_id": since_id, "until_id": until_id}
