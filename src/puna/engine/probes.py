"""Named points of requests, evidence and records, for tests that stop the process there."""

from collections.abc import Iterable, Sequence

from puna.alpaca.connection import Moment, OnWire
from puna.engine.entries import Adoption, Crossed, Entry, Evidence
from puna.engine.sighting import Sighting
from puna.seams import Probe

__all__ = ["durable_points", "seen_points", "wire_points"]

_POINTS: dict[tuple[str, Moment], str] = {
    ("POST", "begun"): "request-first-byte",
    ("POST", "sent"): "request-sent",
    ("POST", "answered"): "reply-received",
    ("PATCH", "sent"): "replace-sent",
    ("DELETE", "begun"): "cancel-sent",
}


def wire_points(probe: Probe) -> OnWire:
    """A hook that calls `probe`: request-first-byte, request-sent, replace-sent, cancel-sent, reply-received."""

    def hear(method: str, moment: Moment) -> None:
        if point := _POINTS.get((method, moment)):
            probe(point)

    return hear


def seen_points(sightings: Iterable[Sighting]) -> Iterable[str]:
    """The named points that evidence is, before anything is done with it."""
    updates = [sighting.update for sighting in sightings]
    if any(update.source == "stream" and update.status == "new" for update in updates):
        yield "new-seen"
    if any(update.cum_qty for update in updates):
        yield "fill-read"


def durable_points(entries: Sequence[Entry]) -> Iterable[str]:
    """The named points that a commit of these entries is."""
    updates = [entry.update for entry in entries if isinstance(entry, Evidence | Adoption)]
    if any(update.cum_qty for update in updates):
        yield "fill-durable"
    if any(update.status == "canceled" for update in updates):
        yield "canceled-durable"
    if any(isinstance(entry, Crossed) for entry in entries):
        yield "cross-durable"
