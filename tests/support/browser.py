"""Chromium without a window, for tests of pages: what is laid out, what is complained about, what is fetched."""

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

__all__ = ["CHROMIUM", "Tab", "browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next((path for name in _NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page, through Chromium's DevTools protocol.

    Attributes:
        complaints: what the console and the security policy said.
        asked: addresses that the page wanted.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self._socket = socket
        self._last = 0
        self._events: list[dict[str, Any]] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command and its answer; events before it are kept."""
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": params})
        while True:
            told = json.loads((await self._socket.receive()).data)
            if told.get("id") == self._last:
                result: dict[str, Any] = told.get("result", told)
                return result
            self._hear(told)

    async def show(self, page: Path, *, width: int, height: int, scheme: str) -> None:
        """Opens a file as on a screen of this size, light or dark; returns when it is loaded."""
        mobile = width < 600
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._events.clear()
        await self.call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._hear(json.loads((await self._socket.receive()).data))

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, which the page itself could not run."""
        told = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return told["result"].get("value")

    def _hear(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if event["method"] == "Log.entryAdded":
            self.complaints.append(event["params"]["entry"]["text"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(event["params"]["exceptionDetails"]["text"])
        elif event["method"] == "Network.requestWillBeSent":
            self.asked.append(event["params"]["request"]["url"])


@asynccontextmanager
async def browser() -> AsyncIterator[Tab]:
    """A Chromium of its own with one tab; gone afterwards."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, *flags, f"--user-data-dir={profile}", "about:blank", stderr=asyncio.subprocess.PIPE
        )
        draining: asyncio.Task[None] | None = None
        try:
            port = await _port(process)
            draining = asyncio.create_task(_drain(process))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    tabs = await answer.json(content_type=None)
                address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    for domain in ("Page", "Log", "Runtime", "Network"):
                        await tab.call(f"{domain}.enable")
                    yield tab
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if draining is not None:
                await draining


async def _port(process: asyncio.subprocess.Process) -> int:
    """Where it listens, from what it says; what cannot be started here is no fault of the page."""
    assert process.stderr is not None
    said = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(40):
            while line := await process.stderr.readline():
                if found := re.search(rb"ws://127\.0\.0\.1:(\d+)/", line):
                    return int(found[1])
                said = line
    pytest.skip(f"Chromium does not start here: {said.decode(errors='replace').strip()[:200]}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Reads what it goes on to say, so that it never waits for a reader."""
    assert process.stderr is not None
    while await process.stderr.read(65_536):
        pass
