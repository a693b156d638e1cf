"""The data plane over real sockets: order, exact losses, restarts, joining, conflation, encryption."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from puna.bus.frames import packed, start_of
from puna.bus.keys import Authenticator, KeyStore
from puna.bus.messages import BusError, Heartbeat, QuoteUpdate
from puna.bus.publisher import Publisher
from puna.bus.sockets import Limits
from puna.bus.subscriber import Gap, Received, Subscriber

Until = Callable[..., Any]
Quoted = Callable[..., QuoteUpdate]
PATIENCE = 30.0


async def numbers(subscriber: Subscriber, count: int, seconds: float = PATIENCE) -> tuple[list[int], int]:
    """The numbers that quotes carry, up to `count` of received and lost together; and how many were lost."""
    seen, lost = list[int](), 0
    async with asyncio.timeout(seconds):
        async for frame in subscriber:
            lost += frame.gap.lost if frame.gap else 0
            seen += [int(each.ask_size) for each in frame.messages if isinstance(each, QuoteUpdate)]
            if len(seen) + lost >= count:
                return seen, lost
    raise AssertionError


@pytest.mark.parametrize("batch", [1, 64])
async def test_every_message_comes_in_order_and_once(
    context: "zmq.Context[Any]", tcp: str, until: Until, quoted: Quoted, batch: int
) -> None:
    """A subscriber that keeps up sees all of its topics and nothing of others, with and without batches."""
    async with (
        Publisher(context, tcp, name="test", batch=batch) as publisher,
        Subscriber(context, publisher.address, ["market.quote"]) as subscriber,
    ):
        await until(lambda: publisher.joins >= 4)  # two prefixes of the topic, two of the heartbeat
        for number in range(1000):
            publisher.publish("market.quote.AAPL", quoted(number))
            publisher.publish("market.quotes.AAPL", quoted(-1))
        assert await numbers(subscriber, 1000) == (list(range(1000)), 0)
        assert subscriber.status.gaps == 0


async def test_a_joiner_gets_the_last_of_each_topic_and_nobody_gets_it_twice(
    context: "zmq.Context[Any]", tcp: str, until: Until, quoted: Quoted
) -> None:
    """The snapshot at joining is marked, carries the present number, and is dropped by who knew it."""
    async with Publisher(context, tcp, name="test") as publisher:
        first = Subscriber(context, publisher.address, ["market.quote"])
        await until(lambda: publisher.joins >= 4)
        for number in range(5):
            publisher.publish("market.quote.A", quoted(number))
        assert (await numbers(first, 5))[0] == [0, 1, 2, 3, 4]
        second = Subscriber(context, publisher.address, ["market.quote"])
        snapshot = await anext(second)
        assert snapshot.snapshot
        assert snapshot.seq == 5
        assert snapshot.messages == [quoted(4)]
        publisher.publish("market.quote.A", quoted(5))
        assert (await numbers(first, 1))[0] == [5]
        assert (await numbers(second, 1))[0] == [5]
        assert first.status.duplicates >= 1
        assert (first.status.gaps, second.status.gaps) == (0, 0)
        first.close()
        second.close()


async def test_a_heartbeat_before_the_snapshot_does_not_cost_the_snapshot(
    context: "zmq.Context[Any]", quoted: Quoted
) -> None:
    """A joiner whom a heartbeat tells first where a topic stands still takes its last message, once."""
    start = start_of("market.quote.A")
    subscriber = Subscriber(context, "inproc://nobody", ["market.quote"])
    beat = packed(start_of("system.heartbeat.test"), 9, 1, [Heartbeat("test", 1, marks={"market.quote.A": 5})])
    last = packed(start, 9, 5, [quoted(5)], snapshot=True)
    following = packed(start, 9, 6, [quoted(6)])
    frames = taken(subscriber, [beat, last, last, following])
    assert [(frame.seq, frame.snapshot, frame.gap) for frame in frames] == [(5, True, None), (6, False, None)]
    assert subscriber.status.duplicates == 1
    subscriber.close()


async def test_the_newest_is_enough_where_somebody_says_so(
    context: "zmq.Context[Any]", until: Until, quoted: Quoted
) -> None:
    """Conflating, what waits is replaced by the newest of its topic, and counted; nothing counts as lost.

    In one process what was published waits at the subscriber when `publish` returns.
    """
    async with Publisher(context, "inproc://newest", name="test", batch=1, beat=60) as publisher:
        subscriber = Subscriber(context, publisher.address, ["market.quote"], conflate=True)
        await until(lambda: publisher.joins >= 4)
        for number in range(100):
            publisher.publish("market.quote.A", quoted(number))
            publisher.publish("market.quote.B", quoted(number))
        frames = [await anext(subscriber), await anext(subscriber)]
        assert [(frame.topic, frame.messages) for frame in frames] == [
            ("market.quote.A", [quoted(99)]),
            ("market.quote.B", [quoted(99)]),
        ]
        assert subscriber.status.conflated == 198
        assert subscriber.status.lost == 0
        subscriber.close()


def taken(subscriber: Subscriber, frames: list[bytes]) -> list[Received]:
    """What a subscriber makes of frames that a test hands to it."""
    subscriber._take(frames)
    made = list(subscriber._ready)
    subscriber._ready.clear()
    return made


async def again(context: "zmq.Context[Any]", address: str) -> Publisher:
    """A publisher on an address that ZeroMQ may still be letting go of."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return Publisher(context, address, name="test", beat=60)
            except BusError:
                await asyncio.sleep(0.02)


async def test_a_restarted_publisher_is_told_from_a_loss(
    context: "zmq.Context[Any]", tcp: str, until: Until, quoted: Quoted
) -> None:
    """A new epoch begins at 1 and is a restart, not a loss."""
    async with Publisher(context, tcp, name="test", beat=60) as publisher:
        address = publisher.address
        subscriber = Subscriber(context, address, ["market"])
        await until(lambda: publisher.joins >= 4)
        publisher.publish("market.quote.A", quoted(1))
        assert (await numbers(subscriber, 1))[0] == [1]
        old = publisher.epoch
    following = asyncio.create_task(anext(subscriber))  # somebody reads, so that ZeroMQ joins again
    async with await again(context, address) as publisher:
        assert publisher.epoch > old
        await until(lambda: publisher.joins >= 4)
        publisher.publish("market.quote.A", quoted(2))
        async with asyncio.timeout(PATIENCE):
            frame = await following
        assert frame.messages == [quoted(2)]
        assert frame.gap == Gap(0, "restart")
        assert subscriber.status.restarts == 1
    subscriber.close()


FLOOD = """
import sys, time, zmq
from puna.bus.messages import QuoteUpdate
from puna.bus.publisher import Publisher
from puna.bus.sockets import Limits
limits = Limits(queue=50)
publisher = Publisher(zmq.Context(), "tcp://127.0.0.1:0", name="flood", batch=int(sys.argv[1]), limits=limits)
print(publisher.address, flush=True)
while publisher.joins < 4:
    publisher.attend()
sent = {"A": 0, "B": 0}
print("joined", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    topic = "AB"[number % 3 == 0]
    publisher.publish("market.quote." + topic, QuoteUpdate(topic, 1.0, 1.0, 2.0, float(sent[topic]), number, number))
    sent[topic] += 1
    if number % 64 == 63:
        publisher.flush()
publisher.flush()
print(sent["A"], sent["B"], flush=True)
while True:
    publisher.pulse()
    time.sleep(0.05)
"""


@pytest.mark.parametrize("batch", [1, 32])
async def test_reported_losses_are_the_real_losses_exactly(
    context: "zmq.Context[Any]", quoted: Quoted, batch: int
) -> None:
    """While a subscriber is stopped its publisher drops beyond its bound; afterwards received + reported = sent."""
    flood = subprocess.Popen(
        [sys.executable, "-c", FLOOD, str(batch), "60000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert flood.stdin is not None
    assert flood.stdout is not None
    try:
        limits = Limits(queue=50)
        subscriber = Subscriber(context, flood.stdout.readline().strip(), ["market.quote"], limits=limits)
        assert flood.stdout.readline() == "joined\n"
        flood.stdin.write("go\n")
        flood.stdin.flush()
        sent = [int(each) for each in flood.stdout.readline().split()]  # nobody reads meanwhile
        assert sum(sent) == 60_000
        seen: dict[str, set[int]] = {"A": set(), "B": set()}
        lost = {"A": 0, "B": 0}
        async with asyncio.timeout(PATIENCE):
            while len(seen["A"]) + lost["A"] < sent[0] or len(seen["B"]) + lost["B"] < sent[1]:
                frame = await anext(subscriber)
                name = frame.topic[-1]
                lost[name] += frame.gap.lost if frame.gap else 0
                seen[name] |= {int(each.ask_size) for each in frame.messages if isinstance(each, QuoteUpdate)}
        assert sum(lost.values()) > 0, "the bound was never reached, so nothing was tried"
        assert [len(seen["A"]) + lost["A"], len(seen["B"]) + lost["B"]] == sent
        assert subscriber.status.lost == sum(lost.values())
        subscriber.close()
    finally:
        os.kill(flood.pid, signal.SIGKILL)
        flood.communicate()


async def test_with_keys_only_known_peers_get_anything(
    context: "zmq.Context[Any]", tcp: str, store: KeyStore, until: Until, quoted: Quoted
) -> None:
    """CURVE with the authenticator: a known key subscribes, an unknown one and no key at all get nothing."""
    stranger = KeyStore(store.folder.parent / "others")
    stranger.create("model")
    stranger.admit("execution", store.peers()["execution"].keys[0], ())
    async with (
        Authenticator(context, store) as authenticator,
        Publisher(context, tcp, name="test", curve=store.server("execution")) as publisher,
    ):
        known = Subscriber(context, publisher.address, ["market"], curve=store.client("watcher", "execution"))
        unknown = Subscriber(context, publisher.address, ["market"], curve=stranger.client("model", "execution"))
        plain = Subscriber(context, publisher.address, ["market"])
        await until(lambda: publisher.joins >= 4 and authenticator.refused["unknown key"] >= 1)
        publisher.publish("market.quote.A", quoted(1))
        assert (await numbers(known, 1))[0] == [1]
        assert authenticator.admitted == {"watcher": 1}
        assert unknown._socket.poll(50) == 0
        assert plain._socket.poll(50) == 0
        for each in (known, unknown, plain):
            each.close()


async def test_without_an_authenticator_nobody_gets_in(
    context: "zmq.Context[Any]", tcp: str, store: KeyStore, quoted: Quoted
) -> None:
    """A server with keys whose authenticator died, or never was, lets nobody in, not even a known key (SEC-02)."""
    async with Authenticator(context, store):
        pass
    async with Publisher(context, tcp, name="test", curve=store.server("execution")) as publisher:
        known = Subscriber(context, publisher.address, ["market"], curve=store.client("watcher", "execution"))
        await asyncio.sleep(0.3)
        assert publisher.joins == 0
        publisher.publish("market.quote.A", quoted(1))
        assert known._socket.poll(100) == 0
        known.close()


def test_nothing_leads_off_this_machine_without_keys(context: "zmq.Context[Any]", tmp_path: Path) -> None:
    """A plain tcp address that is not loopback, and an ipc folder that is open to others, are refused."""
    for address in ("tcp://192.0.2.1:5555", "tcp://*:5555", "tcp://0.0.0.0:5555", "tcp://example.org:5555"):
        with pytest.raises(BusError, match="E703"):
            Publisher(context, address, name="test")
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(BusError, match="open to others"):
        Publisher(context, f"ipc://{folder}/data", name="test")


async def test_an_ipc_socket_stands_in_a_folder_of_its_own(
    context: "zmq.Context[Any]", tmp_path: Path, until: Until, quoted: Quoted
) -> None:
    """The folder is made with mode 0700, and the plane works through it."""
    async with Publisher(context, f"ipc://{tmp_path}/bus/data", name="test") as publisher:
        assert (tmp_path / "bus").stat().st_mode & 0o777 == 0o700
        subscriber = Subscriber(context, publisher.address, ["market"])
        await until(lambda: publisher.joins >= 4)
        publisher.publish("market.quote.A", quoted(7))
        assert (await numbers(subscriber, 1))[0] == [7]
        subscriber.close()


async def test_frames_that_cannot_be_read_are_counted(context: "zmq.Context[Any]", tcp: str, quoted: Quoted) -> None:
    """Garbage and another schema change nothing but a counter."""
    async with Publisher(context, tcp, name="test") as publisher:
        subscriber = Subscriber(context, publisher.address, ["market"])
        assert (
            taken(subscriber, [b"market.x", b"market.x\0" + b"\x02" + b"\0" * 30, b"market.x\0\x01m" + b"\0" * 20])
            == []
        )
        assert (subscriber.status.unreadable, subscriber.status.foreign) == (2, 1)
        subscriber.close()
