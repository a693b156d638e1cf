"""The kill switch: two ways in, nothing new after the confirmation, durable through restarts, resumed with a reason."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from puna.core.risk import RiskLimits, TradingState
from puna.engine.entries import StateChange
from puna.engine.journal import open_journal
from puna.engine.latch import Latch, Wish
from puna.engine.pacing import PacedClock
from puna.engine.storage import owner
from puna.errors import PunaError

HALTED, REDUCING, ACTIVE = TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE


def wish(state: TradingState = HALTED, scope: str = "", name: str = "w1") -> Wish:
    return Wish(id=name, state=state, reason="because", scope=scope)


async def acknowledged(latch: Latch, name: str = "w1", seconds: float = 5.0) -> Any:
    """The answer of the process, within a time."""
    await until(lambda: latch.acknowledgement(name) is not None, seconds)
    return latch.acknowledgement(name)


async def until(question: Callable[[], object], seconds: float = 20.0) -> None:
    """Returns when the answer is yes."""
    async with asyncio.timeout(seconds):
        while not question():  # noqa: ASYNC110 - what is waited for is a file, or in another thread
            await asyncio.sleep(0.001)


def test_a_latch_is_one_file_for_each_scope(tmp_path: Path) -> None:
    """Account, strategy and symbol beside each other, also with a slash in it; lifted one by one; mode 0600."""
    latch = Latch(tmp_path / "j.sqlite")
    scopes = ["", "strategy:momentum", "symbol:BTC/USD"]
    for scope in scopes:
        latch.press(wish(scope=scope))
    assert [each.scope for each in latch.all()] == scopes
    assert {(tmp_path / "j.sqlite.halt").stat().st_mode & 0o777} == {0o600}
    latch.lift("symbol:BTC/USD")
    assert [each.scope for each in latch.all()] == scopes[:2]
    assert not latch.down("symbol:BTC/USD")
    assert latch.standing("strategy:momentum") == wish(scope="strategy:momentum")


@pytest.mark.parametrize("body", [b"", b"{", b'{"id": 1}', b"\xff", b'{"id":"a","state":"dancing","reason":"b"}'])
def test_a_latch_that_cannot_be_read_halts(tmp_path: Path, body: bytes) -> None:
    """An empty file made by `touch`, half a document, an unknown word: halted (I28)."""
    (tmp_path / "j.sqlite.halt").write_bytes(body)
    standing = Latch(tmp_path / "j.sqlite").standing("")
    assert standing is not None
    assert standing.state is HALTED


def test_a_latch_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """No folder: one typed error, and nothing was halted."""
    with pytest.raises(PunaError, match="cannot be written"):
        Latch(tmp_path / "gone" / "j.sqlite").press(wish())


async def test_a_latch_stops_the_next_order_without_being_noticed_first(lab: Any) -> None:
    """The order after the latch is refused with R101 even though nobody called the process."""
    market = lab.exchange()
    latch = Latch(lab.journal)
    strategy = lab.scripted(
        m1=lambda s: s.buy("AAPL", 1),
        m2=lambda s: latch.press(wish()),
        m3=lambda s: s.buy("AAPL", 2),
        m5=lambda s: s.buy("AAPL", 3),
    )
    record = await market.trader(strategy, minutes=8, journal=lab.journal).run()
    assert [order.qty for order in market.orders()] == [Decimal(1)]
    assert [code for code, _ in strategy.refused] == ["R101", "R101"]
    assert (record.outcome, record.state) == ("halted", "halted")


async def test_an_order_that_was_approved_before_the_latch_does_not_leave_after_it(lab: Any) -> None:
    """Between the approval and the wire the latch is looked at again: the intent ends as abandoned."""
    market = lab.exchange()
    latch = Latch(lab.journal)

    def probe(name: str) -> None:
        if name == "intent-durable" and not latch.down(""):
            latch.press(wish())

    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1))
    trader = market.trader(strategy, minutes=3, journal=lab.journal, probe=probe)
    await trader.run()
    assert market.orders() == []
    (order,) = trader.gateway.blotter.orders.values()
    assert "halted before it was sent: because" in order.reason


async def test_halted_stays_halted_and_resume_takes_a_reason(lab: Any) -> None:
    """A new process on the same journal does not start; the latch and the journal each hold alone."""
    market = lab.exchange()
    latch = Latch(lab.journal)
    strategy = lab.scripted(m1=lambda s: latch.press(wish()))
    await market.trader(strategy, minutes=3, journal=lab.journal).run()
    for lift in (False, True):
        if lift:
            latch.lift("")
        with pytest.raises(PunaError) as refused:
            await market.trader(lab.scripted(), minutes=6, journal=lab.journal).run()
        assert (refused.value.code, refused.value.why) == ("E520", "because")
    record = await market.trader(lab.scripted(), minutes=6, journal=lab.journal, resume=True).run()
    assert record.state == "active"


async def test_a_process_killed_before_it_noticed_starts_halted(lab: Any) -> None:
    """The latch goes down, the process dies before its next look: its successor is halted (CRA-17)."""
    market = lab.exchange()
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1))
    with pytest.raises(lab.Crash):
        await market.trader(strategy, minutes=4, journal=lab.journal, probe=lab.crash_at("reply-received")).run()
    Latch(lab.journal).press(wish())
    with pytest.raises(PunaError) as refused:
        await market.trader(lab.scripted(), minutes=6, journal=lab.journal).run()
    assert refused.value.code == "E520"
    assert len(market.orders()) == 1


async def test_a_strategy_or_a_symbol_alone_can_be_halted(lab: Any) -> None:
    """Orders of the halted symbol are refused, others pass, the account stays active, also after a restart."""
    market = lab.exchange()
    latch = Latch(lab.journal)

    def press(_: Any) -> None:
        latch.press(wish(scope="symbol:AAPL"))
        trader.switch.signalled()

    deeds = {
        "m1": lambda s: s.buy("AAPL", 1),
        "m2": press,
        "m3": lambda s: s.buy("AAPL", 2),
        "m4": lambda s: s.buy("MSFT", 3),
    }
    strategy = lab.scripted(**deeds)
    strategy.symbols = ("AAPL", "MSFT")
    trader = market.trader(strategy, minutes=6, journal=lab.journal)
    record = await trader.run()
    assert [(order.symbol, order.qty) for order in market.orders()] == [("AAPL", 1), ("MSFT", 3)]
    assert (record.state, strategy.refused[0][0]) == ("active", "R101")
    latch.lift("symbol:AAPL")  # the journal remembers
    again = lab.scripted(m7=lambda s: s.buy("AAPL", 4))
    trader = market.trader(again, minutes=9, journal=lab.journal)
    await trader.run()
    assert again.refused[0][0] == "R101"
    assert trader.gateway.blotter.states["symbol:AAPL"].state is HALTED


async def test_reducing_lets_reductions_pass(lab: Any) -> None:
    """With the account held at REDUCING a sale of what is held leaves, a purchase does not."""
    market = lab.exchange()
    latch = Latch(lab.journal)
    strategy = lab.scripted(
        m1=lambda s: s.buy("AAPL", 5),
        m3=lambda s: latch.press(wish(REDUCING)),
        m4=lambda s: s.buy("AAPL", 1),
        m5=lambda s: s.sell("AAPL", 5),
    )
    await market.trader(strategy, minutes=8, journal=lab.journal).run()
    assert [(order.side, order.qty) for order in market.orders()] == [("buy", 5), ("sell", 5)]
    assert [code for code, _ in strategy.refused] == ["R101"]


async def trading(lab: Any, market: Any, strategy: Any, **chosen: Any) -> tuple[Any, "asyncio.Task[Any]"]:
    """A process that trades in free time, in the background."""
    trader = market.trader(strategy, clock=PacedClock(60.0), minutes=390, journal=lab.journal, deadline=5.0, **chosen)
    task = asyncio.create_task(trader.run())
    await until(lambda: strategy.told or task.done())
    return trader, task


def firehose(lab: Any) -> Any:
    """A strategy that wants something with every quote, 20 or more a second of wall time."""

    class Restless(type(lab.scripted())):  # type: ignore[misc]
        def on_quote(self, quote: Any) -> None:
            self.buy(quote.symbol, 1, limit=Decimal(str(round(quote.bid * 0.9, 2))))

    return Restless()


async def test_nothing_new_leaves_after_a_halt_is_confirmed(lab: Any) -> None:
    """In the middle of many orders a second: the count at the exchange never moves again, and the state is durable."""
    market = lab.exchange(pacing=lab.Speed(60.0), step_seconds=2, wait_for=())
    limits = RiskLimits(max_submits=100_000, max_open_orders=100_000, duplicate_window_seconds=0.0)
    strategy = firehose(lab)
    trader, task = await trading(lab, market, strategy, limits=limits)
    await asyncio.sleep(0.3)
    latch = Latch(lab.journal)
    assert latch.listener() == owner(lab.journal) == os.getpid()
    latch.press(wish())
    os.kill(os.getpid(), signal.SIGUSR1)
    answer = await acknowledged(latch)
    count = len(market.orders())
    assert answer.done
    assert "halted" in answer.text
    assert count > 3
    await asyncio.sleep(0.4)
    assert len(market.orders()) == count
    trader.stop()
    await task
    assert latch.listener() is None
    with closing(open_journal(lab.journal, trader.gateway.clock)) as journal:
        states = [entry for _, entry in journal.read() if isinstance(entry, StateChange)]
    assert [(each.state, each.reason) for each in states] == [(HALTED, "because")]


async def test_a_signal_alone_halts(lab: Any) -> None:
    """`kill -USR1` without a wish: halted, and the latch is down for the next start."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=())
    strategy = lab.scripted(m0=lambda s: s.buy("AAPL", 1))
    trader, task = await trading(lab, market, strategy)
    os.kill(os.getpid(), signal.SIGUSR1)
    await until(lambda: trader.gateway.halted)
    trader.stop()
    await task
    assert Latch(lab.journal).standing("") is not None


async def test_an_order_without_an_answer_is_cut_off_and_found_again(lab: Any) -> None:
    """The broker is silent about an order on its way: the halt does not wait for it, and the order is adopted later."""
    silent = lab.fault(on="POST /v2/orders", action="delay", seconds=3.0)
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=(), faults=(silent,))
    strategy = lab.scripted(m0=lambda s: s.buy("AAPL", 1))
    trader = market.trader(strategy, clock=PacedClock(60.0), minutes=390, journal=lab.journal, deadline=30.0)
    task = asyncio.create_task(trader.run())
    await until(lambda: trader.gateway.outbound._leaving is not None)
    latch = Latch(lab.journal)
    latch.press(wish())
    trader.switch.signalled()
    answer = await acknowledged(latch, seconds=2.0)
    assert answer.done
    assert trader.gateway.outbound._leaving is None
    await until(lambda: any(each.broker_id for each in trader.gateway.blotter.orders.values()))
    trader.stop()
    record = await task
    assert record.books is not None
    assert record.books.equal
    assert len(market.orders()) == 1


async def test_resume_compares_the_books_first(lab: Any) -> None:
    """A halted process trades on when its books agree, and refuses when they do not; its terminal tells each."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=())
    strategy = lab.scripted(m0=lambda s: s.buy("AAPL", 1))
    trader, task = await trading(lab, market, strategy)
    lines: list[str] = []
    trader.say = lambda _, text: lines.append(text)
    latch = Latch(lab.journal)
    latch.press(wish())
    assert (await acknowledged(latch)).done
    market.pay(Decimal(5))
    latch.ask(wish(ACTIVE, name="w2"))
    refused = await acknowledged(latch, "w2")
    assert not refused.done
    assert "differ" in refused.text
    assert latch.down("")
    market.pay(Decimal(-5))
    latch.ask(wish(ACTIVE, name="w3"))
    assert (await acknowledged(latch, "w3")).done
    assert trader.gateway.state is ACTIVE
    assert not latch.down("")
    trader.stop()
    await task
    told = [line for line in lines if "resume" in line or "active" in line]
    assert "the account is halted; " in told[0]
    assert told[0].endswith("(because); it goes on with: puna resume --reason TEXT")
    assert told[1].startswith("not resumed: ")
    assert told[2] == "the account is active (because)"
