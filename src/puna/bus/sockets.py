"""What every socket of the bus has in common: limits, encryption, where it binds, and how a loop waits for it.

Nothing here is unbounded: queues, message size, handshakes, the goodbye. An ipc socket stands in a folder of mode 0700;
a tcp address that is not loopback is refused without CURVE.
"""

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

from puna.bus.messages import BusError
from puna.errors import ConfigError

try:
    import zmq
    import zmq.backend
except ImportError as error:  # pragma: no cover - depends on the installation
    raise ConfigError(
        "The bus needs pyzmq.",
        state="Nothing was started.",
        remedy="pip install 'puna[bus]'",
        code="E036",
    ) from error

__all__ = ["DOMAIN", "Bell", "Curve", "Limits", "attach", "is_local", "opened_socket", "readable", "sender"]

Buffer: TypeAlias = bytes | bytearray

DOMAIN = b"puna"
"""The ZAP domain: always named and always enforced, so that no authenticator means no entry."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Keys of one socket, Z85. A server has no `server`; a client names the server's public key."""

    public: bytes
    secret: bytes
    server: bytes | None = None

    def __repr__(self) -> str:
        return "Curve(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one socket.

    Args:
        queue: messages that may wait in each direction and for each peer; a publisher drops what is beyond it.
        largest: bytes of one message; a peer that sends more is cut off.
        handshake: seconds in which a peer must have proven who it is.
        backlog: connections that may wait to be accepted.
    """

    queue: int = 10_000
    largest: int = 1 << 20
    handshake: float = 5.0
    backlog: int = 128


def opened_socket(context: "zmq.Context[Any]", kind: int, limits: Limits, curve: Curve | None) -> "zmq.Socket[bytes]":
    """A socket with all its bounds and keys, not yet attached to anything."""
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, limits.queue)
    socket.setsockopt(zmq.RCVHWM, limits.queue)
    socket.setsockopt(zmq.MAXMSGSIZE, limits.largest)
    socket.setsockopt(zmq.HANDSHAKE_IVL, round(limits.handshake * 1000))
    socket.setsockopt(zmq.BACKLOG, limits.backlog)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 6000)
    if curve is not None:
        _encrypt(socket, curve)
    return socket


def attach(socket: "zmq.Socket[bytes]", address: str, *, bind: bool, curve: Curve | None) -> str:
    """Binds or connects, and says where: port 0 (tcp://127.0.0.1:0) becomes the one that was free.

    Raises:
        BusError: E703, the address is not ours to use, or leads outside without encryption; the socket is closed.
    """
    try:
        return _attached(socket, address, bind=bind, curve=curve)
    except BusError:
        socket.close(linger=0)
        raise


def _attached(socket: "zmq.Socket[bytes]", address: str, *, bind: bool, curve: Curve | None) -> str:
    if curve is None and not is_local(address):
        raise _refused(address, "it leads off this machine, and no keys are set", "Make keys: puna bus keys NAME")
    if address.startswith("ipc://"):
        _check_folder(Path(address.removeprefix("ipc://")).parent, make=bind)
    try:
        if not bind:
            socket.connect(address)
            return address
        socket.bind(address.removesuffix(":0") + ":*" if address.endswith(":0") else address)
    except zmq.ZMQError as error:
        raise _refused(address, str(error), "Stop what uses it, or choose another.") from error
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def is_local(address: str) -> bool:
    """inproc, ipc, or a loopback address; names other than localhost may lead anywhere."""
    scheme, _, rest = address.partition("://")
    if scheme in ("inproc", "ipc"):
        return True
    host = rest.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def sender(socket: "zmq.Socket[bytes]") -> Callable[[Buffer, int], Any]:
    """The socket's `send(frame, flags)` without the layer of Python around it, which takes half of the time."""
    send: Callable[[Buffer, int], Any] = zmq.backend.Socket.send.__get__(socket)
    return send


def readable(socket: "zmq.Socket[bytes]") -> bool:
    """Whether a message can be received without waiting."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


class Bell:
    """Wakes a coroutine when a socket has something to read; whoever else uses the socket calls `ring` afterwards."""

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self._socket = socket
        self._woken: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Returns when a message can be received without waiting."""
        loop = asyncio.get_running_loop()
        while not readable(self._socket):
            self._woken = loop.create_future()
            descriptor = self._socket.fileno()
            loop.add_reader(descriptor, self.ring)
            try:
                await self._woken
            finally:
                loop.remove_reader(descriptor)

    def ring(self) -> None:
        """Something may have come."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


def _encrypt(socket: "zmq.Socket[bytes]", curve: Curve) -> None:
    socket.setsockopt(zmq.CURVE_PUBLICKEY, curve.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, curve.secret)
    if curve.server is not None:
        socket.setsockopt(zmq.CURVE_SERVERKEY, curve.server)
        return
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def _check_folder(folder: Path, *, make: bool) -> None:
    """A folder of this user and of nobody else."""
    if make:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        found = folder.stat()
    except OSError as error:
        raise _refused(f"ipc://{folder}", error.strerror or str(error), "Start whoever binds there first.") from error
    if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.getuid():
        raise _refused(f"ipc://{folder}", "the folder is open to others", f"chmod 700 {folder}")


def _refused(address: str, why: str, remedy: str) -> BusError:
    return BusError(f"The bus cannot use {address}.", why=why, state="Nothing was started.", remedy=remedy, code="E703")
