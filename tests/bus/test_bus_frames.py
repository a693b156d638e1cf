"""Frames and topics: what is written is read, and what is none is refused."""

import json
from contextlib import suppress
from decimal import Decimal

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bus.frames import HEADER, check_topic, matches, opened, packed, prefixes, start_of
from puna.bus.messages import (
    SCHEMA,
    Ack,
    BarUpdate,
    BusError,
    FillUpdate,
    Heartbeat,
    IntentRequest,
    Message,
    QuoteUpdate,
    RiskState,
    Signal,
    json_schema,
    kinds,
)
from puna.core.risk import RiskLimits, TradingState
from puna.core.types import Fill, OrderIntent, OrderType, Side, TimeInForce

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NANOS = st.integers(0, 2**63 - 1)
SYMBOLS = st.text("ABCXYZ./0123", min_size=1, max_size=12)
MESSAGES = st.one_of(
    st.builds(QuoteUpdate, SYMBOLS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NANOS, NANOS),
    st.builds(BarUpdate, SYMBOLS, st.just("1Min"), *[NUMBERS] * 5, NANOS, NANOS),
    st.builds(
        Signal,
        SYMBOLS,
        st.sampled_from(["long", "short", "neutral"]),
        st.floats(0, 1),
        NANOS,
        st.text(max_size=20),
        st.dictionaries(st.text(max_size=8), NUMBERS, max_size=4),
    ),
    st.builds(Ack, NANOS, st.sampled_from(["taken", "refused"]), st.text(max_size=5), st.text(max_size=30)),
)
INTENT = OrderIntent(
    client_order_id="puna-1-model-1",
    strategy="model",
    symbol="AAPL",
    side=Side.BUY,
    qty=Decimal("1.5"),
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    ts=1,
    limit_price=Decimal("101.37"),
)
FILL = Fill(
    client_order_id="puna-1-model-1",
    strategy="model",
    symbol="AAPL",
    side=Side.SELL,
    qty=Decimal(3),
    price=Decimal("99.999"),
    cum_qty=Decimal(3),
    ts_event=5,
)


@given(st.lists(MESSAGES, min_size=1, max_size=5), NANOS, NANOS, st.booleans(), st.booleans())
def test_what_is_packed_is_opened(messages: list[Message], epoch: int, seq: int, snapshot: bool, as_json: bool) -> None:
    """A frame holds its topic, numbers and messages in both encodings."""
    frame = packed(start_of("market.quote.A"), epoch, seq, messages, snapshot=snapshot, as_json=as_json)
    found = opened(frame)
    assert (found.topic, found.epoch, found.seq, found.snapshot) == ("market.quote.A", epoch, seq, snapshot)
    assert found.messages == messages


def test_decimals_survive_both_encodings() -> None:
    """Quantities and prices of orders and fills come out as the decimals they were."""
    for message in (
        IntentRequest(INTENT),
        FillUpdate(7, FILL),
        RiskState("v", TradingState.ACTIVE, "", RiskLimits(), 1),
    ):
        for as_json in (False, True):
            assert opened(packed(b"a\0", 1, 1, [message], as_json=as_json)).messages == [message]


@given(st.binary(max_size=300))
def test_garbage_is_one_typed_error(data: bytes) -> None:
    """Whatever bytes come, they are read or refused with a BusError."""
    for frame in (data, b"market.x\0" + data, b"a\0" + HEADER.pack(SCHEMA, ord("m"), 1, 1, 1) + data):
        with suppress(BusError):
            assert opened(frame).messages is not None


def test_deep_and_wrong_bodies_are_refused() -> None:
    """Depth, a wrong type, a number outside its range, a wrong count and an unknown kind are no messages."""
    head = HEADER.pack(SCHEMA, ord("j"), 1, 1, 1)
    bodies = [b"[" * 100_000, b'[{"type":"signal"}]', b'[{"type":"bomb"}]', b"[]", b'"\xff"']
    bodies.append(b'[{"type":"signal","symbol":"A","direction":"long","strength":7,"ts":1,"model":"m"}]')
    for body in bodies:
        with pytest.raises(BusError, match="E702"):
            opened(b"a\0" + head + body)


def test_another_schema_is_refused_politely() -> None:
    """A frame of a later schema names both versions, and is not decoded."""
    frame = b"a\0" + HEADER.pack(SCHEMA + 1, ord("m"), 1, 1, 1) + b"what the future holds"
    with pytest.raises(BusError, match=f"schema {SCHEMA + 1} came; this program speaks {SCHEMA}"):
        opened(frame)


def test_fields_of_the_future_are_ignored() -> None:
    """A field with a default may be added without a new schema: old readers do not mind it."""
    body = msgspec.json.decode(msgspec.json.encode([QuoteUpdate("A", 1.0, 1.0, 2.0, 1.0, 1, 1)]))
    body[0]["new"] = True
    frame = b"a\0" + HEADER.pack(SCHEMA, ord("j"), 1, 1, 1) + json.dumps(body).encode()
    assert opened(frame).messages == [QuoteUpdate("A", 1.0, 1.0, 2.0, 1.0, 1, 1)]


def test_topics_match_whole_segments() -> None:
    """market.bar is every bar and never market.barometer, for our own test and for ZeroMQ's prefixes alike."""
    cases = {
        ("market.bar", "market.bar.AAPL"): True,
        ("market.bar", "market.bar"): True,
        ("market.bar", "market.barometer"): False,
        ("market.bar.BRK", "market.bar.BRK.B"): True,
        ("market", "market.quote.A"): True,
        ("", "anything"): True,
        ("market.quote.A", "market.quote.AA"): False,
    }
    for (subscription, topic), expected in cases.items():
        assert matches(subscription, topic) is expected
        assert any(start_of(topic).startswith(prefix) for prefix in prefixes(subscription)) is expected
    for wrong in ("", "a..b", ".a", "a.", "a b", "a\0b", "x" * 201):
        with pytest.raises(BusError):
            check_topic(wrong)


def test_json_bodies_fit_the_schema() -> None:
    """What is sent as JSON is what the JSON Schema says, for every kind that has an example here."""
    examples: list[Message] = [
        QuoteUpdate("A", 1.0, 1.0, 2.0, 1.0, 1, 1),
        Signal("A", "long", 0.5, 1, "m", {"rsi": 0.1}),
        IntentRequest(INTENT),
        FillUpdate(7, FILL),
        RiskState("v", TradingState.ACTIVE, "", RiskLimits(), 1),
        Heartbeat("x", 1, marks={"a": 3}),
        Ack(1, "refused", "E706", "late"),
    ]
    for message in examples:
        body = packed(b"a\0", 1, 1, [message], as_json=True).partition(b"\0")[2][HEADER.size :]
        jsonschema.validate(json.loads(body), json_schema())
    assert {str(each.__struct_config__.tag) for each in examples} <= set(kinds())
