"""Why an order was what it was, or why there was none: the chain from bar to fill, out of a journal.

Bar and what the strategy looked at -> its reason -> every risk check with its numbers -> what was sent, and when ->
what the broker said, under which ids -> fills with the market beside them -> what that cost. The checks are asked again
with the view and the limits that were written down: the same functions, so the same answers.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from puna.core.orders import Order
from puna.core.risk import RiskLimits, RiskView, verdicts
from puna.core.symbols import multiplier
from puna.core.types import ZERO, Bar, OrderIntent, exact
from puna.engine.blotter import Blotter, Booked
from puna.engine.entries import (
    Acknowledged,
    Adoption,
    CancelAsked,
    Crossed,
    Decision,
    Entry,
    Epoch,
    Evidence,
    Intent,
    Locked,
    Note,
    Refusal,
    StateChange,
)
from puna.errors import DataError

__all__ = ["Chain", "CheckRow", "FillCost", "Moment", "Step", "Story", "around", "find_order", "why"]

_BASIS = Decimal(10_000)


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """One risk check: whether it passed, and what it compared, as `words: observed of limit`."""

    code: str
    name: str
    passed: bool
    numbers: list[str]
    says: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the order, market time."""

    ts: int
    what: str


class FillCost(msgspec.Struct, frozen=True, kw_only=True):
    """A fill, the middle of the market when it was booked and when the order was decided; costs are positive.

    An `internal` one was crossed with another strategy inside the account.
    """

    ts: int
    qty: Decimal
    price: Decimal
    mid: Decimal | None
    arrival: Decimal | None
    cost: Decimal | None
    cost_bp: Decimal | None
    internal: bool = False


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """All that led to an order and came of it; of one that was refused, what led to that."""

    order: str
    strategy: str
    wish: str
    because: str
    decided: int
    outcome: str
    bar: Bar | None
    seen: dict[str, float]
    quote: str
    held: Decimal
    checks: list[CheckRow]
    steps: list[Step]
    broker_ids: list[str]
    fills: list[FillCost]
    cost: Decimal | None
    parent: str = ""
    replaces: str = ""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What happened about a symbol within a time, and what stood in the way of more."""

    symbol: str
    begin: int
    end: int
    orders: list[str]
    refused: list[str]
    events: list[Step]
    state: str
    locks: list[str]
    alarms: list[str] = []


class Story:
    """A journal that was read: its entries, and the books they add up to."""

    def __init__(self, entries: Iterable[tuple[int, Entry]]) -> None:
        self.entries = list(entries)
        self.blotter = Blotter()
        self.limits: dict[int, RiskLimits] = {}
        known = RiskLimits()
        for seq, entry in self.entries:
            self.blotter.apply(seq, entry)
            if isinstance(entry, Epoch):
                known = entry.limits or RiskLimits()
            self.limits[seq] = known


def find_order(story: Story, name: str) -> str:
    """The key of an order or a refused wish, by it, its end, or the broker's id.

    Raises:
        DataError: there is none, or more than one.
    """
    keys = {*story.blotter.orders, *(each.intent.client_order_id for each in story.blotter.refusals)}
    if name in keys:
        return name
    found = [order.client_order_id for order in story.blotter.orders.values() if name in order.broker_ids]
    found = found or sorted(key for key in keys if key.endswith(name))
    if len(found) == 1:
        return found[0]
    near = f"there are {', '.join(found[:5])}" if found else f"the journal holds {len(keys)} orders and refusals"
    raise DataError(
        f"{'More than one order is' if found else 'No order is'} called {name[:60]}.",
        why=near,
        state="Nothing was changed.",
        remedy="Give the client_order_id or the broker's id: puna orders --status all, or the report of the run.",
        code="E045",
    )


def why(story: Story, key: str) -> Chain:
    """The chain of one order, or of one that was refused."""
    own = [(seq, entry) for seq, entry in story.entries if key in _keys(entry)]
    refusal = next(((seq, entry) for seq, entry in own if isinstance(entry, Refusal)), None)
    if refusal is not None:
        return _refused(story, *refusal)
    return _ordered(story, key, own)


def _refused(story: Story, seq: int, entry: Refusal) -> Chain:
    intent, breach = entry.intent, entry.breach
    rows = _checks(intent, entry.view, story.limits[seq])
    if all(row.passed for row in rows):  # it was refused by something else than the checks: a name, the journal
        rows.append(CheckRow(code=breach.code, name=breach.name, passed=False, numbers=[], says=breach.message))
    return Chain(
        order=intent.client_order_id,
        strategy=intent.strategy,
        wish=_wish(intent),
        because=intent.because,
        decided=entry.ts,
        outcome=f"not sent: {breach.code} {breach.name}, {breach.message}",
        bar=entry.bar,
        seen=entry.seen,
        quote=_quote(entry.view),
        held=entry.view.portfolio.qty(intent.symbol),
        checks=rows,
        steps=[],
        broker_ids=[],
        fills=[],
        cost=None,
        parent=intent.parent or "",
        replaces=intent.replaces or "",
    )


def _ordered(story: Story, key: str, own: Sequence[tuple[int, Entry]]) -> Chain:
    order = story.blotter.orders[key]
    decision = next(((seq, entry) for seq, entry in own if isinstance(entry, Decision)), None)
    begun = next((entry for _, entry in own if isinstance(entry, Intent)), None)
    arrival = _middle(begun.mid) if begun is not None else None
    fills = [_cost(each, arrival) for each in story.blotter.booked if each.fill.client_order_id == key]
    costs = [each.cost for each in fills if each.cost is not None]
    seen = decision[1] if decision else None
    return Chain(
        order=key,
        strategy=order.intent.strategy,
        wish=_wish(order.intent),
        because=order.intent.because,
        decided=order.intent.ts,
        outcome=_outcome(order),
        bar=seen.bar if seen else None,
        seen=seen.seen if seen else {},
        quote=_quote(seen.view) if seen else "",
        held=seen.view.portfolio.qty(order.intent.symbol) if seen else ZERO,
        checks=_checks(order.intent, seen.view, story.limits[decision[0]]) if seen and decision else [],
        steps=[step for _, entry in own for step in _steps(entry, key)],
        broker_ids=list(order.broker_ids),
        fills=fills,
        cost=sum(costs, ZERO) if costs else None,
        parent=order.intent.parent or "",
        replaces=order.intent.replaces or "",
    )


def around(story: Story, symbol: str, begin: int, end: int) -> Moment:
    """What happened about a symbol from `begin` to `end` (market time, ns), and what stood in the way then."""
    blotter = Blotter()
    events, orders, refused = list[Step](), dict[str, None](), list[str]()
    for seq, entry in story.entries:
        if entry.ts >= end:
            break
        blotter.apply(seq, entry)
        if entry.ts < begin:
            continue
        intent = _intent_of(entry, blotter)
        if intent is not None and intent.symbol == symbol:
            if isinstance(entry, Refusal):
                refused.append(
                    f"{entry.intent.client_order_id}  {_wish(entry.intent)}: {entry.breach.code} {entry.breach.message}"
                )
            else:
                orders |= dict.fromkeys(_keys(entry))
            for key in _keys(entry):
                events += [Step(ts=step.ts, what=f"{key}  {step.what}") for step in _steps(entry, key)]
        elif isinstance(entry, Note | StateChange | Locked | Acknowledged):
            events += _steps(entry)
    locks = [each for each in blotter.locks.values() if not each.until or each.until > begin]
    return Moment(
        symbol=symbol,
        begin=begin,
        end=end,
        orders=list(orders),
        refused=refused,
        events=events,
        state=f"{blotter.state}{f': {blotter.state_reason}' if blotter.state_reason else ''}",
        locks=[f"{each.scope or 'account'} by {each.cause}: {each.reason}" for each in locks],
        alarms=[f"#{each.number} {each.code} {each.text}" for each in blotter.alarms.standing.values()],
    )


def _intent_of(entry: Entry, blotter: Blotter) -> OrderIntent | None:
    if isinstance(entry, Refusal | Intent | Adoption):
        return entry.intent
    order = blotter.orders.get(_keys(entry)[0])
    return order.intent if order else None


def _keys(entry: Entry) -> tuple[str, ...]:
    """The orders that an entry is about."""
    return entry.keys if isinstance(entry, Crossed) else (entry.key,)


def _checks(intent: OrderIntent, view: RiskView, limits: RiskLimits) -> list[CheckRow]:
    return [
        CheckRow(
            code=each.check.code,
            name=each.check.name,
            passed=each.breach is None,
            numbers=[f"{_number(row.observed)} of {_number(row.limit)}" for row in each.measured],
            says=each.breach.message if each.breach else "",
        )
        for each in verdicts(intent, view, limits)
    ]


def _steps(entry: Entry, key: str = "") -> list[Step]:
    """An entry in words, as seen from an order; nothing for what stands elsewhere in the chain."""
    match entry:
        case Intent():
            text = "durable in the journal"
        case Evidence(update=update):
            filled = f", {update.cum_qty:f} filled" if update.cum_qty else ""
            text = f"{update.status} ({update.source}){filled}{f': {update.reason}' if update.reason else ''}"
        case Adoption():
            text = "found at the broker"
        case Crossed(cross=cross, quote=quote):
            other = cross.sell if key == cross.buy else cross.buy
            text = (
                f"{cross.qty:f} crossed inside with {other} at {cross.price:f},"
                f" the middle of {quote.bid:g} x {quote.ask:g}; the broker does not see it"
            )
        case CancelAsked(because=because):
            text = f"cancel asked for{f': {because}' if because else ''}"
        case StateChange(scope=scope, state=state, reason=reason, by=by):
            text = f"{scope or 'account'} is {state}, by {by}: {reason}"
        case Locked(lock=lock):
            text = f"{lock.scope or 'account'} locked by {lock.cause}: {lock.reason}"
        case Note(code=code, text=said):
            text = f"{code} {said}"
        case Acknowledged(alarms=numbers, by=by, reason=reason):
            text = f"alarm {', '.join(map(str, numbers))} acknowledged by {by}: {reason}"
        case _:
            return []
    return [Step(ts=entry.ts, what=text)]


def _middle(mid: float | None) -> Decimal | None:
    """Half the sum of two prices, without the tail that binary halves leave."""
    return None if mid is None else exact(round(mid, 9))


def _cost(each: Booked, arrival: Decimal | None) -> FillCost:
    """What a fill cost beyond the middle of the market when the order was decided, in dollars and basis points."""
    fill, mid = each.fill, _middle(each.mid)
    if arrival is None:
        return FillCost(
            ts=each.ts,
            qty=fill.qty,
            price=fill.price,
            mid=mid,
            arrival=None,
            cost=None,
            cost_bp=None,
            internal=fill.internal,
        )
    beyond = (fill.notional - fill.qty * arrival) * fill.side.sign * multiplier(fill.symbol)
    worth = abs(fill.qty) * arrival * multiplier(fill.symbol)
    basis = (beyond / worth * _BASIS).quantize(Decimal("0.01")) if worth else None
    return FillCost(
        ts=each.ts,
        qty=fill.qty,
        price=fill.price,
        mid=mid,
        arrival=arrival,
        cost=beyond.quantize(Decimal("0.0001")),
        cost_bp=basis,
        internal=fill.internal,
    )


def _outcome(order: Order) -> str:
    inside = f", {order.crossed_qty:f} of it inside" if order.inside else ""
    done = f"{order.filled_qty:f} of {order.intent.qty:f} filled{inside}"
    return f"{order.status}, {done}{f': {order.reason}' if order.reason else ''}"


def _wish(intent: OrderIntent) -> str:
    price = "" if intent.limit_price is None else f" limit {intent.limit_price:f}"
    stop = "" if intent.stop_price is None else f" stop {intent.stop_price:f}"
    legs = "".join(f" {leg.side} {leg.ratio} {leg.symbol}" for leg in intent.legs)
    return f"{intent.side} {intent.qty:f} {intent.symbol} {intent.type}{price}{stop} {intent.time_in_force}{legs}"


def _quote(view: RiskView) -> str:
    if view.quote is None:
        return "none"
    age = (view.now - view.quote.ts_event) / 1e9
    return f"{view.quote.bid:g} x {view.quote.ask:g}, {age:.1f} s old"


def _number(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:g}" if isinstance(value, float) else str(value)
