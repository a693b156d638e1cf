"""What a run amounts to: each metric a pure function of the record, its meaning the first line of its docstring.

`METRICS` is the whole list, and `measure` applies it; the same numbers stand in report.json, in report.html and in the
terminal. Money is Decimal; ratios are floats.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter
from typing import Literal, NamedTuple, TypeVar

import msgspec

from puna.core.symbols import is_symbol, multiplier, underlying
from puna.core.types import ZERO, Side
from puna.engine.record import FillRow, OrderRow, PricePoint, RunRecord
from puna.research.statistics.bootstrap import Interval

__all__ = [
    "METRICS",
    "Metric",
    "Result",
    "Unit",
    "arrival_cost_bp",
    "by_strategy",
    "by_symbol",
    "cost_against_mid",
    "drawdowns",
    "exposures",
    "factor_after",
    "fees",
    "hold_return",
    "holdable",
    "is_continued",
    "is_refused",
    "largest_exposure",
    "last_marks",
    "max_drawdown",
    "meaning",
    "measure",
    "orders_sent",
    "pnl_after_costs",
    "return_after_costs",
    "sign",
    "slippage_bp",
    "times",
    "trades",
    "turnover",
    "worst_fill_bp",
    "worth",
]

_Row = TypeVar("_Row")
ONE = Decimal(1)
_FINE = Decimal("0.0001")  # finer than any price here; what is below comes of averages
Unit = Literal["USD", "fraction", "bp", "times", "count", "number", "part", "days", "ns"]


class Metric(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number with its unit and what it means; `value` is None when the run does not tell.

    `fraction` is a gain or loss as a part of the account, `part` a part of a whole, `ns` a time in nanoseconds.
    `interval` is where the value would lie if the days had come otherwise.
    """

    name: str
    value: Decimal | float | int | None
    unit: Unit
    meaning: str
    interval: Interval | None = None


class Result(msgspec.Struct, frozen=True):
    """What one strategy, or one symbol, made of the run; drawdown is a fraction of the account's start equity."""

    name: str
    orders: int
    trades: int
    fills: int
    pnl: Decimal
    max_drawdown: float
    worst_fill_bp: float | None
    turnover: float


def pnl_after_costs(record: RunRecord) -> Decimal:
    """What the account gained or lost, after the spread and all fees."""
    return record.equity_end - record.start_equity


def return_after_costs(record: RunRecord) -> float | None:
    """The gain or loss as a part of what the account started with."""
    return _ratio(pnl_after_costs(record), record.start_equity)


def holdable(record: RunRecord) -> dict[str, list[PricePoint]]:
    """The prices of what one could have held instead: not of options, which end."""
    return {name: each for name, each in record.prices.items() if each and times(name) == 1}


def hold_return(record: RunRecord) -> float | None:
    """What buying every symbol at its first price, in equal parts, would have returned, without costs."""
    moves = [
        points[-1].close / points[0].close * float(factor_after(record, symbol, points[0].ts)) - 1
        for symbol, points in holdable(record).items()
        if points[0].close
    ]
    return sum(moves) / len(moves) if moves else None


def max_drawdown(record: RunRecord) -> float:
    """The deepest fall of equity below its highest point so far."""
    return min((fall for _, fall in drawdowns(record)), default=0.0)


def worst_fill_bp(record: RunRecord) -> float | None:
    """The dearest fill, in hundredths of a percent away from the middle of the quote."""
    return _worst(record.fills)


def cost_against_mid(record: RunRecord) -> Decimal:
    """What all fills cost against the middle of the quote: the spread, paid or earned."""
    return sum((_cost(fill) for fill in record.fills), ZERO).quantize(_FINE)


def fees(record: RunRecord) -> Decimal:
    """Regulatory and other fees that the broker charged."""
    return record.fees


def turnover(record: RunRecord) -> float | None:
    """The value of everything bought and sold in the market, in multiples of the start equity."""
    return _ratio(_traded(_outside(record)), record.start_equity)


def largest_exposure(record: RunRecord) -> float | None:
    """The largest sum of all positions, long and short, as a part of the start equity."""
    largest = max((gross for _, gross in exposures(record)), default=0.0)
    return _ratio(Decimal(repr(largest)), record.start_equity)


def trades(record: RunRecord) -> int:
    """Orders that were filled, wholly or in part; a package of options is one."""
    return _filled(record.orders)


def orders_sent(record: RunRecord) -> int:
    """Orders that went to the broker; what the broker made out of one counts with it."""
    return sum(not is_refused(order) and order.leg_of is None for order in record.orders)


def is_refused(order: OrderRow) -> bool:
    """True when risk or the broker said no."""
    return order.refusal_code is not None or order.status == "refused"


METRICS: tuple[tuple[Unit, Callable[[RunRecord], Decimal | float | int | None]], ...] = (
    ("USD", pnl_after_costs),
    ("fraction", return_after_costs),
    ("fraction", hold_return),
    ("fraction", max_drawdown),
    ("bp", worst_fill_bp),
    ("USD", cost_against_mid),
    ("USD", fees),
    ("times", turnover),
    ("fraction", largest_exposure),
    ("count", orders_sent),
    ("count", trades),
)


def measure(record: RunRecord) -> list[Metric]:
    """Every metric of the run."""
    return [Metric(each.__name__, each(record), unit, meaning(each)) for unit, each in METRICS]


def drawdowns(record: RunRecord) -> list[tuple[int, float]]:
    """For each equity point its distance below the highest point so far (start included), as a negative fraction."""
    values = [float(point.equity) for point in record.equity]
    tops = list(accumulate(values, max, initial=float(record.start_equity)))[1:]
    falls = (value / top - 1 if top > 0 else 0.0 for value, top in zip(values, tops, strict=True))
    return [(point.ts, fall) for point, fall in zip(record.equity, falls, strict=True)]


def slippage_bp(fill: FillRow) -> float | None:
    """How much worse than the middle of the quote a fill was, in basis points; negative is better."""
    return _worse(fill.side, float(fill.price), fill.mid)


def arrival_cost_bp(order: OrderRow) -> float | None:
    """How much worse than the quote's middle at the decision an order was filled, in basis points."""
    return None if order.avg_price is None else _worse(order.side, float(order.avg_price), order.arrival_mid)


def is_continued(record: RunRecord) -> bool:
    """Whether fills of an earlier start stand in the record: the journal goes on, the equity curve begins anew."""
    return any(fill.ts < record.started_ts for fill in record.fills)


def by_strategy(record: RunRecord) -> list[Result]:
    """Each strategy's part, from its own fills, marked at the same prices as the account."""
    names = dict.fromkeys([*record.strategies, *(order.strategy for order in record.orders)])
    orders, fills = _grouped(record.orders, _strategy_of), _grouped(record.fills, _strategy_of)
    return [_result(record, name, orders[name], fills[name]) for name in names]


def by_symbol(record: RunRecord) -> list[Result]:
    """Each symbol's part; the options on it are a row of their own."""
    names = dict.fromkeys([*record.symbols, *(_row_of(fill.symbol) for fill in record.fills)])
    orders = _grouped(record.orders, _row_of_order)
    fills = _grouped(record.fills, lambda fill: _row_of(fill.symbol))
    return [_result(record, name, orders[name], fills[name]) for name in names]


def _grouped(rows: Iterable[_Row], key: Callable[[_Row], str]) -> defaultdict[str, list[_Row]]:
    """Rows by a name, each in its order; one pass, however many names there are."""
    found: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _strategy_of(row: OrderRow | FillRow) -> str:
    return row.strategy


def _row_of_order(order: OrderRow) -> str:
    """A package goes by the name of its underlying, and belongs to the options."""
    return f"{order.symbol} options" if order.legs else _row_of(order.symbol)


def _row_of(symbol: str) -> str:
    root = underlying(symbol) if is_symbol(symbol) else symbol
    return symbol if root == symbol else f"{root} options"


def _result(record: RunRecord, name: str, orders: Sequence[OrderRow], fills: Sequence[FillRow]) -> Result:
    return Result(
        name=name,
        orders=sum(order.leg_of is None for order in orders),
        trades=_filled(orders),
        fills=len(fills),
        pnl=_pnl(record, fills),
        max_drawdown=_sleeve_drawdown(record, fills),
        worst_fill_bp=_worst(fills),
        turnover=_ratio(_traded(fills), record.start_equity) or 0.0,
    )


def _filled(orders: Sequence[OrderRow]) -> int:
    """Exits count, legs of packages do not: these fill with their package."""
    packages = {order.client_order_id for order in orders if order.legs}
    return sum(order.filled_qty > 0 and order.leg_of not in packages for order in orders)


def _pnl(record: RunRecord, fills: Sequence[FillRow]) -> Decimal:
    """Money in and out, and what is still held at its mark."""
    marks = {fill.symbol: fill.price for fill in fills}
    marks |= last_marks(record, marks)
    parts = (
        sign(fill) * (_units(fill) * factor_after(record, fill.symbol, fill.ts) * marks[fill.symbol] - worth(fill))
        for fill in fills
    )
    return sum(parts, ZERO).quantize(_FINE)


def factor_after(record: RunRecord, symbol: str, ts: int) -> Decimal:
    """What splits after `ts` made of one share."""
    factor = ONE
    for action in record.actions:
        if action.symbol == symbol and action.ts > ts:
            factor *= action.factor
    return factor


def last_marks(record: RunRecord, symbols: Iterable[str]) -> dict[str, Decimal]:
    """The prices that the books mark these symbols at in the end, where there is one."""
    asked = set(symbols)
    priced = {symbol: record.prices[symbol][-1] for symbol in asked if record.prices.get(symbol)}
    last = {symbol: Decimal(repr(point.close)) for symbol, point in priced.items()}
    return last | {row.symbol: row.mark for row in record.positions if row.symbol in asked and row.mark is not None}


def _sleeve_drawdown(record: RunRecord, fills: Sequence[FillRow]) -> float:
    """The deepest fall of these fills' own profit below its best, as a fraction of the start equity."""
    profits = [0.0, *(value for _, value, _ in _walk(record, fills))]
    deepest = min(value - top for value, top in zip(profits, accumulate(profits, max), strict=True))
    return deepest / float(record.start_equity) if record.start_equity > 0 else 0.0


def exposures(record: RunRecord) -> Iterator[tuple[int, float]]:
    """After each price of what was traded and each fill: the sum of all positions, long and short, USD."""
    return ((ts, gross) for ts, _, gross in _walk(record, _outside(record)))


def _outside(record: RunRecord) -> list[FillRow]:
    """What the account itself traded: not what was crossed between its strategies."""
    return [fill for fill in record.fills if not fill.internal]


class _Event(NamedTuple):
    """What changes what is held or what it is worth; at one time fills come first, then splits, then prices."""

    ts: int
    rank: int
    symbol: str
    price: float | None
    units: float
    factor: float


def _walk(record: RunRecord, fills: Sequence[FillRow]) -> Iterator[tuple[int, float, float]]:
    """Time, profit so far and gross exposure after each price and each fill, in the order of time."""
    held: dict[str, float] = defaultdict(float)
    price: dict[str, float] = {}
    cash = net = gross = 0.0
    for ts, _, symbol, at, units, factor in _events(record, fills):
        before = held[symbol] * price.get(symbol, 0.0)
        held[symbol] = held[symbol] * factor + units
        if at is not None:
            cash -= units * at
            price[symbol] = at
        elif symbol in price:
            price[symbol] /= factor  # a split changes shares and price, and nobody's money
        after = held[symbol] * price.get(symbol, 0.0)
        net += after - before
        gross += abs(after) - abs(before)
        yield ts, cash + net, max(0.0, gross)


def _events(record: RunRecord, fills: Sequence[FillRow]) -> list[_Event]:
    mine = {fill.symbol for fill in fills}
    found = [
        _Event(each.ts, 0, each.symbol, float(each.price), float(sign(each) * _units(each)), 1.0) for each in fills
    ]
    found += [
        _Event(each.ts, 1, each.symbol, None, 0.0, float(each.factor))
        for each in record.actions
        if each.symbol in mine and each.factor != 1
    ]
    found += [
        _Event(point.ts, 2, symbol, point.close, 0.0, 1.0)
        for symbol in sorted(mine)
        for point in record.prices.get(symbol, [])
    ]
    return sorted(found, key=itemgetter(0, 1))


def _worst(fills: Iterable[FillRow]) -> float | None:
    return max((cost for fill in fills if (cost := slippage_bp(fill)) is not None), default=None)


def _cost(fill: FillRow) -> Decimal:
    return ZERO if fill.mid is None else sign(fill) * (worth(fill) - _units(fill) * Decimal(repr(fill.mid)))


def worth(fill: FillRow) -> Decimal:
    """What the fill was worth in USD, without a sign, exactly where the record says so."""
    if fill.notional is None:
        return _units(fill) * fill.price
    return fill.notional * times(fill.symbol)


def _units(fill: FillRow) -> Decimal:
    """Shares, or a hundred for each contract: what a price is for."""
    return fill.qty * times(fill.symbol)


@lru_cache(4096)
def times(symbol: str) -> Decimal:
    """What a unit of the price is worth; a record may come from anywhere, and what is no symbol counts once."""
    return multiplier(symbol) if is_symbol(symbol) else ONE


def _worse(side: str, price: float, mid: float | None) -> float | None:
    return None if not mid else Side(side).sign * (price - mid) / mid * 1e4


def sign(fill: FillRow) -> int:
    """1 for bought, -1 for sold."""
    return Side(fill.side).sign


def _traded(fills: Iterable[FillRow]) -> Decimal:
    return sum((abs(worth(fill)) for fill in fills), ZERO)


def _ratio(part: Decimal, whole: Decimal) -> float | None:
    return float(part / whole) if whole > 0 else None


def meaning(function: Callable[..., object]) -> str:
    """What a metric means: the first line of the docstring of the function that computes it."""
    return (function.__doc__ or "").strip().splitlines()[0]
