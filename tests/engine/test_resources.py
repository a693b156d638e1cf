"""When resources run out: a disk that is slow, a machine that slept, no descriptors (RES-02, RES-05, TIM-05)."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

from puna.engine.journal import Journal
from puna.engine.outbound import Timing
from puna.engine.pacing import PacedClock
from puna.engine.storage import SqliteStorage
from puna.seams import DrivenClock, Record

HOURS = 3 * 3_600_000_000_000


class SlowDisk(SqliteStorage):
    """Looks at the exchange again and again before an intent becomes durable."""

    def __init__(self, path: Path, market: Any) -> None:
        super().__init__(path)
        self._market = market
        self.seen: list[int] = []

    def append(self, records: Sequence[Record]) -> int:
        if any(record.kind == "intent" for record in records):
            for _ in range(20):
                self.seen.append(len(self._market.orders()))
                time.sleep(0.005)
        return super().append(records)


async def test_nothing_is_sent_before_it_is_durable(lab: Any) -> None:
    """However long the disk takes, the exchange has no order until the record of its intent is written (I16)."""
    market, clock = lab.exchange(), DrivenClock(0)
    disk = SlowDisk(lab.journal, market)
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10), m3=lambda s: s.buy("AAPL", 1))
    record = await market.trader(strategy, minutes=5, clock=clock, journal=Journal(disk, clock)).run()
    assert [row.status for row in record.orders] == ["filled", "filled"]
    assert disk.seen == [0] * 20 + [1] * 20


async def test_an_intent_that_slept_through_its_time_is_not_sent(lab: Any) -> None:
    """The machine sleeps for three hours between the record of an intent and its first byte: it is abandoned."""
    market = lab.exchange(pacing=lab.Speed(60.0), wait_for=())
    clock = PacedClock(60.0)
    slept: list[str] = []

    def sleeps(point: str) -> None:
        if point == "intent-durable" and not slept:
            slept.append(point)
            clock.set(clock.now() + HOURS)

    strategy = lab.scripted()
    strategy.on_bar = lambda bar: strategy.results or strategy.results.append(strategy.buy("AAPL", 10))
    timing = Timing(settle=2.0, intent=60.0)
    trader = market.trader(strategy, clock=clock, timing=timing, deadline=10.0, probe=sleeps)
    run = asyncio.create_task(trader.run())
    while not any(order.is_terminal for order in trader.gateway.blotter.orders.values()):
        assert not run.done(), run
        await asyncio.sleep(0.01)
    trader.stop()
    record = await run
    assert slept
    assert [row.status for row in record.orders] == ["abandoned"]
    assert market.orders() == []


SCRIPT = """
    import asyncio, os, resource, sys
    from puna.alpaca.hosts import Credentials, Endpoints
    from puna.alpaca.http import AsyncAlpaca
    from puna.alpaca.pace import Backoff
    from puna.alpaca.trading import get_account, get_clock
    from puna.errors import NetworkError

    async def main(url):
        keys = Credentials.of("KEY", "SECRET")
        async with (
            AsyncAlpaca(keys, Endpoints.at(url), retries=Backoff(retries=0)) as held,
            AsyncAlpaca(keys, Endpoints.at(url), retries=Backoff(retries=0)) as fresh,
        ):
            await held(get_account())
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            taken = []
            try:
                while True:
                    taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            print((await held(get_account())).status)
            try:
                await fresh(get_account())
            except NetworkError as error:
                print(error.code, error.state, error.in_doubt)
            for each in taken:
                os.close(each)
            print((await fresh(get_account())).status)

    asyncio.run(main(sys.argv[1]))
"""


def test_a_client_without_descriptors_keeps_the_connection_it_has(lab: Any) -> None:
    """EMFILE: what is connected goes on, what would have to dial says that nothing was sent, and later it works."""
    market = lab.exchange(wait_for=())
    told = subprocess.run(
        [sys.executable, "-c", dedent(SCRIPT), market.thread.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    assert told.stdout.splitlines() == ["ACTIVE", "E011 Nothing was sent. False", "ACTIVE"]
