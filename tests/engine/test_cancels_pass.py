"""An order that waits for its turn at the broker holds up no cancel."""

from decimal import Decimal
from typing import Any

import pytest

SECOND = 1_000_000_000


@pytest.mark.parametrize("waiting", [1, 5])
async def test_a_cancel_passes_orders_that_wait_for_a_429(lab: Any, waiting: int) -> None:
    """Told to wait until the fifth minute, orders wait; a cancel in the fourth leaves within a second (PRO-06)."""
    reset = str((lab.OPEN + 4 * lab.MINUTE) // SECOND)
    headers = {"X-RateLimit-Reset": reset}
    fault = lab.fault(on="POST /v2/orders", action="error_before", nth=2, status=429, headers=headers)
    market = lab.exchange(faults=(fault,))
    ids: list[str] = []
    strategy = lab.scripted(
        m1=lambda s: ids.append(s.buy("AAPL", 1, limit=Decimal(600))),
        m2=lambda s: [s.buy("AAPL", 2 + number) for number in range(1 + waiting)],
    )
    asked: list[int] = []

    def on_quote(_: Any) -> None:
        if strategy.now > lab.OPEN + 3 * lab.MINUTE + 10 * SECOND and not asked:
            asked.append(strategy.now)
            strategy.cancel(ids[0])

    strategy.on_quote = on_quote
    trader = market.trader(strategy, minutes=8, rate_limit=200)
    left: dict[str, int] = {}
    alpaca = trader.gateway.alpaca
    alpaca.on_call = lambda request, _, __: left.setdefault(request.method, trader.gateway.clock.now())
    record = await trader.run()
    assert left["DELETE"] - asked[0] <= SECOND
    assert left["DELETE"] < lab.OPEN + 4 * lab.MINUTE
    assert next(row.status for row in record.orders if row.client_order_id == ids[0]) == "canceled"
    assert record.books is not None
    assert record.books.equal
