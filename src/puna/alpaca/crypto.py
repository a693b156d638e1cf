"""The data API's calls for crypto: history, latest, books, snapshots. Each answers a value to be sent.

Pairs have a slash here (`BTC/USD`); `loc` says whose market: `us` (Alpaca's), `us-1`, `us-2`, `eu-1`, `bs-1`.
Source: SPEC-D, fact sheet 6.
"""

from collections.abc import Iterable
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import (
    Lane,
    Moment,
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
from puna.wire.crypto import (
    CryptoBarsPage,
    CryptoLatestBars,
    CryptoLatestOrderbooks,
    CryptoLatestQuotes,
    CryptoLatestTrades,
    CryptoOrderbook,
    CryptoQuote,
    CryptoQuotesPage,
    CryptoSnapshot,
    CryptoSnapshots,
    CryptoTrade,
    CryptoTradesPage,
)
from puna.wire.market import Bar

__all__ = [
    "get_crypto_bars",
    "get_crypto_latest_bars",
    "get_crypto_latest_orderbooks",
    "get_crypto_latest_quotes",
    "get_crypto_latest_trades",
    "get_crypto_quotes",
    "get_crypto_snapshots",
    "get_crypto_trades",
]

ROWS_LIMIT = 10_000  # rows of a page, over all pairs [SPEC-D]

_bars = reading(decoder(CryptoBarsPage))
_bar_rows = by_symbol(_bars, lambda page: page.bars)
_quotes = reading(decoder(CryptoQuotesPage))
_quote_rows = by_symbol(_quotes, lambda page: page.quotes)
_trades = reading(decoder(CryptoTradesPage))
_trade_rows = by_symbol(_trades, lambda page: page.trades)
_latest_bars = mapped(reading(decoder(CryptoLatestBars)), lambda answer: answer.bars)
_latest_quotes = mapped(reading(decoder(CryptoLatestQuotes)), lambda answer: answer.quotes)
_latest_trades = mapped(reading(decoder(CryptoLatestTrades)), lambda answer: answer.trades)
_latest_orderbooks = mapped(reading(decoder(CryptoLatestOrderbooks)), lambda answer: answer.orderbooks)
_snapshots = mapped(reading(decoder(CryptoSnapshots)), lambda answer: answer.snapshots)


@operation("GET /v1beta3/crypto/{loc}/bars", "CryptoBars")
def get_crypto_bars(
    symbols: Iterable[str],
    timeframe: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    loc: str = "us",
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, Bar]]:
    """Bars with their pairs, by pair and then time, to the last page; `start` and `end` inclusive."""
    return tokens(
        f"/v1beta3/crypto/{segment(loc)}/bars",
        _bar_rows,
        lane=lane,
        symbols=",".join(symbols),
        timeframe=timeframe,
        start=moment(start),
        end=moment(end),
        sort=sort,
        limit=limit,
    )


@operation("GET /v1beta3/crypto/{loc}/quotes", "CryptoQuotes")
def get_crypto_quotes(
    symbols: Iterable[str],
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    loc: str = "us",
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, CryptoQuote]]:
    """Quotes with their pairs, by pair and then time, to the last page; `start` and `end` inclusive."""
    return tokens(
        f"/v1beta3/crypto/{segment(loc)}/quotes",
        _quote_rows,
        lane=lane,
        symbols=",".join(symbols),
        start=moment(start),
        end=moment(end),
        sort=sort,
        limit=limit,
    )


@operation("GET /v1beta3/crypto/{loc}/trades", "CryptoTrades")
def get_crypto_trades(
    symbols: Iterable[str],
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    loc: str = "us",
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, CryptoTrade]]:
    """Trades with their pairs, by pair and then time, to the last page; `start` and `end` inclusive."""
    return tokens(
        f"/v1beta3/crypto/{segment(loc)}/trades",
        _trade_rows,
        lane=lane,
        symbols=",".join(symbols),
        start=moment(start),
        end=moment(end),
        sort=sort,
        limit=limit,
    )


@operation("GET /v1beta3/crypto/{loc}/latest/bars", "CryptoLatestBars")
def get_crypto_latest_bars(symbols: Iterable[str], *, loc: str = "us") -> Request[dict[str, Bar]]:
    """The newest minute bar of each pair that has one."""
    return data_request(f"/v1beta3/crypto/{segment(loc)}/latest/bars", _latest_bars, symbols=symbols)


@operation("GET /v1beta3/crypto/{loc}/latest/quotes", "CryptoLatestQuotes")
def get_crypto_latest_quotes(symbols: Iterable[str], *, loc: str = "us") -> Request[dict[str, CryptoQuote]]:
    """The newest quote of each pair that has one."""
    return data_request(f"/v1beta3/crypto/{segment(loc)}/latest/quotes", _latest_quotes, symbols=symbols)


@operation("GET /v1beta3/crypto/{loc}/latest/trades", "CryptoLatestTrades")
def get_crypto_latest_trades(symbols: Iterable[str], *, loc: str = "us") -> Request[dict[str, CryptoTrade]]:
    """The newest trade of each pair that has one."""
    return data_request(f"/v1beta3/crypto/{segment(loc)}/latest/trades", _latest_trades, symbols=symbols)


@operation("GET /v1beta3/crypto/{loc}/latest/orderbooks", "CryptoLatestOrderbooks")
def get_crypto_latest_orderbooks(symbols: Iterable[str], *, loc: str = "us") -> Request[dict[str, CryptoOrderbook]]:
    """The book of each pair that has one."""
    return data_request(f"/v1beta3/crypto/{segment(loc)}/latest/orderbooks", _latest_orderbooks, symbols=symbols)


@operation("GET /v1beta3/crypto/{loc}/snapshots", "CryptoSnapshots")
def get_crypto_snapshots(symbols: Iterable[str], *, loc: str = "us") -> Request[dict[str, CryptoSnapshot]]:
    """The newest of everything of each pair."""
    return data_request(f"/v1beta3/crypto/{segment(loc)}/snapshots", _snapshots, symbols=symbols)
