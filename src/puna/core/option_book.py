"""What an account holds, by underlying: what it requires, its Greeks, its payoff, scenarios, and how each option ends.

Volatilities come from the middle of each option's own quote and the Black-Scholes value. What has no usable quote, or a
price that no volatility explains, is named, and what would need it is absent: nothing is guessed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from puna.core.margin import UnlimitedRisk, equity_maintenance_margin, maintenance_margin
from puna.core.option_calendar import Dividend, EarlyAssignment, Expiry, assignment_warnings, expiries
from puna.core.options import DAYS_A_YEAR, Contract, Greeks, Held, book_greeks, implied_volatility, scenario_grid
from puna.core.payoff import OptionPosition, Right, payoff
from puna.core.risk_options import option_position
from puna.core.symbols import Equity, parse
from puna.core.types import ZERO, Position, Quote, exact

__all__ = ["MOVES", "SHIFTS", "Line", "OptionBook", "option_books"]

MOVES = (-0.10, -0.05, -0.02, 0.0, 0.02, 0.05, 0.10)
"""By how much the price may move, as fractions."""
SHIFTS = (-0.05, 0.0, 0.05)
"""By how much volatilities may shift, absolute."""
_NANOS_A_DAY = 86_400_000_000_000


class Line(NamedTuple):
    """Contracts of one series.

    Attributes:
        symbol: OCC symbol.
        position: the contracts.
        cost: dollars paid for all of them; negative when received.
        price: a share, the middle of the quote; None without a usable one.
        volatility: implied by it, a fraction a year; None where there is none.
        greeks: in dollars of the whole line; None without a volatility.
    """

    symbol: str
    position: OptionPosition
    cost: Decimal
    price: Decimal | None
    volatility: float | None
    greeks: Greeks | None

    @property
    def value(self) -> Decimal | None:
        """What it is worth now, dollars, negative when short."""
        return None if self.price is None else self.price * self.position.quantity * self.position.multiplier


class OptionBook(NamedTuple):
    """All that is held of one underlying.

    Attributes:
        underlying: its symbol.
        spot: the middle of its quote; None without a usable one.
        as_of: time of that quote, ns; 0 without one.
        shares: held, negative when short.
        shares_cost: what they cost, signed as they are.
        lines: options, by expiration, right and strike.
        requirement: of the options by the universal spread rule, shares covering calls; None: unlimited risk.
        shares_requirement: maintenance of the shares by the equity table; None without a price.
        total: Greeks of options and shares together; None while a part of them is not known.
        days: of the grid, from now.
        grid: profit against now, dollars, as [days][shift of SHIFTS][move of MOVES]; None as `total`.
        calendar: how each option ends, the next one first.
        warnings: shorts that may be assigned early.
        missing: what is not known, each in words that name the symbol.
    """

    underlying: str
    spot: Decimal | None
    as_of: int
    shares: Decimal
    shares_cost: Decimal
    lines: tuple[Line, ...]
    requirement: Decimal | None
    shares_requirement: Decimal | None
    total: Greeks | None
    days: tuple[float, ...]
    grid: list[list[list[float]]] | None
    calendar: tuple[Expiry, ...]
    warnings: tuple[EarlyAssignment, ...]
    missing: tuple[str, ...]

    def profit(self, price: Decimal) -> Decimal:
        """Dollars against what was paid, when all options have ended with the underlying at `price`."""
        cost = self.shares_cost + sum((line.cost for line in self.lines), ZERO)
        return payoff((line.position for line in self.lines), price) + self.shares * price - cost

    @property
    def strikes(self) -> list[Decimal]:
        """Where the line of `profit` may bend."""
        return sorted({line.position.strike for line in self.lines})


def option_books(
    positions: Iterable[Position],
    quotes: Mapping[str, Quote],
    now: int,
    rate: float,
    dividends: Mapping[str, Iterable[Dividend]] | None = None,
) -> list[OptionBook]:
    """A book for each stock or underlying of which anything is held; coins have none.

    Args:
        positions: by OCC symbols and stock symbols.
        quotes: the latest of each symbol and each underlying, where there is one.
        now: market time, ns.
        rate: interest a year, a fraction.
        dividends: that are to come, by underlying.
    """
    options: defaultdict[str, list[tuple[Position, OptionPosition]]] = defaultdict(list)
    shares: dict[str, Position] = {}
    for held in positions:
        contract = option_position(held.symbol, int(held.qty))
        if contract is not None:
            options[contract.underlying].append((held, contract))
        elif isinstance(parse(held.symbol), Equity):
            shares[held.symbol] = held
    return [
        _book(name, shares.get(name), options[name], quotes, now, rate, tuple((dividends or {}).get(name, ())))
        for name in sorted({*options, *shares})
    ]


def _book(
    name: str,
    stock: Position | None,
    options: list[tuple[Position, OptionPosition]],
    quotes: Mapping[str, Quote],
    now: int,
    rate: float,
    dividends: tuple[Dividend, ...],
) -> OptionBook:
    quote = quotes.get(name)
    spot = _middle(quote)
    held = sorted(options, key=lambda each: each[1].series)
    contracts = [contract for _, contract in held]
    ends = expiries(contracts, {} if spot is None else {name: spot}, now)
    closes = {each.position.series: each.closes for each in ends}
    lines = tuple(_line(one, of, closes[of.series], spot, quotes, now, rate) for one, of in held)
    shares = stock.qty if stock else ZERO
    prices = {line.position.series: line.price for line in lines if line.price is not None}
    known = _held(lines, closes, now) if spot is not None else None
    days = _days([(end - now) / _NANOS_A_DAY for end in closes.values()])
    return OptionBook(
        underlying=name,
        spot=spot,
        as_of=quote.ts_event if quote is not None and spot is not None else 0,
        shares=shares,
        shares_cost=stock.cost if stock else ZERO,
        lines=lines,
        requirement=_requirement(name, contracts, shares),
        shares_requirement=equity_maintenance_margin(spot, shares) if spot is not None else None if shares else ZERO,
        total=None if known is None or spot is None else _total(known, float(spot), float(shares), rate),
        days=days,
        grid=None if known is None or spot is None else _grid(known, float(spot), float(shares), days, rate),
        calendar=tuple(ends),
        warnings=tuple(
            assignment_warnings(
                contracts,
                {} if spot is None else {name: spot},
                prices,
                now,
                {name: dividends},
                Decimal(repr(rate)),
            )
        ),
        missing=_missing(name, spot, lines),
    )


def _line(
    held: Position,
    position: OptionPosition,
    closes: int,
    spot: Decimal | None,
    quotes: Mapping[str, Quote],
    now: int,
    rate: float,
) -> Line:
    price = _middle(quotes.get(held.symbol))
    contract = _contract(position, closes, now)
    found = None
    if price is not None and spot is not None:
        found = implied_volatility(contract, float(spot), float(price), rate)
    greeks = None
    if found is not None and spot is not None:
        greeks = book_greeks([Held(contract, position.quantity, found, position.multiplier)], float(spot), rate)
    return Line(held.symbol, position, held.cost, price, found, greeks)


def _contract(position: OptionPosition, closes: int, now: int) -> Contract:
    years = max(closes - now, 0) / _NANOS_A_DAY / DAYS_A_YEAR
    return Contract(position.right is Right.CALL, float(position.strike), years)


def _middle(quote: Quote | None) -> Decimal | None:
    """The middle; an option for which nobody bids has none, since half of the ask would be a guess."""
    return None if quote is None or not quote.usable else (exact(quote.bid) + exact(quote.ask)) / 2


def _held(lines: Iterable[Line], closes: Mapping[tuple[str, date, Right, Decimal], int], now: int) -> list[Held] | None:
    """All lines with their volatilities; None when one has none."""
    found = []
    for line in lines:
        if line.volatility is None:
            return None
        position = line.position
        contract = _contract(position, closes[position.series], now)
        found.append(Held(contract, position.quantity, line.volatility, position.multiplier))
    return found


def _requirement(name: str, contracts: list[OptionPosition], shares: Decimal) -> Decimal | None:
    try:
        return maintenance_margin(contracts, {name: max(shares, ZERO)})
    except UnlimitedRisk:
        return None


def _total(held: list[Held], spot: float, shares: float, rate: float) -> Greeks:
    """Shares have a delta of their own and nothing else."""
    found = book_greeks(held, spot, rate)
    return found._replace(delta=found.delta + shares)


def _grid(
    held: list[Held], spot: float, shares: float, days: tuple[float, ...], rate: float
) -> list[list[list[float]]]:
    moved = [shares * spot * move for move in MOVES]
    found = scenario_grid(held, spot, MOVES, SHIFTS, days, rate)
    return [[[value + more for value, more in zip(line, moved, strict=True)] for line in block] for block in found]


def _days(left: list[float]) -> tuple[float, ...]:
    """Now, half of the way or the first end, and the last end; only now without options."""
    if not left:
        return (0.0,)
    first, last = max(min(left), 0.0), max(*left, 0.0)
    return tuple(sorted({0.0, first if first < last else last / 2, last}))


def _missing(name: str, spot: Decimal | None, lines: tuple[Line, ...]) -> tuple[str, ...]:
    found = [f"{name} has no usable quote"] if spot is None else []
    for line in lines:
        if line.price is None:
            found.append(f"{line.symbol} has no usable quote")
        elif spot is not None and line.volatility is None:
            found.append(f"{line.symbol} has no implied volatility: no volatility explains {line.price:f}")
    return tuple(found)
