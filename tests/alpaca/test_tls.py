"""The REST client over TLS: certificates and names are checked before a key is sent."""

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from proxy import Proxy

from puna.alpaca import tls
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.pace import Backoff
from puna.alpaca.trading import get_account
from puna.errors import NetworkError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make a certificate with")

ONCE = Backoff(retries=0)


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for `name`, with its key, in one file."""
    file = folder / f"{name.replace(':', '-')}.pem"
    key = folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", f"subjectAltName={name}", "-keyout", key, "-out", file],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for 127.0.0.1 that the client trusts."""
    file = certificate(tmp_path, "IP:127.0.0.1")
    monkeypatch.setattr(tls, "trust", lambda: ssl.create_default_context(cafile=str(file)))
    return file


@pytest.fixture
async def seen() -> list[str]:
    """The keys that a server has got to see."""
    return []


async def serving(file: Path, seen: list[str]) -> AsyncIterator[str]:
    """A server with that certificate; its address."""

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["APCA-API-KEY-ID"])
        return web.Response(body=b'{"id":"1","status":"ACTIVE","cash":"1"}')

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_trusted_server_is_spoken_to(trusted: Path, seen: list[str], credentials: Credentials) -> None:
    """Several requests on one connection."""
    async for url in serving(trusted, seen):
        async with AsyncAlpaca(credentials, Endpoints.at(url), retries=ONCE) as alpaca:
            for _ in range(3):
                assert (await alpaca(get_account())).status == "ACTIVE"
    assert seen == ["PKCANARYKEY"] * 3


async def test_through_a_proxy(trusted: Path, seen: list[str], credentials: Credentials) -> None:
    """TLS is with the broker: the proxy sees where to, and no key."""
    proxy = Proxy()
    async for url in serving(trusted, seen):
        async with proxy.running() as way, AsyncAlpaca(credentials, Endpoints.at(url), proxy=way) as alpaca:
            assert (await alpaca(get_account())).status == "ACTIVE"
    assert seen == ["PKCANARYKEY"]
    assert not any(b"PKCANARYKEY" in head for head in proxy.heads)


@pytest.mark.parametrize("name", ["IP:127.0.0.1", "DNS:paper-api.alpaca.markets"])
async def test_an_untrusted_server_never_sees_a_key(
    tmp_path: Path, seen: list[str], credentials: Credentials, name: str
) -> None:
    """A certificate that nobody vouches for, whatever name it has: nothing was sent, and nothing is in doubt."""
    async for url in serving(certificate(tmp_path, name), seen):
        async with AsyncAlpaca(credentials, Endpoints.at(url), retries=ONCE) as alpaca:
            with pytest.raises(NetworkError) as raised:
                await alpaca(get_account())
    assert raised.value.state == "Nothing was sent."
    assert not raised.value.in_doubt
    assert not seen


async def test_a_certificate_of_another_name_is_refused(
    tmp_path: Path, seen: list[str], credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust in the certificate is not trust in the name."""
    file = certificate(tmp_path, "DNS:elsewhere.example")
    monkeypatch.setattr(tls, "trust", lambda: ssl.create_default_context(cafile=str(file)))
    async for url in serving(file, seen):
        async with AsyncAlpaca(credentials, Endpoints.at(url), retries=ONCE) as alpaca:
            with pytest.raises(NetworkError) as raised:
                await alpaca(get_account())
    assert raised.value.state == "Nothing was sent."
    assert not seen
