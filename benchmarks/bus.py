"""The bus against raw pyzmq: throughput of typed 200-byte messages, one-way latency, a stopped subscriber."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.processes import fresh, resident
from benchmarks.table import Goal, Row, interleaved

__all__ = ["rows"]

SPAWN = multiprocessing.get_context("spawn")
MESSAGES = 200_000
SLOW = 1_000
ROUNDS = 3
BATCH = 256
BYTES = 200
TOPIC = "market.bar.AAPL"


def rows(*, quick: bool) -> list[Row]:
    """All of it takes about half a minute; quick: one round."""
    rounds = 1 if quick else ROUNDS
    kinds = {
        "Puna, batches": partial(throughput, "puna", BATCH, curve=False),
        "raw pyzmq": partial(throughput, "raw", 1, curve=False),
        "Puna, one by one": partial(throughput, "puna", 1, curve=False),
        "Puna, batches, CURVE": partial(throughput, "puna", BATCH, curve=True),
    }
    passed = interleaved(rounds, kinds)
    single = {name: passed[name] for name in ("Puna, one by one", "raw pyzmq")}
    curve = {name: passed[name] for name in ("Puna, batches, CURVE", "raw pyzmq")}
    batched = {name: passed[name] for name in ("Puna, batches", "raw pyzmq")}
    slow = interleaved(rounds, {"Puna": partial(latency, "puna", 500), "raw pyzmq": partial(latency, "raw", 500)})
    fast = latency("puna", 20_000)
    p99 = {"Puna, p99": [sorted(fast)[len(fast) * 99 // 100]], "1 ms": [1_000_000]}
    slowest = {"Puna, one by one": passed["Puna, one by one"], "100,000 a second": [10_000]}
    sent, received, reported, grown = stopped()
    return [
        Row("bus, a message of 200 bytes, batched, no loss", batched, (Goal("raw pyzmq", 1 / 3),)),
        Row("the same with CURVE", curve, (Goal("raw pyzmq", 1 / 1.5),)),
        Row("the same, one by one", single, (Goal("raw pyzmq", 1 / 0.8),)),
        Row("the slowest of these", slowest, (Goal("100,000 a second", 1),)),
        Row("bus, one way, 500 a second", slow, (Goal("raw pyzmq", 1.1),)),
        Row("bus, one way, 20,000 a second", {"Puna": fast}),
        Row("its p99", p99, (Goal("1 ms", 1),)),
        Row(
            f"a stopped subscriber: {sent:,} sent, {received:,} received; its publisher grew by {grown / 1e6:.1f} MB",
            {f"{reported:,} reported lost: {'exact' if sent == received + reported else 'WRONG'}": [1]},
        ),
    ]


def throughput(kind: str, batch: int, *, curve: bool) -> list[int]:
    """Nanoseconds a message, at the receiving end, between the first and the last."""
    with TemporaryDirectory() as folder:
        keys = _keys(Path(folder)) if curve else ""
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=_flood, args=(theirs, kind, batch, MESSAGES, keys), daemon=True)
        process.start()
        try:
            nanos: int = fresh(_drain, kind, ours.recv(), MESSAGES, keys)
        finally:
            process.kill()
            process.join()
    return [nanos]


def latency(kind: str, rate: int) -> list[int]:
    """One-way nanoseconds of messages sent one by one at a rate; both ends read the same clock."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_drip, args=(theirs, kind, rate), daemon=True)
    process.start()
    try:
        samples: list[int] = fresh(_time, kind, ours.recv(), min(rate * 2, 20_000))
    finally:
        process.kill()
        process.join()
    return samples[len(samples) // 10 :]


def stopped() -> tuple[int, int, int, int]:
    """A subscriber stops and is flooded: what was sent, came, is reported lost; its publisher's growth in bytes."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_burst, args=(theirs,), daemon=True)
    process.start()
    reader_ours, reader_theirs = SPAWN.Pipe()
    reader = SPAWN.Process(target=_count, args=(reader_theirs, ours.recv()), daemon=True)
    reader.start()
    try:
        ours.recv()  # joined
        reader_ours.recv()  # reading
        assert reader.pid is not None
        os.kill(reader.pid, signal.SIGSTOP)
        ours.send("go")
        sent, grown = ours.recv()
        os.kill(reader.pid, signal.SIGCONT)
        reader_ours.send(sent)
        received, lost = reader_ours.recv()
    finally:
        for each in (process, reader):
            each.kill()
            each.join()
    return sent, received, lost, grown


def _keys(folder: Path) -> str:
    from puna.bus.keys import KeyStore  # noqa: PLC0415 - only in the processes that need it

    store = KeyStore(folder / "keys")
    for name in ("publisher", "reader"):
        store.create(name)
    return str(folder / "keys")


def _message(number: int) -> Any:
    from puna.bus.messages import BarUpdate  # noqa: PLC0415

    return BarUpdate("AAPL", "1Min", 101.25, 101.5, 101.0, 101.37, 12345.0, number, time.time_ns(), 321, 101.31)


def _publisher(batch: int, keys: str) -> Any:
    import zmq  # noqa: PLC0415

    from puna.bus.keys import KeyStore  # noqa: PLC0415
    from puna.bus.publisher import Publisher  # noqa: PLC0415
    from puna.bus.sockets import Limits  # noqa: PLC0415

    curve = KeyStore(Path(keys)).server("publisher") if keys else None
    return Publisher(
        zmq.Context(),
        "tcp://127.0.0.1:0",
        name="bench",
        batch=batch,
        curve=curve,
        limits=Limits(queue=0),
        snapshot=False,
    )


def _raw(kind: int) -> Any:
    import zmq  # noqa: PLC0415

    socket = zmq.Context().socket(kind)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    return socket


def _flood(pipe: Connection, kind: str, batch: int, count: int, keys: str) -> None:
    import asyncio  # noqa: PLC0415

    import zmq  # noqa: PLC0415

    if kind == "raw":
        socket = _raw(zmq.XPUB)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        pipe.send(f"tcp://127.0.0.1:{port}")
        socket.recv()
        body = b"x" * BYTES
        for _ in range(count):
            socket.send(body)
        time.sleep(60)
    asyncio.run(_flood_puna(pipe, batch, count, keys))


async def _flood_puna(pipe: Connection, batch: int, count: int, keys: str) -> None:
    import asyncio  # noqa: PLC0415
    from contextlib import AsyncExitStack  # noqa: PLC0415

    from puna.bus.keys import Authenticator, KeyStore  # noqa: PLC0415

    publisher = _publisher(batch, keys)
    async with AsyncExitStack() as stack:
        if keys:
            context = publisher._socket.context  # noqa: SLF001 - the authenticator shares it
            await stack.enter_async_context(Authenticator(context, KeyStore(Path(keys))))
        pipe.send(publisher.address)
        while publisher.joins < 4:
            publisher.attend()
            await asyncio.sleep(0.01)
        message = _message(1)
        for _ in range(count):
            publisher.publish(TOPIC, message)
        publisher.flush()
        await asyncio.sleep(60)


def _subscriber(address: str, keys: str = "", queue: int = 0) -> Any:
    import zmq  # noqa: PLC0415

    from puna.bus.keys import KeyStore  # noqa: PLC0415
    from puna.bus.sockets import Limits  # noqa: PLC0415
    from puna.bus.subscriber import Subscriber  # noqa: PLC0415

    curve = KeyStore(Path(keys)).client("reader", "publisher") if keys else None
    return Subscriber(zmq.Context(), address, ["market.bar"], curve=curve, limits=Limits(queue=queue))


def _drain(kind: str, address: str, count: int, keys: str) -> int:
    import zmq  # noqa: PLC0415

    if kind == "raw":
        socket = _raw(zmq.SUB)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(address)
        socket.recv()
        began = time.perf_counter_ns()
        for _ in range(count - 1):
            socket.recv()
        return (time.perf_counter_ns() - began) // (count - 1)
    subscriber = _subscriber(address, keys)
    seen = first = len(subscriber.receive(30).messages)
    began = time.perf_counter_ns()
    while seen < count:
        seen += len(subscriber.receive(30).messages)
    took = time.perf_counter_ns() - began
    if subscriber.status.lost:
        raise SystemExit(f"{subscriber.status.lost} messages were lost")
    return int(took // (count - first))


def _drip(pipe: Connection, kind: str, rate: int) -> None:
    import zmq  # noqa: PLC0415

    send: Callable[[], object]
    if kind == "raw":
        socket = _raw(zmq.XPUB)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        pipe.send(f"tcp://127.0.0.1:{port}")
        socket.recv()
        send = lambda: socket.send(time.time_ns().to_bytes(8, "big") + b"x" * (BYTES - 8))  # noqa: E731
    else:
        publisher = _publisher(1, "")
        pipe.send(publisher.address)
        while publisher.joins < 4:
            publisher.attend()
        send = lambda: publisher.publish(TOPIC, _message(1))  # noqa: E731
    due = time.perf_counter()
    while True:
        due += 1 / rate
        send()
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)


def _time(kind: str, address: str, count: int) -> list[int]:
    import zmq  # noqa: PLC0415

    if kind == "raw":
        socket = _raw(zmq.SUB)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(address)
        return [-int.from_bytes(socket.recv()[:8], "big") + time.time_ns() for _ in range(count)]
    subscriber = _subscriber(address)
    samples = list[int]()
    while len(samples) < count:
        frame = subscriber.receive(10)
        now = time.time_ns()
        samples += [now - each.ts_init for each in frame.messages]
    return samples


def _burst(pipe: Connection) -> None:
    import zmq  # noqa: PLC0415

    from puna.bus.publisher import Publisher  # noqa: PLC0415
    from puna.bus.sockets import Limits  # noqa: PLC0415

    publisher = Publisher(
        zmq.Context(), "tcp://127.0.0.1:0", name="bench", batch=1, limits=Limits(queue=SLOW), snapshot=False
    )
    pipe.send(publisher.address)
    while publisher.joins < 4:
        publisher.attend()
    pipe.send("joined")
    publisher.pulse()
    pipe.recv()
    before = resident()
    for number in range(MESSAGES // 2):
        publisher.publish(TOPIC, _message(number))
    pipe.send((MESSAGES // 2, resident() - before))
    while True:
        publisher.pulse()
        time.sleep(0.1)


def _count(pipe: Connection, address: str) -> None:
    subscriber = _subscriber(address, queue=SLOW)
    subscriber.receive(0.5)
    pipe.send("reading")
    sent, received = pipe.recv(), 0
    while received + subscriber.status.lost < sent and (frame := subscriber.receive(10)) is not None:
        received += len(frame.messages)
    pipe.send((received, subscriber.status.lost))
