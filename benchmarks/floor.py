"""The floor: what two blocking sockets can do with bytes prepared in advance. No JSON is read, nothing is decided."""

import base64
import os
import socket
import time

__all__ = ["round_trips", "tick_to_order"]

BODY = (
    '{{"symbol":"AAPL","qty":"1","side":"buy","type":"limit","time_in_force":"ioc","limit_price":"1.00",'
    '"client_order_id":"{}"}}'
)


def _order(client_order_id: str) -> bytes:
    body = BODY.format(client_order_id).encode()
    head = (
        "POST /v2/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAPCA-API-KEY-ID: bench\r\nAPCA-API-SECRET-KEY: bench\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _answer(connection: socket.socket) -> None:
    """Reads one HTTP answer to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"floor: order not accepted: {data[:300]!r}")
    length = int(
        next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")).split(b":")[1]
    )
    while len(body) < length:
        body += connection.recv(65536)


def round_trips(port: int, count: int) -> list[int]:
    """Nanoseconds from the first byte of an order sent to the last byte of its answer, `count` times."""
    connection = _connect(port)
    samples = []
    for n in range(count):
        order = _order(f"floor-{n}")
        start = time.perf_counter_ns()
        connection.sendall(order)
        _answer(connection)
        samples.append(time.perf_counter_ns() - start)
    connection.close()
    return samples


def tick_to_order(port: int, count: int) -> None:
    """Answers each of `count` quote frames with an order; the watch is elsewhere (see stopwatch.py)."""
    orders = _connect(port)
    stream = _connect(port)
    prepared = [_order(f"floor-{n}") for n in range(count)]
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET /v2/iex HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    _wait(stream, b"connected")
    stream.sendall(_frame(b'{"action":"auth","key":"bench","secret":"bench"}'))
    _wait(stream, b"authenticated")
    stream.sendall(_frame(b'{"action":"subscribe","quotes":["AAPL"]}'))
    for order in prepared:
        _wait(stream, b'"T":"q"')
        orders.sendall(order)
        _answer(orders)


def _wait(stream: socket.socket, mark: bytes) -> None:
    data = b""
    while mark not in data:
        data += stream.recv(65536)
        if not data:
            raise SystemExit("floor: the exchange closed the stream")


def _frame(payload: bytes) -> bytes:
    """A masked text frame of fewer than 126 bytes."""
    mask = os.urandom(4)
    return bytes([0x81, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
