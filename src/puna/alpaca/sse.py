"""Server-sent events without a socket: bytes in, events and comments out. Source: the WHATWG's HTML standard, 9.2.

Lines end with CR, LF or both; `data` may have several lines; a line that begins with a colon is a comment. Sizes are
capped: a line or an event that never ends is an error, and not a full memory.
"""

import re
from typing import NamedTuple

from puna.errors import ProtocolError

__all__ = ["Comment", "Event", "EventReader"]

LINE_CAP = 1 << 20
EVENT_CAP = 4 << 20

_END = re.compile(rb"\r\n|\n|\r")
_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event; `id` is the last one that was said, empty when none was."""

    data: bytes
    id: str = ""
    kind: str = "message"


class Comment(NamedTuple):
    """What the server says aside: a sign of life, or that events were dropped."""

    text: str


class EventReader:
    """Reads the bytes of one connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._id = ""
        self._kind = ""
        self._first = True

    def feed(self, chunk: bytes) -> list[Event | Comment]:
        """The events and comments that are complete with this chunk.

        Raises:
            ProtocolError: a line or an event is too long; the connection is of no more use.
        """
        text = self._rest + chunk
        if self._first and len(text) >= len(_MARK):
            text, self._first = text.removeprefix(_MARK), False
        found: list[Event | Comment] = []
        start = 0
        for end in _END.finditer(text):
            if end.group() == b"\r" and end.end() == len(text):
                break  # perhaps the first half of CR LF
            found += self._line(text[start : end.start()])
            start = end.end()
        self._rest = text[start:]
        if len(self._rest) > LINE_CAP:
            raise _endless("a line", LINE_CAP)
        return found

    def _line(self, line: bytes) -> list[Event | Comment]:
        if len(line) > LINE_CAP:
            raise _endless("a line", LINE_CAP)
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return [Comment(line[1:].decode(errors="replace").strip()[:500])]
        name, _, value = line.partition(b":")
        self._field(name, value.removeprefix(b" "))
        return []

    def _field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._size += len(value) + 1
            if self._size > EVENT_CAP:
                raise _endless("an event", EVENT_CAP)
            self._data.append(value)
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")[:200]
        elif name == b"event":
            self._kind = value.decode(errors="replace")[:200]

    def _dispatch(self) -> list[Event | Comment]:
        data, kind = self._data, self._kind
        self._data, self._size, self._kind = [], 0, ""
        return [Event(b"\n".join(data), self._id, kind or "message")] if data else []


def _endless(what: str, cap: int) -> ProtocolError:
    return ProtocolError("The event feed cannot be read.", why=f"{what} has more than {cap} bytes")
