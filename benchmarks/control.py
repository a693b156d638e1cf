"""The control plane: durable orders beside a flood of quotes, and what a hostile peer costs the others."""

import asyncio
import multiprocessing
import socket
import time
from array import array
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.processes import fresh, resident
from benchmarks.table import Goal, Row, interleaved

__all__ = ["rows"]

SPAWN = multiprocessing.get_context("spawn")
ORDERS, QUOTES = 200, 20_000
SYMBOLS = 100
TURN = 0.002
SUSTAINED, ROUNDS, HOSTILE = 60.0, 3, 5.0
ATTACKS = 200


class Sustained(NamedTuple):
    """What came of a sustained run: round trips, counts at both ends, growth of memory after half of it."""

    waits: list[int]
    told: int
    taken: int
    doubled: int
    quotes: int
    lost: int
    growth: dict[str, float]


def rows(*, quick: bool = False) -> list[Row]:
    """Two minutes; quick: half of one."""
    seconds = 8.0 if quick else SUSTAINED
    ran = sustained(seconds)
    kinds = {"beside a hostile peer": partial(handling, hostile=True), "calm": partial(handling, hostile=False)}
    attacked = interleaved(1 if quick else ROUNDS, kinds)
    grown = max(ran.growth.values())
    memory = ", ".join(f"{name} {share:+.1%}" for name, share in ran.growth.items())
    return [
        Row(
            f"{ORDERS} durable orders a second beside {QUOTES:,} quotes, {seconds:g} s: {ran.told:,} told, "
            f"{ran.taken:,} taken, {ran.doubled} doubled; {ran.quotes:,} quotes, {ran.lost:,} lost",
            {"told to answered": ran.waits},
        ),
        Row(
            f"its memory after half of the time: {memory}",
            {"the largest, in percent": [round(max(grown, 0) * 100_000)], "5 percent": [5_000]},
            (Goal("5 percent", 1),),
        ),
        Row(
            f"an order told and answered, CURVE, beside {ATTACKS} attacks a second",
            attacked,
            (Goal("calm", 1.1),),
        ),
    ]


def sustained(seconds: float) -> Sustained:
    """Execution takes orders, market-data publishes, and a peer tells orders while it reads all quotes."""
    with TemporaryDirectory() as folder:
        market, market_pipe = _started(_market, folder, seconds)
        address = market_pipe.recv()
        execution, execution_pipe = _started(_execution, folder, seconds)
        execution_pipe.recv()
        peer, peer_pipe = _started(_peer, folder, address, seconds)
        try:
            waits, told, quotes, lost, peer_growth = peer_pipe.recv()
            for pipe in (execution_pipe, market_pipe):
                pipe.send("end")
            taken, execution_growth = execution_pipe.recv()
            market_growth = market_pipe.recv()
        finally:
            for process in (market, execution, peer):
                process.kill()
                process.join()
    growth = {"the peer": peer_growth, "execution": execution_growth, "market-data": market_growth}
    return Sustained(waits, told, len(set(taken)), len(taken) - len(set(taken)), quotes, lost, growth)


def _started(task: Callable[..., None], *arguments: object) -> tuple[Any, Connection]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=task, args=(theirs, *arguments), daemon=True)
    process.start()
    return process, ours


class _Memory:
    """Growth of this process since the middle of a run."""

    def __init__(self) -> None:
        self._half = 0

    def note(self, half: bool) -> None:  # noqa: FBT001 - whether it is the middle
        if half and not self._half:
            self._half = resident()

    def growth(self) -> float:
        return resident() / self._half - 1 if self._half else 0.0


async def _until_told(pipe: Connection) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), told.set)
    await told.wait()
    loop.remove_reader(pipe.fileno())


def _market(pipe: Connection, folder: str, seconds: float) -> None:
    asyncio.run(_market_data(pipe, folder, seconds))


async def _market_data(pipe: Connection, folder: str, seconds: float) -> None:
    import zmq  # noqa: PLC0415 - in the child only

    from puna.bus.messages import QuoteUpdate  # noqa: PLC0415
    from puna.bus.publisher import Publisher  # noqa: PLC0415
    from puna.bus.sockets import Limits  # noqa: PLC0415

    topics = [f"market.quote.S{number}" for number in range(SYMBOLS)]
    memory, sent, began = _Memory(), 0, 0.0
    address = f"ipc://{folder}/bus/market"
    async with Publisher(zmq.Context(), address, name="market-data", limits=Limits(queue=100_000)) as publisher:
        pipe.send(publisher.address)
        end = asyncio.create_task(_until_told(pipe))
        while not end.done():
            if publisher.joins < 2:
                began = time.perf_counter()
            due = int((time.perf_counter() - began) * QUOTES)
            for number in range(sent, due):
                topic = number % SYMBOLS
                publisher.publish(topics[topic], QuoteUpdate(f"S{topic}", 1.0, 1.0, 2.0, 1.0, number, number))
            memory.note(sent >= QUOTES * seconds / 2)
            sent = max(sent, due)
            await asyncio.sleep(TURN)
        pipe.send(memory.growth())


def _execution(pipe: Connection, folder: str, seconds: float) -> None:
    asyncio.run(_taking(pipe, folder, seconds))


async def _taking(pipe: Connection, folder: str, seconds: float) -> None:
    import zmq  # noqa: PLC0415 - in the child only

    from puna.bus.boxes import Inbox  # noqa: PLC0415
    from puna.bus.control import ControlServer  # noqa: PLC0415
    from puna.bus.messages import Ack, IntentRequest  # noqa: PLC0415

    taken, memory = list[int](), _Memory()

    async def take(_: str, message: Any) -> Any:
        if isinstance(message, IntentRequest):
            taken.append(int(message.intent.client_order_id.rpartition("-")[2]))
            memory.note(len(taken) >= ORDERS * seconds / 2)
        return Ack(0, "taken")

    inbox = Inbox(Path(folder) / "inbox")
    async with ControlServer(zmq.Context(), f"ipc://{folder}/bus/control", take, inbox):
        pipe.send("ready")
        await _until_told(pipe)
        pipe.send((taken, memory.growth()))


def _peer(pipe: Connection, folder: str, market: str, seconds: float) -> None:
    asyncio.run(_telling(pipe, folder, market, seconds))


async def _telling(pipe: Connection, folder: str, market: str, seconds: float) -> None:
    import zmq  # noqa: PLC0415 - in the child only

    from puna.bus.boxes import Outbox  # noqa: PLC0415
    from puna.bus.control import ControlClient  # noqa: PLC0415
    from puna.bus.sockets import Limits  # noqa: PLC0415
    from puna.bus.subscriber import Subscriber  # noqa: PLC0415

    context, memory, waits = zmq.Context(), _Memory(), array("q", bytes(8 * round(2 * ORDERS * seconds)))
    outbox = Outbox(Path(folder) / "outbox", time.time_ns())
    bus = Subscriber(context, market, ["market.quote"], limits=Limits(queue=100_000))
    client = ControlClient(context, f"ipc://{folder}/bus/control", outbox, name="model")

    async def tell(number: int) -> None:
        began = time.perf_counter_ns()
        await client.tell(_intent(number))
        waits[number] = time.perf_counter_ns() - began

    async def read() -> None:
        async for _ in bus:
            pass

    async with bus, client:
        reading = asyncio.create_task(read())
        under_way, told, began = set[asyncio.Task[None]](), 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            for number in range(told, int(elapsed * ORDERS)):
                under_way.add(task := asyncio.create_task(tell(number)))
                task.add_done_callback(under_way.discard)
            told = max(told, int(elapsed * ORDERS))
            memory.note(elapsed > seconds / 2)
            await asyncio.sleep(TURN)
        await asyncio.gather(*under_way)
        growth = memory.growth()
        reading.cancel()
        pipe.send((list(waits[:told]), told, bus.status.received, bus.status.lost, growth))
        await asyncio.sleep(60)


def _intent(number: int) -> Any:
    from decimal import Decimal  # noqa: PLC0415 - in the child only

    from puna.bus.messages import IntentRequest  # noqa: PLC0415
    from puna.core.types import OrderIntent, OrderType, Side, TimeInForce  # noqa: PLC0415

    return IntentRequest(
        OrderIntent(
            client_order_id=f"puna-1-model-{number}",
            strategy="model",
            symbol="AAPL",
            side=Side.BUY,
            qty=Decimal(1),
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.DAY,
            ts=number,
            limit_price=Decimal("101.37"),
        )
    )


def handling(*, hostile: bool) -> list[int]:
    """Nanoseconds from telling an order to its answer, one after the other; boxes in memory, CURVE on loopback."""
    from puna.bus.keys import KeyStore, Role  # noqa: PLC0415 - only for this row

    with TemporaryDirectory() as folder:
        store = KeyStore(Path(folder) / "keys")
        store.create("execution")
        store.create("model", [Role.WATCH, Role.INTENTS])
        store.create("watcher")
        server, pipe = _started(_guarded, folder)
        address = pipe.recv()
        attacker = _started(_attack, folder, address)[0] if hostile else None
        try:
            samples: list[int] = fresh(_ask, folder, address)
        finally:
            for process in (server, attacker):
                if process is not None:
                    process.kill()
                    process.join()
    return samples


def _guarded(pipe: Connection, folder: str) -> None:
    asyncio.run(_guard(pipe, folder))


async def _guard(pipe: Connection, folder: str) -> None:
    import zmq  # noqa: PLC0415 - in the child only

    from puna.bus.boxes import Inbox  # noqa: PLC0415
    from puna.bus.control import ControlServer  # noqa: PLC0415
    from puna.bus.keys import Authenticator, KeyStore  # noqa: PLC0415
    from puna.bus.messages import Ack  # noqa: PLC0415

    async def take(_: str, __: Any) -> Any:
        return Ack(0, "taken")

    context, store = zmq.Context(), KeyStore(Path(folder) / "keys")
    async with Authenticator(context, store) as authenticator:
        server = ControlServer(
            context,
            "tcp://127.0.0.1:0",
            take,
            Inbox(None),
            curve=store.server("execution"),
            authenticator=authenticator,
        )
        async with server:
            pipe.send(server.address)
            await asyncio.sleep(3600)


def _ask(folder: str, address: str) -> list[int]:
    return asyncio.run(_asking(folder, address))


async def _asking(folder: str, address: str) -> list[int]:
    import zmq  # noqa: PLC0415 - in the child only

    from puna.bus.boxes import Outbox  # noqa: PLC0415
    from puna.bus.control import ControlClient  # noqa: PLC0415
    from puna.bus.keys import KeyStore  # noqa: PLC0415

    curve = KeyStore(Path(folder) / "keys").client("model", "execution")
    client = ControlClient(zmq.Context(), address, Outbox(None, time.time_ns()), name="model", curve=curve)
    samples, number = list[int](), 0
    async with client:
        await client.tell(_intent(0), 30)
        end = time.perf_counter() + HOSTILE
        while (began := time.perf_counter()) < end:
            number += 1
            await client.tell(_intent(number), 30)
            samples.append(round((time.perf_counter() - began) * 1e9))
            await asyncio.sleep(0.001)
    return samples


def _attack(_: Connection, folder: str, address: str) -> None:
    """A peer with a key forges, garbles, replays and oversizes; strangers have a wrong key or talk no ZeroMQ."""
    import zmq  # noqa: PLC0415 - in the child only

    from puna.bus.control import TELL  # noqa: PLC0415
    from puna.bus.frames import HEADER, packed  # noqa: PLC0415
    from puna.bus.keys import KeyStore  # noqa: PLC0415
    from puna.bus.messages import SCHEMA, Welcome  # noqa: PLC0415
    from puna.bus.sockets import Curve, Limits, attach, opened_socket  # noqa: PLC0415

    store, context = KeyStore(Path(folder) / "keys"), zmq.Context()
    known = store.client("watcher", "execution")
    wrong = Curve(*zmq.curve_keypair(), server=known.server)
    host, port = address.removeprefix("tcp://").split(":")
    insider = opened_socket(context, zmq.DEALER, Limits(largest=-1), known)
    attach(insider, address, bind=False, curve=known)
    forged, frames = packed(TELL, 1, 1, [_intent(1)]), list[bytes]()
    frames += [forged, b"garbage", TELL + HEADER.pack(SCHEMA + 1, ord("m"), 1, 9, 1) + b"later"]
    frames += [packed(TELL, 9, 2, [Welcome("me", (), 0, SCHEMA)]), forged]
    number, due = 0, time.perf_counter()
    while True:
        number, due = number + 1, due + 1 / ATTACKS
        if number % 100 == 0:
            insider.send(b"x" * (1 << 19))  # beyond the largest: the connection is cut, and made anew
        elif number % 100 == 50:
            stranger = opened_socket(context, zmq.DEALER, Limits(), wrong)
            attach(stranger, address, bind=False, curve=wrong)
            stranger.send(forged)
            stranger.close(linger=100)
        elif number % 100 == 75:
            with socket.create_connection((host, int(port))) as noise:
                noise.sendall(b"\xff" * 4096)
        else:
            try:
                insider.send(frames[number % len(frames)], zmq.NOBLOCK)
                while insider.poll(0):
                    insider.recv()
            except zmq.Again:
                pass
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
