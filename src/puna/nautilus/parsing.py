"""Market data on the wire as NautilusTrader's ticks, bars, books and statuses. Pure functions; None is nothing usable.

Prices are rounded to the instrument's precision (see `equity_price_precision`): the framework's books and backtests
refuse prices of another one. A quote with a price of zero, and a trade without a size, is no tick (R30).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from nautilus_trader.model.data import (
    Bar,
    BarSpecification,
    BarType,
    BookOrder,
    InstrumentStatus,
    OrderBookDelta,
    OrderBookDeltas,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.enums import (
    AggressorSide,
    BarAggregation,
    BookAction,
    MarketStatusAction,
    OrderSide,
    PriceType,
    RecordFlag,
)
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Price, Quantity

from puna.errors import DataError
from puna.wire.crypto import Level
from puna.wire.market import Bar as WireBar
from puna.wire.market import Quote, Trade
from puna.wire.stream import (
    BarMessage,
    DailyBarMessage,
    QuoteMessage,
    StatusMessage,
    TradeMessage,
    UpdatedBarMessage,
)

__all__ = ["bar_of", "book_of", "levels_of", "quote_of", "span", "status_of", "timeframe_of", "trade_of"]

_UNITS: Final = {
    BarAggregation.MINUTE: ("Min", range(1, 60), 60),
    BarAggregation.HOUR: ("Hour", range(1, 24), 3_600),
    BarAggregation.DAY: ("Day", (1,), 86_400),
    BarAggregation.WEEK: ("Week", (1,), 7 * 86_400),
    BarAggregation.MONTH: ("Month", (1, 2, 3, 4, 6, 12), 0),
}
_SIDES: Final = {"B": AggressorSide.BUYER, "S": AggressorSide.SELLER}
# Codes of the tapes A and B, and of tape C (facts.md 7, RTS): what they mean for trading.
_ACTIONS: Final = {
    "2": MarketStatusAction.HALT,
    "3": MarketStatusAction.TRADING,
    "5": MarketStatusAction.NEW_PRICE_INDICATION,
    "6": MarketStatusAction.NEW_PRICE_INDICATION,
    "H": MarketStatusAction.HALT,
    "P": MarketStatusAction.PAUSE,
    "Q": MarketStatusAction.QUOTING,
    "T": MarketStatusAction.TRADING,
}


def quote_of(quote: Quote | QuoteMessage, instrument: Instrument, ts_init: int) -> QuoteTick | None:
    """A quote; None when one side has no price."""
    if not quote.bp or not quote.ap:
        return None
    price, size = instrument.price_precision, instrument.size_precision
    return QuoteTick(
        instrument.id,
        Price(quote.bp, price),
        Price(quote.ap, price),
        Quantity(quote.bs, size),
        Quantity(quote.as_, size),
        int(quote.t),
        ts_init,
    )


def trade_of(trade: Trade | TradeMessage, instrument: Instrument, ts_init: int) -> TradeTick | None:
    """A print; None when its size is nothing at the instrument's precision, or it has no price."""
    size = Quantity(trade.s, instrument.size_precision)
    if not trade.p or size == 0:
        return None
    return TradeTick(
        instrument.id,
        Price(trade.p, instrument.price_precision),
        size,
        _SIDES.get(getattr(trade, "tks", "") or "", AggressorSide.NO_AGGRESSOR),
        TradeId(str(trade.i)[:36] if trade.i else f"{int(trade.t)}"),
        int(trade.t),
        ts_init,
    )


def bar_of(
    bar: WireBar | BarMessage | DailyBarMessage | UpdatedBarMessage,
    bar_type: BarType,
    instrument: Instrument,
    ts_init: int,
    *,
    on_close: bool,
    revision: bool = False,
) -> Bar | None:
    """A bar; None when a price is missing. `on_close` stamps it with its end."""
    if not (bar.o and bar.h and bar.l and bar.c):
        return None
    precision = instrument.price_precision
    return Bar(
        bar_type,
        Price(bar.o, precision),
        Price(bar.h, precision),
        Price(bar.l, precision),
        Price(bar.c, precision),
        Quantity(bar.v, instrument.size_precision),
        int(bar.t) + (span(bar_type.spec, int(bar.t)) if on_close else 0),
        ts_init,
        revision,
    )


def levels_of(levels: Iterable[Level]) -> list[tuple[float, float]]:
    """Price and size of each level of one side of a book."""
    return [(level.p, level.s) for level in levels]


def book_of(
    bids: Iterable[tuple[float, float]],
    asks: Iterable[tuple[float, float]],
    instrument: Instrument,
    ts_event: int,
    ts_init: int,
    *,
    whole: bool,
) -> OrderBookDeltas | None:
    """An order book's message as deltas: the whole book anew, or levels changed, where a size of 0 removes one."""
    deltas = [OrderBookDelta.clear(instrument.id, 0, ts_event, ts_init)] if whole else []
    for side, levels in ((OrderSide.BUY, bids), (OrderSide.SELL, asks)):
        deltas += [_level(side, price, size, instrument, ts_event, ts_init, whole=whole) for price, size in levels]
    if not deltas:
        return None
    last = deltas[-1]
    deltas[-1] = OrderBookDelta(
        last.instrument_id,
        last.action,
        last.order,
        flags=last.flags | RecordFlag.F_LAST,
        sequence=0,
        ts_event=ts_event,
        ts_init=ts_init,
    )
    return OrderBookDeltas(instrument.id, deltas)


def status_of(status: StatusMessage, instrument: InstrumentId, ts_init: int) -> InstrumentStatus:
    """A trading status; a code that is not known is kept in the reason, and claims nothing."""
    action = _ACTIONS.get(status.sc, MarketStatusAction.NONE)
    known = action is not MarketStatusAction.NONE
    return InstrumentStatus(
        instrument,
        action,
        int(status.t),
        ts_init,
        reason=" ".join(word for word in (status.sc, status.sm, status.rc, status.rm) if word) or None,
        is_trading=action is MarketStatusAction.TRADING if known else None,
        is_quoting=action in (MarketStatusAction.TRADING, MarketStatusAction.QUOTING) if known else None,
    )


def timeframe_of(spec: BarSpecification) -> str:
    """Alpaca's word for a bar's step, such as 5Min.

    Raises:
        DataError: Alpaca has no such bars.
    """
    unit, steps, _ = _UNITS.get(spec.aggregation, ("", (), 0))
    if spec.price_type is not PriceType.LAST or spec.step not in steps:
        raise DataError(
            f"Alpaca has no bars of {spec}.",
            why="it has 1 to 59 minutes, 1 to 23 hours, a day, a week, and 1, 2, 3, 4, 6 or 12 months, of LAST prices",
            remedy="Let the framework aggregate them: a bar type that ends in INTERNAL.",
            code="E613",
        )
    return f"{spec.step}{unit}"


def span(spec: BarSpecification, start: int) -> int:
    """From a bar's beginning to its end, ns; a month's depends on where it begins."""
    unit, _, seconds = _UNITS[spec.aggregation]
    if unit != "Month":
        return int(spec.step) * seconds * 1_000_000_000
    begin = datetime.fromtimestamp(start / 1e9, tz=UTC)
    month = begin.month - 1 + int(spec.step)
    end = begin.replace(year=begin.year + month // 12, month=month % 12 + 1)
    return int((end - begin).total_seconds()) * 1_000_000_000


def _level(
    side: OrderSide, price: float, size: float, instrument: Instrument, ts_event: int, ts_init: int, *, whole: bool
) -> OrderBookDelta:
    quantity = Quantity(size, instrument.size_precision)
    action = BookAction.DELETE if quantity == 0 else BookAction.ADD if whole else BookAction.UPDATE
    order = BookOrder(side, Price(price, instrument.price_precision), quantity, 0)
    flags = RecordFlag.F_SNAPSHOT if whole else 0
    return OrderBookDelta(instrument.id, action, order, flags=flags, sequence=0, ts_event=ts_event, ts_init=ts_init)
