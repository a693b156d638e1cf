"""Mutated bytes: every parser answers with a value or a ProtocolError, whatever comes in, and never hangs."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from puna.alpaca.refusals import error_of
from puna.errors import BrokerError, ProtocolError
from puna.wire.codec import decode, decoder
from puna.wire.frames import read_data, read_packed_data, read_trading
from puna.wire.market import BarsPage
from puna.wire.trading import Account, Order

ROUNDS = 4_000

ORDER = (
    b'{"id":"61e69015","client_order_id":"eb9e2aaa","created_at":"2021-03-16T18:38:01.942282Z","qty":1,"filled_qty":"0.5",'
    b'"filled_avg_price":"737.91","status":"accepted","symbol":"AAPL","limit_price":null,'
    b'"legs":[{"id":"1","status":"held"}]}'
)
ACCOUNT = (
    b'{"id":"9048","status":"ACTIVE","cash":"-23140.2","multiplier":"4","created_at":"2019-06-12T22:47:07.99658Z"}'
)
BARS = (
    b'{"bars":{"AAPL":[{"t":"2022-02-01T05:00:00Z","o":174,"h":1.7484e2,"l":172.31,"c":174.61,"v":85998033}]},'
    b'"next_page_token":"QUFQ"}'
)
DATA = (
    b'[{"T":"q","S":"AAPL","bp":1.5,"bs":100,"ap":1.6,"as":200,"t":"2026-09-16T12:44:06.259763316Z"},'
    b'{"T":"error","code":406,"msg":"x"}]'
)
UPDATE = b'{"stream":"trade_updates","data":{"event":"fill","price":"737.91","qty":"1","order":%s}}' % ORDER
PACKED = msgspec.msgpack.encode(
    [{"T": "t", "S": "AAPL", "p": 1.5, "s": 100.0, "t": msgspec.msgpack.Ext(-1, b"\x00\x00\x00\x01\x00\x00\x00\x07")}]
)

REFUSAL = b'{"code":40310000,"message":"insufficient buying power","cost_basis":"1"}'

_order, _account, _bars = decoder(Order), decoder(Account), decoder(BarsPage)
PARSERS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "order": (ORDER, lambda body: decode(_order, body)),
    "account": (ACCOUNT, lambda body: decode(_account, body)),
    "bars": (BARS, lambda body: decode(_bars, body)),
    "data frame": (DATA, read_data),
    "trading frame": (UPDATE, read_trading),
    "packed frame": (PACKED, read_packed_data),
    "error": (
        b'{"code":40310000,"message":"insufficient buying power","cost_basis":"1"}',
        lambda body: error_of(403, body, "x"),
    ),
}

TOKENS = (b"NaN", b"1e400", b"-", b'"', b"{", b"[", b"]", b"null", b"9" * 400, b"\xff\xfe", b"\x00", b"[" * 2_000,
          b'"\xd8\x00"', b"\\ud800", b"1E+1000000", b"\xc7\x0c\xff", b"\xdd\xff\xff\xff\xff")  # fmt: skip


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """One to four changes: bytes flipped, cut out, doubled, tokens put in."""
    body = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body) + 1)
        to = min(len(body), at + rng.randrange(16))
        match rng.randrange(5):
            case 0 if at < len(body):
                body[at] = rng.randrange(256)
            case 1:
                del body[at:to]
            case 2:
                body[at:at] = body[at:to]
            case 3:
                body[at:to] = rng.choice(TOKENS)
            case _:
                del body[at:]
    return bytes(body)


@pytest.mark.parametrize("name", PARSERS)
def test_mutated_bytes_raise_nothing_but_protocol_errors(name: str) -> None:
    """4,000 mutations for each parser, the same ones in every run."""
    seed, parse = PARSERS[name]
    rng = random.Random(name)
    outcomes = {"read": 0, "refused": 0}
    parse(seed)
    for _ in range(ROUNDS):
        body = mutated(seed, rng)
        try:
            parse(body)
            outcomes["read"] += 1
        except ProtocolError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0 or name == "error"
    assert sum(outcomes.values()) == ROUNDS


def test_an_error_body_is_always_an_error() -> None:
    """Whatever stands in it, a 403 is a BrokerError."""
    rng = random.Random(1)
    seed, parse = PARSERS["error"]
    assert all(isinstance(parse(mutated(seed, rng)), BrokerError) for _ in range(100))
