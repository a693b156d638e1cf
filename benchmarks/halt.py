"""The kill switch under load: how long `puna halt` takes, and when the last order arrived, at 20 orders a second.

    python -m benchmarks.halt [TRIALS]

A trading process of its own sends an order with every quote to an exchange here. Each trial presses the latch as `puna
halt` does, waits for the confirmation, and watches the exchange for half a second: an order that arrives after the
confirmation is an error. Then trading is resumed. At the end the process is killed, and its successor must be halted.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from statistics import median

from puna.cli.halting import press, release
from puna.cli.target import Target
from puna.core.risk import TradingState
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed

SPEED = 20.0
WATCH_SECONDS = 0.5
TRIALS = 20
BOT = '''
from decimal import Decimal
from puna import Strategy

class Restless(Strategy):
    """Wants something with every quote."""
    symbols = ("AAPL",)

    def on_quote(self, quote):
        self.buy(quote.symbol, 1, limit=Decimal(str(round(quote.bid * 0.9, 2))))
'''
CONFIG = """[account]
mode = "sim"
[[strategy]]
name = "restless"
use = "bot.py:Restless"
[risk]
max_submits = 1000000
max_open_orders = 1000000
max_open_value = 1000000000
max_open_percent = "100000%"
max_position_value = 1000000000
max_position_percent = "100000%"
max_gross_value = 1000000000
max_gross_percent = "100000%"
max_net_value = 1000000000
max_net_percent = "100000%"
buying_power_buffer = 0
duplicate_window_seconds = 0
"""


def main(trials: int) -> int:
    """Prints the delays as one JSON document."""
    cash = Decimal(10**9)
    config = ExchangeConfig(symbols=("AAPL",), pacing=Speed(SPEED), step_seconds=1, wait_for=(), cash=cash)
    with tempfile.TemporaryDirectory() as name, ExchangeThread(config) as exchange:
        folder = Path(name)
        (folder / "bot.py").write_text(BOT)
        (folder / "bot.toml").write_text(CONFIG)
        process = _trading(folder, exchange)
        target = Target(folder / "run" / "journal.sqlite", None)
        found = [_trial(target, exchange, process) for _ in range(trials)]
        asyncio.run(press(target, TradingState.HALTED, "the end", ""))
        process.send_signal(signal.SIGKILL)
        process.wait()
        again = _start(folder, exchange)
        _, said = again.communicate(timeout=60)
    confirmed, last = sorted(each[0] for each in found), sorted(each[1] for each in found)
    figures = {
        "trials": trials,
        "confirmed_ms": {"p50": round(median(confirmed), 1), "worst": round(confirmed[-1], 1)},
        "last_order_ms": {"p50": round(median(last), 1), "worst": round(last[-1], 1)},
        "orders_after_confirmation": sum(each[2] for each in found),
        "halted_after_kill": "E520" in said,
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return int(bool(figures["orders_after_confirmation"]) or not figures["halted_after_kill"])


def _trial(target: Target, exchange: ExchangeThread, process: "subprocess.Popen[str]") -> tuple[float, float, int]:
    """Milliseconds to the confirmation, milliseconds to the last order, orders after the confirmation."""
    before, end = _orders(exchange), time.monotonic() + 20
    while _orders(exchange) < before + 5:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise SystemExit(f"it does not trade any more: {process.communicate()[1]}")
        time.sleep(0.01)
    began = exchange.progress().now
    answer = asyncio.run(press(target, TradingState.HALTED, "a trial", "", patience=10))
    if not answer.confirmed:
        raise SystemExit(f"not confirmed: {answer.text}")
    count = _orders(exchange)
    time.sleep(WATCH_SECONDS)
    after = _orders(exchange) - count
    newest = exchange.call(lambda server: server.venue.orders(status="all", limit=1))[0].submitted_at or began
    released = asyncio.run(release(target, "the trial is over", "", patience=10))
    if not released.confirmed:
        raise SystemExit(f"not resumed: {released.text}")
    sys.stderr.write(f"{answer.seconds * 1000:.1f} ms, resumed in {released.seconds:.2f} s\n")
    return answer.seconds * 1000, max(0.0, (newest - began) / SPEED / 1e6), after


def _trading(folder: Path, exchange: ExchangeThread) -> "subprocess.Popen[str]":
    process = _start(folder, exchange)
    while _orders(exchange) < 5:
        if process.poll() is not None:
            raise SystemExit(process.communicate()[1])
        time.sleep(0.05)
    return process


def _start(folder: Path, exchange: ExchangeThread) -> "subprocess.Popen[str]":
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("ALPACA_", "APCA_", "PUNA__"))}
    keep |= {"ALPACA_BASE_URL": exchange.url, "ALPACA_API_KEY": "K", "ALPACA_SECRET_KEY": "S"}
    words = [sys.executable, "-m", "puna", "run", "bot.toml", "--out", "run", "--json"]
    return subprocess.Popen(words, cwd=folder, env=keep, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _orders(exchange: ExchangeThread) -> int:
    return exchange.call(lambda server: len(server.venue._desk.orders))  # noqa: SLF001


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS))
