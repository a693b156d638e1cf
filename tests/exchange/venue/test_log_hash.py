"""The event log: canonical lines under one hash."""

import hashlib
import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from puna.exchange.log import EventLog
from puna.wire.codec import Amount, Nanos
from puna.wire.trading import OrderRequest

NAMES = st.text(st.characters(codec="utf-8"), max_size=5)


@given(st.dictionaries(NAMES, NAMES, max_size=5))
def test_the_order_of_keys_does_not_matter(body: dict[str, str]) -> None:
    """Equal bodies are equal lines."""
    one, other = EventLog(), EventLog()
    one.append("command", 1, body)
    other.append("command", 1, dict(reversed(body.items())))
    assert one.hash == other.hash


def test_the_hash_is_that_of_the_lines() -> None:
    """Whoever has the file can compute it; each line is one JSON document with kind, number, time and body."""
    lines: list[str] = []
    log = EventLog(lines.append)
    assert log.hash == hashlib.sha256().hexdigest()
    log.append("command", 5, {"b": 1, "a": [2]})
    log.append("update", 6, OrderRequest(symbol="AAPL", qty=Amount("1")))
    assert lines[0] == '{"body":{"a":[2],"b":1},"kind":"command","n":1,"ts":5}'
    assert json.loads(lines[1])["body"] == {"qty": "1", "symbol": "AAPL"}
    assert log.hash == hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert log.lines == 2


def test_every_difference_is_in_the_hash() -> None:
    """Kind, time, body and order of the lines."""
    hashes = set()
    cases: list[list[tuple[str, int, dict[str, int]]]] = [
        [("a", 1, {})],
        [("b", 1, {})],
        [("a", 2, {})],
        [("a", 1, {"x": 1})],
        [],
        [("a", 1, {}), ("b", 2, {})],
        [("b", 2, {}), ("a", 1, {})],
    ]
    for lines in cases:
        log = EventLog()
        for kind, ts, body in lines:
            log.append(kind, ts, body)
        hashes.add(log.hash)
    assert len(hashes) == len(cases)


def test_amounts_are_plain_text_and_times_are_times() -> None:
    """No exponents; timestamps as on the wire."""
    lines: list[str] = []
    log = EventLog(lines.append)
    log.append("x", 0, {"amount": Amount(Decimal("1E+2")), "small": Amount(Decimal("1E-9")), "at": Nanos(10**9)})
    assert json.loads(lines[0])["body"] == {"amount": "100", "small": "0.000000001", "at": "1970-01-01T00:00:01Z"}


def test_same_commands_and_seed_give_the_same_log(world: Any) -> None:
    """Ids, event ids, prices, times: all of it; another seed names the orders otherwise."""

    def day(seed: int) -> tuple[str, int]:
        w = world(seed=seed)
        w.to(1)
        w.order(qty=5)
        w.to(2)
        order = w.limit(90)
        w.to(3)
        w.replace(order.id, limit_price=91)
        w.to(4)
        w.cancel_all()
        w.refused(qty=0)
        w.to(100)
        return w.log.hash, w.log.lines

    assert day(1) == day(1)
    assert day(1)[0] != day(2)[0]
    assert day(1)[1] == day(2)[1]


def test_reads_leave_no_trace_in_the_log(world: Any) -> None:
    """Whatever is looked at, and however often."""
    w = world()
    w.to(1)
    order = w.order()
    w.to(2)
    before = w.log.hash
    v = w.venue
    for _ in range(2):
        v.account(w.now), v.positions(), v.position("AAPL"), v.orders(status="all"), v.order(order.id)
        v.order_by_client_id(order.client_order_id), v.asset("AAPL"), v.clock(w.now), v.calendar(), v.next_due()
    assert w.log.hash == before
