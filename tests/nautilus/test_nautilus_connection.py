"""Who shares a client with whom, how long secrets live, and that no log shows them."""

import asyncio
import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

from nautilus_node import exchange_at, here, running
from nautilus_strategies import ByHand
from proxy import Proxy

from puna.config.environment import Environment
from puna.errors import ConfigError, LiveRefusedError
from puna.nautilus import (
    AlpacaDataClientConfig,
    AlpacaExecClientConfig,
)
from puna.nautilus.connection import Pool, credentials_of, places_of

LOCAL = "http://127.0.0.1:9"


def config(**changes: Any) -> AlpacaDataClientConfig:
    usual: dict[str, Any] = {"api_key": "key", "api_secret": "secret", "base_url_http": LOCAL}
    return AlpacaDataClientConfig(**(usual | changes))


async def test_the_same_account_shares_a_client() -> None:
    """Data and execution of one account are one client; whatever differs makes another, and evicts nothing."""
    pool, loop = Pool(), asyncio.get_running_loop()
    first = pool.get(config(), None, loop)
    execution = AlpacaExecClientConfig(api_key="key", api_secret="secret", base_url_http=LOCAL)
    assert pool.get(execution, None, loop) is first
    others = [
        pool.get(config(**changes), None, loop)
        for changes in ({"paper": False}, {"api_secret": "other"}, {"base_url_http": "http://127.0.0.1:8"})
    ]
    assert len({id(each) for each in (first, *others)}) == 4
    assert pool.get(config(), None, loop) is first


async def test_a_secret_lives_as_long_as_its_client() -> None:
    """The pool keeps neither clients nor secrets alive."""
    pool = Pool()
    connection = pool.get(config(), None, asyncio.get_running_loop())
    gone = weakref.ref(connection.credentials.secret) if hasattr(connection.credentials.secret, "__weakref__") else None
    client = weakref.ref(connection)
    del connection
    gc.collect()
    assert client() is None
    assert gone is None or gone() is None
    assert "secret" not in repr(vars(pool))


def test_live_is_refused() -> None:
    """There is no permit for live, so neither the flag nor an address leads there."""
    with pytest.raises(LiveRefusedError):
        places_of(config(paper=False, base_url_http=None))
    with pytest.raises(LiveRefusedError):
        places_of(config(base_url_http="https://api.alpaca.markets")).endpoints()


def test_keys_come_from_the_environment() -> None:
    """Where the configuration has none; half a pair is an error."""
    here_ = Environment({"ALPACA_API_KEY": "a", "ALPACA_SECRET_KEY": "b"})
    found = credentials_of(config(api_key=None, api_secret=None), here_)
    assert (found.key.reveal(), found.secret.reveal()) == ("a", "b")
    with pytest.raises(ConfigError):
        credentials_of(config(api_key=None, api_secret=None), Environment({}))
    with pytest.raises(ConfigError):
        credentials_of(config(api_secret=None), here_)


def test_places() -> None:
    """One address on loopback stands for all; each can be set by itself."""
    places = places_of(config())
    assert {places.trading, places.data} == {LOCAL}
    assert (places.streams, places.updates) == ("ws://127.0.0.1:9", "ws://127.0.0.1:9/stream")
    paper = places_of(config(base_url_http=None))
    assert paper.trading == "https://paper-api.alpaca.markets"
    assert paper.updates == "wss://paper-api.alpaca.markets/stream"
    moved = places_of(config(base_url_stream="ws://127.0.0.1:7"), "http://127.0.0.1:6")
    assert (moved.data, moved.streams) == ("http://127.0.0.1:6", "ws://127.0.0.1:7")


async def test_a_proxy_is_used() -> None:
    """`proxy_url`: requests and both streams go through it, and nothing goes past it."""
    proxy, hand = Proxy(), ByHand()
    with exchange_at() as exchange:
        async with proxy.running() as way:
            through = {"proxy_url": way}
            async with running(exchange.url, hand, data=through, execution=through) as run:
                hand.subscribe_quote_ticks(here("AAPL"))
                await run.until(lambda: run.cache.quote_tick(here("AAPL")) is not None)
        asked = b"".join(proxy.heads)
    assert b"CONNECT" in asked
    assert b"/v2/iex" in asked
    assert b"/stream" in asked


def test_two_accounts_in_one_node() -> None:
    """Paper, and one configured for live at another exchange, trade side by side; no log shows key or secret.

    In a process of its own: the framework's log is one for all nodes of a process.
    """
    command = [sys.executable, str(Path(__file__).parents[1] / "support" / "nautilus_two_accounts.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-2000:]
    assert "positions 3 and 4" in printed
    assert "OrderFilled" in printed
    assert "canary" not in printed
