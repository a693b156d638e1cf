"""The exchange alone: orders a second over REST, quotes a second over one and ten sockets; raw sockets ask and count.

Samples are nanoseconds an order, or a quote delivered, while the exchange does nothing else: a thousand million by that
is how many a second.
"""

import base64
import multiprocessing
import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from benchmarks.floor import BODY
from benchmarks.processes import fresh
from benchmarks.table import Row

__all__ = ["rows"]

ROUNDS = 3
ORDERS = 150
QUOTES = 7_000  # of the 7,800 of a day of five stocks; the first ones are gone before ten sockets have subscribed
SPEED = 1e6

_SPAWN = multiprocessing.get_context("spawn")


def rows(*, quick: bool = False) -> list[Row]:
    """Two rows: an order, on one connection and on eight; a quote, on one socket and on ten."""
    orders: dict[str, list[int]] = {"exchange, 1 connection": [], "exchange, 8 connections": []}
    quotes: dict[str, list[int]] = {"exchange, 1 socket": [], "exchange, 10 sockets": []}
    for _ in range(1 if quick else ROUNDS):
        for samples, count in zip(orders.values(), (1, 8), strict=True):
            with _serving(1.0) as port:
                samples.extend(fresh(_orders, port, count))
        for samples, count in zip(quotes.values(), (1, 10), strict=True):
            with _serving(SPEED) as port:
                samples.extend(fresh(_quotes, port, count))
    return [Row("an order at the exchange", orders), Row("a quote from the exchange", quotes)]


def _orders(port: int, connections: int) -> list[int]:
    """Each connection sends an order as soon as it has its answer; one sample for each hundred or so."""
    selector = selectors.DefaultSelector()
    sockets = [_connect(port) for _ in range(connections)]
    for number, each in enumerate(sockets):
        selector.register(each, selectors.EVENT_READ, [number * ORDERS, b""])
    samples, answered, start = [], 0, time.perf_counter_ns()
    for each in sockets:
        each.sendall(_order(f"bench-{selector.get_key(each).data[0]}"))
    while answered < ORDERS:
        for key, _ in selector.select():
            state = key.data
            state[1] += key.fileobj.recv(65536)  # type: ignore[union-attr]  # they are sockets
            if not _whole(state[1]):
                continue
            answered, state[0], state[1] = answered + 1, state[0] + 1, b""
            key.fileobj.sendall(_order(f"bench-{state[0]}"))  # type: ignore[union-attr]
    samples.append((time.perf_counter_ns() - start) // answered)
    return samples


def _order(client_order_id: str) -> bytes:
    body = BODY.format(client_order_id).encode()
    head = "POST /v2/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAPCA-API-KEY-ID: bench\r\nAPCA-API-SECRET-KEY: bench\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _frame(payload: bytes) -> bytes:
    """A masked text frame of fewer than 126 bytes."""
    mask = os.urandom(4)
    return bytes([0x81, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def _whole(answer: bytes) -> bool:
    head, mark, body = answer.partition(b"\r\n\r\n")
    if not mark:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"exchange: order not accepted: {answer[:300]!r}")
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return len(body) >= int(length.split(b":")[1])


def _quotes(port: int, count: int) -> list[int]:
    """From the first quote to the last one that all sockets have heard of; one sample."""
    selector = selectors.DefaultSelector()
    sockets = [_subscribed(port, number) for number in range(count)]
    for each in sockets:
        selector.register(each, selectors.EVENT_READ)
    for each in sockets:
        each.sendall(_frame(b'{"action":"subscribe","quotes":["*"]}'))
    heard, start = dict.fromkeys(sockets, 0), 0
    while min(heard.values()) < QUOTES:
        for key, _ in selector.select():
            found = key.fileobj.recv(1 << 20).count(b'"T":"q"')  # type: ignore[union-attr]
            start = start or (time.perf_counter_ns() if found else 0)
            heard[key.fileobj] += found  # type: ignore[index]
    return [(time.perf_counter_ns() - start) // sum(heard.values())]


def _subscribed(port: int, number: int) -> socket.socket:
    """A socket of its own key, authenticated."""
    stream = _connect(port)
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET /v2/sip HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"APCA-API-KEY-ID: bench{number}\r\nAPCA-API-SECRET-KEY: bench\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    data = b""
    while b"authenticated" not in data:
        data += stream.recv(65536)
    return stream


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@contextmanager
def _serving(speed: float) -> Iterator[int]:
    """An exchange with all stocks in a process of its own; gives its port."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_exchange, args=(theirs, speed), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join(5)
        process.kill()


def _exchange(pipe: Connection, speed: float) -> None:
    from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed  # noqa: PLC0415 - in the child only

    wait = ("data",) if speed > 1 else ()
    config = ExchangeConfig(seed=7, pacing=Speed(speed), wait_for=wait, lead_seconds=1, backlog=100_000)
    with ExchangeThread(config) as thread:
        pipe.send(int(thread.url.rsplit(":", 1)[1]))
        pipe.recv()
