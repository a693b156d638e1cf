"""The receiving end of the data plane: frames in order, and every hole between them counted exactly.

Each topic has its own numbers, so a hole is known wherever it is and whatever else is subscribed to; a hole at the end
is found by the next heartbeat. What is read twice (a snapshot that others asked for) is dropped. Nothing piles up here:
while nobody reads, messages wait up to the socket's bound and are lost at the publisher's side beyond it, and counted.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

import msgspec
import zmq

from puna.bus.frames import NUL, Envelope, UnknownVersionError, matches, next_of, opened, prefixes
from puna.bus.messages import BusError, Heartbeat, Message
from puna.bus.sockets import Bell, Curve, Limits, attach, opened_socket, readable
from puna.seams import Clock, SystemClock

__all__ = ["Gap", "Received", "Subscriber", "SubscriberStatus"]

HEARTBEAT = "system.heartbeat"
NANOS = 1_000_000_000
DRAIN = 4096  # frames read in one go while conflating, so that others have their turn


class Gap(msgspec.Struct, frozen=True, gc=False):
    """Messages that are missing before a frame.

    Args:
        lost: how many.
        reason: lost on the way; or the publisher has restarted, and what its old life still had to say is not known.
    """

    lost: int
    reason: Literal["lost", "restart"] = "lost"


class Received(msgspec.Struct, frozen=True, gc=False):
    """One frame: its messages in order, numbered from `seq` on, and the hole before them. No messages: only a hole."""

    topic: str
    seq: int
    messages: list[Message]
    gap: Gap | None = None
    snapshot: bool = False


@dataclass(slots=True)
class SubscriberStatus:
    """Facts, for health and metrics.

    Attributes:
        received: messages that were handed on.
        lost: messages that are known to be missing.
        gaps: holes.
        duplicates: messages that came again and were dropped.
        conflated: messages that a newer one of their topic took the place of.
        restarts: how often the publisher began anew.
        unreadable: frames that could not be read.
        foreign: frames of another schema.
        last_at: wall time (monotonic, ns) of the last frame of any kind, heartbeats included; 0 before the first.
        heartbeat: the last one.
    """

    received: int = 0
    lost: int = 0
    gaps: int = 0
    duplicates: int = 0
    conflated: int = 0
    restarts: int = 0
    unreadable: int = 0
    foreign: int = 0
    last_at: int = 0
    heartbeat: Heartbeat | None = None


class Subscriber:
    """Frames of some topics of one publisher: `async for frame in subscriber`, or `receive` without a loop.

    Args:
        context: ZeroMQ's, one a process.
        address: the publisher's.
        topics: whole segments from the left; `market.bar` is every bar, an empty text everything.
        curve: keys, with the publisher's public one.
        conflate: topics (whole segments; True is all) of which only the newest frame is handed on, of those that
            wait; the others count as `conflated`.
        limits: bounds.
        clock: wall time.
    """

    def __init__(
        self,
        context: "zmq.Context[Any]",
        address: str,
        topics: Iterable[str] = ("",),
        *,
        curve: Curve | None = None,
        conflate: bool | Iterable[str] = False,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.status = SubscriberStatus()
        self._topics = tuple(topics)
        self._clock = clock or SystemClock()
        self._conflated = ("",) if conflate is True else tuple(conflate or ())
        self._next: dict[str, tuple[int, int]] = {}
        self._lines: dict[bytes, tuple[str, int, int]] = {}
        self._unseen: set[str] = set()  # topics that so far only a heartbeat has told of: their snapshot is news
        self._epoch = 0
        self._complete = False  # a heartbeat came: what it did not list begins at 1
        self._ready: deque[Received] = deque()
        self._wait = -1
        self._socket = opened_socket(context, zmq.SUB, limits or Limits(), curve)
        for topic in (*self._topics, HEARTBEAT):
            for prefix in prefixes(topic):
                self._socket.setsockopt(zmq.SUBSCRIBE, prefix)
        attach(self._socket, address, bind=False, curve=curve)
        self._bell = Bell(self._socket)

    def age(self) -> float | None:
        """Seconds since anything came, heartbeats included; None before the first."""
        return (self._clock.monotonic() - self.status.last_at) / NANOS if self.status.last_at else None

    def receive(self, timeout: float | None = None) -> Received | None:
        """The next frame, waiting for it; None when none comes within `timeout` seconds."""
        wait = -1 if timeout is None else round(timeout * 1000)
        if wait != self._wait:
            self._socket.setsockopt(zmq.RCVTIMEO, wait)
            self._wait = wait
        while not self._ready:
            try:
                self._take(self._socket.recv())
            except zmq.Again:
                return None
            if self._conflated:
                self._pull()
        return self._ready.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Received:
        while not self._ready:
            if self._socket.closed:
                raise StopAsyncIteration
            try:
                self._pull()
            except zmq.Again:
                await self._bell.wait()
        return self._ready.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the publisher."""
        self._socket.close(linger=0)

    def resync(self, topic: str) -> None:
        """Asks for the last message of a topic once more, as a joiner would get it."""
        for prefix in prefixes(topic):
            self._socket.setsockopt(zmq.UNSUBSCRIBE, prefix)
            self._socket.setsockopt(zmq.SUBSCRIBE, prefix)
        self._bell.ring()

    def _pull(self) -> None:
        """What has come: one frame, or, conflating, all there is.

        Raises:
            zmq.Again: nothing has.
        """
        if not self._conflated:
            self._take(self._socket.recv(zmq.NOBLOCK))
            return
        found: dict[str | int, Received] = {}
        if not self._ready and not readable(self._socket):
            raise zmq.Again
        for _ in range(DRAIN):
            if readable(self._socket):
                self._take(self._socket.recv(zmq.NOBLOCK))
            if not self._ready:
                break
            while self._ready:
                frame = self._ready.popleft()
                if not any(matches(each, frame.topic) for each in self._conflated):
                    found[len(found)] = frame  # a key of its own: kept as it is, where it is
                    continue
                if frame.topic in found:
                    frame = self._merged(found.pop(frame.topic), frame)
                found[frame.topic] = frame
        self._ready.extend(found.values())

    def _merged(self, old: Received, new: Received) -> Received:
        self.status.conflated += len(old.messages) if new.messages else 0
        lost = sum(each.gap.lost for each in (old, new) if each.gap)
        restart = any(each.gap and each.gap.reason == "restart" for each in (old, new))
        gap = Gap(lost, "restart" if restart else "lost") if lost or restart else None
        kept = new if new.messages else old
        return Received(kept.topic, kept.seq, kept.messages, gap, kept.snapshot)

    def _take(self, frame: bytes) -> None:
        status = self.status
        status.last_at = self._clock.monotonic()
        end = frame.find(NUL)
        expected = self._lines.get(frame[:end]) if end > 0 else None
        if expected is not None:
            topic, epoch, seq = expected
            messages = next_of(frame, end, epoch, seq)
            if messages is not None:
                self._expect(topic, epoch, seq + len(messages))
                status.received += len(messages)
                self._ready.append(Received(topic, seq, messages))
                return
        self._look_closer(frame)

    def _expect(self, topic: str, epoch: int, seq: int) -> None:
        """The number that must come next on a topic."""
        self._next[topic] = (epoch, seq)
        if not topic.startswith(HEARTBEAT):
            self._lines[topic.encode()] = (topic, epoch, seq)

    def _look_closer(self, frame: bytes) -> None:
        """Whatever is not the very frame that was expected."""
        status = self.status
        try:
            envelope = opened(frame)
        except UnknownVersionError:
            status.foreign += 1
            return
        except BusError:
            status.unreadable += 1
            return
        topic, epoch, seq, messages = envelope.topic, envelope.epoch, envelope.seq, envelope.messages
        known = self._next.get(topic)
        gap = None
        if known is not None and known[0] == epoch and known[1] == seq and not envelope.snapshot:
            self._expect(topic, epoch, seq + len(messages))
        else:
            found = self._placed(envelope, known)
            if found is None:
                return
            messages, gap = found
            seq += len(envelope.messages) - len(messages)
        if topic.startswith(HEARTBEAT) and isinstance(beat := messages[-1], Heartbeat):
            self._heard(beat, epoch)
            if not any(matches(each, HEARTBEAT) for each in self._topics):
                return
        status.received += len(messages)
        self._ready.append(Received(topic, seq, messages, gap, envelope.snapshot))

    def _placed(self, envelope: Envelope, known: tuple[int, int] | None) -> tuple[list[Message], Gap | None] | None:
        """What of a frame is new, and the hole before it; None when nothing is."""
        topic, epoch, seq, count = envelope.topic, envelope.epoch, envelope.seq, len(envelope.messages)
        if topic in self._unseen:
            self._unseen.discard(topic)
            if envelope.snapshot and known == (epoch, seq + count):
                return envelope.messages, None
        if epoch < self._epoch or (known is not None and known[0] == epoch and seq + count <= known[1]):
            self.status.duplicates += count
            return None
        if epoch > self._epoch:
            self._begin(epoch)
        lost, reason, messages = 0, "lost", envelope.messages
        if known is None:
            lost = seq - 1 if self._complete and not envelope.snapshot else 0
        elif known[0] != epoch:
            lost, reason = 0 if envelope.snapshot else seq - 1, "restart"
        elif seq >= known[1]:
            lost = seq - known[1]
        else:
            messages = messages[known[1] - seq :]
            self.status.duplicates += count - len(messages)
        self._expect(topic, epoch, seq + count)
        if topic.startswith(HEARTBEAT):
            return messages, None
        gap = Gap(lost, "restart" if reason == "restart" else "lost") if lost or reason == "restart" else None
        self._count(gap)
        return messages, gap

    def _begin(self, epoch: int) -> None:
        """The publisher of this epoch is heard for the first time."""
        if self._epoch:
            self.status.restarts += 1
        self._epoch, self._complete = epoch, False

    def _heard(self, beat: Heartbeat, epoch: int) -> None:
        """Finds what is missing at the end of a topic."""
        self.status.heartbeat = beat
        for topic, mark in beat.marks.items():
            if not any(matches(each, topic) for each in self._topics):
                continue
            known = self._next.get(topic)
            if known is None and not self._complete:  # it was there before us
                self._expect(topic, epoch, mark + 1)
                self._unseen.add(topic)
                continue
            expected = known[1] if known is not None and known[0] == epoch else 1
            restart = known is not None and known[0] != epoch
            if mark >= expected or restart:
                gap = Gap(mark + 1 - expected, "restart" if restart else "lost")
                self._expect(topic, epoch, mark + 1)
                self._count(gap)
                self._ready.append(Received(topic, mark + 1, [], gap))
        self._complete = True

    def _count(self, gap: Gap | None) -> None:
        if gap is not None:
            self.status.gaps += 1
            self.status.lost += gap.lost
