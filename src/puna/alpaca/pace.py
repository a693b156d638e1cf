"""How fast we may go: the rate budget with its lanes, backoff, and the circuit breaker. No clock, no socket in here.

Everything takes `now` (market time, ns) and answers a wait or a verdict; `puna.alpaca.turnstile` does the waiting.

The budget never lets more than `limit` requests pass in any 60 s. Under that, two rules keep cancels quick:
a lower lane leaves a reserve free (cancels may use all of it), and all lanes but the cancels share a token bucket that
lets 30 % of the limit go at once and then refills by 60 % a minute, so that room comes back little by little and not a
whole minute later. So cancels of up to 24 % of the limit (48 a minute of 200) never wait, whatever the others do.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from threading import Lock
from weakref import WeakValueDictionary

from puna.alpaca.request import Lane
from puna.seams import Rng

__all__ = ["Backoff", "Breaker", "Budget", "RateHeaders", "Verdict", "full_jitter", "shared_budget"]

NANOS = 1_000_000_000
WINDOW = 60 * NANOS + NANOS // 2  # what leaves in time may arrive late: half a second for that
FOREVER = 1 << 62
LONGEST_HOLD = 60 * NANOS  # a reset that lies further ahead is a broken clock, theirs or ours (PRO-06)

# How much of the limit a lane leaves untouched, in percent.
RESERVE = {Lane.CANCEL: 0, Lane.ORDER: 10, Lane.READ: 15, Lane.BACKFILL: 40}
BURST_PERCENT, REFILL_PERCENT = 30, 60


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """X-RateLimit-Limit, -Remaining, -Reset (Unix second), each of them optional (facts.md 2)."""

    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None


class Budget:
    """Requests of the last 60 s, and how long each lane has to wait for its turn.

    Args:
        limit: requests in any 60 s; 0 is no limit.
    """

    def __init__(self, limit: int = 200) -> None:
        self.limit = limit
        self._configured = limit
        self._sent: deque[int] = deque()
        self._empty_until = 0  # the bucket as one number: when it will be full again
        self._foreign = 0  # requests that the broker counts and we did not send
        self._foreign_until = 0
        self._held_until = 0
        self._lock = Lock()  # users of one key may live in several threads

    def take(self, lane: Lane, now: int) -> int:
        """0 when a request of `lane` may go now, and then it is counted; otherwise nanoseconds until it may."""
        with self._lock:
            wait = self.wait(lane, now)
            if not wait:
                self.spend(lane, now)
            return wait

    def restrict(self, limit: int) -> None:
        """Takes over the limit of another user of the same key when it is smaller; 0 is none."""
        if limit and (not self._configured or limit < self._configured):
            self._configured = limit
            self.limit = min(self.limit, limit) if self.limit else limit

    def wait(self, lane: Lane, now: int) -> int:
        """Nanoseconds until a request of `lane` may go; 0 is now."""
        if not self.limit:
            return 0
        self._forget(now)
        waits = [self._window_wait(lane, now)]
        if lane is not Lane.CANCEL:
            waits += [self._held_until - now, self._bucket_wait(now)]
        return max(0, *waits)

    def remaining(self, now: int) -> int:
        """What is left of the window for orders; -1 when there is no limit."""
        if not self.limit:
            return -1
        self._forget(now)
        foreign = self._foreign if now < self._foreign_until else 0
        return max(0, self.limit - self.limit * RESERVE[Lane.ORDER] // 100 - len(self._sent) - foreign)

    def spend(self, lane: Lane, now: int) -> None:
        """A request of `lane` is on its way."""
        if not self.limit:
            return
        self._sent.append(now)
        if lane is not Lane.CANCEL:
            self._empty_until = max(self._empty_until, now) + self._refill

    def learn(self, headers: RateHeaders, now: int) -> None:
        """Takes the broker's count where it is stricter than ours: others may use the same key."""
        if not self._configured:
            return
        with self._lock:
            self._learn(headers, now)

    def _learn(self, headers: RateHeaders, now: int) -> None:
        if headers.limit is not None and headers.limit > 0:
            self.limit = min(self._configured, headers.limit)
        if headers.remaining is not None and headers.reset is not None:
            self._forget(now)
            self._foreign = max(0, self.limit - max(0, headers.remaining) - len(self._sent))
            self._foreign_until = min(headers.reset * NANOS, now + LONGEST_HOLD)

    def hold(self, headers: RateHeaders, now: int) -> None:
        """After a 429: everything but cancels waits for the reset, at most 60 s."""
        if headers.reset is not None:
            self._held_until = max(self._held_until, min(headers.reset * NANOS, now + LONGEST_HOLD))

    @property
    def _refill(self) -> int:
        """The time in which the bucket gains one token."""
        return 60 * NANOS * 100 // max(1, self.limit * REFILL_PERCENT)

    def _bucket_wait(self, now: int) -> int:
        room = max(1, self.limit * BURST_PERCENT // 100) * self._refill
        return self._empty_until + self._refill - now - room

    def _window_wait(self, lane: Lane, now: int) -> int:
        allowed = max(1, self.limit - self.limit * RESERVE[lane] // 100)
        foreign = self._foreign if now < self._foreign_until else 0
        over = len(self._sent) + 1 - allowed
        alone = self._until_gone(over, now)
        if not foreign:
            return alone
        return min(self._until_gone(over + foreign, now), max(alone, self._foreign_until - now))

    def _until_gone(self, count: int, now: int) -> int:
        """The time until `count` of our own requests have left the window; for ever when there are not so many."""
        if count <= 0:
            return 0
        return self._sent[count - 1] + WINDOW - now if count <= len(self._sent) else FOREVER

    def _forget(self, now: int) -> None:
        while self._sent and self._sent[0] <= now - WINDOW:
            self._sent.popleft()


_shared: WeakValueDictionary[tuple[str, str], Budget] = WeakValueDictionary()


def shared_budget(root: str, key: str, limit: int) -> Budget:
    """The one budget of all who use this key at this address in this process, for as long as one of them does.

    The smallest limit that any of them was given holds. Without a limit there is nothing to share.
    """
    if not limit:
        return Budget(0)
    name = (root, sha256(key.encode()).hexdigest())
    budget = _shared.get(name)
    if budget is None:
        budget = _shared[name] = Budget(limit)
    budget.restrict(limit)
    return budget


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter.

    Args:
        base: seconds, the most that is waited after the first failure.
        cap: seconds, the most that is ever waited.
        retries: how many times at most; None is for ever.
        floor: seconds, the least that is waited.
    """

    base: float = 1.0
    cap: float = 60.0
    retries: int | None = None
    floor: float = 0.0

    def wait(self, attempt: int, rng: Rng) -> float:
        """Seconds before the try after failure number `attempt` (0 is the first failure)."""
        return max(self.floor, full_jitter(self.base, self.cap, attempt, rng))


def full_jitter(base: float, cap: float, attempt: int, rng: Rng) -> float:
    """A time between 0 and min(cap, base * 2 ** attempt), all equally likely."""
    return rng.random() * min(cap, base * 2.0 ** min(attempt, 32))


class Verdict(StrEnum):
    """What the breaker says to a request."""

    PASS = "pass"  # noqa: S105 - no password
    PROBE = "probe"
    REFUSE = "refuse"


@dataclass(slots=True)
class Breaker:
    """Stops asking a broker that is down. It opens on outages only: a refusal is proof of life.

    Args:
        threshold: this many outages in a row open it.
        cooldown: seconds until the first probe; doubles with each probe that fails.
        longest: seconds, the most that is waited between probes.
    """

    threshold: int = 5
    cooldown: float = 5.0
    longest: float = 60.0
    _failures: int = field(default=0, init=False)
    _open_until: int = field(default=0, init=False)
    _probing: bool = field(default=False, init=False)

    @property
    def is_open(self) -> bool:
        return self._failures >= self.threshold

    def verdict(self, lane: Lane, now: int) -> Verdict:
        """PASS sends it, PROBE asks for a GET to succeed first (a GET is its own probe), REFUSE sends nothing."""
        if not self.is_open or lane is Lane.CANCEL:
            return Verdict.PASS
        if now < self._open_until or self._probing:
            return Verdict.REFUSE
        return Verdict.PROBE

    def probe(self) -> None:
        """A probe is on its way; others wait for what becomes of it."""
        self._probing = True

    def succeed(self) -> None:
        """The broker answered, whatever it said."""
        self._failures = 0
        self._probing = False

    def fail(self, now: int) -> None:
        """No answer, or a 5xx."""
        self._failures += 1
        self._probing = False
        if self.is_open:
            seconds = min(self.longest, self.cooldown * 2.0 ** min(self._failures - self.threshold, 16))
            self._open_until = now + round(seconds * NANOS)

    def give_up(self) -> None:
        """The probe ended without telling anything: it was cancelled, or its answer was unreadable."""
        self._probing = False
