"""What the streams take and give: subscriptions and options; frames of messages, the holes between them, facts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Generic, Literal, TypeVar

from puna.alpaca.pace import Backoff
from puna.alpaca.turnstile import Turnstile
from puna.errors import PunaError
from puna.seams import Clock, Rng, SystemClock, system_rng

__all__ = ["Frame", "Gap", "StreamOptions", "StreamStatus", "Subscription"]

M = TypeVar("M")

RECONNECT = Backoff(base=0.5, cap=10.0)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which symbols of which channels of a data stream; `*` is every symbol."""

    trades: frozenset[str] = frozenset()
    quotes: frozenset[str] = frozenset()
    bars: frozenset[str] = frozenset()
    updated_bars: frozenset[str] = frozenset()
    daily_bars: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    lulds: frozenset[str] = frozenset()
    imbalances: frozenset[str] = frozenset()
    orderbooks: frozenset[str] = frozenset()
    news: frozenset[str] = frozenset()

    @property
    def channels(self) -> frozenset[str]:
        """The channels that it asks for."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name))

    @property
    def symbols(self) -> frozenset[str]:
        """Every symbol of every channel."""
        empty: frozenset[str] = frozenset()
        return empty.union(*(getattr(self, each.name) for each in fields(self)))

    def __or__(self, other: "Subscription") -> "Subscription":
        return Subscription(
            **{each.name: getattr(self, each.name) | getattr(other, each.name) for each in fields(self)}
        )

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
        reason: the connection was lost, we could not keep up, the server says that we could not and dropped events, or
            a message could not be read.
        dropped: how many messages were dropped by us; those lost at the broker's side are not known.
    """

    start: int
    end: int
    reason: Literal["reconnect", "slow", "dropped", "unreadable"]
    dropped: int = 0


@dataclass(slots=True)
class Frame(Generic[M]):
    """What one WebSocket frame held, when it came (market time, ns), and the hole before it, if there is one.

    A frame without messages tells of a gap alone: the stream is back, and what was missed may be fetched now.
    `backfilled` messages were asked for over REST after a gap (`puna.alpaca.backfill`).
    """

    messages: list[M] = field(default_factory=list)
    ts_init: int = 0
    gap: Gap | None = None
    backfilled: bool = False


@dataclass(slots=True)
class StreamStatus:
    """Facts about a stream, for health and for people.

    Attributes:
        connected: authenticated and subscribed.
        last_message_at: market time of the last message; 0 before the first.
        reconnects: how often it came back.
        gaps: holes that were marked.
        dropped: messages that we dropped because the consumer was slow.
        unreadable: messages or frames that could not be read.
        last_error: why the last connection ended, or could not be made.
    """

    connected: bool = False
    last_message_at: int = 0
    reconnects: int = 0
    gaps: int = 0
    dropped: int = 0
    unreadable: int = 0
    last_error: PunaError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream behaves.

    Args:
        clock: market time for backoff, staleness and stamps; wall time for deadlines.
        rng: jitter.
        turnstile: counts handshakes against a rate budget, such as `alpaca.turnstiles["trading"]`.
        backoff: between attempts to reconnect.
        connect_deadline: seconds, for connecting and the conversation up to the subscription.
        close_deadline: seconds for a polite goodbye; then the connection is aborted.
        heartbeat: seconds between our own pings; no answer for half of it is a lost connection. Not in lockstep.
        capacity: frames that may wait for the consumer.
        stale_after: channel -> seconds of market time; silence for longer is a failure, although pings are answered.
        probe: asked before silence counts as a failure; True means that there was nothing to be heard.
        packed: msgpack instead of JSON (market data).
        proxy: an HTTP proxy to go through.
    """

    clock: Clock = field(default_factory=SystemClock)
    rng: Rng = field(default_factory=system_rng)
    turnstile: Turnstile | None = None
    backoff: Backoff = RECONNECT
    connect_deadline: float = 10.0
    close_deadline: float = 2.0
    heartbeat: float = 10.0
    capacity: int = 4096
    stale_after: Mapping[str, float] = field(default_factory=dict)
    probe: Callable[[str], Awaitable[bool]] | None = None
    packed: bool = False
    proxy: str | None = None
