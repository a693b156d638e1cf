"""How connections of streams end: what it means, and how to end one without a word."""

import ssl
from contextlib import suppress

import aiohttp

from puna.alpaca.session import Failure
from puna.alpaca.tls import TLS_FLOOR_SECONDS, tls_error
from puna.errors import AuthError, NetworkError, PunaError

__all__ = ["EndedError", "abort", "closed", "cut", "handshake_failure", "lost"]


class EndedError(Exception):
    """The connection has come to its end."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error.what)
        self.failure = failure


def lost(cause: object) -> Failure:
    """A connection that broke, or could not be made."""
    if isinstance(cause, aiohttp.WSServerHandshakeError) and cause.status == 401:
        keys = AuthError("The stream does not accept these keys.", status=401, why="HTTP 401 at the handshake")
        return Failure(keys, permanent=True)
    if isinstance(cause, aiohttp.ClientSSLError) and (found := handshake_failure(cause)) is not None:
        return Failure(tls_error(found, cause.host), permanent=True, floor=TLS_FLOOR_SECONDS)
    crowded = isinstance(cause, aiohttp.WSServerHandshakeError) and cause.status == 429
    why = f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else f"closed with code {cause}"
    error = NetworkError("The connection of the stream was lost.", why=why[:200], state="It tries again by itself.")
    return Failure(error, permanent=False, floor=1.0 if crowded else 0.0)


def handshake_failure(cause: aiohttp.ClientSSLError) -> ssl.SSLError | None:
    """What TLS said; None where it said nothing."""
    said = cause.certificate_error if isinstance(cause, aiohttp.ClientConnectorCertificateError) else cause.os_error
    return said if isinstance(said, ssl.SSLError) else None


def closed() -> PunaError:
    """What is told to whoever waits for a stream that was closed."""
    return PunaError("The stream is closed.")


def cut(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Resets the TCP connection: a polite close hangs when the net is gone (R28). Whoever reads sees the end of it."""
    connection = ws._response.connection  # noqa: SLF001 - aiohttp has no public way to reset a WebSocket
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


async def abort(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Ends the connection at once, and lets go of everything that belongs to it."""
    cut(ws)
    with suppress(aiohttp.ClientError, OSError):
        await ws.close()  # has nothing to wait for any more
