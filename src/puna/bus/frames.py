"""One frame of the bus: topic, NUL, a header of 20 bytes, a body; and topics, whose segments are matched as a whole.

    b"market.quote.AAPL" 00  | version u8 | encoding u8 | count u16 | epoch u64 | sequence u64 |  body

All numbers are big-endian. The body is a list of `count` messages, msgpack (encoding "m") or JSON ("j"). The sequence
is that of the first message, counted from 1 for each topic and epoch; a publisher's epoch is the time of its start. The
high bit of `count` marks a snapshot: the last message once more, for whoever has just joined.

Where the native package is installed, it reads runs of quotes, trades and bars; its messages pass for the schema's
(`isinstance`, `match`, `==`, `copy.copy`) and are read-only.
"""

import copy
import re
from struct import Struct
from typing import Any, Final

import msgspec

from puna import native
from puna.bus.messages import SCHEMA, BarUpdate, BusError, Message, QuoteUpdate, TradeUpdate
from puna.core.types import Bar, Quote, Trade

__all__ = [
    "HEADER",
    "LARGEST_BATCH",
    "NUL",
    "REFERENCE",
    "Envelope",
    "Single",
    "UnknownVersionError",
    "UnreadableFrameError",
    "check_topic",
    "matches",
    "next_of",
    "opened",
    "packed",
    "plain",
    "prefixes",
    "put_message",
    "put_number",
    "read_run",
    "start_of",
]

HEADER: Final = Struct(">BBHQQ")
LARGEST_BATCH: Final = 0x7FFF
SNAPSHOT: Final = 0x8000
MSGPACK: Final = ord("m")
JSON: Final = ord("j")
NUL: Final = b"\0"
LONGEST_HEAD: Final = HEADER.size + 1
LONGEST_TOPIC: Final = 200
_TOPIC = re.compile(r"[A-Za-z0-9_/:-]+(\.[A-Za-z0-9_/:-]+)*")

# A symbol may hold a dot (BRK.B); it then makes two segments, which whole-segment matching does not mind.


def plain(message: Any) -> Any:
    """The schema's message for one that the native package has read."""
    if message.__class__ is type(message):
        raise TypeError(f"{type(message)} is no message of the bus")
    return copy.copy(message)


_PACKER = msgspec.msgpack.Encoder(decimal_format="string", enc_hook=plain)
_WRITER = msgspec.json.Encoder(decimal_format="string", enc_hook=plain)
_LIST_OF_ONE: Final = b"\x91"
_NUMBER: Final = Struct(">Q")

put_number: Final = _NUMBER.pack_into
put_message: Final = _PACKER.encode_into
_READ_PACKED: Final = msgspec.msgpack.Decoder(list[Message]).decode
_READERS: Final = {
    MSGPACK: _READ_PACKED,
    JSON: msgspec.json.Decoder(list[Message]).decode,
}


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A frame that could be read: its topic, the publisher's epoch, the number of its first message, its messages."""

    topic: str
    epoch: int
    seq: int
    messages: list[Message]
    snapshot: bool = False


class UnknownVersionError(BusError):
    """A frame of a schema that this program does not speak."""

    code = "E701"


class UnreadableFrameError(BusError):
    """Bytes that are no frame of the bus."""

    code = "E702"


def check_topic(topic: str) -> str:
    """The topic, if it is one: dotted segments of letters, digits and `_ / : -`.

    Raises:
        BusError: it is none.
    """
    if len(topic) > LONGEST_TOPIC or not _TOPIC.fullmatch(topic):
        raise BusError(
            f"{topic[:60]!r} is no topic.", why="a topic is made of dotted segments, such as market.bar.AAPL"
        )
    return topic


def prefixes(topic: str) -> tuple[bytes, ...]:
    """What a subscription to whole segments is in ZeroMQ's terms; the empty topic is everything."""
    if not topic:
        return (b"",)
    start = check_topic(topic).encode()
    return start + NUL, start + b"."


def start_of(topic: str) -> bytes:
    """What a frame of this topic begins with.

    Raises:
        BusError: it is no topic.
    """
    return check_topic(topic).encode() + NUL


def matches(subscription: str, topic: str) -> bool:
    """Whether a subscription names this topic or whole segments from its left."""
    return not subscription or topic == subscription or topic.startswith(f"{subscription}.")


def packed(
    start: bytes, epoch: int, seq: int, messages: list[Message], *, snapshot: bool = False, as_json: bool = False
) -> bytes:
    """A frame; `start` is the topic with its NUL."""
    count = len(messages) | SNAPSHOT if snapshot else len(messages)
    if as_json:
        return start + HEADER.pack(SCHEMA, JSON, count, epoch, seq) + _WRITER.encode(messages)
    return start + HEADER.pack(SCHEMA, MSGPACK, count, epoch, seq) + _PACKER.encode(messages)


class Single:
    """Frames of one message each, on one topic, all made in one buffer: what was made is gone with the next.

    `put_number(single.buffer, single.at, seq)` and `put_message(message, single.buffer, single.body)` make what
    `packed(start, epoch, seq, [message])` gives, and nothing new. A publisher that sends at once spends most of its
    time here, so it calls both itself.

    Args:
        start: the topic with its NUL.
        epoch: the publisher's.
    """

    __slots__ = ("at", "body", "buffer")

    def __init__(self, start: bytes, epoch: int) -> None:
        self.buffer = bytearray(start + HEADER.pack(SCHEMA, MSGPACK, 1, epoch, 0) + _LIST_OF_ONE)
        self.body = len(self.buffer)
        self.at = self.body - len(_LIST_OF_ONE) - _NUMBER.size


def next_of(frame: bytes, end: int, epoch: int, seq: int) -> list[Message] | None:
    """The messages of a frame whose topic ends at `end`, if it is the one that is expected; None says: look closer.

    The usual case of `opened`, without what is not needed in it.
    """
    if len(frame) < end + LONGEST_HEAD:
        return None
    version, encoding, count, found, first = HEADER.unpack_from(frame, end + 1)
    if version != SCHEMA or encoding != MSGPACK or found != epoch or first != seq or count & SNAPSHOT:
        return None
    try:
        messages = _READ_PACKED(frame[end + LONGEST_HEAD :])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return messages if len(messages) == count else None


def opened(frame: bytes) -> Envelope:
    """A frame, read.

    Raises:
        UnknownVersionError: it is of another schema.
        UnreadableFrameError: it is none, or its messages are not what the schema says.
    """
    end = frame.find(NUL)
    if end < 0 or len(frame) < end + LONGEST_HEAD:
        raise UnreadableFrameError("This is no frame of the bus.", why=f"{len(frame)} bytes without a header")
    version, encoding, count, epoch, seq = HEADER.unpack_from(frame, end + 1)
    if version != SCHEMA:
        raise UnknownVersionError(
            f"A message of schema {version} came; this program speaks {SCHEMA}.",
            state="It was not looked at.",
            remedy="Run the same version of Puna everywhere.",
        )
    reader = _READERS.get(encoding)
    if reader is None:
        raise UnreadableFrameError("This frame has an unknown encoding.", why=f"{encoding:#x}, neither m nor j")
    try:
        messages = reader(frame[end + LONGEST_HEAD :])
        topic = frame[:end].decode("ascii")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise UnreadableFrameError("A message is not what its schema says.", why=str(error)[:200]) from error
    if len(messages) != count & LARGEST_BATCH:
        raise UnreadableFrameError(f"A frame of {count & LARGEST_BATCH} messages holds {len(messages)}.")
    return Envelope(topic, epoch, seq, messages, snapshot=bool(count & SNAPSHOT))


def _read_run(frames: list[bytes], at: int, start: bytes, epoch: int, seq: int) -> tuple[list[Message], int]:
    """The messages of the frames from `at` on that are of one topic and carry the numbers that come next.

    Args:
        frames: as they came.
        at: the first of them to look at.
        start: the topic with its NUL.
        epoch: the publisher's.
        seq: the number that comes next.

    Returns:
        The messages, and the first frame that is something else: another topic, a hole, a snapshot, unreadable.
    """
    messages, end = list[Message](), len(start) - 1
    while at < len(frames) and frames[at].startswith(start):
        more = next_of(frames[at], end, epoch, seq + len(messages))
        if more is None:
            break
        messages += more
        at += 1
    return messages, at


REFERENCE: Final = _read_run
"""What the native package is compared with."""

if getattr(native, "read_run", None) is None:
    read_run = _read_run
else:
    native.use_bus_reference((QuoteUpdate, TradeUpdate, BarUpdate), (Quote, Trade, Bar), SCHEMA, next_of)
    read_run = native.read_run
