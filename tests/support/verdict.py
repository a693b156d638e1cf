"""The judge of a crash campaign: three independent sources, compared.

The exchange's event log, orders and ledger are the oracle; the journal is read from its file, read-only; what the
strategy was told was written down by it, line by line. What the trading process thinks in memory is no witness, except
that its last word on its books must be the same as theirs.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from bourse import CASH, Closed

from puna.engine.blotter import Blotter
from puna.engine.entries import CancelAsked, Entry, Epoch, Intent, Note, Reconciled, Refusal, StateChange, from_record
from puna.seams import Record
from puna.wire.trading import Order

__all__ = [
    "Final",
    "Memory",
    "Source",
    "agreement",
    "event_log",
    "journal_entries",
    "judge",
    "judge_torn",
    "story",
    "unjournaled",
]

ZERO = Decimal(0)
HALF_A_CENT = Decimal("0.005")
ENDED = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
SENT = ("Submit", "Replace")


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """What the last process says of its books as it ends."""

    cash: Decimal
    positions: dict[str, Decimal]
    state: str
    digest: str


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a strategy was told: a fill by its key, an order's status, or a refusal."""

    life: int
    told: str
    key: str
    status: str = ""
    cum_qty: Decimal = ZERO
    qty: Decimal = ZERO
    price: Decimal = ZERO


@dataclass
class Source:
    """Everything there is to compare.

    Args:
        log: the lines of the exchange's event log.
        closed: the exchange's orders and ledger.
        entries: the journal.
        told: what the strategy was told.
        final: what the last process says; None when it could not end in peace.
    """

    log: Sequence[Mapping[str, Any]]
    closed: Closed
    entries: Sequence[tuple[int, Entry]]
    told: Sequence[Memory]
    final: Final | None
    blotter: Blotter = field(init=False)

    def __post_init__(self) -> None:
        self.blotter = Blotter()
        for seq, entry in self.entries:
            self.blotter.apply(seq, entry)

    @property
    def orders(self) -> dict[str, Order]:
        """The exchange's orders by client_order_id."""
        return {order.client_order_id or order.id: order for order in self.closed.orders}


def journal_entries(path: Path) -> list[tuple[int, Entry]]:
    """The journal's records, in order, without taking its lock or changing a byte of it."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT seq, kind, key, ts, body FROM records ORDER BY seq").fetchall()
    finally:
        database.close()
    return [(seq, from_record(seq, Record(*rest))) for seq, *rest in rows]


def event_log(path: Path) -> list[dict[str, Any]]:
    """The lines of the exchange's event log; a last line that is still being written does not count."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [msgspec.json.decode(line) for line in whole.split(b"\n") if line]


def unjournaled(log: Sequence[Mapping[str, Any]], entries: Sequence[tuple[int, Entry]]) -> list[str]:
    """I16: an order or replace that the exchange has received, and that is not durable here beforehand.

    It is asked at the moment of each death, while both sides stand still: what was sent must have been written.
    """
    written = {entry.key: entry.ts for _, entry in entries if isinstance(entry, Intent)}
    found = []
    for line in log:
        if line["kind"] == "command" and line["body"]["name"] in SENT:
            key = line["body"]["request"].get("client_order_id", "")
            if key not in written:
                found.append(f"I16 {line['body']['name']} {key!r} reached the exchange and is not in the journal")
            elif written[key] > line["ts"]:
                found.append(f"I16 {key} was written at {written[key]}, after it was sent at {line['ts']}")
    return found


def judge(source: Source, *, wanted: Mapping[str, str]) -> list[str]:
    """What is wrong; empty when nothing is.

    Args:
        source: the three sources.
        wanted: for each step of the script that makes an order, how its order has to stand at the end: "live", "ended",
            "refused" by risk, "washed": refused by the exchange, or "done": filled, there or inside the account.
    """
    return [
        *unjournaled(source.log, source.entries),
        *_strangers(source),
        *_steps(source, wanted),
        *_states(source),
        *_fills(source),
        *_lineages(source),
        *_ledger(source),
        *_inside(source),
        *_told(source),
        *_believed(source),
        *_peace(source),
    ]


def judge_torn(source: Source) -> list[str]:
    """The same where the journal has lost its end: what the exchange has done is found and booked all the same.

    What the strategy wanted is lost with it, so its steps are not asked about, nor is what was told before.
    """
    booked = {(each.fill.client_order_id, each.fill.cum_qty) for each in source.blotter.booked}
    told = {(each.key, each.cum_qty) for each in source.told if each.told == "fill"}
    return [
        *_strangers(source),
        *_states(source),
        *_fills(source),
        *_ledger(source),
        *(f"R33 the strategy was never told of the fill {key}" for key in booked - told),
        *_peace(source),
    ]


def agreement(source: Source) -> list[str]:
    """Whether both sides have the same orders, fills, positions and cash; whatever it was that was traded."""
    return [
        *unjournaled(source.log, source.entries),
        *_strangers(source),
        *_states(source),
        *_fills(source),
        *_lineages(source),
        *_ledger(source),
    ]


def _strangers(source: Source) -> Iterator[str]:
    """Orders on one side only."""
    for key in source.orders.keys() - source.blotter.orders.keys():
        yield f"I1 the exchange has an order {key} that the journal does not know"
    for key, order in source.blotter.orders.items():
        if order.seen and key not in source.orders:
            yield f"I8 the journal holds evidence of {key}, and the exchange has no such order"
    for key, count in Counter(order.client_order_id or order.id for order in source.closed.orders).items():
        if count > 1:
            yield f"I1 the exchange has {count} orders under {key}"


def _steps(source: Source, wanted: Mapping[str, str]) -> Iterator[str]:
    """One order for each thing that the strategy wanted, whatever happened."""
    asked: dict[str, list[str]] = defaultdict(list)
    for _, entry in source.entries:
        if isinstance(entry, Intent):
            asked[entry.intent.because].append(entry.key)
    for step, end in wanted.items():
        accepted = [key for key in asked[step] if key in source.orders]
        live = [key for key in accepted if source.orders[key].status not in ENDED]
        rejected = [key for key in accepted if source.orders[key].status == "rejected"]
        if len(accepted) - len(rejected) > 1:
            yield f"I1 step {step!r} has {len(accepted)} orders at the exchange: {accepted}"
        if end in ("live", "ended") and not accepted:
            yield f"I1 step {step!r} has no order at the exchange; intents: {asked[step]}"
        if end == "live" and len(live) != 1:
            yield f"I1 step {step!r} is to have exactly one live order, and has {live}"
        if end == "ended" and live:
            yield f"I1 step {step!r} is to have ended, and {live} lives"
        if end == "washed" and (live or not asked[step]):
            yield f"I8 step {step!r} is to be refused by the exchange: asked {asked[step]}, live {live}"
        if end == "done":
            done = [key for key in asked[step] if source.blotter.orders[key].status == "filled"]
            if len(done) != 1:
                yield f"I1 step {step!r} is to be done once, and was by {done}"
        if end == "refused" and asked[step]:
            yield f"I10 step {step!r} is to be refused by risk, and {asked[step]} was approved"


def _states(source: Source) -> Iterator[str]:
    """What the journal says of an order is what the exchange says; nothing stays in doubt."""
    for key, order in source.blotter.orders.items():
        theirs = source.orders.get(key)
        if theirs is None:
            if order.is_open:
                yield f"I8 {key} is {order.status} in the journal, and the exchange has no such order"
        elif order.is_terminal != (theirs.status in ENDED) or (order.is_terminal and order.status != theirs.status):
            yield f"I18 {key} is {order.status} in the journal and {theirs.status} at the exchange"
        elif order.broker_ids != (theirs.id,):
            yield f"I1 {key} is {theirs.id} at the exchange, and {order.broker_ids} in the journal"


def _executions(source: Source) -> dict[str, list[tuple[Decimal, Decimal, Decimal]]]:
    """From the exchange's log: cumulative quantity, quantity and price of each execution, by client_order_id."""
    names = {order.id: key for key, order in source.orders.items()}
    found: dict[str, list[tuple[Decimal, Decimal, Decimal]]] = defaultdict(list)
    for line in source.log:
        if line["kind"] == "fill":
            body = line["body"]
            key, qty = names[body["order"]], abs(Decimal(body["qty"]))
            before = found[key][-1][0] if found[key] else ZERO
            found[key].append((before + qty, qty, Decimal(body["price"])))
    return found


def _fills(source: Source) -> Iterator[str]:
    """I5: every execution booked once. A booked step may be several executions that were seen as one."""
    executions = _executions(source)
    booked = defaultdict(list)
    for each in source.blotter.booked:
        if not each.fill.internal:
            booked[each.fill.client_order_id].append(each.fill)
    for key in booked.keys() | executions.keys():
        theirs, ours = executions.get(key, []), booked.get(key, [])
        inside = _crossed(source, key)
        edges, cum = {inside + step[0] for step in theirs}, inside
        for fill in ours:
            if not fill.qty:
                continue
            if fill.cum_qty - fill.qty != cum or fill.cum_qty not in edges:
                yield f"I5 {key}: booked {fill.qty} up to {fill.cum_qty} after {cum}; executions {theirs}"
            cum = fill.cum_qty
        qty = sum((step[1] for step in theirs), ZERO)
        if cum != inside + qty:
            yield f"I5 {key}: booked {cum}, {inside} of it inside, executed {qty}"
        worth = sum((step[1] * step[2] for step in theirs), ZERO)
        paid = sum((fill.notional for fill in ours), ZERO)
        if abs(worth - paid) >= HALF_A_CENT:
            yield f"I4 {key}: booked {paid} for what was executed for {worth}"


def _crossed(source: Source, key: str) -> Decimal:
    """What of an order was crossed inside the account; nothing of one that the journal does not know."""
    known = source.blotter.orders.get(key)
    return known.crossed_qty if known else ZERO


def _lineages(source: Source) -> Iterator[str]:
    """I2: an order never fills beyond its intent, nor an order with those that it replaced."""
    for key, order in source.orders.items():
        intent = source.blotter.intents.get(key)
        if intent is None:
            continue
        filled = (order.filled_qty or ZERO) + _crossed(source, key)
        before: str | None = intent.intent.replaces
        while before is not None:
            replaced, known = source.orders.get(before), source.blotter.intents.get(before)
            filled += (replaced.filled_qty or ZERO) if replaced else ZERO
            before = known.intent.replaces if known else None
        if filled > intent.intent.qty:
            yield f"I2 {key} and what it replaced filled {filled} of {intent.intent.qty}"


def _ledger(source: Source) -> Iterator[str]:
    """I3, I4: cash and positions of journal, process, exchange's ledger and exchange's log are the same."""
    books, theirs = source.blotter.portfolio, source.closed
    cash, held = CASH, dict[str, Decimal]()
    for line in source.log:
        if line["kind"] == "fill":
            qty, price = Decimal(line["body"]["qty"]), Decimal(line["body"]["price"])
            symbol = line["body"]["symbol"]
            cash, held[symbol] = cash - qty * price, held.get(symbol, ZERO) + qty
    if cash != theirs.cash or {k: v for k, v in held.items() if v} != theirs.positions:
        yield f"the exchange's ledger ({theirs.cash}, {theirs.positions}) is not its log ({cash}, {held})"
    ours = {symbol: position.qty for symbol, position in books.positions.items() if position.qty}
    if abs(books.cash - theirs.cash) >= HALF_A_CENT:
        yield f"I4 cash is {books.cash} in the journal and {theirs.cash} at the exchange"
    if ours != theirs.positions:
        yield f"I3 positions are {ours} in the journal and {theirs.positions} at the exchange"
    if source.final is not None and (source.final.cash != books.cash or source.final.positions != ours):
        yield f"I17 the process ended with {source.final.cash}, {source.final.positions}; journal {books.cash}, {ours}"
    if source.final is not None and source.final.digest != source.blotter.digest():
        yield "I17 replaying the journal gives other books than those that the process ended with"


def _inside(source: Source) -> Iterator[str]:
    """A cross moves nothing in sum, the exchange gets exactly the rest, and the strategies add up to the account."""
    blotter, crossed = source.blotter, [each.fill for each in source.blotter.booked if each.fill.internal]
    for name in {fill.execution_id for fill in crossed}:
        sides = [fill for fill in crossed if fill.execution_id == name]
        if len(sides) != 2 or sum((each.side.sign * each.notional for each in sides), ZERO) != 0:
            yield f"I3 the cross {name} is booked as {sides}"
    for key, theirs in source.orders.items():
        if (ours := blotter.orders.get(key)) is not None and ours.remainder.qty != theirs.qty:
            yield f"I2 of {key} {ours.crossed_qty} was crossed, and the exchange got {theirs.qty}"
    begun = blotter.opening.cash if blotter.opening else ZERO
    if begun + sum(flow.cash for flow in blotter.flows.values()) != blotter.portfolio.cash:
        yield f"I3 the strategies' cash does not add up to the account's {blotter.portfolio.cash}"
    for symbol in {symbol for _, symbol in blotter.sleeves}:
        held = sum(qty for (_, name), qty in blotter.sleeves.items() if name == symbol)
        if held != blotter.portfolio.qty(symbol):
            yield f"I3 the strategies hold {held} {symbol}, and the account {blotter.portfolio.qty(symbol)}"


def _told(source: Source) -> Iterator[str]:
    """The strategy was told of every fill, under the key under which it is booked, and of nothing else."""
    told: dict[tuple[str, Decimal], set[Decimal]] = defaultdict(set)
    for each in source.told:
        if each.told == "fill" and each.qty:
            told[each.key, each.cum_qty].add(each.qty)
    booked = {(e.fill.client_order_id, e.fill.cum_qty): e.fill.qty for e in source.blotter.booked if e.fill.qty}
    for key, qty in booked.items():
        if not told.get(key):
            yield f"R33 the strategy was never told of the fill {key}"
        elif told[key] != {qty}:
            yield f"R33 the strategy was told {told[key]} for the fill {key} of {qty}"
    for key in told.keys() - booked.keys():
        yield f"R33 the strategy was told of a fill {key} that is not booked"


def _believed(source: Source) -> Iterator[str]:
    """I8: the strategy never heard that an order will not be, while the exchange has accepted it.

    Except for a replace that comes into force after it was given up: it cannot be sent again to find out.
    """
    for key in {each.key for each in source.told if each.status in ("refused", "abandoned")} & source.orders.keys():
        intent = source.blotter.intents.get(key)
        if intent is None or intent.intent.replaces is None:
            yield f"I8 the strategy was told that {key} is refused or abandoned, and the exchange has accepted it"


def _peace(source: Source) -> Iterator[str]:
    """No halt, no unequal books on the way, and each process in an epoch of its own."""
    for _, entry in source.entries:
        if isinstance(entry, StateChange) and entry.state == "halted":
            yield f"trading was halted: {entry.reason}"
        if isinstance(entry, Reconciled) and not entry.equal:
            yield f"I18 after a reconciliation the books differed: {entry.summary}"
    epochs = [entry.number for _, entry in source.entries if isinstance(entry, Epoch)]
    if epochs != sorted(set(epochs)):
        yield f"I25 two processes share an epoch: {epochs}"


def story(source: Source) -> list[str]:
    """The journal and the exchange's log in words, for whoever has to find out what happened."""
    shown = []
    for seq, entry in source.entries:
        match entry:
            case Refusal():
                what = f"refused {entry.key} {entry.intent.because}: {entry.breach}"
            case Intent():
                what = f"intent {entry.key} {entry.intent.because} {entry.intent.side} {entry.intent.qty}"
            case Note() | StateChange() | Reconciled() | CancelAsked() | Epoch():
                what = str(entry)
            case _:
                update = getattr(entry, "update", None)
                what = f"{type(entry).__name__} {entry.key} {_brief(update)}"
        shown.append(f"  journal {seq:3} {entry.ts} {what}")
    for line in source.log:
        if line["kind"] in ("command", "refusal"):
            shown.append(f"  exchange {line['n']} {line['ts']} {line['kind']} {line['body']}")
        elif line["kind"] == "update":
            body = line["body"]
            order = body["order"]
            shown.append(
                f"  exchange {line['n']} {line['ts']} {body['event']} {order['client_order_id']} "
                f"{order['status']} filled {order.get('filled_qty')}"
            )
    return shown


def _brief(update: Any) -> str:
    if update is None:
        return ""
    return f"{update.source} {update.event or '-'} {update.status} cum {update.cum_qty} {update.reason}"
