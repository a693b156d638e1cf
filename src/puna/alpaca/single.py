"""The data API's calls for one stock symbol: the same as in `puna.alpaca.market`, at paths of their own.

Source: SPEC-D, fact sheet 6. With several symbols, one call of `puna.alpaca.market` costs less of the rate budget.
"""

from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import (
    Lane,
    Moment,
    Page,
    Paged,
    Request,
    data_request,
    mapped,
    moment,
    reading,
    segment,
    tokens,
)
from puna.wire.codec import decoder
from puna.wire.market import (
    Bar,
    DailyAuctions,
    LatestBar,
    LatestQuote,
    LatestTrade,
    Quote,
    SymbolAuctionsPage,
    SymbolBarsPage,
    SymbolQuotesPage,
    SymbolSnapshot,
    SymbolTradesPage,
    Trade,
)

__all__ = [
    "get_symbol_auctions",
    "get_symbol_bars",
    "get_symbol_latest_bar",
    "get_symbol_latest_quote",
    "get_symbol_latest_trade",
    "get_symbol_quotes",
    "get_symbol_snapshot",
    "get_symbol_trades",
]

ROWS_LIMIT = 10_000  # rows of a page [SPEC-D]

_bars_page = reading(decoder(SymbolBarsPage))
_quotes_page = reading(decoder(SymbolQuotesPage))
_trades_page = reading(decoder(SymbolTradesPage))
_auctions_page = reading(decoder(SymbolAuctionsPage))
_latest_bar = mapped(reading(decoder(LatestBar)), lambda answer: answer.bar)
_latest_quote = mapped(reading(decoder(LatestQuote)), lambda answer: answer.quote)
_latest_trade = mapped(reading(decoder(LatestTrade)), lambda answer: answer.trade)
_snapshot = reading(decoder(SymbolSnapshot))


@operation("GET /v2/stocks/{symbol}/bars", "StockBarSingle")
def get_symbol_bars(
    symbol: str,
    timeframe: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    adjustment: str = "raw",
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[Bar]:
    """Bars of one symbol by time, to the last page; parameters as in `get_bars`."""
    path = f"/v2/stocks/{segment(symbol)}/bars"
    span = {"start": moment(start), "end": moment(end), "sort": sort}
    form = {"feed": feed, "asof": asof, "currency": currency, "timeframe": timeframe, "adjustment": adjustment}
    return tokens(path, _bars, span, form, lane=lane, limit=limit)


@operation("GET /v2/stocks/{symbol}/quotes", "StockQuoteSingle")
def get_symbol_quotes(
    symbol: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[Quote]:
    """Quotes of one symbol by time, to the last page."""
    path = f"/v2/stocks/{segment(symbol)}/quotes"
    span = {"start": moment(start), "end": moment(end), "sort": sort}
    form = {"feed": feed, "asof": asof, "currency": currency}
    return tokens(path, _quotes, span, form, lane=lane, limit=limit)


@operation("GET /v2/stocks/{symbol}/trades", "StockTradeSingle")
def get_symbol_trades(
    symbol: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[Trade]:
    """Trades of one symbol by time, to the last page."""
    path = f"/v2/stocks/{segment(symbol)}/trades"
    span = {"start": moment(start), "end": moment(end), "sort": sort}
    form = {"feed": feed, "asof": asof, "currency": currency}
    return tokens(path, _trades, span, form, lane=lane, limit=limit)


@operation("GET /v2/stocks/{symbol}/auctions", "StockAuctionSingle")
def get_symbol_auctions(
    symbol: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[DailyAuctions]:
    """Auctions of one symbol by day, to the last page."""
    path = f"/v2/stocks/{segment(symbol)}/auctions"
    span = {"start": moment(start), "end": moment(end), "sort": sort}
    form = {"feed": feed, "asof": asof, "currency": currency}
    return tokens(path, _auctions, span, form, lane=lane, limit=limit)


@operation("GET /v2/stocks/{symbol}/quotes/latest", "StockLatestQuoteSingle")
def get_symbol_latest_quote(symbol: str, *, feed: str | None = None, currency: str | None = None) -> Request[Quote]:
    """The newest quote of one symbol."""
    path = f"/v2/stocks/{segment(symbol)}/quotes/latest"
    return data_request(path, _latest_quote, feed=feed, currency=currency)


@operation("GET /v2/stocks/{symbol}/trades/latest", "StockLatestTradeSingle")
def get_symbol_latest_trade(symbol: str, *, feed: str | None = None, currency: str | None = None) -> Request[Trade]:
    """The newest trade of one symbol."""
    path = f"/v2/stocks/{segment(symbol)}/trades/latest"
    return data_request(path, _latest_trade, feed=feed, currency=currency)


@operation("GET /v2/stocks/{symbol}/bars/latest", "StockLatestBarSingle")
def get_symbol_latest_bar(symbol: str, *, feed: str | None = None, currency: str | None = None) -> Request[Bar]:
    """The newest minute bar of one symbol."""
    path = f"/v2/stocks/{segment(symbol)}/bars/latest"
    return data_request(path, _latest_bar, feed=feed, currency=currency)


@operation("GET /v2/stocks/{symbol}/snapshot", "StockSnapshotSingle")
def get_symbol_snapshot(
    symbol: str, *, feed: str | None = None, currency: str | None = None
) -> Request[SymbolSnapshot]:
    """The newest of everything of one symbol."""
    return data_request(f"/v2/stocks/{segment(symbol)}/snapshot", _snapshot, feed=feed, currency=currency)


def _bars(body: bytes) -> Page[Bar]:
    page = _bars_page(body)
    return Page(page.bars or [], page.next_page_token or None)


def _quotes(body: bytes) -> Page[Quote]:
    page = _quotes_page(body)
    return Page(page.quotes or [], page.next_page_token or None)


def _trades(body: bytes) -> Page[Trade]:
    page = _trades_page(body)
    return Page(page.trades or [], page.next_page_token or None)


def _auctions(body: bytes) -> Page[DailyAuctions]:
    page = _auctions_page(body)
    return Page(page.auctions or [], page.next_page_token or None)
