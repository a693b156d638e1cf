"""Makes an account flat through the broker's own endpoints, until the broker says so twice, and proves it.

The steps are decided in `core.flattening`; here they are asked for, and what the broker shows is read: all open orders
and all positions, or nothing. An answer that does not come changes nothing, and the next look decides. It needs no
journal and no running process, so it works beside one that hangs.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec

from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.trading import (
    cancel_order,
    cancel_orders,
    close_position,
    close_positions,
    get_account,
    get_clock,
    get_order,
    get_orders,
    get_positions,
)
from puna.core.decimals import plain
from puna.core.flattening import (
    Action,
    Flattening,
    GiveUp,
    Held,
    Move,
    Proven,
    Remaining,
    Resting,
    Sight,
    Wait,
    remaining,
    step,
)
from puna.core.sessions import new_york
from puna.core.types import ZERO
from puna.errors import AuthError, BrokerError, NotFoundError, PunaError
from puna.seams import Clock
from puna.wire import trading
from puna.wire.codec import format_time
from puna.wire.trading import ErrorBody

__all__ = ["Closed", "Flatness", "flatten"]

NANOS = 1_000_000_000
LOOK_SECONDS = 0.25


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A position that was closed: how much of it, by which order, at which average."""

    symbol: str
    order_id: str
    filled: Decimal
    average: Decimal | None


class Flatness(msgspec.Struct, frozen=True, kw_only=True):
    """What a flatten came to.

    Args:
        flat: the broker showed no order and no position, twice in a row.
        account: the broker's id of it.
        at: the broker's time of the last look, RFC 3339.
        looks: how often it was looked.
        seconds: wall time.
        cancelled: orders that were open when it began and are not any more.
        closed: what was closed.
        remaining: what could not be taken away, and why.
        cash: afterwards.
        equity: afterwards.
    """

    flat: bool
    account: str
    at: str
    looks: int
    seconds: float
    cancelled: list[str]
    closed: list[Closed]
    remaining: list[Remaining]
    cash: Decimal | None
    equity: Decimal | None


async def flatten(
    alpaca: AsyncAlpaca,
    clock: Clock,
    *,
    seconds: float = 60.0,
    patience: float = 10.0,
    look: float = LOOK_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Flatness:
    """Cancels everything, closes everything, and looks until the broker shows nothing, twice.

    Args:
        alpaca: the account's client.
        clock: only its wall time is used.
        seconds: the longest that it may take.
        patience: how long nothing may change before it gives up.
        look: seconds between two looks.
        say: hears what is being done.

    Raises:
        AuthError: the keys are refused; what was asked for before may have happened.
        PunaError: the broker could not be read even once.
    """
    run, began = _Run(alpaca, say), clock.monotonic()
    end = began + round(seconds * NANOS)
    while True:
        sight = await run.see()
        action: Action = Wait()
        if sight is not None:
            run.state, action = step(run.state, sight, patience=max(1, round(patience / look)))
        if clock.monotonic() > end and not isinstance(action, Proven):
            action = GiveUp(tuple(remaining(run.state, run.state.last)) if run.state.last else ())
        if isinstance(action, Move) and sight is not None:
            await run.move(action, sight)
        if isinstance(action, Proven | GiveUp):
            return await run.report(action, (clock.monotonic() - began) / NANOS)
        await clock.sleep(look)


class _Run:
    """One flatten under way."""

    def __init__(self, alpaca: AsyncAlpaca, say: Callable[[str], None]) -> None:
        self.state = Flattening()
        self._alpaca = alpaca
        self._say = say
        self._looks = 0
        self._trouble: PunaError | None = None
        self._told: set[str] = set()
        self._found: dict[str, str] = {}
        self._closing: dict[str, str] = {}
        self._at = 0

    async def see(self) -> Sight | None:
        """Everything that is open and held; None when a part of it could not be read."""
        try:
            # Positions last: an order that fills between two answers is then seen as what it became.
            clock = await self._alpaca(get_clock())
            orders = [order async for order in self._alpaca(get_orders("open", nested=True))]
            held = await self._alpaca(get_positions())
        except AuthError:
            raise
        except PunaError as error:
            self._trouble = error
            if error.what not in self._told:  # not with every look
                self._told.add(error.what)
                self._say(f"the broker could not be read: {error.what} It is asked again until the time is over.")
            return None
        self._looks, self._trouble, self._at = self._looks + 1, None, int(clock.timestamp)
        if self._looks == 1:
            self._found = {order.id: order.symbol or "" for order in orders}
            self._say(f"open orders: {len(orders)}, positions: {len(held)}")
        return Sight(
            is_open=clock.is_open,
            opens=f"{new_york(int(clock.next_open)):%Y-%m-%d %H:%M} New York",
            orders=tuple(map(_resting, orders)),
            positions=tuple(map(_held, held)),
        )

    async def move(self, action: Move, sight: Sight) -> None:
        """Asks for what was decided; the next look shows what came of it."""
        if action.cancel_all:
            await self._tried("*", self._cancel_all())
        for order in action.cancel:
            await self._tried(order, self._cancel(order))
        if len(action.close) > 1 and len(action.close) == len(sight.positions):
            await self._tried("*", self._close_all())
        else:
            for symbol in action.close:
                await self._tried(symbol, self._close(symbol))

    async def report(self, action: Proven | GiveUp, seconds: float) -> Flatness:
        """What it came to.

        Raises:
            PunaError: nothing could ever be read.
        """
        if self._trouble is not None and not self._looks:
            raise self._trouble
        account = await self._alpaca(get_account())
        left = {order.id for order in self.state.last.orders} if self.state.last else set[str]()
        return Flatness(
            flat=isinstance(action, Proven),
            account=account.id,
            at=format_time(self._at),
            looks=self._looks,
            seconds=round(seconds, 3),
            cancelled=[order for order in self._found if order not in left],
            closed=[each for symbol, order in self._closing.items() if (each := await self._closed(symbol, order))],
            remaining=list(action.remaining) if isinstance(action, GiveUp) else [],
            cash=_money(account.cash),
            equity=_money(account.equity),
        )

    async def _tried(self, key: str, asked: Awaitable[None]) -> None:
        """A refusal is remembered, a missing answer is not: the broker is looked at again anyway."""
        try:
            await asked
        except AuthError:
            raise
        except NotFoundError:  # it is gone already
            return
        except BrokerError as error:
            self.state = self.state.refusal(key, error.message or error.what)
        except PunaError as error:
            self._say(f"it is not known whether this was taken: {error.what}")

    async def _cancel_all(self) -> None:
        self._say("cancelling every order")
        for row in await self._alpaca(cancel_orders()):
            if row.status >= 300:
                self.state = self.state.refusal(row.id, _words(row.body))

    async def _cancel(self, order: str) -> None:
        await self._alpaca(cancel_order(order))

    async def _close_all(self) -> None:
        self._say("closing every position")
        for row in await self._alpaca(close_positions()):
            if row.status < 300:
                self._taken(row.symbol, msgspec.json.decode(row.body, type=_Named).id)
            else:
                self.state = self.state.refusal(row.symbol, _words(row.body))
                self._say(f"{row.symbol} is not closed: {_words(row.body)}")

    async def _close(self, symbol: str) -> None:
        self._say(f"closing {symbol}")
        self._taken(symbol, (await self._alpaca(close_position(symbol))).id)

    def _taken(self, symbol: str, order: str) -> None:
        self._closing[f"{symbol} {order}"] = order
        self.state = self.state.closing(symbol, order)

    async def _closed(self, name: str, order: str) -> Closed | None:
        try:
            found = await self._alpaca(get_order(order))
        except PunaError:
            return None
        filled = plain(found.filled_qty or ZERO)
        return Closed(
            symbol=name.split(maxsplit=1)[0], order_id=order, filled=filled, average=_money(found.filled_avg_price)
        )


class _Named(msgspec.Struct):
    """The part of an order that is needed."""

    id: str


def _resting(order: trading.Order) -> Resting:
    legs = tuple(order.legs or ())
    symbol = order.symbol or (legs[0].symbol if legs else "") or ""
    return Resting(id=order.id, symbol=symbol, status=order.status, filled=plain(order.filled_qty or ZERO))


def _held(body: trading.Position) -> Held:
    return Held(symbol=body.symbol, qty=plain(body.qty), around_the_clock=body.asset_class == "crypto")


def _money(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else plain(amount)


def _words(body: msgspec.Raw) -> str:
    """What the broker says in a row that went wrong."""
    try:
        return msgspec.json.decode(body, type=ErrorBody).message or bytes(body).decode()[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return bytes(body)[:200].decode(errors="replace")
