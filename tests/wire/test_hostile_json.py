"""Bodies that are meant to hurt: depth, size, endless numbers, bytes that are no text: one typed error (SEC-06)."""

from typing import Any

import pytest

from puna.alpaca.refusals import error_of
from puna.errors import ProtocolError, PunaError
from puna.wire.codec import decode, decoder
from puna.wire.frames import ELEMENTS_CAP, read_crypto, read_data, read_packed_data, read_trading
from puna.wire.trading import Account, Order

DEEP = 1_000_000
HOSTILE = {
    "deep lists": b"[" * DEEP,
    "deep lists, closed": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "deep where something is skipped": b'{"id":"1","unknown":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "many elements": b"[" + b"0," * 5_000_000 + b"0]",
    "a number without end": b'{"id":"1","qty":' + b"9" * DEEP + b"}",
    "a fraction without end": b'{"id":"1","qty":0.' + b"3" * DEEP + b"}",
    "an exponent without end": b'{"id":"1","qty":1e' + b"9" * DEEP + b"}",
    "text of a number without end": b'{"id":"1","qty":"' + b"9" * DEEP + b'"}',
    "bytes that are no text": b'{"id":"\xff\xfe\xc3"}',
    "half of a character": b'{"id":"\xed\xa0\x80"}',
    "nothing": b"",
    "a zero byte": b"\x00",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", [Order, Account])
def test_an_answer_that_is_meant_to_hurt_is_one_typed_error(name: str, kind: type[Any]) -> None:
    """No RecursionError, no UnicodeDecodeError, no MemoryError, and no value made of it."""
    with pytest.raises(ProtocolError):
        decode(decoder(kind), HOSTILE[name])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_frame_that_is_meant_to_hurt_costs_only_itself(name: str) -> None:
    """Streams: a typed error, or elements that are kept as unknown; none is taken apart for seconds."""
    for read in (read_data, read_crypto, read_trading, read_packed_data):
        try:
            read(HOSTILE[name])
        except ProtocolError:
            continue


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("status", [403, 422, 500])
def test_an_error_body_that_is_meant_to_hurt_is_still_its_status(name: str, status: int) -> None:
    """What cannot be read says nothing, and the status keeps its meaning."""
    error = error_of(status, HOSTILE[name], "GET /v2/account")
    assert isinstance(error, PunaError)
    assert len(str(error)) < 2_000


def test_a_frame_that_is_taken_apart_has_a_cap() -> None:
    """Up to it each element is kept; one more is an error."""
    assert len(read_data(b"[" + b"0," * (ELEMENTS_CAP - 1) + b"0]")) == ELEMENTS_CAP
    with pytest.raises(ProtocolError, match="too many"):
        read_data(b"[" + b"0," * ELEMENTS_CAP + b"0]")
    with pytest.raises(ProtocolError, match="too many"):
        read_packed_data(b"\xdd" + (ELEMENTS_CAP + 1).to_bytes(4) + b"\x00" * (ELEMENTS_CAP + 1))
