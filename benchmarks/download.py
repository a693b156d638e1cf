"""History from the exchange to disk: ten symbols, a year of minute bars; how much of the time is the client's own.

The exchange makes its minutes as they are asked for, in a process of its own, and is what the download waits for. The
client asks for four pages at a time, decodes them, and writes Parquet; its share is its CPU time over the wall time.
What it holds in memory must not grow with what it has downloaded: its resident memory after a quarter of the files and
at the end stand in the row's name.
"""

import asyncio
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from datetime import time as clock_time
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.processes import fresh
from benchmarks.table import Row

__all__ = ["rows"]

DAY, MIDNIGHT = date(2012, 1, 3), clock_time()
KNOWN = ("AAPL", "GOOG", "IBM", "MSFT")
MADE = ("A", "B", "C", "D", "E", "F")  # the same prices under names of their own
MEGABYTE = 1 << 20
_SPAWN = multiprocessing.get_context("spawn")
FLAT = 1.15  # resident memory at the end against that after a quarter


class _Done(NamedTuple):
    """What a download took: ns, ns of CPU, rows, pages, and resident bytes after each file."""

    wall: int
    cpu: int
    rows: int
    pages: int
    resident: list[int]


def rows(*, quick: bool = False) -> list[Row]:
    """One row, a sample for each download: nanoseconds for a row of the history, and the client's CPU time of them."""
    first = DAY - timedelta(days=62 if quick else 365)
    with _serving(first) as port:
        done: _Done = fresh(_downloaded, port, first)
    quarter = median(done.resident[len(done.resident) // 4 :][:4])
    end = median(done.resident[-4:])
    memory = f"{quarter / MEGABYTE:.0f} MB after a quarter, {end / MEGABYTE:.0f} MB at the end"
    if not quick and end > quarter * FLAT:
        raise SystemExit(f"history download: memory grows: {memory}")
    return [
        Row(
            f"history download, a row of {done.rows:,}; client {done.cpu / done.wall:.0%} of the time, {memory}",
            {"wall time": [done.wall // done.rows], "the client's CPU": [done.cpu // done.rows]},
        )
    ]


def _downloaded(port: int, first: date) -> _Done:
    return asyncio.run(_download(port, first))


async def _download(port: int, first: date) -> _Done:
    from puna.alpaca.http import AsyncAlpaca, Credentials, Endpoints  # noqa: PLC0415 - in the fresh process only
    from puna.research.extra import library  # noqa: PLC0415
    from puna.research.history.download import Progress, download  # noqa: PLC0415
    from puna.research.history.series import Series  # noqa: PLC0415
    from puna.research.history.store import Store  # noqa: PLC0415

    library("polars")
    resident: list[int] = []

    def tell(now: Progress) -> None:
        if now.done > len(resident):
            resident.append(_resident())

    wanted = [Series("bars", symbol, "1Min", "sip") for symbol in (*KNOWN, *MADE)]
    with tempfile.TemporaryDirectory() as folder:
        endpoints = Endpoints.at(f"http://127.0.0.1:{port}")
        async with AsyncAlpaca(Credentials.of("bench", "bench"), endpoints, data_limit=0) as alpaca:
            wall, cpu = time.perf_counter_ns(), time.process_time_ns()
            outcome = await download(
                alpaca, Store(Path(folder)), wanted, first, DAY - timedelta(days=1), progress=Progress(told=tell)
            )
            wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    return _Done(wall, cpu, outcome.rows, outcome.pages, resident)


def _resident() -> int:
    """Bytes of this process that are in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _serving(first: date) -> Iterator[int]:
    """An exchange with ten stocks and minutes since `first`; gives its port."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_exchange, args=(theirs, first), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join(5)
        process.kill()


def _exchange(pipe: Connection, first: date) -> None:
    from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed  # noqa: PLC0415 - in the child only

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "year.csv"
        path.write_text("\n".join(_year(first)))
        config = ExchangeConfig(
            recording=path, day=DAY, history_days=260, pacing=Speed(1.0), wait_for=(), options=False
        )
        with ExchangeThread(config) as thread:
            pipe.send(int(thread.url.rsplit(":", 1)[1]))
            pipe.recv()


def _year(first: date) -> Iterator[str]:
    """The recording: a row a day, of ten symbols."""
    from puna.core.sessions import at  # noqa: PLC0415
    from puna.exchange.data import tape  # noqa: PLC0415

    yield "symbol,t,o,h,l,c,v"
    for place, symbol in enumerate((*KNOWN, *MADE)):
        for on, bar in tape(KNOWN[place % len(KNOWN)]).days.items():
            if first <= on <= DAY + timedelta(days=7):
                prices = ",".join(f"{cents / 100:.2f}" for cents in (bar.open, bar.high, bar.low, bar.close))
                yield f"{symbol},{at(on, MIDNIGHT)},{prices},{bar.volume}"
