"""What the tests of the bus share: a context, addresses nobody else has, keys, and a publisher with a subscriber."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from puna.bus.keys import KeyStore, Role
from puna.bus.messages import QuoteUpdate

PATIENCE = 30.0
"""Wall seconds after which a test gives up; nothing is asserted about how long anything takes."""


@pytest.fixture
def context() -> "Iterator[zmq.Context[Any]]":
    """A ZeroMQ context that ends with the test; one that does not end is a failure, and holds up nobody."""
    made: zmq.Context[Any] = zmq.Context()
    yield made
    ending = threading.Thread(target=made.destroy, kwargs={"linger": 0}, daemon=True)
    ending.start()
    ending.join(PATIENCE)
    assert not ending.is_alive(), "a socket was left open"


@pytest.fixture
def tcp() -> str:
    """A loopback address with a free port, known when it is bound."""
    return "tcp://127.0.0.1:0"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    """Keys of an execution process, of a model that may send signals, and of a watcher."""
    made = KeyStore(tmp_path / "keys")
    made.create("execution")
    made.create("model", [Role.WATCH, Role.SIGNALS, Role.INTENTS])
    made.create("watcher")
    return made


def quote(number: int, symbol: str = "AAPL") -> QuoteUpdate:
    """A quote that carries a number."""
    return QuoteUpdate(symbol, 100.0, 1.0, 100.5, float(number), 1_000 + number, 2_000 + number)


@pytest.fixture
def quoted() -> Callable[..., QuoteUpdate]:
    """`quoted(5)` is a quote that carries 5 in its ask size."""
    return quote


async def settled(done: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Returns when `done` holds; fails when it does not in time."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a condition holds."""
    return settled
