"""The system as processes: a configuration with ports nobody else has, and a supervisor over it."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from puna.config import load
from puna.services.place import Place
from puna.services.supervisor import Supervisor

PORTS = ("market_data", "signals", "execution", "risk", "market_bus", "control_bus", "events_bus", "risk_bus")


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def port_lines() -> str:
    """Lines of a configuration: every door at a port that was free a moment ago."""
    return "\n".join(f"{name}_port = {port}" for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True))


def written(
    folder: Path, risk: str = "", services: str = "", sim: str = "", model: str = "puna.services.trend:Trend"
) -> Path:
    """A configuration of the four services."""
    ports = port_lines()
    path = folder / "bot.toml"
    path.write_text(
        '[account]\nmode = "sim"\n'
        f"[sim]\n{sim}\n"
        f'[[model]]\nname = "trend"\nuse = "{model}"\n'
        'symbols = ["AAPL", "MSFT", "IBM"]\nweight = "25%"\n'
        f"[risk]\nmax_quote_age_seconds = 3600\n{risk}\n"
        f"[services]\n{ports}\n{services}\n"
    )
    return path


@pytest.fixture
def ports() -> str:
    """Lines for [services] of a configuration that a test does not write itself."""
    return port_lines()


@pytest.fixture
def bot(tmp_path: Path) -> Callable[..., Path]:
    """Writes a configuration with further lines, and gives its path."""
    return lambda **texts: written(tmp_path, **texts)


@pytest.fixture
def system(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Supervisor]]:
    """All processes, ready; they end with the block."""

    @asynccontextmanager
    async def running(path: Path, speed: float = 240.0, **options: Any) -> AsyncIterator[Supervisor]:
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        config = load(path, environ=environ)
        Place(config, "execution").prepare()
        async with Supervisor(config, path, tmp_path / "logs", environ, speed=speed, **options) as supervisor:
            assert await supervisor.until_ready(60), {name: child.health for name, child in supervisor.children.items()}
            yield supervisor

    return running
