"""Every contestant runs in a fresh process of its own, and so do the exchange and the stopwatch."""

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from yarl import URL

from benchmarks import stopwatch

__all__ = ["SPEED", "exchange", "fresh", "watched"]

_SPAWN = multiprocessing.get_context("spawn")
PATIENCE = 120
SPEED = 1500.0
"""Market time against the wall's: a frame every 10 ms, 15 s of market time each."""


def fresh(task: Callable[..., Any], *arguments: Any) -> Any:
    """What `task(*arguments)` returns, computed in a new interpreter."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_answer, args=(theirs, task, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(PATIENCE):
            raise SystemExit(f"{task.__module__}.{task.__qualname__} did not finish in {PATIENCE} s")
        return ours.recv()
    except EOFError:
        raise SystemExit(f"{task.__module__}.{task.__qualname__} died; its traceback is above") from None
    finally:
        process.join(5)
        process.kill()


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _answer(pipe: Connection, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    pipe.send(task(*arguments))


@contextmanager
def exchange(speed: float = SPEED, step: int | None = None) -> Iterator[int]:
    """An exchange with one symbol, running free; gives its port. The rate limit is lifted (loopback).

    With a `step` of seconds between its frames, time begins when both streams are followed.
    """
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_exchange, args=(theirs, speed, step), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join(5)
        process.kill()


def _exchange(pipe: Connection, speed: float, step: int | None) -> None:
    from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed  # noqa: PLC0415 - in the child only

    config = ExchangeConfig(seed=7, symbols=("AAPL",), pacing=Speed(speed), wait_for=("data",))
    if step is not None:
        config = replace(config, step_seconds=step, wait_for=("data", "trading"))
    with ExchangeThread(config) as server:
        pipe.send(URL(server.url).port)
        pipe.recv()


@contextmanager
def serving(task: Callable[..., None], *arguments: Any) -> Iterator[int]:
    """`task(listener, *arguments)` in a new interpreter, for one client; gives the port of the listening socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = _SPAWN.Process(target=task, args=(listener, *arguments), daemon=True)
    process.start()
    port: int = listener.getsockname()[1]
    listener.close()
    try:
        yield port
    finally:
        process.join(2)
        process.kill()


@contextmanager
def watched(speed: float = SPEED, step: int | None = None) -> Iterator[tuple[int, Callable[[], list[int]]]]:
    """An exchange behind the stopwatch: the proxy's port, and a function that ends it and gives the samples."""
    with exchange(speed, step) as port:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=stopwatch.run, args=(port, theirs), daemon=True)
        process.start()

        def finish() -> list[int]:
            ours.send(None)
            samples: list[int] = ours.recv()
            return samples

        try:
            yield ours.recv(), finish
        finally:
            process.join(1)
            process.kill()
