"""One client of Alpaca for each (credentials, environment, places): shared by all who ask for the same, by nobody else.

Paper and live side by side never share or evict each other. The pool holds its clients weakly, and knows secrets only
by a digest: a client, and the secret in it, lives as long as somebody uses it.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from yarl import URL

from puna.alpaca.frames import StreamOptions
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import RETRIES, AsyncAlpaca
from puna.alpaca.request import Api
from puna.config import environment as env
from puna.errors import ConfigError, LiveRefusedError

__all__ = ["Connection", "Places", "Pool", "credentials_of", "places_of"]

LIVE = "https://api.alpaca.markets"


class Common(Protocol):
    """What both client configurations have."""

    api_key: str | None
    api_secret: str | None
    paper: bool
    base_url_http: str | None
    base_url_stream: str | None
    proxy_url: str | None
    timeout_secs: float
    max_retries: int


class Places(NamedTuple):
    """Where an account lives.

    Args:
        trading: REST.
        data: REST.
        streams: root of the market-data streams.
        updates: the trading stream.
    """

    trading: str
    data: str
    streams: str
    updates: str

    def endpoints(self) -> Endpoints:
        """As the client wants them; every dial is checked."""
        return Endpoints(self.trading, self.data, f"{self.streams}/v2/iex", self.updates)


class Connection:
    """A client, and what its streams need. Closed when the last of its users has released it."""

    def __init__(
        self, credentials: Credentials, places: Places, *, timeout: float, retries: int, proxy: str | None
    ) -> None:
        self.credentials = credentials
        self.places = places
        self.proxy = proxy
        self.alpaca = AsyncAlpaca(
            credentials,
            places.endpoints(),
            deadline=timeout,
            retries=replace(RETRIES, retries=retries),
            proxy=proxy,
        )
        self._users = 0

    def stream_options(self, api: Api, **options: Any) -> StreamOptions:
        """Options of a stream whose handshakes count against this client's budget."""
        return StreamOptions(turnstile=self.alpaca.turnstiles[api], proxy=self.proxy, **options)

    def use(self) -> None:
        self._users += 1

    async def release(self) -> None:
        """Closes the client when nobody else uses it."""
        self._users -= 1
        if self._users <= 0:
            await self.alpaca.close()


class Pool:
    """The connections of this process."""

    def __init__(self) -> None:
        self._connections: WeakValueDictionary[tuple[object, ...], Connection] = WeakValueDictionary()

    def get(self, config: Common, data_url: str | None, owner: object) -> Connection:
        """The connection for a configuration; `owner` is the event loop, which a client cannot leave.

        Raises:
            LiveRefusedError: a live host, or no paper account.
            ConfigError: no keys.
        """
        credentials, places = credentials_of(config), places_of(config, data_url)
        key = (_digest(credentials), places, config.paper, config.proxy_url, config.timeout_secs, config.max_retries)
        whole = (*key, id(owner))
        found = self._connections.get(whole)
        if found is None:
            found = Connection(
                credentials, places, timeout=config.timeout_secs, retries=config.max_retries, proxy=config.proxy_url
            )
            self._connections[whole] = found
        return found


def credentials_of(config: Common, variables: Mapping[str, env.Variable] | None = None) -> Credentials:
    """From the configuration, else from the environment.

    Raises:
        ConfigError: there are none, or only one half.
    """
    if config.api_key and config.api_secret:
        return Credentials.of(config.api_key, config.api_secret)
    if config.api_key or config.api_secret:
        raise ConfigError("A key needs its secret, and a secret its key.", remedy="Set both, or neither.", code="E008")
    found = env.keys(env.Environment(os.environ, dotenv=Path(".env")) if variables is None else variables)
    if found is None:
        raise ConfigError(
            "There are no keys for Alpaca.",
            why="neither the configuration of the client nor the environment has them",
            remedy="Set ALPACA_API_KEY and ALPACA_SECRET_KEY.",
            code="E008",
        )
    return Credentials(found.key, found.secret)


def places_of(config: Common, data_url: str | None = None) -> Places:
    """Where to connect to. One address on loopback, of an exchange, stands for all.

    Raises:
        LiveRefusedError: a live account; no permit for it exists.
    """
    paper = Endpoints.paper()
    http, stream = config.base_url_http, config.base_url_stream
    if http is None and not config.paper:
        raise LiveRefusedError(
            "Live trading is refused.",
            why="paper=False, and no permit for live exists",
            state="Nothing was connected to.",
            remedy="Use paper=True.",
        )
    if http is None:
        root = "wss://stream.data.alpaca.markets"
        return Places(paper.trading, data_url or paper.data, stream or root, stream or paper.trading_stream)
    local = Endpoints.at(http) if _is_local(http) else None
    socket = (str(URL(local.trading_stream).with_path("")) if local else _socket(http)).rstrip("/")
    return Places(
        http.rstrip("/"),
        (data_url or (local.data if local else paper.data)).rstrip("/"),
        (stream or (socket if local else "wss://stream.data.alpaca.markets")).rstrip("/"),
        f"{stream.rstrip('/')}/stream" if stream else f"{socket}/stream",
    )


def _socket(http: str) -> str:
    url = URL(http)
    return str(url.with_scheme("ws" if url.scheme == "http" else "wss"))


def _is_local(http: str) -> bool:
    return URL(http).host in ("127.0.0.1", "localhost", "::1")


def _digest(credentials: Credentials) -> str:
    both = f"{credentials.key.reveal()}\0{credentials.secret.reveal()}"
    return hashlib.sha256(both.encode()).hexdigest()
