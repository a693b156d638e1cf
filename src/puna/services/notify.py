"""What systemd is told (sd_notify): ready, watchdog, stopping; nothing anywhere else."""

import os
import socket  # noqa: TID251 - a datagram to systemd; this is the rim that sends it
from contextlib import suppress

__all__ = ["tell_systemd", "watchdog_seconds"]


def tell_systemd(text: str) -> bool:
    """Sends a word such as READY=1 to $NOTIFY_SOCKET; False where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    address = "\0" + address[1:] if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
        sending.sendto(text.encode(), address)
        return True
    return False


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear WATCHDOG=1: half of WatchdogSec; None when it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdigit() and int(microseconds) else None
