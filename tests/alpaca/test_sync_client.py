"""The client without async: the same answers, inside and outside a running loop, closed in time, not after a fork."""

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from aiohttp import web

from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import Alpaca
from puna.alpaca.market import get_bars
from puna.alpaca.pace import Backoff
from puna.alpaca.trading import get_account
from puna.errors import NetworkError, PunaError


async def account(_: web.Request) -> web.Response:
    """An account."""
    return web.json_response({"id": "1", "status": "ACTIVE"})


async def bars(request: web.Request) -> web.Response:
    """Two pages of a bar each."""
    bar = {"t": "2022-02-01T05:00:00Z", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}
    token = None if "page_token" in request.query else "next"
    return web.json_response({"bars": {"A" if token else "B": [bar]}, "next_page_token": token})


async def test_calls_and_pages_without_async(broker: Any, credentials: Credentials) -> None:
    """`alpaca(get_account())` and `for ... in alpaca(get_bars(...))`, from a plain thread."""
    broker.answers = [account, bars]

    def work() -> list[str]:
        with Alpaca(credentials, broker.endpoints) as alpaca:
            assert alpaca(get_account()).status == "ACTIVE"
            return [symbol for symbol, _ in alpaca(get_bars(["A", "B"], "1Day"))]

    assert await asyncio.to_thread(work) == ["A", "B"]


def test_errors_come_as_they_are(credentials: Credentials) -> None:
    """The typed errors of the async client."""
    with (
        Alpaca(credentials, Endpoints.at("http://127.0.0.1:1"), retries=Backoff(retries=0)) as alpaca,
        pytest.raises(NetworkError),
    ):
        alpaca(get_account())


async def test_it_works_inside_a_running_loop(credentials: Credentials) -> None:
    """As in Jupyter: the call blocks this loop, and is carried out by another."""
    with (
        Alpaca(credentials, Endpoints.at("http://127.0.0.1:1"), retries=Backoff(retries=0)) as alpaca,
        pytest.raises(NetworkError),
    ):
        alpaca(get_account())


def test_a_closed_client_says_so(credentials: Credentials) -> None:
    """And closing it twice is fine; its thread is gone."""
    alpaca = Alpaca(credentials, Endpoints.at("http://127.0.0.1:1"))
    alpaca.close()
    alpaca.close()
    with pytest.raises(PunaError, match="cannot be used here") as raised:
        alpaca(get_account())
    assert "closed" in raised.value.why
    assert not [thread for thread in threading.enumerate() if thread.name == "puna-alpaca"]


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")  # newer interpreters warn of forks with threads, which is what this is about
from puna.alpaca.http import Alpaca, Credentials, Endpoints
from puna.alpaca.trading import get_account
from puna.errors import PunaError
alpaca = Alpaca(Credentials.of("k", "s"), Endpoints.at("http://127.0.0.1:1"))
child = os.fork()
if child == 0:
    try:
        alpaca(get_account())
    except PunaError as error:
        sys.exit(0 if "fork" in error.why else 2)
    sys.exit(3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_use_after_a_fork_is_refused_and_both_processes_end() -> None:
    """The child has no thread to wait for, and neither process hangs at exit although nothing was closed."""
    assert subprocess.run([sys.executable, "-c", FORK], timeout=30, check=False).returncode == 0
