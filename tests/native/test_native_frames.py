"""The native frame reader is the reference: same messages, same errors, whatever the frame."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna import native
from puna.errors import PunaError
from puna.wire import frames
from puna.wire.codec import parse_time
from puna.wire.stream import BarMessage, DailyBarMessage, QuoteMessage, TradeMessage, UpdatedBarMessage

read_json, read_msgpack = frames.REFERENCE

SYMBOLS = st.one_of(
    st.sampled_from(["AAPL", "BRK.B", "BTC/USD", "SPY240119C00470000", "X" * 23, "X" * 24, ""]),
    st.text(max_size=30),
)
PRICES = st.one_of(
    st.floats(),
    st.integers(),
    st.floats(0, 1e6).map(lambda x: round(x, 4)),
    st.sampled_from([0, -0.0, 1e15, 1.0000000000000001e15, 2**53, 2**53 + 1, 1e-320, 0.1 + 0.2, True, None, "1"]),
)
TIMES = st.one_of(
    st.integers(0, 2**62).map(lambda ns: f"2024-02-29T23:59:{ns % 60:02d}.{ns % 10**9:09d}Z"),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(
        [
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.5Z",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00+05:00",
            "2024-01-01T00:00:00.1234567890Z",
            "",
        ]
    ),
)
CODES = st.one_of(st.sampled_from(["V", "", "ABCDEFGH", "é", '"', "\\", "\n"]), st.text(max_size=9))
CONDITIONS = st.one_of(st.none(), CODES, st.lists(CODES, max_size=5), st.just(["@", " ", "T", "I"]), st.integers())
IDS = st.one_of(st.integers(), st.text(max_size=30), st.floats(), st.none())
COUNTS = st.one_of(st.integers(), st.sampled_from([0, 2**63, 2**64, 1.0, 1.5, None]))
ELSE = st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.none(), st.lists(st.integers(), max_size=2))

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "S": SYMBOLS,
    "t": TIMES,
    **dict.fromkeys(("bp", "bs", "ap", "as", "p", "s", "o", "h", "l", "v", "vw"), PRICES),
    **dict.fromkeys(("bx", "ax", "x", "z"), CODES),
    "i": IDS,
    "n": COUNTS,
    "new": ELSE,
    "é": ELSE,
    "": ELSE,
}
KEYS = {
    "q": ["S", "bx", "bp", "bs", "ax", "ap", "as", "c", "z", "t"],
    "t": ["S", "i", "x", "p", "s", "c", "z", "t"],
    "b": ["S", "o", "h", "l", "c", "v", "n", "vw", "t"],
    "u": ["S", "o", "h", "l", "c", "v", "n", "vw", "t"],
    "d": ["S", "o", "h", "l", "c", "v", "n", "vw", "t"],
}


def usual(tag: str, key: str) -> Any:
    """What the broker would send."""
    texts = {"S": "AAPL", "t": "2024-02-29T15:00:00.123456789Z", "bx": "V", "ax": "Q", "x": "V", "z": "C"}
    conditions = 187.2 if tag in "bud" else ["R"]
    return {**texts, "c": conditions, "i": 52983525029461, "n": 215}.get(key, 187.25)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """A message as the broker sends it, with up to three fields gone odd, missing, new or out of order."""
    tag = draw(st.sampled_from([*KEYS, "s", "subscription", "q", "t", "b"]))
    keys = draw(st.permutations(KEYS.get(tag, KEYS["q"]))) if draw(st.booleans()) else KEYS.get(tag, KEYS["q"])
    message = {"T": tag, **{key: usual(tag, key) for key in keys}}
    for key in draw(st.lists(st.sampled_from([*VALUES, "c"]), max_size=3)):
        if draw(st.booleans()):
            message.pop(key, None)
        else:
            odd = CONDITIONS if key == "c" and tag not in "bud" else VALUES.get(key, PRICES)
            message[key] = draw(odd)
    return message


def outcome(read: Callable[[Any], Any], frame: Any) -> Any:
    """The messages with their types, or the type and text of the error."""
    try:
        return [(message.__class__, repr(message)) for message in read(frame)]
    except (PunaError, TypeError) as error:
        return type(error), str(error), getattr(error, "why", "")


def write(content: list[dict[str, Any]], *, spaces: bool) -> str:
    return json.dumps(content, separators=None if spaces else (",", ":"), ensure_ascii=spaces)


@given(st.lists(messages(), max_size=4), st.booleans())
def test_json_frames_are_read_as_the_reference_reads_them(content: list[dict[str, Any]], spaces: bool) -> None:
    """Usual and unusual messages, as bytes and as text: the same messages, or the same error."""
    text = write(content, spaces=spaces)
    frame = text.encode(errors="surrogatepass")
    assert outcome(native.read_frame, frame) == outcome(read_json, frame)
    assert outcome(native.read_frame, text) == outcome(read_json, text)


def times_packed(message: dict[str, Any]) -> dict[str, Any]:
    """The same message with its time as a timestamp extension, where it is one."""
    try:
        ns = parse_time(message["t"])
    except (KeyError, TypeError, ValueError):
        return message
    seconds, nanos = divmod(ns, 10**9)
    if not 0 <= seconds < 1 << 34:
        return message
    packed = (nanos << 34 | seconds).to_bytes(8) if nanos else seconds.to_bytes(4 if seconds < 1 << 32 else 8)
    return {**message, "t": msgspec.msgpack.Ext(-1, packed)}


@given(st.lists(messages(), max_size=4))
def test_msgpack_frames_are_read_as_the_reference_reads_them(content: list[dict[str, Any]]) -> None:
    """The same for msgpack, where times are extensions."""
    try:
        frame = msgspec.msgpack.encode([times_packed(message) for message in content])
    except (OverflowError, UnicodeEncodeError):
        return
    assert outcome(native.read_packed_frame, frame) == outcome(read_msgpack, frame)


USUAL = [{"T": tag, **{key: usual(tag, key) for key in keys}} for tag, keys in KEYS.items()]


@given(st.data())
def test_mutated_frames_are_read_as_the_reference_reads_them(data: st.DataObject) -> None:
    """Bytes changed, cut, doubled or swapped: never a panic, never another answer than the reference's."""
    packed = data.draw(st.booleans())
    content = [data.draw(st.sampled_from(USUAL)) for _ in range(data.draw(st.integers(1, 3)))]
    written = write(content, spaces=False).encode()
    frame = bytearray(msgspec.msgpack.encode([times_packed(m) for m in content]) if packed else written)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame)))
        frame[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"\\", b'"', b"-", b"e", b".", b"0", b"\xff", b"}", b","])
            )
        )
    ours, theirs = (native.read_packed_frame, read_msgpack) if packed else (native.read_frame, read_json)
    assert outcome(ours, bytes(frame)) == outcome(theirs, bytes(frame))


@pytest.mark.parametrize("frame", [b"", b"[]", b"{}", b"[", b"null", "[]", "", "\ud800", None, 5, bytearray(b"[]")])
def test_whole_frames_that_are_none(frame: Any) -> None:
    """No array, no bytes, no text: the reference answers."""
    assert outcome(native.read_frame, frame) == outcome(read_json, frame)
    assert outcome(native.read_packed_frame, frame) == outcome(read_msgpack, frame)


def test_recorded_messages_are_read_natively() -> None:
    """Usual messages do not fall back: what stands here is the native type, and it passes for the wire's."""
    frame = write(USUAL, spaces=False).encode()
    read = native.read_frame(frame)
    assert {type(message).__module__ for message in read} == {"puna_native"}
    types = (QuoteMessage, TradeMessage, BarMessage, UpdatedBarMessage, DailyBarMessage)
    messages: list[Any] = list(read)
    for message, kind, reference in zip(messages, types, read_json(frame), strict=True):
        assert isinstance(message, kind) is True
        assert [isinstance(message, other) for other in types].count(True) == 1
        assert message == reference
        assert reference == message
        assert repr(message) == repr(reference)
        assert copy.copy(message) == reference
        assert pickle.loads(pickle.dumps(message)) == reference  # noqa: S301 - made one line above
        with pytest.raises(AttributeError):
            message.t = 1
    assert read[2] != read[3]
    assert read == native.read_frame(frame)
    assert read[0].S is native.read_frame(frame)[0].S


def test_the_wire_uses_it() -> None:
    """`read_data` and `read_packed_data` are the native functions where they are installed."""
    assert frames.read_data is native.read_frame
    assert frames.read_packed_data is native.read_packed_frame
    assert Path(frames.__file__).name == "frames.py"
