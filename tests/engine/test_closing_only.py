"""An account that may only close: once a refusal says so nothing is opened, and reductions go (BRK-19)."""

from typing import Any

import pytest

from puna.errors import RateLimitError

POST = "POST /v2/orders"


def said(message: str) -> str:
    return f'{{"code": 40310000, "message": "{message}"}}'


async def test_closing_only_lets_what_is_held_go(lab: Any) -> None:
    """Restricted to closing: nothing is opened any more, reductions pass, and it stays so for the next start."""
    words = said("account is restricted to closing transactions")
    restricted = lab.fault(on=POST, action="error_before", status=403, nth=2, body=words)
    market = lab.exchange(faults=(restricted,))
    strategy = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10),
        m3=lambda s: s.buy("AAPL", 1),
        m4=lambda s: s.buy("AAPL", 1),
        m5=lambda s: s.sell("AAPL", 10),
    )
    record = await market.trader(strategy, minutes=8, journal=lab.journal).run()
    assert [(row.status, row.refusal_code) for row in record.orders] == [
        ("filled", None), ("refused", "40310000"), ("refused", "R101"), ("filled", None)
    ]  # fmt: skip
    assert record.state == "reducing"
    assert record.books is not None
    assert record.books.equal
    again = await market.trader(lab.scripted(m10=lambda s: s.buy("AAPL", 1)), minutes=12, journal=lab.journal).run()
    assert [row.refusal_code for row in again.orders] == ["R101"]


async def test_a_start_that_waits_can_be_stopped(lab: Any) -> None:
    """Ctrl-C while it waits ends it, with the broker's answer as the reason."""
    full = lab.fault(on="* /v2/*", action="error_before", status=429, times=0)
    market = lab.exchange(faults=(full,))
    trader = market.trader(lab.scripted(), minutes=4)
    trader.say = lambda *_: trader.stop()
    with pytest.raises(RateLimitError):
        await trader.run()
