"""`puna watchdog` beside real processes: killed, hung, cut off, and ended by themselves."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.engine.latch import Latch
from puna.engine.watchdog import Standing, Watchdog, openers
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.exchange.venue import Submit
from puna.seams import SystemClock
from puna.wire.trading import Order, OrderRequest

BOT = '''
from decimal import Decimal
from puna import Strategy

class Bidder(Strategy):
    """Bids far below the market, until five bids were taken: on a busy machine a quote may be too old for one."""
    symbols = ("AAPL",)
    left = 5

    def on_quote(self, quote):
        if self.left:
            self.left -= 1
            self.buy(quote.symbol, 1, limit=Decimal(str(round(quote.bid * 0.9, 2))))

    def on_refused(self, intent, code, reason):
        self.left += 1
'''
CONFIG = """[account]
mode = "sim"
[[strategy]]
name = "bidder"
use = "bot.py:Bidder"
[risk]
duplicate_window_seconds = 0
"""


class Place:
    """A folder, an exchange that runs free, and commands as processes."""

    def __init__(self, folder: Path, exchange: ExchangeThread) -> None:
        self.folder, self.exchange = folder, exchange
        self.journal = folder / "run" / "journal.sqlite"
        self.running: list[subprocess.Popen[str]] = []
        (folder / "bot.py").write_text(BOT)
        (folder / "bot.toml").write_text(CONFIG)

    def puna(self, *words: str) -> subprocess.Popen[str]:
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("ALPACA_", "APCA_", "PUNA__"))}
        keep |= {"ALPACA_BASE_URL": self.exchange.url, "ALPACA_API_KEY": "K", "ALPACA_SECRET_KEY": "S"}
        process = subprocess.Popen(
            [sys.executable, "-m", "puna", *words],
            cwd=self.folder, env=keep, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.running.append(process)
        return process

    def trading(self) -> subprocess.Popen[str]:
        """`puna run`, until its bids rest and it has left a sign of life."""
        process = self.puna("run", "bot.toml", "--out", "run", "--json")
        until(lambda: (len(self.open()) >= 5 and Latch(self.journal).last_beat()) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        return process

    def protected(self) -> None:
        """Somebody holds shares, with a stop behind them."""
        for terms in ({"side": "buy", "type": "market"}, {"side": "sell", "type": "stop", "stop_price": Decimal(20)}):
            request = OrderRequest(symbol="MSFT", qty=Decimal(7), time_in_force="day", **terms)
            self.exchange.call(partial(_placed, request))
            until(lambda: self.exchange.books().positions)

    def open(self) -> list[Any]:
        found: list[Any] = self.exchange.call(lambda server: server.venue.orders(status="open", limit=500))
        return found


def _placed(request: OrderRequest, server: Any) -> None:
    server._floor.execute(Submit(request))


def until(question: Callable[[], object]) -> None:
    end = time.monotonic() + 40
    while not question():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    config = ExchangeConfig(symbols=("AAPL", "MSFT"), pacing=Speed(60.0), step_seconds=3, wait_for=())
    with ExchangeThread(config) as exchange:
        made = Place(tmp_path, exchange)
        yield made
        for process in made.running:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.mark.parametrize("blow", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)])
def test_what_dies_or_hangs_is_called_off(place: Place, blow: signal.Signals) -> None:
    """Its bids are gone, the stop stays, the latch is down: nothing new leaves when it wakes up or starts again."""
    process = place.trading()
    place.protected()
    dog = place.puna("watchdog", "run", "--after", "1", "--json")
    process.send_signal(blow)
    out, err = dog.communicate(timeout=60)
    assert dog.returncode == 1, err
    found = json.loads(out)
    assert found["standing"] == Standing.SILENT
    assert len(found["cancelled"]) >= 5
    assert found["remaining"] == []
    assert [(each.type, each.side) for each in place.open()] == [("stop", "sell")]
    assert len(found["kept"]) == 1
    standing = Latch(place.journal).standing("")
    assert standing is not None
    assert "watchdog" in standing.reason


def test_what_ends_by_itself_is_left_alone(place: Place) -> None:
    """Interrupted like any run: its sign of life is taken away, and the watchdog goes home."""
    process = place.trading()
    dog = place.puna("watchdog", "run", "--after", "5")
    assert dog.stderr is not None
    while Standing.ALIVE not in (line := dog.stderr.readline()):
        assert line, dog.communicate()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    out, err = dog.communicate(timeout=60)
    assert (dog.returncode, Standing.ENDED in out) == (0, True), err
    assert Latch(place.journal).standing("") is None


async def test_how_a_run_stands(tmp_path: Path) -> None:
    """Not begun, alive, silent by the age of its sign, cut off for too long, back again, ended."""
    latch = Latch(tmp_path / "journal.sqlite")
    dog = Watchdog(latch, SystemClock(), 5.0)
    assert dog.look() is Standing.WAITING
    latch.beat(connected=True)
    assert dog.look() is Standing.ALIVE
    sign = tmp_path / "journal.sqlite.alive"
    assert sign.stat().st_mode & 0o777 == 0o600
    os.utime(sign, (time.time() - 9, time.time() - 9))
    assert dog.look() is Standing.SILENT
    latch.beat(connected=True)
    assert dog.look() is Standing.ALIVE
    quick = Watchdog(latch, SystemClock(), 0.05)
    latch.beat(connected=False)
    async with asyncio.timeout(30):
        while quick.look() is not Standing.LOST:
            latch.beat(connected=False)
            await asyncio.sleep(0.01)
    latch.beat(connected=True)
    assert quick.look() is Standing.ALIVE
    latch.still()
    assert quick.look() is Standing.ENDED


TYPES = st.sampled_from(("limit", "stop", "market", "trailing_stop"))


@given(
    st.integers(-10, 10),
    st.lists(st.tuples(st.sampled_from(("buy", "sell")), st.integers(1, 10), TYPES, st.sampled_from("AB")), max_size=8),
)
def test_what_stays_can_only_reduce(held: int, rows: list[tuple[str, int, str, str]]) -> None:
    """All that is kept together closes no more than is held, of that symbol and side; a stop that fits is kept."""
    orders = [
        Order(id=str(n), status="new", symbol=symbol, side=side, qty=Decimal(qty), type=kind)
        for n, (side, qty, kind, symbol) in enumerate(rows)
    ]
    gone = openers(orders, {"A": Decimal(held)} if held else {})
    kept = [each for each in orders if each not in gone]
    assert all(each.symbol == "A" and (each.side == "sell") == (held > 0) for each in kept)
    assert sum(each.qty or 0 for each in kept) <= abs(held)
    first = next((each for each in orders if each.type in ("stop", "trailing_stop") and each.symbol == "A"), None)
    if first is not None and (first.side == "sell") == (held > 0) and (first.qty or 0) <= abs(held):
        assert first in kept
