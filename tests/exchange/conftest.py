"""A raw client of the exchange: aiohttp, no Puna client, no SDK, so that what stands on the wire is seen as it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp
import pytest

from puna.exchange.server import ExchangeConfig, ExchangeServer

HEADERS = {"APCA-API-KEY-ID": "KEY", "APCA-API-SECRET-KEY": "SECRET"}
AUTH = {"action": "auth", "key": "KEY", "secret": "SECRET"}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}
PATIENCE = 30.0

Act = Callable[[int, list[dict[str, Any]]], Awaitable[None]]


class Raw:
    """One client: REST calls, and both sockets without automatic pongs."""

    def __init__(self, server: ExchangeServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.updates: list[dict[str, Any]] = []
        self.market: list[dict[str, Any]] = []
        self.pings: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def call(self, method: str, path: str, **rest: Any) -> tuple[int, Any]:
        """Status and decoded body; text where it is not JSON."""
        async with self.session.request(method, self.server.url + path, **rest) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else text

    async def order(self, **fields: Any) -> tuple[int, Any]:
        """POST /v2/orders, a market order for one share of AAPL unless said otherwise."""
        usual = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
        return await self.call("POST", "/v2/orders", json={**usual, **fields})

    async def connect(self, url: str, **rest: Any) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket that answers no ping by itself."""
        socket: aiohttp.ClientWebSocketResponse = await self.session.ws_connect(url, autoping=False, **rest)
        self._sockets.append(socket)
        return socket

    async def data(self, **channels: list[str]) -> aiohttp.ClientWebSocketResponse:
        """A data socket, authenticated by its headers; subscribed, if channels are named."""
        socket = await self.connect(self.server.data_stream_url)
        assert [await self.hear(socket), await self.hear(socket)] == [
            [{"T": "success", "msg": "connected"}],
            [{"T": "success", "msg": "authenticated"}],
        ]
        if channels:
            await socket.send_json({"action": "subscribe", **channels})
            assert (await self.hear(socket))[0]["T"] == "subscription"
        return socket

    async def trading(self) -> aiohttp.ClientWebSocketResponse:
        """A trading socket that listens to trade updates."""
        socket = await self.connect(self.server.trading_stream_url)
        await socket.send_json(AUTH)
        assert (await self.hear(socket))["data"]["status"] == "authorized"
        await socket.send_json(LISTEN)
        assert (await self.hear(socket))["stream"] == "listening"
        return socket

    async def hear(self, socket: aiohttp.ClientWebSocketResponse) -> Any:
        """The next frame that is not a ping; pings are answered."""
        async with asyncio.timeout(PATIENCE):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return json.loads(message.data)

    async def follow(self, socket: aiohttp.ClientWebSocketResponse, act: Act | None = None) -> None:
        """Reads until the socket ends: keeps what it hears, acts on it, and only then answers the ping after it."""
        heard: list[dict[str, Any]] = []
        async for message in socket:
            if message.type is aiohttp.WSMsgType.PING:
                now = self._ns(message.data)
                if heard and act is not None:
                    await act(now, heard)
                heard = []
                await socket.pong(message.data)
            else:
                heard = self._keep(json.loads(message.data))

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs beside the test; it ends with the exchange, and `until` raises what it raises."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def end(self) -> None:
        """Ends what runs beside the test, and its sockets."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(socket.close() for socket in self._sockets), return_exceptions=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until it is so, at most as long as a test has patience."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                for task in [task for task in self._tasks if task.done() and not task.cancelled()]:
                    task.result()
                await asyncio.sleep(0.001)

    def _ns(self, payload: bytes) -> int:
        ns = int(bytes(payload).removeprefix(b"puna:"))
        self.pings.append(ns)
        return ns

    def _keep(self, message: Any) -> list[dict[str, Any]]:
        if isinstance(message, list):
            self.market += message
            return message
        self.updates.append(message["data"])
        return [message["data"]]


class Exchange(Protocol):
    """`async with exchange(seed=3) as raw:` starts one and gives a client of it."""

    def __call__(self, **config: Any) -> Any: ...


@asynccontextmanager
async def _exchange(**config: Any) -> AsyncIterator[Raw]:
    async with ExchangeServer(ExchangeConfig(**config)) as server, aiohttp.ClientSession(headers=HEADERS) as session:
        raw = Raw(server, session)
        try:
            yield raw
        finally:
            await raw.end()


@pytest.fixture
def exchange() -> Exchange:
    """Starts exchanges; each ends with its block."""
    return _exchange
