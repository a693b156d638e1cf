"""The control plane over real sockets: once and answered, across restarts of either end; roles, forgery, floods."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zmq

from puna.bus.boxes import Inbox, Outbox
from puna.bus.control import TELL, ControlClient, ControlServer
from puna.bus.frames import HEADER, Envelope, opened, packed
from puna.bus.keys import Authenticator, KeyStore
from puna.bus.messages import SCHEMA, Ack, BusError, EventsAfter, EventsPage, Message, RiskState, Signal, Welcome
from puna.bus.sockets import Curve
from puna.core.risk import RiskLimits, TradingState
from puna.errors import DeadlineError

Until = Callable[..., Any]
PATIENCE = 30.0


def signal_of(number: int) -> Signal:
    return Signal("AAPL", "long", 0.5, number, "model")


class Desk:
    """Takes what comes and remembers it, as execution would; slow or refusing on demand."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Message]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def take(self, peer: str, message: Message) -> Ack | Message:
        await self.hold.wait()
        if isinstance(message, Signal) and message.ts < 0:
            return Ack(0, "refused", "E706", "its deadline has passed")
        if isinstance(message, EventsAfter):
            return EventsPage((), message.journal, 7)
        self.taken.append((peer, message))
        return Ack(0, "taken")

    @property
    def numbers(self) -> list[int]:
        return [each.ts for _, each in self.taken if isinstance(each, Signal)]


def address(folder: Path) -> str:
    return f"ipc://{folder}/bus/control"


async def test_a_message_is_taken_once_and_answered(context: "zmq.Context[Any]", tmp_path: Path) -> None:
    """Each message gets its own answer, refusals included; nothing is left in the outbox."""
    desk, outbox = Desk(), Outbox(None, 1)
    async with (
        ControlServer(context, address(tmp_path), desk.take, Inbox(None)) as server,
        ControlClient(context, server.address, outbox, name="model") as client,
    ):
        answers = await asyncio.gather(*(client.tell(signal_of(number), PATIENCE) for number in range(50)))
        assert [answer.seq for answer in answers] == list(range(1, 51))
        assert {answer.outcome for answer in answers} == {"taken"}
        refused = await client.tell(signal_of(-1), PATIENCE)
        assert (refused.outcome, refused.code, refused.why) == ("refused", "E706", "its deadline has passed")
        assert desk.numbers == list(range(50))
        assert client.unanswered == 0
        assert await client.ask(EventsAfter(3)) == EventsPage((), 3, 7)


class Counting(Outbox):
    """How many messages waited for the disk at once, each time."""

    def __init__(self) -> None:
        super().__init__(None, 1)
        self.sizes: list[int] = []

    def put_all(self, bodies: Sequence[bytes]) -> list[int]:
        self.sizes.append(len(bodies))
        return super().put_all(bodies)


async def test_what_is_told_at_once_waits_for_the_disk_once(context: "zmq.Context[Any]", tmp_path: Path) -> None:
    """Fifty messages of one turn of the loop are one commit; each has a number and an answer of its own."""
    desk, outbox = Desk(), Counting()
    async with (
        ControlServer(context, address(tmp_path), desk.take, Inbox(None)) as server,
        ControlClient(context, server.address, outbox, name="model") as client,
    ):
        answers = await asyncio.gather(*(client.tell(signal_of(number), PATIENCE) for number in range(50)))
        assert [answer.seq for answer in answers] == list(range(1, 51))
        assert outbox.sizes == [50]
        assert client.post(signal_of(50)) == 51, "this one waits by itself: it is durable when post returns"


async def test_an_answer_may_come_before_anybody_waits_for_it(
    context: "zmq.Context[Any]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers before the teller's task runs again is heard all the same."""
    (tmp_path / "bus").mkdir(0o700)
    async with ControlClient(context, address(tmp_path), Outbox(None, 1), name="model") as client:

        def answered_at_once(frame: bytes) -> None:
            said = opened(frame)
            answer = Envelope("control.answer", said.epoch, said.seq, [Ack(said.seq, "taken")])
            asyncio.get_running_loop().call_soon(client._hear, answer)

        monkeypatch.setattr(client, "_put", answered_at_once)
        assert (await client.tell(signal_of(1), PATIENCE)).outcome == "taken"
        assert await client.ask(EventsAfter(3), PATIENCE) == Ack(1, "taken")


async def test_a_disk_that_is_full_is_told_to_everybody_who_waits(context: "zmq.Context[Any]", tmp_path: Path) -> None:
    """Nothing of what was told is kept then, and nothing is sent: all of it or none."""
    desk, outbox = Desk(), Outbox(tmp_path / "out", 1)
    async with (
        ControlServer(context, address(tmp_path), desk.take, Inbox(None)) as server,
        ControlClient(context, server.address, outbox, name="model") as client,
    ):
        assert (await client.tell(signal_of(1), PATIENCE)).outcome == "taken"
        outbox._database.execute("PRAGMA max_page_count = 1")
        large = Signal("AAPL", "long", 0.5, 2, "model", metadata={"x": "x" * 100_000})
        told = await asyncio.gather(client.tell(large, 1), client.tell(signal_of(3), 1), return_exceptions=True)
        assert [each.code for each in told if isinstance(each, BusError)] == ["E704", "E704"]
        outbox._database.execute("PRAGMA max_page_count = 1000000")
        assert client.unanswered == 0
        assert (await client.tell(signal_of(4), PATIENCE)).outcome == "taken"
        assert desk.numbers == [1, 4]


async def test_a_repetition_gets_the_first_answer(context: "zmq.Context[Any]", tmp_path: Path, until: Until) -> None:
    """A slow answer makes the client ask again and again; the message is taken once all the same."""
    desk = Desk()
    desk.hold.clear()
    async with (
        ControlServer(context, address(tmp_path), desk.take, Inbox(None)) as server,
        ControlClient(context, server.address, Outbox(None, 1), name="model", retry=0.05) as client,
    ):
        waiting = asyncio.create_task(client.tell(signal_of(1)))
        await until(lambda: client.repeats >= 2)
        desk.hold.set()
        assert (await waiting).outcome == "taken"
        assert (await client.tell(signal_of(2), PATIENCE)).outcome == "taken"  # whatever was repeated came before it
        assert desk.numbers == [1, 2]


async def test_a_restarted_server_takes_what_waited_and_nothing_twice(
    context: "zmq.Context[Any]", tmp_path: Path, until: Until
) -> None:
    """What was sent while the server was away arrives; what it had answered before is answered again, not taken."""
    desk = Desk()
    (tmp_path / "bus").mkdir(0o700)
    async with ControlClient(
        context, address(tmp_path), Outbox(tmp_path / "out", 1), name="model", retry=0.1
    ) as client:
        early = asyncio.create_task(client.tell(signal_of(1)))
        await asyncio.sleep(0.05)
        inbox = Inbox(tmp_path / "in")
        async with ControlServer(context, address(tmp_path), desk.take, inbox):
            assert (await asyncio.wait_for(early, PATIENCE)).outcome == "taken"
        late = [asyncio.create_task(client.tell(signal_of(number))) for number in (2, 3)]
        await asyncio.sleep(0.05)
        inbox = Inbox(tmp_path / "in")
        async with ControlServer(context, address(tmp_path), desk.take, inbox) as server:
            assert [(await asyncio.wait_for(each, PATIENCE)).outcome for each in late] == ["taken", "taken"]
            again = packed(TELL, client.epoch, 1, [signal_of(1)])
            client._put(again)  # the first one once more, as after a lost answer
            await until(lambda: server.refused["repeated"] >= 1)
        assert sorted(desk.numbers) == [1, 2, 3]


SENDER = """
import asyncio, sys, zmq
from pathlib import Path
from puna.bus.boxes import Outbox
from puna.bus.control import ControlClient
from puna.bus.messages import Signal
async def main():
    context, folder = zmq.Context(), Path(sys.argv[1])
    outbox = Outbox(folder / "out", 1)
    async with ControlClient(context, f"ipc://{folder}/bus/control", outbox, name="model", retry=0.1) as client:
        for number in range(int(sys.argv[2]), int(sys.argv[3])):
            client.post(Signal("AAPL", "long", 0.5, number, "model"))
            print(number, flush=True)
            await asyncio.sleep(0.002)
        while client.unanswered:
            await asyncio.sleep(0.02)
asyncio.run(main())
"""


async def test_a_killed_sender_loses_nothing_it_had_posted(context: "zmq.Context[Any]", tmp_path: Path) -> None:
    """SIGKILL in the middle of sending, a second life on the same outbox: every posted message arrives once."""
    desk = Desk()
    async with ControlServer(context, address(tmp_path), desk.take, Inbox(tmp_path / "in")):
        first = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, str(tmp_path), "0", "100000", stdout=subprocess.PIPE
        )
        assert first.stdout is not None
        posted = -1
        async with asyncio.timeout(PATIENCE):
            while posted < 60:
                posted = int(await first.stdout.readline())
        os.kill(first.pid, signal.SIGKILL)
        rest = (await first.stdout.read()).split()
        await first.wait()
        posted = int(rest[-1]) if rest and rest[-1].isdigit() else posted
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, str(tmp_path), "200000", "200005", stdout=subprocess.DEVNULL
        )
        async with asyncio.timeout(PATIENCE):
            await second.wait()
    assert len(desk.numbers) == len(set(desk.numbers))
    assert set(range(posted + 1)) | set(range(200_000, 200_005)) <= set(desk.numbers)


async def test_an_earlier_life_of_a_sender_is_not_heard(context: "zmq.Context[Any]", tmp_path: Path) -> None:
    """Once a later epoch of a peer was heard, messages of an earlier one are refused as old (SEC-04)."""
    desk = Desk()
    async with ControlServer(context, address(tmp_path), desk.take, Inbox(None)) as server:
        async with ControlClient(context, server.address, Outbox(None, 20), name="model") as client:
            assert (await client.tell(signal_of(1), PATIENCE)).outcome == "taken"
        async with ControlClient(context, server.address, Outbox(None, 10), name="model") as client:
            answer = await client.tell(signal_of(2), PATIENCE)
            assert (answer.outcome, answer.code) == ("refused", "E706")
    assert desk.numbers == [1]


async def test_a_peer_may_do_what_its_role_allows_and_is_who_its_key_says(
    context: "zmq.Context[Any]", tcp: str, store: KeyStore
) -> None:
    """A watcher's signal and a model's limits are refused and counted; a false name in a message changes nothing."""
    desk = Desk()
    async with (
        Authenticator(context, store) as authenticator,
        ControlServer(
            context, tcp, desk.take, Inbox(None), curve=store.server("execution"), authenticator=authenticator
        ) as server,
        ControlClient(
            context, server.address, Outbox(None, 1), name="model", curve=store.client("watcher", "execution")
        ) as forger,
        ControlClient(
            context, server.address, Outbox(None, 1), name="model", curve=store.client("model", "execution")
        ) as model,
    ):
        answer = await forger.tell(signal_of(1), PATIENCE)
        assert (answer.outcome, answer.code) == ("refused", "E705")
        assert "watcher may not send a signal" in answer.why
        halt = RiskState("v", TradingState.HALTED, "because", RiskLimits(), 1)
        assert (await model.tell(halt, PATIENCE)).code == "E705"
        assert (await model.tell(signal_of(2), PATIENCE)).outcome == "taken"
        assert server.refused["role"] == 2
        assert [peer for peer, _ in desk.taken] == ["model"]


async def test_an_unknown_key_gets_no_answer_and_is_counted(
    context: "zmq.Context[Any]", tcp: str, store: KeyStore, until: Until
) -> None:
    """Wrong keys, no keys and garbage at the door reach nobody; good peers are served meanwhile (SEC-01)."""
    desk, public = Desk(), store.peers()["execution"].keys[0].encode()
    wrong = zmq.curve_keypair()
    async with (
        Authenticator(context, store) as authenticator,
        ControlServer(
            context, tcp, desk.take, Inbox(None), curve=store.server("execution"), authenticator=authenticator
        ) as server,
        ControlClient(
            context, server.address, Outbox(None, 1), name="model", curve=Curve(wrong[0], wrong[1], public)
        ) as stranger,
        ControlClient(context, server.address, Outbox(None, 1), name="model") as naked,
        ControlClient(
            context, server.address, Outbox(None, 1), name="model", curve=store.client("model", "execution")
        ) as model,
    ):
        host, port = server.address.removeprefix("tcp://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\xff" * 4096)
        await writer.drain()
        for each in (stranger, naked):
            with pytest.raises(DeadlineError):
                await each.tell(signal_of(1), 0.3)
        assert (await model.tell(signal_of(2), PATIENCE)).outcome == "taken"
        await until(lambda: authenticator.refused["unknown key"] >= 1 and server.refused["handshake"] >= 2)
        assert desk.numbers == [2]
        writer.close()


async def test_garbage_of_a_known_peer_changes_nothing(
    context: "zmq.Context[Any]", tmp_path: Path, until: Until
) -> None:
    """Unreadable bytes, another schema, several messages at once, a kind nobody sends, a huge one: all refused."""
    desk = Desk()
    async with (
        ControlServer(context, address(tmp_path), desk.take, Inbox(None)) as server,
        ControlClient(context, server.address, Outbox(None, 1), name="model") as client,
    ):
        for frame in (
            b"",
            b"garbage",
            TELL + HEADER.pack(SCHEMA + 1, ord("m"), 1, 9, 1),
            packed(TELL, 9, 1, [signal_of(1), signal_of(2)]),
            packed(TELL, 9, 1, [Welcome("me", (), 0, SCHEMA)]),
        ):
            client._put(frame)
        client._socket.send_multipart([b"too", b"many", b"parts"])
        await until(lambda: sum(server.refused.values()) >= 6)
        assert dict(server.refused) == {"unreadable": 2, "version": 1, "shape": 2, "role": 1}
        client._put(b"x" * (1 << 19))  # beyond the largest: the connection is cut, and made anew
        assert (await client.tell(signal_of(3), PATIENCE)).outcome == "taken"
        assert desk.numbers == [3]


async def test_the_control_plane_is_never_open(context: "zmq.Context[Any]", tcp: str, store: KeyStore) -> None:
    """Tcp without keys, or keys without an authenticator, do not start."""
    desk, inbox = Desk(), Inbox(None)
    with pytest.raises(BusError, match="E703"):
        ControlServer(context, tcp, desk.take, inbox)
    with pytest.raises(BusError, match="E703"):
        ControlServer(context, tcp, desk.take, inbox, curve=store.server("execution"))
    inbox.close()


def test_boxes_survive_and_forget_in_time(tmp_path: Path) -> None:
    """An outbox keeps its epoch and order over a restart; an inbox forgets what is beyond its window."""
    outbox = Outbox(tmp_path / "out", 5)
    assert [outbox.put(b"a"), outbox.put(b"b"), outbox.put(b"c")] == [1, 2, 3]
    outbox.done(2)
    outbox.close()
    outbox = Outbox(tmp_path / "out", 99)
    assert outbox.epoch == 5
    assert outbox.waiting() == [(1, b"a"), (3, b"c")]
    outbox.done(3)
    assert outbox.put(b"d") == 4, "a number is never used twice"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    outbox.close()
    inbox = Inbox(tmp_path / "in")
    for seq in (1, 2, 5000):
        inbox.put("model", 5, seq, b"%d" % seq)
    assert [inbox.answer("model", 5, seq) for seq in (1, 2, 5000)] == [None, None, b"5000"]
    inbox.put("model", 6, 1, b"new")
    assert (inbox.epoch("model"), inbox.last("model", 6), inbox.answer("model", 5, 5000)) == (6, 1, None)
    inbox.close()
    with pytest.raises(BusError, match="E704"):
        Outbox(tmp_path / "nowhere" / "out", 1)
