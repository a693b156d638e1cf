"""Frames of 100 messages from a WebSocket on loopback to typed objects: what it costs the client in CPU time.

The server writes as fast as the client reads, from a process of its own; each contestant is a fresh process.
"""

import asyncio
import base64
import hashlib
import re
import socket
import struct
import time
import warnings
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from benchmarks.decode import TYPED_JSON, json_frame, messages, packed_frame
from benchmarks.processes import fresh, serving
from benchmarks.table import Goal, Row, interleaved

warnings.filterwarnings("ignore", category=DeprecationWarning, module="websockets")

__all__ = ["rows"]

ROUNDS = 3
MESSAGES = 100
FRAMES = 1000
FEW = 100  # frames for alpaca-py, which is much slower
SYMBOLS = ("AAPL", "MSFT", "IBM")
AUTH = '{"action":"auth","key":"bench","secret":"bench"}'
SUBSCRIBE = '{"action":"subscribe","quotes":["AAPL"],"trades":["MSFT"],"bars":["IBM"]}'
CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]
SUBSCRIBED = [{"T": "subscription", "quotes": ["AAPL"], "trades": ["MSFT"], "bars": ["IBM"]}]


def rows(*, quick: bool = False) -> list[Row]:
    """One row, in nanoseconds of the client's CPU for each frame."""
    contestants: dict[str, tuple[Callable[[int, int], int], int]] = {
        "puna": (_puna, FRAMES),
        "picows + puna's decoder": (_picows, FRAMES),
        "websockets + msgspec": (_websockets, FRAMES),
        "alpaca-py": (_alpaca_py, FEW),
    }
    samples = interleaved(2 if quick else ROUNDS, {name: _run(*each) for name, each in contestants.items()})
    goals = (Goal("alpaca-py", 1 / 40), Goal("websockets + msgspec", 1 / 4))
    return [Row("WebSocket receive + decode, 100 a frame (client CPU)", samples, goals)]


def _run(task: Callable[[int, int], int], frames: int) -> Callable[[], list[int]]:
    def run() -> list[int]:
        with serving(_serve, frames) as port:
            return [fresh(task, port, frames) // frames]

    return run


# The server: one client, blocking sockets, bytes prepared in advance.


def _serve(listener: socket.socket, frames: int) -> None:
    client, _ = listener.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536)
    packed = b"msgpack" in head
    client.sendall(_upgraded(head))
    for said in (CONNECTED, AUTHENTICATED, SUBSCRIBED):
        client.sendall(_frame(msgpack.packb(said) if packed else _text(said), packed=packed))
        if said is not SUBSCRIBED:
            client.recv(65536)
    body = packed_frame(messages(MESSAGES)) if packed else json_frame(messages(MESSAGES))
    batch = _frame(body, packed=packed) * 10
    for _ in range(frames // 10):
        client.sendall(batch)
    while client.recv(65536):
        pass


def _upgraded(head: bytes) -> bytes:
    key = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", head)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _text(said: Any) -> bytes:
    import json  # noqa: PLC0415 - the server's

    return json.dumps(said).encode()


def _frame(body: bytes, *, packed: bool) -> bytes:
    kind = 0x82 if packed else 0x81
    if len(body) < 126:
        return bytes([kind, len(body)]) + body
    return bytes([kind, 126]) + struct.pack("!H", len(body)) + body


# The clients: each gives the nanoseconds of CPU time from its first frame of market data to its last.


class _Meter:
    """Counts messages, and the CPU time between the first and the last."""

    def __init__(self, frames: int) -> None:
        self.left = frames * MESSAGES
        self.done = asyncio.Event()
        self._began = 0
        self.spent = 0

    def take(self, count: int) -> None:
        self._began = self._began or time.process_time_ns()
        self.left -= count
        if self.left <= 0 and not self.spent:
            self.spent = time.process_time_ns() - self._began
            self.done.set()


def _puna(port: int, frames: int) -> int:
    return asyncio.run(_puna_stream(port, frames))


async def _puna_stream(port: int, frames: int) -> int:
    from puna.alpaca.frames import StreamOptions, Subscription  # noqa: PLC0415 - in its own process only
    from puna.alpaca.hosts import Credentials, Endpoints  # noqa: PLC0415
    from puna.alpaca.stream import market_data  # noqa: PLC0415

    meter = _Meter(frames)
    wanted = Subscription.of(quotes=["AAPL"], trades=["MSFT"], bars=["IBM"])
    options = StreamOptions(capacity=1 << 20)
    endpoints = Endpoints.at(f"http://127.0.0.1:{port}")
    async with market_data(endpoints, Credentials.of("bench", "bench"), wanted, options) as stream:
        async for frame in stream:
            meter.take(len(frame.messages))
            if meter.spent:
                break
    return meter.spent


def _picows(port: int, frames: int) -> int:
    return asyncio.run(_picows_stream(port, frames))


async def _picows_stream(port: int, frames: int) -> int:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect  # noqa: PLC0415

    from puna.wire.frames import read_data  # noqa: PLC0415

    meter = _Meter(frames)

    class Listener(WSListener):
        said = 0

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            found = read_data(frame.get_payload_as_bytes())
            if self.said < 3:
                self.said += 1
                if self.said < 3:
                    transport.send(WSMsgType.TEXT, (AUTH if self.said == 1 else SUBSCRIBE).encode())
            else:
                meter.take(len(found))

    transport, _ = await ws_connect(Listener, f"ws://127.0.0.1:{port}/v2/iex")
    await meter.done.wait()
    transport.disconnect()
    return meter.spent


def _websockets(port: int, frames: int) -> int:
    return asyncio.run(_websockets_stream(port, frames))


async def _websockets_stream(port: int, frames: int) -> int:
    from websockets.asyncio.client import connect  # noqa: PLC0415

    meter = _Meter(frames)
    async with connect(f"ws://127.0.0.1:{port}/v2/iex", compression=None) as socket_:
        await socket_.recv()
        await socket_.send(AUTH)
        await socket_.recv()
        await socket_.send(SUBSCRIBE)
        await socket_.recv()
        while not meter.spent:
            meter.take(len(TYPED_JSON.decode(await socket_.recv(decode=False))))
        socket_.transport.abort()
    return meter.spent


def _alpaca_py(port: int, frames: int) -> int:
    from alpaca.data.live import StockDataStream  # noqa: PLC0415

    meter = _Meter(frames)
    stream = StockDataStream("bench", "bench", url_override=f"ws://127.0.0.1:{port}/v2/iex")

    async def on_message(_: Any) -> None:
        meter.take(1)
        if meter.spent:
            await stream.stop_ws()

    stream.subscribe_quotes(on_message, "AAPL")
    stream.subscribe_trades(on_message, "MSFT")
    stream.subscribe_bars(on_message, "IBM")
    stream.run()
    return meter.spent
