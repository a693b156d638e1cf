"""What the streams give to whoever reads them: frames of messages, and the holes between them."""

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

__all__ = ["Frame", "Gap", "Subscription"]

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which symbols of which channels of a data stream; `*` is every symbol."""

    trades: frozenset[str] = frozenset()
    quotes: frozenset[str] = frozenset()
    bars: frozenset[str] = frozenset()
    updated_bars: frozenset[str] = frozenset()
    daily_bars: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()

    @classmethod
    def of(cls, **channels: "list[str] | tuple[str, ...] | set[str] | frozenset[str]") -> "Subscription":
        """`Subscription.of(quotes=["AAPL"], bars=["AAPL"])`."""
        return cls(**{name: frozenset(symbols) for name, symbols in channels.items()})


@dataclass(frozen=True, slots=True)
class Gap:
    """Between `start` and `end` (market time, ns) something is or may be missing.

    Args:
        start: when the last message before the hole came; 0 when there was none.
        end: when messages flow again.
        reason: the connection was lost, or the reader could not keep up, or a message could not be read.
        dropped: how many messages were dropped by us; those lost at the broker's side are not known.
    """

    start: int
    end: int
    reason: Literal["reconnect", "slow", "unreadable"]
    dropped: int = 0


@dataclass(slots=True)
class Frame(Generic[M]):
    """What one WebSocket frame held, when it came (market time, ns), and the hole before it, if there is one.

    A frame without messages tells of a gap alone: the stream is back, and what was missed may be fetched now.
    """

    messages: list[M] = field(default_factory=list)
    ts_init: int = 0
    gap: Gap | None = None
