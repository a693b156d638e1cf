"""Positions and cash as immutable values, from fills and from everything else that moves them.

    equity = cash + marks = start + transfers + P&L - fees        P&L = realised + unrealised + income

holds exactly, in Decimal, at every moment and for every mark: a division may round (the cost that leaves with a part of
a position, to 18 decimals), but what is rounded away from one side stays on the other.

Average-cost: a fill that opens or adds brings its cost; one that closes takes its share of the cost and realises the
difference; one that crosses zero does both, the rest opening at the fill's price. A bust is a fill of negative quantity
and is booked as the trade that takes it back. A correction of price (`qty` 0) goes to the cost while a position that
the fill's side built is open, else to realised P&L. Cost carries the symbol's multiplier (100 for options).

Everything that is no trade is a `Booking` with a reason and the broker's reference: no term without one (I3).
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import force_setattr, replace

from puna.core.decimals import exactly, plain
from puna.core.symbols import canonical, multiplier
from puna.core.types import ZERO, Fill, Position
from puna.errors import DataError

__all__ = [
    "Booking",
    "Exposure",
    "Portfolio",
    "Reason",
    "book",
    "drawdown",
    "enter",
    "equity",
    "exposure",
    "max_drawdown",
    "opening",
    "profit",
    "split_quantity",
    "unrealised",
]

_FINEST = Decimal("1e-18")


class Portfolio(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is owned and what came of it.

    Args:
        cash: may be negative on margin.
        positions: by canonical symbol; never one of quantity 0.
        realised: trading P&L of what was closed.
        income: dividends and interest, negative when paid.
        fees: what was charged, positive.
        transfers: money and values brought in, negative when taken out.
    """

    cash: Decimal
    positions: dict[str, Position] = {}
    realised: Decimal = ZERO
    income: Decimal = ZERO
    fees: Decimal = ZERO
    transfers: Decimal = ZERO

    def position(self, symbol: str) -> Position:
        """The position, of quantity 0 when there is none."""
        return self.positions.get(symbol) or Position(symbol=symbol, qty=ZERO, cost=ZERO)

    def qty(self, symbol: str) -> Decimal:
        """Negative when short, 0 when flat."""
        held = self.positions.get(symbol)
        return held.qty if held else ZERO


class Reason(StrEnum):
    """Why cash or a position moved without an order of ours."""

    DIVIDEND = "dividend"
    INTEREST = "interest"
    FEE = "fee"
    FEE_IN_KIND = "fee_in_kind"  # crypto: taken from the coin that was bought
    TRANSFER = "transfer"
    SPLIT = "split"
    CASH_IN_LIEU = "cash_in_lieu"
    EXERCISE = "exercise"
    ASSIGNMENT = "assignment"
    EXPIRY = "expiry"
    CORPORATE_ACTION = "corporate_action"  # mergers, spin-offs, symbol changes
    CORRECTION = "correction"


class Booking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A movement that is no fill.

    Args:
        reason: decides how it is booked, see `enter`.
        reference: the broker's id of it; never empty.
        ts: when, ns.
        cash: what the account receives; negative when it pays.
        symbol: whose position moves or caused it.
        qty: change of the position.
        price: for a transfer of a position, what a unit of it cost.

    Raises:
        ValueError: no reference, a quantity without a symbol, or an amount that is not finite.
    """

    reason: Reason
    reference: str
    ts: int
    cash: Decimal = ZERO
    symbol: str = ""
    qty: Decimal = ZERO
    price: Decimal = ZERO

    def __post_init__(self) -> None:
        if not self.reference:
            raise ValueError(f"{self.reason} without the broker's reference")
        if self.qty and not self.symbol:
            raise ValueError(f"{self.reason} moves a quantity of nothing")
        for name in ("cash", "qty", "price"):
            force_setattr(self, name, plain(getattr(self, name)))


class Exposure(NamedTuple):
    """Values at marks: signed by symbol, the sum of sizes, and the sum."""

    by_symbol: dict[str, Decimal]
    gross: Decimal
    net: Decimal


def opening(cash: Decimal, positions: Iterable[Position] = ()) -> Portfolio:
    """A portfolio to begin from, under canonical symbols (R21): the broker's positions say BTCUSD for BTC/USD."""
    held = [Position(symbol=canonical(p.symbol), qty=plain(p.qty), cost=plain(p.cost)) for p in positions if p.qty]
    return Portfolio(cash=plain(cash), positions={each.symbol: each for each in held})


@exactly
def book(portfolio: Portfolio, fill: Fill) -> Portfolio:
    """The portfolio after a fill, its bust (negative `qty`) or the correction of its price (`qty` 0)."""
    sign = fill.side.sign
    paid = sign * fill.notional * multiplier(fill.symbol)
    after = _traded(portfolio, fill.symbol, sign * fill.qty, paid) if fill.qty else _repriced(portfolio, fill, paid)
    return replace(after, cash=after.cash - fill.fee, fees=after.fees + fill.fee) if fill.fee else after


@exactly
def enter(portfolio: Portfolio, booking: Booking) -> Portfolio:
    """The portfolio after a movement that is no fill.

    dividend, interest: cash, as income. fee: cash, as fees. fee_in_kind: the coin leaves at average cost, as fees.
    transfer: cash, and positions at `price`. split: the quantity changes and the cost stays, so nothing is gained or
    lost (the broker's own change of quantity decides, R31). All others are trades of `qty` against `cash`: what is
    closed is realised, what is opened costs what was paid.
    """
    return _BOOKED.get(booking.reason, _exchanged)(portfolio, booking)


@exactly
def exposure(portfolio: Portfolio, marks: Mapping[str, Decimal]) -> Exposure:
    """Every position at its mark.

    Raises:
        DataError: E601, a position has no mark.
    """
    values = {symbol: held.qty * _mark(marks, symbol) for symbol, held in portfolio.positions.items()}
    return Exposure(values, sum(map(abs, values.values()), ZERO), sum(values.values(), ZERO))


@exactly
def equity(portfolio: Portfolio, marks: Mapping[str, Decimal]) -> Decimal:
    """Cash and every position at its mark.

    Raises:
        DataError: E601, a position has no mark.
    """
    return portfolio.cash + exposure(portfolio, marks).net


@exactly
def unrealised(portfolio: Portfolio, marks: Mapping[str, Decimal]) -> Decimal:
    """What closing everything at the marks would realise."""
    return exposure(portfolio, marks).net - sum((held.cost for held in portfolio.positions.values()), ZERO)


@exactly
def profit(portfolio: Portfolio, marks: Mapping[str, Decimal]) -> Decimal:
    """Realised, unrealised and income, before fees."""
    return portfolio.realised + portfolio.income + unrealised(portfolio, marks)


@exactly
def split_quantity(qty: Decimal, new: Decimal, old: Decimal) -> Decimal:
    """The change of `qty` by a split of `new` for `old`, cut to nine decimals: what a Booking needs."""
    after = (qty * new / old).quantize(Decimal("1e-9"), rounding="ROUND_DOWN")
    return plain(after - qty)


def drawdown(peak: Decimal, now: Decimal) -> Decimal:
    """How far below its peak the equity is, as a fraction of the peak; 0 above it, or when no peak is positive."""
    return max(ZERO, 1 - now / peak) if peak > 0 else ZERO


def max_drawdown(equities: Iterable[Decimal]) -> Decimal:
    """The deepest fall from a peak, as a fraction of that peak."""
    peak = worst = ZERO
    for now in equities:
        peak = max(peak, now)
        worst = max(worst, drawdown(peak, now))
    return worst


def _traded(portfolio: Portfolio, symbol: str, qty: Decimal, paid: Decimal) -> Portfolio:
    """`qty` more of `symbol` (signed) for `paid` (signed, negative when received)."""
    held = portfolio.position(symbol)
    closing = min(abs(qty), abs(held.qty)) if held.qty * qty < 0 else ZERO
    if not closing:
        return _with(portfolio, held, qty, paid, paid)
    leaving = _share(held.cost, closing, abs(held.qty))
    closing_paid = _share(paid, closing, abs(qty))
    realised = -closing_paid - leaving
    after = _with(portfolio, held, qty, paid, paid - closing_paid - leaving)
    return replace(after, realised=after.realised + realised)


def _repriced(portfolio: Portfolio, fill: Fill, paid: Decimal) -> Portfolio:
    """The price of earlier fills was not what it seemed: `paid` more."""
    held = portfolio.position(fill.symbol)
    if held.qty * fill.side.sign > 0:
        return _with(portfolio, held, ZERO, paid, paid)
    return replace(portfolio, cash=portfolio.cash - paid, realised=portfolio.realised - paid)


def _received(portfolio: Portfolio, booking: Booking) -> Portfolio:
    return replace(portfolio, cash=portfolio.cash + booking.cash, income=portfolio.income + booking.cash)


def _charged(portfolio: Portfolio, booking: Booking) -> Portfolio:
    return replace(portfolio, cash=portfolio.cash + booking.cash, fees=portfolio.fees - booking.cash)


def _charged_in_kind(portfolio: Portfolio, booking: Booking) -> Portfolio:
    held = portfolio.position(booking.symbol)
    leaving = _share(held.cost, min(-booking.qty, held.qty), held.qty) if held.qty > 0 else ZERO
    after = _with(portfolio, held, booking.qty, -booking.cash, -leaving)
    return replace(after, fees=after.fees + leaving - booking.cash)


def _transferred(portfolio: Portfolio, booking: Booking) -> Portfolio:
    """Money or a position comes in or goes out; a position that goes out leaves at `price` too."""
    worth = booking.qty * booking.price * (multiplier(booking.symbol) if booking.symbol else 1)
    after = _traded(portfolio, booking.symbol, booking.qty, worth) if booking.symbol else portfolio
    return replace(after, cash=after.cash + worth + booking.cash, transfers=after.transfers + worth + booking.cash)


def _split(portfolio: Portfolio, booking: Booking) -> Portfolio:
    return _with(portfolio, portfolio.position(booking.symbol), booking.qty, -booking.cash, -booking.cash)


def _exchanged(portfolio: Portfolio, booking: Booking) -> Portfolio:
    """A quantity against cash; cash alone is gain or loss."""
    if booking.qty:
        return _traded(portfolio, booking.symbol, booking.qty, -booking.cash)
    return replace(portfolio, cash=portfolio.cash + booking.cash, realised=portfolio.realised + booking.cash)


_BOOKED: Mapping[Reason, Callable[[Portfolio, Booking], Portfolio]] = {
    Reason.DIVIDEND: _received,
    Reason.INTEREST: _received,
    Reason.FEE: _charged,
    Reason.FEE_IN_KIND: _charged_in_kind,
    Reason.TRANSFER: _transferred,
    Reason.SPLIT: _split,
}


def _with(portfolio: Portfolio, held: Position, qty: Decimal, paid: Decimal, cost: Decimal) -> Portfolio:
    """Cash less `paid`, and the position with `qty` and `cost` more; a cost without quantity is realised."""
    positions = dict(portfolio.positions)
    now = Position(symbol=held.symbol, qty=plain(held.qty + qty), cost=plain(held.cost + cost))
    cash = plain(portfolio.cash - paid)
    if now.qty:
        positions[held.symbol] = now
        return replace(portfolio, cash=cash, positions=positions)
    positions.pop(held.symbol, None)
    return replace(portfolio, cash=cash, positions=positions, realised=portfolio.realised - now.cost)


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`part` of `whole` of an amount, to the 18 decimals that a quantity times a price can have."""
    return (amount * part / whole).quantize(_FINEST)


def _mark(marks: Mapping[str, Decimal], symbol: str) -> Decimal:
    """The value of one unit of `symbol`."""
    mark = marks.get(symbol)
    if mark is None or not mark.is_finite():
        raise DataError(
            f"There is no mark for {symbol}, so the portfolio has no value.",
            why="a position of unknown worth is not counted as nothing",
            remedy="supply a price for every symbol that is held",
            code="E601",
        )
    return mark * multiplier(symbol)
