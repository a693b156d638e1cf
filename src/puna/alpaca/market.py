"""The data API's calls for US stocks: history, auctions, latest, snapshots. Each answers a value to be sent.

These take many symbols; the forms for one symbol are in `puna.alpaca.single`. Source: SPEC-D, fact sheet 6.
"""

from collections.abc import Iterable
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import (
    Lane,
    Moment,
    Page,
    Paged,
    Request,
    by_symbol,
    data_request,
    mapped,
    moment,
    reading,
    segment,
    tokens,
)
from puna.wire.codec import decoder
from puna.wire.market import (
    AuctionsPage,
    Bar,
    BarsPage,
    DailyAuctions,
    LatestBars,
    LatestQuotes,
    LatestTrades,
    Quote,
    QuotesPage,
    Snapshot,
    Snapshots,
    Trade,
    TradesPage,
)

__all__ = [
    "Moment",
    "get_auctions",
    "get_bars",
    "get_conditions",
    "get_exchanges",
    "get_latest_bars",
    "get_latest_quotes",
    "get_latest_trades",
    "get_quotes",
    "get_snapshots",
    "get_trades",
]

BARS_LIMIT = 10_000  # rows of a page, over all symbols [SPEC-D]

_bars_page = reading(decoder(BarsPage))
_bar_rows = by_symbol(_bars_page, lambda page: page.bars)
_quotes_page = reading(decoder(QuotesPage))
_quote_rows = by_symbol(_quotes_page, lambda page: page.quotes)
_trades_page = reading(decoder(TradesPage))
_trade_rows = by_symbol(_trades_page, lambda page: page.trades)
_auctions_page = reading(decoder(AuctionsPage))
_latest_quotes = mapped(reading(decoder(LatestQuotes)), lambda answer: answer.quotes)
_latest_trades = mapped(reading(decoder(LatestTrades)), lambda answer: answer.trades)
_latest_bars = mapped(reading(decoder(LatestBars)), lambda answer: answer.bars)
_words = reading(decoder(dict[str, str]))
_snapshots = mapped(
    reading(decoder(Snapshots)), lambda answer: {symbol: each for symbol, each in answer.items() if each is not None}
)


@operation("GET /v2/stocks/bars", "StockBars")
def get_bars(
    symbols: Iterable[str],
    timeframe: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    adjustment: str = "raw",
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = BARS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, Bar]]:
    """Bars with their symbols, by symbol and then time, to the last page; symbols without data do not occur.

    Args:
        symbols: up to a few hundred.
        timeframe: `1Min` to `59Min`, `1Hour` to `23Hour`, `1Day`, `1Week`, `1Month` and the like.
        start: inclusive; without it, the beginning of the current day.
        end: inclusive.
        adjustment: `raw`, `split`, `dividend`, `spin-off`, `all`, or several, joined by commas.
        feed: `sip`, `iex`, `boats` or `otc`; without it, the best of the plan.
        asof: the day whose symbols are meant; `-` switches the mapping of renamed symbols off.
        currency: of the prices, such as `EUR`; USD when not given.
        sort: by time, within a symbol.
        limit: rows of one page.
        lane: backfill yields to everything else; a warm-up may ask for more.
    """
    return tokens(
        "/v2/stocks/bars",
        _bar_rows,
        lane=lane,
        symbols=",".join(symbols),
        timeframe=timeframe,
        start=moment(start),
        end=moment(end),
        adjustment=adjustment,
        feed=feed,
        asof=asof,
        currency=currency,
        sort=sort,
        limit=limit,
    )


@operation("GET /v2/stocks/quotes", "StockQuotes")
def get_quotes(
    symbols: Iterable[str],
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = BARS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, Quote]]:
    """Quotes with their symbols, by symbol and then time, to the last page; parameters as in `get_bars`."""
    span = {"start": moment(start), "end": moment(end), "sort": sort}
    form = {"feed": feed, "asof": asof, "currency": currency}
    return tokens("/v2/stocks/quotes", _quote_rows, span, form, lane=lane, symbols=",".join(symbols), limit=limit)


@operation("GET /v2/stocks/trades", "StockTrades")
def get_trades(
    symbols: Iterable[str],
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = BARS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, Trade]]:
    """Trades with their symbols, by symbol and then time, to the last page; parameters as in `get_bars`."""
    span = {"start": moment(start), "end": moment(end), "sort": sort}
    form = {"feed": feed, "asof": asof, "currency": currency}
    return tokens("/v2/stocks/trades", _trade_rows, span, form, lane=lane, symbols=",".join(symbols), limit=limit)


@operation("GET /v2/stocks/auctions", "StockAuctions")
def get_auctions(
    symbols: Iterable[str],
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    feed: str | None = None,
    asof: str | None = None,
    currency: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = BARS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, DailyAuctions]]:
    """Opening and closing auctions with their symbols, by symbol and then day; `feed` is `sip` or nothing."""
    span = {"start": moment(start), "end": moment(end), "sort": sort}
    form = {"feed": feed, "asof": asof, "currency": currency}
    names = ",".join(symbols)
    return tokens("/v2/stocks/auctions", _auction_rows, span, form, lane=lane, symbols=names, limit=limit)


@operation("GET /v2/stocks/quotes/latest", "StockLatestQuotes")
def get_latest_quotes(
    symbols: Iterable[str], *, feed: str | None = None, currency: str | None = None
) -> Request[dict[str, Quote]]:
    """The newest quote of each symbol that has one."""
    return data_request("/v2/stocks/quotes/latest", _latest_quotes, symbols=symbols, feed=feed, currency=currency)


@operation("GET /v2/stocks/trades/latest", "StockLatestTrades")
def get_latest_trades(
    symbols: Iterable[str], *, feed: str | None = None, currency: str | None = None
) -> Request[dict[str, Trade]]:
    """The newest trade of each symbol that has one."""
    return data_request("/v2/stocks/trades/latest", _latest_trades, symbols=symbols, feed=feed, currency=currency)


@operation("GET /v2/stocks/bars/latest", "StockLatestBars")
def get_latest_bars(
    symbols: Iterable[str], *, feed: str | None = None, currency: str | None = None
) -> Request[dict[str, Bar]]:
    """The newest minute bar of each symbol that has one."""
    return data_request("/v2/stocks/bars/latest", _latest_bars, symbols=symbols, feed=feed, currency=currency)


@operation("GET /v2/stocks/snapshots", "StockSnapshots")
def get_snapshots(
    symbols: Iterable[str], *, feed: str | None = None, currency: str | None = None
) -> Request[dict[str, Snapshot]]:
    """The newest of everything of each symbol that is known."""
    return data_request("/v2/stocks/snapshots", _snapshots, symbols=symbols, feed=feed, currency=currency)


@operation("GET /v2/stocks/meta/conditions/{ticktype}", "StockMetaConditions")
def get_conditions(ticktype: Literal["trade", "quote"], tape: Literal["A", "B", "C"]) -> Request[dict[str, str]]:
    """What the condition codes of a tape mean."""
    return data_request(f"/v2/stocks/meta/conditions/{segment(ticktype)}", _words, tape=tape)


@operation("GET /v2/stocks/meta/exchanges", "StockMetaExchanges")
def get_exchanges() -> Request[dict[str, str]]:
    """What the exchange codes mean."""
    return data_request("/v2/stocks/meta/exchanges", _words)


def _auction_rows(body: bytes) -> Page[tuple[str, DailyAuctions]]:
    page = _auctions_page(body)
    rows = [(symbol, day) for symbol, days in (page.auctions or {}).items() for day in days]
    return Page(rows, page.next_page_token or None)
