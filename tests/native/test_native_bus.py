"""The native reader of bus frames is the reference: the same messages, the same end of a run, whatever the bytes."""

import copy
import pickle
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna import native
from puna.bus.frames import HEADER, REFERENCE, opened, packed, put_message, put_number, read_run, start_of
from puna.bus.frames import Single as OneByOne
from puna.bus.messages import SCHEMA, BarUpdate, Message, QuoteUpdate, Signal, StatusUpdate, TradeUpdate

TOPIC = start_of("market.quote.AAPL")
FLOATS = st.floats()
NANOS = st.one_of(st.integers(0, 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 127, 128, 2**32]))
TEXTS = st.one_of(st.sampled_from(["AAPL", "BRK.B", "BTC/USD", "X" * 23, "X" * 24, "X" * 31, "X" * 32, ""]), st.text())
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(QuoteUpdate, TEXTS, FLOATS, FLOATS, FLOATS, FLOATS, NANOS, NANOS),
    st.builds(TradeUpdate, TEXTS, FLOATS, FLOATS, NANOS, NANOS),
    st.builds(BarUpdate, TEXTS, TEXTS, *[FLOATS] * 5, NANOS, NANOS, NANOS, FLOATS, st.booleans()),
    st.builds(StatusUpdate, TEXTS, st.booleans(), NANOS, NANOS),
    st.builds(Signal, TEXTS, st.just("long"), st.floats(0, 1), NANOS, TEXTS),
)
BATCHES = st.lists(st.lists(MESSAGES, min_size=1, max_size=20), min_size=1, max_size=6)
USUAL = QuoteUpdate("AAPL", 100.0, 1.0, 100.5, 2.0, 1_700_000_000_000_000_000, 1_700_000_000_000_000_001)


def frames_of(batches: Sequence[list[Message]], epoch: int, seq: int, *, topic: bytes = TOPIC) -> list[bytes]:
    frames = list[bytes]()
    for batch in batches:
        frames.append(packed(topic, epoch, seq, batch))
        seq += len(batch)
    return frames


def same(frames: list[bytes], at: int, epoch: int, seq: int) -> None:
    """Both read the same; NaN is NaN, and a text that is equal is written equally."""
    theirs, upto = REFERENCE(frames, at, TOPIC, epoch, seq)
    ours, end = read_run(frames, at, TOPIC, epoch, seq)
    assert end == upto
    assert [repr(each) for each in ours] == [repr(each) for each in theirs]


@given(BATCHES, st.integers(0, 2**63), st.integers(1, 2**62), st.integers(0, 6))
def test_a_run_is_read_as_the_reference_reads_it(batches: list[list[Message]], epoch: int, seq: int, at: int) -> None:
    """Any mixture of kinds, texts and numbers, from any frame on."""
    frames = frames_of(batches, epoch, seq)
    at = min(at, len(frames))
    same(frames, at, epoch, seq + sum(len(batch) for batch in batches[:at]))


@given(BATCHES, st.data())
def test_damage_changes_nothing_between_the_two(batches: list[list[Message]], data: st.DataObject) -> None:
    """Bytes that are changed, cut off or added: both stop at the same frame, with the same messages."""
    frames = frames_of(batches, 7, 1)
    which = data.draw(st.integers(0, len(frames) - 1))
    frame = bytearray(frames[which])
    for at in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=3)):
        frame[at] = data.draw(st.integers(0, 255))
    frames[which] = bytes(frame)[: data.draw(st.integers(0, len(frame)))] + data.draw(st.binary(max_size=3))
    same(frames, 0, 7, 1)


def test_a_run_ends_where_something_else_begins() -> None:
    """Another topic, epoch, schema or encoding, a hole, a snapshot: the frames before are read, and nothing of it."""
    first, second = frames_of([[USUAL], [USUAL]], 7, 1)
    others = [
        packed(start_of("market.quote.MSFT"), 7, 3, [USUAL]),
        packed(TOPIC, 8, 3, [USUAL]),
        packed(TOPIC, 7, 4, [USUAL]),
        packed(TOPIC, 7, 3, [USUAL], snapshot=True),
        packed(TOPIC, 7, 3, [USUAL], as_json=True),
        TOPIC + HEADER.pack(SCHEMA + 1, ord("m"), 1, 7, 3) + b"\x90",
        TOPIC + HEADER.pack(SCHEMA, ord("m"), 2, 7, 3) + msgspec.msgpack.encode([USUAL]),
        TOPIC + b"short",
        b"",
    ]
    for other in others:
        messages, upto = read_run([first, second, other, first], 0, TOPIC, 7, 1)
        assert (messages, upto) == ([USUAL, USUAL], 2)
        same([first, second, other, first], 0, 7, 1)


def test_messages_pass_for_those_of_the_schema() -> None:
    """isinstance, match, ==, copies, pickles, the domain's object, and the way back into a frame."""
    bar = BarUpdate("AAPL", "1Min", 1.0, 2.0, 0.5, 1.5, 10.0, 5, 6, 3, 1.25, revised=True)
    trade = TradeUpdate("AAPL", 1.0, 2.0, 3, 4)
    sent: list[Message] = [USUAL, trade, bar]
    found: list[Any] = read_run([packed(TOPIC, 7, 1, sent)], 0, TOPIC, 7, 1)[0]
    assert type(found[0]) is getattr(native, "NativeQuoteUpdate", type(found[0]))
    assert found == sent
    assert sent == found
    for ours, theirs in zip(found, sent, strict=True):
        assert isinstance(ours, type(theirs))
        assert repr(ours) == repr(theirs)
        assert copy.copy(ours) == theirs
        assert type(copy.copy(ours)) is type(theirs)
        assert pickle.loads(pickle.dumps(ours)) == theirs  # noqa: S301 - our own
        assert ours != USUAL or theirs == USUAL
        with pytest.raises(AttributeError):
            setattr(ours, "symbol", "MSFT")  # noqa: B010 - mypy knows that it is read-only
    match found[0]:
        case QuoteUpdate(symbol="AAPL", bid=bid):
            assert bid == 100.0
        case _:
            raise AssertionError
    assert found[0].quote() == USUAL.quote()
    assert found[1].trade() == trade.trade()
    assert found[2].bar() == bar.bar()
    for as_json in (False, True):
        assert opened(packed(TOPIC, 7, 1, found, as_json=as_json)).messages == sent


@given(st.lists(MESSAGES, min_size=1, max_size=9), st.integers(0, 2**63))
def test_one_buffer_makes_the_frames_that_would_be_made_anew(messages: list[Message], epoch: int) -> None:
    """Messages of any length after each other, in one buffer: nothing of an earlier one is left."""
    single = OneByOne(TOPIC, epoch)
    for seq, message in enumerate(messages, 1):
        put_number(single.buffer, single.at, seq)
        put_message(message, single.buffer, single.body)
        assert bytes(single.buffer) == packed(TOPIC, epoch, seq, [message])
