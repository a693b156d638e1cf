"""The venue's books: cash, holdings, realised profit, fees. Plain double entry, exact Decimals, rules of its own.

Every trade moves the same amount out of one account and into another: cash against the cost of what is held, and, where
a holding is closed, its cost against realised profit. So `imbalance` is zero after every entry, and

    cash = start - sum(signed quantity * price) - fees

holds to the last decimal, splits included.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

__all__ = ["CALM", "CENT", "FeeSchedule", "Holding", "Ledger"]

CENT = Decimal("0.01")
ZERO = Decimal(0)
_FINE = Decimal("0.000000000001")
_BILLIONTH = Decimal("0.000000001")
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, kw_only=True)
class FeeSchedule:
    """Regulatory fees for equities, accrued as trades happen, charged at the end of day (facts.md 10).

    Args:
        sec: on sells, dollars per million dollars.
        taf: on sells, dollars per share.
        taf_most: the most TAF for one execution.
        cat: on both sides, dollars per share.
    """

    sec: Decimal = Decimal("20.60")
    taf: Decimal = Decimal("0.000195")
    taf_most: Decimal = Decimal("9.79")
    cat: Decimal = Decimal("0.000003")

    def accrue(self, qty: Decimal, price: Decimal) -> Mapping[str, Decimal]:
        """What one execution owes; `qty` is negative for a sell."""
        shares = abs(qty)
        owed = {"CAT": self.cat * shares}
        if qty < 0:
            owed |= {"SEC": self.sec * shares * price / _MILLION, "TAF": min(self.taf * shares, self.taf_most)}
        return owed


CALM = FeeSchedule(sec=ZERO, taf=ZERO, taf_most=ZERO, cat=ZERO)
"""No fees, as on paper (facts.md 9)."""


@dataclass
class Holding:
    """What is held of one symbol.

    Args:
        qty: negative when short.
        cost: the signed cost of it, exact.
        day_cost: the same, as if what was held over night had been bought at the last close.
    """

    qty: Decimal = ZERO
    cost: Decimal = ZERO
    day_cost: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """Weighted average entry price, nine decimals (facts.md 5.5, AEP)."""
        return (self.cost / self.qty).quantize(_BILLIONTH) if self.qty else ZERO


class Entry(NamedTuple):
    """One booked trade: what it realised, and the books after it."""

    symbol: str
    qty: Decimal
    price: Decimal
    realised: Decimal
    cash: Decimal
    position: Decimal


@dataclass(kw_only=True)
class Ledger:
    """Cash and holdings of one account.

    Args:
        start: the cash it begins with.
        schedule: regulatory fees.
    """

    start: Decimal
    schedule: FeeSchedule = CALM
    cash: Decimal = field(init=False)
    realised: Decimal = field(init=False, default=ZERO)
    fees: Decimal = field(init=False, default=ZERO)
    holdings: dict[str, Holding] = field(init=False, default_factory=dict)
    _owed: dict[str, Decimal] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.cash = self.start

    @property
    def positions(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Symbol -> (quantity, average entry price), sorted; flat symbols are absent."""
        return {symbol: (each.qty, each.average_price) for symbol, each in sorted(self.holdings.items())}

    @property
    def accrued(self) -> Decimal:
        """Fees of the day that are not charged yet."""
        return sum(self._owed.values(), ZERO)

    @property
    def imbalance(self) -> Decimal:
        """The trial balance; anything but zero is a mistake of the books."""
        held = sum((each.cost for each in self.holdings.values()), ZERO)
        return self.cash + held - self.realised + self.fees - self.start

    def quantity(self, symbol: str) -> Decimal:
        """Held of that symbol; negative when short."""
        return self.holdings[symbol].qty if symbol in self.holdings else ZERO

    def trade(self, symbol: str, qty: Decimal, price: Decimal) -> Entry:
        """Books an execution; `qty` is negative for a sell. What closes goes before what opens."""
        holding = self.holdings.setdefault(symbol, Holding())
        closing = _closing(holding.qty, qty)
        realised = self._close(holding, closing, price) if closing else ZERO
        self._open(holding, qty - closing, price)
        if not holding.qty:
            del self.holdings[symbol]
        for name, owed in self.schedule.accrue(qty, price).items():
            self._owed[name] = self._owed.get(name, ZERO) + owed
        return Entry(symbol, qty, price, realised, self.cash, self.quantity(symbol))

    def charge_fees(self) -> Mapping[str, Decimal]:
        """Charges what the day has accrued, each total rounded up to the cent (facts.md 10)."""
        charged = {name: owed.quantize(CENT, ROUND_CEILING) for name, owed in sorted(self._owed.items()) if owed}
        self._owed.clear()
        total = sum(charged.values(), ZERO)
        self.cash -= total
        self.fees += total
        return charged

    def split(self, symbol: str, old_rate: int, new_rate: int) -> None:
        """`old_rate` shares become `new_rate`, at the same cost; less than a billionth of a share is dropped."""
        if symbol in self.holdings:
            holding = self.holdings[symbol]
            shares = abs(holding.qty) * new_rate / old_rate
            holding.qty = shares.quantize(_BILLIONTH, ROUND_FLOOR).copy_sign(holding.qty)
            if not holding.qty:
                self.realised -= self.holdings.pop(symbol).cost

    def begin_day(self, closes: Mapping[str, Decimal]) -> None:
        """From now on the day's profit counts from these prices."""
        for symbol, holding in self.holdings.items():
            if symbol in closes:
                holding.day_cost = holding.qty * closes[symbol]

    def _close(self, holding: Holding, qty: Decimal, price: Decimal) -> Decimal:
        """Takes `qty` (of the other sign) out of a holding at its average cost; what that realised."""
        cost = _share(holding.cost, qty, holding.qty)
        holding.day_cost -= _share(holding.day_cost, qty, holding.qty)
        holding.cost -= cost
        holding.qty += qty
        self.cash -= qty * price
        realised = -qty * price - cost
        self.realised += realised
        return realised

    def _open(self, holding: Holding, qty: Decimal, price: Decimal) -> None:
        paid = qty * price
        holding.qty += qty
        holding.cost += paid
        holding.day_cost += paid
        self.cash -= paid


def _closing(held: Decimal, qty: Decimal) -> Decimal:
    """The part of `qty` that takes from what is held."""
    if held * qty >= 0:
        return ZERO
    return qty if abs(qty) <= abs(held) else -held


def _share(cost: Decimal, qty: Decimal, held: Decimal) -> Decimal:
    """The part of a cost that leaves with `qty`; all of it with all that is held."""
    return cost if qty == -held else (cost * -qty / held).quantize(_FINE)
