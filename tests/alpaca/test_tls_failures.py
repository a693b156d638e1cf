"""NET-03: certificates that cannot be trusted, names that do not fit, TLS that is too old; against real TLS servers."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from puna.alpaca import tls
from puna.alpaca.events import get_activity_events
from puna.alpaca.feed import EventFeed
from puna.alpaca.frames import StreamOptions, Subscription
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.pace import Backoff
from puna.alpaca.reception import Reception
from puna.alpaca.session import Failure
from puna.alpaca.stream import market_data, trade_updates
from puna.alpaca.trading import get_account, submit_order
from puna.errors import AuthError, PunaError, TlsError
from puna.seams import seeded_rng
from puna.wire.codec import Amount
from puna.wire.trading import OrderRequest

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make certificates with")

CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
x509_extensions = names
unique_subject = no
[any]
commonName = supplied
[names]
subjectAltName = {name}
"""
NOW, PAST = ("20200101000000Z", "20491231000000Z"), ("20200101000000Z", "20200201000000Z")
FUTURE = ("20480101000000Z", "20491231000000Z")
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Authority:
    """An authority of our own, which signs whatever a test wants; `file` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "ca.pem"
        openssl(
            "req",
            "-x509",
            *KEY,
            "-days",
            20,
            "-subj",
            "/CN=our authority",
            "-keyout",
            folder / "ca.key",
            "-out",
            self.file,
        )
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")

    def signs(self, valid: tuple[str, str] = NOW, name: str = "IP:127.0.0.1") -> Path:
        """A certificate and its key, in one file."""
        made, key, config = (self.folder / each for each in ("made.pem", "made.key", "ca.cnf"))
        config.write_text(CONFIG.format(folder=self.folder, name=name))
        openssl("req", "-new", *KEY, "-subj", "/CN=test", "-keyout", key, "-out", self.folder / "made.csr")
        openssl("ca", "-batch", "-notext", "-config", config, "-keyfile", self.folder / "ca.key", "-cert", self.file,
                "-startdate", valid[0], "-enddate", valid[1], "-in", self.folder / "made.csr",
                "-out", made)  # fmt: skip
        return self._whole(made, key)

    def self_signed(self) -> Path:
        """A certificate that only itself vouches for."""
        made, key = self.folder / "self.pem", self.folder / "self.key"
        openssl("req", "-x509", *KEY, "-days", 2, "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", key, "-out", made)  # fmt: skip
        return self._whole(made, key)

    def _whole(self, made: Path, key: Path) -> Path:
        whole = self.folder / f"whole-{made.name}"
        whole.write_bytes(made.read_bytes() + key.read_bytes())
        return whole


class Server:
    """A TLS server on loopback: how many came, and what anybody got to say to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.dials = 0
        self.heard = b""

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints.at(f"https://127.0.0.1:{self.port}")


def context_of(file: Path, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if newest is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = newest, newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[Server]:
    """A server in a thread that counts its connections before TLS begins; without a context it does not speak TLS.

    Blocking sockets, since they send the alert of a handshake that fails before they close.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(listening.getsockname()[1])

    def speak(plain: socket.socket) -> None:
        if context is None:
            server.heard += plain.recv(65536)
            plain.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        with context.wrap_socket(plain, server_side=True) as secure:
            server.heard += secure.recv(65536)

    def accept() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            server.dials += 1
            with plain, suppress(OSError):
                plain.settimeout(10)
                speak(plain)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our authority is the one that is trusted; everything else is as it always is."""
    ours = tls.trust()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ours.minimum_version
    context.load_verify_locations(authority.file)
    monkeypatch.setattr(tls, "trust", lambda: context)


CASES: dict[str, tuple[Callable[[Authority], ssl.SSLContext | None], str]] = {
    "expired": (lambda ca: context_of(ca.signs(PAST)), "its certificate has expired"),
    "not yet valid": (lambda ca: context_of(ca.signs(FUTURE)), "its certificate is not valid yet"),
    "self-signed": (lambda ca: context_of(ca.self_signed()), "its certificate is signed by itself"),
    "wrong host": (lambda ca: context_of(ca.signs(name="DNS:elsewhere.example")), "is for another address"),
    "old protocol": (lambda ca: context_of(ca.signs(), ssl.TLSVersion.TLSv1_1), "older than 1.2"),
    "no TLS": (lambda _: None, "it does not speak TLS"),
}


async def failing(work: Callable[[], Awaitable[object]]) -> TlsError:
    with pytest.raises(TlsError) as raised:
        await work()
    return raised.value


def possible(case: str) -> None:
    """Skips what this machine's TLS cannot act out."""
    if case == "old protocol" and not ssl.HAS_TLSv1_1:
        pytest.skip("no TLS 1.1 here")


def judged(error: PunaError, server: Server, reason: str) -> None:
    """The reason by name, nobody's keys blamed, nothing in doubt; and no key was ever sent."""
    assert reason in error.what
    assert error.code == "E014"
    assert not error.in_doubt
    assert not isinstance(error, AuthError)
    assert error.state == "Nothing was sent."
    assert b"CANARY" not in server.heard
    assert "CANARY" not in str(error)
    assert error.remedy


@pytest.mark.parametrize("case", CASES)
async def test_a_request_fails_with_the_reason_and_once(
    authority: Authority, credentials: Credentials, case: str
) -> None:
    """A read that is repeated for any other failure of the network is not: one dial, one error; so is an order."""
    possible(case)
    make, reason = CASES[case]
    quick = Backoff(base=0.001, cap=0.002)
    order = OrderRequest(symbol="AAPL", qty=Amount(1), side="buy", type="market", time_in_force="day")
    with serving(make(authority)) as server:
        async with AsyncAlpaca(credentials, server.endpoints, retries=quick) as alpaca:
            judged(await failing(lambda: alpaca(get_account())), server, reason)
            assert server.dials == 1
            judged(await failing(lambda: alpaca(submit_order(order))), server, reason)
            assert server.dials == 2


@pytest.mark.parametrize("case", CASES)
async def test_streams_do_not_begin(authority: Authority, credentials: Credentials, case: str) -> None:
    """Both WebSockets and the event feed: permanent while they never were live, so nobody dials again."""
    possible(case)
    make, reason = CASES[case]
    options = StreamOptions(rng=seeded_rng(1), backoff=Backoff(base=0.001, cap=0.002))
    with serving(make(authority)) as server:
        streams: list[Any] = [
            market_data(server.endpoints, credentials, Subscription.of(quotes=["AAPL"]), options),
            trade_updates(server.endpoints, credentials, options),
            EventFeed(server.endpoints, credentials, get_activity_events(), options),
        ]
        for number, stream in enumerate(streams, 1):
            async with stream:
                judged(await failing(stream.ready), server, reason)
                assert server.dials == number


async def test_a_stream_that_was_live_waits_before_it_tries_again(
    authority: Authority, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that changes within a day ends nothing: it dials again after half a minute, not sooner."""
    waits: list[float] = []
    tls_failure = tls.tls_error(ssl.SSLError(1, "x"), "host")

    class Live(Reception[Any]):
        async def _connection(self, http: Any) -> Any:
            self._arrived()
            self._left()
            if len(waits) == 3:
                return None
            return Failure(tls_failure, permanent=True, floor=tls.TLS_FLOOR_SECONDS)

    options = StreamOptions(rng=seeded_rng(1))

    async def backoff(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(options.clock, "backoff", backoff)
    stream = Live("live", options, lossless=True)
    async with stream:
        await asyncio.wait_for(stream._start(), 10)
    assert len(waits) == 3
    assert min(waits) >= 30
