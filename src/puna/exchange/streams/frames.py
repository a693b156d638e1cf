"""Messages as bytes of a frame, and back: JSON or msgpack.

In msgpack the times of market data are timestamp extensions (type -1, exact to the nanosecond), and strings are str;
on the trading stream they stay text. Source: fact sheet, sections 7, 8 and 12.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from puna.wire.codec import Nanos, encode

__all__ = ["pack_market", "pack_text", "pack_trading", "unpack"]

_BILLION = 1_000_000_000


def pack_text(message: object) -> bytes:
    """JSON, as Alpaca prints it."""
    return encode(message)


def pack_market(messages: Sequence[object]) -> bytes:
    """Market data as msgpack, with timestamp extensions."""
    return _PACKER.encode(messages)


def pack_trading(message: object) -> bytes:
    """The msgpack of what would have been JSON."""
    return msgspec.msgpack.encode(json.loads(encode(message)))


def unpack(data: bytes | str, *, msgpack: bool) -> Any:
    """One message of a client, or None when it cannot be read."""
    try:
        if msgpack and isinstance(data, bytes):
            return msgspec.msgpack.decode(data)
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None


def _timestamp(value: object) -> msgspec.msgpack.Ext:
    """The 64-bit form: 30 bits of nanoseconds, 34 bits of seconds (until the year 2514)."""
    if not isinstance(value, Nanos):
        raise NotImplementedError(type(value))
    whole, nanos = divmod(int(value), _BILLION)
    return msgspec.msgpack.Ext(-1, struct.pack(">Q", nanos << 34 | whole))


_PACKER = msgspec.msgpack.Encoder(enc_hook=_timestamp)
