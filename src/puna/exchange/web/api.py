"""The HTTP side: who may ask, how often, and the trading routes under /v2. Source: fact sheet, sections 1 to 5.

Each route turns a request into a command or a read of the venue, and its reply into Alpaca's status and body. The order
of the doors: faults of the script, credentials, rate limit, route.
"""

import base64
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from puna.errors import DataError, ProtocolError
from puna.exchange.floor import NANOS, Floor
from puna.exchange.options import ExchangeConfig
from puna.exchange.venue import (
    Cancel,
    CancelAll,
    CloseAllPositions,
    ClosePosition,
    Command,
    Refusal,
    Replace,
    Submit,
    Venue,
)
from puna.exchange.web.account import AccountApi
from puna.exchange.web.answers import RefusedRequest, answer, boolean, error, moment, number, words
from puna.exchange.web.breakage import break_request
from puna.exchange.web.catalog import CatalogApi
from puna.exchange.web.contracts import ContractsApi
from puna.exchange.web.data import is_data, needs_no_key
from puna.exchange.web.paths import is_stream
from puna.seams import Clock, Ids
from puna.wire.codec import amount, decode, decoder
from puna.wire.trading import OrderRequest, ReplaceRequest

__all__ = ["Doors", "TradingApi", "credentials"]

T = TypeVar("T")

_ORDER = decoder(OrderRequest)
_REPLACE = decoder(ReplaceRequest)
_WINDOW = 60 * NANOS


def credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """The key and secret of a request: Alpaca's own headers, Basic, or a Bearer token (whose key is "oauth")."""
    if key := headers.get("APCA-API-KEY-ID"):
        return key, headers.get("APCA-API-SECRET-KEY", "")
    scheme, _, rest = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return "oauth", rest.strip()
    if scheme.lower() == "basic":
        return _basic(rest)
    return None


def _basic(text: str) -> tuple[str, str] | None:
    try:
        key, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return key, secret


class Doors:
    """What stands before every route.

    Args:
        config: keys and limits.
        floor: market time, for the rate limit and the faults.
        clock: wall time, for late answers.
        ids: for X-Request-ID.
    """

    def __init__(self, config: ExchangeConfig, floor: Floor, *, clock: Clock, ids: Ids) -> None:
        self._config = config
        self._floor = floor
        self._clock = clock
        self._ids = ids
        self._asked: defaultdict[tuple[str, bool], deque[int]] = defaultdict(deque)

    def welcome(self, key: str, secret: str) -> bool:
        """Whether these credentials are known; without a list of keys, any that are not empty."""
        if self._config.keys is None:
            return bool(key and secret)
        return self._config.keys.get(key) == secret

    def middlewares(self) -> Sequence[Middleware]:
        return (self._name, self._break, self._allow)

    @web.middleware
    async def _name(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Gives every answer its X-Request-ID, and every refusal its shape."""
        try:
            response = await handler(request)
        except RefusedRequest as refused:
            response = refused.response
        except DataError as refused:
            response = _invalid(refused.what)
        except web.HTTPException as refused:
            response = _plain(refused)
        if not response.prepared:
            response.headers["X-Request-ID"] = self._ids.uuid()
        return response

    @web.middleware
    async def _break(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._floor.catch_up()
        fault = self._floor.script.strike(f"{request.method} {request.path}", self._floor.now)
        if fault is None:
            return await handler(request)
        return await break_request(fault, request, handler, self._floor, self._clock)

    @web.middleware
    async def _allow(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_stream(request):
            return await handler(request)
        given, data = credentials(request.headers), is_data(request.path)
        if given is None and needs_no_key(request.path):
            given = ("", "")
        elif given is None or not self.welcome(*given):
            return self._unauthorized(is_data=data)
        limits = self._count(given[0], is_data=data)
        try:
            response = await handler(request) if limits is not None else error(429, 42910000, "rate limit exceeded")
        except RefusedRequest as refused:
            response = refused.response
        if response.prepared:
            return response
        everywhere = self._config.rate_headers == "everywhere"
        if everywhere or data or request.path.endswith("/clock") or "/calendar" in request.path:
            response.headers.update(limits or self._exhausted(given[0], is_data=data))
        return response

    def _unauthorized(self, *, is_data: bool) -> web.Response:
        if is_data and self._config.data_auth_status == 403:
            return error(403, None, "forbidden")
        return error(401, 40110000, "unauthorized")

    def _count(self, key: str, *, is_data: bool) -> Mapping[str, str] | None:
        """Counts a request in the sliding window; None when it is one too many."""
        if not self._config.rate_limit:
            return {}
        asked = self._asked[key, is_data]
        while asked and asked[0] <= self._floor.now - _WINDOW:
            asked.popleft()
        if len(asked) >= self._config.rate_limit:
            return None
        asked.append(self._floor.now)
        return self._limits(asked)

    def _exhausted(self, key: str, *, is_data: bool) -> Mapping[str, str]:
        return self._limits(self._asked[key, is_data]) if self._config.rate_limit else {}

    def _limits(self, asked: deque[int]) -> Mapping[str, str]:
        """Per minute, left, and the second (market time) at which the number left changes."""
        return {
            "X-RateLimit-Limit": str(self._config.rate_limit),
            "X-RateLimit-Remaining": str(self._config.rate_limit - len(asked)),
            "X-RateLimit-Reset": str(ceil((asked[0] + _WINDOW) / NANOS)),
        }


def _plain(refused: web.HTTPException) -> web.Response:
    """The refusals of aiohttp itself (no such route, wrong method, body too large) in Alpaca's shape."""
    message = "endpoint not found" if refused.status in (404, 405) else refused.reason.lower()
    return error(refused.status, refused.status * 100_000 + 10_000, message)


class TradingApi:
    """The trading API's routes."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2/orders:by_client_order_id", self.order_by_client_id)
        router.add_post("/v2/orders", self.submit)
        router.add_get("/v2/orders", self.orders)
        router.add_delete("/v2/orders", self.cancel_all)
        router.add_get("/v2/orders/{order}", self.order)
        router.add_patch("/v2/orders/{order}", self.replace)
        router.add_delete("/v2/orders/{order}", self.cancel)
        router.add_get("/v2/positions", self.positions)
        router.add_delete("/v2/positions", self.close_all)
        router.add_get("/v2/positions/{symbol}", self.position)
        router.add_delete("/v2/positions/{symbol}", self.close)
        AccountApi(self._floor).add_routes(router)
        CatalogApi(self._floor).add_routes(router)
        ContractsApi(self._floor).add_routes(router)

    async def submit(self, request: web.Request) -> web.Response:
        return self._do(Submit(await _body(request, _ORDER)))

    async def replace(self, request: web.Request) -> web.Response:
        return self._do(Replace(request.match_info["order"], await _body(request, _REPLACE)))

    async def cancel(self, request: web.Request) -> web.Response:
        return self._do(Cancel(request.match_info["order"]))

    async def cancel_all(self, _: web.Request) -> web.Response:
        return self._do(CancelAll())

    async def order(self, request: web.Request) -> web.Response:
        name = request.match_info["order"]
        nested = boolean(request.query, "nested")
        return _shown(self._venue.order(name, nested=nested), f"order not found for {name}")

    async def order_by_client_id(self, request: web.Request) -> web.Response:
        name = request.query.get("client_order_id", "")
        return _shown(self._venue.order_by_client_id(name), f"order not found for {name}")

    async def orders(self, request: web.Request) -> web.Response:
        query = request.query
        return answer(
            self._venue.orders(
                status=_choice(request, "status", ("open", "closed", "all")),
                limit=number(query, "limit", 50, 500, _invalid),
                after=moment(query, "after", _invalid),
                until=moment(query, "until", _invalid),
                direction=_choice(request, "direction", ("desc", "asc")),
                symbols=words(query, "symbols"),
                nested=boolean(query, "nested"),
                side=_choice(request, "side", ("buy", "sell")) if "side" in query else None,
                asset_classes=words(query, "asset_class"),
                before_order_id=query.get("before_order_id"),
                after_order_id=query.get("after_order_id"),
            )
        )

    async def positions(self, _: web.Request) -> web.Response:
        return answer(self._venue.positions())

    async def position(self, request: web.Request) -> web.Response:
        return _shown(self._venue.position(request.match_info["symbol"]), "position does not exist")

    async def close(self, request: web.Request) -> web.Response:
        qty, percentage = _amount(request, "qty"), _amount(request, "percentage")
        return self._do(ClosePosition(request.match_info["symbol"], qty, percentage))

    async def close_all(self, request: web.Request) -> web.Response:
        return self._do(CloseAllPositions(boolean(request.query, "cancel_orders")))

    @property
    def _venue(self) -> Venue:
        return self._floor.venue

    @property
    def _now(self) -> int:
        return self._floor.now

    def _do(self, command: Command) -> web.Response:
        """Has the venue handle a command: 204 for a cancel, 207 for what concerns many, 200 for an order."""
        reply = self._floor.execute(command)
        if isinstance(reply, Refusal):
            return error(reply.status, reply.code, reply.message, reply.details)
        if reply is None:
            return web.Response(status=204)
        return answer(reply, 207 if isinstance(reply, list) else 200)


async def _body(request: web.Request, reader: msgspec.json.Decoder[T]) -> T:
    try:
        return decode(reader, await request.read())
    except ProtocolError as refusal:
        raise RefusedRequest(error(400, 40010000, "failed to decode request body")) from refusal


def _shown(found: object, otherwise: str) -> web.Response:
    """What a read has found."""
    return error(404, 40410000, otherwise) if found is None else answer(found)


def _invalid(message: str) -> web.Response:
    return error(422, 42210001, message)


def _choice(request: web.Request, name: str, words: Sequence[str]) -> str:
    """One of these words; the first when nothing is said."""
    if (value := request.query.get(name, words[0]).lower()) not in words:
        raise RefusedRequest(_invalid(f"invalid {name}: {value[:40]}"))
    return value


def _amount(request: web.Request, name: str) -> Decimal | None:
    if not (text := request.query.get(name, "")):
        return None
    try:
        return amount(text)
    except ValueError:
        raise RefusedRequest(_invalid(f"invalid {name}: {text[:40]}")) from None
