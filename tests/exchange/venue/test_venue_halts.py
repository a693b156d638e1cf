"""Halts: orders of the symbol wait, whatever the market shows, until it trades again (facts.md 7)."""

from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.venue import Refusal
from puna.wire.trading import Order

FIRST = (0, "AAPL", 99.98, 100.0)


@pytest.mark.parametrize(("halt", "resume"), [("H", "T"), ("P", "T"), ("2", "3")])
def test_orders_wait_while_a_symbol_is_halted(world: Any, halt: str, resume: str) -> None:
    """Codes of both tapes; what came meanwhile fills at the quote after the halt, stops see no print of it."""
    rows = [FIRST, (1, "AAPL", halt), (2, "AAPL", 89.0, 90.0), (2.5, "AAPL", 89.5), (60, "AAPL", resume)]
    w = world(*rows, (61, "AAPL", 109.0, 110.0), refuse_wash_trades=False)
    w.to(0.5)
    w.order(qty=5)
    w.to(0.9)
    stop = w.order(side="sell", qty=5, type="stop", stop_price=95)
    w.to(3)
    limit, gone = w.limit(111), w.limit(94)
    w.to(59)
    w.cancel(gone.id)
    w.to(60)
    assert w.statuses(stop, limit, gone) == ["new", "new", "canceled"]
    w.to(62)
    assert w.statuses(stop, limit) == ["new", "filled"]
    assert w.fills(limit) == [(1, 110)]


@pytest.mark.parametrize("terms", ["held", "refused"])
def test_a_market_order_in_a_halted_symbol(world: Any, terms: str) -> None:
    """It is held, or refused: the sources are silent, so the terms say."""
    w = world(FIRST, (1, "AAPL", "H"), (60, "AAPL", "T"), (61, "AAPL", 109.0, 110.0), halted_market_orders=terms)
    w.to(2)
    reply = w.submit()
    if terms == "refused":
        assert reply == Refusal(422, 42210000, 'trading in "AAPL" is halted')
        assert isinstance(w.submit(type="limit", limit_price=90), Order)
    else:
        w.to(60)
        assert w.statuses(reply) == ["new"]
        w.to(62)
        assert w.fills(reply) == [(1, 110)]


def test_nothing_trades_outside_the_band(world: Any) -> None:
    """A quote beyond limit-up or limit-down is not for us; one inside is, and a new band takes the old one's place."""
    rows = [FIRST, (0, "AAPL", "band", 90.0, 95.0), (10, "AAPL", 94.0, 94.5), (20, "AAPL", 100.0, 101.0)]
    w = world(*rows, (30, "AAPL", "band", 90.0, 0.0), (31, "AAPL", 100.0, 101.0))
    w.to(1)
    first = w.order()
    w.to(9)
    assert w.fills(first) == []
    w.to(11)
    assert w.fills(first) == [(1, Decimal("94.5"))]
    w.to(21)
    second = w.order()
    w.to(29)
    assert w.fills(second) == []
    w.to(32)
    assert w.fills(second) == [(1, 101)]
