"""Faults of requests as they happen on the wire: refused, unanswered, cut off, late."""

import asyncio
import socket  # noqa: TID251 - a rim: only the socket option makes a close into a reset
import struct
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from puna.exchange.faults import Fault
from puna.exchange.floor import Floor, seconds
from puna.seams import Clock
from puna.wire.codec import encode

__all__ = ["Handler", "break_request", "reset"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CODES: Mapping[int, tuple[int, str]] = {
    400: (40010000, "failed to decode request body"),
    401: (40110000, "unauthorized"),
    403: (40310000, "forbidden"),
    404: (40410000, "not found"),
    422: (42210000, "unprocessable"),
    429: (42910000, "rate limit exceeded"),
}


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Ends a TCP connection without a goodbye: the peer gets RST, not FIN."""
    if transport is None or transport.is_closing():
        return
    if (peer := transport.get_extra_info("socket")) is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


async def break_request(
    fault: Fault, request: web.Request, handler: Handler, floor: Floor, clock: Clock
) -> web.StreamResponse:
    """What happens to a request that `fault` has struck."""
    await request.read()
    if fault.action == "hold":
        return await _held(fault, request, handler, floor)
    answer = None if fault.action.endswith("_before") else await handler(request)
    return await _ending(fault, request, answer, clock)


async def _ending(
    fault: Fault, request: web.Request, answer: web.StreamResponse | None, clock: Clock
) -> web.StreamResponse:
    if fault.action.startswith("error"):
        return _answer(fault)
    if fault.action.startswith("hang"):
        await asyncio.Event().wait()
    if fault.action == "delay":
        await clock.sleep(fault.seconds)
    if fault.action == "truncate" and isinstance(answer, web.Response):
        await _half(request, answer)
    if answer is None or fault.action in ("drop_reply", "truncate"):
        reset(request.transport)
    return answer or web.Response()


def _answer(fault: Fault) -> web.Response:
    """The answer that the fault makes, as such answers look."""
    status = fault.status or 504
    if fault.body is not None:
        kind = "application/json" if fault.body[:1] in ("{", "[") else "text/html"
        return web.Response(status=status, text=fault.body, content_type=kind, headers=fault.headers)
    if status >= 500:
        title = f"{status} {web.Response(status=status).reason}"
        page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
        return web.Response(status=status, text=page, content_type="text/html", headers=fault.headers)
    code, message = _CODES.get(status, (status * 100_000, "refused"))
    body = encode({"code": code, "message": message})
    return web.Response(status=status, body=body, content_type="application/json", headers=fault.headers)


async def _half(request: web.Request, answer: web.Response) -> None:
    """Sends the head, with the whole length, and half of the body."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    stream = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    stream.content_length = max(len(body), 2)
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2] or b"{")


async def _held(fault: Fault, request: web.Request, handler: Handler, floor: Floor) -> web.StreamResponse:
    """Handles the request later in market time, whether or not its sender still waits."""
    answered: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()

    async def act() -> None:
        answer = await handler(request)
        if not answered.done():
            answered.set_result(answer)

    floor.later(floor.now + seconds(fault.seconds), act)
    return await answered
