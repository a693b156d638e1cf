"""The venue's books: cash, holdings, realised profit, fees, income. Double entry, exact Decimals, rules of its own.

Every change of cash or of a quantity is one `Change` with its cause, and nothing else changes them:

    cash = start + sum(change.cash)        quantity(symbol) = sum(change.qty of that symbol)

Every booking moves the same amount out of one account and into another: cash against the cost of what is held, and,
where a holding is closed, its cost against realised profit. So `imbalance` is zero after every booking.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple

from puna.core import symbols
from puna.core.types import AssetClass
from puna.exchange.fees import CALM, FeeSchedule, kind

__all__ = [
    "CALM",
    "CENT",
    "Cause",
    "Change",
    "Charge",
    "Entry",
    "FeeSchedule",
    "Holding",
    "Ledger",
    "Lot",
    "multiplier",
]

CENT = Decimal("0.01")
ZERO, ONE = Decimal(0), Decimal(1)
_FINE = Decimal("0.000000000001")
_BILLIONTH = Decimal("0.000000001")
_VOLUME_DAYS = 30


class Cause(StrEnum):
    """Why the books change."""

    TRADE = "trade"
    FEE = "fee"
    COIN_FEE = "coin_fee"
    BORROW = "borrow"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    SPLIT = "split"
    IN_LIEU = "in_lieu"
    RENAME = "rename"
    EXERCISE = "exercise"
    ASSIGNMENT = "assignment"
    EXPIRY = "expiry"
    DELIVERY = "delivery"
    JOURNAL = "journal"


class Change(NamedTuple):
    """One change of the books: what it did to a quantity, and to cash. Symbol is "" where only money moved."""

    cause: Cause
    symbol: str
    qty: Decimal
    cash: Decimal


class Charge(NamedTuple):
    """A coin's fee of one day: `qty` of the coin, or `cash` dollars, at that price."""

    symbol: str
    qty: Decimal
    cash: Decimal
    price: Decimal


class Lot(NamedTuple):
    """What was bought (or sold short) on one earlier day and is still there, at its signed cost."""

    qty: Decimal
    cost: Decimal


NOTHING = Lot(ZERO, ZERO)


@dataclass
class Holding:
    """What is held of one symbol.

    Args:
        qty: negative when short.
        cost: the signed cost of it, exact, multiplier included.
        day_cost: the same, as if what was held over night had been bought at the last close.
        multiplier: what one of it counts for: 100 for an option.
        lots: what is left of earlier days, oldest first, as of the beginning of the day.
        opened: what this day has added, whatever it has closed.
        closed: how much this day has closed, positive.
    """

    qty: Decimal = ZERO
    cost: Decimal = ZERO
    day_cost: Decimal = ZERO
    multiplier: Decimal = ONE
    lots: tuple[Lot, ...] = ()
    opened: Lot = NOTHING
    closed: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """Average entry price, nine decimals (facts.md 5.5, AEP)."""
        return (self.cost / self.qty / self.multiplier).quantize(_BILLIONTH) if self.qty else ZERO

    def value(self, price: Decimal) -> Decimal:
        """What it is worth at that price; negative when short."""
        return self.qty * price * self.multiplier

    def remaining(self) -> tuple[Lot, ...]:
        """The lots at the end of the day: the day's own are one, and what was closed leaves the oldest first."""
        left, lots = self.closed, []
        for lot in (*self.lots, self.opened):
            gone = min(left, abs(lot.qty))
            left -= gone
            if gone < abs(lot.qty):
                lots.append(Lot(lot.qty - gone.copy_sign(lot.qty), lot.cost - _part(lot.cost, gone, abs(lot.qty))))
        return tuple(lots)


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
        schedule: fees.
        compressed: at the beginning of a day costs become those of compressed first-in-first-out (facts.md 5.5, AEP);
            False keeps the weighted average.
        coin_fees_at: when a coin's fee leaves the holding: with its "trade", or at "day_end".
        witness: told of a symbol and its holding (None: none) before each change of it.
    """

    start: Decimal
    schedule: FeeSchedule = CALM
    compressed: bool = True
    coin_fees_at: str = "trade"
    witness: Callable[[str, Holding | None], None] | None = None
    cash: Decimal = field(init=False)
    realised: Decimal = field(init=False, default=ZERO)
    fees: Decimal = field(init=False, default=ZERO)
    income: Decimal = field(init=False, default=ZERO)
    holdings: dict[str, Holding] = field(init=False, default_factory=dict)
    changes: list[Change] = field(init=False, default_factory=list)
    _owed: dict[str, Decimal] = field(init=False, default_factory=dict)
    _coins: dict[str, Charge] = field(init=False, default_factory=dict)
    _volumes: deque[Decimal] = field(init=False, default_factory=lambda: deque([ZERO], maxlen=_VOLUME_DAYS + 1))

    def __post_init__(self) -> None:
        self.cash = self.start

    @property
    def positions(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Symbol -> (quantity, average entry price), sorted; flat symbols are absent."""
        return {symbol: (each.qty, each.average_price) for symbol, each in sorted(self.holdings.items())}

    @property
    def accrued(self) -> Decimal:
        """Fees of the day, in dollars, that are not charged yet."""
        return sum(self._owed.values(), ZERO) + sum((each.cash for each in self._uncharged), ZERO)

    @property
    def owes_fees(self) -> bool:
        """Whether the end of the day has something to charge or to book."""
        return bool(self._owed or self._coins)

    @property
    def crypto_volume(self) -> Decimal:
        """Dollars of coins traded in the 30 days before this one; it decides the tier."""
        return sum(self._volumes, ZERO) - self._volumes[-1]

    @property
    def imbalance(self) -> Decimal:
        """The trial balance; anything but zero is a mistake of the books."""
        held = sum((each.cost for each in self.holdings.values()), ZERO)
        return self.cash + held - self.realised + self.fees - self.income - self.start

    def quantity(self, symbol: str) -> Decimal:
        """Held of that symbol; negative when short."""
        return self.holdings[symbol].qty if symbol in self.holdings else ZERO

    def trade(self, symbol: str, qty: Decimal, price: Decimal, *, maker: bool = False) -> Entry:
        """Books an execution; `qty` is negative for a sell. `maker`: it rested in the book, which matters for coins."""
        entry = self.move(Cause.TRADE, symbol, qty, price)
        for name, owed in self.schedule.accrue(symbol, qty, price).items():
            self._owed[name] = self._owed.get(name, ZERO) + owed
        if kind(symbol) is AssetClass.CRYPTO:
            self._coin_fee(symbol, qty, price, maker=maker)
        return entry._replace(cash=self.cash, position=self.quantity(symbol))

    def move(self, cause: Cause, symbol: str, qty: Decimal, price: Decimal) -> Entry:
        """Books a quantity against cash at a price, without fees. What closes goes before what opens."""
        self._announce(symbol)
        holding = self.holdings.setdefault(symbol, Holding(multiplier=multiplier(symbol)))
        before, closing = self.cash, _closing(holding.qty, qty)
        realised = self._close(holding, closing, price) if closing else ZERO
        self._open(holding, qty - closing, price)
        if not holding.qty:
            del self.holdings[symbol]
        self._change(cause, symbol, qty, self.cash - before)
        return Entry(symbol, qty, price, realised, self.cash, self.quantity(symbol))

    def pay(self, cause: Cause, amount: Decimal, symbol: str = "") -> None:
        """Money comes (or, negative, goes) without a trade: a dividend, interest, a journal."""
        self.cash += amount
        self.income += amount
        self._change(cause, symbol, ZERO, amount)

    def charge(self, cause: Cause, amount: Decimal, symbol: str = "") -> None:
        """Takes a fee."""
        self.cash -= amount
        self.fees += amount
        self._change(cause, symbol, ZERO, -amount)

    def charge_fees(self) -> Mapping[str, Decimal]:
        """Charges what the day has accrued, each total rounded up to the cent (facts.md 10)."""
        charged = {name: owed.quantize(CENT, ROUND_CEILING) for name, owed in sorted(self._owed.items()) if owed}
        self._owed.clear()
        for total in charged.values():
            self.charge(Cause.FEE, total)
        return charged

    def charge_coins(self) -> list[Charge]:
        """The day's fees of coins, one for each pair and what it was taken in; takes what is not taken yet."""
        charges = [each for each in self._coins.values() if each.qty or each.cash]
        if self.coin_fees_at == "day_end":
            for each in charges:
                self._take_coins(each)
        self._coins.clear()
        return charges

    def split(
        self, symbol: str, old_rate: Decimal | int, new_rate: Decimal | int, in_lieu: Decimal | None = None
    ) -> Decimal:
        """`old_rate` shares become `new_rate`, at the same cost.

        Args:
            symbol: what is split.
            old_rate: how many of the old shares ...
            new_rate: ... are how many new ones.
            in_lieu: what is paid for a share after the split; the fraction of one is paid out. None keeps fractions
                and drops less than a billionth of a share.

        Returns:
            The cash that was paid for the fraction; negative where a short owed it.
        """
        if symbol not in self.holdings:
            return ZERO
        self._announce(symbol)
        holding = self.holdings[symbol]
        old, rate = holding.qty, Decimal(new_rate) / Decimal(old_rate)
        exact = abs(old) * Decimal(new_rate) / Decimal(old_rate)
        kept = exact.quantize(ONE if in_lieu is not None else _BILLIONTH, ROUND_FLOOR)
        paid = ZERO
        if in_lieu is not None and exact > kept:
            fraction = (exact - kept).quantize(_FINE)
            paid = (fraction * in_lieu).quantize(CENT, ROUND_HALF_UP).copy_sign(old)
            share = _part(holding.cost, fraction, exact)
            holding.cost -= share
            holding.day_cost -= _part(holding.day_cost, fraction, exact)
            self.cash += paid
            self.realised += paid - share
        holding.qty = kept.copy_sign(old)
        holding.lots = _split_lots(holding.remaining(), rate, holding)
        holding.opened, holding.closed = NOTHING, ZERO
        if not holding.qty:
            self.realised -= self.holdings.pop(symbol).cost
        self._change(Cause.SPLIT, symbol, (holding.qty or ZERO) - old, ZERO)
        if paid:
            self._change(Cause.IN_LIEU, symbol, ZERO, paid)
        return paid

    def adjust(self, contracts: Mapping[str, tuple[str, int]]) -> None:
        """Option contracts become others, all at once: old symbol -> (new symbol, how many of it for one), at cost."""
        moved = {old: each for old, each in contracts.items() if old in self.holdings}
        for symbol in (*moved, *(new for new, _ in moved.values())):
            self._announce(symbol)
        left = {old: self.holdings.pop(old) for old in moved}
        for old, (new, ratio) in moved.items():
            holding = left[old]
            lots = tuple(Lot(lot.qty * ratio, lot.cost) for lot in holding.remaining())
            self.holdings[new] = replace(holding, qty=holding.qty * ratio, lots=lots, opened=NOTHING, closed=ZERO)
            self._change(Cause.SPLIT, old, -holding.qty, ZERO)
            self._change(Cause.SPLIT, new, holding.qty * ratio, ZERO)

    def rename(self, old: str, new: str) -> None:
        """What was held as `old` is held as `new`, at the same cost."""
        if old not in self.holdings:
            return
        self._announce(old)
        self._announce(new)
        holding = self.holdings.pop(old)
        self.holdings[new] = replace(holding)
        self._change(Cause.RENAME, old, -holding.qty, ZERO)
        self._change(Cause.RENAME, new, holding.qty, ZERO)

    def begin_day(self, closes: Mapping[str, Decimal]) -> None:
        """The day's profit counts from these prices from now on; costs become those of compressed FIFO (AEP)."""
        self._volumes.append(ZERO)
        for symbol, holding in self.holdings.items():
            self._sync(holding)
            if symbol in closes:
                holding.day_cost = holding.value(closes[symbol])

    def _sync(self, holding: Holding) -> None:
        """The lots of the day that is over; the cost follows them."""
        holding.lots, holding.opened, holding.closed = holding.remaining(), NOTHING, ZERO
        if self.compressed:
            cost = sum((lot.cost for lot in holding.lots), ZERO)
            self.realised += cost - holding.cost
            holding.cost = cost

    def _close(self, holding: Holding, qty: Decimal, price: Decimal) -> Decimal:
        """Takes `qty` (of the other sign) out of a holding at its average cost; what that realised."""
        cost = _share(holding.cost, qty, holding.qty)
        holding.day_cost -= _share(holding.day_cost, qty, holding.qty)
        holding.cost -= cost
        holding.qty += qty
        holding.closed += abs(qty)
        if not holding.qty:
            holding.lots, holding.opened, holding.closed = (), NOTHING, ZERO
        proceeds = -qty * price * holding.multiplier
        self.cash += proceeds
        self.realised += proceeds - cost
        return proceeds - cost

    def _open(self, holding: Holding, qty: Decimal, price: Decimal) -> None:
        paid = qty * price * holding.multiplier
        holding.qty += qty
        holding.cost += paid
        holding.day_cost += paid
        holding.opened = Lot(holding.opened.qty + qty, holding.opened.cost + paid)
        self.cash -= paid

    def _coin_fee(self, symbol: str, qty: Decimal, price: Decimal, *, maker: bool) -> None:
        """In what the trade brought in: the coin, or dollars (facts.md 10, CRY)."""
        rate = self.schedule.coin_rate(self.crypto_volume, maker=maker)
        self._volumes[-1] += abs(qty) * price
        if not rate:
            return
        coins = (qty * rate).quantize(_BILLIONTH, ROUND_CEILING) if qty > 0 else ZERO
        cash = ZERO if qty > 0 else (-qty * price * rate).quantize(_BILLIONTH, ROUND_CEILING)
        fee = Charge(symbol, coins, cash, price)
        name = f"{symbol} {'coin' if coins else 'cash'}"
        known = self._coins.get(name, Charge(symbol, ZERO, ZERO, price))
        self._coins[name] = Charge(symbol, known.qty + coins, known.cash + cash, price)
        if self.coin_fees_at == "trade":
            self._take_coins(fee)

    @property
    def _uncharged(self) -> list[Charge]:
        return list(self._coins.values()) if self.coin_fees_at == "day_end" else []

    def _take_coins(self, fee: Charge) -> None:
        """Out of the holding, as far as there is any (its cost is a fee), or out of cash."""
        if fee.cash:
            self.charge(Cause.COIN_FEE, fee.cash, fee.symbol)
        taken = min(fee.qty, max(self.quantity(fee.symbol), ZERO))
        if not taken:
            return
        self._announce(fee.symbol)
        holding = self.holdings[fee.symbol]
        cash, realised = self.cash, self.realised
        self._close(holding, -taken, ZERO)
        self.fees += realised - self.realised
        self.cash, self.realised = cash, realised
        if not holding.qty:
            del self.holdings[fee.symbol]
        self._change(Cause.COIN_FEE, fee.symbol, -taken, ZERO)

    def _announce(self, symbol: str) -> None:
        if self.witness is not None:
            holding = self.holdings.get(symbol)
            self.witness(symbol, replace(holding) if holding else None)

    def _change(self, cause: Cause, symbol: str, qty: Decimal, cash: Decimal) -> None:
        self.changes.append(Change(cause, symbol, qty, cash))


def multiplier(symbol: str) -> Decimal:
    """What one of it counts for: 100 for an option, else 1."""
    return symbols.multiplier(symbol) if kind(symbol) is AssetClass.US_OPTION else ONE


def _closing(held: Decimal, qty: Decimal) -> Decimal:
    """The part of `qty` that takes from what is held."""
    if held * qty >= 0:
        return ZERO
    return qty if abs(qty) <= abs(held) else -held


def _share(cost: Decimal, qty: Decimal, held: Decimal) -> Decimal:
    """The part of a cost that leaves with `qty`; all of it with all that is held."""
    return cost if qty == -held else (cost * -qty / held).quantize(_FINE)


def _part(cost: Decimal, gone: Decimal, of: Decimal) -> Decimal:
    """The same, by sizes."""
    return cost if gone == of else (cost * gone / of).quantize(_FINE)


def _split_lots(lots: tuple[Lot, ...], rate: Decimal, after: Holding) -> tuple[Lot, ...]:
    """The lots after a split; together they are what the holding is: the newest give and take what rounding leaves."""
    sizes = [(abs(lot.qty) * rate).quantize(_BILLIONTH, ROUND_FLOOR) for lot in lots]
    excess = sum(sizes, ZERO) - abs(after.qty)
    for index in reversed(range(len(sizes))):
        cut = min(excess, sizes[index])
        sizes[index] -= cut
        excess -= cut
    kept = [Lot(size.copy_sign(after.qty), lot.cost) for size, lot in zip(sizes, lots, strict=True) if size]
    if kept:
        rest = after.cost - sum((lot.cost for lot in kept), ZERO)
        kept[-1] = Lot(kept[-1].qty, kept[-1].cost + rest)
    return tuple(kept)
