"""WebSocket frames as messages: JSON or msgpack in, the same message objects out; what is unknown is kept, not lost.

A frame is read by the strict union first, which is fast. Only when that fails it is taken apart, and each element that
is still not readable (a new type, a missing field, NaN where a price belongs) becomes an `UnknownMessage` that holds
its bytes.

In msgpack, times are timestamp extensions (type -1). msgspec would read them as `datetime` and lose the nanoseconds, so
each message type has a packed double, made from it at import, whose times stay raw bytes until `_nanos` reads them.

Where the native package is installed, it reads frames of quotes, trades and bars as they usually come, and leaves every
other frame to the functions here. Its messages pass for these types (`isinstance`, `match`, `==`) and are read-only.
"""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Union, get_args

import msgspec

from puna import native
from puna.errors import ProtocolError
from puna.wire.codec import UNREADABLE, Nanos, decode, decoder, parse_time, unreadable
from puna.wire.stream import (
    ActionError,
    BarMessage,
    CryptoMessage,
    DailyBarMessage,
    DataMessage,
    QuoteMessage,
    TradeMessage,
    TradingMessage,
    UnknownMessage,
    UpdatedBarMessage,
)

__all__ = ["pack", "read_crypto", "read_data", "read_packed_crypto", "read_packed_data", "read_trading"]

M = TypeVar("M")
E = TypeVar("E")
ELEMENTS_CAP = 50_000
Known: TypeAlias = DataMessage | UnknownMessage
KnownCrypto: TypeAlias = CryptoMessage | UnknownMessage

_frame = decoder(list[DataMessage])
_crypto_frame = decoder(list[CryptoMessage])
_elements = decoder(list[msgspec.Raw])
_message: msgspec.json.Decoder[DataMessage] = decoder(DataMessage)
_crypto_message: msgspec.json.Decoder[CryptoMessage] = decoder(CryptoMessage)
_trading: msgspec.json.Decoder[TradingMessage] = decoder(TradingMessage)
_action = decoder(ActionError)


def read_data(frame: bytes | str) -> Sequence[Known]:
    """The messages of a JSON frame of a data stream: stocks, options, news.

    Raises:
        ProtocolError: the frame is not a JSON array at all.
    """
    return _read(frame, _frame, _message)


def read_crypto(frame: bytes | str) -> Sequence[KnownCrypto]:
    """The messages of a JSON frame of the crypto stream.

    Raises:
        ProtocolError: the frame is not a JSON array at all.
    """
    return _read(frame, _crypto_frame, _crypto_message)


def _read(
    frame: bytes | str, whole: msgspec.json.Decoder[list[M]], one: msgspec.json.Decoder[M]
) -> Sequence[M | UnknownMessage]:
    try:
        return whole.decode(frame)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return [_element(bytes(raw), one) for raw in _few(decode(_elements, frame))]
    except UNREADABLE as error:
        raise unreadable(error) from error


def read_trading(frame: bytes | str) -> TradingMessage | ActionError | UnknownMessage:
    """The message of a JSON frame of the trading stream, text or binary.

    Raises:
        ProtocolError: the frame is not JSON at all.
    """
    try:
        return _trading.decode(frame)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        try:
            return _action.decode(frame)
        except UNREADABLE:
            raw = frame.encode() if isinstance(frame, str) else bytes(frame)
            return UnknownMessage(raw=raw, why=str(error)[:200])
    except UNREADABLE as error:
        raise unreadable(error) from error


def _few(elements: list[E]) -> list[E]:
    """The same, unless it would take seconds to look at each of them, which nobody else would get (SEC-06).

    Raises:
        ProtocolError: more than any frame of the broker can hold.
    """
    if len(elements) > ELEMENTS_CAP:
        raise ProtocolError(
            "A frame that cannot be read has too many elements to be taken apart.",
            why=f"{len(elements)}, and at most {ELEMENTS_CAP} are looked at one by one",
            state="None of it was used.",
        )
    return elements


def _element(raw: bytes, one: msgspec.json.Decoder[Any]) -> Any:
    try:
        return one.decode(raw)
    except UNREADABLE as error:
        return UnknownMessage(raw=raw, why=str(error)[:200])


def read_packed_data(frame: bytes) -> Sequence[Known]:
    """The messages of a msgpack frame of a data stream: what `read_data` gives for the same frame in JSON.

    Raises:
        ProtocolError: the frame is not a msgpack array at all.
    """
    return _DATA.read(frame)


def read_packed_crypto(frame: bytes) -> Sequence[KnownCrypto]:
    """The messages of a msgpack frame of the crypto stream.

    Raises:
        ProtocolError: the frame is not a msgpack array at all.
    """
    return _CRYPTO.read(frame)


def pack(message: object) -> bytes:
    """What a client says, in msgpack."""
    return msgspec.msgpack.encode(message)


def _nanos(raw: bytes) -> int:
    """A timestamp extension (32, 64 or 96 bits) or a text, as nanoseconds."""
    match raw[:2], len(raw):
        case b"\xd6\xff", 6:
            return Nanos(int.from_bytes(raw[2:]) * 1_000_000_000)
        case b"\xd7\xff", 10:
            both = int.from_bytes(raw[2:])
            return _moment(both & 0x3FFFFFFFF, both >> 34)
        case b"\xc7\x0c", 15 if raw[2] == 0xFF:
            nanos, seconds = struct.unpack(">Iq", raw[3:])
            return _moment(seconds, nanos)
    return Nanos(parse_time(_packed_text.decode(raw)))


def _moment(seconds: int, nanos: int) -> int:
    if nanos > 999_999_999 or not 0 <= seconds < 1 << 34:
        raise ValueError(f"not a timestamp: {seconds} s and {nanos} ns")
    return Nanos(seconds * 1_000_000_000 + nanos)


def _double(kind: Any) -> Any:
    """The packed double of a message type: the same fields and tag, times left raw."""
    again: Any = msgspec.field  # its overloads do not know that a FieldInfo has one default at most
    fields = [
        (
            field.name,
            msgspec.Raw if field.type is Nanos else field.type,
            again(default=field.default, default_factory=field.default_factory, name=field.encode_name),
        )
        for field in msgspec.structs.fields(kind)
    ]
    config = kind.__struct_config__
    name = f"Packed{kind.__name__}"
    return msgspec.defstruct(name, fields, kw_only=True, tag_field=config.tag_field, tag=config.tag)


def _times(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.type is Nanos)


class _Packed:
    """The doubles of a union, and its frames."""

    def __init__(self, union: Any) -> None:
        self._kinds = {_double(kind): (kind, _times(kind)) for kind in get_args(union)}
        doubles: Any = Union[tuple(self._kinds)]  # noqa: UP007 - made at run time
        self._frame = msgspec.msgpack.Decoder(list[doubles])
        self._message = msgspec.msgpack.Decoder(doubles)

    def read(self, frame: bytes) -> Sequence[Any]:
        try:
            return [self._unpacked(message) for message in self._frame.decode(frame)]
        except UNREADABLE:
            pass
        try:
            raws = _packed_elements.decode(frame)
        except UNREADABLE as error:
            raise unreadable(error) from error
        return [self._element(bytes(raw)) for raw in _few(raws)]

    def _element(self, raw: bytes) -> Any:
        try:
            return self._unpacked(self._message.decode(raw))
        except UNREADABLE as error:
            return UnknownMessage(raw=raw, why=str(error)[:200])

    def _unpacked(self, packed: Any) -> Any:
        kind, times = self._kinds[type(packed)]
        fields = {name: getattr(packed, name) for name in packed.__struct_fields__}
        for name in times:
            fields[name] = _nanos(bytes(fields[name]))
        return kind(**fields)


_DATA, _CRYPTO = _Packed(DataMessage), _Packed(CryptoMessage)
_packed_elements = msgspec.msgpack.Decoder(list[msgspec.Raw])
_packed_text = msgspec.msgpack.Decoder(str)

REFERENCE = (read_data, read_packed_data)

if not TYPE_CHECKING and native.use_reference is not None:
    _types = (QuoteMessage, TradeMessage, BarMessage, UpdatedBarMessage, DailyBarMessage)
    native.use_reference(_types, *REFERENCE)
    read_data, read_packed_data = native.read_frame, native.read_packed_frame
