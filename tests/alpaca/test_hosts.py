"""Live is refused, whatever it looks like; paper, data and loopback are allowed, whatever the case of their letters."""

import pickle
from typing import Any

import pytest

from puna.alpaca.hosts import Credentials, Endpoints, GuardedResolver, check_host
from puna.errors import LiveRefusedError


@pytest.mark.parametrize(
    "url",
    [
        "https://paper-api.alpaca.markets",
        "https://PAPER-API.alpaca.markets/v2/account",
        "https://paper-api.alpaca.markets:443/v2",
        "wss://paper-api.alpaca.markets/stream",
        "https://data.alpaca.markets",
        "https://data.sandbox.alpaca.markets",
        "wss://stream.data.alpaca.markets/v2/iex",
        "wss://stream.data.sandbox.alpaca.markets/v2/test",
        "http://127.0.0.1:8000",
        "ws://127.0.0.1:1/stream",
        "http://127.8.9.1",
        "http://[::1]:8000",
        "http://localhost:8000",
    ],
)
def test_paper_data_and_loopback_are_allowed(url: str) -> None:
    """The hosts of the fact sheet, over TLS; loopback over anything."""
    assert str(check_host(url))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",
        "https://API.ALPACA.MARKETS/v2/orders",
        "https://api.alpaca.markets.",
        "wss://api.alpaca.markets/stream",
        "https://broker-api.alpaca.markets",
        "https://paper-api.alpaca.markets.evil.tld",
        "https://paper-api.alpaca.markets@evil.tld",
        "https://user:pw@paper-api.alpaca.markets",
        "https://@paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets\\@evil.tld",
        "https://evil.tld\\@paper-api.alpaca.markets",
        "https://evil.tld/paper-api.alpaca.markets",
        "https://evil.tld#paper-api.alpaca.markets",
        "https://evil.tld?paper-api.alpaca.markets",
        "https://paper-api%2ealpaca.markets",
        "https://paper-api.alpaca.markets%00.evil.tld",
        "https://paper-api.alpaca.markets:8443",
        "https://paper-api.alpaca.markets:80",
        "http://paper-api.alpaca.markets",
        "ws://paper-api.alpaca.markets/stream",
        "ftp://paper-api.alpaca.markets",
        "wss://data.alpaca.markets",
        "https://stream.data.alpaca.markets",
        "https://xpaper-api.alpaca.markets",
        "https://paper-api.alpaca.markets .evil.tld",
        "https://paper-api.alpaca.markets\t.evil.tld",
        "https://paper-api.alpaca\u3002markets",
        "https://127.0.0.1.evil.tld",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]",
        "http://2130706433",
        "http://0x7f.1",
        "http://localhost.evil.tld",
        "paper-api.alpaca.markets",
        "//paper-api.alpaca.markets",
        "https://",
        "https://[",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    """Live hosts, look-alikes, odd ports and schemes, users before the host, other addresses (SEC-16)."""
    with pytest.raises(LiveRefusedError):
        check_host(url)


@pytest.mark.parametrize(
    "url", ["https://paper-api.alpaca.markets", "https://api.alpaca.markets", "http://127.0.0.1.evil.tld", "ftp://::1"]
)
def test_one_address_for_everything_must_be_loopback(url: str) -> None:
    """`Endpoints.at` is for an exchange of one's own."""
    with pytest.raises(LiveRefusedError):
        Endpoints.at(url)


def test_endpoints_of_paper_and_loopback() -> None:
    """Four places each; localhost becomes the address that it should be."""
    paper = Endpoints.paper(feed="sip")
    assert paper.data_stream == "wss://stream.data.alpaca.markets/v2/sip"
    here = Endpoints.at("http://localhost:8123/")
    assert here == Endpoints(
        "http://127.0.0.1:8123", "http://127.0.0.1:8123", "ws://127.0.0.1:8123/v2/iex", "ws://127.0.0.1:8123/stream"
    )


def test_credentials_never_show() -> None:
    """Neither repr nor str nor a format nor pickle gives them away."""
    credentials = Credentials.of("PKCANARYKEY", "canary-secret")
    assert "canary" not in f"{credentials!r} {credentials} {[credentials]} {credentials.secret:>20}".lower()
    with pytest.raises(TypeError):
        pickle.dumps(credentials)


@pytest.mark.parametrize(
    ("host", "addresses", "kept"),
    [
        ("paper-api.alpaca.markets", ["35.194.0.1", "10.0.0.1"], ["35.194.0.1"]),
        ("localhost", ["127.0.0.1", "10.0.0.1"], ["127.0.0.1"]),
    ],
)
async def test_names_must_resolve_to_where_they_belong(
    host: str, addresses: list[str], kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NET-19: a public name never leads inside, localhost never outside."""
    given: list[str] = addresses

    async def answer(*_: Any, **__: Any) -> list[dict[str, Any]]:
        return [{"host": address} for address in given]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", answer)
    resolver = GuardedResolver()
    assert [each["host"] for each in await resolver.resolve(host)] == kept
    given = ["192.168.0.1"]
    with pytest.raises(OSError, match="cannot have"):
        await resolver.resolve(host)
