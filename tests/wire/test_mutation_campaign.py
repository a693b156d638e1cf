"""Every parser of the client, fed with mutated answers: a value or a typed error, never anything else, never a hang.

Seeds are the recorded answers where they are at hand (`../shared`), and answers made of the shapes themselves. In the
gate each parser gets a few hundred mutations; the campaign (`pytest -m campaign tests/wire`) makes a million of them.
"""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from puna.alpaca.events import Events
from puna.alpaca.operations import operations
from puna.alpaca.refusals import error_of
from puna.alpaca.request import Paged, Request
from puna.alpaca.sse import EventReader
from puna.errors import PunaError
from puna.wire.frames import pack, read_crypto, read_data, read_packed_crypto, read_packed_data, read_trading

RECORDED = Path(__file__).parents[3] / "shared" / "alpaca" / "recorded"
GATE, CAMPAIGN = 200, 1_000_000

TIME = '"2026-09-16T12:44:06.259763316Z"'
FRAME = (
    f'[{{"T":"q","S":"AAPL","bp":1.5,"bs":100,"ap":1.6,"as":200,"t":{TIME}}},'
    f'{{"T":"t","S":"AAPL","p":1.5,"s":100,"i":7,"c":["@"],"t":{TIME}}},'
    f'{{"T":"b","S":"AAPL","o":1,"h":2,"l":1,"c":2,"v":5,"t":{TIME}}},{{"T":"error","code":406,"msg":"x"}}]'
).encode()
CRYPTO = (
    f'[{{"T":"t","S":"BTC/USD","p":1.5,"s":0.1,"i":7,"tks":"B","t":{TIME}}},'
    f'{{"T":"o","S":"BTC/USD","b":[{{"p":1,"s":2}}],"a":[],"r":true,"t":{TIME}}}]'
).encode()
UPDATE = (
    b'{"stream":"trade_updates","data":{"event":"fill","price":"737.91","qty":"1","order":{"id":"1","status":"new"}}}'
)
FEED = b': ping\n\nid: 01J\nevent: x\ndata: {"event_id":"01J","activity_type":"FILL","at":%s,"details":{}}\n\n' % (
    TIME.encode()
)
REFUSAL = b'{"code":40310000,"message":"insufficient buying power","cost_basis":"1","buying_power":"2"}'
ANSWER = (
    f'{{"id":"1","status":"ACTIVE","symbol":"AAPL","qty":"1.5","t":{TIME},"bars":{{"AAPL":[{{"t":{TIME},"o":1}}]}},'
    f'"orders":[{{"id":"1","legs":null}}],"next_page_token":"QUFQ","timestamp":[1],"equity":[1.5,null]}}'
).encode()

TOKENS = (b"NaN", b"1e400", b"-", b'"', b"{", b"[", b"]", b"null", b"true", b"9" * 400, b"\xff\xfe", b"\x00",
          b"[" * 2_000, b'{"a":' * 500, b'"\xd8\x00"', b"\\ud800", b"1E+1000000", b'"NaN"', b'"1e5"', b"-0",
          b"\xc7\x0c\xff", b"\xdd\xff\xff\xff\xff", b"\r\n", b"data: ", b":")  # fmt: skip


def packed(frame: bytes) -> bytes:
    """The frame in msgpack, its times as 64-bit extensions."""
    stamp = msgspec.msgpack.Ext(-1, (1 << 34 | 7).to_bytes(8))
    return pack([{**each, "t": stamp} if "t" in each else each for each in json.loads(frame)])


def lines(body: bytes) -> list[Any]:
    return EventReader().feed(body)


STREAMS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "data frame": (FRAME, read_data),
    "crypto frame": (CRYPTO, read_crypto),
    "packed data frame": (packed(FRAME), read_packed_data),
    "packed crypto frame": (packed(CRYPTO), read_packed_crypto),
    "trading frame": (UPDATE, read_trading),
    "event feed": (FEED, lines),
    "error body": (REFUSAL, lambda body: error_of(403, body, "POST /v2/orders")),
}


def readers() -> Iterator[tuple[str, Callable[[bytes], Any]]]:
    """The reader of each call's answer."""
    spec = {"symbols": ["AAPL"], "timeframe": "1Day"}
    for name, each in operations().items():
        value = _value(each.call, spec)
        if isinstance(value, Paged):
            value = value.page(None)
        if isinstance(value, Request | Events):
            yield name, value.read


def _value(call: Callable[..., Any], spec: dict[str, Any]) -> Any:
    for words in ((), ("AAPL",), (["AAPL"],), (["AAPL"], "1Day"), ("AAPL", "1Day"), ("trade", "A")):
        try:
            return call(*words)
        except (TypeError, AttributeError):
            continue
    return None


READERS = dict(readers())


def seeds() -> list[bytes]:
    """Recorded answers, and made-up ones."""
    found = [ANSWER, b"[" + ANSWER + b"]", REFUSAL, b"{}", b"[]"]
    for path in sorted(RECORDED.glob("*.json")) if RECORDED.is_dir() else ():
        found += [json.dumps(each["body"]).encode()[:20_000] for each in json.loads(path.read_text())["bodies"][:3]]
    return found


SEEDS = seeds()


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """One to four changes: bytes flipped, cut out, doubled, tokens put in, the end cut off."""
    body = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body) + 1)
        to = min(len(body), at + rng.randrange(16))
        match rng.randrange(6):
            case 0 if at < len(body):
                body[at] = rng.randrange(256)
            case 1:
                del body[at:to]
            case 2:
                body[at:at] = body[at:to] * rng.randint(1, 40)
            case 3 | 4:
                body[at:to] = rng.choice(TOKENS)
            case _:
                del body[at:]
    return bytes(body)


def tried(seed: bytes, parse: Callable[[bytes], Any], rng: random.Random) -> bool:
    """Whether a mutation was read; anything but a value or a typed error fails the test."""
    body = mutated(seed, rng)
    try:
        parse(body)
    except PunaError:
        return False
    except BaseException as error:  # says which bytes did it
        raise AssertionError(f"{type(error).__name__}: {error} for {body[:400]!r}") from error
    return True


@pytest.mark.parametrize("name", STREAMS)
def test_streams_survive_mutation(name: str) -> None:
    """The same few thousand mutations in every run."""
    seed, parse = STREAMS[name]
    parse(seed)
    rng = random.Random(name)
    read = sum(tried(seed, parse, rng) for _ in range(10 * GATE))
    assert read > 0


@pytest.mark.parametrize("name", READERS)
def test_answers_survive_mutation(name: str) -> None:
    """Every call's reader, with answers of all kinds."""
    rng = random.Random(name)
    for _ in range(GATE):
        tried(rng.choice(SEEDS), READERS[name], rng)


def test_there_is_a_reader_for_nearly_every_call() -> None:
    """All but those that need a body to be built."""
    assert len(READERS) > 75


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
def test_a_million_mutations_change_nothing() -> None:
    """All parsers in turn, until a million mutations have been tried."""
    rng = random.Random(1)
    parsers = [*STREAMS.values(), *((b"", read) for read in READERS.values())]
    for number in range(CAMPAIGN):
        seed, parse = parsers[number % len(parsers)]
        tried(seed or rng.choice(SEEDS), parse, rng)
