"""Where we connect to, and with which keys: the paper hosts, the data hosts and loopback, and nothing else.

No permit for live exists, so every live host is refused, whatever the configuration says; so is every host that is not
known, because what is not known to be paper must be taken for live. Hosts are compared as parsed by the library that
dials them, for equality, with scheme and port (SEC-16): prefixes and substrings prove nothing.
"""

import ipaddress
import re
import socket  # noqa: TID251 - names of constants; this is the rim that dials
from dataclasses import dataclass
from functools import lru_cache

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from puna.config.secret import Secret
from puna.errors import LiveRefusedError

__all__ = ["Credentials", "Endpoints", "GuardedResolver", "check_host"]

PAPER = frozenset({"paper-api.alpaca.markets"})
DATA = frozenset({"data.alpaca.markets", "data.sandbox.alpaca.markets"})
STREAMS = frozenset({"stream.data.alpaca.markets", "stream.data.sandbox.alpaca.markets"})
LIVE = frozenset({"api.alpaca.markets", "broker-api.alpaca.markets"})
ALLOWED = {"https": PAPER | DATA, "wss": PAPER | STREAMS}
PLAIN_SCHEMES = frozenset({"http", "ws", "https", "wss"})

# What parsers have disagreed about: backslashes, whitespace, control and non-ASCII characters, a user before the host.
_SUSPECT = re.compile(r"[^!-\[\]-~]|^[^/]*//[^/?#]*@")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key id and its secret. Neither is ever printed."""

    key: Secret
    secret: Secret

    @classmethod
    def of(cls, key: str, secret: str) -> "Credentials":
        return cls(Secret(key), Secret(secret))


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The four places of one environment. Making them checks them, and so does every dial."""

    trading: str
    data: str
    data_stream: str
    trading_stream: str

    def __post_init__(self) -> None:
        for url in (self.trading, self.data, self.data_stream, self.trading_stream):
            check_host(url)

    @property
    def live(self) -> bool:
        """Whether money is at stake: orders go anywhere but to paper or to loopback."""
        host = URL(self.trading).host
        return not (host in PAPER or _is_loopback(host))

    def stream_at(self, path: str) -> str:
        """Another market-data stream of the same environment: `/v1beta3/crypto/us`, `/v1beta1/news`."""
        root, found, _ = self.data_stream.rpartition("/v2/")
        if not found:
            root = str(URL(self.data_stream).origin())
        return f"{root}{path}"

    @classmethod
    def paper(cls, feed: str = "iex") -> "Endpoints":
        """Alpaca's paper trading and market data; `feed` is iex, sip, delayed_sip or test."""
        return cls(
            "https://paper-api.alpaca.markets",
            "https://data.alpaca.markets",
            f"wss://stream.data.alpaca.markets/v2/{feed}",
            "wss://paper-api.alpaca.markets/stream",
        )

    @classmethod
    def at(cls, url: str, feed: str = "iex") -> "Endpoints":
        """An exchange on loopback that serves everything, such as `puna exchange`."""
        check_host(url)
        base = URL(url)
        if not _is_loopback(base.host):
            raise _refusal(url, "only an exchange on loopback serves everything at one address")
        if base.host == "localhost":  # the hosts file may say anything
            base = base.with_host("127.0.0.1")
        http = str(base).rstrip("/")
        ws = str(base.with_scheme({"http": "ws", "https": "wss"}.get(base.scheme, base.scheme))).rstrip("/")
        return cls(http, http, f"{ws}/v2/{feed}", f"{ws}/stream")


def check_host(url: str | URL) -> URL:
    """The URL, parsed, if it may be dialled.

    Raises:
        LiveRefusedError: a live host, an unknown host, or an address that is not what it seems.
    """
    if isinstance(url, URL):
        parsed = url
    elif _SUSPECT.search(url):
        raise _refusal(url, "it has characters that parsers disagree about, or a user before the host")
    else:
        parsed = _parse(url)
    if reason := _objection(parsed.scheme, parsed.host, parsed.port, parsed.raw_user is not None):
        raise _refusal(str(url), reason)
    return parsed


def _parse(url: str) -> URL:
    try:
        return URL(url)
    except ValueError as error:
        raise _refusal(url, "it is not a URL") from error


@lru_cache(maxsize=64)
def _objection(scheme: str, host: str | None, port: int | None, user: bool) -> str:  # noqa: FBT001
    if user:
        return "it carries a user"
    if host in LIVE:
        return f"{host} is a live host, and no permit for live exists"
    if scheme in PLAIN_SCHEMES and _is_loopback(host):
        return ""
    if host in ALLOWED.get(scheme, ()) and port == 443:
        return ""
    return "it is neither a paper host, nor a data host, nor loopback, over TLS and at its usual port"


def _is_loopback(host: str | None) -> bool:
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(url: str, reason: str) -> LiveRefusedError:
    shown = "".join(character if character.isprintable() else "?" for character in url.rsplit("@", 1)[-1])[:120]
    return LiveRefusedError(
        f"Refused to connect to {shown!r}.",
        why=reason,
        state="Nothing was sent.",
        remedy="Use https://paper-api.alpaca.markets, or an exchange on loopback.",
    )


class GuardedResolver(ThreadedResolver):
    """Resolves names anew for each connection, and refuses answers that lead inside (NET-19, SEC-17)."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = await super().resolve(host, port, family)
        wanted = [each for each in answers if _fits(host, each["host"])]
        if not wanted:
            raise OSError(None, f"{host} resolves to an address that it cannot have")
        return wanted


def _fits(host: str, address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_loopback if _is_loopback(host) else ip.is_global
