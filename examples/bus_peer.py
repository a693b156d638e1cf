"""A peer of the bus without Puna: pyzmq, msgpack, and the 20 bytes of a header. Watches quotes, prints what it missed.

    python examples/bus_peer.py tcp://127.0.0.1:5555 market.quote 10

It is written the plain way, so that it can be put into any language with ZeroMQ. See docs/bus.md.
"""

import json
import struct
import sys
from typing import Any

import zmq

__all__ = ["follow", "main", "read"]

HEADER = struct.Struct(">BBHQQ")  # version, encoding, count, epoch, sequence; big-endian
SNAPSHOT = 0x8000


def read(frame: bytes) -> tuple[str, int, int, bool, list[dict[str, Any]]]:
    """Topic, epoch, number of the first message, whether it is a snapshot, and the messages."""
    topic, _, rest = frame.partition(b"\0")
    version, encoding, count, epoch, seq = HEADER.unpack_from(rest)
    if version != 1:
        raise SystemExit(f"this peer speaks version 1, not {version}")
    body = rest[HEADER.size :]
    if encoding == ord("j"):
        messages = json.loads(body)
    else:
        import msgspec  # noqa: PLC0415 - any msgpack library will do

        messages = msgspec.msgpack.decode(body)
    return topic.decode(), epoch, seq, bool(count & SNAPSHOT), messages


def follow(address: str, topic: str, count: int) -> int:
    """Prints `count` messages of a topic and everything below it; gives how many were lost on the way."""
    context: zmq.Context[Any] = zmq.Context.instance()
    socket = context.socket(zmq.SUB)
    for ending in ("\0", "."):  # whole segments: market.quote.AAPL, and never market.quotes
        socket.setsockopt(zmq.SUBSCRIBE, (topic + ending).encode())
    socket.connect(address)
    expected: dict[str, tuple[int, int]] = {}
    lost = 0
    while count > 0:
        name, epoch, seq, snapshot, messages = read(socket.recv())
        known = expected.get(name)
        if known is not None and known[0] == epoch:
            if seq + len(messages) <= known[1]:
                continue  # a snapshot for somebody else
            lost += max(0, seq - known[1])
        expected[name] = (epoch, seq + len(messages))
        for message in messages:
            print(name, seq, "snapshot" if snapshot else "", message)
            count -= 1
    socket.close(linger=0)
    return lost


def main() -> None:
    """The command line."""
    address, topic, count = [*sys.argv[1:], "tcp://127.0.0.1:5555", "market.quote", "10"][:3]
    print(f"{follow(address, topic, int(count))} lost")


if __name__ == "__main__":
    main()
