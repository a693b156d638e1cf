"""No clear answer is a doubt: whatever becomes of the reply, there is one order, and every fill is booked once."""

from decimal import Decimal
from typing import Any

import pytest

from puna.core.orders import Status
from puna.core.risk import TradingState
from puna.engine.pacing import PacedClock
from puna.engine.reconcile import reconcile

ACCEPTED = ["error_after", "hang_after", "drop_reply", "truncate"]
UNHEARD = ["error_before", "hang_before", "drop_before"]


async def one_buy(lab: Any, **fault: Any) -> tuple[Any, Any, Any]:
    """A day of a few minutes in which one order is placed, and something goes wrong."""
    market = lab.exchange(faults=(lab.fault(**{"on": "POST /v2/orders"} | fault),))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10))
    trader = market.trader(strategy, minutes=5, journal=lab.journal)
    record = await trader.run()
    assert record.books is not None
    assert record.books.equal
    assert record.cash == market.thread.books().cash
    return market, record, strategy


@pytest.mark.parametrize("action", ACCEPTED)
async def test_an_order_that_was_accepted_is_adopted(lab: Any, action: str) -> None:
    """504 after accept, no answer, a reset, half an answer: one order at the broker, filled, booked once."""
    market, record, strategy = await one_buy(lab, action=action)
    assert [order.status for order in market.orders()] == ["filled"]
    assert [row.status for row in record.orders] == ["filled"]
    assert [fill.qty for fill in strategy.fills] == [Decimal(10)]


@pytest.mark.parametrize("action", UNHEARD)
async def test_an_order_that_never_arrived_is_sent_again_under_its_id(lab: Any, action: str) -> None:
    """Steadily no such order: the same id once more, within its deadline; one order in the end."""
    market, record, strategy = await one_buy(lab, action=action)
    assert [order.client_order_id for order in market.orders()] == [row.client_order_id for row in record.orders]
    assert [row.status for row in record.orders] == ["filled"]
    assert len(strategy.fills) == 1


async def test_an_order_that_never_arrived_is_abandoned_after_its_deadline(lab: Any) -> None:
    """When the settle time outlasts the deadline nothing is sent any more, and that is told (R25)."""
    fault = lab.fault(on="POST /v2/orders", action="hang_before", times=0)
    market = lab.exchange(faults=(fault,))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10))
    timing = type(lab.FAST)(settle=20.0, misses=2, intent=30.0, transit=1.0)
    record = await market.trader(strategy, minutes=5, timing=timing).run()
    assert [row.status for row in record.orders] == ["abandoned"]
    assert market.orders() == []
    assert strategy.told[-1].status is Status.ABANDONED


async def test_a_delayed_order_is_never_doubled(lab: Any) -> None:
    """The broker takes the first request only after we have sent it again: the id lets one of them live."""
    market, record, strategy = await one_buy(lab, action="hold", seconds=3.0)
    assert [order.status for order in market.orders()] == ["filled"]
    assert [row.filled_qty for row in record.orders] == [Decimal(10)]
    assert len(strategy.fills) == 1


async def test_an_id_that_exists_already_is_looked_up(lab: Any) -> None:
    """The words "client_order_id must be unique" after a lost reply are a doubt, not a refusal."""
    body = '{"code": 40010001, "message": "client_order_id must be unique"}'
    market, record, _ = await one_buy(lab, action="error_after", status=422, body=body)
    assert len(market.orders()) == 1
    assert [row.status for row in record.orders] == ["filled"]


async def test_another_order_in_the_answer_halts(lab: Any) -> None:
    """An answer that speaks of another order is not believed: trading halts, and the order is found by its id."""
    body = (
        '{"id": "0", "client_order_id": "else", "status": "new", "symbol": "MSFT", "side": "sell", "qty": "1", '
        '"type": "market", "time_in_force": "day"}'
    )
    market = lab.exchange(faults=(lab.fault(on="POST /v2/orders", action="error_after", status=200, body=body),))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10), m3=lambda s: s.buy("AAPL", 1))
    record = await market.trader(strategy, minutes=5).run()
    assert record.state == TradingState.HALTED
    assert [row.status for row in record.orders] == ["filled", "refused"]
    assert [order.symbol for order in market.orders()] == ["AAPL"]


async def test_refused_keys_halt(lab: Any) -> None:
    """401 to an order: refused, and nothing new is sent afterwards."""
    market = lab.exchange(faults=(lab.fault(on="POST /v2/orders", action="error_before", status=401),))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10), m3=lambda s: s.buy("AAPL", 1))
    record = await market.trader(strategy, minutes=5).run()
    assert [(row.status, row.refusal_code) for row in record.orders][1] == ("refused", "R101")
    assert record.outcome == "halted"
    assert market.orders() == []


@pytest.mark.parametrize("action", ["error_after", "hang_after", "drop_reply"])
async def test_a_replace_without_an_answer_is_found_by_its_links(lab: Any, action: str) -> None:
    """The old order says what replaced it; there is one lineage and one live order (R11)."""
    ids: list[str] = []
    market = lab.exchange(faults=(lab.fault(on="PATCH /v2/orders/*", action=action),))
    strategy = lab.scripted(
        m1=lambda s: ids.append(s.buy("AAPL", 1, limit=Decimal(600), tif="gtc")),
        m2=lambda s: ids.append(s.replace(ids[0], limit=Decimal(601))),
    )
    strategy.when_stopped = "leave"
    record = await market.trader(strategy, minutes=5).run()
    assert [row.status for row in record.orders] == ["replaced", "new"]
    assert [order.status for order in market.orders()] == ["replaced", "new"]
    assert record.orders[1].replaces == ids[0]


@pytest.mark.parametrize("action", ["error_before", "hang_before"])
async def test_a_replace_that_never_arrived_is_not_repeated(lab: Any, action: str) -> None:
    """Steadily no sign of it: given up, and the old order stays as it is."""
    ids: list[str] = []
    market = lab.exchange(faults=(lab.fault(on="PATCH /v2/orders/*", action=action),))
    strategy = lab.scripted(
        m1=lambda s: ids.append(s.buy("AAPL", 1, limit=Decimal(600), tif="gtc")),
        m2=lambda s: ids.append(s.replace(ids[0], limit=Decimal(601))),
    )
    strategy.when_stopped = "leave"
    record = await market.trader(strategy, minutes=5).run()
    assert [row.status for row in record.orders] == ["new", "abandoned"]


@pytest.mark.parametrize("action", ["error_before", "hang_before", "error_after", "drop_reply"])
async def test_a_cancel_is_repeated_until_it_works(lab: Any, action: str) -> None:
    """A cancel is idempotent: whatever became of the first one, the order ends, and only by evidence."""
    ids: list[str] = []
    market = lab.exchange(faults=(lab.fault(on="DELETE /v2/orders/*", action=action),))
    strategy = lab.scripted(
        m1=lambda s: ids.append(s.buy("AAPL", 1, limit=Decimal(600))), m2=lambda s: s.cancel(ids[0])
    )
    record = await market.trader(strategy, minutes=5).run()
    assert [row.status for row in record.orders] == ["canceled"]


async def test_a_fill_that_the_stream_never_told_is_found_by_asking(lab: Any) -> None:
    """The fill event is lost: after the silence budget the order is asked about, and booked once (R5)."""
    market = lab.exchange(faults=(lab.fault(on="event:fill", action="lose"),))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10))
    record = await market.trader(strategy, minutes=5).run()
    assert [row.status for row in record.orders] == ["filled"]
    assert len(strategy.fills) == 1
    assert record.books is not None
    assert record.books.equal


@pytest.mark.parametrize("action", ["duplicate", "reorder"])
async def test_updates_twice_or_out_of_order_end_the_same(lab: Any, action: str) -> None:
    """Whatever the order of arrival, the same end, and no fill twice."""
    market = lab.exchange(faults=(lab.fault(on="socket:trading", action=action, times=0),))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10), m3=lambda s: s.sell("AAPL", 10))
    record = await market.trader(strategy, minutes=6).run()
    assert [row.status for row in record.orders] == ["filled", "filled"]
    assert len(strategy.fills) == 2
    assert record.books is not None
    assert record.books.equal


@pytest.mark.parametrize("kind", ["trading", "data"])
async def test_a_stream_that_drops_in_the_middle_loses_nothing(lab: Any, kind: str) -> None:
    """Down while an order is on its way to its fill: books equal, all bars there, the drop is in the record."""
    at = lab.OPEN + 2 * lab.MINUTE + 530_000_000
    market = lab.exchange(faults=(lab.fault(on=f"socket:{kind}", action="drop_socket", at=at, seconds=150.0),))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10), m6=lambda s: s.sell("AAPL", 10))
    record = await market.trader(strategy, minutes=10).run()
    assert [row.status for row in record.orders] == ["filled", "filled"]
    assert len(record.prices["AAPL"]) == 10
    assert [drop.stream for drop in record.drops] == [kind]
    assert record.drops[0].ts_up is not None
    assert record.drops[0].ts_up - record.drops[0].ts_down >= 60_000_000_000
    assert record.books is not None
    assert record.books.equal


async def test_no_new_risk_while_the_trading_stream_is_down(lab: Any) -> None:
    """While it is down an opening order is refused, and a reduction is sent and found by asking (R4)."""
    at = lab.OPEN + 2 * lab.MINUTE + 500_000_001
    market = lab.exchange(faults=(lab.fault(on="socket:trading", action="drop_socket", at=at, seconds=170.0),))
    strategy = lab.scripted(
        m0=lambda s: s.buy("AAPL", 10), m2=lambda s: s.buy("AAPL", 1), m3=lambda s: s.sell("AAPL", 4),
        m7=lambda s: s.buy("AAPL", 1),
    )  # fmt: skip
    record = await market.trader(strategy, minutes=10).run()
    assert [(row.side, row.status) for row in record.orders] == [
        ("buy", "filled"),
        ("buy", "refused"),
        ("sell", "filled"),
        ("buy", "filled"),
    ]
    assert record.orders[1].refusal_code == "R101"
    assert record.books is not None
    assert record.books.equal


async def test_reconciling_leaves_alone_what_is_on_its_way(lab: Any) -> None:
    """While the answer to an order is awaited, a reconciliation does not take its absence for the truth."""
    market = lab.exchange(
        pacing=lab.Speed(20.0),
        wait_for=(),
        lead_seconds=20,
        faults=(lab.fault(on="POST /v2/orders", action="hold", seconds=6.0),),
    )
    strategy = lab.scripted()

    def on_quote(_: Any) -> None:
        if not strategy.results and strategy.now > lab.OPEN + 5_000_000_000:
            strategy.results.append(strategy.buy("AAPL", 10))
            trader.gateway.tasks.spawn(reconcile(trader.gateway), "reconcile")

    strategy.on_quote = on_quote
    clock = PacedClock(20.0)
    timing = type(lab.FAST)(settle=0.2, misses=2, transit=60.0)
    trader = market.trader(strategy, minutes=1, clock=clock, timing=timing, deadline=5.0)
    record = await trader.run()
    assert [row.status for row in record.orders] == ["filled"]
    assert "abandoned" not in {str(order.status) for order in strategy.told}
    assert len(market.orders()) == 1


async def test_a_broker_that_fails_at_the_end_costs_the_comparison_and_nothing_else(lab: Any) -> None:
    """The last reconciliation cannot be made: the record is there, and says that nobody compared."""
    fault = lab.fault(on="GET /v2/positions", action="error_before", at=lab.OPEN + lab.MINUTE, times=0)
    market = lab.exchange(faults=(fault,))
    record = await market.trader(lab.scripted(m1=lambda s: s.buy("AAPL", 1)), minutes=3).run()
    assert record.books is None
    assert [row.status for row in record.orders] == ["filled"]
    assert any("could not be compared" in note.text for note in record.notes)
