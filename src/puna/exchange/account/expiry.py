"""The life of option contracts that are held: exercise, assignment, expiry, and the shares that come of them.

By facts.md 5.5, 5.7 and 11: exercise takes all that is available and is processed at once, but not between the close
and midnight; what ends in the money by a cent is exercised by itself unless it was told not to, or the account has not
the means: then it is sold before the close of its last day; the rest expires at zero. Short contracts in the money are
assigned. Shares change hands at the strike. Activities come the next day on paper.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_DOWN, Decimal
from uuid import NAMESPACE_URL, uuid5

from puna.core import sessions
from puna.core.symbols import Option
from puna.exchange.account.activities import Activities
from puna.exchange.account.terms import AccountTerms
from puna.exchange.ledger import Cause, Ledger
from puna.exchange.option_margin import as_option
from puna.exchange.orders.adjusted import Deliverable
from puna.exchange.refusals import Refusal, forbidden, unprocessable
from puna.wire.trading import Asset

__all__ = ["OptionsLife"]

ZERO, HUNDRED = Decimal(0), Decimal(100)
_CENT, _NINTH = Decimal("0.01"), Decimal("0.000000001")
_KINDS = {Cause.EXERCISE: "OPEXC", Cause.ASSIGNMENT: "OPASN", Cause.EXPIRY: "OPEXP"}
_WORDS = {Cause.EXERCISE: "Option Exercise", Cause.ASSIGNMENT: "Option Assignment", Cause.EXPIRY: "Option Expiry"}


@dataclass(frozen=True)
class _Past:
    """What happened to a contract, for its activities."""

    cause: Cause
    symbol: str
    qty: Decimal
    option: Option
    shares: Decimal
    price: Decimal
    cash: Decimal
    underlying: str
    on: date


@dataclass(kw_only=True)
class OptionsLife:
    """The options of one account.

    Args:
        account_id: seeds the chance of early assignment.
        ledger: what is held.
        activities: gets what happened.
        terms: of the account.
        find: an asset by symbol or contract id.
        delivers: what a contract of a root delivers.
        available: how much of a position nothing has claimed.
        price: the last price of an underlying.
        means: dollars that an exercise may cost.
    """

    account_id: str
    ledger: Ledger
    activities: Activities
    terms: AccountTerms
    find: Callable[[str, int], Asset | None]
    delivers: Callable[[str], Deliverable]
    available: Callable[[str], Decimal]
    price: Callable[[str], Decimal | None]
    means: Callable[[], Decimal]
    _refrain: set[str] = field(default_factory=set)
    _untold: list[_Past] = field(default_factory=list)

    # What the account's owner asks for.

    def exercise(self, name: str, now: int) -> Refusal | None:
        """All that is available, at once (SPEC-T)."""
        asset = self._contract(name, now)
        if asset is None:
            return unprocessable("invalid symbol")
        held = self.ledger.quantity(asset.symbol)
        if held < 0:
            return Refusal(403, 40310001, "cannot exercise short position")
        qty = self.available(asset.symbol) if held else ZERO
        if qty <= 0:
            return forbidden("no available position for the specified contract")
        if _is_evening(now):
            return unprocessable("exercise requests are not accepted between market close and midnight")
        option = _option(asset.symbol)
        if not self._can(option, qty):
            return forbidden("insufficient buying power or shares to exercise", symbol=asset.symbol)
        self._settle(Cause.EXERCISE, asset.symbol, option, -qty, now)
        return None

    def refrain(self, name: str, now: int) -> Refusal | None:
        """Do not exercise it when it expires (SPEC-T)."""
        asset = self._contract(name, now)
        if asset is None:
            return unprocessable("invalid symbol")
        held = self.ledger.quantity(asset.symbol)
        if held < 0:
            return Refusal(403, 40310001, "cannot submit DNE for short position")
        if not held:
            return forbidden("no available position for the specified contract")
        self._refrain.add(asset.symbol)
        return None

    # What days do.

    @property
    def has_untold(self) -> bool:
        """Whether the next day has something to tell of this one's night."""
        return bool(self._untold)

    def begin_day(self, on: date, now: int) -> None:
        """Tells what happened over night, and assigns early: what is written in the terms, and by chance."""
        for past in self._untold:
            self._book(past, now)
        self._untold.clear()
        for symbol, option, qty in list(self._held()):
            if qty < 0 and (told := self._assigned(symbol, option, on)):
                self._settle(Cause.ASSIGNMENT, symbol, option, min(told, -qty), now, at_once=True)

    def hopeless(self, on: date) -> list[str]:
        """On their last day: what will be in the money and cannot be paid for; it is sold."""
        return [
            symbol
            for symbol, option, qty in self._held()
            if option.expiration == on
            and qty > 0
            and symbol not in self._refrain
            and self._in_the_money(option)
            and not self._can(option, qty)
        ]

    def end_day(self, on: date, now: int) -> None:
        """Ends the contracts of that day."""
        for symbol, option, qty in list(self._held()):
            if option.expiration <= on:
                self._end(symbol, option, qty, now)

    def _end(self, symbol: str, option: Option, qty: Decimal, now: int) -> None:
        if not self._in_the_money(option):
            cause = Cause.EXPIRY
        elif qty < 0:
            cause = Cause.ASSIGNMENT
        else:
            wanted = symbol not in self._refrain and self._can(option, qty)
            cause = Cause.EXERCISE if wanted else Cause.EXPIRY
        self._settle(cause, symbol, option, -qty, now)

    def _settle(
        self, cause: Cause, symbol: str, option: Option, qty: Decimal, now: int, *, at_once: bool = False
    ) -> None:
        """The contracts go; where they were exercised, shares come or go at the strike."""
        self.ledger.move(cause, symbol, qty, ZERO)
        each = self.delivers(option.root)
        contracts = ZERO if cause is Cause.EXPIRY else -qty * (1 if option.right == "C" else -1)
        shares, price, cash = self._deliver(each, contracts, option.strike) if contracts else (ZERO, ZERO, ZERO)
        past = _Past(cause, symbol, qty, option, shares, price, cash, each.underlying, sessions.date_of(now))
        if at_once or self.terms.option_activities == "at_once":
            self._book(past, now)
        else:
            self._untold.append(past)

    def _deliver(self, each: Deliverable, contracts: Decimal, strike: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Shares against a hundred times the strike for each contract; of a fraction of a share its worth in cash."""
        if each.shares == HUNDRED:
            shares, price = contracts * HUNDRED, strike
            self.ledger.move(Cause.DELIVERY, each.underlying, shares, price)
            return shares, price, ZERO
        exact = contracts * each.shares
        shares = exact.to_integral_value(ROUND_DOWN)
        price = (strike * HUNDRED / each.shares).quantize(_NINTH)
        if shares:
            self.ledger.move(Cause.DELIVERY, each.underlying, shares, price)
        worth = ((exact - shares) * (self.price(each.underlying) or ZERO)).quantize(_CENT)
        cash = worth - (contracts * strike * HUNDRED - shares * price)
        self.ledger.pay(Cause.IN_LIEU, cash, each.underlying)
        return shares, price, cash

    def _book(self, past: _Past, now: int) -> None:
        """OPEXC or OPASN with its OPTRD, or OPEXP alone (facts.md 5.7, NTA)."""
        group = self.activities.group()
        details = {"contract_symbol": past.symbol}
        self.activities.book(
            _KINDS[past.cause],
            now,
            on=past.on,
            symbol=past.symbol,
            qty=past.qty,
            description=_WORDS[past.cause],
            group=group,
            details=details,
        )
        if past.shares:
            self.activities.book(
                "OPTRD",
                now,
                on=past.on,
                symbol=past.underlying,
                qty=past.shares,
                price=past.price,
                net=-past.shares * past.price,
                description="Option Trade",
                group=group,
                details=details,
            )

        if past.cash:
            self.activities.book(
                "OPCSH",
                now,
                on=past.on,
                symbol=past.underlying,
                net=past.cash,
                description="Option Cash Deliverable",
                group=group,
                details=details,
            )

    def _held(self) -> Iterator[tuple[str, Option, Decimal]]:
        """Every option, longs first, so that what they bring can be delivered."""
        found = [(symbol, as_option(symbol), each.qty) for symbol, each in sorted(self.ledger.holdings.items())]
        for symbol, option, qty in sorted(found, key=lambda each: (each[2] < 0, each[0])):
            if option is not None:
                yield symbol, option, qty

    def _contract(self, name: str, now: int) -> Asset | None:
        asset = self.find(name, now)
        return asset if asset is not None and as_option(asset.symbol) is not None else None

    def _in_the_money(self, option: Option) -> bool:
        each = self.delivers(option.root)
        last = self.price(each.underlying)
        if last is None:
            return False
        price = last * each.shares / HUNDRED
        return (price - option.strike if option.right == "C" else option.strike - price) >= _CENT

    def _can(self, option: Option, qty: Decimal) -> bool:
        """A call needs dollars, a put the shares that it sells."""
        if option.right == "C":
            return option.strike * HUNDRED * qty <= self.means()
        each = self.delivers(option.root)
        return self.available(each.underlying) >= each.shares * qty and self.ledger.quantity(each.underlying) > 0

    def _assigned(self, symbol: str, option: Option, on: date) -> Decimal:
        """How many contracts are assigned this morning."""
        told = sum((each.qty for each in self.terms.assignments if (each.symbol, each.on) == (symbol, on)), ZERO)
        if told or not self.terms.early_assignment or not self._in_the_money(option):
            return told
        drawn = uuid5(NAMESPACE_URL, f"assignment:{self.account_id}:{symbol}:{on}").int / 2**128
        return Decimal(10**9) if drawn < self.terms.early_assignment else ZERO


def _option(symbol: str) -> Option:
    option = as_option(symbol)
    if option is None:
        raise AssertionError(symbol)
    return option


def _is_evening(now: int) -> bool:
    """Between the close of a trading day and its midnight."""
    day = sessions.day(sessions.date_of(now))
    return day is not None and now >= day.close
