"""The sending end of the data plane: sequences for each topic, batches that grow with the load, a snapshot at joining.

A subscriber that does not keep up loses messages here, at its own bound, and finds out exactly how many by itself: each
topic counts on its own, and the heartbeat carries the last number of each. Nobody else is slowed down by it.
"""

import asyncio
from typing import Any, Self

import msgspec
import zmq

from puna.bus.frames import LARGEST_BATCH, Single, matches, packed, put_message, put_number, start_of
from puna.bus.messages import Heartbeat, Message
from puna.bus.sockets import Bell, Curve, Limits, attach, opened_socket, readable, sender
from puna.seams import Clock, SystemClock

__all__ = ["Publisher"]

HEARTBEAT = "system.heartbeat"
NOBLOCK = int(zmq.NOBLOCK)
JOIN_PAUSE = 0.02  # seconds in which several joiners are answered at once


class _Line:
    """One topic: what its frames begin with, where it stands, what waits, what was last."""

    __slots__ = ("last", "pending", "seq", "single", "start")

    def __init__(self, start: bytes, epoch: int) -> None:
        self.start = start
        self.seq = 0
        self.pending: list[Message] = []
        self.last: Message | None = None
        self.single = Single(start, epoch)


class Publisher:
    """Publishes messages on topics. `async with` it: that answers joiners and beats.

    Args:
        context: ZeroMQ's, one a process.
        address: where to bind.
        name: in its heartbeats.
        curve: its keys as a server; None is for this machine only.
        batch: the most messages in one frame. What is published in one turn of the loop leaves together at its end;
            1 sends each message at once, with the least latency.
        beat: seconds of wall time between heartbeats.
        snapshot: a joiner gets the last message of each topic it joins.
        limits: bounds.
        clock: wall time for the epoch and the heartbeat.
        as_json: bodies in JSON.

    Attributes:
        address: where it is bound.
        epoch: wall time of its start, ns; a later publisher of the same name has a later one.
        joins: how often somebody joined.
        heartbeat: what the next heartbeat says besides; `marks` and `ts` are filled in.
    """

    def __init__(
        self,
        context: "zmq.Context[Any]",
        address: str,
        *,
        name: str,
        curve: Curve | None = None,
        batch: int = 256,
        beat: float = 1.0,
        snapshot: bool = True,
        limits: Limits | None = None,
        clock: Clock | None = None,
        as_json: bool = False,
    ) -> None:
        self._clock = clock or SystemClock()
        self._socket = opened_socket(context, zmq.XPUB, limits or Limits(), curve)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._put = sender(self._socket)
        self.address = attach(self._socket, address, bind=True, curve=curve)
        self.epoch = self._clock.now()
        self.joins = 0
        self.heartbeat = Heartbeat(name, 0)
        self._batch = min(max(batch, 1), LARGEST_BATCH)
        self._beat = beat
        self._snapshot = snapshot
        self._json = as_json
        self._at_once = self._batch == 1 and not as_json
        self._lines: dict[str, _Line] = {}
        self._waiting: list[_Line] = []
        self._scheduled = False
        self._bell = Bell(self._socket)
        self._tasks: list[asyncio.Task[None]] = []

    def publish(self, topic: str, message: Message) -> None:
        """Sends a message, at once or at the end of this turn of the loop.

        Raises:
            BusError: the topic is none.
        """
        try:
            line = self._lines[topic]
        except KeyError:
            line = self._begun(topic)
        if self._at_once:
            line.seq = seq = line.seq + 1
            line.last = message
            single = line.single
            put_number(single.buffer, single.at, seq)
            put_message(message, single.buffer, single.body)
            self._put(single.buffer, NOBLOCK)
            return
        pending = line.pending
        pending.append(message)
        count = len(pending)
        if count >= self._batch:
            self._send(line)
        elif count == 1:
            self._waiting.append(line)
            if not self._scheduled:
                self._schedule()

    def flush(self) -> None:
        """Sends what waits."""
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            if line.pending:
                self._send(line)

    def _begun(self, topic: str) -> _Line:
        line = self._lines[topic] = _Line(start_of(topic), self.epoch)
        return line

    def describe(self, **said: object) -> None:
        """What the next heartbeats say: market, factor, ready, config."""
        self.heartbeat = msgspec.structs.replace(self.heartbeat, **said)

    def pulse(self) -> None:
        """Sends a heartbeat with the last number of every topic."""
        self.flush()
        marks = {topic: line.seq for topic, line in self._lines.items() if not topic.startswith(HEARTBEAT)}
        beat = msgspec.structs.replace(self.heartbeat, ts=self._clock.now(), marks=marks)
        self.publish(f"{HEARTBEAT}.{self.heartbeat.name}", beat)
        self.flush()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._welcome()), asyncio.create_task(self._pulses())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Sends what waits, and lets go of the address."""
        if not self._socket.closed:
            self.flush()
            self._socket.close(linger=200)

    def attend(self) -> None:
        """Answers whoever has joined since; `async with` does it by itself."""
        joined = set[bytes]()
        while readable(self._socket):
            note = self._socket.recv(NOBLOCK)
            if note[:1] == b"\x01":
                self.joins += 1
                joined.add(note[1:])
        if joined and self._snapshot:
            self._repeat(joined)

    async def _welcome(self) -> None:
        while True:
            await self._bell.wait()
            await self._clock.backoff(JOIN_PAUSE)
            self.attend()

    async def _pulses(self) -> None:
        while True:
            self.pulse()
            self._bell.ring()
            await self._clock.backoff(self._beat)

    def _schedule(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # without a loop whoever publishes also flushes
            return
        self._scheduled = True
        loop.call_soon(self.flush)

    def _send(self, line: _Line) -> None:
        messages, line.pending = line.pending, []
        first, line.seq = line.seq + 1, line.seq + len(messages)
        line.last = messages[-1]
        self._put(packed(line.start, self.epoch, first, messages, as_json=self._json), NOBLOCK)

    def _repeat(self, joined: set[bytes]) -> None:
        """The last message of every topic that was joined, once more and marked as such."""
        self.flush()
        for line in self._lines.values():
            if line.last is not None and any(line.start.startswith(prefix) for prefix in joined):
                frame = packed(line.start, self.epoch, line.seq, [line.last], snapshot=True, as_json=self._json)
                self._put(frame, NOBLOCK)

    @property
    def sent(self) -> int:
        """Messages so far."""
        return sum(line.seq for line in self._lines.values())

    def last(self, topic: str) -> Message | None:
        """The last message of a topic."""
        line = self._lines.get(topic)
        return line.last if line else None

    def topics(self, subscription: str = "") -> list[str]:
        """What was published so far."""
        return sorted(topic for topic in self._lines if matches(subscription, topic))
