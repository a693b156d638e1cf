"""What our shapes do not know is named, however deep it lies."""

from puna.wire.stream import DataMessage
from puna.wire.trading import Order
from puna.wire.unknown import unknown_fields


def test_skipped_fields_are_named_by_path() -> None:
    """Of the order and of its legs, each once."""
    legs = b'[{"id":"2","status":"new","x":1},{"id":"3","status":"new","x":2}]'
    body = b'{"id":"1","status":"new","novelty":1,"legs":%s}' % legs
    assert unknown_fields(body, Order) == ["legs[].x", "novelty"]
    assert unknown_fields(b"[" + body + b"]", list[Order]) == ["[].legs[].x", "[].novelty"]


def test_known_bodies_have_none() -> None:
    """Tags are known, too."""
    assert unknown_fields(b'{"id":"1","status":"new"}', Order) == []
    assert unknown_fields(b'{"T":"error","code":1,"new":2}', DataMessage) == ["new"]
