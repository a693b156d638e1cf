"""Between a stream's reader and its consumer: bounded, and the reader never waits for a consumer of market data.

Order updates are never dropped: a full mailbox makes the reader wait, and TCP holds them at the sender. Market data is
conflated when full: the newest quote of each symbol and all bars stay, older quotes and trades go, counted in a gap.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

from puna.alpaca.frames import Frame, Gap
from puna.wire.stream import QuoteMessage, TradeMessage

__all__ = ["Mailbox"]

M = TypeVar("M")


class Mailbox(Generic[M]):
    """Frames on their way from one reader to one consumer.

    Args:
        capacity: frames.
        lossless: never drop; `room` waits instead.
    """

    def __init__(self, capacity: int, *, lossless: bool) -> None:
        self.dropped = 0
        self.consumer: asyncio.Task[object] | None = None
        self._frames: deque[Frame[M]] = deque()
        self._capacity = capacity
        self._lossless = lossless
        self._waiting: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def idle(self) -> bool:
        """Everything was taken and the consumer has come back for more, or there has never been anything."""
        return not self._frames and (self._waiting is not None or self.consumer is None)

    def put(self, frame: Frame[M]) -> None:
        """Hands a frame over."""
        if len(self._frames) >= self._capacity and not self._lossless:
            self._conflate()
        self._frames.append(frame)
        self._wake()

    def end(self, error: BaseException) -> None:
        """Nothing more will come; the consumer gets `error` after what is left."""
        self._error = error
        self._wake()

    async def room(self) -> None:
        """Returns when one more frame may be put without loss."""
        while self._lossless and len(self._frames) >= self._capacity:
            await self._change()

    async def drained(self) -> None:
        """Returns when `idle`."""
        while not self.idle:
            await self._change()

    async def get(self) -> Frame[M]:
        """The next frame."""
        self.consumer = asyncio.current_task()
        while not self._frames:
            if self._error is not None:
                raise self._error
            self._waiting = asyncio.get_running_loop().create_future()
            self._changed.set()
            try:
                await self._waiting
            finally:
                self._waiting = None
        frame = self._frames.popleft()
        self._changed.set()
        return frame

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _conflate(self) -> None:
        """Makes one frame of all that wait."""
        frames = list(self._frames)
        every = [message for frame in frames for message in frame.messages]
        newest = {message.S: message for message in every if isinstance(message, QuoteMessage)}
        kept = [message for message in every if _keeps(message, newest)][-self._capacity :]
        gaps = [frame.gap for frame in frames if frame.gap]
        self.dropped += len(every) - len(kept)
        gap = Gap(
            start=min([frames[0].ts_init, *(gap.start for gap in gaps)]),
            end=frames[-1].ts_init,
            reason=gaps[0].reason if gaps and gaps[0].reason != "slow" else "slow",
            dropped=len(every) - len(kept) + sum(gap.dropped for gap in gaps),
        )
        self._frames = deque([Frame(kept, frames[-1].ts_init, gap)])


def _keeps(message: object, newest: Mapping[str, object]) -> bool:
    if isinstance(message, QuoteMessage):
        return newest[message.S] is message
    return not isinstance(message, TradeMessage)
