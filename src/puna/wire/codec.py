r"""Reading and writing Alpaca's bytes: a strict decimal grammar, nanosecond timestamps, one typed error.

Strings that carry money must match `-?\d{1,15}(\.\d{1,9})?`; JSON *numbers* may carry a bounded exponent, because
alpaca-py sends `1e-05` (architecture 8.5). NaN, infinities, absurd exponents and digits of other scripts are refused.
Unknown fields are skipped (`puna.wire.unknown` names them); enumerations are plain strings on the wire, so a new value
is kept, not refused. Of two equal keys in one JSON object the last one counts, as msgspec has it.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, overload

import msgspec

from puna.errors import ProtocolError

__all__ = [
    "Amount",
    "Nanos",
    "Price",
    "Ratio",
    "amount",
    "decode",
    "decoder",
    "encode",
    "format_time",
    "parse_time",
    "ratio",
]

T = TypeVar("T")

if TYPE_CHECKING:
    Amount = Decimal
    Ratio = Decimal
    Nanos = int
else:
    # msgspec would read a Decimal by itself, "NaN" and "1E+1000000" included. A subclass comes through `_read` instead;
    # to a type checker and to arithmetic it is a Decimal. The same for timestamps, which become whole nanoseconds.
    class Amount(Decimal):
        """Money or quantity as it stands on the wire."""

    class Ratio(Decimal):
        """A fraction that is no money: Alpaca prints such with as many decimals as a float has."""

    class Nanos(int):
        """An RFC 3339 timestamp as nanoseconds since the epoch, UTC."""


# Prices and sizes of market data are JSON numbers. The bounds also keep NaN and infinity out, which msgpack can carry.
Price = Annotated[float, msgspec.Meta(ge=0, le=1e15)]

_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_RATIO = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?")
_NUMBER_LIMIT = 10**15
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|z|[+-][0-9]{2}:[0-9]{2})"
)


def amount(text: str | float) -> Decimal:
    """A decimal by Alpaca's grammar.

    Raises:
        ValueError: `text` is not a plain decimal number of at most 15 digits before and 9 after the point.
    """
    if isinstance(text, str):
        if not _AMOUNT.fullmatch(text):
            raise ValueError(f"not a decimal amount: {text[:40]!r}")
        return Amount(text)
    if isinstance(text, bool) or not -_NUMBER_LIMIT < text < _NUMBER_LIMIT:  # NaN fails the comparison too
        raise ValueError(f"not a decimal amount: {str(text)[:40]}")
    value = Decimal(repr(text))
    if -value.as_tuple().exponent > 12:  # type: ignore[operator]  # finite by now, so a number
        raise ValueError(f"not a decimal amount: {text!r} has more than 12 decimals")
    return Amount(f"{value:f}")


def ratio(text: str | float) -> Decimal:
    """A fraction: like an amount, with up to 20 decimals.

    Raises:
        ValueError: not a plain decimal number.
    """
    if isinstance(text, str) and _RATIO.fullmatch(text):
        return Ratio(text)
    if isinstance(text, (int, float)) and not isinstance(text, bool) and -_NUMBER_LIMIT < text < _NUMBER_LIMIT:
        return Ratio(f"{Decimal(repr(text)):f}")
    raise ValueError(f"not a fraction: {str(text)[:40]!r}")


def parse_time(text: str) -> int:
    """RFC 3339 with offset, up to nine decimals, as nanoseconds since the epoch, UTC.

    Raises:
        ValueError: not such a timestamp, no offset, or outside the calendar.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 timestamp with offset: {text[:40]!r}")
    second, fraction, offset = match.groups()
    return _epoch(second, offset) * 1_000_000_000 + (int(fraction.ljust(9, "0")) if fraction else 0)


@lru_cache(maxsize=4096)  # the messages of one second share it
def _epoch(second: str, offset: str) -> int:
    moment = datetime.fromisoformat(f"{second[:10]}T{second[11:]}{'+00:00' if offset in 'Zz' else offset}")
    return int(moment.timestamp())


def format_time(ts: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 in UTC, as Alpaca prints them: no trailing zeros in the fraction."""
    seconds, nanos = divmod(ts, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{text}{fraction}Z"


@overload
def decoder(kind: type[T]) -> msgspec.json.Decoder[T]: ...
@overload
def decoder(kind: Any) -> msgspec.json.Decoder[Any]: ...
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """A JSON decoder for `kind` with the strict grammar; use it through `decode`."""
    return msgspec.json.Decoder(kind, dec_hook=_read)


def decode(reader: msgspec.json.Decoder[T], body: bytes | str) -> T:
    """One document.

    Raises:
        ProtocolError: not JSON, or not of the documented shape; nothing is half-read.
    """
    try:
        return reader.decode(body)
    except UNREADABLE as error:
        raise unreadable(error) from error


# ValueError has UnicodeDecodeError among its kinds, which msgspec lets through; deep nesting is a RecursionError.
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError, OverflowError)


def unreadable(error: Exception) -> ProtocolError:
    """What `decode` raises, from what went wrong."""
    return ProtocolError(
        "The broker's answer could not be read.",
        why=f"{type(error).__name__}: {str(error)[:200]}",
        state="Nothing in it was used.",
    )


def encode(value: object) -> bytes:
    """JSON, amounts as strings and times as RFC 3339: the form that Alpaca itself prints."""
    return _ENCODER.encode(value)


def _read(kind: type, value: Any) -> Any:
    if kind is Amount:
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"expected an amount, got {type(value).__name__}")
        return amount(value)
    if kind is Ratio:
        return ratio(value)
    if kind is Nanos:
        if not isinstance(value, str):
            raise ValueError(f"expected a timestamp, got {type(value).__name__}")
        return Nanos(parse_time(value))
    raise NotImplementedError(kind)


def _write(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Nanos):
        return format_time(value)
    raise NotImplementedError(type(value))


_ENCODER = msgspec.json.Encoder(enc_hook=_write, decimal_format="string")
