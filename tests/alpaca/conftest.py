"""A broker on loopback whose every answer a test writes itself: real sockets, real HTTP, no rules of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from puna.alpaca.http import Credentials, Endpoints

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Broker:
    """What came in, and what goes out.

    Attributes:
        url: where it listens.
        requests: method, target, body and headers of each request, in the order of arrival.
        answers: what is answered to the n-th request; the last one goes on for ever.
    """

    url: str = ""
    requests: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints.at(self.url)

    @property
    def calls(self) -> list[str]:
        """Method and target of each request."""
        return [f"{method} {target}" for method, target, _, _ in self.requests]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any path, any method."""
        body = await request.read()
        self.requests.append((request.method, request.raw_path, body, dict(request.headers)))
        return await self.answers[min(len(self.requests), len(self.answers)) - 1](request)


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    """A running broker; the test fills its `answers`."""
    broker = Broker()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", broker.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    broker.url = f"http://{host}:{port}"
    yield broker
    await runner.cleanup()


@pytest.fixture
def credentials() -> Credentials:
    """Keys that no broker knows."""
    return Credentials.of("PKCANARYKEY", "canary-secret")
