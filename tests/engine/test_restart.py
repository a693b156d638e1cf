"""Start-up is recovery: wherever a process ends, the next one finds one order for each intent and equal books."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from puna.alpaca.hosts import Credentials
from puna.core.risk import TradingState
from puna.engine.journal import open_journal
from puna.engine.pacing import PacedClock
from puna.engine.trader import assemble
from puna.errors import BooksDifferError, JournalError, PunaError
from puna.wire.trading import OrderRequest

POINTS = [
    "signal", "risk-reserved", "intent-durable", "request-first-byte", "reply-received", "reply-read",
    "ack-durable", "new-seen", "fill-read", "fill-durable", "fill-projected", "strategy-told", "cancel-durable",
    "cancel-sent", "cancel-reply", "canceled-durable", "replace-durable", "replace-reply",
    "lineage-durable", "reconcile-begin", "reconcile-orders", "reconcile-end",
]  # fmt: skip


def busy_strategy(lab: Any) -> Any:
    """Buys, lets an order rest, replaces it, cancels the replacement, sells."""
    ids: list[str] = []

    def replaced(s: Any) -> None:
        if ids and s.order(ids[-1]) is not None and s.order(ids[-1]).replaceable:
            ids.append(s.replace(ids[-1], limit=Decimal(601)))

    return lab.scripted(
        m1=lambda s: s.buy("AAPL", 10),
        m2=lambda s: ids.append(s.buy("AAPL", 1, limit=Decimal(600))),
        m3=replaced,
        m4=lambda s: [s.cancel(order.client_order_id) for order in s.orders()],
        m5=lambda s: s.sell("AAPL", s.position("AAPL")) if s.position("AAPL") else None,
    )


async def crash(lab: Any, market: Any, strategy: Any, point: str, nth: int = 1) -> None:
    """A process that ends at a named point, without a word."""
    trader = market.trader(strategy, minutes=9, journal=lab.journal, probe=lab.crash_at(point, nth))
    with pytest.raises(lab.Crash):
        await trader.run()


@pytest.mark.parametrize("point", POINTS)
async def test_a_process_that_ends_anywhere_is_taken_up(lab: Any, point: str) -> None:
    """At every named point: restart, one broker order for each intent, every fill booked once, equal books."""
    market = lab.exchange()
    strategy = busy_strategy(lab)
    await crash(lab, market, strategy, point)
    again = market.trader(strategy, minutes=9, journal=lab.journal)
    record = await again.run()
    ids = [order.client_order_id for order in market.orders()]
    assert len(ids) == len(set(ids))
    assert {row.client_order_id for row in record.orders} <= set(again.gateway.blotter.orders)
    assert set(ids) <= set(again.gateway.blotter.orders)
    assert record.books is not None
    assert record.books.equal
    assert record.cash == market.thread.books().cash
    keys = [(each.fill.client_order_id, each.fill.cum_qty) for each in again.gateway.blotter.booked]
    assert len(keys) == len(set(keys))
    assert not again.gateway.blotter.open


@pytest.mark.parametrize("point", ["reconcile-begin", "reconcile-orders", "reconcile-end"])
async def test_a_start_that_ends_three_times_in_a_row_begins_again(lab: Any, point: str) -> None:
    """An order in doubt, then three starts that end inside reconciliation: the same end (CRA-16)."""
    market = lab.exchange()
    strategy = busy_strategy(lab)
    await crash(lab, market, strategy, "reply-read")
    for _ in range(3):
        await crash(lab, market, lab.scripted(), point)
    record = await market.trader(strategy, minutes=9, journal=lab.journal).run()
    assert record.books is not None
    assert record.books.equal
    assert len({order.client_order_id for order in market.orders()}) == len(market.orders())


async def test_what_happened_meanwhile_is_told_and_booked(lab: Any) -> None:
    """The process ends with a limit order open; it fills while nobody looks; the start says so."""
    market = lab.exchange()
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10))
    await crash(lab, market, strategy, "ack-durable")
    later = market.trader(lab.scripted(), minutes=20, journal=lab.journal)
    other = market.trader(lab.scripted(), minutes=4)  # keeps market time going, with a journal of its own
    other.desk.strategies["scripted"].when_stopped = "leave"
    await other.run()
    lines: list[str] = []
    later.say = lambda _, text: lines.append(text)
    record = await later.run()
    assert record.books is not None
    assert record.books.equal
    assert [fill.qty for fill in later.reconciliation.fills] == [Decimal(10)]
    assert any("buy 10 at" in line for line in lines)
    assert any("1 fills booked" in line for line in lines)


async def test_fills_nobody_was_told_of_are_told_after_the_restart(lab: Any) -> None:
    """Durable and booked, then the end: the strategy hears of it after the next start, once (CRA-10)."""
    market = lab.exchange()
    first = lab.scripted(m1=lambda s: s.buy("AAPL", 10))
    await crash(lab, market, first, "fill-projected")
    assert first.fills == []
    second = lab.scripted()
    await market.trader(second, minutes=4, journal=lab.journal).run()
    third = lab.scripted()
    await market.trader(third, minutes=6, journal=lab.journal).run()
    assert [fill.qty for fill in second.fills] == [Decimal(10)]
    assert third.fills == []


async def test_positions_are_known_after_a_restart(lab: Any) -> None:
    """A new process with the old journal knows what its strategy holds, and sells exactly that."""
    market = lab.exchange()
    await market.trader(lab.scripted(m1=lambda s: s.buy("AAPL", 10)), minutes=3, journal=lab.journal).run()
    strategy = lab.scripted(m5=lambda s: s.sell("AAPL", s.position("AAPL")))
    record = await market.trader(strategy, minutes=8, journal=lab.journal).run()
    assert not record.positions
    assert [row.side for row in record.orders] == ["sell"]


async def test_a_new_journal_begins_with_what_the_account_holds(lab: Any) -> None:
    """Positions that were there are the opening; the only strategy of that symbol owns them; ids never repeat."""
    market = lab.exchange()
    await market.trader(lab.scripted(m1=lambda s: s.buy("AAPL", 10)), minutes=3).run()
    strategy = lab.scripted(m5=lambda s: s.position("AAPL"), m6=lambda s: s.sell("AAPL", 4))
    record = await market.trader(strategy, minutes=8).run()
    assert strategy.results[0] == Decimal(10)
    assert [(row.symbol, row.qty) for row in record.positions] == [("AAPL", Decimal(6))]
    assert len({order.client_order_id for order in market.orders()}) == 2
    assert record.books is not None
    assert record.books.equal


async def test_orders_of_others_are_adopted_and_booked_and_left_alone(lab: Any) -> None:
    """Somebody else buys on the account: external, booked, not the strategy's; the books stay equal."""
    market = lab.exchange()

    def by_hand(_: Any) -> None:
        request = OrderRequest(symbol="MSFT", qty=Decimal(7), side="buy", type="market", time_in_force="day",
                               client_order_id="by-hand")  # fmt: skip
        market.place(request)

    strategy = lab.scripted(m1=by_hand, m4=lambda s: s.position("MSFT"))
    strategy.symbols = ("AAPL", "MSFT")
    record = await market.trader(strategy, minutes=6, journal=lab.journal).run()
    assert [(row.strategy, row.symbol, row.status) for row in record.orders] == [("external", "MSFT", "filled")]
    assert strategy.results[-1] == 0
    assert record.books is not None
    assert record.books.equal


async def test_an_order_of_ours_that_the_journal_lost_is_adopted(lab: Any) -> None:
    """The journal lost its tail and the broker is ahead of us: an id with our prefix is ours again (CRA-14)."""
    market = lab.exchange()
    await market.trader(lab.scripted(), minutes=2, journal=lab.journal).run()
    market.place(OrderRequest(symbol="AAPL", qty=Decimal(3), side="buy", type="limit", limit_price=Decimal(600),
                              time_in_force="gtc", client_order_id="puna-77-scripted-5"))  # fmt: skip
    trader = market.trader(lab.scripted(), minutes=5, journal=lab.journal)
    record = await trader.run()
    assert trader.gateway.blotter.orders["puna-77-scripted-5"].intent.strategy == "scripted"
    assert [(row.client_order_id, row.status) for row in record.orders] == [("puna-77-scripted-5", "canceled")]


async def test_the_journal_of_another_account_is_refused(lab: Any) -> None:
    """The account behind the keys is not the journal's: nothing starts (BRK-35)."""
    await lab.exchange(seed=1).trader(lab.scripted(), minutes=2, journal=lab.journal).run()
    with pytest.raises(JournalError, match="another account") as caught:
        await lab.exchange(seed=2).trader(lab.scripted(), minutes=2, journal=lab.journal).run()
    assert caught.value.code == "E404"


async def test_a_second_process_on_one_journal_is_refused(lab: Any) -> None:
    """One writer a journal: the second is told so, and the first goes on."""
    market = lab.exchange()
    first = market.trader(lab.scripted(), minutes=2, journal=lab.journal)
    with pytest.raises(JournalError, match="in use"):
        market.trader(lab.scripted(), minutes=2, journal=lab.journal)
    assert (await first.run()).outcome == "completed"


async def test_a_difference_halts_and_stays_until_a_person_decides(lab: Any) -> None:
    """Cash that nobody can explain: no start, also not the next time; --accept-books and --resume begin anew."""
    market = lab.exchange()
    await market.trader(lab.scripted(), minutes=2, journal=lab.journal).run()
    market.pay(Decimal("12.34"))
    for _ in range(2):
        with pytest.raises(BooksDifferError, match="differ"):
            await market.trader(lab.scripted(), minutes=4, journal=lab.journal).run()
    with pytest.raises(PunaError, match="halted"):
        await market.trader(lab.scripted(), minutes=4, journal=lab.journal, accept_books=True).run()
    strategy = lab.scripted(m3=lambda s: s.buy("AAPL", 1))
    record = await market.trader(strategy, minutes=6, journal=lab.journal, resume=True).run()
    assert (record.outcome, record.state) == ("completed", "active")
    assert [row.status for row in record.orders] == ["filled"]
    assert record.books is not None
    assert record.books.equal


async def test_a_halt_outlives_the_process(lab: Any) -> None:
    """Halted in one life, halted in the next; a cancel that was asked for before is still sent (CRA-17)."""
    market = lab.exchange()

    def halt(s: Any) -> None:
        trader.gateway.halt("a test says so")
        s.buy("AAPL", 1)
        for order in s.orders():
            trader.gateway.cancel(order.client_order_id)

    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1, limit=Decimal(600), tif="gtc"))
    strategy.deeds[3] = halt
    trader = market.trader(strategy, minutes=9, journal=lab.journal, probe=lab.crash_at("cancel-durable"))
    with pytest.raises(lab.Crash):
        await trader.run()
    assert strategy.refused == [("R101", "trading is halted")]
    with pytest.raises(PunaError, match="Trading is halted"):
        await market.trader(lab.scripted(), minutes=9, journal=lab.journal).run()
    assert [order.status for order in market.orders()] == ["pending_cancel"]


async def test_a_full_disk_sends_nothing_and_halts_and_cancels_still_go(lab: Any) -> None:
    """No record, no order: refused with E403; the state is HALTED; a cancel needs no record (RES-01)."""
    market = lab.exchange()
    ids: list[str] = []

    def fill_the_disk(_: Any) -> None:
        database = trader.gateway.journal._storage._database
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")

    strategy = lab.scripted(
        m1=lambda s: ids.append(s.buy("AAPL", 1, limit=Decimal(600))),
        m3=lambda s: [s.buy("AAPL", n, because="more than a page" * 300) for n in range(1, 4)],
        m5=lambda s: s.cancel(ids[0]),
        m6=lambda s: s.buy("AAPL", 1),
    )
    strategy.deeds[2] = fill_the_disk
    trader = market.trader(strategy, minutes=9, journal=lab.journal)
    record = await trader.run()
    assert record.outcome == "halted"
    assert [code for code, _ in strategy.refused] == ["E403", "E403", "E403", "R101"]
    assert [row.refusal_code for row in record.orders] == [None, "E403", "E403", "E403", "R101"]
    sent = {order.client_order_id: order.status for order in market.orders()}
    journal = open_journal(lab.journal, trader.gateway.clock)
    durable = {entry.key for _, entry in journal.read()}
    journal.close()
    assert set(sent) <= durable
    assert sent[ids[0]] == "canceled"


async def test_halting_is_sticky_in_one_life(lab: Any) -> None:
    """Once halted, nothing new leaves until a person says so."""
    market = lab.exchange()
    strategy = lab.scripted(m4=lambda s: s.buy("AAPL", 1))
    trader = market.trader(strategy, minutes=6, journal=lab.journal)
    strategy.deeds[2] = lambda _: trader.gateway.halt("a test says so")
    record = await trader.run()
    assert (record.outcome, record.state) == ("halted", str(TradingState.HALTED))
    assert market.orders() == []


async def test_an_order_of_a_newer_process_halts_and_is_left_alone(lab: Any) -> None:
    """Our prefix with a later epoch: somebody else trades here since; booked as theirs, never canceled (OPR-01)."""
    market = lab.exchange()

    def other(_: Any) -> None:
        market.place(OrderRequest(symbol="AAPL", qty=Decimal(3), side="buy", type="limit", limit_price=Decimal(600),
                                  time_in_force="gtc", client_order_id="puna-9999999999-scripted-1"))  # fmt: skip

    trader = market.trader(lab.scripted(m1=other, m3=lambda s: s.buy("AAPL", 1)), minutes=5)
    record = await trader.run()
    assert (record.outcome, record.state) == ("halted", "halted")
    assert "another process trades on this account" in trader.gateway.halted
    assert [(row.strategy, row.status, row.refusal_code) for row in record.orders] == [
        ("external", "new", None), ("scripted", "refused", "R101")
    ]  # fmt: skip
    assert [order.status for order in market.orders()] == ["new"]


async def test_of_two_processes_on_one_account_the_older_halts(lab: Any) -> None:
    """Two journals and two keys, as on two hosts: the second one's first order stops the first one."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=())
    clocks = [PacedClock(60.0), PacedClock(60.0)]
    older = market.trader(lab.scripted(), clock=clocks[0], deadline=10.0)
    first = asyncio.create_task(older.run())
    await _until(lambda: older.reconciled and older.gateway.blotter.epoch, first)
    began = clocks[0].now() // 1_000_000_000
    await _until(lambda: clocks[0].now() // 1_000_000_000 > began, first)
    strategy = lab.scripted()
    strategy.on_bar = lambda bar: strategy.results or strategy.results.append(strategy.buy("AAPL", 10))
    other = Credentials.of("OTHER", "SECRET")  # one key has one data stream
    newer = assemble([strategy], market.endpoints, other, clocks[1], timing=lab.FAST, rate_limit=0)
    second = asyncio.create_task(newer.run())
    await _until(lambda: strategy.fills, second)
    await _until(lambda: older.gateway.halted, first)
    assert not newer.gateway.halted
    for trader in (older, newer):
        trader.stop()
    assert (await first).outcome == "halted"
    assert (await second).outcome == "stopped"


async def test_a_second_process_on_one_key_says_what_it_waits_for(lab: Any) -> None:
    """One key has one data stream: the newcomer tells of the refusal, and begins when the first has ended."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=())
    first = market.trader(lab.scripted(), clock=PacedClock(60.0), deadline=10.0)
    running = asyncio.create_task(first.run())
    await _until(lambda: first.reconciled and first.updates.connected, running)
    lines: list[str] = []
    second = market.trader(lab.scripted(), clock=PacedClock(60.0), deadline=10.0)
    second.say = lambda _, text: lines.append(text)
    waiting = asyncio.create_task(second.run())
    await _until(lambda: any("waiting for the market-data stream" in line for line in lines), waiting)
    assert any("connection limit" in line or "406" in line for line in lines)
    assert any("Is another program connected with the same key?" in line for line in lines)
    assert len(lines) == len(set(lines))  # not again and again
    first.stop()
    await running
    await _until(lambda: second.reconciled and second.updates.connected, waiting)
    second.stop()
    assert (await waiting).outcome == "stopped"


async def test_a_run_that_still_waits_can_be_stopped(lab: Any) -> None:
    """Ctrl-C before the streams are there ends it at once (E051): no strategy was started, nothing was sent."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=())
    first = market.trader(lab.scripted(), clock=PacedClock(60.0), deadline=10.0)
    running = asyncio.create_task(first.run())
    await _until(lambda: first.reconciled and first.updates.connected, running)
    lines: list[str] = []
    strategy = lab.scripted()
    strategy.on_start = lambda: lines.append("started")
    second = market.trader(strategy, clock=PacedClock(60.0), deadline=10.0)
    second.say = lambda _, text: lines.append(text)
    waiting = asyncio.create_task(second.run())
    await _until(lambda: any("waiting for the market-data stream" in line for line in lines), waiting)
    second.stop()
    with pytest.raises(PunaError) as caught:
        await waiting
    assert caught.value.code == "E051"
    assert "406" in caught.value.why
    assert "started" not in lines
    first.stop()
    assert (await running).outcome == "stopped"


async def _until(true: Callable[[], object], run: "asyncio.Task[Any]") -> None:
    while not true():
        assert not run.done(), run
        await asyncio.sleep(0.01)
