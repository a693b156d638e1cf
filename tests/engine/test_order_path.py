"""The order path under a flood: what an order costs, counted in calls and bytes, and what a halt leaves of it."""

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from puna.core.lineage import lineage
from puna.core.orders import Update
from puna.core.risk import RiskLimits, Submit, TradingState
from puna.core.types import OrderIntent, OrderType, Side, TimeInForce
from puna.engine.blotter import Blotter
from puna.engine.entries import Adoption, Decision, to_record
from puna.engine.latch import Latch, Wish
from puna.engine.pacing import PacedClock
from puna.engine.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000_000
WIDE = RiskLimits(
    max_submits=100_000,
    submit_window_seconds=86_400.0,
    max_open_orders=100_000,
    max_repeats=100_000,
    repeat_window_seconds=86_400.0,
    duplicate_window_seconds=86_400.0,
    max_refusals=1000,
    max_slippage_bp=Decimal(10_000),
    max_gross_value=Decimal(10**9),
    max_order_value=Decimal(10**9),
    max_net_value=Decimal(10**9),
    max_open_value=Decimal(10**9),
    max_position_value=Decimal(10**9),
)


@contextmanager
def counting() -> "Iterator[Counter[str]]":
    """Calls of Python and C functions in this thread while it is entered."""
    count = Counter[str]()

    def hear(_frame: object, event: str, _argument: object) -> None:
        count[event] += 1

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        yield count
    finally:
        sys.setprofile(before)


class Flood:
    """So many orders with every bar, half of them filled at once and half canceled."""

    def __init__(self, lab: Any, each: int) -> None:
        self.strategy = lab.scripted(**{f"m{n}": self._flood for n in range(390)})
        self.calls: list[int] = []
        self.count = Counter[str]()
        self._each = each

    def _flood(self, strategy: Any) -> None:
        self.calls.append(self.count.total())
        bid = Decimal(str(round(strategy.quote("AAPL").bid, 2)))
        for n in range(self._each):  # no two are equal: the quantity is the minute's, the price its own
            price = bid + (1 + n if n % 2 else -1 - n) * Decimal("0.1")
            strategy.buy("AAPL", len(self.calls), limit=price, tif="ioc")


async def test_an_order_costs_the_same_after_ten_and_after_thousands(lab: Any) -> None:
    """Calls for each order, and bytes of each decision, do not grow with the orders ever sent; none is lost."""
    market = lab.exchange(cash=Decimal(10**8))
    flood = Flood(lab, 15)
    trader = market.trader(flood.strategy, limits=WIDE, minutes=72)
    with counting() as flood.count:
        record = await trader.run()
    spent = [after - before for before, after in zip(flood.calls, flood.calls[1:], strict=False)]
    early, late = sum(spent[1:11]), sum(spent[-10:])
    assert late < early * 1.1, f"{early / 150:.0f} calls an order in the beginning, {late / 150:.0f} in the end"
    sizes = [len(to_record(each).body) for _, each in trader.gateway.journal.read() if isinstance(each, Decision)]
    assert len(sizes) == len(trader.gateway.blotter.intents) >= 1000
    assert max(sizes[-150:]) < max(sizes[15:165]) * 1.1
    assert len(flood.strategy.refused) == 0
    assert record.books is not None
    assert record.books.equal


async def test_one_watcher_serves_all_open_orders(lab: Any) -> None:
    """Sixty orders rest: there is one task that watches them, and it ends with the run."""
    names = Counter[str]()

    def look(strategy: Any) -> None:
        del strategy
        names.update(task.get_name() for task in asyncio.all_tasks())

    def rest(strategy: Any) -> None:
        for n in range(60):
            strategy.buy("AAPL", 1, limit=Decimal(600) - n)

    market = lab.exchange(cash=Decimal(10**8))
    trader = market.trader(lab.scripted(m1=rest, m3=look), limits=WIDE, minutes=5)
    await trader.run()
    assert len(market.orders()) == 60
    assert sum(count for name, count in names.items() if name.startswith("watch")) == 1


async def until(question: Any) -> None:
    """Returns when the answer is yes."""
    async with asyncio.timeout(60):
        while not question():  # noqa: ASYNC110 - what is waited for is in another thread, or a file
            await asyncio.sleep(0.001)


async def test_no_byte_of_an_order_leaves_after_a_halt_was_acknowledged(lab: Any) -> None:
    """At 20 orders a second and more: the first byte of each request is watched, and none follows the answer."""
    seen: list[str] = []
    market = lab.exchange(pacing=lab.Speed(60.0), step_seconds=2, wait_for=(), cash=Decimal(10**8))

    class Restless(type(lab.scripted())):  # type: ignore[misc]
        def on_quote(self, quote: Any) -> None:
            seen.append("asked")
            self.buy(quote.symbol, 1, limit=Decimal(str(round(quote.bid * 0.9, 2))))

    trader = market.trader(
        Restless(), clock=PacedClock(60.0), journal=lab.journal, deadline=20.0, limits=WIDE, probe=seen.append
    )
    acknowledge = trader.gateway.latch.acknowledge

    def acknowledged(answer: Any) -> None:
        seen.append("acknowledged")
        acknowledge(answer)

    trader.gateway.latch.acknowledge = acknowledged
    task = asyncio.create_task(trader.run())
    await until(lambda: seen.count("request-first-byte") >= 20 or task.done())
    latch = Latch(lab.journal)
    latch.press(Wish(id="w", state=TradingState.HALTED, reason="because"))
    os.kill(os.getpid(), signal.SIGUSR1)
    await until(lambda: latch.acknowledgement("w") is not None)
    asked = seen.count("asked")
    await until(lambda: seen.count("asked") >= asked + 20 or task.done())
    count = len(market.orders())
    trader.stop()
    await task
    after = seen[seen.index("acknowledged") :]
    assert after.count("asked") >= 20
    assert after.count("request-first-byte") == 0
    assert count == len(market.orders()) >= 20


def intent(key: str, replaces: str | None = None, qty: int = 1, side: Side = Side.BUY) -> OrderIntent:
    return OrderIntent(
        client_order_id=key,
        strategy="s",
        symbol="AAPL",
        side=side,
        qty=Decimal(qty),
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        ts=0,
        replaces=replaces,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Adoption]:
    """Orders of which some replace an older one, as our intent, the new or the old order says; told in any order."""
    count = draw(st.integers(1, 8))
    olds = [draw(st.none() | st.integers(0, n - 1)) if n else None for n in range(count)]
    olds = [old if old not in olds[:n] else None for n, old in enumerate(olds)]  # nobody is replaced twice
    entries = list[Adoption]()
    for n, old in enumerate(olds):
        new = olds.index(n) if n in olds else None
        ours, told, forward = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
        update = Update(
            client_order_id=f"k{n}",
            source="rest",
            status="new",
            ts=n,
            broker_id=f"b{n}",
            replaces=None if old is None or not told else f"b{old}",
            replaced_by=None if new is None or not forward else f"b{new}",
        )
        wish = intent(f"k{n}", None if old is None or not ours else f"k{old}")
        entries.append(Adoption(ts=n, intent=wish, update=update, booked=True))
    return draw(st.permutations(entries))


@given(histories())
def test_kin_are_the_whole_lineage(entries: list[Adoption]) -> None:
    """What is looked at after a fill is the lineage that a search through all orders finds."""
    blotter = Blotter()
    for seq, entry in enumerate(entries, 1):
        blotter.apply(seq, entry)
        for key in blotter.orders:
            assert lineage(blotter.kin(key), key) == lineage(blotter.orders, key)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 2), st.sampled_from(Side)), max_size=30),
    st.floats(0, 8),
    st.floats(0, 8),
    st.floats(0, 8),
)
def test_windows_count_what_a_search_finds(
    steps: list[tuple[int, int, Side]], submits: float, equal: float, repeats: float
) -> None:
    """Counts and the last equal order within each window, asked after every order, against a search through all."""
    limits = RiskLimits(submit_window_seconds=submits, duplicate_window_seconds=equal, repeat_window_seconds=repeats)
    recent, sent, now = Recent(), list[Submit](), 0
    for n, (later, qty, side) in enumerate(steps):
        now += later * SECOND
        one = intent(f"k{n}", qty=qty, side=side)
        ages = [(now - each.ts, each) for each in sent]
        alike = [
            each
            for age, each in ages
            if age < equal * SECOND and (int(each.intent.qty), each.intent.side) == (qty, side)
        ]
        assert recent.count(now, limits) == sum(age < submits * SECOND for age, _ in ages)
        assert recent.repeated(one, now, limits) == sum(age < repeats * SECOND for age, _ in ages)
        assert recent.alike(one, now, limits) == tuple(alike[-1:])
        recent.add(now, one, limits)
        sent.append(Submit(now, one))
