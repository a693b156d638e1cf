"""Frames of both streams: one bad element never costs its neighbours, and msgpack is exact to the nanosecond."""

import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import ProtocolError
from puna.wire.frames import pack, read_data, read_packed_data, read_trading
from puna.wire.stream import (
    ActionError,
    BarMessage,
    DailyBarMessage,
    QuoteMessage,
    SuccessMessage,
    TradeMessage,
    TradeUpdateMessage,
    UnknownMessage,
)

QUOTE = b'{"T":"q","S":"AAPL","bp":1.5,"bs":100,"ap":1.6,"as":200,"t":"2026-09-16T12:44:06.259763316Z"}'
ORDER = '{"id":"1","status":"new","qty":"1"}'


def stamp(ts: int) -> msgspec.msgpack.Ext:
    """The 64-bit timestamp extension."""
    seconds, nanos = divmod(ts, 10**9)
    return msgspec.msgpack.Ext(-1, struct.pack(">Q", nanos << 34 | seconds))


@pytest.mark.parametrize(
    "bad",
    [
        b'{"T":"zz","S":"AAPL"}',
        b'{"T":"q","S":"AAPL"}',
        b'{"T":"q","S":"AAPL","bp":-1,"t":"2026-09-16T12:44:06Z"}',
        b'{"T":"q","S":"AAPL","bp":1e400,"t":"2026-09-16T12:44:06Z"}',
        b'{"T":"q","S":"AAPL","t":"yesterday"}',
        b'{"T":"q","S":"\xff\xfe","t":"2026-09-16T12:44:06Z"}',
        b'{"S":"AAPL"}',
        b"17",
        b"[]",
        b"null",
    ],
)
def test_a_bad_element_costs_only_itself(bad: bytes) -> None:
    """Unknown types, missing fields and impossible values are kept as they came, and the others are read."""
    first, middle, last = read_data(b"[" + QUOTE + b"," + bad + b"," + QUOTE + b"]")
    assert isinstance(first, QuoteMessage)
    assert first == last
    assert isinstance(middle, UnknownMessage)
    assert middle.raw == bad
    assert middle.why


@pytest.mark.parametrize("frame", [b"", b"{}", b"[", b"nonsense", b"[NaN]", b"\xff", b"[" * 100_000, "[", "17"])
def test_what_is_no_array_is_an_error(frame: bytes | str) -> None:
    """Nothing can be saved from a frame that is not an array."""
    with pytest.raises(ProtocolError):
        read_data(frame)


def test_a_daily_bar_is_no_minute_bar() -> None:
    """Nobody who asks for minute bars gets the day's."""
    bar = b'{"T":"%s","S":"F","o":1,"h":2,"l":1,"c":2,"v":5,"t":"2026-09-15T04:00:00Z"}'
    minute, daily = read_data(b"[" + bar % b"b" + b"," + bar % b"d" + b"]")
    assert isinstance(minute, BarMessage)
    assert isinstance(daily, DailyBarMessage)
    assert not isinstance(daily, BarMessage)


@given(st.integers(min_value=0, max_value=(1 << 34) * 10**9 - 1))
def test_msgpack_times_are_exact(ts: int) -> None:
    """No nanosecond is lost, which msgspec's own reading would."""
    [message] = read_packed_data(pack([{"T": "t", "S": "A", "p": 1.5, "s": 2.0, "t": stamp(ts)}]))
    assert isinstance(message, TradeMessage)
    assert message.t == ts


@pytest.mark.parametrize(
    ("extension", "ts"),
    [
        (struct.pack(">I", 7), 7 * 10**9),
        (struct.pack(">Q", 5 << 34 | 7), 7 * 10**9 + 5),
        (struct.pack(">Iq", 5, 7), 7 * 10**9 + 5),
    ],
)
def test_every_form_of_the_timestamp_extension_is_read(extension: bytes, ts: int) -> None:
    """32, 64 and 96 bits."""
    [message] = read_packed_data(
        pack([{"T": "t", "S": "A", "p": 1.5, "s": 2.0, "t": msgspec.msgpack.Ext(-1, extension)}])
    )
    assert isinstance(message, TradeMessage)
    assert message.t == ts


def test_msgpack_times_may_be_text() -> None:
    """As in JSON."""
    [message] = read_packed_data(pack([{"T": "t", "S": "A", "p": 1.5, "s": 2.0, "t": "1970-01-01T00:00:01Z"}]))
    assert isinstance(message, TradeMessage)
    assert message.t == 10**9


@pytest.mark.parametrize(
    "bad",
    [
        {"T": "t", "S": "A", "p": math.nan, "s": 1.0, "t": stamp(1)},
        {"T": "t", "S": "A", "p": math.inf, "s": 1.0, "t": stamp(1)},
        {"T": "t", "S": "A", "p": 1.0, "s": 1.0, "t": msgspec.msgpack.Ext(-1, struct.pack(">Q", 10**9 << 34))},
        {"T": "t", "S": "A", "p": 1.0, "s": 1.0, "t": msgspec.msgpack.Ext(5, b"12345678")},
        {"T": "t", "S": "A", "p": 1.0, "s": 1.0, "t": 17},
        {"T": "new"},
        None,
    ],
)
def test_a_bad_packed_element_costs_only_itself(bad: object) -> None:
    """NaN and infinity, which msgpack can carry, are no prices; broken times are no times."""
    good = {"T": "success", "msg": "connected"}
    first, middle, last = read_packed_data(pack([good, bad, good]))
    assert first == last == SuccessMessage(msg="connected")
    assert isinstance(middle, UnknownMessage)


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\x80", pack({"T": "success"}), b"\x91" * 100_000])
def test_what_is_no_packed_array_is_an_error(frame: bytes) -> None:
    """As with JSON."""
    with pytest.raises(ProtocolError):
        read_packed_data(frame)


def test_trade_updates_keep_what_they_cannot_read() -> None:
    """An update with an impossible amount, an unknown stream or none is kept, so that somebody can ask the broker."""
    update = '{"stream":"trade_updates","data":{"event":"%s","order":%s,"qty":"%s"}}'
    assert isinstance(read_trading(update % ("martian", ORDER, "1")), TradeUpdateMessage)
    assert isinstance(read_trading(update % ("fill", ORDER, "NaN")), UnknownMessage)
    assert isinstance(read_trading('{"stream":"news","data":{}}'), UnknownMessage)
    assert isinstance(read_trading("[1]"), UnknownMessage)
    error = read_trading('{"action":"error","data":{"error_message":"x"}}')
    assert isinstance(error, ActionError)
    assert error.data.error_message == "x"
    with pytest.raises(ProtocolError):
        read_trading("no json")
