"""A market-data stream whose gaps are filled over REST, and marked.

After a lost connection, or when we were too slow, bars, trades and articles of the hole are asked for and handed over
in one frame (`backfilled=True`, with the gap) before the stream goes on. What had come before is not told again. Quotes
are not filled: the next one is worth more than all that were missed. When the broker does not answer, the gap stays
marked and unfilled, and `unfilled` counts it.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Self

import msgspec

from puna.alpaca.crypto import get_crypto_bars, get_crypto_trades
from puna.alpaca.feeds import CRYPTO_CHANNELS, Feed, stocks
from puna.alpaca.frames import Frame, Gap, Subscription
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars, get_trades
from puna.alpaca.news import get_news
from puna.alpaca.options import get_option_trades
from puna.alpaca.request import Paged
from puna.alpaca.session import MarketMessage
from puna.alpaca.stream import Stream
from puna.errors import PunaError
from puna.wire.stream import BarMessage, CryptoTradeMessage, NewsMessage, TradeMessage

__all__ = ["Backfilled"]

MINUTE = 60_000_000_000


class Backfilled:
    """An async iterator over the frames of a stream and of its gaps.

    Args:
        stream: of market data.
        alpaca: asks for what was missed.
        wanted: what the stream is subscribed to; `*` cannot be asked for over REST and is left out.
        feed: of the stream; stocks if not given.
        rest_feed: the feed of the REST calls, such as `iex`; None is the best of the plan.

    Attributes:
        unfilled: gaps that could not be filled.
    """

    def __init__(
        self,
        stream: Stream[MarketMessage],
        alpaca: AsyncAlpaca,
        wanted: Subscription,
        *,
        feed: Feed | None = None,
        rest_feed: str | None = None,
    ) -> None:
        self.unfilled = 0
        self._stream = stream
        self._alpaca = alpaca
        self._wanted = wanted
        self._feed = feed or stocks()
        self._rest_feed = rest_feed
        self._last: dict[tuple[str, str], int] = {}
        self._waiting: Frame[MarketMessage] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame[MarketMessage]:
        if self._waiting is not None:
            frame, self._waiting = self._waiting, None
            return self._noted(frame)
        frame = await anext(self._stream)
        if frame.gap is None or frame.gap.reason == "unreadable":
            return self._noted(frame)
        try:
            missed = [message async for message in self._missed(frame.gap)]
        except PunaError:
            self.unfilled += 1
            return self._noted(frame)
        if frame.messages:
            self._waiting = Frame(frame.messages, frame.ts_init)
        missed.sort(key=_time)
        return self._noted(Frame(missed, frame.ts_init, frame.gap, backfilled=True))

    def _noted(self, frame: Frame[MarketMessage]) -> Frame[MarketMessage]:
        """Remembers what has been told."""
        for message in frame.messages:
            if isinstance(message, BarMessage | TradeMessage):
                key = (type(message).__name__[:5], message.S)
                self._last[key] = max(self._last.get(key, 0), int(message.t))
            elif isinstance(message, NewsMessage):
                self._last["News", ""] = max(self._last.get(("News", ""), 0), int(message.updated_at))
        return frame

    async def _missed(self, gap: Gap) -> AsyncIterator[MarketMessage]:
        for name, call in self._calls(gap):
            async for row in self._alpaca(call):
                message = self._message(name, row)
                if message is not None and self._is_missed(message, gap):
                    yield message

    def _calls(self, gap: Gap) -> Iterable[tuple[str, Paged[Any]]]:
        """What to ask for: names of channels, and calls."""
        bars, trades = sorted(self._wanted.bars - {"*"}), sorted(self._wanted.trades - {"*"})
        start, end = gap.start - MINUTE, gap.end
        crypto, options = self._feed.channels == CRYPTO_CHANNELS, self._feed.packed_only
        if bars and crypto:
            yield "bars", get_crypto_bars(bars, "1Min", start, end)
        elif bars:
            yield "bars", get_bars(bars, "1Min", start, end, feed=self._rest_feed)
        if trades and crypto:
            yield "coins", get_crypto_trades(trades, gap.start, end)
        elif trades and options:
            yield "trades", get_option_trades(trades, gap.start, end)
        elif trades:
            yield "trades", get_trades(trades, gap.start, end, feed=self._rest_feed)
        if self._wanted.news:
            names = sorted(self._wanted.news - {"*"}) or None
            yield "news", get_news(names, start=gap.start, end=end, sort="asc", include_content=True)

    def _message(self, name: str, row: Any) -> MarketMessage | None:
        """A row of an answer, as the stream would have said it."""
        if name == "news":
            return NewsMessage(**_shared(row, NewsMessage))
        symbol, body = row
        kind: Any = {"bars": BarMessage, "trades": TradeMessage, "coins": CryptoTradeMessage}[name]
        message: MarketMessage = kind(S=symbol, **_shared(body, kind))
        return message

    def _is_missed(self, message: MarketMessage, gap: Gap) -> bool:
        if isinstance(message, NewsMessage):
            return int(message.updated_at) > self._last.get(("News", ""), 0)
        assert isinstance(message, BarMessage | TradeMessage)  # noqa: S101 - `_message` makes nothing else
        told = self._last.get((type(message).__name__[:5], message.S), 0)
        if isinstance(message, BarMessage) and (message.t + MINUTE > gap.end or message.t + MINUTE <= gap.start):
            return False  # still under way, or complete before the hole
        return int(message.t) > told


def _shared(body: msgspec.Struct, kind: type[msgspec.Struct]) -> dict[str, Any]:
    names = set(body.__struct_fields__) & set(kind.__struct_fields__)
    return {name: getattr(body, name) for name in names}


def _time(message: MarketMessage) -> int:
    return int(message.updated_at if isinstance(message, NewsMessage) else getattr(message, "t", 0))
