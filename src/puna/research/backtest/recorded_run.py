"""A day that a run has heard, for a backtest: its bars, the quotes that stood at their ends, its warm-up.

What a run notes down are the bars it heard and the quote at each; quotes in between, prints, options and coins are not.
So decisions that hang on bars come again, and market orders meet the quote they met; what happens inside of a bar is
guessed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from puna.core.symbols import multiplier
from puna.core.types import ZERO, Bar
from puna.engine.record import RunRecord
from puna.engine.recorder import HeardBar
from puna.engine.timeframe import MINUTE
from puna.errors import DataError
from puna.research.backtest.data import Columns, History, history_of
from puna.research.backtest.fills import BarShape, Fills, no_impact, shorter_way, usual_spread

__all__ = ["RECORDED", "books_at_start", "history_heard"]


def half_of_it(bar: BarShape) -> float:
    """A limit fills when the other side of the quote has come to it: half a spread beyond the price."""
    return usual_spread(bar)


RECORDED = Fills(
    name="recorded",
    half_spread=usual_spread,
    share=None,
    impact=no_impact,
    through=half_of_it,
    high_first=shorter_way,
    text="market orders meet the quote that the run saw at the end of the bar; inside of bars a usual spread, any size",
)
"""How orders fill on a day that was recorded."""


def history_heard(heard: Iterable[HeardBar], source: str) -> History:
    """The bars of a run, as a history of minutes.

    Raises:
        DataError: E670, no bar of a minute was heard.
    """
    minutes: dict[str, list[Bar]] = defaultdict(list)
    past: dict[str, list[Bar]] = defaultdict(list)
    daily: dict[str, list[Bar]] = defaultdict(list)
    quotes: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
    for timeframe, bar, quote, early in heard:
        if not early:
            minutes[bar.symbol].append(bar)
            if quote is not None and quote.usable:
                quotes[bar.symbol][bar.ts_event + MINUTE] = (quote.bid, quote.ask)
        elif timeframe in ("1Min", "1Day"):
            (past if timeframe == "1Min" else daily)[bar.symbol].append(bar)
    if not minutes:
        raise DataError(f"{source} holds no bar that was heard.", state="Nothing was run.", code="E670")
    made = history_of("1Min", _columns(minutes), source=source)
    return replace(made, past=_apart("1Min", past), daily=_apart("1Day", daily), quotes=quotes)


def books_at_start(
    record: RunRecord, symbols: Collection[str] | None = None
) -> tuple[Decimal, dict[str, tuple[Decimal, Decimal]]]:
    """Cash, and what was held with its price, when the run began: what it held at the end, less what it traded.

    What is not among `symbols` has no bars, and counts as cash.
    """
    held: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for position in record.positions:
        held[position.symbol] += position.qty
    first: dict[str, Decimal] = {}
    for fill in record.fills:
        if not fill.internal:
            held[fill.symbol] -= fill.qty if fill.side == "buy" else -fill.qty
        first.setdefault(fill.symbol, fill.price)
    marks = {each.symbol: each.mark for each in record.positions if each.mark is not None}
    books = {symbol: (qty, first.get(symbol) or marks.get(symbol) or ZERO) for symbol, qty in held.items() if qty}
    kept = {symbol: each for symbol, each in books.items() if symbols is None or symbol in symbols}
    rest = sum((qty * price * multiplier(name) for name, (qty, price) in books.items() if name not in kept), ZERO)
    return record.start_cash + rest, kept


def _apart(timeframe: str, bars: Mapping[str, list[Bar]]) -> dict[str, Columns]:
    return dict(history_of(timeframe, _columns(bars)).columns) if bars else {}


def _columns(bars: Mapping[str, list[Bar]]) -> dict[str, dict[str, Any]]:
    """As columns, oldest first, each left edge once."""
    found = {}
    for symbol, each in bars.items():
        rows = [bar for _, bar in sorted({bar.ts_event: bar for bar in each}.items())]
        found[symbol] = {
            "time": [bar.ts_event for bar in rows],
            "open": [bar.open for bar in rows],
            "high": [bar.high for bar in rows],
            "low": [bar.low for bar in rows],
            "close": [bar.close for bar in rows],
            "volume": [bar.volume for bar in rows],
            "trades": [bar.trade_count for bar in rows],
            "vwap": [bar.vwap for bar in rows],
        }
    return found
