"""Options margin by Alpaca's universal spread rule: the worst payoff of each expiration; what an order costs by it.

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
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

import msgspec

from puna.core.payoff import UNLIMITED, OptionPosition, Right, payoff, requirement
from puna.core.types import ZERO
from puna.errors import PunaError

__all__ = [
    "OptionPosition",
    "Right",
    "Shares",
    "UnlimitedRisk",
    "combined",
    "maintenance_margin",
    "order_cost_basis",
    "payoff",
]


class UnlimitedRisk(PunaError):  # noqa: N818 - the contract's name for it
    """The loss has no bound as the underlying rises: short calls that neither longs nor shares cover."""

    code = "E640"


Shares = Mapping[str, Decimal | int] | tuple[()]


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


class _Expiration:
    """The positions of one expiration, and what they require."""

    def __init__(self, positions: Sequence[OptionPosition]) -> None:
        self.positions = list(positions)
        self.requirement = requirement(self.positions)

    @property
    def slope(self) -> int:
        """Dollars gained for each dollar that the underlying rises beyond the last strike."""
        return sum(p.quantity * p.multiplier for p in self.positions if p.right is Right.CALL)

    @property
    def uncovered(self) -> int:
        multiplier = max(p.multiplier for p in self.positions)
        return -(self.slope // multiplier)

    def next_to_cover(self) -> OptionPosition | None:
        shorts = [p for p in self.positions if p.right is Right.CALL and p.quantity < 0]
        return min(shorts, key=lambda p: p.strike, default=None)

    def cover(self, call: OptionPosition) -> None:
        at = self.positions.index(call)
        self.positions[at] = msgspec.structs.replace(call, quantity=call.quantity + 1)
        self.requirement = requirement(self.positions)


def _by_expiry(book: Iterable[OptionPosition]) -> dict[date, list[OptionPosition]]:
    groups: dict[date, list[OptionPosition]] = defaultdict(list)
    for position in book:
        groups[position.expiry].append(position)
    return groups


def combined(*groups: Iterable[OptionPosition]) -> list[OptionPosition]:
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
    after = combined(held, [leg.times(quantity) for leg in legs])
    added = maintenance_margin(after, shares) - maintenance_margin(held, shares)
    return added + net_price * quantity * legs[0].multiplier
