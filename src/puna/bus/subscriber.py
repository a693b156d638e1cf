"""The receiving end of the data plane: frames in order, and every hole between them counted exactly.

Each topic has its own numbers, so a hole is known wherever it is and whatever else is subscribed to; a hole at the end
is found by the next heartbeat. What is read twice (a snapshot that others asked for) is dropped. What waits is read in
one go, up to BURST frames, and those of one topic that follow each other are handed on as one. Nothing else piles up
here: while nobody reads, messages wait up to the socket's bound and are lost at the publisher's side beyond it, and
counted.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

import msgspec
import zmq

from puna.bus.frames import NUL, Envelope, UnknownVersionError, matches, opened, prefixes, read_run, start_of
from puna.bus.messages import BusError, Heartbeat, Message
from puna.bus.sockets import Bell, Curve, Limits, attach, opened_socket, readable
from puna.seams import Clock, SystemClock

__all__ = ["Gap", "Received", "Subscriber", "SubscriberStatus"]

HEARTBEAT = "system.heartbeat"
NANOS = 1_000_000_000
NOBLOCK = int(zmq.NOBLOCK)
BURST = 32  # frames read in one go: beyond it others have their turn first
ALONE = 7  # so many frames are handed on at once, after one behind which nothing waited, before anybody looks again
CONFLATED_BURST = 4096  # the same where only the newest counts


class Gap(msgspec.Struct, frozen=True, gc=False):
    """Messages that are missing before a frame.

    Args:
        lost: how many.
        reason: lost on the way; or the publisher has restarted, and what its old life still had to say is not known.
    """

    lost: int
    reason: Literal["lost", "restart"] = "lost"


class Received(msgspec.Struct, frozen=True, gc=False):
    """Messages of one topic in order, numbered from `seq` on, and the hole before them. No messages: only a hole.

    They came in one frame, or in several that followed each other without a hole.
    """

    topic: str
    seq: int
    messages: list[Message]
    gap: Gap | None = None
    snapshot: bool = False


class _Line:
    """One topic: the publisher's epoch, the number that comes next, and whether only a heartbeat has told of it."""

    __slots__ = ("epoch", "seq", "start", "topic", "unseen")

    def __init__(self, topic: str, start: bytes, epoch: int, seq: int) -> None:
        self.topic = topic
        self.start = start
        self.epoch = epoch
        self.seq = seq
        self.unseen = False


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
    """What some topics of one publisher say: `async for received in subscriber`, or `receive` without a loop.

    Args:
        context: ZeroMQ's, one a process.
        address: the publisher's.
        topics: whole segments from the left; `market.bar` is every bar, an empty text everything.
        curve: keys, with the publisher's public one.
        conflate: topics (whole segments; True is all) of which only the newest message is handed on, of those that
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
        self._lines: dict[str, _Line] = {}
        self._usual: dict[bytes, _Line] = {}  # the same by what their frames begin with, but for heartbeats
        self._epoch = 0
        self._complete = False  # a heartbeat came: what it did not list begins at 1
        self._ready: deque[Received] = deque()
        self._wait = -1
        self._alone = 0
        self._unbroken = 0
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
        """What comes next, waiting for it; None when nothing comes within `timeout` seconds."""
        if self._ready:
            return self._ready.popleft()
        wait = -1 if timeout is None else round(timeout * 1000)
        if wait != self._wait:
            self._socket.setsockopt(zmq.RCVTIMEO, wait)
            self._wait = wait
        while not self._ready:
            try:
                frame = self._socket.recv()
            except zmq.Again:
                return None
            self._came(frame)
        return self._ready.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Received:
        while not self._ready:
            if self._socket.closed:
                raise StopAsyncIteration
            if not readable(self._socket):
                await self._bell.wait()
                self._unbroken = 0
                continue
            self._unbroken += self._came(self._socket.recv(zmq.NOBLOCK))
            if self._unbroken >= BURST:
                self._unbroken = 0
                await self._clock.sleep(0)  # more comes than is read in one go: others have their turn
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

    def _came(self, frame: bytes) -> int:
        """Takes a frame, and what waits behind it unless nothing did a moment ago; gives how many frames they were.

        To find that nothing waits takes pyzmq as long as to receive ten frames.
        """
        if self._alone and not self._conflated:
            self._alone -= 1
            self._take([frame])
            return 1
        count = self._pull(frame)
        self._alone = ALONE if count == 1 else 0
        return count

    def _pull(self, frame: bytes) -> int:
        """Takes a frame and what else has come, as far as one go reaches; gives how many they were."""
        frames = [frame]
        receive, more = self._socket.recv, frames.append
        try:
            for _ in range(CONFLATED_BURST if self._conflated else BURST):
                more(receive(NOBLOCK))
        except zmq.Again:
            pass
        self._take(frames)
        if self._conflated:
            self._conflate()
        return len(frames)

    def _conflate(self) -> None:
        """Keeps the newest of each topic that is conflated, and everything of the others."""
        found: dict[str | int, Received] = {}
        for frame in self._ready:
            if not any(matches(each, frame.topic) for each in self._conflated):
                found[len(found)] = frame  # a key of its own: kept as it is, where it is
                continue
            found[frame.topic] = self._newest(found.pop(frame.topic, None), frame)
        self._ready = deque(found.values())

    def _newest(self, old: Received | None, new: Received) -> Received:
        both = (old, new) if old is not None else (new,)
        lost = sum(each.gap.lost for each in both if each.gap)
        restart = any(each.gap and each.gap.reason == "restart" for each in both)
        gap = Gap(lost, "restart" if restart else "lost") if lost or restart else None
        kept = new if new.messages or old is None else old
        self.status.conflated += max(0, sum(len(each.messages) for each in both) - 1)
        before = max(0, len(kept.messages) - 1)
        return Received(kept.topic, kept.seq + before, kept.messages[before:], gap, kept.snapshot)

    def _take(self, frames: list[bytes]) -> None:
        """What frames say: runs of one topic as they usually come, and one by one whatever else there is."""
        status, ready, usual = self.status, self._ready.append, self._usual
        status.last_at = self._clock.monotonic()
        at, count = 0, len(frames)
        while at < count:
            frame = frames[at]
            line = usual.get(frame[: frame.find(NUL) + 1])
            if line is not None:
                messages, upto = read_run(frames, at, line.start, line.epoch, line.seq)
                if messages:
                    ready(Received(line.topic, line.seq, messages))
                    line.seq += len(messages)
                    line.unseen = False
                    status.received += len(messages)
                    at = upto
                    continue
            self._look_closer(frame)
            at += 1

    def _expect(self, topic: str, epoch: int, seq: int) -> _Line:
        """The number that must come next on a topic."""
        line = self._lines.get(topic)
        if line is None:
            line = self._lines[topic] = _Line(topic, start_of(topic), epoch, seq)
            if not topic.startswith(HEARTBEAT):
                self._usual[line.start] = line
        line.epoch, line.seq, line.unseen = epoch, seq, False
        return line

    def _look_closer(self, frame: bytes) -> None:
        """Whatever is not the very frame that was expected."""
        status = self.status
        try:
            envelope = opened(frame)
            start_of(envelope.topic)
        except UnknownVersionError:
            status.foreign += 1
            return
        except BusError:
            status.unreadable += 1
            return
        topic, epoch, seq, messages = envelope.topic, envelope.epoch, envelope.seq, envelope.messages
        line = self._lines.get(topic)
        gap = None
        if line is not None and line.epoch == epoch and line.seq == seq and not envelope.snapshot:
            self._expect(topic, epoch, seq + len(messages))
        else:
            found = self._placed(envelope, line)
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

    def _placed(self, envelope: Envelope, line: _Line | None) -> tuple[list[Message], Gap | None] | None:
        """What of a frame is new, and the hole before it; None when nothing is."""
        topic, epoch, seq, count = envelope.topic, envelope.epoch, envelope.seq, len(envelope.messages)
        same = line is not None and line.epoch == epoch
        if line is not None and line.unseen and envelope.snapshot and same and seq + count == line.seq:
            line.unseen = False
            return envelope.messages, None
        if epoch < self._epoch or (line is not None and same and seq + count <= line.seq):
            self.status.duplicates += count
            return None
        if epoch > self._epoch:
            self._begin(epoch)
        lost, reason, messages = 0, "lost", envelope.messages
        if line is None:
            lost = seq - 1 if self._complete and not envelope.snapshot else 0
        elif not same:
            lost, reason = 0 if envelope.snapshot else seq - 1, "restart"
        elif seq >= line.seq:
            lost = seq - line.seq
        else:
            messages = messages[line.seq - seq :]
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
            line = self._lines.get(topic)
            if line is None and not self._complete:  # it was there before us
                self._expect(topic, epoch, mark + 1).unseen = True  # and its snapshot is news
                continue
            expected = line.seq if line is not None and line.epoch == epoch else 1
            restart = line is not None and line.epoch != epoch
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
