"""`puna bus`: look at the bus, keep what goes over it, send it again, and make the keys of those who may."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from puna.cli.output import json_option, print_json, print_next, print_rows, verbose_option
from puna.seams import SystemClock

if TYPE_CHECKING:
    from puna.bus.keys import Peer
    from puna.bus.sockets import Curve

__all__ = ["bus"]

PORTS = {"market": 5555, "order": 5557, "fill": 5557, "position": 5557, "risk": 5558}
NANOS = 1_000_000_000
JOIN_SECONDS = 0.2


def _addresses(given: tuple[str, ...], topic: str) -> tuple[str, ...]:
    """Where a topic is published, unless somebody says so."""
    ports = {port for name, port in PORTS.items() if not topic or topic.partition(".")[0] == name}
    return given or tuple(f"tcp://127.0.0.1:{port}" for port in sorted(ports or set(PORTS.values())))


address_option = click.option(
    "--address",
    "addresses",
    multiple=True,
    help="A publisher: tcp://HOST:PORT or ipc://PATH; several are fine.  [default: by topic, ports 5555, 5557, 5558]",
)


def _key_options(verb: Any) -> Any:
    for option in (
        click.option("--keys", type=click.Path(path_type=Path, file_okay=False), help="The folder of keys, for CURVE."),
        click.option("--as", "name", default="watcher", show_default=True, help="Whose keys are used."),
        click.option("--server", default="execution", show_default=True, help="Whose public key the server has."),
    ):
        verb = option(verb)
    return verb


def _curve(keys: Path | None, name: str, server: str) -> "Curve | None":
    from puna.bus.keys import KeyStore

    return KeyStore(keys).client(name, server) if keys else None


@click.group
@verbose_option
def bus() -> None:
    """Watch, record and replay the bus, and make the keys of its peers."""


@bus.command
@click.argument("topic", default="")
@address_option
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@_key_options
@json_option
@verbose_option
def tail(
    *,
    topic: str,
    addresses: tuple[str, ...],
    count: int | None,
    keys: Path | None,
    name: str,
    server: str,
    as_json: bool,
) -> int:
    """Print what is published on TOPIC, a line a message; without TOPIC, everything."""
    import zmq

    from puna.bus.subscriber import Subscriber

    curve = _curve(keys, name, server)

    async def follow() -> int:
        left = [count or -1]
        context: zmq.Context[Any] = zmq.Context()

        async def one(address: str) -> None:
            async with Subscriber(context, address, [topic], curve=curve) as subscriber:
                async for frame in subscriber:
                    for line in _lines(frame, as_json=as_json):
                        click.echo(line)
                        left[0] -= 1
                        if left[0] == 0:
                            return

        tasks = [asyncio.create_task(one(each)) for each in _addresses(addresses, topic)]
        try:
            await _until_interrupted(tasks)
        finally:
            context.destroy(linger=0)
        return 0

    return asyncio.run(follow())


def _lines(frame: Any, *, as_json: bool) -> Iterator[str]:
    """A message a line; a hole is a line of its own."""
    from puna.bus.frames import plain

    if frame.gap is not None:
        hole = {"topic": frame.topic, "gap": frame.gap.reason, "lost": frame.gap.lost}
        yield msgspec.json.encode(hole).decode() if as_json else f"{frame.topic}  -- {frame.gap.lost} lost"
    for number, message in enumerate(frame.messages, frame.seq):
        body = msgspec.json.encode(message, enc_hook=plain)
        if as_json:
            yield f'{{"topic":"{frame.topic}","seq":{number},"message":{body.decode()}}}'
        else:
            yield f"{frame.topic}  {number}  {body.decode()}"


async def _until_interrupted(tasks: list["asyncio.Task[None]"]) -> None:
    """Returns when one task has ended or Ctrl-C was pressed; raises what a task raises."""
    interrupted = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, interrupted.set)
    stop = asyncio.create_task(interrupted.wait())
    done, _ = await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, stop):
        task.cancel()
    await asyncio.gather(*tasks, stop, return_exceptions=True)
    for task in done:
        task.result()


def _tell(text: str, document: dict[str, object], *, as_json: bool) -> None:
    print_json(document) if as_json else click.echo(text)


@bus.command
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--topic", default="", help="Whole segments, such as market.bar; everything when not given.")
@address_option
@click.option("--count", type=click.IntRange(1), help="End after so many frames.")
@_key_options
@json_option
@verbose_option
def record(
    *,
    file: Path,
    topic: str,
    addresses: tuple[str, ...],
    count: int | None,
    keys: Path | None,
    name: str,
    server: str,
    as_json: bool,
) -> int:
    """Keep frames in FILE, as they come, until Ctrl-C."""
    import zmq

    from puna.bus.frames import prefixes
    from puna.bus.recording import Recording
    from puna.bus.sockets import Bell, Limits, attach, opened_socket

    curve, clock = _curve(keys, name, server), SystemClock()

    async def keep(recording: Recording) -> int:
        context: zmq.Context[Any] = zmq.Context()
        with ExitStack() as stack:
            stack.callback(context.destroy, linger=0)

            async def one(address: str) -> None:
                socket = opened_socket(context, zmq.SUB, Limits(), curve)
                for prefix in prefixes(topic):
                    socket.setsockopt(zmq.SUBSCRIBE, prefix)
                attach(socket, address, bind=False, curve=curve)
                bell = Bell(socket)
                while count is None or recording.frames < count:
                    await bell.wait()
                    recording.put(clock.now(), socket.recv(zmq.NOBLOCK))

            await _until_interrupted([asyncio.create_task(one(each)) for each in _addresses(addresses, topic)])
        _tell(f"{recording.frames} frames in {file}", {"frames": recording.frames, "file": file}, as_json=as_json)
        print_next(f"puna bus replay {file}", as_json=as_json)
        return 0

    with Recording(file) as recording:
        return asyncio.run(keep(recording))


@bus.command
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--bind", "address", default="tcp://127.0.0.1:5555", show_default=True, help="Where to publish.")
@click.option("--speed", type=click.FloatRange(0), default=1.0, show_default=True, help="0 is as fast as it goes.")
@click.option(
    "--wait", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds to wait for a first subscriber."
)
@json_option
@verbose_option
def replay(*, file: Path, address: str, speed: float, wait: float, as_json: bool) -> int:
    """Publish the frames of FILE again, in their order and, divided by the speed, with their pauses."""
    import zmq

    from puna.bus.recording import frames_of
    from puna.bus.sockets import Bell, Limits, attach, opened_socket

    async def send() -> int:
        clock, sent, before = SystemClock(), 0, 0
        context: zmq.Context[Any] = zmq.Context()
        try:
            socket = opened_socket(context, zmq.XPUB, Limits(queue=0), None)
            click.echo(f"publishing on {attach(socket, address, bind=True, curve=None)}", err=True)
            with suppress(TimeoutError):
                async with clock.deadline(wait):
                    await Bell(socket).wait()
                    await clock.sleep(JOIN_SECONDS)  # the same subscriber's further topics
            for ts, frame in frames_of(file):
                if speed and before:
                    await clock.sleep(max(0, ts - before) / NANOS / speed)
                socket.send(frame)
                sent, before = sent + 1, ts
            socket.close(linger=2000)
        finally:
            context.destroy(linger=2000)
        _tell(f"{sent} frames sent", {"frames": sent}, as_json=as_json)
        return 0

    return asyncio.run(send())


@bus.command
@click.argument("name", required=False)
@click.option(
    "--keys",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("keys"),
    show_default=True,
    help="The folder of keys.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["watch", "signals", "intents", "risk"]),
    help="What NAME may do; several are fine.  [default: watch]",
)
@click.option("--public", help="Admit the public key of a NAME whose secret lives elsewhere.")
@click.option("--rotate", "what", flag_value="rotate", help="A new pair; the old key is accepted until --retire.")
@click.option("--retire", "what", flag_value="retire", help="Only the newest key is accepted from now on.")
@click.option("--revoke", "what", flag_value="revoke", help="NAME is not let in any more.")
@json_option
@verbose_option
def keys(
    *, name: str | None, keys: Path, roles: tuple[str, ...], public: str | None, what: str | None, as_json: bool
) -> int:
    """Make, rotate, retire and revoke the keys of NAME; without NAME, list who is known."""
    from puna.bus.keys import KeyStore, Role

    store = KeyStore(keys)
    chosen = [Role(each) for each in roles] or [Role.WATCH]
    if name is not None:
        if public is not None:
            store.admit(name, public, chosen)
        elif what is not None:
            getattr(store, what)(name)
        else:
            store.create(name, chosen)
    _show(list(store.peers().values()), keys, as_json=as_json)
    return 0


def _show(peers: "list[Peer]", folder: Path, *, as_json: bool) -> None:
    """Who is known; never a secret."""
    rows = [
        {
            "name": peer.name,
            "roles": " ".join(peer.roles),
            "public": " ".join(peer.keys),
            "secret": "here" if (folder / f"{peer.name}.secret").exists() else "elsewhere",
        }
        for peer in peers
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_rows(rows)
    else:
        click.echo(f"no keys in {folder}")
    print_next("puna bus keys NAME --role signals", as_json=as_json)
