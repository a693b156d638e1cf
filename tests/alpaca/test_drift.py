"""What the broker adds is counted and told, and does no harm."""

import msgspec

from puna.alpaca.drift import EVERY, Drift
from puna.alpaca.request import reading
from puna.wire import contracts, trading
from puna.wire.codec import decoder
from puna.wire.trading import Order
from puna.wire.unknown import WORDS

PLAIN = b'{"id":"1","status":"new","type":"market"}'
NOVEL = b'{"id":"1","status":"reviewing","type":"iceberg","colour":"red","legs":[{"id":"2","status":"new","hue":1}]}'


def test_new_fields_and_words_are_counted_with_a_sample() -> None:
    """A field by its path, a word by its shape and field."""
    drift = Drift()
    drift.look(NOVEL, Order)
    drift.look(b"[" + NOVEL + b"]", list[Order])
    assert dict(drift.seen) == {
        "Order: colour": 1,
        "Order: legs[].hue": 1,
        "Order: [].colour": 1,
        "Order: [].legs[].hue": 1,
        "Order.status=reviewing": 2,
        "Order.type=iceberg": 2,
    }
    assert drift.samples["Order: colour"] == NOVEL
    assert "Order.type=iceberg (seen 2 times" in "\n".join(drift.lines())


def test_looking_is_rare() -> None:
    """The 1st, 2nd, 4th, 8th and so on, and every 256th."""
    drift = Drift()
    for _ in range(4 * EVERY):
        drift.look(NOVEL, Order)
    assert drift.seen["Order: colour"] == 9 + 3  # 1 to 256 doubling, then 512, 768 and 1024


def test_known_bodies_leave_no_trace() -> None:
    """The reader of every call looks, and finds nothing."""
    drift = Drift()
    drift.look(PLAIN, Order)
    assert not drift.seen
    assert reading(decoder(Order))(NOVEL).status == "reviewing"


def test_the_words_name_fields_that_exist() -> None:
    """Every entry of the table belongs to a shape's field."""
    for name in WORDS:
        shape, _, field = name.partition(".")
        kind = getattr(trading, shape, None) or getattr(contracts, shape)
        assert field in {each.encode_name for each in msgspec.structs.fields(kind)}, name
