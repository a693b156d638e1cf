"""The paths of the streams (facts.md 1). The one of news is also a route of the data API."""

from collections.abc import Mapping

from aiohttp import web

__all__ = ["DATA_STREAMS", "TRADING_STREAM", "Feed", "is_stream"]

Feed = str
"""What a data stream carries: "stocks", "test", "crypto", "options" or "news"."""

DATA_STREAMS: Mapping[str, Feed] = {
    "/v2/sip": "stocks",
    "/v2/iex": "stocks",
    "/v2/delayed_sip": "stocks",
    "/v1beta1/boats": "stocks",
    "/v1beta1/overnight": "stocks",
    "/v2/test": "test",
    "/v1beta3/crypto/us": "crypto",
    "/v1beta3/crypto/us-1": "crypto",
    "/v1beta3/crypto/eu-1": "crypto",
    "/v1beta1/indicative": "options",
    "/v1beta1/opra": "options",
    "/v1beta1/options/indicative": "options",
    "/v1beta1/options/opra": "options",
    "/v1beta1/news": "news",
}
TRADING_STREAM = "/stream"


def is_stream(request: web.Request) -> bool:
    """Whether a request is the handshake of a stream, and not of the data API."""
    path = request.path
    if path == "/v1beta1/news":
        return request.headers.get("Upgrade", "").lower() == "websocket"
    return path in DATA_STREAMS or path == TRADING_STREAM
