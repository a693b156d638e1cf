"""A way through an HTTP proxy that the user named (RFC 9110, 9.3.6): CONNECT, then the connection is the broker's.

Proxies of the environment are never used (NET-20). The name of the broker is checked as always, and TLS is with the
broker and not with the proxy, which sees a host name and no more.
"""

import asyncio
import base64
import ssl

from aiohttp.client_proto import ResponseHandler
from yarl import URL

__all__ = ["tunnelled"]

HEAD_CAP = 8190
END = b"\r\n\r\n"


class _Asking(asyncio.Protocol):
    """Hears the proxy's answer, up to the end of its head."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self.answer.done():
            return
        if END in self._heard:
            self.answer.set_result(self._heard)
        elif len(self._heard) > HEAD_CAP:
            self.answer.set_exception(OSError(None, "the proxy's answer has no end"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or OSError(None, "the proxy hung up"))


async def tunnelled(proxy: URL, host: str, port: int, secure: ssl.SSLContext | None) -> ResponseHandler:
    """A connection to `host` through `proxy`.

    Raises:
        OSError: the proxy is not there, or does not let us through; nothing was sent to the broker.
    """
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_connection(_Asking, proxy.host or "", proxy.port or 0)
    try:
        transport.write(_question(proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
        _check(await asking.answer)
        connection = ResponseHandler(loop)
        if secure is None:
            transport.set_protocol(connection)
            connection.connection_made(transport)
        else:
            inner = await loop.start_tls(transport, connection, secure, server_hostname=host)
            connection.connection_made(inner or transport)  # None only while it is being closed
    except BaseException:
        transport.abort()
        raise
    return connection


def _question(proxy: URL, target: str) -> bytes:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user:
        both = base64.b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {both}")
    return "\r\n".join([*lines, "", ""]).encode()


def _check(head: bytes) -> None:
    words = head.split(None, 2)
    if len(words) < 2 or words[1] != b"200":
        said = head.splitlines()[0][:60].decode("ascii", "replace") if head.strip() else "nothing"
        raise OSError(None, f"the proxy does not let us through: {said}")
