"""Two drivers of the same calls: `await alpaca(get_account())` and, without async, `alpaca(get_account())`.

A deadline on everything, and a place in the rate budget for everything. What may be repeated is repeated where that can
help (requirements F); what may not is sent once, by us and by the library beneath, and no clear answer to it is an
error with `in_doubt` set.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import aiohttp
from aiohttp.http import HttpProcessingError

from puna.alpaca.connection import Answer, DialError, OnWire, Origin
from puna.alpaca.hosts import Credentials, Endpoints, check_host
from puna.alpaca.pace import Backoff, Breaker, Budget, RateHeaders, Verdict, shared_budget
from puna.alpaca.refusals import error_of
from puna.alpaca.request import Api, Composite, Paged, Paging, Request
from puna.alpaca.trading import get_clock
from puna.alpaca.transport import USER_AGENT, failure, marked, named, rate_headers, read_body
from puna.alpaca.turnstile import Turnstile
from puna.errors import (
    BrokerError,
    DeadlineError,
    NetworkError,
    OutageError,
    ProtocolError,
    PunaError,
    RateLimitError,
    TlsError,
)
from puna.seams import Clock, Rng, SystemClock, system_rng

__all__ = ["Alpaca", "AsyncAlpaca", "Credentials", "Endpoints", "check_host"]

T = TypeVar("T")

BODY_CAP = 16 << 20
RETRIES = Backoff(base=1.0, cap=4.0, retries=3)
RETRIED_STATUSES = frozenset({500, 502, 503, 504})


class AsyncAlpaca:
    """The async client of Alpaca's REST API.

    Args:
        credentials: key and secret.
        endpoints: paper, or an exchange on loopback.
        clock: market time for backoff and pace, wall time for deadlines.
        rng: jitter.
        deadline: seconds for a whole request, body included.
        connect_deadline: seconds for making the connection, within `deadline`.
        retries: how GET and DELETE are repeated after a transient error.
        trading_limit: requests in any 60 s to the trading API, of all clients with this key; 0 is no limit.
        data_limit: the same for the data API.
        body_cap: bytes of an answer, on the wire and inflated.
        on_wire: called as a request goes out and its answer comes in.
        proxy: an HTTP proxy to go through; those of the environment are never used.

    Attributes:
        on_call: hears of every exchange: the call, "ok" or the error's code, its wall time in ns.
        on_retry: hears of every repetition: the call, and the error that it follows.
    """

    def __init__(
        self,
        credentials: Credentials,
        endpoints: Endpoints,
        *,
        clock: Clock | None = None,
        rng: Rng | None = None,
        deadline: float = 10.0,
        connect_deadline: float = 5.0,
        retries: Backoff = RETRIES,
        trading_limit: int = 200,
        data_limit: int = 200,
        body_cap: int = BODY_CAP,
        on_wire: OnWire | None = None,
        proxy: str | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self._credentials = credentials
        self._roots: dict[Api, str] = {"trading": endpoints.trading, "data": endpoints.data}
        self.turnstiles: dict[Api, Turnstile] = {
            "trading": Turnstile(self._budget("trading", trading_limit), self.clock),
            "data": Turnstile(self._budget("data", data_limit), self.clock),
        }
        self.breakers: dict[Api, Breaker] = {"trading": Breaker(), "data": Breaker()}
        self.on_call: Callable[[Request[Any], str, int], None] = lambda *_: None
        self.on_retry: Callable[[Request[Any], PunaError], None] = lambda *_: None
        self._rng: Rng = rng or system_rng()
        self._deadline = deadline
        self._connect_deadline = connect_deadline
        self._retries = retries
        self._body_cap = body_cap
        self._on_wire = on_wire
        self._proxy = proxy
        self._origins: dict[Api, Origin] = {}

    def _budget(self, api: Api, limit: int) -> Budget:
        """Shared by all who use the key on the machine's clock; a driven clock's time is nobody else's."""
        if isinstance(self.clock, SystemClock):
            return shared_budget(f"{api} {self._roots[api]}", self._credentials.key.reveal(), limit)
        return Budget(limit)

    @overload
    def __call__(self, call: Request[T]) -> Awaitable[T]: ...
    @overload
    def __call__(self, call: Composite[T]) -> Awaitable[T]: ...
    @overload
    def __call__(self, call: Paged[T]) -> AsyncIterator[T]: ...
    def __call__(self, call: Request[T] | Composite[T] | Paged[T]) -> Awaitable[T] | AsyncIterator[T]:
        """The answer of a request or of several, or the items of a paged one, page by page.

        Raises:
            BrokerError: the broker said no.
            NetworkError: the broker was not reached, or the connection broke.
            DeadlineError: no answer in time.
            ProtocolError: an answer that cannot be read.
        """
        if isinstance(call, Paged):
            return self._items(call)
        return self._request(call) if isinstance(call, Request) else self._composed(call)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes every connection; a later call opens new ones."""
        origins, self._origins = self._origins, {}
        for origin in origins.values():
            await origin.close()

    async def _items(self, paged: Paged[T]) -> AsyncIterator[T]:
        paging = Paging(paged)
        while paging.request is not None:
            for item in paging.take(await self._request(paging.request)):
                yield item

    async def _composed(self, composite: Composite[T]) -> T:
        steps = composite.steps()
        try:
            ask = next(steps)
            while True:
                try:
                    if isinstance(ask, Paged):
                        answer: Any = [item async for item in self._items(ask)]
                    else:
                        answer = await self._request(ask)
                except PunaError as error:
                    ask = steps.throw(error)
                else:
                    ask = steps.send(answer)
        except StopIteration as end:
            found: T = end.value
            return found

    async def _request(self, request: Request[T]) -> T:
        attempt = 0
        while True:
            try:
                return await self._attempt(request)
            except (BrokerError, NetworkError, DeadlineError) as error:
                if not (request.repeatable and transient(error)) or attempt == self._retries.retries:
                    raise
                self.on_retry(request, error)
            # A 429's reset is waited for by the turnstile, before this or any other request goes.
            await self.clock.backoff(self._retries.wait(attempt, self._rng))
            attempt += 1

    async def _attempt(self, request: Request[T]) -> T:
        """One try, with the breaker's leave and in its turn."""
        breaker = self.breakers[request.api]
        probing = await self._past(breaker, request)
        await self.turnstiles[request.api].enter(request.lane)
        try:
            answer = await self._timed(request)
        except (OutageError, NetworkError, DeadlineError) as error:
            if not isinstance(error, _NotTriedError):
                breaker.fail(self.clock.now())
            raise
        except BrokerError:
            breaker.succeed()
            raise
        else:
            breaker.succeed()
            return answer
        finally:
            if probing:
                breaker.give_up()

    async def _timed(self, request: Request[T]) -> T:
        """One exchange, of which `on_call` hears: the call, "ok" or an error's code, wall time in ns."""
        began, outcome = self.clock.monotonic(), "ok"
        try:
            return await self._send(request)
        except PunaError as error:
            outcome = error.code
            raise
        finally:
            self.on_call(request, outcome, self.clock.monotonic() - began)

    async def _past(self, breaker: Breaker, request: Request[Any]) -> bool:
        """True when this request is the breaker's probe.

        Raises:
            NetworkError: the breaker is open; nothing was sent.
        """
        verdict = breaker.verdict(request.lane, self.clock.now())
        if verdict is Verdict.PASS or not self.clock.moving:
            return False
        if verdict is Verdict.REFUSE:
            raise _broken(request)
        if request.method == "GET":
            breaker.probe()
            return True
        await self._attempt(get_clock())  # an order is no probe
        return False

    async def _send(self, request: Request[T]) -> T:
        answer = await self._exchange(request)
        status, headers = answer.status, answer.headers
        if "X-RateLimit-Limit" in headers or status == 429:
            self.turnstiles[request.api].learn(rate := rate_headers(headers), refused=status == 429)
        else:
            rate = RateHeaders()
        if 200 <= status <= 299:
            return self._read(request, answer.body)
        raise marked(error_of(status, answer.body, named(request), reset=rate.reset), request)

    def _read(self, request: Request[T], body: bytes) -> T:
        try:
            return request.read(body)
        except ProtocolError as error:
            raise marked(error, request) from error.__cause__

    async def _exchange(self, request: Request[Any]) -> Answer:
        """One HTTP exchange; the body inflated."""
        origin = self._origins.get(request.api) or self._origin(request.api)
        try:
            with self.clock.busy():
                async with self.clock.deadline(self._deadline):
                    answer = await origin.exchange(request.method, request.target, request.body, request.headers)
            return answer._replace(body=read_body(answer, self._body_cap))
        except (aiohttp.ClientError, HttpProcessingError, DialError, TimeoutError, OSError, ProtocolError) as error:
            raise failure(error, request, self._deadline) from error

    def _origin(self, api: Api) -> Origin:
        headers = {
            "User-Agent": USER_AGENT,
            "APCA-API-KEY-ID": self._credentials.key.reveal(),
            "APCA-API-SECRET-KEY": self._credentials.secret.reveal(),
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        self._origins[api] = origin = Origin(
            self._roots[api],
            headers,
            self.clock,
            connect_deadline=self._connect_deadline,
            body_cap=self._body_cap,
            on_wire=self._on_wire,
            proxy=self._proxy,
        )
        return origin


def transient(error: PunaError) -> bool:
    """It may well be better at the next try."""
    if isinstance(error, BrokerError):
        return isinstance(error, RateLimitError) or error.status in RETRIED_STATUSES
    return not isinstance(error, (_NotTriedError, TlsError))


class _NotTriedError(NetworkError):
    """The breaker is open."""


def _broken(request: Request[Any]) -> NetworkError:
    return _NotTriedError(
        f"The broker has been failing, so {named(request)} was not tried.",
        why="the circuit breaker is open after several outages in a row",
        state="Nothing was sent.",
        remedy="It tries again by itself, with reads first; cancels and closes are sent regardless.",
        code="E013",
    )


class Alpaca:
    """The client without async: the same calls, the same answers, one background thread with the loop.

    It works inside a running loop (Jupyter), too. Close it, or use it as a context; what is left open closes at exit.

    Args:
        credentials: key and secret.
        endpoints: paper, or an exchange on loopback.
        **options: as for AsyncAlpaca.
    """

    def __init__(self, credentials: Credentials, endpoints: Endpoints, **options: Any) -> None:
        self._alpaca = AsyncAlpaca(credentials, endpoints, **options)
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="puna-alpaca", daemon=True)
        self._thread.start()
        self._closed = weakref.finalize(self, _shut, self._alpaca, self._loop, self._thread, self._pid)

    @overload
    def __call__(self, call: Request[T]) -> T: ...
    @overload
    def __call__(self, call: Composite[T]) -> T: ...
    @overload
    def __call__(self, call: Paged[T]) -> Iterator[T]: ...
    def __call__(self, call: Request[T] | Composite[T] | Paged[T]) -> T | Iterator[T]:
        """The answer of a request or of several, or the items of a paged one; raises what AsyncAlpaca raises."""
        if isinstance(call, Paged):
            return self._items(call)
        inner = self._alpaca
        return self._wait(inner._request(call) if isinstance(call, Request) else inner._composed(call))  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections and ends the thread; a second call does nothing."""
        self._closed()

    def _items(self, paged: Paged[T]) -> Iterator[T]:
        paging = Paging(paged)
        while paging.request is not None:
            yield from paging.take(self(paging.request))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if reason := self._unusable():
            work.close()
            raise PunaError(
                "This client cannot be used here.", why=reason, state="Nothing was sent.", remedy="Make a new client."
            )
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _unusable(self) -> str:
        if os.getpid() != self._pid:
            return "it was made before a fork, and its thread and connections stayed with the parent"
        if not self._closed.alive:
            return "it is closed"
        return "a call from its own thread would wait for itself" if threading.current_thread() is self._thread else ""


def _shut(alpaca: AsyncAlpaca, loop: asyncio.AbstractEventLoop, thread: threading.Thread, pid: int) -> None:
    """Ends the thread of an Alpaca; in a forked child there is none to end, and the thread cannot wait for itself."""
    if os.getpid() != pid:
        return
    if threading.current_thread() is thread:
        loop.stop()
        return
    asyncio.run_coroutine_threadsafe(alpaca.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
