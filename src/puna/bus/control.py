"""The control plane: messages that arrive once, are answered, and survive the restart of either end.

A client keeps each message in its outbox until the answer is there, and sends it again after a while and after every
reconnection; it never gives up, since a server that took a message and died before it answered will answer the
repetition. The server knows a peer by its key, refuses what its role does not allow, what is stale, and what it cannot
read, and answers a repetition with the first answer. Nothing here decides what a message means.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

import zmq

from puna.bus.boxes import KEPT, Inbox, Outbox, Together
from puna.bus.frames import HEADER, Envelope, opened, packed, start_of
from puna.bus.keys import Authenticator, Role
from puna.bus.messages import (
    SCHEMA,
    Ack,
    BusError,
    CancelRequest,
    EventsAfter,
    Hello,
    IntentRequest,
    Message,
    RiskState,
    Signal,
    Welcome,
)
from puna.bus.sockets import Bell, Curve, Limits, attach, opened_socket
from puna.errors import DeadlineError
from puna.seams import Clock, SystemClock

__all__ = ["NEEDS", "ControlClient", "ControlServer"]

ASK = start_of("control.ask")
TELL = start_of("control.tell")
ANSWER = start_of("control.answer")
NANOS = 1_000_000_000
CONTROL_LIMITS = Limits(queue=2_000, largest=1 << 18)

NEEDS: Mapping[type[Any], Role] = {
    Signal: Role.SIGNALS,
    IntentRequest: Role.INTENTS,
    CancelRequest: Role.INTENTS,
    RiskState: Role.RISK,
    Hello: Role.WATCH,
    EventsAfter: Role.WATCH,
}
"""What a peer must be allowed, to send what. Anything else may be sent by nobody."""

Taker = Callable[[str, Message], Awaitable[Ack | Message]]


class ControlServer:
    """The ROUTER. `async with` it.

    Args:
        context: ZeroMQ's.
        address: where to bind: ipc, or tcp with keys.
        take: does what a message asks for, given the peer's name; its answer is durable before the peer gets it.
        inbox: answers that were given; closed with the server.
        curve: its keys; None only on ipc or inproc, where the folder's mode is the lock.
        authenticator: knows the roles; None goes with `curve` None, and then everybody of this user may do everything.
        limits: bounds.

    Attributes:
        address: where it is bound.
        taken: messages that were taken, by kind.
        refused: what was not, by reason.
        peers: name -> wall time of its last message.
    """

    def __init__(
        self,
        context: "zmq.Context[Any]",
        address: str,
        take: Taker,
        inbox: Inbox,
        *,
        curve: Curve | None = None,
        authenticator: Authenticator | None = None,
        limits: Limits = CONTROL_LIMITS,
        clock: Clock | None = None,
    ) -> None:
        if (curve is None) != (authenticator is None) or (curve is None and address.startswith("tcp://")):
            raise BusError(
                "The control plane is never open.",
                why=f"{address} without keys and an authenticator",
                state="Nothing was started.",
                remedy="Make keys with `puna bus keys NAME`, or use ipc in a folder of mode 0700.",
                code="E703",
            )
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.peers: dict[str, int] = {}
        self._take = take
        self._inbox = inbox
        self._answers = Together(inbox.put_all)
        self._authenticator = authenticator
        self._clock = clock or SystemClock()
        self._socket = opened_socket(context, zmq.ROUTER, limits, curve)
        self._socket.setsockopt(
            zmq.ROUTER_HANDOVER, 1
        )  # a peer that comes back before its old connection is seen to end
        self.address = attach(self._socket, address, bind=True, curve=curve)
        self._monitor = self._socket.get_monitor_socket(
            zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH
        )
        self._bell = Bell(self._socket)
        self._tasks: list[asyncio.Task[None]] = []
        self._under_way: dict[tuple[str, int, int], asyncio.Task[bytes]] = {}
        self._answered: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._works: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._serve()), asyncio.create_task(self._watch_handshakes())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._tasks, *self._works, *self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._works, *self._under_way.values(), return_exceptions=True)
        self._socket.disable_monitor()
        self._monitor.close(linger=0)  # nobody else does, and a socket that is left open holds up its context
        self._socket.close(linger=200)
        self._inbox.close()

    @property
    def under_way(self) -> int:
        """Messages that are being worked on."""
        return len(self._works)

    async def _serve(self) -> None:
        while True:
            await self._bell.wait()
            with suppress(zmq.Again):
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                self._hear(parts)

    def _hear(self, parts: list[zmq.Frame]) -> None:
        """One message: who sent it, whether it can be read, whether he may send it."""
        if len(parts) != 2:
            self.refused["shape"] += 1
            return
        route, peer = parts[0].bytes, self._name(parts)
        try:
            envelope = opened(parts[1].bytes)
        except BusError as error:
            self.refused["version" if error.code == "E701" else "unreadable"] += 1
            self._answer(route, 0, 0, Ack(0, "refused", error.code, f"{error.what} {error.why}".strip()))
            return
        if len(envelope.messages) != 1:
            self.refused["shape"] += 1
            return
        message, seq = envelope.messages[0], envelope.seq
        self.peers[peer] = self._clock.now()
        if (why := self._objection(peer, message)) is not None:
            self.refused["role"] += 1
            self._answer(route, envelope.epoch, seq, Ack(seq, "refused", "E705", why))
            return
        if envelope.topic != "control.ask" and (peer, envelope.epoch, seq) in self._under_way:
            self.refused["repeated"] += 1  # its answer is on its way, or will be asked for again
            return
        work = self._ask if envelope.topic == "control.ask" else self._tell
        task = asyncio.create_task(work(route, peer, envelope))
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    def _name(self, parts: list[zmq.Frame]) -> str:
        """Who it is by his key; without keys, by what he calls himself."""
        if self._authenticator is None:
            return parts[0].bytes.decode("ascii", "replace")[:24]
        return str(parts[1].get("User-Id"))

    def _objection(self, peer: str, message: Message) -> str | None:
        need = NEEDS.get(type(message))
        if need is None:
            return f"nobody sends a {message.__struct_config__.tag} here"
        if self._authenticator is None or need in self._authenticator.roles(peer):
            return None
        return f"{peer} may not send a {message.__struct_config__.tag}: that needs the role {need}"

    async def _ask(self, route: bytes, peer: str, envelope: Envelope) -> None:
        """A question, or a state that the next one replaces: answered, not remembered."""
        self._answer(route, envelope.epoch, envelope.seq, await self._outcome(peer, envelope))

    async def _tell(self, route: bytes, peer: str, envelope: Envelope) -> None:
        """A message that counts once."""
        key = (peer, envelope.epoch, envelope.seq)
        if (said := self._said(key)) is not None:
            self.refused["repeated"] += 1
            self._send(route, said)
            return
        if refusal := self._too_old(*key):
            self.refused["old"] += 1
            self._answer(route, envelope.epoch, envelope.seq, Ack(envelope.seq, "refused", "E706", refusal))
            return
        work = self._under_way.get(key)
        if work is None:
            work = self._under_way[key] = asyncio.create_task(self._carried_out(key, envelope))
            work.add_done_callback(lambda _: self._under_way.pop(key, None))
        self._send(route, await asyncio.shield(work))

    def _said(self, key: tuple[str, int, int]) -> bytes | None:
        """The first answer to this message, if there was one."""
        return self._answered.get(key) or self._inbox.answer(*key)

    def _too_old(self, peer: str, epoch: int, seq: int) -> str:
        newest = self._inbox.epoch(peer)
        if epoch < newest:
            return f"it is of an earlier life of {peer}"
        if epoch == newest and seq <= self._inbox.last(peer, epoch) - KEPT:
            return f"it is {KEPT} messages behind"
        return ""

    async def _carried_out(self, key: tuple[str, int, int], envelope: Envelope) -> bytes:
        said = packed(ANSWER, key[1], key[2], [await self._outcome(key[0], envelope)])
        await self._answers.put((*key, said))
        self._answered[key] = said
        while len(self._answered) > KEPT:
            self._answered.popitem(last=False)
        return said

    async def _outcome(self, peer: str, envelope: Envelope) -> Message:
        message, seq = envelope.messages[0], envelope.seq
        answer = await self._take(peer, message)
        if isinstance(answer, Ack):
            answer = Ack(seq, answer.outcome, answer.code, answer.why, answer.client_order_id)
            if answer.outcome == "refused":
                self.refused[answer.code or "refused"] += 1
                return answer
        self.taken[str(message.__struct_config__.tag)] += 1
        return answer

    def _answer(self, route: bytes, epoch: int, seq: int, message: Message) -> None:
        self._send(route, packed(ANSWER, epoch, seq, [message]))

    def _send(self, route: bytes, frame: bytes) -> None:
        """To a peer that may be gone or not read: then it asks again."""
        with suppress(zmq.ZMQError):
            self._socket.send_multipart([route, frame], zmq.NOBLOCK)
        self._bell.ring()

    async def _watch_handshakes(self) -> None:
        """Counts who did not even get as far as a message."""
        bell = Bell(self._monitor)
        while True:
            await bell.wait()
            with suppress(zmq.Again):
                self._monitor.recv_multipart(zmq.NOBLOCK)
                self.refused["handshake"] += 1


class ControlClient:
    """The DEALER. `async with` it: what an earlier life left in the outbox is sent first.

    Args:
        context: ZeroMQ's.
        address: the server's.
        outbox: what survives; closed with the client.
        name: who this is; on ipc without keys the server believes it.
        curve: keys, with the server's public one.
        retry: seconds of wall time after which an unanswered message is sent again.

    Attributes:
        repeats: how often something was sent again.
        last_at: wall time (monotonic) of the server's last answer; 0 before the first.
    """

    def __init__(
        self,
        context: "zmq.Context[Any]",
        address: str,
        outbox: Outbox,
        *,
        name: str,
        curve: Curve | None = None,
        retry: float = 1.0,
        limits: Limits = CONTROL_LIMITS,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.repeats = 0
        self.last_at = 0
        self.answered: Callable[[int, Message], None] = lambda *_: None
        self._clock = clock or SystemClock()
        self._outbox = outbox
        self._posts = Together(self._tell_all)
        self._retry = retry
        self._asked = 0
        self._wake = asyncio.Event()
        self._sent_at: dict[int, int] = {}
        self._answers: dict[tuple[int, int], asyncio.Future[Message]] = {}
        self._socket = opened_socket(context, zmq.DEALER, limits, curve)
        if curve is None:
            self._socket.setsockopt(zmq.ROUTING_ID, name.encode())
        attach(self._socket, address, bind=False, curve=curve)
        self._bell = Bell(self._socket)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._insist())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close(linger=200)
        self._outbox.close()

    @property
    def epoch(self) -> int:
        """Of the outbox."""
        return self._outbox.epoch

    @property
    def unanswered(self) -> int:
        """Messages that wait for their answer."""
        return 0 if self._socket.closed else self._outbox.count

    def age(self) -> float | None:
        """Seconds since the server answered anything; None before the first answer."""
        return (self._clock.monotonic() - self.last_at) / NANOS if self.last_at else None

    def post(self, message: Message) -> int:
        """Keeps and sends a message, and gives its number; it will arrive, once. `answered` hears of its answer."""
        return self._post_all([message])[0]

    async def tell(self, message: Message, within: float | None = None) -> Ack:
        """Keeps and sends a message, and waits for its answer. What is told in one turn of the loop is kept together.

        Raises:
            DeadlineError: none came in time; the message is still on its way, and may have been taken.
        """
        seq, future = await self._posts.put(message)
        answer = await self._answer((self.epoch, seq), future, within)
        return answer if isinstance(answer, Ack) else Ack(seq, "taken")

    async def ask(self, message: Message, within: float = 5.0) -> Message:
        """A question, whose answer is worth nothing later; nothing is kept.

        Raises:
            DeadlineError: no answer.
        """
        self._asked += 1
        seq = self._asked
        future = self._expected((0, seq))
        self._send(ASK, 0, seq, message)
        return await self._answer((0, seq), future, within)

    async def hello(self, version: str = "", config: str = "") -> Welcome:
        """Presents itself.

        Raises:
            DeadlineError: no answer; without keys that the server knows there is none.
            BusError: it is not welcome.
        """
        answer = await self.ask(Hello(self.name, SCHEMA, version, config))
        if isinstance(answer, Welcome):
            return answer
        why = answer.why if isinstance(answer, Ack) else "it answered something else"
        raise BusError("The server does not welcome this peer.", why=why, state="Nothing was sent.")

    def _post_all(self, messages: Sequence[Message]) -> list[int]:
        numbers = self._outbox.put_all([_body(message) for message in messages])
        for seq, message in zip(numbers, messages, strict=True):
            self._send(TELL, self.epoch, seq, message)
            self._sent_at[seq] = self._clock.monotonic()
        return numbers

    def _tell_all(self, messages: Sequence[Message]) -> list[tuple[int, "asyncio.Future[Message]"]]:
        return [(seq, self._expected((self.epoch, seq))) for seq in self._post_all(messages)]

    def _expected(self, key: tuple[int, int]) -> "asyncio.Future[Message]":
        """What the answer will be; it must be asked for before the loop turns, since the answer may be fast."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[key] = future
        return future

    async def _answer(self, key: tuple[int, int], future: "asyncio.Future[Message]", within: float | None) -> Message:
        try:
            if within is None:
                return await future
            async with self._clock.deadline(within):
                return await future
        except TimeoutError as error:
            raise DeadlineError(
                "The control plane gave no answer.",
                why=f"nothing came within {within:g} s",
                state="If it was a message, it is still on its way and may have been taken.",
                remedy="See whether execution runs, and whether it knows this peer's key.",
            ) from error
        finally:
            self._answers.pop(key, None)

    async def _listen(self) -> None:
        while True:
            await self._bell.wait()
            with suppress(zmq.Again, BusError):
                envelope = opened(self._socket.recv(zmq.NOBLOCK))
                self._hear(envelope)

    def _hear(self, envelope: Envelope) -> None:
        self.last_at = self._clock.monotonic()
        for message in envelope.messages:
            if envelope.epoch == self.epoch:
                self._outbox.done(envelope.seq)
                self._sent_at.pop(envelope.seq, None)
                self.answered(envelope.seq, message)
            future = self._answers.get((envelope.epoch, envelope.seq))
            if future is not None and not future.done():
                future.set_result(message)

    async def _insist(self) -> None:
        """What has no answer is sent again, oldest first."""
        while True:
            due = self._clock.monotonic() - round(self._retry * NANOS)
            for waiting in self._outbox.waiting():
                if (before := self._sent_at.get(waiting.seq)) is None or before <= due:
                    self.repeats += before is not None
                    self._sent_at[waiting.seq] = self._clock.monotonic()
                    self._put(_frame(self.epoch, waiting.seq, waiting.body))
            await self._clock.backoff(self._retry / 2)

    def _send(self, start: bytes, epoch: int, seq: int, message: Message) -> None:
        self._put(packed(start, epoch, seq, [message]))

    def _put(self, frame: bytes) -> None:
        """Out, if there is room; what is kept is sent again anyway."""
        with suppress(zmq.Again):
            self._socket.send(frame, zmq.NOBLOCK)
        self._bell.ring()


def _body(message: Message) -> bytes:
    """As it stands in the outbox: a whole frame without its numbers."""
    return packed(TELL, 0, 0, [message])


def _frame(epoch: int, seq: int, body: bytes) -> bytes:
    """What stands in the outbox, with its numbers."""
    version, encoding, count, _, _ = HEADER.unpack_from(body, len(TELL))
    return TELL + HEADER.pack(version, encoding, count, epoch, seq) + body[len(TELL) + HEADER.size :]
