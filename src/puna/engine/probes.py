"""Named points of a request on the wire, for tests that stop the process there."""

from puna.alpaca.connection import Moment, OnWire
from puna.seams import Probe

__all__ = ["wire_points"]

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
