"""What lies beneath the client: the session that streams dial with, how bodies are read, what failures mean.

No proxies from the environment, no cookies, no redirects, no repeating; a cap on every body before and after inflation.
"""

import ssl
import zlib
from importlib import import_module
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDictProxy

from puna.alpaca.connection import Answer, DialError, oversized
from puna.alpaca.hosts import GuardedResolver
from puna.alpaca.pace import RateHeaders
from puna.alpaca.request import Request
from puna.alpaca.tls import tls_error
from puna.errors import DeadlineError, NetworkError, OutageError, ProtocolError, PunaError

__all__ = ["failure", "inflated", "marked", "named", "open_session", "rate_headers", "read_body"]

USER_AGENT = "puna"

try:  # the extra `fast`: the same streams, inflated in half the time
    _gzip: Any = import_module("isal.isal_zlib")
except ImportError:
    _gzip = zlib


def open_session(headers: dict[str, str], connect_deadline: float) -> aiohttp.ClientSession:
    """A session that goes only where it is told: no proxies, no cookies, no repeating, no inflating behind our back."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=GuardedResolver(), use_dns_cache=False, keepalive_timeout=30.0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, **headers},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_deadline),
        auto_decompress=False,
        trust_env=False,
    )
    # aiohttp repeats what HTTP calls idempotent when a kept-alive connection turns out dead; closing a part of a
    # position is a DELETE and must not be repeated. There is no public switch; tests/alpaca hold this one in place.
    session._retry_connection = False  # noqa: SLF001
    return session


def read_body(answer: Answer, cap: int) -> bytes:
    """The body, inflated.

    Raises:
        ProtocolError: more than `cap` bytes inflated, cut short, or in an encoding not asked for.
    """
    encoding = answer.headers.get("Content-Encoding")
    return answer.body if encoding is None or not answer.body else _decoded(answer.body, encoding.strip().lower(), cap)


def _decoded(body: bytes, encoding: str, cap: int) -> bytes:
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise ProtocolError("The broker's answer could not be read.", why=f"content encoding {encoding[:20]!r}")
    return inflated(body, cap)


def inflated(body: bytes, cap: int) -> bytes:
    """What a gzip stream holds.

    Raises:
        ProtocolError: it is broken or cut short, or holds more than `cap` bytes.
    """
    inflater = _gzip.decompressobj(wbits=31)
    try:
        whole: bytes = inflater.decompress(body, cap + 1)
    except (zlib.error, _gzip.error) as error:
        raise ProtocolError("The broker's answer could not be read.", why=f"broken gzip: {error}") from error
    if len(whole) > cap:
        raise oversized(cap)
    if not inflater.eof:
        raise ProtocolError("The broker's answer could not be read.", why="the gzip stream is cut short")
    return whole


def rate_headers(headers: CIMultiDictProxy[str]) -> RateHeaders:
    """X-RateLimit-*, as far as they are there and are numbers."""

    def number(name: str) -> int | None:
        text = headers.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None

    return RateHeaders(number("X-RateLimit-Limit"), number("X-RateLimit-Remaining"), number("X-RateLimit-Reset"))


def failure(error: Exception, request: Request[Any], deadline: float) -> PunaError:
    """The typed error of an exchange that gave no answer, or none that can be read."""
    what = named(request)
    if isinstance(error, ProtocolError):
        return marked(error, request)
    why = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, DialError) and isinstance(error.__cause__, ssl.SSLError):
        return tls_error(error.__cause__, f"the broker for {what}")
    if isinstance(error, DialError):
        return NetworkError(
            f"Could not connect for {what}.",
            why=str(error),
            state="Nothing was sent.",
            remedy="Check the network and the address; this says nothing about symbols or keys.",
        )
    if isinstance(error, TimeoutError):
        return marked(DeadlineError(f"No answer to {what} within {deadline:g} s.", why=why), request)
    if isinstance(error, HttpProcessingError):
        return marked(ProtocolError(f"The answer to {what} is not HTTP as documented.", why=why[:200]), request)
    return marked(NetworkError(f"The connection broke during {what}.", why=why), request)


def marked(error: PunaError, request: Request[Any]) -> PunaError:
    """The error, in doubt when the broker may have done what was asked of it."""
    unknown = isinstance(error, (NetworkError, DeadlineError, OutageError, ProtocolError))
    if unknown and request.mutating:
        error.in_doubt = True
        error.state = f"It is not known whether the broker carried out {named(request)}."
        error.remedy = error.remedy or "Ask the broker what became of it before doing it again."
    elif unknown and not error.state:
        error.state = "Nothing was changed."
    return error


def named(request: Request[Any]) -> str:
    """The request in words, without its query: `GET /v2/orders`."""
    return f"{request.method} {request.target.partition('?')[0]}"
