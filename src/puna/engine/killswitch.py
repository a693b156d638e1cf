"""The kill switch inside a running process: it looks at the latch, halts, and says so when nothing new can leave.

Two ways lead here, and neither needs the other: a latch beside the journal (`engine.latch`), looked at before every
order and several times a second, and SIGUSR1, which makes the process look at once, and halt when it finds no wish.
A halt is acknowledged when no byte of a new order can leave any more: an order that was on its way has its answer, or
its connection was cut and the broker is asked what became of it. The journal learns of it too, but is not waited for.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from puna.core.risk import TradingState
from puna.engine.entries import Acknowledged
from puna.engine.latch import Acknowledgement, Seen, Wish
from puna.errors import PunaError

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["KillSwitch"]

LOOK_SECONDS = 0.2  # wall time between two looks at the latch when nobody calls


class KillSwitch:
    """Carries out what people wish of the trading state.

    Args:
        gateway: whose state it is.
        compare: reconciles, and answers why trading must not be resumed, or nothing and what speaks for it.

    Attributes:
        connected: whether the run has the broker; None while it does not trade, and leaves no sign of life.
        say: hears one line when trading is halted or goes on.
    """

    def __init__(self, gateway: "Gateway", compare: Callable[[], Awaitable[tuple[str, str]]]) -> None:
        self._gateway = gateway
        self._compare = compare
        self._called = asyncio.Event()
        self._signalled = False
        self._done: set[str] = set()
        self.connected: Callable[[], bool] | None = None
        self.say: Callable[[str], None] = lambda _: None

    def signalled(self) -> None:
        """SIGUSR1 came."""
        self._signalled = True
        self._called.set()

    async def watch(self) -> NoReturn:
        """Looks for wishes, for ever."""
        with self._listening():
            while True:
                await self.look()
                self._beat()
                with suppress(TimeoutError):
                    async with self._gateway.clock.deadline(LOOK_SECONDS):
                        await self._called.wait()

    def _beat(self) -> None:
        """A sign of life, from the moment on in which the run trades; one that cannot be written is missed (I28)."""
        if self.connected is not None:
            with suppress(PunaError, OSError):
                self._gateway.latch.beat(connected=self.connected())

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Hears SIGUSR1 while it is entered, where this is the main thread; elsewhere nobody is told to send it."""
        loop, latch = asyncio.get_running_loop(), self._gateway.latch
        try:
            loop.add_signal_handler(signal.SIGUSR1, self.signalled)
        except (RuntimeError, ValueError):
            yield
            return
        try:
            with suppress(PunaError):
                latch.listen(os.getpid())
            yield
        finally:
            latch.deafen()
            loop.remove_signal_handler(signal.SIGUSR1)

    async def look(self) -> None:
        """Carries out every wish that is new."""
        self._called.clear()
        signalled, self._signalled = self._signalled, False
        wishes = [each for each in self._gateway.latch.all() if each.id not in self._done]
        for wish in wishes:
            self._done.add(wish.id)
            await self._hold(wish)
        resume = self._gateway.latch.asked()
        if resume is not None:
            await self._resume(resume)
        elif signalled and not wishes:
            await self._halt_by_signal()
        for seen in self._gateway.latch.seen():
            await self._notice(seen)

    async def _notice(self, seen: Seen) -> None:
        """Durable, then the word may go; while it cannot be, it waits for the next process."""
        gateway = self._gateway
        entry = Acknowledged(ts=gateway.clock.now(), alarms=seen.alarms, by=seen.by, reason=seen.reason)
        await gateway.record(entry)
        if gateway.journal.failure is None:
            gateway.latch.noticed(seen)

    async def _hold(self, wish: Wish) -> None:
        """From this moment on; the answer follows when nothing that was allowed before can leave."""
        gateway = self._gateway
        gateway.hold(wish.state, wish.reason, wish.by, wish.scope)
        await gateway.outbound.still()
        what = f"{wish.scope or 'the account'} is {wish.state}; {len(gateway.open_orders())} orders are open"
        self._answer(wish, done=True, text=what)
        self.say(f"{what} ({wish.reason}); it goes on with: puna resume --reason TEXT")

    async def _halt_by_signal(self) -> None:
        gateway = self._gateway
        if not gateway.latch.down(""):
            wish = Wish(id=f"signal-{os.getpid()}", state=TradingState.HALTED, reason="SIGUSR1 was sent", by="signal")
            self._done.add(wish.id)
            with suppress(PunaError):
                gateway.latch.press(wish)
            await self._hold(wish)

    async def _resume(self, wish: Wish) -> None:
        gateway, why_not, because = self._gateway, "", ""
        try:
            if not wish.scope:
                why_not, because = await self._compare()
            if not why_not:
                await gateway.decide(wish.state, wish.reason, wish.by, wish.scope)
                gateway.latch.lift(wish.scope)
        except PunaError as error:
            why_not = error.what
        gateway.latch.answered()
        what = f"{wish.scope or 'the account'} is {wish.state}{because}"
        self._answer(wish, done=not why_not, text=why_not or what)
        self.say(f"{what} ({wish.reason})" if not why_not else f"not resumed: {why_not}")

    def _answer(self, wish: Wish, *, done: bool, text: str) -> None:
        """An answer that cannot be written is missed by who waits for it, and changes nothing here."""
        with suppress(PunaError):
            self._gateway.latch.acknowledge(Acknowledgement(id=wish.id, pid=os.getpid(), done=done, text=text))
