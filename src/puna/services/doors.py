"""The HTTP doors of a component: /health, /ready, /live, /metrics, and its own; open on loopback, a token elsewhere.

Whoever asks from this machine may look; from anywhere else, and for whatever has an effect, the bearer token is needed;
/live alone is open to all. The Host header must name this machine (no DNS rebinding), bodies are small, and no browser
of another origin gets anything (reliability.md, SEC-08 to SEC-13).
"""

import hmac
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from puna.errors import ConfigError

if TYPE_CHECKING:
    from puna.services.serve import Component

__all__ = ["Doors"]

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
BODY = 64 * 1024
SHORTEST_TOKEN = 32

Answerer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doors:
    """`async with` it: listens while it is entered.

    Args:
        component: who is asked.
    """

    def __init__(self, component: "Component") -> None:
        self.address = ""
        self.refused = 0
        self._component = component
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        place = self._component.place
        host, port = place.config.services.host, place.port(place.name)
        if (not _loopback(host) or place.guarded) and len(place.token) < SHORTEST_TOKEN:
            raise _unusable(host, port, "off loopback a token is needed, and there is none in the services' folder")
        guard = self._guard

        @web.middleware
        async def guarded(request: web.Request, handler: Answerer) -> web.StreamResponse:
            return await guard(request, handler)

        application = web.Application(middlewares=[guarded], client_max_size=BODY)
        for path, answer in (
            ("/health", self._health),
            ("/ready", self._ready),
            ("/live", self._live),
            ("/metrics", self._metrics),
        ):
            application.router.add_get(path, answer)
        for (method, path), own in self._component.routes().items():
            application.router.add_route(method, path, own)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, reuse_address=True).start()
        except OSError as error:
            await self._runner.cleanup()
            raise _unusable(host, port, error.strerror or str(error)) from error
        found = self._runner.addresses[0]
        self.address = f"http://{found[0]}:{found[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _guard(self, request: web.Request, answer: Answerer) -> web.StreamResponse:
        if refusal := self._objection(request):
            self.refused += 1
            return web.json_response({"error": refusal}, status=401 if "token" in refusal else 403, headers=HEADERS)
        response = await answer(request)
        response.headers.update(HEADERS)
        return response

    def _objection(self, request: web.Request) -> str:
        """Why this request is not answered; empty when it is."""
        place = self._component.place
        local = _loopback(request.remote or "")
        if local and not _ours(request.host, place.config.services.host):
            return "this host is not served here"
        if "Origin" in request.headers:
            return "not for browsers of another origin"
        if request.path == "/live":
            return ""
        open_here = local and request.method in ("GET", "HEAD") and not place.guarded
        return "" if open_here or _authorised(request, place.token) else "a bearer token is needed"

    async def _health(self, _request: web.Request) -> web.Response:
        component = self._component
        verdict = component.verdict()
        body = verdict.health(component.place.name, _plain(component.all_numbers()), component.place.wall.now())
        return web.json_response(body, status=verdict.http_status)

    async def _ready(self, _request: web.Request) -> web.Response:
        component = self._component
        verdict = component.verdict()
        body = verdict.readiness(component.place.name, component.place.wall.now())
        return web.json_response(body, status=200 if verdict.ready else 503)

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive")

    async def _metrics(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._component.metrics.text(), headers=headers)


def _plain(numbers: Any) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, dict) else value for name, value in numbers.items()}


def _authorised(request: web.Request, token: str) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return len(token) >= SHORTEST_TOKEN and kind == "Bearer" and hmac.compare_digest(given.encode(), token.encode())


def _ours(host: str, listening: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name.strip("[]") in ("localhost", "127.0.0.1", "::1", listening)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _unusable(host: str, port: int, why: str) -> ConfigError:
    return ConfigError(
        f"Health cannot listen on {host}:{port}.",
        why=why,
        state="Nothing was started.",
        remedy="Choose another services.host or port, or stop what uses it.",
        code="E038",
    )
