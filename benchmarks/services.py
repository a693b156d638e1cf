"""A market-data frame on the exchange's socket to an order at the exchange: in one process, and through all four.

The stopwatch stands between the exchange and whoever trades, as for `orders`. A frame holds the quote, the trade and
the bar of a minute, and every bar is an order: in one process by a strategy, through four by a model that the signals
service asks and a follower in execution, under the limits of the risk service. Both journals are durable; through four
processes the signal and its answer are, too.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks import ours
from benchmarks.processes import fresh, watched
from benchmarks.table import Goal, Row

__all__ = ["rows"]

SPEED = 600.0
STEP = 60
SECONDS = 20.0
CONFIG = """
[account]
mode = "sim"
[sim]
symbols = ["AAPL"]
[[model]]
name = "bench"
use = "{model}:Alternating"
symbols = ["AAPL"]
weight = "25%"
[risk]
max_quote_age_seconds = 100000
max_submits = 100000
[services]
stale_seconds = 5
signal_seconds = 100000
{ports}
"""


def rows(*, quick: bool = False) -> list[Row]:
    """One row; each contestant trades for some twenty seconds, quick: eight."""
    seconds = 8.0 if quick else SECONDS
    samples = {
        "puna, four processes": _timed(_through_four, seconds),
        "puna, one process": _timed(_in_one, seconds),
    }
    return [Row("a frame on the socket to an order, a model on bars", samples, (Goal("puna, one process", 4),))]


def _timed(task: object, seconds: float) -> list[int]:
    with watched(SPEED, STEP) as (port, finish):
        fresh(task, port, seconds)  # type: ignore[arg-type]  # a function of this module
        samples = finish()
    if len(samples) < 20:
        raise SystemExit(f"only {len(samples)} orders came: is the machine too busy?")
    return samples


def _in_one(port: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours.trade_bars(port, seconds, SPEED, Path(folder) / "journal.sqlite")


def _through_four(port: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_supervised(port, seconds, Path(folder)))


async def _supervised(port: int, seconds: float, folder: Path) -> None:
    from puna.config import load  # noqa: PLC0415 - in the child only
    from puna.services.place import Place  # noqa: PLC0415
    from puna.services.supervisor import Supervisor  # noqa: PLC0415

    path = folder / "bench.toml"
    model = Path(__file__).with_name("alternating.py")
    path.write_text(CONFIG.format(model=model, ports=_ports()))
    environ = {**os.environ, "ALPACA_BASE_URL": f"http://127.0.0.1:{port}"}
    config = load(path, environ=environ)
    Place(config, "execution").prepare()
    async with Supervisor(config, path, folder / "logs", environ, speed=SPEED) as supervisor:
        if not await supervisor.until_ready(60):
            raise SystemExit(f"the services were not ready: {[each.health for each in supervisor.children.values()]}")
        await asyncio.sleep(seconds)


def _ports() -> str:
    """Ports that are free now, for eight doors."""
    import socket  # noqa: PLC0415

    names = ("market_data", "signals", "execution", "risk", "market_bus", "control_bus", "events_bus", "risk_bus")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    lines = [f"{name}_port = {each.getsockname()[1]}" for name, each in zip(names, sockets, strict=True)]
    for each in sockets:
        each.close()
    return "\n".join(lines)
