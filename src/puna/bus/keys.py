"""Who may talk on the bus: CURVE keys in files, roles by name, rotation, and an authenticator that fails closed.

A folder of mode 0700 holds `NAME.secret` (mode 0600) for each peer that lives here, and `peers.json`: which public keys
belong to which name, and what that name may do. During a rotation a name has two keys. CURVE alone proves only that
somebody has some key; who it is and what he may do is decided here, and without an authenticator nobody gets in, since
every server enforces its ZAP domain (reliability.md 0.8, SEC-01 to SEC-03).
"""

import asyncio
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import msgspec
import zmq
from zmq.utils import z85

from puna.bus.sockets import DOMAIN, Bell, Curve
from puna.errors import ConfigError

__all__ = ["Authenticator", "KeyStore", "Peer", "Role"]

PEERS = "peers.json"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class Role(StrEnum):
    """What a peer may do."""

    WATCH = "watch"  # subscribe, and ask for events
    SIGNALS = "signals"  # send signals
    INTENTS = "intents"  # send order intents and cancels
    RISK = "risk"  # set limits and halt


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name, its public keys (the newest first), and what it may do."""

    name: str
    keys: tuple[str, ...]
    roles: tuple[Role, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """peers.json."""

    version: int
    peers: tuple[Peer, ...]


class KeyStore:
    """The keys of a folder.

    Args:
        folder: made with mode 0700 by the first `create`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def peers(self) -> dict[str, Peer]:
        """Everybody who is known, by name.

        Raises:
            ConfigError: E037, the file is open to others or cannot be understood.
        """
        path = self.folder / PEERS
        if not path.exists():
            return {}
        try:
            found = msgspec.json.decode(_private(path), type=_File)
        except (msgspec.MsgspecError, ValueError) as error:
            raise _unusable(path, str(error)) from error
        return {peer.name: peer for peer in found.peers}

    def create(self, name: str, roles: Iterable[Role] = (Role.WATCH,)) -> Peer:
        """A new pair for a new name.

        Raises:
            ConfigError: the name is none, or is taken.
        """
        known = self.peers()
        if not _NAME.fullmatch(name):
            raise _unusable(self.folder, f"{name!r} is no name: a small letter, then up to 23 of a-z, 0-9, -")
        if name in known:
            raise _unusable(self.folder, f"{name} has keys already; a new pair: puna bus keys --rotate {name}")
        peer = Peer(name, (self._new_secret(name),), tuple(roles))
        self._write({**known, name: peer})
        return peer

    def rotate(self, name: str) -> Peer:
        """A new pair; the old public key is still accepted until `retire`."""
        peer = self._peer(name)
        fresh = Peer(name, (self._new_secret(name), *peer.keys[:1]), peer.roles)
        self._write({**self.peers(), name: fresh})
        return fresh

    def retire(self, name: str) -> Peer:
        """Only the newest key of this name is accepted from now on."""
        peer = self._peer(name)
        fresh = Peer(name, peer.keys[:1], peer.roles)
        self._write({**self.peers(), name: fresh})
        return fresh

    def revoke(self, name: str) -> None:
        """Nobody gets in by this name any more."""
        self._peer(name)
        self._write({key: peer for key, peer in self.peers().items() if key != name})
        (self.folder / f"{name}.secret").unlink(missing_ok=True)

    def admit(self, name: str, public: str, roles: Iterable[Role]) -> Peer:
        """Takes the public key of a peer whose secret lives elsewhere."""
        if not _NAME.fullmatch(name) or not _Z85.fullmatch(public):
            raise _unusable(self.folder, "a name, and a public key of 40 Z85 characters, are needed")
        peer = Peer(name, (public,), tuple(roles))
        self._write({**self.peers(), name: peer})
        return peer

    def server(self, name: str) -> Curve:
        """The keys with which `name` lets others in."""
        public, secret = self._pair(name)
        return Curve(public, secret)

    def client(self, name: str, server: str) -> Curve:
        """The keys with which `name` talks to `server`."""
        public, secret = self._pair(name)
        return Curve(public, secret, self._peer(server).keys[0].encode())

    def _pair(self, name: str) -> tuple[bytes, bytes]:
        secret = _private(self.folder / f"{name}.secret").strip()
        try:
            return zmq.curve_public(secret), secret
        except (zmq.ZMQError, ValueError) as error:
            raise _unusable(self.folder / f"{name}.secret", "it holds no key") from error

    def _peer(self, name: str) -> Peer:
        peer = self.peers().get(name)
        if peer is None:
            raise _unusable(self.folder, f"{name} is not known; make it: puna bus keys {name}")
        return peer

    def _new_secret(self, name: str) -> str:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        public, secret = zmq.curve_keypair()
        _put(self.folder / f"{name}.secret", secret + b"\n")
        return public.decode()

    def _write(self, peers: dict[str, Peer]) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        body = msgspec.json.format(msgspec.json.encode(_File(1, tuple(peers.values()))), indent=2)
        _put(self.folder / PEERS, body + b"\n")


class Authenticator:
    """Answers ZeroMQ's question who may come in (ZAP, RFC 27), for all servers of one context.

    Args:
        context: the servers'.
        store: who is known; read again when it changes, so a revoked key does not get in again.

    Attributes:
        admitted: handshakes that were let in, by name.
        refused: handshakes that were not, by reason.
    """

    def __init__(self, context: "zmq.Context[Any]", store: KeyStore) -> None:
        self.admitted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._store = store
        self._socket: zmq.Socket[bytes] = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("inproc://zeromq.zap.01")
        self._bell = Bell(self._socket)
        self._stamp = -1
        self._names: dict[bytes, Peer] = {}
        self._task: asyncio.Task[None] | None = None

    def roles(self, name: str) -> tuple[Role, ...]:
        """What a name may do now."""
        return next((peer.roles for peer in self._known().values() if peer.name == name), ())

    def answer(self, request: list[bytes]) -> list[bytes]:
        """The reply to one request; anything that is not clearly allowed is refused."""
        version, number, domain, _, _, mechanism, *credentials = request + [b""] * max(0, 7 - len(request))
        name, why = self._judge(version, domain, mechanism, credentials)
        if name is None:
            self.refused[why] += 1
            return [b"1.0", number, b"400", why.encode(), b"", b""]
        self.admitted[name] += 1
        return [b"1.0", number, b"200", b"OK", name.encode(), b""]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()

    async def _serve(self) -> None:
        while True:
            await self._bell.wait()
            self._socket.send_multipart(self.answer(self._socket.recv_multipart(zmq.NOBLOCK)))
            self._bell.ring()

    def _judge(
        self, version: bytes, domain: bytes, mechanism: bytes, credentials: list[bytes]
    ) -> tuple[str | None, str]:
        if version != b"1.0" or domain != DOMAIN:
            return None, "another domain"
        if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
            return None, "not CURVE"
        peer = self._known().get(z85.encode(credentials[0]))
        return (peer.name, "") if peer else (None, "unknown key")

    def _known(self) -> dict[bytes, Peer]:
        """Public key -> peer; nobody when the file cannot be used."""
        try:
            stamp = (self._store.folder / PEERS).stat().st_mtime_ns
            if stamp != self._stamp:
                peers = self._store.peers().values()
                self._names = {key.encode(): peer for peer in peers for key in peer.keys}
                self._stamp = stamp
        except (OSError, ConfigError):
            self._stamp, self._names = -1, {}
        return self._names


def _private(path: Path) -> bytes:
    """A file's content, if nobody else can read it and it is no link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.getuid():
            raise _unusable(path, f"it can be read by others; chmod 600 {path.name}")
        return file.read(1 << 20)


def _put(path: Path, body: bytes) -> None:
    """Writes a file of mode 0600 in one step."""
    half = path.with_name(f".{path.name}-{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The bus keys in {path} cannot be used.",
        why=why,
        state="Nothing was started.",
        remedy="puna bus keys lists and makes them.",
        code="E037",
    )
