"""The broker's snapshot against our books: the only way to start, and the way back after every gap.

Orders first (all that were submitted since the last time, to the last page), through the one reducer; then every order
of ours that the list does not show, and every one in doubt, by its own id; then cash and positions, compared exactly.
What was crossed between strategies never reached the broker and moved nothing of the account: there is nothing of it to
compare. Nothing is traded to repair a difference: trading halts and says so. An answer that does not come changes
nothing, since "unavailable" is not "empty" (I19). Each step can be repeated, so a process that is killed anywhere in it
starts again.

The first time there is nothing to compare with: what the account holds then is the opening of the books.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from puna.alpaca.account import get_activities
from puna.alpaca.mapping import position
from puna.alpaca.trading import get_clock, get_orders, get_positions
from puna.core.decimals import plain
from puna.core.portfolio import Booking
from puna.core.risk import TradingState
from puna.core.types import ZERO, Fill, Position
from puna.engine.blotter import Change
from puna.engine.calendars import disagreement
from puna.engine.entries import Moved, Opening, Reconciled
from puna.engine.explained import BOOKS, explanation, movement
from puna.engine.gateway import Gateway
from puna.engine.movements import bookings, told_later
from puna.engine.record import BookRow, Books
from puna.engine.sighting import Sighting
from puna.errors import JournalError, PunaError
from puna.seams import SystemClock
from puna.wire import trading

__all__ = ["Reconciliation", "reconcile"]

NANOS = 1_000_000_000
MARGIN = 60 * NANOS  # orders are asked for from a little earlier than needed, for clocks that differ
TRIES = 5
HALF_A_CENT = Decimal("0.005")


@dataclass
class Reconciliation:
    """What was found, against what we thought.

    Attributes:
        first: the books began with this.
        books: cash and positions, ours and the broker's.
        changed: orders of ours that moved while nobody looked.
        adopted: orders that our journal did not know; external ones among them.
        fills: what was booked for all that.
        moved: what moved without an order: fees, dividends, splits, options that ended.
    """

    first: bool = False
    books: Books = field(default_factory=lambda: Books(equal=True))
    changed: dict[str, str] = field(default_factory=dict)
    adopted: dict[str, str] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    moved: list[Booking] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return self.books.equal

    @property
    def summary(self) -> str:
        """One line."""
        if self.first:
            return "the books begin with what the account holds"
        found = f"{len(self.changed)} orders moved, {len(self.adopted)} adopted, {len(self.fills)} fills booked"
        if self.moved:
            found += f", {len(self.moved)} movements of other kinds"
        differing = [
            f"{row.item}: ours {row.ours:f}, broker {row.broker:f}" for row in self.books.rows if not row.equal
        ]
        return f"{found}; {'books equal' if self.equal else 'books differ: ' + '; '.join(differing)}"

    def lines(self) -> list[str]:
        """What changed while nobody looked, for people."""
        moved = [f"{key}: {status}" for key, status in self.changed.items()]
        adopted = [f"{key}: found at the broker, {status}" for key, status in self.adopted.items()]
        fills = [f"{fill.client_order_id}: {fill.side} {fill.qty:f} at {fill.price:f}" for fill in self.fills]
        others = [movement(each) for each in self.moved]
        return [*moved, *adopted, *fills, *others, self.summary]

    def take(self, changes: Iterable[Change], known: Iterable[str]) -> None:
        """Notes what changed; `known` are the orders that the journal held before."""
        before = set(known)
        for change in changes:
            key = change.order.client_order_id
            (self.changed if key in before else self.adopted)[key] = str(change.order.status)
            self.fills += change.fills


async def reconcile(gateway: Gateway, *, accept: bool = False) -> Reconciliation:
    """Brings our books up to the broker's evidence and compares.

    Args:
        gateway: started, so its journal is replayed.
        accept: a person takes the broker's cash and positions for right where they differ from ours.

    Raises:
        JournalError: E404, the account is not the journal's; nothing was changed.
        PunaError: the broker could not be read; nothing was changed by that.
    """
    gateway.probe("reconcile-begin")
    account = await gateway.means.refresh()
    opening = gateway.blotter.opening
    _check_account(account, opening)
    found = Reconciliation(first=opening is None)
    if opening is None:
        await _open_books(gateway, "first start")
    await _catch_up(gateway, found)
    gateway.probe("reconcile-orders")
    broker_ts = await _compare(gateway, found)
    if not found.equal and await _explain(gateway, found):
        broker_ts = await _compare(gateway, found)
    if not found.equal and accept:
        await _open_books(gateway, "operator")
        broker_ts = await _compare(gateway, found)
    if not found.equal and not gateway.halted:
        await gateway.decide(TradingState.HALTED, f"our books and the broker's differ: {found.summary}", BOOKS)
    entry = Reconciled(ts=gateway.clock.now(), broker_ts=broker_ts, equal=found.equal, summary=found.summary)
    known = explanation(gateway.blotter)
    await gateway.record(entry)
    if (text := explanation(gateway.blotter)) and not known:
        gateway.note("E510", f"trading stays halted until somebody resumes it, but {text}")
    gateway.probe("reconcile-end")
    return found


async def _explain(gateway: Gateway, found: Reconciliation) -> bool:
    """Books what the broker's activities say has moved since the books began; whether there was anything."""
    opening, blotter = gateway.blotter.opening, gateway.blotter
    if opening is None:
        return False
    since = max(opening.broker_ts, blotter.broker_ts) - LOOK_BACK
    pages = gateway.alpaca(get_activities(category="non_trade_activity", after=since, direction="asc"))
    known = {reference.partition("/")[0] for reference in blotter.moved}
    try:
        fresh = [each async for each in pages if each.id not in known and told_later(each, opening.broker_ts)]
    except PunaError as error:  # without an explanation the difference stays
        gateway.note(error.code, f"the broker's activities could not be read: {error.what}")
        return False
    rows = bookings(fresh, blotter.portfolio, await _positions(gateway), gateway.clock.now())
    if rows:
        await gateway.record(*(Moved(ts=each.ts, booking=each) for each in rows))
        found.moved += rows
    return bool(rows)


LOOK_BACK = 7 * 86_400 * NANOS  # activities come late: on paper the next day, after a weekend on Monday


def _check_account(account: trading.Account, opening: Opening | None) -> None:
    if opening is None or opening.account_id == account.id:
        return
    raise JournalError(
        "This journal belongs to another account.",
        why=f"it was opened for account {opening.account_id}, and these keys lead to {account.id}",
        state="Nothing was sent and nothing was changed.",
        remedy="Use the keys of that account, or a new journal; a paper account that was reset is a new account.",
        code="E404",
    )


async def _open_books(gateway: Gateway, by: str) -> None:
    """Takes the account as it is: cash and positions, and all orders whose fills these hold already.

    The figures count only when no order moved while they were read.
    """
    broker_ts = (await gateway.alpaca(get_clock())).timestamp
    since = broker_ts - MARGIN
    before = await _orders(gateway, since)
    for _ in range(TRIES):
        account = await gateway.means.refresh()
        held = await _positions(gateway)
        after = await _orders(gateway, since)
        if _filled(before) == _filled(after):
            break
        before = after
    else:
        raise PunaError(
            "The account does not come to rest, so the books cannot begin.",
            why=f"orders were filled during each of {TRIES} attempts to read it",
            state="Nothing was sent.",
            remedy="Stop whatever else trades on this account, or try again.",
        )
    entry = Opening(
        ts=gateway.clock.now(),
        account_id=account.id,
        cash=plain(account.cash or ZERO),
        positions=tuple(held.values()),
        broker_ts=int(broker_ts),
        by=by,
    )
    await gateway.open_books(entry, [Sighting.of("rest", order) for order in after])


async def _catch_up(gateway: Gateway, found: Reconciliation) -> None:
    """Everything that happened to orders since we last knew."""
    blotter = gateway.blotter
    known = frozenset(blotter.orders)
    orders = await _orders(gateway, blotter.broker_ts - MARGIN)
    found.take(await gateway.absorb(_ours(gateway, orders)), known)
    shown = {each.id for order in orders for each in (order, *(order.legs or ()))}
    unsettled = dict(blotter.open)
    before = len(blotter.booked)
    for key, order in unsettled.items():
        if not order.seen:
            gateway.outbound.doubt(key)
        elif not shown.intersection(order.broker_ids):
            await gateway.outbound.query(key)
        if order.seen:
            gateway.outbound.attend(key)
    await gateway.settled()
    for key, order in unsettled.items():
        if blotter.orders[key].status is not order.status:
            found.changed[key] = str(blotter.orders[key].status)
    found.fills += [each.fill for each in blotter.booked[before:] if not each.fill.internal]


async def _compare(gateway: Gateway, found: Reconciliation) -> int:
    """Cash and positions side by side, at a moment in which nothing was filled; the broker's time of it."""
    blotter = gateway.blotter
    for _ in range(TRIES):
        known, booked = frozenset(blotter.orders), len(blotter.booked)
        broker = await gateway.alpaca(get_clock())
        gateway.heed(disagreement(broker))
        broker_ts = broker.timestamp
        if isinstance(gateway.clock, SystemClock):  # other clocks are set by the broker's
            gateway.skew = (gateway.clock.now() - int(broker_ts)) / NANOS
        account = await gateway.means.refresh()
        held = await _positions(gateway)
        orders = await _orders(gateway, min(broker_ts, blotter.broker_ts or broker_ts) - MARGIN)
        found.take(await gateway.absorb(_ours(gateway, orders)), known)
        found.books = _books(gateway, account, held)
        if found.equal or booked == len(blotter.booked):
            break
    return int(broker_ts)


def _books(gateway: Gateway, account: trading.Account, held: dict[str, Position]) -> Books:
    ours = gateway.blotter.portfolio
    rows = [
        BookRow(item=symbol, ours=ours.qty(symbol), broker=held[symbol].qty if symbol in held else ZERO)
        for symbol in sorted({*ours.positions, *held})
    ]
    cash = ours.cash if account.cash is None else plain(account.cash)
    # The broker prints averages rounded, so cash is compared to the cent, not to the last decimal.
    close = abs(cash - ours.cash) < HALF_A_CENT
    rows.insert(0, BookRow(item="cash", ours=ours.cash, broker=ours.cash if close else cash))
    return Books(equal=all(row.equal for row in rows), rows=rows)


async def _orders(gateway: Gateway, since: int) -> list[trading.Order]:
    """What was submitted since then, in whatever state, and all that is open; to the last page."""
    recent = [order async for order in gateway.alpaca(get_orders("all", after=since, direction="asc", nested=True))]
    seen = {order.id for order in recent}
    older = [order async for order in gateway.alpaca(get_orders("open", nested=True)) if order.id not in seen]
    return [*older, *recent]


def _ours(gateway: Gateway, orders: Iterable[trading.Order]) -> list[Sighting]:
    """What ended before the books began, and was not taken over with them, is in their opening: left out here."""
    opening = gateway.blotter.opening
    begin = opening.broker_ts - MARGIN if opening else 0
    return [
        Sighting.of("rest", order)
        for order in orders
        if gateway.blotter.find(order.client_order_id or "", order.id) or (order.submitted_at or 0) > begin
    ]


async def _positions(gateway: Gateway) -> dict[str, Position]:
    held = [position(body) for body in await gateway.alpaca(get_positions())]
    return {each.symbol: Position(symbol=each.symbol, qty=plain(each.qty), cost=plain(each.cost)) for each in held}


def _filled(orders: Iterable[trading.Order]) -> dict[str, Decimal]:
    return {order.id: order.filled_qty for order in orders if order.filled_qty}
