"""Going through a proxy: requests, streams, and what happens when the proxy says no."""

import pytest
from proxy import Proxy

from puna.alpaca.frames import StreamOptions, Subscription
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.stream import market_data
from puna.alpaca.trading import get_account
from puna.errors import NetworkError
from puna.exchange.server import ExchangeConfig, ExchangeServer, Speed

KEYS = Credentials.of("key", "secret")


async def test_requests_and_streams_go_through() -> None:
    """Both reach the exchange by the proxy alone, which is told who asks."""
    proxy = Proxy()
    config = ExchangeConfig(pacing=Speed(60), wait_for=(), lead_seconds=1)
    async with ExchangeServer(config) as exchange, proxy.running() as url:
        places = Endpoints.at(exchange.url)
        async with AsyncAlpaca(KEYS, places, proxy=url) as alpaca:
            assert (await alpaca(get_account())).cash == 100_000
        assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:")
        assert b"Proxy-Authorization: Basic " in proxy.heads[0]
        async with market_data(places, KEYS, Subscription.of(quotes=["AAPL"]), StreamOptions(proxy=url)) as stream:
            await stream.ready()
            assert (await anext(stream)).messages
        assert len(proxy.heads) == 2


async def test_a_proxy_that_says_no_is_named() -> None:
    """Nothing was sent to the broker, and the error says who refused."""
    proxy = Proxy(open_=False)
    async with proxy.running() as url, AsyncAlpaca(KEYS, Endpoints.at("http://127.0.0.1:9"), proxy=url) as alpaca:
        with pytest.raises(NetworkError) as caught:
            await alpaca._attempt(get_account())
    assert "proxy" in str(caught.value)


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """NET-20: HTTP_PROXY and the like are ignored."""
    proxy = Proxy()
    config = ExchangeConfig(pacing=Speed(60), wait_for=())
    async with ExchangeServer(config) as exchange, proxy.running() as url:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, url)
        async with AsyncAlpaca(KEYS, Endpoints.at(exchange.url)) as alpaca:
            await alpaca(get_account())
        assert not proxy.heads
