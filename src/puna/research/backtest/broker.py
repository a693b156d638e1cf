"""The broker of a backtest: the exchange's floor, answered at once in this process; the client without its wire.

Orders, replaces, cancels and the account go to the venue as what they are. Everything else (history, contracts, pages
of orders and activities) takes the way of the exchange's own routes, which make the same answers as over HTTP; only
nobody sends them anywhere. Doors are left out: credentials, rate limits and faults belong to the wire.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from aiohttp import StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.refusals import error_of
from puna.alpaca.request import Request
from puna.alpaca.transport import marked, named
from puna.errors import DataError
from puna.exchange.commands import Cancel, Command, Replace, Submit
from puna.exchange.floor import Floor
from puna.exchange.options import ExchangeConfig
from puna.exchange.refusals import Refusal
from puna.exchange.web.answers import RefusedRequest
from puna.exchange.web.api import TradingApi
from puna.exchange.web.data import add_data_routes
from puna.seams import Clock, seeded_rng
from puna.wire.codec import decode, decoder, encode
from puna.wire.trading import OrderRequest, ReplaceRequest

__all__ = ["InProcess"]

T = TypeVar("T")

_ORDERS = "/v2/orders"
_PREFIX = "/v2/orders/"
_ORDER = decoder(OrderRequest)
_REPLACE = decoder(ReplaceRequest)
_NOWHERE = "http://127.0.0.1:1"


class InProcess(AsyncAlpaca):
    """The same calls as over HTTP, answered by a floor in this process.

    Args:
        floor: the venue, its market and market time.
        config: what the exchange's data routes go by.
        clock: market time.
        execute: does a command at the present market time; what it answers.
    """

    def __init__(
        self, floor: Floor, config: ExchangeConfig, clock: Clock, execute: Callable[[Command], object] | None = None
    ) -> None:
        super().__init__(
            Credentials.of("backtest", "backtest"),
            Endpoints.at(_NOWHERE),
            clock=clock,
            rng=seeded_rng("backtest"),
            trading_limit=0,
            data_limit=0,
        )
        self._floor = floor
        self._execute = execute or floor.execute
        self._application = web.Application()
        TradingApi(floor).add_routes(self._application.router)
        add_data_routes(self._application.router, floor, config, clock, _no_stream)
        self._application.freeze()

    async def _request(self, request: Request[T]) -> T:
        command = _command(request)
        if command is not None:
            reply = self._execute(command)
            if isinstance(reply, Refusal):
                raise marked(error_of(reply.status, encode(reply.body), named(request)), request)
            return cast("T", reply)
        if request.target == "/v2/account":
            return cast("T", self._floor.venue.account(self._floor.now))
        return await self._routed(request)

    async def _routed(self, request: Request[T]) -> T:
        """By the exchange's routes."""
        asked = _asked(request)
        found = await self._application.router.resolve(asked)
        found.add_app(self._application)
        asked._match_info = found  # noqa: SLF001 - what aiohttp's own server does between resolving and handling
        try:
            answer = await found.handler(asked)
        except RefusedRequest as refused:
            answer = refused.response
        except DataError as refused:
            raise marked(
                error_of(422, encode({"code": 42210001, "message": refused.what}), named(request)), request
            ) from refused
        assert isinstance(answer, web.Response)  # noqa: S101 - no stream is asked for
        body = answer.body
        content = body if isinstance(body, bytes) else b""
        if not 200 <= answer.status <= 299:
            raise marked(error_of(answer.status, content, named(request)), request)
        return request.read(content)


def _command(request: Request[Any]) -> Command | None:
    """What an order, a replace or a cancel asks of the venue."""
    if request.method == "POST" and request.target == _ORDERS:
        return Submit(decode(_ORDER, request.body or b""))
    if request.target.startswith(_PREFIX):
        name = request.target[len(_PREFIX) :]
        if request.method == "PATCH":
            return Replace(name, decode(_REPLACE, request.body or b""))
        if request.method == "DELETE":
            return Cancel(name)
    return None


def _asked(request: Request[Any]) -> web.Request:
    """A request as the exchange's server would have read it from a socket."""
    headers: CIMultiDict[str] = CIMultiDict({"Host": "backtest", **request.headers})
    message = RawRequestMessage(
        method=request.method,
        path=request.target,
        version=HttpVersion11,
        headers=CIMultiDictProxy(headers),
        raw_headers=(),
        should_close=False,
        compression=None,
        upgrade=False,
        chunked=False,
        url=URL(request.target, encoded=True),
    )
    protocol = cast("Any", SimpleNamespace(transport=None, ssl_context=None, peername=None, sockname=None))
    body = cast("StreamReader", _Body(request.body or b""))
    return web.Request(message, body, protocol, cast("Any", None), cast("Any", None), cast("Any", None))


class _Body:
    """The body, all there."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def readany(self) -> bytes:
        content, self._content = self._content, b""
        return content


async def _no_stream(_: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound
