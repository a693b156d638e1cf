"""What a run holds when it ends, by underlying, for its report: `core.option_book` in rows that can be written down."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from puna.core.option_book import MOVES, SHIFTS, Line, OptionBook, option_books
from puna.core.option_calendar import Expiry
from puna.core.options import Greeks
from puna.core.portfolio import Portfolio
from puna.core.types import Quote
from puna.errors import DataError

__all__ = ["RATE", "EndRow", "HoldingRow", "LineRow", "PayoffPoint", "holdings"]

RATE = 0.04
"""Interest a year by which a report values options."""


class LineRow(msgspec.Struct, frozen=True, kw_only=True):
    """Contracts of one series; figures in dollars of the whole line, absent when they are not known."""

    symbol: str
    qty: Decimal
    cost: Decimal
    value: Decimal | None = None
    volatility: float | None = None
    greeks: dict[str, float] = {}


class EndRow(msgspec.Struct, frozen=True, kw_only=True):
    """How contracts end with the price where it is: exercised, assigned, worthless, unknown; shares and cash move."""

    symbol: str
    closes: int
    days_left: int
    outcome: str
    shares: int = 0
    cash: Decimal = Decimal(0)


class PayoffPoint(msgspec.Struct, frozen=True, array_like=True):
    """Profit against what was paid, USD, when all options have ended with the underlying at `price`."""

    price: Decimal
    profit: Decimal


class HoldingRow(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is held of one underlying; see `core.option_book.OptionBook`.

    `margin` is absent when the risk is unlimited, `greeks` and `grid` while a part of them is not known. `grid` is
    profit against now, USD, as [days][shift of volatility][move of the price].
    """

    underlying: str
    spot: Decimal | None
    shares: Decimal
    shares_cost: Decimal
    margin: Decimal | None
    shares_margin: Decimal | None
    lines: list[LineRow] = []
    greeks: dict[str, float] = {}
    moves: tuple[float, ...] = MOVES
    shifts: tuple[float, ...] = SHIFTS
    days: list[float] = []
    grid: list[list[list[float]]] = []
    payoff: list[PayoffPoint] = []
    ends: list[EndRow] = []
    warnings: list[str] = []
    missing: list[str] = []


def holdings(portfolio: Portfolio, quotes: Mapping[str, Quote], now: int) -> list[HoldingRow]:
    """A row for each stock or underlying that is held; none where the calendar does not reach."""
    try:
        books = option_books(portfolio.positions.values(), quotes, now, RATE)
    except DataError:
        return []
    return [_row(book) for book in books]


def _row(book: OptionBook) -> HoldingRow:
    names = {line.position.series: line.symbol for line in book.lines}
    last = max(book.strikes, default=Decimal(0))
    prices = [Decimal(0), *book.strikes, last * 2] if book.lines else []
    return HoldingRow(
        underlying=book.underlying,
        spot=book.spot,
        shares=book.shares,
        shares_cost=book.shares_cost,
        margin=book.requirement,
        shares_margin=book.shares_requirement,
        lines=[_line(line) for line in book.lines],
        greeks=_greeks(book.total),
        days=[round(each, 2) for each in book.days] if book.lines else [],
        grid=[[[round(value, 2) for value in line] for line in block] for block in book.grid or []]
        if book.lines
        else [],
        payoff=[PayoffPoint(price, book.profit(price)) for price in prices],
        ends=[_end(each, names[each.position.series]) for each in book.calendar],
        warnings=[f"{names[each.position.series]} by {each.by}: {each.why}" for each in book.warnings],
        missing=list(book.missing),
    )


def _line(line: Line) -> LineRow:
    return LineRow(
        symbol=line.symbol,
        qty=Decimal(line.position.quantity),
        cost=line.cost,
        value=line.value,
        volatility=None if line.volatility is None else round(line.volatility, 6),
        greeks=_greeks(line.greeks),
    )


def _greeks(found: Greeks | None) -> dict[str, float]:
    return {} if found is None else {name: round(value, 4) for name, value in found._asdict().items()}


def _end(end: Expiry, symbol: str) -> EndRow:
    return EndRow(
        symbol=symbol,
        closes=end.closes,
        days_left=end.days_left,
        outcome=str(end.outcome),
        shares=end.shares,
        cash=end.cash,
    )
