"""Round trips: from flat to flat in one symbol and strategy, or in one package of options; what they say together.

A fill that turns a position round ends one trip and begins the next. What is still held at the end is a trip that is
marked at the last price. Profit is after the spread and before fees, which the broker charges on the account.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

import msgspec

from puna.core.spreads import SHAPES
from puna.core.symbols import Option, is_symbol, parse
from puna.core.types import ZERO, AssetClass
from puna.engine.record import FillRow, OrderRow, RunRecord
from puna.research.statistics.metrics import factor_after, last_marks, sign, times, worth

__all__ = ["Group", "RoundTrip", "bridge", "group_by", "package_kind", "round_trips"]

_FINE = Decimal("0.0001")
_NUMBER = re.compile(r"[-+]?\d[\d.,:%/]*\d%?|[-+]?\d%?")


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """One trip.

    Attributes:
        symbol: the underlying when it is a package.
        kind: "shares", "coins", "option", or a package's name such as "iron condor".
        side: "long" or "short" of the first fill; "credit" or "debit" of a package.
        closed: ns, None while it is held.
        size: the largest value of what was held, long and short legs added, at the prices of its fills, USD.
        pnl: after the spread, before fees, USD.
        at_mid: what it would have made at the middle of the quote at each fill, USD.
        at_decision: what it would have made at the middle of the quote at each decision, USD.
        credit: what was taken in when a package was opened, USD; negative for a debit, 0 for anything else.
        why_in: the reason of the first order.
        why_out: the reason of the last one; empty while it is held.
    """

    strategy: str
    symbol: str
    kind: str
    side: str
    opened: int
    closed: int | None
    fills: int
    size: Decimal
    pnl: Decimal
    at_mid: Decimal
    at_decision: Decimal
    credit: Decimal = ZERO
    why_in: str = ""
    why_out: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Trips that share something."""

    name: str
    trips: int
    won: int
    pnl: Decimal
    credit: Decimal = ZERO
    held: int = 0


def round_trips(record: RunRecord) -> list[RoundTrip]:
    """All trips of a run, in the order in which they were opened."""
    orders = {order.client_order_id: order for order in record.orders}
    marks = last_marks(record, {fill.symbol for fill in record.fills})
    packaged: defaultdict[tuple[str, str], list[FillRow]] = defaultdict(list)
    single: defaultdict[tuple[str, str], list[FillRow]] = defaultdict(list)
    for fill in record.fills:
        package = _package(fill, orders)
        key = (fill.strategy, fill.symbol if package is None else package.symbol)
        (single if package is None else packaged)[key].append(fill)
    found = [
        _trip(each, orders, marks)
        for fills in (*single.values(), *packaged.values())
        for each in _flat_to_flat(record, fills)
    ]
    return sorted(found, key=attrgetter("opened", "symbol"))


def _package(fill: FillRow, orders: Mapping[str, OrderRow]) -> OrderRow | None:
    """The order with legs that this is a fill of."""
    order = orders.get(fill.cid)
    if order is not None and order.leg_of is not None:
        order = orders.get(order.leg_of)
    return order if order is not None and order.legs else None


class _Part(msgspec.Struct):
    """A fill, or a part of one; `units` are shares, or a hundred for each contract, with a sign."""

    fill: FillRow
    units: Decimal
    paid: Decimal


def _flat_to_flat(record: RunRecord, fills: Sequence[FillRow]) -> Iterator[list[_Part]]:
    """The fills of one key, cut where nothing is held any more. Units are those after all splits of the run."""
    held: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    trip: list[_Part] = []
    for fill in sorted(fills, key=attrgetter("ts")):
        units = sign(fill) * fill.qty * times(fill.symbol) * factor_after(record, fill.symbol, fill.ts)
        paid, before = sign(fill) * worth(fill), held[fill.symbol]
        turned = before * units < 0 and abs(units) > abs(before) and len(held) == 1
        if turned:
            part = -before / units
            trip.append(_Part(fill, -before, paid * part))
            yield trip
            trip, units, paid, before = [], units + before, paid * (1 - part), ZERO
        trip.append(_Part(fill, units, paid))
        held[fill.symbol] = before + units
        if not any(held.values()):
            yield trip
            held.clear()
            trip = []
    if trip:
        yield trip


def _trip(parts: Sequence[_Part], orders: Mapping[str, OrderRow], marks: Mapping[str, Decimal]) -> RoundTrip:
    first, last = parts[0].fill, parts[-1].fill
    held: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    value: dict[str, Decimal] = {}
    largest = out = mid = decision = ZERO
    for part in parts:
        held[part.fill.symbol] += part.units
        value[part.fill.symbol] = abs(held[part.fill.symbol] * part.paid / part.units) if part.units else ZERO
        largest = max(largest, sum(value.values(), ZERO))
        out += part.paid
        at_mid = _at(part, part.fill.mid)
        mid += at_mid
        decision += at_mid if (at := _decided(part, orders)) is None else at
    left = sum((units * marks.get(symbol, ZERO) for symbol, units in held.items()), ZERO)
    package = _package(first, orders)
    credit = -sum((part.paid for part in parts if part.fill.ts == first.ts), ZERO) if package else ZERO
    return RoundTrip(
        strategy=first.strategy,
        symbol=first.symbol if package is None else package.symbol,
        kind=_kind(first.symbol) if package is None else package_kind(package),
        side=("credit" if credit > 0 else "debit") if package else "long" if parts[0].units > 0 else "short",
        opened=first.ts,
        closed=None if any(held.values()) else last.ts,
        fills=len(parts),
        size=largest.quantize(_FINE),
        pnl=(left - out).quantize(_FINE),
        at_mid=(left - mid).quantize(_FINE),
        at_decision=(left - decision).quantize(_FINE),
        credit=credit.quantize(_FINE),
        why_in=_because(first, orders),
        why_out="" if any(held.values()) else _because(last, orders),
    )


def _at(part: _Part, price: float | None) -> Decimal:
    """What the part would have cost at this price; what it did cost when there is none."""
    if price is None:
        return part.paid
    share = part.paid / worth(part.fill) if worth(part.fill) else Decimal(sign(part.fill))
    return share * part.fill.qty * times(part.fill.symbol) * Decimal(repr(price))


def _decided(part: _Part, orders: Mapping[str, OrderRow]) -> Decimal | None:
    """What the part would have cost at the decision's mid; None for legs of packages, whose arrival is another's."""
    order = orders.get(part.fill.cid)
    if order is None or order.legs or order.leg_of is not None or order.arrival_mid is None:
        return None
    return _at(part, order.arrival_mid)


def _because(fill: FillRow, orders: Mapping[str, OrderRow]) -> str:
    order = orders.get(fill.cid)
    if order is None:
        return ""
    whole = None if order.leg_of is None else orders.get(order.leg_of)
    return order.because or ("" if whole is None else whole.because)


def _kind(symbol: str) -> str:
    if not is_symbol(symbol):
        return "shares"
    return {AssetClass.US_OPTION: "option", AssetClass.CRYPTO: "coins"}.get(parse(symbol).asset_class, "shares")


def package_kind(order: OrderRow) -> str:
    """The name of a package by its legs, opened or closed: "iron condor"; "4 legs" when it has none."""
    try:
        legs = [(int(ratio), parse(symbol)) for ratio, symbol in map(str.split, order.legs)]
    except ValueError:
        return f"{len(order.legs)} legs"
    options = [(ratio, option) for ratio, option in legs if isinstance(option, Option)]
    strikes = sorted({option.strike for _, option in options})
    if len(options) < len(legs) or len({option.expiration for _, option in options}) != 1:
        return f"{len(legs)} legs"
    shape = sorted((strikes.index(option.strike), option.right[0], ratio) for ratio, option in options)
    for turned in (1, -1):
        wanted = [(at, right, turned * ratio) for at, right, ratio in shape]
        for name, known in SHAPES.items():
            if sorted(known) == wanted:
                return name.replace("_", " ")
    return f"{len(legs)} legs"


def group_by(trips: Iterable[RoundTrip], key: str) -> list[Group]:
    """Trips by one of their attributes, the largest sum of money first; numbers in reasons do not tell them apart."""

    def name(trip: RoundTrip) -> str:
        word = str(getattr(trip, key))
        return _NUMBER.sub("\N{HORIZONTAL ELLIPSIS}", word) if key.startswith("why") else word

    grouped = ((word, list(each)) for word, each in groupby(sorted(trips, key=name), name))
    groups = [
        Group(
            name=word,
            trips=len(each),
            won=sum(trip.pnl > 0 for trip in each),
            pnl=sum((trip.pnl for trip in each), ZERO),
            credit=sum((trip.credit for trip in each), ZERO),
            held=sum(trip.closed is None for trip in each),
        )
        for word, each in grouped
    ]
    return sorted(groups, key=lambda group: (-abs(group.pnl), group.name))


def bridge(trips: Sequence[RoundTrip]) -> dict[str, Decimal]:
    """The trips' profit taken apart: signal, sizing, slippage and spread add up to it.

    `signal` is what all trips together would have made with the same money in each, at the middle of the quote at
    the decision; `sizing` what it made of having more money in some than in others; `slippage` what the market moved
    between decision and fill; `spread` the distance of the fills from the middle of the quote at that time.
    """
    at_decision = sum((trip.at_decision for trip in trips), ZERO)
    at_mid = sum((trip.at_mid for trip in trips), ZERO)
    pnl = sum((trip.pnl for trip in trips), ZERO)
    sized = [trip for trip in trips if trip.size]
    mean = sum((trip.size for trip in sized), ZERO) / len(sized) if sized else ZERO
    signal = sum((trip.at_decision / trip.size * mean for trip in sized), ZERO)
    signal += sum((trip.at_decision for trip in trips if not trip.size), ZERO)
    return {
        "signal": signal.quantize(_FINE),
        "sizing": at_decision - signal.quantize(_FINE),
        "slippage": at_mid - at_decision,
        "spread": pnl - at_mid,
    }
