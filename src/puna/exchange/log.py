"""The event log: every command and every event of a venue, in the venue's order, as canonical JSON under one hash.

Reads, ports and wall times never enter it, so two runs of one seed and one script have one hash.
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from puna.wire.codec import Nanos, format_time

__all__ = ["EventLog"]


class EventLog:
    """An append-only log.

    Args:
        sink: gets each line (without line end) as soon as it is in the hash; None keeps the hash only.
    """

    def __init__(self, sink: Callable[[str], None] | None = None) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self._lines = 0

    @property
    def hash(self) -> str:
        """SHA-256 over all lines so far, hexadecimal."""
        return self._digest.hexdigest()

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return self._lines

    def append(self, kind: str, ts: int, body: object) -> None:
        """Adds one line: keys sorted, amounts as plain decimal text, times as they stand on the wire."""
        self._lines += 1
        line = _ENCODER.encode({"body": body, "kind": kind, "n": self._lines, "ts": ts})
        self._digest.update(line + b"\n")
        if self._sink is not None:
            self._sink(line.decode())


def _write(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Nanos):
        return format_time(value)
    raise NotImplementedError(type(value))


_ENCODER = msgspec.json.Encoder(enc_hook=_write, decimal_format="string", order="sorted")
