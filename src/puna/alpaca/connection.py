"""Connections of the REST client: one request at a time on each, kept for the next, nothing ever sent twice.

A request leaves in one write. What aiohttp's session does before that (cookies, proxies, redirects, middlewares) cost
more than all else between a quote and its order; docs/performance.md has the figures. The reading side, with all that
it refuses, is aiohttp's: its parser of answers stands here as it stands there.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy
from yarl import URL

from puna.alpaca import tls
from puna.alpaca.hosts import GuardedResolver, check_host
from puna.alpaca.tunnel import tunnelled
from puna.errors import ConfigError, ProtocolError
from puna.seams import Clock

__all__ = ["Answer", "DialError", "Moment", "OnWire", "Origin"]

Moment = Literal["begun", "sent", "answered"]
OnWire = Callable[[str, Moment], None]
"""Hears of a request's method as its head is out, as its body is out, and as its answer's head is in."""

KEPT_SECONDS = 30
MOST = 100
NANOS = 1_000_000_000
HEAD_CAP = 8190  # bytes of one line or field of an answer's head
FIELDS_CAP = 128

_METHODS = {name: f"{name} ".encode() for name in ("GET", "POST", "PATCH", "PUT", "DELETE")}
_TARGET = re.compile(r"/[!-~]*")
_FIELD = re.compile(r"[!-~]+(?: [!-~]+)*")


class DialError(Exception):
    """No connection was made, so nothing was sent."""


class Answer(NamedTuple):
    """An HTTP answer; the body as it came, not inflated."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Origin:
    """The connections to one scheme, host and port.

    Args:
        url: its root; checked at every dial.
        headers: of every request.
        clock: its wall time says how long a connection may lie idle.
        connect_deadline: seconds for finding the address, connecting and TLS.
        body_cap: bytes of an answer's body on the wire.
        on_wire: hears of what goes out and comes in; head and body then leave in two writes.
        proxy: an HTTP proxy to go through.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        clock: Clock,
        *,
        connect_deadline: float,
        body_cap: int,
        on_wire: OnWire | None = None,
        proxy: str | None = None,
    ) -> None:
        self._url = url
        self._proxy = URL(proxy) if proxy else None
        self._clock = clock
        self._connect_deadline = connect_deadline
        self._body_cap = body_cap
        self._on_wire = on_wire
        self._path = URL(url).raw_path.rstrip("/").encode()
        self._fixed = b" HTTP/1.1\r\nHost: " + _authority(URL(url)) + b"\r\n" + _fields(headers)
        self._idle: list[tuple[int, ResponseHandler]] = []
        self._open: set[ResponseHandler] = set()
        self._places = asyncio.Semaphore(MOST)

    async def exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request and its answer; whatever ends it otherwise cuts the connection.

        Raises:
            DialError: not connected, nothing was sent.
            ProtocolError: a body above its cap.
            aiohttp.ClientError: the connection broke.
            aiohttp.http.HttpProcessingError: the answer is not HTTP.
            ConfigError: a header that cannot be sent.
        """
        head = self._head(method, target, body, headers)
        async with self._places:
            connection = self._kept()
            if connection is None:  # one that is kept is falsy: it is an empty queue of answers
                connection = await self._dial()
            self._open.add(connection)
            try:
                answer, reusable = await self._talk(connection, method, head, body or b"")
            except BaseException:
                connection.abort()
                raise
            finally:
                self._open.discard(connection)
            if reusable:
                self._idle.append((self._clock.monotonic(), connection))
            else:
                connection.close()
            return answer

    async def close(self) -> None:
        """Cuts every connection; requests that are under way fail."""
        connections = [*self._open, *(connection for _, connection in self._idle)]
        self._idle.clear()
        endings = [connection.closed for connection in connections]
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(ending for ending in endings if ending is not None), return_exceptions=True)

    def _head(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str] | None) -> bytes:
        if not _TARGET.fullmatch(target):
            raise ValueError(f"not the target of a request: {target[:80]!r}")
        length = b""
        if body is not None:
            length = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        elif method != "GET":
            length = b"Content-Length: 0\r\n"
        more = _fields(headers) if headers else b""
        return b"".join((_METHODS[method], self._path, target.encode(), self._fixed, more, length, b"\r\n"))

    def _kept(self) -> ResponseHandler | None:
        """The connection that was used last, if it still stands and nothing came on it unasked."""
        while self._idle:
            since, connection = self._idle.pop()
            fresh = self._clock.monotonic() - since < KEPT_SECONDS * NANOS
            if fresh and connection.is_connected() and not connection.should_close and not len(connection):
                return connection
            connection.abort()
        return None

    async def _dial(self) -> ResponseHandler:
        url = check_host(URL(self._url))
        try:
            async with self._clock.deadline(self._connect_deadline):
                return await _connected(url, self._proxy)
        except (OSError, TimeoutError) as error:
            raise DialError(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    async def _talk(self, connection: ResponseHandler, method: str, head: bytes, body: bytes) -> tuple[Answer, bool]:
        """The answer, and whether the connection may be used again."""
        connection.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=HEAD_CAP,
            max_field_size=HEAD_CAP,
            max_headers=FIELDS_CAP,
        )
        self._write(connection, method, head, body)
        message, payload = await connection.read()
        while 100 <= message.code <= 199 and message.code != 101:
            message, payload = await connection.read()
        if self._on_wire is not None:
            self._on_wire(method, "answered")
        content = await self._content(payload)
        answer = Answer(message.code, message.headers, content)
        return answer, not (message.should_close or connection.should_close)

    def _write(self, connection: ResponseHandler, method: str, head: bytes, body: bytes) -> None:
        transport = connection.transport
        if transport is None:
            raise ConnectionResetError("the connection was lost before anything was sent")
        if self._on_wire is None:
            transport.write(head + body)
            return
        transport.write(head)
        self._on_wire(method, "begun")
        if body:
            transport.write(body)
            self._on_wire(method, "sent")

    async def _content(self, payload: StreamReader) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in payload.iter_any():
            size += len(chunk)
            if size > self._body_cap:
                raise oversized(self._body_cap)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def oversized(cap: int) -> ProtocolError:
    """The error of a body above its cap, on the wire or inflated."""
    return ProtocolError("The broker's answer is too large.", why=f"more than {cap} bytes", state="It was not read.")


async def _connected(url: URL, proxy: URL | None) -> ResponseHandler:
    """A connection to the first address that takes one.

    Raises:
        OSError: none does; ssl.SSLError among them.
    """
    loop = asyncio.get_running_loop()
    host, port = url.raw_host or "", url.port or 0
    secure = tls.trust() if url.scheme == "https" else None
    if proxy is not None:
        return await tunnelled(proxy, host, port, secure)
    refusal: OSError | None = None
    for found in await GuardedResolver().resolve(host, port, 0):  # type: ignore[arg-type]  # 0 is every family
        try:
            _, connection = await loop.create_connection(
                lambda: ResponseHandler(loop),
                found["host"],
                found["port"],
                ssl=secure,
                server_hostname=host if secure else None,
                family=found["family"],
                flags=found["flags"],
            )
        except OSError as error:
            refusal = error
        else:
            return connection
    raise refusal or OSError(None, f"{host} has no address")


def _authority(url: URL) -> bytes:
    host = url.raw_host or ""
    name = f"[{host}]" if ":" in host else host
    return (name if url.is_default_port() else f"{name}:{url.port}").encode()


def _fields(headers: Mapping[str, str]) -> bytes:
    """Header fields as bytes.

    Raises:
        ConfigError: a value that could end its line, or that no header may have.
    """
    for name, value in headers.items():
        if not _FIELD.fullmatch(value):
            raise ConfigError(
                f"What is to be sent as {name} cannot be sent.",
                why="it is empty, or has spaces at its ends, line breaks or other characters that no header may have",
                state="Nothing was sent.",
                remedy="Copy the keys again: key and secret are letters and digits.",
            )
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
