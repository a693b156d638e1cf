"""A watchdog beside a run: when its process dies, hangs or loses the broker, orders that add risk are called off.

A dead client cannot cancel, so this is another process, best on another machine. It looks at the beat that the run
leaves beside its journal. What reduces a position, protective stops above all, stays at the broker; what could open or
enlarge one is cancelled until the broker shows none, twice in a row.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.trading import cancel_order, get_orders, get_positions
from puna.core.symbols import canonical
from puna.core.types import ZERO
from puna.engine.latch import Latch
from puna.errors import AuthError, PunaError
from puna.seams import Clock
from puna.wire.trading import Order

__all__ = ["CalledOff", "Standing", "Watchdog", "call_off", "openers"]

NANOS = 1_000_000_000
LOOK_SECONDS = 0.25
_STOPS = frozenset({"stop", "stop_limit", "trailing_stop"})


class Standing(StrEnum):
    """How a run stands."""

    WAITING = "it has not begun to trade"
    ALIVE = "it trades"
    LOST = "it has lost the broker"
    SILENT = "its process has died or hangs"
    ENDED = "it has ended by itself"


class Watchdog:
    """Looks at one run.

    Args:
        latch: beside the run's journal.
        clock: wall time.
        after: so many seconds without a beat, or without the broker, are too many.
    """

    def __init__(self, latch: Latch, clock: Clock, after: float) -> None:
        self._latch = latch
        self._clock = clock
        self._after = round(after * NANOS)
        self._begun = False
        self._lost_since: int | None = None

    def look(self) -> Standing:
        """How it stands now."""
        beat = self._latch.last_beat()
        if beat is None:
            return Standing.ENDED if self._begun else Standing.WAITING
        self._begun = True
        now = self._clock.now()
        if now - beat.ts > self._after:
            return Standing.SILENT
        if beat.connected:
            self._lost_since = None
            return Standing.ALIVE
        self._lost_since = self._lost_since or now
        return Standing.LOST if now - self._lost_since > self._after else Standing.ALIVE


class CalledOff(NamedTuple):
    """What was done at the broker.

    Attributes:
        cancelled: orders that were called off, and have ended.
        kept: orders that reduce a position.
        remaining: orders that could still add risk.
    """

    cancelled: list[str]
    kept: list[str]
    remaining: list[str]


def openers(orders: Iterable[Order], held: Mapping[str, Decimal]) -> list[Order]:
    """Those of the open orders that could open, enlarge or reverse a position; stops count as reducing first."""
    left = {symbol: abs(qty) for symbol, qty in held.items()}
    found = []
    for order in sorted(orders, key=lambda each: (each.type not in _STOPS, each.submitted_at or 0)):
        symbol = canonical(order.symbol) if order.symbol else ""
        qty, position = _leaves(order), held.get(symbol, ZERO)
        away = position > 0 if order.side == "sell" else position < 0
        if symbol and away and not order.legs and qty is not None and qty <= left[symbol]:
            left[symbol] -= qty
        else:
            found.append(order)
    return found


def _leaves(order: Order) -> Decimal | None:
    return None if order.qty is None else order.qty - (order.filled_qty or ZERO)


async def call_off(
    alpaca: AsyncAlpaca, clock: Clock, seconds: float, say: Callable[[str], None] = lambda _: None
) -> CalledOff:
    """Cancels what could add risk until there is none, seen twice; an answer that does not come changes nothing.

    Raises:
        AuthError: the keys are refused.
    """
    end, clean = clock.monotonic() + round(seconds * NANOS), 0
    asked: defaultdict[str, str] = defaultdict(str)
    adding, kept = list[Order](), list[Order]()
    while clean < 2 and clock.monotonic() < end:
        try:
            orders = [each async for each in alpaca(get_orders("open"))]
            held = {canonical(each.symbol): each.qty for each in await alpaca(get_positions())}
            adding = openers(orders, held)
            kept = [each for each in orders if each not in adding]
            for order in adding:
                asked[order.id] = order.client_order_id or order.id
                await alpaca(cancel_order(order.id))
        except AuthError:
            raise
        except PunaError as error:  # tried again with the next look
            say(f"{error.what} {error.why}".strip())
            clean = 0
        else:
            clean = 0 if adding else clean + 1
        await clock.backoff(LOOK_SECONDS)
    still = {each.id for each in adding} if clean < 2 else set[str]()
    return CalledOff(
        cancelled=[name for key, name in asked.items() if key not in still],
        kept=[each.client_order_id or each.id for each in kept],
        remaining=[asked[key] for key in sorted(still)],
    )
