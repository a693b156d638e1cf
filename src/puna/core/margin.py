"""Options margin by Alpaca's universal spread rule, what an option order costs, and the equity margin table.

The rule (fact sheet section 11, source L3, https://docs.alpaca.markets/us/docs/options-level-3-trading): sum the
intrinsic payoffs of all positions of one underlying and one expiration, premiums ignored; the worst value over the
underlying's price, times the multiplier, is the maintenance margin. Over several expirations the *largest* counts,
over underlyings the sum. The payoff is a broken line, so its worst point is at 0, at a strike, or beyond the last
strike: there the slope decides, and a falling line is unlimited risk, which is refused and never a big number.

Shares cover short calls, one multiplier's worth a contract (covered calls). They are laid where they lower the
requirement most; within an expiration they cover the lowest strike first, which no other choice can beat.
Decimal in, Decimal out, exact.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import partial
from math import gcd
from typing import NamedTuple

import msgspec

from puna.core.types import ZERO
from puna.errors import PunaError

__all__ = [
    "MarginCheck",
    "OptionPosition",
    "Pair",
    "Right",
    "UnlimitedRisk",
    "check_order",
    "equity_initial_margin",
    "equity_maintenance_margin",
    "maintenance_margin",
    "order_cost_basis",
    "payoff",
]


class Right(StrEnum):
    """What the holder may do: buy (call) or sell (put) at the strike."""

    CALL = "call"
    PUT = "put"


class OptionPosition(msgspec.Struct, frozen=True):
    """Contracts of one series; `quantity` is signed, negative when short. As the leg of an order: its signed ratio."""

    underlying: str
    expiry: date
    right: Right
    strike: Decimal
    quantity: int
    multiplier: int = 100

    def times(self, quantity: int) -> "OptionPosition":
        """The same series, `quantity` times as many contracts."""
        return msgspec.structs.replace(self, quantity=self.quantity * quantity)

    @property
    def series(self) -> tuple[str, date, Right, Decimal]:
        """What makes two positions the same contract."""
        return (self.underlying, self.expiry, self.right, self.strike)


class UnlimitedRisk(PunaError):  # noqa: N818 - the contract's name for it
    """The loss has no bound as the underlying rises: short calls that neither longs nor shares cover."""

    code = "E640"


Shares = Mapping[str, Decimal | int] | tuple[()]


def payoff(positions: Iterable[OptionPosition], price: Decimal) -> Decimal:
    """What the positions are worth at expiration with the underlying at `price`, in dollars, premiums ignored."""
    total = ZERO
    for p in positions:
        intrinsic = price - p.strike if p.right is Right.CALL else p.strike - price
        total += max(intrinsic, ZERO) * p.quantity * p.multiplier
    return total


def maintenance_margin(positions: Iterable[OptionPosition], shares: Shares = ()) -> Decimal:
    """The requirement for all `positions`, in dollars, never negative.

    Args:
        positions: any number of underlyings and expirations.
        shares: shares held by underlying; they cover short calls.

    Raises:
        UnlimitedRisk: short calls remain uncovered.
    """
    held = dict(shares)
    books: dict[str, list[OptionPosition]] = defaultdict(list)
    for position in positions:
        books[position.underlying].append(position)
    return sum((_underlying_margin(book, Decimal(held.get(name, 0))) for name, book in books.items()), ZERO)


def _underlying_margin(book: Sequence[OptionPosition], shares: Decimal) -> Decimal:
    """The largest requirement over expirations; shares are laid on the worst one until they run out or help no more."""
    expirations = [_Expiration(positions) for positions in _by_expiry(book).values()]
    while True:
        worst = max(expirations, key=lambda e: e.requirement)
        if worst.requirement == 0:
            return ZERO
        call = worst.next_to_cover()
        if call is None or call.multiplier > shares:
            break
        shares -= call.multiplier
        worst.cover(call)
    if worst.requirement == UNLIMITED:
        raise UnlimitedRisk(
            f"{worst.uncovered} short call(s) on {worst.positions[0].underlying} are covered by nothing.",
            why="Beyond the last strike the loss grows without bound.",
            remedy="Add long calls of the same expiration, or hold 100 shares for each short call.",
        )
    return worst.requirement


UNLIMITED = Decimal("Infinity")  # orders expirations while cover is laid; it never leaves this module


class _Expiration:
    """The positions of one expiration, and what they require."""

    def __init__(self, positions: Sequence[OptionPosition]) -> None:
        self.positions = list(positions)
        self.requirement = self._require()

    @property
    def slope(self) -> int:
        """Dollars gained for each dollar that the underlying rises beyond the last strike."""
        return sum(p.quantity * p.multiplier for p in self.positions if p.right is Right.CALL)

    @property
    def uncovered(self) -> int:
        multiplier = max(p.multiplier for p in self.positions)
        return -(self.slope // multiplier)

    def _require(self) -> Decimal:
        if self.slope < 0:
            return UNLIMITED
        points = {ZERO, *(p.strike for p in self.positions)}
        return max(ZERO, -min(payoff(self.positions, point) for point in points))

    def next_to_cover(self) -> OptionPosition | None:
        shorts = [p for p in self.positions if p.right is Right.CALL and p.quantity < 0]
        return min(shorts, key=lambda p: p.strike, default=None)

    def cover(self, call: OptionPosition) -> None:
        at = self.positions.index(call)
        self.positions[at] = msgspec.structs.replace(call, quantity=call.quantity + 1)
        self.requirement = self._require()


def _by_expiry(book: Iterable[OptionPosition]) -> dict[date, list[OptionPosition]]:
    groups: dict[date, list[OptionPosition]] = defaultdict(list)
    for position in book:
        groups[position.expiry].append(position)
    return groups


def _combined(*groups: Iterable[OptionPosition]) -> list[OptionPosition]:
    """Positions with equal series added up, flat ones left out."""
    total: Counter[OptionPosition] = Counter()
    for group in groups:
        for position in group:
            total[msgspec.structs.replace(position, quantity=0)] += position.quantity
    return [msgspec.structs.replace(series, quantity=n) for series, n in total.items() if n]


def order_cost_basis(
    legs: Sequence[OptionPosition],
    net_price: Decimal,
    quantity: int,
    positions: Iterable[OptionPosition] = (),
    shares: Shares = (),
) -> Decimal:
    """What an order asks of options buying power: the margin it adds, plus the net price times the multiplier.

    Args:
        legs: the order's legs; their `quantity` is the signed ratio in one unit.
        net_price: per share of one unit; a debit is positive, a credit negative.
        quantity: units, at least 1.
        positions: options held already, of any underlying.
        shares: shares held by underlying.

    Raises:
        UnlimitedRisk: after the order, short calls would remain uncovered.
    """
    held = list(positions)
    after = _combined(held, [leg.times(quantity) for leg in legs])
    added = maintenance_margin(after, shares) - maintenance_margin(held, shares)
    return added + net_price * quantity * legs[0].multiplier


class Pair(NamedTuple):
    """How many contracts of a short series stand against what."""

    short: OptionPosition
    covered_by: OptionPosition | None
    contracts: int
    how: str


class MarginCheck(msgspec.Struct, frozen=True):
    """The answer to "may I send this, and what will it do?" in dollars.

    `reasons` is empty when allowed. `margin_after` and what follows from it are None when the risk is unlimited or the
    order is malformed. `simplified` offers the same order with relatively prime ratios, as (legs, quantity).
    """

    allowed: bool
    reasons: tuple[str, ...]
    margin_before: Decimal
    margin_after: Decimal | None
    change: Decimal | None
    cost_basis: Decimal | None
    shortfall: Decimal
    largest_quantity: int
    pairs: tuple[Pair, ...]
    simplified: tuple[tuple[OptionPosition, ...], int] | None = None


def check_order(
    legs: Sequence[OptionPosition],
    net_price: Decimal,
    quantity: int,
    *,
    buying_power: Decimal,
    level: int = 3,
    positions: Iterable[OptionPosition] = (),
    shares: Shares = (),
    calendars: bool = False,
) -> MarginCheck:
    """Whether Alpaca should take the order, and what it would do to the margin.

    Args:
        legs: one leg, or two to four; `quantity` of a leg is its signed ratio.
        net_price: per share of one unit; debit positive, credit negative.
        quantity: units.
        buying_power: options buying power, dollars.
        level: options trading level, 0 to 3 (fact sheet section 11, OPT).
        positions: options held already.
        shares: shares held by underlying, free to be locked by covered calls.
        calendars: take a far long as cover for a near short; the sources contradict each other, default as L3 says.
    """
    held = _combined(positions)
    reasons = [*_malformed(legs, quantity), *_not_at_level(legs, level, held, shares, calendars=calendars)]
    before = maintenance_margin(held, shares)
    after = _margin_after(legs, quantity, held, shares, reasons)
    sound = not reasons
    cost = None if after is None else after - before + net_price * quantity * legs[0].multiplier
    shortfall = max(ZERO, cost - buying_power) if cost is not None else ZERO
    if shortfall:
        reasons.append(f"insufficient options buying power: needs {cost}, has {buying_power}, short of {shortfall}")
    fits = partial(_fits, legs, net_price, buying_power, held, shares)
    return MarginCheck(
        allowed=not reasons,
        reasons=tuple(reasons),
        margin_before=before,
        margin_after=after,
        change=None if after is None else after - before,
        cost_basis=cost,
        shortfall=shortfall,
        largest_quantity=_largest(fits) if sound else 0,
        pairs=tuple(_pairs(_combined(held, [leg.times(quantity) for leg in legs]), shares)),
        simplified=_simplified(legs, quantity),
    )


def _margin_after(
    legs: Sequence[OptionPosition], quantity: int, held: list[OptionPosition], shares: Shares, reasons: list[str]
) -> Decimal | None:
    """Margin after the order; None, and a reason more, when the risk is unlimited."""
    if not legs:
        return None
    try:
        return maintenance_margin(_combined(held, [leg.times(quantity) for leg in legs]), shares)
    except UnlimitedRisk as error:
        reasons.append(f"unlimited risk: {error.what}")
        return None


def _malformed(legs: Sequence[OptionPosition], quantity: int) -> list[str]:
    """Multi-leg admission: 2 to 4 legs, one underlying, no series twice, ratios relatively prime (L3)."""
    found = []
    if quantity < 1:
        found.append("quantity must be at least 1")
    if not 1 <= len(legs) <= MAX_LEGS or any(leg.quantity == 0 for leg in legs):
        found.append(f"an order has 1 to {MAX_LEGS} legs, each with a ratio other than 0")
    if len({leg.underlying for leg in legs}) > 1:
        found.append("all legs must have the same underlying")
    if len({leg.series for leg in legs}) < len(legs):
        found.append("a series stands in the order twice")
    if len(legs) > 1 and (ratios := gcd(*(leg.quantity for leg in legs))) > 1:
        found.append(f"leg ratio quantities should be relatively prime: GCD = {ratios}")
    return found


MAX_LEGS = 4


def _simplified(legs: Sequence[OptionPosition], quantity: int) -> tuple[tuple[OptionPosition, ...], int] | None:
    factor = gcd(*(leg.quantity for leg in legs)) if len(legs) > 1 else 1
    if factor <= 1:
        return None
    return tuple(msgspec.structs.replace(leg, quantity=leg.quantity // factor) for leg in legs), quantity * factor


def _not_at_level(
    legs: Sequence[OptionPosition], level: int, held: Sequence[OptionPosition], shares: Shares, *, calendars: bool
) -> list[str]:
    """Levels (OPT): 0 nothing, 1 covered calls and cash-secured puts, 2 long options, 3 spreads; closing is free."""
    if level <= 0:
        return ["options level 0 allows no option orders"]
    if len(legs) > 1:
        return _uncovered_inside(legs, calendars=calendars) if level >= 3 else ["spreads need options level 3"]
    opening = [leg for leg in legs if not _closes(leg, held)]
    if any(leg.quantity > 0 for leg in opening) and level < 2:
        return ["long options need options level 2"]
    if any(leg.quantity < 0 and leg.right is Right.CALL for leg in opening) and not dict(shares):
        return ["a single short call must be covered by shares"]
    return []


def _closes(leg: OptionPosition, held: Sequence[OptionPosition]) -> bool:
    return any(p.series == leg.series and p.quantity * leg.quantity < 0 for p in held)


def _uncovered_inside(legs: Sequence[OptionPosition], *, calendars: bool) -> list[str]:
    """Every short leg must be covered inside the same order, by longs of its right and expiration (L3)."""
    balance: Counter[tuple[Right, date | None]] = Counter()
    for leg in legs:
        balance[leg.right, None if calendars else leg.expiry] += leg.quantity
    return ["mleg uncovered short contracts not allowed"] if any(n < 0 for n in balance.values()) else []


def _fits(
    legs: Sequence[OptionPosition],
    net_price: Decimal,
    buying_power: Decimal,
    held: list[OptionPosition],
    shares: Shares,
    quantity: int,
) -> bool:
    try:
        return order_cost_basis(legs, net_price, quantity, held, shares) <= buying_power
    except UnlimitedRisk:
        return False


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest quantity that fits, at most `QUANTITY_CEILING`; found by doubling, then halving."""
    low, high = 0, 1
    while high <= QUANTITY_CEILING and fits(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return min(low, QUANTITY_CEILING)


QUANTITY_CEILING = 10_000


def _pairs(positions: Sequence[OptionPosition], shares: Shares) -> list[Pair]:
    """A pairing to look at: each short against longs of its expiration and right, nearest strike first, then the rest.

    The requirement itself comes from the whole payoff, never from pairs.
    """
    free = {p.series: p.quantity for p in positions if p.quantity > 0}
    held = {name: Decimal(n) for name, n in dict(shares).items()}
    found = []
    for short in sorted((p for p in positions if p.quantity < 0), key=lambda p: p.series):
        left = -short.quantity
        for long in _nearest(short, positions):
            taken = min(left, free[long.series])
            if taken:
                free[long.series] -= taken
                left -= taken
                found.append(Pair(short, long, taken, "spread"))
        found += _unpaired(short, left, held)
    return found


def _nearest(short: OptionPosition, positions: Iterable[OptionPosition]) -> list[OptionPosition]:
    longs = [p for p in positions if p.quantity > 0 and (p.expiry, p.right) == (short.expiry, short.right)]
    return sorted(longs, key=lambda p: (abs(p.strike - short.strike), p.strike))


def _unpaired(short: OptionPosition, left: int, held: dict[str, Decimal]) -> list[Pair]:
    if not left:
        return []
    if short.right is Right.PUT:
        return [Pair(short, None, left, "cash secured")]
    lots = min(left, int(held.get(short.underlying, ZERO) // short.multiplier))
    held[short.underlying] = held.get(short.underlying, ZERO) - lots * short.multiplier
    covered = [Pair(short, None, lots, "covered by shares")] if lots else []
    return covered + ([Pair(short, None, left - lots, "uncovered")] if left > lots else [])


def equity_initial_margin(price: Decimal, quantity: Decimal, *, marginable: bool = True) -> Decimal:
    """50 % of the position's value, 100 % where the asset is not marginable (MARG)."""
    value = abs(price * quantity)
    return value / 2 if marginable else value


def equity_maintenance_margin(
    price: Decimal, quantity: Decimal, *, leverage: int = 1, marginable: bool = True
) -> Decimal:
    """Maintenance for a position of `quantity` shares, negative when short (MARG, 2026-09-17).

    Long: below 2.50 100 %; 2.50 to 6.00 50 %; above 30 %; 2x funds 50 %, 3x funds 75 %. Short: below 5.00 the greater
    of 2.50 a share and 100 %, else the greater of 5.00 a share and 30 %. A band and a fund's rate: the greater holds.
    """
    shares, value = abs(quantity), abs(price * quantity)
    if quantity < 0:
        per_share, rate = (Decimal("2.50"), Decimal(1)) if price < 5 else (Decimal("5.00"), Decimal("0.30"))
        return max(per_share * shares, rate * value)
    if not marginable:
        return value
    return max(_long_rate(price), _FUND_RATES.get(leverage, Decimal("0.30"))) * value


_FUND_RATES = {2: Decimal("0.50"), 3: Decimal("0.75")}


def _long_rate(price: Decimal) -> Decimal:
    if price < Decimal("2.50"):
        return Decimal(1)
    return Decimal("0.50") if price <= 6 else Decimal("0.30")
