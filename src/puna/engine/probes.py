"""Named points of a request on the wire, out of the HTTP client's own trace hooks; for tests that stop the process."""

from types import SimpleNamespace
from typing import Any

import aiohttp

from puna.seams import Probe

__all__ = ["wire_points"]

_SENT = {"POST": "request-sent", "PATCH": "replace-sent", "DELETE": "cancel-sent"}


def wire_points(probe: Probe) -> aiohttp.TraceConfig:
    """Hooks that call `probe`: request-first-byte, request-sent, replace-sent, cancel-sent, reply-received."""
    trace = aiohttp.TraceConfig()

    async def begun(_: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> None:
        context.method = params.method
        if params.method == "POST":
            probe("request-first-byte")
        elif params.method == "DELETE":
            probe("cancel-sent")

    async def body_sent(_: aiohttp.ClientSession, __: SimpleNamespace, params: Any) -> None:
        if params.method in ("POST", "PATCH"):
            probe(_SENT[params.method])

    async def answered(_: aiohttp.ClientSession, __: SimpleNamespace, params: Any) -> None:
        if params.method == "POST":
            probe("reply-received")

    trace.on_request_headers_sent.append(begun)
    trace.on_request_chunk_sent.append(body_sent)
    trace.on_request_end.append(answered)
    return trace
