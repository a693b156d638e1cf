"""A transparent TCP proxy between a client and the exchange that times tick-to-order: data frame out, order bytes in.

It forwards every byte unchanged. When it hands bytes of the data stream to the client it starts the watch; when the
first bytes of `POST /v2/orders` come back, on whichever connection, it stops it. So every client, Puna or not, is timed
by the same watch, outside its own process, whatever encoding or compression it has agreed on.
"""

import asyncio
import time
from multiprocessing.connection import Connection

__all__ = ["run"]

ORDER = b"POST /v2/orders"
STREAM = b"GET /v2/iex"


class Watch:
    """Collects one sample for each data frame that an order answers, in nanoseconds."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        self._started: int | None = None

    def frame_out(self) -> None:
        self._started = time.perf_counter_ns()

    def order_in(self) -> None:
        if self._started is not None:
            self.samples.append(time.perf_counter_ns() - self._started)
            self._started = None


class _Upstream(asyncio.Protocol):
    """The exchange's side of one connection."""

    def __init__(self, watch: Watch, client: asyncio.Transport, *, streams: bool) -> None:
        self._watch = watch
        self._client = client
        self._streams = streams

    def data_received(self, data: bytes) -> None:
        if self._streams:
            self._watch.frame_out()
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._client.close()


class _Downstream(asyncio.Protocol):
    """The client's side of one connection; bytes wait until the exchange has answered the dial."""

    def __init__(self, watch: Watch, port: int) -> None:
        self._watch = watch
        self._port = port
        self._waiting = bytearray()
        self._exchange: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = transport

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        streams = self._waiting.startswith(STREAM)
        exchange, _ = await loop.create_connection(
            lambda: _Upstream(self._watch, self._client, streams=streams), "127.0.0.1", self._port
        )
        exchange.write(bytes(self._waiting))
        self._exchange = exchange

    def data_received(self, data: bytes) -> None:
        if data.startswith(ORDER):
            self._watch.order_in()
        if self._exchange is None:
            if not self._waiting:
                self._dialling = asyncio.ensure_future(self._dial())
            self._waiting += data
        else:
            self._exchange.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if self._exchange is not None:
            self._exchange.close()


def run(exchange_port: int, pipe: Connection) -> None:
    """Sends the proxy's port through `pipe`, serves until anything comes back, then sends the samples."""
    asyncio.run(_serve(exchange_port, pipe))


async def _serve(exchange_port: int, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    watch = Watch()
    server = await loop.create_server(lambda: _Downstream(watch, exchange_port), "127.0.0.1", 0)
    stop = asyncio.Event()
    loop.add_reader(pipe.fileno(), stop.set)
    pipe.send(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    pipe.send(watch.samples)
