"""Locates: shares of a hard-to-borrow stock that were found to be sold short (SPEC-T, /v1/locates; facts.md 5.2, MARG).

How many shares can be found and what they cost is published nowhere: here each stock that is shortable and not easy to
borrow has ten thousand a day, at a cent a share for each 25 dollars of its price. The trading date rolls at 20:00 New
York; a locate ends with it, is for round lots, and is used up by the first short that needs it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from puna.core import sessions
from puna.exchange.orders.live import amount
from puna.exchange.refusals import Refusal
from puna.wire.codec import Nanos
from puna.wire.locates import Locate, LocateQuote, LocateQuoteFailure, LocateQuotes, LocateRequest
from puna.wire.trading import Asset

__all__ = ["Locates", "trading_date"]

AVAILABLE = 10_000
_LOT = 100
_ROLL = time(20)
_CENT = Decimal("0.01")
_MOST_SYMBOLS = 100


def trading_date(now: int) -> date:
    """The date a locate belongs to: it changes at 20:00 New York."""
    here = sessions.new_york(now)
    return here.date() + timedelta(days=1) if here.time() >= _ROLL else here.date()


@dataclass(kw_only=True)
class Locates:
    """All locates of one account.

    Args:
        new_id: names a new one.
        find: an asset by symbol.
        price: the last price of a symbol.
        pay: takes the fee out of the account; False where it cannot.
    """

    new_id: Callable[[], str]
    find: Callable[[str], Asset | None]
    price: Callable[[str], Decimal | None]
    pay: Callable[[str, Decimal, int], bool]
    _made: list[Locate] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)
    _keys: dict[str, tuple[LocateRequest, Locate]] = field(default_factory=dict)

    def create(self, request: LocateRequest, key: str | None, now: int) -> Locate | Refusal:
        """A locate, active or rejected; the same key with the same request gives the same one again."""
        if key and key in self._keys:
            known, made = self._keys[key]
            if known != request:
                return Refusal(
                    422,
                    "idempotency_key_conflict",
                    "idempotency key was already used with a different request",
                )
            return self._as_of(made, now)
        if refusal := self._refuse(request):
            return refusal
        answer = self._make(request, now)
        if isinstance(answer, Locate):
            self._made.append(answer)
            if key:
                self._keys[key] = (request, answer)
        return answer

    def all(
        self, now: int, *, status: str | None, symbol: str | None, start: date | None, end: date | None
    ) -> list[Locate]:
        """Newest first; `start` is included, `end` is not."""
        found = [self._as_of(each, now) for each in self._made]
        return [
            each
            for each in sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)
            if status in (None, each.status)
            and symbol in (None, each.symbol)
            and (start is None or start <= trading_date(each.created_at))
            and (end is None or trading_date(each.created_at) < end)
        ]

    def get(self, locate_id: str, now: int) -> Locate | None:
        return next((self._as_of(each, now) for each in self._made if each.id == locate_id), None)

    def quotes(self, names: Sequence[str], now: int) -> LocateQuotes | Refusal:
        """What could be found of each, and what it would cost."""
        if not 1 <= len(names) <= _MOST_SYMBOLS:
            return Refusal(400, "invalid_symbols", "symbols must contain at most 100 unique symbols")
        failures = {name: self._failure(name) for name in names}
        quotes = [self._quote(name, now) for name, failure in failures.items() if failure is None]
        errors = [failure for failure in failures.values() if failure is not None]
        return LocateQuotes(quotes=quotes, errors=errors)

    def covers(self, symbol: str, qty: Decimal, now: int) -> Locate | None:
        """The smallest active locate, not used yet, for at least that many shares."""
        fitting = [each for each in self._fresh(symbol, now) if (each.located_qty or 0) >= qty]
        return min(fitting, key=_size, default=None)

    def largest(self, symbol: str, now: int) -> Decimal:
        """How many shares one active locate that is not used yet is good for."""
        return Decimal(max(map(_size, self._fresh(symbol, now)), default=0))

    def _fresh(self, symbol: str, now: int) -> list[Locate]:
        mine = (each for each in self._made if each.symbol == symbol and each.id not in self._used)
        return [each for each in mine if self._as_of(each, now).status == "active"]

    def use(self, locate: Locate) -> None:
        """Each serves once (facts.md 5.2)."""
        self._used.add(locate.id)

    def _refuse(self, request: LocateRequest) -> Refusal | None:
        if not request.symbol:
            return Refusal(400, "invalid_input", "invalid input: symbol is required")
        if request.qty is None or request.qty < 1 or request.qty % _LOT:
            return Refusal(400, "invalid_input", "invalid input: quantity must be in round lots of 100")
        if request.limit_price is not None and request.limit_price < 0:
            return Refusal(400, "invalid_limit_price", "invalid limit_price")
        failure = self._failure(request.symbol)
        return None if failure is None else Refusal(422, failure.code, failure.message)

    def _failure(self, name: str) -> LocateQuoteFailure | None:
        """Why nothing can be found of it."""
        asset = self.find(name)
        if asset is None:
            return LocateQuoteFailure(symbol=name, code="symbol_not_found", message="symbol not found")
        if asset.easy_to_borrow is not False:
            text = "security is easy-to-borrow and does not require a locate"
            return LocateQuoteFailure(symbol=name, code="easy_to_borrow", message=text)
        if not asset.shortable or self._fee(name) is None:
            text = "locate quote is unavailable for this symbol"
            return LocateQuoteFailure(symbol=name, code="quote_unavailable", message=text)
        return None

    def _make(self, request: LocateRequest, now: int) -> Locate | Refusal:
        symbol, wanted = request.symbol or "", request.qty or 0
        fee, left = self._fee(symbol) or _CENT, self._left(symbol, now)
        found = min(wanted, left)
        reason = None
        if request.limit_price is not None and request.limit_price < fee:
            reason = "limit_price_exceeded"
        elif not found or (request.all_or_none and found < wanted):
            reason = "insufficient_quantity"
        made = Locate(
            id=self.new_id(),
            symbol=symbol,
            status="rejected" if reason else "active",
            requested_qty=wanted,
            all_or_none=bool(request.all_or_none),
            created_at=Nanos(now),
            limit_price=request.limit_price,
            rejection_reason=reason,
        )
        if reason:
            return made
        total = fee * found
        if not self.pay(symbol, total, now):
            text = "insufficient buying power to cover locate fee"
            return Refusal(422, "insufficient_buying_power", text)
        return msgspec.structs.replace(
            made,
            located_qty=found,
            located_price=amount(fee),
            total_fee=amount(total),
            expires_at=Nanos(sessions.at(trading_date(now), _ROLL)),
        )

    def _quote(self, symbol: str, now: int) -> LocateQuote:
        left, fee = self._left(symbol, now), self._fee(symbol) or _CENT
        return LocateQuote(symbol=symbol, available_qty=left, quoted_at=Nanos(now), price=amount(fee))

    def _left(self, symbol: str, now: int) -> int:
        """What is left of the day's shares."""
        today = trading_date(now)
        taken = (each.located_qty or 0 for each in self._made if each.symbol == symbol)
        days = (trading_date(each.created_at) for each in self._made if each.symbol == symbol)
        return AVAILABLE - sum(qty for qty, day in zip(taken, days, strict=True) if day == today)

    def _fee(self, symbol: str) -> Decimal | None:
        """Dollars a share."""
        price = self.price(symbol)
        return None if price is None else max((price / 2500).quantize(_CENT, ROUND_HALF_UP), _CENT)

    def _as_of(self, locate: Locate, now: int) -> Locate:
        if locate.status == "active" and locate.expires_at is not None and now >= locate.expires_at:
            return msgspec.structs.replace(locate, status="expired")
        return locate


def _size(locate: Locate) -> int:
    return locate.located_qty or 0
